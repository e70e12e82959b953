#include "base/clock.h"
#include "proto/pathchoice_core.h"

/* Nothing is measured without traffic. */
#define ACTIVE_NS      (2 * NS_PER_S)
#define IN_USE_NS      NS_PER_S /* between two echoes by the path in use */
#define IN_DOUBT_NS    (400 * NS_PER_MS)
#define OTHER_NS       (15 * NS_PER_S)   /* by each relay that is not */
#define OTHER_EARLY_NS (300 * NS_PER_MS) /* until it has answered */
#define MISSED_MAX     3                 /* a relay that leaves so many unanswered leads nowhere */

/* A window of what is delivered; less than that says nothing about loss. */
#define WINDOW_PACKETS 50
#define WINDOW_MAX_NS  (10 * NS_PER_S)
#define WINDOW_JUMP    (1u << 24) /* the peer began to count anew */
/*
 * A window as bad as that, three times in a row. At a loss of 2 % one window in three hundred is,
 * so that a false start happens once in a thousand hours; and then the train has to agree.
 */
#define LOSS_BAD     100 /* permille */
#define BAD_IN_A_ROW 3
/* A relay wins by latency when even twice its round trip, and this, is less. */
#define SLOW_MARGIN_NS (50 * NS_PER_MS)

#define TRAIN_ECHOES        20
#define TRAIN_GAP_NS        (25 * NS_PER_MS)
#define TRAIN_WAIT_NS       (300 * NS_PER_MS) /* for the last ones, or four times what one may take */
#define TRAIN_LOSS_MAX      50                /* permille, of a pair to be taken again */
#define TRAIN_PAUSE_NS      (60 * NS_PER_S)   /* after one that showed nothing better; doubles */
#define TRAIN_DOUBLINGS_MAX 4
#define TRIAL_AGAIN_NS \
	(30 * NS_PER_S) /* after one that showed a pair to be no better than before */

static bool is_active(const struct pathchoice *pc, uint64_t now_ns)
{
	return pc->activity.last_tx_data_ns && now_ns < pc->activity.last_tx_data_ns + ACTIVE_NS;
}

bool pathmeasure_is_slow(const struct path_slot *pair, const struct path_slot *relay)
{
	return pair->srtt_ns && relay->srtt_ns &&
	       2 * relay->srtt_ns + SLOW_MARGIN_NS < pair->srtt_ns;
}

void pathmeasure_begin(struct pathchoice *pc, uint64_t now_ns)
{
	struct path_slot *slot = pathchoice_current(pc);

	pc->delivery = (struct path_delivery){ 0 };
	if (slot)
		slot->echo_ns = now_ns;
}

/* ---- trains ---- */

static void begin_train(struct pathchoice *pc, const struct path_slot *slot, uint64_t now_ns)
{
	pc->train = (struct path_train){
		.active = true, .kind = slot->kind, .id = slot->id, .due_ns = now_ns
	};
}

/* By a relay, because the pair in use is bad: better, or is the way to both of them to blame? */
static void judge_relay(struct pathchoice *pc, const struct path_slot *relay, unsigned int lost,
			uint64_t now_ns)
{
	struct path_slot *pair = pathchoice_current(pc);
	bool lossy = pc->delivery.lossy >= BAD_IN_A_ROW && 2 * lost <= pc->delivery.loss;
	bool slow;

	if (!pair || pair->kind != PATH_DIRECT || pc->mode != PATH_MODE_AUTO)
		return;
	slow = pathmeasure_is_slow(pair, relay) && lost <= LOSS_BAD;
	if ((lossy || slow) && pathchoice_is_usable(relay, now_ns)) {
		pair->loss = pc->delivery.loss;
		pathchoice_fail(pc, pair, PATH_REASON_THROTTLED, now_ns);
		return;
	}
	pc->train_ns = now_ns + (TRAIN_PAUSE_NS << pc->trains);
	if (pc->trains < TRAIN_DOUBLINGS_MAX)
		pc->trains++;
}

/* By a pair that was left because of what it delivered. */
static void judge_pair(struct pathchoice *pc, struct path_slot *pair, unsigned int lost,
		       uint64_t now_ns)
{
	const struct path_slot *relay = pathchoice_best_relay(pc, now_ns);

	if (lost <= TRAIN_LOSS_MAX && (!relay || !pathmeasure_is_slow(pair, relay)))
		pathchoice_revive(pc, pair);
	else
		pair->barred_ns = now_ns + TRIAL_AGAIN_NS;
}

static void run_train(struct pathchoice *pc, uint64_t now_ns)
{
	struct path_train *train = &pc->train;
	struct path_slot *slot;
	unsigned int lost;

	if (!train->active || train->due_ns > now_ns)
		return;
	slot = pathchoice_slot(pc, train->kind, train->id);
	if (!slot || pc->mute) {
		train->active = false;
		return;
	}
	if (train->sent < TRAIN_ECHOES) {
		train->sent++;
		train->wanted = 1;
		train->due_ns = now_ns + (train->sent < TRAIN_ECHOES
						  ? TRAIN_GAP_NS
						  : pathchoice_later(4 * pathwatch_wait_ns(slot),
								     TRAIN_WAIT_NS));
		return;
	}
	train->active = false;
	lost = (TRAIN_ECHOES - train->back) * 1000 / TRAIN_ECHOES;
	if (slot->kind == PATH_RELAY)
		judge_relay(pc, slot, lost, now_ns);
	else
		judge_pair(pc, slot, lost, now_ns);
}

static void run_trials(struct pathchoice *pc, uint64_t now_ns)
{
	for (size_t i = 0; i < PATHCHOICE_PAIRS_MAX && !pc->train.active; i++) {
		struct path_slot *pair = &pc->pairs[i];

		if (!pair->used || !pair->on_trial || pair->barred_ns > now_ns)
			continue;
		if (pathchoice_hears(pc))
			begin_train(pc, pair, now_ns);
		pair->barred_ns = now_ns + TRIAL_AGAIN_NS;
	}
}

/* ---- what is delivered ---- */

/* The relay that a pair was left for is as bad: then it was not the pair. */
static void return_to_pair(struct pathchoice *pc, uint64_t now_ns)
{
	for (size_t i = 0; i < PATHCHOICE_PAIRS_MAX; i++) {
		struct path_slot *pair = &pc->pairs[i];

		if (!pair->used || !pair->on_trial || 4 * pc->delivery.loss < 3 * pair->loss)
			continue;
		pc->train_ns = now_ns + (TRAIN_PAUSE_NS << TRAIN_DOUBLINGS_MAX);
		pathchoice_revive(pc, pair);
	}
}

static void weigh(struct pathchoice *pc, struct path_slot *slot, uint64_t now_ns)
{
	struct path_slot *relay = pathchoice_best_relay(pc, now_ns);
	struct path_delivery *d = &pc->delivery;

	if (slot->kind == PATH_RELAY) {
		if (d->lossy >= BAD_IN_A_ROW)
			return_to_pair(pc, now_ns);
		return;
	}
	d->slow = relay && pathmeasure_is_slow(slot, relay) ? d->slow + 1 : 0;
	if (relay && (d->lossy >= BAD_IN_A_ROW || d->slow >= BAD_IN_A_ROW) &&
	    pc->mode == PATH_MODE_AUTO && !pc->train.active && now_ns >= pc->train_ns)
		begin_train(pc, relay, now_ns);
}

static void begin_window(struct path_delivery *d, uint32_t expected, uint32_t arrived,
			 uint64_t now_ns)
{
	d->based = true;
	d->expected = expected;
	d->arrived = arrived;
	d->based_ns = now_ns;
}

/* Counters of the peer's; both wrap. */
static void take_counters(struct pathchoice *pc, uint32_t expected, uint32_t arrived,
			  uint64_t now_ns)
{
	struct path_delivery *d = &pc->delivery;
	uint32_t sent = expected - d->expected;
	uint32_t got = arrived - d->arrived;
	unsigned int loss;

	if (!d->based || sent > WINDOW_JUMP || got > WINDOW_JUMP) {
		begin_window(d, expected, arrived, now_ns);
		return;
	}
	if (sent < WINDOW_PACKETS) {
		if (now_ns >= d->based_ns + WINDOW_MAX_NS)
			begin_window(d, expected, arrived, now_ns);
		return;
	}
	loss = got < sent ? (unsigned int)((uint64_t)(sent - got) * 1000 / sent) : 0;
	d->loss = d->lossy || d->loss ? (d->loss + loss) / 2 : loss;
	d->lossy = loss >= LOSS_BAD ? d->lossy + 1 : 0;
	begin_window(d, expected, arrived, now_ns);
}

/* ---- echoes ---- */

static struct path_echo *find_echo(struct pathchoice *pc, uint32_t token)
{
	struct path_echo *echo = &pc->echo[token % PATHCHOICE_ECHOES_MAX];

	return token && echo->token == token ? echo : NULL;
}

/* It is there again; but is it what it was? */
static void dead_answered(struct pathchoice *pc, struct path_slot *slot, uint64_t now_ns)
{
	const struct path_slot *relay = pathchoice_best_relay(pc, now_ns);

	slot->deaf = 0;
	if (slot->alive)
		return;
	if (slot->kind != PATH_DIRECT || !relay || !pathmeasure_is_slow(slot, relay)) {
		slot->late = 0;
		pathchoice_revive(pc, slot);
	} else if (++slot->late < BAD_IN_A_ROW) {
		slot->echoes_wanted =
			1; /* one or two may have waited for an end that stood still */
	} else {
		slot->late = 0;
		pathchoice_fail(pc, slot, PATH_REASON_THROTTLED, now_ns);
	}
}

void pathchoice_echo_answered(struct pathchoice *pc, uint32_t token, uint32_t expected,
			      uint32_t arrived, uint64_t now_ns)
{
	struct path_echo *known = find_echo(pc, token);
	struct path_slot *slot;
	struct path_echo echo;

	pc->now_ns = now_ns;
	if (!known)
		return;
	echo = *known;
	known->token = 0;
	slot = pathchoice_slot(pc, echo.kind, echo.id);
	if (!slot)
		return;
	pc->echoes = true;
	pc->mute = false;
	/* The check that made a pair valid may have waited at a NAT for the other side's. */
	if (!slot->echoed_ns)
		slot->srtt_ns = 0;
	slot->echoed_ns = now_ns;
	slot->missed = 0;
	pathchoice_update_rtt(slot, now_ns - echo.sent_ns);
	if (echo.of_train && pc->train.active && pc->train.kind == echo.kind &&
	    pc->train.id == echo.id)
		pc->train.back++;
	dead_answered(pc, slot, now_ns);
	if (slot == pathchoice_current(pc)) {
		pathwatch_echoed(pc, slot);
		if (echo.sent_ns >= pc->current.since_ns)
			take_counters(pc, expected, arrived, now_ns);
		weigh(pc, slot, now_ns);
	} else {
		pathwatch_other_echoed(pc, now_ns);
	}
	pathchoice_expire(pc, now_ns);
}

void pathchoice_echo_unsent(struct pathchoice *pc, uint32_t token, uint64_t now_ns)
{
	struct path_echo *echo = find_echo(pc, token);

	pc->now_ns = now_ns;
	if (!echo)
		return;
	echo->token = 0;
	pc->mute = true;
}

/* ---- when to ask ---- */

static void measure_relay(struct pathchoice *pc, struct path_slot *relay, uint64_t now_ns)
{
	if (!relay->used || relay == pathchoice_current(pc) || relay->echo_ns > now_ns)
		return;
	/* Of one that is alive nobody else would notice that it leads nowhere any more. */
	if (pc->echoes && !pc->mute && relay->missed++ >= MISSED_MAX)
		relay->alive = false;
	relay->echoes_wanted = 1;
	relay->echo_ns =
		now_ns + (relay->srtt_ns || relay->missed > MISSED_MAX ? OTHER_NS : OTHER_EARLY_NS);
}

void pathmeasure_run(struct pathchoice *pc, uint64_t now_ns)
{
	struct path_slot *slot = pathchoice_current(pc);

	run_train(pc, now_ns);
	run_trials(pc, now_ns);
	if (!is_active(pc, now_ns))
		return;
	if (slot && slot->echo_ns <= now_ns) {
		/* One that went unanswered, or a bad window: this is to be known soon. */
		bool hurry = pathchoice_hears(pc) && (slot->missed || pc->delivery.lossy);

		slot->missed++;
		slot->echoes_wanted = 1;
		slot->echo_ns = now_ns + (hurry ? IN_DOUBT_NS : IN_USE_NS);
	}
	for (size_t i = 0; i < PATHCHOICE_RELAYS_MAX && pc->mode != PATH_MODE_DIRECT; i++)
		measure_relay(pc, &pc->relays[i], now_ns);
}

uint64_t pathmeasure_next(const struct pathchoice *pc)
{
	uint64_t next = pc->train.active ? pc->train.due_ns : CLOCK_NEVER;

	for (size_t i = 0; i < PATHCHOICE_PAIRS_MAX; i++) {
		const struct path_slot *pair = &pc->pairs[i];

		/* While a train runs it is that which they wait for. */
		if (pair->used && pair->on_trial && !pc->train.active)
			next = pathchoice_earlier(next, pair->barred_ns);
		if (pair->used && pc->current.kind == PATH_DIRECT && pair->id == pc->current.id &&
		    is_active(pc, pc->now_ns))
			next = pathchoice_earlier(next, pair->echo_ns);
	}
	if (!is_active(pc, pc->now_ns) || pc->mode == PATH_MODE_DIRECT)
		return next;
	for (size_t i = 0; i < PATHCHOICE_RELAYS_MAX; i++) {
		if (pc->relays[i].used)
			next = pathchoice_earlier(next, pc->relays[i].echo_ns);
	}
	return next;
}

static void remember(struct pathchoice *pc, struct path_order *order, enum path_kind kind,
		     uint32_t id, bool of_train)
{
	pc->token += pc->token == UINT32_MAX ? 2 : 1; /* 0 means none */
	pc->echo[pc->token % PATHCHOICE_ECHOES_MAX] = (struct path_echo){
		.token = pc->token,
		.kind = kind,
		.id = id,
		.of_train = of_train,
		.sent_ns = pc->now_ns,
	};
	*order = (struct path_order){
		.type = PATH_ORDER_ECHO, .kind = kind, .id = id, .token = pc->token
	};
}

static bool poll_slots(struct pathchoice *pc, struct path_slot *slots, size_t count,
		       struct path_order *order)
{
	for (size_t i = 0; i < count; i++) {
		if (!slots[i].used || !slots[i].echoes_wanted)
			continue;
		slots[i].echoes_wanted--;
		remember(pc, order, slots[i].kind, slots[i].id, false);
		return true;
	}
	return false;
}

bool pathmeasure_poll(struct pathchoice *pc, struct path_order *order)
{
	if (pc->train.wanted) {
		pc->train.wanted = 0;
		remember(pc, order, pc->train.kind, pc->train.id, true);
		return true;
	}
	return poll_slots(pc, pc->pairs, PATHCHOICE_PAIRS_MAX, order) ||
	       poll_slots(pc, pc->relays, PATHCHOICE_RELAYS_MAX, order);
}
