#include "coord/policy_change.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/filter_tuple.h"

#define PROTO_OTHER 253 /* stands for all that no rule names; RFC 3692 keeps it free */
#define PROTOS      256

/* Two lists as filters, and all that they speak of. */
struct comparison {
	struct filter_rules *before;
	struct filter_rules *after;
	bool protos[PROTOS];
	uint32_t *edges; /* ports at which something may change */
	size_t edge_count;
	struct prefix src;               /* what is asked about: behind the node; or itself */
	char from[PREFIX_TEXT_SIZE + 6]; /* the same for people; "" for itself */
	struct policy_change *gained;
	struct policy_change *lost;
};

static bool same(const struct policy_rules *a, const struct policy_rules *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++) {
		const struct filter_rule *x = &a->rules[i];
		const struct filter_rule *y = &b->rules[i];

		if (!prefix_equal(&x->dst, &y->dst) || !prefix_equal(&x->src, &y->src) ||
		    x->proto != y->proto || x->port_low != y->port_low ||
		    x->port_high != y->port_high || x->deny != y->deny)
			return false;
	}
	return true;
}

static void collect(struct comparison *c, const struct policy_rules *rules)
{
	for (size_t i = 0; i < rules->count; i++) {
		const struct filter_rule *rule = &rules->rules[i];

		c->protos[rule->proto == FILTER_PROTO_ANY ? PROTO_OTHER : rule->proto] = true;
		c->edges[c->edge_count++] = rule->port_low;
		c->edges[c->edge_count++] = rule->port_high + 1u;
	}
}

static int compare_edges(const void *a, const void *b)
{
	const uint32_t *x = a;
	const uint32_t *y = b;

	return *x < *y ? -1 : *x > *y;
}

static void add(struct policy_change *change, const char *where, const char *what)
{
	if (change->count == POLICY_CHANGE_PORTS_MAX) {
		change->cut = true;
		return;
	}
	snprintf(change->ports[change->count++], POLICY_CHANGE_PORT_SIZE, "%s%s%s", where,
		 where[0] ? ":" : "", what);
}

static const char *proto_name(char out[static 16], unsigned int proto)
{
	static const struct {
		unsigned int proto;
		const char *name;
	} names[] = { { 6, "tcp" },    { 17, "udp" },  { 1, "icmp" },     { 58, "icmp" },
		      { 132, "sctp" }, { 33, "dccp" }, { 136, "udplite" } };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].proto == proto)
			return names[i].name;
	snprintf(out, 16, "proto/%u", proto);
	return proto == PROTO_OTHER ? "other protocols" : out;
}

/* Where to and to which protocol; low..high is a stretch that changed all in one way. */
static void tell(struct comparison *c, const char *where, unsigned int proto, uint32_t low,
		 uint32_t high, bool gain)
{
	char what[40 + sizeof(c->from)];
	char number[16];
	const char *name = proto_name(number, proto);

	if (!filter_proto_has_ports((uint8_t)proto))
		snprintf(what, sizeof(what), "%s%s", name, c->from);
	else if (low == 0 && high == UINT16_MAX)
		snprintf(what, sizeof(what), "%s/*%s", name, c->from);
	else if (low == high)
		snprintf(what, sizeof(what), "%s/%u%s", name, low, c->from);
	else
		snprintf(what, sizeof(what), "%s/%u-%u%s", name, low, high, c->from);
	add(gain ? c->gained : c->lost, where, what);
}

/* 1: gained, -1: lost, 0: as before. */
static int changed(const struct comparison *c, const struct ip_addr *dst, unsigned int proto,
		   uint32_t port)
{
	struct filter_tuple tuple = {
		.src = c->src.addr, .dst = *dst, .proto = (uint8_t)proto, .dst_port = (uint16_t)port
	};

	return (int)filter_rules_match(c->after, &tuple) -
	       (int)filter_rules_match(c->before, &tuple);
}

/* Stretches between edges are all of one kind. */
static void compare_ports(struct comparison *c, const char *where, const struct ip_addr *dst,
			  unsigned int proto)
{
	uint32_t low = 0;
	int state = changed(c, dst, proto, 0);

	for (size_t i = 0; i < c->edge_count; i++) {
		uint32_t edge = c->edges[i];
		int now;

		if (edge == 0 || edge > UINT16_MAX)
			continue;
		now = changed(c, dst, proto, edge);
		if (now == state)
			continue;
		if (state)
			tell(c, where, proto, low, edge - 1, state > 0);
		state = now;
		low = edge;
	}
	if (state)
		tell(c, where, proto, low, UINT16_MAX, state > 0);
}

/* Everything at once, if it is the same for all that was asked. */
static bool compare_all(struct comparison *c, const char *where, const struct ip_addr *dst)
{
	int state = changed(c, dst, PROTO_OTHER, 0);
	char what[1 + sizeof(c->from)];

	if (!c->protos[PROTO_OTHER] || !state)
		return false;
	for (unsigned int proto = 1; proto < PROTOS; proto++) {
		if (!c->protos[proto])
			continue;
		if (changed(c, dst, proto, 0) != state)
			return false;
		for (size_t i = 0; i < c->edge_count; i++)
			if (c->edges[i] <= UINT16_MAX &&
			    changed(c, dst, proto, c->edges[i]) != state)
				return false;
	}
	snprintf(what, sizeof(what), "*%s", c->from);
	add(state > 0 ? c->gained : c->lost, where, what);
	return true;
}

static void compare_address(struct comparison *c, const char *where, const struct ip_addr *dst)
{
	unsigned int icmp = dst->family == AF_INET6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
	unsigned int no_icmp = dst->family == AF_INET6 ? IPPROTO_ICMP : IPPROTO_ICMPV6;

	if (compare_all(c, where, dst))
		return;
	for (unsigned int proto = 1; proto < PROTOS; proto++) {
		bool common = c->protos[PROTO_OTHER] &&
			      (proto == IPPROTO_TCP || proto == IPPROTO_UDP || proto == icmp);

		if ((c->protos[proto] || common) && proto != no_icmp)
			compare_ports(c, where, dst, proto);
	}
}

static bool same_change(const struct policy_change *a, const struct policy_change *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (strcmp(a->ports[i], b->ports[i]) != 0)
			return false;
	return true;
}

/* The v6 address only where it says something else than the v4 one. */
static void compare_own(struct comparison *c, const struct policy_node *to)
{
	struct policy_change gained6 = { .count = 0 };
	struct policy_change lost6 = { .count = 0 };
	struct comparison six = *c;

	if (to->address4.family)
		compare_address(c, "", &to->address4);
	six.gained = &gained6;
	six.lost = &lost6;
	if (to->address6.family)
		compare_address(&six, "", &to->address6);
	if (!same_change(c->gained, &gained6))
		for (size_t i = 0; i < gained6.count; i++)
			add(c->gained, to->address4.family ? "v6" : "", gained6.ports[i]);
	if (!same_change(c->lost, &lost6))
		for (size_t i = 0; i < lost6.count; i++)
			add(c->lost, to->address4.family ? "v6" : "", lost6.ports[i]);
}

/* The internet has one address here. */
static void compare_place(struct comparison *c, const struct prefix *dst)
{
	bool six = dst->addr.family == AF_INET6;
	char where[PREFIX_TEXT_SIZE];
	struct ip_addr somewhere;

	if (dst->len > 0) {
		compare_address(c, prefix_format(where, dst), &dst->addr);
		return;
	}
	addr_parse(&somewhere, six ? "2001:db8::100" : "198.51.100.1");
	compare_address(c, six ? "internet v6" : "internet", &somewhere);
}

static bool is_about(const struct comparison *c, const struct filter_rule *rule,
		     const struct prefix *dst)
{
	return prefix_equal(&rule->src, &c->src) && prefix_equal(&rule->dst, dst);
}

/* What the node carries for others: the prefixes that rules name. */
static void compare_routed(struct comparison *c, const struct policy_rules *rules,
			   const struct policy_rules *told, const struct policy_node *to)
{
	for (size_t i = 0; i < rules->count; i++) {
		const struct prefix *dst = &rules->rules[i].dst;
		bool known = !dst->addr.family || !prefix_equal(&rules->rules[i].src, &c->src) ||
			     addr_equal(&dst->addr, &to->address4) ||
			     addr_equal(&dst->addr, &to->address6);

		for (size_t j = i; !known && j > 0; j--)
			known = is_about(c, &rules->rules[j - 1], dst);
		for (size_t j = 0; !known && told && j < told->count; j++)
			known = is_about(c, &told->rules[j], dst);
		if (!known)
			compare_place(c, dst);
	}
}

static void compare_source(struct comparison *c, const struct policy_rules *before,
			   const struct policy_rules *after, const struct policy_node *to)
{
	compare_own(c, to);
	compare_routed(c, before, NULL, to);
	compare_routed(c, after, before, to);
}

/* Those behind the node, by the prefixes that rules name. */
static void compare_lan(struct comparison *c, const struct policy_rules *before,
			const struct policy_rules *after, const struct policy_node *to)
{
	const struct policy_rules *const lists[] = { before, after };

	for (size_t i = 0; i < 2; i++) {
		for (size_t j = 0; j < lists[i]->count; j++) {
			const struct prefix *src = &lists[i]->rules[j].src;
			bool known = !src->addr.family;
			char text[PREFIX_TEXT_SIZE];

			for (size_t k = j; !known && k > 0; k--)
				known = prefix_equal(&lists[i]->rules[k - 1].src, src);
			for (size_t k = 0; i == 1 && !known && k < before->count; k++)
				known = prefix_equal(&before->rules[k].src, src);
			if (known)
				continue;
			c->src = *src;
			snprintf(c->from, sizeof(c->from), " from %s", prefix_format(text, src));
			compare_source(c, before, after, to);
		}
	}
}

int policy_change_find(const struct policy_rules *before, const struct policy_rules *after,
		       const struct policy_node *to, struct policy_change *gained,
		       struct policy_change *lost)
{
	static const struct ip_addr itself[2]; /* no address is the node's own */
	struct comparison c = { .gained = gained, .lost = lost };

	gained->count = lost->count = 0;
	gained->cut = lost->cut = false;
	if (same(before, after))
		return 0;
	c.edges = malloc((before->count + after->count) * 2 * sizeof(*c.edges));
	c.before = filter_rules_new(before->rules, before->count, itself);
	c.after = filter_rules_new(after->rules, after->count, itself);
	if (!c.edges || !c.before || !c.after) {
		free(c.edges);
		filter_rules_free(c.before);
		filter_rules_free(c.after);
		return -ENOMEM;
	}
	collect(&c, before);
	collect(&c, after);
	qsort(c.edges, c.edge_count, sizeof(*c.edges), compare_edges);
	compare_source(&c, before, after, to);
	compare_lan(&c, before, after, to);
	free(c.edges);
	filter_rules_free(c.before);
	filter_rules_free(c.after);
	return 0;
}
