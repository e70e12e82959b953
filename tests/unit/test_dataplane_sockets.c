#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <netinet/ip.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "daemon/dp_adopted.h"
#include "daemon/dp_core.h"
#include "io/udp.h"
#include "tests/support/engine.h"
#include "tests/support/netns.h"
#include "tests/support/packet.h"

#define STUN_SIZE 20

static uint8_t packet[2048];
static uint8_t message[2048];
static uint8_t got[2048];

/* As a probe socket is: alone on a free port. */
static int open_alone(uint16_t port)
{
	struct udp_config config = { .family = AF_INET, .port = port };
	int fd;
	int err = udp_open(&fd, &config);

	return err ? err : fd;
}

static uint32_t adopt(struct engine *e)
{
	uint32_t number = 0;

	assert_int_equal(dataplane_adopt_socket(e->dp, open_alone(0), &number), 0);
	assert_int_not_equal(number, 0);
	return number;
}

/* From here on the far end talks to that port, and hears from no other. */
static void far_faces(struct engine *e, uint16_t port)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons(port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	assert_int_equal(connect(e->far_fd, (struct sockaddr *)&to, sizeof(to)), 0);
}

static void move_path(struct engine *e, uint32_t number)
{
	e->path.socket = number;
	assert_int_equal(dataplane_peer_set_path(e->peer, &e->path), 0);
	far_faces(e, dataplane_socket_port(e->dp, number));
}

static bool far_reaches(struct engine *e, uint8_t lane, uint64_t counter)
{
	e->lane = lane;
	engine_far_packet(e, packet, engine_inner(packet, 0, 10), counter);
	return engine_inner_receive(e, got, sizeof(got), NULL) == 10;
}

static bool is_heard(struct engine *e)
{
	uint64_t counter;
	size_t len;

	engine_inner_send(e, "abc", 3);
	len = engine_far_receive(e, message, sizeof(message), NULL);
	return len && engine_open(e, got, message, len, &counter) > 0;
}

static void stun(uint8_t *out)
{
	memset(out, 0, STUN_SIZE);
	store_be16(out, 1);
	store_be32(out + 4, 0x2112a442);
}

static void test_data_flows_both_ways(void **state)
{
	struct engine *e = *state;
	struct dp_path path;
	uint32_t number;

	engine_open_session(e);
	number = adopt(e);
	move_path(e, number);
	dataplane_peer_path(e->peer, &path);
	assert_int_equal(path.socket, number);
	dataplane_peer_set_lanes(e->peer, 4);
	for (uint8_t lane = 0; lane < 4; lane++)
		for (uint64_t counter = 0; counter < 3; counter++)
			assert_true(far_reaches(e, lane, counter));
	for (int i = 0; i < 4; i++)
		assert_true(is_heard(e));
	engine_idle(e);
	assert_int_equal(e->paths, 0);
}

/* The same peer at the same address, on another port of ours: that is another path. */
static void test_another_socket_is_another_path(void **state)
{
	struct engine *e = *state;
	uint32_t number;

	engine_open_session(e);
	number = adopt(e);
	far_faces(e, dataplane_socket_port(e->dp, number));
	assert_true(far_reaches(e, 0, 0));
	assert_true(engine_wait(e, &e->paths, 1));
	assert_int_equal(e->last_path.socket, number);
	move_path(e, number);
	far_faces(e, dataplane_port(e->dp));
	engine_idle(e); /* the owner is told at intervals */
	assert_true(far_reaches(e, 0, 1));
	assert_true(engine_wait(e, &e->paths, 2));
	assert_int_equal(e->last_path.socket, 0);
}

static void test_control_messages_and_answers(void **state)
{
	struct engine *e = *state;
	uint8_t initiation[148] = { 1 };
	int on = 1;
	uint32_t number = adopt(e);
	struct msghdr msg = { 0 };
	struct iovec iov = { got, sizeof(got) };
	uint8_t control[128];
	int ttl = 0;

	far_faces(e, dataplane_socket_port(e->dp, number));
	stun(message);
	engine_far_send(e, message, STUN_SIZE, 0);
	assert_true(engine_wait(e, &e->others, 1));
	assert_int_equal(e->last_path.socket, number);
	assert_int_equal(e->last_path.remote.port, e->far_port);
	assert_int_equal(dataplane_socket_port(e->dp, e->last_path.socket),
			 dataplane_socket_port(e->dp, number));
	engine_far_send(e, initiation, sizeof(initiation), 0);
	assert_true(engine_wait(e, &e->handshakes, 1));
	assert_int_equal(e->last_path.socket, number);

	assert_int_equal(setsockopt(e->far_fd, IPPROTO_IP, IP_RECVTTL, &on, sizeof(on)), 0);
	assert_int_equal(dataplane_send(e->dp, &e->last_path, message, STUN_SIZE, 0, 5), 0);
	msg = (struct msghdr){ .msg_iov = &iov,
			       .msg_iovlen = 1,
			       .msg_control = control,
			       .msg_controllen = sizeof(control) };
	assert_int_equal(recvmsg(e->far_fd, &msg, 0), STUN_SIZE);
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c))
		if (c->cmsg_type == IP_TTL)
			memcpy(&ttl, CMSG_DATA(c), sizeof(ttl));
	assert_int_equal(ttl, 5);
}

struct sender {
	atomic_uint port;
	atomic_bool over;
	unsigned int sent;
	unsigned int most;
	int fd;
};

static void *send_stun(void *arg)
{
	struct sender *s = arg;
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)s->port) };
	uint8_t request[STUN_SIZE];

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	stun(request);
	while (s->sent < s->most && !atomic_load(&s->over)) {
		/* Every bit of the first word of the id moves the group's hash. */
		store_be32(request + 8, s->sent);
		if (sendto(s->fd, request, sizeof(request), 0, (struct sockaddr *)&to, sizeof(to)) >
		    0)
			s->sent++;
		usleep(20);
	}
	return NULL;
}

/* What waited in the socket, and what comes while it is taken over, from many ports. */
static void test_nothing_is_lost_in_between(void **state)
{
	enum { SENDERS = 4, EACH = 200 };
	struct engine *e = *state;
	struct sender senders[SENDERS];
	pthread_t threads[SENDERS];
	unsigned int sent = 0;
	uint32_t number;
	int fd = open_alone(0);

	engine_open_session(e);
	far_faces(e, udp_port(fd));
	engine_far_packet(e, packet, engine_inner(packet, 0, 10), 0);
	stun(message);
	engine_far_send(e, message, STUN_SIZE, 0);
	for (int i = 0; i < SENDERS; i++) {
		senders[i] = (struct sender){ .most = EACH, .fd = open_alone(0) };
		atomic_store(&senders[i].port, udp_port(fd));
		assert_int_equal(pthread_create(&threads[i], NULL, send_stun, &senders[i]), 0);
	}
	usleep(1000);
	assert_int_equal(dataplane_adopt_socket(e->dp, fd, &number), 0);
	for (int i = 0; i < SENDERS; i++) {
		pthread_join(threads[i], NULL);
		sent += senders[i].sent;
		close(senders[i].fd);
	}
	assert_int_equal(sent, SENDERS * EACH);
	assert_true(engine_wait(e, &e->others, sent + 1));
	engine_idle(e);
	assert_int_equal(e->others, sent + 1);
	assert_int_equal(engine_inner_receive(e, got, sizeof(got), NULL), 10);
}

static void test_the_limit(void **state)
{
	struct engine *e = *state;
	uint32_t numbers[DP_SOCKETS_MAX];
	uint32_t again;
	int fd;

	engine_open_session(e);
	for (int i = 0; i < DP_SOCKETS_MAX; i++) {
		numbers[i] = adopt(e);
		for (int j = 0; j < i; j++)
			assert_int_not_equal(numbers[i], numbers[j]);
	}
	fd = open_alone(0);
	assert_int_equal(dataplane_adopt_socket(e->dp, fd, &again), -ENOSPC);
	for (int i = 0; i < DP_SOCKETS_MAX; i++) {
		uint16_t port = dataplane_socket_port(e->dp, numbers[i]);

		assert_int_equal(dataplane_socket_on(e->dp, port), numbers[i]);
		move_path(e, numbers[i]);
		assert_true(far_reaches(e, 0, (uint64_t)i));
		assert_true(is_heard(e));
	}
	assert_int_equal(dataplane_socket_on(e->dp, dataplane_port(e->dp)), 0);
	dataplane_release_socket(e->dp, numbers[7]);
	dataplane_release_socket(e->dp, numbers[7]);
	assert_int_equal(dataplane_socket_port(e->dp, numbers[7]), 0);
	assert_int_equal(dataplane_adopt_socket(e->dp, fd, &again), 0);
	assert_int_not_equal(again, numbers[7]);
	dataplane_release_socket(e->dp, numbers[7]);
	move_path(e, again);
	assert_true(is_heard(e));
}

static void assert_refused(struct engine *e, int fd, int err)
{
	uint32_t number = 99;

	assert_int_equal(dataplane_adopt_socket(e->dp, fd, &number), err);
	assert_int_equal(number, 99);
	assert_int_equal(close(fd), 0);
}

static void test_what_cannot_be_adopted(void **state)
{
	struct engine *e = *state;
	struct udp_config config = { .family = AF_INET,
				     .local = { .family = AF_INET, .bytes = { 127, 0, 0, 1 } } };
	uint32_t number;
	int fd;

	assert_refused(e, socket(AF_INET, SOCK_STREAM, 0), -EINVAL);
	assert_refused(e, socket(AF_INET, SOCK_DGRAM, 0), -EINVAL); /* no port */
	assert_refused(e, socket(AF_UNIX, SOCK_DGRAM, 0), -EINVAL);
	assert_int_equal(udp_open(&fd, &config), 0);
	assert_refused(e, fd, -EINVAL);
	assert_int_equal(dataplane_adopt_socket(e->dp, -1, &number), -EBADF);
}

static void test_release_drops_what_is_sent(void **state)
{
	struct engine *e = *state;
	uint32_t number;
	uint16_t port;
	int fd = -EADDRINUSE;

	engine_open_session(e);
	number = adopt(e);
	port = dataplane_socket_port(e->dp, number);
	move_path(e, number);
	assert_true(is_heard(e));
	dataplane_release_socket(e->dp, number);
	assert_int_equal(dataplane_send(e->dp, &e->path, (const uint8_t *)"abc", 3, 0, 0), -EBADF);
	assert_int_equal(engine_activity(e).tx_dropped, 0);
	assert_false(is_heard(e));
	assert_int_equal(engine_activity(e).tx_dropped, 1);
	for (int i = 0; fd == -EADDRINUSE && i < 100; i++) {
		usleep(20000);
		fd = open_alone(port);
	}
	assert_true(fd >= 0);
	close(fd);
	move_path(e, 0);
	assert_true(is_heard(e));
}

static uint32_t mark_of(int fd)
{
	uint32_t mark = 0;
	socklen_t len = sizeof(mark);

	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_MARK, &mark, &len), 0);
	return mark;
}

static int discovery_of(int fd)
{
	int value = 0;
	socklen_t len = sizeof(value);

	assert_int_equal(getsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &value, &len), 0);
	return value;
}

static void test_port_mark_and_device(void **state)
{
	struct engine *e = *state;
	uint32_t number;
	uint16_t port;

	engine_open_session(e);
	number = adopt(e);
	port = dataplane_socket_port(e->dp, number);
	move_path(e, number);
	assert_int_equal(dataplane_set_fwmark(e->dp, 77), 0);
	for (unsigned int i = 0; i <= e->dp->workers; i++)
		assert_int_equal(mark_of(dp_adopted_find(e->dp, number)->socket[i].fd), 77);
	assert_int_equal(mark_of(dp_adopted_find(e->dp, adopt(e))->group.fd[0][0]), 77);
	assert_int_equal(dataplane_set_fwmark(e->dp, 0), 0);
	assert_int_equal(dataplane_set_port(e->dp, port), -EADDRINUSE);
	assert_int_equal(dataplane_set_port(e->dp, 0), 0);
	assert_int_equal(dataplane_socket_port(e->dp, number), port);
	assert_true(far_reaches(e, 0, 0));
	assert_true(is_heard(e));
	stun(message);
	engine_far_send(e, message, STUN_SIZE, 0);
	assert_true(engine_wait(e, &e->others, 1));
}

/* Where a path has shown nothing yet, packets go out of the socket that lets them be cut. */
static void test_fragments_leave_from_the_same_port(void **state)
{
	struct engine *e = *state;
	const struct dp_adopted *adopted;
	uint32_t number;

	engine_open_session(e);
	number = adopt(e);
	adopted = dp_adopted_find(e->dp, number);
	for (unsigned int i = 0; i <= e->dp->workers; i++) {
		assert_int_equal(discovery_of(adopted->socket[i].fd), IP_PMTUDISC_PROBE);
		assert_int_not_equal(adopted->socket[i].fd, adopted->socket[i].fragment_fd);
		assert_int_equal(discovery_of(adopted->socket[i].fragment_fd), IP_PMTUDISC_DONT);
	}
	move_path(e, number);
	/* The search for the path's MTU begins at once, from there. */
	assert_true(engine_far_receive(e, message, sizeof(message), NULL) > 0);
	while (engine_far_receive(e, message, sizeof(message), NULL))
		;
	assert_true(is_heard(e));
}

static void *flood_far(void *arg)
{
	struct sender *s = arg;
	struct sockaddr_in to = { .sin_family = AF_INET };

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	while (!atomic_load(&s->over)) {
		to.sin_port = htons((uint16_t)atomic_load(&s->port));
		/* Any lane's index, so every worker; most of it repeats what came before. */
		message[4] = (uint8_t)(s->sent % 2);
		sendto(s->fd, message, s->most, 0, (struct sockaddr *)&to, sizeof(to));
		if (++s->sent % 16 == 0)
			usleep(100);
	}
	return NULL;
}

static void *flood_inner(void *arg)
{
	struct sender *s = arg;
	uint8_t data[1000] = { 0 };

	while (!atomic_load(&s->over)) {
		if (send(s->fd, data, sizeof(data), MSG_DONTWAIT) < 0 || ++s->sent % 16 == 0)
			usleep(100);
	}
	return NULL;
}

static void test_release_while_traffic_flows(void **state)
{
	struct engine *e = *state;
	struct sender far = { .fd = open_alone(0) };
	struct sender inner = { .fd = e->inner_fd };
	pthread_t threads[2];
	uint64_t before;

	engine_open_session(e);
	far.most = (unsigned int)engine_seal(e, message, packet, engine_inner(packet, 0, 10), 0);
	atomic_store(&far.port, dataplane_port(e->dp));
	assert_int_equal(pthread_create(&threads[0], NULL, flood_far, &far), 0);
	assert_int_equal(pthread_create(&threads[1], NULL, flood_inner, &inner), 0);
	for (int i = 0; i < 20; i++) {
		uint32_t number = adopt(e);

		e->path.socket = number;
		assert_int_equal(dataplane_peer_set_path(e->peer, &e->path), 0);
		atomic_store(&far.port, dataplane_socket_port(e->dp, number));
		before = engine_activity(e).tx_bytes;
		engine_idle(e);
		assert_true(engine_activity(e).tx_bytes > before);
		if (i % 2) {
			e->path.socket = 0;
			assert_int_equal(dataplane_peer_set_path(e->peer, &e->path), 0);
		}
		dataplane_release_socket(e->dp, number);
	}
	atomic_store(&far.over, true);
	atomic_store(&inner.over, true);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	close(far.fd);
	assert_true(far.sent > 100 && inner.sent > 100);
	while (engine_far_receive(e, got, sizeof(got), NULL))
		;
	move_path(e, 0);
	assert_true(is_heard(e));
}

/* What had arrived already, so that only later packets are heard. */
static void drain_far(struct engine *e)
{
	while (recv(e->far_fd, got, sizeof(got), MSG_DONTWAIT) > 0)
		;
}

/* Packets that wait in the TUN for room below a socket do not wait for one that has gone. */
static void test_release_of_a_full_socket(void **state)
{
	struct engine *e = *state;
	uint8_t data[1300] = { 0 };
	uint32_t number;
	size_t queued;
	bool heard = false;

	engine_open_session(e);
	number = adopt(e);
	move_path(e, number);
	netns_run("tc qdisc add dev lo root tbf rate 8kbit burst 64k limit 10000000");
	for (int i = 0; i < 2000; i++) {
		engine_inner_send(e, data, sizeof(data));
		usleep(50);
	}
	engine_idle(e);
	queued = udp_queued(dp_adopted_find(e->dp, number)->socket[0].fd) +
		 udp_queued(dp_adopted_find(e->dp, number)->socket[1].fd);
	/* Not read any more, since what is queued would be a multiple of that. */
	assert_in_range(queued, DP_ROOM_MIN, 2 * DP_ROOM_START);
	move_path(e, 0);
	dataplane_release_socket(e->dp, number);
	netns_run("tc qdisc del dev lo root");
	engine_idle(e); /* what waited in the TUN goes */
	drain_far(e);
	for (int i = 0; !heard && i < 5; i++)
		heard = is_heard(e);
	assert_true(heard);
}

#define TEST(name, setup) cmocka_unit_test_setup_teardown(name, setup, engine_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_data_flows_both_ways, engine_setup_lanes),
		TEST(test_another_socket_is_another_path, engine_setup),
		TEST(test_control_messages_and_answers, engine_setup),
		TEST(test_nothing_is_lost_in_between, engine_setup),
		TEST(test_the_limit, engine_setup),
		TEST(test_what_cannot_be_adopted, engine_setup),
		TEST(test_release_drops_what_is_sent, engine_setup),
		TEST(test_port_mark_and_device, engine_setup),
		TEST(test_fragments_leave_from_the_same_port, engine_setup_path_mtu),
		TEST(test_release_while_traffic_flows, engine_setup_lanes),
		TEST(test_release_of_a_full_socket, engine_setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
