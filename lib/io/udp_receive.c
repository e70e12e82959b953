#include <errno.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "io/udp.h"

#ifndef UDP_GRO
#define UDP_GRO 104
#endif

/* A datagram, and an odd number of cache lines so that buffers do not share cache sets. */
#define BUFFER_SIZE   65536
#define BUFFER_STRIDE (BUFFER_SIZE + 17 * 64)

#define CONTROL_SIZE                                                                      \
	(CMSG_SPACE(sizeof(struct in6_pktinfo)) + CMSG_SPACE(sizeof(struct in_pktinfo)) + \
	 CMSG_SPACE(sizeof(struct timespec)) + CMSG_SPACE(sizeof(int)) * 3)

struct udp_receiver {
	size_t count;
	size_t touched; /* headers that the kernel wrote to */
	struct mmsghdr msg[UDP_RECEIVE_MAX];
	struct iovec iov[UDP_RECEIVE_MAX];
	struct sockaddr_in6 from[UDP_RECEIVE_MAX]; /* the larger of the two */
	_Alignas(struct cmsghdr) uint8_t control[UDP_RECEIVE_MAX][CONTROL_SIZE];
	struct udp_message message[UDP_RECEIVE_MAX];
	uint8_t *data;
};

struct udp_receiver *udp_receiver_new(size_t count)
{
	struct udp_receiver *receiver = calloc(1, sizeof(*receiver));

	if (!receiver)
		return NULL;
	receiver->count = count < UDP_RECEIVE_MAX ? count : UDP_RECEIVE_MAX;
	receiver->data = aligned_alloc(64, receiver->count * BUFFER_STRIDE);
	if (!receiver->data) {
		free(receiver);
		return NULL;
	}
	receiver->touched = receiver->count;
	for (size_t i = 0; i < receiver->count; i++)
		receiver->iov[i] =
			(struct iovec){ receiver->data + i * BUFFER_STRIDE, BUFFER_SIZE };
	return receiver;
}

void udp_receiver_free(struct udp_receiver *receiver)
{
	if (!receiver)
		return;
	free(receiver->data);
	free(receiver);
}

static void read_v4(struct udp_message *message, const struct cmsghdr *cmsg)
{
	struct in_pktinfo info;

	switch (cmsg->cmsg_type) {
	case IP_PKTINFO:
		memcpy(&info, CMSG_DATA(cmsg), sizeof(info));
		message->to = addr_from_bytes(AF_INET, (const uint8_t *)&info.ipi_addr);
		message->ifindex = (uint32_t)info.ipi_ifindex;
		break;
	case IP_TOS:
		message->tos = *CMSG_DATA(cmsg); /* one byte, unlike what is sent */
		break;
	}
}

static void read_v6(struct udp_message *message, const struct cmsghdr *cmsg)
{
	struct in6_pktinfo info;
	int tclass;

	switch (cmsg->cmsg_type) {
	case IPV6_PKTINFO:
		memcpy(&info, CMSG_DATA(cmsg), sizeof(info));
		message->to = addr_from_bytes(AF_INET6, (const uint8_t *)&info.ipi6_addr);
		message->ifindex = info.ipi6_ifindex;
		break;
	case IPV6_TCLASS:
		memcpy(&tclass, CMSG_DATA(cmsg), sizeof(tclass));
		message->tos = (uint8_t)tclass;
		break;
	}
}

static void read_control(struct udp_message *message, struct msghdr *msg)
{
	struct timespec arrived;
	int segment;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level == IPPROTO_IP) {
			read_v4(message, c);
		} else if (c->cmsg_level == IPPROTO_IPV6) {
			read_v6(message, c);
		} else if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO) {
			memcpy(&segment, CMSG_DATA(c), sizeof(segment));
			message->segment = segment > 0 ? (size_t)segment : 0;
		} else if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS) {
			memcpy(&arrived, CMSG_DATA(c), sizeof(arrived));
			message->arrived_ns =
				(uint64_t)arrived.tv_sec * NS_PER_S + (uint64_t)arrived.tv_nsec;
		}
	}
}

static size_t receive(struct udp_receiver *receiver, int fd, int flags)
{
	int count;

	for (size_t i = 0; i < receiver->touched; i++)
		receiver->msg[i].msg_hdr = (struct msghdr){
			.msg_name = &receiver->from[i],
			.msg_namelen = sizeof(receiver->from[i]),
			.msg_iov = &receiver->iov[i],
			.msg_iovlen = 1,
			.msg_control = receiver->control[i],
			.msg_controllen = CONTROL_SIZE,
		};
	count = recvmmsg(fd, receiver->msg, (unsigned int)receiver->count, flags, NULL);
	receiver->touched = count > 0 ? (size_t)count : 0;
	for (int i = 0; i < count; i++) {
		struct udp_message *message = &receiver->message[i];

		*message = (struct udp_message){ .data = receiver->iov[i].iov_base,
						 .len = receiver->msg[i].msg_len };
		endpoint_from_sockaddr(&message->from, (struct sockaddr *)&receiver->from[i]);
		read_control(message, &receiver->msg[i].msg_hdr);
		if (!message->segment || message->segment > message->len)
			message->segment = message->len;
	}
	return count > 0 ? (size_t)count : 0;
}

size_t udp_receive(struct udp_receiver *receiver, int fd)
{
	return receive(receiver, fd, MSG_DONTWAIT);
}

size_t udp_receive_wait(struct udp_receiver *receiver, int fd)
{
	return receive(receiver, fd, MSG_WAITFORONE);
}

void udp_wake(int fd)
{
	/* Answers ENOTCONN, and wakes who sleeps all the same. */
	shutdown(fd, SHUT_RD);
}

struct udp_message *udp_receiver_message(struct udp_receiver *receiver, size_t index)
{
	return &receiver->message[index];
}

size_t udp_receiver_count(const struct udp_receiver *receiver)
{
	return receiver->count;
}
