#ifndef WARREN_PROTO_NAMES_NAME_H
#define WARREN_PROTO_NAMES_NAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/buf.h"

/*
 * Domain names in the two forms they have (RFC 1035 2.3.4, 3.1): text, without a dot at the end,
 * and the labels of a message, each behind its length, up to an empty one.
 */

#define NAMES_WIRE_MAX       255
#define NAMES_LABEL_MAX      63
#define NAMES_TEXT_NAME_SIZE 255        /* with NUL */
#define NAMES_SUFFIX         "internal" /* RFC 9476 and ICANN's resolution of July 2024 */

struct names_name {
	uint8_t len; /* with the empty label; 0: no name */
	uint8_t wire[NAMES_WIRE_MAX];
};

/*
 * A host or service name: letters, digits, '-' within, '_' anywhere, and "*" as the whole first
 * label where `wildcard`. Made lower case. A dot at the end is accepted. 0 or -EINVAL.
 */
int names_name_parse(struct names_name *name, const char *text, bool wildcard);
/*
 * Appends origin to a relative name; "@" is the origin. What ends in a dot, or in the origin, is
 * taken as it is.
 */
int names_name_parse_in(struct names_name *name, const char *text, const struct names_name *origin,
			bool wildcard);
/* As it is in a message, uncompressed; any bytes, and their case kept. 0 or -EBADMSG. */
int names_name_get(struct names_name *name, struct reader *r);
/* Lower case; bytes that are no letters of names are '?'. */
const char *names_name_format(char out[static NAMES_TEXT_NAME_SIZE], const struct names_name *name);
/* NETWORK.internal; what no domain name may have becomes '-', as in acme-ltd.internal. */
void names_name_origin(struct names_name *name, const char *network);
/* d.c.b.a.in-addr.arpa or the 32 nibbles under ip6.arpa; of the prefix's whole octets or nibbles.
 */
void names_name_reverse(struct names_name *name, const struct prefix *prefix);
/* The address that a whole reverse name stands for, or the prefix of a part of one. -EINVAL. */
int names_name_address(struct prefix *prefix, const struct names_name *name);

/* Both lower case. */
bool names_name_equal(const struct names_name *a, const struct names_name *b);
bool names_name_within(const struct names_name *name, const struct names_name *origin);
/* Takes off the first label; of the root nothing. */
void names_name_parent(struct names_name *name);
size_t names_name_labels(const struct names_name *name); /* without the empty one */
void names_name_lower(struct names_name *name);

#endif
