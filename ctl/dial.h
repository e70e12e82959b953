#ifndef WARREN_CTL_DIAL_H
#define WARREN_CTL_DIAL_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

#define DIAL_ADDRESSES_MAX 16
#define DIAL_STAGGER_MS    250 /* until the next address is tried too (RFC 8305 5) */

/* The first addresses of a JSON list of texts; how many. */
size_t dial_addresses(struct ip_addr out[static DIAL_ADDRESSES_MAX], const json_t *list);

/*
 * A TCP connection to the first of the addresses that answers at the port: a blocking descriptor
 * without Nagle's algorithm. -ETIMEDOUT when none does in time; otherwise the -errno of the last
 * that failed.
 */
int dial_connect(const struct ip_addr *addresses, size_t count, uint16_t port, uint64_t timeout_ms);

#endif
