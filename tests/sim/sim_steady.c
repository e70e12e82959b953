/*
 * Hours of an ordinary path: 40 ms, 5 ms of jitter, a loss of 2 % in each direction, and a steady
 * conversation. Once it is direct nothing has to change any more. Then the path dies without a
 *word, both ways or one, or drops WireGuard alone, and the time until the relay is used is
 *measured.
 *
 *	sim_steady [HOURS]
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "tests/support/simworld.h"

#define DEFAULT_HOURS 40
#define SETTLE_NS     (60 * NS_PER_S)
#define HOUR_NS       (3600 * NS_PER_S)
#define DEAD_MAX_NS   (400 * NS_PER_MS)
#define DEAF_MAX_NS   (2 * NS_PER_S)

static const struct sim_quality line = {
	.delay_ns = 8750 * NS_PER_US, /* of two lines, with the mean of the jitter: 20 ms */
	.jitter_ns = 2500 * NS_PER_US,
	.loss_permille = 10,
};

static const char *steady_hour(struct sim_world *w)
{
	unsigned int before[2];

	for (int i = 0; i < 2; i++)
		before[i] = w->nodes[i].kind_changes;
	sim_world_run(w, w->now_ns + HOUR_NS);
	for (int i = 0; i < 2 && !w->failure; i++) {
		if (w->nodes[i].path.current.kind != PATH_DIRECT)
			return "not direct";
		if (w->nodes[i].kind_changes != before[i])
			return "the path flaps";
	}
	return w->failure;
}

/* Until both are by relay; what is lost on the ordinary path may cost one more packet's time. */
static const char *dead_path(struct sim_world *w, enum sim_hole there, enum sim_hole back,
			     uint64_t *took_ns)
{
	uint64_t began_ns = w->now_ns;

	simnet_set_hole(w->net, w->nodes[0].host, w->nodes[1].host, there);
	simnet_set_hole(w->net, w->nodes[1].host, w->nodes[0].host, back);
	while (w->nodes[0].path.current.kind != PATH_RELAY ||
	       w->nodes[1].path.current.kind != PATH_RELAY) {
		if (w->now_ns > began_ns + 10 * NS_PER_S)
			return "the dead path is not left";
		sim_world_run(w, w->now_ns + NS_PER_MS);
	}
	*took_ns = w->now_ns - began_ns;
	return w->failure;
}

static bool run_seed(uint64_t seed, uint64_t *dead_ns, uint64_t *deaf_ns)
{
	static const enum sim_nat_kind kinds[2] = { SIM_NAT_A, SIM_NAT_A };
	static const enum sim_hole holes[4][2] = {
		{ SIM_HOLE_ALL, SIM_HOLE_ALL },
		{ SIM_HOLE_ALL, SIM_HOLE_NONE },
		{ SIM_HOLE_DATA, SIM_HOLE_DATA },
		{ SIM_HOLE_NONE, SIM_HOLE_DATA },
	};
	const enum sim_hole *hole = holes[seed % 4];
	const char *failure;
	struct sim_world w;

	sim_world_init(&w, seed, kinds, false, &line);
	for (int i = 0; i < 2; i++) {
		w.nodes[i].data_interval_ns = (seed % 3 + 1) * 20 * NS_PER_MS;
		sim_node_start(&w.nodes[i]);
	}
	sim_world_run(&w, w.now_ns + SETTLE_NS);
	failure = steady_hour(&w);
	if (!failure)
		failure = dead_path(&w, hole[0], hole[1], seed % 4 < 2 ? dead_ns : deaf_ns);
	if (failure)
		printf("seed %llu: %s\n", (unsigned long long)seed, failure);
	sim_world_clear(&w);
	return !failure;
}

static int by_value(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* Whether nineteen of twenty were left in time. */
static bool judge(const char *what, uint64_t *times, size_t count, uint64_t max_ns)
{
	uint64_t p95;

	if (!count)
		return true;
	qsort(times, count, sizeof(*times), by_value);
	p95 = times[(count - 1) * 95 / 100];
	printf("%s: left by both after p50 %.3f s, p95 %.3f s, at most %.3f s\n", what,
	       (double)times[count / 2] / 1e9, (double)p95 / 1e9, (double)times[count - 1] / 1e9);
	return p95 <= max_ns;
}

int main(int argc, char **argv)
{
	uint64_t hours = argc > 1 ? strtoull(argv[1], NULL, 10) : DEFAULT_HOURS;
	unsigned int passed = 0, failed = 0;
	uint64_t *dead, *deaf;
	size_t dead_count = 0, deaf_count = 0;
	bool in_time;

	dead = calloc(hours + 1, sizeof(*dead));
	deaf = calloc(hours + 1, sizeof(*deaf));
	if (!hours || !dead || !deaf)
		return 2;
	for (uint64_t seed = 1; seed <= hours; seed++) {
		if (!run_seed(seed, &dead[dead_count], &deaf[deaf_count])) {
			failed++;
			continue;
		}
		passed++;
		if (seed % 4 < 2)
			dead_count++;
		else
			deaf_count++;
	}
	in_time = judge("a dead path", dead, dead_count, DEAD_MAX_NS);
	in_time &= judge("a path that drops WireGuard", deaf, deaf_count, DEAF_MAX_NS);
	if (!in_time)
		printf("too late\n");
	free(dead);
	free(deaf);
	printf("%u passed, %u failed\n", passed, failed);
	return failed || !in_time ? 1 : 0;
}
