#include <errno.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <poll.h>
#include <string.h>

#include "io/udp.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

/* A full buffer of the socket drains within this time, or the path is stuck and loses packets. */
#define ROOM_WAIT_MS 20

#define CONTROL_SIZE                                                            \
	(CMSG_SPACE(sizeof(struct in6_pktinfo)) + 2 * CMSG_SPACE(sizeof(int)) + \
	 CMSG_SPACE(sizeof(uint16_t)))

/* Messages made ready for one system call, and which part of which datagram each of them is. */
struct outgoing {
	size_t used;
	struct mmsghdr msg[UDP_SEND_MAX];
	struct iovec iov[UDP_SEND_MAX];
	_Alignas(struct cmsghdr) uint8_t control[UDP_SEND_MAX][CONTROL_SIZE];
};

/* How far a batch has been sent. */
struct cursor {
	const struct udp_datagram *datagrams;
	size_t count;
	size_t index;
	size_t offset;
};

void udp_route_init(struct udp_route *route, const struct endpoint *to, const struct ip_addr *local,
		    uint32_t ifindex)
{
	struct sockaddr_storage ss;

	memset(route, 0, sizeof(*route));
	route->to_len = endpoint_to_sockaddr(&ss, to);
	memcpy(&route->to, &ss, route->to_len <= sizeof(route->to) ? route->to_len : 0);
	if (local->family == to->addr.family) {
		route->local = *local;
		route->ifindex = ifindex;
	}
}

/* Appends a control message; the buffer holds one of each kind. */
static void add_control(struct msghdr *msg, int level, int type, const void *data, size_t len)
{
	struct cmsghdr *cmsg =
		(struct cmsghdr *)((uint8_t *)msg->msg_control + msg->msg_controllen);

	cmsg->cmsg_level = level;
	cmsg->cmsg_type = type;
	cmsg->cmsg_len = CMSG_LEN(len);
	memcpy(CMSG_DATA(cmsg), data, len);
	msg->msg_controllen += CMSG_SPACE(len);
}

static void add_source(struct msghdr *msg, const struct udp_route *route)
{
	if (route->local.family == AF_INET) {
		struct in_pktinfo info = { .ipi_ifindex = (int)route->ifindex };

		memcpy(&info.ipi_spec_dst, route->local.bytes, 4);
		add_control(msg, IPPROTO_IP, IP_PKTINFO, &info, sizeof(info));
	} else {
		struct in6_pktinfo info = { .ipi6_ifindex = route->ifindex };

		memcpy(&info.ipi6_addr, route->local.bytes, 16);
		add_control(msg, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof(info));
	}
}

static void add_tos(struct msghdr *msg, int family, uint8_t tos)
{
	int value = tos;

	if (family == AF_INET)
		add_control(msg, IPPROTO_IP, IP_TOS, &value, sizeof(value));
	else
		add_control(msg, IPPROTO_IPV6, IPV6_TCLASS, &value, sizeof(value));
}

static void add_ttl(struct msghdr *msg, int family, uint8_t ttl)
{
	int value = ttl;

	if (family == AF_INET)
		add_control(msg, IPPROTO_IP, IP_TTL, &value, sizeof(value));
	else
		add_control(msg, IPPROTO_IPV6, IPV6_HOPLIMIT, &value, sizeof(value));
}

static bool uses_source(const struct udp_route *route)
{
	return route->local.family &&
	       !atomic_load_explicit(&route->no_source, memory_order_relaxed);
}

static void fill(struct outgoing *out, const struct udp_datagram *datagram, size_t offset,
		 size_t len)
{
	struct udp_route *route = datagram->route;
	size_t i = out->used++;
	struct msghdr *msg = &out->msg[i].msg_hdr;

	out->iov[i] = (struct iovec){ (void *)(datagram->data + offset), len };
	*msg = (struct msghdr){
		.msg_name = &route->to,
		.msg_namelen = route->to_len,
		.msg_iov = &out->iov[i],
		.msg_iovlen = 1,
		.msg_control = out->control[i],
	};
	if (uses_source(route))
		add_source(msg, route);
	if (datagram->tos)
		add_tos(msg, route->to.sa.sa_family, datagram->tos);
	if (datagram->ttl)
		add_ttl(msg, route->to.sa.sa_family, datagram->ttl);
	if (len > datagram->segment)
		add_control(msg, IPPROTO_UDP, UDP_SEGMENT, &datagram->segment,
			    sizeof(datagram->segment));
}

/* The next part of a datagram that goes out as one message. */
static size_t part_len(const struct udp_datagram *datagram, size_t offset)
{
	size_t rest = datagram->len - offset;

	if (atomic_load_explicit(&datagram->route->gso_error, memory_order_relaxed) &&
	    rest > datagram->segment)
		return datagram->segment;
	return rest;
}

static void advance(struct cursor *at, size_t len)
{
	at->offset += len;
	if (at->offset >= at->datagrams[at->index].len) {
		at->index++;
		at->offset = 0;
	}
}

static void fill_batch(struct outgoing *out, struct cursor at)
{
	out->used = 0;
	while (out->used < UDP_SEND_MAX && at.index < at.count) {
		const struct udp_datagram *datagram = &at.datagrams[at.index];
		size_t len = part_len(datagram, at.offset);

		fill(out, datagram, at.offset, len);
		advance(&at, len);
	}
}

/* 0 or -errno. */
static int wait_for_room(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLOUT };

	return poll(&pfd, 1, ROOM_WAIT_MS) > 0 ? 0 : -EAGAIN;
}

/*
 * Cutting failed. If the first packet goes out alone, cutting is to blame and stays off. True when
 * it is worth going on from the cursor.
 */
static int retry_without_gso(int fd, struct outgoing *out, struct cursor *at, int err)
{
	const struct udp_datagram *datagram = &at->datagrams[at->index];

	out->used = 0;
	fill(out, datagram, at->offset, datagram->segment);
	if (sendmsg(fd, &out->msg[0].msg_hdr, MSG_DONTWAIT) < 0)
		return errno == EINTR || (errno == EAGAIN && wait_for_room(fd) == 0) ? 0 : errno;
	atomic_store_explicit(&datagram->route->gso_error, err, memory_order_relaxed);
	advance(at, datagram->segment);
	return 0;
}

static bool is_source_error(int err)
{
	return err == EINVAL || err == EADDRNOTAVAIL || err == ENETUNREACH || err == EHOSTUNREACH ||
	       err == ENODEV;
}

/* A segment above the path's MTU is EINVAL or, lately, EMSGSIZE; EIO is no checksumming. */
static bool is_gso_error(int err)
{
	return err == EIO || err == EINVAL || err == EMSGSIZE;
}

/*
 * After the message at the cursor was refused with err. 0 when it is worth going on from the
 * cursor, or what is wrong with it: what its first packet alone is refused with counts more than
 * err.
 */
static int recover(int fd, struct outgoing *out, struct cursor *at, int err)
{
	const struct udp_datagram *datagram = &at->datagrams[at->index];
	bool cut = part_len(datagram, at->offset) > datagram->segment;

	if (err == EINTR)
		return 0;
	if (err == EAGAIN)
		return wait_for_room(fd) == 0 ? 0 : EAGAIN;
	if (cut && is_gso_error(err))
		err = retry_without_gso(fd, out, at, err);
	if (uses_source(datagram->route) && is_source_error(err)) {
		atomic_store_explicit(&datagram->route->no_source, true, memory_order_relaxed);
		return 0;
	}
	return err;
}

size_t udp_send(int fd, const struct udp_datagram *datagrams, size_t count, int *err)
{
	/* Large, and filled before it is read: not worth a wipe on every call. */
	struct outgoing out __attribute__((uninitialized));
	struct cursor at = { .datagrams = datagrams, .count = count };
	size_t lost = 0;

	while (at.index < count) {
		int sent;
		int error;

		fill_batch(&out, at);
		sent = sendmmsg(fd, out.msg, (unsigned int)out.used, MSG_DONTWAIT);
		error = errno;
		for (int i = 0; i < sent; i++)
			advance(&at, out.iov[i].iov_len);
		if (sent <= 0)
			error = recover(fd, &out, &at, error);
		if (sent > 0 || !error)
			continue;
		if (err)
			*err = -error;
		lost++;
		at.index++;
		at.offset = 0;
	}
	return lost;
}
