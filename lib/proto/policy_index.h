#ifndef WARREN_PROTO_POLICY_INDEX_H
#define WARREN_PROTO_POLICY_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/policy.h"

/*
 * A policy and the nodes it is about, so that who may start what towards whom is found without
 * looking at every rule for every pair. Nodes that the policy cannot tell apart form a class; what
 * one class may start towards another is worked out once and is the same list for all pairs of
 * theirs, in which the receiver's addresses are put at the end.
 */
struct policy_index;

/* A node in an index; embedded where the node is. Zero: in none. */
struct policy_member {
	void *owner;                      /* whatever the caller wants back */
	const struct policy_index *index; /* that it is in, or NULL */
	uint32_t class;
	uint32_t slot;
};

/* What one class may start towards another; lives as long as the index. */
struct policy_grant;

/* A class of nodes that a node has to do with. */
struct policy_reach {
	uint32_t class;
	const struct policy_grant *in;  /* what they may start towards it; NULL: nothing */
	const struct policy_grant *out; /* what it may start towards them */
};

/* Refers to the policy, which must stay. 0 or -ENOMEM. */
int policy_index_new(struct policy_index **index, const struct policy *policy);
/* Members that are still in it are to be zeroed or forgotten. Accepts NULL. */
void policy_index_free(struct policy_index *index);

/*
 * Puts a node in, or brings it up to date after a change. member->owner is set; the view is
 * borrowed for the call. 0 or -ENOMEM (it is in
 * none then).
 */
int policy_index_put(struct policy_index *index, struct policy_member *member,
		     const struct policy_node *node);
/* Takes it out, if it is in. */
void policy_index_remove(struct policy_index *index, struct policy_member *member);

/*
 * The classes that a member has to do with, its own perhaps among them, in no order; borrowed until
 * the next call for this index. 0, -ENOSPC: more than FILTER_RULES_MAX rules for a pair, -ENOMEM.
 */
int policy_index_row(struct policy_index *index, const struct policy_member *member,
		     const struct policy_reach **row, size_t *count);
/* The members of a class, in no order; borrowed until one is put or removed. */
struct policy_member *const *policy_index_members(const struct policy_index *index, uint32_t class,
						  size_t *count);

/* A number below policy_index_grants, the same for equal grants. */
uint32_t policy_grant_number(const struct policy_grant *grant);
size_t policy_index_grants(const struct policy_index *index);
size_t policy_index_classes(const struct policy_index *index);
/* The grant as rules for the filter of this node; emptied first. 0, -ENOSPC, -ENOMEM. */
int policy_grant_rules(const struct policy_grant *grant, const struct policy_node *to,
		       struct policy_rules *rules);
/* Does it say anything of who is behind the node that starts? */
bool policy_grant_has_lan(const struct policy_grant *grant);
/* Of its rules those alone; emptied first. 0, -ENOSPC, -ENOMEM. */
int policy_grant_lan(const struct policy_grant *grant, const struct policy_node *to,
		     struct policy_rules *rules);
/* As policy_routes_used; either grant may be NULL. */
uint32_t policy_grant_routes_used(const struct policy_grant *in, const struct policy_grant *out,
				  const struct policy_node *peer);

#endif
