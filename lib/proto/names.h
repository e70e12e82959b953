#ifndef WARREN_PROTO_NAMES_H
#define WARREN_PROTO_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "proto/names_document.h"
#include "proto/netmap.h"

/*
 * The names of a network as one node knows them, and the answers made of them: every node as
 * NAME.NETWORK.internal with its addresses and their reverse names, and the records and split
 * domains of the network's names document. Nothing is asked of anybody here: what is not ours is
 * for the caller to send on.
 */

#define NAMES_MESSAGE_MAX  65535
#define NAMES_UDP_SIZE     512  /* RFC 1035 4.2.1, who says nothing of a larger one */
#define NAMES_UDP_SIZE_MAX 1232 /* what we say of ourselves, and never exceed */
#define NAMES_TTL_S        60
#define NAMES_NEGATIVE_S   5 /* a node that joins is to be found soon */
#define NAMES_HEADER_SIZE  12
#define NAMES_SECRET_SIZE  16

struct names_zone;

struct names_source {
	const char *network;
	const struct cert *own;                /* NULL: not enrolled */
	const struct netmap *map;              /* its peers, NULL: none */
	const struct names_document *document; /* NULL: none */
	uint32_t serial;                       /* of the SOA; grows with the map */
	/* NAMES_SECRET_SIZE random bytes, where others choose names; NULL: zeros */
	const uint8_t *secret;
};

/*
 * Copies all it needs. With ten thousand peers this takes tens of milliseconds: make one when a
 * question comes and the map has changed, not for each map. 0 or -ENOMEM.
 */
int names_zone_new(struct names_zone **zone, const struct names_source *source);
/* Accepts NULL. */
void names_zone_free(struct names_zone *zone);

/* "NETWORK.internal", to search. */
const char *names_zone_origin(const struct names_zone *zone);
/*
 * The domains whose questions are to come here, without a dot at the end: the network's, the
 * reverse ones of its addresses, the split ones, and single reverse names of records; at most
 * NAMES_DOMAINS_MAX. NULL after the last.
 */
#define NAMES_DOMAINS_MAX 1024
const char *names_zone_domain(const struct names_zone *zone, size_t index);

enum names_action {
	NAMES_DROP,    /* no question, or not even a header: no answer at all */
	NAMES_ANSWER,  /* out has it */
	NAMES_FORWARD, /* out has the query to send on; its id is for the caller to replace */
};

struct names_outcome {
	enum names_action action;
	size_t len;                      /* of what is in out */
	const struct names_split *split; /* FORWARD: to its servers; NULL: upstream */
};

/*
 * What to do with a query. out and max are the room for the answer, at least NAMES_UDP_SIZE; over
 * UDP it is cut to what the client takes (RFC 6891), with TC set. The split belongs to the zone.
 */
struct names_outcome names_answer(const struct names_zone *zone, const uint8_t *query, size_t len,
				  uint8_t *out, size_t max, bool udp);

/*
 * After NAMES_FORWARD: the answer for the client, made of what a server sent (which must answer the
 * forwarded question; its id was the caller's to check). It has the client's id and question, is
 * cut to what the client takes, and where a name of ours led elsewhere begins with that. 0 with
 * *out_len; -EBADMSG: it answers another question or is malformed: go on waiting.
 */
int names_finish(const struct names_zone *zone, const uint8_t *query, size_t len,
		 const uint8_t *reply, size_t reply_len, uint8_t *out, size_t max, bool udp,
		 size_t *out_len);
/* The SERVFAIL (or another rcode) for a query: nobody answered. 0: no answer can be made. */
size_t names_failure(const uint8_t *query, size_t len, int rcode, uint8_t *out, size_t max);
/* Does the reply's question equal that of the query that was sent, id and case included? */
bool names_matches(const uint8_t *sent, size_t sent_len, const uint8_t *reply, size_t reply_len);

#define NAMES_RCODE_SERVFAIL 2
#define NAMES_RCODE_REFUSED  5

/*
 * The addresses of a name, for our own tools: NAME, NAME.NETWORK.internal, or a record, in any
 * case. At most max, v4 first. How many; 0: a name of ours without addresses; -ENOENT: no name of
 * ours (ask the system); -EINVAL: no name.
 */
int names_resolve(const struct names_zone *zone, const char *text, struct ip_addr *addresses,
		  size_t max);
/* The name of an address, if it is one of ours. 0 or -ENOENT. */
int names_reverse(const struct names_zone *zone, const struct ip_addr *addr,
		  char out[static NAMES_TEXT_NAME_SIZE]);

#endif
