#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "crypto/sign.h"
#include "proto/cert.h"
#include "tests/support/authority.h"

static struct authority authority;
static struct authority other;
static struct trust trust;
static struct trust stranger;  /* of another authority for the same network */
static struct trust elsewhere; /* the same authority, another network */

static int setup(void **state)
{
	(void)state;
	authority_init(&authority, 1);
	authority_init(&other, 2);
	trust_init(&trust, authority.network_id, authority.key);
	trust_init(&stranger, authority.network_id, other.key);
	trust_init(&elsewhere, other.network_id, authority.key);
	return 0;
}

static struct cert full(void)
{
	struct cert cert;

	authority_cert(&authority, &cert, 7);
	addr_parse(&cert.address6, "fd00::7");
	prefix_parse(&cert.routes[0], "192.168.1.0/24");
	prefix_parse(&cert.routes[1], "2001:db8::/32");
	cert.route_count = 2;
	cert.route_facts[0].weight = 200;
	addr_parse(&cert.route_facts[0].real, "10.1.7.0");
	cert.route_facts[1].weight = ROUTE_WEIGHT_DEFAULT;
	strcpy(cert.owner, "alice@example.com");
	return cert;
}

static void test_round_trip(void **state)
{
	struct cert cert = full();
	struct cert parsed;
	uint8_t data[CERT_ENCODED_MAX];
	size_t len;

	(void)state;
	assert_int_equal(cert_sign(data, &len, &cert, authority.secret), 0);
	assert_int_equal(cert_verify(&parsed, data, len, &trust), 0);
	assert_memory_equal(&parsed, &cert, sizeof(cert));
}

static void test_an_owner_has_one_spelling(void **state)
{
	static const char *const bad[] = {
		"",    "Alice@example.com", "a b", "a\n", "a:b", "a,b", "a\"b", "a\\b",
		"<a>", "\xc3\xa9@b",        "a;b"
	};
	struct cert cert = full();
	uint8_t data[CERT_ENCODED_MAX];
	char longest[CERT_OWNER_MAX + 2];
	size_t len;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(cert_owner_check(bad[i]), -EINVAL);
		strcpy(cert.owner, bad[i]);
		assert_int_equal(cert_sign(data, &len, &cert, authority.secret),
				 bad[i][0] ? -EINVAL : 0);
	}
	memset(longest, 'a', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	assert_int_equal(cert_owner_check(longest), -EINVAL);
	assert_int_equal(cert_owner_check(longest + 1), 0);
}

static void test_encoding_does_not_depend_on_order(void **state)
{
	struct cert cert = full();
	struct prefix swap = cert.routes[0];
	uint8_t a[CERT_ENCODED_MAX];
	uint8_t b[CERT_ENCODED_MAX];
	size_t a_len;
	size_t b_len;

	(void)state;
	assert_int_equal(cert_sign(a, &a_len, &cert, authority.secret), 0);
	cert.routes[0] = cert.routes[1];
	cert.routes[1] = swap;
	cert.route_facts[1] = cert.route_facts[0];
	cert.route_facts[0] = (struct route_facts){ .weight = 0 }; /* the default */
	assert_int_equal(cert_sign(b, &b_len, &cert, authority.secret), 0);
	assert_int_equal(a_len, b_len);
	assert_memory_equal(a, b, a_len);
}

static void test_every_changed_byte_is_refused(void **state)
{
	struct cert cert = full();
	struct cert parsed;
	uint8_t data[CERT_ENCODED_MAX];
	size_t len;

	(void)state;
	authority_sign(&authority, &cert, data, &len);
	for (size_t i = 0; i < len; i++) {
		data[i] ^= 0x01;
		assert_int_not_equal(cert_verify(&parsed, data, len, &trust), 0);
		data[i] ^= 0x01;
	}
	for (size_t i = 0; i < len; i++)
		assert_int_equal(cert_verify(&parsed, data, i, &trust), -EBADMSG);
}

static void test_strangers_are_refused(void **state)
{
	struct cert cert = full();
	struct cert parsed;
	uint8_t data[CERT_ENCODED_MAX];
	size_t len;

	(void)state;
	authority_sign(&authority, &cert, data, &len);
	assert_int_equal(cert_verify(&parsed, data, len, &stranger), -EPERM);
	assert_int_equal(cert_verify(&parsed, data, len, &elsewhere), -EXDEV);
}

static void test_time(void **state)
{
	struct cert cert = full();

	(void)state;
	assert_int_equal(cert_check_time(&cert, 999), -EAGAIN);
	assert_int_equal(cert_check_time(&cert, 1000), 0);
	assert_int_equal(cert_check_time(&cert, 2000), 0);
	assert_int_equal(cert_check_time(&cert, 2001), -EKEYEXPIRED);
}

static void test_struct_rules(void **state)
{
	uint8_t data[CERT_ENCODED_MAX];
	struct cert cert;
	size_t len;

	(void)state;
	cert = full();
	cert.not_after_s = cert.not_before_s - 1;
	assert_int_equal(cert_sign(data, &len, &cert, authority.secret), -EINVAL);
	cert = full();
	strcpy(cert.name, "Not A Label");
	assert_int_equal(cert_sign(data, &len, &cert, authority.secret), -EINVAL);
	cert = full();
	cert.route_count = CERT_ROUTES_MAX + 1;
	assert_int_equal(cert_sign(data, &len, &cert, authority.secret), -EINVAL);
	cert = full();
	strcpy(cert.tags[1], cert.tags[0]);
	cert.tag_count = 2;
	assert_int_equal(cert_sign(data, &len, &cert, authority.secret), -EINVAL);
	cert = full();
	memset(&cert.address4, 0, sizeof(cert.address4));
	memset(&cert.address6, 0, sizeof(cert.address6));
	assert_int_equal(cert_sign(data, &len, &cert, authority.secret), -EINVAL);
}

static void test_biggest_fits(void **state)
{
	struct cert cert = full();
	struct cert parsed;
	uint8_t data[CERT_ENCODED_MAX];
	size_t len;

	(void)state;
	for (unsigned int i = 0; i < CERT_LABELS_MAX; i++) {
		memset(cert.tags[i], 't', CERT_LABEL_MAX);
		memset(cert.groups[i], 'g', CERT_LABEL_MAX);
		cert.tags[i][0] = cert.groups[i][0] = (char)('a' + i);
	}
	cert.tag_count = cert.group_count = CERT_LABELS_MAX;
	for (unsigned int i = 0; i < CERT_ROUTES_MAX; i++) {
		char text[64];

		snprintf(text, sizeof(text), "2001:db8:%x::/48", i + 1);
		prefix_parse(&cert.routes[i], text);
		addr_parse(&cert.route_facts[i].real, text[13] == ':' ? "fd00:1::" : "fd00:2::");
		cert.route_facts[i].weight = (uint8_t)(i + 1);
	}
	memset(cert.owner, 'o', CERT_OWNER_MAX);
	cert.route_count = CERT_ROUTES_MAX;
	memset(cert.name, 'n', CERT_NAME_MAX);
	assert_int_equal(cert_sign(data, &len, &cert, authority.secret), 0);
	assert_int_equal(cert_verify(&parsed, data, len, &trust), 0);
}

/* Puts a field before the signature of a certificate and signs it again. */
static size_t insert_field(uint8_t *data, size_t len, uint16_t number)
{
	uint8_t *at = data + len - 68;

	store_be16(at, number);
	store_be16(at + 2, 1);
	at[4] = 'x';
	store_be16(at + 5, 0xffff);
	store_be16(at + 7, 64);
	sign_make(at + 9, authority.secret, "warren certificate 1", data, (size_t)(at + 5 - data));
	return len + 5;
}

static void test_unknown_fields(void **state)
{
	struct cert cert = full();
	struct cert parsed;
	uint8_t data[CERT_ENCODED_MAX];
	size_t len;

	(void)state;
	cert.owner[0] = '\0'; /* its number would come before, and that of the facts */
	memset(cert.route_facts, 0, sizeof(cert.route_facts));
	authority_sign(&authority, &cert, data, &len);
	len = insert_field(data, len, 0x8fff);
	assert_int_equal(cert_verify(&parsed, data, len, &trust), 0);
	authority_sign(&authority, &cert, data, &len);
	len = insert_field(data, len, 0x7000);
	assert_int_equal(cert_verify(&parsed, data, len, &trust), -EPROTONOSUPPORT);
	/* A field that was there already: the order must ascend. */
	authority_sign(&authority, &cert, data, &len);
	len = insert_field(data, len, 2);
	assert_int_equal(cert_verify(&parsed, data, len, &trust), -EBADMSG);
}

/* What says nothing is not said: certificates of before are as they were, byte by byte. */
static void test_route_facts(void **state)
{
	struct cert cert = full();
	struct cert parsed;
	uint8_t data[CERT_ENCODED_MAX];
	size_t without;
	size_t len;

	(void)state;
	authority_sign(&authority, &cert, data, &len);
	memset(cert.route_facts, 0, sizeof(cert.route_facts));
	authority_sign(&authority, &cert, data, &without);
	assert_int_equal(len, without + 4 + (2 + 4) + 2);
	assert_int_equal(cert_verify(&parsed, data, without, &trust), 0);
	assert_int_equal(parsed.route_facts[0].weight, ROUTE_WEIGHT_DEFAULT);
	assert_int_equal(parsed.route_facts[1].weight, ROUTE_WEIGHT_DEFAULT);
	assert_int_equal(parsed.route_facts[2].weight, 0);
	/* Another family, host bits, an exit, what can be no route. */
	addr_parse(&cert.route_facts[0].real, "2001:db8::");
	assert_int_equal(cert_sign(data, &len, &cert, authority.secret), -EINVAL);
	addr_parse(&cert.route_facts[0].real, "10.1.7.1");
	assert_int_equal(cert_sign(data, &len, &cert, authority.secret), -EINVAL);
	addr_parse(&cert.route_facts[0].real, "127.0.0.0");
	assert_int_equal(cert_sign(data, &len, &cert, authority.secret), -EINVAL);
	cert = full();
	prefix_parse(&cert.routes[0], "0.0.0.0/0");
	addr_parse(&cert.route_facts[0].real, "0.0.0.0");
	assert_int_equal(cert_sign(data, &len, &cert, authority.secret), -EINVAL);
}

/* Puts this in place of the facts of full(), and signs again. */
static int with_facts(const uint8_t *facts, size_t facts_len)
{
	struct cert cert = full();
	struct cert parsed;
	uint8_t data[CERT_ENCODED_MAX];
	size_t len;
	uint8_t *at;

	authority_sign(&authority, &cert, data, &len);
	at = data + len - 68 - 12;
	assert_int_equal(load_be16(at), 0x8001);
	store_be16(at + 2, (uint16_t)facts_len);
	memcpy(at + 4, facts, facts_len);
	at += 4 + facts_len;
	store_be16(at, 0xffff);
	store_be16(at + 2, 64);
	sign_make(at + 4, authority.secret, "warren certificate 1", data, (size_t)(at - data));
	return cert_verify(&parsed, data, (size_t)(at + 68 - data), &trust);
}

static void test_route_facts_have_one_spelling(void **state)
{
	static const uint8_t good[] = { 200, 4, 10, 1, 7, 0, 100, 0 };
	static const uint8_t none[] = { 100, 0, 100, 0 };
	static const uint8_t too_few[] = { 200, 4, 10, 1, 7, 0 };
	static const uint8_t too_many[] = { 200, 0, 100, 0, 100, 0 };
	static const uint8_t no_weight[] = { 0, 4, 10, 1, 7, 0, 100, 0 };
	static const uint8_t odd_address[] = { 200, 3, 10, 1, 7, 100, 0 };
	static const uint8_t host_bits[] = { 200, 4, 10, 1, 7, 9, 100, 0 };

	(void)state;
	assert_int_equal(with_facts(good, sizeof(good)), 0);
	assert_int_equal(with_facts(none, sizeof(none)), -EBADMSG);
	assert_int_equal(with_facts(too_few, sizeof(too_few)), -EBADMSG);
	assert_int_equal(with_facts(too_many, sizeof(too_many)), -EBADMSG);
	assert_int_equal(with_facts(no_weight, sizeof(no_weight)), -EBADMSG);
	assert_int_equal(with_facts(odd_address, sizeof(odd_address)), -EBADMSG);
	assert_int_equal(with_facts(host_bits, sizeof(host_bits)), -EBADMSG);
}

static void test_route_problems(void **state)
{
	static const struct {
		const char *prefix;
		bool good;
	} cases[] = {
		{ "10.20.0.0/16", true },     { "203.0.113.0/24", true },
		{ "0.0.0.0/0", true },        { "::/0", true },
		{ "2001:db8::/32", true },    { "192.168.1.7/32", true },
		{ "127.0.0.0/8", false },     { "127.0.0.1/32", false },
		{ "0.0.0.0/1", false },       { "169.254.7.0/24", false },
		{ "224.0.0.0/8", false },     { "128.0.0.0/1", false },
		{ "255.255.255.255", false }, { "::1/128", false },
		{ "fe80::/64", false },       { "ff02::/16", false },
		{ "8000::/1", false },        { "::/1", false },
		{ "240.0.0.0/4", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct prefix prefix;

		assert_int_equal(prefix_parse(&prefix, cases[i].prefix), 0);
		if ((route_problem(&prefix) == NULL) != cases[i].good)
			fail_msg("%s", cases[i].prefix);
	}
}

static void test_names(void **state)
{
	(void)state;
	assert_int_equal(cert_name_check("a"), 0);
	assert_int_equal(cert_name_check("web-01"), 0);
	assert_int_equal(cert_name_check(""), -EINVAL);
	assert_int_equal(cert_name_check("-a"), -EINVAL);
	assert_int_equal(cert_name_check("a-"), -EINVAL);
	assert_int_equal(cert_name_check("A"), -EINVAL);
	assert_int_equal(cert_name_check("a.b"), -EINVAL);
	assert_int_equal(cert_label_check("ops_eu.1"), 0);
	assert_int_equal(cert_label_check("a:b"), -EINVAL);
	assert_int_equal(cert_label_check(""), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_an_owner_has_one_spelling),
		cmocka_unit_test(test_encoding_does_not_depend_on_order),
		cmocka_unit_test(test_every_changed_byte_is_refused),
		cmocka_unit_test(test_strangers_are_refused),
		cmocka_unit_test(test_time),
		cmocka_unit_test(test_struct_rules),
		cmocka_unit_test(test_biggest_fits),
		cmocka_unit_test(test_unknown_fields),
		cmocka_unit_test(test_route_facts),
		cmocka_unit_test(test_route_facts_have_one_spelling),
		cmocka_unit_test(test_route_problems),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
