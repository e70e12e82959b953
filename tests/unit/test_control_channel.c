#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "crypto/dh.h"
#include "crypto/rng.h"
#include "proto/control_channel.h"

#define NODE_MAX  (1u << 16)
#define COORD_MAX (1u << 20)

static struct rng_seeded seeded;
static struct rng rng;
static uint8_t node_secret[32];
static uint8_t node_key[32];
static uint8_t coord_secret[32];
static uint8_t coord_key[32];

struct pair {
	struct control_channel *node;
	struct control_channel *coord;
};

static int setup(void **state)
{
	(void)state;
	rng_seeded_init(&seeded, 1);
	rng = rng_from_seeded(&seeded);
	dh_private_new(node_secret, &rng);
	dh_public(node_key, node_secret);
	dh_private_new(coord_secret, &rng);
	dh_public(coord_key, coord_secret);
	return 0;
}

static struct pair pair_new(void)
{
	struct pair pair;

	assert_int_equal(control_channel_new_node(&pair.node, node_secret, coord_key, &rng,
						  COORD_MAX),
			 0);
	assert_int_equal(control_channel_new_coordinator(&pair.coord, coord_secret, &rng, NODE_MAX),
			 0);
	return pair;
}

static void pair_free(struct pair *pair)
{
	control_channel_free(pair->node);
	control_channel_free(pair->coord);
}

/* Moves all frames one way; the first error. */
static int move(struct control_channel *from, struct control_channel *to)
{
	const uint8_t *frame;
	size_t len;
	int err = 0;

	while (err == 0 && control_channel_poll_frame(from, &frame, &len))
		err = control_channel_input(to, frame, len);
	return err;
}

static struct pair pair_ready(void)
{
	struct pair pair = pair_new();

	assert_int_equal(move(pair.node, pair.coord), 0);
	assert_int_equal(move(pair.coord, pair.node), 0);
	assert_true(control_channel_ready(pair.node));
	assert_true(control_channel_ready(pair.coord));
	return pair;
}

static void test_handshake(void **state)
{
	struct pair pair = pair_new();

	(void)state;
	assert_false(control_channel_ready(pair.coord));
	assert_int_equal(control_channel_send(pair.node, "{}", 2), -ENOTCONN);
	pair_free(&pair);
	pair = pair_ready();
	assert_memory_equal(control_channel_remote_key(pair.coord), node_key, 32);
	assert_memory_equal(control_channel_remote_key(pair.node), coord_key, 32);
	assert_memory_equal(control_channel_handshake_hash(pair.coord),
			    control_channel_handshake_hash(pair.node), 32);
	pair_free(&pair);
}

static void test_texts_both_ways(void **state)
{
	struct pair pair = pair_ready();
	char *text;
	size_t len;

	(void)state;
	assert_int_equal(control_channel_send(pair.node, "{\"a\":1}", 7), 0);
	assert_int_equal(move(pair.node, pair.coord), 0);
	assert_true(control_channel_poll_message(pair.coord, &text, &len));
	assert_string_equal(text, "{\"a\":1}");
	assert_false(control_channel_poll_message(pair.coord, &text, &len));
	assert_int_equal(control_channel_send(pair.coord, "{}", 2), 0);
	assert_int_equal(move(pair.coord, pair.node), 0);
	assert_true(control_channel_poll_message(pair.node, &text, &len));
	assert_int_equal(len, 2);
	pair_free(&pair);
}

static void test_long_text_is_split(void **state)
{
	struct pair pair = pair_ready();
	size_t sizes[] = { 0, 1, 65517, 65518, 65519, 2 * 65518, 700000, COORD_MAX };
	char *big = malloc(COORD_MAX);
	char *text;
	size_t len;

	(void)state;
	memset(big, 'x', COORD_MAX);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		assert_int_equal(control_channel_send(pair.coord, big, sizes[i]), 0);
		assert_int_equal(move(pair.coord, pair.node), 0);
		assert_true(control_channel_poll_message(pair.node, &text, &len));
		assert_int_equal(len, sizes[i]);
		assert_memory_equal(text, big, len);
	}
	free(big);
	pair_free(&pair);
}

static void test_oversized_text_ends_the_channel(void **state)
{
	struct pair pair = pair_ready();
	char *big = calloc(1, NODE_MAX + 1);

	(void)state;
	assert_int_equal(control_channel_send(pair.node, big, NODE_MAX + 1), 0);
	assert_int_equal(move(pair.node, pair.coord), -EMSGSIZE);
	assert_int_equal(control_channel_input(pair.coord, (const uint8_t *)big, 20), -EMSGSIZE);
	assert_false(control_channel_ready(pair.coord));
	free(big);
	pair_free(&pair);
}

static void test_wrong_coordinator_key(void **state)
{
	struct pair pair = pair_new();

	(void)state;
	control_channel_free(pair.node);
	/* The node was told another coordinator's key. */
	assert_int_equal(control_channel_new_node(&pair.node, node_secret, node_key, &rng,
						  COORD_MAX),
			 0);
	assert_int_equal(move(pair.node, pair.coord), -EBADMSG);
	pair_free(&pair);
}

static void test_garbage_and_changed_frames(void **state)
{
	struct pair pair = pair_new();
	uint8_t garbage[70000] = { 1 };
	uint8_t copy[200];
	const uint8_t *frame;
	size_t len;

	(void)state;
	assert_int_equal(control_channel_input(pair.coord, garbage, 96), -EBADMSG);
	pair_free(&pair);
	pair = pair_new();
	assert_int_equal(control_channel_input(pair.coord, garbage, sizeof(garbage)), -EBADMSG);
	pair_free(&pair);
	pair = pair_new();
	assert_int_equal(control_channel_input(pair.coord, garbage, 0), -EBADMSG);
	pair_free(&pair);
	pair = pair_ready();
	control_channel_send(pair.node, "{}", 2);
	assert_true(control_channel_poll_frame(pair.node, &frame, &len));
	memcpy(copy, frame, len);
	copy[len - 1] ^= 1;
	assert_int_equal(control_channel_input(pair.coord, copy, len), -EBADMSG);
	assert_int_equal(control_channel_input(pair.coord, frame, len), -EBADMSG);
	pair_free(&pair);
}

static void test_replayed_frame(void **state)
{
	struct pair pair = pair_ready();
	uint8_t copy[200];
	const uint8_t *frame;
	char *text;
	size_t text_len;
	size_t len;

	(void)state;
	control_channel_send(pair.node, "{}", 2);
	assert_true(control_channel_poll_frame(pair.node, &frame, &len));
	memcpy(copy, frame, len);
	assert_int_equal(control_channel_input(pair.coord, copy, len), 0);
	assert_true(control_channel_poll_message(pair.coord, &text, &text_len));
	assert_int_equal(control_channel_input(pair.coord, copy, len), -EBADMSG);
	pair_free(&pair);
}

static void test_queue_is_bounded(void **state)
{
	struct pair pair = pair_ready();
	size_t len = 8u << 20;
	char *big = calloc(1, len);
	int sent = 0;

	(void)state;
	while (control_channel_send(pair.coord, big, len) == 0)
		assert_true(++sent < 5);
	assert_int_equal(control_channel_send(pair.coord, big, len), -ENOBUFS);
	free(big);
	pair_free(&pair);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_handshake),
		cmocka_unit_test(test_texts_both_ways),
		cmocka_unit_test(test_long_text_is_split),
		cmocka_unit_test(test_oversized_text_ends_the_channel),
		cmocka_unit_test(test_wrong_coordinator_key),
		cmocka_unit_test(test_garbage_and_changed_frames),
		cmocka_unit_test(test_replayed_frame),
		cmocka_unit_test(test_queue_is_bounded),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
