#ifndef WARREN_PROTO_POLICY_EXPLAIN_H
#define WARREN_PROTO_POLICY_EXPLAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/policy.h"

#define POLICY_RULE_TEXT_SIZE 240

struct filter_tuple;

/* Why a flow may be started or not. */
struct policy_verdict {
	bool allowed;
	int line; /* of the deciding rule; 0: there is none, nothing allows it */
	size_t rule;
	bool deny;                        /* it is one that denies */
	char text[POLICY_RULE_TEXT_SIZE]; /* the rule on one line, cut where it is too long */
};

/*
 * Which rule decides whether `from` may start this flow towards `to`: the first that denies it,
 * else the first that allows it. Of the tuple, src (of no family: from's own; any other but its own
 * addresses: a host behind from), dst, proto and dst_port count. It asks the rules as they are
 * written, not what they were compiled to.
 */
int policy_explain(const struct policy *policy, const struct policy_node *from,
		   const struct policy_node *to, const struct filter_tuple *tuple,
		   struct policy_verdict *verdict);

#endif
