#include "coord/login_throttle.h"

#include <string.h>

#include "base/clock.h"

#define TRY_NS   ((uint64_t)LOGIN_THROTTLE_S * NS_PER_S)
#define BURST_NS (LOGIN_THROTTLE_BURST * TRY_NS)

/* A /64 is one customer. */
static struct ip_addr key_of(const struct ip_addr *from)
{
	struct ip_addr key = *from;

	if (key.family == AF_INET6)
		memset(key.bytes + 8, 0, 8);
	return key;
}

static size_t first_place(const struct ip_addr *key)
{
	uint32_t hash = 2166136261u; /* FNV-1a */

	for (size_t i = 0; i < 8; i++)
		hash = (hash ^ key->bytes[i]) * 16777619u;
	return hash % LOGIN_THROTTLE_PLACES;
}

unsigned int login_throttle_wait(const struct login_throttle *throttle, const struct ip_addr *from,
				 uint64_t now_ns)
{
	struct ip_addr key = key_of(from);
	size_t first = first_place(&key);

	for (size_t i = 0; i < LOGIN_THROTTLE_PROBES; i++) {
		size_t place = (first + i) % LOGIN_THROTTLE_PLACES;
		uint64_t free_at_ns = throttle->places[place].free_at_ns;

		if (!addr_equal(&throttle->places[place].from, &key))
			continue;
		/* One try has to have come back. */
		if (free_at_ns <= now_ns + BURST_NS - TRY_NS)
			return 0;
		return (unsigned int)((free_at_ns - (now_ns + BURST_NS - TRY_NS) + NS_PER_S - 1) /
				      NS_PER_S);
	}
	return 0;
}

void login_throttle_failed(struct login_throttle *throttle, const struct ip_addr *from,
			   uint64_t now_ns)
{
	struct ip_addr key = key_of(from);
	size_t first = first_place(&key);
	size_t best = first;

	/* Its own place, else the one that is the first to be of no use any more. */
	for (size_t i = 0; i < LOGIN_THROTTLE_PROBES; i++) {
		size_t place = (first + i) % LOGIN_THROTTLE_PLACES;

		if (addr_equal(&throttle->places[place].from, &key)) {
			best = place;
			break;
		}
		if (throttle->places[place].free_at_ns < throttle->places[best].free_at_ns)
			best = place;
	}
	if (!addr_equal(&throttle->places[best].from, &key)) {
		throttle->places[best].from = key;
		throttle->places[best].free_at_ns = 0;
	}
	if (throttle->places[best].free_at_ns < now_ns)
		throttle->places[best].free_at_ns = now_ns;
	throttle->places[best].free_at_ns += TRY_NS;
}
