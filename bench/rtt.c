/*
 * How long small packets take there and back. They leave at fixed times whether answers come or
 * not, so that a stall is seen by every packet it would have met.
 *
 * rtt answer PORT                          sends back what comes; prints `ready` first
 * rtt ask ADDR PORT COUNT INTERVAL_US      one JSON object: sent, lost, and every round trip in ns
 *
 * UDP over IPv4, 64 bytes of payload. What is not back one second after the last was sent is lost.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>

#include "base/buf.h"
#include "base/clock.h"

#define PAYLOAD   64
#define COUNT_MAX 1000000
#define WAIT_NS   NS_PER_S

static void fail(const char *what)
{
	fprintf(stderr, "rtt: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void answer(const char *port)
{
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port)) };
	struct sockaddr_storage from;
	uint8_t data[2048];
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&any, sizeof(any)) < 0)
		fail("bind");
	printf("ready\n");
	fflush(stdout);
	for (;;) {
		socklen_t size = sizeof(from);
		ssize_t n = recvfrom(fd, data, sizeof(data), 0, (struct sockaddr *)&from, &size);

		/* A full queue on the way back is a lost packet, as on the way here. */
		if (n > 0)
			sendto(fd, data, (size_t)n, 0, (struct sockaddr *)&from, size);
	}
}

struct asking {
	uint64_t *sent_ns;
	uint64_t *rtt_ns; /* 0: no answer yet */
	uint32_t count;
	uint32_t sent;
	uint32_t answered;
	int fd;
};

static void ask_one(struct asking *a)
{
	uint8_t data[PAYLOAD] = { 0 };

	store_be32(data, a->sent);
	a->sent_ns[a->sent] = clock_now_ns();
	a->sent++;
	/* No room or nobody there: as good as lost. */
	send(a->fd, data, sizeof(data), 0);
}

static void take_answers(struct asking *a)
{
	uint8_t data[2048];
	ssize_t n;

	while ((n = recv(a->fd, data, sizeof(data), MSG_DONTWAIT)) >= PAYLOAD) {
		uint32_t number = load_be32(data);

		if (number >= a->sent || a->rtt_ns[number])
			continue;
		a->rtt_ns[number] = clock_now_ns() - a->sent_ns[number];
		a->answered++;
	}
}

static void ask_all(struct asking *a, uint64_t interval_ns)
{
	struct pollfd poll_fd = { .fd = a->fd, .events = POLLIN };
	uint64_t start = clock_now_ns();
	uint64_t end = start + a->count * interval_ns + WAIT_NS;

	for (;;) {
		uint64_t now = clock_now_ns();
		uint64_t due = a->sent < a->count ? start + a->sent * interval_ns : end;
		struct timespec pause;

		if (now >= due && a->sent < a->count) {
			ask_one(a);
			continue;
		}
		if (now >= end || (a->sent == a->count && a->answered == a->count))
			return;
		pause = (struct timespec){ .tv_sec = (time_t)((due - now) / NS_PER_S),
					   .tv_nsec = (long)((due - now) % NS_PER_S) };
		if (ppoll(&poll_fd, 1, &pause, NULL) > 0)
			take_answers(a);
	}
}

static void print_result(const struct asking *a)
{
	const char *comma = "";

	printf("{\"sent\": %u, \"lost\": %u, \"rtt_ns\": [", a->sent, a->sent - a->answered);
	for (uint32_t i = 0; i < a->sent; i++) {
		if (!a->rtt_ns[i])
			continue;
		printf("%s%llu", comma, (unsigned long long)a->rtt_ns[i]);
		comma = ", ";
	}
	printf("]}\n");
}

static int ask(char **words)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons((uint16_t)atoi(words[1])) };
	struct asking a = { .count = (uint32_t)atoi(words[2]) };
	uint64_t interval_ns = strtoull(words[3], NULL, 10) * 1000;

	if (inet_pton(AF_INET, words[0], &to.sin_addr) != 1 || a.count < 1 || a.count > COUNT_MAX ||
	    !interval_ns)
		return 2;
	a.sent_ns = calloc(a.count, sizeof(*a.sent_ns));
	a.rtt_ns = calloc(a.count, sizeof(*a.rtt_ns));
	a.fd = socket(AF_INET, SOCK_DGRAM, 0);
	if (!a.sent_ns || !a.rtt_ns || a.fd < 0 ||
	    connect(a.fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		fail("connect");
	prctl(PR_SET_TIMERSLACK, 1); /* else a timer may be 50 us late */
	ask_all(&a, interval_ns);
	print_result(&a);
	free(a.sent_ns);
	free(a.rtt_ns);
	return 0;
}

int main(int argc, char **argv)
{
	int status = 2;

	if (argc == 3 && !strcmp(argv[1], "answer"))
		answer(argv[2]);
	if (argc == 6 && !strcmp(argv[1], "ask"))
		status = ask(argv + 2);
	if (status == 2)
		fprintf(stderr,
			"usage: rtt answer PORT\n       rtt ask ADDR PORT COUNT INTERVAL_US\n");
	return status;
}
