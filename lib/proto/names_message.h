#ifndef WARREN_PROTO_NAMES_MESSAGE_H
#define WARREN_PROTO_NAMES_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* After stdbool.h, without which it would bring a bool of its own. */
#include <ldns/ldns.h>

#include "proto/names.h"

/* Queries as they come and messages as they go; for names_*.c only. */

#define NAMES_RCODE_NOERROR  0
#define NAMES_RCODE_FORMERR  1
#define NAMES_RCODE_NXDOMAIN 3
#define NAMES_RCODE_NOTIMP   4
#define NAMES_RCODE_BADVERS  16 /* RFC 6891 6.1.3 */

#define NAMES_FLAG_QR 0x8000
#define NAMES_FLAG_TC 0x0200

/* A query with one question, or what is left of it. */
struct names_query {
	uint16_t id;
	bool rd;
	bool cd;
	bool question;          /* what follows is known */
	struct names_name name; /* as it came */
	struct names_name lower;
	uint16_t type;
	uint16_t class;
	bool edns;
	bool dnssec;       /* DO */
	uint16_t udp_size; /* what the client takes over UDP, within our bounds */
};

/*
 * Reads a query. NAMES_RCODE_NOERROR, or the error to answer with; -EBADMSG: not to be answered at
 * all.
 */
int names_query_parse(struct names_query *query, const uint8_t *data, size_t len);

/* An answer without records yet, or NULL when out of memory. */
ldns_pkt *names_reply_new(const struct names_query *query, int rcode);
/* As bytes; when they do not fit, without records and with TC. 0: out of memory. */
size_t names_reply_encode(ldns_pkt *reply, uint8_t *out, size_t max);
/* A query for this name instead, with an id of zero. 0: out of memory, or no room. */
size_t names_query_encode(const struct names_query *query, const struct names_name *name,
			  uint8_t *out, size_t max);

/* A record of these bytes; NULL: they are none of this type's, or out of memory. */
ldns_rr *names_record_new(const struct names_name *owner, uint16_t type, uint32_t ttl_s,
			  const uint8_t *rdata, size_t len);
/* Gives a record of one name the other one; others stay as they are. False: out of memory. */
bool names_record_rename(ldns_rr *rr, const struct names_name *from, const struct names_name *to);

#endif
