#ifndef WARREN_COORD_POLICY_REPORT_H
#define WARREN_COORD_POLICY_REPORT_H

#include <jansson.h>
#include <stdint.h>
#include <stdio.h>

#include "coord/network.h"
#include "proto/policy_explain.h"

/* What a policy would mean for the nodes that there are: for people, and as JSON. */

#define POLICY_REPORT_LINES_MAX 200 /* pairs that are told in full */

/* A flow that somebody asks about; names of nodes, or group:G, tag:T, user:U, hosts, addresses. */
struct policy_question {
	char from[160];
	char to[160];
	char proto[16];
	uint16_t port;
};

/* Answers it. 0, -ENOENT: no such node (*unknown says which), -EINVAL: no such protocol, -ENOMEM.
 */
int policy_report_explain(const struct network *network, const struct policy *policy,
			  const struct policy_question *question, struct policy_verdict *verdict,
			  const char **unknown);

/*
 * Who would gain and who would lose what if this policy replaced the present one. Lines to out, or
 * with out NULL as {"gains":[{"from":…,"to":…,"ports":[…]}],"losses":[…],"more":n} in *answer. 0,
 * -ENOSPC: too many rules for a pair, -ENOMEM.
 */
int policy_report_diff(struct network *network, const struct policy *policy, FILE *out,
		       json_t **answer);

#endif
