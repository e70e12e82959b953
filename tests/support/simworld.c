#include "tests/support/simworld.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "proto/turn_credential.h"
#include "tests/support/stunserver.h"

#define SPINS_MAX 400
/* Datagrams a second: 5 ms pace, answers and data; and guesses of ports, openers twice as fast. */
#define RATE_MAX (250 + 2 * PUNCH_RATE_MAX)
#define WALL_S   1700000000u
#define LIE_MS   300 /* a hostile relay's delays */

enum message_kind {
	MESSAGE_SIGNAL,
	MESSAGE_RELAY_ONLY,
	MESSAGE_TO_RELAY,   /* of a node's stream */
	MESSAGE_FROM_RELAY, /* the same way back */
	MESSAGE_LATER,      /* a hostile relay's datagram to a node */
};

struct message {
	enum message_kind kind;
	int node;
	int relay;
	struct endpoint remote; /* LATER */
	size_t len;
	uint8_t bytes[];
};

void sim_world_fail(struct sim_world *w, const char *what)
{
	if (!w->failure)
		w->failure = what;
}

/* ---- what is possible ---- */

bool sim_direct_possible(enum sim_nat_kind a, enum sim_nat_kind b)
{
	bool hard_a = sim_nat_is_hard(a), hard_b = sim_nat_is_hard(b);

	if (a == SIM_NAT_U || b == SIM_NAT_U)
		return false;
	if (hard_a && hard_b)
		return false;
	/* A and R filter by port, and the port that a hard NAT will use cannot be known. */
	return !((hard_a && (b == SIM_NAT_A || b == SIM_NAT_R)) ||
		 (hard_b && (a == SIM_NAT_A || a == SIM_NAT_R)));
}

/* What two boxes in a row are like: the stricter one of each. */
static enum sim_nat_kind combined(enum sim_nat_kind inner, enum sim_nat_kind outer)
{
	static const enum sim_nat_kind strictest[] = { SIM_NAT_U, SIM_NAT_B, SIM_NAT_S, SIM_NAT_E,
						       SIM_NAT_R, SIM_NAT_A, SIM_NAT_D, SIM_NAT_C };

	for (size_t i = 0; i < sizeof(strictest) / sizeof(strictest[0]); i++) {
		if (inner == strictest[i] || outer == strictest[i])
			return strictest[i];
	}
	return SIM_NAT_NONE;
}

bool sim_place_direct(const struct sim_place *p)
{
	enum sim_nat_kind a = p->nats[0].kind, b = p->nats[1].kind;

	if (p->same_lan)
		return a != SIM_NAT_NONE || sim_direct_possible(a, a);
	if (!p->same_carrier || p->carriers[0].kind == SIM_NAT_NONE)
		return sim_direct_possible(combined(a, p->carriers[0].kind),
					   combined(b, p->carriers[1].kind));
	if (a == SIM_NAT_NONE && b == SIM_NAT_NONE)
		return true; /* one LAN */
	/* Neither knows its address between the boxes, so only their public ones can do. */
	return p->carriers[0].hairpin && sim_direct_possible(combined(a, p->carriers[0].kind),
							     combined(b, p->carriers[0].kind));
}

/* ---- messages ---- */

static const uint8_t relay_secret[] = "a secret of the simulator";

static struct message *new_message(enum message_kind kind, int node, const void *data, size_t len)
{
	struct message *m = calloc(1, sizeof(*m) + len);

	if (!m)
		abort();
	m->kind = kind;
	m->node = node;
	m->len = len;
	if (len)
		memcpy(m->bytes, data, len);
	return m;
}

struct endpoint sim_world_relay_endpoint(const struct sim_world *w, int r)
{
	return (struct endpoint){ .addr = simnet_addr(w->net, w->relays[r].host, 0),
				  .port = SIM_RELAY_PORT };
}

void sim_world_node_key(uint8_t key[static STUN_KEY_SIZE], int node)
{
	memset(key, 'a' + node, STUN_KEY_SIZE);
}

void sim_world_credentials(int node, char *username, char *password)
{
	uint8_t key[STUN_KEY_SIZE];

	sim_world_node_key(key, node);
	turn_credential_make(username, password, relay_secret, sizeof(relay_secret) - 1, key,
			     WALL_S + SIM_START_NS / NS_PER_S + 86400);
}

static void start_relay(struct sim_world *w, int r)
{
	struct relay_server_config config = { .secret_count = 1 };

	config.secrets[0].bytes = relay_secret;
	config.secrets[0].len = sizeof(relay_secret) - 1;
	if (relay_server_new(&w->relays[r].server, &config, simnet_rng(w->net), w->now_ns,
			     WALL_S + w->now_ns / NS_PER_S) < 0)
		abort();
}

void sim_world_set_relay(struct sim_world *w, int r, bool up)
{
	relay_server_free(w->relays[r].server);
	w->relays[r].server = NULL;
	if (up)
		start_relay(w, r);
}

/* ---- the relays ---- */

static void relay_sends(struct sim_world *w, int r, const struct relay_address *to,
			const uint8_t *data, size_t len, uint64_t late_ns)
{
	const struct endpoint self = sim_world_relay_endpoint(w, r);
	struct message *m;

	if (!to->stream && !late_ns) {
		simnet_send(w->net, w->relays[r].host, &self, &to->remote, data, len, w->now_ns);
		return;
	}
	m = new_message(to->stream ? MESSAGE_FROM_RELAY : MESSAGE_LATER,
			to->stream ? (int)to->stream - 1 : 0, data, len);
	m->relay = r;
	m->remote = to->remote;
	if (to->stream)
		simnet_post(w->net, w->nodes[m->node].host, m,
			    w->now_ns + w->stream_delay_ns + late_ns);
	else
		simnet_post(w->net, w->relays[r].host, m, w->now_ns + late_ns);
}

/* Half of what it sends is as it should be. */
static void relay_lies(struct sim_world *w, int r, const struct relay_output *out)
{
	const struct rng *rng = simnet_rng(w->net);
	uint8_t data[RELAY_MESSAGE_MAX + RELAY_DATA_OVERHEAD];
	uint64_t late_ns = 0;
	size_t len = out->len;

	memcpy(data, out->data, len);
	switch (rng_below(rng, 10)) {
	case 0:
		return;
	case 1:
		late_ns = rng_below(rng, LIE_MS) * NS_PER_MS;
		break;
	case 2:
		relay_sends(w, r, &out->to, data, len, rng_below(rng, LIE_MS) * NS_PER_MS);
		break;
	case 3:
		len = rng_below(rng, (uint32_t)len);
		break;
	case 4:
		data[rng_below(rng, (uint32_t)len)] ^= (uint8_t)(1 + rng_below(rng, 255));
		break;
	default:
		break;
	}
	relay_sends(w, r, &out->to, data, len, late_ns);
}

static void serve_relay(struct sim_world *w, int r, uint8_t *data, size_t len,
			const struct relay_address *from)
{
	static struct relay_output out;

	if (!w->relays[r].server ||
	    !relay_server_input(w->relays[r].server, data, len, from, w->now_ns, &out))
		return;
	if (w->relays[r].hostile)
		relay_lies(w, r, &out);
	else
		relay_sends(w, r, &out.to, out.data, out.len, 0);
}

/* What comes to a relay's host: a datagram, a message of a node's stream, or its own, delayed. */
static void serve(struct sim_world *w, int r, struct sim_event *event)
{
	struct relay_address from = { .remote = event->remote };
	const struct endpoint self = sim_world_relay_endpoint(w, r);
	struct message *m = event->message;

	if (!m) {
		serve_relay(w, r, event->data, event->len, &from);
	} else if (m->kind == MESSAGE_LATER) {
		simnet_send(w->net, w->relays[r].host, &self, &m->remote, m->bytes, m->len,
			    w->now_ns);
	} else if (!w->nodes[m->node].cut && !w->nodes[m->node].barred[r]) {
		from.stream = (uint32_t)m->node + 1;
		from.remote = (struct endpoint){ .addr = addr_from_v4(0xcb0071c8u),
						 .port = (uint16_t)(1000 + m->node) };
		serve_relay(w, r, m->bytes, m->len, &from);
	}
}

void sim_world_stream_to_relay(struct sim_world *w, const struct sim_node *n, int r,
			       const uint8_t *data, size_t len)
{
	struct message *m;

	if (n->cut || n->barred[r])
		return;
	m = new_message(MESSAGE_TO_RELAY, n->index, data, len);
	m->relay = r;
	simnet_post(w->net, w->relays[r].host, m, w->now_ns + w->stream_delay_ns);
}

/* ---- signals ---- */

static bool is_at_relay(const struct sim_world *w, const struct sim_node *n, int r)
{
	return w->relays[r].server && !n->barred[r] && n->running && n->relays[r] &&
	       relay_client_registered(n->relays[r]);
}

static bool signal_passes(const struct sim_world *w)
{
	const struct sim_node *a = &w->nodes[0], *b = &w->nodes[1];

	if (a->cut || b->cut || rng_below(simnet_rng(w->net), 1000) < w->signal_loss_permille)
		return false;
	if (!a->unsignalled && !b->unsignalled)
		return true;
	for (int r = 0; r < SIM_RELAYS; r++) {
		if (is_at_relay(w, a, r) && is_at_relay(w, b, r))
			return true;
	}
	return false;
}

static void signal_to_peer(struct sim_world *w, const struct sim_node *n, struct message *m)
{
	if (signal_passes(w))
		simnet_post(w->net, w->nodes[!n->index].host, m, w->now_ns + w->signal_delay_ns);
	else
		free(m);
}

void sim_world_signal(struct sim_world *w, const struct sim_node *n, const char *text, size_t len)
{
	signal_to_peer(w, n, new_message(MESSAGE_SIGNAL, n->index, text, len));
}

void sim_world_tell_relay_only(struct sim_world *w, const struct sim_node *n)
{
	signal_to_peer(w, n, new_message(MESSAGE_RELAY_ONLY, n->index, NULL, 0));
}

/* ---- building ---- */

/* The number of the box that hosts of this home are behind. */
static int add_boxes(struct sim_world *w, const struct sim_nat_config *nat,
		     const struct sim_nat_config *carrier, int behind)
{
	if (carrier && carrier->kind != SIM_NAT_NONE)
		behind = simnet_add_box(w->net, carrier, SIM_PUBLIC);
	return nat->kind == SIM_NAT_NONE ? behind : simnet_add_box(w->net, nat, behind);
}

static bool is_without_udp(const struct sim_place *p, int i)
{
	int home = p->same_lan ? 0 : i;
	int carrier = p->same_carrier && p->carriers[0].kind != SIM_NAT_NONE ? 0 : home;

	return p->nats[home].kind == SIM_NAT_U || p->carriers[carrier].kind == SIM_NAT_U;
}

static void add_node(struct sim_world *w, const struct sim_place *p, int i, int nat)
{
	w->nodes[i] = (struct sim_node){
		.world = w,
		.index = i,
		.host = simnet_add_host(w->net, nat, &p->quality),
		.home = p->homes[i],
		.controlling = i == 0,
		.transport = is_without_udp(p, i) ? RELAY_STREAM : RELAY_UDP,
		.data_interval_ns = 200 * NS_PER_MS,
		.budget = ice_budget_new(simnet_rng(w->net)),
	};
}

static void add_nodes(struct sim_world *w, const struct sim_place *p)
{
	int first = add_boxes(w, &p->nats[0], &p->carriers[0], SIM_PUBLIC), carrier = 0;
	int second;

	if (p->same_lan)
		second = first;
	else if (p->same_carrier && p->carriers[0].kind != SIM_NAT_NONE)
		second = add_boxes(w, &p->nats[1], NULL, carrier);
	else
		second = add_boxes(w, &p->nats[1], &p->carriers[1], SIM_PUBLIC);
	add_node(w, p, 0, first);
	add_node(w, p, 1, second);
}

void sim_world_place(struct sim_world *w, uint64_t seed, const struct sim_place *place)
{
	const struct sim_quality clean = { 0 };

	*w = (struct sim_world){ .net = simnet_new(seed), .now_ns = SIM_START_NS };
	w->server = simnet_add_host(w->net, SIM_PUBLIC, &clean);
	simnet_add_addr(w->net, w->server);
	w->stranger = simnet_add_host(w->net, SIM_PUBLIC, &clean);
	for (int r = 0; r < SIM_RELAYS; r++) {
		w->relays[r].host = simnet_add_host(w->net, SIM_PUBLIC, &clean);
		start_relay(w, r);
	}
	w->stream_delay_ns = place->quality.delay_ns + 5 * NS_PER_MS;
	w->signal_delay_ns = 2 * place->quality.delay_ns + 10 * NS_PER_MS;
	w->second_ns = SIM_START_NS;
	w->rate_max = RATE_MAX;
	add_nodes(w, place);
}

void sim_world_init(struct sim_world *w, uint64_t seed, const enum sim_nat_kind kinds[static 2],
		    bool same_lan, const struct sim_quality *quality)
{
	const struct sim_place place = { .nats = { { .kind = kinds[0] }, { .kind = kinds[1] } },
					 .same_lan = same_lan,
					 .quality = *quality };

	sim_world_place(w, seed, &place);
}

int sim_world_nat(const struct sim_world *w, int node)
{
	return simnet_behind(w->net, w->nodes[node].host);
}

void sim_world_clear(struct sim_world *w)
{
	for (int i = 0; i < 2; i++) {
		if (w->nodes[i].running)
			sim_node_stop(&w->nodes[i]);
		ice_budget_free(w->nodes[i].budget);
	}
	for (int r = 0; r < SIM_RELAYS; r++)
		relay_server_free(w->relays[r].server);
	simnet_free(w->net);
}

/* ---- running ---- */

static void node_message(struct sim_node *n, const struct message *m)
{
	if (!n->running && n->joins && m->kind == MESSAGE_SIGNAL)
		sim_node_start(n);
	if (!n->running)
		return;
	if (m->kind == MESSAGE_SIGNAL)
		sim_node_signal(n, (const char *)m->bytes, m->len);
	else if (m->kind == MESSAGE_RELAY_ONLY)
		sim_node_told_relay_only(n);
	else if (!n->cut && !n->barred[m->relay])
		sim_node_stream(n, m->relay, m->bytes, m->len);
}

static void take_event(struct sim_world *w)
{
	struct sim_event event;

	event.message = NULL;
	if (!simnet_poll(w->net, &event)) {
		free(event.message);
		return;
	}
	if (event.host == w->server && event.kind == SIM_DATAGRAM)
		stunserver_answer(w->net, w->server, true, &event, w->now_ns);
	for (int r = 0; r < SIM_RELAYS; r++) {
		if (event.host == w->relays[r].host)
			serve(w, r, &event);
	}
	for (int i = 0; i < 2; i++) {
		struct sim_node *n = &w->nodes[i];

		if (event.host == n->host && event.kind == SIM_MESSAGE)
			node_message(n, event.message);
		else if (event.host == n->host && n->running)
			sim_node_datagram(n, &event);
	}
	free(event.message);
}

static void check_rate(struct sim_world *w)
{
	if (w->now_ns < w->second_ns + NS_PER_S)
		return;
	w->second_ns = w->now_ns;
	for (int i = 0; i < 2; i++) {
		uint64_t sent = simnet_sent(w->net, w->nodes[i].host);
		uint64_t rate = sent - w->sent_before[i];

		w->sent_before[i] = sent;
		if (rate > w->max_rate)
			w->max_rate = (unsigned int)rate;
		if (rate > w->rate_max)
			sim_world_fail(w, "too many datagrams in a second");
	}
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

void sim_world_run(struct sim_world *w, uint64_t until_ns)
{
	unsigned int spins = 0;

	for (int i = 0; i < 2; i++) {
		if (w->nodes[i].running)
			sim_node_drain(&w->nodes[i]);
	}
	while (!w->failure) {
		uint64_t events = simnet_next_ns(w->net);
		uint64_t next = earlier(sim_node_next(&w->nodes[0]), sim_node_next(&w->nodes[1]));

		next = earlier(next, events);
		if (next > until_ns)
			break;
		spins = next > w->now_ns ? 0 : spins + 1;
		if (spins > SPINS_MAX)
			sim_world_fail(w, "busy loop: time does not move");
		if (next > w->now_ns)
			w->now_ns = next;
		check_rate(w);
		if (events <= w->now_ns) {
			take_event(w);
			continue;
		}
		for (int i = 0; i < 2; i++) {
			if (sim_node_next(&w->nodes[i]) <= w->now_ns)
				sim_node_expire(&w->nodes[i]);
		}
	}
	if (w->now_ns < until_ns)
		w->now_ns = until_ns;
}
