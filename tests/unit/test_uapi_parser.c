#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "proto/uapi.h"

#define KEY "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

static struct uapi_parser parser;
static struct uapi_item item;

static int setup(void **state)
{
	(void)state;
	uapi_parser_init(&parser);
	return 0;
}

/* Feeds a text whole; the result of its last line. */
static int feed(const char *text)
{
	size_t len = strlen(text);
	int ret = 0;

	while (len && ret == 0)
		ret = uapi_parser_next(&parser, &text, &len, &item);
	return ret;
}

static void good(const char *line, enum uapi_kind kind)
{
	assert_int_equal(feed(line), 0);
	assert_int_equal(item.kind, kind);
}

/* A line that ends a fresh request with an error. */
static void bad(const char *before, const char *line, int error)
{
	setup(NULL);
	assert_int_equal(feed("set=1\n"), 0);
	assert_int_equal(feed(before), 0);
	assert_int_equal(feed(line), error);
}

static void test_requests(void **state)
{
	(void)state;
	good("get=1\n", UAPI_GET);
	good("\n", UAPI_END);
	good("\n", UAPI_NONE);
	good("set=1\n", UAPI_SET);
	good("\n", UAPI_END);
	assert_int_equal(feed("got=1\n"), -EPROTO);
	setup(NULL);
	assert_int_equal(feed("set=2\n"), -EPROTO);
	setup(NULL);
	good("get=1\n", UAPI_GET);
	assert_int_equal(feed("fwmark=1\n"), -EINVAL);
}

static void test_device_keys(void **state)
{
	(void)state;
	good("set=1\n", UAPI_SET);
	good("private_key=" KEY "\n", UAPI_PRIVATE_KEY);
	assert_int_equal(item.key[31], 0x1f);
	good("listen_port=65535\n", UAPI_LISTEN_PORT);
	assert_int_equal(item.number, 65535);
	good("fwmark=4294967295\n", UAPI_FWMARK);
	assert_true(item.number == UINT32_MAX);
	good("fwmark=0xca6c\n", UAPI_FWMARK);
	assert_int_equal(item.number, 0xca6c);
	good("fwmark=0\n", UAPI_FWMARK);
	assert_int_equal(item.number, 0);
	good("replace_peers=true\n", UAPI_REPLACE_PEERS);
	good("\n", UAPI_END);
}

static void test_peer_keys(void **state)
{
	struct ip_addr addr;

	(void)state;
	good("set=1\n", UAPI_SET);
	good("public_key=" KEY "\n", UAPI_PUBLIC_KEY);
	good("update_only=true\n", UAPI_UPDATE_ONLY);
	good("remove=true\n", UAPI_REMOVE);
	good("preshared_key=" KEY "\n", UAPI_PRESHARED_KEY);
	good("endpoint=192.0.2.1:51820\n", UAPI_ENDPOINT);
	assert_int_equal(item.endpoint.port, 51820);
	good("endpoint=[2001:db8::1]:1\n", UAPI_ENDPOINT);
	assert_int_equal(item.endpoint.addr.family, AF_INET6);
	good("persistent_keepalive_interval=25\n", UAPI_KEEPALIVE);
	assert_int_equal(item.number, 25);
	good("replace_allowed_ips=true\n", UAPI_REPLACE_ALLOWED_IPS);
	good("protocol_version=1\n", UAPI_PROTOCOL_VERSION);
	/* Host bits are cut off, as the kernel does. */
	good("allowed_ip=10.1.2.3/8\n", UAPI_ALLOWED_IP);
	assert_int_equal(addr_parse(&addr, "10.0.0.0"), 0);
	assert_true(addr_equal(&item.prefix.addr, &addr));
	assert_int_equal(item.prefix.len, 8);
	good("allowed_ip=10.1.2.3\n", UAPI_ALLOWED_IP);
	assert_int_equal(item.prefix.len, 32);
	good("allowed_ip=::/0\n", UAPI_ALLOWED_IP);
	assert_int_equal(item.prefix.len, 0);
	good("allowed_ip=-fd00::/8\n", UAPI_NOT_ALLOWED_IP);
	good("public_key=" KEY "\n", UAPI_PUBLIC_KEY);
	good("\n", UAPI_END);
}

static void test_malformed(void **state)
{
	static const char *const device[] = {
		"private_key=00\n",      "private_key=" KEY "00\n",
		"listen_port=65536\n",   "listen_port=-1\n",
		"listen_port= 1\n",      "listen_port=1x\n",
		"listen_port=\n",        "fwmark=4294967296\n",
		"replace_peers=false\n", "replace_peers\n",
		"fwmark=0x\n",           "fwmark=99999999999999999999999\n",
	};
	static const char *const peer[] = {
		"endpoint=192.0.2.1\n",
		"endpoint=192.0.2.1:0\n",
		"endpoint=0.0.0.0:1\n",
		"endpoint=host:1\n",
		"allowed_ip=10.0.0.0/33\n",
		"allowed_ip=fd00::/129\n",
		"allowed_ip=10.0.0.0/\n",
		"allowed_ip=\n",
		"allowed_ip=10.0.0.0/-1\n",
		"protocol_version=2\n",
		"remove=1\n",
		"endpoint=[::1:1\n",
		"persistent_keepalive_interval=off\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(device) / sizeof(*device); i++)
		bad("", device[i], -EINVAL);
	for (size_t i = 0; i < sizeof(peer) / sizeof(*peer); i++)
		bad("public_key=" KEY "\n", peer[i], -EINVAL);
	bad("", "colour=red\n", -EPROTO);
}

/* Peers come after the device, and their keys after a public key. */
static void test_misplaced(void **state)
{
	(void)state;
	bad("", "endpoint=192.0.2.1:1\n", -EINVAL);
	bad("public_key=" KEY "\n", "listen_port=1\n", -EINVAL);
	bad("public_key=" KEY "\n", "private_key=" KEY "\n", -EINVAL);
	/* The next request begins anew. */
	setup(NULL);
	good("set=1\npublic_key=" KEY "\n\n", UAPI_END);
	good("set=1\n", UAPI_SET);
	assert_int_equal(feed("endpoint=192.0.2.1:1\n"), -EINVAL);
}

static void test_in_pieces(void **state)
{
	static const char text[] = "set=1\nlisten_port=51820\n\n";
	const char *data;
	size_t len;
	int seen = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(text) - 1; i++) {
		data = &text[i];
		len = 1;
		assert_int_equal(uapi_parser_next(&parser, &data, &len, &item), 0);
		assert_int_equal(len, 0);
		seen += item.kind != UAPI_NONE;
		if (item.kind == UAPI_LISTEN_PORT)
			assert_int_equal(item.number, 51820);
	}
	assert_int_equal(seen, 3);
}

static void test_long_line(void **state)
{
	char line[UAPI_LINE_MAX + 2];

	(void)state;
	memset(line, 'a', sizeof(line));
	line[UAPI_LINE_MAX + 1] = '\0';
	good("set=1\n", UAPI_SET);
	assert_int_equal(feed(line), -E2BIG);
	setup(NULL);
	line[UAPI_LINE_MAX] = '\0';
	good("set=1\n", UAPI_SET);
	assert_int_equal(feed(line), 0);
	assert_int_equal(feed("\n"), -EINVAL);
}

static void test_nul_byte(void **state)
{
	const char *data = "set=1\n\0=1\n";
	size_t len = 10;

	(void)state;
	assert_int_equal(uapi_parser_next(&parser, &data, &len, &item), 0);
	assert_int_equal(uapi_parser_next(&parser, &data, &len, &item), -EINVAL);
}

static void test_no_key_stays_behind(void **state)
{
	static const char zero[UAPI_LINE_MAX + 1];

	(void)state;
	good("set=1\nprivate_key=" KEY "\n", UAPI_PRIVATE_KEY);
	assert_memory_equal(parser.line, zero, sizeof(zero));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_requests, setup),
		cmocka_unit_test_setup(test_device_keys, setup),
		cmocka_unit_test_setup(test_peer_keys, setup),
		cmocka_unit_test_setup(test_malformed, setup),
		cmocka_unit_test_setup(test_misplaced, setup),
		cmocka_unit_test_setup(test_in_pieces, setup),
		cmocka_unit_test_setup(test_long_line, setup),
		cmocka_unit_test_setup(test_nul_byte, setup),
		cmocka_unit_test_setup(test_no_key_stays_behind, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
