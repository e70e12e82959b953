#include "tests/support/simnode.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "proto/turn_credential.h"
#include "tests/support/simworld.h"
#include "tests/support/stunserver.h"

#define KEEPALIVE_NS  (10 * NS_PER_S) /* WireGuard's passive one */
#define SPINS_MAX     40
#define PENALTY_NS    NS_PER_S /* of a relay that is not the peer's home */
#define OFFER_RETRY_S 5
#define OFFERS_MAX    6

/* The cores whose timeouts have to move. */
enum core {
	CORE_ICE,
	CORE_PATH,
	CORE_STUN,
	CORE_RELAY,
};

#define TRACE(n, ...)                                                                          \
	do {                                                                                   \
		if ((n)->world->trace) {                                                       \
			printf("%9.3f node %d ",                                               \
			       (double)((n)->world->now_ns - SIM_START_NS) / 1e9, (n)->index); \
			printf(__VA_ARGS__);                                                   \
			putchar('\n');                                                         \
		}                                                                              \
	} while (0)

static uint64_t now_of(const struct sim_node *n)
{
	return n->world->now_ns;
}

static struct sim_node *peer_of(const struct sim_node *n)
{
	return &n->world->nodes[!n->index];
}

static struct endpoint local_endpoint(const struct sim_node *n)
{
	return (struct endpoint){ .addr = simnet_addr(n->world->net, n->host, 0),
				  .port = SIM_PORT };
}

static bool is_relay_only(const struct sim_node *n)
{
	return n->mode == PATH_MODE_RELAY || (n->peer_relay_only && n->mode != PATH_MODE_DIRECT);
}

/* ---- sending ---- */

static void send_datagram(struct sim_node *n, const struct endpoint *local,
			  const struct endpoint *remote, const uint8_t *data, size_t len,
			  uint8_t ttl)
{
	struct sim_world *w = n->world;

	simnet_send_ttl(w->net, n->host, local, remote, data, len, ttl, w->now_ns);
	if (w->tap)
		w->tap(w, n, remote, data, len);
}

/* To the peer, not by a relay. */
static void send_direct(struct sim_node *n, const struct endpoint *local,
			const struct endpoint *remote, const uint8_t *data, size_t len, uint8_t ttl)
{
	if (n->mode == PATH_MODE_RELAY)
		sim_world_fail(n->world,
			       "a packet to the peer's address though the relay is forced");
	send_datagram(n, local, remote, data, len, ttl);
}

/* Answers go to who asked just now, and checks to whom authentic messages named. */
static void check_named(struct sim_node *n, const struct endpoint *remote, const uint8_t *data)
{
	bool is_answer = data[0] & 1;

	if (!n->world->replays && !(is_answer && endpoint_equal(remote, &n->heard)) &&
	    !sim_named_has(&n->named, remote))
		sim_world_fail(n->world, "a check to an address that no authentic message named");
}

/* ---- life ---- */

static void ask_servers(struct sim_node *n)
{
	struct stun_question question = {
		.local = local_endpoint(n),
		.schedule = &stun_schedule_standard,
	};

	stun_client_cancel(n->stun);
	for (int i = 0; i < 2; i++) {
		question.server.addr = simnet_addr(n->world->net, n->world->server, i);
		question.server.port = STUNSERVER_PORT;
		stun_client_ask(n->stun, &question, now_of(n));
	}
}

static void start_relay_clients(struct sim_node *n)
{
	char username[TURN_USERNAME_SIZE], password[TURN_PASSWORD_SIZE];
	struct relay_client_config config = { .username = username,
					      .password = password,
					      .transport = n->transport };

	sim_world_node_key(config.node_key, n->index);
	sim_world_credentials(n->index, username, password);
	for (int r = 0; r < SIM_RELAYS; r++)
		n->relays[r] = relay_client_new(&config, simnet_rng(n->world->net), now_of(n));
}

static void start_agent(struct sim_node *n)
{
	const struct ice_config config = { .controlling = n->controlling,
					   .rng = *simnet_rng(n->world->net),
					   .budget = n->budget };
	struct endpoint local = local_endpoint(n);

	n->agent = ice_agent_new(&config, now_of(n));
	n->described = false;
	n->offers = 0;
	n->offer_due_ns = 0;
	n->selected.id = 0;
	ice_set_signal_rtt(n->agent, n->world->signal_delay_ns);
	ice_add_local_candidate(n->agent, CANDIDATE_HOST, &local, NULL, NULL, now_of(n));
	if (n->warm && n->mapped.addr.family)
		ice_add_local_candidate(n->agent, CANDIDATE_SRFLX, &n->mapped, &local,
					&n->mapped_by, now_of(n));
}

static void end_agent(struct sim_node *n)
{
	if (n->agent)
		punch_restart(n->punch.core, now_of(n));
	ice_agent_free(n->agent);
	n->agent = NULL;
	n->selected.id = 0;
}

static void offer_relay(struct sim_node *n, int r)
{
	uint64_t penalty_ns = peer_of(n)->home == r ? 0 : PENALTY_NS;

	if (relay_client_registered(n->relays[r]))
		pathchoice_relay_up(&n->path, (uint32_t)r + 1,
				    2 * relay_client_rtt_ns(n->relays[r]) + penalty_ns, now_of(n));
}

static void begin_choice(struct sim_node *n)
{
	pathchoice_init(&n->path, now_of(n));
	pathchoice_set_mode(&n->path, is_relay_only(n) ? PATH_MODE_RELAY : n->mode, now_of(n));
	for (int r = 0; r < SIM_RELAYS; r++)
		offer_relay(n, r);
	n->used = (struct path_current){ 0 };
	n->watched = false;
}

void sim_node_start(struct sim_node *n)
{
	n->running = true;
	n->world->session++;
	n->peer_relay_only = false;
	n->told_ns = 0;
	n->named.count = 0;
	n->stun = stun_client_new(simnet_rng(n->world->net));
	start_relay_clients(n);
	begin_choice(n);
	sim_punch_init(n);
	if (!is_relay_only(n))
		start_agent(n);
	n->activity = (struct path_activity){ 0 };
	n->data_due_ns = n->data_interval_ns ? now_of(n) : CLOCK_NEVER;
	n->keepalive_due_ns = CLOCK_NEVER;
	ask_servers(n);
	TRACE(n, "start controlling=%d mode=%d home=%d", n->controlling, n->mode, n->home);
}

void sim_node_stop(struct sim_node *n)
{
	end_agent(n);
	sim_punch_clear(n);
	stun_client_free(n->stun);
	n->stun = NULL;
	for (int r = 0; r < SIM_RELAYS; r++) {
		relay_client_free(n->relays[r]);
		n->relays[r] = NULL;
	}
	sim_session_clear(&n->session);
	n->running = false;
	TRACE(n, "stop");
}

void sim_node_restart_ice(struct sim_node *n)
{
	n->restarts++;
	ask_servers(n);
	if (!n->agent)
		return;
	n->selected.id = 0;
	n->described = false;
	n->offers = 1;
	n->offer_due_ns = now_of(n) + OFFER_RETRY_S * NS_PER_S;
	ice_restart(n->agent, now_of(n));
}

void sim_node_set_cut(struct sim_node *n, bool cut)
{
	n->cut = cut;
	simnet_set_cut(n->world->net, n->host, cut);
	TRACE(n, "cut %d", cut);
}

void sim_node_bar_relay(struct sim_node *n, int relay, bool barred)
{
	enum sim_hole hole = barred ? SIM_HOLE_ALL : SIM_HOLE_NONE;
	int host = n->world->relays[relay].host;

	n->barred[relay] = barred;
	simnet_set_hole(n->world->net, n->host, host, hole);
	simnet_set_hole(n->world->net, host, n->host, hole);
	TRACE(n, "relay %d barred %d", relay, barred);
}

static void apply_mode(struct sim_node *n)
{
	if (is_relay_only(n)) {
		end_agent(n);
		begin_choice(n);
		return;
	}
	pathchoice_set_mode(&n->path, n->mode, now_of(n));
	if (!n->agent)
		start_agent(n);
}

void sim_node_set_mode(struct sim_node *n, enum path_mode mode)
{
	if (n->mode == mode)
		return;
	TRACE(n, "mode %d", mode);
	n->mode = mode;
	if (n->running)
		apply_mode(n);
}

void sim_node_told_relay_only(struct sim_node *n)
{
	if (n->peer_relay_only)
		return;
	TRACE(n, "the peer wants the relay");
	n->peer_relay_only = true;
	apply_mode(n);
	sim_node_drain(n);
}

/* ---- data ---- */

static void send_packet(struct sim_node *n, enum path_kind kind, uint32_t id, const uint8_t *packet)
{
	struct ice_pair_info pair;
	uint8_t peer[STUN_KEY_SIZE];

	if (kind == PATH_RELAY) {
		if (n->mode == PATH_MODE_DIRECT)
			sim_world_fail(n->world, "a relay is used though direct is forced");
		sim_world_node_key(peer, !n->index);
		relay_client_send(n->relays[id - 1], peer, packet, SIM_DATA_SIZE, now_of(n));
	} else if (kind == PATH_DIRECT && n->agent && ice_pair_find(n->agent, id, &pair)) {
		send_direct(n, &pair.local, &pair.remote, packet, SIM_DATA_SIZE, 0);
	}
}

static void build_packet(struct sim_node *n, enum sim_packet_kind kind, uint32_t token,
			 uint8_t packet[static SIM_DATA_SIZE])
{
	sim_session_follow(&n->session, n->world->session);
	sim_packet_build(&n->session, n->index, kind, token, packet);
}

static void send_data(struct sim_node *n)
{
	const struct path_current *by = &n->path.current;
	uint8_t packet[SIM_DATA_SIZE];
	struct ice_pair_info pair;

	if (by->kind == PATH_NONE)
		return;
	if (by->kind == PATH_DIRECT && (!n->agent || !ice_pair_find(n->agent, by->id, &pair)))
		sim_world_fail(n->world, "the path in use is no valid pair");
	build_packet(n, SIM_PACKET_DATA, 0, packet);
	send_packet(n, by->kind, by->id, packet);
	n->activity.last_tx_data_ns = now_of(n);
	n->keepalive_due_ns = CLOCK_NEVER;
	if (!n->activity.silent_since_ns)
		n->activity.silent_since_ns = now_of(n);
	if (n->watched) {
		n->watched = false;
		pathchoice_set_activity(&n->path, &n->activity, now_of(n));
	}
}

/* By the same way, where that may be. from: where it came from, NULL for relay r. */
static void answer_echo(struct sim_node *n, uint32_t token, const struct endpoint *from, int r)
{
	struct endpoint local = local_endpoint(n);
	uint8_t packet[SIM_DATA_SIZE];

	local.port = n->heard_port;
	if (from ? is_relay_only(n) : n->mode == PATH_MODE_DIRECT)
		return;
	build_packet(n, SIM_PACKET_ECHO_ANSWER, token, packet);
	if (from)
		send_direct(n, &local, from, packet, SIM_DATA_SIZE, 0);
	else
		send_packet(n, PATH_RELAY, (uint32_t)r + 1, packet);
}

static bool is_path_in_use(struct sim_node *n, const struct endpoint *from, int r)
{
	struct ice_pair_info pair;

	if (n->path.current.kind != PATH_DIRECT)
		return n->path.current.kind == PATH_RELAY && !from &&
		       n->path.current.id == (uint32_t)r + 1;
	return from && n->agent && ice_pair_find(n->agent, n->path.current.id, &pair) &&
	       endpoint_equal(from, &pair.remote);
}

/* Who is told to leave it be goes on for a moment, and is told again. */
static void heard_directly(struct sim_node *n)
{
	if (n->mode != PATH_MODE_RELAY || (n->told_ns && now_of(n) < n->told_ns + NS_PER_S))
		return;
	n->told_ns = now_of(n);
	sim_world_tell_relay_only(n->world, n);
}

static void receive_data(struct sim_node *n, const uint8_t *data, size_t len,
			 const struct endpoint *from, int r)
{
	uint64_t now = now_of(n);
	struct sim_packet p;

	sim_session_follow(&n->session, n->world->session);
	if (!sim_packet_open(&n->session, !n->index, data, len, &p))
		return;
	n->last_rx_ns = now;
	if (is_path_in_use(n, from, r))
		n->activity.silent_since_ns = 0;
	else if (p.kind == SIM_PACKET_DATA && n->path.current.kind == PATH_DIRECT)
		pathchoice_heard_elsewhere(&n->path, !from, now);
	if (from)
		heard_directly(n);
	if (p.kind == SIM_PACKET_ECHO) {
		answer_echo(n, p.token, from, r);
		return;
	}
	if (p.kind == SIM_PACKET_ECHO_ANSWER) {
		pathchoice_echo_answered(&n->path, p.token, p.expected, p.arrived, now);
		return;
	}
	n->received++;
	if (!n->first_data_ns)
		n->first_data_ns = now;
	if (n->keepalive_due_ns == CLOCK_NEVER)
		n->keepalive_due_ns = now + KEEPALIVE_NS;
}

/* ---- the agent ---- */

static void send_description(struct sim_node *n, struct ice_description *d)
{
	static char text[ICE_DESCRIPTION_TEXT_MAX];
	size_t len;

	sim_punch_report(n, d);
	if (ice_description_encode(d, text, sizeof(text), &len) < 0)
		abort();
	TRACE(n, "signal gen=%u answers=%s candidates=%zu", d->generation, d->answers, d->count);
	sim_world_signal(n->world, n, text, len);
}

void sim_node_signal(struct sim_node *n, const char *text, size_t len)
{
	static struct ice_description d;
	int err;

	if (ice_description_decode(&d, text, len) < 0) {
		sim_world_fail(n->world, "a description does not decode");
		return;
	}
	if (n->peer_relay_only) {
		n->peer_relay_only = false; /* who tells addresses has none forced */
		apply_mode(n);
	}
	if (!n->agent)
		return;
	for (size_t i = 0; i < d.count; i++)
		sim_named_add(&n->named, &d.candidates[i].addr);
	err = ice_input_description(n->agent, &d, now_of(n));
	if (!err) {
		n->described = true;
		sim_punch_note(n, &d);
	}
	TRACE(n, "got gen=%u answers=%s: %d", d.generation, d.answers, err);
	sim_node_drain(n);
}

/* As the daemon does, whose offers may get lost. */
static void repeat_offer(struct sim_node *n)
{
	if (!n->agent || n->described || now_of(n) < n->offer_due_ns)
		return;
	if (n->offers++ >= OFFERS_MAX) {
		n->offer_due_ns = CLOCK_NEVER;
		return;
	}
	n->offer_due_ns = now_of(n) + OFFER_RETRY_S * NS_PER_S;
	if (n->offers > 1)
		ice_restart(n->agent, now_of(n));
}

static void on_ice_event(struct sim_node *n, const struct ice_event *e)
{
	const struct path_pair pair = { .id = e->pair.id,
					.class = e->pair.class,
					.rtt_ns = e->pair.rtt_ns };
	uint64_t now = now_of(n);
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
	sim_punch_pair_event(n);
}

/* ---- the chooser ---- */

static void use_path(struct sim_node *n, const struct path_current *current)
{
	static const char *const kinds[] = { "none", "relay", "direct" };

	TRACE(n, "path %s %u %s", kinds[current->kind], current->id,
	      path_reason_text(current->reason));
	if (n->used.kind != current->kind || n->used.id != current->id) {
		n->kind_changes++;
		n->activity.silent_since_ns = 0;
	}
	if (n->used.kind == PATH_DIRECT && current->kind == PATH_RELAY) {
		n->left++;
		n->lost += current->reason == PATH_REASON_SILENCE;
	}
	if (current->kind == PATH_DIRECT && n->used.kind != PATH_DIRECT)
		n->direct_ns = now_of(n);
	if (current->kind == PATH_RELAY &&
	    (n->used.kind != PATH_RELAY || n->used.id != current->id))
		n->relayed_ns = now_of(n);
	if (current->kind == PATH_DIRECT && !n->first_direct_ns)
		n->first_direct_ns = now_of(n);
	n->used = *current;
}

static void on_order(struct sim_node *n, const struct path_order *order)
{
	uint64_t now = now_of(n);
	uint8_t packet[SIM_DATA_SIZE];

	switch (order->type) {
	case PATH_ORDER_USE:
		use_path(n, &order->current);
		break;
	case PATH_ORDER_PROBE:
		for (unsigned int i = 0; order->kind == PATH_DIRECT && i < order->count; i++)
			ice_probe(n->agent, order->id, now);
		if (order->kind == PATH_RELAY)
			relay_client_unanswered(n->relays[order->id - 1], now);
		break;
	case PATH_ORDER_ECHO:
		n->echoes++;
		build_packet(n, SIM_PACKET_ECHO, order->token, packet);
		send_packet(n, order->kind, order->id, packet);
		break;
	case PATH_ORDER_WATCH:
		n->watched = !n->activity.silent_since_ns;
		if (!n->watched)
			pathchoice_set_activity(&n->path, &n->activity, now);
		break;
	case PATH_ORDER_RESTART:
		TRACE(n, "restart");
		sim_node_restart_ice(n);
		break;
	}
}

/* ---- servers and relays ---- */

static void note_mapped(struct sim_node *n, const struct endpoint *server,
			const struct endpoint *mapped)
{
	const struct endpoint local = local_endpoint(n);

	nat_mapping_observe(&n->nat, &local, server, mapped, now_of(n));
	n->mapped = *mapped;
	n->mapped_by = server->addr;
	if (n->agent)
		ice_add_local_candidate(n->agent, CANDIDATE_SRFLX, mapped, &local, &server->addr,
					now_of(n));
}

static void on_relay_event(struct sim_node *n, int r, const struct relay_event *e)
{
	const struct endpoint relay = sim_world_relay_endpoint(n->world, r);
	uint64_t now = now_of(n);
	uint8_t peer[STUN_KEY_SIZE];

	switch (e->type) {
	case RELAY_EVENT_REGISTERED:
		TRACE(n, "relay %d registered", r);
		sim_world_node_key(peer, !n->index);
		relay_client_bind(n->relays[r], peer, now);
		offer_relay(n, r);
		if (n->transport == RELAY_UDP)
			note_mapped(n, &relay, &e->mapped);
		break;
	case RELAY_EVENT_MAPPED:
		if (n->transport == RELAY_UDP)
			note_mapped(n, &relay, &e->mapped);
		break;
	case RELAY_EVENT_LOST:
		TRACE(n, "relay %d lost", r);
		pathchoice_relay_down(&n->path, (uint32_t)r + 1, now);
		break;
	case RELAY_EVENT_REFUSED:
		if (!n->world->relays[r].hostile)
			sim_world_fail(n->world, "the relay refused a node");
		break;
	case RELAY_EVENT_DATA:
		receive_data(n, e->data, e->len, NULL, r);
		break;
	default:
		break;
	}
}

static void send_to_relay(struct sim_node *n, int r, const uint8_t *data, size_t len)
{
	const struct endpoint local = local_endpoint(n);
	const struct endpoint relay = sim_world_relay_endpoint(n->world, r);

	if (n->transport == RELAY_UDP)
		send_datagram(n, &local, &relay, data, len, 0);
	else
		sim_world_stream_to_relay(n->world, n, r, data, len);
}

/* ---- draining ---- */

static bool drain_stun(struct sim_node *n)
{
	struct stun_client_datagram question;
	struct stun_result result;
	bool more = false;

	for (; stun_client_poll_output(n->stun, &question); more = true)
		send_datagram(n, &question.local, &question.remote, question.data, question.len, 0);
	for (; stun_client_poll_result(n->stun, &result); more = true) {
		if (!result.err)
			note_mapped(n, &result.server, &result.mapped);
	}
	return more;
}

static bool drain_agent(struct sim_node *n)
{
	static struct ice_description d;
	struct ice_datagram out;
	struct ice_event event;
	bool more = false;

	for (; n->agent && ice_poll_description(n->agent, &d, now_of(n)); more = true)
		send_description(n, &d);
	for (; n->agent && ice_poll_output(n->agent, &out); more = true) {
		check_named(n, &out.remote, out.data);
		send_direct(n, &out.local, &out.remote, out.data, out.len, out.ttl);
	}
	for (; n->agent && ice_poll_event(n->agent, &event); more = true)
		on_ice_event(n, &event);
	return more;
}

static void drain_other(struct sim_node *n)
{
	struct ice_datagram out;
	struct ice_event event;

	while (ice_poll_description(n->other, &n->other_told, now_of(n)))
		continue;
	while (ice_poll_output(n->other, &out)) {
		send_datagram(n, &out.local, &out.remote, out.data, out.len, out.ttl);
		if (n->other_sent)
			n->other_sent(n, &out);
	}
	while (ice_poll_event(n->other, &event))
		continue;
}

static bool drain_relay(struct sim_node *n, int r)
{
	static uint8_t buf[RELAY_MESSAGE_MAX + RELAY_DATA_OVERHEAD];
	struct relay_event event;
	bool more = false;
	size_t len;

	for (; relay_client_poll_event(n->relays[r], &event); more = true)
		on_relay_event(n, r, &event);
	for (; (len = relay_client_poll_output(n->relays[r], buf, sizeof(buf))); more = true)
		send_to_relay(n, r, buf, len);
	return more;
}

void sim_node_drain(struct sim_node *n)
{
	struct path_order order;
	bool more = true;

	while (more) {
		more = drain_stun(n);
		more = drain_agent(n) || more;
		for (int r = 0; r < SIM_RELAYS; r++)
			more = drain_relay(n, r) || more;
		for (; pathchoice_poll(&n->path, &order); more = true)
			on_order(n, &order);
	}
	if (n->other)
		drain_other(n);
}

/* ---- time ---- */

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t relays_next(const struct sim_node *n)
{
	uint64_t next = CLOCK_NEVER;

	for (int r = 0; r < SIM_RELAYS; r++)
		next = earlier(next, relay_client_next_timeout(n->relays[r]));
	return next;
}

static uint64_t agent_next(const struct sim_node *n)
{
	uint64_t next = n->agent ? ice_next_timeout(n->agent) : CLOCK_NEVER;

	if (n->agent && !n->described)
		next = earlier(next, n->offer_due_ns);
	return next;
}

uint64_t sim_node_next(const struct sim_node *n)
{
	uint64_t next = CLOCK_NEVER;

	if (!n->running)
		return next;
	next = earlier(agent_next(n), pathchoice_next_timeout(&n->path));
	next = earlier(next, stun_client_next_timeout(n->stun));
	next = earlier(next, relays_next(n));
	next = earlier(next, sim_punch_next(n));
	if (n->other)
		next = earlier(next, ice_next_timeout(n->other));
	return earlier(next, earlier(n->data_due_ns, n->keepalive_due_ns));
}

/* What was due has been done, so nothing is due any more. */
static void check_moved(struct sim_node *n, enum core core, uint64_t next, const char *what)
{
	n->spins[core] = next <= now_of(n) ? n->spins[core] + 1 : 0;
	if (n->spins[core] > SPINS_MAX)
		sim_world_fail(n->world, what);
}

static void check_all_moved(struct sim_node *n)
{
	check_moved(n, CORE_ICE, agent_next(n), "busy loop: the agent's timeout does not move");
	check_moved(n, CORE_PATH, pathchoice_next_timeout(&n->path),
		    "busy loop: the chooser's timeout does not move");
	check_moved(n, CORE_STUN, stun_client_next_timeout(n->stun),
		    "busy loop: the STUN client's timeout does not move");
	check_moved(n, CORE_RELAY, relays_next(n),
		    "busy loop: a relay client's timeout does not move");
}

void sim_node_expire(struct sim_node *n)
{
	uint64_t now = now_of(n);

	if (n->agent)
		ice_expire(n->agent, now);
	if (n->other)
		ice_expire(n->other, now);
	repeat_offer(n);
	sim_punch_expire(n);
	stun_client_expire(n->stun, now);
	for (int r = 0; r < SIM_RELAYS; r++)
		relay_client_expire(n->relays[r], now);
	sim_node_drain(n);
	pathchoice_set_activity(&n->path, &n->activity, now);
	pathchoice_expire(&n->path, now);
	sim_node_drain(n);
	if (n->data_due_ns <= now) {
		send_data(n);
		n->data_due_ns = now + n->data_interval_ns;
	}
	if (n->keepalive_due_ns <= now) {
		n->keepalive_due_ns = CLOCK_NEVER;
		send_data(n);
		n->activity.silent_since_ns = 0; /* a keepalive asks for no answer */
	}
	sim_node_drain(n);
	check_all_moved(n);
}

/* ---- input ---- */

static void input_stun(struct sim_node *n, const struct sim_event *e)
{
	if (stun_client_input(n->stun, e->data, e->len, &e->remote, now_of(n)) == 0)
		return;
	if (n->agent && ice_input(n->agent, e->data, e->len, &e->local, &e->remote, now_of(n)) == 0)
		sim_named_add(&n->named, &e->remote);
	else if (n->other)
		ice_input(n->other, e->data, e->len, &e->local, &e->remote, now_of(n));
}

void sim_node_datagram(struct sim_node *n, const struct sim_event *event)
{
	int from = -1;

	n->heard = event->remote;
	n->heard_port = event->local.port;
	for (int r = 0; r < SIM_RELAYS; r++) {
		const struct endpoint relay = sim_world_relay_endpoint(n->world, r);

		if (endpoint_equal(&event->remote, &relay))
			from = r;
	}
	if (from >= 0)
		relay_client_input(n->relays[from], event->data, event->len, now_of(n));
	else if (event->len && event->data[0] == SIM_DATA_TYPE)
		receive_data(n, event->data, event->len, &event->remote, 0);
	else
		input_stun(n, event);
	sim_node_drain(n);
}

void sim_node_stream(struct sim_node *n, int r, const uint8_t *data, size_t len)
{
	relay_client_input(n->relays[r], data, len, now_of(n));
	sim_node_drain(n);
}
