#ifndef WARREN_KERNEL_IFACE_NETLINK_H
#define WARREN_KERNEL_IFACE_NETLINK_H

#include <stdalign.h>
#include <stddef.h>
#include <stdint.h>

struct nlattr;
struct nlmsghdr;
struct ip_addr;

/*
 * A routing netlink socket for requests: one at a time, answered before the call returns. Not for
 * events (monitor.h). Single-threaded; belongs to the network namespace it was opened in.
 */
struct netlink;

/* 0 or -errno; *nl is the caller's to free. */
int netlink_new(struct netlink **nl);
/* Accepts NULL. */
void netlink_free(struct netlink *nl);

/* Room for one request. Build it with netlink_request_init and libmnl's mnl_attr_put. */
struct netlink_request {
	alignas(8) uint8_t bytes[512];
};

/*
 * Writes the header and a zeroed family header of extra_len bytes, which *extra then points to.
 * The result points into request.
 */
struct nlmsghdr *netlink_request_init(struct netlink_request *request, uint16_t type,
				      uint16_t flags, size_t extra_len, void **extra);

/*
 * Sends msg and waits for the kernel's verdict. each, if any, gets every message of the answer and
 * ends the walk early with a non-zero result, which is then returned. 0; the kernel's -errno;
 * -ETIMEDOUT when no answer came; -EINTR when a dump changed under the walk (try again).
 */
int netlink_talk(struct netlink *nl, struct nlmsghdr *msg,
		 int (*each)(void *arg, const struct nlmsghdr *msg), void *arg);
/* The same, repeated a few times while -EINTR; restart is called before each attempt. */
int netlink_dump(struct netlink *nl, struct nlmsghdr *msg,
		 int (*each)(void *arg, const struct nlmsghdr *msg), void (*restart)(void *arg),
		 void *arg);

/* The attributes behind a family header of extra_len bytes; NULL at the end. */
const struct nlattr *netlink_attr_first(const struct nlmsghdr *msg, size_t extra_len);
const struct nlattr *netlink_attr_next(const struct nlmsghdr *msg, const struct nlattr *attr);
/* Adds an attribute with the bytes of an address. */
void netlink_put_addr(struct nlmsghdr *msg, uint16_t type, const struct ip_addr *addr);
/* An attribute of the wrong length for family gives -EINVAL and leaves addr alone. */
int netlink_get_addr(struct ip_addr *addr, int family, const struct nlattr *attr);

#endif
