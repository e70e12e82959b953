/*
 * Many WireGuard initiators in one process: real handshakes with one responder, each ended by the
 * keepalive that confirms the session. Initiations are made ahead, so that the responder and not
 * this program is what is measured. IPv4 only.
 *
 * handshake_load config COUNT
 *     Prints the [Peer] sections that tell the responder of the initiators, for wg setconf.
 * handshake_load run ADDR:PORT RESPONDER-KEY COUNT HANDSHAKES [OUTSTANDING [SECONDS [FROM SOURCES
 * [FLOOD]]]] Says "ready" when all initiations are made, waits for a line, then runs HANDSHAKES of
 * them, in turn over the initiators, with OUTSTANDING (32) in flight, for SECONDS (60) at most.
 *     Initiators send from SOURCES (1) addresses from FROM on. FLOOD a second more come from the
 *     address after those, with a right mac1 and from nobody the responder knows. Figures as JSON.
 */
#include <arpa/inet.h>
#include <pthread.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/addr.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/encoding.h"
#include "crypto/chapoly.h"
#include "crypto/hash.h"
#include "crypto/rng.h"
#include "proto/cookie.h"
#include "proto/handshake.h"
#include "proto/wg_message.h"

#define LOST_AFTER_NS  NS_PER_S
#define BATCH          64
#define SOURCES_MAX    1024
#define KEEPALIVE_SIZE (16 + CHAPOLY_TAG_SIZE)

enum state { PREPARED, SENT, DONE, LOST };

struct attempt {
	struct handshake handshake;
	struct wg_initiation message;
	uint64_t sent_ns;
	uint64_t done_ns;
	enum state state;
};

struct initiator {
	struct wg_identity identity;
	struct cookie_maker cookies;
};

static struct {
	struct rng rng;
	struct sockaddr_storage responder;
	socklen_t responder_len;
	uint8_t responder_key[32];
	struct in_addr from; /* INADDR_ANY: the kernel's choice */
	size_t sources;
	int fds[SOURCES_MAX];
	int epoll_fd;

	struct initiator *initiators;
	size_t count;
	struct attempt *attempts;
	size_t planned;
	size_t next;   /* the first not yet sent */
	size_t oldest; /* the first that may still be in flight */
	size_t in_flight;
	size_t completed, lost, cookies, refused;

	unsigned int flood;
	atomic_bool flooding;
	atomic_size_t flooded;
} load;

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

/* The same in every run, so that config and run agree without a file. */
static void initiator_private(uint8_t priv[static 32], size_t number)
{
	uint8_t bytes[8];

	store_le64(bytes, number);
	hash_blake2s(priv, "bench initiator", 15, bytes, sizeof(bytes));
	dh_private_clamp(priv);
}

static int print_config(size_t count)
{
	for (size_t i = 0; i < count; i++) {
		uint8_t priv[32], pub[32];
		char text[BASE64_KEY_SIZE];

		initiator_private(priv, i);
		dh_public(pub, priv);
		encoding_base64_key(text, pub);
		printf("[Peer]\nPublicKey = %s\nAllowedIPs = 10.%zu.%zu.%zu/32\n", text,
		       100 + (i >> 16), (i >> 8) & 255, i & 255);
	}
	return 0;
}

static void prepare_attempt(size_t number, const struct handshake *fresh)
{
	struct attempt *attempt = &load.attempts[number];
	struct initiator *initiator = &load.initiators[number % load.count];
	uint64_t wall_ns = clock_wall_ns();
	uint8_t stamp[TAI64N_SIZE];

	/* Finer than TAI64N_STEP_NS: an initiator's turns may come that soon. */
	store_be64(stamp, 0x400000000000000aULL + wall_ns / NS_PER_S);
	store_be32(stamp + 8, (uint32_t)(wall_ns % NS_PER_S));
	attempt->handshake = *fresh;
	if (handshake_create_initiation(&attempt->handshake, &initiator->identity, &load.rng, stamp,
					(uint32_t)number, &attempt->message) < 0)
		fail("initiation");
}

static void prepare(void)
{
	load.initiators = calloc(load.count, sizeof(*load.initiators));
	load.attempts = calloc(load.planned, sizeof(*load.attempts));
	if (!load.initiators || !load.attempts)
		fail("memory");
	for (size_t i = 0; i < load.count; i++) {
		struct initiator *initiator = &load.initiators[i];
		struct handshake fresh;
		uint8_t priv[32];

		initiator_private(priv, i);
		wg_identity_set(&initiator->identity, priv);
		cookie_maker_init(&initiator->cookies, load.responder_key);
		handshake_init(&fresh, &initiator->identity, load.responder_key);
		for (size_t number = i; number < load.planned; number += load.count)
			prepare_attempt(number, &fresh);
	}
}

static int source_open(size_t number)
{
	struct sockaddr_in local = { .sin_family = AF_INET, .sin_addr = load.from };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int buffer = 4 << 20;

	if (load.from.s_addr != INADDR_ANY)
		local.sin_addr.s_addr = htonl(ntohl(load.from.s_addr) + (uint32_t)number);
	if (fd < 0 || bind(fd, (struct sockaddr *)&local, sizeof(local)) < 0 ||
	    connect(fd, (struct sockaddr *)&load.responder, load.responder_len) < 0)
		fail("socket");
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof(buffer));
	return fd;
}

static void open_sources(void)
{
	load.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	for (size_t i = 0; i < load.sources; i++) {
		struct epoll_event event = { .events = EPOLLIN };

		load.fds[i] = source_open(i);
		event.data.fd = load.fds[i];
		if (epoll_ctl(load.epoll_fd, EPOLL_CTL_ADD, load.fds[i], &event) < 0)
			fail("epoll");
	}
}

static int source_of(size_t number)
{
	return load.fds[(number % load.count) % load.sources];
}

static void send_attempt(size_t number, uint64_t now_ns)
{
	struct attempt *attempt = &load.attempts[number];
	struct initiator *initiator = &load.initiators[number % load.count];

	cookie_add_macs(&initiator->cookies, (uint8_t *)&attempt->message, sizeof(attempt->message),
			now_ns);
	/* One that cannot be sent is lost like any other. */
	(void)!send(source_of(number), &attempt->message, sizeof(attempt->message), 0);
}

static void confirm(const struct wg_session *session, int fd)
{
	uint8_t message[KEEPALIVE_SIZE] = { WG_DATA };

	store_le32(message + 4, session->remote_index);
	chapoly_seal(message + 16, session->send_key, 0, NULL, 0, NULL, 0);
	(void)!send(fd, message, sizeof(message), 0);
}

static struct attempt *awaited(uint32_t number)
{
	struct attempt *attempt = number < load.planned ? &load.attempts[number] : NULL;

	return attempt && attempt->state == SENT ? attempt : NULL;
}

static void take_response(const struct wg_response *msg, uint64_t now_ns)
{
	uint32_t number = load_le32(msg->receiver);
	struct attempt *attempt = awaited(number);
	struct wg_session session;

	if (!attempt || handshake_consume_response(&attempt->handshake,
						   &load.initiators[number % load.count].identity,
						   msg, &session) < 0) {
		load.refused++;
		return;
	}
	confirm(&session, source_of(number));
	attempt->state = DONE;
	attempt->done_ns = now_ns;
	load.completed++;
	load.in_flight--;
}

static void take_cookie(const struct wg_cookie_reply *msg, uint64_t now_ns)
{
	uint32_t number = load_le32(msg->receiver);
	struct cookie_maker *cookies;

	if (!awaited(number))
		return;
	cookies = &load.initiators[number % load.count].cookies;
	load.cookies++;
	/* The same message, which was not looked at, now with a mac2. */
	if (cookie_consume_reply(cookies, msg, now_ns) == 0)
		send_attempt(number, now_ns);
}

static void receive_from(int fd)
{
	static uint8_t data[BATCH][256];
	struct mmsghdr messages[BATCH];
	struct iovec iov[BATCH];
	uint64_t now_ns;
	int count;

	memset(messages, 0, sizeof(messages));
	for (int i = 0; i < BATCH; i++) {
		iov[i] = (struct iovec){ .iov_base = data[i], .iov_len = sizeof(data[i]) };
		messages[i].msg_hdr.msg_iov = &iov[i];
		messages[i].msg_hdr.msg_iovlen = 1;
	}
	count = recvmmsg(fd, messages, BATCH, 0, NULL);
	now_ns = clock_now_ns();
	for (int i = 0; i < count; i++) {
		switch (wg_handshake_type(data[i], messages[i].msg_len)) {
		case WG_RESPONSE:
			take_response((const struct wg_response *)data[i], now_ns);
			break;
		case WG_COOKIE_REPLY:
			take_cookie((const struct wg_cookie_reply *)data[i], now_ns);
			break;
		default:
			break; /* data: a keepalive of the responder's */
		}
	}
}

static void give_up(uint64_t now_ns)
{
	for (; load.oldest < load.next; load.oldest++) {
		struct attempt *attempt = &load.attempts[load.oldest];

		if (attempt->state == SENT && now_ns - attempt->sent_ns < LOST_AFTER_NS)
			return;
		if (attempt->state != SENT)
			continue;
		attempt->state = LOST;
		load.lost++;
		load.in_flight--;
	}
}

static uint64_t run(size_t outstanding, uint64_t limit_ns)
{
	uint64_t start_ns = clock_now_ns(), now_ns = start_ns;

	while (now_ns - start_ns < limit_ns && (load.next < load.planned || load.in_flight)) {
		struct epoll_event events[BATCH];
		int count;

		for (; load.in_flight < outstanding && load.next < load.planned; load.next++) {
			load.attempts[load.next].state = SENT;
			load.attempts[load.next].sent_ns = clock_now_ns();
			load.in_flight++;
			send_attempt(load.next, now_ns);
		}
		count = epoll_wait(load.epoll_fd, events, BATCH, 20);
		for (int i = 0; i < count; i++)
			receive_from(events[i].data.fd);
		now_ns = clock_now_ns();
		give_up(now_ns);
	}
	return now_ns - start_ns;
}

/* Right by mac1, so that each costs the responder a DH unless it asks for cookies. */
static void *flood(void *arg)
{
	static struct wg_initiation messages[256];
	struct cookie_maker cookies;
	int fd = *(int *)arg;
	uint64_t start_ns;

	cookie_maker_init(&cookies, load.responder_key);
	for (size_t i = 0; i < 256; i++) {
		randombytes_buf(&messages[i], sizeof(messages[i]));
		memcpy(messages[i].type, "\1\0\0", 4);
		cookie_add_macs(&cookies, (uint8_t *)&messages[i], sizeof(messages[i]), 0);
	}
	start_ns = clock_now_ns();
	for (size_t sent = 0; load.flooding;) {
		size_t due = (clock_now_ns() - start_ns) / NS_PER_US * load.flood / 1000000;

		for (; sent < due; sent++)
			(void)!send(fd, &messages[sent % 256], sizeof(messages[0]), 0);
		load.flooded = sent;
		usleep(500);
	}
	return NULL;
}

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void print_figures(uint64_t spent_ns)
{
	uint64_t *latency = calloc(load.completed + 1, sizeof(*latency));
	size_t n = 0;

	if (!latency)
		fail("memory");
	for (size_t i = 0; i < load.next; i++) {
		if (load.attempts[i].state == DONE)
			latency[n++] = load.attempts[i].done_ns - load.attempts[i].sent_ns;
	}
	qsort(latency, n, sizeof(*latency), by_size);
	printf("{\"completed\": %zu, \"lost\": %zu, \"cookies\": %zu, \"refused\": %zu, "
	       "\"flooded\": %zu, \"seconds\": %.6f, \"latency_p50_us\": %.1f, "
	       "\"latency_p99_us\": %.1f}\n",
	       load.completed, load.lost, load.cookies, load.refused, (size_t)load.flooded,
	       (double)spent_ns / 1e9, (double)latency[n / 2] / 1e3,
	       (double)latency[n * 99 / 100] / 1e3);
	free(latency);
}

static size_t number_at(int argc, char **argv, int i, size_t otherwise)
{
	return i < argc ? (size_t)strtoul(argv[i], NULL, 10) : otherwise;
}

static int parse(int argc, char **argv)
{
	struct endpoint to;

	if (argc < 6 || endpoint_parse(&to, argv[2]) < 0 || to.addr.family != AF_INET ||
	    encoding_base64_key_parse(load.responder_key, argv[3]) < 0)
		return -1;
	load.responder_len = endpoint_to_sockaddr(&load.responder, &to);
	load.count = number_at(argc, argv, 4, 0);
	load.planned = number_at(argc, argv, 5, 0);
	load.sources = number_at(argc, argv, 9, 1);
	load.flood = (unsigned int)number_at(argc, argv, 10, 0);
	if (argc > 8 && inet_pton(AF_INET, argv[8], &load.from) != 1)
		return -1;
	return load.count && load.planned && load.planned <= UINT32_MAX && load.sources &&
			       load.sources <= SOURCES_MAX
		       ? 0
		       : -1;
}

int main(int argc, char **argv)
{
	pthread_t flooder;
	uint64_t spent_ns;
	int flood_fd;

	load.rng = rng_system();
	if (argc == 3 && strcmp(argv[1], "config") == 0)
		return print_config(number_at(argc, argv, 2, 0));
	if (argc < 2 || strcmp(argv[1], "run") != 0 || parse(argc, argv) < 0) {
		fprintf(stderr, "handshake_load: wrong arguments; see the top of its source\n");
		return 2;
	}
	prepare();
	open_sources();
	flood_fd = source_open(load.sources);
	puts("ready");
	fflush(stdout);
	getchar();
	load.flooding = load.flood > 0;
	if (load.flood && pthread_create(&flooder, NULL, flood, &flood_fd))
		fail("thread");
	spent_ns = run(number_at(argc, argv, 6, 32), number_at(argc, argv, 7, 60) * NS_PER_S);
	load.flooding = false;
	if (load.flood)
		pthread_join(flooder, NULL);
	print_figures(spent_ns);
	return 0;
}
