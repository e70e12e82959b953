#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "proto/coalesce.h"
#include "proto/segment.h"
#include "tests/support/packet.h"

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_PSH 0x08
#define TCP_ACK 0x10
#define TCP_CWR 0x80

#define BATCH  200
#define STRIDE 1600

static struct coalesce c;

/* The packets of a batch as they came, and a copy that coalescing may change. */
static struct {
	size_t count;
	size_t len[BATCH];
	uint8_t before[BATCH][STRIDE];
	uint8_t data[BATCH][STRIDE];
} in;

static int setup(void **state)
{
	(void)state;
	in.count = 0;
	coalesce_init(&c, true, true);
	return 0;
}

static void put_bytes(size_t i)
{
	memcpy(in.before[i], in.data[i], in.len[i]);
	coalesce_add(&c, in.data[i], in.len[i]);
}

static void put(const struct packet_spec *spec)
{
	size_t i = in.count++;

	in.len[i] = packet_build(in.data[i], spec);
	put_bytes(i);
}

/* Run index as the bytes of one write, header apart. */
static size_t written(size_t index, struct vnet_hdr *hdr, uint8_t *out)
{
	struct iovec iov[COALESCE_IOV_MAX];
	size_t used = coalesce_finish(&c, index, hdr, iov);
	size_t len = 0;

	assert_in_range(used, 2, COALESCE_IOV_MAX);
	assert_int_equal(iov[0].iov_len, VNET_HDR_SIZE);
	for (size_t i = 1; i < used; i++) {
		assert_true(len + iov[i].iov_len <= PACKET_MAX);
		memcpy(out + len, iov[i].iov_base, iov[i].iov_len);
		len += iov[i].iov_len;
	}
	return len;
}

/* Two packets continue one another: the naive reading of the rules for well-formed ones. */
static bool joins(const struct packet_spec *a, const struct packet_spec *head,
		  const struct packet_spec *b)
{
	uint8_t closing = TCP_FIN | TCP_PSH | TCP_SYN;

	if (a->v6 != b->v6 || a->udp != b->udp || a->host != b->host || a->port != b->port)
		return false;
	if (a->tos != b->tos || a->ttl != b->ttl || !a->payload || !b->payload)
		return false;
	if (!a->v6 && (a->df != b->df || (uint16_t)(a->id + 1) != b->id))
		return false;
	if (a->payload != head->payload || b->payload > head->payload)
		return false;
	if (a->udp)
		return true;
	return !(a->flags & closing) && !(b->flags & (TCP_CWR | TCP_SYN)) &&
	       a->seq + a->payload == b->seq && a->ack == b->ack && a->window == b->window &&
	       a->options == b->options;
}

static void random_step(struct packet_spec *spec, uint32_t *seed)
{
	spec->seq += (uint32_t)spec->payload;
	spec->id++;
	spec->flags = TCP_ACK;
	spec->fill = (uint8_t)packet_random(seed);
	if (packet_random(seed) % 4)
		return;
	switch (packet_random(seed) % 12) {
	case 0:
		spec->payload = packet_random(seed) % 3 * 50;
		break;
	case 1:
		spec->flags |= TCP_PSH;
		break;
	case 2:
		spec->flags |= TCP_FIN;
		break;
	case 3:
		spec->flags |= TCP_CWR;
		break;
	case 4:
		spec->ack++;
		break;
	case 5:
		spec->window ^= 1;
		break;
	case 6:
		spec->tos ^= 4;
		break;
	case 7:
		spec->ttl--;
		break;
	case 8:
		spec->df = !spec->df;
		break;
	case 9:
		spec->seq += 100; /* one was lost */
		break;
	case 10:
		spec->options = spec->options ? 0 : 12;
		break;
	case 11:
		spec->id += 5;
		break;
	}
}

#define FLOWS 6

struct flow {
	struct packet_spec spec;
	struct packet_spec head; /* of the flow's latest run, by the naive rules */
	size_t in_run;
	size_t order[BATCH]; /* which packets of the batch are its own */
	size_t count;
	size_t seen;
};

static size_t flow_of(const uint8_t *packet)
{
	size_t l4 = packet[0] >> 4 == 4 ? 20 : 40;

	return load_be16(packet + l4) - (size_t)1000;
}

/* Cuts run index again and compares with what came, packet by packet and flow by flow. */
static void check_run(struct flow *flows, size_t index)
{
	static uint8_t packet[PACKET_MAX];
	uint8_t cut[STRIDE];
	struct segment_plan plan;
	struct vnet_hdr hdr;
	size_t len = written(index, &hdr, packet);

	assert_int_equal(segment_plan(&plan, &hdr, packet, len), 0);
	for (size_t i = 0; i < plan.count; i++) {
		struct flow *flow;
		size_t number;

		assert_in_range(segment_len(&plan, i), 1, STRIDE);
		segment_write(&plan, i, cut);
		flow = &flows[flow_of(cut)];
		number = flow->order[flow->seen++];
		assert_int_equal(segment_len(&plan, i), in.len[number]);
		assert_memory_equal(cut, in.before[number], in.len[number]);
	}
}

static void random_batch(uint32_t *seed)
{
	static struct flow flows[FLOWS];
	size_t expected = 0;

	memset(flows, 0, sizeof(flows));
	for (size_t f = 0; f < FLOWS; f++) {
		flows[f].spec = packet_spec_default();
		flows[f].spec.port = (uint16_t)(1000 + f);
		flows[f].spec.v6 = f % 2;
		flows[f].spec.udp = f > 3;
		flows[f].spec.payload = 50 + f * 100;
		flows[f].spec.seq = packet_random(seed) << 8;
	}
	for (size_t i = 0; i < BATCH; i++) {
		struct flow *flow = &flows[packet_random(seed) % FLOWS];
		struct packet_spec before = flow->spec;
		size_t max = flow->spec.udp ? COALESCE_UDP_RUN_MAX : COALESCE_RUN_MAX;

		if (flow->count)
			random_step(&flow->spec, seed);
		if (!flow->count || flow->in_run == max ||
		    !joins(&before, &flow->head, &flow->spec)) {
			flow->head = flow->spec;
			flow->in_run = 0;
			expected++;
		}
		flow->in_run++;
		flow->order[flow->count++] = in.count;
		put(&flow->spec);
	}
	assert_int_equal(c.runs, expected);
	for (size_t i = 0; i < c.runs; i++)
		check_run(flows, i);
	for (size_t f = 0; f < FLOWS; f++)
		assert_int_equal(flows[f].seen, flows[f].count);
}

static void test_random_flows_equal_the_naive_rules(void **state)
{
	uint32_t seed = 11;

	for (int round = 0; round < 200; round++) {
		setup(state);
		random_batch(&seed);
	}
}

static void next(struct packet_spec *spec)
{
	spec->seq += (uint32_t)spec->payload;
	spec->id++;
}

static void test_a_stream_becomes_one_write(void **state)
{
	static uint8_t out[PACKET_MAX];
	struct packet_spec spec = packet_spec_default();
	struct vnet_hdr hdr;
	size_t len;

	(void)state;
	spec.flags = TCP_ACK | TCP_CWR;
	spec.payload = 1000;
	put(&spec);
	for (int i = 0; i < 39; i++) {
		next(&spec);
		spec.flags = i < 38 ? TCP_ACK : TCP_ACK | TCP_PSH;
		put(&spec);
	}
	assert_int_equal(c.runs, 1);
	len = written(0, &hdr, out);
	assert_int_equal(len, 20 + 32 + 40 * 1000);
	assert_int_equal(load_be16(out + 2), len);
	assert_int_equal(hdr.gso_type, VNET_GSO_TCPV4 | VNET_GSO_ECN);
	assert_int_equal(hdr.gso_size, 1000);
	assert_int_equal(hdr.hdr_len, 52);
	assert_int_equal(hdr.csum_start, 20);
	assert_int_equal(hdr.csum_offset, 16);
	assert_int_equal(hdr.flags, VNET_NEEDS_CSUM);
	assert_int_equal(out[20 + 13], TCP_ACK | TCP_CWR | TCP_PSH);
	assert_int_equal(packet_sum(out, 20, 0), 0xFFFF);
}

static void test_no_write_is_longer_than_a_packet(void **state)
{
	static uint8_t out[PACKET_MAX];
	struct packet_spec spec = packet_spec_default();
	struct vnet_hdr hdr;
	size_t total = 0;

	(void)state;
	spec.payload = 1400;
	for (int i = 0; i < 60; i++) {
		put(&spec);
		next(&spec);
	}
	assert_int_equal(c.runs, 2);
	for (size_t i = 0; i < c.runs; i++)
		total += written(i, &hdr, out) - 52;
	assert_int_equal(total, 60 * 1400);
}

static void test_an_ack_of_the_other_direction_does_not_part_a_run(void **state)
{
	struct packet_spec spec = packet_spec_default();
	struct packet_spec ack = packet_spec_default();

	(void)state;
	ack.port = 2000;
	ack.payload = 0;
	put(&spec);
	put(&ack);
	next(&spec);
	put(&spec);
	put(&ack);
	assert_int_equal(c.runs, 3);
	assert_int_equal(c.run[0].count, 2);
}

static void test_corruption_is_never_hidden(void **state)
{
	static uint8_t out[PACKET_MAX];
	uint32_t seed = 5;

	for (int round = 0; round < 500; round++) {
		struct packet_spec spec = packet_spec_default();
		size_t bad = packet_random(&seed) % 3;
		struct vnet_hdr hdr;
		bool came_out = false;

		setup(state);
		spec.v6 = round % 2;
		spec.udp = round % 3 == 0;
		for (size_t i = 0; i < 3; i++) {
			in.len[i] = packet_build(in.data[i], &spec);
			if (i == bad) /* beyond version, lengths and what parsing needs */
				in.data[i][in.len[i] - 1 - packet_random(&seed) % 90] ^= 0x10;
			in.count++;
			put_bytes(i);
			next(&spec);
		}
		for (size_t i = 0; i < c.runs; i++) {
			size_t len = written(i, &hdr, out);

			if (len == in.len[bad] && !memcmp(out, in.before[bad], len)) {
				assert_int_equal(hdr.flags, 0);
				assert_int_equal(hdr.gso_type, VNET_GSO_NONE);
				came_out = true;
			}
		}
		assert_true(came_out);
	}
}

static void expect_apart(void (*change)(uint8_t *packet, size_t len))
{
	struct packet_spec spec = packet_spec_default();

	in.count = 0;
	coalesce_reset(&c);
	for (int i = 0; i < 2; i++) {
		in.len[i] = packet_build(in.data[i], &spec);
		change(in.data[i], in.len[i]);
		put_bytes((size_t)i);
		next(&spec);
	}
	assert_int_equal(c.runs, 2);
}

static void more_fragments(uint8_t *packet, size_t len)
{
	packet[6] = 0x20;
	packet_seal(packet, len);
}

static void later_fragment(uint8_t *packet, size_t len)
{
	packet[7] = 10;
	packet_seal(packet, len);
}

static void another_protocol(uint8_t *packet, size_t len)
{
	(void)len;
	packet[9] = 1;
}

static void no_header(uint8_t *packet, size_t len)
{
	(void)len;
	packet[20 + 12] = 2 << 4;
}

static void urgent(uint8_t *packet, size_t len)
{
	packet[20 + 13] |= 0x20;
	packet_seal(packet, len);
}

static void wrong_length(uint8_t *packet, size_t len)
{
	store_be16(packet + 2, (uint16_t)(len - 1));
}

static void ip_options(uint8_t *packet, size_t len)
{
	(void)len;
	packet[0] = 0x46;
}

static void test_what_is_never_merged(void **state)
{
	(void)state;
	expect_apart(more_fragments);
	expect_apart(later_fragment);
	expect_apart(another_protocol);
	expect_apart(no_header);
	expect_apart(urgent);
	expect_apart(wrong_length);
	expect_apart(ip_options);
}

/* As above, but only the second packet is changed, and the family is chosen. */
static void expect_no_follower(bool v6, bool udp, void (*change)(uint8_t *packet, size_t len))
{
	struct packet_spec spec = packet_spec_default();

	in.count = 0;
	coalesce_reset(&c);
	spec.v6 = v6;
	spec.udp = udp;
	for (int i = 0; i < 2; i++) {
		in.len[i] = packet_build(in.data[i], &spec);
		if (i)
			change(in.data[i], in.len[i]);
		put_bytes((size_t)i);
		next(&spec);
	}
	assert_int_equal(c.runs, 2);
}

static void another_option(uint8_t *packet, size_t len)
{
	size_t l4 = packet[0] >> 4 == 4 ? 20 : 40;

	packet[l4 + 20] = 8; /* a timestamp of other numbers */
	packet_seal(packet, len);
}

static void another_flow_label(uint8_t *packet, size_t len)
{
	(void)len;
	packet[3] ^= 1;
}

static void another_class(uint8_t *packet, size_t len)
{
	(void)len;
	packet[1] ^= 0x10; /* ECN */
}

static void another_hop_limit(uint8_t *packet, size_t len)
{
	(void)len;
	packet[7]--;
}

static void extension_header(uint8_t *packet, size_t len)
{
	(void)len;
	packet[6] = 0; /* hop-by-hop options */
}

static void fragment_header(uint8_t *packet, size_t len)
{
	(void)len;
	packet[6] = 44;
}

static void test_one_difference_parts_a_run(void **state)
{
	static void (*const v6[])(uint8_t *, size_t) = { another_flow_label, another_class,
							 another_hop_limit, extension_header,
							 fragment_header };

	(void)state;
	for (int udp = 0; udp < 2; udp++)
		for (size_t i = 0; i < sizeof(v6) / sizeof(v6[0]); i++)
			expect_no_follower(true, udp, v6[i]);
	expect_no_follower(false, false, another_option);
	expect_no_follower(true, false, another_option);
	/* And without one it would have been a run. */
	for (int i = 0; i < 4; i++) {
		struct packet_spec spec = packet_spec_default();

		in.count = 0;
		coalesce_reset(&c);
		spec.v6 = i & 1;
		spec.udp = i & 2;
		put(&spec);
		next(&spec);
		put(&spec);
		assert_int_equal(c.runs, 1);
	}
}

/* Zero written as all ones is a right checksum, but not the one that the kernel would write. */
static void test_the_other_zero_stays_as_it_is(void **state)
{
	struct packet_spec spec = packet_spec_default();

	(void)state;
	for (int i = 0; i < 2; i++) {
		in.len[i] = packet_build(in.data[i], &spec);
		if (!i) {
			spec.id = load_be16(in.data[0] + 10);
			packet_build(in.data[0], &spec);
			assert_int_equal(load_be16(in.data[0] + 10), 0);
			store_be16(in.data[0] + 10, 0xFFFF);
		}
		put_bytes((size_t)i);
		next(&spec);
	}
	assert_int_equal(c.runs, 2);
}

/* Datagrams without payload crashed others. */
static void test_empty_datagrams_stay_whole(void **state)
{
	static uint8_t out[PACKET_MAX];
	struct packet_spec spec = packet_spec_default();
	struct vnet_hdr hdr;

	(void)state;
	spec.udp = true;
	for (int i = 0; i < 6; i++) {
		spec.payload = i % 3 ? 0 : 10;
		put(&spec);
		next(&spec);
	}
	assert_int_equal(c.runs, 6);
	for (size_t i = 0; i < 6; i++) {
		assert_int_equal(written(i, &hdr, out), in.len[i]);
		assert_int_equal(hdr.gso_type, VNET_GSO_NONE);
		assert_memory_equal(out, in.before[i], in.len[i]);
	}
}

static void test_udp_without_checksum_or_with_another_length_stays_apart(void **state)
{
	struct packet_spec spec = packet_spec_default();

	spec.udp = true;
	put(&spec);
	in.len[1] = packet_build(in.data[1], &spec);
	store_be16(in.data[1] + 26, 0);
	in.count = 2;
	put_bytes(1);
	assert_int_equal(c.runs, 2);
	setup(state);
	put(&spec);
	in.len[1] = packet_build(in.data[1], &spec);
	store_be16(in.data[1] + 24, 50);
	put_bytes(1);
	assert_int_equal(c.runs, 2);
}

static void test_switched_off_nothing_is_merged(void **state)
{
	struct packet_spec spec = packet_spec_default();

	(void)state;
	coalesce_init(&c, false, false);
	put(&spec);
	next(&spec);
	put(&spec);
	spec.udp = true;
	put(&spec);
	put(&spec);
	assert_int_equal(c.runs, 4);
}

static void test_full(void **state)
{
	struct packet_spec spec = packet_spec_default();
	size_t taken = 0;

	(void)state;
	in.len[0] = packet_build(in.data[0], &spec);
	while (!coalesce_full(&c)) {
		coalesce_add(&c, in.data[0], in.len[0]);
		taken++;
	}
	assert_int_equal(taken, COALESCE_PACKETS_MAX - 1);
	coalesce_reset(&c);
	assert_false(coalesce_full(&c));
	assert_int_equal(c.runs, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_random_flows_equal_the_naive_rules, setup),
		cmocka_unit_test_setup(test_a_stream_becomes_one_write, setup),
		cmocka_unit_test_setup(test_no_write_is_longer_than_a_packet, setup),
		cmocka_unit_test_setup(test_an_ack_of_the_other_direction_does_not_part_a_run,
				       setup),
		cmocka_unit_test_setup(test_corruption_is_never_hidden, setup),
		cmocka_unit_test_setup(test_what_is_never_merged, setup),
		cmocka_unit_test_setup(test_udp_without_checksum_or_with_another_length_stays_apart,
				       setup),
		cmocka_unit_test_setup(test_one_difference_parts_a_run, setup),
		cmocka_unit_test_setup(test_the_other_zero_stays_as_it_is, setup),
		cmocka_unit_test_setup(test_empty_datagrams_stay_whole, setup),
		cmocka_unit_test_setup(test_switched_off_nothing_is_merged, setup),
		cmocka_unit_test_setup(test_full, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
