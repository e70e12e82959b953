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

static uint64_t fake_wall(void)
{
	return wall_ns;
}

static void on_session_up(void *arg, struct peer *peer)
{
	((struct side *)arg)->ups++;
	assert_non_null(peer);
}

static void on_failed(void *arg, struct peer *peer)
{
	((struct side *)arg)->failures++;
	assert_non_null(peer);
}

static void on_wanted(void *arg, struct peer *peer)
{
	((struct side *)arg)->wanted++;
	assert_non_null(peer);
}

static void on_save(void *arg, const uint8_t stamp[static 12])
{
	struct side *side = arg;

	side->saved++;
	memcpy(side->saved_stamp, stamp, 12);
}

static void on_seen(void *arg, struct peer *peer, const struct dp_path *from)
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

static void side_init(struct side *side, const char *address, const struct device_ops *ops)
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

static void introduce(struct side *one, struct side *other)
{
	struct dp_path path = { .kind = DP_PATH_UDP, .remote = other->address };

	assert_int_equal(device_peer_add(one->device, other->pub, &one->peer), 0);
	one->dp_peer = peer_dp(one->peer);
	peer_set_path(one->peer, &path);
}

static int setup_with(const struct device_ops *ops)
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

static int setup(void **state)
{
	(void)state;
	return setup_with(&plain_ops);
}

static int setup_mesh(void **state)
{
	(void)state;
	return setup_with(&mesh_ops);
}

/* The fake aborts unless every index, keypair and peer was given back. */
static int teardown(void **state)
{
	(void)state;
	device_free(a.device);
	device_free(b.device);
	device_free(NULL);
	timer_heap_clear(&loop.heap);
	return 0;
}

static void settle(void)
{
	fake_loop_until(&loop, loop.now_ns);
}

static void wait_ns(uint64_t ns)
{
	wall_ns += ns;
	fake_loop_until(&loop, loop.now_ns + ns);
}

static void deliver_from(struct side *to, const struct fake_message *m,
			 const struct endpoint *source)
{
	struct dp_path from = { .kind = DP_PATH_UDP, .remote = *source };

	to->dp->ops->handshake_message(to->dp->arg, m->data, m->len, &from);
	settle();
}

/* The next message of side that was not looked at yet, NULL when there is none. */
static const struct fake_message *take(struct side *side)
{
	return side->taken < side->dp->sent ? &side->dp->message[side->taken++] : NULL;
}

static void carry(struct side *from, struct side *to)
{
	const struct fake_message *m = take(from);

	assert_non_null(m);
	deliver_from(to, m, &from->address);
}

/* The initiator's first packet came in under this keypair. */
static void confirm(struct side *side, struct dp_keypair *keypair)
{
	side->dp->ops->keypair_confirmed(side->dp->arg, side->dp_peer, keypair);
}

static void establish(void)
{
	struct dp_keypair *responder;

	peer_start_handshake(a.peer);
	carry(&a, &b);
	responder = fake_keypair;
	carry(&b, &a);
	confirm(&b, responder);
}

static void test_handshake(void **state)
{
	struct dp_keypair *responder;
	int flushed = a.dp_peer->flushed, flushed_b = b.dp_peer->flushed;

	(void)state;
	a.dp->ops->need_session(a.dp->arg, a.dp_peer);
	assert_int_equal(a.dp->sent, 1);
	assert_int_equal(a.dp->message[0].len, WG_INITIATION_SIZE);
	assert_int_equal(a.dp->message[0].tos, 0x88);
	carry(&a, &b);
	responder = fake_keypair;
	/* The responder has keys and may receive, but sends nothing yet. */
	assert_int_equal(b.dp->keypairs, 1);
	assert_null(b.dp_peer->current);
	assert_int_equal(b.ups, 0);
	assert_int_equal(b.dp->message[0].tos, 0x88);
	carry(&b, &a);
	assert_ptr_equal(a.dp_peer->current, fake_keypair);
	assert_true(a.dp_peer->current->config.initiator);
	assert_memory_equal(responder->config.recv_key, fake_keypair->config.send_key, 32);
	assert_memory_equal(responder->config.send_key, fake_keypair->config.recv_key, 32);
	assert_int_equal(responder->config.local_index, fake_keypair->config.remote_index);
	/* An empty packet confirms, and what waited goes. */
	assert_int_equal(a.dp_peer->keepalives, 1);
	assert_int_equal(a.dp_peer->flushed, flushed + 1);
	assert_int_equal(a.ups, 1);
	confirm(&b, responder);
	assert_ptr_equal(b.dp_peer->current, responder);
	assert_int_equal(b.ups, 1);
	assert_int_equal(b.dp_peer->flushed, flushed_b + 1);
	assert_true(peer_has_session(a.peer) && peer_has_session(b.peer));
	/* Confirming once more changes nothing. */
	confirm(&b, responder);
	assert_int_equal(b.ups, 1);
}

static void test_retry_and_give_up(void **state)
{
	size_t sent;

	(void)state;
	peer_start_handshake(a.peer);
	wait_ns(REKEY_TIMEOUT_NS - 1);
	assert_int_equal(a.dp->sent, 1);
	wait_ns(REKEY_JITTER_MAX_NS);
	assert_int_equal(a.dp->sent, 2);
	/* A fresh ephemeral key and index in every one. */
	assert_memory_not_equal(a.dp->message[0].data + 8, a.dp->message[1].data + 8, 32);
	assert_memory_not_equal(a.dp->message[0].data + 4, a.dp->message[1].data + 4, 4);
	wait_ns(100 * NS_PER_S);
	assert_int_equal(a.failures, 1);
	assert_int_equal(a.dp_peer->unreachable, 1);
	assert_in_range(a.dp->sent, 16, 18);
	sent = a.dp->sent;
	wait_ns(100 * NS_PER_S);
	assert_int_equal(a.dp->sent, sent);
	/* The response to the last one comes too late. */
	a.taken = sent - 1;
	carry(&a, &b);
	carry(&b, &a);
	assert_null(a.dp_peer->current);
}

/* Whatever asks for it, five seconds lie between two initiations. */
static void test_five_seconds(void **state)
{
	(void)state;
	for (int i = 0; i < 100; i++) {
		a.dp->ops->need_session(a.dp->arg, a.dp_peer);
		peer_start_handshake(a.peer);
		wait_ns(10 * NS_PER_MS);
	}
	assert_int_equal(a.dp->sent, 1);
}

static void test_response_replay(void **state)
{
	struct dp_keypair *current;

	(void)state;
	peer_start_handshake(a.peer);
	carry(&a, &b);
	carry(&b, &a);
	current = a.dp_peer->current;
	deliver_from(&a, &b.dp->message[0], &b.address);
	assert_ptr_equal(a.dp_peer->current, current);
	assert_int_equal(a.dp->keypairs, 1);
}

static void test_initiation_replay(void **state)
{
	struct device_drops drops;

	(void)state;
	peer_start_handshake(a.peer);
	carry(&a, &b);
	wait_ns(NS_PER_S);
	deliver_from(&b, &a.dp->message[0], &a.address);
	assert_int_equal(b.dp->sent, 1);
	device_drops(b.device, &drops);
	assert_int_equal(drops.replayed, 1);
}

/* Both begin at once: both get a session each way, and nobody waits for a retry. */
static void test_simultaneous(void **state)
{
	struct dp_keypair *made_by_b;

	(void)state;
	peer_start_handshake(a.peer);
	peer_start_handshake(b.peer);
	carry(&a, &b); /* b answers, */
	made_by_b = fake_keypair;
	carry(&b, &a); /* but its own initiation is first in the log */
	carry(&b, &a);
	carry(&a, &b);
	assert_non_null(a.dp_peer->current);
	assert_non_null(b.dp_peer->current);
	assert_int_equal(a.dp->keypairs, 2);
	assert_int_equal(b.dp->keypairs, 2);
	/* What a sends with, b still receives with. */
	assert_memory_equal(a.dp_peer->current->config.send_key, made_by_b->config.recv_key, 32);
}

/* Current, previous, next: the old session is received with until the one after next. */
static void test_slots(void **state)
{
	struct dp_keypair *responder;
	uint32_t before;

	(void)state;
	establish();
	for (int i = 0; i < 4; i++) {
		before = a.dp_peer->current->config.local_index;
		wait_ns(6 * NS_PER_S);
		peer_start_handshake(a.peer);
		carry(&a, &b);
		/* The peer may go on with the old one until it has the answer. */
		assert_int_equal(b.dp->keypairs, 2);
		assert_int_equal(b.dp_peer->current->config.remote_index, before);
		responder = fake_keypair;
		carry(&b, &a);
		assert_int_equal(a.dp->keypairs, 2);
		assert_int_not_equal(a.dp_peer->current->config.local_index, before);
		confirm(&b, responder);
		assert_int_equal(b.dp->keypairs, 2);
	}
}

static void test_keys_erased_at_540_s(void **state)
{
	(void)state;
	establish();
	wait_ns(ERASE_AFTER_TIME_NS - 1);
	assert_int_equal(a.dp->keypairs, 1);
	wait_ns(1);
	assert_int_equal(a.dp->keypairs, 0);
	assert_null(a.dp_peer->current);
	assert_false(peer_has_session(a.peer));
}

static void test_no_session_after_180_s(void **state)
{
	(void)state;
	establish();
	wait_ns(REJECT_AFTER_TIME_NS - 1);
	assert_true(peer_has_session(a.peer));
	wait_ns(1);
	assert_false(peer_has_session(a.peer));
}

static void test_rekey_notice(void **state)
{
	(void)state;
	establish();
	settle();
	assert_true(a.dp_peer->notify & DP_NOTICE_REKEY);
	/* Only who initiated renews. */
	wait_ns(120 * NS_PER_S);
	a.dp->ops->activity(a.dp->arg, a.dp_peer, DP_NOTICE_REKEY);
	settle();
	assert_int_equal(a.dp->sent, 2);
	assert_int_equal(a.dp->message[1].data[0], WG_INITIATION);
}

/* Data sent and nothing came back for 15 s: a new handshake. */
static void test_unanswered(void **state)
{
	(void)state;
	establish();
	wait_ns(60 * NS_PER_S);
	a.dp_peer->activity.unanswered_since_ns = loop.now_ns;
	a.dp_peer->activity.last_tx_data_ns = loop.now_ns;
	assert_true(a.dp_peer->notify & DP_NOTICE_UNANSWERED);
	a.dp->ops->activity(a.dp->arg, a.dp_peer, DP_NOTICE_UNANSWERED);
	wait_ns(UNANSWERED_TIMEOUT_NS - 1);
	assert_int_equal(a.dp->sent, 1);
	wait_ns(REKEY_JITTER_MAX_NS);
	assert_int_equal(a.dp->sent, 2);
}

static void stick(const char *local)
{
	struct dp_path path = { .kind = DP_PATH_UDP, .remote = b.address };

	assert_int_equal(addr_parse(&path.local, local), 0);
	peer_set_path(a.peer, &path);
}

/* The source address that is stuck to is given up when nobody answers, and not before. */
static void test_silence_frees_the_source(void **state)
{
	(void)state;
	stick("192.0.2.77");
	peer_start_handshake(a.peer);
	assert_int_equal(a.dp->message[0].path.local.family, AF_INET);
	wait_ns(REKEY_TIMEOUT_NS + REKEY_JITTER_MAX_NS);
	assert_int_equal(a.dp->message[1].path.local.family, 0);
	a.taken = 1;
	carry(&a, &b);
	carry(&b, &a);
	stick("192.0.2.77");
	/* A renewal is no silence. */
	wait_ns(120 * NS_PER_S);
	a.dp->ops->activity(a.dp->arg, a.dp_peer, DP_NOTICE_REKEY);
	settle();
	assert_int_equal(a.dp->message[2].path.local.family, AF_INET);
	carry(&a, &b);
	carry(&b, &a);
	stick("192.0.2.77");
	wait_ns(60 * NS_PER_S);
	a.dp_peer->activity.unanswered_since_ns = loop.now_ns;
	a.dp_peer->activity.last_tx_data_ns = loop.now_ns;
	a.dp->ops->activity(a.dp->arg, a.dp_peer, DP_NOTICE_UNANSWERED);
	wait_ns(UNANSWERED_TIMEOUT_NS + REKEY_JITTER_MAX_NS);
	assert_int_equal(a.dp->message[3].path.local.family, 0);
	assert_true(endpoint_equal(&a.dp->message[3].path.remote, &b.address));
}

/* One who chooses paths has chosen the source with them. */
static void test_an_owners_source_stays(void **state)
{
	(void)state;
	stick("192.0.2.77");
	peer_start_handshake(a.peer);
	wait_ns(REKEY_TIMEOUT_NS + REKEY_JITTER_MAX_NS);
	assert_int_equal(a.dp->sent, 2);
	assert_int_equal(a.dp->message[1].path.local.family, AF_INET);
}

static void test_passive_keepalive(void **state)
{
	(void)state;
	establish();
	wait_ns(60 * NS_PER_S);
	b.dp_peer->activity.unacked_since_ns = loop.now_ns;
	b.dp->ops->activity(b.dp->arg, b.dp_peer, DP_NOTICE_UNACKED);
	wait_ns(KEEPALIVE_TIMEOUT_NS - 1);
	assert_int_equal(b.dp_peer->keepalives, 0);
	wait_ns(1);
	assert_int_equal(b.dp_peer->keepalives, 1);
}

static void test_persistent_keepalive(void **state)
{
	int keepalives;

	(void)state;
	/* Without a session it begins one. */
	peer_set_keepalive(a.peer, 25);
	settle();
	assert_int_equal(a.dp->sent, 1);
	carry(&a, &b);
	carry(&b, &a);
	keepalives = a.dp_peer->keepalives;
	wait_ns(25 * NS_PER_S);
	assert_int_equal(a.dp_peer->keepalives, keepalives + 1);
	wait_ns(25 * NS_PER_S);
	assert_int_equal(a.dp_peer->keepalives, keepalives + 2);
}

static void test_follows_source(void **state)
{
	struct endpoint elsewhere;

	(void)state;
	endpoint_parse(&elsewhere, "[2001:db8::9]:99");
	peer_start_handshake(a.peer);
	deliver_from(&b, take(&a), &elsewhere);
	assert_true(endpoint_equal(&peer_path(b.peer)->remote, &elsewhere));
	/* The response goes where the initiation came from. */
	assert_true(endpoint_equal(&b.dp->message[0].path.remote, &elsewhere));
}

static void test_garbage_moves_nothing(void **state)
{
	struct endpoint elsewhere;
	struct fake_message m;
	struct device_drops drops;

	(void)state;
	endpoint_parse(&elsewhere, "203.0.113.9:99");
	peer_start_handshake(a.peer);
	m = *take(&a);
	m.data[60] ^= 1;
	deliver_from(&b, &m, &elsewhere);
	device_drops(b.device, &drops);
	assert_int_equal(drops.bad_mac1, 1);
	assert_int_equal(b.dp->sent, 0);
	assert_true(endpoint_equal(&peer_path(b.peer)->remote, &a.address));
	assert_int_equal(b.dp->keypairs, 0);
}

/* The owner with a policy is told, and the path stays. */
static void test_owner_decides(void **state)
{
	struct endpoint elsewhere;

	(void)state;
	endpoint_parse(&elsewhere, "203.0.113.9:99");
	peer_start_handshake(a.peer);
	deliver_from(&b, take(&a), &elsewhere);
	assert_int_equal(seen, 1);
	assert_true(endpoint_equal(&peer_path(b.peer)->remote, &a.address));
	assert_true(endpoint_equal(&b.dp->message[0].path.remote, &elsewhere));
}

/* The owner brings a path later: the initiation goes over it at once. */
static void test_path_comes_later(void **state)
{
	struct dp_path path = { .kind = DP_PATH_UDP, .remote = b.address };

	(void)state;
	peer_set_path(a.peer, NULL);
	a.dp->ops->need_session(a.dp->arg, a.dp_peer);
	assert_int_equal(a.wanted, 1);
	assert_int_equal(a.dp->sent, 0);
	assert_int_equal(a.dp_peer->dropped, 0);
	wait_ns(30 * NS_PER_MS);
	peer_set_path(a.peer, &path);
	peer_resend_handshake(a.peer);
	assert_int_equal(a.dp->sent, 1);
	carry(&a, &b);
	carry(&b, &a);
	assert_non_null(a.dp_peer->current);
	/* Nothing is under way any more. */
	peer_resend_handshake(a.peer);
	assert_int_equal(a.dp->sent, 1);
}

static void test_no_path_is_unreachable(void **state)
{
	(void)state;
	peer_set_path(a.peer, NULL);
	a.dp->ops->need_session(a.dp->arg, a.dp_peer);
	assert_int_equal(a.dp_peer->unreachable, 1);
	assert_int_equal(a.dp->sent, 0);
}

static void test_no_key_is_unreachable(void **state)
{
	static const uint8_t none[32];

	(void)state;
	device_set_private_key(a.device, none);
	a.dp->ops->need_session(a.dp->arg, a.dp_peer);
	assert_int_equal(a.dp_peer->unreachable, 1);
	assert_int_equal(a.dp->sent, 0);
	/* And nothing is answered. */
	peer_start_handshake(b.peer);
	carry(&b, &a);
	assert_int_equal(a.dp->sent, 0);
}

static void test_key_change_under_way(void **state)
{
	uint8_t priv[32];

	(void)state;
	peer_start_handshake(a.peer);
	carry(&a, &b);
	dh_private_new(priv, &rng);
	device_set_private_key(a.device, priv);
	/* The response was for the old key. */
	carry(&b, &a);
	assert_null(a.dp_peer->current);
	assert_int_equal(a.dp->keypairs, 0);
	/* The 5 s were those of the old one. */
	peer_start_handshake(a.peer);
	assert_int_equal(a.dp->sent, 2);
}

static void test_key_change_keeps_receiving(void **state)
{
	uint8_t priv[32];

	(void)state;
	establish();
	/* The same key again, as syncconf sends it, changes nothing. */
	device_set_private_key(a.device, a.priv);
	assert_non_null(a.dp_peer->current);
	dh_private_new(priv, &rng);
	device_set_private_key(a.device, priv);
	assert_null(a.dp_peer->current);
	assert_int_equal(a.dp->keypairs, 1);
	assert_false(peer_has_session(a.peer));
}

static void test_psk(void **state)
{
	uint8_t psk[32] = { 1 };

	(void)state;
	peer_set_psk(a.peer, psk);
	peer_start_handshake(a.peer);
	carry(&a, &b);
	carry(&b, &a);
	assert_null(a.dp_peer->current);
	peer_set_psk(b.peer, psk);
	wait_ns(6 * NS_PER_S);
	carry(&a, &b);
	carry(&b, &a);
	assert_non_null(a.dp_peer->current);
}

static void test_timestamps(void **state)
{
	struct device_config config = { .rng = rng, .wall_ns = fake_wall };
	uint8_t saved[12];

	(void)state;
	peer_start_handshake(a.peer);
	assert_int_equal(a.saved, 1);
	carry(&a, &b);
	carry(&b, &a);
	memcpy(saved, a.saved_stamp, 12);
	/* The same node again, after a restart with a clock that fell back by years. */
	device_free(a.device);
	wall_ns = 1000 * NS_PER_S;
	config.timestamp = saved;
	assert_int_equal(device_new(&a.device, &loop, &config, &plain_ops, &a), 0);
	a.dp = device_dataplane(a.device);
	a.taken = 0;
	device_set_private_key(a.device, a.priv);
	introduce(&a, &b);
	fake_loop_until(&loop, loop.now_ns + NS_PER_S);
	peer_start_handshake(a.peer);
	carry(&a, &b);
	carry(&b, &a);
	assert_non_null(a.dp_peer->current);
	assert_true(tai64n_after(a.saved_stamp, saved));
}

/* Removed in the middle of everything: nothing refers to it any more. */
static void test_removed_peer(void **state)
{
	(void)state;
	establish();
	wait_ns(6 * NS_PER_S);
	peer_start_handshake(a.peer);
	carry(&a, &b);
	device_peer_remove(a.peer);
	assert_int_equal(a.dp->peers, 0);
	assert_int_equal(a.dp->keypairs, 0);
	assert_int_equal(a.dp->indices, 0);
	carry(&b, &a);
	peer_start_handshake(b.peer);
	wait_ns(200 * NS_PER_S);
	assert_null(device_peer_find(a.device, b.pub));
	assert_int_equal(device_peer_count(a.device), 0);
}

static void test_peer_table(void **state)
{
	struct peer *peer;
	uint8_t pub[32] = { 7 };

	(void)state;
	assert_int_equal(device_peer_add(a.device, b.pub, &peer), -EEXIST);
	assert_int_equal(device_peer_add(a.device, a.pub, &peer), -EINVAL);
	for (uint32_t i = 1; i < DEVICE_PEERS_MAX; i++) {
		store_be32(pub + 1, i);
		assert_int_equal(device_peer_add(a.device, pub, &peer), 0);
	}
	pub[0] = 8;
	assert_int_equal(device_peer_add(a.device, pub, &peer), -ENOSPC);
	assert_ptr_equal(device_peer_next(a.device, NULL), a.peer);
}

/* Initiations from strangers who know the key of b, faster than b works them off. */
static void flood(size_t count)
{
	struct wg_identity stranger;
	struct handshake hs;
	struct cookie_maker maker;
	struct wg_initiation msg;
	struct dp_path from = { .kind = DP_PATH_UDP, .remote = a.address };
	uint8_t priv[32], stamp[12] = { 0 };

	dh_private_new(priv, &rng);
	wg_identity_set(&stranger, priv);
	handshake_init(&hs, &stranger, b.pub);
	cookie_maker_init(&maker, b.pub);
	assert_int_equal(handshake_create_initiation(&hs, &stranger, &rng, stamp, 9, &msg), 0);
	cookie_add_macs(&maker, (uint8_t *)&msg, sizeof(msg), loop.now_ns);
	from.remote.port = 7777;
	for (size_t i = 0; i < count; i++)
		b.dp->ops->handshake_message(b.dp->arg, (uint8_t *)&msg, sizeof(msg), &from);
	handshake_clear(&hs);
}

static void test_below_load(void **state)
{
	struct device_drops drops;

	(void)state;
	flood(INCOMING_LOAD_FROM);
	settle();
	device_drops(b.device, &drops);
	assert_int_equal(drops.cookies_sent, 0);
	assert_int_equal(drops.unauthentic, INCOMING_LOAD_FROM);
}

static void test_queue_is_bounded(void **state)
{
	struct device_drops drops;

	(void)state;
	flood(INCOMING_QUEUE_MAX + 100);
	device_drops(b.device, &drops);
	assert_int_equal(drops.queue_full, 100);
	settle();
	device_drops(b.device, &drops);
	/* Under load strangers without a cookie get one, and no DH. */
	assert_true(drops.cookies_sent >= INCOMING_QUEUE_MAX - INCOMING_LOAD_FROM - 1);
	assert_true(drops.unauthentic <= 1);
	b.taken = b.dp->sent;
}

/* Under load: a cookie first, then the handshake, at the sender's next try and not before. */
static void test_cookie_exchange(void **state)
{
	struct endpoint before;

	(void)state;
	flood(INCOMING_QUEUE_MAX);
	settle();
	b.taken = b.dp->sent;
	peer_start_handshake(a.peer);
	before = peer_path(a.peer)->remote;
	carry(&a, &b);
	assert_int_equal(b.dp->message[b.taken].len, WG_COOKIE_REPLY_SIZE);
	{
		struct endpoint liar;

		/* From anywhere: it moves no path and triggers nothing. */
		endpoint_parse(&liar, "203.0.113.1:5");
		deliver_from(&a, take(&b), &liar);
	}
	assert_int_equal(a.dp->sent, 1);
	assert_true(endpoint_equal(&peer_path(a.peer)->remote, &before));
	wait_ns(REKEY_TIMEOUT_NS + REKEY_JITTER_MAX_NS);
	assert_int_equal(a.dp->sent, 2);
	/* Still under load, the second one is answered for real. */
	flood(INCOMING_LOAD_FROM + 64);
	b.taken = b.dp->sent;
	carry(&a, &b);
	{
		const struct fake_message *m;
		bool answered = false;

		while ((m = take(&b)))
			if (m->len == WG_RESPONSE_SIZE) {
				answered = true;
				deliver_from(&a, m, &b.address);
			}
		assert_true(answered);
	}
	assert_non_null(a.dp_peer->current);
}

/* Load lasts a second after the queue has shrunk. */
static void test_load_is_sticky(void **state)
{
	struct device_drops before, after;

	(void)state;
	flood(INCOMING_LOAD_FROM + 64);
	settle();
	device_drops(b.device, &before);
	wait_ns(INCOMING_STICKY_NS - 1);
	flood(1);
	settle();
	device_drops(b.device, &after);
	assert_int_equal(after.cookies_sent, before.cookies_sent + 1);
	wait_ns(1);
	flood(1);
	settle();
	device_drops(b.device, &after);
	assert_int_equal(after.cookies_sent, before.cookies_sent + 1);
}

/* The machine sleeps: when it wakes the clock has gone on, and nothing ran in between. */
static void suspend(uint64_t ns)
{
	loop.now_ns += ns;
	wall_ns += ns;
	settle();
}

static void test_suspend(void **state)
{
	(void)state;
	establish();
	suspend(REJECT_AFTER_TIME_NS);
	assert_false(peer_has_session(a.peer));
	/* Wanted now, a new session begins at once. */
	a.dp->ops->need_session(a.dp->arg, a.dp_peer);
	assert_int_equal(a.dp->sent, 2);
	carry(&a, &b);
	suspend(REKEY_ATTEMPT_TIME_NS);
	assert_int_equal(a.failures, 1);
	suspend(ERASE_AFTER_TIME_NS);
	assert_int_equal(a.dp->keypairs, 0);
	assert_int_equal(b.dp->keypairs, 0);
}

/* Under load a response has to show a cookie as well. */
static void test_a_response_needs_a_cookie_too(void **state)
{
	(void)state;
	peer_start_handshake(b.peer);
	flood(INCOMING_LOAD_FROM + 1);
	b.taken = 0;
	deliver_from(&a, &b.dp->message[0], &b.address);
	settle();
	b.taken = b.dp->sent;
	carry(&a, &b); /* the response, */
	assert_null(b.dp_peer->current);
	assert_int_equal(b.dp->message[b.dp->sent - 1].len, WG_COOKIE_REPLY_SIZE);
	deliver_from(&a, &b.dp->message[b.dp->sent - 1], &b.address);
	/* answered with a cookie, which the next one has. */
	wait_ns(REKEY_TIMEOUT_NS + REKEY_JITTER_MAX_NS);
	assert_int_equal(b.dp->message[b.dp->sent - 1].len, WG_INITIATION_SIZE);
	deliver_from(&a, &b.dp->message[b.dp->sent - 1], &b.address);
	flood(INCOMING_LOAD_FROM + 64);
	carry(&a, &b);
	assert_non_null(b.dp_peer->current);
}

/* A cookie in hand is no licence: 5 at once, 20 a second. */
static void test_rate_under_load(void **state)
{
	struct device_drops before, after;
	struct fake_message m;
	uint64_t passed;

	(void)state;
	flood(INCOMING_LOAD_FROM + 1);
	settle();
	peer_start_handshake(a.peer);
	b.taken = b.dp->sent;
	carry(&a, &b);
	deliver_from(&a, take(&b), &b.address);
	wait_ns(REKEY_TIMEOUT_NS + REKEY_JITTER_MAX_NS);
	m = *take(&a);
	for (int second = 0; second < 2; second++) {
		flood(INCOMING_LOAD_FROM + 1);
		settle();
		device_drops(b.device, &before);
		for (int i = 0; i < 100; i++)
			deliver_from(&b, &m, &a.address);
		device_drops(b.device, &after);
		passed = 100 - (after.rate_limited - before.rate_limited);
		assert_int_equal(passed, 5);
		wait_ns(500 * NS_PER_MS);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define MESH(name) cmocka_unit_test_setup_teardown(name, setup_mesh, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_handshake),
		TEST(test_retry_and_give_up),
		TEST(test_five_seconds),
		TEST(test_response_replay),
		TEST(test_initiation_replay),
		TEST(test_simultaneous),
		TEST(test_slots),
		TEST(test_keys_erased_at_540_s),
		TEST(test_no_session_after_180_s),
		TEST(test_rekey_notice),
		TEST(test_unanswered),
		TEST(test_silence_frees_the_source),
		MESH(test_an_owners_source_stays),
		TEST(test_passive_keepalive),
		TEST(test_persistent_keepalive),
		TEST(test_follows_source),
		TEST(test_garbage_moves_nothing),
		MESH(test_owner_decides),
		MESH(test_path_comes_later),
		TEST(test_no_path_is_unreachable),
		TEST(test_no_key_is_unreachable),
		TEST(test_key_change_under_way),
		TEST(test_key_change_keeps_receiving),
		TEST(test_psk),
		TEST(test_timestamps),
		TEST(test_removed_peer),
		TEST(test_peer_table),
		TEST(test_below_load),
		TEST(test_queue_is_bounded),
		TEST(test_cookie_exchange),
		TEST(test_load_is_sticky),
		TEST(test_suspend),
		TEST(test_a_response_needs_a_cookie_too),
		TEST(test_rate_under_load),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
