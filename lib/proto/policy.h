#ifndef WARREN_PROTO_POLICY_H
#define WARREN_PROTO_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "proto/filter.h"

/*
 * The policy file: who may start what towards whom. warren-policy(5) describes it.
 *
 *   {"groups":{"admins":["alice-laptop","user:bob@example.com"]}, // people and machines
 *    "hosts":{"nas":"10.20.0.5"},
 *    "rules":[{"allow":["group:admins"],"to":["tag:db:tcp/5432","nas:tcp/443"]},
 *             {"deny":["tag:guest"],"to":["*:*"]}],
 *    "approve":[{"nodes":["tag:gw"],"routes":["10.0.0.0/8"]},{"nodes":["tag:exit"],"exit":true}],
 *    "tests":[{"from":"alice-laptop","to":"tag:db","proto":"tcp","port":5432,"expect":"allow"}]}
 *
 * Selectors: `*`, a node's name, `group:G`, `tag:T`, `user:U`, a host's name, an address or prefix:
 * these two mean nodes with such an address and whoever has one behind a node that carries it for
 * others; the rest means nodes alone, but for a deny of `*`. `internet` (in `to`) is what is behind
 * exits, and their DNS. After the last colon of a `to` come ports: `*` for all, `icmp`, `tcp/22`,
 * `udp/53,5353`, `sctp/8000-8999`, a protocol with `*` for all its ports, `gre`, `proto/47` for one
 * by number, or numbers alone for both TCP and UDP. Nothing is allowed that no rule allows; a deny
 * wins.
 */

#define POLICY_TEXT_MAX          (4u << 20) /* bytes */
#define POLICY_GROUPS_MAX        4096
#define POLICY_MEMBERS_MAX       16384 /* of one group */
#define POLICY_HOSTS_MAX         4096
#define POLICY_HOST_PREFIXES_MAX 16
#define POLICY_RULES_MAX         16384
#define POLICY_SELECTORS_MAX     1024 /* of one rule, each side */
#define POLICY_REFERENCES_MAX                                                                  \
	(1u << 20)                    /* of all rules, each side; a host's prefixes count each \
				       */
#define POLICY_PORTS_MAX           64 /* ranges in one destination */
#define POLICY_TESTS_MAX           4096
#define POLICY_APPROVALS_MAX       1024
#define POLICY_APPROVAL_ROUTES_MAX 1024 /* of one approval; and as many nodes */

struct policy;

struct policy_error {
	int line; /* from 1; 0: the file as a whole */
	char text[200];
};

/* A node as policy sees it; everything is borrowed. */
struct policy_node {
	const char *name;
	const char *owner; /* the user it belongs to, or NULL */
	struct ip_addr address4;
	struct ip_addr address6;
	const char *const *groups;
	size_t group_count;
	const char *const *tags;
	size_t tag_count;
	const struct prefix *routes; /* that it carries for others */
	size_t route_count;
};

/* 0, -EINVAL with *error filled, -EFBIG, -ENOMEM. Keeps no reference to text. */
int policy_parse(struct policy **policy, const char *text, size_t len, struct policy_error *error);
/* Accepts NULL. */
void policy_free(struct policy *policy);

size_t policy_rule_count(const struct policy *policy);
/* The first prefix of one of its hosts; 0 or -ENOENT. */
int policy_host(const struct policy *policy, const char *name, struct prefix *prefix);
/* "tcp", "gre", "proto/47"; for "icmp" the v4 number. 0 or -EINVAL. */
int policy_protocol(uint8_t *proto, const char *text);

/*
 * Runs the policy's own tests against these nodes. A test's `from` and `to` may be a name, a group
 * or a tag; when no such node exists (yet), a stand-in that is only that is used. 0, or -EPERM with
 * the first test that fails in *error.
 */
int policy_check(const struct policy *policy, const struct policy_node *nodes, size_t count,
		 struct policy_error *error);

/*
 * Does the policy approve in advance that this node carries the prefix? A prefix of length 0: that
 * it is an exit.
 */
bool policy_approves(const struct policy *policy, const struct policy_node *node,
		     const struct prefix *prefix);

/* A list of filter rules that grows; zero-initialise, policy_rules_clear frees. */
struct policy_rules {
	struct filter_rule *rules;
	size_t count;
	size_t cap;
};
void policy_rules_clear(struct policy_rules *rules);

/*
 * What `from`, and whoever is behind it, may start towards `to` and what is behind that, as rules
 * for to's filter; emptied first. It needs nothing but
 * what certificates say, so a node can ask for each of its peers, too; for many of them
 * policy_index.h is quicker. None at all: nothing may be started. Two nodes see each other when
 * this is not empty in one of the directions. 0, -ENOSPC above FILTER_RULES_MAX, -ENOMEM.
 */
int policy_compile(const struct policy *policy, const struct policy_node *from,
		   const struct policy_node *to, struct policy_rules *rules);

/* Those of the rules that are about who is behind the node that starts; emptied first. 0, -ENOMEM.
 */
int policy_rules_lan(const struct policy_rules *all, struct policy_rules *lan);

/*
 * Which of a peer's routes matter to a node: bit i when the rules of what the node may start
 * towards the peer (out) lead to routes[i], or those of what the peer may start (in) come from it.
 */
uint32_t policy_routes_used(const struct policy_rules *in, const struct policy_rules *out,
			    const struct policy_node *peer);

/* The policy that init writes: group trusted may reach group trusted. */
extern const char policy_starter_text[];

#endif
