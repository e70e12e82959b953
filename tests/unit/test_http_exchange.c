#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "daemon/http_exchange.h"
#include "io/loop.h"
#include "tests/support/netns.h"

/* A request to servers on loopback that answer, hang, babble, or are not there. */

#define ANSWER_MAX 4096

struct fixture {
	struct loop *loop;
	int listener;
	struct loop_watch *listener_watch;
	int conn;
	struct loop_watch *conn_watch;
	bool babbles;
	bool trickles;
	struct http_exchange *exchange;
	struct loop_timer pace;
	size_t enough; /* bytes */
	size_t got;
	bool ended;
	bool failed;
};

static void finish(struct fixture *f)
{
	http_exchange_free(f->exchange);
	f->exchange = NULL;
	loop_stop(f->loop);
}

static bool on_answer(void *arg, char *data, size_t len, bool ended)
{
	struct fixture *f = arg;

	assert_true(len == 0 || data[len - 1] == 'x');
	f->got = len;
	f->ended = ended;
	if (len < f->enough)
		return false;
	finish(f);
	return true;
}

static void on_failed(void *arg)
{
	struct fixture *f = arg;

	f->failed = true;
	finish(f);
}

static void say(struct fixture *f, size_t len)
{
	char text[1024];

	memset(text, 'x', sizeof(text));
	(void)!send(f->conn, text, len, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void on_pace(void *arg, uint64_t now_ns)
{
	struct fixture *f = arg;

	say(f, f->trickles ? 1 : 1024);
	loop_timer_set(&f->pace, now_ns + NS_PER_MS);
}

static void on_request(void *arg, int revents)
{
	struct fixture *f = arg;
	char request[64];

	(void)revents;
	if (recv(f->conn, request, sizeof(request), MSG_DONTWAIT) <= 0) {
		loop_watch_free(f->conn_watch);
		f->conn_watch = NULL;
		return;
	}
	if (f->babbles || f->trickles)
		loop_timer_set(&f->pace, clock_now_ns());
	else if (f->enough)
		say(f, f->enough);
}

static void on_connection(void *arg, int revents)
{
	struct fixture *f = arg;

	(void)revents;
	f->conn = accept(f->listener, NULL, NULL);
	assert_true(f->conn >= 0);
	assert_int_equal(loop_watch_new(&f->conn_watch, f->loop, f->conn, UV_READABLE, on_request,
					f),
			 0);
}

static struct endpoint listen_on_loopback(struct fixture *f)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);
	struct endpoint ep;

	f->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(f->listener >= 0);
	assert_int_equal(bind(f->listener, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(f->listener, 4), 0);
	assert_int_equal(getsockname(f->listener, (struct sockaddr *)&at, &len), 0);
	assert_int_equal(loop_watch_new(&f->listener_watch, f->loop, f->listener, UV_READABLE,
					on_connection, f),
			 0);
	assert_int_equal(endpoint_from_sockaddr(&ep, (struct sockaddr *)&at), 0);
	return ep;
}

static struct http_exchange_config config_of(struct fixture *f, struct endpoint remote)
{
	return (struct http_exchange_config){
		.loop = f->loop,
		.local = addr_from_v4(INADDR_LOOPBACK),
		.remote = remote,
		.data = "GET",
		.len = 3,
		.answer_max = ANSWER_MAX,
		.answer = on_answer,
		.failed = on_failed,
		.arg = f,
	};
}

/* Runs one exchange to its end; how long it took. */
static uint64_t run(struct fixture *f)
{
	struct http_exchange_config config = config_of(f, listen_on_loopback(f));
	uint64_t start_ns = clock_now_ns();

	assert_int_equal(http_exchange_new(&f->exchange, &config), 0);
	loop_run(f->loop);
	return clock_now_ns() - start_ns;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	*state = f;
	f->listener = -1;
	f->conn = -1;
	assert_int_equal(loop_new(&f->loop), 0);
	loop_timer_init(&f->pace, f->loop, on_pace, f);
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	loop_timer_clear(&f->pace);
	loop_watch_free(f->listener_watch);
	loop_watch_free(f->conn_watch);
	if (f->listener >= 0)
		close(f->listener);
	if (f->conn >= 0)
		close(f->conn);
	http_exchange_free(f->exchange);
	loop_free(f->loop);
	free(f);
	return 0;
}

static void test_an_answer(void **state)
{
	struct fixture *f = *state;

	f->enough = 100;
	run(f);
	assert_false(f->failed);
	assert_int_equal(f->got, 100);
}

static void test_silence_ends(void **state)
{
	struct fixture *f = *state;
	uint64_t took_ns = run(f);

	assert_true(f->failed);
	assert_in_range(took_ns / NS_PER_MS, HTTP_EXCHANGE_LIMIT_MS, HTTP_EXCHANGE_LIMIT_MS + 1000);
}

static void test_babble_ends_at_its_size(void **state)
{
	struct fixture *f = *state;

	f->babbles = true;
	f->enough = ANSWER_MAX + 1;
	assert_true(run(f) < NS_PER_S);
	assert_true(f->failed && f->ended);
	assert_int_equal(f->got, ANSWER_MAX);
}

static void test_trickle_ends(void **state)
{
	struct fixture *f = *state;

	f->trickles = true;
	f->enough = ANSWER_MAX + 1;
	assert_true(run(f) < HTTP_EXCHANGE_LIMIT_MS * NS_PER_MS);
	assert_true(f->failed && f->ended);
	assert_true(f->got < 1024);
}

static void test_nobody_there(void **state)
{
	struct fixture *f = *state;
	struct endpoint nobody = { .addr = addr_from_v4(INADDR_LOOPBACK), .port = 1 };
	struct http_exchange_config config = config_of(f, nobody);

	if (http_exchange_new(&f->exchange, &config) == 0)
		loop_run(f->loop);
	else
		f->failed = true;
	assert_true(f->failed);
}

static void test_the_last_one_does_not_wait_long(void **state)
{
	struct fixture *f = *state;
	struct http_exchange_config config = config_of(f, listen_on_loopback(f));
	uint64_t start_ns = clock_now_ns();
	char request[8] = { 0 };

	/* Nobody accepts it while this waits; the request lies there all the same. */
	http_exchange_last(&config, 200);
	assert_in_range((clock_now_ns() - start_ns) / NS_PER_MS, 150, 1000);
	f->conn = accept(f->listener, NULL, NULL);
	assert_true(f->conn >= 0);
	assert_int_equal(recv(f->conn, request, sizeof(request), 0), 3);
	assert_string_equal(request, "GET");
}

#define EXCHANGE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		EXCHANGE_TEST(test_an_answer),
		EXCHANGE_TEST(test_silence_ends),
		EXCHANGE_TEST(test_babble_ends_at_its_size),
		EXCHANGE_TEST(test_trickle_ends),
		EXCHANGE_TEST(test_nobody_there),
		EXCHANGE_TEST(test_the_last_one_does_not_wait_long),
	};

	netns_enter();
	netns_run("ip link set lo up");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
