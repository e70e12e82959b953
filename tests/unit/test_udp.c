#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "io/udp.h"
#include "tests/support/netns.h"

#define WORKERS 3

static struct udp_receiver *receiver;

/* In front of libc's: a kernel that refuses to cut, and for the first packet alone has no room. */
static int refuse_gso;
static unsigned int refused;
static bool no_room;
static bool too_large;

static bool is_cut(const struct msghdr *msg)
{
	const struct cmsghdr *c = msg->msg_control;
	const uint8_t *end = (const uint8_t *)c + msg->msg_controllen;

	while ((const uint8_t *)c + sizeof(*c) <= end) {
		if (c->cmsg_level == IPPROTO_UDP)
			return true;
		c = (const struct cmsghdr *)((const uint8_t *)c + CMSG_ALIGN(c->cmsg_len));
	}
	return false;
}

int sendmmsg(int fd, struct mmsghdr *msgs, unsigned int count, int flags)
{
	for (unsigned int i = 0; refuse_gso && i < count; i++) {
		if (!is_cut(&msgs[i].msg_hdr))
			continue;
		if (i)
			return (int)syscall(SYS_sendmmsg, fd, msgs, i, flags);
		refused++;
		errno = refuse_gso;
		return -1;
	}
	return (int)syscall(SYS_sendmmsg, fd, msgs, count, flags);
}

ssize_t sendmsg(int fd, const struct msghdr *msg, int flags)
{
	if (no_room) {
		no_room = false;
		errno = EAGAIN;
		return -1;
	}
	if (too_large) {
		errno = EMSGSIZE;
		return -1;
	}
	return syscall(SYS_sendmsg, fd, msg, flags);
}

static int setup(void **state)
{
	(void)state;
	netns_enter();
	netns_run("ip link set lo up");
	netns_run("ip addr add 127.0.0.9/8 dev lo");
	receiver = udp_receiver_new(8);
	return receiver ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	udp_receiver_free(receiver);
	udp_receiver_free(NULL);
	return 0;
}

static int open_socket(int family, uint16_t port, bool reuseport)
{
	struct udp_config config = { .family = family,
				     .port = port,
				     .reuseport = reuseport,
				     .gro = true,
				     .stamp = true,
				     .buffer = 1 << 20 };
	int fd;

	assert_int_equal(udp_open(&fd, &config), 0);
	return fd;
}

static struct udp_route route_to(const char *text, const char *local)
{
	struct endpoint to;
	struct ip_addr from = { 0 };
	struct udp_route route;

	assert_int_equal(endpoint_parse(&to, text), 0);
	if (local)
		assert_int_equal(addr_parse(&from, local), 0);
	udp_route_init(&route, &to, &from, 0);
	return route;
}

static size_t receive(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	if (poll(&pfd, 1, 2000) <= 0)
		return 0;
	return udp_receive(receiver, fd);
}

/* Sends len bytes in packets of segment; returns how many packets and bytes arrive at fd. */
static void send_and_count(int from, int to, struct udp_route *route, size_t len, uint16_t segment,
			   uint8_t tos)
{
	uint64_t started = clock_wall_ns();
	static uint8_t data[UDP_BYTES_MAX];
	struct udp_datagram datagram = {
		.route = route, .data = data, .len = len, .segment = segment, .tos = tos
	};
	size_t got = 0;

	for (size_t i = 0; i < len; i++)
		data[i] = (uint8_t)(i * 7);
	assert_int_equal(udp_send(from, &datagram, 1, NULL), 0);
	while (got < len) {
		size_t count = receive(to);

		assert_int_not_equal(count, 0);
		for (size_t i = 0; i < count; i++) {
			struct udp_message *m = udp_receiver_message(receiver, i);

			assert_memory_equal(m->data, data + got, m->len);
			assert_true(m->segment == segment || m->len <= segment);
			assert_int_equal(m->tos, tos);
			assert_in_range(m->arrived_ns, started, clock_wall_ns());
			got += m->len;
		}
	}
	assert_int_equal(got, len);
}

static void test_cuts_and_joins(void **state)
{
	int a = open_socket(AF_INET, 0, false);
	int b = open_socket(AF_INET, 0, false);
	char text[64];
	struct udp_route route;

	(void)state;
	snprintf(text, sizeof(text), "127.0.0.1:%u", udp_port(b));
	route = route_to(text, NULL);
	send_and_count(a, b, &route, 44 * 1452 + 99, 1452, 1);
	send_and_count(a, b, &route, 100, 100, 0);
	assert_int_equal(atomic_load(&route.gso_error), 0);
	close(a);
	close(b);
}

static void test_works_over_v6(void **state)
{
	int a = open_socket(AF_INET6, 0, false);
	int b = open_socket(AF_INET6, 0, false);
	char text[64];
	struct udp_route route;

	(void)state;
	snprintf(text, sizeof(text), "[::1]:%u", udp_port(b));
	route = route_to(text, "::1");
	send_and_count(a, b, &route, 20 * 1000, 1000, 0x88);
	close(a);
	close(b);
}

static void test_without_gso_the_same_arrives(void **state)
{
	int a = open_socket(AF_INET, 0, false);
	int b = open_socket(AF_INET, 0, false);
	char text[64];
	struct udp_route route;

	(void)state;
	snprintf(text, sizeof(text), "127.0.0.1:%u", udp_port(b));
	route = route_to(text, NULL);
	atomic_store(&route.gso_error, EIO);
	send_and_count(a, b, &route, 150 * 400 + 1, 400, 0);
	close(a);
	close(b);
}

static void test_what_the_kernel_will_not_cut_is_sent_uncut(void **state)
{
	int a = open_socket(AF_INET, 0, false);
	int b = open_socket(AF_INET, 0, false);
	char text[64];
	struct udp_route route;

	(void)state;
	/* A segment above the MTU is EINVAL with UDP_SEGMENT and fragments without. */
	netns_run("ip link set lo mtu 1300");
	snprintf(text, sizeof(text), "127.0.0.1:%u", udp_port(b));
	route = route_to(text, "127.0.0.1");
	send_and_count(a, b, &route, 10 * 1452 + 5, 1452, 0);
	assert_int_not_equal(atomic_load(&route.gso_error), 0);
	assert_false(atomic_load(&route.no_source));
	netns_run("ip link set lo mtu 65536");
	close(a);
	close(b);
}

/*
 * Whatever a kernel says when it will not cut: what it refused goes out uncut from where it was,
 * with what stood before and behind it, and that way is not tried again.
 */
static void refuse_once(int error, bool full)
{
	static uint8_t data[3 * 4000];
	int a = open_socket(AF_INET, 0, false);
	int b = open_socket(AF_INET, 0, false);
	struct udp_datagram datagrams[3];
	struct udp_route route;
	char text[64];
	size_t got = 0;

	snprintf(text, sizeof(text), "127.0.0.1:%u", udp_port(b));
	route = route_to(text, "127.0.0.1");
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i / 100);
	for (size_t i = 0; i < 3; i++)
		datagrams[i] = (struct udp_datagram){ .route = &route,
						      .data = data + i * 4000,
						      .len = 4000,
						      .segment = i ? 1000 : 4000 };
	refuse_gso = error;
	refused = 0;
	no_room = full;
	assert_int_equal(udp_send(a, datagrams, 3, NULL), 0);
	refuse_gso = 0;
	assert_int_equal(refused, full ? 2 : 1);
	assert_int_equal(atomic_load(&route.gso_error), error);
	assert_false(atomic_load(&route.no_source));
	while (got < sizeof(data)) {
		size_t count = receive(b);

		assert_int_not_equal(count, 0);
		for (size_t i = 0; i < count; i++) {
			struct udp_message *m = udp_receiver_message(receiver, i);

			assert_memory_equal(m->data, data + got, m->len);
			got += m->len;
		}
	}
	close(a);
	close(b);
}

static void test_a_refusal_to_cut_loses_nothing(void **state)
{
	(void)state;
	refuse_once(EIO, false);
	refuse_once(EINVAL, false);
	refuse_once(EMSGSIZE, false);
	refuse_once(EIO, true);
}

/* A link that shrank: EINVAL of the cut datagram speaks of its size, not of the source address. */
static void test_too_large_is_not_a_wrong_source(void **state)
{
	static uint8_t data[2000];
	int a = open_socket(AF_INET, 0, false);
	struct udp_route route = route_to("127.0.0.1:9", "127.0.0.1");
	struct udp_datagram datagram = {
		.route = &route, .data = data, .len = sizeof(data), .segment = 1000
	};
	int err = 0;

	(void)state;
	refuse_gso = EINVAL;
	too_large = true;
	assert_int_equal(udp_send(a, &datagram, 1, &err), 1);
	refuse_gso = 0;
	too_large = false;
	assert_int_equal(err, -EMSGSIZE);
	assert_false(atomic_load(&route.no_source));
	assert_int_equal(atomic_load(&route.gso_error), 0);
	close(a);
}

static void test_source_address_sticks_until_it_is_gone(void **state)
{
	int a = open_socket(AF_INET, 0, false);
	int b = open_socket(AF_INET, 0, false);
	char text[64];
	struct udp_route route;
	struct ip_addr expected;

	(void)state;
	snprintf(text, sizeof(text), "127.0.0.1:%u", udp_port(b));
	route = route_to(text, "127.0.0.9");
	send_and_count(a, b, &route, 500, 500, 0);
	addr_parse(&expected, "127.0.0.9");
	assert_true(addr_equal(&udp_receiver_message(receiver, 0)->from.addr, &expected));
	addr_parse(&expected, "127.0.0.1");
	assert_true(addr_equal(&udp_receiver_message(receiver, 0)->to, &expected));
	assert_int_equal(udp_receiver_message(receiver, 0)->ifindex, 1);

	route = route_to(text, "10.77.0.1"); /* not ours */
	send_and_count(a, b, &route, 500, 500, 0);
	assert_true(atomic_load(&route.no_source));
	assert_true(addr_equal(&udp_receiver_message(receiver, 0)->from.addr, &expected));
	close(a);
	close(b);
}

static void test_one_unreachable_does_not_stop_the_others(void **state)
{
	int a = open_socket(AF_INET, 0, false);
	int b = open_socket(AF_INET, 0, false);
	struct udp_route nowhere = route_to("203.0.113.1:9", NULL);
	struct udp_route route;
	struct udp_datagram datagrams[3];
	char text[64];
	int err = 0;

	(void)state;
	snprintf(text, sizeof(text), "127.0.0.1:%u", udp_port(b));
	route = route_to(text, NULL);
	for (int i = 0; i < 3; i++)
		datagrams[i] = (struct udp_datagram){ .route = i == 1 ? &nowhere : &route,
						      .data = (const uint8_t *)"hello",
						      .len = 5,
						      .segment = 5 };
	assert_int_equal(udp_send(a, datagrams, 3, &err), 1);
	assert_int_equal(err, -ENETUNREACH);
	assert_int_equal(receive(b), 2);
	close(a);
	close(b);
}

static void test_a_taken_port_is_said(void **state)
{
	int a = open_socket(AF_INET, 0, false);
	struct udp_config config = { .family = AF_INET, .port = udp_port(a), .reuseport = true };
	int fd = -7;

	(void)state;
	assert_int_equal(udp_open(&fd, &config), -EADDRINUSE);
	assert_int_equal(fd, -7);
	close(a);
}

static void expect_at(const int *group, struct udp_route *route, int from, const uint8_t *data,
		      size_t len, size_t where)
{
	struct udp_datagram datagram = {
		.route = route, .data = data, .len = len, .segment = 1500
	};

	assert_int_equal(udp_send(from, &datagram, 1, NULL), 0);
	for (size_t i = 0; i <= WORKERS; i++) {
		if (i == where)
			assert_int_equal(receive(group[i]), 1);
		else
			assert_int_equal(udp_receive(receiver, group[i]), 0);
	}
}

static void steering(int family, const char *address)
{
	int group[WORKERS + 1];
	int from = open_socket(family, 0, false);
	uint8_t data[64] = { 0 };
	struct udp_route route;
	char text[64];

	group[0] = open_socket(family, 0, true);
	for (size_t i = 1; i <= WORKERS; i++)
		group[i] = open_socket(family, udp_port(group[0]), true);
	assert_int_equal(udp_steer(group[0], WORKERS), 0);
	snprintf(text, sizeof(text), "%s:%u", address, udp_port(group[0]));
	route = route_to(text, NULL);
	for (unsigned int i = 0; i < 256; i += i < 6 ? 1 : 83) {
		uint8_t index = (uint8_t)i;
		size_t where = index % WORKERS;

		memset(data, 0, sizeof(data));
		data[0] = 4;
		data[4] = index;
		data[8] = 2; /* not where ChannelData has it */
		expect_at(group, &route, from, data, 32, where);
		memset(data, 0, sizeof(data));
		store_be32(data, 0x4FFF0020);
		data[4] = 4;
		data[8] = index;
		expect_at(group, &route, from, data, 36, where);
	}
	/* Everything else is the control thread's. */
	memset(data, 0, sizeof(data));
	for (uint8_t type = 0; type < 4; type++) {
		data[0] = type;
		expect_at(group, &route, from, data, 64, WORKERS);
	}
	data[0] = 4;
	data[1] = 1; /* a reserved byte */
	expect_at(group, &route, from, data, 64, WORKERS);
	data[1] = 0;
	expect_at(group, &route, from, data, 4, WORKERS); /* nothing at offset 4 */
	expect_at(group, &route, from, data, 1, WORKERS);
	data[0] = 0x50;
	data[4] = 4;
	expect_at(group, &route, from, data, 64, WORKERS);
	data[0] = 0x40;
	data[5] = 1;
	expect_at(group, &route, from, data, 64, WORKERS);
	for (size_t i = 0; i <= WORKERS; i++)
		close(group[i]);
	close(from);
}

static void test_steering_by_receiver_index(void **state)
{
	(void)state;
	steering(AF_INET, "127.0.0.1");
	steering(AF_INET6, "[::1]");
}

/* Which of the group has something; -1 none. Takes it. */
static int taken_by(const int *group, size_t count)
{
	for (int tries = 0; tries < 200; tries++) {
		for (size_t i = 0; i < count; i++)
			if (udp_receive(receiver, group[i]) > 0)
				return (int)i;
		usleep(1000);
	}
	return -1;
}

static void channel_steering(int family, const char *address)
{
	struct udp_config beside = { .family = family, .reuseport = true };
	int group[WORKERS + 1];
	bool used[WORKERS + 1] = { false };
	uint8_t data[64] = { 0x41, 2, 0, 20 };
	struct udp_route route;
	char text[64];
	int other;

	group[0] = open_socket(family, 0, false);
	beside.port = udp_port(group[0]);
	assert_int_equal(udp_open(&other, &beside), -EADDRINUSE);
	assert_int_equal(udp_share(group[0]), 0);
	for (size_t i = 1; i <= WORKERS; i++)
		group[i] = open_socket(family, beside.port, true);
	assert_int_equal(udp_steer_channels(group[0], WORKERS), 0);
	snprintf(text, sizeof(text), "%s:%u", address, beside.port);
	route = route_to(text, NULL);
	for (int i = 0; i < 32; i++) {
		int from = open_socket(family, 0, false);
		struct udp_datagram datagram = {
			.route = &route, .data = data, .len = 24, .segment = 24
		};
		int where;

		data[0] = 0x41;
		assert_int_equal(udp_send(from, &datagram, 1, NULL), 0);
		where = taken_by(group, WORKERS + 1);
		assert_true(where > 0);
		used[where] = true;
		for (int again = 0; again < 3; again++) {
			assert_int_equal(udp_send(from, &datagram, 1, NULL), 0);
			assert_int_equal(taken_by(group, WORKERS + 1), where);
		}
		data[0] = 0; /* STUN */
		assert_int_equal(udp_send(from, &datagram, 1, NULL), 0);
		assert_int_equal(taken_by(group, WORKERS + 1), 0);
		data[0] = 0x50;
		assert_int_equal(udp_send(from, &datagram, 1, NULL), 0);
		assert_int_equal(taken_by(group, WORKERS + 1), 0);
		data[0] = 0x41;
		datagram.len = datagram.segment = 3;
		assert_int_equal(udp_send(from, &datagram, 1, NULL), 0);
		assert_int_equal(taken_by(group, WORKERS + 1), 0);
		close(from);
	}
	for (size_t i = 1; i <= WORKERS; i++)
		assert_true(used[i]);
	for (size_t i = 0; i <= WORKERS; i++)
		close(group[i]);
}

static void test_steering_of_channels_by_sender(void **state)
{
	(void)state;
	channel_steering(AF_INET, "127.0.0.1");
	channel_steering(AF_INET6, "[::1]");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cuts_and_joins),
		cmocka_unit_test(test_works_over_v6),
		cmocka_unit_test(test_without_gso_the_same_arrives),
		cmocka_unit_test(test_what_the_kernel_will_not_cut_is_sent_uncut),
		cmocka_unit_test(test_a_refusal_to_cut_loses_nothing),
		cmocka_unit_test(test_too_large_is_not_a_wrong_source),
		cmocka_unit_test(test_source_address_sticks_until_it_is_gone),
		cmocka_unit_test(test_one_unreachable_does_not_stop_the_others),
		cmocka_unit_test(test_a_taken_port_is_said),
		cmocka_unit_test(test_steering_by_receiver_index),
		cmocka_unit_test(test_steering_of_channels_by_sender),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
