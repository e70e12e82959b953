/* cmocka.h needs these before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "base/buf.h"
#include "proto/filter_tuple.h"

/* A packet under construction. */
struct packet {
	uint8_t data[512];
	struct writer w;
};

static void put_v4(struct packet *p, uint8_t proto, unsigned int fragment, size_t payload)
{
	writer_init(&p->w, p->data, sizeof(p->data));
	writer_u8(&p->w, 0x45);
	writer_u8(&p->w, 0);
	writer_u16(&p->w, (uint16_t)(20 + payload));
	writer_u16(&p->w, 0x1234);
	writer_u16(&p->w, (uint16_t)fragment);
	writer_u8(&p->w, 64);
	writer_u8(&p->w, proto);
	writer_u16(&p->w, 0);
	writer_u32(&p->w, 0x64400002);
	writer_u32(&p->w, 0x64400001);
}

static void put_v6(struct packet *p, uint8_t next, size_t payload)
{
	static const uint8_t src[16] = { 0xfd, [15] = 2 };
	static const uint8_t dst[16] = { 0xfd, [15] = 1 };

	writer_init(&p->w, p->data, sizeof(p->data));
	writer_u32(&p->w, 0x60000000);
	writer_u16(&p->w, (uint16_t)payload);
	writer_u8(&p->w, next);
	writer_u8(&p->w, 64);
	writer_bytes(&p->w, src, 16);
	writer_bytes(&p->w, dst, 16);
}

static void put_tcp(struct packet *p, uint8_t flags)
{
	writer_u16(&p->w, 40000);
	writer_u16(&p->w, 22);
	writer_u32(&p->w, 1);
	writer_u32(&p->w, 2);
	writer_u8(&p->w, 0x50);
	writer_u8(&p->w, flags);
	writer_u16(&p->w, 1000);
	writer_u32(&p->w, 0);
}

static void put_udp(struct packet *p)
{
	writer_u16(&p->w, 5000);
	writer_u16(&p->w, 53);
	writer_u16(&p->w, 8);
	writer_u16(&p->w, 0);
}

static int parse(const struct packet *p, struct filter_tuple *tuple, bool *related)
{
	return filter_tuple_parse(tuple, related, p->data, p->w.len);
}

static void test_v4_tcp_flags(void **state)
{
	static const struct {
		uint8_t flags;
		bool open;
		bool close;
	} cases[] = { { 0x02, true, false }, { 0x12, false, false }, { 0x10, false, false },
		      { 0x11, false, true }, { 0x04, false, true },  { 0x14, false, true },
		      { 0xc2, true, false } };
	struct filter_tuple t;
	struct packet p;
	bool related;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		put_v4(&p, IPPROTO_TCP, 0x4000, 20);
		put_tcp(&p, cases[i].flags);
		assert_int_equal(parse(&p, &t, &related), 0);
		assert_int_equal(t.tcp_open, cases[i].open);
		assert_int_equal(t.tcp_close, cases[i].close);
		assert_int_equal(t.src_port, 40000);
		assert_int_equal(t.dst_port, 22);
		assert_false(related || t.fragment || t.more_fragments);
	}
	assert_int_equal(t.src.family, AF_INET);
	assert_int_equal(t.src.bytes[3], 2);
	assert_int_equal(t.dst.bytes[3], 1);
}

static void test_every_truncation_is_refused(void **state)
{
	struct filter_tuple before;
	struct filter_tuple t;
	struct packet p;
	bool related = true;
	size_t len;

	(void)state;
	memset(&before, 0x5a, sizeof(before));
	t = before;
	put_v4(&p, IPPROTO_TCP, 0, 20);
	put_tcp(&p, 2);
	for (len = 0; len < p.w.len; len++)
		assert_int_equal(filter_tuple_parse(&t, &related, p.data, len), -EBADMSG);
	put_v6(&p, IPPROTO_UDP, 8);
	put_udp(&p);
	for (len = 0; len < p.w.len; len++)
		assert_int_equal(filter_tuple_parse(&t, &related, p.data, len), -EBADMSG);
	/* Outputs stay as they were. */
	assert_memory_equal(&t, &before, sizeof(t));
	assert_true(related);
}

static void test_v4_claims(void **state)
{
	struct filter_tuple t;
	struct packet p;
	bool related;

	(void)state;
	put_v4(&p, IPPROTO_UDP, 0, 8);
	put_udp(&p);
	/* Padding behind the packet is not part of it. */
	assert_int_equal(filter_tuple_parse(&t, &related, p.data, p.w.len + 10), 0);
	p.data[0] = 0x44; /* header shorter than 20 */
	assert_int_equal(parse(&p, &t, &related), -EBADMSG);
	p.data[0] = 0x4f; /* longer than the packet */
	assert_int_equal(parse(&p, &t, &related), -EBADMSG);
	p.data[0] = 0x45;
	store_be16(p.data + 2, 19);
	assert_int_equal(parse(&p, &t, &related), -EBADMSG);
	store_be16(p.data + 2, 20); /* no room for the ports */
	assert_int_equal(parse(&p, &t, &related), -EBADMSG);
	p.data[0] = 0x55;
	assert_int_equal(parse(&p, &t, &related), -EBADMSG);
}

static void test_v4_options(void **state)
{
	struct filter_tuple t;
	struct packet p;
	bool related;

	(void)state;
	put_v4(&p, IPPROTO_UDP, 0, 16);
	p.data[0] = 0x47;
	writer_u32(&p.w, 0x94040000);
	writer_u32(&p.w, 0);
	put_udp(&p);
	assert_int_equal(parse(&p, &t, &related), 0);
	assert_int_equal(t.dst_port, 53);
}

static void test_v4_fragments(void **state)
{
	struct filter_tuple t;
	struct packet p;
	bool related;

	(void)state;
	put_v4(&p, IPPROTO_UDP, 0x2000, 8);
	put_udp(&p);
	assert_int_equal(parse(&p, &t, &related), 0);
	assert_true(t.more_fragments && !t.fragment);
	assert_int_equal(t.fragment_id, 0x1234);
	assert_int_equal(t.dst_port, 53);

	put_v4(&p, IPPROTO_UDP, 0x2001, 8);
	put_udp(&p);
	assert_int_equal(parse(&p, &t, &related), 0);
	assert_true(t.fragment && !t.more_fragments);
	assert_int_equal(t.dst_port, 0);

	/* The last fragment may be a single byte. */
	put_v4(&p, IPPROTO_TCP, 5, 1);
	writer_u8(&p.w, 1);
	assert_int_equal(parse(&p, &t, &related), 0);
	assert_true(t.fragment);

	/* It would overwrite the flags of the first one. */
	put_v4(&p, IPPROTO_TCP, 1, 20);
	put_tcp(&p, 2);
	assert_int_equal(parse(&p, &t, &related), -EBADMSG);

	/* A first fragment that hides its ports. */
	put_v4(&p, IPPROTO_TCP, 0x2000, 8);
	put_udp(&p);
	assert_int_equal(parse(&p, &t, &related), -EBADMSG);
}

static void put_extension(struct packet *p, uint8_t next, uint8_t units)
{
	size_t i;

	writer_u8(&p->w, next);
	writer_u8(&p->w, units);
	for (i = 0; i < (size_t)units * 8 + 6; i++)
		writer_u8(&p->w, 0);
}

static void test_v6_extension_headers(void **state)
{
	struct filter_tuple t;
	struct packet p;
	bool related;
	int i;

	(void)state;
	put_v6(&p, IPPROTO_HOPOPTS, 8 + 24 + 8 + 16 + 8);
	put_extension(&p, IPPROTO_ROUTING, 0);
	put_extension(&p, IPPROTO_DSTOPTS, 2);
	put_extension(&p, IPPROTO_AH, 0);
	writer_u8(&p.w, IPPROTO_UDP); /* AH counts in 4 bytes: (2 + 2) * 4 */
	writer_u8(&p.w, 2);
	writer_u16(&p.w, 0);
	writer_u32(&p.w, 0);
	writer_u64(&p.w, 0);
	put_udp(&p);
	assert_int_equal(parse(&p, &t, &related), 0);
	assert_int_equal(t.proto, IPPROTO_UDP);
	assert_int_equal(t.dst_port, 53);

	/* Eight are taken, nine are not. */
	put_v6(&p, IPPROTO_DSTOPTS, 8 * 8 + 8);
	for (i = 0; i < 8; i++)
		put_extension(&p, i < 7 ? IPPROTO_DSTOPTS : IPPROTO_UDP, 0);
	put_udp(&p);
	assert_int_equal(parse(&p, &t, &related), 0);
	put_v6(&p, IPPROTO_DSTOPTS, 9 * 8 + 8);
	for (i = 0; i < 9; i++)
		put_extension(&p, i < 8 ? IPPROTO_DSTOPTS : IPPROTO_UDP, 0);
	put_udp(&p);
	assert_int_equal(parse(&p, &t, &related), -EBADMSG);

	/* A length that leads out of the packet. */
	put_v6(&p, IPPROTO_DSTOPTS, 8);
	put_extension(&p, IPPROTO_UDP, 0);
	p.data[41] = 200;
	assert_int_equal(parse(&p, &t, &related), -EBADMSG);
}

static void put_v6_fragment(struct packet *p, uint8_t next, unsigned int offset, bool more)
{
	writer_u8(&p->w, next);
	writer_u8(&p->w, 0);
	writer_u16(&p->w, (uint16_t)(offset << 3 | more));
	writer_u32(&p->w, 0xdeadbeef);
}

static void test_v6_fragments(void **state)
{
	struct filter_tuple t;
	struct packet p;
	bool related;

	(void)state;
	put_v6(&p, IPPROTO_FRAGMENT, 16);
	put_v6_fragment(&p, IPPROTO_UDP, 0, true);
	put_udp(&p);
	assert_int_equal(parse(&p, &t, &related), 0);
	assert_true(t.more_fragments);
	assert_int_equal(t.fragment_id, 0xdeadbeef);
	assert_int_equal(t.dst_port, 53);

	put_v6(&p, IPPROTO_FRAGMENT, 16);
	put_v6_fragment(&p, IPPROTO_UDP, 9, false);
	put_udp(&p);
	assert_int_equal(parse(&p, &t, &related), 0);
	assert_true(t.fragment);

	/* An atomic fragment is a whole packet (RFC 6946). */
	put_v6(&p, IPPROTO_FRAGMENT, 16);
	put_v6_fragment(&p, IPPROTO_UDP, 0, false);
	put_udp(&p);
	assert_int_equal(parse(&p, &t, &related), 0);
	assert_false(t.fragment || t.more_fragments);

	put_v6(&p, IPPROTO_FRAGMENT, 24);
	put_v6_fragment(&p, IPPROTO_FRAGMENT, 0, true);
	put_v6_fragment(&p, IPPROTO_UDP, 0, false);
	put_udp(&p);
	assert_int_equal(parse(&p, &t, &related), -EBADMSG);
}

static void test_v4_mapped_is_refused(void **state)
{
	static const uint8_t mapped[16] = { [10] = 0xff, [11] = 0xff, 100, 64, 0, 1 };
	struct filter_tuple t;
	struct packet p;
	bool related;

	(void)state;
	put_v6(&p, IPPROTO_UDP, 8);
	put_udp(&p);
	memcpy(p.data + 24, mapped, 16);
	assert_int_equal(parse(&p, &t, &related), -EBADMSG);
}

static void put_icmp(struct packet *p, uint8_t type, uint16_t id)
{
	writer_u8(&p->w, type);
	writer_u8(&p->w, 0);
	writer_u16(&p->w, 0);
	writer_u16(&p->w, id);
	writer_u16(&p->w, 1);
}

static void test_echo_id_in_both_ports(void **state)
{
	struct filter_tuple t;
	struct packet p;
	bool related;

	(void)state;
	put_v4(&p, IPPROTO_ICMP, 0, 8);
	put_icmp(&p, 8, 77);
	assert_int_equal(parse(&p, &t, &related), 0);
	assert_int_equal(t.icmp_type, 8);
	assert_int_equal(t.src_port, 77);
	assert_int_equal(t.dst_port, 77);
	assert_false(related);
	put_v6(&p, IPPROTO_ICMPV6, 8);
	put_icmp(&p, 129, 78);
	assert_int_equal(parse(&p, &t, &related), 0);
	assert_int_equal(t.src_port, 78);
}

/* From 100.64.0.2 to 100.64.0.1, about what 100.64.0.1 sent to 100.64.0.9. */
static size_t put_v4_error(struct packet *p, uint8_t proto)
{
	put_v4(p, IPPROTO_ICMP, 0, 8 + 20 + 8);
	put_icmp(p, 3, 0);
	writer_u32(&p->w, 0x450005dc); /* quotes 1500 bytes, of which 28 are there */
	writer_u32(&p->w, 0x00014000);
	writer_u8(&p->w, 63);
	writer_u8(&p->w, proto);
	writer_u16(&p->w, 0);
	writer_u32(&p->w, 0x64400001);
	writer_u32(&p->w, 0x64400009);
	return p->w.len;
}

static void test_icmp_error_quotes_turned_round(void **state)
{
	struct filter_tuple t;
	struct packet p;
	bool related;
	size_t len;

	(void)state;
	put_v4_error(&p, IPPROTO_TCP);
	put_udp(&p);
	assert_int_equal(parse(&p, &t, &related), 0);
	assert_true(related && t.quoted);
	assert_int_equal(t.proto, IPPROTO_TCP);
	assert_int_equal(t.src.bytes[3], 9);
	assert_int_equal(t.dst.bytes[3], 1);
	assert_int_equal(t.src_port, 53);
	assert_int_equal(t.dst_port, 5000);
	assert_false(t.tcp_open);
	for (len = 0; len < p.w.len; len++)
		assert_int_equal(filter_tuple_parse(&t, &related, p.data, len), -EBADMSG);

	/* A quoted echo request is answered by an echo reply. */
	put_v4_error(&p, IPPROTO_ICMP);
	put_icmp(&p, 8, 99);
	assert_int_equal(parse(&p, &t, &related), 0);
	assert_int_equal(t.icmp_type, 0);
	assert_int_equal(t.src_port, 99);

	/* An error about an error. */
	put_v4_error(&p, IPPROTO_ICMP);
	put_icmp(&p, 11, 99);
	assert_int_equal(parse(&p, &t, &related), -EBADMSG);
}

static void test_icmp_error_to_someone_else(void **state)
{
	struct filter_tuple t;
	struct packet p;
	bool related;

	(void)state;
	put_v4_error(&p, IPPROTO_UDP);
	put_udp(&p);
	store_be32(p.data + 28 + 12, 0x64400007); /* the quoted packet's source */
	assert_int_equal(parse(&p, &t, &related), -EBADMSG);
}

static void test_icmp6_too_big(void **state)
{
	struct filter_tuple t;
	struct packet inner;
	struct packet p;
	bool related;

	(void)state;
	put_v6(&inner, IPPROTO_UDP, 1300);
	put_udp(&inner);
	inner.data[8 + 15] = 1; /* from us */
	inner.data[24 + 15] = 2;
	put_v6(&p, IPPROTO_ICMPV6, 8 + 48);
	put_icmp(&p, 2, 0);
	writer_bytes(&p.w, inner.data, 48);
	assert_int_equal(parse(&p, &t, &related), 0);
	assert_true(related);
	assert_int_equal(t.src.bytes[15], 2);
	assert_int_equal(t.dst_port, 5000);
}

static void test_other_protocols(void **state)
{
	struct filter_tuple t;
	struct packet p;
	bool related;

	(void)state;
	put_v4(&p, IPPROTO_GRE, 0, 0);
	assert_int_equal(parse(&p, &t, &related), 0);
	assert_int_equal(t.proto, IPPROTO_GRE);
	assert_int_equal(t.dst_port, 0);
	assert_true(filter_proto_has_ports(IPPROTO_SCTP));
	assert_false(filter_proto_has_ports(IPPROTO_GRE));
	/* ICMPv6 inside v4 is not ICMP, and has no ports. */
	put_v4(&p, IPPROTO_ICMPV6, 0, 8);
	put_icmp(&p, 1, 7);
	assert_int_equal(parse(&p, &t, &related), 0);
	assert_false(related);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_v4_tcp_flags),
		cmocka_unit_test(test_every_truncation_is_refused),
		cmocka_unit_test(test_v4_claims),
		cmocka_unit_test(test_v4_options),
		cmocka_unit_test(test_v4_fragments),
		cmocka_unit_test(test_v6_extension_headers),
		cmocka_unit_test(test_v6_fragments),
		cmocka_unit_test(test_v4_mapped_is_refused),
		cmocka_unit_test(test_echo_id_in_both_ports),
		cmocka_unit_test(test_icmp_error_quotes_turned_round),
		cmocka_unit_test(test_icmp_error_to_someone_else),
		cmocka_unit_test(test_icmp6_too_big),
		cmocka_unit_test(test_other_protocols),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
