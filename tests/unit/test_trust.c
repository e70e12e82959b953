#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "crypto/sign.h"
#include "proto/cert.h"
#include "proto/document.h"
#include "tests/support/authority.h"

#define SIGNERS 3

/* A network whose trust document names three signers, of whom two suffice. */
static struct authority authority;
static struct authority stranger;
static struct trust trust;
static uint8_t secrets[SIGNERS][64];

static int setup(void **state)
{
	struct document document = { .kind = DOCUMENT_TRUST, .version = 1, .threshold = 2 };

	(void)state;
	authority_init(&authority, 1);
	authority_init(&stranger, 9);
	trust_init(&trust, authority.network_id, authority.key);
	for (size_t i = 0; i < SIGNERS; i++) {
		uint8_t seed[32];

		memset(seed, (int)(20 + i), sizeof(seed));
		sign_key_from_seed(document.signers[i], secrets[i], seed);
	}
	document.signer_count = SIGNERS;
	memset(document.map_key, 'm', 32);
	document_trust(&document, &trust);
	return 0;
}

static const uint8_t *key(size_t signer)
{
	return secrets[signer] + 32;
}

static void add(uint8_t *set, size_t *len, const uint8_t secret[64], const char *domain,
		const void *body, size_t body_len)
{
	uint8_t signature[64];

	assert_int_equal(sign_make(signature, secret, domain, body, body_len), 0);
	assert_int_equal(trust_set_add(set, len, secret + 32, signature), 0);
}

/* A certificate signed by some of the signers. */
static size_t make_cert(uint8_t out[static CERT_ENCODED_MAX], const size_t *who, size_t count)
{
	uint8_t set[TRUST_SET_MAX];
	uint8_t body[CERT_ENCODED_MAX];
	size_t set_len = 0;
	struct cert cert;
	size_t body_len;
	size_t len;

	authority_cert(&authority, &cert, 7);
	assert_int_equal(cert_encode(body, &body_len, &cert), 0);
	for (size_t i = 0; i < count; i++)
		add(set, &set_len, secrets[who[i]], CERT_DOMAIN, body, body_len);
	assert_int_equal(cert_join(out, &len, body, body_len, set, set_len), 0);
	return len;
}

static void test_two_of_three_suffice(void **state)
{
	static const size_t pairs[][2] = { { 0, 1 }, { 1, 0 }, { 2, 0 }, { 1, 2 } };
	uint8_t data[CERT_ENCODED_MAX];
	struct cert cert;
	size_t len;

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		len = make_cert(data, pairs[i], 2);
		assert_int_equal(cert_verify(&cert, data, len, &trust), 0);
		assert_string_equal(cert.name, "node7");
	}
	len = make_cert(data, (const size_t[]){ 0, 1, 2 }, 3);
	assert_int_equal(cert_verify(&cert, data, len, &trust), 0);
}

static void test_one_does_not(void **state)
{
	uint8_t data[CERT_ENCODED_MAX];
	struct cert cert;
	size_t len;

	(void)state;
	for (size_t i = 0; i < SIGNERS; i++) {
		len = make_cert(data, &i, 1);
		assert_int_equal(cert_verify(&cert, data, len, &trust), -EPERM);
	}
	/* Nobody counts twice: the second signature takes the place of the first. */
	len = make_cert(data, (const size_t[]){ 1, 1 }, 2);
	assert_int_equal(cert_verify(&cert, data, len, &trust), -EPERM);
}

/* The same signer twice, written by hand, as trust_set_add would not. */
static void test_a_set_names_nobody_twice(void **state)
{
	uint8_t data[CERT_ENCODED_MAX];
	uint8_t set[TRUST_SET_MAX];
	uint8_t body[CERT_ENCODED_MAX];
	size_t set_len = 0;
	struct cert cert;
	size_t body_len;
	size_t len;

	(void)state;
	authority_cert(&authority, &cert, 7);
	assert_int_equal(cert_encode(body, &body_len, &cert), 0);
	add(set, &set_len, secrets[0], CERT_DOMAIN, body, body_len);
	memcpy(set + TRUST_ENTRY_SIZE, set, TRUST_ENTRY_SIZE);
	assert_int_equal(cert_join(data, &len, body, body_len, set, 2 * TRUST_ENTRY_SIZE), -EINVAL);
	assert_int_equal(trust_check(&trust, CERT_DOMAIN, body, body_len, set,
				     2 * TRUST_ENTRY_SIZE),
			 -EPERM);
}

static void test_order_is_one(void **state)
{
	uint8_t swapped[2 * TRUST_ENTRY_SIZE];
	uint8_t set[TRUST_SET_MAX];
	size_t len = 0;

	(void)state;
	add(set, &len, secrets[0], "x", NULL, 0);
	add(set, &len, secrets[1], "x", NULL, 0);
	assert_int_equal(trust_check(&trust, "x", NULL, 0, set, len), 0);
	memcpy(swapped, set + TRUST_ENTRY_SIZE, TRUST_ENTRY_SIZE);
	memcpy(swapped + TRUST_ENTRY_SIZE, set, TRUST_ENTRY_SIZE);
	assert_int_equal(trust_check(&trust, "x", NULL, 0, swapped, len), -EPERM);
	assert_int_equal(trust_check(&trust, "y", NULL, 0, set, len), -EPERM);
}

static void test_every_bit_of_a_certificate(void **state)
{
	uint8_t data[CERT_ENCODED_MAX];
	struct cert cert;
	size_t len = make_cert(data, (const size_t[]){ 0, 1, 2 }, 3);

	(void)state;
	for (size_t bit = 0; bit < len * 8; bit++) {
		data[bit / 8] ^= (uint8_t)(1 << (bit % 8));
		assert_int_not_equal(cert_verify(&cert, data, len, &trust), 0);
		data[bit / 8] ^= (uint8_t)(1 << (bit % 8));
	}
	assert_int_equal(cert_verify(&cert, data, len, &trust), 0);
}

static void test_strangers_and_the_authority(void **state)
{
	uint8_t body[8] = "message";
	uint8_t set[TRUST_SET_MAX];
	size_t len = 0;

	(void)state;
	add(set, &len, secrets[0], "x", body, sizeof(body));
	add(set, &len, stranger.secret, "x", body, sizeof(body));
	assert_int_equal(trust_check(&trust, "x", body, sizeof(body), set, len), -EPERM);
	assert_int_equal(trust_set_trim(&trust, "x", body, sizeof(body), set, &len), 1);
	assert_int_equal(len, TRUST_ENTRY_SIZE);
	add(set, &len, secrets[2], "x", body, sizeof(body));
	assert_int_equal(trust_check(&trust, "x", body, sizeof(body), set, len), 0);
	/* The authority's own counts for all. */
	len = 0;
	add(set, &len, authority.secret, "x", body, sizeof(body));
	assert_int_equal(trust_check(&trust, "x", body, sizeof(body), set, len), 0);
	len = 0;
	add(set, &len, stranger.secret, "x", body, sizeof(body));
	assert_int_equal(trust_check(&trust, "x", body, sizeof(body), set, len), -EPERM);
	assert_int_equal(trust_check(&trust, "x", body, sizeof(body), set, 0), -EPERM);
}

/* S + L in place of S verifies in lax implementations (RFC 8032, 5.1.7). */
static void test_signatures_are_not_malleable(void **state)
{
	static const uint8_t order[32] = { 0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58,
					   0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
					   0,    0,    0,    0,    0,    0,    0,    0,
					   0,    0,    0,    0,    0,    0,    0,    0x10 };
	uint8_t set[TRUST_SET_MAX];
	unsigned int carry = 0;
	size_t len = 0;

	(void)state;
	add(set, &len, authority.secret, "x", "y", 1);
	assert_int_equal(trust_check(&trust, "x", "y", 1, set, len), 0);
	for (size_t i = 0; i < 32; i++) {
		carry += set[64 + i] + order[i];
		set[64 + i] = (uint8_t)carry;
		carry >>= 8;
	}
	assert_int_equal(trust_check(&trust, "x", "y", 1, set, len), -EPERM);
}

static void test_other_signers(void **state)
{
	uint8_t data[CERT_ENCODED_MAX];
	struct trust later = trust;
	struct cert cert;
	size_t len = make_cert(data, (const size_t[]){ 0, 1 }, 2);

	(void)state;
	/* Who is a signer no more does not count, and the rest are too few. */
	later.version = 2;
	for (size_t i = 0; i < later.signer_count; i++)
		if (memcmp(later.signers[i], key(1), 32) == 0)
			memmove(later.signers[i], later.signers[i + 1], 32 * (SIGNERS - i - 1));
	later.signer_count--;
	assert_int_equal(cert_verify(&cert, data, len, &later), -EPERM);
	/* In simple mode no signer counts at all. */
	trust_init(&later, authority.network_id, authority.key);
	assert_int_equal(cert_verify(&cert, data, len, &later), -EPERM);
}

static void test_the_map_key_signs_maps_only(void **state)
{
	struct trust t = trust;
	uint8_t seed[32] = { 77 };
	uint8_t secret[64];
	uint8_t signature[64];

	(void)state;
	sign_key_from_seed(t.map_key, secret, seed);
	assert_int_equal(sign_make(signature, secret, "x", "y", 1), 0);
	assert_true(trust_check_map(&t, "x", "y", 1, signature));
	assert_int_equal(trust_check(&t, "x", "y", 1, signature, sizeof(signature)), -EPERM);
	t.version = 0;
	assert_false(trust_check_map(&t, "x", "y", 1, signature));
}

/* --- documents --- */

static struct document make(enum document_kind kind, uint64_t version)
{
	struct document d = { .kind = kind, .version = version, .made_s = 1000 };

	memcpy(d.network_id, authority.network_id, sizeof(d.network_id));
	switch (kind) {
	case DOCUMENT_TRUST:
		d.threshold = 1;
		d.signer_count = 2;
		memcpy(d.signers[0], key(0), 32);
		memcpy(d.signers[1], key(1), 32);
		memset(d.map_key, 'k', 32);
		break;
	case DOCUMENT_POLICY:
		d.policy = strdup("{\"rules\":[]}");
		d.policy_len = strlen(d.policy);
		break;
	case DOCUMENT_NAMES:
		d.names = strdup("{\"records\":[],\"split\":[]}");
		d.names_len = strlen(d.names);
		break;
	case DOCUMENT_RELAYS:
		d.relays = calloc(2, sizeof(*d.relays));
		d.relay_count = 1;
		strcpy(d.relays[0].name, "fra");
		strcpy(d.relays[0].hosts[0], "192.0.2.1");
		d.relays[0].host_count = 1;
		d.relays[0].udp_port = 3478;
		break;
	default:
		d.devices = calloc(2, 32);
		d.device_count = 2;
		memset(d.devices[0], 9, 32); /* not in order: encode sorts */
		memset(d.devices[1], 3, 32);
		d.serials = calloc(1, sizeof(*d.serials));
		d.serials[0] = 77;
		d.serial_count = 1;
		break;
	}
	return d;
}

static void sign_document(const struct document *d, uint8_t **data, size_t *len)
{
	const char *domain = document_domain(d->kind);
	uint8_t set[TRUST_SET_MAX];
	size_t set_len = 0;
	size_t body_len;
	uint8_t *body;

	assert_int_equal(document_encode(d, &body, &body_len), 0);
	if (d->kind == DOCUMENT_TRUST) {
		add(set, &set_len, authority.secret, domain, body, body_len);
	} else {
		add(set, &set_len, secrets[0], domain, body, body_len);
		add(set, &set_len, secrets[2], domain, body, body_len);
	}
	assert_int_equal(document_join(body, body_len, set, set_len, data, len), 0);
	free(body);
}

static void test_documents_come_through(void **state)
{
	(void)state;
	for (int kind = DOCUMENT_TRUST; kind < DOCUMENT_KIND_END; kind++) {
		struct document d = make((enum document_kind)kind, 5);
		struct cert cert = { .serial = 77 };
		struct document parsed;
		uint8_t *data;
		size_t len;

		sign_document(&d, &data, &len);
		assert_int_equal(document_verify(&parsed, data, len, &trust), 0);
		assert_int_equal(parsed.kind, kind);
		assert_int_equal(parsed.version, 5);
		assert_int_equal(parsed.signer_count, d.signer_count);
		if (kind == DOCUMENT_POLICY)
			assert_string_equal(parsed.policy, d.policy);
		if (kind == DOCUMENT_NAMES)
			assert_string_equal(parsed.names, d.names);
		if (kind == DOCUMENT_RELAYS)
			assert_string_equal(parsed.relays[0].hosts[0], "192.0.2.1");
		assert_int_equal(document_revokes(&parsed, &cert), kind == DOCUMENT_REVOCATIONS);
		cert.serial = 78;
		assert_false(document_revokes(&parsed, &cert));
		memset(cert.device_key, 9, 32);
		assert_int_equal(document_revokes(&parsed, &cert), kind == DOCUMENT_REVOCATIONS);
		document_clear(&parsed);
		document_clear(&d);
		free(data);
	}
}

static void test_every_bit_of_documents(void **state)
{
	(void)state;
	for (int kind = DOCUMENT_TRUST; kind < DOCUMENT_KIND_END; kind++) {
		struct document d = make((enum document_kind)kind, 5);
		struct document parsed;
		uint8_t *data;
		size_t len;

		sign_document(&d, &data, &len);
		for (size_t bit = 0; bit < len * 8; bit++) {
			data[bit / 8] ^= (uint8_t)(1 << (bit % 8));
			assert_int_not_equal(document_verify(&parsed, data, len, &trust), 0);
			data[bit / 8] ^= (uint8_t)(1 << (bit % 8));
		}
		for (size_t cut = 0; cut < len; cut++)
			assert_int_not_equal(document_verify(&parsed, data, cut, &trust), 0);
		document_clear(&d);
		free(data);
	}
}

static void test_signers_do_not_name_signers(void **state)
{
	struct document d = make(DOCUMENT_TRUST, 5);
	struct document parsed;
	uint8_t set[TRUST_SET_MAX];
	size_t set_len = 0;
	size_t body_len;
	uint8_t *body;
	uint8_t *data;
	size_t len;

	(void)state;
	assert_int_equal(document_encode(&d, &body, &body_len), 0);
	add(set, &set_len, secrets[0], document_domain(d.kind), body, body_len);
	add(set, &set_len, secrets[1], document_domain(d.kind), body, body_len);
	assert_int_equal(document_join(body, body_len, set, set_len, &data, &len), 0);
	assert_int_equal(document_verify(&parsed, data, len, &trust), -EPERM);
	free(body);
	free(data);
}

static void test_another_network(void **state)
{
	struct document d = make(DOCUMENT_POLICY, 5);
	struct document parsed;
	struct trust elsewhere = trust;
	uint8_t *data;
	size_t len;

	(void)state;
	sign_document(&d, &data, &len);
	elsewhere.network_id[3] ^= 1;
	assert_int_equal(document_verify(&parsed, data, len, &elsewhere), -EXDEV);
	document_clear(&d);
	free(data);
}

static void test_rules_of_documents(void **state)
{
	struct document d = make(DOCUMENT_TRUST, 5);
	uint8_t *body;
	size_t len;

	(void)state;
	d.threshold = 3;
	assert_int_equal(document_encode(&d, &body, &len), -EINVAL);
	d.threshold = 0;
	assert_int_equal(document_encode(&d, &body, &len), -EINVAL);
	d.threshold = 2;
	memcpy(d.signers[1], d.signers[0], 32);
	assert_int_equal(document_encode(&d, &body, &len), -EINVAL);
	d.signer_count = TRUST_SIGNERS_MAX + 1;
	assert_int_equal(document_encode(&d, &body, &len), -EINVAL);
	d = make(DOCUMENT_TRUST, 0);
	assert_int_equal(document_encode(&d, &body, &len), -EINVAL);
}

/* The hash tells what a document says, whoever signed it. */
static void test_hash(void **state)
{
	struct document d = make(DOCUMENT_POLICY, 5);
	struct document a;
	struct document b;
	uint8_t *body;
	size_t len;

	(void)state;
	assert_int_equal(document_encode(&d, &body, &len), 0);
	assert_int_equal(document_parse_body(&a, body, len), 0);
	free(body);
	d.policy[2] = 'R';
	assert_int_equal(document_encode(&d, &body, &len), 0);
	assert_int_equal(document_parse_body(&b, body, len), 0);
	free(body);
	assert_memory_not_equal(a.hash, b.hash, sizeof(a.hash));
	document_clear(&a);
	document_clear(&b);
	document_clear(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_two_of_three_suffice),
		cmocka_unit_test(test_one_does_not),
		cmocka_unit_test(test_a_set_names_nobody_twice),
		cmocka_unit_test(test_order_is_one),
		cmocka_unit_test(test_every_bit_of_a_certificate),
		cmocka_unit_test(test_strangers_and_the_authority),
		cmocka_unit_test(test_signatures_are_not_malleable),
		cmocka_unit_test(test_other_signers),
		cmocka_unit_test(test_the_map_key_signs_maps_only),
		cmocka_unit_test(test_documents_come_through),
		cmocka_unit_test(test_every_bit_of_documents),
		cmocka_unit_test(test_signers_do_not_name_signers),
		cmocka_unit_test(test_another_network),
		cmocka_unit_test(test_rules_of_documents),
		cmocka_unit_test(test_hash),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
