#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The real ones are linked for other tests' sake: what is under test is compiled against these. */
#define dataplane_port    fake_dataplane_port
#define dataplane_send    fake_dataplane_send
#define loop_now_ns       fake_loop_now_ns
#define loop_timer_init   fake_loop_timer_init
#define loop_timer_set    fake_loop_timer_set
#define loop_timer_clear  fake_loop_timer_clear
#define loop_uv           fake_loop_uv
#define source_address    fake_source_address
#define uv_getaddrinfo    fake_uv_getaddrinfo
#define uv_freeaddrinfo   fake_uv_freeaddrinfo
#define ws_client_connect fake_ws_client_connect
#define ws_conn_close     fake_ws_conn_close
#define ws_conn_send      fake_ws_conn_send
#include "daemon/relay_link.c"
#include "daemon/relay_link_stream.c"

#pragma GCC diagnostic ignored "-Wunused-parameter"

/* --- a network that answers when the test says so --- */

static uint64_t at_ns;
static uint64_t timers_ns[2]; /* what was set last: the client's, the stream's */
static struct relay_link *tested;
static struct ws_connect dialled;
static struct {
	char host[NETMAP_HOST_MAX + 1];
	uv_getaddrinfo_t *request;
	uv_getaddrinfo_cb answer;
} asked[NETMAP_RELAY_HOSTS_MAX];
static size_t asked_count;

uint64_t loop_now_ns(struct loop *loop)
{
	return at_ns;
}

void loop_timer_init(struct loop_timer *timer, struct loop *loop,
		     void (*fire)(void *arg, uint64_t now_ns), void *arg)
{
	*timer = (struct loop_timer){ .fire = fire, .arg = arg };
}

void loop_timer_set(struct loop_timer *timer, uint64_t deadline_ns)
{
	timers_ns[tested && timer == &tested->headstart] = deadline_ns;
}

void loop_timer_clear(struct loop_timer *timer)
{
}

uv_loop_t *loop_uv(struct loop *loop)
{
	return NULL;
}

uint16_t dataplane_port(const struct dataplane *dp)
{
	return 1;
}

int dataplane_send(struct dataplane *dp, const struct dp_path *path, const uint8_t *data,
		   size_t len, uint8_t tos, uint8_t ttl)
{
	return 0;
}

int source_address(struct ip_addr *source, const struct endpoint *remote)
{
	return 0;
}

int uv_getaddrinfo(uv_loop_t *loop, uv_getaddrinfo_t *request, uv_getaddrinfo_cb answer,
		   const char *host, const char *service, const struct addrinfo *hints)
{
	assert_true(asked_count < NETMAP_RELAY_HOSTS_MAX);
	snprintf(asked[asked_count].host, sizeof(asked[0].host), "%s", host);
	asked[asked_count].request = request;
	asked[asked_count++].answer = answer;
	return 0;
}

void uv_freeaddrinfo(struct addrinfo *list)
{
}

struct ws_conn *ws_client_connect(struct ws_client *client, const struct ws_connect *connect)
{
	dialled = *connect;
	return (struct ws_conn *)&dialled;
}

void ws_conn_close(struct ws_conn *conn)
{
	dialled.handler.closed(conn, dialled.arg, WS_CLOSE_UNREACHABLE, NULL);
}

int ws_conn_send(struct ws_conn *conn, const uint8_t *data, size_t len)
{
	return 0;
}

/* --- tests --- */

static void changed(void *set, struct relay_link *link)
{
}

static const struct relays_config config;
static const struct relays_ops ops;
static const struct relay_link_owner owner = { false, &config, &ops, NULL, changed, NULL };

static int setup(void **state)
{
	const struct netmap_relay info = { .name = "fra",
					   .hosts = { "one.example", "192.0.2.1", "two.example" },
					   .host_count = 3,
					   .udp_port = 3478,
					   .tls_port = 443 };

	at_ns = 1000 * NS_PER_S;
	asked_count = 0;
	tested = relay_link_new(&owner, 1, &info);
	return tested ? 0 : -1;
}

static void answer(size_t which, const char *address)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	struct addrinfo found = { .ai_addr = (struct sockaddr *)&to };

	if (address)
		inet_pton(AF_INET, address, &to.sin_addr);
	asked[which].answer(asked[which].request, address ? 0 : UV_EAI_NONAME,
			    address ? &found : NULL);
}

static int teardown(void **state)
{
	relay_link_free(tested);
	tested = NULL;
	return 0;
}

static void every_name_is_looked_up(void **state)
{
	struct endpoint server;

	assert_int_equal(asked_count, 2);
	assert_string_equal(asked[0].host, "one.example");
	assert_string_equal(asked[1].host, "two.example");
	answer(1, "192.0.2.2");
	answer(0, NULL);
	assert_int_equal(tested->server_count, 2);
	relay_link_next_server(tested);
	assert_true(relay_link_server(tested, &server));
	assert_int_equal(server.addr.bytes[3], 2);
	assert_int_equal(server.port, 3478);
}

static void answers_of_before_are_not_taken(void **state)
{
	relay_link_network_changed(tested);
	assert_int_equal(asked_count, 4);
	answer(0, "192.0.2.8");
	answer(1, "192.0.2.9");
	assert_int_equal(tested->server_count, 1);
	answer(2, "192.0.2.3");
	answer(3, "192.0.2.4");
	assert_int_equal(tested->server_count, 3);
}

/* How long it is until the next attempt after this one failed. */
static uint64_t wait_after_failure_ms(void)
{
	dial_stream(tested);
	dialled.handler.closed(tested->conn, dialled.arg, WS_CLOSE_UNREACHABLE, NULL);
	return (timers_ns[1] - at_ns) / NS_PER_MS;
}

static void a_dead_relay_is_dialled_less_and_less(void **state)
{
	uint64_t bound_ms, wait_ms;
	int i;

	answer(0, NULL);
	answer(1, NULL);
	for (i = 0, bound_ms = 2000; i < 20; i++) {
		wait_ms = wait_after_failure_ms();
		assert_in_range(wait_ms, bound_ms / 2, bound_ms);
		bound_ms = bound_ms * 2 < 30000 ? bound_ms * 2 : 30000;
	}
	relay_link_network_changed(tested);
	assert_in_range(wait_after_failure_ms(), 1000, 2000);
	answer(2, NULL);
	answer(3, NULL);
}

/* A TURN server sent us elsewhere, or somebody in its name. */
static void an_alternate_server_is_not_for_ever(void **state)
{
	struct endpoint other, server;

	answer(0, NULL);
	answer(1, NULL);
	assert_int_equal(endpoint_parse(&other, "198.51.100.7:3478"), 0);
	tested->alternate = other;
	assert_true(relay_link_server(tested, &server));
	assert_true(endpoint_equal(&server, &other));
	relay_link_next_server(tested);
	assert_true(relay_link_server(tested, &server));
	assert_int_equal(server.addr.bytes[0], 192);
	tested->alternate = other;
	relay_link_network_changed(tested);
	assert_true(relay_link_server(tested, &server));
	assert_int_equal(server.addr.bytes[0], 192);
	tested->alternate = other;
	relay_link_release(tested);
	assert_true(relay_link_server(tested, &server));
	assert_int_equal(server.addr.bytes[0], 192);
}

static void register_by_stream(void)
{
	static struct identity identity;
	static struct identity *known = &identity;
	static const struct http_proxy proxy;
	static const struct relays_config with_identity = { .identity = &known,
							    .http_proxy = &proxy };
	static const struct relay_link_owner self = { false, &with_identity, &ops,
						      NULL,  changed,        NULL };
	static const struct control_credential credential = { .username = "user",
							      .password = "word" };

	answer(0, NULL);
	answer(1, NULL);
	tested->owner = &self;
	relay_link_set_credential(tested, &credential);
	relay_link_want(tested);
	at_ns = timers_ns[1];
	relay_link_on_headstart(tested, at_ns);
	assert_non_null(tested->stream);
	dialled.handler.opened(tested->conn, dialled.arg);
	assert_int_equal(tested->transport, RELAY_STREAM);
	assert_in_range(timers_ns[1] - at_ns, NS_PER_S, 10 * NS_PER_S);
}

static void who_accepts_and_is_silent_is_left(void **state)
{
	static const uint8_t message[64];

	register_by_stream();
	at_ns = timers_ns[1];
	relay_link_on_headstart(tested, at_ns);
	assert_null(tested->stream);
	assert_int_equal(tested->transport, RELAY_UDP);
	assert_in_range(timers_ns[1] - at_ns, 0, 2 * NS_PER_S);
	at_ns = timers_ns[1];
	relay_link_on_headstart(tested, at_ns);
	dialled.handler.opened(tested->conn, dialled.arg);
	dialled.handler.message(tested->conn, dialled.arg, message, sizeof(message));
	at_ns = timers_ns[1];
	relay_link_on_headstart(tested, at_ns);
	assert_non_null(tested->stream);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(every_name_is_looked_up, setup, teardown),
		cmocka_unit_test_setup_teardown(answers_of_before_are_not_taken, setup, teardown),
		cmocka_unit_test_setup_teardown(a_dead_relay_is_dialled_less_and_less, setup,
						teardown),
		cmocka_unit_test_setup_teardown(an_alternate_server_is_not_for_ever, setup,
						teardown),
		cmocka_unit_test_setup_teardown(who_accepts_and_is_silent_is_left, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
