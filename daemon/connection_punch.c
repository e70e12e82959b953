#include "daemon/connection_state.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "daemon/dataplane.h"
#include "daemon/relays.h"
#include "daemon/stun_index.h"
#include "io/probe_sockets.h"
#include "proto/ice_description.h"

/* A pair that port guessing won is asked for again when another session begins, at these times. */
static const uint64_t recall_ms[] = { 0, 100, 300 };

#define RECALLS (sizeof(recall_ms) / sizeof(recall_ms[0]))

static void step(struct connection *conn);

static struct connection_punch *punch_of(struct connection *conn)
{
	return &conn->punch;
}

/* ---- what both sides know ---- */

/* The base that leads out to the IPv4 internet, and how that is seen from there. */
static bool find_outside(const struct mesh *mesh, struct endpoint *base, struct ip_addr *outside)
{
	const struct local_candidates *candidates = &mesh->candidates;
	size_t i;

	for (i = 0; i < candidates->reflexive_count; i++) {
		if (!addr_is_global(&candidates->reflexive[i].mapped.addr))
			continue;
		*base = candidates->reflexive[i].base;
		*outside = candidates->reflexive[i].mapped.addr;
		return true;
	}
	for (i = 0; i < candidates->host_count; i++) {
		if (!addr_is_global(&candidates->hosts[i].addr))
			continue;
		*base = candidates->hosts[i];
		*outside = base->addr;
		return true;
	}
	return false;
}

/* Sockets beside the shared one do not mask what they send: then it is left alone. */
static void tell_own(struct connection *conn)
{
	struct connection_punch *punch = punch_of(conn);
	struct nat_report report = { .mapping = NAT_UNKNOWN };
	struct ip_addr outside = { 0 };

	if (!conn->masked && !relays_masked(conn->mesh->relays) &&
	    find_outside(conn->mesh, &punch->base, &outside))
		report =
			nat_mapping_report(&conn->mesh->nat, &punch->base, connection_now_ns(conn));
	punch_set_own(punch->core, &report, &outside, connection_now_ns(conn));
}

/* The agent begins sessions by itself as well, when the peer does. */
static void follow_session(struct connection *conn)
{
	struct connection_punch *punch = punch_of(conn);

	if (!conn->ice || strcmp(punch->session, ice_ufrag(conn->ice)) == 0)
		return;
	snprintf(punch->session, sizeof(punch->session), "%s", ice_ufrag(conn->ice));
	punch_restart(punch->core, connection_now_ns(conn));
	punch->recalls = RECALLS;
}

void connection_punch_report(struct connection *conn, struct ice_description *d)
{
	if (!conn->punch.core)
		return;
	follow_session(conn);
	tell_own(conn);
	d->nat = punch_report(conn->punch.core, connection_now_ns(conn));
	step(conn);
}

void connection_punch_note(struct connection *conn, const struct ice_description *d)
{
	struct connection_punch *punch = punch_of(conn);

	if (!punch->core)
		return;
	follow_session(conn);
	if (punch->won_local.port && punch->recalls == RECALLS) {
		punch->recalls = 0;
		punch->bound_ns = connection_now_ns(conn);
	}
	punch_set_peer(punch->core, &d->nat, d->candidates, d->count, connection_now_ns(conn));
	step(conn);
}

bool connection_punch_is_hopeless(const struct connection *conn)
{
	return conn->punch.core && punch_is_hopeless(conn->punch.core);
}

/* ---- sockets ---- */

static void adopt(struct connection *conn, size_t index, size_t place)
{
	struct connection_punch *punch = punch_of(conn);
	int fd = probe_sockets_take(punch->probes, index);

	if (fd < 0)
		return;
	if (dataplane_adopt_socket(conn->mesh->dp, fd, &punch->adopted[place]) < 0)
		close(fd);
}

/* Somebody found one of our mappings; who it is the agent knows. */
static void on_receive(void *arg, size_t index, const struct endpoint *from,
		       const struct ip_addr *local_addr, const uint8_t *data, size_t len)
{
	struct connection *conn = arg;
	struct connection_punch *punch = punch_of(conn);
	const struct endpoint local = { .addr = *local_addr,
					.port = probe_sockets_port(punch->probes, index) };
	struct stun_message msg;
	size_t place = 0;

	while (place < CONNECTION_SOCKETS_MAX && punch->adopted[place])
		place++;
	/* Without a port it has been adopted by what came just before. */
	if (place == CONNECTION_SOCKETS_MAX || !local.port || !conn->ice ||
	    stun_parse(&msg, data, len) < 0 || !connection_owns(conn, &msg) ||
	    ice_input(conn->ice, data, len, &local, from, connection_now_ns(conn)) < 0)
		return;
	adopt(conn, index, place);
	connection_advance(conn);
}

static void open_sockets(struct connection *conn, size_t count)
{
	struct connection_punch *punch = punch_of(conn);
	const struct probe_sockets_config config = {
		.count = count,
		.receive = on_receive,
		.arg = conn,
	};
	int err;

	probe_sockets_free(punch->probes);
	punch->probes = NULL;
	err = probe_sockets_new(&punch->probes, conn->mesh->loop, &config);
	if (err < 0)
		log_warn("punch-sockets peer=%s error=\"%s\"", connection_peer_cert(conn)->name,
			 strerror(-err));
	count = err < 0 ? 0 : probe_sockets_count(punch->probes);
	log_info("punch peer=%s sockets=%zu", connection_peer_cert(conn)->name, count);
	punch_opened(punch->core, count, connection_now_ns(conn));
}

static void close_sockets(struct connection_punch *punch)
{
	probe_sockets_free(punch->probes);
	punch->probes = NULL;
}

/* Those that no pair sends from any more. */
static void release_unused(struct connection *conn)
{
	struct dataplane *dp = conn->mesh->dp;
	struct connection_punch *punch = punch_of(conn);
	size_t i;

	for (i = 0; i < CONNECTION_SOCKETS_MAX; i++) {
		uint16_t port;

		if (!punch->adopted[i])
			continue;
		port = dataplane_socket_port(dp, punch->adopted[i]);
		if (conn->ice && ice_uses_port(conn->ice, port))
			continue;
		dataplane_release_socket(dp, punch->adopted[i]);
		punch->adopted[i] = 0;
		if (punch->won_local.port == port)
			punch->won_local.port = 0;
	}
}

/* ---- sending ---- */

static void send_check(struct connection *conn, const struct endpoint *local, size_t socket,
		       const struct endpoint *remote, uint8_t ttl)
{
	const struct dp_path path = {
		.kind = DP_PATH_UDP,
		.remote = *remote,
		.local = local->addr,
		.socket = dataplane_socket_on(conn->mesh->dp, local->port),
	};
	struct ice_datagram d;

	if (!conn->ice ||
	    ice_stray_check(conn->ice, local, remote, &d, connection_now_ns(conn)) < 0)
		return;
	stun_index_note_sent(conn->mesh->stun, d.data, d.len, mesh_peer_key(conn->peer));
	if (socket == PUNCH_SHARED)
		dataplane_send(conn->mesh->dp, &path, d.data, d.len, 0, ttl);
	else if (conn->punch.probes)
		probe_sockets_send(conn->punch.probes, socket, remote, &local->addr, d.data, d.len,
				   ttl);
}

static void send_ordered(struct connection *conn, const struct punch_order *order)
{
	struct connection_punch *punch = punch_of(conn);
	struct endpoint local = punch->base;

	if (order->socket != PUNCH_SHARED) {
		if (!punch->probes)
			return;
		local.port = probe_sockets_port(punch->probes, order->socket);
	}
	if (local.port)
		send_check(conn, &local, order->socket, &order->remote, order->ttl);
}

/* The mapping of a pair that was won may well be there still. */
static void recall(struct connection *conn)
{
	struct connection_punch *punch = punch_of(conn);

	while (punch->recalls < RECALLS && punch->won_local.port &&
	       connection_now_ns(conn) >= punch->bound_ns + recall_ms[punch->recalls] * NS_PER_MS) {
		punch->recalls++;
		send_check(conn, &punch->won_local, PUNCH_SHARED, &punch->won_remote, 0);
	}
}

static uint64_t next_punch_ns(const struct connection_punch *punch)
{
	uint64_t next = punch_next_timeout(punch->core);

	if (punch->recalls < RECALLS && punch->won_local.port &&
	    punch->bound_ns + recall_ms[punch->recalls] * NS_PER_MS < next)
		next = punch->bound_ns + recall_ms[punch->recalls] * NS_PER_MS;
	return next;
}

static void step(struct connection *conn)
{
	struct connection_punch *punch = punch_of(conn);
	uint64_t now_ns = connection_now_ns(conn);
	struct punch_order order;

	tell_own(conn); /* others have said something of us perhaps */
	punch_expire(punch->core, now_ns);
	while (punch_poll_order(punch->core, &order, now_ns)) {
		switch (order.type) {
		case PUNCH_ORDER_OPEN:
			open_sockets(conn, order.count);
			break;
		case PUNCH_ORDER_CLOSE:
			close_sockets(punch);
			break;
		case PUNCH_ORDER_SEND:
			send_ordered(conn, &order);
			break;
		}
	}
	recall(conn);
	loop_timer_set(&punch->timer, next_punch_ns(punch));
}

static void on_punch_timer(void *arg, uint64_t at_ns)
{
	struct connection *conn = arg;
	struct connection_punch *punch = punch_of(conn);

	(void)at_ns;
	step(conn);
	connection_see_obstacle(conn);
	if (!conn->ice || !punch_has_news(punch->core, connection_now_ns(conn)))
		return;
	ice_describe_again(conn->ice);
	connection_advance(conn);
}

/* ---- life ---- */

void connection_punch_init(struct connection *conn)
{
	const struct punch_config config = {
		.rng = conn->mesh->rng,
		.budget = &conn->mesh->punch_budget,
		.first = memcmp(conn->mesh->membership.cert.device_key,
				connection_peer_cert(conn)->device_key, 32) < 0,
	};

	loop_timer_init(&conn->punch.timer, conn->mesh->loop, on_punch_timer, conn);
	conn->punch.recalls = RECALLS;
	conn->punch.core = punch_new(&config); /* without it ports are not guessed */
}

void connection_punch_end(struct connection *conn)
{
	struct connection_punch *punch = punch_of(conn);

	close_sockets(punch);
	release_unused(conn);
	if (punch->core) {
		punch_restart(punch->core, connection_now_ns(conn));
		/* The agent took its pairs along without a word. */
		punch_set_direct(punch->core, false, connection_now_ns(conn));
	}
	loop_timer_clear(&punch->timer);
}

void connection_punch_clear(struct connection *conn)
{
	close_sockets(punch_of(conn));
	loop_timer_clear(&conn->punch.timer);
	punch_free(conn->punch.core);
	conn->punch.core = NULL;
}

void connection_punch_network_changed(struct connection *conn)
{
	if (conn->punch.core)
		punch_network_changed(conn->punch.core, connection_now_ns(conn));
}

void connection_punch_begin_anew(struct connection *conn)
{
	if (conn->punch.core)
		punch_begin_anew(conn->punch.core, connection_now_ns(conn));
}

/* Notes which of the pairs was won by guessing. */
static void note_won(struct connection_punch *punch, const struct ice_pair_info *pair)
{
	if (addr_equal(&pair->local.addr, &punch->base.addr) && pair->guessed) {
		punch->won_local = pair->local;
		punch->won_remote = pair->remote;
	}
}

void connection_punch_pair_event(struct connection *conn, const struct ice_event *event)
{
	struct connection_punch *punch = punch_of(conn);

	if (!punch->core)
		return;
	if (event->type == ICE_EVENT_PAIR_VALID)
		note_won(punch, &event->pair);
	if (event->type != ICE_EVENT_PAIR_LOST && event->pair.mapped.port &&
	    event->pair.local.port == dataplane_port(conn->mesh->dp))
		nat_mapping_observe(&conn->mesh->nat, &event->pair.local, &event->pair.remote,
				    &event->pair.mapped, connection_now_ns(conn));
	punch_set_direct(punch->core, conn->ice && ice_has_valid_pair(conn->ice),
			 connection_now_ns(conn));
	release_unused(conn);
	step(conn);
}
