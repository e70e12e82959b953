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
	}
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
	cert.owner[0] = '\0'; /* its number would come before */
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
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
