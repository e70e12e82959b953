#include "proto/ice_budget.h"

#include <stdlib.h>

#include "base/clock.h"
#include "crypto/rng.h"

#define WAYS 8 /* places where an address may be remembered */

/* A token bucket as the time at which it would be full again. */
struct target {
	struct ip_addr addr; /* family 0: free */
	uint64_t full_ns;
	uint64_t used_ns;   /* last asked for */
	uint64_t proven_ns; /* last answer; 0: none */
};

struct ice_budget {
	uint64_t key; /* which places an address has cannot be foreseen */
	uint64_t full_ns;
	struct target targets[ICE_BUDGET_ADDRS];
};

struct ice_budget *ice_budget_new(const struct rng *rng)
{
	struct ice_budget *budget = calloc(1, sizeof(*budget));

	if (budget)
		rng_fill(rng, &budget->key, sizeof(budget->key));
	return budget;
}

void ice_budget_free(struct ice_budget *budget)
{
	free(budget);
}

static size_t place_of(const struct ice_budget *budget, const struct ip_addr *addr)
{
	uint64_t hash = budget->key;

	for (size_t i = 0; i < sizeof(addr->bytes); i++)
		hash = (hash ^ addr->bytes[i]) * 0x100000001b3u;
	hash ^= hash >> 29;
	return (size_t)(hash % (ICE_BUDGET_ADDRS / WAYS)) * WAYS;
}

/* Its entry, made in place of the one unused for longest when it has none. */
static struct target *find_target(struct ice_budget *budget, const struct ip_addr *addr)
{
	struct target *row = &budget->targets[place_of(budget, addr)], *oldest = row;

	for (size_t i = 0; i < WAYS; i++) {
		if (addr_equal(&row[i].addr, addr))
			return &row[i];
		if (row[i].used_ns < oldest->used_ns)
			oldest = &row[i];
	}
	*oldest = (struct target){ .addr = *addr };
	return oldest;
}

/* How long until there is a token. */
static uint64_t wait_of(uint64_t full_ns, unsigned int rate, unsigned int burst, uint64_t now_ns)
{
	uint64_t ahead_ns = burst * (NS_PER_S / rate) + now_ns;
	uint64_t after_ns = (full_ns > now_ns ? full_ns : now_ns) + NS_PER_S / rate;

	return after_ns > ahead_ns ? after_ns - ahead_ns : 0;
}

static void take(uint64_t *full_ns, unsigned int rate, uint64_t now_ns)
{
	*full_ns = (*full_ns > now_ns ? *full_ns : now_ns) + NS_PER_S / rate;
}

uint64_t ice_budget_take(struct ice_budget *budget, const struct ip_addr *addr, uint64_t now_ns)
{
	uint64_t wait_ns, all_ns;
	struct target *target;

	if (!budget)
		return 0;
	target = find_target(budget, addr);
	target->used_ns = now_ns;
	if (target->proven_ns && now_ns < target->proven_ns + ICE_BUDGET_PROVEN_S * NS_PER_S)
		return 0;
	wait_ns = wait_of(target->full_ns, ICE_BUDGET_ADDR_RATE, ICE_BUDGET_ADDR_BURST, now_ns);
	all_ns = wait_of(budget->full_ns, ICE_BUDGET_RATE, ICE_BUDGET_BURST, now_ns);
	if (wait_ns || all_ns)
		return wait_ns > all_ns ? wait_ns : all_ns;
	take(&target->full_ns, ICE_BUDGET_ADDR_RATE, now_ns);
	take(&budget->full_ns, ICE_BUDGET_RATE, now_ns);
	return 0;
}

void ice_budget_prove(struct ice_budget *budget, const struct ip_addr *addr, uint64_t now_ns)
{
	struct target *target;

	if (!budget)
		return;
	target = find_target(budget, addr);
	target->used_ns = now_ns;
	target->proven_ns = now_ns;
}
