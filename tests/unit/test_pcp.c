#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "crypto/rng.h"
#include "proto/pcp.h"

/* PCP and NAT-PMP against a gateway made of bytes: exact messages, exact deadlines, lies. */

#define START_NS (1000 * NS_PER_S)
#define PORT     41641
#define MAP_SIZE 60

struct fixture {
	struct rng_seeded seeded;
	struct rng rng;
	struct pcp *pcp;
	uint64_t now_ns;
	uint8_t pcp_request[MAP_SIZE]; /* the last of each */
	uint8_t natpmp_request[12];
	size_t natpmp_len;
	unsigned int pcp_count;
	unsigned int natpmp_count;
};

/* Sends everything that is due. */
static void drain(struct fixture *f)
{
	uint8_t buf[PCP_REQUEST_MAX];
	size_t len;

	while ((len = pcp_poll_output(f->pcp, buf, sizeof(buf), f->now_ns))) {
		if (buf[0] == 2) {
			assert_int_equal(len, MAP_SIZE);
			memcpy(f->pcp_request, buf, len);
			f->pcp_count++;
		} else {
			assert_true(len == 2 || len == 12);
			memcpy(f->natpmp_request, buf, len);
			f->natpmp_len = len;
			f->natpmp_count++;
		}
		/* Port 0 would mean every port. */
		assert_false(len == MAP_SIZE && load_be16(buf + 40) == 0);
		assert_false(len == 12 && load_be16(buf + 4) == 0);
	}
}

static void start(struct fixture *f, const char *internal)
{
	struct pcp_config config = { .suggested_port = PORT, .nonce = "known to us" };

	pcp_free(f->pcp);
	assert_int_equal(endpoint_parse(&config.internal, internal), 0);
	f->pcp = pcp_new(&config, &f->rng, f->now_ns);
	assert_non_null(f->pcp);
	f->pcp_count = 0;
	f->natpmp_count = 0;
	drain(f);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	rng_seeded_init(&f->seeded, 11);
	f->rng = rng_from_seeded(&f->seeded);
	f->now_ns = START_NS;
	*state = f;
	start(f, "192.168.1.10:41641");
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	pcp_free(f->pcp);
	free(f);
	return 0;
}

static struct port_mapping mapping_of(const struct fixture *f, enum port_mapping_protocol protocol)
{
	return pcp_mapping(f->pcp, protocol);
}

/* The gateway's answer to the last PCP request. */
static void build_answer(const struct fixture *f, uint8_t answer[static MAP_SIZE], uint8_t result,
			 uint32_t lifetime_s, uint32_t epoch_s, const char *external)
{
	struct endpoint ep;

	assert_int_equal(endpoint_parse(&ep, external), 0);
	memcpy(answer, f->pcp_request, MAP_SIZE);
	answer[1] |= 0x80;
	answer[3] = result;
	store_be32(answer + 4, lifetime_s);
	store_be32(answer + 8, epoch_s);
	memset(answer + 12, 0, 12);
	store_be16(answer + 42, ep.port);
	memset(answer + 44, 0, 16);
	if (ep.addr.family == AF_INET) {
		memset(answer + 54, 0xff, 2);
		memcpy(answer + 56, ep.addr.bytes, 4);
	} else {
		memcpy(answer + 44, ep.addr.bytes, 16);
	}
}

static int answer_pcp(struct fixture *f, uint8_t result, uint32_t lifetime_s, uint32_t epoch_s,
		      const char *external)
{
	uint8_t answer[MAP_SIZE];
	int err;

	build_answer(f, answer, result, lifetime_s, epoch_s, external);
	err = pcp_input(f->pcp, answer, sizeof(answer), f->now_ns);
	drain(f);
	return err;
}

static int answer_address(struct fixture *f, uint16_t result, uint32_t epoch_s, uint32_t address)
{
	uint8_t answer[12] = { 0, 0x80 };
	int err;

	store_be16(answer + 2, result);
	store_be32(answer + 4, epoch_s);
	store_be32(answer + 8, address);
	err = pcp_input(f->pcp, answer, sizeof(answer), f->now_ns);
	drain(f);
	return err;
}

static int answer_port(struct fixture *f, uint16_t internal, uint16_t external, uint32_t lifetime_s)
{
	uint8_t answer[16] = { 0, 0x81 };
	int err;

	store_be32(answer + 4, 5000);
	store_be16(answer + 8, internal);
	store_be16(answer + 10, external);
	store_be32(answer + 12, lifetime_s);
	err = pcp_input(f->pcp, answer, sizeof(answer), f->now_ns);
	drain(f);
	return err;
}

static void pass_to(struct fixture *f, uint64_t at_ns)
{
	f->now_ns = at_ns;
	pcp_expire(f->pcp, at_ns);
	drain(f);
}

/* ---- messages ---- */

static void test_the_first_requests(void **state)
{
	struct fixture *f = *state;
	/* RFC 6887 figures 2 and 9; without the nonce. */
	static const uint8_t want[MAP_SIZE] = {
		2, 1, 0, 0,    0,    0,   0x1c, 0x20, 0,  0,    0,    0,    0,    0,    0,
		0, 0, 0, 0xff, 0xff, 192, 168,  1,    10, 0,    0,    0,    0,    0,    0,
		0, 0, 0, 0,    0,    0,   17,   0,    0,  0,    0xa2, 0xa9, 0xa2, 0xa9, 0,
		0, 0, 0, 0,    0,    0,   0,    0,    0,  0xff, 0xff, 0,    0,    0,    0,
	};

	assert_int_equal(f->pcp_count, 1);
	assert_memory_equal(f->pcp_request, want, 24);
	assert_memory_equal(f->pcp_request + 36, want + 36, 24);
	assert_memory_equal(f->pcp_request + 24, "known to us", 12);
	/* NAT-PMP asks for the address first, so that nothing is opened twice. */
	assert_int_equal(f->natpmp_count, 1);
	assert_int_equal(f->natpmp_len, 2);
	assert_memory_equal(f->natpmp_request, "\0\0", 2);
}

static void test_port_zero_is_refused(void **state)
{
	struct fixture *f = *state;
	struct pcp_config config = { .suggested_port = PORT };

	assert_int_equal(endpoint_parse(&config.internal, "192.168.1.10:0"), 0);
	assert_null(pcp_new(&config, &f->rng, f->now_ns));
}

static void test_pcp_opens(void **state)
{
	struct fixture *f = *state;
	struct port_mapping mapping;

	assert_int_equal(answer_pcp(f, 0, 7200, 100, "203.0.113.5:41000"), 0);
	mapping = mapping_of(f, PORT_MAPPING_PCP);
	assert_int_equal(mapping.state, PORT_MAPPING_OPEN);
	assert_int_equal(mapping.external.port, 41000);
	assert_int_equal(mapping.external.addr.family, AF_INET);
	assert_memory_equal(mapping.external.addr.bytes, "\xcb\x00\x71\x05", 4);
}

static void test_natpmp_opens(void **state)
{
	struct fixture *f = *state;
	struct port_mapping mapping;

	assert_int_equal(answer_address(f, 0, 100, 0xcb007105), 0);
	assert_int_equal(f->natpmp_len, 12);
	assert_memory_equal(f->natpmp_request, "\x00\x01\x00\x00\xa2\xa9\xa2\xa9\x00\x00\x1c\x20",
			    12);
	assert_int_equal(answer_port(f, PORT, 42000, 7200), 0);
	mapping = mapping_of(f, PORT_MAPPING_NATPMP);
	assert_int_equal(mapping.state, PORT_MAPPING_OPEN);
	assert_int_equal(mapping.external.port, 42000);
}

static void test_pinhole(void **state)
{
	struct fixture *f = *state;
	static const uint8_t none[16];

	start(f, "[2001:db8:1::10]:41641");
	assert_int_equal(f->natpmp_count, 0);
	assert_int_equal(mapping_of(f, PORT_MAPPING_NATPMP).state, PORT_MAPPING_OFF);
	assert_memory_equal(f->pcp_request + 8, "\x20\x01\x0d\xb8\x00\x01\0\0\0\0\0\0\0\0\0\x10",
			    16);
	assert_memory_equal(f->pcp_request + 44, none, 16);
	assert_int_equal(answer_pcp(f, 0, 7200, 100, "[2001:db8:1::10]:41641"), 0);
	assert_int_equal(mapping_of(f, PORT_MAPPING_PCP).state, PORT_MAPPING_OPEN);
}

static void test_one_version_only(void **state)
{
	struct fixture *f = *state;
	/* A gateway of PCP only to NAT-PMP's request, RFC 6887 section 9 and appendix A. */
	uint8_t pcp_only[24] = { 2, 0x80, 0, 1 };
	/* One of NAT-PMP only to PCP's, RFC 6886 section 3.5. */
	uint8_t natpmp_only[8] = { 0, 0x81, 0, 1 };

	assert_int_equal(pcp_input(f->pcp, pcp_only, sizeof(pcp_only), f->now_ns), 0);
	assert_int_equal(mapping_of(f, PORT_MAPPING_NATPMP).state, PORT_MAPPING_REFUSED);
	assert_int_equal(mapping_of(f, PORT_MAPPING_PCP).state, PORT_MAPPING_ASKING);
	start(f, "192.168.1.10:41641");
	assert_int_equal(pcp_input(f->pcp, natpmp_only, sizeof(natpmp_only), f->now_ns), 0);
	assert_int_equal(mapping_of(f, PORT_MAPPING_PCP).state, PORT_MAPPING_REFUSED);
	assert_int_equal(mapping_of(f, PORT_MAPPING_NATPMP).state, PORT_MAPPING_ASKING);
}

/* ---- deadlines ---- */

static void test_natpmp_retransmission(void **state)
{
	struct fixture *f = *state;
	uint64_t at_ns = START_NS;
	uint64_t wait_ns = 250 * NS_PER_MS;

	pcp_stop(f->pcp, PORT_MAPPING_PCP);
	/* RFC 6886 section 3.1: 250 ms, doubled, nine times. */
	for (unsigned int sent = 1; sent < 9; sent++) {
		assert_int_equal(f->natpmp_count, sent);
		at_ns += wait_ns;
		wait_ns *= 2;
		assert_int_equal(pcp_next_timeout(f->pcp), at_ns);
		pass_to(f, at_ns - 1);
		assert_int_equal(f->natpmp_count, sent);
		pass_to(f, at_ns);
	}
	assert_int_equal(f->natpmp_count, 9);
	assert_int_equal(mapping_of(f, PORT_MAPPING_NATPMP).state, PORT_MAPPING_SILENT);
	assert_int_equal(pcp_next_timeout(f->pcp), at_ns + 64 * NS_PER_S);
	pass_to(f, at_ns + 64 * NS_PER_S);
	assert_int_equal(f->natpmp_count, 9);
	assert_int_equal(pcp_next_timeout(f->pcp), CLOCK_NEVER);
}

static void test_pcp_retransmission(void **state)
{
	struct fixture *f = *state;
	uint8_t first[MAP_SIZE];
	uint64_t base_ns = 3 * NS_PER_S;

	memcpy(first, f->pcp_request, sizeof(first));
	pcp_stop(f->pcp, PORT_MAPPING_NATPMP);
	/* RFC 6887 section 8.1.1: 3 s, doubled up to 1024 s, each within a tenth, without end. */
	for (unsigned int sent = 1; sent < 20; sent++) {
		uint64_t wait_ns = pcp_next_timeout(f->pcp) - f->now_ns;

		assert_in_range(wait_ns, base_ns * 9 / 10, base_ns * 11 / 10);
		pass_to(f, f->now_ns + wait_ns - 1);
		assert_int_equal(f->pcp_count, sent);
		pass_to(f, f->now_ns + 1);
		assert_int_equal(f->pcp_count, sent + 1);
		assert_memory_equal(f->pcp_request, first, sizeof(first));
		/* The next is computed from what this one waited. */
		base_ns = wait_ns * 2 < 1024 * NS_PER_S ? wait_ns * 2 : 1024 * NS_PER_S;
	}
	assert_int_equal(mapping_of(f, PORT_MAPPING_PCP).state, PORT_MAPPING_SILENT);
}

static void test_renewal_and_expiry(void **state)
{
	struct fixture *f = *state;
	uint64_t opened_ns = f->now_ns;
	uint64_t renew_ns;
	uint8_t first[MAP_SIZE];

	memcpy(first, f->pcp_request, sizeof(first));
	pcp_stop(f->pcp, PORT_MAPPING_NATPMP);
	answer_pcp(f, 0, 1000, 100, "203.0.113.5:41000");
	renew_ns = pcp_next_timeout(f->pcp);
	assert_in_range(renew_ns - opened_ns, 500 * NS_PER_S, 625 * NS_PER_S);
	pass_to(f, renew_ns - 1);
	assert_int_equal(f->pcp_count, 1);
	pass_to(f, renew_ns);
	assert_int_equal(f->pcp_count, 2);
	/* The same nonce, and the port that it has. */
	assert_memory_equal(f->pcp_request + 24, first + 24, 12);
	assert_int_equal(load_be16(f->pcp_request + 42), 41000);
	assert_memory_equal(f->pcp_request + 56, "\xcb\x00\x71\x05", 4);
	answer_pcp(f, 0, 1000, 100 + (uint32_t)((renew_ns - opened_ns) / NS_PER_S),
		   "203.0.113.5:41000");
	opened_ns = f->now_ns;
	/* Now nobody answers: it stays open until its time is over, and not longer. */
	while (pcp_next_timeout(f->pcp) < opened_ns + 1000 * NS_PER_S) {
		pass_to(f, pcp_next_timeout(f->pcp));
		assert_int_equal(mapping_of(f, PORT_MAPPING_PCP).state, PORT_MAPPING_OPEN);
	}
	assert_int_equal(pcp_next_timeout(f->pcp), opened_ns + 1000 * NS_PER_S);
	pass_to(f, opened_ns + 1000 * NS_PER_S);
	assert_int_equal(mapping_of(f, PORT_MAPPING_PCP).state, PORT_MAPPING_SILENT);
	assert_true(f->pcp_count < 12);
}

static void test_lifetimes_are_bounded(void **state)
{
	struct fixture *f = *state;
	uint64_t day_ns = 86400 * NS_PER_S;

	pcp_stop(f->pcp, PORT_MAPPING_NATPMP);
	answer_pcp(f, 0, UINT32_MAX, 100, "203.0.113.5:41000");
	assert_in_range(pcp_next_timeout(f->pcp) - f->now_ns, day_ns / 2, day_ns * 5 / 8);
	start(f, "192.168.1.10:41641");
	pcp_stop(f->pcp, PORT_MAPPING_NATPMP);
	answer_pcp(f, 0, 0, 100, "203.0.113.5:41000");
	assert_int_equal(mapping_of(f, PORT_MAPPING_PCP).state, PORT_MAPPING_REFUSED);
	assert_int_equal(pcp_next_timeout(f->pcp), f->now_ns + 1800 * NS_PER_S);
	/* A few seconds only: it would come and go without end. */
	start(f, "192.168.1.10:41641");
	pcp_stop(f->pcp, PORT_MAPPING_NATPMP);
	answer_pcp(f, 0, 9, 100, "203.0.113.5:41000");
	assert_int_equal(mapping_of(f, PORT_MAPPING_PCP).state, PORT_MAPPING_REFUSED);
	assert_int_equal(pcp_next_timeout(f->pcp), f->now_ns + 1800 * NS_PER_S);
	start(f, "192.168.1.10:41641");
	pcp_stop(f->pcp, PORT_MAPPING_NATPMP);
	answer_pcp(f, 0, 10, 100, "203.0.113.5:41000");
	assert_int_equal(mapping_of(f, PORT_MAPPING_PCP).state, PORT_MAPPING_OPEN);
	assert_in_range(pcp_next_timeout(f->pcp) - f->now_ns, 5 * NS_PER_S, 6250 * NS_PER_MS);
}

static void test_refusals_rest(void **state)
{
	static const struct {
		uint32_t says_s;
		uint64_t want_s;
	} cases[] = { { 0, 30 }, { 60, 60 }, { UINT32_MAX, 1800 } };
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		start(f, "192.168.1.10:41641");
		pcp_stop(f->pcp, PORT_MAPPING_NATPMP);
		answer_pcp(f, 2, cases[i].says_s, 100, "0.0.0.0:0");
		assert_int_equal(mapping_of(f, PORT_MAPPING_PCP).state, PORT_MAPPING_REFUSED);
		assert_string_equal(mapping_of(f, PORT_MAPPING_PCP).why, "does not allow it");
		assert_int_equal(pcp_next_timeout(f->pcp), f->now_ns + cases[i].want_s * NS_PER_S);
		pass_to(f, pcp_next_timeout(f->pcp));
		assert_int_equal(f->pcp_count, 2);
	}
}

/* ---- epochs ---- */

/* The gateway was started anew and says so to everybody. */
static void announce(struct fixture *f, uint32_t epoch_s)
{
	uint8_t message[24] = { 2, 0x80 };

	store_be32(message + 8, epoch_s);
	assert_int_equal(pcp_input_announcement(f->pcp, message, sizeof(message), f->now_ns), 0);
	drain(f);
}

static void test_lost_epoch_asks_at_once(void **state)
{
	struct fixture *f = *state;

	pcp_stop(f->pcp, PORT_MAPPING_NATPMP);
	answer_pcp(f, 0, 7200, 5000, "203.0.113.5:41000");
	f->now_ns += 60 * NS_PER_S;
	announce(f, 5060);
	assert_int_equal(f->pcp_count, 1);
	f->now_ns += 60 * NS_PER_S;
	announce(f, 3);
	assert_int_equal(f->pcp_count, 2);
	assert_int_equal(load_be16(f->pcp_request + 42), 41000);
	/* Meanwhile it counts as open: the answer is a millisecond away. */
	assert_int_equal(mapping_of(f, PORT_MAPPING_PCP).state, PORT_MAPPING_OPEN);
	answer_pcp(f, 0, 7200, 3, "203.0.113.5:41000");
	assert_int_equal(mapping_of(f, PORT_MAPPING_PCP).state, PORT_MAPPING_OPEN);
}

static void test_epoch_slack(void **state)
{
	struct fixture *f = *state;

	pcp_stop(f->pcp, PORT_MAPPING_NATPMP);
	answer_pcp(f, 0, 7200, 5000, "203.0.113.5:41000");
	/* A sixteenth and two seconds either way, and one back (RFC 6887 section 8.5). */
	f->now_ns += 160 * NS_PER_S;
	announce(f, 5000 + 160 + 12);
	f->now_ns += 160 * NS_PER_S;
	announce(f, 5172 + 160 - 11);
	announce(f, 5320);
	assert_int_equal(f->pcp_count, 1);
	f->now_ns += 160 * NS_PER_S;
	announce(f, 5320 + 160 + 20);
	assert_int_equal(f->pcp_count, 2);
}

static void test_jumping_epochs_are_bounded(void **state)
{
	struct fixture *f = *state;

	pcp_stop(f->pcp, PORT_MAPPING_NATPMP);
	answer_pcp(f, 0, 7200, 5000, "203.0.113.5:41000");
	for (uint32_t i = 0; i < 10000; i++) {
		f->now_ns += NS_PER_MS;
		announce(f, i % 2 ? 1000000 : 1);
		if (i % 100 == 0)
			answer_pcp(f, 0, 7200, i, "203.0.113.5:41000");
	}
	/* Ten seconds. */
	assert_true(f->pcp_count <= 4);
}

/* ---- lies and rubbish ---- */

static void test_lies_are_refused(void **state)
{
	static const struct {
		const char *external;
		const char *why;
	} cases[] = {
		{ "10.0.0.1:41000", "has itself only a private address" },
		{ "100.64.1.1:41000", "has itself only a private address" },
		{ "192.168.1.1:41000", "has itself only a private address" },
		{ "127.0.0.1:41000", "names an address that nobody can have" },
		{ "224.0.0.1:41000", "names an address that nobody can have" },
		{ "169.254.1.1:41000", "names an address that nobody can have" },
		{ "255.255.255.255:41000", "names an address that nobody can have" },
		{ "0.0.0.0:41000", "has no address of its own outside" },
		{ "[2001:db8::1]:41000", "names an address of another family" },
		{ "203.0.113.5:0", "names no port" },
		{ "203.0.113.5:53", "names a port that belongs to others" },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct port_mapping mapping;

		start(f, "192.168.1.10:41641");
		assert_int_equal(answer_pcp(f, 0, 7200, 100, cases[i].external), 0);
		mapping = mapping_of(f, PORT_MAPPING_PCP);
		assert_int_equal(mapping.state, PORT_MAPPING_REFUSED);
		assert_string_equal(mapping.why, cases[i].why);
	}
	start(f, "192.168.1.10:41641");
	assert_int_equal(answer_address(f, 0, 100, 0x0a000001), 0);
	assert_int_equal(mapping_of(f, PORT_MAPPING_NATPMP).state, PORT_MAPPING_REFUSED);
	assert_int_equal(f->natpmp_len, 2); /* and no mapping was asked for */
}

static void test_answers_to_others_are_ignored(void **state)
{
	struct fixture *f = *state;
	uint8_t answer[MAP_SIZE];

	for (size_t at = 24; at < 42; at++) {
		/* Nonce, protocol and internal port. */
		if (at > 36 && at < 40)
			continue;
		build_answer(f, answer, 0, 7200, 100, "203.0.113.5:41000");
		answer[at] ^= 1;
		assert_int_equal(pcp_input(f->pcp, answer, sizeof(answer), f->now_ns), -ENOENT);
	}
	assert_int_equal(mapping_of(f, PORT_MAPPING_PCP).state, PORT_MAPPING_ASKING);
	assert_int_equal(answer_port(f, PORT, 42000, 7200), -ENOENT); /* before the address */
	answer_address(f, 0, 100, 0xcb007105);
	assert_int_equal(answer_port(f, PORT + 1, 42000, 7200), -ENOENT);
	assert_int_equal(mapping_of(f, PORT_MAPPING_NATPMP).state, PORT_MAPPING_ASKING);
}

static void test_sizes(void **state)
{
	struct fixture *f = *state;
	uint8_t answer[2000] = { 0 };

	for (size_t len = 0; len < sizeof(answer); len++) {
		build_answer(f, answer, 0, 7200, 100, "203.0.113.5:41000");
		if (len >= MAP_SIZE && len <= PCP_MESSAGE_MAX && len % 4 == 0)
			continue;
		assert_int_not_equal(pcp_input(f->pcp, answer, len, f->now_ns), 0);
	}
	assert_int_equal(mapping_of(f, PORT_MAPPING_PCP).state, PORT_MAPPING_ASKING);
	/* Options may follow. */
	assert_int_equal(pcp_input(f->pcp, answer, 72, f->now_ns), 0);
	assert_int_equal(mapping_of(f, PORT_MAPPING_PCP).state, PORT_MAPPING_OPEN);
}

static void test_answers_without_end(void **state)
{
	struct fixture *f = *state;
	uint64_t next_ns;

	answer_pcp(f, 0, 7200, 100, "203.0.113.5:41000");
	pcp_stop(f->pcp, PORT_MAPPING_NATPMP);
	next_ns = pcp_next_timeout(f->pcp);
	for (unsigned int i = 0; i < 5000; i++)
		assert_int_equal(answer_pcp(f, 0, 7200, i, "203.0.113.6:42000"), -ENOENT);
	assert_int_equal(pcp_next_timeout(f->pcp), next_ns);
	assert_int_equal(mapping_of(f, PORT_MAPPING_PCP).external.port, 41000);
	assert_int_equal(f->pcp_count, 1);
}

/* ---- deleting ---- */

static void test_delete(void **state)
{
	struct fixture *f = *state;
	uint8_t opened[MAP_SIZE];

	answer_pcp(f, 0, 7200, 100, "203.0.113.5:41000");
	memcpy(opened, f->pcp_request, sizeof(opened));
	pcp_delete(f->pcp, PORT_MAPPING_PCP);
	pcp_delete(f->pcp, PORT_MAPPING_NATPMP);
	drain(f);
	assert_int_equal(f->pcp_count, 2);
	assert_int_equal(load_be32(f->pcp_request + 4), 0);
	assert_memory_equal(f->pcp_request + 24, opened + 24, 12);
	assert_int_equal(load_be16(f->pcp_request + 40), PORT);
	/* NAT-PMP was not asked for a mapping, so there is none to delete. */
	assert_int_equal(f->natpmp_count, 1);
	assert_int_equal(pcp_next_timeout(f->pcp), CLOCK_NEVER);
	assert_int_equal(mapping_of(f, PORT_MAPPING_PCP).state, PORT_MAPPING_OFF);
}

static void test_delete_natpmp(void **state)
{
	struct fixture *f = *state;

	answer_address(f, 0, 100, 0xcb007105);
	answer_port(f, PORT, 42000, 7200);
	pcp_delete(f->pcp, PORT_MAPPING_NATPMP);
	drain(f);
	/* RFC 6886 section 3.4: lifetime and external port zero, our port never. */
	assert_memory_equal(f->natpmp_request, "\x00\x01\x00\x00\xa2\xa9\x00\x00\x00\x00\x00\x00",
			    12);
}

static void test_anew(void **state)
{
	struct fixture *f = *state;
	answer_pcp(f, 0, 7200, 100, "203.0.113.5:41000");
	pcp_anew(f->pcp, PORT_MAPPING_PCP, 43000, f->now_ns);
	drain(f);
	/* The old one deleted, a new one asked for. */
	assert_int_equal(f->pcp_count, 3);
	assert_int_equal(load_be32(f->pcp_request + 4), 7200);
	assert_int_equal(load_be16(f->pcp_request + 42), 43000);
	assert_int_equal(mapping_of(f, PORT_MAPPING_PCP).state, PORT_MAPPING_ASKING);
}

/* The router answers one after the other, and so that it closed the port before it opens one. */
static void test_anew_after_the_deletion_is_answered(void **state)
{
	struct fixture *f = *state;

	answer_pcp(f, 0, 7200, 100, "203.0.113.5:41000");
	pcp_anew(f->pcp, PORT_MAPPING_PCP, 43000, f->now_ns);
	drain(f);
	answer_pcp(f, 0, 0, 100, "203.0.113.5:41000");
	assert_int_equal(mapping_of(f, PORT_MAPPING_PCP).state, PORT_MAPPING_ASKING);
	answer_pcp(f, 0, 7200, 100, "203.0.113.5:43000");
	assert_int_equal(mapping_of(f, PORT_MAPPING_PCP).state, PORT_MAPPING_OPEN);
	assert_int_equal(mapping_of(f, PORT_MAPPING_PCP).external.port, 43000);
}

/* Nor is it said of the new one that the old one may not be closed. */
static void test_anew_after_the_deletion_is_refused(void **state)
{
	struct fixture *f = *state;

	answer_pcp(f, 0, 7200, 100, "203.0.113.5:41000");
	pcp_anew(f->pcp, PORT_MAPPING_PCP, 43000, f->now_ns);
	drain(f);
	answer_pcp(f, 2, 1800, 100, "203.0.113.5:41000");
	assert_int_equal(mapping_of(f, PORT_MAPPING_PCP).state, PORT_MAPPING_ASKING);
	answer_pcp(f, 2, 1800, 100, "203.0.113.5:43000");
	assert_int_equal(mapping_of(f, PORT_MAPPING_PCP).state, PORT_MAPPING_REFUSED);
}

#define PCP_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		PCP_TEST(test_the_first_requests),
		PCP_TEST(test_port_zero_is_refused),
		PCP_TEST(test_pcp_opens),
		PCP_TEST(test_natpmp_opens),
		PCP_TEST(test_pinhole),
		PCP_TEST(test_one_version_only),
		PCP_TEST(test_natpmp_retransmission),
		PCP_TEST(test_pcp_retransmission),
		PCP_TEST(test_renewal_and_expiry),
		PCP_TEST(test_lifetimes_are_bounded),
		PCP_TEST(test_refusals_rest),
		PCP_TEST(test_lost_epoch_asks_at_once),
		PCP_TEST(test_epoch_slack),
		PCP_TEST(test_jumping_epochs_are_bounded),
		PCP_TEST(test_lies_are_refused),
		PCP_TEST(test_answers_to_others_are_ignored),
		PCP_TEST(test_sizes),
		PCP_TEST(test_answers_without_end),
		PCP_TEST(test_delete),
		PCP_TEST(test_delete_natpmp),
		PCP_TEST(test_anew),
		PCP_TEST(test_anew_after_the_deletion_is_answered),
		PCP_TEST(test_anew_after_the_deletion_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
