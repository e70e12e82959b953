#include "daemon/incoming.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/map.h"
#include "daemon/device_state.h"
#include "proto/ratelimiter.h"
#include "proto/wg_message.h"

#define TOS_HANDSHAKE 0x88 /* AF41, as the kernel's */

struct message {
	STAILQ_ENTRY(message) entry;
	struct dp_path from;
	enum wg_type type;
	size_t len;
	uint8_t data[WG_HANDSHAKE_MAX];
};

struct incoming {
	struct device *device;
	struct loop_timer timer;
	struct ratelimiter *limiter;
	STAILQ_HEAD(, message) queue;
	size_t count;
	uint64_t load_until_ns;
};

static void work(void *arg, uint64_t now_ns);

struct incoming *incoming_new(struct device *device)
{
	struct incoming *incoming = calloc(1, sizeof(*incoming));

	if (!incoming)
		return NULL;
	incoming->limiter = ratelimiter_new();
	if (!incoming->limiter) {
		free(incoming);
		return NULL;
	}
	incoming->device = device;
	STAILQ_INIT(&incoming->queue);
	loop_timer_init(&incoming->timer, device->loop, work, incoming);
	return incoming;
}

static struct message *pop(struct incoming *incoming)
{
	struct message *m = STAILQ_FIRST(&incoming->queue);

	if (m) {
		STAILQ_REMOVE_HEAD(&incoming->queue, entry);
		incoming->count--;
	}
	return m;
}

void incoming_free(struct incoming *incoming)
{
	struct message *m;

	if (!incoming)
		return;
	loop_timer_clear(&incoming->timer);
	while ((m = pop(incoming)))
		free(m);
	ratelimiter_free(incoming->limiter);
	free(incoming);
}

static bool under_load(struct incoming *incoming, uint64_t now_ns)
{
	if (incoming->count >= INCOMING_LOAD_FROM)
		incoming->load_until_ns = now_ns + INCOMING_STICKY_NS;
	return now_ns < incoming->load_until_ns;
}

/* What tells senders apart that share a relay's address. */
static uint32_t via(const struct dp_path *from)
{
	return from->kind == DP_PATH_STREAM ? 1U << 31 | from->stream : from->channel;
}

/* The address that pays for the message; behind a relay every sender pays for itself. */
static struct ip_addr payer(const struct dp_path *from)
{
	struct ip_addr addr = from->remote.addr;

	if (via(from)) {
		addr.family = AF_UNSPEC;
		store_be32(addr.bytes + 4, via(from));
	}
	return addr;
}

static void send_cookie(struct device *device, const struct message *m, uint64_t now_ns)
{
	struct wg_cookie_reply reply;

	cookie_create_reply(&device->checker, &device->rng, m->data, m->len, &m->from.remote,
			    via(&m->from), now_ns, &reply);
	device->drops.cookies_sent++;
	dataplane_send(device->dp, &m->from, (const uint8_t *)&reply, sizeof(reply), TOS_HANDSHAKE,
		       0);
}

/* Under load only senders that prove their address are served, and each only so often. */
static bool admit(struct incoming *incoming, const struct message *m, uint64_t now_ns)
{
	struct device *device = incoming->device;
	struct ip_addr addr = payer(&m->from);

	if (!under_load(incoming, now_ns))
		return true;
	if (!cookie_check_mac2(&device->checker, m->data, m->len, &m->from.remote, via(&m->from),
			       now_ns)) {
		send_cookie(device, m, now_ns);
		return false;
	}
	if (ratelimiter_allow(incoming->limiter, &addr, now_ns))
		return true;
	device->drops.rate_limited++;
	return false;
}

static void take_initiation(struct device *device, const struct message *m, uint64_t now_ns)
{
	const struct wg_initiation *msg = (const struct wg_initiation *)m->data;
	struct wg_incoming in;
	struct peer *peer = NULL;

	if (wg_incoming_open(&in, &device->identity, msg) == 0)
		peer = map_find(device->by_key, in.remote_static);
	if (peer)
		peer_accept_initiation(peer, &in, msg, &m->from, now_ns);
	else
		device->drops.unauthentic++;
	wg_incoming_clear(&in);
}

static struct peer *peer_by_index(struct device *device, const uint8_t receiver[static 4])
{
	uint32_t index = load_le32(receiver);

	return map_find(device->by_index, &index);
}

static void take_response(struct device *device, const struct message *m, uint64_t now_ns)
{
	const struct wg_response *msg = (const struct wg_response *)m->data;
	struct peer *peer = peer_by_index(device, msg->receiver);

	if (peer)
		peer_accept_response(peer, msg, &m->from, now_ns);
	else
		device->drops.unauthentic++;
}

/* A cookie is kept for the next message; it triggers none and moves no path. */
static void take_cookie(struct device *device, const uint8_t *data)
{
	const struct wg_cookie_reply *reply = (const struct wg_cookie_reply *)data;
	struct peer *peer = peer_by_index(device, reply->receiver);

	if (!peer || cookie_consume_reply(&peer->cookies, reply, loop_now_ns(device->loop)) < 0)
		device->drops.unauthentic++;
}

static void take(struct incoming *incoming, const struct message *m, uint64_t now_ns)
{
	if (!admit(incoming, m, now_ns))
		return;
	if (m->type == WG_INITIATION)
		take_initiation(incoming->device, m, now_ns);
	else
		take_response(incoming->device, m, now_ns);
}

static void work(void *arg, uint64_t now_ns)
{
	struct incoming *incoming = arg;
	struct message *m;

	for (int i = 0; i < INCOMING_TURN_COUNT && (m = pop(incoming)); i++) {
		take(incoming, m, now_ns);
		free(m);
	}
	if (incoming->count)
		loop_timer_set(&incoming->timer, now_ns);
}

void incoming_push(struct incoming *incoming, const uint8_t *data, size_t len,
		   const struct dp_path *from)
{
	struct device *device = incoming->device;
	enum wg_type type = wg_handshake_type(data, len);
	struct message *m;

	if (!type || !device->identity.present)
		return;
	if (type == WG_COOKIE_REPLY) {
		take_cookie(device, data);
		return;
	}
	/* Before the queue, so that only who knows our key can fill it. */
	if (!cookie_check_mac1(&device->checker, data, len)) {
		device->drops.bad_mac1++;
		return;
	}
	m = incoming->count < INCOMING_QUEUE_MAX ? malloc(sizeof(*m)) : NULL;
	if (!m) {
		device->drops.queue_full++;
		return;
	}
	*m = (struct message){ .from = *from, .type = type, .len = len };
	memcpy(m->data, data, len);
	STAILQ_INSERT_TAIL(&incoming->queue, m, entry);
	if (incoming->count++ == 0)
		loop_timer_set(&incoming->timer, loop_now_ns(device->loop));
}
