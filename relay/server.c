#include "relay/server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/map.h"
#include "crypto/rng.h"
#include "io/loop.h"
#include "io/udp.h"
#include "io/ws.h"
#include "proto/demux.h"
#include "proto/mask.h"
#include "relay/batch.h"
#include "relay/forwarders.h"

#define SOCKET_BUFFER        (4 * 1024 * 1024)
#define ROUNDS_A_TURN        8 /* receives before other descriptors get their turn */
#define RECEIVE_BATCH        8
#define FORWARDED_A_TURN     256 /* packets that threads handed over */
#define TICK_NS              (10 * NS_PER_S)
#define STREAMS_MAX          65536
#define STREAM_UNUSED_MAX_NS (30 * NS_PER_S) /* a stream without a registered node */

/* One UDP socket; the same index twice when a wildcard address has v4 and v6. */
struct relay_socket {
	struct relay *relay;
	struct loop_watch *watch;
	int fd;
};

struct stream {
	struct relay_address address; /* its stream is the key in relay.streams */
	struct ws_conn *conn;
	uint64_t opened_ns;
	bool trusted;
};

struct relay {
	struct loop *loop;
	struct relay_server *core;
	struct loop_timer timer;
	struct relay_socket sockets[RELAY_SOCKETS_MAX][2]; /* by index; v4, v6 */
	struct udp_receiver *receiver;
	struct batch *batch[RELAY_SOCKETS_MAX][2]; /* of the sockets */
	struct forwarders *forwarders;             /* NULL: no threads */
	struct loop_watch *forwarders_watch;
	struct map *streams;
	uint32_t last_stream;
	uint16_t port;
	uint16_t second_port;
	uint8_t tos; /* ECN of the packet under way */
	struct relay_output out;
	uint8_t scratch[RELAY_MESSAGE_MAX];
};

static int family_slot(const struct ip_addr *addr)
{
	return addr->family == AF_INET6;
}

static void send_datagram(struct relay *relay, const struct relay_address *to, const uint8_t *data,
			  size_t len)
{
	struct batch_run run = {
		.to = to,
		.data = data,
		.len = len,
		.segment = len,
		.tos = relay->tos,
	};
	struct batch *batch = to->socket < RELAY_SOCKETS_MAX
				      ? relay->batch[to->socket][family_slot(&to->remote.addr)]
				      : NULL;

	if (batch)
		batch_add(batch, &run);
}

/* To those who asked so; data is not masked but for STUN, which is rare and small. */
static void send_masked(struct relay *relay, const struct relay_address *to, const uint8_t *data,
			size_t len)
{
	const struct rng rng = rng_system();
	uint8_t masked[MASK_OVERHEAD + sizeof(relay->out.buffer)];

	if (len > sizeof(relay->out.buffer))
		return;
	mask_apply(masked, data, len, &rng);
	send_datagram(relay, to, masked, len + MASK_OVERHEAD);
}

static void send_stun(struct relay *relay, const struct relay_address *to, const uint8_t *data,
		      size_t len)
{
	if (to->masked)
		send_masked(relay, to, data, len);
	else
		send_datagram(relay, to, data, len);
}

static void dispatch(struct relay *relay)
{
	const struct relay_output *out = &relay->out;

	if (out->has_probe)
		send_stun(relay, &out->probe.to, out->probe.data, sizeof(out->probe.data));
	if (out->to.stream) {
		struct stream *stream = map_find(relay->streams, &out->to.stream);

		/* A full queue is this receiver's own loss, and no one else's. */
		if (stream && relay_is_data(out->data, out->len))
			ws_conn_offer(stream->conn, out->data, out->len);
		else if (stream)
			ws_conn_send(stream->conn, out->data, out->len);
		return;
	}
	if (out->to.masked && demux_datagram(out->data, out->len) == DEMUX_STUN)
		send_masked(relay, &out->to, out->data, out->len);
	else
		send_datagram(relay, &out->to, out->data, out->len);
}

static void flush(struct relay *relay)
{
	for (size_t i = 0; i < RELAY_SOCKETS_MAX; i++) {
		for (size_t j = 0; j < 2; j++) {
			if (relay->batch[i][j])
				batch_flush(relay->batch[i][j]);
		}
	}
}

static void arm(struct relay *relay, uint64_t now_ns)
{
	uint64_t next_ns = relay_server_next_timeout(relay->core);

	if (next_ns > now_ns + TICK_NS)
		next_ns = now_ns + TICK_NS;
	loop_timer_set(&relay->timer, next_ns);
}

static void on_message(struct relay *relay, const struct udp_message *message, uint8_t index,
		       uint64_t now_ns)
{
	struct relay_address from = {
		.remote = message->from,
		.socket = index,
		.local = message->to,
	};

	/* Only what the network said about congestion is passed on (RFC 3168). */
	relay->tos = message->tos & 3;
	for (size_t at = 0; at < message->len; at += message->segment) {
		size_t left = message->len - at;
		size_t len = left < message->segment ? left : message->segment;
		uint8_t *data = message->data + at;

		from.masked = demux_datagram(data, len) == DEMUX_MASKED;
		if (from.masked) {
			mask_remove(data, len);
			data += MASK_OVERHEAD;
			len -= MASK_OVERHEAD;
		}
		if (relay_server_input(relay->core, data, len, &from, now_ns, &relay->out))
			dispatch(relay);
	}
}

static void on_readable(void *arg, int revents)
{
	struct relay_socket *socket = arg;
	struct relay *relay = socket->relay;
	uint8_t index = (uint8_t)((size_t)(socket - &relay->sockets[0][0]) / 2);
	uint64_t now_ns = loop_now_ns(relay->loop);

	(void)revents;
	for (int i = 0; i < ROUNDS_A_TURN; i++) {
		size_t count = udp_receive(relay->receiver, socket->fd);

		for (size_t j = 0; j < count; j++)
			on_message(relay, udp_receiver_message(relay->receiver, j), index, now_ns);
		flush(relay);
		if (count < RECEIVE_BATCH)
			break;
	}
}

/* ---- what the threads may not decide ---- */

static void on_handed_over(void *arg, const struct shard_packet *packet, uint8_t *data)
{
	struct relay *relay = arg;
	struct relay_address from = { .remote = packet->from, .local = packet->to };

	relay->tos = packet->tos & 3;
	if (relay_server_input(relay->core, data, packet->len, &from, loop_now_ns(relay->loop),
			       &relay->out))
		dispatch(relay);
}

static void on_forwarders(void *arg, int revents)
{
	struct relay *relay = arg;

	(void)revents;
	forwarders_read(relay->forwarders, FORWARDED_A_TURN, on_handed_over, relay);
	flush(relay);
}

/* ---- streams ---- */

static void on_stream_opened(struct ws_conn *conn, void *arg)
{
	struct relay *relay = arg;
	struct stream *stream = calloc(1, sizeof(*stream));

	if (!stream) {
		ws_conn_close(conn);
		return;
	}
	do {
		if (++relay->last_stream == 0)
			++relay->last_stream;
	} while (map_find(relay->streams, &relay->last_stream));
	stream->address.remote = ws_conn_remote(conn);
	stream->address.stream = relay->last_stream;
	stream->conn = conn;
	stream->opened_ns = loop_now_ns(relay->loop);
	if (map_insert(relay->streams, &stream->address.stream, stream) < 0) {
		free(stream);
		ws_conn_close(conn);
		return;
	}
	ws_conn_set_user(conn, stream);
}

static void on_stream_message(struct ws_conn *conn, void *arg, const uint8_t *data, size_t len)
{
	struct relay *relay = arg;
	struct stream *stream = ws_conn_user(conn);
	uint64_t now_ns = loop_now_ns(relay->loop);
	const uint8_t *message;
	size_t message_len;

	if (!stream)
		return;
	relay->tos = 0;
	while ((message_len = relay_stream_next(&data, &len, &message))) {
		if (message_len > sizeof(relay->scratch))
			continue;
		memcpy(relay->scratch, message, message_len);
		if (relay_server_input(relay->core, relay->scratch, message_len, &stream->address,
				       now_ns, &relay->out))
			dispatch(relay);
	}
	flush(relay);
	if (!stream->trusted && relay_server_registered(relay->core, &stream->address)) {
		stream->trusted = true;
		ws_conn_trust(conn);
	}
}

static void on_stream_closed(struct ws_conn *conn, void *arg, enum ws_close why, const char *detail)
{
	struct relay *relay = arg;
	struct stream *stream = ws_conn_user(conn);

	(void)why;
	(void)detail;
	if (!stream)
		return;
	relay_server_stream_closed(relay->core, &stream->address);
	map_remove(relay->streams, &stream->address.stream);
	free(stream);
}

void relay_ws_protocol(struct relay *relay, struct ws_protocol *protocol)
{
	*protocol = (struct ws_protocol){
		.name = RELAY_WS_PROTOCOL,
		.path = RELAY_WS_PATH,
		.message_max = RELAY_JOINED_MAX,
		.queue = { RELAY_STREAM_QUEUE_MAX, RELAY_JOINED_MAX, RELAY_LATE_NS },
		.handler = { on_stream_opened, on_stream_message, on_stream_closed },
		.arg = relay,
	};
}

/* ---- life ---- */

static void on_tick(void *arg, uint64_t now_ns)
{
	struct relay *relay = arg;
	struct stream *stream;
	size_t cursor = 0;

	relay_server_set_wall(relay->core, now_ns, clock_wall_s());
	relay_server_expire(relay->core, now_ns);
	while ((stream = map_next(relay->streams, &cursor))) {
		if (now_ns - stream->opened_ns > STREAM_UNUSED_MAX_NS &&
		    !relay_server_registered(relay->core, &stream->address))
			ws_conn_close(stream->conn);
	}
	arm(relay, now_ns);
}

static struct udp_config socket_config(const struct endpoint *at)
{
	return (struct udp_config){
		.family = at->addr.family,
		.port = at->port,
		.local = at->addr,
		.gro = true,
		.buffer = SOCKET_BUFFER,
	};
}

static int open_socket(struct relay *relay, size_t index, const struct endpoint *at)
{
	struct udp_config config = socket_config(at);
	int slot = family_slot(&at->addr);
	struct relay_socket *socket = &relay->sockets[index][slot];
	int err = udp_open(&socket->fd, &config);

	if (err < 0)
		return err;
	relay->batch[index][slot] = batch_new(socket->fd);
	if (!relay->batch[index][slot])
		return -ENOMEM;
	return loop_watch_new(&socket->watch, relay->loop, socket->fd, UV_READABLE, on_readable,
			      socket);
}

/* [::] means v4 too; v4 may be missing on a host, or have been given to somebody else. */
static int open_first(struct relay *relay, const struct endpoint *listen)
{
	struct endpoint v4 = { .addr = addr_from_v4(0) };
	int err = open_socket(relay, 0, listen);

	if (err < 0)
		return err;
	relay->port = udp_port(relay->sockets[0][family_slot(&listen->addr)].fd);
	if (listen->addr.family != AF_INET6 || !addr_is_unspecified(&listen->addr))
		return 0;
	v4.port = relay->port;
	return open_socket(relay, 0, &v4);
}

static void close_socket(struct relay *relay, size_t index, int slot)
{
	struct relay_socket *socket = &relay->sockets[index][slot];

	loop_watch_free(socket->watch);
	socket->watch = NULL;
	batch_free(relay->batch[index][slot]);
	relay->batch[index][slot] = NULL;
	if (socket->fd >= 0)
		close(socket->fd);
	socket->fd = -1;
}

/* At that port, for the families that the first socket has. 0 or -errno, then nothing is open. */
static int open_second_at(struct relay *relay, const struct endpoint *listen, uint16_t port)
{
	struct endpoint at = *listen;
	struct endpoint v4 = { .addr = addr_from_v4(0) };
	int slot = family_slot(&listen->addr);
	int err;

	at.port = port;
	err = open_socket(relay, RELAY_SECOND_SOCKET, &at);
	if (!err) {
		v4.port = udp_port(relay->sockets[RELAY_SECOND_SOCKET][slot].fd);
		if (slot && relay->sockets[0][0].fd >= 0)
			err = open_socket(relay, RELAY_SECOND_SOCKET, &v4);
	}
	if (err < 0) {
		close_socket(relay, RELAY_SECOND_SOCKET, 0);
		close_socket(relay, RELAY_SECOND_SOCKET, 1);
		return err;
	}
	relay->second_port = v4.port;
	return 0;
}

/* A relay without one is a relay too. */
static void open_second(struct relay *relay, const struct endpoint *listen)
{
	if (relay->port == UINT16_MAX ||
	    open_second_at(relay, listen, (uint16_t)(relay->port + 1)) < 0)
		open_second_at(relay, listen, 0);
}

/* Fills the addresses of RFC 5780: bit 0 is the other port, bit 1 the other address. */
static int open_sockets(struct relay *relay, const struct relay_config *config,
			struct endpoint own[static RELAY_SOCKETS_MAX])
{
	int err = open_first(relay, &config->listen);

	if (err < 0)
		return err;
	if (!addr_is_unspecified(&config->listen.addr)) {
		own[0] = config->listen;
		own[0].port = relay->port;
	}
	if (!config->alt.addr.family) {
		open_second(relay, &config->listen);
		return 0;
	}
	if (addr_is_unspecified(&config->listen.addr) || addr_is_unspecified(&config->alt.addr) ||
	    config->alt.addr.family != config->listen.addr.family || !config->alt.port ||
	    config->alt.port == relay->port || addr_equal(&config->alt.addr, &config->listen.addr))
		return -EINVAL;
	own[1] = own[0];
	own[1].port = config->alt.port;
	own[2] = config->alt;
	own[2].port = relay->port;
	own[3] = config->alt;
	for (size_t i = 1; i < RELAY_SOCKETS_MAX; i++) {
		err = open_socket(relay, i, &own[i]);
		if (err < 0)
			return err;
	}
	relay->second_port = config->alt.port;
	return 0;
}

/* Beside the first socket, or the first two. */
static int open_forwarders(struct relay *relay, const struct relay_config *config)
{
	struct endpoint v4 = { .addr = addr_from_v4(0) };
	struct udp_config configs[2] = { socket_config(&v4), socket_config(&v4) };
	int own[2] = { relay->sockets[0][0].fd, relay->sockets[0][1].fd };

	configs[family_slot(&config->listen.addr)] = socket_config(&config->listen);
	return forwarders_new(&relay->forwarders, own, configs, config->threads);
}

static int start_forwarders(struct relay *relay)
{
	int err = forwarders_start(relay->forwarders, relay_server_forward(relay->core));

	if (err < 0)
		return err;
	return loop_watch_new(&relay->forwarders_watch, relay->loop,
			      forwarders_fd(relay->forwarders), UV_READABLE, on_forwarders, relay);
}

static int open_core(struct relay *relay, const struct relay_config *config,
		     const struct endpoint own[static RELAY_SOCKETS_MAX])
{
	struct relay_server_config core = {
		.secret_count = config->secret_count,
		.rate_bytes_per_s = config->rate_bytes_per_s,
		.forwarders = relay->forwarders != NULL,
		.second_port = relay->second_port,
	};
	struct rng rng = rng_system();

	if (config->secret_count > RELAY_SECRETS_MAX)
		return -EINVAL;
	for (size_t i = 0; i < config->secret_count; i++) {
		core.secrets[i].bytes = config->secrets[i].bytes;
		core.secrets[i].len = config->secrets[i].len;
	}
	memcpy(core.sockets, own, sizeof(core.sockets));
	return relay_server_new(&relay->core, &core, &rng, loop_now_ns(relay->loop),
				clock_wall_s());
}

int relay_new(struct relay **out, struct loop *loop, const struct relay_config *config)
{
	struct endpoint own[RELAY_SOCKETS_MAX] = { 0 };
	struct relay *relay = calloc(1, sizeof(*relay));
	int err = -ENOMEM;

	if (!relay)
		return -ENOMEM;
	relay->loop = loop;
	for (size_t i = 0; i < RELAY_SOCKETS_MAX; i++) {
		for (size_t j = 0; j < 2; j++)
			relay->sockets[i][j] = (struct relay_socket){ .relay = relay, .fd = -1 };
	}
	loop_timer_init(&relay->timer, loop, on_tick, relay);
	relay->receiver = udp_receiver_new(RECEIVE_BATCH);
	relay->streams = map_new(sizeof(uint32_t), STREAMS_MAX);
	if (!relay->receiver || !relay->streams)
		goto fail;
	err = config->listen.addr.family ? open_sockets(relay, config, own) : 0;
	if (!err && config->listen.addr.family && config->threads)
		err = open_forwarders(relay, config);
	if (!err)
		err = open_core(relay, config, own);
	if (!err && relay->forwarders)
		err = start_forwarders(relay);
	if (err < 0)
		goto fail;
	arm(relay, loop_now_ns(loop));
	*out = relay;
	return 0;

fail:
	relay_free(relay);
	return err;
}

void relay_free(struct relay *relay)
{
	struct stream *stream;
	size_t cursor = 0;

	if (!relay)
		return;
	loop_timer_clear(&relay->timer);
	/* Their threads read the core and send from sockets of this one. */
	loop_watch_free(relay->forwarders_watch);
	forwarders_free(relay->forwarders);
	for (size_t i = 0; i < RELAY_SOCKETS_MAX; i++) {
		for (int j = 0; j < 2; j++)
			close_socket(relay, i, j);
	}
	while (relay->streams && (stream = map_next(relay->streams, &cursor)))
		free(stream);
	map_free(relay->streams);
	udp_receiver_free(relay->receiver);
	relay_server_free(relay->core);
	free(relay);
}

uint16_t relay_port(const struct relay *relay)
{
	return relay->port;
}

uint16_t relay_second_port(const struct relay *relay)
{
	return relay->second_port;
}

struct relay_stats relay_stats(const struct relay *relay)
{
	struct relay_stats stats = relay_server_stats(relay->core);

	if (relay->forwarders)
		forwarders_add_stats(relay->forwarders, &stats);
	return stats;
}

size_t relay_thread_count(const struct relay *relay)
{
	return relay->forwarders ? forwarders_count(relay->forwarders) : 0;
}

uint64_t relay_thread_packets(const struct relay *relay, size_t index)
{
	struct relay_stats stats = { 0 };

	forwarders_add_stats_of(relay->forwarders, index, &stats);
	return stats.forwarded_packets;
}
