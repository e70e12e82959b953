#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "proto/pathmtu.h"

#define MS         NS_PER_MS
#define V4         60 /* IPv4, UDP, WireGuard */
#define V6         80
#define FLYING_MAX 512
#define LINK_DEFAULTS                                                   \
	{                                                               \
		.wire = 1500, .rtt_ns = 20 * MS, .seed = 1, .gso = true \
	}

/* A path with the far end's answers: what is too large or unlucky vanishes without a word. */
struct link {
	uint16_t wire; /* largest packet with its overhead */
	uint64_t rtt_ns;
	unsigned int loss_percent; /* of either way */
	bool gso;                  /* cut datagrams arrive */
	bool down;
	uint64_t seed;
};

struct flying {
	uint64_t at_ns;
	uint32_t token;
	uint16_t size;
};

struct world {
	struct pathmtu path;
	struct link link;
	uint16_t overhead;
	uint64_t now_ns;
	bool busy; /* large packets are sent all the time */
	struct flying flying[FLYING_MAX];
	size_t count;
	unsigned int packets; /* probes ever sent */
	uint64_t window_ns;   /* for the most in a second */
	unsigned int window;
	unsigned int most;
};

static unsigned int dice(struct world *w)
{
	w->link.seed = w->link.seed * 6364136223846793005u + 1442695040888963407u;
	return (unsigned int)(w->link.seed >> 33) % 100;
}

static bool arrives(struct world *w, uint16_t size, bool cut)
{
	return !w->link.down && size + w->overhead <= w->link.wire && (!cut || w->link.gso) &&
	       dice(w) >= w->link.loss_percent && dice(w) >= w->link.loss_percent;
}

static void count_packet(struct world *w)
{
	if (w->now_ns >= w->window_ns + NS_PER_S) {
		w->window_ns = w->now_ns;
		w->window = 0;
	}
	w->packets++;
	if (++w->window > w->most)
		w->most = w->window;
}

static void send_all(struct world *w)
{
	struct pathmtu_probe probe;

	while (pathmtu_poll_output(&w->path, &probe)) {
		for (uint8_t i = 0; i < probe.count; i++) {
			count_packet(w);
			if (!arrives(w, probe.size, probe.count > 1))
				continue;
			assert_in_range(w->count, 0, FLYING_MAX - 1);
			w->flying[w->count++] = (struct flying){ w->now_ns + w->link.rtt_ns,
								 probe.token + i, probe.size };
		}
	}
}

static uint64_t next_arrival(const struct world *w)
{
	uint64_t next = UINT64_MAX;

	for (size_t i = 0; i < w->count; i++)
		if (w->flying[i].at_ns < next)
			next = w->flying[i].at_ns;
	return next;
}

static void deliver(struct world *w)
{
	for (size_t i = 0; i < w->count;) {
		struct flying f = w->flying[i];

		if (f.at_ns > w->now_ns) {
			i++;
			continue;
		}
		w->flying[i] = w->flying[--w->count];
		pathmtu_answer(&w->path, f.token, f.size, w->now_ns);
	}
}

/* Runs until a time, event by event. */
static void run_until(struct world *w, uint64_t end_ns)
{
	send_all(w);
	for (;;) {
		uint64_t next = next_arrival(w);

		if (w->busy)
			pathmtu_busy(&w->path, w->now_ns);
		if (pathmtu_next_timeout(&w->path) < next)
			next = pathmtu_next_timeout(&w->path);
		if (next > end_ns)
			break;
		if (next > w->now_ns)
			w->now_ns = next;
		deliver(w);
		pathmtu_expire(&w->path, w->now_ns);
		send_all(w);
	}
	w->now_ns = end_ns;
}

static void run_for(struct world *w, uint64_t ns)
{
	run_until(w, w->now_ns + ns);
}

static void start(struct world *w, struct link link, uint16_t overhead, uint16_t max)
{
	struct pathmtu_config config = { .max = max, .overhead = overhead, .gso = true };

	memset(w, 0, sizeof(*w));
	w->link = link;
	w->overhead = overhead;
	w->now_ns = 1000 * NS_PER_S;
	pathmtu_start(&w->path, &config, w->now_ns);
}

static uint16_t fits(const struct world *w)
{
	uint16_t size = (uint16_t)(w->link.wire - w->overhead);

	return size < w->path.config.max ? size : w->path.config.max;
}

static void test_the_usual_path_takes_one_round_trip(void **state)
{
	struct link link = LINK_DEFAULTS;
	struct world w;

	(void)state;
	start(&w, link, V4, 1420);
	assert_int_equal(pathmtu_size(&w.path), 0);
	assert_true(pathmtu_needs_fragments(&w.path));
	run_until(&w, 1000 * NS_PER_S + 20 * MS - 1);
	assert_int_equal(pathmtu_size(&w.path), 0);
	run_for(&w, 1);
	assert_int_equal(pathmtu_size(&w.path), 1420);
	assert_false(pathmtu_needs_fragments(&w.path));
	assert_int_equal(pathmtu_state(&w.path), PATHMTU_COMPLETE);
	assert_int_equal(pathmtu_next_timeout(&w.path), UINT64_MAX);
	assert_in_range(w.packets, 1, 10);
}

/* What fits is in use after a round trip or two, and known to the byte a little later. */
static void test_every_underlay_is_found(void **state)
{
	static const uint16_t wires[] = { 1340, 1341, 1399, 1400, 1420, 1427, 1450, 1460,
					  1492, 1500, 2000, 4000, 8999, 9000, 9001 };
	struct link link = LINK_DEFAULTS;
	struct world w;

	(void)state;
	for (size_t i = 0; i < sizeof(wires) / sizeof(wires[0]); i++) {
		for (uint16_t max = 1420; max <= 8920; max = (uint16_t)(max + 7500)) {
			link.wire = wires[i];
			start(&w, link, V4, max);
			run_for(&w, 20 * MS);
			assert_in_range(pathmtu_size(&w.path), PATHMTU_BASE, fits(&w));
			run_for(&w, 4 * NS_PER_S);
			assert_int_equal(pathmtu_size(&w.path), fits(&w));
			assert_int_equal(pathmtu_state(&w.path), PATHMTU_COMPLETE);
			assert_int_equal(pathmtu_next_timeout(&w.path), UINT64_MAX);
		}
	}
}

static void test_below_the_base_there_are_fragments(void **state)
{
	static const uint16_t wires[] = { 1100, 1280, 1339 };
	struct link link = LINK_DEFAULTS;
	struct world w;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		link.wire = wires[i];
		start(&w, link, V4, 1420);
		run_for(&w, 900 * MS);
		assert_int_equal(pathmtu_state(&w.path), PATHMTU_ERROR);
		assert_int_equal(pathmtu_size(&w.path), PATHMTU_BASE);
		assert_true(pathmtu_needs_fragments(&w.path));
		/* It may get better while it is used. */
		w.busy = true;
		w.link.wire = 1500;
		run_for(&w, 3 * NS_PER_S);
		assert_int_equal(pathmtu_size(&w.path), 1420);
		assert_false(pathmtu_needs_fragments(&w.path));
	}
}

static void test_a_hole_is_found_within_a_second(void **state)
{
	static const uint16_t after[] = { 1100, 1280, 1340, 1400, 1492 };
	struct link link = LINK_DEFAULTS;
	struct world w;

	(void)state;
	for (uint64_t rtt_ms = 1; rtt_ms <= 200; rtt_ms += 33) {
		for (size_t i = 0; i < 5; i++) {
			link.rtt_ns = rtt_ms * MS;
			start(&w, link, V6, 1420);
			w.busy = true;
			run_for(&w, 3 * NS_PER_S + 77 * MS);
			assert_int_equal(pathmtu_size(&w.path), 1420);
			w.link.wire = after[i];
			run_for(&w, NS_PER_S);
			if (fits(&w) < PATHMTU_BASE)
				assert_true(pathmtu_needs_fragments(&w.path));
			else
				assert_in_range(pathmtu_size(&w.path), PATHMTU_BASE, fits(&w));
			run_for(&w, 5 * NS_PER_S);
			assert_int_equal(pathmtu_size(&w.path),
					 fits(&w) < PATHMTU_BASE ? PATHMTU_BASE : fits(&w));
			/* And grown again, at the next attempt. */
			w.link.wire = 1500;
			run_for(&w, 20 * NS_PER_S);
			assert_int_equal(pathmtu_size(&w.path), 1420);
		}
	}
}

/* The exact times with an answer time of 100 ms: a tick, a confirmation, a verification. */
static void test_the_deadlines_of_a_hole(void **state)
{
	struct link link = LINK_DEFAULTS;
	struct world w;
	uint64_t tick;

	(void)state;
	start(&w, link, V4, 1420);
	run_for(&w, NS_PER_S);
	pathmtu_busy(&w.path, w.now_ns);
	tick = w.now_ns;
	assert_int_equal(pathmtu_next_timeout(&w.path), tick);
	w.link.wire = 1400;
	pathmtu_expire(&w.path, w.now_ns);
	send_all(&w);
	assert_int_equal(pathmtu_next_timeout(&w.path), tick + 100 * MS);
	run_until(&w, tick + 200 * MS - 1);
	assert_int_equal(pathmtu_size(&w.path), 1420);
	run_for(&w, 1);
	assert_int_equal(pathmtu_size(&w.path), 1340);
}

static void test_without_large_packets_nothing_is_sent(void **state)
{
	struct link link = LINK_DEFAULTS;
	struct world w;
	unsigned int before;

	(void)state;
	start(&w, link, V4, 1420);
	run_for(&w, NS_PER_S);
	w.busy = true;
	run_for(&w, 10 * NS_PER_S);
	w.busy = false;
	run_for(&w, NS_PER_S);
	before = w.packets;
	run_for(&w, 3600 * NS_PER_S);
	assert_int_equal(w.packets, before);
	/* While they are sent, two packets for every tick. */
	w.busy = true;
	run_for(&w, 10 * NS_PER_S);
	assert_in_range(w.packets - before, 60, 100);
}

static void test_a_silent_path_is_asked_less_and_less(void **state)
{
	struct link link = LINK_DEFAULTS;
	struct world w;
	unsigned int before;

	(void)state;
	link.down = true;
	start(&w, link, V4, 1420);
	run_for(&w, 60 * NS_PER_S);
	before = w.packets;
	assert_in_range(before, 10, 200);
	run_for(&w, 3600 * NS_PER_S);
	assert_int_equal(w.packets, before);
	w.link.down = false;
	w.busy = true;
	run_for(&w, NS_PER_S);
	assert_int_equal(pathmtu_size(&w.path), 1420);
	/* No answer at all is no hole. */
	w.link.down = true;
	run_for(&w, 10 * NS_PER_S);
	assert_int_equal(pathmtu_size(&w.path), 1420);
}

static void test_lost_cut_datagrams_are_noticed_within_a_second(void **state)
{
	struct link link = LINK_DEFAULTS;
	struct world w;

	(void)state;
	start(&w, link, V4, 1420);
	w.busy = true;
	run_for(&w, 5 * NS_PER_S);
	assert_false(pathmtu_gso_is_lost(&w.path));
	w.link.gso = false;
	run_for(&w, NS_PER_S);
	assert_true(pathmtu_gso_is_lost(&w.path));
	assert_int_equal(pathmtu_size(&w.path), 1420);
}

static void test_our_own_link_may_refuse(void **state)
{
	struct link link = LINK_DEFAULTS;
	struct world w;

	(void)state;
	start(&w, link, V4, 8920);
	pathmtu_refused(&w.path, 8920, w.now_ns);
	pathmtu_refused(&w.path, 1440, w.now_ns);
	w.link.wire = 1492;
	run_for(&w, 4 * NS_PER_S);
	assert_int_equal(pathmtu_size(&w.path), 1432);
	/* The link was changed: at once. */
	w.link.wire = 1100;
	pathmtu_refused(&w.path, 1432, w.now_ns);
	assert_true(pathmtu_needs_fragments(&w.path));
	assert_int_equal(pathmtu_size(&w.path), PATHMTU_BASE);
	pathmtu_refused(&w.path, 1280, w.now_ns);
	run_for(&w, NS_PER_S);
	assert_int_equal(pathmtu_state(&w.path), PATHMTU_ERROR);
}

static void test_answers_of_another_path_are_ignored(void **state)
{
	struct link link = LINK_DEFAULTS;
	struct pathmtu_config config = { .max = 1420, .overhead = V4 };
	struct pathmtu_probe old, probe;
	struct world w;

	(void)state;
	start(&w, link, V4, 1420);
	assert_true(pathmtu_poll_output(&w.path, &old));
	pathmtu_start(&w.path, &config, w.now_ns);
	pathmtu_answer(&w.path, old.token, old.size, w.now_ns + MS);
	assert_int_equal(pathmtu_size(&w.path), 0);
	assert_true(pathmtu_poll_output(&w.path, &probe));
	pathmtu_answer(&w.path, probe.token, (uint16_t)(probe.size - 1), w.now_ns + MS);
	assert_int_equal(pathmtu_size(&w.path), 0);
	pathmtu_answer(&w.path, probe.token, probe.size, w.now_ns + MS);
	assert_int_equal(pathmtu_size(&w.path), probe.size);
	pathmtu_stop(&w.path);
	pathmtu_busy(&w.path, w.now_ns);
	assert_int_equal(pathmtu_next_timeout(&w.path), UINT64_MAX);
}

/* Random changes of the path, with and without loss, over many seeds. */
static void random_run(uint64_t seed, unsigned int loss)
{
	struct link link = LINK_DEFAULTS;
	struct world w;

	link.seed = seed * 7919 + 1;
	link.loss_percent = loss;
	start(&w, link, seed % 2 ? V4 : V6, seed % 3 ? 1420 : 8920);
	w.link.rtt_ns = (1 + dice(&w)) * MS;
	w.busy = true;
	run_for(&w, 5 * NS_PER_S);
	for (int change = 0; change < 12; change++) {
		w.link.wire = (uint16_t)(1100 + dice(&w) * 5 + (dice(&w) < 20 ? 7000 : 0));
		run_for(&w, NS_PER_S);
		/* What is in use fits: at once without loss, soon enough with it. */
		if (loss)
			run_for(&w, 2 * NS_PER_S);
		assert_true(pathmtu_needs_fragments(&w.path) || pathmtu_size(&w.path) <= fits(&w));
		run_for(&w, (700 + dice(&w)) * NS_PER_S);
		/* Down to the byte; a little less where luck was bad. */
		if (fits(&w) < PATHMTU_BASE)
			assert_true(pathmtu_needs_fragments(&w.path));
		else if (!loss)
			assert_int_equal(pathmtu_size(&w.path), fits(&w));
		else
			assert_in_range(pathmtu_size(&w.path), PATHMTU_BASE, fits(&w));
	}
	assert_false(pathmtu_gso_is_lost(&w.path));
	assert_in_range(w.most, 1, 120);
}

static void test_random_paths(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 40; seed++)
		random_run(seed, 0);
	for (uint64_t seed = 0; seed < 40; seed++)
		random_run(seed, 3);
}

/* A path that only loses keeps its size, nearly always. */
static void test_loss_is_no_hole(void **state)
{
	unsigned int seconds = 0;
	unsigned int small = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct link link = LINK_DEFAULTS;
		struct world w;

		link.seed = seed;
		link.loss_percent = 5;
		start(&w, link, V4, 1420);
		w.busy = true;
		for (int i = 0; i < 120; i++, seconds++) {
			run_for(&w, NS_PER_S);
			small += pathmtu_size(&w.path) < 1420;
		}
		assert_false(pathmtu_gso_is_lost(&w.path));
	}
	assert_in_range(small, 0, seconds / 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_usual_path_takes_one_round_trip),
		cmocka_unit_test(test_every_underlay_is_found),
		cmocka_unit_test(test_below_the_base_there_are_fragments),
		cmocka_unit_test(test_a_hole_is_found_within_a_second),
		cmocka_unit_test(test_the_deadlines_of_a_hole),
		cmocka_unit_test(test_without_large_packets_nothing_is_sent),
		cmocka_unit_test(test_a_silent_path_is_asked_less_and_less),
		cmocka_unit_test(test_lost_cut_datagrams_are_noticed_within_a_second),
		cmocka_unit_test(test_our_own_link_may_refuse),
		cmocka_unit_test(test_answers_of_another_path_are_ignored),
		cmocka_unit_test(test_random_paths),
		cmocka_unit_test(test_loss_is_no_hole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
