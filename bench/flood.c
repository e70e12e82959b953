/*
 * Packets of one size in many UDP flows, one system call for several as ordinary programs do it,
 * and what became of them. Every packet carries its flow and a number counted there.
 *
 * flood send ADDR PORT [--flows N] [--payload BYTES] [--rate PACKETS/S] [--seconds S] [--batch N]
 * [--gso] Without a rate as fast as it goes. Every flow has a port of its own; a flow's packets of
 * one batch follow each other. --gso: one batch is one send with UDP_SEGMENT. Prints what was sent.
 * flood receive PORT
 *     Until SIGTERM. Prints packets, those that came after a later one of their flow, the bytes and
 *     the seconds between the first and the last.
 *
 * Both print one JSON object; the receiver prints `ready` first. IPv4 and IPv6.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/udp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"

#define FLOWS_MAX   4096
#define BATCH_MAX   64
#define PAYLOAD_MAX 8960
#define MAGIC       0x776c6666u /* what else arrives here is not counted */
#define HEADER      16
#define BUFFER      (8 * 1024 * 1024)

struct options {
	struct sockaddr_storage to;
	uint64_t rate;
	double seconds;
	unsigned int flows;
	unsigned int payload;
	unsigned int batch;
	bool gso;
};

static volatile sig_atomic_t stopped;

static void on_signal(int signum)
{
	(void)signum;
	stopped = 1;
}

static void fail(const char *what)
{
	fprintf(stderr, "flood: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int open_socket(int family)
{
	int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int buffer = BUFFER;

	if (fd < 0)
		fail("socket");
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof(buffer));
	return fd;
}

static int parse_address(const char *text, const char *port, struct sockaddr_storage *out)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)out;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;

	memset(out, 0, sizeof(*out));
	v4->sin_port = htons((uint16_t)atoi(port));
	if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
		out->ss_family = AF_INET;
		return 0;
	}
	out->ss_family = AF_INET6;
	return inet_pton(AF_INET6, text, &v6->sin6_addr) == 1 ? 0 : -1;
}

/* What a socket cannot take now it takes later; what the kernel drops behind it is the receiver's
 * to notice. Returns how many packets left. */
static unsigned int send_batch(int fd, struct mmsghdr *messages, unsigned int count)
{
	int n = sendmmsg(fd, messages, count, 0);

	if (n >= 0)
		return (unsigned int)n;
	if (errno != EAGAIN && errno != ENOBUFS && errno != ECONNREFUSED && errno != EINTR)
		fail("send");
	return 0;
}

static unsigned int send_joined(int fd, const uint8_t *data, const struct options *o)
{
	uint16_t size = (uint16_t)o->payload;
	_Alignas(struct cmsghdr) uint8_t control[CMSG_SPACE(sizeof(size))] = { 0 };
	struct iovec iov = { .iov_base = (void *)data, .iov_len = (size_t)o->payload * o->batch };
	struct mmsghdr message = { .msg_hdr = { .msg_iov = &iov,
						.msg_iovlen = 1,
						.msg_control = control,
						.msg_controllen = sizeof(control) } };
	struct cmsghdr *cmsg = (struct cmsghdr *)control;

	cmsg->cmsg_level = IPPROTO_UDP;
	cmsg->cmsg_type = UDP_SEGMENT;
	cmsg->cmsg_len = CMSG_LEN(sizeof(size));
	memcpy(CMSG_DATA(cmsg), &size, sizeof(size));
	return send_batch(fd, &message, 1) * o->batch;
}

/* Holds the average rate: a batch goes when its first packet is due. */
static void wait_turn(uint64_t start, uint64_t sent, uint64_t rate)
{
	uint64_t due = start + sent * NS_PER_S / rate;
	uint64_t now = clock_now_ns();
	struct timespec pause = { .tv_nsec = 50000 };

	while (now < due) {
		if (due - now > 100000)
			nanosleep(&pause, NULL);
		now = clock_now_ns();
	}
}

static void send_all(const struct options *o, const int *fds)
{
	static uint8_t data[BATCH_MAX * PAYLOAD_MAX];
	static uint64_t numbers[FLOWS_MAX];
	struct iovec iov[BATCH_MAX];
	struct mmsghdr messages[BATCH_MAX] = { 0 };
	uint64_t start = clock_now_ns();
	uint64_t end = start + (uint64_t)(o->seconds * (double)NS_PER_S);
	uint64_t sent = 0;
	double spent;

	for (unsigned int i = 0; i < o->batch; i++) {
		iov[i] = (struct iovec){ data + i * o->payload, o->payload };
		messages[i].msg_hdr.msg_iov = &iov[i];
		messages[i].msg_hdr.msg_iovlen = 1;
		store_be32(data + i * o->payload, MAGIC);
	}
	for (unsigned int flow = 0; clock_now_ns() < end; flow = (flow + 1) % o->flows) {
		unsigned int n;

		if (o->rate)
			wait_turn(start, sent, o->rate);
		for (unsigned int i = 0; i < o->batch; i++) {
			store_be32(data + i * o->payload + 4, flow);
			store_be64(data + i * o->payload + 8, numbers[flow] + i);
		}
		n = o->gso ? send_joined(fds[flow], data, o)
			   : send_batch(fds[flow], messages, o->batch);
		numbers[flow] += n;
		sent += n;
	}
	spent = (double)(clock_now_ns() - start) / (double)NS_PER_S;
	printf("{\"sent\": %llu, \"seconds\": %.6f}\n", (unsigned long long)sent, spent);
}

static int run_send(const struct options *o)
{
	static int fds[FLOWS_MAX];

	for (unsigned int i = 0; i < o->flows; i++) {
		fds[i] = open_socket(o->to.ss_family);
		if (connect(fds[i], (const struct sockaddr *)&o->to, sizeof(o->to)) < 0)
			fail("connect");
	}
	send_all(o, fds);
	return 0;
}

struct tally {
	uint64_t next[FLOWS_MAX]; /* one more than the greatest number seen */
	uint64_t packets;
	uint64_t reordered;
	uint64_t bytes;
	uint64_t first_ns;
	uint64_t last_ns;
	unsigned int flows;
};

static void tally_add(struct tally *t, const uint8_t *data, size_t len)
{
	uint32_t flow;
	uint64_t number;

	if (len < HEADER || load_be32(data) != MAGIC)
		return;
	flow = load_be32(data + 4);
	number = load_be64(data + 8);
	if (flow >= FLOWS_MAX)
		return;
	if (!t->next[flow])
		t->flows++;
	if (number < t->next[flow])
		t->reordered++;
	else
		t->next[flow] = number + 1;
	t->packets++;
	t->bytes += len;
}

static int run_receive(const char *port)
{
	static uint8_t data[BATCH_MAX][PAYLOAD_MAX];
	static struct tally tally;
	struct sockaddr_in6 any = { .sin6_family = AF_INET6,
				    .sin6_port = htons((uint16_t)atoi(port)) };
	struct iovec iov[BATCH_MAX];
	struct mmsghdr messages[BATCH_MAX] = { 0 };
	int fd = open_socket(AF_INET6);

	if (bind(fd, (struct sockaddr *)&any, sizeof(any)) < 0)
		fail("bind");
	for (unsigned int i = 0; i < BATCH_MAX; i++) {
		iov[i] = (struct iovec){ data[i], PAYLOAD_MAX };
		messages[i].msg_hdr.msg_iov = &iov[i];
		messages[i].msg_hdr.msg_iovlen = 1;
	}
	printf("ready\n");
	fflush(stdout);
	while (!stopped) {
		int n = recvmmsg(fd, messages, BATCH_MAX, MSG_WAITFORONE, NULL);

		if (n <= 0)
			continue;
		tally.last_ns = clock_now_ns();
		if (!tally.first_ns)
			tally.first_ns = tally.last_ns;
		for (int i = 0; i < n; i++)
			tally_add(&tally, data[i], messages[i].msg_len);
	}
	printf("{\"packets\": %llu, \"reordered\": %llu, \"bytes\": %llu, \"flows\": %u, "
	       "\"seconds\": %.6f}\n",
	       (unsigned long long)tally.packets, (unsigned long long)tally.reordered,
	       (unsigned long long)tally.bytes, tally.flows,
	       (double)(tally.last_ns - tally.first_ns) / (double)NS_PER_S);
	return 0;
}

static bool parse_options(struct options *o, int argc, char **argv)
{
	static const struct option names[] = {
		{ "flows", required_argument, NULL, 'f' },
		{ "payload", required_argument, NULL, 'p' },
		{ "rate", required_argument, NULL, 'r' },
		{ "seconds", required_argument, NULL, 's' },
		{ "batch", required_argument, NULL, 'b' },
		{ "gso", no_argument, NULL, 'g' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	*o = (struct options){ .flows = 64, .payload = 1372, .seconds = 1, .batch = 8 };
	while ((c = getopt_long(argc, argv, "", names, NULL)) != -1) {
		if (c == 'f')
			o->flows = (unsigned int)atoi(optarg);
		else if (c == 'p')
			o->payload = (unsigned int)atoi(optarg);
		else if (c == 'r')
			o->rate = strtoull(optarg, NULL, 10);
		else if (c == 's')
			o->seconds = atof(optarg);
		else if (c == 'b')
			o->batch = (unsigned int)atoi(optarg);
		else if (c == 'g')
			o->gso = true;
		else
			return false;
	}
	return argc - optind == 3 &&
	       parse_address(argv[optind + 1], argv[optind + 2], &o->to) == 0 && o->flows >= 1 &&
	       o->flows <= FLOWS_MAX && o->payload >= HEADER && o->payload <= PAYLOAD_MAX &&
	       o->batch >= 1 && o->batch <= BATCH_MAX && o->seconds > 0 &&
	       (!o->gso || o->payload * o->batch < 65000);
}

int main(int argc, char **argv)
{
	struct sigaction act = { .sa_handler = on_signal }; /* no SA_RESTART: receiving ends */
	struct options options;

	sigaction(SIGTERM, &act, NULL);
	sigaction(SIGINT, &act, NULL);
	if (argc == 3 && !strcmp(argv[1], "receive"))
		return run_receive(argv[2]);
	if (argc > 3 && !strcmp(argv[1], "send") && parse_options(&options, argc, argv))
		return run_send(&options);
	fprintf(stderr, "usage: flood receive PORT\n       flood send ADDR PORT [--flows N] "
			"[--payload BYTES] [--rate PACKETS/S] [--seconds S] [--batch N] [--gso]\n");
	return 2;
}
