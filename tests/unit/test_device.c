#include "tests/unit/device_pair.h"

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

/*
 * Packets of both directions set and clear the marks all along: nothing is asked of the workers
 * until it is quiet, and yet what goes unanswered meanwhile is seen in time.
 */
static void test_flowing_data_needs_no_notices(void **state)
{
	struct dp_activity *marks = &a.dp_peer->activity;
	int keepalives;

	(void)state;
	establish();
	wait_ns(60 * NS_PER_S);
	a.dp_peer->notify = 0;
	marks->last_tx_data_ns = loop.now_ns;
	marks->last_rx_data_ns = loop.now_ns;
	a.dp->ops->activity(a.dp->arg, a.dp_peer, DP_NOTICE_UNANSWERED | DP_NOTICE_UNACKED);
	settle();
	assert_int_equal(a.dp_peer->notify, 0);
	/* What came a second later is acknowledged to the nanosecond. */
	wait_ns(NS_PER_S);
	marks->last_rx_data_ns = loop.now_ns;
	marks->unacked_since_ns = loop.now_ns;
	keepalives = a.dp_peer->keepalives;
	wait_ns(KEEPALIVE_TIMEOUT_NS - 1);
	assert_int_equal(a.dp_peer->keepalives, keepalives);
	assert_int_equal(a.dp_peer->notify, DP_NOTICE_UNANSWERED); /* it is quiet by now */
	wait_ns(1);
	assert_int_equal(a.dp_peer->keepalives, keepalives + 1);
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
		TEST(test_flowing_data_needs_no_notices),
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
		TEST(test_suspend),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
