#include "tests/support/path_bench.h"

#include <stdlib.h>

#include "base/clock.h"

#define START_NS (1000 * NS_PER_S)
#define CHECK_NS (5 * NS_PER_S) /* ICE's own, of every pair */

static void drain(struct path_bench *b);

void path_bench_init(struct path_bench *b, uint64_t seed)
{
	*b = (struct path_bench){ .now_ns = START_NS, .next_data_ns = START_NS };
	rng_seeded_init(&b->seeded, seed);
	b->rng = rng_from_seeded(&b->seeded);
	for (size_t i = 0; i < PATH_BENCH_QUEUE; i++)
		b->queue[i].time_ns = CLOCK_NEVER;
	pathchoice_init(&b->pc, b->now_ns);
	drain(b);
}

static struct path_bench_way *find(struct path_bench *b, enum path_kind kind, uint32_t id)
{
	for (size_t i = 0; i < PATH_BENCH_WAYS; i++) {
		if (b->way[i].kind == kind && b->way[i].id == id)
			return &b->way[i];
	}
	return NULL;
}

static bool chance(struct path_bench *b, unsigned int permille)
{
	return rng_below(&b->rng, 1000) < permille;
}

static uint64_t trip_ns(struct path_bench *b, const struct path_bench_way *way)
{
	uint64_t jitter_us = way->jitter_ns / NS_PER_US;

	if (!jitter_us)
		return way->rtt_ns;
	return way->rtt_ns - way->jitter_ns +
	       rng_below(&b->rng, (uint32_t)(2 * jitter_us)) * NS_PER_US;
}

/* Does it get there, or back? */
static bool gets_through(struct path_bench *b, const struct path_bench_way *way, int type)
{
	return !way->dead && !chance(b, way->loss) &&
	       (type == PATH_BENCH_PROBE || !chance(b, way->echo_loss));
}

static struct path_bench_event *first(struct path_bench *b)
{
	struct path_bench_event *best = &b->queue[0];

	for (size_t i = 1; i < PATH_BENCH_QUEUE; i++) {
		if (b->queue[i].time_ns < best->time_ns)
			best = &b->queue[i];
	}
	return best;
}

static void send(struct path_bench *b, const struct path_bench_way *way, int type, uint32_t token)
{
	struct path_bench_event *e = b->queue;

	if (type != PATH_BENCH_PROBE)
		b->expected++;
	if (!gets_through(b, way, type))
		return;
	if (type != PATH_BENCH_PROBE)
		b->arrived++;
	if ((type == PATH_BENCH_DATA && b->one_way) || !gets_through(b, way, type))
		return;
	while (e->time_ns != CLOCK_NEVER) {
		if (++e == b->queue + PATH_BENCH_QUEUE)
			abort();
	}
	*e = (struct path_bench_event){
		.time_ns = b->now_ns + trip_ns(b, way),
		.way = way,
		.sent_ns = b->now_ns,
		.token = token,
		.expected = b->expected,
		.arrived = b->arrived,
	};
	e->type = type;
}

static void on_order(struct path_bench *b, const struct path_order *order)
{
	struct path_bench_way *way = find(b, order->kind, order->id);

	switch (order->type) {
	case PATH_ORDER_USE:
		b->changes++;
		b->silences += order->current.reason == PATH_REASON_SILENCE;
		b->activity.silent_since_ns = 0;
		break;
	case PATH_ORDER_PROBE:
		b->probes += order->count;
		for (unsigned int i = 0; way && i < order->count; i++)
			send(b, way, PATH_BENCH_PROBE, 0);
		break;
	case PATH_ORDER_ECHO:
		b->echoes++;
		if (b->no_session)
			pathchoice_echo_unsent(&b->pc, order->token, b->now_ns);
		else if (way)
			send(b, way, PATH_BENCH_ECHO, order->token);
		break;
	case PATH_ORDER_WATCH:
		b->watched = true;
		break;
	case PATH_ORDER_RESTART:
		b->restarts++;
		break;
	}
}

static void drain(struct path_bench *b)
{
	struct path_order order;

	while (pathchoice_poll(&b->pc, &order))
		on_order(b, &order);
}

struct path_bench_way *path_bench_add(struct path_bench *b, enum path_kind kind, uint32_t id,
				      uint64_t rtt_ns)
{
	const struct path_pair pair = { .id = id, .class = 1, .rtt_ns = rtt_ns };
	struct path_bench_way *way = find(b, PATH_NONE, 0);

	*way = (struct path_bench_way){ .kind = kind, .id = id, .rtt_ns = rtt_ns };
	if (kind == PATH_RELAY)
		pathchoice_relay_up(&b->pc, id, rtt_ns, b->now_ns);
	else
		pathchoice_pair_valid(&b->pc, &pair, b->now_ns);
	drain(b);
	return way;
}

static void arrive(struct path_bench *b, struct path_bench_event *event)
{
	const struct path_bench_event e = *event;
	bool in_use = e.way->kind == b->pc.current.kind && e.way->id == b->pc.current.id;

	event->time_ns = CLOCK_NEVER;
	if (e.way->dead)
		return;
	if (e.type == PATH_BENCH_PROBE) {
		if (e.way->kind == PATH_DIRECT)
			pathchoice_pair_answered(&b->pc, e.way->id, b->now_ns - e.sent_ns,
						 b->now_ns);
		return;
	}
	if (in_use)
		b->activity.silent_since_ns = 0;
	if (e.type == PATH_BENCH_ECHO)
		pathchoice_echo_answered(&b->pc, e.token, e.expected, e.arrived, b->now_ns);
}

static void send_data(struct path_bench *b)
{
	struct path_bench_way *way = find(b, b->pc.current.kind, b->pc.current.id);

	b->next_data_ns = b->now_ns + b->data_ns;
	if (b->pc.current.kind == PATH_NONE || !way)
		return;
	b->activity.last_tx_data_ns = b->now_ns;
	if (!b->activity.silent_since_ns)
		b->activity.silent_since_ns = b->now_ns;
	send(b, way, PATH_BENCH_DATA, 0);
}

/* ICE asks every pair by itself. */
static void check_pairs(struct path_bench *b)
{
	for (size_t i = 0; i < PATH_BENCH_WAYS; i++) {
		if (b->way[i].kind == PATH_DIRECT)
			send(b, &b->way[i], PATH_BENCH_PROBE, 0);
	}
}

static uint64_t earlier(uint64_t x, uint64_t y)
{
	return x < y ? x : y;
}

static void step(struct path_bench *b, uint64_t next_ns)
{
	struct path_bench_event *event = first(b);
	uint64_t before_ns = b->now_ns;

	b->now_ns = next_ns;
	if (before_ns / CHECK_NS != next_ns / CHECK_NS)
		check_pairs(b);
	if (event->time_ns <= next_ns) {
		arrive(b, event);
		drain(b);
	}
	if (b->data_ns && b->next_data_ns <= next_ns)
		send_data(b);
	pathchoice_set_activity(&b->pc, &b->activity, b->now_ns);
	pathchoice_expire(&b->pc, b->now_ns);
	drain(b);
}

static uint64_t next_step(struct path_bench *b, uint64_t end_ns)
{
	uint64_t next_ns = earlier(first(b)->time_ns, pathchoice_next_timeout(&b->pc));

	next_ns = earlier(next_ns, (b->now_ns / CHECK_NS + 1) * CHECK_NS);
	if (b->data_ns)
		next_ns =
			earlier(next_ns, b->next_data_ns > b->now_ns ? b->next_data_ns : b->now_ns);
	if (next_ns < b->now_ns)
		next_ns = b->now_ns;
	return earlier(next_ns, end_ns);
}

void path_bench_run(struct path_bench *b, uint64_t ns)
{
	uint64_t end_ns = b->now_ns + ns;
	unsigned int spins = 0;

	while (b->now_ns < end_ns) {
		uint64_t next_ns = next_step(b, end_ns);

		spins = next_ns > b->now_ns ? 0 : spins + 1;
		if (spins > 1000)
			abort(); /* a timeout that does not move */
		step(b, next_ns);
	}
}

bool path_bench_until(struct path_bench *b, enum path_kind kind, uint32_t id, uint64_t ns)
{
	uint64_t end_ns = b->now_ns + ns;

	while (b->pc.current.kind != kind || b->pc.current.id != id) {
		if (b->now_ns >= end_ns)
			return false;
		step(b, next_step(b, end_ns));
	}
	return true;
}
