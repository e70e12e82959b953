#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "crypto/rng.h"
#include "io/loop.h"
#include "proto/relay_client.h"
#include "proto/turn_credential.h"
#include "relay/server.h"
#include "tests/support/netns.h"

/*
 * A relay with threads: it runs on a thread of its own, and this one plays pairs of nodes with
 * plain sockets on loopback.
 */

static const uint8_t secret[] = "a secret of length";
#define SECRET_LEN (sizeof(secret) - 1)
#define PAIRS      32
#define THREADS    2
#define WAIT_MS    3000

struct node {
	int fd;
	struct relay_client *client;
	uint8_t key[STUN_KEY_SIZE];
	unsigned int registered; /* how often the relay said so */
};

struct fixture {
	struct loop *loop;
	struct relay *relay;
	pthread_t thread;
	int end[2]; /* a byte here ends the loop */
	struct loop_watch *end_watch;
	uint16_t port;
	bool running;
	struct rng rng;
	struct node nodes[PAIRS][2];
};

/* ---- the relay ---- */

static void on_end(void *arg, int revents)
{
	(void)revents;
	loop_stop(arg);
}

static void *run_loop(void *arg)
{
	struct fixture *f = arg;

	loop_run(f->loop);
	return NULL;
}

static void start(struct fixture *f, const char *listen, uint64_t rate)
{
	struct relay_config config = {
		.secret_count = 1,
		.threads = THREADS,
		.rate_bytes_per_s = rate,
	};

	config.secrets[0].bytes = secret;
	config.secrets[0].len = SECRET_LEN;
	assert_int_equal(endpoint_parse(&config.listen, listen), 0);
	assert_int_equal(loop_new(&f->loop), 0);
	assert_int_equal(pipe(f->end), 0);
	assert_int_equal(loop_watch_new(&f->end_watch, f->loop, f->end[0], UV_READABLE, on_end,
					f->loop),
			 0);
	assert_int_equal(relay_new(&f->relay, f->loop, &config), 0);
	f->port = relay_port(f->relay);
	assert_int_equal(pthread_create(&f->thread, NULL, run_loop, f), 0);
	f->running = true;
}

/* The relay's counters are read when its loop has ended. */
static void pause_relay(struct fixture *f)
{
	if (!f->running)
		return;
	assert_int_equal(write(f->end[1], "x", 1), 1);
	pthread_join(f->thread, NULL);
	f->running = false;
}

static void stop(struct fixture *f)
{
	pause_relay(f);
	relay_free(f->relay);
	loop_watch_free(f->end_watch);
	loop_free(f->loop);
	close(f->end[0]);
	close(f->end[1]);
	f->relay = NULL;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->rng = rng_system();
	for (int i = 0; i < PAIRS; i++)
		f->nodes[i][0].fd = f->nodes[i][1].fd = -1;
	*state = f;
	return 0;
}

static void end_node(struct node *node)
{
	if (node->fd >= 0)
		close(node->fd);
	relay_client_free(node->client);
	*node = (struct node){ .fd = -1 };
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < PAIRS; i++) {
		end_node(&f->nodes[i][0]);
		end_node(&f->nodes[i][1]);
	}
	if (f->relay)
		stop(f);
	free(f);
	return 0;
}

/* ---- nodes ---- */

static size_t receive(struct node *node, uint8_t *buf, size_t cap, int timeout_ms)
{
	struct pollfd pfd = { .fd = node->fd, .events = POLLIN };
	ssize_t len = 0;

	if (poll(&pfd, 1, timeout_ms) > 0)
		len = recv(node->fd, buf, cap, MSG_DONTWAIT);
	return len > 0 ? (size_t)len : 0;
}

static void open_node_socket(struct fixture *f, struct node *node, bool v6)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
				  .sin_port = htons(f->port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6,
				    .sin6_port = htons(f->port),
				    .sin6_addr = IN6ADDR_LOOPBACK_INIT };

	if (node->fd >= 0)
		close(node->fd);
	node->fd = socket(v6 ? AF_INET6 : AF_INET, SOCK_DGRAM, 0);
	assert_true(node->fd >= 0);
	assert_int_equal(v6 ? connect(node->fd, (struct sockaddr *)&in6, sizeof(in6))
			    : connect(node->fd, (struct sockaddr *)&in, sizeof(in)),
			 0);
}

static void pump_for(struct node *node, bool (*done)(struct node *, const void *), const void *arg)
{
	uint64_t until_ns = clock_now_ns() + WAIT_MS * NS_PER_MS;
	uint8_t buf[RELAY_MESSAGE_MAX];
	struct relay_event event;
	size_t len;

	for (;;) {
		while (relay_client_poll_event(node->client, &event))
			node->registered += event.type == RELAY_EVENT_REGISTERED;
		while ((len = relay_client_poll_output(node->client, buf, sizeof(buf))))
			assert_true(send(node->fd, buf, len, 0) >= 0 || errno == ECONNREFUSED);
		if (done(node, arg))
			return;
		assert_true(clock_now_ns() < until_ns);
		len = receive(node, buf, sizeof(buf), 20);
		if (len)
			relay_client_input(node->client, buf, len, clock_now_ns());
		relay_client_expire(node->client, clock_now_ns());
	}
}

static bool is_registered(struct node *node, const void *before)
{
	return node->registered > *(const unsigned int *)before;
}

static bool has_channel(struct node *node, const void *peer)
{
	return relay_client_channel(node->client, peer) != 0;
}

static void join(struct fixture *f, struct node *node, bool v6)
{
	char username[TURN_USERNAME_SIZE];
	char password[TURN_PASSWORD_SIZE];
	struct relay_client_config config = { .username = username, .password = password };
	unsigned int before = node->registered;

	open_node_socket(f, node, v6);
	rng_fill(&f->rng, node->key, sizeof(node->key));
	memcpy(config.node_key, node->key, sizeof(node->key));
	turn_credential_make(username, password, secret, SECRET_LEN, node->key,
			     clock_wall_s() + 3600);
	relay_client_free(node->client);
	node->client = relay_client_new(&config, &f->rng, clock_now_ns());
	assert_non_null(node->client);
	pump_for(node, is_registered, &before);
}

static void bind_to(struct node *node, const struct node *peer)
{
	relay_client_bind(node->client, peer->key, clock_now_ns());
	pump_for(node, has_channel, peer->key);
}

static void join_pair(struct fixture *f, int i, bool v6)
{
	struct node *pair = f->nodes[i];

	join(f, &pair[0], v6);
	join(f, &pair[1], false);
	bind_to(&pair[0], &pair[1]);
	bind_to(&pair[1], &pair[0]);
}

/* Sends one packet of this size, whose payload begins with a number. */
static void send_number(struct node *from, const struct node *to, uint32_t number, size_t payload)
{
	uint8_t buf[2000] = { 0 };

	store_be16(buf, relay_client_channel(from->client, to->key));
	store_be16(buf + 2, (uint16_t)payload);
	store_be32(buf + RELAY_CHANNEL_HEADER, number);
	assert_true(send(from->fd, buf, payload + RELAY_CHANNEL_HEADER, 0) > 0);
}

/* The number that came by the right channel, or -1. */
static int64_t receive_number(struct node *at, const struct node *from, int timeout_ms)
{
	uint8_t buf[2000];
	size_t len = receive(at, buf, sizeof(buf), timeout_ms);

	if (len < 8 || load_be16(buf) != relay_client_channel(at->client, from->key))
		return -1;
	assert_int_equal(load_be16(buf + 2), len - RELAY_CHANNEL_HEADER);
	return load_be32(buf + RELAY_CHANNEL_HEADER);
}

static bool passes(struct node *from, struct node *to, uint32_t number)
{
	send_number(from, to, number, 100);
	return receive_number(to, from, WAIT_MS) == number;
}

static unsigned int threads_that_forwarded(struct fixture *f)
{
	unsigned int count = 0;

	for (size_t i = 0; i < relay_thread_count(f->relay); i++)
		count += relay_thread_packets(f->relay, i) > 0;
	return count;
}

/* ---- tests ---- */

static void test_flows_are_spread_and_stay_in_order(void **state)
{
	struct fixture *f = *state;
	uint32_t rounds = 100;
	struct relay_stats stats;

	start(f, "[::]:0", 0);
	for (int i = 0; i < PAIRS; i++)
		join_pair(f, i, i % 2);
	for (uint32_t round = 0; round < rounds; round++) {
		/* Interleaved, of changing sizes, in bursts that the relay joins. */
		for (int i = 0; i < PAIRS; i++)
			for (uint32_t k = 0; k < 4; k++)
				send_number(&f->nodes[i][0], &f->nodes[i][1], round * 4 + k,
					    k == 3 ? 40 + (size_t)i : 200);
		for (int i = 0; i < PAIRS; i++)
			for (uint32_t k = 0; k < 4; k++)
				assert_int_equal(receive_number(&f->nodes[i][1], &f->nodes[i][0],
								WAIT_MS),
						 round * 4 + k);
	}
	pause_relay(f);
	stats = relay_stats(f->relay);
	assert_int_equal(stats.forwarded_packets, rounds * 4 * PAIRS);
	assert_int_equal(stats.dropped_busy, 0);
	/* Two of v4 and two of v6. */
	assert_int_equal(threads_that_forwarded(f), 2 * THREADS);
}

static void test_a_node_moves_amid_its_flow(void **state)
{
	struct fixture *f = *state;
	struct node *pair = f->nodes[0];

	start(f, "127.0.0.1:0", 0);
	join_pair(f, 0, false);
	assert_true(passes(&pair[0], &pair[1], 1));
	for (uint32_t i = 0; i < 10; i++) {
		struct node *moves = &pair[i % 2];
		unsigned int before = moves->registered;

		/* From a new port it is a stranger until it has said who it is. */
		open_node_socket(f, moves, false);
		send_number(moves, &pair[!(i % 2)], 77, 50);
		assert_int_equal(receive_number(&pair[!(i % 2)], moves, 30), -1);
		relay_client_moved(moves->client, RELAY_UDP, clock_now_ns());
		pump_for(moves, is_registered, &before);
		assert_true(passes(&pair[0], &pair[1], 100 + i));
		assert_true(passes(&pair[1], &pair[0], 200 + i));
	}
	pause_relay(f);
	assert_true(relay_stats(f->relay).dropped_stranger >= 10);
}

static void test_what_has_no_link_takes_the_long_way(void **state)
{
	struct fixture *f = *state;
	struct node *pair = f->nodes[0];
	uint8_t buf[2000];
	struct stun_message msg;
	const uint8_t *key;
	size_t len;

	start(f, "127.0.0.1:0", 0);
	join(f, &pair[0], false);
	join(f, &pair[1], false);
	bind_to(&pair[0], &pair[1]);
	/* The receiver has no channel: the loop's thread wraps it. */
	send_number(&pair[0], &pair[1], 5, 60);
	len = receive(&pair[1], buf, sizeof(buf), WAIT_MS);
	assert_int_equal(stun_parse(&msg, buf, len), 0);
	assert_int_equal(msg.method, STUN_DATA);
	assert_int_equal(stun_get_node_key(&msg, &key), 0);
	assert_memory_equal(key, pair[0].key, STUN_KEY_SIZE);
	/* A receiver that left: the sender is told so. */
	bind_to(&pair[1], &pair[0]);
	assert_true(passes(&pair[0], &pair[1], 6));
	relay_client_leave(pair[1].client, clock_now_ns());
	len = relay_client_poll_output(pair[1].client, buf, sizeof(buf));
	assert_true(send(pair[1].fd, buf, len, 0) > 0);
	assert_true(receive(&pair[1], buf, sizeof(buf), WAIT_MS) > 0);
	send_number(&pair[0], &pair[1], 7, 60);
	len = receive(&pair[0], buf, sizeof(buf), WAIT_MS);
	assert_int_equal(stun_parse(&msg, buf, len), 0);
	assert_true(stun_has(&msg, STUN_ATTR_ERROR_CODE));
	/* Rubbish in ChannelData's clothes is dropped where it arrives. */
	memset(buf, 0x41, 100);
	assert_true(send(pair[0].fd, buf, 100, 0) > 0);
	assert_int_equal(receive(&pair[0], buf, sizeof(buf), 50), 0);
	pause_relay(f);
	assert_int_equal(relay_stats(f->relay).dropped_malformed, 1);
}

static void test_limits_hold_on_every_thread(void **state)
{
	struct fixture *f = *state;
	struct node *pair = f->nodes[0];
	uint64_t came = 0;
	uint64_t start_ns;
	struct relay_stats stats;

	start(f, "127.0.0.1:0", 1000000); /* a burst of a tenth of a second is 100 kB */
	join_pair(f, 0, false);
	start_ns = clock_now_ns();
	for (uint32_t i = 0; i < 2000; i++) {
		send_number(&pair[0], &pair[1], i, 1000);
		while (receive_number(&pair[1], &pair[0], 0) >= 0)
			came++;
	}
	while (receive_number(&pair[1], &pair[0], 100) >= 0)
		came++;
	assert_in_range(came, 90, 101 + (clock_now_ns() - start_ns) / NS_PER_MS);
	pause_relay(f);
	stats = relay_stats(f->relay);
	assert_int_equal(stats.forwarded_packets, came);
	assert_int_equal(stats.dropped_rate, 2000 - came);
}

static void test_the_relay_starts_again_on_its_port(void **state)
{
	struct fixture *f = *state;
	struct node *pair = f->nodes[0];
	struct fixture other = { 0 };
	struct relay_config config = { .secret_count = 1, .threads = THREADS };
	char listen[32];

	start(f, "127.0.0.1:0", 0);
	join_pair(f, 0, false);
	assert_true(passes(&pair[0], &pair[1], 1));
	snprintf(listen, sizeof(listen), "127.0.0.1:%u", f->port);
	/* Nobody gets into its group unawares. */
	config.secrets[0].bytes = secret;
	config.secrets[0].len = SECRET_LEN;
	assert_int_equal(endpoint_parse(&config.listen, listen), 0);
	assert_int_equal(loop_new(&other.loop), 0);
	assert_int_equal(relay_new(&other.relay, other.loop, &config), -EADDRINUSE);
	loop_free(other.loop);
	stop(f);
	start(f, listen, 0);
	/* It knows nobody any more. */
	send_number(&pair[0], &pair[1], 2, 50);
	assert_int_equal(receive_number(&pair[1], &pair[0], 50), -1);
	join_pair(f, 0, false);
	assert_true(passes(&pair[0], &pair[1], 3));
}

#define THREADS_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		THREADS_TEST(test_flows_are_spread_and_stay_in_order),
		THREADS_TEST(test_a_node_moves_amid_its_flow),
		THREADS_TEST(test_what_has_no_link_takes_the_long_way),
		THREADS_TEST(test_limits_hold_on_every_thread),
		THREADS_TEST(test_the_relay_starts_again_on_its_port),
	};

	netns_enter();
	netns_run("ip link set lo up");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
