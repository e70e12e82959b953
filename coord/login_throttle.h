#ifndef WARREN_COORD_LOGIN_THROTTLE_H
#define WARREN_COORD_LOGIN_THROTTLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"

/*
 * Slows down who guesses: an address (IPv4, or IPv6 /64) may be wrong some times, and then once
 * every few seconds. Zero-initialise.
 */
#define LOGIN_THROTTLE_BURST  10
#define LOGIN_THROTTLE_S      6 /* one more try for each */
#define LOGIN_THROTTLE_PLACES 1024
#define LOGIN_THROTTLE_PROBES 8 /* places that an address may lie in */

struct login_throttle {
	struct {
		struct ip_addr from; /* family 0: free */
		uint64_t free_at_ns; /* when all its tries have come back */
	} places[LOGIN_THROTTLE_PLACES];
};

/* Seconds to wait; 0: it may try. */
unsigned int login_throttle_wait(const struct login_throttle *throttle, const struct ip_addr *from,
				 uint64_t now_ns);
void login_throttle_failed(struct login_throttle *throttle, const struct ip_addr *from,
			   uint64_t now_ns);

#endif
