#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/addr.h"
#include "base/clock.h"
#include "crypto/rng.h"
#include "proto/cookie.h"
#include "proto/wg_message.h"

static const uint8_t pub[32] = { 9, 9, 9 };
static struct cookie_checker checker;
static struct cookie_maker maker;
static struct rng_seeded seeded;
static struct rng rng;
static struct endpoint from;
static uint8_t msg[WG_INITIATION_SIZE];
static const uint64_t now = 1000 * NS_PER_S;

static int setup(void **state)
{
	(void)state;
	rng_seeded_init(&seeded, 1);
	rng = rng_from_seeded(&seeded);
	cookie_checker_init(&checker, pub);
	cookie_maker_init(&maker, pub);
	endpoint_parse(&from, "192.0.2.1:51820");
	memset(msg, 0, sizeof(msg));
	msg[0] = WG_INITIATION;
	msg[4] = 0x42;
	return 0;
}

static bool mac2_ok(uint64_t at)
{
	return cookie_check_mac2(&checker, msg, sizeof(msg), &from, 0, at);
}

/* The sender got a cookie at the given time. */
static void exchange(uint64_t at)
{
	struct wg_cookie_reply reply;

	cookie_add_macs(&maker, msg, sizeof(msg), at);
	cookie_create_reply(&checker, &rng, msg, sizeof(msg), &from, 0, at, &reply);
	assert_int_equal(cookie_consume_reply(&maker, &reply, at), 0);
	cookie_add_macs(&maker, msg, sizeof(msg), at);
}

static void test_mac1(void **state)
{
	(void)state;
	cookie_add_macs(&maker, msg, sizeof(msg), now);
	assert_true(cookie_check_mac1(&checker, msg, sizeof(msg)));
	for (size_t i = 0; i < sizeof(msg) - 16; i++) {
		msg[i] ^= 1;
		assert_false(cookie_check_mac1(&checker, msg, sizeof(msg)));
		msg[i] ^= 1;
	}
	/* mac2 is not covered. */
	msg[sizeof(msg) - 1] ^= 1;
	assert_true(cookie_check_mac1(&checker, msg, sizeof(msg)));
	for (size_t len = 0; len < 32; len++)
		assert_false(cookie_check_mac1(&checker, msg, len));
}

static void test_without_cookie(void **state)
{
	static const uint8_t zero[16];

	(void)state;
	cookie_add_macs(&maker, msg, sizeof(msg), now);
	assert_memory_equal(msg + sizeof(msg) - 16, zero, 16);
	assert_false(mac2_ok(now));
	/* Also not with what a secret of zeros would give. */
	assert_false(cookie_check_mac2(&checker, msg, 31, &from, 0, now));
}

static void test_with_cookie(void **state)
{
	(void)state;
	exchange(now);
	assert_true(mac2_ok(now));
	msg[5] ^= 1;
	assert_false(mac2_ok(now));
}

static void test_reply_fields(void **state)
{
	struct wg_cookie_reply reply;

	(void)state;
	cookie_add_macs(&maker, msg, sizeof(msg), now);
	cookie_create_reply(&checker, &rng, msg, sizeof(msg), &from, 0, now, &reply);
	assert_int_equal(wg_handshake_type((uint8_t *)&reply, sizeof(reply)), WG_COOKIE_REPLY);
	assert_int_equal(reply.receiver[0], 0x42);
}

/* Bound to the address, the port, and the channel behind a relay. */
static void test_bound_to_source(void **state)
{
	(void)state;
	exchange(now);
	from.port++;
	assert_false(mac2_ok(now));
	from.port--;
	from.addr.bytes[3]++;
	assert_false(mac2_ok(now));
	from.addr.bytes[3]--;
	assert_true(mac2_ok(now));
	assert_false(cookie_check_mac2(&checker, msg, sizeof(msg), &from, 0x4001, now));
	endpoint_parse(&from, "[2001:db8::1]:51820");
	assert_false(mac2_ok(now));
	exchange(now);
	assert_true(mac2_ok(now));
	from.addr.bytes[15]++;
	assert_false(mac2_ok(now));
}

/* The secret lives 120 s, to the nanosecond. */
static void test_secret_dies(void **state)
{
	(void)state;
	exchange(now);
	assert_true(mac2_ok(now + 120 * NS_PER_S - 1));
	assert_false(mac2_ok(now + 120 * NS_PER_S));
	/* A reply within its life keeps it, one after makes another. */
	{
		struct cookie_checker before = checker;
		struct wg_cookie_reply reply;

		cookie_create_reply(&checker, &rng, msg, sizeof(msg), &from, 0,
				    now + 120 * NS_PER_S - 1, &reply);
		assert_memory_equal(before.secret, checker.secret, 32);
		cookie_create_reply(&checker, &rng, msg, sizeof(msg), &from, 0,
				    now + 120 * NS_PER_S, &reply);
		assert_memory_not_equal(before.secret, checker.secret, 32);
	}
}

/* The sender trusts a cookie for less than 115 s. */
static void test_cookie_ages(void **state)
{
	static const uint8_t zero[16];

	(void)state;
	exchange(now);
	cookie_add_macs(&maker, msg, sizeof(msg), now + 115 * NS_PER_S - 1);
	assert_memory_not_equal(msg + sizeof(msg) - 16, zero, 16);
	cookie_add_macs(&maker, msg, sizeof(msg), now + 115 * NS_PER_S);
	assert_memory_equal(msg + sizeof(msg) - 16, zero, 16);
}

static void test_reply_needs_our_mac1(void **state)
{
	struct wg_cookie_reply reply;

	(void)state;
	cookie_add_macs(&maker, msg, sizeof(msg), now);
	cookie_create_reply(&checker, &rng, msg, sizeof(msg), &from, 0, now, &reply);
	/* Another message went out since: the reply is not for it. */
	msg[6] = 1;
	cookie_add_macs(&maker, msg, sizeof(msg), now);
	assert_int_equal(cookie_consume_reply(&maker, &reply, now), -EBADMSG);
	assert_false(maker.has_cookie);
}

static void test_reply_once(void **state)
{
	struct wg_cookie_reply reply;

	(void)state;
	memset(&reply, 0, sizeof(reply));
	assert_int_equal(cookie_consume_reply(&maker, &reply, now), -EPROTO);
	cookie_add_macs(&maker, msg, sizeof(msg), now);
	cookie_create_reply(&checker, &rng, msg, sizeof(msg), &from, 0, now, &reply);
	reply.sealed_cookie[0] ^= 1;
	assert_int_equal(cookie_consume_reply(&maker, &reply, now), -EBADMSG);
	reply.sealed_cookie[0] ^= 1;
	assert_int_equal(cookie_consume_reply(&maker, &reply, now), 0);
	assert_int_equal(cookie_consume_reply(&maker, &reply, now), -EPROTO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_mac1, setup),
		cmocka_unit_test_setup(test_without_cookie, setup),
		cmocka_unit_test_setup(test_with_cookie, setup),
		cmocka_unit_test_setup(test_reply_fields, setup),
		cmocka_unit_test_setup(test_bound_to_source, setup),
		cmocka_unit_test_setup(test_secret_dies, setup),
		cmocka_unit_test_setup(test_cookie_ages, setup),
		cmocka_unit_test_setup(test_reply_needs_our_mac1, setup),
		cmocka_unit_test_setup(test_reply_once, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
