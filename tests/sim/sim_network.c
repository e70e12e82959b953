/*
 * Two nodes in thousands of random small internets, each following from its seed: NATs of all
 * kinds, one behind another, with lifetimes; delay, jitter, loss, duplicates and packets overtaken;
 * a start at different times, equal roles, mappings that change, hosts that vanish, nodes that
 * restart, both at once, relays gone, restarted, or out of one node's reach, the coordinator gone,
 * signals lost, paths that carry one way only, or no data, or little; paths that a user forces. In
 * the end the network is left in peace, and then what should work must work.
 *
 *	sim_network [--seeds N] [--first S] [--trace]
 *
 * With --rtt only one thing is measured: how long it takes in a calm network from the first packet
 * until both send directly. Both know their candidates before, the second learns of it by the
 *offer, and a signal takes as long as a packet.
 *
 *	sim_network --rtt MS [--loss PERMILLE] [--kinds AA] [--seeds N]
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "tests/support/simworld.h"

#define DEFAULT_SEEDS   1300
#define TROUBLES_MAX    4
#define TROUBLE_SPAN_NS (40 * NS_PER_S)
/* The longest way back: patience of a session that began just now, and the longest restart gap. */
#define PEACE_NS (130 * NS_PER_S)
/*
 * A router that answers by itself keeps what it mistook for its own as long as that is sent to, and
 * half a minute more: checks have to rest so long.
 */
#define PEACE_R_NS (420 * NS_PER_S)
/* A node learns that its relay has forgotten it from the next refresh. */
#define REFRESH_NS (RELAY_LIFETIME_S / 2 * NS_PER_S + 30 * NS_PER_S)
#define LAST_NS    (20 * NS_PER_S) /* nothing may change any more */

static const char names[] = SIM_NAT_NAMES;

struct scenario {
	uint64_t seed;
	struct sim_place place;
	bool relay_restarted;
	bool relay_dies; /* one of them, for good */
};

struct totals {
	unsigned int passed, failed, direct;
	unsigned int max_rate;
	uint64_t *times; /* from both started to direct, undisturbed ones */
	size_t time_count;
};

static unsigned int draw(struct sim_world *w, unsigned int bound)
{
	return rng_below(simnet_rng(w->net), bound);
}

static uint64_t draw_ms(struct sim_world *w, unsigned int max_ms)
{
	return draw(w, max_ms * 1000) * NS_PER_US;
}

static void draw_box(struct sim_nat_config *nat, struct rng *rng)
{
	static const unsigned int idle_s[] = { 10, 30, 60, 180 };

	nat->kind = (enum sim_nat_kind)rng_below(rng, SIM_NAT_KINDS);
	nat->hairpin = rng_below(rng, 2);
	nat->keeps_port = rng_below(rng, 3) == 0;
	nat->stride = 1 + rng_below(rng, 4);
	if (rng_below(rng, 4) == 0)
		nat->idle_ns = idle_s[rng_below(rng, 4)] * NS_PER_S;
	if (rng_below(rng, 12) == 0)
		nat->absolute_ns = 60 * NS_PER_S;
}

static void draw_place(struct sim_place *p, struct rng *rng)
{
	p->same_lan = rng_below(rng, 12) == 0;
	for (int i = 0; i < 2; i++) {
		draw_box(&p->nats[i], rng);
		if (rng_below(rng, 10) == 0)
			draw_box(&p->carriers[i], rng);
		p->homes[i] = (int)rng_below(rng, SIM_RELAYS);
	}
	p->same_carrier = rng_below(rng, 2);
	p->quality.delay_ns = (1 + rng_below(rng, 40)) * NS_PER_MS;
	p->quality.jitter_ns = rng_below(rng, 3) ? 0 : rng_below(rng, 10) * NS_PER_MS;
	p->quality.loss_permille = rng_below(rng, 2) ? 0 : rng_below(rng, 50);
	p->quality.duplicate_permille = rng_below(rng, 3) ? 0 : rng_below(rng, 30);
	p->quality.reorder_permille = rng_below(rng, 4) ? 0 : rng_below(rng, 50);
}

static void draw_scenario(struct scenario *s, uint64_t seed)
{
	struct rng_seeded seeded;
	struct rng rng;

	rng_seeded_init(&seeded, seed ^ 0x5eed);
	rng = rng_from_seeded(&seeded);
	*s = (struct scenario){ .seed = seed };
	draw_place(&s->place, &rng);
	s->relay_dies = rng_below(&rng, 8) == 0;
}

static const char *describe(const struct scenario *s)
{
	const struct sim_place *p = &s->place;
	static char text[120];
	int len = 0;

	for (int i = 0; i < 2; i++) {
		const struct sim_nat_config *nat = &p->nats[i];

		if (p->same_lan && i == 1)
			break;
		len += snprintf(text + len, sizeof(text) - (size_t)len, "%s%c", i ? " x " : "",
				SIM_NAT_NAMES[nat->kind]);
		if (p->carriers[i].kind != SIM_NAT_NONE)
			len += snprintf(text + len, sizeof(text) - (size_t)len, "+%c",
					SIM_NAT_NAMES[p->carriers[i].kind]);
		if (nat->idle_ns || nat->absolute_ns)
			len += snprintf(text + len, sizeof(text) - (size_t)len, " idle %u%s",
					(unsigned int)(nat->idle_ns / NS_PER_S),
					nat->absolute_ns ? " absolute" : "");
	}
	snprintf(text + len, sizeof(text) - (size_t)len, "%s%s%s", p->same_lan ? ", one LAN" : "",
		 p->same_carrier ? ", one carrier" : "", s->relay_dies ? ", a relay dies" : "");
	return text;
}

/* The time at which the second of them began. */
static uint64_t start(struct sim_world *w)
{
	uint64_t began_ns = 0;

	bool conflict = draw(w, 4) == 0, role = draw(w, 2);

	/* Glare: both begin at once; or one has traffic first, and the other joins. */
	w->nodes[0].controlling = role;
	w->nodes[1].controlling = conflict ? role : !role;
	if (draw(w, 3) == 0)
		w->nodes[draw(w, 2)].data_interval_ns = 0;
	if (draw(w, 12) == 0)
		w->nodes[draw(w, 2)].mode = PATH_MODE_RELAY;
	w->signal_loss_permille = draw(w, 4) ? 0 : 200;
	for (int i = 0; i < 2; i++) {
		began_ns = w->now_ns;
		sim_node_start(&w->nodes[i]);
		if (draw(w, 2))
			sim_world_run(w, w->now_ns + draw_ms(w, 3000));
	}
	return began_ns;
}

/* ---- misfortunes, each at most 20 s long and over when the function returns ---- */

static void wait_ms(struct sim_world *w, unsigned int max_ms)
{
	sim_world_run(w, w->now_ns + draw_ms(w, max_ms));
}

static void trouble_rebind(struct sim_world *w, struct scenario *s, struct sim_node *n)
{
	int nat = sim_world_nat(w, n->index);

	(void)s;
	if (nat != SIM_PUBLIC)
		simnet_rebind(w->net, nat);
}

static void trouble_cut(struct sim_world *w, struct scenario *s, struct sim_node *n)
{
	(void)s;
	sim_node_set_cut(n, true);
	wait_ms(w, 20000);
	sim_node_set_cut(n, false);
}

static void trouble_relay_restart(struct sim_world *w, struct scenario *s, struct sim_node *n)
{
	int r = (int)draw(w, SIM_RELAYS);

	(void)n;
	sim_world_set_relay(w, r, false);
	wait_ms(w, 10000);
	sim_world_set_relay(w, r, true);
	s->relay_restarted = true;
}

static void trouble_relay_barred(struct sim_world *w, struct scenario *s, struct sim_node *n)
{
	int r = (int)draw(w, SIM_RELAYS);

	(void)s;
	sim_node_bar_relay(n, r, true);
	wait_ms(w, 20000);
	sim_node_bar_relay(n, r, false);
}

static void trouble_line(struct sim_world *w, struct scenario *s, struct sim_node *n)
{
	struct sim_quality bad = s->place.quality;

	if (draw(w, 2))
		bad.loss_permille = 300;
	else
		bad.police_pps = 8 + draw(w, 30);
	simnet_set_quality(w->net, n->host, &bad);
	wait_ms(w, 20000);
	simnet_set_quality(w->net, n->host, &s->place.quality);
}

static void trouble_hole(struct sim_world *w, struct scenario *s, struct sim_node *n)
{
	int to = w->nodes[!n->index].host;

	(void)s;
	simnet_set_hole(w->net, n->host, to, draw(w, 2) ? SIM_HOLE_ALL : SIM_HOLE_DATA);
	wait_ms(w, 20000);
	simnet_set_hole(w->net, n->host, to, SIM_HOLE_NONE);
}

static void trouble_crash(struct sim_world *w, struct scenario *s, struct sim_node *n)
{
	(void)s;
	sim_node_stop(n);
	wait_ms(w, 5000);
	sim_node_start(n);
}

static void trouble_restart(struct sim_world *w, struct scenario *s, struct sim_node *n)
{
	(void)w;
	(void)s;
	sim_node_restart_ice(n);
}

static void trouble_glare(struct sim_world *w, struct scenario *s, struct sim_node *n)
{
	(void)s;
	(void)n;
	sim_node_restart_ice(&w->nodes[0]);
	sim_node_restart_ice(&w->nodes[1]);
}

static void trouble_unsignalled(struct sim_world *w, struct scenario *s, struct sim_node *n)
{
	(void)s;
	n->unsignalled = true;
	if (draw(w, 2))
		sim_node_restart_ice(n);
	wait_ms(w, 20000);
	n->unsignalled = false;
}

static void trouble_mode(struct sim_world *w, struct scenario *s, struct sim_node *n)
{
	(void)s;
	sim_node_set_mode(n, draw(w, 3) ? PATH_MODE_RELAY : PATH_MODE_DIRECT);
	wait_ms(w, 20000);
	sim_node_set_mode(n, PATH_MODE_AUTO);
}

static void (*const troubles[])(struct sim_world *w, struct scenario *s, struct sim_node *n) = {
	trouble_rebind, trouble_cut,         trouble_relay_restart, trouble_relay_barred,
	trouble_line,   trouble_hole,        trouble_crash,         trouble_restart,
	trouble_glare,  trouble_unsignalled, trouble_mode,
};

#define TROUBLES (sizeof(troubles) / sizeof(troubles[0]))

/* The nominated pairs of both are two ends of one path. */
static bool nominations_agree(const struct sim_world *w, bool troubled)
{
	const struct sim_node *a = &w->nodes[0], *b = &w->nodes[1];
	struct sim_event arrival;

	/* A nominated pair may have been lost since; its successor is another session's. */
	if (!a->selected.id || !b->selected.id)
		return troubled;
	return simnet_trace(w->net, a->host, &a->selected.local, &a->selected.remote, &arrival) &&
	       arrival.host == b->host && endpoint_equal(&arrival.local, &b->selected.local) &&
	       endpoint_equal(&arrival.remote, &b->selected.remote);
}

static bool has_kind(const struct scenario *s, enum sim_nat_kind kind)
{
	const struct sim_place *p = &s->place;

	return p->nats[0].kind == kind || p->nats[1].kind == kind || p->carriers[0].kind == kind ||
	       p->carriers[1].kind == kind;
}

/* Some mapping ends every minute whatever is done, so no path is the last one. */
static bool is_restless(const struct scenario *s)
{
	const struct sim_place *p = &s->place;

	return p->nats[0].absolute_ns || p->nats[1].absolute_ns || p->carriers[0].absolute_ns ||
	       p->carriers[1].absolute_ns;
}

static bool has_hard_nat(const struct scenario *s)
{
	return has_kind(s, SIM_NAT_B) || has_kind(s, SIM_NAT_E) || has_kind(s, SIM_NAT_S);
}

/* A hard NAT towards one that filters by port: direct if a run of guesses had its chance. */
static bool may_be_guessed(const struct scenario *s)
{
	return !sim_place_direct(&s->place) && has_hard_nat(s);
}

static const char *judge_direct(const struct sim_world *w, bool troubled)
{
	const struct sim_node *a = &w->nodes[0], *b = &w->nodes[1];

	if (ice_is_controlling(a->agent) == ice_is_controlling(b->agent))
		return "both have the same role";
	return nominations_agree(w, troubled) ? NULL : "they disagree on the nominated pair";
}

static const char *judge(const struct sim_world *w, const struct scenario *s, bool troubled)
{
	bool forced = w->nodes[0].mode == PATH_MODE_RELAY || w->nodes[1].mode == PATH_MODE_RELAY;
	bool direct = !forced && sim_place_direct(&s->place);

	if (w->failure)
		return w->failure;
	for (int i = 0; i < 2; i++) {
		const struct sim_node *n = &w->nodes[i];

		if (w->now_ns - n->last_rx_ns > 12 * NS_PER_S)
			return "no data arrives";
		if (!is_restless(s) && !may_be_guessed(s) &&
		    n->path.current.kind != (direct ? PATH_DIRECT : PATH_RELAY))
			return direct ? "no direct path though one is possible"
				      : "not by relay though nothing else is possible";
	}
	return direct && !is_restless(s) ? judge_direct(w, troubled) : NULL;
}

static void note_time(struct totals *t, const struct sim_world *w, uint64_t begin_ns)
{
	uint64_t last = w->nodes[0].first_direct_ns > w->nodes[1].first_direct_ns
				? w->nodes[0].first_direct_ns
				: w->nodes[1].first_direct_ns;

	if (last)
		t->times[t->time_count++] = last > begin_ns ? last - begin_ns : 0;
}

static uint64_t peace_ns(const struct scenario *s)
{
	return has_kind(s, SIM_NAT_R) ? PEACE_R_NS : PEACE_NS;
}

/* From now on nothing happens any more. */
static void make_peace(struct sim_world *w, struct scenario *s)
{
	const struct sim_quality calm = { .delay_ns = s->place.quality.delay_ns,
					  .jitter_ns = s->place.quality.jitter_ns };

	w->signal_loss_permille = 0;
	for (int i = 0; i < 2; i++)
		simnet_set_quality(w->net, w->nodes[i].host, &calm);
	if (s->relay_dies)
		sim_world_set_relay(w, (int)draw(w, SIM_RELAYS), false);
	if (s->relay_restarted)
		sim_world_run(w, w->now_ns + REFRESH_NS);
}

static const char *live(struct sim_world *w, struct scenario *s, struct totals *t)
{
	unsigned int count, before[2];
	uint64_t began_ns;

	began_ns = start(w);
	count = draw(w, TROUBLES_MAX + 1);
	if (!count) {
		sim_world_run(w, began_ns + 20 * NS_PER_S);
		note_time(t, w, began_ns);
	}
	for (unsigned int i = 0; i < count && !w->failure; i++) {
		struct sim_node *n = &w->nodes[draw(w, 2)];

		wait_ms(w, TROUBLE_SPAN_NS / NS_PER_MS);
		troubles[draw(w, TROUBLES)](w, s, n);
	}
	make_peace(w, s);
	sim_world_run(w, w->now_ns + peace_ns(s) - LAST_NS);
	for (int i = 0; i < 2; i++)
		before[i] = w->nodes[i].kind_changes;
	sim_world_run(w, w->now_ns + LAST_NS);
	for (int i = 0; i < 2; i++) {
		if (!w->failure && !is_restless(s) &&
		    w->nodes[i].path.current.kind == PATH_DIRECT &&
		    w->nodes[i].kind_changes != before[i])
			return "the path flaps in a calm network";
	}
	return judge(w, s, count > 0);
}

static bool run_seed(uint64_t seed, bool trace, struct totals *t)
{
	struct scenario s;
	struct sim_world w;
	const char *failure;

	draw_scenario(&s, seed);
	sim_world_place(&w, seed, &s.place);
	w.trace = trace;
	for (int i = 0; i < 2; i++)
		w.nodes[i].named.any_port = has_hard_nat(&s);
	if (trace)
		printf("seed %llu: %s\n", (unsigned long long)seed, describe(&s));
	failure = live(&w, &s, t);
	if (w.max_rate > t->max_rate)
		t->max_rate = w.max_rate;
	if (failure)
		printf("seed %llu (%s): %s; replay: sim_network --seeds 1 --first %llu --trace\n",
		       (unsigned long long)seed, describe(&s), failure, (unsigned long long)seed);
	else if (w.nodes[0].path.current.kind == PATH_DIRECT)
		t->direct++;
	sim_world_clear(&w);
	return !failure;
}

static int by_value(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void report(const struct totals *t)
{
	printf("%u direct, at most %u datagrams a second\n", t->direct, t->max_rate);
	if (t->time_count) {
		qsort(t->times, t->time_count, sizeof(*t->times), by_value);
		printf("direct after start: p50 %.3f s, p95 %.3f s of %zu undisturbed\n",
		       (double)t->times[t->time_count / 2] / 1e9,
		       (double)t->times[t->time_count * 95 / 100] / 1e9, t->time_count);
	}
	printf("%u passed, %u failed\n", t->passed, t->failed);
}

/* ---- how long it takes ---- */

struct measurement {
	struct sim_quality quality; /* of one access line: a quarter of the round trip */
	const char *kinds;          /* two letters, or NULL: at random */
};

static enum sim_nat_kind kind_named(char name)
{
	const char *at = strchr(names, name);

	return at ? (enum sim_nat_kind)(at - names) : SIM_NAT_NONE;
}

static void draw_kinds(enum sim_nat_kind kinds[static 2], const char *wanted, uint64_t seed)
{
	struct rng_seeded seeded;
	struct rng rng;

	rng_seeded_init(&seeded, seed ^ 0x5eed);
	rng = rng_from_seeded(&seeded);
	do {
		for (int i = 0; i < 2; i++)
			kinds[i] = wanted ? kind_named(wanted[i])
					  : (enum sim_nat_kind)rng_below(&rng, SIM_NAT_KINDS);
	} while (!wanted && !sim_direct_possible(kinds[0], kinds[1]));
}

static bool measure(const struct measurement *m, uint64_t seed, bool trace, struct totals *t)
{
	enum sim_nat_kind kinds[2];
	struct sim_world w;
	uint64_t began_ns;
	bool direct;

	draw_kinds(kinds, m->kinds, seed);
	sim_world_init(&w, seed, kinds, false, &m->quality);
	w.signal_delay_ns = 2 * m->quality.delay_ns;
	for (int i = 0; i < 2; i++) {
		w.nodes[i].warm = true;
		sim_node_start(&w.nodes[i]);
	}
	w.signal_loss_permille = 1000;
	sim_world_run(&w, w.now_ns + NS_PER_S);
	w.signal_loss_permille = 0;
	for (int i = 0; i < 2; i++) {
		sim_node_stop(&w.nodes[i]);
		w.nodes[i].first_direct_ns = 0;
	}
	w.trace = trace;
	w.nodes[1].joins = true;
	sim_world_run(&w, w.now_ns + NS_PER_S);
	began_ns = w.now_ns;
	sim_node_start(&w.nodes[0]);
	sim_world_run(&w, began_ns + 10 * NS_PER_S);
	direct = w.nodes[0].first_direct_ns && w.nodes[1].first_direct_ns;
	if (direct)
		note_time(t, &w, began_ns);
	else
		printf("seed %llu (%c x %c): not direct within 10 s\n", (unsigned long long)seed,
		       names[kinds[0]], names[kinds[1]]);
	sim_world_clear(&w);
	return direct;
}

struct options {
	uint64_t first, seeds;
	bool trace, measures;
	struct measurement measurement;
};

static bool parse_options(struct options *o, int argc, char **argv)
{
	static const struct option options[] = {
		{ "seeds", required_argument, NULL, 'n' },
		{ "first", required_argument, NULL, 'f' },
		{ "trace", no_argument, NULL, 't' },
		{ "rtt", required_argument, NULL, 'r' },
		{ "loss", required_argument, NULL, 'l' },
		{ "kinds", required_argument, NULL, 'k' },
		{ 0 },
	};
	struct sim_quality *quality = &o->measurement.quality;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'n':
			o->seeds = strtoull(optarg, NULL, 10);
			break;
		case 'f':
			o->first = strtoull(optarg, NULL, 10);
			break;
		case 't':
			o->trace = true;
			break;
		case 'r':
			o->measures = true;
			quality->delay_ns = strtoull(optarg, NULL, 10) * NS_PER_MS / 4;
			break;
		case 'l':
			quality->loss_permille = (unsigned int)strtoul(optarg, NULL, 10);
			break;
		case 'k':
			if (strlen(optarg) != 2)
				return false;
			o->measurement.kinds = optarg;
			break;
		default:
			return false;
		}
	}
	return o->seeds > 0;
}

int main(int argc, char **argv)
{
	struct options o = { .first = 1, .seeds = DEFAULT_SEEDS };
	struct totals t = { 0 };

	if (!parse_options(&o, argc, argv))
		return 2;
	t.times = calloc(o.seeds + 1, sizeof(*t.times));
	if (!t.times)
		return 2;
	for (uint64_t seed = o.first; seed < o.first + o.seeds; seed++) {
		bool passed = o.measures ? measure(&o.measurement, seed, o.trace, &t)
					 : run_seed(seed, o.trace, &t);

		t.passed += passed;
		t.failed += !passed;
	}
	report(&t);
	free(t.times);
	return t.failed ? 1 : 0;
}
