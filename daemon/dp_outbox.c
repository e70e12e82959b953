#include <string.h>

#include "base/buf.h"
#include "daemon/dp_core.h"
#include "daemon/dp_engine.h"
#include "daemon/dp_keypair.h"
#include "daemon/dp_peer.h"

#define DATA_TYPE 4

/*
 * A receiver's network card or kernel glues packets of one sender together before anybody looks at
 * their index, and a glued packet goes to one worker. It does so only where the TTL is the same, so
 * that each lane has its own: this less the lane's number, and the system's (mostly 64) for lane 0.
 */
#define LANE_TTL 128

/*
 * Zeros up to a multiple of 16, but never beyond the MTU (WireGuard paper, 5.4.6). Which route a
 * packet took into the device nobody says, so none of their MTUs is crossed by padding.
 */
static size_t padded_len(struct dataplane *dp, const struct dp_hop *hop, size_t len)
{
	size_t padded = (len + 15) & ~(size_t)15;
	size_t path_mtu = atomic_load_explicit(&hop->mtu, memory_order_relaxed);
	size_t mtu = atomic_load_explicit(&dp->mtu, memory_order_relaxed);

	if (mtu > path_mtu)
		mtu = path_mtu;
	if (len > mtu)
		return len;
	if (padded > mtu)
		padded = mtu;
	for (size_t i = 0; i < TUN_MTU_MAX; i++) {
		mtu = atomic_load_explicit(&dp->route_mtu[i], memory_order_relaxed);
		if (!mtu)
			break;
		if (len <= mtu && padded > mtu)
			padded = mtu;
	}
	return padded;
}

static struct dp_out_run *run_for(struct dp_outbox *out, const struct dp_way *way)
{
	struct dp_out_run *run = out->runs ? &out->run[out->runs - 1] : NULL;

	if (run && run->keypair == way->keypair && run->hop == way->hop &&
	    run->lane_number == way->lane && run->fragment == way->fragment)
		return run;
	run = &out->run[out->runs++];
	*run = (struct dp_out_run){
		.peer = way->peer,
		.keypair = way->keypair,
		.hop = way->hop,
		.first = (uint16_t)out->packets,
		.lane_number = way->lane,
		.fragment = way->fragment,
	};
	return run;
}

uint8_t *dp_outbox_add(struct dp_engine *engine, const struct dp_way *way, size_t len, uint8_t tos)
{
	struct dp_outbox *out = &engine->out;
	size_t padded = padded_len(engine->dp, way->hop, len);
	size_t wire = padded + DP_DATA_OVERHEAD;
	size_t prefix = way->hop->path.channel ? DP_CHANNEL_HEADER : 0;
	struct dp_out_run *run;
	uint8_t *message;

	if (wire + prefix > UDP_BYTES_MAX)
		return NULL;
	if (out->packets == DP_OUT_PACKETS || out->used + prefix + wire > DP_OUT_BYTES)
		dp_outbox_flush(engine);
	run = run_for(out, way);
	message = out->bytes + out->used + prefix;
	if (prefix) {
		store_be16(message - 4, way->hop->path.channel);
		store_be16(message - 2, (uint16_t)wire);
	}
	store_le32(message, DATA_TYPE);
	store_le32(message + 4, way->keypair->remote_index + way->lane);
	memset(message + DP_DATA_HEADER + len, 0, padded - len);
	out->packet[out->packets++] = (struct dp_out_packet){
		.offset = (uint32_t)(message - out->bytes), .len = (uint16_t)wire, .tos = tos
	};
	out->used += prefix + wire;
	run->count++;
	run->data |= len > 0;
	return message + DP_DATA_HEADER;
}

static void seal_run(struct dp_engine *engine, struct dp_out_run *run)
{
	struct dp_outbox *out = &engine->out;
	uint64_t counter;

	run->lane = dp_keypair_lane(run->keypair, run->lane_number);
	if (!run->lane || !dp_lane_reserve(run->lane, run->count, &counter)) {
		run->refused = true;
		dp_count(&run->peer->tx_dropped, run->count);
		dp_engine_ask_session(engine, run->peer);
		return;
	}
	for (size_t i = 0; i < run->count; i++) {
		struct dp_out_packet *packet = &out->packet[run->first + i];
		uint8_t *message = out->bytes + packet->offset;

		store_le32(message + 8, (uint32_t)(counter + i));
		store_le32(message + 12, (uint32_t)((counter + i) >> 32));
		out->job[i] = (struct aead_job){
			.in = message + DP_DATA_HEADER,
			.out = message + DP_DATA_HEADER,
			.len = packet->len - (size_t)DP_DATA_OVERHEAD,
			.counter = counter + i,
		};
	}
	aead_seal(engine->aead, run->lane->send_key, out->job, run->count);
}

static void mark_sent(struct dp_engine *engine, const struct dp_out_run *run)
{
	struct dp_peer *peer = run->peer;
	uint64_t bytes = 0;

	for (size_t i = 0; i < run->count; i++)
		bytes += engine->out.packet[run->first + i].len;
	dp_count(&peer->tx_bytes, bytes);
	atomic_store_explicit(&peer->last_tx_ns, engine->now_ns, memory_order_relaxed);
	atomic_store_explicit(&peer->unacked_since_ns, 0, memory_order_relaxed);
	if (run->data) {
		uint64_t never = 0;

		atomic_store_explicit(&peer->last_tx_data_ns, engine->now_ns, memory_order_relaxed);
		if (!atomic_load_explicit(&peer->unanswered_since_ns, memory_order_relaxed))
			atomic_compare_exchange_strong(&peer->unanswered_since_ns, &never,
						       engine->now_ns);
		never = 0;
		if (!atomic_load_explicit(&peer->silent_since_ns, memory_order_relaxed))
			atomic_compare_exchange_strong(&peer->silent_since_ns, &never,
						       engine->now_ns);
		dp_engine_notice(engine, peer, DP_NOTICE_UNANSWERED);
	}
	if (dp_keypair_wants_rekey(run->keypair, run->lane, engine->now_ns))
		dp_engine_notice(engine, peer, DP_NOTICE_REKEY);
}

/* Bytes from a packet's first one on the wire to the next packet's. */
static size_t wire_start(const struct dp_outbox *out, size_t i, size_t prefix)
{
	return out->packet[i].offset - prefix;
}

/*
 * The longest datagram that the kernel can cut: packets of the first one's size and ToS, only the
 * last shorter. Returns how many packets it has.
 */
static size_t gather(const struct dp_engine *engine, const struct dp_out_run *run, size_t first,
		     struct udp_datagram *datagram)
{
	const struct dp_outbox *out = &engine->out;
	size_t prefix = run->hop->path.channel ? DP_CHANNEL_HEADER : 0;
	size_t segment = out->packet[first].len + prefix;
	size_t end = (size_t)run->first + run->count;
	size_t len = segment;
	size_t i = first + 1;

	/* Cutting and fragmenting exclude each other. */
	while (!engine->dp->config.no_udp_gso && !run->fragment && i < end &&
	       i - first < UDP_GSO_MAX) {
		size_t next = out->packet[i].len + prefix;

		if (next > segment || out->packet[i].tos != out->packet[first].tos ||
		    len + next > UDP_BYTES_MAX)
			break;
		len += next;
		i++;
		if (next < segment)
			break;
	}
	*datagram = (struct udp_datagram){
		.route = &run->hop->route,
		.data = out->bytes + wire_start(out, first, prefix),
		.len = len,
		.segment = (uint16_t)segment,
		.tos = out->packet[first].tos,
		.ttl = run->lane_number ? (uint8_t)(LANE_TTL - run->lane_number) : 0,
	};
	return i - first;
}

/* Datagrams of one family on their way to one system call. */
struct batch {
	int fd;
	size_t count;
	struct udp_datagram datagram[UDP_SEND_MAX];
};

static void send_batch(struct batch *batch)
{
	/* What the network refuses is lost, as on any wire. */
	if (batch->count && batch->fd >= 0)
		udp_send(batch->fd, batch->datagram, batch->count, NULL);
	batch->count = 0;
}

static void post_stream(struct dp_engine *engine, const struct dp_out_run *run)
{
	struct dp_event event = { .kind = DP_EVENT_STREAM, .stream = run->hop->path.stream };
	size_t prefix = run->hop->path.channel ? DP_CHANNEL_HEADER : 0;

	for (size_t i = run->first; i < (size_t)run->first + run->count; i++) {
		event.len = engine->out.packet[i].len + prefix;
		if (!dp_queue_push(&engine->events, &event,
				   engine->out.bytes + wire_start(&engine->out, i, prefix)))
			dp_count(&run->peer->tx_dropped, 1);
	}
}

static void send_run(struct dp_engine *engine, const struct dp_out_run *run,
		     struct batch batches[2])
{
	bool six = run->hop->route.to.sa.sa_family == AF_INET6;
	struct dp_socket *socket = dp_engine_socket(engine, run->hop->path.socket, six);
	struct batch *batch = &batches[six];
	size_t end = (size_t)run->first + run->count;
	int fd;

	if (run->hop->path.kind == DP_PATH_STREAM) {
		post_stream(engine, run);
		return;
	}
	if (!socket) {
		dp_count(&run->peer->tx_dropped, run->count);
		return;
	}
	socket->room.used = true;
	if (socket->number)
		engine->adopted_sent |= 1ULL << socket->number % DP_SOCKETS_MAX;
	fd = run->fragment ? socket->fragment_fd : socket->fd;
	if (batch->fd != fd)
		send_batch(batch);
	batch->fd = fd;
	for (size_t i = run->first; i < end;) {
		if (batch->count == UDP_SEND_MAX)
			send_batch(batch);
		i += gather(engine, run, i, &batch->datagram[batch->count++]);
	}
}

/* Once for every hop: its owner is told that the kernel does not cut this way, and why. */
static void tell_gso(struct dp_engine *engine, const struct dp_out_run *run)
{
	struct dp_hop *hop = run->hop;
	int error = atomic_load_explicit(&hop->route.gso_error, memory_order_relaxed);
	struct dp_event event = { .kind = DP_EVENT_GSO_OFF, .error = error };

	if (!error || atomic_load_explicit(&hop->gso_told, memory_order_relaxed) ||
	    atomic_exchange(&hop->gso_told, true))
		return;
	event.peer_id = run->peer->id;
	if (!dp_queue_push(&engine->events, &event, NULL))
		atomic_store(&hop->gso_told, false);
}

void dp_outbox_flush(struct dp_engine *engine)
{
	struct dp_outbox *out = &engine->out;
	struct batch batches[2] __attribute__((uninitialized)); /* 4 KiB a packet when idle */

	if (!out->packets)
		return;
	for (int i = 0; i < 2; i++) {
		batches[i].fd = -1;
		batches[i].count = 0;
	}
	for (size_t i = 0; i < out->runs; i++) {
		seal_run(engine, &out->run[i]);
		if (!out->run[i].refused) {
			mark_sent(engine, &out->run[i]);
			send_run(engine, &out->run[i], batches);
		}
	}
	send_batch(&batches[0]);
	send_batch(&batches[1]);
	for (size_t i = 0; i < out->runs; i++)
		tell_gso(engine, &out->run[i]);
	out->used = 0;
	out->packets = 0;
	out->runs = 0;
}
