#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/relay_probe.h"
#include "proto/turn_credential.h"
#include "tests/support/relay_net.h"

/* Probes of a mapping from a relay's second port: what the relay sends where, and what it proves.
 */

#define BUF_SIZE 1024

static struct relay_probe *new_probe(struct relay_net *net, const char *target)
{
	char username[TURN_USERNAME_SIZE];
	char password[TURN_PASSWORD_SIZE];
	struct relay_probe_config config = { .username = username, .password = password };
	struct relay_probe *probe;

	turn_credential_make(username, password, relay_net_secret, RELAY_NET_SECRET_LEN,
			     net->nodes[0].key, RELAY_NET_WALL_S * 2u);
	memcpy(config.node_key, net->nodes[0].key, 32);
	assert_int_equal(endpoint_parse(&config.target, target), 0);
	probe = relay_probe_new(&config, &net->rng, net->now_ns);
	assert_non_null(probe);
	return probe;
}

/* One message from the probe's owner at that address to the relay. */
static bool ask_from(struct relay_net *net, struct relay_probe *probe,
		     const struct relay_address *from)
{
	uint8_t buf[BUF_SIZE];
	size_t len = relay_probe_poll_output(probe, buf, sizeof(buf), net->now_ns);

	assert_true(len > RELAY_PROBE_SIZE);
	return relay_server_input(net->server, buf, len, from, net->now_ns, &net->out);
}

static void take_answer(struct relay_net *net, struct relay_probe *probe)
{
	assert_int_equal(relay_probe_input(probe, net->out.data, net->out.len, net->now_ns), 0);
}

/* Asks, and once more with the nonce that comes back. */
static void ask_twice(struct relay_net *net, struct relay_probe *probe,
		      const struct relay_address *from)
{
	assert_true(ask_from(net, probe, from));
	assert_false(net->out.has_probe);
	take_answer(net, probe);
	assert_true(ask_from(net, probe, from));
}

static unsigned int error_of(const struct relay_output *out)
{
	struct stun_message msg;
	unsigned int code;

	assert_int_equal(stun_parse(&msg, out->data, out->len), 0);
	return stun_get_error(&msg, &code) == 0 ? code : 0;
}

static void join(struct relay_net *net)
{
	relay_net_join(net, 0);
	relay_net_run(net, NS_PER_S);
	assert_int_equal(net->nodes[0].registered, 1);
}

static void test_registration_tells_the_second_port(void **state)
{
	struct relay_net *net = *state;

	join(net);
	assert_int_equal(relay_client_second_port(net->nodes[0].client), RELAY_NET_SECOND_PORT);
}

static void test_probe_comes_from_the_second_port(void **state)
{
	struct relay_net *net = *state;
	struct relay_address from = net->nodes[0].address;
	struct relay_probe *probe = new_probe(net, "192.0.2.1:40000");

	join(net);
	assert_int_equal(addr_parse(&from.local, "203.0.113.1"), 0);
	from.masked = true;
	ask_twice(net, probe, &from);
	assert_int_equal(error_of(&net->out), 0);
	assert_true(net->out.has_probe);
	assert_int_equal(net->out.probe.to.socket, RELAY_SECOND_SOCKET);
	assert_int_equal(net->out.probe.to.remote.port, 40000);
	assert_true(addr_equal(&net->out.probe.to.remote.addr, &from.remote.addr));
	assert_true(addr_equal(&net->out.probe.to.local, &from.local));
	assert_true(net->out.probe.to.masked);
	assert_int_equal(relay_server_stats(net->server).probes, 1);

	take_answer(net, probe);
	assert_int_equal(relay_probe_result(probe), RELAY_PROBE_PENDING);
	assert_int_equal(relay_probe_input(probe, net->out.probe.data, RELAY_PROBE_SIZE,
					   net->now_ns),
			 0);
	assert_int_equal(relay_probe_result(probe), RELAY_PROBE_ARRIVED);
	assert_int_equal(relay_probe_next_timeout(probe), CLOCK_NEVER);
	relay_probe_free(probe);
}

static void test_only_the_askers_own_address(void **state)
{
	struct relay_net *net = *state;
	static const char *const targets[] = { "192.0.2.2:40000", "[2001:db8::1]:40000",
					       "192.0.2.1:1023", "192.0.2.1:0" };

	join(net);
	for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
		struct relay_probe *probe = new_probe(net, targets[i]);

		ask_twice(net, probe, &net->nodes[0].address);
		assert_false(net->out.has_probe);
		assert_int_equal(error_of(&net->out), STUN_ERR_FORBIDDEN);
		take_answer(net, probe);
		assert_int_equal(relay_probe_result(probe), RELAY_PROBE_REFUSED);
		relay_probe_free(probe);
	}
	assert_int_equal(relay_server_stats(net->server).probes, 0);
}

/* As a firewall sees it that the asker has spoken through: a low port may be mapped too. */
static void test_own_mapped_low_port_is_fine(void **state)
{
	struct relay_net *net = *state;
	struct relay_address from = net->nodes[0].address;
	struct relay_probe *probe = new_probe(net, "192.0.2.1:443");

	join(net);
	from.remote.port = 443;
	ask_twice(net, probe, &from);
	assert_true(net->out.has_probe);
	relay_probe_free(probe);
}

/* By TLS, or over the other address family than the registration went. */
static void test_from_elsewhere(void **state)
{
	static const char *const froms[] = { "192.0.2.1:50000", "[2001:db8::7]:4000" };
	static const char *const targets[] = { "192.0.2.1:4000", "[2001:db8::7]:4000" };
	struct relay_net *net = *state;

	join(net);
	for (size_t i = 0; i < 2; i++) {
		struct relay_probe *probe = new_probe(net, targets[i]);
		struct relay_address from;

		relay_net_address(&from, froms[i]);
		from.stream = i == 0 ? 7 : 0;
		ask_twice(net, probe, &from);
		assert_true(net->out.has_probe);
		assert_int_equal(net->out.probe.to.stream, 0);
		relay_probe_free(probe);
	}
	/* It moved nothing. */
	assert_true(relay_server_registered(net->server, &net->nodes[0].address));
}

static void test_strangers_get_no_probe(void **state)
{
	struct relay_net *net = *state;
	struct relay_probe *probe = new_probe(net, "192.0.2.1:40000");

	/* With good credentials, but not registered. */
	ask_twice(net, probe, &net->nodes[0].address);
	assert_false(net->out.has_probe);
	assert_int_equal(error_of(&net->out), STUN_ERR_ALLOCATION_MISMATCH);
	take_answer(net, probe);
	assert_int_equal(relay_probe_result(probe), RELAY_PROBE_UNKNOWN);
	relay_probe_free(probe);
}

static void test_probes_are_limited(void **state)
{
	struct relay_net *net = *state;
	struct relay_probe *probe = new_probe(net, "192.0.2.1:40000");
	unsigned int sent = 0;
	uint8_t buf[BUF_SIZE];
	size_t len;

	join(net);
	assert_true(ask_from(net, probe, &net->nodes[0].address));
	take_answer(net, probe);
	len = relay_probe_poll_output(probe, buf, sizeof(buf), net->now_ns);
	for (int i = 0; i < 100; i++) {
		assert_true(relay_server_input(net->server, buf, len, &net->nodes[0].address,
					       net->now_ns, &net->out));
		sent += net->out.has_probe;
	}
	assert_int_equal(sent, 10);
	assert_int_equal(error_of(&net->out), STUN_ERR_ALLOCATION_QUOTA);
	net->now_ns += NS_PER_S;
	for (int i = 0; i < 100; i++) {
		relay_server_input(net->server, buf, len, &net->nodes[0].address, net->now_ns,
				   &net->out);
		sent += net->out.has_probe;
	}
	assert_int_equal(sent, 10 + RELAY_PROBES_PER_S);
	relay_probe_free(probe);
}

static void test_lost_when_only_answers_come(void **state)
{
	struct relay_net *net = *state;
	struct relay_probe *probe = new_probe(net, "192.0.2.1:40000");
	uint64_t start_ns;

	join(net);
	start_ns = net->now_ns;
	ask_twice(net, probe, &net->nodes[0].address);
	for (int round = 0; round < RELAY_PROBE_ROUNDS; round++) {
		if (round)
			assert_true(ask_from(net, probe, &net->nodes[0].address));
		take_answer(net, probe);
		assert_int_equal(relay_probe_result(probe), RELAY_PROBE_PENDING);
		assert_int_equal(relay_probe_next_timeout(probe), net->now_ns + 400 * NS_PER_MS);
		relay_probe_expire(probe, net->now_ns + 400 * NS_PER_MS - 1);
		assert_int_equal(relay_probe_next_timeout(probe), net->now_ns + 400 * NS_PER_MS);
		net->now_ns += 400 * NS_PER_MS;
		relay_probe_expire(probe, net->now_ns);
	}
	assert_int_equal(relay_probe_result(probe), RELAY_PROBE_LOST);
	assert_int_equal(net->now_ns - start_ns, 1600 * NS_PER_MS);
	relay_probe_free(probe);
}

static void test_silent_relay_proves_nothing(void **state)
{
	static const uint64_t waits_ms[RELAY_PROBE_ROUNDS] = { 300, 600, 1200, 2000 };
	struct relay_net *net = *state;
	struct relay_probe *probe = new_probe(net, "192.0.2.1:40000");
	uint8_t buf[BUF_SIZE];

	for (int round = 0; round < RELAY_PROBE_ROUNDS; round++) {
		assert_true(relay_probe_poll_output(probe, buf, sizeof(buf), net->now_ns) > 0);
		assert_int_equal(relay_probe_poll_output(probe, buf, sizeof(buf), net->now_ns), 0);
		net->now_ns += waits_ms[round] * NS_PER_MS;
		assert_int_equal(relay_probe_next_timeout(probe), net->now_ns);
		relay_probe_expire(probe, net->now_ns);
	}
	assert_int_equal(relay_probe_result(probe), RELAY_PROBE_UNKNOWN);
	relay_probe_free(probe);
}

/* A gateway that opened nothing would like to look as if it had. */
static void test_forged_probe_proves_nothing(void **state)
{
	struct relay_net *net = *state;
	struct relay_probe *probe = new_probe(net, "192.0.2.1:40000");
	struct relay_probe *other = new_probe(net, "192.0.2.1:40001");
	uint8_t forged[RELAY_PROBE_SIZE];
	struct stun_builder b;
	size_t len;

	join(net);
	ask_twice(net, probe, &net->nodes[0].address);
	stun_begin(&b, forged, sizeof(forged), STUN_INDICATION, STUN_PROBE,
		   net->out.probe.data + 8);
	assert_int_equal(stun_end(&b, &len), 0);
	assert_int_equal(relay_probe_input(probe, forged, len, net->now_ns), -EBADMSG);
	memcpy(forged, net->out.probe.data, sizeof(forged));
	forged[RELAY_PROBE_SIZE - 1] ^= 1;
	assert_int_equal(relay_probe_input(probe, forged, sizeof(forged), net->now_ns), -EBADMSG);
	assert_int_equal(relay_probe_input(other, net->out.probe.data, RELAY_PROBE_SIZE,
					   net->now_ns),
			 -ENOENT);
	assert_int_equal(relay_probe_result(probe), RELAY_PROBE_PENDING);
	assert_int_equal(relay_probe_result(other), RELAY_PROBE_PENDING);
	relay_probe_free(probe);
	relay_probe_free(other);
}

#define NET_TEST(name) cmocka_unit_test_setup_teardown(name, relay_net_setup, relay_net_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		NET_TEST(test_registration_tells_the_second_port),
		NET_TEST(test_probe_comes_from_the_second_port),
		NET_TEST(test_only_the_askers_own_address),
		NET_TEST(test_own_mapped_low_port_is_fine),
		NET_TEST(test_from_elsewhere),
		NET_TEST(test_strangers_get_no_probe),
		NET_TEST(test_probes_are_limited),
		NET_TEST(test_lost_when_only_answers_come),
		NET_TEST(test_silent_relay_proves_nothing),
		NET_TEST(test_forged_probe_proves_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
