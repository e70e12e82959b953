#include "proto/pathchoice.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"

#define SILENCE_MIN_NS     (100 * NS_PER_MS) /* or twice the smoothed round trip */
#define SILENCE_MISSES_MAX 2                 /* the second unanswered probe ends the path */
/* While data flows one way only, the path is asked this often. */
#define PROBE_AGAIN_NS (250 * NS_PER_MS)
/*
 * A WireGuard peer that receives data answers within its keepalive timeout and one handshake retry
 * (10 s and 5 s); a pair on which only probes are answered after that does not carry WireGuard.
 */
#define WIREGUARD_SILENT_NS  (15 * NS_PER_S)
#define MARGIN_MIN_NS        (10 * NS_PER_MS) /* or a fifth of the round trip */
#define BAR_MIN_NS           NS_PER_S
#define BAR_DOUBLINGS_MAX    6
#define EGRESS_BAR_NS        (60 * NS_PER_S)
#define GOOD_SERVICE_NS      (60 * NS_PER_S) /* then earlier failures are forgotten */
#define DEAD_PROBE_NS        NS_PER_S
#define SUSPECT_GAP_NS       NS_PER_S
#define CHECKING_NS          (5 * NS_PER_S) /* then "checking" becomes "no-answer" */
#define RESTART_GAP_NS       (5 * NS_PER_S)
#define RESTART_DOUBLING_MAX 4 /* 5, 10, 20, 40, 60 s */
#define RESTART_GAP_MAX_NS   (60 * NS_PER_S)

const char *path_reason_text(enum path_reason reason)
{
	static const char *const texts[] = {
		[PATH_REASON_NONE] = "",
		[PATH_REASON_CHECKING] = "checking",
		[PATH_REASON_UDP_BLOCKED] = "udp-blocked",
		[PATH_REASON_NO_FAMILY] = "no-family",
		[PATH_REASON_MAPPING] = "mapping",
		[PATH_REASON_EGRESS_BLOCKED] = "egress-blocked",
		[PATH_REASON_NO_ANSWER] = "no-answer",
		[PATH_REASON_SILENCE] = "silence",
		[PATH_REASON_FORCED] = "forced",
		[PATH_REASON_PEER_OFFLINE] = "peer-offline",
		[PATH_REASON_NO_RELAY] = "no-relay",
	};

	return texts[reason];
}

static uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* ---- candidates for the choice ---- */

static struct path_slot *find_pair(struct pathchoice *pc, uint32_t id)
{
	for (size_t i = 0; i < PATHCHOICE_PAIRS_MAX; i++) {
		if (pc->pairs[i].used && pc->pairs[i].pair.id == id)
			return &pc->pairs[i];
	}
	return NULL;
}

static struct path_slot *current_pair(struct pathchoice *pc)
{
	return pc->current.kind == PATH_DIRECT ? find_pair(pc, pc->current.id) : NULL;
}

static struct path_relay *find_relay(struct pathchoice *pc, uint32_t id)
{
	for (size_t i = 0; i < PATHCHOICE_RELAYS_MAX; i++) {
		if (pc->relays[i].used && pc->relays[i].id == id)
			return &pc->relays[i];
	}
	return NULL;
}

static bool is_usable(const struct path_slot *slot, uint64_t now_ns)
{
	return slot->used && slot->alive && slot->barred_ns <= now_ns;
}

static uint64_t margin(uint64_t rtt_ns)
{
	return later(MARGIN_MIN_NS, rtt_ns / 5);
}

/*
 * Whether to leave a for b. A better class wins unless it is slower by the margin, otherwise b has
 * to be faster by it, so that no two pairs can take turns.
 */
static bool beats(const struct path_slot *b, const struct path_slot *a)
{
	if (b->pair.class < a->pair.class)
		return b->srtt_ns <= a->srtt_ns + margin(a->srtt_ns);
	return b->srtt_ns + margin(a->srtt_ns) < a->srtt_ns;
}

static struct path_slot *best_pair(struct pathchoice *pc, uint64_t now_ns)
{
	struct path_slot *best = current_pair(pc);

	if (best && !is_usable(best, now_ns))
		best = NULL;
	for (size_t i = 0; i < PATHCHOICE_PAIRS_MAX; i++) {
		struct path_slot *slot = &pc->pairs[i];

		if (is_usable(slot, now_ns) && (!best || beats(slot, best)))
			best = slot;
	}
	return best;
}

/* A pair that failed but is still known to ICE: better than nothing. */
static struct path_slot *any_pair(struct pathchoice *pc)
{
	struct path_slot *slot = current_pair(pc);

	for (size_t i = 0; i < PATHCHOICE_PAIRS_MAX && !slot; i++) {
		if (pc->pairs[i].used)
			slot = &pc->pairs[i];
	}
	return slot;
}

static struct path_relay *best_relay(struct pathchoice *pc)
{
	struct path_relay *best = NULL;

	if (pc->current.kind == PATH_RELAY)
		best = find_relay(pc, pc->current.id);
	for (size_t i = 0; i < PATHCHOICE_RELAYS_MAX; i++) {
		struct path_relay *relay = &pc->relays[i];

		if (relay->used && (!best || relay->rtt_ns + margin(best->rtt_ns) < best->rtt_ns))
			best = relay;
	}
	return best;
}

/* ---- the choice ---- */

/* Why there is no direct path. */
static enum path_reason why_not_direct(const struct pathchoice *pc, uint64_t now_ns)
{
	if (!pc->online)
		return PATH_REASON_PEER_OFFLINE;
	if (pc->obstacle != PATH_REASON_NONE)
		return pc->obstacle;
	if (pc->lost != PATH_REASON_NONE)
		return pc->lost;
	if (pc->failed || now_ns >= pc->checking_ns + CHECKING_NS)
		return PATH_REASON_NO_ANSWER;
	return PATH_REASON_CHECKING;
}

/* The one place where the path changes; every change becomes a USE order that the owner logs. */
static void transition(struct pathchoice *pc, enum path_kind kind, uint32_t id,
		       enum path_reason reason, uint64_t now_ns)
{
	if (pc->current.kind != kind || pc->current.id != id) {
		pc->current.since_ns = now_ns;
		pc->silence = (struct path_silence){ .due_ns = CLOCK_NEVER };
		pc->watch_wanted = kind == PATH_DIRECT;
	}
	pc->current.kind = kind;
	pc->current.id = id;
	pc->current.reason = reason;
}

static void choose(struct pathchoice *pc, uint64_t now_ns)
{
	struct path_slot *pair = pc->mode == PATH_MODE_RELAY ? NULL : best_pair(pc, now_ns);
	struct path_relay *relay = pc->mode == PATH_MODE_DIRECT ? NULL : best_relay(pc);
	enum path_reason why = why_not_direct(pc, now_ns);

	if (pc->mode == PATH_MODE_RELAY)
		why = pc->online ? PATH_REASON_FORCED : PATH_REASON_PEER_OFFLINE;
	if (pair) {
		transition(pc, PATH_DIRECT, pair->pair.id, PATH_REASON_NONE, now_ns);
		return;
	}
	if (relay && pc->online) {
		transition(pc, PATH_RELAY, relay->id, why, now_ns);
		return;
	}
	pair = pc->mode == PATH_MODE_RELAY ? NULL : any_pair(pc);
	if (pair) {
		transition(pc, PATH_DIRECT, pair->pair.id, pair->failure, now_ns);
		return;
	}
	if (pc->mode == PATH_MODE_AUTO && why == PATH_REASON_NO_ANSWER)
		why = PATH_REASON_NO_RELAY;
	transition(pc, PATH_NONE, 0, why, now_ns);
}

/* ---- beginning anew ---- */

static bool has_usable(const struct pathchoice *pc, uint64_t now_ns)
{
	for (size_t i = 0; i < PATHCHOICE_PAIRS_MAX; i++) {
		if (is_usable(&pc->pairs[i], now_ns))
			return true;
	}
	return false;
}

/* As soon as it may be again: repeated restarts are spaced out. */
static void plan_restart(struct pathchoice *pc, uint64_t now_ns)
{
	uint64_t gap = RESTART_GAP_NS << pc->restarts;

	if (pc->last_restart_ns)
		pc->restart_ns =
			later(now_ns, pc->last_restart_ns + earlier(gap, RESTART_GAP_MAX_NS));
	else
		pc->restart_ns = now_ns;
}

static void run_restart(struct pathchoice *pc, uint64_t now_ns)
{
	if (pc->restart_ns > now_ns)
		return;
	pc->restart_ns = CLOCK_NEVER;
	if (!pc->online || pc->mode == PATH_MODE_RELAY || has_usable(pc, now_ns))
		return;
	pc->restart_wanted = true;
	pc->last_restart_ns = now_ns;
	pc->failed = false;
	pc->checking_ns = now_ns;
	if (pc->restarts < RESTART_DOUBLING_MAX)
		pc->restarts++;
}

/* ---- silence ---- */

static uint64_t patience(const struct path_slot *slot)
{
	return later(2 * slot->srtt_ns, SILENCE_MIN_NS);
}

/* Takes the pair out of the choice for a while that doubles with every failure. */
static void fail_pair(struct pathchoice *pc, struct path_slot *slot, enum path_reason reason,
		      uint64_t now_ns)
{
	uint64_t bar;

	if (now_ns - pc->current.since_ns >= GOOD_SERVICE_NS)
		slot->failures = 0;
	bar = BAR_MIN_NS << slot->failures;
	if (reason == PATH_REASON_EGRESS_BLOCKED)
		bar = EGRESS_BAR_NS;
	if (slot->failures < BAR_DOUBLINGS_MAX)
		slot->failures++;
	slot->alive = false;
	slot->failure = reason;
	slot->barred_ns = now_ns + bar;
	slot->probe_ns = now_ns + DEAD_PROBE_NS;
	pc->lost = reason;
	pc->silence = (struct path_silence){ .due_ns = CLOCK_NEVER };
	if (!has_usable(pc, now_ns))
		plan_restart(pc, now_ns);
}

/* When the silence of the pair in use is due for the next step. */
static void schedule_silence(struct pathchoice *pc, const struct path_slot *slot)
{
	struct path_silence *s = &pc->silence;

	if (!s->since_ns)
		s->due_ns = CLOCK_NEVER;
	else if (s->answered_ns)
		s->due_ns =
			earlier(s->answered_ns + PROBE_AGAIN_NS, s->since_ns + WIREGUARD_SILENT_NS);
	else
		s->due_ns = s->since_ns + patience(slot);
}

static void run_silence(struct pathchoice *pc, uint64_t now_ns)
{
	struct path_silence *s = &pc->silence;
	struct path_slot *slot = current_pair(pc);

	if (!slot || !slot->alive || s->due_ns > now_ns)
		return;
	if (s->answered_ns && now_ns >= s->since_ns + WIREGUARD_SILENT_NS) {
		fail_pair(pc, slot, PATH_REASON_EGRESS_BLOCKED, now_ns);
	} else if (s->misses == SILENCE_MISSES_MAX) {
		fail_pair(pc, slot, PATH_REASON_SILENCE, now_ns);
	} else {
		s->misses++;
		/* Two at once the second time: one lost packet must not end a path. */
		slot->probes_wanted = s->misses;
		s->due_ns = now_ns + patience(slot);
	}
}

/* Pairs out of the choice are asked until they answer or ICE gives them up. */
static void run_dead_probes(struct pathchoice *pc, uint64_t now_ns)
{
	for (size_t i = 0; i < PATHCHOICE_PAIRS_MAX; i++) {
		struct path_slot *slot = &pc->pairs[i];

		if (!slot->used || slot->alive || slot->probe_ns > now_ns)
			continue;
		slot->probes_wanted = 1;
		slot->probe_ns = now_ns + DEAD_PROBE_NS;
	}
}

/* ---- input ---- */

void pathchoice_init(struct pathchoice *pc, uint64_t now_ns)
{
	*pc = (struct pathchoice){
		.online = true,
		.restart_ns = CLOCK_NEVER,
		.checking_ns = now_ns,
		.silence = { .due_ns = CLOCK_NEVER },
	};
	choose(pc, now_ns);
}

void pathchoice_set_mode(struct pathchoice *pc, enum path_mode mode, uint64_t now_ns)
{
	pc->mode = mode;
	if (mode != PATH_MODE_RELAY && (pc->failed || pc->lost != PATH_REASON_NONE))
		plan_restart(pc, now_ns);
	run_restart(pc, now_ns);
	choose(pc, now_ns);
}

void pathchoice_set_online(struct pathchoice *pc, bool online, uint64_t now_ns)
{
	if (online && !pc->online) {
		pc->restarts = 0;
		plan_restart(pc, now_ns);
	}
	pc->online = online;
	run_restart(pc, now_ns);
	choose(pc, now_ns);
}

void pathchoice_set_obstacle(struct pathchoice *pc, enum path_reason reason, uint64_t now_ns)
{
	pc->obstacle = reason;
	choose(pc, now_ns);
}

int pathchoice_relay_up(struct pathchoice *pc, uint32_t id, uint64_t rtt_ns, uint64_t now_ns)
{
	struct path_relay *relay = find_relay(pc, id);

	for (size_t i = 0; i < PATHCHOICE_RELAYS_MAX && !relay; i++) {
		if (!pc->relays[i].used)
			relay = &pc->relays[i];
	}
	if (!relay)
		return -ENOSPC;
	*relay = (struct path_relay){ .used = true, .id = id, .rtt_ns = rtt_ns };
	choose(pc, now_ns);
	return 0;
}

void pathchoice_relay_down(struct pathchoice *pc, uint32_t id, uint64_t now_ns)
{
	struct path_relay *relay = find_relay(pc, id);

	if (!relay)
		return;
	relay->used = false;
	choose(pc, now_ns);
}

/* RFC 6298's gain of one eighth. */
static void update_rtt(struct path_slot *slot, uint64_t rtt_ns)
{
	slot->pair.rtt_ns = rtt_ns;
	slot->srtt_ns = slot->srtt_ns ? slot->srtt_ns - slot->srtt_ns / 8 + rtt_ns / 8 : rtt_ns;
}

int pathchoice_pair_valid(struct pathchoice *pc, const struct path_pair *pair, uint64_t now_ns)
{
	struct path_slot *slot = find_pair(pc, pair->id);

	for (size_t i = 0; i < PATHCHOICE_PAIRS_MAX && !slot; i++) {
		if (pc->pairs[i].used)
			continue;
		slot = &pc->pairs[i];
		*slot = (struct path_slot){ .used = true };
	}
	if (!slot)
		return -ENOSPC;
	slot->pair = *pair;
	pathchoice_pair_answered(pc, pair->id, pair->rtt_ns, now_ns);
	return 0;
}

void pathchoice_pair_answered(struct pathchoice *pc, uint32_t id, uint64_t rtt_ns, uint64_t now_ns)
{
	struct path_slot *slot = find_pair(pc, id);

	if (!slot)
		return;
	update_rtt(slot, rtt_ns);
	if (!slot->alive && slot == current_pair(pc))
		pc->watch_wanted = true;
	slot->alive = true;
	pc->failed = false;
	if (slot == current_pair(pc) && pc->silence.suspected) {
		pc->silence = (struct path_silence){ .due_ns = CLOCK_NEVER };
		pc->watch_wanted = true;
	} else if (slot == current_pair(pc) && pc->silence.since_ns) {
		pc->silence.answered_ns = now_ns;
		pc->silence.misses = 0;
		schedule_silence(pc, slot);
	}
	if (is_usable(slot, now_ns)) {
		pc->lost = PATH_REASON_NONE;
		pc->restarts = 0;
		pc->restart_ns = CLOCK_NEVER;
	}
	choose(pc, now_ns);
}

void pathchoice_pair_lost(struct pathchoice *pc, uint32_t id, uint64_t now_ns)
{
	struct path_slot *slot = find_pair(pc, id);

	if (!slot)
		return;
	if (slot == current_pair(pc))
		pc->lost = PATH_REASON_SILENCE;
	slot->used = false;
	if (!has_usable(pc, now_ns) && pc->restart_ns == CLOCK_NEVER)
		plan_restart(pc, now_ns);
	run_restart(pc, now_ns);
	choose(pc, now_ns);
}

void pathchoice_ice_failed(struct pathchoice *pc, uint64_t now_ns)
{
	pc->failed = true;
	pc->lost = PATH_REASON_NONE;
	if (pc->restart_ns == CLOCK_NEVER)
		plan_restart(pc, now_ns);
	/* Never at once: what just failed for so long is not worth an immediate second try. */
	pc->restart_ns = later(pc->restart_ns, now_ns + earlier(RESTART_GAP_NS << pc->restarts,
								RESTART_GAP_MAX_NS));
	choose(pc, now_ns);
}

void pathchoice_set_activity(struct pathchoice *pc, const struct path_activity *activity,
			     uint64_t now_ns)
{
	struct path_silence *s = &pc->silence;
	const struct path_slot *slot = current_pair(pc);
	uint64_t since = activity->unanswered_since_ns;

	(void)now_ns;
	pc->activity = *activity;
	if (!slot || !slot->alive)
		return;
	/* Only its probes end a suspicion: what comes by the other path says nothing about this
	 * one. */
	if (s->suspected)
		return;
	/* What was sent before this path was chosen says nothing about it. */
	if (since)
		since = later(since, pc->current.since_ns);
	if (since != s->since_ns) {
		*s = (struct path_silence){ .since_ns = since };
		schedule_silence(pc, slot);
	}
	pc->watch_wanted = !since;
}

void pathchoice_heard_elsewhere(struct pathchoice *pc, uint64_t now_ns)
{
	const struct path_slot *slot = current_pair(pc);

	if (!slot || !slot->alive || pc->silence.suspected ||
	    (pc->suspected_ns && now_ns < pc->suspected_ns + SUSPECT_GAP_NS))
		return;
	pc->suspected_ns = now_ns;
	pc->silence =
		(struct path_silence){ .since_ns = now_ns, .due_ns = now_ns, .suspected = true };
	run_silence(pc, now_ns);
}

/* ---- time and output ---- */

uint64_t pathchoice_next_timeout(const struct pathchoice *pc)
{
	uint64_t next = earlier(pc->silence.due_ns, pc->restart_ns);

	if (pc->current.reason == PATH_REASON_CHECKING)
		next = earlier(next, pc->checking_ns + CHECKING_NS);
	for (size_t i = 0; i < PATHCHOICE_PAIRS_MAX; i++) {
		const struct path_slot *slot = &pc->pairs[i];

		if (!slot->used)
			continue;
		if (!slot->alive)
			next = earlier(next, slot->probe_ns);
		else if (slot->barred_ns)
			next = earlier(next, slot->barred_ns);
	}
	return next;
}

/* A bar that is over leaves nothing to wait for. */
static void lift_bars(struct pathchoice *pc, uint64_t now_ns)
{
	for (size_t i = 0; i < PATHCHOICE_PAIRS_MAX; i++) {
		struct path_slot *slot = &pc->pairs[i];

		if (!slot->used || !slot->alive || !slot->barred_ns || slot->barred_ns > now_ns)
			continue;
		slot->barred_ns = 0;
		pc->lost = PATH_REASON_NONE;
		pc->restarts = 0;
	}
}

void pathchoice_expire(struct pathchoice *pc, uint64_t now_ns)
{
	lift_bars(pc, now_ns);
	run_silence(pc, now_ns);
	run_dead_probes(pc, now_ns);
	run_restart(pc, now_ns);
	choose(pc, now_ns);
}

static bool poll_probe(struct pathchoice *pc, struct path_order *order)
{
	for (size_t i = 0; i < PATHCHOICE_PAIRS_MAX; i++) {
		struct path_slot *slot = &pc->pairs[i];

		if (!slot->used || !slot->probes_wanted)
			continue;
		*order = (struct path_order){ .type = PATH_ORDER_PROBE,
					      .id = slot->pair.id,
					      .count = slot->probes_wanted };
		slot->probes_wanted = 0;
		return true;
	}
	return false;
}

bool pathchoice_poll(struct pathchoice *pc, struct path_order *order)
{
	if (pc->current.kind != pc->told.kind || pc->current.id != pc->told.id ||
	    pc->current.reason != pc->told.reason) {
		pc->told = pc->current;
		*order = (struct path_order){ .type = PATH_ORDER_USE, .current = pc->current };
		return true;
	}
	if (poll_probe(pc, order))
		return true;
	if (pc->watch_wanted) {
		pc->watch_wanted = false;
		*order = (struct path_order){ .type = PATH_ORDER_WATCH };
		return true;
	}
	if (pc->restart_wanted) {
		pc->restart_wanted = false;
		*order = (struct path_order){ .type = PATH_ORDER_RESTART };
		return true;
	}
	return false;
}
