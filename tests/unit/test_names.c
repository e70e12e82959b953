/* The names of a network: its zone, the answers made of it, and what is for others. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "crypto/sign.h"
#include "proto/names.h"
#include "proto/names_translate.h"

#define TYPE_HTTPS 65

static uint8_t secret[64];
static uint8_t public[32];

static struct cert make_cert(const char *name, const char *address4, const char *address6)
{
	struct cert cert = { .serial = 1, .not_after_s = 1000 };

	snprintf(cert.name, sizeof(cert.name), "%s", name);
	for (size_t i = 0; i < 32; i++)
		cert.device_key[i] = (uint8_t)(name[i % strlen(name)] + (int)i);
	memcpy(cert.box_key, cert.device_key, 32);
	memcpy(cert.wireguard_key, cert.device_key, 32);
	if (address4)
		addr_parse(&cert.address4, address4);
	if (address6)
		addr_parse(&cert.address6, address6);
	return cert;
}

static void add_peer(struct netmap *map, const char *name, const char *address4,
		     const char *address6)
{
	struct cert cert = make_cert(name, address4, address6);
	uint8_t bytes[CERT_ENCODED_MAX];
	struct netmap_peer *peer;
	size_t len;

	assert_int_equal(cert_sign(bytes, &len, &cert, secret), 0);
	assert_int_equal(netmap_peer_new(&peer, bytes, len, NULL, 0, true), 0);
	assert_int_equal(netmap_add_peer(map, peer), 0);
}

/* A zone of this node, two peers, and a document. */
static struct names_zone *make_zone(const char *text)
{
	struct cert own = make_cert("desk", "100.64.0.1", "fd00:1::1");
	struct names_document document = { .record_count = 0 };
	struct netmap *map = netmap_new();
	char error[NAMES_ERROR_SIZE] = "";
	struct names_zone *zone = NULL;

	add_peer(map, "laptop", "100.64.0.2", "fd00:1::2");
	add_peer(map, "four", "10.9.0.3", NULL);
	if (names_document_parse(&document, text, strlen(text), "office", error) < 0)
		fail_msg("%s", error);
	assert_int_equal(names_zone_new(&zone, &(struct names_source){ "office", &own, map,
								       &document, 7 }),
			 0);
	names_document_clear(&document);
	netmap_free(map);
	return zone;
}

/* A query by hand. */
struct query {
	uint8_t data[512];
	size_t len;
};

static struct query ask(const char *name, uint16_t type)
{
	struct query q = { .len = 0 };
	struct writer w;

	writer_init(&w, q.data, sizeof(q.data));
	writer_u16(&w, 0x1234);
	writer_u16(&w, 0x0100);
	writer_u16(&w, 1);
	writer_u16(&w, 0);
	writer_u32(&w, 0);
	while (*name) {
		size_t len = strcspn(name, ".");

		writer_u8(&w, (uint8_t)len);
		writer_bytes(&w, name, len);
		name += len + (name[len] == '.');
	}
	writer_u8(&w, 0);
	writer_u16(&w, type);
	writer_u16(&w, 1);
	q.len = w.len;
	return q;
}

static struct query ask_edns(const char *name, uint16_t type, uint16_t size, uint32_t flags)
{
	struct query q = ask(name, type);
	struct writer w;

	writer_init(&w, q.data + q.len, sizeof(q.data) - q.len);
	writer_u8(&w, 0);
	writer_u16(&w, 41);
	writer_u16(&w, size);
	writer_u32(&w, flags);
	writer_u16(&w, 0);
	q.len += w.len;
	q.data[11]++;
	return q;
}

struct answer {
	struct names_outcome outcome;
	uint8_t data[NAMES_MESSAGE_MAX];
};

static struct answer answer;

static const uint8_t *answer_to(const struct names_zone *zone, const struct query *q)
{
	answer.outcome =
		names_answer(zone, q->data, q->len, answer.data, sizeof(answer.data), true);
	return answer.data;
}

static int rcode(void)
{
	assert_int_equal(answer.outcome.action, NAMES_ANSWER);
	return answer.data[3] & 15;
}

/* Looks for bytes in the answer. */
static bool has(const void *bytes, size_t len)
{
	return memmem(answer.data, answer.outcome.len, bytes, len) != NULL;
}

static unsigned int count_of(int section)
{
	return load_be16(answer.data + 4 + 2 * section);
}

static void test_nodes(void **state)
{
	struct names_zone *zone = make_zone("");
	struct query q = ask("LapTop.office.INTERNAL", NAMES_A);

	(void)state;
	answer_to(zone, &q);
	assert_int_equal(rcode(), 0);
	assert_int_equal(load_be16(answer.data), 0x1234);
	assert_int_equal(load_be16(answer.data + 2), 0x8580); /* QR AA RD RA */
	assert_int_equal(count_of(1), 1);
	/* The client's letters, and the record points at them. */
	assert_memory_equal(answer.data + 12, q.data + 12, q.len - 12);
	assert_true(has("\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\x64\x40\0\2", 16));
	assert_int_equal(answer.outcome.len, q.len + 16);

	q = ask("laptop.office.internal", NAMES_AAAA);
	answer_to(zone, &q);
	assert_true(has("\0\x10\xfd\0\0\1\0\0\0\0\0\0\0\0\0\0\0\2", 18));
	q = ask("2.0.64.100.in-addr.arpa", NAMES_PTR);
	answer_to(zone, &q);
	assert_int_equal(count_of(1), 1);
	assert_true(has("\6laptop\6office\10internal", 24));
	q = ask("2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.0.0.0.0.d.f.ip6.arpa",
		NAMES_PTR);
	answer_to(zone, &q);
	assert_int_equal(count_of(1), 1);
	assert_true(has("\6laptop\6office\10internal", 24));
	/* Our own name too, and the short one. */
	q = ask("desk.office.internal", NAMES_A);
	answer_to(zone, &q);
	assert_true(has("\x64\x40\0\1", 4));
	q = ask("laptop", NAMES_A);
	answer_to(zone, &q);
	assert_true(has("\x64\x40\0\2", 4));
	names_zone_free(zone);
}

static void test_absent(void **state)
{
	struct names_zone *zone = make_zone("");
	struct query q = ask("nobody.office.internal", NAMES_A);

	(void)state;
	answer_to(zone, &q);
	assert_int_equal(rcode(), 3);
	assert_int_equal(count_of(1), 0);
	assert_int_equal(count_of(2), 1); /* the SOA, for so long (RFC 2308 3) */
	assert_true(has("\0\6\0\1\0\0\0\5", 8));
	/* There, but not of that type. */
	q = ask("four.office.internal", NAMES_AAAA);
	answer_to(zone, &q);
	assert_int_equal(rcode(), 0);
	assert_int_equal(count_of(1), 0);
	assert_int_equal(count_of(2), 1);
	q = ask("laptop.office.internal", TYPE_HTTPS);
	answer_to(zone, &q);
	assert_int_equal(rcode(), 0);
	assert_int_equal(count_of(2), 1);
	/* Reverse, in the pool: NXDOMAIN; between labels: nothing, but there (RFC 8020). */
	q = ask("9.9.100.100.in-addr.arpa", NAMES_PTR);
	answer_to(zone, &q);
	assert_int_equal(rcode(), 3);
	q = ask("0.64.100.in-addr.arpa", NAMES_PTR);
	answer_to(zone, &q);
	assert_int_equal(rcode(), 0);
	assert_int_equal(count_of(1), 0);
	/* Not ours. */
	q = ask("1.1.168.192.in-addr.arpa", NAMES_PTR);
	answer_to(zone, &q);
	assert_int_equal(answer.outcome.action, NAMES_FORWARD);
	assert_null(answer.outcome.split);
	q = ask_edns("www.example.com", NAMES_A, 4096, 0x8000);
	answer_to(zone, &q);
	assert_int_equal(answer.outcome.action, NAMES_FORWARD);
	assert_int_equal(answer.outcome.len, q.len);
	names_zone_free(zone);
}

static int setup(void **state)
{
	(void)state;
	sign_key_from_seed(public, secret, (const uint8_t[32]){ 7 });
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nodes),
		cmocka_unit_test(test_absent),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
