#include "io/udp.h"

#include <errno.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/socket_mark.h"

/* Since Linux 4.18 and 5.0; not in every libc's netinet/udp.h. */
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

static int set_int(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value)) < 0 ? -errno : 0;
}

/* The forced variant goes beyond the system's limit and needs CAP_NET_ADMIN. */
static void set_buffer(int fd, int forced, int plain, int bytes)
{
	if (bytes && set_int(fd, SOL_SOCKET, forced, bytes) < 0)
		set_int(fd, SOL_SOCKET, plain, bytes);
}

static int set_family_options(int fd, int family, bool whole)
{
	int err;

	if (family == AF_INET) {
		err = set_int(fd, IPPROTO_IP, IP_PKTINFO, 1);
		if (!err)
			err = set_int(fd, IPPROTO_IP, IP_RECVTOS, 1);
		if (!err)
			err = set_int(fd, IPPROTO_IP, IP_MTU_DISCOVER,
				      whole ? IP_PMTUDISC_PROBE : IP_PMTUDISC_DONT);
		return err;
	}
	err = set_int(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
	if (!err)
		err = set_int(fd, IPPROTO_IPV6, IPV6_RECVTCLASS, 1);
	if (!err)
		err = set_int(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER,
			      whole ? IPV6_PMTUDISC_PROBE : IPV6_PMTUDISC_DONT);
	return err;
}

int udp_configure(int fd, const struct udp_config *config)
{
	int err;

	set_buffer(fd, SO_RCVBUFFORCE, SO_RCVBUF, config->buffer);
	set_buffer(fd, SO_SNDBUFFORCE, SO_SNDBUF, config->buffer);
	err = set_family_options(fd, config->family, config->whole);
	if (!err && config->reuseport)
		err = udp_share(fd);
	if (!err)
		err = config->fwmark ? udp_set_fwmark(fd, config->fwmark) : socket_mark(fd);
	/* A kernel without it only joins nothing. */
	if (!err && config->gro)
		set_int(fd, IPPROTO_UDP, UDP_GRO, 1);
	if (!err && config->stamp)
		set_int(fd, SOL_SOCKET, SO_TIMESTAMPNS, 1);
	return err;
}

static int bind_local(int fd, int family, uint16_t port, const struct ip_addr *local)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	int ret;

	if (local->family == AF_INET)
		memcpy(&in.sin_addr, local->bytes, sizeof(in.sin_addr));
	else if (local->family == AF_INET6)
		memcpy(&in6.sin6_addr, local->bytes, sizeof(in6.sin6_addr));
	if (family == AF_INET)
		ret = bind(fd, (struct sockaddr *)&in, sizeof(in));
	else
		ret = bind(fd, (struct sockaddr *)&in6, sizeof(in6));
	return ret < 0 ? -errno : 0;
}

int udp_open(int *out, const struct udp_config *config)
{
	int fd = socket(config->family,
			SOCK_DGRAM | SOCK_CLOEXEC | (config->sleeps ? 0 : SOCK_NONBLOCK),
			IPPROTO_UDP);
	int err;

	if (fd < 0)
		return -errno;
	err = udp_configure(fd, config);
	if (!err && config->family == AF_INET6)
		err = set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1); /* not once it is bound */
	if (!err)
		err = bind_local(fd, config->family, config->port, &config->local);
	if (err) {
		close(fd);
		return err;
	}
	*out = fd;
	return 0;
}

int udp_bound(int fd, struct endpoint *to)
{
	struct sockaddr_storage ss = { 0 };
	socklen_t len = sizeof(ss);
	int protocol = 0;
	socklen_t protocol_len = sizeof(protocol);

	if (getsockname(fd, (struct sockaddr *)&ss, &len) < 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &protocol_len) < 0)
		return -errno;
	if (protocol != IPPROTO_UDP)
		return -EINVAL;
	return endpoint_from_sockaddr(to, (struct sockaddr *)&ss) < 0 ? -EINVAL : 0;
}

uint16_t udp_port(int fd)
{
	struct endpoint to;

	return udp_bound(fd, &to) < 0 ? 0 : to.port;
}

int udp_share(int fd)
{
	return set_int(fd, SOL_SOCKET, SO_REUSEPORT, 1);
}

int udp_set_fwmark(int fd, uint32_t fwmark)
{
	return setsockopt(fd, SOL_SOCKET, SO_MARK, &fwmark, sizeof(fwmark)) < 0 ? -errno : 0;
}

size_t udp_set_room(int fd, size_t bytes)
{
	int granted = 0;
	socklen_t len = sizeof(granted);

	/* The kernel doubles what it is given, and polls at half of that. */
	set_buffer(fd, SO_SNDBUFFORCE, SO_SNDBUF, (int)bytes);
	if (getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &granted, &len) < 0 || granted <= 0)
		return bytes;
	return (size_t)granted / 2;
}

size_t udp_queued(int fd)
{
	int bytes = 0;

	return ioctl(fd, TIOCOUTQ, &bytes) < 0 || bytes < 0 ? 0 : (size_t)bytes;
}
