/*
 * Two nodes that talk, and somebody who means them ill: a member whose agent names thousands of
 * addresses, begins anew all the time and checks from everywhere; a stranger who replays and
 * forges what he saw, from any address; and a relay that delays, doubles, cuts short, changes and
 * drops. The two have to stay connected, and nobody may be flooded through them.
 *
 *	sim_hostile [--seeds N] [--first S] [--trace]
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "proto/stun.h"
#include "tests/support/simworld.h"

#define DEFAULT_SEEDS 30
#define SETTLE_NS     (10 * NS_PER_S)
#define ATTACK_S      60
#define STEP_NS       (20 * NS_PER_MS)
#define PER_STEP      4 /* of each kind of packet */
#define SEEN_MAX      256
#define SILENCE_NS    (3 * NS_PER_S)
#define VICTIM        0xcb0071fau /* 203.0.113.250: somebody else's address */

/* What the stranger saw on the wire. */
struct seen {
	int to;
	size_t len;
	uint8_t data[SIM_DATAGRAM_SIZE];
};

struct attack {
	struct seen seen[SEEN_MAX];
	unsigned int seen_count;
	unsigned int injected;
	unsigned int to_victim; /* checks, whatever the port */
	unsigned int checks;
	uint32_t generation;
	bool bad_address;
};

static struct attack attack; /* of the run under way */

static unsigned int draw(struct sim_world *w, unsigned int bound)
{
	return rng_below(simnet_rng(w->net), bound);
}

/* ---- watching ---- */

static void watch(struct sim_world *w, const struct sim_node *n, const struct endpoint *remote,
		  const uint8_t *data, size_t len)
{
	struct seen *s = &attack.seen[attack.seen_count++ % SEEN_MAX];

	(void)w;
	(void)remote;
	if (len > sizeof(s->data))
		return;
	s->to = !n->index;
	s->len = len;
	memcpy(s->data, data, len);
}

static void watch_other(struct sim_node *n, const struct ice_datagram *d)
{
	const struct ip_addr victim = addr_from_v4(VICTIM);

	(void)n;
	if (d->data[0] & 1)
		return; /* an answer, to where a request came from */
	attack.checks++;
	attack.to_victim += addr_equal(&d->remote.addr, &victim);
	if (!candidate_addr_allowed(&d->remote, NULL, 0))
		attack.bad_address = true;
}

/* ---- attacking ---- */

static struct endpoint anywhere(struct sim_world *w)
{
	static const uint32_t blocks[] = { 0x7f000001u, 0xe0000001u, 0x00000000u, 0xffffffffu,
					   0xc0a80101u, 0xcb007100u, 0xc6336401u, 0x64400001u };
	uint32_t block = blocks[draw(w, 8)];

	return (struct endpoint){ .addr = addr_from_v4(draw(w, 3) ? block : block ^ draw(w, 256)),
				  .port = (uint16_t)draw(w, 65536) };
}

/* The hostile member's: mostly at one victim, on ever new ports. */
static void tell_candidates(struct sim_world *w, struct sim_node *n)
{
	static struct ice_description d;

	memset(&d, 0, sizeof(d));
	d.instance = 7;
	d.generation = draw(w, 4) ? attack.generation : ++attack.generation;
	snprintf(d.ufrag, sizeof(d.ufrag), "HOST%04x", d.generation & 0xffff);
	snprintf(d.pwd, sizeof(d.pwd), "%s", "hostilehostilehostile");
	if (draw(w, 2))
		snprintf(d.answers, sizeof(d.answers), "%s", n->other_told.ufrag);
	d.count = ICE_CANDIDATES_MAX;
	for (size_t i = 0; i < d.count; i++) {
		struct candidate *c = &d.candidates[i];

		c->type = draw(w, 2) ? CANDIDATE_HOST : CANDIDATE_SRFLX;
		c->addr = anywhere(w);
		if (i % 2)
			c->addr.addr = addr_from_v4(VICTIM);
		c->priority = 1 + draw(w, 0x7fffffff);
		snprintf(c->foundation, sizeof(c->foundation), "%zu", i);
	}
	ice_input_description(n->other, &d, w->now_ns);
}

static void inject(struct sim_world *w, struct sim_node *n, const struct endpoint *from,
		   const uint8_t *data, size_t len)
{
	struct sim_event e = { .kind = SIM_DATAGRAM, .host = n->host, .remote = *from };

	e.local = (struct endpoint){ .addr = simnet_addr(w->net, n->host, 0), .port = SIM_PORT };
	e.len = len;
	memcpy(e.data, data, len);
	attack.injected++;
	sim_node_datagram(n, &e);
}

/* Signed as a member may, from anywhere. */
static void send_check(struct sim_world *w, struct sim_node *n)
{
	uint8_t transaction[STUN_TRANSACTION_SIZE], buf[256];
	char username[2 * ICE_UFRAG_SIZE + 8];
	struct endpoint from = anywhere(w);
	struct stun_builder b;
	size_t len;

	snprintf(username, sizeof(username), "%s:HOST%04x", n->other_told.ufrag,
		 attack.generation & 0xffff);
	rng_fill(simnet_rng(w->net), transaction, sizeof(transaction));
	stun_begin(&b, buf, sizeof(buf), STUN_REQUEST, STUN_BINDING, transaction);
	stun_add(&b, STUN_ATTR_USERNAME, username, strlen(username));
	stun_add_u32(&b, STUN_ATTR_PRIORITY, 1 + draw(w, 1000000));
	stun_add_u64(&b, draw(w, 2) ? STUN_ATTR_ICE_CONTROLLING : STUN_ATTR_ICE_CONTROLLED,
		     draw(w, 0x7fffffff));
	stun_add_integrity(&b, n->other_told.pwd, strlen(n->other_told.pwd));
	stun_add_fingerprint(&b);
	if (stun_end(&b, &len) == 0)
		inject(w, n, &from, buf, len);
}

/* As it was, changed in one bit, or cut short. */
static void replay(struct sim_world *w, struct sim_node *n)
{
	unsigned int known = attack.seen_count < SEEN_MAX ? attack.seen_count : SEEN_MAX;
	struct endpoint from = anywhere(w);
	struct seen s;

	if (!known)
		return;
	s = attack.seen[draw(w, known)];
	if (!s.len || s.to != n->index)
		return;
	if (draw(w, 3) == 0)
		s.data[draw(w, (unsigned int)s.len)] ^= (uint8_t)(1u << draw(w, 8));
	else if (draw(w, 3) == 0)
		s.len = draw(w, (unsigned int)s.len);
	inject(w, n, &from, s.data, s.len);
}

static void do_harm(struct sim_world *w)
{
	for (int i = 0; i < PER_STEP; i++) {
		tell_candidates(w, &w->nodes[0]);
		send_check(w, &w->nodes[0]);
		replay(w, &w->nodes[0]);
		replay(w, &w->nodes[1]);
	}
}

/* ---- a run ---- */

static const char *judge(const struct sim_world *w, bool direct)
{
	if (w->failure)
		return w->failure;
	for (int i = 0; i < 2; i++) {
		if (w->now_ns - w->nodes[i].last_rx_ns > SILENCE_NS)
			return "no data arrives";
		if (direct && w->nodes[i].path.current.kind != PATH_DIRECT)
			return "the direct path was lost";
	}
	if (attack.bad_address)
		return "a check to an address that nobody may name";
	if (attack.to_victim > ICE_BUDGET_ADDR_BURST + ICE_BUDGET_ADDR_RATE * ATTACK_S)
		return "too many checks to a victim";
	return NULL;
}

static const char *live(struct sim_world *w, bool direct)
{
	const char *failure = NULL;

	for (int i = 0; i < 2; i++)
		sim_node_start(&w->nodes[i]);
	sim_world_run(w, w->now_ns + SETTLE_NS);
	for (int step = 0; step < ATTACK_S * (int)(NS_PER_S / STEP_NS) && !failure; step++) {
		do_harm(w);
		sim_world_run(w, w->now_ns + STEP_NS);
		failure = judge(w, direct);
	}
	return failure;
}

static void add_other(struct sim_world *w, struct sim_node *n)
{
	const struct ice_config config = { .controlling = true,
					   .rng = *simnet_rng(w->net),
					   .budget = n->budget };
	const struct endpoint local = { .addr = simnet_addr(w->net, n->host, 0), .port = SIM_PORT };

	n->other = ice_agent_new(&config, w->now_ns);
	n->other_sent = watch_other;
	ice_add_local_candidate(n->other, CANDIDATE_HOST, &local, NULL, NULL, w->now_ns);
}

static bool run_seed(uint64_t seed, bool trace, unsigned int *max_rate)
{
	const struct sim_quality line = { .delay_ns = 10 * NS_PER_MS, .jitter_ns = 2 * NS_PER_MS };
	enum sim_nat_kind kinds[2];
	struct rng_seeded seeded;
	const char *failure;
	struct sim_world w;
	struct rng rng;

	rng_seeded_init(&seeded, seed ^ 0x5eed);
	rng = rng_from_seeded(&seeded);
	for (int i = 0; i < 2; i++)
		kinds[i] = (enum sim_nat_kind)rng_below(&rng, SIM_NAT_KINDS);
	attack = (struct attack){ .generation = 1 };
	sim_world_init(&w, seed, kinds, false, &line);
	w.trace = trace;
	w.tap = watch;
	w.replays = true;
	/* What the budget allows for checks, and an answer to each that came. */
	w.rate_max += ICE_BUDGET_RATE + PER_STEP * 2 * (unsigned int)(NS_PER_S / STEP_NS);
	w.relays[rng_below(&rng, SIM_RELAYS)].hostile = rng_below(&rng, 2);
	add_other(&w, &w.nodes[0]);
	failure = live(&w, sim_direct_possible(kinds[0], kinds[1]));
	if (failure)
		printf("seed %llu (%c x %c): %s; replay: sim_hostile --seeds 1 --first %llu "
		       "--trace\n",
		       (unsigned long long)seed, SIM_NAT_NAMES[kinds[0]], SIM_NAT_NAMES[kinds[1]],
		       failure, (unsigned long long)seed);
	if (w.max_rate > *max_rate)
		*max_rate = w.max_rate;
	ice_agent_free(w.nodes[0].other);
	w.nodes[0].other = NULL;
	sim_world_clear(&w);
	return !failure;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "seeds", required_argument, NULL, 'n' },
		{ "first", required_argument, NULL, 'f' },
		{ "trace", no_argument, NULL, 't' },
		{ 0 },
	};
	uint64_t seeds = DEFAULT_SEEDS, first = 1;
	unsigned int passed = 0, failed = 0, max_rate = 0;
	bool trace = false;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'n')
			seeds = strtoull(optarg, NULL, 10);
		else if (c == 'f')
			first = strtoull(optarg, NULL, 10);
		else if (c == 't')
			trace = true;
		else
			return 2;
	}
	for (uint64_t seed = first; seed < first + seeds; seed++) {
		bool ok = run_seed(seed, trace, &max_rate);

		passed += ok;
		failed += !ok;
	}
	printf("at most %u datagrams a second\n%u passed, %u failed\n", max_rate, passed, failed);
	return failed || !seeds ? 1 : 0;
}
