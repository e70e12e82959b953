#include "proto/carrier.h"

/* Four round trips and some of the other side's time. */
#define SILENT_SLACK_NS (400 * NS_PER_MS)
/* Less than this is no difference between two paths. */
#define LATENCY_MARGIN_NS (5 * NS_PER_MS)

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* --- one peer --- */

void carrier_pulse_init(struct carrier_pulse *pulse)
{
	*pulse = (struct carrier_pulse){ .state = CARRIER_LIVE,
					 .hold_ns = CARRIER_HOLD_NS,
					 .ask_ns = CLOCK_NEVER,
					 .next_ns = CLOCK_NEVER };
}

static uint64_t patience_ns(const struct carrier_signs *signs)
{
	uint64_t ns = SILENT_SLACK_NS + 4 * earlier(signs->rtt_ns, NS_PER_S);

	return earlier(later(ns, CARRIER_SILENT_NS), CARRIER_SILENT_MAX_NS);
}

/* What was sent before it was given up, and never answered, is no news. */
static bool is_news(const struct carrier_pulse *pulse, uint64_t since_ns)
{
	return since_ns && since_ns >= pulse->died_ns;
}

/* When a peer that lives is to be given up, if nothing else is heard; CLOCK_NEVER: not. */
static uint64_t end_ns(const struct carrier_pulse *pulse, const struct carrier_signs *signs)
{
	uint64_t data_ns = signs->unanswered_since_ns, ns = CLOCK_NEVER;

	if (is_news(pulse, data_ns))
		ns = data_ns + (signs->offline ? CARRIER_DOUBT_NS : patience_ns(signs));
	if (is_news(pulse, signs->waiting_since_ns))
		ns = earlier(ns, signs->waiting_since_ns +
					 (signs->offline ? CARRIER_DOUBT_NS : CARRIER_WAIT_NS));
	if (pulse->offline_ns)
		ns = earlier(ns, pulse->offline_ns + CARRIER_OFFLINE_NS);
	return ns;
}

/* When a peer that lives is to be asked first; CLOCK_NEVER: nothing speaks against it. */
static uint64_t doubt_ns(const struct carrier_pulse *pulse, const struct carrier_signs *signs)
{
	uint64_t ns = CLOCK_NEVER;

	if (is_news(pulse, signs->unanswered_since_ns))
		ns = signs->unanswered_since_ns + CARRIER_DOUBT_NS;
	/* Its own word counts for more than the coordinator's. */
	if (pulse->offline_ns)
		ns = earlier(ns, pulse->offline_ns + CARRIER_OFFLINE_ASK_NS);
	return ns;
}

static void give_up(struct carrier_pulse *pulse, const struct carrier_signs *signs, uint64_t now_ns)
{
	if (pulse->died_ns && now_ns < pulse->died_ns + CARRIER_FORGET_NS)
		pulse->hold_ns = earlier(2 * pulse->hold_ns, CARRIER_HOLD_MAX_NS);
	else
		pulse->hold_ns = CARRIER_HOLD_NS;
	pulse->died_ns = now_ns;
	pulse->state = signs->offline ? CARRIER_OFFLINE : CARRIER_SILENT;
	pulse->retry_ns = CARRIER_RETRY_NS;
	pulse->ask_ns = signs->offline ? CLOCK_NEVER : now_ns + CARRIER_RETRY_NS;
}

static void come_back(struct carrier_pulse *pulse, uint64_t now_ns)
{
	pulse->state = CARRIER_HELD;
	pulse->well_ns = now_ns + pulse->hold_ns;
	pulse->ask_ns = CLOCK_NEVER;
}

static void update_alive(struct carrier_pulse *pulse, const struct carrier_signs *signs,
			 uint64_t now_ns)
{
	uint64_t end = end_ns(pulse, signs), doubt;

	if (now_ns >= end) {
		give_up(pulse, signs, now_ns);
		pulse->next_ns = CLOCK_NEVER;
		return;
	}
	pulse->next_ns = end;
	if (pulse->state == CARRIER_HELD && now_ns >= pulse->well_ns)
		pulse->state = CARRIER_LIVE;
	if (pulse->state == CARRIER_HELD)
		pulse->next_ns = earlier(end, pulse->well_ns);
	doubt = doubt_ns(pulse, signs);
	if (doubt == CLOCK_NEVER || pulse->ask_ns == CLOCK_NEVER || pulse->ask_ns < doubt)
		pulse->ask_ns = doubt;
}

/* Nobody sends to it any more: it comes back when it is heard, or when it is said to be there. */
static void update_dead(struct carrier_pulse *pulse, const struct carrier_signs *signs,
			uint64_t now_ns)
{
	pulse->next_ns = CLOCK_NEVER;
	if (signs->heard_ns > pulse->died_ns) {
		come_back(pulse, now_ns);
		pulse->next_ns = pulse->well_ns;
	} else if (pulse->state == CARRIER_OFFLINE && !signs->offline) {
		/* Being there by what others say is shown by an answer. */
		pulse->state = CARRIER_SILENT;
		pulse->retry_ns = CARRIER_RETRY_NS;
		pulse->ask_ns = now_ns;
	} else if (pulse->state == CARRIER_SILENT && signs->offline) {
		pulse->state = CARRIER_OFFLINE;
		pulse->ask_ns = CLOCK_NEVER;
	}
}

bool carrier_pulse_update(struct carrier_pulse *pulse, const struct carrier_signs *signs,
			  uint64_t now_ns)
{
	enum carrier_state before = pulse->state;

	if (!signs->offline)
		pulse->offline_ns = 0;
	else if (!pulse->offline_ns || signs->heard_ns > pulse->offline_ns)
		pulse->offline_ns = now_ns;
	if (pulse->state >= CARRIER_HELD)
		update_alive(pulse, signs, now_ns);
	else
		update_dead(pulse, signs, now_ns);
	return pulse->state != before;
}

bool carrier_pulse_ask(struct carrier_pulse *pulse, uint64_t now_ns)
{
	if (now_ns < pulse->ask_ns)
		return false;
	if (pulse->state >= CARRIER_HELD) {
		pulse->ask_ns = now_ns + CARRIER_ECHO_NS;
	} else {
		pulse->ask_ns = now_ns + pulse->retry_ns;
		pulse->retry_ns = earlier(2 * pulse->retry_ns, CARRIER_RETRY_MAX_NS);
	}
	return true;
}

uint64_t carrier_pulse_next_ns(const struct carrier_pulse *pulse)
{
	return earlier(pulse->ask_ns, pulse->next_ns);
}

/* --- one prefix --- */

void carrier_choice_init(struct carrier_choice *choice)
{
	*choice = (struct carrier_choice){ 0 };
}

const char *carrier_reason_text(enum carrier_reason reason)
{
	static const char *const texts[] = {
		[CARRIER_NONE] = "",         [CARRIER_ONLY] = "only",
		[CARRIER_WEIGHT] = "weight", [CARRIER_FAILOVER] = "failover",
		[CARRIER_PATH] = "path",     [CARRIER_EQUAL] = "equal",
		[CARRIER_LAST] = "no-other",
	};

	return texts[reason];
}

/* Is the path clearly the better one? Of what is not known nothing is said. */
static bool has_better_path(const struct carrier_candidate *a, const struct carrier_candidate *b)
{
	if (!a->latency_ns || !b->latency_ns)
		return false;
	if (a->direct != b->direct)
		return a->direct;
	return 2 * a->latency_ns + LATENCY_MARGIN_NS < b->latency_ns;
}

/* Would a be taken before b if neither carried yet? */
static bool is_before(const struct carrier_candidate *a, const struct carrier_candidate *b)
{
	if (a->state != b->state)
		return a->state > b->state;
	if (a->weight != b->weight)
		return a->weight > b->weight;
	if (has_better_path(a, b) || has_better_path(b, a))
		return has_better_path(a, b);
	return a->id < b->id;
}

static const struct carrier_candidate *find_best(const struct carrier_candidate *list, size_t count)
{
	const struct carrier_candidate *best = NULL;

	for (size_t i = 0; i < count; i++) {
		if (!best || is_before(&list[i], best))
			best = &list[i];
	}
	return best;
}

static const struct carrier_candidate *find(const struct carrier_candidate *list, size_t count,
					    uint64_t id)
{
	for (size_t i = 0; i < count; i++) {
		if (list[i].id == id)
			return &list[i];
	}
	return NULL;
}

/* Why it is this one, by what the others are now. */
static enum carrier_reason reason_of(const struct carrier_candidate *chosen,
				     const struct carrier_candidate *list, size_t count)
{
	bool lower = false;

	if (count == 1)
		return CARRIER_ONLY;
	if (chosen->state < CARRIER_HELD)
		return CARRIER_LAST;
	for (size_t i = 0; i < count; i++) {
		if (list[i].weight > chosen->weight)
			return CARRIER_FAILOVER;
		lower |= list[i].weight < chosen->weight;
	}
	for (size_t i = 0; i < count; i++) {
		if (list[i].weight == chosen->weight && list[i].id != chosen->id)
			return list[i].state < CARRIER_HELD        ? CARRIER_FAILOVER
			       : has_better_path(chosen, &list[i]) ? CARRIER_PATH
								   : CARRIER_EQUAL;
	}
	return lower ? CARRIER_WEIGHT : CARRIER_EQUAL;
}

/* Of those with the current one's weight: who has had a better path for long enough? */
static const struct carrier_candidate *patient_rival(struct carrier_choice *choice,
						     const struct carrier_candidate *current,
						     const struct carrier_candidate *best,
						     uint64_t now_ns)
{
	if (best == current || best->state != CARRIER_LIVE || best->weight != current->weight ||
	    !has_better_path(best, current)) {
		choice->rival = 0;
		return NULL;
	}
	if (choice->rival != best->id) {
		choice->rival = best->id;
		choice->rival_since_ns = now_ns;
	}
	return now_ns >= choice->rival_since_ns + CARRIER_BETTER_NS ? best : NULL;
}

/* Does the best one take over from one that is there? */
static const struct carrier_candidate *contest(struct carrier_choice *choice,
					       const struct carrier_candidate *current,
					       const struct carrier_candidate *best,
					       uint64_t now_ns)
{
	const struct carrier_candidate *rival = patient_rival(choice, current, best, now_ns);

	/* That it came back a moment ago is no reason to leave the one in use. */
	if (current->state < CARRIER_HELD && best->state > current->state)
		return best;
	if (best->state == CARRIER_LIVE && best->weight > current->weight)
		return best;
	return rival ? rival : current;
}

bool carrier_choose(struct carrier_choice *choice, const struct carrier_candidate *candidates,
		    size_t count, uint64_t now_ns)
{
	const struct carrier_candidate *current = find(candidates, count, choice->current);
	const struct carrier_candidate *best = find_best(candidates, count);
	uint64_t before = choice->current;

	if (!best) {
		carrier_choice_init(choice);
		return before != 0;
	}
	current = current ? contest(choice, current, best, now_ns) : best;
	if (current->id != before)
		choice->rival = 0;
	choice->current = current->id;
	choice->reason = reason_of(current, candidates, count);
	return choice->current != before;
}

uint64_t carrier_choice_next_ns(const struct carrier_choice *choice)
{
	return choice->rival ? choice->rival_since_ns + CARRIER_BETTER_NS : CLOCK_NEVER;
}
