#ifndef WARREN_KERNEL_IFACE_RULE_H
#define WARREN_KERNEL_IFACE_RULE_H

#include <stddef.h>
#include <stdint.h>

struct netlink;

/* A rule that says in which table the kernel looks for a way: ip-rule(8). All of ours carry
 * ROUTE_PROTOCOL, so that leftovers are recognised. */
struct rule {
	int family;        /* AF_INET or AF_INET6 */
	uint32_t priority; /* lower ones are asked first */
	uint32_t mark;     /* only packets with this mark; 0: all */
	uint32_t table;
	uint32_t narrow; /* only what the table says of prefixes of this length or more counts; 0:
			    all */
};

/* The most rules a listing looks at. */
#define RULE_MAX 1024

/* 0 also when it is there already; -EPERM, or another -errno. */
int rule_add(struct netlink *nl, const struct rule *rule);
/* Only one of ours that is the same in all. 0, -ENOENT when there is none, -EPERM. */
int rule_remove(struct netlink *nl, const struct rule *rule);

/* Our rules, of both families, at most max. 0 or -errno. */
int rule_list(struct netlink *nl, struct rule *out, size_t max, size_t *count);

#endif
