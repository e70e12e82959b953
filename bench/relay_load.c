/*
 * Load for a relay: pairs of clients, each with a flow of packets from one namespace to the other
 * through the relay, as ChannelData.
 *
 *     namespace FROM (senders) ── relay ── namespace TO (receivers)
 *
 * KIND says how the pairs find each other: `warren`, `coturn` (the receiver is a plain UDP peer of
 * the sender's allocation), `coturn-both` (the receiver has an allocation and a channel, too) or
 * `direct` (no relay; the same bytes). Prints `ready` when the channels are bound, begins when a
 * line comes on standard input, and prints one JSON object.
 *
 * Without RATE as much is sent as arrives, with WINDOW packets under way at most: so what counts is
 * what the relay forwards, and nothing starves. With RATE packets leave by the clock, whether
 * earlier ones arrived or not. Arrival is the kernel's time stamp, so that this program's own
 * slowness is not in the latency.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/addr.h"
#include "base/buf.h"
#include "base/clock.h"
#include "crypto/rng.h"
#include "proto/relay_client.h"
#include "proto/turn_credential.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

#define FLOWS_MAX    256
#define PAYLOAD_MIN  16 /* flow, sequence, time of sending */
#define PAYLOAD_MAX  8192
#define BURST_MAX    64
#define READ_MAX     64
#define SAMPLES_MAX  (16U << 20)
#define SETUP_S      10
#define STALLED_NS   (20 * NS_PER_MS)
#define BUFFER_BYTES (4 << 20)
#define CHANNEL      0x4001 /* of coturn's clients; Warren's choose theirs */

enum kind { DIRECT, WARREN, COTURN, COTURN_BOTH };

static const char *const kind_names[] = { "direct", "warren", "coturn", "coturn-both" };

/* One of the two ends of a flow. */
struct end {
	int fd;
	struct relay_client *client;
	uint8_t key[STUN_KEY_SIZE];
	struct endpoint relayed; /* coturn's allocation */
};

struct flow {
	struct end from;
	struct end to;
	uint16_t channel;
	uint32_t sent;
	uint32_t expected; /* the next sequence number */
};

struct load {
	enum kind kind;
	struct endpoint relay[2]; /* as seen from the two sides */
	struct endpoint local[2];
	const char *ns[2];
	const char *secret;
	size_t flow_count;
	size_t payload;
	size_t burst;
	bool gso;
	double seconds;
	double rate;
	uint64_t window;
	struct rng rng;
	int epoll;
	struct flow flows[FLOWS_MAX];
	uint64_t sent;
	uint64_t delivered;
	uint64_t reordered;
	uint32_t *samples; /* nanoseconds */
	size_t sample_count;
	uint8_t burst_bytes[BURST_MAX * (PAYLOAD_MAX + RELAY_CHANNEL_HEADER)];
	uint8_t read_bytes[READ_MAX][65536];
};

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "relay_load: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t real_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

/* ---- sockets ---- */

static void enter(const char *ns)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "/run/netns/%s", ns);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWNET) < 0)
		die(path);
	close(fd);
}

static void set(int fd, int level, int option, int value)
{
	if (setsockopt(fd, level, option, &value, sizeof(value)) < 0)
		die("setsockopt");
}

static void connect_to(int fd, const struct endpoint *ep)
{
	struct sockaddr_storage ss;
	socklen_t len = endpoint_to_sockaddr(&ss, ep);

	if (connect(fd, (struct sockaddr *)&ss, len) < 0)
		die("connect");
}

static int open_end(const struct load *load, int side)
{
	struct sockaddr_storage ss;
	socklen_t len = endpoint_to_sockaddr(&ss, &load->local[side]);
	int fd = socket(load->local[side].addr.family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&ss, len) < 0)
		die("socket");
	set(fd, SOL_SOCKET, SO_RCVBUFFORCE, BUFFER_BYTES);
	set(fd, SOL_SOCKET, SO_SNDBUFFORCE, BUFFER_BYTES);
	set(fd, SOL_SOCKET, SO_TIMESTAMPNS, 1);
	return fd;
}

static struct endpoint bound_to(int fd)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct endpoint ep;

	if (getsockname(fd, (struct sockaddr *)&ss, &len) < 0 ||
	    endpoint_from_sockaddr(&ep, (struct sockaddr *)&ss) < 0)
		die("getsockname");
	return ep;
}

/* The answer within a quarter of a second, or 0. */
static size_t answer(int fd, uint8_t *buf, size_t cap, int timeout_ms)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	ssize_t len = 0;

	if (poll(&pfd, 1, timeout_ms) > 0)
		len = recv(fd, buf, cap, 0);
	return len > 0 ? (size_t)len : 0;
}

/* ---- Warren's clients ---- */

static void make_client(struct load *load, struct end *end)
{
	char username[TURN_USERNAME_SIZE];
	char password[TURN_PASSWORD_SIZE];
	struct relay_client_config config = { .username = username, .password = password };

	rng_fill(&load->rng, end->key, sizeof(end->key));
	memcpy(config.node_key, end->key, sizeof(end->key));
	turn_credential_make(username, password, (const uint8_t *)load->secret,
			     strlen(load->secret), end->key, clock_wall_s() + 3600);
	end->client = relay_client_new(&config, &load->rng, clock_now_ns());
	if (!end->client)
		die("relay client");
}

/* Until the client is registered or, when peer is given, has a channel to it. */
static void pump(struct end *end, const uint8_t *peer)
{
	uint64_t until_ns = clock_now_ns() + SETUP_S * NS_PER_S;
	uint8_t buf[RELAY_MESSAGE_MAX];
	struct relay_event event;
	size_t len;

	for (;;) {
		while (relay_client_poll_event(end->client, &event))
			;
		while ((len = relay_client_poll_output(end->client, buf, sizeof(buf))))
			if (send(end->fd, buf, len, 0) < 0)
				die("send");
		if (peer ? relay_client_channel(end->client, peer) != 0
			 : relay_client_registered(end->client))
			return;
		if (clock_now_ns() > until_ns) {
			errno = ETIMEDOUT;
			die("relay");
		}
		len = answer(end->fd, buf, sizeof(buf), 20);
		if (len)
			relay_client_input(end->client, buf, len, clock_now_ns());
		relay_client_expire(end->client, clock_now_ns());
	}
}

static void join_warren(struct load *load, struct flow *flow)
{
	struct end *ends[2] = { &flow->from, &flow->to };

	for (int i = 0; i < 2; i++) {
		make_client(load, ends[i]);
		pump(ends[i], NULL);
	}
	for (int i = 0; i < 2; i++) {
		relay_client_bind(ends[i]->client, ends[!i]->key, clock_now_ns());
		pump(ends[i], ends[!i]->key);
	}
	flow->channel = relay_client_channel(flow->from.client, flow->to.key);
}

/* ---- coturn's clients ---- */

struct turn {
	char username[64];
	char password[TURN_PASSWORD_SIZE];
	char realm[64];
	char nonce[256];
};

static size_t turn_request(const struct load *load, const struct turn *turn, uint8_t *buf,
			   size_t cap, uint16_t method, const struct endpoint *peer)
{
	uint8_t transaction[STUN_TRANSACTION_SIZE];
	uint8_t key[STUN_LONG_KEY_SIZE];
	struct stun_builder b;
	size_t len = 0;

	rng_fill(&load->rng, transaction, sizeof(transaction));
	stun_begin(&b, buf, cap, STUN_REQUEST, method, transaction);
	if (method == STUN_ALLOCATE)
		stun_add_u32(&b, STUN_ATTR_REQUESTED_TRANSPORT, 17U << 24);
	if (method == STUN_CHANNEL_BIND) {
		stun_add_channel(&b, CHANNEL);
		stun_add_endpoint(&b, STUN_ATTR_XOR_PEER_ADDRESS, peer);
	}
	if (turn->nonce[0]) {
		stun_add_text(&b, STUN_ATTR_USERNAME, turn->username);
		stun_add_text(&b, STUN_ATTR_REALM, turn->realm);
		stun_add_text(&b, STUN_ATTR_NONCE, turn->nonce);
		stun_long_term_key(key, turn->username, turn->realm, turn->password);
		stun_add_integrity(&b, key, sizeof(key));
	}
	if (stun_end(&b, &len) < 0)
		die("message");
	return len;
}

/* Repeats until there is an answer; takes the nonce from a challenge. */
static void turn_do(const struct load *load, struct end *end, struct turn *turn, uint16_t method,
		    const struct endpoint *peer)
{
	uint8_t buf[1024];
	struct stun_message msg;

	for (int tries = 0; tries < 40; tries++) {
		unsigned int code = 0;
		size_t len = turn_request(load, turn, buf, sizeof(buf), method, peer);

		if (send(end->fd, buf, len, 0) < 0)
			die("send");
		len = answer(end->fd, buf, sizeof(buf), 250);
		if (!len || stun_parse(&msg, buf, len) < 0)
			continue;
		if (msg.class == STUN_SUCCESS) {
			if (method == STUN_ALLOCATE &&
			    stun_get_endpoint(&msg, STUN_ATTR_XOR_RELAYED_ADDRESS, &end->relayed) <
				    0)
				die("no relayed address");
			return;
		}
		stun_get_error(&msg, &code);
		if ((code != 401 && code != 438) ||
		    stun_get_text(&msg, STUN_ATTR_REALM, turn->realm, sizeof(turn->realm)) < 0 ||
		    stun_get_text(&msg, STUN_ATTR_NONCE, turn->nonce, sizeof(turn->nonce)) < 0) {
			fprintf(stderr, "relay_load: TURN error %u\n", code);
			exit(1);
		}
	}
	errno = ETIMEDOUT;
	die("TURN server");
}

static void join_coturn(struct load *load, struct flow *flow)
{
	struct end *ends[2] = { &flow->from, &flow->to };
	struct turn turn[2] = { 0 };
	int allocations = load->kind == COTURN_BOTH ? 2 : 1;

	for (int i = 0; i < allocations; i++) {
		snprintf(turn[i].username, sizeof(turn[i].username), "%llu:bench",
			 (unsigned long long)clock_wall_s() + 3600);
		turn_credential_password(turn[i].password, (const uint8_t *)load->secret,
					 strlen(load->secret), turn[i].username);
		turn_do(load, ends[i], &turn[i], STUN_ALLOCATE, NULL);
	}
	if (allocations == 1)
		flow->to.relayed = bound_to(flow->to.fd);
	for (int i = 0; i < allocations; i++)
		turn_do(load, ends[i], &turn[i], STUN_CHANNEL_BIND, &ends[!i]->relayed);
	flow->channel = CHANNEL;
}

/* ---- making the flows ---- */

static void join(struct load *load, struct flow *flow)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = flow };

	enter(load->ns[0]);
	flow->from.fd = open_end(load, 0);
	enter(load->ns[1]);
	flow->to.fd = open_end(load, 1);
	if (load->kind == DIRECT) {
		struct endpoint to = bound_to(flow->to.fd);

		connect_to(flow->from.fd, &to);
		flow->channel = CHANNEL;
	} else {
		connect_to(flow->from.fd, &load->relay[0]);
	}
	if (load->kind == WARREN || load->kind == COTURN_BOTH)
		connect_to(flow->to.fd, &load->relay[1]);
	if (load->kind == WARREN)
		join_warren(load, flow);
	else if (load->kind != DIRECT)
		join_coturn(load, flow);
	if (load->gso)
		set(flow->to.fd, IPPROTO_UDP, UDP_GRO, 1);
	if (epoll_ctl(load->epoll, EPOLL_CTL_ADD, flow->to.fd, &event) < 0)
		die("epoll_ctl");
}

/* ---- sending ---- */

static void send_burst(struct load *load, struct flow *flow, size_t count)
{
	size_t size = load->payload + RELAY_CHANNEL_HEADER;
	uint32_t number = (uint32_t)(flow - load->flows);
	struct mmsghdr msgs[BURST_MAX];
	struct iovec iov[BURST_MAX];
	_Alignas(struct cmsghdr) uint8_t control[CMSG_SPACE(sizeof(uint16_t))];
	uint64_t now_ns = real_ns();
	size_t messages = load->gso ? 1 : count;

	memset(msgs, 0, messages * sizeof(msgs[0]));
	for (size_t i = 0; i < count; i++) {
		uint8_t *at = load->burst_bytes + i * size;

		store_be16(at, flow->channel);
		store_be16(at + 2, (uint16_t)load->payload);
		store_be32(at + 4, number);
		store_be32(at + 8, flow->sent++);
		store_be64(at + 12, now_ns);
		iov[i] = (struct iovec){ at, size };
	}
	for (size_t i = 0; i < messages; i++) {
		msgs[i].msg_hdr.msg_iov = &iov[i];
		msgs[i].msg_hdr.msg_iovlen = 1;
	}
	if (load->gso && count > 1) {
		struct cmsghdr *cmsg = (struct cmsghdr *)control;
		uint16_t segment = (uint16_t)size;

		iov[0].iov_len = size * count;
		msgs[0].msg_hdr.msg_control = control;
		msgs[0].msg_hdr.msg_controllen = sizeof(control);
		cmsg->cmsg_level = IPPROTO_UDP;
		cmsg->cmsg_type = UDP_SEGMENT;
		cmsg->cmsg_len = CMSG_LEN(sizeof(segment));
		memcpy(CMSG_DATA(cmsg), &segment, sizeof(segment));
	}
	if (sendmmsg(flow->from.fd, msgs, (unsigned int)messages, 0) != (int)messages &&
	    errno != ENOBUFS && errno != EAGAIN)
		die("sendmmsg");
	load->sent += count;
}

/* ---- receiving ---- */

static void count_packet(struct load *load, const uint8_t *at, size_t len, uint64_t arrived_ns)
{
	struct flow *flow;
	uint32_t number;
	uint32_t sequence;
	uint64_t sent_ns;

	if (len == load->payload + RELAY_CHANNEL_HEADER)
		at += RELAY_CHANNEL_HEADER;
	else if (len != load->payload)
		return;
	number = load_be32(at);
	sequence = load_be32(at + 4);
	sent_ns = load_be64(at + 8);
	if (number >= load->flow_count)
		return;
	flow = &load->flows[number];
	load->delivered++;
	if ((int32_t)(sequence - flow->expected) < 0)
		load->reordered++;
	else
		flow->expected = sequence + 1;
	if (load->rate > 0 && load->sample_count < SAMPLES_MAX)
		load->samples[load->sample_count++] =
			arrived_ns > sent_ns ? (uint32_t)(arrived_ns - sent_ns) : 0;
}

static void read_message(struct load *load, struct msghdr *msg, size_t len)
{
	size_t segment = len;
	struct timespec ts = { 0 };
	uint64_t arrived_ns;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS)
			memcpy(&ts, CMSG_DATA(c), sizeof(ts));
		if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO) {
			int value;

			memcpy(&value, CMSG_DATA(c), sizeof(value));
			segment = value > 0 ? (size_t)value : len;
		}
	}
	arrived_ns = (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
	for (size_t at = 0; at < len; at += segment)
		count_packet(load, (uint8_t *)msg->msg_iov->iov_base + at,
			     len - at < segment ? len - at : segment, arrived_ns);
}

static void read_flow(struct load *load, int fd)
{
	static struct mmsghdr msgs[READ_MAX];
	static struct iovec iov[READ_MAX];
	static _Alignas(struct cmsghdr) uint8_t control[READ_MAX][128];
	int count;

	for (size_t i = 0; i < READ_MAX; i++) {
		iov[i] = (struct iovec){ load->read_bytes[i], sizeof(load->read_bytes[i]) };
		msgs[i].msg_hdr = (struct msghdr){ .msg_iov = &iov[i],
						   .msg_iovlen = 1,
						   .msg_control = control[i],
						   .msg_controllen = sizeof(control[i]) };
	}
	count = recvmmsg(fd, msgs, READ_MAX, MSG_DONTWAIT, NULL);
	for (int i = 0; i < count; i++)
		read_message(load, &msgs[i].msg_hdr, msgs[i].msg_len);
}

/* True when something came. */
static bool read_all(struct load *load, int timeout_ms)
{
	struct epoll_event events[FLOWS_MAX];
	uint64_t before = load->delivered;
	int count = epoll_wait(load->epoll, events, FLOWS_MAX, timeout_ms);

	for (int i = 0; i < count; i++)
		read_flow(load, ((struct flow *)events[i].data.ptr)->to.fd);
	return load->delivered != before;
}

/* ---- runs ---- */

static void run_full(struct load *load, uint64_t until_ns)
{
	uint64_t written_off = 0; /* lost, or so late that nobody waits for it */
	uint64_t came_ns = clock_now_ns();
	uint64_t now_ns;
	size_t turn = 0;

	while ((now_ns = clock_now_ns()) < until_ns) {
		while (load->sent + load->burst <= load->delivered + written_off + load->window)
			send_burst(load, &load->flows[turn++ % load->flow_count], load->burst);
		if (read_all(load, 1)) {
			came_ns = now_ns;
		} else if (now_ns - came_ns > STALLED_NS) {
			written_off = load->sent - load->delivered;
			came_ns = now_ns;
		}
	}
}

static void run_paced(struct load *load, uint64_t until_ns)
{
	uint64_t start_ns = clock_now_ns();
	uint64_t now_ns;
	size_t turn = 0;

	while ((now_ns = clock_now_ns()) < until_ns) {
		double due = (double)(now_ns - start_ns) * load->rate / 1e9;
		int limit = 64;

		while ((double)(load->sent + load->burst) <= due && limit--)
			send_burst(load, &load->flows[turn++ % load->flow_count], load->burst);
		read_all(load, 0);
	}
}

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a;
	uint32_t y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static double quantile_us(const struct load *load, double q)
{
	if (!load->sample_count)
		return 0;
	return load->samples[(size_t)(q * (double)(load->sample_count - 1))] / 1e3;
}

static void run(struct load *load)
{
	uint64_t start_ns = clock_now_ns();
	uint64_t until_ns = start_ns + (uint64_t)(load->seconds * 1e9);
	double took;

	if (load->rate > 0)
		run_paced(load, until_ns);
	else
		run_full(load, until_ns);
	took = (double)(clock_now_ns() - start_ns) / 1e9;
	/* What is under way, but not in the figures of a full run's time. */
	for (int i = 0; i < 20; i++)
		read_all(load, 5);
	qsort(load->samples, load->sample_count, sizeof(load->samples[0]), compare);
	printf("{\"sent\": %llu, \"delivered\": %llu, \"reordered\": %llu, \"seconds\": %.3f, "
	       "\"p50_us\": %.1f, \"p99_us\": %.1f, \"p999_us\": %.1f}\n",
	       (unsigned long long)load->sent, (unsigned long long)load->delivered,
	       (unsigned long long)load->reordered, took, quantile_us(load, 0.5),
	       quantile_us(load, 0.99), quantile_us(load, 0.999));
}

/* ---- options ---- */

static void parse_pair(struct endpoint pair[static 2], const char *text, const char *option)
{
	char first[ENDPOINT_TEXT_SIZE];
	const char *comma = strchr(text, ',');

	if (!comma || (size_t)(comma - text) >= sizeof(first))
		goto bad;
	memcpy(first, text, (size_t)(comma - text));
	first[comma - text] = '\0';
	if (endpoint_parse(&pair[0], first) == 0 && endpoint_parse(&pair[1], comma + 1) == 0)
		return;
bad:
	fprintf(stderr, "relay_load: --%s: not ADDR:PORT,ADDR:PORT\n", option);
	exit(2);
}

static enum kind parse_kind(const char *text)
{
	for (size_t i = 0; i < sizeof(kind_names) / sizeof(kind_names[0]); i++)
		if (strcmp(text, kind_names[i]) == 0)
			return (enum kind)i;
	fprintf(stderr, "relay_load: --kind: unknown\n");
	exit(2);
}

static void parse(struct load *load, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "kind", required_argument, NULL, 'k' },
		{ "relay", required_argument, NULL, 'r' },
		{ "local", required_argument, NULL, 'l' },
		{ "from", required_argument, NULL, 'f' },
		{ "to", required_argument, NULL, 't' },
		{ "secret", required_argument, NULL, 'S' },
		{ "flows", required_argument, NULL, 'n' },
		{ "payload", required_argument, NULL, 'p' },
		{ "seconds", required_argument, NULL, 's' },
		{ "rate", required_argument, NULL, 'R' },
		{ "burst", required_argument, NULL, 'b' },
		{ "window", required_argument, NULL, 'w' },
		{ "gso", no_argument, NULL, 'g' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		switch (c) {
		case 'k':
			load->kind = parse_kind(optarg);
			break;
		case 'r':
			parse_pair(load->relay, optarg, "relay");
			break;
		case 'l':
			parse_pair(load->local, optarg, "local");
			break;
		case 'f':
			load->ns[0] = optarg;
			break;
		case 't':
			load->ns[1] = optarg;
			break;
		case 'S':
			load->secret = optarg;
			break;
		case 'n':
			load->flow_count = strtoul(optarg, NULL, 10);
			break;
		case 'p':
			load->payload = strtoul(optarg, NULL, 10);
			break;
		case 's':
			load->seconds = strtod(optarg, NULL);
			break;
		case 'R':
			load->rate = strtod(optarg, NULL);
			break;
		case 'b':
			load->burst = strtoul(optarg, NULL, 10);
			break;
		case 'w':
			load->window = strtoul(optarg, NULL, 10);
			break;
		case 'g':
			load->gso = true;
			break;
		default:
			exit(2);
		}
	}
	if (!load->ns[0] || !load->ns[1] || !load->local[0].addr.family ||
	    (load->kind != DIRECT && (!load->secret || !load->relay[0].addr.family)) ||
	    !load->flow_count || load->flow_count > FLOWS_MAX || load->payload < PAYLOAD_MIN ||
	    load->payload > PAYLOAD_MAX || !load->burst || load->burst > BURST_MAX ||
	    load->burst * (load->payload + RELAY_CHANNEL_HEADER) > 65000) {
		fprintf(stderr, "relay_load: see bench/relay for what it needs\n");
		exit(2);
	}
}

int main(int argc, char **argv)
{
	struct load *load = calloc(1, sizeof(*load));
	char line[8];

	if (!load)
		die("memory");
	load->flow_count = 1;
	load->payload = 1400;
	load->burst = 1;
	load->seconds = 2;
	load->window = 1024;
	load->rng = rng_system();
	parse(load, argc, argv);
	load->samples = calloc(SAMPLES_MAX, sizeof(load->samples[0]));
	load->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (!load->samples || load->epoll < 0)
		die("start");
	for (size_t i = 0; i < load->flow_count; i++)
		join(load, &load->flows[i]);
	printf("ready\n");
	fflush(stdout);
	if (!fgets(line, sizeof(line), stdin))
		return 1;
	run(load);
	return 0;
}
