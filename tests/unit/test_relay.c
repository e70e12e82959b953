#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "crypto/rng.h"
#include "io/loop.h"
#include "io/udp.h"
#include "io/ws.h"
#include "proto/relay_client.h"
#include "proto/relay_probe.h"
#include "proto/turn_credential.h"
#include "relay/server.h"
#include "tests/support/netns.h"

/* The relay on a real loop: one node by UDP, one by WebSocket over TLS, on loopback. */

static const uint8_t secret[] = "a secret of length";
#define SECRET_LEN (sizeof(secret) - 1)

struct fixture;

struct node {
	struct fixture *f;
	struct relay_client *client;
	uint8_t key[32];
	struct loop_timer timer;
	int fd; /* by UDP */
	struct loop_watch *watch;
	struct ws_conn *conn; /* by stream */
	unsigned int registered;
	unsigned int lost;
	unsigned int channels;
	unsigned int data_count;
	uint8_t data[2048];
	size_t data_len;
};

struct fixture {
	struct loop *loop;
	struct loop_timer deadline;
	bool late;
	struct rng rng;
	struct relay *relay;
	struct ws_server *server;
	struct ws_client *client;
	struct node udp;
	struct node tls;
	char dir[64];
	char cert[96];
	char key[96];
};

static void drain(struct node *node)
{
	uint8_t buf[RELAY_MESSAGE_MAX];
	struct relay_event event;
	size_t len;

	while (relay_client_poll_event(node->client, &event)) {
		node->registered += event.type == RELAY_EVENT_REGISTERED;
		node->lost += event.type == RELAY_EVENT_LOST;
		node->channels += event.type == RELAY_EVENT_CHANNEL;
		if (event.type == RELAY_EVENT_DATA) {
			node->data_count++;
			node->data_len = event.len;
			memcpy(node->data, event.data, event.len);
		}
		loop_stop(node->f->loop);
	}
	while ((len = relay_client_poll_output(node->client, buf, sizeof(buf)))) {
		if (node->conn)
			ws_conn_send(node->conn, buf, len);
		else if (node->fd >= 0 && send(node->fd, buf, len, 0) < 0)
			continue;
	}
	loop_timer_set(&node->timer, relay_client_next_timeout(node->client));
}

static void on_timer(void *arg, uint64_t now_ns)
{
	struct node *node = arg;

	relay_client_expire(node->client, now_ns);
	drain(node);
}

static void on_udp(void *arg, int revents)
{
	struct node *node = arg;
	uint8_t buf[RELAY_MESSAGE_MAX];
	ssize_t len;

	(void)revents;
	while ((len = recv(node->fd, buf, sizeof(buf), MSG_DONTWAIT)) > 0) {
		relay_client_input(node->client, buf, (size_t)len, clock_now_ns());
		drain(node);
	}
}

static void on_stream_opened(struct ws_conn *conn, void *arg)
{
	struct node *node = arg;

	node->conn = conn;
	relay_client_moved(node->client, RELAY_STREAM, clock_now_ns());
	drain(node);
}

static void on_stream_message(struct ws_conn *conn, void *arg, const uint8_t *data, size_t len)
{
	struct node *node = arg;

	(void)conn;
	const uint8_t *message;
	size_t message_len;

	while ((message_len = relay_stream_next(&data, &len, &message))) {
		relay_client_input(node->client, message, message_len, clock_now_ns());
		drain(node);
	}
}

static void on_stream_closed(struct ws_conn *conn, void *arg, enum ws_close why, const char *detail)
{
	struct node *node = arg;

	(void)conn;
	(void)why;
	(void)detail;
	node->conn = NULL;
	if (!node->client)
		return;
	relay_client_disconnected(node->client, clock_now_ns());
	drain(node);
}

static void on_late(void *arg, uint64_t now_ns)
{
	struct fixture *f = arg;

	(void)now_ns;
	f->late = true;
	loop_stop(f->loop);
}

static bool wait_for(struct fixture *f, const unsigned int *counter, unsigned int want)
{
	f->late = false;
	loop_timer_set(&f->deadline, clock_now_ns() + 5 * NS_PER_S);
	while (*counter < want && !f->late)
		loop_run(f->loop);
	loop_timer_clear(&f->deadline);
	return *counter >= want;
}

static void make_client(struct fixture *f, struct node *node, uint8_t name)
{
	char username[TURN_USERNAME_SIZE];
	char password[TURN_PASSWORD_SIZE];
	struct relay_client_config config = { .username = username, .password = password };

	node->f = f;
	node->fd = -1;
	memset(node->key, name, 32);
	memcpy(config.node_key, node->key, 32);
	turn_credential_make(username, password, secret, SECRET_LEN, node->key,
			     clock_wall_s() + 3600);
	node->client = relay_client_new(&config, &f->rng, clock_now_ns());
	assert_non_null(node->client);
	loop_timer_init(&node->timer, f->loop, on_timer, node);
}

static void start(struct fixture *f)
{
	struct ws_protocol protocol;
	struct relay_config config = { .secret_count = 1 };
	struct ws_server_config ws = {
		.cert_file = f->cert,
		.key_file = f->key,
		.protocols = &protocol,
		.protocol_count = 1,
	};

	config.secrets[0].bytes = secret;
	config.secrets[0].len = SECRET_LEN;
	assert_int_equal(endpoint_parse(&config.listen, "127.0.0.1:0"), 0);
	assert_int_equal(relay_new(&f->relay, f->loop, &config), 0);
	relay_ws_protocol(f->relay, &protocol);
	ws.listen = config.listen;
	assert_int_equal(ws_server_new(&f->server, f->loop, &ws), 0);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	*state = f;
	f->rng = rng_system();
	strcpy(f->dir, "/tmp/test-relay-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->cert, sizeof(f->cert), "%s/cert.pem", f->dir);
	snprintf(f->key, sizeof(f->key), "%s/key.pem", f->dir);
	assert_int_equal(ws_make_certificate(f->cert, f->key, "relay"), 0);
	assert_int_equal(loop_new(&f->loop), 0);
	loop_timer_init(&f->deadline, f->loop, on_late, f);
	assert_int_equal(ws_client_new(&f->client, f->loop), 0);
	start(f);
	make_client(f, &f->udp, 'u');
	make_client(f, &f->tls, 't');
	return 0;
}

static void end_node(struct node *node)
{
	loop_timer_clear(&node->timer);
	loop_watch_free(node->watch);
	if (node->fd >= 0)
		close(node->fd);
	relay_client_free(node->client);
	node->client = NULL;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	end_node(&f->udp);
	end_node(&f->tls);
	ws_client_free(f->client);
	ws_server_free(f->server);
	relay_free(f->relay);
	loop_free(f->loop);
	unlink(f->cert);
	unlink(f->key);
	rmdir(f->dir);
	free(f);
	return 0;
}

static void connect_udp(struct node *node)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons(relay_port(node->f->relay)),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	node->fd = socket(AF_INET, SOCK_DGRAM, 0);
	assert_true(node->fd >= 0);
	assert_int_equal(connect(node->fd, (struct sockaddr *)&to, sizeof(to)), 0);
	assert_int_equal(loop_watch_new(&node->watch, node->f->loop, node->fd, UV_READABLE, on_udp,
					node),
			 0);
	drain(node);
}

static void connect_tls(struct node *node)
{
	struct ws_connect to = {
		.host = "127.0.0.1",
		.port = ws_server_port(node->f->server),
		.path = RELAY_WS_PATH,
		.protocol = RELAY_WS_PROTOCOL,
		.message_max = RELAY_JOINED_MAX,
		.queue = { 1 << 20, RELAY_JOINED_MAX, 0 },
		.handler = { on_stream_opened, on_stream_message, on_stream_closed },
		.arg = node,
	};

	assert_non_null(ws_client_connect(node->f->client, &to));
}

static void send_bytes(struct node *from, struct node *to, size_t len, uint8_t fill)
{
	uint8_t data[1500];

	memset(data, fill, len);
	assert_int_equal(relay_client_send(from->client, to->key, data, len, clock_now_ns()), 0);
	drain(from);
}

static void join_both(struct fixture *f)
{
	connect_udp(&f->udp);
	connect_tls(&f->tls);
	assert_true(wait_for(f, &f->udp.registered, 1));
	assert_true(wait_for(f, &f->tls.registered, 1));
}

static void test_udp_and_tls_nodes_meet(void **state)
{
	struct fixture *f = *state;

	join_both(f);
	send_bytes(&f->udp, &f->tls, 100, 1);
	assert_true(wait_for(f, &f->tls.data_count, 1));
	assert_int_equal(f->tls.data_len, 100);
	relay_client_bind(f->udp.client, f->tls.key, clock_now_ns());
	relay_client_bind(f->tls.client, f->udp.key, clock_now_ns());
	drain(&f->udp);
	drain(&f->tls);
	assert_true(wait_for(f, &f->udp.channels, 1));
	assert_true(wait_for(f, &f->tls.channels, 1));
	for (unsigned int i = 1; i <= 50; i++) {
		send_bytes(&f->tls, &f->udp, 1400, (uint8_t)i);
		assert_true(wait_for(f, &f->udp.data_count, i));
		assert_int_equal(f->udp.data_len, 1400);
		assert_int_equal(f->udp.data[1399], i);
	}
	assert_int_equal(relay_stats(f->relay).sessions, 2);
	assert_int_equal(relay_stats(f->relay).forwarded_packets, 51);
}

static void test_bursts_are_forwarded(void **state)
{
	struct fixture *f = *state;

	join_both(f);
	relay_client_bind(f->udp.client, f->tls.key, clock_now_ns());
	drain(&f->udp);
	assert_true(wait_for(f, &f->udp.channels, 1));
	for (int i = 0; i < 100; i++)
		send_bytes(&f->udp, &f->tls, (size_t)(100 + i % 3 * 500), (uint8_t)i);
	assert_true(wait_for(f, &f->tls.data_count, 100));
	/* And back, through the batches to one UDP socket. */
	for (int i = 0; i < 100; i++)
		send_bytes(&f->tls, &f->udp, (size_t)(100 + i % 3 * 500), (uint8_t)i);
	assert_true(wait_for(f, &f->udp.data_count, 100));
}

/* A socket of the UDP node's address that any port of the relay may send to. */
struct prober {
	struct fixture *f;
	struct relay_probe *probe;
	int fd;
	unsigned int bindings; /* answered by the second port */
	unsigned int arrived;
};

static void send_to_relay(struct prober *prober, uint16_t port, const uint8_t *data, size_t len)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons(port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	assert_int_equal(sendto(prober->fd, data, len, 0, (struct sockaddr *)&to, sizeof(to)), len);
}

static void drain_prober(struct prober *prober)
{
	uint8_t buf[1024];
	size_t len = relay_probe_poll_output(prober->probe, buf, sizeof(buf), clock_now_ns());

	if (len)
		send_to_relay(prober, relay_port(prober->f->relay), buf, len);
}

static void on_probed(void *arg, int revents)
{
	struct prober *prober = arg;
	struct sockaddr_in from;
	socklen_t from_len = sizeof(from);
	uint8_t buf[1024];
	ssize_t len;

	(void)revents;
	while ((len = recvfrom(prober->fd, buf, sizeof(buf), MSG_DONTWAIT, (struct sockaddr *)&from,
			       &from_len)) > 0) {
		bool second = ntohs(from.sin_port) == relay_second_port(prober->f->relay);
		struct stun_message msg;

		assert_int_equal(stun_parse(&msg, buf, (size_t)len), 0);
		prober->bindings += second && msg.method == STUN_BINDING;
		relay_probe_input(prober->probe, buf, (size_t)len, clock_now_ns());
		prober->arrived += second && msg.method == STUN_PROBE;
		drain_prober(prober);
	}
	loop_stop(prober->f->loop);
}

static void open_prober(struct prober *prober, struct loop_watch **watch)
{
	char username[TURN_USERNAME_SIZE];
	char password[TURN_PASSWORD_SIZE];
	struct relay_probe_config config = { .username = username, .password = password };
	struct sockaddr_in own = { .sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t own_len = sizeof(own);

	prober->fd = socket(AF_INET, SOCK_DGRAM, 0);
	assert_true(prober->fd >= 0);
	assert_int_equal(bind(prober->fd, (struct sockaddr *)&own, sizeof(own)), 0);
	assert_int_equal(getsockname(prober->fd, (struct sockaddr *)&own, &own_len), 0);
	turn_credential_make(username, password, secret, SECRET_LEN, prober->f->udp.key,
			     clock_wall_s() + 3600);
	memcpy(config.node_key, prober->f->udp.key, 32);
	assert_int_equal(endpoint_from_sockaddr(&config.target, (struct sockaddr *)&own), 0);
	prober->probe = relay_probe_new(&config, &prober->f->rng, clock_now_ns());
	assert_non_null(prober->probe);
	assert_int_equal(loop_watch_new(watch, prober->f->loop, prober->fd, UV_READABLE, on_probed,
					prober),
			 0);
}

static void test_second_port_answers_and_probes(void **state)
{
	struct fixture *f = *state;
	struct prober prober = { .f = f };
	struct loop_watch *watch;
	struct stun_builder b;
	uint8_t buf[64];
	size_t len;

	connect_udp(&f->udp);
	assert_true(wait_for(f, &f->udp.registered, 1));
	assert_int_equal(relay_client_second_port(f->udp.client), relay_second_port(f->relay));
	assert_int_not_equal(relay_second_port(f->relay), 0);
	open_prober(&prober, &watch);
	drain_prober(&prober);
	assert_true(wait_for(f, &prober.arrived, 1));
	assert_int_equal(relay_probe_result(prober.probe), RELAY_PROBE_ARRIVED);

	stun_begin(&b, buf, sizeof(buf), STUN_REQUEST, STUN_BINDING,
		   (const uint8_t *)"transaction");
	assert_int_equal(stun_end(&b, &len), 0);
	send_to_relay(&prober, relay_second_port(f->relay), buf, len);
	assert_true(wait_for(f, &prober.bindings, 1));
	loop_watch_free(watch);
	close(prober.fd);
	relay_probe_free(prober.probe);
}

/* The next port is somebody else's: then it is another one. */
static void test_second_port_may_be_any(void **state)
{
	struct fixture *f = *state;
	struct relay_config config = { .secret_count = 1 };
	struct relay *first, *second;
	uint16_t port;

	config.secrets[0].bytes = secret;
	config.secrets[0].len = SECRET_LEN;
	assert_int_equal(endpoint_parse(&config.listen, "[::]:7000"), 0);
	assert_int_equal(relay_new(&first, f->loop, &config), 0);
	assert_int_equal(relay_second_port(first), 7001);
	assert_int_equal(endpoint_parse(&config.listen, "127.0.0.1:7001"), 0);
	assert_int_equal(relay_new(&second, f->loop, &config), -EADDRINUSE);
	assert_int_equal(endpoint_parse(&config.listen, "[::]:6999"), 0);
	assert_int_equal(relay_new(&second, f->loop, &config), 0);
	port = relay_second_port(second);
	assert_true(port && port != 7000);
	relay_free(second);
	relay_free(first);
}

static void test_broken_stream_is_absent(void **state)
{
	struct fixture *f = *state;

	join_both(f);
	ws_conn_close(f->tls.conn);
	assert_true(wait_for(f, &f->tls.lost, 1));
	connect_tls(&f->tls);
	assert_true(wait_for(f, &f->tls.registered, 2));
	send_bytes(&f->udp, &f->tls, 10, 1);
	assert_true(wait_for(f, &f->tls.data_count, 1));
}

static void test_stalled_stream_harms_nobody(void **state)
{
	struct fixture *f = *state;
	unsigned int before;

	join_both(f);
	/* Far more for the stream than its queue holds, while the loop gives it no turn. */
	before = f->tls.data_count;
	for (int i = 0; i < 600; i++)
		send_bytes(&f->udp, &f->tls, 1400, (uint8_t)i);
	assert_true(wait_for(f, &f->tls.data_count, before + 1));
	send_bytes(&f->tls, &f->udp, 20, 9);
	assert_true(wait_for(f, &f->udp.data_count, 1));
	assert_int_equal(f->udp.data_len, 20);
}

static void test_messages_of_a_stream_come_apart(void **state)
{
	/* ChannelData of 5 bytes with padding, STUN with an attribute of 4, ChannelData unpadded.
	 */
	static const uint8_t bytes[] = {
		0x40, 1, 0, 5, 1, 2, 3, 4, 5, 0, 0, 0, 0, 1, 0, 4,    0x21, 0x12, 0xa4, 0x42, 9,
		9,    9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 0, 1, 0, 0, 0x4f, 0xff, 0,    1,    7,
	};
	static const size_t want[] = { 9, 24, 5 };
	const uint8_t *data = bytes;
	size_t len = sizeof(bytes);
	const uint8_t *message;

	(void)state;
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++)
		assert_int_equal(relay_stream_next(&data, &len, &message), want[i]);
	assert_int_equal(relay_stream_next(&data, &len, &message), 0);
	/* A length beyond the end, no known beginning, too short to tell: all that there is. */
	data = bytes;
	len = 8;
	assert_int_equal(relay_stream_next(&data, &len, &message), 8);
	assert_int_equal(len, 0);
	data = (const uint8_t *)"\xff\0\0\0\0\0";
	len = 6;
	assert_int_equal(relay_stream_next(&data, &len, &message), 6);
	data = bytes;
	len = 3;
	assert_int_equal(relay_stream_next(&data, &len, &message), 3);
	assert_int_equal(relay_stream_next(&data, &len, &message), 0);
}

static void test_refuses_bad_config(void **state)
{
	struct fixture *f = *state;
	struct relay_config config = { .secret_count = 1 };
	struct relay *other = NULL;
	char text[32];

	config.secrets[0].bytes = secret;
	config.secrets[0].len = SECRET_LEN;
	snprintf(text, sizeof(text), "127.0.0.1:%u", relay_port(f->relay));
	assert_int_equal(endpoint_parse(&config.listen, text), 0);
	assert_int_equal(relay_new(&other, f->loop, &config), -EADDRINUSE);
	assert_int_equal(endpoint_parse(&config.listen, "127.0.0.1:0"), 0);
	assert_int_equal(endpoint_parse(&config.alt, "127.0.0.1:5"), 0);
	assert_int_equal(relay_new(&other, f->loop, &config), -EINVAL);
	memset(&config.alt, 0, sizeof(config.alt));
	config.secrets[0].len = 4;
	assert_int_equal(relay_new(&other, f->loop, &config), -EINVAL);
	assert_null(other);
}

#define RELAY_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		RELAY_TEST(test_udp_and_tls_nodes_meet),
		RELAY_TEST(test_bursts_are_forwarded),
		RELAY_TEST(test_second_port_answers_and_probes),
		RELAY_TEST(test_second_port_may_be_any),
		RELAY_TEST(test_broken_stream_is_absent),
		RELAY_TEST(test_stalled_stream_harms_nobody),
		cmocka_unit_test(test_messages_of_a_stream_come_apart),
		RELAY_TEST(test_refuses_bad_config),
	};

	netns_enter();
	netns_run("ip link set lo up");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
