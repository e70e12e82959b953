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
								       &document, 7, NULL }),
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
	q = ask("laptop", TYPE_HTTPS);
	answer_to(zone, &q);
	assert_int_equal(rcode(), 0); /* no data, and nobody outside hears of it */
	q = ask("laptop", NAMES_NS);
	answer_to(zone, &q);
	assert_int_equal(answer.outcome.action, NAMES_FORWARD);
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

#define RECORDS                                                                     \
	"{\"records\":[{\"name\":\"wiki\",\"type\":\"A\",\"value\":\"10.20.0.5\"}," \
	"{\"name\":\"*.apps\",\"type\":\"A\",\"value\":\"10.20.0.6\"},"             \
	"{\"name\":\"db.apps\",\"type\":\"TXT\",\"value\":\"here\"},"               \
	"{\"name\":\"a.b.c\",\"type\":\"A\",\"value\":\"192.0.2.1\"},"              \
	"{\"name\":\"alias\",\"type\":\"CNAME\",\"value\":\"alias2\"},"             \
	"{\"name\":\"alias2\",\"type\":\"CNAME\",\"value\":\"laptop\"},"            \
	"{\"name\":\"out\",\"type\":\"CNAME\",\"value\":\"www.corp.example.\"},"    \
	"{\"name\":\"laptop\",\"type\":\"A\",\"value\":\"192.0.2.66\"},"            \
	"{\"name\":\"_sip._tcp\",\"type\":\"SRV\",\"value\":\"1 2 5060 wiki\"}],"   \
	"\"split\":[{\"domain\":\"corp.example\",\"servers\":[\"10.20.0.53\"]},"    \
	"{\"domain\":\"deep.corp.example\",\"servers\":[\"10.30.0.53:5353\"]},"     \
	"{\"domain\":\"20.10.in-addr.arpa\",\"servers\":[\"10.20.0.53\"]}]}"

static void expect(const struct names_zone *zone, const char *name, uint16_t type, int wanted_rcode,
		   unsigned int records)
{
	struct query q = ask(name, type);

	answer_to(zone, &q);
	assert_int_equal(rcode(), wanted_rcode);
	assert_int_equal(count_of(1), records);
	assert_int_equal(count_of(2), records ? 0 : 1);
}

static void test_records(void **state)
{
	struct names_zone *zone = make_zone(RECORDS);

	(void)state;
	expect(zone, "wiki.office.internal", NAMES_A, 0, 1);
	assert_true(has("\x0a\x14\0\5", 4));
	expect(zone, "WIKI.office.internal", NAMES_TXT, 0, 0);
	expect(zone, "_sip._tcp.office.internal", NAMES_SRV, 0, 1);
	assert_true(has("\0\1\0\2\x13\xc4\4wiki", 11));
	/* Wildcards (RFC 4592): any depth, not what is there, not below it. */
	expect(zone, "shop.apps.office.internal", NAMES_A, 0, 1);
	assert_true(has("\x0a\x14\0\6", 4));
	expect(zone, "a.shop.apps.office.internal", NAMES_A, 0, 1);
	expect(zone, "shop.apps.office.internal", NAMES_AAAA, 0, 0);
	expect(zone, "db.apps.office.internal", NAMES_A, 0, 0);
	expect(zone, "x.db.apps.office.internal", NAMES_A, 3, 0);
	expect(zone, "apps.office.internal", NAMES_A, 0, 0); /* empty, but there */
	expect(zone, "b.c.office.internal", NAMES_A, 0, 0);
	expect(zone, "x.c.office.internal", NAMES_A, 3, 0);
	/* A node comes before a record under its name. */
	expect(zone, "laptop.office.internal", NAMES_A, 0, 1);
	assert_true(has("\x64\x40\0\2", 4));
	/* What an address of a record is called; the site's own server knows better. */
	expect(zone, "office.internal", NAMES_SOA, 0, 1);
	expect(zone, "office.internal", NAMES_NS, 0, 1);
	expect(zone, "office.internal", NAMES_A, 0, 0);
	names_zone_free(zone);
}

static void test_aliases(void **state)
{
	struct names_zone *zone = make_zone(RECORDS);
	struct query q = ask("Alias.office.internal", NAMES_A);
	uint8_t reply[512];
	uint8_t out[512];
	struct writer w;
	size_t len;

	(void)state;
	answer_to(zone, &q);
	assert_int_equal(rcode(), 0);
	assert_int_equal(count_of(1), 3);
	assert_true(has("\x64\x40\0\2", 4));
	expect(zone, "alias.office.internal", NAMES_CNAME, 0, 1);
	/* Out of the network: the rest is asked for where it belongs. */
	q = ask("out.office.internal", NAMES_A);
	answer_to(zone, &q);
	assert_int_equal(answer.outcome.action, NAMES_FORWARD);
	assert_string_equal(answer.outcome.split->domain, "corp.example");
	assert_int_equal(answer.outcome.len, ask("www.corp.example", NAMES_A).len);
	/* Its answer comes behind the CNAME. */
	memcpy(reply, answer.data, answer.outcome.len);
	writer_init(&w, reply + answer.outcome.len, sizeof(reply) - answer.outcome.len);
	writer_bytes(&w, "\xc0\x0c\0\1\0\1\0\0\0\x0a\0\4\x0a\x14\0\7", 16);
	reply[2] = 0x81;
	reply[3] = 0x80;
	reply[7] = 1;
	assert_int_equal(names_finish(zone, q.data, q.len, reply, answer.outcome.len + 16, out,
				      sizeof(out), true, &len),
			 0);
	assert_int_equal(load_be16(out), 0x1234);
	assert_memory_equal(out + 12, q.data + 12, q.len - 12);
	assert_int_equal(load_be16(out + 6), 2);
	assert_non_null(memmem(out, len, "\x0a\x14\0\7", 4));
	/* One that answers something else does not count. */
	reply[13] = 'x';
	assert_int_equal(names_finish(zone, q.data, q.len, reply, answer.outcome.len + 16, out,
				      sizeof(out), true, &len),
			 -EBADMSG);
	names_zone_free(zone);
}

static void test_split(void **state)
{
	struct names_zone *zone = make_zone(RECORDS);
	struct query q = ask("Host.Corp.Example", NAMES_A);
	static const struct {
		const char *name;
		const char *domain; /* NULL: upstream */
	} cases[] = {
		{ "corp.example", "corp.example" },
		{ "x.deep.corp.example", "deep.corp.example" },
		{ "xcorp.example", NULL },
		{ "example", NULL },
		{ "7.0.20.10.in-addr.arpa", "20.10.in-addr.arpa" },
		{ "internal", NULL },
		{ "officeinternal", NULL },
	};

	(void)state;
	answer_to(zone, &q);
	assert_int_equal(answer.outcome.action, NAMES_FORWARD);
	assert_string_equal(answer.outcome.split->domain, "corp.example");
	assert_int_equal(answer.outcome.split->servers[0].port, 53);
	/* Case kept, id for the caller. */
	assert_memory_equal(answer.data + 12, q.data + 12, q.len - 12);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		q = ask(cases[i].name, NAMES_PTR);
		answer_to(zone, &q);
		assert_int_equal(answer.outcome.action, NAMES_FORWARD);
		if (cases[i].domain)
			assert_string_equal(answer.outcome.split->domain, cases[i].domain);
		else
			assert_null(answer.outcome.split);
	}
	assert_string_equal(names_zone_domain(zone, 0), "office.internal");
	assert_string_equal(names_zone_domain(zone, 1), "20.10.in-addr.arpa");
	names_zone_free(zone);
}

static void test_edns(void **state)
{
	struct names_zone *zone = make_zone(RECORDS);
	struct query q = ask_edns("laptop.office.internal", NAMES_A, 4096, 0x8000);

	(void)state;
	answer_to(zone, &q);
	assert_int_equal(rcode(), 0);
	assert_int_equal(count_of(3), 1);
	/* Ours says what we take, repeats DO, and has no options. */
	assert_memory_equal(answer.data + answer.outcome.len - 11, "\0\0\x29\4\xd0\0\0\x80\0\0\0",
			    11);
	q = ask_edns("laptop.office.internal", NAMES_A, 4096, 0x00010000);
	answer_to(zone, &q);
	assert_int_equal(rcode(), 0); /* BADVERS is 16: its upper part is in the record */
	assert_int_equal(answer.data[answer.outcome.len - 6], 1);
	assert_int_equal(count_of(1), 0);
	/* Two of them. */
	q = ask_edns("laptop.office.internal", NAMES_A, 4096, 0);
	memcpy(q.data + q.len, q.data + q.len - 11, 11);
	q.len += 11;
	q.data[11] = 2;
	answer_to(zone, &q);
	assert_int_equal(rcode(), 1);
	/* None asked for, none given. */
	q = ask("laptop.office.internal", NAMES_A);
	answer_to(zone, &q);
	assert_int_equal(count_of(3), 0);
	names_zone_free(zone);
}

/* A name with more than a datagram's worth of addresses. */
static void test_truncation(void **state)
{
	struct query q = ask("many.office.internal", NAMES_A);
	char text[8192] = "{\"records\":[";
	struct names_zone *zone;
	size_t len = strlen(text);

	(void)state;
	for (int i = 0; i < 60; i++)
		len += (size_t)
			snprintf(text + len, sizeof(text) - len,
				 "%s{\"name\":\"many\",\"type\":\"A\",\"value\":\"192.0.2.%d\"}",
				 i ? "," : "", i + 1);
	snprintf(text + len, sizeof(text) - len, "]}");
	zone = make_zone(text);
	answer_to(zone, &q);
	assert_int_equal(rcode(), 0);
	assert_true(answer.data[2] & 2);
	assert_int_equal(count_of(1), 0);
	assert_int_equal(answer.outcome.len, q.len);
	/* A larger one, as the client says; over TCP always. */
	q = ask_edns("many.office.internal", NAMES_A, 1100, 0);
	answer_to(zone, &q);
	assert_int_equal(count_of(1), 60);
	assert_false(answer.data[2] & 2);
	q = ask("many.office.internal", NAMES_A);
	answer.outcome = names_answer(zone, q.data, q.len, answer.data, sizeof(answer.data), false);
	assert_int_equal(count_of(1), 60);
	/* ANY is small all the same (RFC 8482). */
	q = ask("many.office.internal", NAMES_ANY);
	answer_to(zone, &q);
	assert_int_equal(rcode(), 0);
	assert_int_equal(count_of(1), 1);
	assert_true(has("\7RFC8482", 8));
	names_zone_free(zone);
}

/* Packets made to confuse: what is no question is not answered, the rest refused. */
static void test_hostile(void **state)
{
	struct names_zone *zone = make_zone(RECORDS);
	struct query good = ask("laptop.office.internal", NAMES_A);
	struct query q = good;

	(void)state;
	for (size_t len = 0; len < NAMES_HEADER_SIZE; len++) {
		q.len = len;
		answer_to(zone, &q);
		assert_int_equal(answer.outcome.action, NAMES_DROP);
	}
	for (size_t len = NAMES_HEADER_SIZE; len < good.len; len++) {
		q.len = len;
		answer_to(zone, &q);
		assert_int_equal(rcode(), 1);
	}
	q = good;
	q.data[2] |= 0x80; /* an answer */
	answer_to(zone, &q);
	assert_int_equal(answer.outcome.action, NAMES_DROP);
	for (uint8_t opcode = 1; opcode < 16; opcode++) {
		q = good;
		q.data[2] = (uint8_t)(opcode << 3);
		answer_to(zone, &q);
		assert_int_equal(rcode(), 4);
	}
	q = good;
	q.data[good.len - 1] = 3; /* CHAOS */
	answer_to(zone, &q);
	assert_int_equal(rcode(), 5);
	q = ask("office.internal", 252); /* AXFR */
	answer_to(zone, &q);
	assert_int_equal(rcode(), 5);
	q = ask("office.internal", 253);
	answer_to(zone, &q);
	assert_int_equal(rcode(), 4);
	/* Two questions, none, answers in a question, bytes behind it. */
	for (int at = 5; at <= 9; at += 2) {
		q = good;
		q.data[at] = (uint8_t)(q.data[at] + 1);
		answer_to(zone, &q);
		assert_int_equal(rcode(), 1);
	}
	q = good;
	q.data[5] = 0;
	answer_to(zone, &q);
	assert_int_equal(rcode(), 1);
	q = good;
	q.len++;
	answer_to(zone, &q);
	assert_int_equal(rcode(), 1);
	/* Compression in a question: at itself, forward, and of the kinds that are not there. */
	for (unsigned int first = 0x40; first < 0x100; first += 0x40) {
		q = good;
		q.data[12] = (uint8_t)first;
		q.data[13] = 12;
		answer_to(zone, &q);
		assert_int_equal(rcode(), 1);
	}
	/* A record whose name is a circle. */
	q = ask_edns("laptop.office.internal", NAMES_A, 512, 0);
	memmove(q.data + q.len - 9, q.data + q.len - 10, 10);
	q.data[q.len - 11] = 0xc0;
	q.data[q.len - 10] = (uint8_t)(q.len - 11);
	q.len++;
	answer_to(zone, &q);
	assert_int_equal(rcode(), 1);
	names_zone_free(zone);
}

/* 255 bytes are a name, 256 none. */
static void test_longest(void **state)
{
	struct names_zone *zone = make_zone("");
	char text[300] = "";
	struct query q;

	(void)state;
	for (int i = 0; i < 63; i++)
		strcat(text, "abc.");
	q = ask(text, NAMES_A); /* 63 * 4 + 1 = 253 bytes */
	answer_to(zone, &q);
	assert_int_equal(answer.outcome.action, NAMES_FORWARD);
	q = ask(strcat(text, "a"), NAMES_A);
	answer_to(zone, &q);
	assert_int_equal(answer.outcome.action, NAMES_FORWARD);
	q = ask(strcat(text, "b"), NAMES_A);
	answer_to(zone, &q);
	assert_int_equal(rcode(), 1);
	names_zone_free(zone);
}

static void test_pass_on(void **state)
{
	struct names_zone *zone = make_zone("");
	struct query q = ask("wWw.example.com", NAMES_A);
	uint8_t reply[2000] = { 0 };
	uint8_t out[2000];
	size_t len;

	(void)state;
	answer_to(zone, &q);
	memcpy(reply, answer.data, answer.outcome.len);
	reply[0] = 0xab;
	reply[2] = 0x81;
	reply[3] = 0x83;
	assert_false(names_matches(answer.data, answer.outcome.len, reply, q.len));
	reply[0] = answer.data[0];
	assert_true(names_matches(answer.data, answer.outcome.len, reply, q.len));
	reply[13] = 'W';
	assert_false(names_matches(answer.data, answer.outcome.len, reply, q.len));
	/* Another case is the same name, and the client sees its own. */
	assert_int_equal(names_finish(zone, q.data, q.len, reply, q.len, out, sizeof(out), true,
				      &len),
			 0);
	assert_int_equal(len, q.len);
	assert_int_equal(load_be16(out), 0x1234);
	assert_memory_equal(out + 12, q.data + 12, q.len - 12);
	assert_int_equal(out[3] & 15, 3);
	/* More than the client takes. */
	assert_int_equal(names_finish(zone, q.data, q.len, reply, 600, out, sizeof(out), true,
				      &len),
			 0);
	assert_true(out[2] & 2);
	assert_int_equal(len, q.len);
	assert_int_equal(out[3] & 15, 3);
	assert_int_equal(names_finish(zone, q.data, q.len, reply, 600, out, sizeof(out), false,
				      &len),
			 0);
	assert_int_equal(len, 600);
	len = names_failure(q.data, q.len, NAMES_RCODE_SERVFAIL, out, sizeof(out));
	assert_int_equal(len, q.len);
	assert_int_equal(out[3] & 15, 2);
	names_zone_free(zone);
}

static void test_resolve(void **state)
{
	struct names_zone *zone = make_zone(RECORDS);
	struct ip_addr addresses[4];
	char text[NAMES_TEXT_NAME_SIZE];
	struct ip_addr addr;

	(void)state;
	assert_int_equal(names_resolve(zone, "Laptop", addresses, 4), 2);
	assert_string_equal(addr_format(text, &addresses[0]), "100.64.0.2");
	assert_string_equal(addr_format(text, &addresses[1]), "fd00:1::2");
	assert_int_equal(names_resolve(zone, "laptop.office.internal.", addresses, 1), 1);
	assert_int_equal(names_resolve(zone, "alias", addresses, 4), 2);
	assert_int_equal(names_resolve(zone, "shop.apps", addresses, 4), 1);
	assert_int_equal(names_resolve(zone, "nobody", addresses, 4), -ENOENT);
	assert_int_equal(names_resolve(zone, "www.example.com", addresses, 4), -ENOENT);
	assert_int_equal(names_resolve(zone, "out", addresses, 4), -ENOENT);
	assert_int_equal(names_resolve(zone, "no name", addresses, 4), -EINVAL);
	addr_parse(&addr, "fd00:1::2");
	assert_int_equal(names_reverse(zone, &addr, text), 0);
	assert_string_equal(text, "laptop.office.internal");
	addr_parse(&addr, "192.0.2.1");
	assert_int_equal(names_reverse(zone, &addr, text), -ENOENT);
	names_zone_free(zone);
}

static void test_translate(void **state)
{
	struct names_mapping mapping = { .real.len = 24, .seen.len = 24 };
	struct query q = ask("host.corp.example", NAMES_A);
	uint8_t before[512];
	struct writer w;

	(void)state;
	prefix_parse(&mapping.real, "192.168.1.0/24");
	prefix_parse(&mapping.seen, "10.77.1.0/24");
	writer_init(&w, q.data + q.len, sizeof(q.data) - q.len);
	writer_bytes(&w, "\xc0\x0c\0\1\0\1\0\0\0\x0a\0\4\xc0\xa8\1\x07", 16);
	writer_bytes(&w, "\xc0\x0c\0\1\0\1\0\0\0\x0a\0\4\xc0\xa8\2\x07", 16);
	/* The same bytes as text are none. */
	writer_bytes(&w, "\xc0\x0c\0\x10\0\1\0\0\0\x0a\0\5\4\xc0\xa8\1\x07", 17);
	q.len += w.len;
	q.data[2] = 0x81;
	q.data[3] = 0xa0;
	q.data[7] = 3;
	assert_int_equal(names_translate(q.data, q.len, &mapping, 1), 1);
	assert_non_null(memmem(q.data, q.len, "\x0a\x4d\1\x07", 4));
	assert_non_null(memmem(q.data, q.len, "\xc0\xa8\2\x07", 4));
	assert_non_null(memmem(q.data, q.len, "\4\xc0\xa8\1\x07", 5));
	assert_int_equal(q.data[3], 0x80); /* no longer what was signed */
	/* Cut anywhere it is left alone. */
	memcpy(before, q.data, q.len);
	for (size_t len = 0; len < q.len; len++) {
		assert_int_equal(names_translate(q.data, len, &mapping, 1), -EBADMSG);
		assert_memory_equal(q.data, before, q.len);
	}
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
		cmocka_unit_test(test_nodes),      cmocka_unit_test(test_absent),
		cmocka_unit_test(test_records),    cmocka_unit_test(test_aliases),
		cmocka_unit_test(test_split),      cmocka_unit_test(test_edns),
		cmocka_unit_test(test_truncation), cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_longest),    cmocka_unit_test(test_pass_on),
		cmocka_unit_test(test_resolve),    cmocka_unit_test(test_translate),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
