/* cmocka.h needs these before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <netinet/in.h>
#include <pthread.h>
#include <string.h>

#include "base/clock.h"
#include "proto/filter.h"

#define T0 (1000 * NS_PER_S)
#define S  NS_PER_S

static const uint8_t secret[16] = { 1, 2, 3 };
static struct filter_flows *flows;
static struct filter_rules *ssh;    /* tcp/22 to anywhere here */
static struct filter_rules *nobody; /* nothing */
static struct filter_rules *all;

static struct filter_rules *one_rule(uint8_t proto, uint16_t low, uint16_t high)
{
	struct filter_rule rule;

	memset(&rule, 0, sizeof(rule));
	rule.proto = proto;
	rule.port_low = low;
	rule.port_high = high;
	return filter_rules_new(&rule, 1, NULL);
}

static int setup(void **state)
{
	(void)state;
	flows = filter_flows_new(secret);
	ssh = one_rule(IPPROTO_TCP, 22, 22);
	all = one_rule(FILTER_PROTO_ANY, 0, 65535);
	nobody = filter_rules_new(NULL, 0, NULL);
	return flows && ssh && all && nobody ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	filter_flows_free(flows);
	filter_rules_free(ssh);
	filter_rules_free(all);
	filter_rules_free(nobody);
	return 0;
}

/* Between the peer, 100.64.0.2, and this node, 100.64.0.1. */
static struct filter_tuple from_peer(uint8_t proto, uint16_t peer_port, uint16_t our_port)
{
	struct filter_tuple t;

	memset(&t, 0, sizeof(t));
	t.src = addr_from_v4(0x64400002);
	t.dst = addr_from_v4(0x64400001);
	t.proto = proto;
	t.src_port = peer_port;
	t.dst_port = our_port;
	return t;
}

static struct filter_tuple turned(struct filter_tuple t)
{
	struct filter_tuple r = t;

	r.src = t.dst;
	r.dst = t.src;
	r.src_port = t.dst_port;
	r.dst_port = t.src_port;
	return r;
}

static struct filter_tuple syn(struct filter_tuple t)
{
	t.tcp_open = true;
	return t;
}

static struct filter_tuple fin(struct filter_tuple t)
{
	t.tcp_close = true;
	return t;
}

static bool in(const struct filter_rules *rules, struct filter_tuple t, uint64_t now_ns)
{
	return filter_pass_inbound(flows, rules, &t, false, now_ns);
}

static bool in_error(const struct filter_rules *rules, struct filter_tuple t, uint64_t now_ns)
{
	t.quoted = true;
	return filter_pass_inbound(flows, rules, &t, true, now_ns);
}

static void out(struct filter_tuple t, uint64_t now_ns)
{
	filter_note_outbound(flows, &t, now_ns);
}

/* Every protocol and port, started from either side, under a rule for tcp/22. */
static void test_protocol_port_direction(void **state)
{
	static const uint8_t protos[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP };
	static const uint16_t ports[] = { 21, 22, 23, 5432 };
	size_t i;
	size_t j;

	(void)state;
	for (i = 0; i < sizeof(protos); i++) {
		for (j = 0; j < sizeof(ports) / sizeof(ports[0]); j++) {
			struct filter_tuple to_us = from_peer(protos[i], 40000, ports[j]);
			struct filter_tuple reply = from_peer(protos[i], ports[j], 41000);
			bool allowed = protos[i] == IPPROTO_TCP && ports[j] == 22;

			assert_int_equal(in(ssh, to_us, T0), allowed);
			assert_false(in(nobody, to_us, T0 + 1));
			assert_false(in(NULL, to_us, T0 + 1));
			/* Ours: nothing before we speak, everything after, whatever the rules. */
			assert_false(in(ssh, reply, T0));
			out(turned(reply), T0);
			assert_true(in(ssh, reply, T0));
			assert_true(in(nobody, reply, T0));
			assert_true(in(NULL, reply, T0));
			/* One port beside it is another flow. */
			reply.dst_port++;
			assert_false(in(ssh, reply, T0));
		}
	}
}

static void test_protocols_do_not_share_flows(void **state)
{
	(void)state;
	out(turned(from_peer(IPPROTO_UDP, 53, 5000)), T0);
	assert_true(in(NULL, from_peer(IPPROTO_UDP, 53, 5000), T0));
	assert_false(in(NULL, from_peer(IPPROTO_TCP, 53, 5000), T0));
}

/* Alive at the last nanosecond, gone at the deadline; every use moves it. */
static void check_timeout(struct filter_tuple reply, uint64_t timeout_ns)
{
	uint64_t used_ns = T0 + 10;

	out(turned(reply), T0);
	out(turned(reply), used_ns);
	assert_true(in(NULL, reply, used_ns + timeout_ns - 1));
	used_ns += timeout_ns - 1;
	assert_true(in(NULL, reply, used_ns + timeout_ns - 1));
	used_ns += timeout_ns - 1;
	assert_false(in(NULL, reply, used_ns + timeout_ns));
	assert_false(in(NULL, reply, used_ns));
}

static void test_timeouts_udp_icmp_other(void **state)
{
	struct filter_tuple echo = from_peer(IPPROTO_ICMP, 7, 7);
	struct filter_tuple request;

	(void)state;
	check_timeout(from_peer(IPPROTO_UDP, 53, 5000), FILTER_UDP_S * S);
	check_timeout(from_peer(IPPROTO_GRE, 0, 0), FILTER_UDP_S * S);
	request = turned(echo);
	request.icmp_type = 8;
	out(request, T0);
	assert_true(in(NULL, echo, T0 + FILTER_ICMP_S * S - 1));
	assert_false(in(NULL, echo, T0 + 2 * FILTER_ICMP_S * S - 1));
}

static void test_timeouts_tcp(void **state)
{
	struct filter_tuple reply = from_peer(IPPROTO_TCP, 80, 40000);
	struct filter_tuple ours = turned(reply);
	uint64_t at_ns = T0;

	(void)state;
	/* Half open: the SYN alone. */
	out(syn(ours), at_ns);
	assert_true(in(NULL, reply, at_ns + FILTER_TCP_OPENING_S * S - 1));
	/* Answered, but we have not confirmed. */
	at_ns += FILTER_TCP_OPENING_S * S - 1;
	assert_false(in(NULL, reply, at_ns + FILTER_TCP_OPENING_S * S));

	out(syn(ours), at_ns);
	assert_true(in(NULL, reply, at_ns));
	out(ours, at_ns);
	at_ns += FILTER_TCP_OPEN_S * S - 1;
	assert_true(in(NULL, reply, at_ns));
	assert_false(in(NULL, reply, at_ns + FILTER_TCP_OPEN_S * S));

	/* Closing is short, and later packets do not make it long again. */
	out(syn(ours), at_ns);
	assert_true(in(NULL, reply, at_ns));
	out(ours, at_ns);
	out(fin(ours), at_ns);
	assert_true(in(NULL, reply, at_ns + FILTER_TCP_CLOSING_S * S - 1));
	at_ns += FILTER_TCP_CLOSING_S * S - 1;
	assert_false(in(NULL, reply, at_ns + FILTER_TCP_CLOSING_S * S));
}

static void test_reset_ends_an_open_flow_soon(void **state)
{
	struct filter_tuple to_us = from_peer(IPPROTO_TCP, 40000, 22);

	(void)state;
	assert_true(in(ssh, syn(to_us), T0));
	out(turned(to_us), T0);
	assert_true(in(ssh, to_us, T0));
	assert_true(in(ssh, fin(to_us), T0));
	/* Without the flow and without a rule, nothing: the flow is gone at its deadline. */
	assert_false(in(nobody, to_us, T0 + FILTER_TCP_CLOSING_S * S));
}

static void test_policy_change(void **state)
{
	struct filter_tuple to_us = from_peer(IPPROTO_TCP, 40000, 22);
	struct filter_tuple answer = from_peer(IPPROTO_TCP, 443, 41000);
	struct filter_rules *ssh_again = one_rule(IPPROTO_TCP, 22, 22);

	(void)state;
	assert_true(in(ssh, syn(to_us), T0));
	out(turned(to_us), T0);
	assert_true(in(ssh, to_us, T0));
	out(syn(turned(answer)), T0);

	/* Other rules that still allow it change nothing. */
	assert_true(in(ssh_again, to_us, T0));
	/* The rule is gone: the flow is cut, and our server's answers do not bring it back. */
	assert_false(in(nobody, to_us, T0));
	out(turned(to_us), T0);
	assert_false(in(nobody, to_us, T0));
	assert_false(in_error(nobody, to_us, T0));
	/* Answers to what we began keep coming. */
	assert_true(in(nobody, answer, T0));
	/* The rule is back. */
	assert_true(in(ssh, to_us, T0));
	assert_true(in(ssh, to_us, T0));
	filter_rules_free(ssh_again);
}

static void test_own_syn_reopens_revoked(void **state)
{
	struct filter_tuple to_us = from_peer(IPPROTO_TCP, 40000, 22);

	(void)state;
	assert_true(in(ssh, syn(to_us), T0));
	assert_false(in(nobody, to_us, T0));
	out(syn(turned(to_us)), T0);
	assert_true(in(nobody, to_us, T0));
}

static void test_syn_is_never_an_answer(void **state)
{
	struct filter_tuple reply = from_peer(IPPROTO_TCP, 22, 22);

	(void)state;
	out(syn(turned(reply)), T0);
	assert_false(in(nobody, syn(reply), T0));
	assert_true(in(nobody, reply, T0)); /* and it does no harm */
	assert_true(in(ssh, syn(reply), T0));
	/* Now it is theirs, and falls with their rule. */
	assert_false(in(nobody, reply, T0));
}

static void test_our_reset_opens_nothing(void **state)
{
	struct filter_tuple to_us = from_peer(IPPROTO_TCP, 40000, 23);

	(void)state;
	out(fin(turned(to_us)), T0);
	assert_false(in(nobody, to_us, T0));
}

static struct filter_tuple echo(bool request, bool v6, uint16_t id)
{
	struct filter_tuple t = from_peer(v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP, id, id);

	if (v6) {
		const uint8_t src[16] = { 0xfd, [15] = 2 };
		const uint8_t dst[16] = { 0xfd, [15] = 1 };

		t.src = addr_from_bytes(AF_INET6, src);
		t.dst = addr_from_bytes(AF_INET6, dst);
	}
	t.icmp_type = v6 ? (request ? 128 : 129) : (request ? 8 : 0);
	return t;
}

static void check_echo(bool v6)
{
	/* We ask: their reply passes, their own request with that id does not. */
	out(turned(echo(true, v6, 7)), T0);
	assert_true(in(nobody, echo(false, v6, 7), T0));
	assert_false(in(nobody, echo(true, v6, 7), T0));
	assert_false(in(nobody, echo(false, v6, 8), T0));
	/* They ask: a rule decides, and our reply does not open anything. */
	assert_false(in(ssh, echo(true, v6, 9), T0));
	out(turned(echo(false, v6, 9)), T0);
	assert_false(in(ssh, echo(false, v6, 9), T0));
	assert_false(in(ssh, echo(true, v6, 9), T0));
	assert_true(in(all, echo(true, v6, 9), T0));
}

static void test_echo(void **state)
{
	(void)state;
	check_echo(false);
	check_echo(true);
}

static void test_icmp_errors(void **state)
{
	struct filter_tuple reply = from_peer(IPPROTO_UDP, 53, 5000);
	uint64_t late_ns = T0 + FILTER_UDP_S * S;

	(void)state;
	/* An error about nothing we know, even if everything is allowed. */
	assert_false(in_error(all, reply, T0));
	out(turned(reply), T0);
	assert_true(in_error(nobody, reply, late_ns - 1));
	/* It did not keep the flow alive. */
	assert_false(in_error(nobody, reply, late_ns));
	/* Our own error about a packet of theirs opens nothing. */
	reply.quoted = true;
	out(turned(reply), T0);
	reply.quoted = false;
	assert_false(in(nobody, reply, T0));
}

static struct filter_tuple fragment(bool first, uint32_t id)
{
	struct filter_tuple t =
		first ? from_peer(IPPROTO_UDP, 53, 5000) : from_peer(IPPROTO_UDP, 0, 0);

	t.fragment = !first;
	t.more_fragments = first;
	t.fragment_id = id;
	return t;
}

static void test_fragments_follow_their_first(void **state)
{
	uint64_t deadline_ns = T0 + FILTER_FRAGMENT_S * S;

	(void)state;
	out(turned(from_peer(IPPROTO_UDP, 53, 5000)), T0);
	assert_false(in(nobody, fragment(false, 1), T0));
	assert_true(in(nobody, fragment(true, 1), T0));
	assert_true(in(nobody, fragment(false, 1), T0));
	assert_false(in(nobody, fragment(false, 2), T0));
	assert_true(in(nobody, fragment(false, 1), deadline_ns - 1));
	assert_false(in(nobody, fragment(false, 1), deadline_ns));
	/* A first fragment that is refused leads nobody in; a rule for all ports needs none. */
	assert_false(in(ssh, fragment(true, 3), T0 + FILTER_UDP_S * S));
	assert_false(in(ssh, fragment(false, 3), T0 + FILTER_UDP_S * S));
	assert_true(in(all, fragment(false, 4), T0));
}

static void test_fragment_outbound_opens_nothing(void **state)
{
	(void)state;
	out(turned(fragment(false, 5)), T0);
	assert_false(in(nobody, fragment(false, 5), T0));
	assert_false(in(nobody, from_peer(IPPROTO_UDP, 0, 0), T0));
}

/* Far more flows than fit: an open TCP connection and the newest flows survive. */
static void test_table_full(void **state)
{
	struct filter_tuple tcp = from_peer(IPPROTO_TCP, 443, 40000);
	const uint32_t count = 3 * FILTER_FLOWS_MAX;
	uint32_t alive = 0;
	uint32_t i;

	(void)state;
	out(syn(turned(tcp)), T0);
	assert_true(in(NULL, tcp, T0));
	out(turned(tcp), T0);
	for (i = 0; i < count; i++) {
		struct filter_tuple t = from_peer(IPPROTO_UDP, 53, (uint16_t)i);

		t.src = addr_from_v4(0x0a000000 + (i >> 16));
		out(turned(t), T0 + i);
	}
	assert_true(in(NULL, tcp, T0 + count));
	for (i = 0; i < count; i++) {
		struct filter_tuple t = from_peer(IPPROTO_UDP, 53, (uint16_t)i);

		t.src = addr_from_v4(0x0a000000 + (i >> 16));
		alive += in(NULL, t, T0 + count);
		/* The youngest half of the table is there for certain. */
		if (i >= count - FILTER_FLOWS_MAX / 2)
			assert_true(in(NULL, t, T0 + count));
	}
	assert_true(alive <= FILTER_FLOWS_MAX);
	assert_true(alive > FILTER_FLOWS_MAX - 1024);
}

struct worker {
	pthread_t thread;
	unsigned int number;
	unsigned int failures;
};

/* Both directions of the same flows on different threads, and rules that change meanwhile. */
static void *run_worker(void *arg)
{
	struct worker *worker = arg;
	unsigned int i;

	for (i = 0; i < 20000; i++) {
		struct filter_tuple own =
			from_peer(IPPROTO_UDP, (uint16_t)(worker->number + 1), (uint16_t)i);
		struct filter_tuple shared = from_peer(IPPROTO_TCP, (uint16_t)(i % 50), 22);

		out(turned(own), T0 + i);
		worker->failures += !in(nobody, own, T0 + i);
		if (worker->number % 2)
			out(turned(shared), T0 + i);
		else
			in(i % 100 < 50 ? ssh : nobody, shared, T0 + i);
		in(all, own, T0 + i);
	}
	return NULL;
}

static void test_threads(void **state)
{
	struct worker workers[4] = { 0 };
	unsigned int i;

	(void)state;
	for (i = 0; i < 4; i++) {
		workers[i].number = i;
		assert_int_equal(pthread_create(&workers[i].thread, NULL, run_worker, &workers[i]),
				 0);
	}
	for (i = 0; i < 4; i++)
		pthread_join(workers[i].thread, NULL);
	/* 80,000 flows in 65,536 places: but what was just noted is there. */
	for (i = 0; i < 4; i++)
		assert_int_equal(workers[i].failures, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_protocol_port_direction),
		TEST(test_protocols_do_not_share_flows),
		TEST(test_timeouts_udp_icmp_other),
		TEST(test_timeouts_tcp),
		TEST(test_reset_ends_an_open_flow_soon),
		TEST(test_policy_change),
		TEST(test_own_syn_reopens_revoked),
		TEST(test_syn_is_never_an_answer),
		TEST(test_our_reset_opens_nothing),
		TEST(test_echo),
		TEST(test_icmp_errors),
		TEST(test_fragments_follow_their_first),
		TEST(test_fragment_outbound_opens_nothing),
		TEST(test_table_full),
		TEST(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
