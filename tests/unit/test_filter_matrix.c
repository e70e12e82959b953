/*
 * Family, protocol, port, who starts, what is allowed and what it is changed to: every combination,
 * as packets, against rules that are read the plain way.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <netinet/in.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "proto/filter.h"
#include "proto/filter_tuple.h"

#define OUR_PORT   41000 /* of flows that we start */
#define THEIR_PORT 40000 /* of flows that they start */
#define PACKET     80
#define DAY_NS     (86400 * NS_PER_S) /* no flow lives that long */
#define ANY_PORT   0, 65535

#define ICMP 253 /* stands for the family's ICMP */

static const int families[] = { AF_INET, AF_INET6 };
static const uint8_t protos[] = { IPPROTO_TCP,     IPPROTO_UDP, IPPROTO_SCTP, IPPROTO_DCCP,
				  IPPROTO_UDPLITE, IPPROTO_GRE, IPPROTO_ESP,  ICMP };
static const uint16_t ports[] = { 1, 21, 22, 23, 53, 80, 81, 65535 };

/* what of this node's a rule is about */
enum whom { ANYWHERE, OUR_V4, OUR_V6, ELSEWHERE };

struct line {
	uint8_t proto; /* FILTER_PROTO_ANY, ICMP or a number */
	uint16_t low;
	uint16_t high;
	enum whom whom;
	bool deny;
};

#define LINES_MAX 4

struct policy_case {
	size_t count;
	struct line lines[LINES_MAX];
};

static const struct policy_case cases[] = {
	{ 0, { { 0 } } },
	{ 1, { { FILTER_PROTO_ANY, ANY_PORT, ANYWHERE, false } } },
	{ 1, { { IPPROTO_TCP, 22, 80, ANYWHERE, false } } },
	{ 1, { { IPPROTO_UDP, 53, 53, ANYWHERE, false } } },
	{ 1, { { IPPROTO_TCP, ANY_PORT, ANYWHERE, false } } },
	{ 1, { { ICMP, ANY_PORT, ANYWHERE, false } } },
	{ 2,
	  { { IPPROTO_GRE, ANY_PORT, ANYWHERE, false },
	    { IPPROTO_SCTP, 22, 22, ANYWHERE, false } } },
	{ 2, { { IPPROTO_TCP, 22, 22, OUR_V4, false }, { IPPROTO_UDP, ANY_PORT, OUR_V6, false } } },
	{ 1, { { FILTER_PROTO_ANY, ANY_PORT, ELSEWHERE, false } } },
	{ 2,
	  { { FILTER_PROTO_ANY, ANY_PORT, ANYWHERE, false },
	    { IPPROTO_TCP, 22, 23, ANYWHERE, true } } },
	{ 3,
	  { { IPPROTO_UDP, ANY_PORT, ANYWHERE, true },
	    { FILTER_PROTO_ANY, ANY_PORT, ANYWHERE, false },
	    { IPPROTO_UDP, 53, 53, ANYWHERE, false } } },
	{ 2,
	  { { FILTER_PROTO_ANY, ANY_PORT, ANYWHERE, false },
	    { FILTER_PROTO_ANY, ANY_PORT, OUR_V6, true } } },
	{ 3,
	  { { FILTER_PROTO_ANY, ANY_PORT, ANYWHERE, false },
	    { ICMP, ANY_PORT, ANYWHERE, true },
	    { FILTER_PROTO_ANY, 80, 81, OUR_V4, true } } },
	{ 4,
	  { { IPPROTO_TCP, 1, 21, ANYWHERE, false },
	    { IPPROTO_TCP, 22, 65535, OUR_V4, false },
	    { IPPROTO_DCCP, ANY_PORT, OUR_V6, false },
	    { IPPROTO_TCP, 65535, 65535, ANYWHERE, true } } },
};

#define CASES        (sizeof(cases) / sizeof(cases[0]))
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct filter_flows *flows;
static uint64_t now_ns = 1000 * NS_PER_S;

static uint8_t number_of(uint8_t proto, int family)
{
	return proto != ICMP ? proto : family == AF_INET6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
}

static struct ip_addr address(int family, uint8_t last)
{
	struct ip_addr addr;

	assert_int_equal(addr_parse(&addr, family == AF_INET6 ? "fd00::" : "100.64.0.0"), 0);
	addr.bytes[family == AF_INET6 ? 15 : 3] = last;
	return addr;
}

#define US   1
#define THEM 2

static struct prefix prefix_of(enum whom whom)
{
	struct prefix none = { .len = 0 };
	struct ip_addr addr =
		address(whom == OUR_V6 ? AF_INET6 : AF_INET, whom == ELSEWHERE ? 77 : US);

	return whom == ANYWHERE ? none : prefix_from_addr(&addr, 128);
}

/* The rules as the filter takes them; ICMP are two. */
static struct filter_rules *build(const struct policy_case *what)
{
	struct filter_rule rules[2 * LINES_MAX];
	struct filter_rules *set;
	size_t count = 0;

	memset(rules, 0, sizeof(rules));
	for (size_t i = 0; i < what->count; i++) {
		const struct line *line = &what->lines[i];

		for (int twice = 0; twice <= (line->proto == ICMP); twice++) {
			struct filter_rule *rule = &rules[count++];

			rule->dst = prefix_of(line->whom);
			rule->proto = number_of(line->proto, twice ? AF_INET6 : AF_INET);
			rule->port_low = line->low;
			rule->port_high = line->high;
			rule->deny = line->deny;
		}
	}
	set = filter_rules_new(rules, count, NULL);
	assert_non_null(set);
	return set;
}

static bool has_ports(uint8_t proto)
{
	return proto != ICMP && proto != IPPROTO_GRE && proto != IPPROTO_ESP;
}

/* Is the line about a packet to us? port 0: there is none to be seen. */
static bool speaks_of(const struct line *line, int family, uint8_t proto, uint16_t port)
{
	if (line->whom == ELSEWHERE || (line->whom == OUR_V4 && family != AF_INET) ||
	    (line->whom == OUR_V6 && family != AF_INET6))
		return false;
	if (line->proto != FILTER_PROTO_ANY && line->proto != proto)
		return false;
	if (port)
		return line->low <= port && port <= line->high;
	return line->deny || (line->low == 0 && line->high == 65535);
}

static bool allowed(const struct policy_case *what, int family, uint8_t proto, uint16_t port)
{
	bool allow = false;
	bool deny = false;

	for (size_t i = 0; i < what->count; i++)
		if (speaks_of(&what->lines[i], family, proto, has_ports(proto) ? port : 0))
			*(what->lines[i].deny ? &deny : &allow) = true;
	return allow && !deny;
}

/* --- packets --- */

enum shape { WHOLE, FIRST, LATER };

struct packet {
	int family;
	uint8_t proto;
	bool inbound;
	uint16_t ours;
	uint16_t theirs;
	bool opens;  /* a SYN, or the request of a ping */
	bool answer; /* a ping's reply */
	enum shape shape;
	uint16_t id; /* of its fragments */
};

static size_t put_v4(uint8_t *out, const struct packet *p, size_t payload)
{
	struct ip_addr src = address(AF_INET, p->inbound ? THEM : US);
	struct ip_addr dst = address(AF_INET, p->inbound ? US : THEM);

	out[0] = 0x45;
	store_be16(out + 2, (uint16_t)(20 + payload));
	store_be16(out + 4, p->id);
	store_be16(out + 6, p->shape == FIRST ? 0x2000 : p->shape == LATER ? 3 : 0);
	out[9] = number_of(p->proto, AF_INET);
	memcpy(out + 12, src.bytes, 4);
	memcpy(out + 16, dst.bytes, 4);
	return 20;
}

static size_t put_v6(uint8_t *out, const struct packet *p, size_t payload)
{
	struct ip_addr src = address(AF_INET6, p->inbound ? THEM : US);
	struct ip_addr dst = address(AF_INET6, p->inbound ? US : THEM);
	size_t more = p->shape == WHOLE ? 0 : 8;

	out[0] = 0x60;
	store_be16(out + 4, (uint16_t)(payload + more));
	out[6] = more ? IPPROTO_FRAGMENT : number_of(p->proto, AF_INET6);
	memcpy(out + 8, src.bytes, 16);
	memcpy(out + 24, dst.bytes, 16);
	if (more) {
		out[40] = number_of(p->proto, AF_INET6);
		store_be16(out + 42, p->shape == FIRST ? 1 : 3 << 3);
		store_be32(out + 44, p->id);
	}
	return 40 + more;
}

static void put_transport(uint8_t *at, const struct packet *p)
{
	bool six = p->family == AF_INET6;

	if (p->proto == ICMP) {
		at[0] = p->answer ? (six ? 129 : 0) : (six ? 128 : 8);
		store_be16(at + 4, 7);
		return;
	}
	store_be16(at, p->inbound ? p->theirs : p->ours);
	store_be16(at + 2, p->inbound ? p->ours : p->theirs);
	if (p->proto == IPPROTO_TCP)
		at[13] = p->opens ? 0x02 : 0x10;
}

/* Its bytes; the length. */
static size_t put(uint8_t out[static PACKET], const struct packet *p)
{
	size_t head;

	memset(out, 0, PACKET);
	head = p->family == AF_INET6 ? put_v6(out, p, 24) : put_v4(out, p, 24);
	if (p->shape != LATER)
		put_transport(out + head, p);
	return head + 24;
}

static bool in(const struct filter_rules *rules, const struct packet *p)
{
	uint8_t bytes[PACKET];
	size_t len = put(bytes, p);
	struct filter_tuple tuple;
	bool related;

	assert_int_equal(filter_tuple_parse(&tuple, &related, bytes, len), 0);
	assert_false(related);
	return filter_pass_inbound(flows, rules, &tuple, related, ++now_ns);
}

static void out(const struct packet *p)
{
	uint8_t bytes[PACKET];
	size_t len = put(bytes, p);
	struct filter_tuple tuple;
	bool related;

	assert_int_equal(filter_tuple_parse(&tuple, &related, bytes, len), 0);
	filter_note_outbound(flows, &tuple, ++now_ns);
}

/* An ICMP error of theirs about a packet of ours. */
static bool error_in(const struct filter_rules *rules, const struct packet *ours)
{
	struct packet error = { .family = ours->family, .proto = ICMP, .inbound = true };
	uint8_t bytes[2 * PACKET] = { 0 };
	struct filter_tuple tuple;
	size_t len = put(bytes + 60, ours);
	bool six = ours->family == AF_INET6;
	size_t head = six ? put_v6(bytes, &error, 8 + len) : put_v4(bytes, &error, 8 + len);
	bool related;

	memmove(bytes + head + 8, bytes + 60, len);
	memset(bytes + head, 0, 8);
	bytes[head] = six ? 1 : 3;
	assert_int_equal(filter_tuple_parse(&tuple, &related, bytes, head + 8 + len), 0);
	assert_true(related);
	return filter_pass_inbound(flows, rules, &tuple, true, ++now_ns);
}

/* --- who starts --- */

static void they_start(const struct policy_case *before, const struct policy_case *after,
		       const struct packet *what)
{
	struct filter_rules *first = build(before);
	struct filter_rules *second = build(after);
	struct filter_rules *again = build(after); /* the same in other words */
	struct packet asks = *what;
	struct packet goes_on = *what;
	struct packet answers = *what;
	bool was = allowed(before, what->family, what->proto, what->ours);
	bool is = allowed(after, what->family, what->proto, what->ours);

	asks.inbound = goes_on.inbound = asks.opens = true;
	answers.answer = true;
	assert_false(in(NULL, &asks));
	assert_false(error_in(first, &answers));
	assert_int_equal(in(first, &asks), was);
	if (was)
		out(&answers);
	assert_int_equal(in(first, &goes_on), was);
	assert_int_equal(error_in(first, &answers), was);
	/* What is not allowed any more is cut at once, the rest does not notice. */
	assert_int_equal(in(second, &goes_on), is);
	if (is)
		out(&answers);
	assert_int_equal(in(again, &goes_on), is);
	assert_int_equal(error_in(again, &answers), is);
	assert_int_equal(in(again, &asks), is);
	assert_false(in(NULL, &goes_on));
	/* Our late answers do not bring back what was cut. */
	if (was && !is) {
		out(&answers);
		assert_false(in(second, &goes_on));
		assert_false(error_in(second, &answers));
	}
	assert_int_equal(in(first, &goes_on), was);
	filter_rules_free(first);
	filter_rules_free(second);
	filter_rules_free(again);
	now_ns += DAY_NS;
}

static void we_start(const struct policy_case *before, const struct policy_case *after,
		     const struct packet *what)
{
	struct filter_rules *first = build(before);
	struct filter_rules *second = build(after);
	struct packet asks = *what;
	struct packet answers = *what;
	struct packet begins = *what;

	asks.opens = answers.inbound = answers.answer = true;
	begins.inbound = begins.opens = true;
	assert_int_equal(in(first, &answers),
			 allowed(before, what->family, what->proto, what->ours));
	now_ns += DAY_NS; /* if that was a flow it is over */
	out(&asks);
	assert_true(in(first, &answers));
	assert_true(error_in(first, &asks));
	assert_true(in(second, &answers));
	assert_true(in(NULL, &answers));
	assert_true(error_in(NULL, &asks));
	/* With our ports they may begin what rules allow, and no more. */
	if (what->proto == IPPROTO_TCP || what->proto == ICMP)
		assert_int_equal(in(second, &begins),
				 allowed(after, what->family, what->proto, what->ours));
	filter_rules_free(first);
	filter_rules_free(second);
	now_ns += DAY_NS;
}

static void fragments(const struct policy_case *what, const struct packet *packet)
{
	struct filter_rules *rules = build(what);
	struct packet first = *packet;
	struct packet later = *packet;
	struct line seen = { .proto = packet->proto };
	bool allow = false;
	bool deny = false;

	/* Without its first one a fragment shows no ports. */
	for (size_t i = 0; i < what->count; i++)
		if (speaks_of(&what->lines[i], packet->family, seen.proto, 0))
			*(what->lines[i].deny ? &deny : &allow) = true;
	first.inbound = later.inbound = first.opens = true;
	first.shape = FIRST;
	later.shape = LATER;
	later.id = 9;
	assert_int_equal(in(rules, &later), allow && !deny);
	first.id = 10;
	later.id = 10;
	if (in(rules, &first))
		assert_true(in(rules, &later));
	else
		assert_int_equal(in(rules, &later), allow && !deny);
	assert_false(in(NULL, &first));
	filter_rules_free(rules);
	now_ns += DAY_NS;
}

static int begin(void **state)
{
	static const uint8_t secret[16] = { 5 };

	(void)state;
	flows = filter_flows_new(secret);
	return flows ? 0 : -1;
}

static int end(void **state)
{
	(void)state;
	filter_flows_free(flows);
	return 0;
}

/* Each pair of cases for each packet there is; a protocol without ports has one. */
static void each(void (*try)(const struct policy_case *, const struct policy_case *,
			     const struct packet *),
		 bool ours)
{
	for (size_t f = 0; f < COUNT(families); f++) {
		for (size_t i = 0; i < COUNT(protos); i++) {
			for (size_t j = 0; j < (has_ports(protos[i]) ? COUNT(ports) : 1); j++) {
				struct packet packet = { .family = families[f],
							 .proto = protos[i],
							 .ours = ours ? OUR_PORT : ports[j],
							 .theirs = ours ? ports[j] : THEIR_PORT };

				for (size_t k = 0; k < CASES * CASES; k++)
					try(&cases[k / CASES], &cases[k % CASES], &packet);
			}
		}
	}
}

static void test_they_start(void **state)
{
	(void)state;
	each(they_start, false);
}

static void test_we_start(void **state)
{
	(void)state;
	each(we_start, true);
}

static void try_fragments(const struct policy_case *what, const struct policy_case *other,
			  const struct packet *packet)
{
	if (what == other)
		fragments(what, packet);
}

static void test_fragments(void **state)
{
	(void)state;
	each(try_fragments, false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_they_start, begin, end),
		cmocka_unit_test_setup_teardown(test_we_start, begin, end),
		cmocka_unit_test_setup_teardown(test_fragments, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
