/* What a rule names: selectors, and lists of ports. Each distinct one has a number. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "crypto/hash.h"
#include "proto/filter_tuple.h"
#include "proto/policy_model.h"

#define PROTO_ICMP   1
#define PROTO_TCP    6
#define PROTO_UDP    17
#define PROTO_ICMPV6 58

#define TEXT_MAX  160 /* of a selector */
#define KEY_SIZE  64
#define KEY_PORTS 0x40 /* instead of a kind */

/* --- numbers --- */

static void make_key(uint8_t key[static KEY_SIZE], uint8_t kind, const void *data, size_t len)
{
	memset(key, 0, KEY_SIZE);
	key[0] = kind;
	if (len < KEY_SIZE - 1) {
		memcpy(key + 1, data, len);
	} else {
		key[0] |= 0x80;
		hash_blake2s(key + 1, data, len, NULL, 0);
	}
}

static void make_selector_key(uint8_t key[static KEY_SIZE], enum selector_kind kind,
			      const char *name, const struct prefix *prefix)
{
	uint8_t data[18];

	if (kind != SELECT_PREFIX) {
		make_key(key, (uint8_t)kind, name ? name : "", name ? strlen(name) : 0);
		return;
	}
	data[0] = prefix->addr.family;
	data[1] = prefix->len;
	memcpy(data + 2, prefix->addr.bytes, 16);
	make_key(key, (uint8_t)kind, data, sizeof(data));
}

uint32_t policy_number_find(const struct policy *policy, enum selector_kind kind, const char *name,
			    const struct prefix *prefix)
{
	uint8_t key[KEY_SIZE];

	make_selector_key(key, kind, name, prefix);
	return (uint32_t)(uintptr_t)map_find(policy->numbers, key);
}

/* Grows an array by doubling it whenever its length is a power of two. */
static int make_room(void **array, size_t count, size_t size)
{
	void *grown;

	if (count & (count - 1) || (count > 0 && count < 16))
		return 0;
	grown = realloc(*array, (count ? count * 2 : 16) * size);
	if (!grown)
		return -ENOMEM;
	*array = grown;
	return 0;
}

static int selector_number(struct policy *policy, enum selector_kind kind, const char *name,
			   const struct prefix *prefix, uint32_t *out)
{
	uint32_t number = policy_number_find(policy, kind, name, prefix);
	struct selector selector = { .kind = kind };
	uint8_t key[KEY_SIZE];
	int err;

	if (number) {
		*out = number - 1;
		return 0;
	}
	if (prefix)
		selector.prefix = *prefix;
	err = make_room((void **)&policy->selectors, policy->selector_count, sizeof(selector));
	if (err == 0 && name) {
		selector.name = strdup(name);
		err = selector.name ? 0 : -ENOMEM;
	}
	make_selector_key(key, kind, name, prefix);
	if (err == 0)
		err = map_insert(policy->numbers, key,
				 (void *)(uintptr_t)(policy->selector_count + 1));
	if (err < 0) {
		free(selector.name);
		return err;
	}
	*out = (uint32_t)policy->selector_count;
	policy->selectors[policy->selector_count++] = selector;
	return 0;
}

/* --- selectors --- */

static const struct policy_host *find_host(const struct policy *policy, const char *name)
{
	for (size_t low = 0, high = policy->host_count; low < high;) {
		size_t middle = low + (high - low) / 2;
		int order = strcmp(policy->hosts[middle].name, name);

		if (order == 0)
			return &policy->hosts[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

int policy_host(const struct policy *policy, const char *name, struct prefix *prefix)
{
	const struct policy_host *host = find_host(policy, name);

	if (!host)
		return -ENOENT;
	*prefix = host->prefixes[0];
	return 0;
}

static int take_host(struct policy *policy, const struct policy_host *host,
		     uint32_t out[static POLICY_HOST_PREFIXES_MAX], size_t *count)
{
	for (size_t i = 0; i < host->count; i++) {
		int err = selector_number(policy, SELECT_PREFIX, NULL, &host->prefixes[i], &out[i]);

		if (err < 0)
			return err;
	}
	*count = host->count;
	return 0;
}

static int take_named(struct policy *policy, enum selector_kind kind, const char *name,
		      int (*check)(const char *name), uint32_t *out)
{
	return check(name) < 0 ? -EINVAL : selector_number(policy, kind, name, NULL, out);
}

int policy_selector_parse(struct policy *policy, const char *text, size_t len,
			  uint32_t out[static POLICY_HOST_PREFIXES_MAX], size_t *count)
{
	const struct policy_host *host;
	struct prefix prefix;
	char copy[TEXT_MAX];

	if (len == 0 || len >= sizeof(copy) || memchr(text, '\0', len))
		return -EINVAL;
	memcpy(copy, text, len);
	copy[len] = '\0';
	*count = 1;
	if (strcmp(copy, "*") == 0)
		return selector_number(policy, SELECT_ANY, NULL, NULL, out);
	if (strcmp(copy, "internet") == 0)
		return selector_number(policy, SELECT_INTERNET, NULL, NULL, out);
	if (strncmp(copy, "group:", 6) == 0)
		return take_named(policy, SELECT_GROUP, copy + 6, cert_label_check, out);
	if (strncmp(copy, "tag:", 4) == 0)
		return take_named(policy, SELECT_TAG, copy + 4, cert_label_check, out);
	if (strncmp(copy, "user:", 5) == 0)
		return take_named(policy, SELECT_USER, copy + 5, cert_owner_check, out);
	if (prefix_parse(&prefix, copy) == 0)
		return selector_number(policy, SELECT_PREFIX, NULL, &prefix, out);
	host = find_host(policy, copy);
	return host ? take_host(policy, host, out, count)
		    : take_named(policy, SELECT_NAME, copy, cert_name_check, out);
}

/* --- ports --- */

static const struct {
	const char *name;
	uint8_t proto;
} protocols[] = {
	{ "tcp", PROTO_TCP }, { "udp", PROTO_UDP }, { "icmp", PROTO_ICMP }, { "sctp", 132 },
	{ "dccp", 33 },       { "udplite", 136 },   { "gre", 47 },          { "esp", 50 },
	{ "ah", 51 },         { "ipip", 4 },        { "ospf", 89 },         { "vrrp", 112 },
};

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

int policy_protocol(uint8_t *proto, const char *text)
{
	uint16_t number;

	for (size_t i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++) {
		if (strcmp(text, protocols[i].name) == 0) {
			*proto = protocols[i].proto;
			return 0;
		}
	}
	if (strncmp(text, "proto/", 6) != 0)
		return -EINVAL;
	text += 6;
	if (parse_number(&number, &text) < 0 || *text || number == 0 || number > UINT8_MAX)
		return -EINVAL;
	*proto = (uint8_t)number;
	return 0;
}

static int add_range(struct port_list *list, uint8_t proto, uint16_t low, uint16_t high)
{
	if (list->count == POLICY_PORTS_MAX)
		return -EINVAL;
	list->ranges[list->count++] = (struct port_range){ proto, low, high };
	return 0;
}

static int add_all(struct port_list *list, const uint8_t *protos, size_t count, uint16_t low,
		   uint16_t high)
{
	int err = 0;

	for (size_t i = 0; i < count && err == 0; i++)
		err = add_range(list, protos[i], low, high);
	return err;
}

/* "22", "80,443", "8000-8999,22", "*" */
static int parse_numbers(struct port_list *list, const char *text, const uint8_t *protos,
			 size_t count)
{
	if (strcmp(text, "*") == 0)
		return add_all(list, protos, count, 0, UINT16_MAX);
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
		if (high < low || add_all(list, protos, count, low, high) < 0)
			return -EINVAL;
		if (*text == '\0')
			return 0;
		if (*text++ != ',')
			return -EINVAL;
	}
}

/* "tcp/22": the ports of one protocol that has some. */
static int parse_protocol_ports(struct port_list *list, const char *text, const char *slash)
{
	char name[16];
	uint8_t proto;

	if ((size_t)(slash - text) >= sizeof(name))
		return -EINVAL;
	memcpy(name, text, (size_t)(slash - text));
	name[slash - text] = '\0';
	if (policy_protocol(&proto, name) < 0 || !filter_proto_has_ports(proto))
		return -EINVAL;
	return parse_numbers(list, slash + 1, &proto, 1);
}

static int parse_ports(struct port_list *list, const char *text)
{
	static const uint8_t both[] = { PROTO_TCP, PROTO_UDP };
	static const uint8_t icmp[] = { PROTO_ICMP, PROTO_ICMPV6 };
	const char *slash = strchr(text, '/');
	uint8_t proto;

	if (strcmp(text, "*") == 0)
		return add_range(list, FILTER_PROTO_ANY, 0, UINT16_MAX);
	if (strcmp(text, "icmp") == 0)
		return add_all(list, icmp, 2, 0, UINT16_MAX);
	if (policy_protocol(&proto, text) == 0) {
		/* All ports of TCP are worth a word: tcp with a star. */
		if (!slash && filter_proto_has_ports(proto))
			return -EINVAL;
		return add_range(list, proto, 0, UINT16_MAX);
	}
	return slash ? parse_protocol_ports(list, text, slash) : parse_numbers(list, text, both, 2);
}

static int ports_new(struct policy *policy, const char *text)
{
	struct port_range ranges[POLICY_PORTS_MAX];
	struct port_list list = { .ranges = ranges };
	int err = parse_ports(&list, text);

	if (err == 0)
		err = make_room((void **)&policy->ports, policy->port_count, sizeof(list));
	if (err < 0)
		return err;
	list.ranges = malloc(list.count * sizeof(ranges[0]));
	if (!list.ranges)
		return -ENOMEM;
	memcpy(list.ranges, ranges, list.count * sizeof(ranges[0]));
	policy->ports[policy->port_count++] = list;
	return 0;
}

int policy_ports_parse(struct policy *policy, const char *text, uint32_t *out)
{
	uint8_t key[KEY_SIZE];
	uint32_t number;
	int err;

	make_key(key, KEY_PORTS, text, strlen(text));
	number = (uint32_t)(uintptr_t)map_find(policy->numbers, key);
	if (!number) {
		err = ports_new(policy, text);
		if (err < 0)
			return err;
		number = (uint32_t)policy->port_count;
		err = map_insert(policy->numbers, key, (void *)(uintptr_t)number);
		if (err < 0)
			return err;
	}
	*out = number - 1;
	return 0;
}
