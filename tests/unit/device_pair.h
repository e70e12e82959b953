#ifndef WARREN_TESTS_DEVICE_PAIR_H
#define WARREN_TESTS_DEVICE_PAIR_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "crypto/dh.h"
#include "crypto/rng.h"
#include "daemon/device.h"
#include "daemon/incoming.h"
#include "daemon/peer.h"
#include "proto/cookie.h"
#include "proto/handshake.h"
#include "proto/tai64n.h"
#include "proto/timers.h"
#include "proto/wg_message.h"
#include "tests/unit/fake_dataplane.h"

/* Two devices that know each other, on one clock; messages between them are carried by hand. */
struct side {
	struct device *device;
	struct dataplane *dp;
	struct peer *peer; /* the other */
	struct dp_peer *dp_peer;
	uint8_t priv[32], pub[32];
	struct endpoint address;
	size_t taken; /* of dp->message */
	int ups, failures, wanted, saved;
	uint8_t saved_stamp[12];
};

static struct loop loop;
static struct side a, b;
static struct rng_seeded seeded;
static struct rng rng;
static uint64_t wall_ns;
static int seen;

static inline uint64_t fake_wall(void)
{
	return wall_ns;
}

static inline void on_session_up(void *arg, struct peer *peer)
{
	((struct side *)arg)->ups++;
	assert_non_null(peer);
}

static inline void on_failed(void *arg, struct peer *peer)
{
	((struct side *)arg)->failures++;
	assert_non_null(peer);
}

static inline void on_wanted(void *arg, struct peer *peer)
{
	((struct side *)arg)->wanted++;
	assert_non_null(peer);
}

static inline void on_save(void *arg, const uint8_t stamp[static 12])
{
	struct side *side = arg;

	side->saved++;
	memcpy(side->saved_stamp, stamp, 12);
}

static inline void on_seen(void *arg, struct peer *peer, const struct dp_path *from)
{
	(void)arg;
	(void)peer;
	(void)from;
	seen++;
}

static const struct device_ops plain_ops = {
	.session_up = on_session_up,
	.handshake_failed = on_failed,
	.save_timestamp = on_save,
};

static const struct device_ops mesh_ops = {
	.session_up = on_session_up,
	.handshake_failed = on_failed,
	.save_timestamp = on_save,
	.peer_wanted = on_wanted,
	.peer_seen = on_seen,
};

static inline void side_init(struct side *side, const char *address, const struct device_ops *ops)
{
	struct device_config config = { .rng = rng, .wall_ns = fake_wall };

	memset(side, 0, sizeof(*side));
	assert_int_equal(endpoint_parse(&side->address, address), 0);
	assert_int_equal(device_new(&side->device, &loop, &config, ops, side), 0);
	side->dp = device_dataplane(side->device);
	dh_private_new(side->priv, &rng);
	dh_public(side->pub, side->priv);
	device_set_private_key(side->device, side->priv);
}

static inline void introduce(struct side *one, struct side *other)
{
	struct dp_path path = { .kind = DP_PATH_UDP, .remote = other->address };

	assert_int_equal(device_peer_add(one->device, other->pub, &one->peer), 0);
	one->dp_peer = peer_dp(one->peer);
	peer_set_path(one->peer, &path);
}

static inline int setup_with(const struct device_ops *ops)
{
	rng_seeded_init(&seeded, 5);
	rng = rng_from_seeded(&seeded);
	fake_loop_init(&loop);
	wall_ns = 1700000000 * NS_PER_S;
	seen = 0;
	side_init(&a, "192.0.2.1:1", ops);
	side_init(&b, "192.0.2.2:2", ops);
	introduce(&a, &b);
	introduce(&b, &a);
	return 0;
}

static inline int setup(void **state)
{
	(void)state;
	return setup_with(&plain_ops);
}

static inline int setup_mesh(void **state)
{
	(void)state;
	return setup_with(&mesh_ops);
}

/* The fake aborts unless every index, keypair and peer was given back. */
static inline int teardown(void **state)
{
	(void)state;
	device_free(a.device);
	device_free(b.device);
	device_free(NULL);
	timer_heap_clear(&loop.heap);
	return 0;
}

static inline void settle(void)
{
	fake_loop_until(&loop, loop.now_ns);
}

static inline void wait_ns(uint64_t ns)
{
	wall_ns += ns;
	fake_loop_until(&loop, loop.now_ns + ns);
}

static inline void deliver_from(struct side *to, const struct fake_message *m,
				const struct endpoint *source)
{
	struct dp_path from = { .kind = DP_PATH_UDP, .remote = *source };

	to->dp->ops->handshake_message(to->dp->arg, m->data, m->len, &from);
	settle();
}

/* The next message of side that was not looked at yet, NULL when there is none. */
static inline const struct fake_message *take(struct side *side)
{
	return side->taken < side->dp->sent ? &side->dp->message[side->taken++] : NULL;
}

static inline void carry(struct side *from, struct side *to)
{
	const struct fake_message *m = take(from);

	assert_non_null(m);
	deliver_from(to, m, &from->address);
}

/* The initiator's first packet came in under this keypair. */
static inline void confirm(struct side *side, struct dp_keypair *keypair)
{
	side->dp->ops->keypair_confirmed(side->dp->arg, side->dp_peer, keypair);
}

static inline void establish(void)
{
	struct dp_keypair *responder;

	peer_start_handshake(a.peer);
	carry(&a, &b);
	responder = fake_keypair;
	carry(&b, &a);
	confirm(&b, responder);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define MESH(name) cmocka_unit_test_setup_teardown(name, setup_mesh, teardown)

#endif
