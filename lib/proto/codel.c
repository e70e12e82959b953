#include "proto/codel.h"

/* Signalling that stopped less than this ago goes on at the rate it had reached (RFC 8289, 5.5). */
#define RESUME_NS (16 * CODEL_INTERVAL_NS)

static uint64_t square_root(uint64_t x)
{
	uint64_t root = x;
	uint64_t next = x / 2 + 1;

	while (next < root) {
		root = next;
		next = (root + x / root) / 2;
	}
	return root;
}

/* Every signal comes sooner after the last, so that the rate grows linearly (RFC 8289, 5.4). */
static uint64_t control_law(uint64_t from_ns, uint32_t count)
{
	return from_ns + square_root(CODEL_INTERVAL_NS * CODEL_INTERVAL_NS / count);
}

/* Has the delay been above the target for an interval (RFC 8289, 5.6)? */
static bool stands(struct codel *codel, uint64_t sojourn_ns, uint64_t now_ns)
{
	if (sojourn_ns < CODEL_TARGET_NS) {
		codel->first_above_ns = 0;
		return false;
	}
	if (!codel->first_above_ns) {
		codel->first_above_ns = now_ns + CODEL_INTERVAL_NS;
		return false;
	}
	return now_ns >= codel->first_above_ns;
}

static void begin(struct codel *codel, uint64_t now_ns)
{
	uint32_t delta = codel->count - codel->last_count;

	codel->signalling = true;
	codel->count = delta > 1 && now_ns < codel->next_ns + RESUME_NS ? delta : 1;
	codel->last_count = codel->count;
	codel->next_ns = control_law(now_ns, codel->count);
}

bool codel_leave(struct codel *codel, uint64_t sojourn_ns, uint64_t now_ns)
{
	if (!stands(codel, sojourn_ns, now_ns)) {
		codel->signalling = false;
		return false;
	}
	if (!codel->signalling) {
		begin(codel, now_ns);
		return true;
	}
	if (now_ns < codel->next_ns)
		return false;
	if (codel->count < UINT32_MAX)
		codel->count++;
	codel->next_ns = control_law(codel->next_ns, codel->count);
	return true;
}
