#ifndef WARREN_TESTS_FAKE_DATAPLANE_H
#define WARREN_TESTS_FAKE_DATAPLANE_H

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/timerheap.h"
#include "daemon/dataplane.h"
#include "io/loop.h"

/*
 * The data plane and the event loop as the device sees them, without packets and without time: what
 * is sent lands in a log, notices are given by the test, and the clock stands until it is moved.
 * Included by the one test that is linked with these instead of the real ones.
 */

#define FAKE_SENT_MAX 8192

struct loop {
	struct timer_heap heap;
	uint64_t now_ns;
};

struct fake_message {
	struct dp_path path;
	uint8_t tos;
	uint8_t ttl;
	size_t len;
	uint8_t data[256];
};

struct dataplane {
	const struct dp_ops *ops;
	void *arg;
	uint32_t next_index;
	int indices;  /* given out and neither freed nor gone with a keypair */
	int keypairs; /* alive */
	int peers;
	size_t sent;
	struct fake_message message[FAKE_SENT_MAX];
};

struct dp_peer {
	struct dataplane *dp;
	void *owner;
	struct dp_path path;
	struct dp_keypair *current;
	struct dp_activity activity;
	unsigned int notify;
	int flushed, dropped, unreachable, keepalives;
};

struct dp_keypair {
	struct dp_peer *peer;
	struct dp_keypair_config config;
};

/* The most recent one made, for the test to look at. */
static struct dp_keypair *fake_keypair;

static void fake_loop_init(struct loop *loop)
{
	timer_heap_init(&loop->heap);
	loop->now_ns = 1000 * NS_PER_S;
}

/* Runs what is due until `until`, moving the clock from deadline to deadline. */
static void fake_loop_until(struct loop *loop, uint64_t until)
{
	struct timer_node *node;

	while ((node = timer_heap_first(&loop->heap)) && node->deadline_ns <= until) {
		struct loop_timer *timer = (struct loop_timer *)node;

		if (node->deadline_ns > loop->now_ns)
			loop->now_ns = node->deadline_ns;
		timer_heap_remove(&loop->heap, node);
		timer->fire(timer->arg, loop->now_ns);
	}
	if (until > loop->now_ns)
		loop->now_ns = until;
}

uint64_t loop_now_ns(struct loop *loop)
{
	return loop->now_ns;
}

void loop_timer_init(struct loop_timer *timer, struct loop *loop,
		     void (*fire)(void *arg, uint64_t now_ns), void *arg)
{
	*timer = (struct loop_timer){ .loop = loop, .fire = fire, .arg = arg };
}

void loop_timer_set(struct loop_timer *timer, uint64_t deadline_ns)
{
	if (deadline_ns == CLOCK_NEVER)
		timer_heap_remove(&timer->loop->heap, &timer->node);
	else if (timer_heap_set(&timer->loop->heap, &timer->node, deadline_ns) < 0)
		abort();
}

void loop_timer_clear(struct loop_timer *timer)
{
	timer_heap_remove(&timer->loop->heap, &timer->node);
}

int dataplane_new(struct dataplane **dp, struct loop *loop, const struct dp_config *config,
		  const struct dp_ops *ops, void *arg)
{
	(void)loop;
	(void)config;
	*dp = calloc(1, sizeof(**dp));
	if (!*dp)
		return -ENOMEM;
	(*dp)->ops = ops;
	(*dp)->arg = arg;
	return 0;
}

void dataplane_free(struct dataplane *dp)
{
	/* Everything that was made must have been ended before. */
	if (dp && (dp->indices || dp->keypairs || dp->peers))
		abort();
	free(dp);
}

struct dp_peer *dataplane_peer_new(struct dataplane *dp, void *owner)
{
	struct dp_peer *peer = calloc(1, sizeof(*peer));

	if (!peer)
		abort();
	peer->dp = dp;
	peer->owner = owner;
	dp->peers++;
	return peer;
}

void dataplane_peer_free(struct dp_peer *peer)
{
	peer->dp->peers--;
	free(peer);
}

void *dp_peer_owner(const struct dp_peer *peer)
{
	return peer->owner;
}

int dataplane_peer_set_path(struct dp_peer *peer, const struct dp_path *path)
{
	peer->path = *path;
	return 0;
}

const char *dataplane_gso_reason(int error)
{
	(void)error;
	return "EIO";
}

void dataplane_peer_path(const struct dp_peer *peer, struct dp_path *path)
{
	*path = peer->path;
}

void dataplane_peer_greet(struct dp_peer *peer)
{
	(void)peer;
}

int dataplane_index_new(struct dp_peer *peer, uint32_t *index)
{
	struct dataplane *dp = peer->dp;

	*index = 0x1000 + dp->next_index++;
	dp->indices++;
	return 0;
}

void dataplane_index_free(struct dataplane *dp, uint32_t index)
{
	(void)index;
	dp->indices--;
}

struct dp_keypair *dataplane_keypair_new(struct dp_peer *peer,
					 const struct dp_keypair_config *config)
{
	struct dp_keypair *keypair = calloc(1, sizeof(*keypair));

	if (!keypair)
		abort();
	keypair->peer = peer;
	keypair->config = *config;
	peer->dp->keypairs++;
	peer->dp->indices--;
	fake_keypair = keypair;
	return keypair;
}

void dataplane_keypair_free(struct dp_keypair *keypair)
{
	if (keypair->peer->current == keypair)
		keypair->peer->current = NULL;
	keypair->peer->dp->keypairs--;
	free(keypair);
}

void dataplane_peer_set_current(struct dp_peer *peer, struct dp_keypair *keypair)
{
	peer->current = keypair;
}

void dataplane_peer_flush(struct dp_peer *peer)
{
	peer->flushed++;
}

void dataplane_peer_drop_staged(struct dp_peer *peer, bool unreachable)
{
	peer->dropped++;
	peer->unreachable += unreachable;
}

int dataplane_peer_send_keepalive(struct dp_peer *peer)
{
	if (!peer->current)
		return -ENOKEY;
	peer->keepalives++;
	return 0;
}

int dataplane_send(struct dataplane *dp, const struct dp_path *path, const uint8_t *data,
		   size_t len, uint8_t tos, uint8_t ttl)
{
	struct fake_message *message = &dp->message[dp->sent++];

	if (dp->sent > FAKE_SENT_MAX || len > sizeof(message->data))
		abort();
	*message = (struct fake_message){ .path = *path, .tos = tos, .ttl = ttl, .len = len };
	memcpy(message->data, data, len);
	return 0;
}

void dataplane_peer_activity(const struct dp_peer *peer, struct dp_activity *activity)
{
	*activity = peer->activity;
}

void dataplane_peer_notify(struct dp_peer *peer, unsigned int notices)
{
	peer->notify |= notices;
}

#endif
