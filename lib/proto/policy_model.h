#ifndef WARREN_PROTO_POLICY_MODEL_H
#define WARREN_PROTO_POLICY_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/cert.h"
#include "proto/policy.h"

/* A parsed policy, for policy_*.c only. */

enum selector_kind {
	SELECT_ANY,
	SELECT_NAME,
	SELECT_GROUP,
	SELECT_TAG,
	SELECT_PREFIX,
};

struct selector {
	enum selector_kind kind;
	char name[CERT_NAME_MAX + 1];
	struct prefix prefix;
};

struct port_range {
	uint8_t proto; /* FILTER_PROTO_ANY: all */
	uint16_t low;
	uint16_t high;
};

struct destination {
	struct selector who;
	struct port_range *ports;
	size_t port_count;
};

struct policy_rule {
	bool deny;
	struct selector *sources;
	size_t source_count;
	struct destination *destinations;
	size_t destination_count;
};

struct policy_test {
	struct selector from;
	struct selector to;
	uint8_t proto;
	uint16_t port;
	bool allow;
	int line;
};

struct policy_group {
	char name[CERT_LABEL_MAX + 1];
	char (*members)[CERT_NAME_MAX + 1]; /* sorted */
	size_t member_count;
};

struct policy {
	struct policy_group *groups;
	size_t group_count;
	struct policy_rule *rules;
	size_t rule_count;
	struct policy_test *tests;
	size_t test_count;
};

/* 0 or -EINVAL. "*", a name, "group:G", "tag:T", and an address or prefix where `prefixes`. */
int selector_parse(struct selector *selector, const char *text, size_t len, bool prefixes);
/* Does it choose this node? A prefix chooses nodes that have or carry some of it. */
bool selector_matches(const struct selector *selector, const struct policy *policy,
		      const struct policy_node *node);

/* "tag:db:tcp/5432". 0, -EINVAL, -ENOMEM; on success ports is malloc'd. */
int destination_parse(struct destination *destination, const char *text);

/*
 * The line of element `index` of the array at top-level member `key`, or, with needle, of the first
 * string needle from there on. 0 when not found. text is valid JSON.
 */
int policy_find_line(const char *text, size_t len, const char *key, size_t index,
		     const char *needle);

#endif
