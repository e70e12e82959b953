#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "io/loop.h"
#include "io/probe_sockets.h"
#include "io/udp.h"
#include "tests/support/netns.h"

#define WAIT_NS (5 * NS_PER_S)

/* Probes on one side, one ordinary socket on the other that answers by hand. */
struct fixture {
	struct loop *loop;
	struct loop_timer timer;
	struct probe_sockets *probes;
	int far_fd;
	struct endpoint far;

	size_t received;
	size_t wanted;
	unsigned int heard[PROBE_SOCKETS_MAX];
	struct endpoint last_from;
	struct ip_addr last_local;
	char last[64];
	size_t last_index;
	/* What the callback does with a datagram. */
	bool frees;
	bool takes;
	int taken_fd;
};

static const struct ip_addr loopback = { .family = AF_INET, .bytes = { 127, 0, 0, 1 } };

static void on_receive(void *arg, size_t index, const struct endpoint *from,
		       const struct ip_addr *local, const uint8_t *data, size_t len)
{
	struct fixture *f = arg;

	f->received++;
	f->heard[index]++;
	f->last_index = index;
	f->last_from = *from;
	f->last_local = *local;
	assert_true(len < sizeof(f->last));
	memcpy(f->last, data, len);
	f->last[len] = '\0';
	if (f->takes)
		f->taken_fd = probe_sockets_take(f->probes, index);
	if (f->frees) {
		probe_sockets_free(f->probes);
		f->probes = NULL;
	}
	if (f->received >= f->wanted)
		loop_stop(f->loop);
}

static void give_up(void *arg, uint64_t now_ns)
{
	(void)now_ns;
	loop_stop(((struct fixture *)arg)->loop);
}

static bool receive_until(struct fixture *f, size_t wanted, uint64_t limit_ns)
{
	f->wanted = wanted;
	loop_timer_set(&f->timer, clock_now_ns() + limit_ns);
	loop_run(f->loop);
	loop_timer_clear(&f->timer);
	return f->received >= wanted;
}

static int open_probes(struct fixture *f, size_t count)
{
	const struct probe_sockets_config config = { .count = count,
						     .receive = on_receive,
						     .arg = f };

	return probe_sockets_new(&f->probes, f->loop, &config);
}

static int setup(void **state)
{
	struct udp_config config = { .family = AF_INET, .local = loopback };
	static bool entered;
	struct fixture *f = calloc(1, sizeof(*f));

	if (!entered) {
		netns_enter();
		netns_run("ip link set lo up");
		entered = true;
	}
	f->taken_fd = -1;
	assert_int_equal(loop_new(&f->loop), 0);
	loop_timer_init(&f->timer, f->loop, give_up, f);
	assert_int_equal(udp_open(&f->far_fd, &config), 0);
	f->far = (struct endpoint){ .addr = loopback, .port = udp_port(f->far_fd) };
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	probe_sockets_free(f->probes);
	assert_int_equal(loop_free(f->loop), 0);
	close(f->far_fd);
	if (f->taken_fd >= 0)
		close(f->taken_fd);
	free(f);
	return 0;
}

static void send_to(struct fixture *f, uint16_t port, const char *text)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port) };

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(sendto(f->far_fd, text, strlen(text), 0, (struct sockaddr *)&to,
				sizeof(to)),
			 strlen(text));
}

/* Every socket has a port of its own, sends from it, and is named by what comes to it. */
static void test_sends_and_receives(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	char text[64];

	assert_int_equal(open_probes(f, PROBE_SOCKETS_MAX), 0);
	assert_int_equal(probe_sockets_count(f->probes), PROBE_SOCKETS_MAX);
	for (size_t i = 0; i < PROBE_SOCKETS_MAX; i++) {
		uint16_t port = probe_sockets_port(f->probes, i);

		assert_true(port > 0);
		for (size_t j = 0; j < i; j++)
			assert_int_not_equal(port, probe_sockets_port(f->probes, j));
		assert_int_equal(probe_sockets_send(f->probes, i, &f->far, NULL,
						    (const uint8_t *)&i, sizeof(i), 0),
				 0);
		assert_int_equal(recvfrom(f->far_fd, text, sizeof(text), 0,
					  (struct sockaddr *)&from, &len),
				 sizeof(i));
		assert_memory_equal(text, &i, sizeof(i));
		assert_int_equal(ntohs(from.sin_port), port);
		send_to(f, port, "answer");
	}
	assert_true(receive_until(f, PROBE_SOCKETS_MAX, WAIT_NS));
	for (size_t i = 0; i < PROBE_SOCKETS_MAX; i++)
		assert_int_equal(f->heard[i], 1);
	assert_true(endpoint_equal(&f->last_from, &f->far));
	assert_true(addr_equal(&f->last_local, &loopback));
	assert_string_equal(f->last, "answer");
}

static void test_ttl_and_source(void **state)
{
	struct fixture *f = *state;
	const struct ip_addr local = { .family = AF_INET, .bytes = { 127, 0, 0, 7 } };
	struct sockaddr_in from;
	uint8_t control[64];
	char text[8];
	struct iovec iov = { text, sizeof(text) };
	struct msghdr msg = {
		.msg_name = &from,
		.msg_namelen = sizeof(from),
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
	};
	int on = 1;
	int ttl = 0;

	assert_int_equal(setsockopt(f->far_fd, IPPROTO_IP, IP_RECVTTL, &on, sizeof(on)), 0);
	assert_int_equal(open_probes(f, 1), 0);
	assert_int_equal(probe_sockets_send(f->probes, 0, &f->far, &local, (const uint8_t *)"x", 1,
					    3),
			 0);
	msg.msg_controllen = sizeof(control);
	assert_int_equal(recvmsg(f->far_fd, &msg, 0), 1);
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c))
		if (c->cmsg_type == IP_TTL)
			memcpy(&ttl, CMSG_DATA(c), sizeof(ttl));
	assert_int_equal(ttl, 3);
	assert_memory_equal(&from.sin_addr, local.bytes, 4);
}

/* What waits in a socket stays there, and the others are closed. */
static void test_take_one(void **state)
{
	struct fixture *f = *state;
	uint16_t kept;
	uint16_t closed;
	char text[8];
	int fd;

	assert_int_equal(open_probes(f, 16), 0);
	kept = probe_sockets_port(f->probes, 3);
	closed = probe_sockets_port(f->probes, 4);
	send_to(f, kept, "wait");
	fd = probe_sockets_take(f->probes, 3);
	f->taken_fd = fd;
	assert_int_equal(udp_port(fd), kept);
	assert_int_equal(probe_sockets_take(f->probes, 3), -EBADF);
	assert_int_equal(probe_sockets_port(f->probes, 3), 0);
	assert_int_equal(probe_sockets_send(f->probes, 3, &f->far, NULL, (const uint8_t *)"x", 1,
					    0),
			 -EBADF);
	assert_false(receive_until(f, 1, NS_PER_S / 20));
	probe_sockets_free(f->probes);
	f->probes = NULL;
	assert_int_equal(recv(fd, text, sizeof(text), MSG_DONTWAIT), 4);
	/* Only the closed one's port is free. */
	assert_int_equal(udp_open(&fd, &(struct udp_config){ .family = AF_INET, .port = kept }),
			 -EADDRINUSE);
	assert_int_equal(udp_open(&fd, &(struct udp_config){ .family = AF_INET, .port = closed }),
			 0);
	close(fd);
}

static void test_take_and_free_while_receiving(void **state)
{
	struct fixture *f = *state;
	uint16_t port;

	assert_int_equal(open_probes(f, 8), 0);
	port = probe_sockets_port(f->probes, 5);
	for (size_t i = 0; i < 8; i++) {
		send_to(f, probe_sockets_port(f->probes, i), "a");
		send_to(f, probe_sockets_port(f->probes, i), "b");
	}
	f->takes = true;
	f->frees = true;
	assert_true(receive_until(f, 1, WAIT_NS));
	assert_int_equal(f->received, 1);
	assert_true(f->taken_fd >= 0);
	assert_null(f->probes);
	send_to(f, port, "late");
	assert_false(receive_until(f, 2, NS_PER_S / 20));
}

static void test_refuses(void **state)
{
	struct fixture *f = *state;
	const struct endpoint six = { .addr = { .family = AF_INET6 }, .port = 1 };

	assert_int_equal(open_probes(f, 0), -EINVAL);
	assert_int_equal(open_probes(f, PROBE_SOCKETS_MAX + 1), -EINVAL);
	assert_int_equal(open_probes(f, 1), 0);
	assert_int_equal(probe_sockets_send(f->probes, 0, &six, NULL, (const uint8_t *)"x", 1, 0),
			 -EAFNOSUPPORT);
}

/* A soft limit is raised; within a hard one there are fewer, and room for others is left. */
static void limited(struct fixture *f)
{
	struct rlimit limit;
	int fd;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = 64;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_int_equal(open_probes(f, PROBE_SOCKETS_MAX), 0);
	assert_int_equal(probe_sockets_count(f->probes), PROBE_SOCKETS_MAX);
	probe_sockets_free(f->probes);
	f->probes = NULL;

	limit.rlim_cur = limit.rlim_max = 200;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_int_equal(open_probes(f, PROBE_SOCKETS_MAX), 0);
	assert_in_range(probe_sockets_count(f->probes), 64, 200 - 32);
	for (int i = 0; i < 32; i++) {
		fd = dup(f->far_fd);
		assert_true(fd >= 0);
	}
	probe_sockets_free(f->probes);
	f->probes = NULL;

	while (dup(f->far_fd) >= 0)
		;
	assert_int_equal(open_probes(f, PROBE_SOCKETS_MAX), -EMFILE);
}

static void test_descriptor_limit(void **state)
{
	int status;
	pid_t child = fork();

	if (child == 0) {
		limited(*state);
		_exit(7);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_sends_and_receives, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ttl_and_source, setup, teardown),
		cmocka_unit_test_setup_teardown(test_take_one, setup, teardown),
		cmocka_unit_test_setup_teardown(test_take_and_free_while_receiving, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_refuses, setup, teardown),
		cmocka_unit_test_setup_teardown(test_descriptor_limit, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
