#include "tests/unit/device_pair.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_below_load),
		TEST(test_queue_is_bounded),
		TEST(test_cookie_exchange),
		TEST(test_load_is_sticky),
		TEST(test_a_response_needs_a_cookie_too),
		TEST(test_rate_under_load),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
