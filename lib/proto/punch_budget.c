#include "proto/punch_budget.h"

#include "base/clock.h"

/* A timer that comes late is caught up with, by this much at most. */
#define BURST_NS (16 * NS_PER_MS)
/* Below this a run would end before it had a fair chance. */
#define MAPPINGS_LEAST 2048
#define SOCKETS_LEAST  128

void punch_budget_init(struct punch_budget *budget, unsigned int rate, uint64_t now_ns)
{
	if (!rate || rate > PUNCH_RATE_MAX)
		rate = PUNCH_RATE_MAX;
	if (rate < PUNCH_RATE_MIN)
		rate = PUNCH_RATE_MIN;
	*budget = (struct punch_budget){
		.rate = rate,
		.turn_ns = now_ns,
		.mappings = PUNCH_MAPPINGS_MAX,
		.mappings_ns = now_ns,
	};
}

static void regain_mappings(struct punch_budget *budget, uint64_t now_ns)
{
	uint64_t seconds = (now_ns - budget->mappings_ns) / NS_PER_S;
	uint64_t room = PUNCH_MAPPINGS_MAX - budget->mappings;
	uint64_t gain = seconds > room ? room : seconds * PUNCH_MAPPINGS_PER_S;

	budget->mappings += (unsigned int)(gain < room ? gain : room);
	budget->mappings_ns += seconds * NS_PER_S;
}

bool punch_budget_allows(struct punch_budget *budget, uint64_t now_ns)
{
	regain_mappings(budget, now_ns);
	return budget->mappings >= MAPPINGS_LEAST &&
	       budget->sockets + SOCKETS_LEAST <= PUNCH_SOCKETS_MAX;
}

uint64_t punch_budget_take(struct punch_budget *budget, bool opener, uint64_t now_ns)
{
	uint64_t interval_ns = NS_PER_S / budget->rate / (opener ? 2 : 1);

	regain_mappings(budget, now_ns);
	if (!budget->mappings)
		return CLOCK_NEVER;
	if (budget->turn_ns > now_ns)
		return budget->turn_ns;
	if (budget->turn_ns + BURST_NS < now_ns)
		budget->turn_ns = now_ns - BURST_NS;
	budget->turn_ns += interval_ns;
	budget->mappings--;
	return 0;
}

unsigned int punch_budget_take_sockets(struct punch_budget *budget, unsigned int wanted)
{
	unsigned int left = PUNCH_SOCKETS_MAX - budget->sockets;

	if (wanted > left)
		wanted = left;
	budget->sockets += wanted;
	return wanted;
}

void punch_budget_give_sockets(struct punch_budget *budget, unsigned int count)
{
	budget->sockets -= count < budget->sockets ? count : budget->sockets;
}
