#include "kernel-iface/netlink.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "base/addr.h"

#define ANSWER_TIMEOUT_S 2
#define DUMP_ATTEMPTS    5
#define RECV_SIZE        32768 /* what the kernel likes to fill a dump with */

struct netlink {
	struct mnl_socket *socket;
	uint32_t seq;
	alignas(8) uint8_t buf[RECV_SIZE];
};

int netlink_new(struct netlink **nl)
{
	/* The kernel answers at once; the limit only keeps a surprise from hanging the daemon. */
	struct timeval timeout = { .tv_sec = ANSWER_TIMEOUT_S };
	struct netlink *n = calloc(1, sizeof(*n));
	int err;

	if (!n)
		return -ENOMEM;
	n->socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (!n->socket)
		goto fail;
	if (mnl_socket_bind(n->socket, 0, MNL_SOCKET_AUTOPID) < 0)
		goto fail;
	if (setsockopt(mnl_socket_get_fd(n->socket), SOL_SOCKET, SO_RCVTIMEO, &timeout,
		       sizeof(timeout)) < 0)
		goto fail;
	*nl = n;
	return 0;
fail:
	err = -errno;
	netlink_free(n);
	return err;
}

void netlink_free(struct netlink *nl)
{
	if (!nl)
		return;
	if (nl->socket)
		mnl_socket_close(nl->socket);
	free(nl);
}

struct nlmsghdr *netlink_request_init(struct netlink_request *request, uint16_t type,
				      uint16_t flags, size_t extra_len, void **extra)
{
	struct nlmsghdr *msg = mnl_nlmsg_put_header(request->bytes);

	msg->nlmsg_type = type;
	msg->nlmsg_flags = NLM_F_REQUEST | flags;
	*extra = mnl_nlmsg_put_extra_header(msg, extra_len);
	return msg;
}

/* What one walk through an answer has come to. */
struct walk {
	int (*each)(void *arg, const struct nlmsghdr *msg);
	void *arg;
	bool interrupted;
	bool done;
	int result;
};

static void walk_message(struct walk *walk, const struct nlmsghdr *msg)
{
	const int *code = mnl_nlmsg_get_payload(msg);

	if (msg->nlmsg_flags & NLM_F_DUMP_INTR)
		walk->interrupted = true;
	if (msg->nlmsg_type == NLMSG_ERROR || msg->nlmsg_type == NLMSG_DONE) {
		walk->done = true;
		if (mnl_nlmsg_get_payload_len(msg) < sizeof(*code))
			walk->result = -EPROTO;
		else if (*code)
			walk->result = *code;
	} else if (walk->each && !walk->result) {
		walk->result = walk->each(walk->arg, msg);
	}
}

static int walk_datagram(struct netlink *nl, struct walk *walk)
{
	ssize_t len = mnl_socket_recvfrom(nl->socket, nl->buf, sizeof(nl->buf));
	const struct nlmsghdr *msg = (const void *)nl->buf;
	int left = (int)len;

	if (len < 0)
		return errno == EAGAIN ? -ETIMEDOUT : -errno;
	for (; mnl_nlmsg_ok(msg, left) && !walk->done; msg = mnl_nlmsg_next(msg, &left)) {
		/* A late answer to a request that timed out. */
		if (msg->nlmsg_seq != nl->seq)
			continue;
		walk_message(walk, msg);
	}
	return 0;
}

int netlink_talk(struct netlink *nl, struct nlmsghdr *msg,
		 int (*each)(void *arg, const struct nlmsghdr *msg), void *arg)
{
	struct walk walk = { .each = each, .arg = arg };
	int err;

	msg->nlmsg_seq = ++nl->seq;
	/* A dump ends with NLMSG_DONE, everything else with the acknowledgement asked for here. */
	if ((msg->nlmsg_flags & NLM_F_DUMP) != NLM_F_DUMP)
		msg->nlmsg_flags |= NLM_F_ACK;
	if (mnl_socket_sendto(nl->socket, msg, msg->nlmsg_len) < 0)
		return -errno;
	while (!walk.done) {
		err = walk_datagram(nl, &walk);
		if (err)
			return err;
	}
	if (!walk.result && walk.interrupted)
		return -EINTR;
	return walk.result;
}

int netlink_dump(struct netlink *nl, struct nlmsghdr *msg,
		 int (*each)(void *arg, const struct nlmsghdr *msg), void (*restart)(void *arg),
		 void *arg)
{
	int err = -EINTR;

	for (int i = 0; i < DUMP_ATTEMPTS && err == -EINTR; i++) {
		if (restart)
			restart(arg);
		err = netlink_talk(nl, msg, each, arg);
	}
	return err;
}

static const struct nlattr *attr_checked(const struct nlmsghdr *msg, const struct nlattr *attr)
{
	const uint8_t *tail = mnl_nlmsg_get_payload_tail(msg);

	return mnl_attr_ok(attr, (int)(tail - (const uint8_t *)attr)) ? attr : NULL;
}

const struct nlattr *netlink_attr_first(const struct nlmsghdr *msg, size_t extra_len)
{
	return attr_checked(msg, mnl_nlmsg_get_payload_offset(msg, extra_len));
}

const struct nlattr *netlink_attr_next(const struct nlmsghdr *msg, const struct nlattr *attr)
{
	return attr_checked(msg, mnl_attr_next(attr));
}

void netlink_put_addr(struct nlmsghdr *msg, uint16_t type, const struct ip_addr *addr)
{
	mnl_attr_put(msg, type, addr_len(addr), addr->bytes);
}

int netlink_get_addr(struct ip_addr *addr, int family, const struct nlattr *attr)
{
	size_t len = family == AF_INET ? 4 : 16;

	if ((family != AF_INET && family != AF_INET6) || mnl_attr_get_payload_len(attr) != len)
		return -EINVAL;
	*addr = addr_from_bytes(family, mnl_attr_get_payload(attr));
	return 0;
}
