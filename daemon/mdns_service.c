#include "daemon/mdns_service.h"

#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/socket_mark.h"
#include "io/loop.h"
#include "kernel-iface/ifaddr.h"
#include "proto/mdns.h"

#define READS_A_TURN 16

struct host {
	struct ip_addr addr;
	uint32_t ifindex;
	char name[MDNS_NAME_SIZE];
};

/* One socket: for questions of others on port 5353, or for ours on any port. */
struct port {
	struct mdns_service *service;
	struct loop_watch *watch;
	int family;
	int fd;
};

struct mdns_service {
	struct loop *loop;
	const struct mdns_service_ops *ops;
	void *arg;
	struct rng rng;
	struct host hosts[MDNS_HOSTS_MAX];
	size_t host_count;
	struct mdns_resolver resolver;
	struct loop_timer timer;
	struct port listen[2]; /* v4, v6 */
	struct port ask[2];
	uint64_t second_ns; /* for the rate of answers */
	unsigned int answers;
};

static const int families[2] = { AF_INET, AF_INET6 };

static struct endpoint group(int family)
{
	struct endpoint ep = { .port = MDNS_PORT };

	addr_parse(&ep.addr, family == AF_INET ? "224.0.0.251" : "ff02::fb");
	return ep;
}

/* --- asking --- */

static void set_interface(const struct port *port, uint32_t ifindex)
{
	const struct ip_mreqn v4 = { .imr_ifindex = (int)ifindex };
	const int v6 = (int)ifindex;

	if (port->family == AF_INET)
		setsockopt(port->fd, IPPROTO_IP, IP_MULTICAST_IF, &v4, sizeof(v4));
	else
		setsockopt(port->fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, &v6, sizeof(v6));
}

/* On every link that an address of ours is on, in its family. */
static void send_query(struct mdns_service *service, const char *name)
{
	uint8_t query[MDNS_MESSAGE_MAX];
	size_t len = mdns_encode_query(query, name);

	for (size_t i = 0; i < service->host_count; i++) {
		const struct host *host = &service->hosts[i];
		const struct port *port = &service->ask[host->addr.family == AF_INET6];
		const struct endpoint to = group(host->addr.family);
		struct sockaddr_storage ss;
		socklen_t ss_len = endpoint_to_sockaddr(&ss, &to);

		if (port->fd < 0)
			continue;
		set_interface(port, host->ifindex);
		/* A link that is down has nobody to answer. */
		(void)!sendto(port->fd, query, len, MSG_DONTWAIT, (struct sockaddr *)&ss, ss_len);
	}
}

static void advance(struct mdns_service *service)
{
	uint64_t now_ns = loop_now_ns(service->loop);
	char name[MDNS_NAME_SIZE];
	struct ip_addr addr;

	while (mdns_poll_query(&service->resolver, name, now_ns))
		send_query(service, name);
	while (mdns_poll_result(&service->resolver, name, &addr, now_ns))
		service->ops->resolved(service->arg, name, &addr);
	loop_timer_set(&service->timer, mdns_next_timeout(&service->resolver));
}

static void on_timer(void *arg, uint64_t now_ns)
{
	(void)now_ns;
	advance(arg);
}

int mdns_service_ask(struct mdns_service *service, const char *name)
{
	int err = mdns_ask(&service->resolver, name, loop_now_ns(service->loop));

	if (err == 0) /* the asker is not done with itself */
		loop_timer_set(&service->timer, loop_now_ns(service->loop));
	return err;
}

/* --- answering --- */

static bool may_answer(struct mdns_service *service)
{
	uint64_t now_ns = loop_now_ns(service->loop);

	if (now_ns - service->second_ns >= NS_PER_S) {
		service->second_ns = now_ns;
		service->answers = 0;
	}
	return service->answers++ < MDNS_ANSWERS_PER_S;
}

static const struct host *find_host(const struct mdns_service *service,
				    const struct mdns_record *question, uint32_t ifindex)
{
	for (size_t i = 0; i < service->host_count; i++) {
		const struct host *host = &service->hosts[i];

		if (host->ifindex == ifindex && strcmp(host->name, question->name) == 0 &&
		    (question->family == AF_UNSPEC || question->family == host->addr.family))
			return host;
	}
	return NULL;
}

static void answer(const struct port *port, const struct mdns_message *message, uint32_t ifindex,
		   const struct sockaddr *asker, socklen_t asker_len)
{
	struct mdns_service *service = port->service;
	uint8_t reply[MDNS_MESSAGE_MAX];

	for (size_t i = 0; i < message->count; i++) {
		const struct host *host = find_host(service, &message->records[i], ifindex);
		size_t len;

		if (!host || !may_answer(service))
			continue;
		len = mdns_encode_answer(reply, message->id, host->name, &host->addr);
		(void)!sendto(port->fd, reply, len, MSG_DONTWAIT, asker, asker_len);
	}
}

/* --- receiving --- */

struct datagram {
	struct sockaddr_storage from;
	socklen_t from_len;
	struct ip_addr to;
	uint32_t ifindex;
	size_t len;
	uint8_t data[2048];
};

static bool receive(const struct port *port, struct datagram *d)
{
	union {
		char bytes[CMSG_SPACE(sizeof(struct in6_pktinfo)) +
			   CMSG_SPACE(sizeof(struct in_pktinfo))];
		struct cmsghdr align;
	} control;
	struct iovec iov = { d->data, sizeof(d->data) };
	struct msghdr msg = {
		.msg_name = &d->from,
		.msg_namelen = sizeof(d->from),
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	ssize_t len = recvmsg(port->fd, &msg, MSG_DONTWAIT);

	if (len < 0)
		return false;
	d->len = (size_t)len;
	d->from_len = msg.msg_namelen;
	d->to = (struct ip_addr){ 0 };
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
		struct in_pktinfo v4;
		struct in6_pktinfo v6;

		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
			memcpy(&v4, CMSG_DATA(c), sizeof(v4));
			d->to = addr_from_bytes(AF_INET, (const uint8_t *)&v4.ipi_addr);
			d->ifindex = (uint32_t)v4.ipi_ifindex;
		} else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
			memcpy(&v6, CMSG_DATA(c), sizeof(v6));
			d->to = addr_from_bytes(AF_INET6, (const uint8_t *)&v6.ipi6_addr);
			d->ifindex = v6.ipi6_ifindex;
		}
	}
	return true;
}

static void on_readable(void *arg, int revents)
{
	struct port *port = arg;
	struct mdns_service *service = port->service;
	bool listens = port == &service->listen[0] || port == &service->listen[1];
	struct mdns_message message;
	struct datagram d;

	(void)revents;
	for (int i = 0; i < READS_A_TURN && receive(port, &d); i++) {
		if (mdns_parse(&message, d.data, d.len) < 0)
			continue;
		if (message.answer)
			mdns_input(&service->resolver, &message, loop_now_ns(service->loop));
		else if (listens && addr_is_multicast(&d.to))
			answer(port, &message, d.ifindex, (struct sockaddr *)&d.from, d.from_len);
	}
	advance(service);
}

/* --- sockets --- */

static int set_options(int fd, int family, bool listens)
{
	const int on = 1, hops = 255; /* RFC 6762 section 11 */
	int err = 0;

	if (listens)
		err |= setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) |
		       setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
	if (family == AF_INET)
		return err | setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on)) |
		       setsockopt(fd, IPPROTO_IP, IP_MULTICAST_TTL, &hops, sizeof(hops)) |
		       setsockopt(fd, IPPROTO_IP, IP_TTL, &hops, sizeof(hops));
	return err | setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) |
	       setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on)) |
	       setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, &hops, sizeof(hops)) |
	       setsockopt(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, &hops, sizeof(hops));
}

static int open_port(struct port *port, bool listens)
{
	const struct endpoint any = { .addr.family = (uint8_t)port->family,
				      .port = listens ? MDNS_PORT : 0 };
	struct sockaddr_storage ss;
	socklen_t len = endpoint_to_sockaddr(&ss, &any);
	int fd = socket(port->family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int err;

	if (fd < 0)
		return -errno;
	socket_mark(fd);
	if (set_options(fd, port->family, listens) || bind(fd, (struct sockaddr *)&ss, len)) {
		err = -errno;
		close(fd);
		return err;
	}
	err = loop_watch_new(&port->watch, port->service->loop, fd, UV_READABLE, on_readable, port);
	if (err < 0)
		close(fd);
	else
		port->fd = fd;
	return err;
}

static void close_port(struct port *port)
{
	loop_watch_free(port->watch);
	if (port->fd >= 0)
		close(port->fd);
}

/* A second time for the same link does no harm; a link that is gone took its membership along. */
static void join_group(const struct port *port, uint32_t ifindex)
{
	const struct endpoint at = group(port->family);
	struct ip_mreqn v4 = { .imr_ifindex = (int)ifindex };
	struct ipv6_mreq v6 = { .ipv6mr_interface = ifindex };

	memcpy(&v4.imr_multiaddr, at.addr.bytes, sizeof(v4.imr_multiaddr));
	memcpy(&v6.ipv6mr_multiaddr, at.addr.bytes, sizeof(v6.ipv6mr_multiaddr));
	if (port->family == AF_INET)
		setsockopt(port->fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &v4, sizeof(v4));
	else
		setsockopt(port->fd, IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP, &v6, sizeof(v6));
}

/* --- life --- */

int mdns_service_new(struct mdns_service **out, struct loop *loop,
		     const struct mdns_service_ops *ops, void *arg)
{
	struct mdns_service *service = calloc(1, sizeof(*service));

	if (!service)
		return -ENOMEM;
	service->loop = loop;
	service->ops = ops;
	service->arg = arg;
	service->rng = rng_system();
	loop_timer_init(&service->timer, loop, on_timer, service);
	for (size_t i = 0; i < 2; i++) {
		service->listen[i] = (struct port){ service, NULL, families[i], -1 };
		service->ask[i] = (struct port){ service, NULL, families[i], -1 };
		/* Without one of them, or a family, the rest is good for something. */
		open_port(&service->listen[i], true);
		open_port(&service->ask[i], false);
	}
	*out = service;
	return 0;
}

void mdns_service_free(struct mdns_service *service)
{
	if (!service)
		return;
	loop_timer_clear(&service->timer);
	for (size_t i = 0; i < 2; i++) {
		close_port(&service->listen[i]);
		close_port(&service->ask[i]);
	}
	free(service);
}

void mdns_service_set_hosts(struct mdns_service *service, const struct iface_addr *hosts,
			    size_t count)
{
	struct host named[MDNS_HOSTS_MAX];

	if (count > MDNS_HOSTS_MAX)
		count = MDNS_HOSTS_MAX;
	for (size_t i = 0; i < count; i++) {
		const char *name = mdns_service_name(service, &hosts[i].addr);
		const struct port *port = &service->listen[hosts[i].addr.family == AF_INET6];

		named[i].addr = hosts[i].addr;
		named[i].ifindex = hosts[i].ifindex;
		if (name)
			memcpy(named[i].name, name, MDNS_NAME_SIZE);
		else
			mdns_name_new(named[i].name, &service->rng);
		if (port->fd >= 0)
			join_group(port, hosts[i].ifindex);
	}
	memcpy(service->hosts, named, count * sizeof(named[0]));
	service->host_count = count;
}

const char *mdns_service_name(const struct mdns_service *service, const struct ip_addr *addr)
{
	for (size_t i = 0; i < service->host_count; i++) {
		if (addr_equal(&service->hosts[i].addr, addr))
			return service->hosts[i].name;
	}
	return NULL;
}
