#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proto/turn_stream.h"

static struct turn_stream stream;

/* A Binding request, ChannelData of five bytes with its padding, ChannelData of none. */
static const uint8_t three[] = "\x00\x01\x00\x04\x21\x12\xa4\x42"
			       "abcdefghijkl"
			       "\x80\x22\x00\x00"
			       "\x40\x00\x00\x05"
			       "hello\x00\x00\x00"
			       "\x4f\xff\x00\x00";
static const size_t lengths[] = { 24, 12, 4 };

static void test_messages_in_pieces_of_any_size(void **state)
{
	(void)state;
	for (size_t piece = 1; piece < sizeof(three); piece++) {
		const uint8_t *expected = three;
		size_t found = 0;

		turn_stream_init(&stream);
		for (size_t at = 0; at < sizeof(three) - 1; at += piece) {
			const uint8_t *data = three + at;
			size_t len =
				sizeof(three) - 1 - at < piece ? sizeof(three) - 1 - at : piece;
			const uint8_t *message;
			size_t message_len;

			while (turn_stream_next(&stream, &data, &len, &message, &message_len)) {
				assert_true(found < 3);
				assert_int_equal(message_len, lengths[found++]);
				assert_memory_equal(message, expected, message_len);
				expected += message_len;
			}
			assert_int_equal(len, 0);
		}
		assert_int_equal(found, 3);
	}
}

static int feed(const char *bytes, size_t len)
{
	const uint8_t *data = (const uint8_t *)bytes, *message;
	size_t message_len;

	turn_stream_init(&stream);
	return turn_stream_next(&stream, &data, &len, &message, &message_len);
}

static void test_what_is_no_such_stream(void **state)
{
	(void)state;
	assert_int_equal(feed("HTTP/1.1 400", 12), -EBADMSG);
	assert_int_equal(feed("\x80\x00\x00\x00", 4), -EBADMSG);
	assert_int_equal(feed("\x00\x01\x00\x03", 4), -EBADMSG); /* not a multiple of four */
	assert_int_equal(feed("\x40\x00\xff\xff", 4), -EBADMSG); /* more than we take */
	assert_int_equal(feed("\x00\x01\x24\x00", 4), -EBADMSG);
	assert_int_equal(feed("\x40\x00\x23\xfc", 4), 0); /* as much as we take */
}

static void test_padding(void **state)
{
	(void)state;
	assert_int_equal(turn_stream_padding(4), 0);
	assert_int_equal(turn_stream_padding(5), 3);
	assert_int_equal(turn_stream_padding(7), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_messages_in_pieces_of_any_size),
		cmocka_unit_test(test_what_is_no_such_stream),
		cmocka_unit_test(test_padding),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
