#ifndef WARREN_PROTO_POLICY_MODEL_H
#define WARREN_PROTO_POLICY_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/cert.h"
#include "proto/policy.h"

/*
 * A parsed policy, for policy_*.c only. What rules name is kept once: every distinct selector and
 * every distinct list of ports has a number, and rules are lists of numbers. Hosts are gone: they
 * were replaced by their prefixes.
 */

enum selector_kind {
	SELECT_ANY,
	SELECT_NAME,
	SELECT_GROUP,
	SELECT_TAG,
	SELECT_USER,
	SELECT_PREFIX,
	SELECT_INTERNET, /* as a destination only */
};

struct selector {
	enum selector_kind kind;
	char *name; /* NULL for ANY and PREFIX */
	struct prefix prefix;
};

struct port_range {
	uint8_t proto; /* FILTER_PROTO_ANY: all */
	uint16_t low;
	uint16_t high;
};

struct port_list {
	struct port_range *ranges;
	size_t count;
};

/* "WHO:PORTS" of one rule. */
struct destination {
	uint32_t rule;
	uint32_t who;   /* selector */
	uint32_t ports; /* port list */
};

struct policy_rule {
	bool deny;
	int line;
	size_t at; /* in the text */
	size_t len;
	uint32_t source; /* the first of source_count in the policy's sources */
	uint32_t source_count;
	uint32_t destination; /* likewise */
	uint32_t destination_count;
};

struct policy_test {
	uint32_t from[POLICY_HOST_PREFIXES_MAX]; /* selectors; several when it was a host */
	uint32_t to[POLICY_HOST_PREFIXES_MAX];
	size_t from_count;
	size_t to_count;
	uint8_t proto;
	uint16_t port;
	bool allow;
	int line;
};

struct policy_host {
	char name[CERT_NAME_MAX + 1];
	struct prefix prefixes[POLICY_HOST_PREFIXES_MAX];
	size_t count;
};

struct policy_group {
	char name[CERT_LABEL_MAX + 1];
	char **members; /* names, and "user:…" */
	size_t member_count;
};

/* What may be carried without anybody being asked. */
struct policy_approval {
	uint32_t *nodes; /* selectors */
	size_t node_count;
	struct prefix *routes;
	size_t route_count;
	bool exit;
};

/* That `member` is in the group of this selector. */
struct membership {
	const char *member;
	uint32_t group;
};

/* For each selector the numbers of what names it, ascending: list[first[s]..first[s + 1]]. */
struct postings {
	uint32_t *first;
	uint32_t *list;
};

struct policy {
	char *text; /* comments blanked */
	size_t text_len;
	struct policy_host *hosts; /* ascending by name */
	size_t host_count;
	struct policy_group *groups;
	size_t group_count;
	struct policy_rule *rules;
	size_t rule_count;
	struct policy_test *tests;
	size_t test_count;
	struct policy_approval *approvals;
	size_t approval_count;

	struct map *numbers; /* of selectors and port lists, plus one, by what they say */
	struct selector *selectors;
	size_t selector_count;
	struct port_list *ports;
	size_t port_count;
	uint32_t *sources; /* selectors */
	size_t source_count;
	struct destination *destinations;
	size_t destination_count;

	/* Made at the end of parsing. */
	struct membership *memberships; /* ascending by member */
	size_t membership_count;
	struct postings as_source; /* rules */
	struct postings as_destination;
	uint32_t *prefixes; /* the selectors that are prefixes */
	size_t prefix_count;
	bool lengths[2][129]; /* that prefixes have; v4, v6 */
};

/* --- text --- */

/* A copy of the text with comments and trailing commas blanked, so that places stay; NULL. */
char *policy_text_clean(const char *text, size_t len);
int policy_text_line(const char *text, size_t at);
/*
 * Where elements of the array at top-level member `key` begin and end, at most max of them; returns
 * how many. The text is valid JSON.
 */
struct policy_span {
	size_t at;
	size_t len;
	int line;
};
size_t policy_text_elements(const char *text, size_t len, const char *key,
			    struct policy_span *spans, size_t max);
/* The line of the first string `needle` from `at` on; that of `at` when there is none. */
int policy_text_find(const char *text, size_t len, size_t at, const char *needle);

/* --- selectors and ports --- */

/*
 * The numbers of the selectors that the text means: one, or a host's prefixes. 0, -EINVAL, -ENOSPC,
 * -ENOMEM.
 */
int policy_selector_parse(struct policy *policy, const char *text, size_t len,
			  uint32_t out[static POLICY_HOST_PREFIXES_MAX], size_t *count);
/* The number of a list like "tcp/22,80". */
int policy_ports_parse(struct policy *policy, const char *text, uint32_t *out);
/* The number that something of this kind has, plus one, or 0. */
uint32_t policy_number_find(const struct policy *policy, enum selector_kind kind, const char *name,
			    const struct prefix *prefix);
/* Makes what is said to be made at the end. 0 or -ENOMEM. */
int policy_finish(struct policy *policy);

/* --- matching --- */

/* How a selector names a node. */
#define HIT_NODE  1u /* the node itself, by name or label */
#define HIT_V4    2u /* its v4 address */
#define HIT_V6    4u
#define HIT_ROUTE 8u  /* some of what it carries for others, an exit's 0.0.0.0/0 and ::/0 aside */
#define HIT_EXIT  16u /* that: it is an exit */
#define HIT_SELF  (HIT_NODE | HIT_V4 | HIT_V6)

struct policy_hit {
	uint32_t selector;
	uint32_t how;
};

/* Zero-initialise, free list. */
struct policy_hits {
	struct policy_hit *list; /* ascending by selector */
	size_t count;
	size_t cap;
};

/* All selectors that name this node. 0 or -ENOMEM. */
int policy_match(const struct policy *policy, const struct policy_node *node,
		 struct policy_hits *hits);

/*
 * What of a hit counts where the selector stands as a source of a rule: HIT_SELF for the node, and
 * HIT_ROUTE for those behind it. Everybody is every node when something is allowed, and really
 * everybody when something is denied.
 */
uint32_t policy_source_how(const struct policy *policy, const struct policy_rule *rule,
			   uint32_t selector, uint32_t how);

/* A node, and what names it. */
struct policy_side {
	const struct policy_node *node;
	const struct policy_hits *hits;
};

/* As policy_explain, between nodes that were matched. */
struct filter_tuple;
struct policy_verdict;
void policy_decide(const struct policy *policy, const struct policy_side *from,
		   const struct policy_side *to, const struct filter_tuple *tuple,
		   struct policy_verdict *verdict);

#define POLICY_OWN UINT32_MAX

/* A destination that names a node, and how; and from where. */
struct policy_use {
	uint32_t destination;
	uint32_t how;
	uint32_t source; /* POLICY_OWN, or the selector that names what is behind the other node */
};

/*
 * Rules from those of a pair's destinations that apply, in any order: the node's own addresses
 * stand in them as prefixes that cannot be, for policy_rules_place. Of the nodes routes are needed
 * only. Nothing when all is denied. 0, -ENOSPC, -ENOMEM.
 */
int policy_rules_make(const struct policy *policy, const struct policy_use *uses, size_t count,
		      const struct policy_node *from, const struct policy_node *to,
		      struct policy_rules *rules);
/* Puts the node's addresses in. 0, -ENOSPC, -ENOMEM. */
int policy_rules_place(const struct filter_rule *list, size_t count, const struct policy_node *to,
		       struct policy_rules *rules);
/* The same of those alone that have a source. */
int policy_rules_place_lan(const struct filter_rule *list, size_t count,
			   const struct policy_node *to, struct policy_rules *rules);
/* As policy_routes_used, also of lists that were not placed. */
uint32_t policy_list_routes_used(const struct policy_rules *in, const struct policy_rules *out,
				 const struct prefix *routes, size_t count);

#endif
