/*
 * A bad wire: forwards Ethernet frames between two interfaces of its namespace and does to them
 * what it is told.
 *
 *   impair IF_A IF_B [seed=N] [delay_ms=F] [jitter_ms=F] [loss=PERCENT] [reorder=PERCENT]
 *                    [duplicate=PERCENT] [corrupt=PERCENT] [rate_mbit=F] [queue_ms=F]
 *
 * A word prefixed with ab. or ba. holds for one direction. Words on standard input, one or more a
 * line, change settings while it runs; `stats` prints counters. Neighbour discovery and ARP pass
 * unharmed, so that only what is being tested suffers. Jitter alone keeps the order.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/timerheap.h"

#define FRAME_MAX        66000
#define QUEUED_MAX       100000 /* frames held in both directions together */
#define READ_BATCH       64
#define REORDER_HOLD_NS  (10 * NS_PER_MS) /* how far a reordered frame falls behind */
#define QUEUE_DEFAULT_MS 100

struct settings {
	double delay_ms;
	double jitter_ms;
	double loss; /* percent, like the next three */
	double reorder;
	double duplicate;
	double corrupt;
	double rate_mbit; /* 0: as fast as it comes */
	double queue_ms;  /* what waits longer for the rate is dropped */
};

struct direction {
	struct settings set;
	int out_fd;
	uint64_t last_ns; /* deadline of the frame before: order is kept by staying behind it */
	uint64_t free_ns; /* when the wire has sent everything so far */
	uint64_t in, out, lost, dropped, duplicated, corrupted, reordered;
};

struct frame {
	struct timer_node node; /* first */
	struct direction *direction;
	size_t len;
	uint8_t data[];
};

struct impair {
	int fd[2];
	struct direction direction[2]; /* a to b, b to a */
	struct timer_heap heap;
	uint64_t rng;
};

static const struct {
	const char *name;
	size_t offset;
} words[] = {
	{ "delay_ms", offsetof(struct settings, delay_ms) },
	{ "jitter_ms", offsetof(struct settings, jitter_ms) },
	{ "loss", offsetof(struct settings, loss) },
	{ "reorder", offsetof(struct settings, reorder) },
	{ "duplicate", offsetof(struct settings, duplicate) },
	{ "corrupt", offsetof(struct settings, corrupt) },
	{ "rate_mbit", offsetof(struct settings, rate_mbit) },
	{ "queue_ms", offsetof(struct settings, queue_ms) },
};

/* splitmix64: the same seed does the same things to the same frames. */
static uint64_t random_u64(struct impair *impair)
{
	uint64_t z = impair->rng += 0x9e3779b97f4a7c15ULL;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

/* 0 up to but not including 1. */
static double random_unit(struct impair *impair)
{
	return (double)(random_u64(impair) >> 11) / (double)(1ULL << 53);
}

static bool happens(struct impair *impair, double percent)
{
	return percent > 0 && random_unit(impair) * 100 < percent;
}

static void print_stats(const struct impair *impair)
{
	for (int i = 0; i < 2; i++) {
		const struct direction *d = &impair->direction[i];

		printf("%s in=%lu out=%lu lost=%lu dropped=%lu duplicated=%lu corrupted=%lu "
		       "reordered=%lu\n",
		       i ? "ba" : "ab", d->in, d->out, d->lost, d->dropped, d->duplicated,
		       d->corrupted, d->reordered);
	}
	fflush(stdout);
}

/* One word of the command line or of standard input. 0 or -EINVAL. */
static int apply(struct impair *impair, const char *word)
{
	const char *value = strchr(word, '=');
	bool to_ab = strncmp(word, "ba.", 3), to_ba = strncmp(word, "ab.", 3);
	const char *name = to_ab && to_ba ? word : word + 3;
	double number;
	char *end;

	if (!strcmp(word, "stats")) {
		print_stats(impair);
		return 0;
	}
	if (!value)
		return -EINVAL;
	number = strtod(value + 1, &end);
	if (end == value + 1 || *end || !(number >= 0))
		return -EINVAL;
	if (!strncmp(word, "seed=", 5)) {
		impair->rng = (uint64_t)number;
		return 0;
	}
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strncmp(words[i].name, name, (size_t)(value - name)) ||
		    words[i].name[value - name])
			continue;
		if (to_ab)
			memcpy((char *)&impair->direction[0].set + words[i].offset, &number,
			       sizeof(number));
		if (to_ba)
			memcpy((char *)&impair->direction[1].set + words[i].offset, &number,
			       sizeof(number));
		return 0;
	}
	return -EINVAL;
}

static int open_interface(const char *name)
{
	struct sockaddr_ll address = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };
	struct packet_mreq promiscuous = { .mr_type = PACKET_MR_PROMISC };
	int buffer = 16 << 20, yes = 1, fd;

	address.sll_ifindex = (int)if_nametoindex(name);
	promiscuous.mr_ifindex = address.sll_ifindex;
	fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || !address.sll_ifindex ||
	    setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &yes, sizeof(yes)) ||
	    setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &yes, sizeof(yes)) ||
	    setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &promiscuous, sizeof(promiscuous)) ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof(buffer)) ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &buffer, sizeof(buffer)) ||
	    bind(fd, (void *)&address, sizeof(address))) {
		fprintf(stderr, "impair: cannot open %s: %s\n", name, strerror(errno));
		exit(1);
	}
	return fd;
}

/*
 * A veth leaves checksums to be filled in by hardware that is not there. A corrupted frame must
 * arrive with one that no longer fits, so it is filled in here, before the damage.
 */
static void complete_checksum(const struct virtio_net_hdr *vnet, uint8_t *frame, size_t len)
{
	size_t start = vnet->csum_start, at = start + vnet->csum_offset;
	uint32_t sum = 0;

	if (!(vnet->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) || at + 2 > len)
		return;
	for (size_t i = start; i < len; i++)
		sum += (uint32_t)(i - start) % 2 ? frame[i] : (uint32_t)frame[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	sum = ~sum & 0xffff;
	if (!sum) /* zero means none to UDP */
		sum = 0xffff;
	frame[at] = (uint8_t)(sum >> 8);
	frame[at + 1] = (uint8_t)sum;
}

static bool is_neighbour_talk(const uint8_t *frame, size_t len)
{
	const size_t next_header = ETH_HLEN + 6, icmp_type = ETH_HLEN + 40;
	uint16_t type = (uint16_t)(frame[12] << 8 | frame[13]);

	if (type == ETH_P_ARP)
		return true;
	return type == ETH_P_IPV6 && len > icmp_type && frame[next_header] == IPPROTO_ICMPV6 &&
	       frame[icmp_type] >= ND_ROUTER_SOLICIT && frame[icmp_type] <= ND_REDIRECT;
}

static void send_frame(struct direction *direction, const uint8_t *frame, size_t len)
{
	struct virtio_net_hdr vnet = { 0 };
	struct iovec iov[] = {
		{ .iov_base = &vnet, .iov_len = sizeof(vnet) },
		{ .iov_base = (void *)frame, .iov_len = len },
	};

	if (writev(direction->out_fd, iov, 2) < 0)
		direction->dropped++;
	else
		direction->out++;
}

/* When a frame of this size leaves, or 0 when the queue in front of the rate is full. */
static uint64_t departure(struct impair *impair, struct direction *direction, size_t len,
			  uint64_t now_ns)
{
	const struct settings *set = &direction->set;
	double delay_ms = set->delay_ms + set->jitter_ms * (2 * random_unit(impair) - 1);
	uint64_t start_ns = now_ns;

	if (set->rate_mbit > 0) {
		if (direction->free_ns > start_ns)
			start_ns = direction->free_ns;
		if ((double)(start_ns - now_ns) > set->queue_ms * 1e6)
			return 0;
		start_ns += (uint64_t)((double)len * 8e3 / set->rate_mbit);
		direction->free_ns = start_ns;
	}
	return start_ns + (delay_ms > 0 ? (uint64_t)(delay_ms * 1e6) : 0);
}

/* Copies and queues a frame for deadline_ns. */
static void hold(struct impair *impair, struct direction *direction, const uint8_t *data,
		 size_t len, uint64_t deadline_ns)
{
	struct frame *frame;

	if (impair->heap.count >= QUEUED_MAX) {
		direction->dropped++;
		return;
	}
	frame = malloc(sizeof(*frame) + len);
	if (!frame) {
		direction->dropped++;
		return;
	}
	memset(&frame->node, 0, sizeof(frame->node));
	frame->direction = direction;
	frame->len = len;
	memcpy(frame->data, data, len);
	if (timer_heap_set(&impair->heap, &frame->node, deadline_ns)) {
		direction->dropped++;
		free(frame);
	}
}

/* One bit of what follows the Ethernet header. */
static void corrupt(struct impair *impair, uint8_t *frame, size_t len)
{
	uint64_t bit = random_u64(impair) % ((len - ETH_HLEN) * 8);

	frame[ETH_HLEN + bit / 8] ^= (uint8_t)(1 << bit % 8);
}

static void queue_frame(struct impair *impair, struct direction *direction, const uint8_t *data,
			size_t len, uint64_t now_ns)
{
	uint64_t at_ns = departure(impair, direction, len, now_ns);

	if (!at_ns) {
		direction->dropped++;
		return;
	}
	if (happens(impair, direction->set.reorder)) {
		direction->reordered++;
		hold(impair, direction, data, len, at_ns + REORDER_HOLD_NS);
		return;
	}
	if (at_ns <= direction->last_ns)
		at_ns = direction->last_ns + 1;
	direction->last_ns = at_ns;
	hold(impair, direction, data, len, at_ns);
}

static void take_frame(struct impair *impair, struct direction *direction, uint8_t *frame,
		       size_t len, uint64_t now_ns)
{
	if (len <= ETH_HLEN)
		return;
	if (is_neighbour_talk(frame, len)) {
		send_frame(direction, frame, len);
		return;
	}
	direction->in++;
	if (happens(impair, direction->set.loss)) {
		direction->lost++;
		return;
	}
	if (happens(impair, direction->set.corrupt)) {
		direction->corrupted++;
		corrupt(impair, frame, len);
	}
	queue_frame(impair, direction, frame, len, now_ns);
	if (happens(impair, direction->set.duplicate)) {
		direction->duplicated++;
		queue_frame(impair, direction, frame, len, now_ns);
	}
}

static void read_frames(struct impair *impair, int side, uint64_t now_ns)
{
	static uint8_t frame[FRAME_MAX];
	struct virtio_net_hdr vnet;
	struct iovec iov[] = {
		{ .iov_base = &vnet, .iov_len = sizeof(vnet) },
		{ .iov_base = frame, .iov_len = sizeof(frame) },
	};

	for (int i = 0; i < READ_BATCH; i++) {
		ssize_t len = readv(impair->fd[side], iov, 2);

		if (len < (ssize_t)sizeof(vnet))
			return;
		len -= (ssize_t)sizeof(vnet);
		complete_checksum(&vnet, frame, (size_t)len);
		take_frame(impair, &impair->direction[side], frame, (size_t)len, now_ns);
	}
}

static void send_due(struct impair *impair, uint64_t now_ns)
{
	struct timer_node *node;

	while ((node = timer_heap_first(&impair->heap)) && node->deadline_ns <= now_ns) {
		struct frame *frame = (struct frame *)node;

		timer_heap_remove(&impair->heap, node);
		send_frame(frame->direction, frame->data, frame->len);
		free(frame);
	}
}

/* Words from standard input. False at its end. */
static bool read_words(struct impair *impair)
{
	char line[512], *rest = line, *word;

	if (!fgets(line, sizeof(line), stdin))
		return false;
	while ((word = strsep(&rest, " \t\n")))
		if (*word && apply(impair, word))
			fprintf(stderr, "impair: no such setting: %s\n", word);
	return true;
}

static void serve(struct impair *impair)
{
	struct pollfd fds[] = {
		{ .fd = impair->fd[0], .events = POLLIN },
		{ .fd = impair->fd[1], .events = POLLIN },
		{ .fd = STDIN_FILENO, .events = POLLIN },
	};

	for (;;) {
		uint64_t now_ns = clock_now_ns(), next_ns = timer_heap_next_ns(&impair->heap);
		uint64_t wait_ns = next_ns > now_ns ? next_ns - now_ns : 0;
		struct timespec wait = { .tv_sec = (time_t)(wait_ns / NS_PER_S),
					 .tv_nsec = (long)(wait_ns % NS_PER_S) };

		if (ppoll(fds, 3, next_ns == CLOCK_NEVER ? NULL : &wait, NULL) < 0)
			return;
		now_ns = clock_now_ns();
		send_due(impair, now_ns);
		for (int side = 0; side < 2; side++)
			if (fds[side].revents)
				read_frames(impair, side, now_ns);
		if (fds[2].revents && !read_words(impair))
			fds[2].fd = -1;
	}
}

int main(int argc, char **argv)
{
	static struct impair impair;

	if (argc < 3) {
		fprintf(stderr, "usage: impair IF_A IF_B [NAME=VALUE]...\n");
		return 2;
	}
	/* Lines must not wait in stdio's buffer while poll looks at the descriptor. */
	setvbuf(stdin, NULL, _IONBF, 0);
	timer_heap_init(&impair.heap);
	for (int side = 0; side < 2; side++) {
		impair.direction[side].set.queue_ms = QUEUE_DEFAULT_MS;
		impair.fd[side] = open_interface(argv[1 + side]);
		impair.direction[1 - side].out_fd = impair.fd[side];
	}
	for (int i = 3; i < argc; i++) {
		if (apply(&impair, argv[i])) {
			fprintf(stderr, "impair: no such setting: %s\n", argv[i]);
			return 2;
		}
	}
	puts("ready");
	fflush(stdout);
	serve(&impair);
	return 1;
}
