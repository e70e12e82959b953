#ifndef WARREN_PROTO_FILTER_H
#define WARREN_PROTO_FILTER_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/filter_rules.h"
#include "proto/filter_tuple.h"

/*
 * The stateful packet filter: the receiver's, and for the networks behind a node also the sender's.
 * Rules say what one peer may start towards this node; the flow table, shared by all workers,
 * remembers what this node or an allowed peer started, so that answers pass. Verdicts are asked
 * once for a run of packets with one tuple.
 *
 * A flow picked up in its middle (this daemon was restarted, or the flow was evicted) counts as
 * started by whoever is seen first. Flows end after silence for:
 */
#define FILTER_TCP_OPENING_S 240  /* until the opener answers the answer (RFC 5382, REQ-5) */
#define FILTER_TCP_OPEN_S    7440 /* 2 h 4 min (RFC 5382, REQ-5) */
#define FILTER_TCP_CLOSING_S 240  /* after FIN or RST (RFC 5382, REQ-5) */
#define FILTER_UDP_S         180  /* and other protocols (RFC 4787, REQ-5: at least 120) */
#define FILTER_ICMP_S        30
#define FILTER_FRAGMENT_S    30 /* how long the rest of a fragmented packet may follow */

#define FILTER_FLOWS_MAX 65536

struct filter_flows;

/* NULL when out of memory. secret keys the hash. */
struct filter_flows *filter_flows_new(const uint8_t secret[static 16]);
void filter_flows_free(struct filter_flows *flows);

/*
 * Records a run that this node sends from an address of its own, which tuple->carrier is to take if
 * the flow is in nobody's hands yet. Returns in whose it is: of several peers that carry a network
 * a flow stays with the one that brought it last; 0: there is no flow. Thread-safe.
 */
uint64_t filter_note_outbound(struct filter_flows *flows, const struct filter_tuple *tuple,
			      uint64_t now_ns);
/* The one in whose hands the flow is cannot take it any more: tuple->carrier does. Thread-safe. */
void filter_move_flow(struct filter_flows *flows, const struct filter_tuple *tuple,
		      uint64_t now_ns);

/*
 * May this run, received from a peer with these rules, pass? True for answers to known flows and
 * for flows that a rule allows (which are then known); rules that were changed since a flow began
 * are consulted again. NULL rules allow nothing new. Thread-safe.
 */
bool filter_pass_inbound(struct filter_flows *flows, const struct filter_rules *rules,
			 const struct filter_tuple *tuple, bool related, uint64_t now_ns);

/*
 * The other direction, for a run that comes from the networks behind this node: may it go to a peer
 * towards whom those networks have these rules? As above, with the sides exchanged. *carrier as
 * filter_note_outbound returns it. Thread-safe.
 */
bool filter_pass_outbound(struct filter_flows *flows, const struct filter_rules *lan,
			  const struct filter_tuple *tuple, bool related, uint64_t now_ns,
			  uint64_t *carrier);

#endif
