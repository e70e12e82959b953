/* The codec against the vectors of RFC 5769 and against malformed input. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proto/demux.h"
#include "proto/stun.h"

static const char password[] = "VOkJxbRl1RmTxUk/WvJxBt";

/* RFC 5769 section 2.1 */
static const uint8_t sample_request[] =
	"\x00\x01\x00\x58\x21\x12\xa4\x42\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae"
	"\x80\x22\x00\x10STUN test client\x00\x24\x00\x04\x6e\x00\x01\xff"
	"\x80\x29\x00\x08\x93\x2f\xf9\xb1\x51\x26\x3b\x36\x00\x06\x00\x09"
	"evtj:h6vY   \x00\x08\x00\x14\x9a\xea\xa7\x0c\xbf\xd8\xcb\x56\x78\x1e\xf2\xb5"
	"\xb2\xd3\xf2\x49\xc1\xb5\x71\xa2\x80\x28\x00\x04\xe5\x7a\x3b\xcf";

/* RFC 5769 section 2.2 */
static const uint8_t sample_response4[] =
	"\x01\x01\x00\x3c\x21\x12\xa4\x42\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae"
	"\x80\x22\x00\x0btest vector \x00\x20\x00\x08\x00\x01\xa1\x47\xe1\x12\xa6\x43"
	"\x00\x08\x00\x14\x2b\x91\xf5\x99\xfd\x9e\x90\xc3\x8c\x74\x89\xf9\x2a\xf9\xba\x53"
	"\xf0\x6b\xe7\xd7\x80\x28\x00\x04\xc0\x7d\x4c\x96";

/* RFC 5769 section 2.3 */
static const uint8_t sample_response6[] =
	"\x01\x01\x00\x48\x21\x12\xa4\x42\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae"
	"\x80\x22\x00\x0btest vector \x00\x20\x00\x14\x00\x02\xa1\x47\x01\x13\xa9\xfa"
	"\xa5\xd3\xf1\x79\xbc\x25\xf4\xb5\xbe\xd2\xb9\xd9\x00\x08\x00\x14\xa3\x82\x95\x4e"
	"\x4b\xe6\x7b\xf1\x17\x84\xc9\x7c\x82\x92\xc2\x75\xbf\xe3\xed\x41"
	"\x80\x28\x00\x04\xc8\xfb\x0b\x4c";

/* RFC 5769 section 2.4, with long-term authentication */
static const uint8_t sample_long_term[] =
	"\x00\x01\x00\x60\x21\x12\xa4\x42\x78\xad\x34\x33\xc6\xad\x72\xc0\x29\xda\x41\x2e"
	"\x00\x06\x00\x12\xe3\x83\x9e\xe3\x83\x88\xe3\x83\xaa\xe3\x83\x83\xe3\x82\xaf\xe3"
	"\x82\xb9\x00\x00\x00\x15\x00\x1c"
	"f//499k954d6OL34oL9FSTvy64sA\x00\x14\x00\x0b"
	"example.org\x00\x00\x08\x00\x14\xf6\x70\x24\x65\x6d\xd6\x4a\x3e\x02\xb8\xe0\x71"
	"\x2e\x85\xc9\xa2\x8c\xa8\x96\x66";

#define SIZE(sample) (sizeof(sample) - 1)

static void test_sample_request(void **state)
{
	struct stun_message msg;
	char text[64];
	uint32_t priority;
	uint64_t tie;

	(void)state;
	assert_int_equal(stun_parse(&msg, sample_request, SIZE(sample_request)), 0);
	assert_int_equal(msg.class, STUN_REQUEST);
	assert_int_equal(msg.method, STUN_BINDING);
	assert_true(msg.has_fingerprint);
	assert_int_equal(stun_get_text(&msg, STUN_ATTR_SOFTWARE, text, sizeof(text)), 0);
	assert_string_equal(text, "STUN test client");
	assert_int_equal(stun_get_text(&msg, STUN_ATTR_USERNAME, text, sizeof(text)), 0);
	assert_string_equal(text, "evtj:h6vY");
	assert_int_equal(stun_get_u32(&msg, STUN_ATTR_PRIORITY, &priority), 0);
	assert_int_equal(priority, 0x6e0001ff);
	assert_int_equal(stun_get_u64(&msg, STUN_ATTR_ICE_CONTROLLED, &tie), 0);
	assert_true(tie == 0x932ff9b151263b36);
	assert_true(stun_check_integrity(&msg, password, strlen(password)));
	assert_false(stun_check_integrity(&msg, "wrong", 5));
	assert_int_equal(stun_unknown_attrs(&msg, &(uint16_t){ 0 }, 1), 0);
}

static void check_response(const uint8_t *data, size_t len, const char *mapped)
{
	struct stun_message msg;
	struct endpoint ep;
	char text[ENDPOINT_TEXT_SIZE];

	assert_int_equal(stun_parse(&msg, data, len), 0);
	assert_int_equal(msg.class, STUN_SUCCESS);
	assert_true(msg.has_fingerprint);
	assert_true(stun_check_integrity(&msg, password, strlen(password)));
	assert_int_equal(stun_get_mapped(&msg, &ep), 0);
	assert_string_equal(endpoint_format(text, &ep), mapped);
}

static void test_sample_responses(void **state)
{
	(void)state;
	check_response(sample_response4, SIZE(sample_response4), "192.0.2.1:32853");
	check_response(sample_response6, SIZE(sample_response6),
		       "[2001:db8:1234:5678:11:2233:4455:6677]:32853");
}

static void test_sample_long_term(void **state)
{
	struct stun_message msg;
	uint8_t key[STUN_LONG_KEY_SIZE];
	char username[64], realm[64];

	(void)state;
	assert_int_equal(stun_parse(&msg, sample_long_term, SIZE(sample_long_term)), 0);
	assert_false(msg.has_fingerprint);
	assert_int_equal(stun_get_text(&msg, STUN_ATTR_USERNAME, username, sizeof(username)), 0);
	assert_int_equal(stun_get_text(&msg, STUN_ATTR_REALM, realm, sizeof(realm)), 0);
	assert_int_equal(stun_long_term_key(key, username, realm, "TheMatrIX"), 0);
	assert_true(stun_check_integrity(&msg, key, sizeof(key)));
}

/* The RFC's samples pad with spaces, so that building gives the same bytes but for padding. */
static void test_build_equals_sample(void **state)
{
	struct endpoint mapped;
	struct stun_builder b;
	struct stun_message msg;
	uint8_t buf[128];
	size_t len;

	(void)state;
	assert_int_equal(endpoint_parse(&mapped, "192.0.2.1:32853"), 0);
	stun_begin(&b, buf, sizeof(buf), STUN_SUCCESS, STUN_BINDING, sample_response4 + 8);
	stun_add(&b, STUN_ATTR_SOFTWARE, "test vector", 11);
	stun_add_endpoint(&b, STUN_ATTR_XOR_MAPPED_ADDRESS, &mapped);
	assert_int_equal(stun_end(&b, &len), 0);
	assert_memory_equal(buf + 8, sample_response4 + 8, 16);
	assert_memory_equal(buf + 36, sample_response4 + 36, 12);
	stun_add_integrity(&b, password, strlen(password));
	stun_add_fingerprint(&b);
	assert_int_equal(stun_end(&b, &len), 0);
	assert_int_equal(len, SIZE(sample_response4));
	check_response(buf, len, "192.0.2.1:32853");
	assert_int_equal(stun_parse(&msg, buf, len), 0);
	assert_int_equal(buf[35], 0); /* padding is zero */
}

static void test_classes_and_methods(void **state)
{
	static const uint16_t methods[] = { STUN_BINDING, STUN_ALLOCATE, STUN_CHANNEL_BIND, 0xfff };
	const uint8_t id[STUN_TRANSACTION_SIZE] = { 1, 2, 3 };
	uint8_t buf[64];
	size_t len;

	(void)state;
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		for (unsigned int class = 0; class < 4; class ++) {
			struct stun_builder b;
			struct stun_message msg;

			stun_begin(&b, buf, sizeof(buf), (enum stun_class) class, methods[i], id);
			assert_int_equal(stun_end(&b, &len), 0);
			assert_int_equal(stun_parse(&msg, buf, len), 0);
			assert_int_equal(msg.class, class);
			assert_int_equal(msg.method, methods[i]);
			assert_memory_equal(msg.transaction, id, sizeof(id));
		}
	}
	/* The numbers that everybody knows: RFC 8489 section 5. */
	assert_int_equal(load_be16(sample_request), 0x0001);
	assert_int_equal(load_be16(sample_response4), 0x0101);
}

static void test_every_bit_counts(void **state)
{
	uint8_t copy[sizeof(sample_response4)];
	struct stun_message msg;

	(void)state;
	for (size_t bit = 0; bit < 8 * SIZE(sample_response4); bit++) {
		memcpy(copy, sample_response4, sizeof(copy));
		copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_true(stun_parse(&msg, copy, SIZE(sample_response4)) < 0 ||
			    !msg.has_fingerprint ||
			    !stun_check_integrity(&msg, password, strlen(password)));
	}
	for (size_t len = 0; len < SIZE(sample_response4); len++)
		assert_int_equal(stun_parse(&msg, sample_response4, len), -EBADMSG);
}

static void test_malformed(void **state)
{
	uint8_t buf[256];
	struct stun_message msg;

	(void)state;
	memcpy(buf, sample_request, SIZE(sample_request));
	buf[SIZE(sample_request)] = 0;
	assert_int_equal(stun_parse(&msg, buf, SIZE(sample_request) + 4), -EBADMSG); /* trailing */
	/* An attribute that claims more than there is. */
	memcpy(buf, "\x00\x01\x00\x04\x21\x12\xa4\x42", 8);
	memset(buf + 8, 0, 12);
	memcpy(buf + 20, "\x80\x22\x00\x01", 4);
	assert_int_equal(stun_parse(&msg, buf, 24), -EBADMSG);
	memcpy(buf + 20, "\x80\x22\xff\xff", 4);
	assert_int_equal(stun_parse(&msg, buf, 24), -EBADMSG);
	memcpy(buf + 20, "\x80\x22\x00\x00", 4);
	assert_int_equal(stun_parse(&msg, buf, 24), 0);
	buf[3] = 3; /* not a multiple of four */
	assert_int_equal(stun_parse(&msg, buf, 23), -EBADMSG);
}

/* RFC 8489 section 14.5: what follows MESSAGE-INTEGRITY is not signed and not seen. */
static void test_after_integrity_ignored(void **state)
{
	const uint8_t id[STUN_TRANSACTION_SIZE] = { 0 };
	struct stun_builder b;
	struct stun_message msg;
	uint8_t buf[256];
	size_t len;

	(void)state;
	stun_begin(&b, buf, sizeof(buf), STUN_REQUEST, STUN_BINDING, id);
	stun_add_text(&b, STUN_ATTR_USERNAME, "a:b");
	stun_add_integrity(&b, "key", 3);
	stun_add(&b, STUN_ATTR_USE_CANDIDATE, NULL, 0);
	stun_add(&b, 0x7abc, "x", 1);
	stun_add(&b, STUN_ATTR_MESSAGE_INTEGRITY_SHA256, buf, 32);
	stun_add_fingerprint(&b);
	assert_int_equal(stun_end(&b, &len), 0);
	assert_int_equal(stun_parse(&msg, buf, len), 0);
	assert_true(stun_check_integrity(&msg, "key", 3));
	assert_false(stun_has(&msg, STUN_ATTR_USE_CANDIDATE));
	assert_int_equal(stun_unknown_attrs(&msg, &(uint16_t){ 0 }, 1), 0);
	assert_true(msg.has_fingerprint);
}

static void test_fingerprint_must_be_last(void **state)
{
	const uint8_t id[STUN_TRANSACTION_SIZE] = { 0 };
	struct stun_builder b;
	struct stun_message msg;
	uint8_t buf[128];
	size_t len;

	(void)state;
	stun_begin(&b, buf, sizeof(buf), STUN_REQUEST, STUN_BINDING, id);
	stun_add_fingerprint(&b);
	stun_add_text(&b, STUN_ATTR_SOFTWARE, "late");
	assert_int_equal(stun_end(&b, &len), 0);
	assert_int_equal(stun_parse(&msg, buf, len), -EBADMSG);
}

static void test_unknown_attributes(void **state)
{
	const uint8_t id[STUN_TRANSACTION_SIZE] = { 0 };
	struct stun_builder b;
	struct stun_message msg;
	uint16_t types[STUN_UNKNOWN_MAX];
	const uint8_t *value;
	unsigned int code;
	uint8_t buf[256];
	size_t len;

	(void)state;
	stun_begin(&b, buf, sizeof(buf), STUN_REQUEST, STUN_BINDING, id);
	stun_add(&b, 0x7abc, "xyz", 3);
	stun_add(&b, 0x9abc, "optional", 8);
	stun_add(&b, 0x0030, NULL, 0);
	assert_int_equal(stun_end(&b, &len), 0);
	assert_int_equal(stun_parse(&msg, buf, len), 0);
	assert_int_equal(stun_unknown_attrs(&msg, types, STUN_UNKNOWN_MAX), 2);
	assert_int_equal(types[0], 0x7abc);
	assert_int_equal(types[1], 0x0030);

	stun_begin_response(&b, buf + 128, 128, STUN_ERROR, &msg);
	stun_add_error(&b, STUN_ERR_UNKNOWN_ATTRIBUTE);
	stun_add_unknown_attrs(&b, types, 2);
	assert_int_equal(stun_end(&b, &len), 0);
	assert_int_equal(stun_parse(&msg, buf + 128, len), 0);
	assert_int_equal(msg.class, STUN_ERROR);
	assert_int_equal(stun_get_error(&msg, &code), 0);
	assert_int_equal(code, 420);
	value = stun_find(&msg, STUN_ATTR_UNKNOWN_ATTRIBUTES, &len);
	assert_int_equal(len, 4);
	assert_memory_equal(value, "\x7a\xbc\x00\x30", 4);
}

static void test_small_attributes(void **state)
{
	const uint8_t id[STUN_TRANSACTION_SIZE] = { 9 };
	struct endpoint ep, got;
	struct stun_builder b;
	struct stun_message msg;
	const uint8_t *key;
	uint8_t buf[256], node[STUN_KEY_SIZE] = { 7, 8 };
	uint16_t channel;
	size_t len;

	(void)state;
	assert_int_equal(endpoint_parse(&ep, "[2001:db8::1]:5"), 0);
	stun_begin(&b, buf, sizeof(buf), STUN_REQUEST, STUN_CHANNEL_BIND, id);
	stun_add_channel(&b, 0x4123);
	stun_add(&b, STUN_ATTR_NODE_KEY, node, sizeof(node));
	stun_add_endpoint(&b, STUN_ATTR_OTHER_ADDRESS, &ep);
	stun_add_endpoint(&b, STUN_ATTR_XOR_RELAYED_ADDRESS, &ep);
	assert_int_equal(stun_end(&b, &len), 0);
	assert_int_equal(stun_parse(&msg, buf, len), 0);
	assert_int_equal(stun_get_channel(&msg, &channel), 0);
	assert_int_equal(channel, 0x4123);
	assert_int_equal(stun_get_node_key(&msg, &key), 0);
	assert_memory_equal(key, node, sizeof(node));
	assert_int_equal(stun_get_endpoint(&msg, STUN_ATTR_OTHER_ADDRESS, &got), 0);
	assert_true(endpoint_equal(&got, &ep));
	assert_int_equal(stun_get_endpoint(&msg, STUN_ATTR_XOR_RELAYED_ADDRESS, &got), 0);
	assert_true(endpoint_equal(&got, &ep));
	assert_int_equal(stun_get_endpoint(&msg, STUN_ATTR_MAPPED_ADDRESS, &got), -ENOENT);
	assert_int_equal(stun_get_endpoint(&msg, STUN_ATTR_NODE_KEY, &got), -EBADMSG);
}

static void test_builder_is_bounded(void **state)
{
	struct stun_builder b;
	uint8_t buf[STUN_HEADER_SIZE + 8], id[STUN_TRANSACTION_SIZE] = { 0 };
	size_t len = 99;

	(void)state;
	stun_begin(&b, buf, sizeof(buf), STUN_REQUEST, STUN_BINDING, id);
	stun_add_text(&b, STUN_ATTR_SOFTWARE, "longer than that");
	stun_add_integrity(&b, "k", 1);
	stun_add_fingerprint(&b);
	assert_int_equal(stun_end(&b, &len), -ENOSPC);
	assert_int_equal(len, 99);
}

static void test_demux(void **state)
{
	uint8_t buf[64] = { 0 };

	(void)state;
	for (uint8_t type = 1; type <= 4; type++) {
		buf[0] = type;
		assert_int_equal(demux_datagram(buf, 32), DEMUX_WIREGUARD);
		assert_int_equal(demux_datagram(buf, 31), DEMUX_UNKNOWN);
	}
	buf[0] = 5;
	assert_int_equal(demux_datagram(buf, 32), DEMUX_UNKNOWN);
	/* 0x0101 against an initiation's 0x01 0x00 0x00 0x00 */
	assert_int_equal(demux_datagram(sample_response4, SIZE(sample_response4)), DEMUX_STUN);
	assert_int_equal(demux_datagram(sample_request, SIZE(sample_request)), DEMUX_STUN);
	assert_int_equal(demux_datagram((const uint8_t *)"\x40\x00\x00\x00", 4), DEMUX_CHANNEL);
	assert_int_equal(demux_datagram((const uint8_t *)"\x4f\xff\x00\x00", 4), DEMUX_CHANNEL);
	assert_int_equal(demux_datagram((const uint8_t *)"\x50\x00\x00\x00", 4), DEMUX_UNKNOWN);
	assert_int_equal(demux_datagram((const uint8_t *)"\x40\x00\x00", 3), DEMUX_UNKNOWN);
	assert_int_equal(demux_datagram(buf, 0), DEMUX_UNKNOWN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sample_request),
		cmocka_unit_test(test_sample_responses),
		cmocka_unit_test(test_sample_long_term),
		cmocka_unit_test(test_build_equals_sample),
		cmocka_unit_test(test_classes_and_methods),
		cmocka_unit_test(test_every_bit_counts),
		cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_after_integrity_ignored),
		cmocka_unit_test(test_fingerprint_must_be_last),
		cmocka_unit_test(test_unknown_attributes),
		cmocka_unit_test(test_small_attributes),
		cmocka_unit_test(test_builder_is_bounded),
		cmocka_unit_test(test_demux),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
