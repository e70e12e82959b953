#include "tests/support/simnode.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "proto/turn_credential.h"
#include "tests/support/stunserver.h"

#define START_NS     (1000 * NS_PER_S)
#define KEEPALIVE_NS (10 * NS_PER_S) /* WireGuard's passive one */
#define SPINS_MAX    200
#define RATE_MAX     230 /* datagrams a second: 5 ms pace, answers and data */
#define WALL_S       1700000000u

enum message_kind {
	MESSAGE_SIGNAL,
	MESSAGE_TO_RELAY, /* of a node's stream */
	MESSAGE_FROM_RELAY,
};

struct message {
	enum message_kind kind;
	int node; /* TO_RELAY: whose stream */
	size_t len;
	char text[ICE_DESCRIPTION_TEXT_MAX];
};

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

static void fail(struct sim_world *w, const char *what)
{
	if (!w->failure)
		w->failure = what;
}

#define TRACE(n, ...)                                                                           \
	do {                                                                                    \
		if ((n)->world->trace) {                                                        \
			printf("%9.3f node %d ", (double)((n)->world->now_ns - START_NS) / 1e9, \
			       (n)->index);                                                     \
			printf(__VA_ARGS__);                                                    \
			putchar('\n');                                                          \
		}                                                                               \
	} while (0)

static struct sim_node *peer_of(struct sim_node *n)
{
	return &n->world->nodes[!n->index];
}

static bool is_apart(const struct sim_world *w)
{
	return w->nodes[0].cut || w->nodes[1].cut;
}

/* ---- the relay ---- */

static const uint8_t relay_secret[] = "a secret of the simulator";

static struct message *new_message(enum message_kind kind, int node, const void *data, size_t len)
{
	struct message *m = calloc(1, sizeof(*m));

	if (!m || len > sizeof(m->text))
		abort();
	m->kind = kind;
	m->node = node;
	m->len = len;
	memcpy(m->text, data, len);
	return m;
}

static struct endpoint relay_endpoint(const struct sim_world *w)
{
	return (struct endpoint){ .addr = simnet_addr(w->net, w->server, 0),
				  .port = SIM_RELAY_PORT };
}

static void start_relay(struct sim_world *w)
{
	struct relay_server_config config = { .secret_count = 1 };

	config.secrets[0].bytes = relay_secret;
	config.secrets[0].len = sizeof(relay_secret) - 1;
	if (relay_server_new(&w->relay, &config, simnet_rng(w->net), w->now_ns,
			     WALL_S + w->now_ns / NS_PER_S) < 0)
		abort();
}

static void serve_relay(struct sim_world *w, uint8_t *data, size_t len,
			const struct relay_address *from)
{
	static struct relay_output out;
	const struct endpoint self = relay_endpoint(w);

	if (w->relay_cut || !relay_server_input(w->relay, data, len, from, w->now_ns, &out))
		return;
	if (out.to.stream)
		simnet_post(w->net, w->nodes[out.to.stream - 1].host,
			    new_message(MESSAGE_FROM_RELAY, 0, out.data, out.len),
			    w->now_ns + w->stream_delay_ns);
	else
		simnet_send(w->net, w->server, &self, &out.to.remote, out.data, out.len, w->now_ns);
}

/* What comes to the server's host: STUN, a relay's datagram, or a message of a node's stream. */
static void serve(struct sim_world *w, struct sim_event *event)
{
	struct relay_address from = { .remote = event->remote };
	struct message *m = event->message;

	if (m) {
		from.stream = (uint32_t)m->node + 1;
		from.remote = (struct endpoint){ .addr = addr_from_v4(0xcb0071c8u),
						 .port = (uint16_t)(1000 + m->node) };
		if (!w->nodes[m->node].cut)
			serve_relay(w, (uint8_t *)m->text, m->len, &from);
	} else if (event->local.port == SIM_RELAY_PORT) {
		serve_relay(w, event->data, event->len, &from);
	} else {
		stunserver_answer(w->net, w->server, true, event, w->now_ns);
	}
}

/* ---- a node's life ---- */

static struct endpoint local_endpoint(const struct sim_node *n)
{
	return (struct endpoint){ .addr = simnet_addr(n->world->net, n->host, 0),
				  .port = SIM_PORT };
}

static void ask_server(struct sim_node *n)
{
	const struct stun_question question = {
		.local = local_endpoint(n),
		.server = { .addr = simnet_addr(n->world->net, n->world->server, 0),
			    .port = STUNSERVER_PORT },
		.schedule = &stun_schedule_standard,
	};

	stun_client_cancel(n->stun);
	stun_client_ask(n->stun, &question, n->world->now_ns);
}

static void node_key(uint8_t key[static STUN_KEY_SIZE], int index)
{
	memset(key, 'a' + index, STUN_KEY_SIZE);
}

static void start_relay_client(struct sim_node *n)
{
	char username[TURN_USERNAME_SIZE], password[TURN_PASSWORD_SIZE];
	struct relay_client_config config = { .username = username,
					      .password = password,
					      .transport = n->transport };

	node_key(config.node_key, n->index);
	turn_credential_make(username, password, relay_secret, sizeof(relay_secret) - 1,
			     config.node_key, WALL_S + START_NS / NS_PER_S + 86400);
	n->relay = relay_client_new(&config, simnet_rng(n->world->net), n->world->now_ns);
}

void sim_node_start(struct sim_node *n)
{
	struct sim_world *w = n->world;
	const struct ice_config config = { .controlling = n->controlling,
					   .rng = *simnet_rng(w->net) };
	struct endpoint local = local_endpoint(n);

	n->running = true;
	n->agent = ice_agent_new(&config, w->now_ns);
	n->stun = stun_client_new(simnet_rng(w->net));
	ice_set_signal_rtt(n->agent, w->signal_delay_ns);
	ice_add_local_candidate(n->agent, CANDIDATE_HOST, &local, NULL, NULL, w->now_ns);
	if (n->warm && n->mapped.addr.family)
		ice_add_local_candidate(n->agent, CANDIDATE_SRFLX, &n->mapped, &local,
					&n->mapped_by, w->now_ns);
	pathchoice_init(&n->path, w->now_ns);
	start_relay_client(n);
	n->selected.id = 0;
	n->activity = (struct path_activity){ 0 };
	n->used = PATH_NONE;
	n->counter = 0;
	n->expected = 0;
	n->arrived = 0;
	n->watched = false;
	n->data_due_ns = n->data_interval_ns ? w->now_ns : CLOCK_NEVER;
	n->keepalive_due_ns = CLOCK_NEVER;
	ask_server(n);
	TRACE(n, "start controlling=%d", n->controlling);
}

void sim_node_stop(struct sim_node *n)
{
	ice_agent_free(n->agent);
	stun_client_free(n->stun);
	relay_client_free(n->relay);
	n->relay = NULL;
	n->agent = NULL;
	n->stun = NULL;
	n->running = false;
	TRACE(n, "stop");
}

void sim_node_restart_ice(struct sim_node *n)
{
	n->restarts++;
	n->selected.id = 0;
	ice_restart(n->agent, n->world->now_ns);
	ask_server(n);
}

void sim_node_set_cut(struct sim_node *n, bool cut)
{
	n->cut = cut;
	simnet_set_cut(n->world->net, n->host, cut);
	TRACE(n, "cut %d", cut);
}

void sim_world_restart_relay(struct sim_world *w)
{
	relay_server_free(w->relay);
	start_relay(w);
}

/* ---- data ---- */

enum packet_kind {
	PACKET_DATA,
	PACKET_ECHO,
	PACKET_ECHO_ANSWER,
};

/* What the stand-in sends: a type as WireGuard's, then what matters here. */
static void build_packet(struct sim_node *n, uint8_t packet[static SIM_DATA_SIZE],
			 enum packet_kind kind, uint32_t token)
{
	memset(packet, 0, SIM_DATA_SIZE);
	packet[0] = SIM_DATA_TYPE;
	packet[1] = (uint8_t)kind;
	store_be32(packet + 4, token);
	store_be32(packet + 8, n->expected);
	store_be32(packet + 12, n->arrived);
	store_be32(packet + 16, n->counter++);
}

static void send_packet(struct sim_node *n, const struct path_order *by, const uint8_t *packet)
{
	struct sim_world *w = n->world;
	struct ice_pair_info pair;
	uint8_t peer[STUN_KEY_SIZE];

	if (by->kind == PATH_RELAY) {
		node_key(peer, !n->index);
		relay_client_send(n->relay, peer, packet, SIM_DATA_SIZE, w->now_ns);
	} else if (by->kind == PATH_DIRECT && ice_pair_find(n->agent, by->id, &pair)) {
		simnet_send(w->net, n->host, &pair.local, &pair.remote, packet, SIM_DATA_SIZE,
			    w->now_ns);
	}
}

static void send_data(struct sim_node *n)
{
	const struct path_order by = { .kind = n->path.current.kind, .id = n->path.current.id };
	uint8_t packet[SIM_DATA_SIZE];
	struct sim_world *w = n->world;
	struct ice_pair_info pair;

	if (by.kind == PATH_NONE)
		return;
	if (by.kind == PATH_DIRECT && !ice_pair_find(n->agent, by.id, &pair))
		fail(w, "the path in use is no valid pair");
	build_packet(n, packet, PACKET_DATA, 0);
	send_packet(n, &by, packet);
	n->activity.last_tx_data_ns = w->now_ns;
	n->keepalive_due_ns = CLOCK_NEVER;
	if (!n->activity.silent_since_ns)
		n->activity.silent_since_ns = w->now_ns;
	if (n->watched) {
		n->watched = false;
		pathchoice_set_activity(&n->path, &n->activity, w->now_ns);
	}
}

/* By the same way. from: where it came from, NULL for the relay. */
static void answer_echo(struct sim_node *n, const uint8_t *echo, const struct endpoint *from)
{
	const struct path_order by = { .kind = PATH_RELAY };
	const struct endpoint local = { .addr = simnet_addr(n->world->net, n->host, 0),
					.port = SIM_PORT };
	uint8_t packet[SIM_DATA_SIZE];

	build_packet(n, packet, PACKET_ECHO_ANSWER, load_be32(echo + 4));
	if (from)
		simnet_send(n->world->net, n->host, &local, from, packet, SIM_DATA_SIZE,
			    n->world->now_ns);
	else
		send_packet(n, &by, packet);
}

static void count_packet(struct sim_node *n, uint32_t counter)
{
	n->arrived++;
	if (counter >= n->expected)
		n->expected = counter + 1;
}

static bool is_path_in_use(struct sim_node *n, const struct endpoint *from)
{
	struct ice_pair_info pair;

	if (n->path.current.kind != PATH_DIRECT)
		return n->path.current.kind == PATH_RELAY && !from;
	return from && ice_pair_find(n->agent, n->path.current.id, &pair) &&
	       endpoint_equal(from, &pair.remote);
}

static void receive_data(struct sim_node *n, const uint8_t *packet, const struct endpoint *from)
{
	uint64_t now = n->world->now_ns;

	count_packet(n, load_be32(packet + 16));
	n->last_rx_ns = now;
	if (is_path_in_use(n, from))
		n->activity.silent_since_ns = 0;
	else if (packet[1] == PACKET_DATA && n->path.current.kind == PATH_DIRECT)
		pathchoice_heard_elsewhere(&n->path, !from, now);
	if (packet[1] == PACKET_ECHO) {
		answer_echo(n, packet, from);
		return;
	}
	if (packet[1] == PACKET_ECHO_ANSWER) {
		pathchoice_echo_answered(&n->path, load_be32(packet + 4), load_be32(packet + 8),
					 load_be32(packet + 12), now);
		return;
	}
	n->received++;
	if (!n->first_data_ns)
		n->first_data_ns = now;
	if (n->keepalive_due_ns == CLOCK_NEVER)
		n->keepalive_due_ns = now + KEEPALIVE_NS;
}

/* ---- glue ---- */

static void send_signal(struct sim_node *n, const struct ice_description *d)
{
	struct sim_world *w = n->world;
	struct message *m = calloc(1, sizeof(*m));

	if (!m || ice_description_encode(d, m->text, sizeof(m->text), &m->len) < 0)
		abort();
	TRACE(n, "signal gen=%u answers=%s candidates=%zu", d->generation, d->answers, d->count);
	if (is_apart(w) || rng_below(simnet_rng(w->net), 1000) < w->signal_loss_permille)
		free(m);
	else
		simnet_post(w->net, peer_of(n)->host, m, w->now_ns + w->signal_delay_ns);
}

static void receive_signal(struct sim_node *n, const struct message *m)
{
	static struct ice_description d;
	int err;

	if (ice_description_decode(&d, m->text, m->len) < 0) {
		fail(n->world, "a description does not decode");
		return;
	}
	err = ice_input_description(n->agent, &d, n->world->now_ns);
	TRACE(n, "got gen=%u answers=%s: %d", d.generation, d.answers, err);
}

static void on_ice_event(struct sim_node *n, const struct ice_event *e)
{
	const struct path_pair pair = { .id = e->pair.id,
					.class = e->pair.class,
					.rtt_ns = e->pair.rtt_ns };
	uint64_t now = n->world->now_ns;
	char text[ENDPOINT_TEXT_SIZE];

	switch (e->type) {
	case ICE_EVENT_PAIR_VALID:
		TRACE(n, "valid %u %s", e->pair.id, endpoint_format(text, &e->pair.remote));
		pathchoice_pair_valid(&n->path, &pair, now);
		break;
	case ICE_EVENT_PAIR_RTT:
		pathchoice_pair_answered(&n->path, pair.id, pair.rtt_ns, now);
		break;
	case ICE_EVENT_PAIR_LOST:
		TRACE(n, "lost %u", e->pair.id);
		if (n->selected.id == e->pair.id)
			n->selected.id = 0;
		pathchoice_pair_lost(&n->path, pair.id, now);
		break;
	case ICE_EVENT_SELECTED:
		TRACE(n, "selected %u %s", e->pair.id, endpoint_format(text, &e->pair.remote));
		n->selected = e->pair;
		break;
	case ICE_EVENT_FAILED:
		TRACE(n, "failed");
		pathchoice_ice_failed(&n->path, now);
		break;
	case ICE_EVENT_ROLE:
		TRACE(n, "role controlling=%d", e->controlling);
		n->roles++;
		break;
	}
}

static void on_order(struct sim_node *n, const struct path_order *order)
{
	static const char *const kinds[] = { "none", "relay", "direct" };
	uint64_t now = n->world->now_ns;
	uint8_t packet[SIM_DATA_SIZE];

	switch (order->type) {
	case PATH_ORDER_USE:
		TRACE(n, "path %s %u %s", kinds[order->current.kind], order->current.id,
		      path_reason_text(order->current.reason));
		n->kind_changes++;
		n->activity.silent_since_ns = 0;
		if (n->used == PATH_DIRECT && order->current.kind == PATH_RELAY) {
			n->left++;
			n->lost += order->current.reason == PATH_REASON_SILENCE;
		}
		n->used = order->current.kind;
		if (order->current.kind == PATH_DIRECT && !n->first_direct_ns)
			n->first_direct_ns = now;
		break;
	case PATH_ORDER_PROBE:
		for (unsigned int i = 0; order->kind == PATH_DIRECT && i < order->count; i++)
			ice_probe(n->agent, order->id, now);
		if (order->kind == PATH_RELAY)
			relay_client_unanswered(n->relay, now);
		break;
	case PATH_ORDER_ECHO:
		n->echoes++;
		build_packet(n, packet, PACKET_ECHO, order->token);
		send_packet(n, order, packet);
		break;
	case PATH_ORDER_WATCH:
		n->watched = true;
		if (n->activity.silent_since_ns) {
			n->watched = false;
			pathchoice_set_activity(&n->path, &n->activity, now);
		}
		break;
	case PATH_ORDER_RESTART:
		TRACE(n, "restart");
		sim_node_restart_ice(n);
		break;
	}
}

static void on_stun_result(struct sim_node *n, const struct stun_result *r)
{
	if (r->err)
		return;
	n->mapped = r->mapped;
	n->mapped_by = r->server.addr;
	ice_add_local_candidate(n->agent, CANDIDATE_SRFLX, &r->mapped, &r->local, &r->server.addr,
				n->world->now_ns);
}

static void on_relay_event(struct sim_node *n, const struct relay_event *e)
{
	uint64_t now = n->world->now_ns;
	uint8_t peer[STUN_KEY_SIZE];

	switch (e->type) {
	case RELAY_EVENT_REGISTERED:
		TRACE(n, "relay registered");
		node_key(peer, !n->index);
		relay_client_bind(n->relay, peer, now);
		pathchoice_relay_up(&n->path, SIM_RELAY_ID, relay_client_rtt_ns(n->relay), now);
		break;
	case RELAY_EVENT_LOST:
		TRACE(n, "relay lost");
		pathchoice_relay_down(&n->path, SIM_RELAY_ID, now);
		break;
	case RELAY_EVENT_REFUSED:
		fail(n->world, "the relay refused a node");
		break;
	case RELAY_EVENT_DATA:
		if (e->len == SIM_DATA_SIZE)
			receive_data(n, e->data, NULL);
		break;
	default:
		break;
	}
}

static void send_to_relay(struct sim_node *n, const uint8_t *data, size_t len)
{
	const struct endpoint local = local_endpoint(n), relay = relay_endpoint(n->world);
	struct sim_world *w = n->world;

	if (n->transport == RELAY_UDP)
		simnet_send(w->net, n->host, &local, &relay, data, len, w->now_ns);
	else if (!n->cut)
		simnet_post(w->net, w->server, new_message(MESSAGE_TO_RELAY, n->index, data, len),
			    w->now_ns + w->stream_delay_ns);
}

static void drain(struct sim_node *n)
{
	static struct ice_description d;
	struct sim_world *w = n->world;
	struct stun_client_datagram question;
	struct ice_datagram out;
	struct stun_result result;
	struct path_order order;
	struct ice_event event;
	struct relay_event relayed;
	static uint8_t buf[RELAY_MESSAGE_MAX + RELAY_DATA_OVERHEAD];
	size_t len;
	bool more = true;

	while (more) {
		more = false;
		for (; stun_client_poll_output(n->stun, &question); more = true)
			simnet_send(w->net, n->host, &question.local, &question.remote,
				    question.data, question.len, w->now_ns);
		for (; stun_client_poll_result(n->stun, &result); more = true)
			on_stun_result(n, &result);
		for (; ice_poll_description(n->agent, &d, w->now_ns); more = true)
			send_signal(n, &d);
		for (; ice_poll_output(n->agent, &out); more = true)
			simnet_send_ttl(w->net, n->host, &out.local, &out.remote, out.data, out.len,
					out.ttl, w->now_ns);
		for (; ice_poll_event(n->agent, &event); more = true)
			on_ice_event(n, &event);
		for (; relay_client_poll_event(n->relay, &relayed); more = true)
			on_relay_event(n, &relayed);
		for (; (len = relay_client_poll_output(n->relay, buf, sizeof(buf))); more = true)
			send_to_relay(n, buf, len);
		for (; pathchoice_poll(&n->path, &order); more = true)
			on_order(n, &order);
	}
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t node_next(const struct sim_node *n)
{
	uint64_t next = CLOCK_NEVER;

	if (!n->running)
		return next;
	next = earlier(ice_next_timeout(n->agent), pathchoice_next_timeout(&n->path));
	next = earlier(next, stun_client_next_timeout(n->stun));
	next = earlier(next, relay_client_next_timeout(n->relay));
	return earlier(next, earlier(n->data_due_ns, n->keepalive_due_ns));
}

static void node_expire(struct sim_node *n)
{
	uint64_t now = n->world->now_ns;

	ice_expire(n->agent, now);
	stun_client_expire(n->stun, now);
	relay_client_expire(n->relay, now);
	drain(n);
	pathchoice_set_activity(&n->path, &n->activity, now);
	pathchoice_expire(&n->path, now);
	drain(n);
	if (n->data_due_ns <= now) {
		send_data(n);
		n->data_due_ns = now + n->data_interval_ns;
	}
	if (n->keepalive_due_ns <= now) {
		n->keepalive_due_ns = CLOCK_NEVER;
		send_data(n);
		n->activity.silent_since_ns = 0; /* a keepalive asks for no answer */
	}
	drain(n);
}

static void node_datagram(struct sim_node *n, const struct sim_event *event)
{
	const struct endpoint relay = relay_endpoint(n->world);
	struct sim_world *w = n->world;

	if (endpoint_equal(&event->remote, &relay))
		relay_client_input(n->relay, event->data, event->len, w->now_ns);
	else if (event->len == SIM_DATA_SIZE && event->data[0] == SIM_DATA_TYPE)
		receive_data(n, event->data, &event->remote);
	else if (stun_client_input(n->stun, event->data, event->len, &event->remote, w->now_ns) < 0)
		ice_input(n->agent, event->data, event->len, &event->local, &event->remote,
			  w->now_ns);
	drain(n);
}

static void node_message(struct sim_node *n, const struct message *m)
{
	if (m->kind == MESSAGE_SIGNAL)
		receive_signal(n, m);
	else
		relay_client_input(n->relay, (const uint8_t *)m->text, m->len, n->world->now_ns);
	drain(n);
}

/* ---- the world ---- */

void sim_world_init(struct sim_world *w, uint64_t seed, const enum sim_nat_kind kinds[static 2],
		    bool same_lan, const struct sim_quality *quality)
{
	const struct sim_quality clean = { 0 };
	int nat = SIM_PUBLIC;

	*w = (struct sim_world){ .net = simnet_new(seed), .now_ns = START_NS };
	w->server = simnet_add_host(w->net, SIM_PUBLIC, &clean);
	simnet_add_addr(w->net, w->server);
	start_relay(w);
	w->stream_delay_ns = quality->delay_ns + 5 * NS_PER_MS;
	w->signal_delay_ns = 2 * quality->delay_ns + 10 * NS_PER_MS;
	w->second_ns = START_NS;
	for (int i = 0; i < 2; i++) {
		if (i == 0 || !same_lan)
			nat = kinds[i] == SIM_NAT_NONE ? SIM_PUBLIC
						       : simnet_add_nat(w->net, kinds[i]);
		w->nodes[i] = (struct sim_node){
			.world = w,
			.index = i,
			.host = simnet_add_host(w->net, nat, quality),
			.controlling = i == 0,
			.transport = kinds[i] == SIM_NAT_U ? RELAY_STREAM : RELAY_UDP,
			.data_interval_ns = 200 * NS_PER_MS,
		};
	}
}

void sim_world_clear(struct sim_world *w)
{
	for (int i = 0; i < 2; i++) {
		if (w->nodes[i].running)
			sim_node_stop(&w->nodes[i]);
	}
	relay_server_free(w->relay);
	simnet_free(w->net);
}

static void take_event(struct sim_world *w)
{
	struct sim_event event;

	event.message = NULL;
	if (!simnet_poll(w->net, &event))
		return;
	if (event.host == w->server)
		serve(w, &event);
	for (int i = 0; i < 2; i++) {
		struct sim_node *n = &w->nodes[i];

		if (event.host == n->host && !n->running && n->joins && event.message)
			sim_node_start(n);
		if (event.host != n->host || !n->running)
			continue;
		if (event.kind == SIM_MESSAGE)
			node_message(n, event.message);
		else
			node_datagram(n, &event);
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
		if (rate > RATE_MAX)
			fail(w, "too many datagrams in a second");
	}
}

void sim_world_run(struct sim_world *w, uint64_t until_ns)
{
	unsigned int spins = 0;

	for (int i = 0; i < 2; i++) {
		if (w->nodes[i].running)
			drain(&w->nodes[i]);
	}
	while (!w->failure) {
		uint64_t events = simnet_next_ns(w->net);
		uint64_t next = earlier(node_next(&w->nodes[0]), node_next(&w->nodes[1]));

		next = earlier(next, events);
		if (next > until_ns)
			break;
		spins = next > w->now_ns ? 0 : spins + 1;
		if (spins > SPINS_MAX)
			fail(w, "busy loop: timeouts do not move");
		if (next > w->now_ns)
			w->now_ns = next;
		check_rate(w);
		if (events <= w->now_ns) {
			take_event(w);
			continue;
		}
		for (int i = 0; i < 2; i++) {
			if (node_next(&w->nodes[i]) <= w->now_ns)
				node_expire(&w->nodes[i]);
		}
	}
	if (w->now_ns < until_ns)
		w->now_ns = until_ns;
}
