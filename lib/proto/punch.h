#ifndef WARREN_PROTO_PUNCH_H
#define WARREN_PROTO_PUNCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "crypto/rng.h"
#include "proto/candidate.h"
#include "proto/nat_mapping.h"
#include "proto/punch_budget.h"

/*
 * Port guessing through a hard NAT, towards one peer. The side behind it opens many mappings, each
 * by a check from a socket of its own to the peer's one known endpoint; the other side sends checks
 * to ports of the hard side's address, first where its next mappings are foreseen, then anywhere.
 * With 256 of 64512 ports open the chance is one half after 175 probes, and 19 in 20 after 755.
 *
 * No clock, no socket: the owner tells what both sides know, drains punch_poll_order after every
 * call that takes now_ns, and sends what it orders as ice_stray_check makes it. Both sides come to
 * the same plan because each tells the other what it goes by. One run for every network that either
 * side is in; a run that fails is repeated minutes later, then ever more seldom.
 */
#define PUNCH_SOCKETS    256
#define PUNCH_PROBES_MAX 3072 /* of one run: fails once in 200,000 */

struct punch;

struct punch_config {
	struct rng rng;
	struct punch_budget *budget; /* outlives it */
	bool first; /* so for one of the two: whose NAT is taken for the hard one first */
};

/* NULL when out of memory. */
struct punch *punch_new(const struct punch_config *config);
/* Gives back what it holds of the budget; the sockets are the owner's to close. Accepts NULL. */
void punch_free(struct punch *punch);

/* What is known of our own NAT, and our address outside (family 0: none). */
void punch_set_own(struct punch *punch, const struct nat_report *report,
		   const struct ip_addr *outside, uint64_t now_ns);
/* What the peer's description says; count candidates may be more of those told before. */
void punch_set_peer(struct punch *punch, const struct nat_report *report,
		    const struct candidate *candidates, size_t count, uint64_t now_ns);
/* An ICE session begins: what is under way ends, and nothing of the peer's is known. */
void punch_restart(struct punch *punch, uint64_t now_ns);
/* Our addresses changed: what failed before may succeed now. Before punch_restart. */
void punch_network_changed(struct punch *punch, uint64_t now_ns);
/* The user wants a direct path again: a run that had to wait need not any more. */
void punch_begin_anew(struct punch *punch, uint64_t now_ns);
/* There is a valid direct pair, or none any more. */
void punch_set_direct(struct punch *punch, bool direct, uint64_t now_ns);

/* What to tell the peer now; asking is taken for telling. */
struct nat_report punch_report(struct punch *punch, uint64_t now_ns);
/* The peer should be told again, because it goes by something else. */
bool punch_has_news(struct punch *punch, uint64_t now_ns);
/*
 * Both NATs are hard, so no pair will be found; or a whole run found none although one that is not
 * known to be easy must have been met if only it were hard alone.
 */
bool punch_is_hopeless(const struct punch *punch);

enum punch_order_type {
	PUNCH_ORDER_OPEN,  /* `count` sockets; punch_opened says how many there are */
	PUNCH_ORDER_CLOSE, /* all but those that came to something */
	PUNCH_ORDER_SEND,  /* a check to remote */
};

#define PUNCH_SHARED SIZE_MAX

struct punch_order {
	enum punch_order_type type;
	size_t count;
	size_t socket; /* SEND: of those opened, or PUNCH_SHARED: the shared port */
	struct endpoint remote;
	uint8_t ttl; /* 0: the system's */
};

bool punch_poll_order(struct punch *punch, struct punch_order *order, uint64_t now_ns);
/* After OPEN; 0 ends the run. */
void punch_opened(struct punch *punch, size_t count, uint64_t now_ns);

uint64_t punch_next_timeout(const struct punch *punch);
void punch_expire(struct punch *punch, uint64_t now_ns);

#endif
