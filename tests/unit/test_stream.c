/* cmocka.h needs these before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "ctl/dial.h"
#include "ctl/stream.h"

#define MUCH (16u << 20)

/* stream_run in a thread, with pipes or sockets for standard input and output. */
struct run {
	int sock, in, out;
	int result;
	pthread_t thread;
};

static void *run_thread(void *arg)
{
	struct run *run = arg;

	run->result = stream_run(run->sock, run->in, run->out);
	return NULL;
}

/* The ends that the tests hold: of the socket, of what goes in, of what comes out. */
static void begin(struct run *run, bool pipes, int ends[static 3])
{
	int sock[2], in[2], out[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sock), 0);
	if (pipes) {
		assert_int_equal(pipe(in) | pipe(out), 0);
	} else {
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, in), 0);
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, out), 0);
	}
	*run = (struct run){ .sock = sock[0], .in = in[0], .out = out[1] };
	ends[0] = sock[1];
	ends[1] = in[1];
	ends[2] = out[0];
	assert_int_equal(pthread_create(&run->thread, NULL, run_thread, run), 0);
}

static char pattern(size_t i)
{
	return (char)(i * 31 + i / 251);
}

static void *pour(void *arg)
{
	char *data = malloc(MUCH);

	for (size_t i = 0; i < MUCH; i++)
		data[i] = pattern(i);
	for (size_t sent = 0; sent < MUCH;) {
		ssize_t n = write(*(int *)arg, data + sent, MUCH - sent);

		if (n <= 0)
			break;
		sent += (size_t)n;
	}
	free(data);
	return NULL;
}

/* Reads to the end: how much of the pattern came, 0 when it was another one. */
static size_t drain(int fd)
{
	static char data[65536];
	size_t total = 0;
	ssize_t n;

	while ((n = read(fd, data, sizeof(data))) > 0) {
		for (ssize_t i = 0; i < n; i++, total++) {
			if (data[i] != pattern(total))
				return 0;
		}
	}
	return total;
}

static void *pour_and_close(void *arg)
{
	pour(arg);
	close(*(int *)arg);
	return NULL;
}

static void *pour_and_shut(void *arg)
{
	pour(arg);
	shutdown(*(int *)arg, SHUT_WR);
	return NULL;
}

static void test_half_close(void **state)
{
	(void)state;
	for (int pipes = 0; pipes < 2; pipes++) {
		pthread_t thread;
		struct run run;
		int ends[3];

		begin(&run, pipes, ends);
		/* What goes in ends first; what comes still flows. */
		assert_int_equal(pthread_create(&thread, NULL, pour_and_close, &ends[1]), 0);
		assert_int_equal(drain(ends[0]), MUCH);
		pthread_join(thread, NULL);
		assert_int_equal(pthread_create(&thread, NULL, pour_and_shut, &ends[0]), 0);
		assert_int_equal(drain(ends[2]), MUCH);
		pthread_join(thread, NULL);
		pthread_join(run.thread, NULL);
		assert_int_equal(run.result, 0);
		close(ends[0]);
		close(ends[2]);
		close(run.sock);
		close(run.in);
	}
}

/* The other order: what comes has ended, and what goes in is still carried. */
static void test_answers_end_first(void **state)
{
	pthread_t thread;
	struct run run;
	int ends[3];
	char byte;

	(void)state;
	begin(&run, true, ends);
	shutdown(ends[0], SHUT_WR);
	assert_int_equal(read(ends[2], &byte, 1), 0);
	assert_int_equal(pthread_create(&thread, NULL, pour_and_close, &ends[1]), 0);
	assert_int_equal(drain(ends[0]), MUCH);
	pthread_join(thread, NULL);
	pthread_join(run.thread, NULL);
	assert_int_equal(run.result, 0);
	close(ends[0]);
	close(ends[2]);
	close(run.sock);
	close(run.in);
}

/* While nothing comes, whoever has the other end of a pipe can still look into it, and write. */
static void test_idle_pipes(void **state)
{
	struct run run;
	int ends[3];
	char byte;

	(void)state;
	begin(&run, true, ends);
	fcntl(ends[2], F_SETFL, O_NONBLOCK);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(write(ends[0], "x", 1), 1);
		usleep(20000);
		assert_int_equal(read(ends[2], &byte, 1), 1);
		usleep(20000); /* it waits for more */
		alarm(5);
		assert_int_equal(read(ends[2], &byte, 1), -1);
		assert_int_equal(errno, EAGAIN);
		assert_int_equal(write(ends[1], "y", 1), 1);
		assert_int_equal(read(ends[0], &byte, 1), 1);
		alarm(0);
	}
	close(ends[0]);
	close(ends[1]);
	pthread_join(run.thread, NULL);
	assert_int_equal(run.result, 0);
	close(ends[2]);
	close(run.sock);
	close(run.in);
}

static void test_nobody_reads(void **state)
{
	struct run run;
	int ends[3];

	(void)state;
	begin(&run, true, ends);
	close(ends[2]);
	assert_int_equal(write(ends[0], "x", 1), 1);
	pthread_join(run.thread, NULL);
	assert_int_equal(run.result, -EPIPE);
	close(ends[0]);
	close(ends[1]);
	usleep(20000); /* the thread that read what goes in ends by itself */
	close(run.sock);
	close(run.out);
}

/* --- dial --- */

static int listen_at(struct ip_addr addr, uint16_t *port)
{
	struct endpoint ep = { .addr = addr };
	struct sockaddr_storage ss;
	socklen_t len = endpoint_to_sockaddr(&ss, &ep);
	int fd = socket(ss.ss_family, SOCK_STREAM, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&ss, len), 0);
	assert_int_equal(listen(fd, 4), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&ss, &len), 0);
	assert_int_equal(endpoint_from_sockaddr(&ep, (struct sockaddr *)&ss), 0);
	*port = ep.port;
	return fd;
}

static void test_dial(void **state)
{
	struct ip_addr addresses[2] = { addr_from_v4(0x7f000002), addr_from_v4(0x7f000001) };
	uint16_t port;
	int listener = listen_at(addresses[1], &port);
	uint64_t begun_ns = clock_now_ns();
	int fd = dial_connect(addresses, 2, port, 5000);

	/* The first refuses, so that the second is tried at once. */
	(void)state;
	assert_true(fd >= 0);
	assert_true(clock_now_ns() - begun_ns < DIAL_STAGGER_MS * NS_PER_MS);
	close(fd);
	assert_int_equal(dial_connect(addresses, 1, port, 5000), -ECONNREFUSED);
	close(listener);
	assert_int_equal(dial_connect(addresses, 2, port, 5000), -ECONNREFUSED);
	assert_int_equal(dial_connect(addresses, 0, port, 5000), -EADDRNOTAVAIL);
}

static void test_dial_list(void **state)
{
	struct ip_addr out[DIAL_ADDRESSES_MAX];
	json_t *list = json_pack("[s, s, i, s]", "100.64.0.1", "no address", 7, "fd00::1");

	(void)state;
	assert_int_equal(dial_addresses(out, list), 2);
	assert_int_equal(out[1].family, AF_INET6);
	assert_int_equal(dial_addresses(out, NULL), 0);
	json_decref(list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_half_close), cmocka_unit_test(test_answers_end_first),
		cmocka_unit_test(test_idle_pipes), cmocka_unit_test(test_nobody_reads),
		cmocka_unit_test(test_dial),       cmocka_unit_test(test_dial_list),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
