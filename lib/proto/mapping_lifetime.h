#ifndef WARREN_PROTO_MAPPING_LIFETIME_H
#define WARREN_PROTO_MAPPING_LIFETIME_H

#include <stdint.h>

/*
 * How often something has to be sent so that a NAT keeps a mapping, learnt from mappings that died:
 * another one was there when something was sent after a silence. Pure. Halved at once for every
 * death after a silence as long as the interval; grown slowly, and never to where one died before
 * in this network.
 */
struct mapping_lifetime {
	uint64_t interval_ns; /* to keep to now */
	uint64_t fatal_ns;    /* the shortest silence that a mapping did not outlive; 0: none */
	unsigned int held;    /* intervals in a row that it did */
};

#define MAPPING_INTERVAL_MS     20000 /* at first; RFC 8445 section 11 asks for at least 15 s */
#define MAPPING_INTERVAL_MIN_MS 8000
#define MAPPING_GROW_AFTER      16 /* intervals; then by an eighth */

/* Another network, or the first: nothing is known. */
void mapping_lifetime_init(struct mapping_lifetime *lifetime);
/* The mapping was still there after this long without anything sent. */
void mapping_lifetime_held(struct mapping_lifetime *lifetime, uint64_t silence_ns);
/* It was another one. What came soon after something was sent says nothing: a router started. */
void mapping_lifetime_died(struct mapping_lifetime *lifetime, uint64_t silence_ns);

#endif
