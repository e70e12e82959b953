#ifndef WARREN_PROTO_FILTER_H
#define WARREN_PROTO_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

/*
 * The receiver's stateful packet filter. Rules say what one peer may start towards this node; the
 * flow table, shared by all workers, remembers what this node or an allowed peer started, so that
 * answers pass. Verdicts are asked once for a run of packets with one tuple.
 */

#define FILTER_RULES_MAX 4096 /* for one peer */
#define FILTER_FLOWS_MAX 65536
#define FILTER_PROTO_ANY 0

/* What identifies a flow inside the tunnel. Ports are host order; ICMP echo: id in both ports. */
struct filter_tuple {
	struct ip_addr src;
	struct ip_addr dst;
	uint8_t proto; /* IP protocol number */
	uint8_t icmp_type;
	uint16_t src_port;
	uint16_t dst_port;
	bool fragment;  /* not the first fragment: ports unknown */
	bool tcp_open;  /* TCP with SYN and without ACK */
	bool tcp_close; /* TCP with FIN or RST */
};

/*
 * One kind of flow, allowed or denied: to dst, proto (FILTER_PROTO_ANY: all), ports low..high
 * inclusive. A flow passes when some rule allows it and none denies it.
 */
struct filter_rule {
	struct prefix dst; /* family 0: any */
	uint8_t proto;
	uint16_t port_low;
	uint16_t port_high; /* 0 and 65535 together: any, also for protocols without ports */
	bool deny;
};

/* Immutable once made. rules are copied. NULL when out of memory or above FILTER_RULES_MAX. */
struct filter_rules *filter_rules_new(const struct filter_rule *rules, size_t count);
void filter_rules_free(struct filter_rules *rules);

/* NULL when out of memory. secret keys the hash. */
struct filter_flows *filter_flows_new(const uint8_t secret[static 16]);
void filter_flows_free(struct filter_flows *flows);

/*
 * Fills *tuple from an IP packet of len bytes (v4, or v6 with at most 8 extension headers). 0 or
 * -EBADMSG for a packet that is malformed or too short for what it claims.
 * For ICMP errors the tuple is the one of the quoted packet turned round, so that they match the
 * flow they are about; *related is then true.
 */
int filter_tuple_parse(struct filter_tuple *tuple, bool *related, const uint8_t *packet,
		       size_t len);

/* Records a run that this node sends. Thread-safe. */
void filter_note_outbound(struct filter_flows *flows, const struct filter_tuple *tuple,
			  uint64_t now_ns);

/*
 * May this run, received from a peer with these rules, pass? True for answers to known flows and
 * for flows that a rule allows (which are then known); rules that were changed since a flow began
 * are consulted again. NULL rules allow nothing new. Thread-safe.
 */
bool filter_pass_inbound(struct filter_flows *flows, const struct filter_rules *rules,
			 const struct filter_tuple *tuple, bool related, uint64_t now_ns);

#endif
