#include "proto/pathchoice.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "proto/pathchoice_core.h"

#define MARGIN_MIN_NS     (10 * NS_PER_MS) /* or a fifth of the round trip */
#define BAR_MIN_NS        NS_PER_S
#define BAR_DOUBLINGS_MAX 6
/* A way that drops WireGuard is asked all along; the bar only keeps it from being taken in turns.
 */
#define EGRESS_BAR_MIN_NS (5 * NS_PER_S)
#define EGRESS_BAR_MAX_NS (60 * NS_PER_S)
/* How a way fares under load only load shows, so it is tried more and more seldom: 20 s to 85 min.
 */
#define THROTTLED_BAR_NS (20 * NS_PER_S)
#define THROTTLED_MAX    4
#define STOPPED_NS       (2 * NS_PER_S)
#define GOOD_SERVICE_NS  (60 * NS_PER_S)  /* then earlier failures are forgotten … */
#define GOOD_DELIVERY_NS (300 * NS_PER_S) /* … of this kind later */
#define DEAD_PROBE_NS    NS_PER_S
#define DEAD_EARLY_NS    (10 * NS_PER_S) /* and then … */
#define DEAD_LATE_NS     (5 * NS_PER_S)
#define DEAD_RELAY_NS    (30 * NS_PER_S) /* without traffic for so long it does not matter */
#define DEAF_MAX         3
/* Packets by a relay are no news right after a path became direct: the peer may not be there yet.
 */
#define FOLLOW_SETTLED_NS    NS_PER_S
#define FOLLOW_RIGHT_NS      NS_PER_S /* a pair that is silent for so long was rightly left */
#define FOLLOW_PAUSE_NS      (60 * NS_PER_S) /* doubles */
#define FOLLOW_DOUBLINGS_MAX 6
#define FOLLOW_ANEW_NS                                                            \
	(10 * NS_PER_S) /* a peer that is heard there all along has not moved now \
			 */
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
		[PATH_REASON_THROTTLED] = "throttled",
		[PATH_REASON_FORCED] = "forced",
		[PATH_REASON_PEER_OFFLINE] = "peer-offline",
		[PATH_REASON_NO_RELAY] = "no-relay",
	};

	return texts[reason];
}

static uint64_t later(uint64_t a, uint64_t b)
{
	return pathchoice_later(a, b);
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return pathchoice_earlier(a, b);
}

/* ---- candidates for the choice ---- */

static struct path_slot *find(struct path_slot *slots, size_t count, uint32_t id)
{
	for (size_t i = 0; i < count; i++) {
		if (slots[i].used && slots[i].id == id)
			return &slots[i];
	}
	return NULL;
}

struct path_slot *pathchoice_slot(struct pathchoice *pc, enum path_kind kind, uint32_t id)
{
	if (kind == PATH_DIRECT)
		return find(pc->pairs, PATHCHOICE_PAIRS_MAX, id);
	return kind == PATH_RELAY ? find(pc->relays, PATHCHOICE_RELAYS_MAX, id) : NULL;
}

struct path_slot *pathchoice_current(struct pathchoice *pc)
{
	return pathchoice_slot(pc, pc->current.kind, pc->current.id);
}

static struct path_slot *find_pair(struct pathchoice *pc, uint32_t id)
{
	return pathchoice_slot(pc, PATH_DIRECT, id);
}

static struct path_slot *current_pair(struct pathchoice *pc)
{
	return pc->current.kind == PATH_DIRECT ? pathchoice_current(pc) : NULL;
}

/* The slot of that name, or a fresh one; NULL when all are taken. */
static struct path_slot *make(struct path_slot *slots, size_t count, enum path_kind kind,
			      uint32_t id)
{
	struct path_slot *slot = find(slots, count, id);

	for (size_t i = 0; i < count && !slot; i++) {
		if (slots[i].used)
			continue;
		slot = &slots[i];
		*slot = (struct path_slot){ .used = true, .alive = true, .kind = kind, .id = id };
	}
	return slot;
}

bool pathchoice_is_usable(const struct path_slot *slot, uint64_t now_ns)
{
	return slot->used && slot->alive && !slot->on_trial && slot->barred_ns <= now_ns;
}

bool pathchoice_hears(const struct pathchoice *pc)
{
	return pc->echoes && !pc->mute;
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
	if (b->class < a->class)
		return b->srtt_ns <= a->srtt_ns + margin(a->srtt_ns);
	return b->srtt_ns + margin(a->srtt_ns) < a->srtt_ns;
}

static struct path_slot *best_pair(struct pathchoice *pc, uint64_t now_ns)
{
	struct path_slot *best = current_pair(pc);

	if (best && !pathchoice_is_usable(best, now_ns))
		best = NULL;
	for (size_t i = 0; i < PATHCHOICE_PAIRS_MAX; i++) {
		struct path_slot *slot = &pc->pairs[i];

		if (pathchoice_is_usable(slot, now_ns) && (!best || beats(slot, best)))
			best = slot;
	}
	return best;
}

/* A pair that delivers badly or failed, but is still known to ICE: better than nothing. */
static struct path_slot *any_pair(struct pathchoice *pc, bool alive)
{
	struct path_slot *slot = current_pair(pc);

	if (slot && alive && !slot->alive)
		slot = NULL;
	for (size_t i = 0; i < PATHCHOICE_PAIRS_MAX && !slot; i++) {
		if (pc->pairs[i].used && (pc->pairs[i].alive || !alive))
			slot = &pc->pairs[i];
	}
	return slot;
}

/*
 * A guess is not held against a measured round trip, when one of the two is in use. Among those
 * that are not the least is taken.
 */
static bool relay_beats(const struct path_slot *b, const struct path_slot *a, bool in_use)
{
	uint64_t cost_a = a->srtt_ns ? a->srtt_ns : a->assumed_ns;
	uint64_t cost_b = b->srtt_ns ? b->srtt_ns : b->assumed_ns;

	if (!a->srtt_ns != !b->srtt_ns)
		return !in_use && b->srtt_ns;
	return cost_b + (in_use ? margin(cost_a) : 0) < cost_a;
}

struct path_slot *pathchoice_best_relay(struct pathchoice *pc, uint64_t now_ns)
{
	struct path_slot *current = pc->current.kind == PATH_RELAY ? pathchoice_current(pc) : NULL;
	struct path_slot *best = NULL;

	if (current && pathchoice_is_usable(current, now_ns))
		best = current;
	for (size_t i = 0; i < PATHCHOICE_RELAYS_MAX; i++) {
		struct path_slot *relay = &pc->relays[i];

		if (pathchoice_is_usable(relay, now_ns) &&
		    (!best || relay_beats(relay, best, best == current)))
			best = relay;
	}
	return best;
}

/* One that does not answer may come back; without any other there is nothing to lose. */
static struct path_slot *any_relay(struct pathchoice *pc)
{
	struct path_slot *slot = pc->current.kind == PATH_RELAY ? pathchoice_current(pc) : NULL;

	for (size_t i = 0; i < PATHCHOICE_RELAYS_MAX && !slot; i++) {
		if (pc->relays[i].used)
			slot = &pc->relays[i];
	}
	return slot;
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
	if (pc->current.kind == kind && pc->current.id == id) {
		pc->current.reason = reason;
		return;
	}
	if (pc->current.kind == PATH_DIRECT && now_ns >= pc->current.since_ns + GOOD_DELIVERY_NS)
		pc->follows = 0;
	pc->current.kind = kind;
	pc->current.id = id;
	pc->current.reason = reason;
	pc->current.since_ns = now_ns;
	if (kind == PATH_DIRECT)
		pc->follow_ns = later(pc->follow_ns, now_ns + FOLLOW_SETTLED_NS);
	pathwatch_begin(pc);
	pathmeasure_begin(pc, now_ns);
}

static void use_pair(struct pathchoice *pc, const struct path_slot *pair, uint64_t now_ns)
{
	pc->lost = PATH_REASON_NONE;
	pc->restarts = 0;
	pc->restart_ns = CLOCK_NEVER;
	transition(pc, PATH_DIRECT, pair->id, PATH_REASON_NONE, now_ns);
}

static void use_relay(struct pathchoice *pc, const struct path_slot *relay, uint64_t now_ns)
{
	enum path_reason why = why_not_direct(pc, now_ns);

	transition(pc, PATH_RELAY, relay->id,
		   pc->mode == PATH_MODE_RELAY ? PATH_REASON_FORCED : why, now_ns);
}

/* Nothing is as it should be: what is the least evil? */
static void make_do(struct pathchoice *pc, uint64_t now_ns)
{
	struct path_slot *pair = pc->mode == PATH_MODE_RELAY ? NULL : any_pair(pc, true);
	struct path_slot *relay = pc->mode == PATH_MODE_DIRECT ? NULL : any_relay(pc);
	enum path_reason why = why_not_direct(pc, now_ns);

	if (pc->mode == PATH_MODE_RELAY)
		why = pc->online ? PATH_REASON_FORCED : PATH_REASON_PEER_OFFLINE;
	if (pair && pair->on_trial) {
		use_pair(pc, pair, now_ns);
		return;
	}
	if (relay && pc->online) {
		use_relay(pc, relay, now_ns);
		return;
	}
	pair = pc->mode == PATH_MODE_RELAY ? NULL : any_pair(pc, false);
	if (pair) {
		transition(pc, PATH_DIRECT, pair->id, pair->failure, now_ns);
		return;
	}
	if (pc->mode == PATH_MODE_AUTO && why == PATH_REASON_NO_ANSWER)
		why = PATH_REASON_NO_RELAY;
	transition(pc, PATH_NONE, 0, why, now_ns);
}

static void choose(struct pathchoice *pc, uint64_t now_ns)
{
	struct path_slot *pair = pc->mode == PATH_MODE_RELAY ? NULL : best_pair(pc, now_ns);
	struct path_slot *relay =
		pc->mode == PATH_MODE_DIRECT ? NULL : pathchoice_best_relay(pc, now_ns);

	if (pair)
		use_pair(pc, pair, now_ns);
	else if (relay && pc->online)
		use_relay(pc, relay, now_ns);
	else
		make_do(pc, now_ns);
}

/* ---- beginning anew ---- */

static bool has_usable(const struct pathchoice *pc, uint64_t now_ns)
{
	for (size_t i = 0; i < PATHCHOICE_PAIRS_MAX; i++) {
		if (pathchoice_is_usable(&pc->pairs[i], now_ns))
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

/* ---- failures ---- */

static uint64_t bar_ns(const struct pathchoice *pc, const struct path_slot *slot,
		       enum path_reason reason)
{
	unsigned int failures = slot->failures;

	switch (reason) {
	case PATH_REASON_THROTTLED:
		return THROTTLED_BAR_NS << 2 * slot->trials;
	case PATH_REASON_EGRESS_BLOCKED:
		return pathchoice_hears(pc)
			       ? earlier(EGRESS_BAR_MIN_NS << failures, EGRESS_BAR_MAX_NS)
			       : EGRESS_BAR_MAX_NS;
	default:
		return BAR_MIN_NS << failures;
	}
}

void pathchoice_fail(struct pathchoice *pc, struct path_slot *slot, enum path_reason reason,
		     uint64_t now_ns)
{
	bool badly = reason == PATH_REASON_THROTTLED;
	uint64_t served_ns = slot == pathchoice_current(pc) ? now_ns - pc->current.since_ns : 0;

	if (served_ns >= GOOD_SERVICE_NS)
		slot->failures = 0;
	if (served_ns >= GOOD_DELIVERY_NS)
		slot->trials = 0;
	slot->barred_ns = now_ns + bar_ns(pc, slot, reason);
	if (badly && slot->trials < THROTTLED_MAX)
		slot->trials++;
	if (!badly && slot->failures < BAR_DOUBLINGS_MAX)
		slot->failures++;
	slot->alive = badly;
	slot->on_trial = badly;
	slot->failure = reason;
	slot->unproven = pc->echoes;
	slot->deaf = 0;
	slot->failed_ns = now_ns;
	slot->probe_ns = now_ns + DEAD_PROBE_NS;
	if (slot == pathchoice_current(pc))
		pc->watch = (struct path_watch){ .due_ns = CLOCK_NEVER };
	if (slot->kind != PATH_DIRECT)
		return;
	pc->lost = reason;
	/* Where checks are answered new ones would find the same. */
	if (reason == PATH_REASON_SILENCE && !has_usable(pc, now_ns))
		plan_restart(pc, now_ns);
}

void pathchoice_revive(struct pathchoice *pc, struct path_slot *slot)
{
	/* Who followed the peer was right, and may do so again. */
	if (slot->kind == PATH_DIRECT && pc->now_ns >= slot->failed_ns + FOLLOW_RIGHT_NS) {
		pc->follow_ns = 0;
		pc->follows = 0;
	}
	if (slot->on_trial)
		slot->barred_ns = 0;
	slot->alive = true;
	slot->on_trial = false;
	slot->unproven = false;
	slot->deaf = 0;
	if (slot->kind == PATH_DIRECT)
		pc->failed = false;
	if (slot == pathchoice_current(pc))
		pathwatch_begin(pc);
}

/* Paths out of the choice are asked until they answer, or those who know them give them up. */
static void run_dead_probes(struct pathchoice *pc, struct path_slot *slots, size_t count,
			    uint64_t now_ns)
{
	for (size_t i = 0; i < count; i++) {
		struct path_slot *slot = &slots[i];

		if (!slot->used || slot->alive || slot->probe_ns > now_ns)
			continue;
		if (slot->kind == PATH_DIRECT)
			slot->probes_wanted = 1;
		else if (pc->mode != PATH_MODE_DIRECT &&
			 now_ns < pc->activity.last_tx_data_ns + DEAD_RELAY_NS)
			slot->echoes_wanted = 1;
		slot->probe_ns = now_ns + (now_ns < slot->failed_ns + DEAD_EARLY_NS ? DEAD_PROBE_NS
										    : DEAD_LATE_NS);
	}
}

/* A pair that failed answers checks; that alone was true of it before, perhaps. */
static void dead_checked(struct pathchoice *pc, struct path_slot *slot)
{
	if (!slot->unproven || !pathchoice_hears(pc)) {
		pathchoice_revive(pc, slot);
		return;
	}
	slot->echoes_wanted = 1;
	if (++slot->deaf < DEAF_MAX || slot->failure != PATH_REASON_SILENCE)
		return;
	slot->failure = PATH_REASON_EGRESS_BLOCKED;
	if (pc->lost == PATH_REASON_SILENCE)
		pc->lost = PATH_REASON_EGRESS_BLOCKED;
}

/* ---- input ---- */

void pathchoice_init(struct pathchoice *pc, uint64_t now_ns)
{
	*pc = (struct pathchoice){
		.online = true,
		.restart_ns = CLOCK_NEVER,
		.checking_ns = now_ns,
		.now_ns = now_ns,
		.watch = { .due_ns = CLOCK_NEVER },
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
	struct path_slot *relay = make(pc->relays, PATHCHOICE_RELAYS_MAX, PATH_RELAY, id);

	pc->now_ns = now_ns;
	if (!relay)
		return -ENOSPC;
	relay->assumed_ns = rtt_ns;
	choose(pc, now_ns);
	return 0;
}

void pathchoice_relay_down(struct pathchoice *pc, uint32_t id, uint64_t now_ns)
{
	struct path_slot *relay = pathchoice_slot(pc, PATH_RELAY, id);

	pc->now_ns = now_ns;
	if (!relay)
		return;
	relay->used = false;
	choose(pc, now_ns);
}

/* RFC 6298 section 2, but for a first variance of a quarter: paths vary less than TCP's hosts. */
void pathchoice_update_rtt(struct path_slot *slot, uint64_t rtt_ns)
{
	uint64_t off_ns = slot->srtt_ns > rtt_ns ? slot->srtt_ns - rtt_ns : rtt_ns - slot->srtt_ns;

	/* Not the way took so long: the other end, or we, stood still. */
	if (rtt_ns > STOPPED_NS && (slot->srtt_ns || !slot->alive))
		return;
	/*
	 * What it was like before it failed says little; and a pair's first check may have waited
	 * for the other side's.
	 */
	if (!slot->srtt_ns || !slot->alive || (!slot->echoed_ns && rtt_ns < slot->srtt_ns / 2)) {
		slot->srtt_ns = rtt_ns ? rtt_ns : 1;
		slot->rttvar_ns = rtt_ns / 4;
		return;
	}
	slot->rttvar_ns = slot->rttvar_ns - slot->rttvar_ns / 4 + off_ns / 4;
	slot->srtt_ns = slot->srtt_ns - slot->srtt_ns / 8 + rtt_ns / 8;
}

int pathchoice_pair_valid(struct pathchoice *pc, const struct path_pair *pair, uint64_t now_ns)
{
	struct path_slot *slot = make(pc->pairs, PATHCHOICE_PAIRS_MAX, PATH_DIRECT, pair->id);

	pc->now_ns = now_ns;
	if (!slot)
		return -ENOSPC;
	slot->class = pair->class;
	pathchoice_pair_answered(pc, pair->id, pair->rtt_ns, now_ns);
	/* What it is worth is to be known before ICE asks it again, in some seconds. */
	if (slot != pathchoice_current(pc))
		slot->probes_wanted = 1;
	return 0;
}

void pathchoice_pair_answered(struct pathchoice *pc, uint32_t id, uint64_t rtt_ns, uint64_t now_ns)
{
	struct path_slot *slot = find_pair(pc, id);

	pc->now_ns = now_ns;
	if (!slot)
		return;
	pathchoice_update_rtt(slot, rtt_ns);
	pc->failed = false;
	if (!slot->alive)
		dead_checked(pc, slot);
	else if (slot == current_pair(pc))
		pathwatch_checked(pc, slot);
	choose(pc, now_ns);
}

void pathchoice_pair_lost(struct pathchoice *pc, uint32_t id, uint64_t now_ns)
{
	struct path_slot *slot = find_pair(pc, id);

	if (!slot)
		return;
	if (slot == current_pair(pc))
		pc->lost = slot->alive ? PATH_REASON_SILENCE : slot->failure;
	slot->used = false;
	if (!has_usable(pc, now_ns) && pc->restart_ns == CLOCK_NEVER)
		plan_restart(pc, now_ns);
	run_restart(pc, now_ns);
	choose(pc, now_ns);
}

static void acquit(struct path_slot *slot)
{
	slot->barred_ns = 0;
	slot->failures = 0;
	slot->unproven = false;
	slot->deaf = 0;
	slot->trials = 0;
	slot->on_trial = false;
	slot->loss = 0;
	slot->missed = 0;
}

void pathchoice_restarted(struct pathchoice *pc, uint64_t now_ns)
{
	for (size_t i = 0; i < PATHCHOICE_PAIRS_MAX; i++)
		acquit(&pc->pairs[i]);
	pc->restart_ns = CLOCK_NEVER;
	pc->restart_wanted = false;
	pc->restarts = 0;
	pc->last_restart_ns = now_ns;
	pc->checking_ns = now_ns;
	pc->failed = false;
	pc->lost = PATH_REASON_NONE;
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
	pc->now_ns = now_ns;
	pc->activity = *activity;
	pathwatch_activity(pc);
}

/*
 * Where the peer went it had a reason for. If ours answers all the same, this was for a round trip,
 * and what the peer has is a matter of its own.
 */
static void follow(struct pathchoice *pc, struct path_slot *pair, uint64_t now_ns)
{
	pc->follow_ns = now_ns + (FOLLOW_PAUSE_NS << pc->follows);
	if (pc->follows < FOLLOW_DOUBLINGS_MAX)
		pc->follows++;
	pair->alive = false;
	pair->unproven = true;
	pair->deaf = 0;
	pair->failure = PATH_REASON_SILENCE;
	pair->failed_ns = now_ns;
	pair->probe_ns = now_ns + DEAD_PROBE_NS;
	pair->probes_wanted = 1;
	pair->echoes_wanted = 2;
	pc->lost = PATH_REASON_SILENCE;
	choose(pc, now_ns);
}

void pathchoice_heard_elsewhere(struct pathchoice *pc, bool by_relay, uint64_t now_ns)
{
	struct path_slot *pair = current_pair(pc);
	bool anew = !pc->relayed_ns || now_ns >= pc->relayed_ns + FOLLOW_ANEW_NS;

	pc->now_ns = now_ns;
	if (by_relay)
		pc->relayed_ns = now_ns;
	if (by_relay && anew && pair && pair->alive && pathchoice_hears(pc) &&
	    now_ns >= pc->follow_ns && pc->mode == PATH_MODE_AUTO && pc->online &&
	    pathchoice_best_relay(pc, now_ns))
		follow(pc, pair, now_ns);
	else
		pathwatch_suspect(pc, now_ns);
}

/* ---- time and output ---- */

static uint64_t next_of(const struct path_slot *slots, size_t count)
{
	uint64_t next = CLOCK_NEVER;

	for (size_t i = 0; i < count; i++) {
		const struct path_slot *slot = &slots[i];

		if (!slot->used || slot->on_trial)
			continue;
		if (!slot->alive)
			next = earlier(next, slot->probe_ns);
		else if (slot->barred_ns)
			next = earlier(next, slot->barred_ns);
	}
	return next;
}

uint64_t pathchoice_next_timeout(const struct pathchoice *pc)
{
	uint64_t next = earlier(pc->watch.due_ns, pc->restart_ns);

	if (pc->current.reason == PATH_REASON_CHECKING)
		next = earlier(next, pc->checking_ns + CHECKING_NS);
	next = earlier(next, next_of(pc->pairs, PATHCHOICE_PAIRS_MAX));
	next = earlier(next, next_of(pc->relays, PATHCHOICE_RELAYS_MAX));
	return earlier(next, pathmeasure_next(pc));
}

/* A bar that is over leaves nothing to wait for. */
static void lift_bars(struct path_slot *slots, size_t count, uint64_t now_ns)
{
	for (size_t i = 0; i < count; i++) {
		struct path_slot *slot = &slots[i];

		if (slot->used && slot->alive && !slot->on_trial && slot->barred_ns <= now_ns)
			slot->barred_ns = 0;
	}
}

void pathchoice_expire(struct pathchoice *pc, uint64_t now_ns)
{
	pc->now_ns = now_ns;
	lift_bars(pc->pairs, PATHCHOICE_PAIRS_MAX, now_ns);
	lift_bars(pc->relays, PATHCHOICE_RELAYS_MAX, now_ns);
	pathwatch_run(pc, now_ns);
	pathmeasure_run(pc, now_ns);
	run_dead_probes(pc, pc->pairs, PATHCHOICE_PAIRS_MAX, now_ns);
	run_dead_probes(pc, pc->relays, PATHCHOICE_RELAYS_MAX, now_ns);
	run_restart(pc, now_ns);
	choose(pc, now_ns);
}

static bool poll_probe(struct path_slot *slots, size_t count, struct path_order *order)
{
	for (size_t i = 0; i < count; i++) {
		struct path_slot *slot = &slots[i];

		if (!slot->used || !slot->probes_wanted)
			continue;
		*order = (struct path_order){ .type = PATH_ORDER_PROBE,
					      .kind = slot->kind,
					      .id = slot->id,
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
	if (poll_probe(pc->pairs, PATHCHOICE_PAIRS_MAX, order) ||
	    poll_probe(pc->relays, PATHCHOICE_RELAYS_MAX, order) || pathmeasure_poll(pc, order))
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

uint64_t pathchoice_rtt_ns(const struct pathchoice *pc)
{
	const struct path_slot *slot = pathchoice_current((struct pathchoice *)pc);

	return slot ? slot->srtt_ns : 0;
}

unsigned int pathchoice_loss(const struct pathchoice *pc)
{
	return pc->delivery.loss;
}
