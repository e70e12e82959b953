#include "proto/timers.h"

#include <string.h>

#include "base/clock.h"
#include "crypto/rng.h"

void timers_init(struct timers *timers)
{
	memset(timers, 0, sizeof(*timers));
	timers->retry_ns = CLOCK_NEVER;
	timers->erase_ns = CLOCK_NEVER;
}

void timers_reset(struct timers *timers)
{
	timers->wanted = false;
	timers->session = false;
	timers->sent = false;
	timers->retry_ns = CLOCK_NEVER;
	timers->erase_ns = CLOCK_NEVER;
}

void timers_set_keepalive(struct timers *timers, uint16_t interval_s)
{
	timers->interval_ns = interval_s * NS_PER_S;
	timers->persistent_ns = 0;
}

bool timers_handshake_under_way(const struct timers *timers)
{
	return timers->retry_ns != CLOCK_NEVER;
}

void timers_want_handshake(struct timers *timers)
{
	timers->wanted = true;
}

void timers_initiation_sent(struct timers *timers, const struct rng *rng, uint64_t now_ns)
{
	if (!timers_handshake_under_way(timers))
		timers->attempt_started_ns = now_ns;
	timers->wanted = false;
	timers->sent = true;
	timers->last_initiation_ns = now_ns;
	timers->jitter_ns = rng_below(rng, REKEY_JITTER_MAX_NS);
	timers->retry_ns = now_ns + REKEY_TIMEOUT_NS + timers->jitter_ns;
}

void timers_session_begun(struct timers *timers, uint64_t now_ns)
{
	timers->session = true;
	timers->erase_ns = now_ns + ERASE_AFTER_TIME_NS;
}

void timers_handshake_complete(struct timers *timers)
{
	timers->retry_ns = CLOCK_NEVER;
	timers->wanted = false;
}

static uint64_t max_ns(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static uint64_t min_ns(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* When an initiation that is wanted may go: at once, or 5 s after the last one. */
static uint64_t wanted_due(const struct timers *timers)
{
	if (!timers->wanted || timers_handshake_under_way(timers))
		return CLOCK_NEVER;
	return timers->sent ? timers->last_initiation_ns + REKEY_TIMEOUT_NS : 0;
}

/* Data that nobody answers wants a new session: 15 s after the first, or after the last try. */
static uint64_t unanswered_due(const struct timers *timers, const struct timers_marks *marks)
{
	if (!marks->unanswered_since_ns || !timers->session || timers->wanted ||
	    timers_handshake_under_way(timers))
		return CLOCK_NEVER;
	return max_ns(marks->unanswered_since_ns, timers->unanswered_ns) + UNANSWERED_TIMEOUT_NS +
	       timers->jitter_ns;
}

/* Received data is acknowledged with an empty packet when nothing else went back for 10 s. */
static uint64_t passive_due(const struct timers *timers, const struct timers_marks *marks)
{
	if (!marks->unacked_since_ns || !timers->session)
		return CLOCK_NEVER;
	return max_ns(marks->unacked_since_ns, timers->passive_ns) + KEEPALIVE_TIMEOUT_NS;
}

/* Any packet of either direction pushes the persistent keepalive back. */
static uint64_t persistent_due(const struct timers *timers, const struct timers_marks *marks)
{
	uint64_t last = max_ns(timers->persistent_ns, max_ns(marks->last_tx_ns, marks->last_rx_ns));

	if (!timers->interval_ns)
		return CLOCK_NEVER;
	/* Zero until the first was sent: at once. */
	return timers->persistent_ns ? last + timers->interval_ns : 0;
}

uint64_t timers_next(const struct timers *timers, const struct timers_marks *marks)
{
	uint64_t next = min_ns(timers->retry_ns, timers->erase_ns);

	next = min_ns(next, wanted_due(timers));
	next = min_ns(next, unanswered_due(timers, marks));
	next = min_ns(next, passive_due(timers, marks));
	return min_ns(next, persistent_due(timers, marks));
}

static unsigned int expire_retry(struct timers *timers, uint64_t now_ns)
{
	if (now_ns < timers->retry_ns)
		return 0;
	if (now_ns - timers->attempt_started_ns < REKEY_ATTEMPT_TIME_NS)
		return TIMERS_SEND_INITIATION;
	timers->retry_ns = CLOCK_NEVER;
	timers->wanted = false;
	/* Without a session there was no deadline for what the handshake left behind. */
	if (timers->erase_ns == CLOCK_NEVER)
		timers->erase_ns = now_ns + ERASE_AFTER_TIME_NS;
	return TIMERS_GIVE_UP;
}

static void expire_unanswered(struct timers *timers, const struct timers_marks *marks,
			      uint64_t now_ns)
{
	if (now_ns < unanswered_due(timers, marks))
		return;
	/* After a try, only data sent since then is a reason for another. */
	if (marks->last_tx_data_ns > timers->unanswered_ns)
		timers->wanted = true;
	timers->unanswered_ns = now_ns;
}

static unsigned int expire_keepalives(struct timers *timers, const struct timers_marks *marks,
				      uint64_t now_ns)
{
	unsigned int actions = 0;

	if (now_ns >= passive_due(timers, marks)) {
		timers->passive_ns = now_ns;
		actions |= TIMERS_SEND_KEEPALIVE;
	}
	if (now_ns >= persistent_due(timers, marks)) {
		timers->persistent_ns = now_ns;
		actions |= TIMERS_SEND_KEEPALIVE;
	}
	return actions;
}

unsigned int timers_expire(struct timers *timers, const struct timers_marks *marks, uint64_t now_ns)
{
	unsigned int actions = expire_retry(timers, now_ns);

	expire_unanswered(timers, marks, now_ns);
	if (now_ns >= wanted_due(timers)) {
		timers->wanted = false;
		actions |= TIMERS_SEND_INITIATION;
	}
	actions |= expire_keepalives(timers, marks, now_ns);
	if (now_ns >= timers->erase_ns) {
		timers->erase_ns = CLOCK_NEVER;
		timers->session = false;
		actions |= TIMERS_ERASE_KEYS;
	}
	return actions;
}
