#ifndef WARREN_IO_FORWARDED_H
#define WARREN_IO_FORWARDED_H

#include <stdbool.h>
#include <stddef.h>

#include "base/addr.h"

/*
 * Who is behind a reverse proxy, from X-Forwarded-For: a list that every proxy on the way appends
 * to, so its end is what our own said and its beginning what anybody may claim.
 */

#define FORWARDED_HEADER_MAX 512 /* bytes; of a longer list nothing is believed */

bool forwarded_is_trusted(const struct ip_addr *addr, const struct prefix *proxies, size_t count);
/*
 * Moves *client from the connection's other end to the last address of the list that is no proxy of
 * ours, as long as each one said so is. Entries may carry a port. Anything that is no address ends
 * the walk. Without proxies, or from somebody else, *client stays.
 */
void forwarded_client(struct endpoint *client, const char *header, const struct prefix *proxies,
		      size_t count);

#endif
