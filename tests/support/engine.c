#include "tests/support/engine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <netinet/ip.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "crypto/aead.h"
#include "io/loop.h"
#include "proto/lane_key.h"
#include "tests/support/netns.h"
#include "tests/support/packet.h"

#define SEND_KEY  1 /* every byte of it, as the data plane sends */
#define RECV_KEY  2
#define PORT      7000
#define WAIT_MS   2000
#define ABSENT_MS 60

static void on_need_session(void *arg, struct dp_peer *peer)
{
	struct engine *e = arg;

	/* A test may make more peers; theirs is not counted. */
	e->need_session += peer == e->peer;
}

static void keep(struct engine *e, const uint8_t *data, size_t len)
{
	assert_true(len <= sizeof(e->last_data));
	memcpy(e->last_data, data, len);
	e->last_len = len;
}

static void on_handshake(void *arg, const uint8_t *data, size_t len, const struct dp_path *from)
{
	struct engine *e = arg;

	e->handshakes++;
	e->last_path = *from;
	keep(e, data, len);
}

static void on_other(void *arg, const uint8_t *data, size_t len, const struct dp_path *from)
{
	struct engine *e = arg;

	e->others++;
	e->last_path = *from;
	keep(e, data, len);
}

static void on_confirmed(void *arg, struct dp_peer *peer, struct dp_keypair *keypair)
{
	struct engine *e = arg;

	assert_ptr_equal(peer, e->peer);
	assert_ptr_equal(keypair, e->keypair);
	e->confirmed++;
}

static void on_path(void *arg, struct dp_peer *peer, const struct dp_path *from)
{
	struct engine *e = arg;

	assert_ptr_equal(peer, e->peer);
	e->paths++;
	e->last_path = *from;
}

static void on_activity(void *arg, struct dp_peer *peer, unsigned int notices)
{
	struct engine *e = arg;

	assert_ptr_equal(peer, e->peer);
	/* Only what was asked for, and once. */
	assert_int_equal(e->notices & notices, 0);
	e->notices |= notices;
}

static void on_stream(void *arg, uint32_t stream, const uint8_t *data, size_t len)
{
	struct engine *e = arg;

	assert_int_equal(stream, e->path.stream);
	e->streams++;
	keep(e, data, len);
}

static void on_gso_off(void *arg, struct dp_peer *peer, int reason)
{
	struct engine *e = arg;

	assert_ptr_equal(peer, e->peer);
	e->gso_offs++;
	e->gso_reason = reason;
}

static const struct dp_ops ops = {
	.need_session = on_need_session,
	.handshake_message = on_handshake,
	.other_message = on_other,
	.keypair_confirmed = on_confirmed,
	.path_seen = on_path,
	.activity = on_activity,
	.stream_output = on_stream,
	.gso_off = on_gso_off,
};

static struct sockaddr_in address(uint32_t ip, uint16_t port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET,
				     .sin_port = htons(port),
				     .sin_addr.s_addr = htonl(ip) };
}

static int open_udp(uint32_t ip, uint16_t port)
{
	struct sockaddr_in in = address(ip, port);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	int on = 1;

	assert_int_equal(bind(fd, (struct sockaddr *)&in, sizeof(in)), 0);
	assert_int_equal(setsockopt(fd, IPPROTO_IP, IP_RECVTOS, &on, sizeof(on)), 0);
	return fd;
}

static void open_sockets(struct engine *e)
{
	struct sockaddr_in to = address(0x0A050002, PORT);
	struct sockaddr_in own;
	int on = 1;
	socklen_t len = sizeof(own);

	e->inner_fd = open_udp(0x0A050001, PORT);
	/* Without it "unreachable" is no error of a UDP socket. */
	assert_int_equal(setsockopt(e->inner_fd, IPPROTO_IP, IP_RECVERR, &on, sizeof(on)), 0);
	assert_int_equal(connect(e->inner_fd, (struct sockaddr *)&to, sizeof(to)), 0);
	e->far_fd = open_udp(INADDR_LOOPBACK, 0);
	assert_int_equal(getsockname(e->far_fd, (struct sockaddr *)&own, &len), 0);
	e->far_port = ntohs(own.sin_port);
	to = address(INADDR_LOOPBACK, dataplane_port(e->dp));
	assert_int_equal(connect(e->far_fd, (struct sockaddr *)&to, sizeof(to)), 0);
}

static void add_peer(struct engine *e)
{
	struct prefix prefix;

	e->peer = dataplane_peer_new(e->dp, e);
	assert_non_null(e->peer);
	assert_ptr_equal(dp_peer_owner(e->peer), e);
	assert_int_equal(prefix_parse(&prefix, "10.5.0.2/32"), 0);
	assert_int_equal(dataplane_allowed_ip_set(e->peer, &prefix), 0);
	assert_int_equal(dataplane_allowed_ips_commit(e->dp), 0);
	e->path.kind = DP_PATH_UDP;
	e->path.remote.addr = addr_from_v4(INADDR_LOOPBACK);
	e->path.local = addr_from_v4(INADDR_LOOPBACK);
	e->path.remote.port = e->far_port;
	assert_int_equal(dataplane_peer_set_path(e->peer, &e->path), 0);
}

static int set_up(void **state, bool lanes, bool path_mtu)
{
	struct dp_config config = {
		.tun_name = "wdp0", .workers = 2, .lanes = lanes, .path_mtu = path_mtu
	};
	struct engine *e = calloc(1, sizeof(*e));

	assert_non_null(e);
	netns_enter();
	assert_int_equal(loop_new(&e->loop), 0);
	assert_int_equal(dataplane_new(&e->dp, e->loop, &config, &ops, e), 0);
	netns_run("sysctl -q -w net.ipv6.conf.wdp0.disable_ipv6=1"); /* no chatter */
	netns_run("ip addr add 10.5.0.1/24 dev wdp0");
	netns_run("ip link set wdp0 up");
	open_sockets(e);
	add_peer(e);
	assert_int_equal(aead_new(&e->aead, "libsodium"), 0);
	*state = e;
	return 0;
}

int engine_setup(void **state)
{
	return set_up(state, false, false);
}

int engine_setup_lanes(void **state)
{
	return set_up(state, true, false);
}

int engine_setup_path_mtu(void **state)
{
	return set_up(state, false, true);
}

int engine_teardown(void **state)
{
	struct engine *e = *state;

	dataplane_peer_free(e->peer);
	dataplane_free(e->dp);
	loop_free(e->loop);
	aead_free(e->aead);
	close(e->inner_fd);
	close(e->far_fd);
	free(e);
	return 0;
}

void engine_add_keypair(struct engine *e, bool initiator, uint64_t age_s)
{
	struct dp_keypair_config config = { .remote_index = ENGINE_FAR_INDEX,
					    .initiator = initiator,
					    .created_ns = clock_now_ns() - age_s * NS_PER_S };

	assert_int_equal(dataplane_index_new(e->peer, &e->index), 0);
	config.local_index = e->index;
	memset(config.send_key, SEND_KEY, sizeof(config.send_key));
	memset(config.recv_key, RECV_KEY, sizeof(config.recv_key));
	e->keypair = dataplane_keypair_new(e->peer, &config);
	assert_non_null(e->keypair);
}

void engine_open_session(struct engine *e)
{
	engine_add_keypair(e, true, 0);
	dataplane_peer_set_current(e->peer, e->keypair);
}

struct wait {
	struct loop *loop;
	const unsigned int *counter;
	unsigned int value;
	uint64_t end_ns;
	struct loop_timer timer;
};

static void look(void *arg, uint64_t now_ns)
{
	struct wait *wait = arg;

	if (now_ns >= wait->end_ns || (wait->counter && *wait->counter >= wait->value))
		loop_stop(wait->loop);
	else
		loop_timer_set(&wait->timer, now_ns + NS_PER_MS);
}

static void run_loop(struct engine *e, const unsigned int *counter, unsigned int value,
		     uint64_t for_ms)
{
	struct wait wait = { .loop = e->loop, .counter = counter, .value = value };

	wait.end_ns = clock_now_ns() + for_ms * NS_PER_MS;
	loop_timer_init(&wait.timer, e->loop, look, &wait);
	loop_timer_set(&wait.timer, clock_now_ns() + NS_PER_MS);
	loop_run(e->loop);
	loop_timer_clear(&wait.timer);
}

bool engine_wait(struct engine *e, const unsigned int *counter, unsigned int value)
{
	run_loop(e, counter, value, WAIT_MS);
	return *counter >= value;
}

void engine_idle(struct engine *e)
{
	run_loop(e, NULL, 0, ABSENT_MS);
}

size_t engine_inner(uint8_t *out, uint8_t tos, size_t payload)
{
	struct packet_spec spec = packet_spec_default();
	size_t len;

	spec.udp = true;
	spec.tos = tos;
	spec.payload = payload;
	len = packet_build(out, &spec);
	store_be32(out + 12, 0x0A050002);
	store_be32(out + 16, 0x0A050001);
	store_be16(out + 20, PORT);
	store_be16(out + 22, PORT);
	packet_seal(out, len);
	return len;
}

size_t engine_seal(struct engine *e, uint8_t *out, const uint8_t *plain, size_t len,
		   uint64_t counter)
{
	struct aead_job job = { .in = plain, .out = out + 16, .len = len, .counter = counter };
	uint8_t key[AEAD_KEY_SIZE];

	memset(key, RECV_KEY, sizeof(key));
	lane_key_derive(key, key, e->lane);
	store_le32(out, 4);
	store_le32(out + 4, e->index + e->lane);
	store_le64(out + 8, counter);
	aead_seal(e->aead, key, &job, 1);
	return len + 32;
}

void engine_far_send(struct engine *e, const uint8_t *message, size_t len, uint8_t tos)
{
	int value = tos;

	assert_int_equal(setsockopt(e->far_fd, IPPROTO_IP, IP_TOS, &value, sizeof(value)), 0);
	assert_int_equal(send(e->far_fd, message, len, 0), len);
}

void engine_far_packet(struct engine *e, const uint8_t *plain, size_t len, uint64_t counter)
{
	uint8_t message[2048];

	engine_far_send(e, message, engine_seal(e, message, plain, len, counter), 0);
}

static size_t receive(int fd, uint8_t *out, size_t size, uint8_t *tos, int wait_ms)
{
	_Alignas(struct cmsghdr) uint8_t control[128];
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	struct iovec iov = { out, size };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = sizeof(control) };
	ssize_t n;

	if (poll(&pfd, 1, wait_ms) <= 0)
		return 0;
	n = recvmsg(fd, &msg, 0);
	if (n < 0)
		return 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); tos && c; c = CMSG_NXTHDR(&msg, c))
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TOS)
			*tos = *CMSG_DATA(c);
	return (size_t)n;
}

size_t engine_far_receive(struct engine *e, uint8_t *out, size_t size, uint8_t *tos)
{
	return receive(e->far_fd, out, size, tos, 300);
}

int engine_open(struct engine *e, uint8_t *out, const uint8_t *message, size_t len,
		uint64_t *counter)
{
	struct aead_job job = { .in = message + 16, .out = out, .len = len - 32 };
	uint8_t key[AEAD_KEY_SIZE];

	if (len < 32 || load_le32(message) != 4 || load_le32(message + 4) - ENGINE_FAR_INDEX > 63)
		return -1;
	e->lane = (uint8_t)(load_le32(message + 4) - ENGINE_FAR_INDEX);
	memset(key, SEND_KEY, sizeof(key));
	lane_key_derive(key, key, e->lane);
	job.counter = load_le64(message + 8);
	aead_open(e->aead, key, &job, 1);
	*counter = job.counter;
	return job.authentic ? (int)job.len : -1;
}

int engine_inner_send(struct engine *e, const void *data, size_t len)
{
	return (int)send(e->inner_fd, data, len, 0);
}

size_t engine_inner_receive(struct engine *e, uint8_t *out, size_t size, uint8_t *tos)
{
	return receive(e->inner_fd, out, size, tos, 300);
}

int engine_inner_error(struct engine *e)
{
	struct pollfd pfd = { .fd = e->inner_fd };
	int err = 0;
	socklen_t len = sizeof(err);

	poll(&pfd, 1, 300); /* POLLERR needs no asking */
	assert_int_equal(getsockopt(e->inner_fd, SOL_SOCKET, SO_ERROR, &err, &len), 0);
	return err;
}

struct dp_activity engine_activity(const struct engine *e)
{
	struct dp_activity activity;

	dataplane_peer_activity(e->peer, &activity);
	return activity;
}
