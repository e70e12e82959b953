/*
 * The yardstick: the least that carries packets between a TUN device and UDP with every offload and
 * a cipher. One thread each way, one peer, a fixed key; no handshake, no replay window, no routes,
 * no checks. What warrend is slower than this is what its being a VPN costs.
 *
 * probe TUN LOCAL-ADDR PEER-ADDR PORT [CIPHER|none]      (IPv4)
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/udp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "crypto/aead.h"
#include "kernel-iface/tun.h"
#include "proto/coalesce.h"
#include "proto/segment.h"
#include "proto/vnet.h"

#define HEADER  16
#define PACKETS 256

static const uint8_t key[AEAD_KEY_SIZE] = { 1, 2, 3 };
static const char *cipher;
static int tun_fd;
static int udp_fd;

static struct aead *open_cipher(void)
{
	struct aead *aead = NULL;

	if (cipher && aead_new(&aead, cipher) < 0)
		exit(1);
	return aead;
}

/* Packets of one size back to back, at most 64, in one system call. */
static void send_cut(const uint8_t *data, size_t len, size_t segment)
{
	uint16_t size = (uint16_t)segment;
	_Alignas(struct cmsghdr) uint8_t control[CMSG_SPACE(sizeof(size))];
	struct iovec iov = { .iov_base = (void *)data, .iov_len = len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *cmsg = (struct cmsghdr *)control;

	if (len > segment) {
		cmsg->cmsg_level = IPPROTO_UDP;
		cmsg->cmsg_type = UDP_SEGMENT;
		cmsg->cmsg_len = CMSG_LEN(sizeof(size));
		memcpy(CMSG_DATA(cmsg), &size, sizeof(size));
		msg.msg_control = control;
		msg.msg_controllen = sizeof(control);
	}
	if (sendmsg(udp_fd, &msg, 0) < 0 && len > segment)
		perror("probe: send");
}

static void *outward(void *arg)
{
	static uint8_t packet[PACKET_MAX];
	static uint8_t out[PACKET_MAX * 2];
	struct aead_job jobs[PACKETS];
	struct aead *aead = open_cipher();
	struct vnet_hdr hdr;
	struct iovec iov[2] = { { &hdr, VNET_HDR_SIZE }, { packet, sizeof(packet) } };
	struct segment_plan plan;
	uint64_t counter = 0;
	ssize_t n;

	while ((n = readv(tun_fd, iov, 2)) > VNET_HDR_SIZE) {
		size_t stride;
		size_t used = 0;

		if (segment_plan(&plan, &hdr, packet, (size_t)n - VNET_HDR_SIZE) < 0)
			continue;
		stride = segment_len(&plan, 0) + HEADER + AEAD_TAG_SIZE;
		for (size_t i = 0; i < plan.count && i < PACKETS; i++) {
			uint8_t *p = out + used;

			segment_write(&plan, i, p + HEADER);
			store_le32(p, 4);
			store_le32(p + 8, (uint32_t)counter);
			jobs[i] = (struct aead_job){ .in = p + HEADER,
						     .out = p + HEADER,
						     .len = segment_len(&plan, i),
						     .counter = counter++ };
			used += jobs[i].len + HEADER + AEAD_TAG_SIZE;
		}
		if (aead)
			aead_seal(aead, key, jobs, plan.count);
		for (size_t at = 0; at < used; at += stride * 44) /* 44 full ones fit a datagram */
			send_cut(out + at, used - at < stride * 44 ? used - at : stride * 44,
				 stride);
	}
	return arg;
}

static size_t receive_joined(uint8_t *in, size_t size, size_t *segment)
{
	_Alignas(struct cmsghdr) uint8_t control[256];
	struct iovec iov = { .iov_base = in, .iov_len = size };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(udp_fd, &msg, 0);

	*segment = n > 0 ? (size_t)n : 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
		int value;

		if (c->cmsg_type != UDP_GRO)
			continue;
		memcpy(&value, CMSG_DATA(c), sizeof(value));
		*segment = (size_t)value;
	}
	return n > 0 ? (size_t)n : 0;
}

static void *inward(void *arg)
{
	static uint8_t in[PACKET_MAX];
	static struct coalesce merged;
	struct iovec iov[COALESCE_IOV_MAX];
	struct aead_job jobs[PACKETS];
	struct aead *aead = open_cipher();
	struct vnet_hdr hdr;

	coalesce_init(&merged, true, true);
	for (;;) {
		size_t segment;
		size_t len = receive_joined(in, sizeof(in), &segment);
		size_t count = 0;

		for (size_t at = 0; at < len && count < PACKETS; at += segment) {
			size_t size = len - at < segment ? len - at : segment;

			if (size < HEADER + AEAD_TAG_SIZE + 20)
				continue;
			jobs[count++] = (struct aead_job){ .in = in + at + HEADER,
							   .out = in + at + HEADER,
							   .len = size - HEADER - AEAD_TAG_SIZE,
							   .counter = load_le32(in + at + 8),
							   .authentic = !aead };
		}
		if (aead)
			aead_open(aead, key, jobs, count);
		for (size_t i = 0; i < count; i++)
			if (jobs[i].authentic)
				coalesce_add(&merged, jobs[i].out, jobs[i].len);
		for (size_t i = 0; i < merged.runs; i++)
			if (writev(tun_fd, iov, (int)coalesce_finish(&merged, i, &hdr, iov)) < 0)
				perror("probe: write");
		coalesce_reset(&merged);
	}
	return arg;
}

static int open_udp(const char *local, const char *peer, uint16_t port)
{
	struct sockaddr_in from = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct sockaddr_in to = from;
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	int buffer = 8 * 1024 * 1024;
	int on = 1;

	inet_pton(AF_INET, local, &from.sin_addr);
	inet_pton(AF_INET, peer, &to.sin_addr);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof(buffer));
	setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &buffer, sizeof(buffer));
	setsockopt(fd, IPPROTO_UDP, UDP_GRO, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&from, sizeof(from)) < 0 ||
	    connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		return -1;
	return fd;
}

int main(int argc, char **argv)
{
	struct tun tun;
	pthread_t thread;
	int err;

	if (argc < 5)
		return 2;
	err = tun_open(&tun, argv[1], 1, true);
	if (!err)
		err = tun_set_mtu(&tun, 1420);
	udp_fd = open_udp(argv[2], argv[3], (uint16_t)atoi(argv[4]));
	if (err || udp_fd < 0) {
		fprintf(stderr, "probe: cannot open the device or the port\n");
		return 1;
	}
	cipher = argc > 5 ? argv[5] : aead_fastest(20 * NS_PER_MS, clock_now_ns);
	if (cipher && !strcmp(cipher, "none"))
		cipher = NULL;
	printf("ready cipher=%s\n", cipher ? cipher : "none");
	fflush(stdout);
	/* The device was made for readiness loops; here threads just wait in their calls. */
	tun_fd = tun.fds[0];
	fcntl(tun_fd, F_SETFL, fcntl(tun_fd, F_GETFL) & ~O_NONBLOCK);
	pthread_create(&thread, NULL, outward, NULL);
	inward(NULL);
	return 0;
}
