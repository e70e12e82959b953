#ifndef WARREN_PROTO_NAMES_TRANSLATE_H
#define WARREN_PROTO_NAMES_TRANSLATE_H

#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

/*
 * Answers of a server inside a site whose addresses appear in the mesh as others (1:1 mapping): it
 * knows its hosts by their real addresses, nobody else can use those.
 */

#define NAMES_MAPPINGS_MAX 64

/* Of the same family and length. */
struct names_mapping {
	struct prefix real;
	struct prefix seen;
};

/* The address as it appears in the mesh: the prefix is SEEN's, the rest its own. */
struct ip_addr names_map_address(const struct names_mapping *mapping, const struct ip_addr *addr);

/*
 * Replaces the addresses of A and AAAA records that lie inside a mapping's real prefix, where they
 * are; the message keeps its length. Signatures of what changed no longer hold, so AD goes. Returns
 * how many were replaced; -EBADMSG: malformed, and unchanged.
 */
int names_translate(uint8_t *message, size_t len, const struct names_mapping *mappings,
		    size_t count);

#endif
