#include "kernel-iface/rule.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>

#include "kernel-iface/netlink.h"
#include "kernel-iface/route.h"

static struct nlmsghdr *build(struct netlink_request *request, uint16_t type, uint16_t flags,
			      const struct rule *rule)
{
	struct fib_rule_hdr *header;
	struct nlmsghdr *msg;
	void *extra;

	msg = netlink_request_init(request, type, flags, sizeof(*header), &extra);
	header = extra;
	header->family = (uint8_t)rule->family;
	header->action = FR_ACT_TO_TBL;
	header->table = rule->table < 256 ? (uint8_t)rule->table : RT_TABLE_UNSPEC;
	mnl_attr_put_u32(msg, FRA_TABLE, rule->table);
	mnl_attr_put_u32(msg, FRA_PRIORITY, rule->priority);
	mnl_attr_put_u8(msg, FRA_PROTOCOL, ROUTE_PROTOCOL);
	if (rule->mark) {
		mnl_attr_put_u32(msg, FRA_FWMARK, rule->mark);
		mnl_attr_put_u32(msg, FRA_FWMASK, UINT32_MAX);
	}
	if (rule->narrow)
		mnl_attr_put_u32(msg, FRA_SUPPRESS_PREFIXLEN, rule->narrow - 1);
	return msg;
}

struct listing {
	struct rule *out;
	size_t max;
	size_t count;
};

static void restart_listing(void *arg)
{
	struct listing *listing = arg;

	listing->count = 0;
}

static int read_rule(void *arg, const struct nlmsghdr *msg)
{
	const struct fib_rule_hdr *header = mnl_nlmsg_get_payload(msg);
	struct listing *listing = arg;
	const struct nlattr *attr;
	struct rule rule = { 0 };
	uint8_t protocol = 0;

	if (msg->nlmsg_type != RTM_NEWRULE || mnl_nlmsg_get_payload_len(msg) < sizeof(*header))
		return 0;
	rule.family = header->family;
	rule.table = header->table;
	for (attr = netlink_attr_first(msg, sizeof(*header)); attr;
	     attr = netlink_attr_next(msg, attr)) {
		uint16_t type = mnl_attr_get_type(attr);

		if (type == FRA_TABLE)
			rule.table = mnl_attr_get_u32(attr);
		else if (type == FRA_PRIORITY)
			rule.priority = mnl_attr_get_u32(attr);
		else if (type == FRA_FWMARK)
			rule.mark = mnl_attr_get_u32(attr);
		else if (type == FRA_SUPPRESS_PREFIXLEN)
			rule.narrow = mnl_attr_get_u32(attr) + 1; /* 0: not given */
		else if (type == FRA_PROTOCOL)
			protocol = mnl_attr_get_u8(attr);
	}
	if (protocol == ROUTE_PROTOCOL && header->action == FR_ACT_TO_TBL &&
	    listing->count < listing->max)
		listing->out[listing->count++] = rule;
	return 0;
}

static int list_family(struct netlink *nl, int family, struct listing *all)
{
	struct listing listing = { .out = all->out + all->count, .max = all->max - all->count };
	struct netlink_request request;
	struct fib_rule_hdr *header;
	struct nlmsghdr *msg;
	void *extra;
	int err;

	msg = netlink_request_init(&request, RTM_GETRULE, NLM_F_DUMP, sizeof(*header), &extra);
	header = extra;
	header->family = (uint8_t)family;
	err = netlink_dump(nl, msg, read_rule, restart_listing, &listing);
	if (!err)
		all->count += listing.count;
	return err;
}

int rule_list(struct netlink *nl, struct rule *out, size_t max, size_t *count)
{
	struct listing all = { .out = out, .max = max };
	int err = list_family(nl, AF_INET, &all);

	if (!err)
		err = list_family(nl, AF_INET6, &all);
	if (!err)
		*count = all.count;
	return err;
}

int rule_add(struct netlink *nl, const struct rule *rule)
{
	struct netlink_request request;
	int err = netlink_talk(nl, build(&request, RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, rule),
			       NULL, NULL);

	return err == -EEXIST ? 0 : err;
}

int rule_remove(struct netlink *nl, const struct rule *rule)
{
	struct netlink_request request;

	return netlink_talk(nl, build(&request, RTM_DELRULE, 0, rule), NULL, NULL);
}
