/* Who a rule is about: selectors, and destinations with their ports. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/policy_model.h"

#define PROTO_ICMP   1
#define PROTO_TCP    6
#define PROTO_UDP    17
#define PROTO_ICMPV6 58

static int parse_named(struct selector *selector, enum selector_kind kind, const char *name)
{
	int err = kind == SELECT_NAME ? cert_name_check(name) : cert_label_check(name);

	if (err < 0)
		return err;
	selector->kind = kind;
	strcpy(selector->name, name);
	return 0;
}

int selector_parse(struct selector *out, const char *text, size_t len, bool prefixes)
{
	struct selector selector = { .kind = SELECT_ANY };
	char copy[CERT_NAME_MAX + 8];
	int err = 0;

	if (len == 0 || len >= sizeof(copy))
		return -EINVAL;
	memcpy(copy, text, len);
	copy[len] = '\0';
	if (strncmp(copy, "group:", 6) == 0)
		err = parse_named(&selector, SELECT_GROUP, copy + 6);
	else if (strncmp(copy, "tag:", 4) == 0)
		err = parse_named(&selector, SELECT_TAG, copy + 4);
	else if (prefixes && prefix_parse(&selector.prefix, copy) == 0)
		selector.kind = SELECT_PREFIX;
	else if (strcmp(copy, "*") != 0)
		err = parse_named(&selector, SELECT_NAME, copy);
	if (err == 0)
		*out = selector;
	return err;
}

static int compare_members(const void *a, const void *b)
{
	return strcmp(a, b);
}

static bool in_group(const struct policy *policy, const struct policy_node *node, const char *name)
{
	for (size_t i = 0; i < node->group_count; i++)
		if (strcmp(node->groups[i], name) == 0)
			return true;
	for (size_t i = 0; i < policy->group_count; i++) {
		const struct policy_group *group = &policy->groups[i];

		if (strcmp(group->name, name) == 0)
			return group->member_count > 0 &&
			       bsearch(node->name, group->members, group->member_count,
				       sizeof(group->members[0]), compare_members);
	}
	return false;
}

static bool has_tag(const struct policy_node *node, const char *name)
{
	for (size_t i = 0; i < node->tag_count; i++)
		if (strcmp(node->tags[i], name) == 0)
			return true;
	return false;
}

static bool has_prefix(const struct policy_node *node, const struct prefix *prefix)
{
	if (prefix_contains(prefix, &node->address4) || prefix_contains(prefix, &node->address6))
		return true;
	for (size_t i = 0; i < node->route_count; i++)
		if (prefix_overlaps(prefix, &node->routes[i]))
			return true;
	return false;
}

bool selector_matches(const struct selector *selector, const struct policy *policy,
		      const struct policy_node *node)
{
	switch (selector->kind) {
	case SELECT_ANY:
		return true;
	case SELECT_NAME:
		return strcmp(selector->name, node->name) == 0;
	case SELECT_GROUP:
		return in_group(policy, node, selector->name);
	case SELECT_TAG:
		return has_tag(node, selector->name);
	case SELECT_PREFIX:
		return has_prefix(node, &selector->prefix);
	}
	return false;
}

static int add_range(struct destination *destination, uint8_t proto, uint16_t low, uint16_t high)
{
	if (destination->port_count == POLICY_PORTS_MAX)
		return -EINVAL;
	destination->ports[destination->port_count++] = (struct port_range){ proto, low, high };
	return 0;
}

static int add_all(struct destination *destination, const uint8_t *protos, size_t count,
		   uint16_t low, uint16_t high)
{
	int err = 0;

	for (size_t i = 0; i < count && err == 0; i++)
		err = add_range(destination, protos[i], low, high);
	return err;
}

static int parse_number(uint16_t *number, const char **text)
{
	unsigned long value;
	char *end;

	if (!isdigit((unsigned char)**text))
		return -EINVAL;
	value = strtoul(*text, &end, 10);
	if (value > UINT16_MAX)
		return -EINVAL;
	*number = (uint16_t)value;
	*text = end;
	return 0;
}

/* "22", "80,443", "8000-8999,22", "*" */
static int parse_numbers(struct destination *destination, const char *text, const uint8_t *protos,
			 size_t count)
{
	if (strcmp(text, "*") == 0)
		return add_all(destination, protos, count, 0, UINT16_MAX);
	for (;;) {
		uint16_t low;
		uint16_t high;
		int err = parse_number(&low, &text);

		if (err < 0)
			return err;
		high = low;
		if (*text == '-') {
			text++;
			err = parse_number(&high, &text);
			if (err < 0)
				return err;
		}
		if (high < low || add_all(destination, protos, count, low, high) < 0)
			return -EINVAL;
		if (*text == '\0')
			return 0;
		if (*text++ != ',')
			return -EINVAL;
	}
}

static int parse_ports(struct destination *destination, const char *text)
{
	static const uint8_t tcp[] = { PROTO_TCP };
	static const uint8_t udp[] = { PROTO_UDP };
	static const uint8_t both[] = { PROTO_TCP, PROTO_UDP };
	static const uint8_t icmp[] = { PROTO_ICMP, PROTO_ICMPV6 };

	if (strcmp(text, "*") == 0)
		return add_range(destination, FILTER_PROTO_ANY, 0, UINT16_MAX);
	if (strcmp(text, "icmp") == 0)
		return add_all(destination, icmp, 2, 0, UINT16_MAX);
	if (strncmp(text, "tcp/", 4) == 0)
		return parse_numbers(destination, text + 4, tcp, 1);
	if (strncmp(text, "udp/", 4) == 0)
		return parse_numbers(destination, text + 4, udp, 1);
	return parse_numbers(destination, text, both, 2);
}

int destination_parse(struct destination *out, const char *text)
{
	struct destination destination = { .port_count = 0 };
	const char *colon = strrchr(text, ':');
	int err = 0;

	if (!colon)
		return -EINVAL;
	err = selector_parse(&destination.who, text, (size_t)(colon - text), true);
	if (err < 0)
		return err;
	destination.ports = calloc(POLICY_PORTS_MAX, sizeof(*destination.ports));
	if (!destination.ports)
		return -ENOMEM;
	err = parse_ports(&destination, colon + 1);
	if (err < 0) {
		free(destination.ports);
		return err;
	}
	*out = destination;
	return 0;
}
