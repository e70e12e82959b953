#include "proto/punch.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

#define LEGS_MAX 2
/*
 * A pair that needs no guessing answers within a round trip or two, and is not to drown in guesses:
 * who lets everybody in would answer hundreds of them first. The hard side begins first, because
 * only what is open can be met.
 */
#define HARD_WAIT_MS 120
#define EASY_WAIT_MS 160
/* Where nobody knows a hard NAT, ordinary checks get their time; then each is taken for one. */
#define UNKNOWN_WAIT_MS 1000
#define KNOWN_LEG_MS    10000
#define UNKNOWN_LEG_MS  4500

/* Between two runs: 2, 4, 8, 16, 32 minutes, unless either network changes. */
#define BACKOFF_S            120
#define BACKOFF_DOUBLING_MAX 4
#define AGAIN_S              10 /* after a run that succeeded, and after one in another network */
#define TELL_AGAIN_MS        500

#define SOCKETS_LEAST    64
#define CLAIM_AGAIN_MS   50
#define BREAKS_MAX       2
#define OPENER_REPEAT_MS 1500 /* one may have been lost */
/*
 * Every other socket's check is to die on the way: some routers take an early one for a connection
 * to themselves, and give what their own side sends there another port. Behind two NATs only the
 * others open the outer one.
 */
#define OPENER_TTL 2

#define PORT_FIRST 1024 /* below it NATs keep to themselves */
#define FORESEEN   48   /* probes to ports that are foreseen … */
#define FORESEEN_STEP                                                                               \
	5 /* … every so many mappings, so that one of PUNCH_SOCKETS in a row is met whatever else \
	     the NAT maps meanwhile */

enum stage {
	STAGE_IDLE,
	STAGE_WAITING, /* for the leg's time */
	STAGE_RUNNING,
};

enum role {
	ROLE_NONE,
	ROLE_HARD,
	ROLE_EASY,
};

struct leg {
	enum role role;
	uint64_t after_ns; /* since the plan was made */
	uint64_t span_ns;
};

struct punch {
	struct rng rng;
	struct punch_budget *budget;
	bool first;
	bool direct;

	struct nat_report ours;
	struct nat_report told;
	uint64_t tell_ns; /* not again before */
	struct ip_addr outside;
	struct nat_report theirs;
	struct endpoint target; /* family 0: unknown */
	unsigned int target_rank;
	struct ip_addr last_outside, last_target; /* of the last run */

	enum stage stage;
	struct leg legs[LEGS_MAX];
	size_t leg, leg_count;
	uint64_t planned_ns;
	uint64_t end_ns;
	unsigned int failures;
	unsigned int breaks; /* runs that a restart ended */
	uint64_t allowed_ns; /* no run before */

	bool open_wanted, close_wanted;
	size_t sockets; /* of the budget */
	size_t opened;
	size_t next;       /* opener to send */
	uint64_t round_ns; /* when the next round of openers begins */
	unsigned int probes;
	uint16_t port;    /* of the latest */
	uint64_t send_ns; /* of the next probe or opener */
	uint64_t asked[65536 / 64];
};

struct punch *punch_new(const struct punch_config *config)
{
	struct punch *punch = calloc(1, sizeof(*punch));

	if (!punch)
		return NULL;
	punch->rng = config->rng;
	punch->budget = config->budget;
	punch->first = config->first;
	return punch;
}

static void give_back(struct punch *punch)
{
	punch_budget_give_sockets(punch->budget, (unsigned int)punch->sockets);
	punch->sockets = 0;
	punch->opened = 0;
}

void punch_free(struct punch *punch)
{
	if (!punch)
		return;
	give_back(punch);
	free(punch);
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* ---- the plan ---- */

static bool is_hard(const struct nat_report *report)
{
	return nat_behaviour_is_hard(report->mapping);
}

static bool may_be_hard(const struct nat_report *report)
{
	return is_hard(report) || report->mapping == NAT_UNKNOWN;
}

static bool are_both_hard(const struct punch *punch)
{
	return is_hard(&punch->ours) && is_hard(&punch->theirs);
}

bool punch_is_hopeless(const struct punch *punch)
{
	return are_both_hard(punch) ||
	       (punch->failures && may_be_hard(&punch->ours) && may_be_hard(&punch->theirs));
}

static uint64_t wait_ns(bool hard)
{
	return (hard ? HARD_WAIT_MS : EASY_WAIT_MS) * NS_PER_MS;
}

static size_t plan_known(struct punch *punch)
{
	bool hard = is_hard(&punch->ours);

	punch->legs[0] = (struct leg){ .role = hard ? ROLE_HARD : ROLE_EASY,
				       .after_ns = wait_ns(hard),
				       .span_ns = KNOWN_LEG_MS * NS_PER_MS };
	return 1;
}

/* One who knows its NAT to be easy leaves the other to be the hard one; else each in turn. */
static size_t plan_unknown(struct punch *punch)
{
	bool we_may = punch->ours.mapping == NAT_UNKNOWN;
	bool they_may = punch->theirs.mapping == NAT_UNKNOWN;
	bool hard = we_may == they_may ? punch->first : we_may;
	size_t count = we_may == they_may ? 2 : 1;

	for (size_t i = 0; i < count; i++) {
		bool hard_now = hard == (i == 0);

		punch->legs[i] = (struct leg){
			.role = hard_now ? ROLE_HARD : ROLE_EASY,
			.after_ns = (UNKNOWN_WAIT_MS + i * UNKNOWN_LEG_MS) * NS_PER_MS +
				    wait_ns(hard_now),
			.span_ns = UNKNOWN_LEG_MS * NS_PER_MS,
		};
	}
	return count;
}

static size_t make_plan(struct punch *punch)
{
	if (!punch->outside.family || !punch->target.addr.family || !punch->told.punch ||
	    !punch->theirs.punch || addr_equal(&punch->outside, &punch->target.addr) ||
	    are_both_hard(punch))
		return 0;
	if (is_hard(&punch->ours) || is_hard(&punch->theirs))
		return plan_known(punch);
	return plan_unknown(punch);
}

static void end_leg(struct punch *punch)
{
	punch->open_wanted = false;
	if (punch->opened)
		punch->close_wanted = true;
	give_back(punch);
	punch->send_ns = CLOCK_NEVER;
}

/* It has turned out meanwhile that the hard one is the other. */
static bool is_misled(const struct punch *punch)
{
	bool hard = is_hard(&punch->ours);

	return hard != is_hard(&punch->theirs) &&
	       punch->legs[punch->leg].role != (hard ? ROLE_HARD : ROLE_EASY);
}

/* What has not begun yet may still become something else. */
static void plan(struct punch *punch, uint64_t now_ns)
{
	if (punch->direct || (punch->stage == STAGE_RUNNING && !is_misled(punch)))
		return;
	if (punch->stage == STAGE_RUNNING) {
		end_leg(punch);
		punch->planned_ns = now_ns;
		punch->leg = 0;
		punch->stage = STAGE_WAITING;
	}
	if (punch->stage == STAGE_IDLE && now_ns < punch->allowed_ns)
		return;
	punch->leg_count = make_plan(punch);
	if (!punch->leg_count) {
		punch->stage = STAGE_IDLE;
		return;
	}
	if (punch->stage == STAGE_IDLE) {
		punch->planned_ns = now_ns;
		punch->leg = 0;
	}
	if (punch->leg >= punch->leg_count)
		punch->leg = 0;
	punch->stage = STAGE_WAITING;
}

/* ---- the run ---- */

/*
 * Other runs may have them all. They end soon, and a check from here that comes late is let in
 * where the peer's have opened the way before.
 */
static void claim_sockets(struct punch *punch, uint64_t now_ns)
{
	punch->sockets = punch_budget_take_sockets(punch->budget, PUNCH_SOCKETS);
	if (punch->sockets < SOCKETS_LEAST) {
		give_back(punch);
		punch->send_ns = now_ns + CLAIM_AGAIN_MS * NS_PER_MS;
		return;
	}
	punch->open_wanted = true;
	punch->send_ns = CLOCK_NEVER; /* until they are open */
}

static void begin_leg(struct punch *punch, uint64_t now_ns)
{
	const struct leg *leg = &punch->legs[punch->leg];

	punch->stage = STAGE_RUNNING;
	punch->end_ns = now_ns + leg->span_ns;
	punch->last_outside = punch->outside;
	punch->last_target = punch->target.addr;
	punch->send_ns = now_ns;
	punch->probes = 0;
	punch->next = 0;
	punch->round_ns = now_ns + OPENER_REPEAT_MS * NS_PER_MS;
	memset(punch->asked, 0, sizeof(punch->asked));
	if (leg->role == ROLE_HARD)
		claim_sockets(punch, now_ns);
}

/* What both said they would do has been done, and is to be said anew. */
static void end_run(struct punch *punch, uint64_t now_ns)
{
	if (punch->stage == STAGE_RUNNING)
		end_leg(punch);
	punch->stage = STAGE_IDLE;
	punch->told.punch = false;
	punch->theirs.punch = false;
	punch->allowed_ns = now_ns;
}

static void fail_run(struct punch *punch, uint64_t now_ns)
{
	unsigned int doublings = punch->failures++;

	if (doublings > BACKOFF_DOUBLING_MAX)
		doublings = BACKOFF_DOUBLING_MAX;
	end_run(punch, now_ns);
	punch->allowed_ns = now_ns + ((uint64_t)BACKOFF_S << doublings) * NS_PER_S;
	punch->breaks = 0;
}

static void end_leg_or_run(struct punch *punch, uint64_t now_ns)
{
	if (punch->leg + 1 == punch->leg_count) {
		fail_run(punch, now_ns);
		return;
	}
	end_leg(punch);
	punch->leg++;
	punch->stage = STAGE_WAITING;
}

void punch_opened(struct punch *punch, size_t count, uint64_t now_ns)
{
	if (punch->stage != STAGE_RUNNING)
		return;
	punch->opened = count < punch->sockets ? count : punch->sockets;
	if (!punch->opened) {
		end_leg_or_run(punch, now_ns);
		return;
	}
	punch->send_ns = now_ns;
}

static bool ask_port(struct punch *punch, uint16_t port)
{
	uint64_t bit = 1ULL << (port % 64);

	if (!port || punch->asked[port / 64] & bit)
		return false;
	punch->asked[port / 64] |= bit;
	punch->port = port;
	return true;
}

/* The ports that the peer's next mappings should have, then the one of its last, then any. */
static void choose_port(struct punch *punch)
{
	const struct nat_report *theirs = &punch->theirs;

	while (theirs->stride && theirs->port && punch->probes < FORESEEN) {
		unsigned int n = 1 + punch->probes * FORESEEN_STEP;

		if (ask_port(punch, nat_mapping_predict(theirs->port, theirs->stride, n)))
			return;
		punch->probes++;
	}
	while (!ask_port(punch,
			 (uint16_t)(PORT_FIRST + rng_below(&punch->rng, 65536 - PORT_FIRST))))
		;
}

static void fill_opener(struct punch *punch, struct punch_order *order)
{
	order->socket = punch->next++;
	order->ttl = order->socket % 2 == 0 ? OPENER_TTL : 0;
}

static bool poll_send(struct punch *punch, struct punch_order *order, uint64_t now_ns)
{
	bool opener = punch->legs[punch->leg].role == ROLE_HARD;
	uint64_t turn_ns;

	if (punch->send_ns > now_ns || (opener && !punch->opened))
		return false;
	if (opener ? punch->next == punch->opened : punch->probes >= PUNCH_PROBES_MAX) {
		punch->send_ns = CLOCK_NEVER;
		return false;
	}
	turn_ns = punch_budget_take(punch->budget, opener, now_ns);
	if (turn_ns) {
		punch->send_ns = turn_ns;
		return false;
	}
	*order = (struct punch_order){ .type = PUNCH_ORDER_SEND,
				       .socket = PUNCH_SHARED,
				       .remote = punch->target };
	if (opener) {
		fill_opener(punch, order);
	} else {
		choose_port(punch);
		order->remote.port = punch->port;
		punch->probes++;
	}
	return true;
}

bool punch_poll_order(struct punch *punch, struct punch_order *order, uint64_t now_ns)
{
	if (punch->close_wanted) {
		punch->close_wanted = false;
		*order = (struct punch_order){ .type = PUNCH_ORDER_CLOSE };
		return true;
	}
	if (punch->open_wanted) {
		punch->open_wanted = false;
		*order = (struct punch_order){ .type = PUNCH_ORDER_OPEN, .count = punch->sockets };
		return true;
	}
	return punch->stage == STAGE_RUNNING && poll_send(punch, order, now_ns);
}

/* ---- news ---- */

/* A network that no run was made in: it may begin at once. */
static void see_change(struct punch *punch, const struct ip_addr *last, const struct ip_addr *now,
		       uint64_t now_ns)
{
	if (last->family && now->family && !addr_equal(last, now))
		punch_network_changed(punch, now_ns);
}

void punch_network_changed(struct punch *punch, uint64_t now_ns)
{
	punch->failures = 0;
	if (punch->allowed_ns > now_ns + AGAIN_S * NS_PER_S)
		punch->allowed_ns = now_ns;
	memset(&punch->last_outside, 0, sizeof(punch->last_outside));
	memset(&punch->last_target, 0, sizeof(punch->last_target));
}

void punch_begin_anew(struct punch *punch, uint64_t now_ns)
{
	punch->failures = 0;
	punch->breaks = 0;
	if (punch->allowed_ns > now_ns)
		punch->allowed_ns = now_ns;
}

void punch_set_own(struct punch *punch, const struct nat_report *report,
		   const struct ip_addr *outside, uint64_t now_ns)
{
	punch->ours = *report;
	punch->outside = addr_is_global(outside) ? *outside : (struct ip_addr){ 0 };
	see_change(punch, &punch->last_outside, &punch->outside, now_ns);
	plan(punch, now_ns);
}

/* What a NAT shows of the peer goes before an address of its own. */
static unsigned int rank(const struct candidate *c)
{
	if (!addr_is_global(&c->addr.addr) || c->type == CANDIDATE_RELAY)
		return 0;
	return c->type == CANDIDATE_SRFLX ? 2 : 1;
}

void punch_set_peer(struct punch *punch, const struct nat_report *report,
		    const struct candidate *candidates, size_t count, uint64_t now_ns)
{
	punch->theirs = *report;
	for (size_t i = 0; i < count && punch->stage != STAGE_RUNNING; i++) {
		if (!rank(&candidates[i]) || rank(&candidates[i]) < punch->target_rank)
			continue; /* of two alike the later one is the newer one */
		punch->target_rank = rank(&candidates[i]);
		punch->target = candidates[i].addr;
	}
	see_change(punch, &punch->last_target, &punch->target.addr, now_ns);
	plan(punch, now_ns);
}

void punch_restart(struct punch *punch, uint64_t now_ns)
{
	if (punch->stage == STAGE_RUNNING) {
		/* It had no fair chance, but that is not to become a way to go on for ever. */
		if (punch->breaks++ < BREAKS_MAX)
			end_run(punch, now_ns);
		else
			fail_run(punch, now_ns);
	}
	punch->stage = STAGE_IDLE;
	punch->told.punch = false;
	punch->theirs.punch = false; /* what its NAT does it does still */
	punch->target = (struct endpoint){ 0 };
	punch->target_rank = 0;
}

void punch_set_direct(struct punch *punch, bool direct, uint64_t now_ns)
{
	if (direct && punch->stage == STAGE_RUNNING) {
		end_run(punch, now_ns);
		punch->allowed_ns = now_ns + AGAIN_S * NS_PER_S;
	}
	if (direct) {
		punch->stage = STAGE_IDLE;
		punch->failures = 0;
		punch->breaks = 0;
	}
	punch->direct = direct;
}

/* ---- telling ---- */

static struct nat_report report_now(struct punch *punch, uint64_t now_ns)
{
	struct nat_report report = punch->ours;

	report.punch = punch->outside.family && !punch->direct &&
		       (punch->stage != STAGE_IDLE || (now_ns >= punch->allowed_ns &&
						       punch_budget_allows(punch->budget, now_ns)));
	return report;
}

struct nat_report punch_report(struct punch *punch, uint64_t now_ns)
{
	punch->told = report_now(punch, now_ns);
	punch->tell_ns = now_ns + TELL_AGAIN_MS * NS_PER_MS;
	plan(punch, now_ns);
	return punch->told;
}

/* Something that the peer's plan depends on is not as it was told. */
static bool is_news(struct punch *punch, uint64_t now_ns)
{
	struct nat_report report = report_now(punch, now_ns);

	return punch->target.addr.family && !punch->direct &&
	       ((report.punch && !punch->told.punch) || report.mapping != punch->told.mapping);
}

bool punch_has_news(struct punch *punch, uint64_t now_ns)
{
	return now_ns >= punch->tell_ns && is_news(punch, now_ns);
}

/* ---- time ---- */

/* When to look whether the peer is to be told something. */
static uint64_t tell_timeout(const struct punch *punch)
{
	uint64_t next = punch->tell_ns;

	if (!punch->target.addr.family || punch->direct ||
	    (punch->told.punch && punch->told.mapping == punch->ours.mapping))
		return CLOCK_NEVER;
	if (punch->told.mapping == punch->ours.mapping && punch->allowed_ns > next)
		next = punch->allowed_ns;
	return next;
}

uint64_t punch_next_timeout(const struct punch *punch)
{
	uint64_t next = tell_timeout(punch), stage = CLOCK_NEVER;

	if (punch->stage == STAGE_WAITING)
		return earlier(next, punch->planned_ns + punch->legs[punch->leg].after_ns);
	if (punch->stage == STAGE_RUNNING) {
		stage = earlier(punch->end_ns, punch->send_ns);
		if (punch->opened && punch->next == punch->opened)
			stage = earlier(stage, punch->round_ns);
	}
	return earlier(next, stage);
}

static void expire_run(struct punch *punch, uint64_t now_ns)
{
	if (now_ns >= punch->end_ns) {
		end_leg_or_run(punch, now_ns);
	} else if (punch->legs[punch->leg].role == ROLE_HARD && !punch->sockets) {
		if (now_ns >= punch->send_ns)
			claim_sockets(punch, now_ns);
	} else if (punch->opened && punch->next == punch->opened && now_ns >= punch->round_ns) {
		punch->next = 0;
		punch->round_ns = now_ns + OPENER_REPEAT_MS * NS_PER_MS;
		punch->send_ns = now_ns;
	}
}

void punch_expire(struct punch *punch, uint64_t now_ns)
{
	if (punch->stage == STAGE_WAITING &&
	    now_ns >= punch->planned_ns + punch->legs[punch->leg].after_ns)
		begin_leg(punch, now_ns);
	else if (punch->stage == STAGE_RUNNING)
		expire_run(punch, now_ns);
	if (now_ns >= tell_timeout(punch) && !is_news(punch, now_ns))
		punch->tell_ns = now_ns + TELL_AGAIN_MS * NS_PER_MS;
}
