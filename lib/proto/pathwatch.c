#include "base/clock.h"
#include "proto/pathchoice_core.h"

#define PATIENCE_MIN_NS (100 * NS_PER_MS) /* or twice the smoothed round trip */
#define WAIT_MIN_NS     (50 * NS_PER_MS)
#define WAIT_MAX_NS     NS_PER_S
#define WAIT_SLACK_NS   (10 * NS_PER_MS)
#define UNKNOWN_RTT_NS                                                             \
	(250 * NS_PER_MS) /* of a relay that was never measured: no more than that \
			   */
/* While data flows one way only, the path is asked this often. */
#define ROUND_GAP_NS (250 * NS_PER_MS)
/* Without any answer, and nowhere to go: less and less often. */
#define QUIET_DOUBLINGS_MAX 4
/*
 * Probes answered for so long, in so many rounds, and no echo: WireGuard is dropped on this way.
 * Two seconds are allowed for leaving it.
 */
#define DEAF_NS               NS_PER_S
#define DEAF_ROUNDS_MIN       3
#define DEAF_ROUNDS_SUSPECTED 2 /* the peer has left it already */
/*
 * A WireGuard peer that receives data answers within its keepalive timeout and one handshake retry
 * (10 s and 5 s); where there are no echoes that is how long it takes to tell.
 */
#define WIREGUARD_SILENT_NS (15 * NS_PER_S)
#define SUSPECT_GAP_NS      NS_PER_S

static uint64_t rtt_ns(const struct path_slot *slot)
{
	return slot->srtt_ns ? slot->srtt_ns : pathchoice_earlier(slot->assumed_ns, UNKNOWN_RTT_NS);
}

static uint64_t patience_ns(const struct path_slot *slot)
{
	uint64_t ns = pathchoice_later(2 * rtt_ns(slot), rtt_ns(slot) + 4 * slot->rttvar_ns);

	return pathchoice_later(ns, PATIENCE_MIN_NS);
}

uint64_t pathwatch_wait_ns(const struct path_slot *slot)
{
	uint64_t ns = rtt_ns(slot) + pathchoice_later(4 * slot->rttvar_ns, WAIT_SLACK_NS);

	return pathchoice_earlier(pathchoice_later(ns, WAIT_MIN_NS), WAIT_MAX_NS);
}

void pathwatch_begin(struct pathchoice *pc)
{
	pc->watch = (struct path_watch){ .due_ns = CLOCK_NEVER };
	pc->watch_wanted = pc->current.kind != PATH_NONE;
}

/* No round is under way: when the next one begins. */
static void schedule(struct pathchoice *pc, const struct path_slot *slot)
{
	struct path_watch *w = &pc->watch;
	unsigned int doublings = w->quiet < QUIET_DOUBLINGS_MAX ? w->quiet : QUIET_DOUBLINGS_MAX;

	w->step = 0;
	w->due_ns = CLOCK_NEVER;
	if (w->since_ns)
		w->due_ns = w->since_ns + patience_ns(slot);
	if (w->suspected)
		w->due_ns = pc->now_ns;
	else if (w->due_ns != CLOCK_NEVER && w->began_ns)
		w->due_ns = pathchoice_later(w->due_ns, w->began_ns + (ROUND_GAP_NS << doublings));
	if (w->since_ns && slot->kind == PATH_DIRECT && !pathchoice_hears(pc))
		w->due_ns = pathchoice_earlier(w->due_ns, w->since_ns + WIREGUARD_SILENT_NS);
}

/* Nobody said a word for so long, although probes are answered. */
static bool is_deaf(const struct pathchoice *pc, const struct path_slot *slot, uint64_t now_ns)
{
	const struct path_watch *w = &pc->watch;

	if (slot->kind != PATH_DIRECT)
		return false;
	if (pathchoice_hears(pc) && w->suspected)
		return w->deaf >= DEAF_ROUNDS_SUSPECTED;
	if (pathchoice_hears(pc))
		return w->deaf >= DEAF_ROUNDS_MIN && now_ns >= w->since_ns + DEAF_NS;
	return w->began_ns > w->since_ns && now_ns >= w->since_ns + WIREGUARD_SILENT_NS;
}

void pathwatch_activity(struct pathchoice *pc)
{
	const struct path_slot *slot = pathchoice_current(pc);
	uint64_t since = pc->activity.silent_since_ns;
	struct path_watch *w = &pc->watch;

	/* Only answers end a suspicion: the peer's packets come by another path. */
	if (!slot || !slot->alive || w->suspected)
		return;
	/* What was sent before this path was chosen says nothing about it. */
	if (since)
		since = pathchoice_later(since, pc->current.since_ns);
	if (since != w->since_ns) {
		w->since_ns = since;
		w->deaf = 0;
		w->quiet = 0;
		schedule(pc, slot);
	}
	pc->watch_wanted = !since;
}

void pathwatch_checked(struct pathchoice *pc, struct path_slot *slot)
{
	struct path_watch *w = &pc->watch;

	w->checked = true;
	/* Where echoes are heard they decide. */
	if (!w->step || pathchoice_hears(pc))
		return;
	if (w->suspected)
		w->since_ns = 0;
	w->suspected = false;
	w->quiet = 0;
	schedule(pc, slot);
	pc->watch_wanted = !w->since_ns;
}

void pathwatch_echoed(struct pathchoice *pc, struct path_slot *slot)
{
	struct path_watch *w = &pc->watch;

	if (w->suspected)
		pc->watch_wanted = true;
	/* What was unanswered until now is answered; the data plane will say what came after. */
	*w = (struct path_watch){ .began_ns = w->began_ns,
				  .since_ns = w->suspected ? 0 : w->since_ns };
	schedule(pc, slot);
}

static void ask(struct path_slot *slot)
{
	slot->probes_wanted = 1;
	slot->echoes_wanted = 1;
}

/* Which of the others would do, if the path in use is to be left? */
static void ask_others(struct pathchoice *pc, const struct path_slot *current)
{
	for (size_t i = 0; i < PATHCHOICE_RELAYS_MAX; i++) {
		struct path_slot *relay = &pc->relays[i];

		if (relay->used && relay != current && pc->mode != PATH_MODE_DIRECT)
			relay->echoes_wanted = 1;
	}
}

static void begin_round(struct pathchoice *pc, struct path_slot *slot, uint64_t now_ns)
{
	struct path_watch *w = &pc->watch;

	w->step = 1;
	w->began_ns = now_ns;
	w->checked = false;
	ask(slot);
	w->due_ns = now_ns + pathwatch_wait_ns(slot);
}

void pathwatch_suspect(struct pathchoice *pc, uint64_t now_ns)
{
	struct path_slot *slot = pathchoice_current(pc);

	if (!slot || !slot->alive || pc->watch.suspected || pc->watch.step ||
	    (pc->suspected_ns && now_ns < pc->suspected_ns + SUSPECT_GAP_NS))
		return;
	pc->suspected_ns = now_ns;
	pc->watch.suspected = true;
	if (!pc->watch.since_ns)
		pc->watch = (struct path_watch){ .since_ns = now_ns, .suspected = true };
	begin_round(pc, slot, now_ns);
}

/* Another relay that answered since the round began. */
static bool other_answers(const struct pathchoice *pc, const struct path_slot *current,
			  uint64_t now_ns)
{
	for (size_t i = 0; i < PATHCHOICE_RELAYS_MAX; i++) {
		const struct path_slot *relay = &pc->relays[i];

		if (relay != current && pathchoice_is_usable(relay, now_ns) &&
		    relay->echoed_ns >= pc->watch.began_ns && relay->echoed_ns)
			return true;
	}
	return false;
}

/* Asked twice, and no echo. */
static void judge(struct pathchoice *pc, struct path_slot *slot, uint64_t now_ns)
{
	struct path_watch *w = &pc->watch;

	if (slot->kind == PATH_RELAY) {
		w->quiet++;
		/* Otherwise it may be the peer that is away, or that our relays all are. */
		if (other_answers(pc, slot, now_ns))
			pathchoice_fail(pc, slot, PATH_REASON_SILENCE, now_ns);
		else
			schedule(pc, slot);
		return;
	}
	if (!w->checked) {
		pathchoice_fail(pc, slot, PATH_REASON_SILENCE, now_ns);
		return;
	}
	if (pathchoice_hears(pc))
		w->deaf++;
	if (is_deaf(pc, slot, now_ns))
		pathchoice_fail(pc, slot, PATH_REASON_EGRESS_BLOCKED, now_ns);
	else
		schedule(pc, slot);
}

void pathwatch_other_echoed(struct pathchoice *pc, uint64_t now_ns)
{
	struct path_slot *slot = pathchoice_current(pc);

	/* It may be farther away than the one in use is: the round was over before. */
	if (slot && slot->kind == PATH_RELAY && slot->alive && pc->watch.quiet && !pc->watch.step &&
	    other_answers(pc, slot, now_ns))
		pathchoice_fail(pc, slot, PATH_REASON_SILENCE, now_ns);
}

void pathwatch_run(struct pathchoice *pc, uint64_t now_ns)
{
	struct path_watch *w = &pc->watch;
	struct path_slot *slot = pathchoice_current(pc);

	if (!slot || !slot->alive || w->due_ns > now_ns)
		return;
	switch (w->step) {
	case 0:
		if (is_deaf(pc, slot, now_ns))
			pathchoice_fail(pc, slot, PATH_REASON_EGRESS_BLOCKED, now_ns);
		else
			begin_round(pc, slot, now_ns);
		break;
	case 1:
		/* One lost packet must not end a path. */
		w->step = 2;
		ask(slot);
		ask_others(pc, slot);
		w->due_ns = now_ns + pathwatch_wait_ns(slot);
		break;
	default:
		judge(pc, slot, now_ns);
	}
}
