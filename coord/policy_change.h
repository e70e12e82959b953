#ifndef WARREN_COORD_POLICY_CHANGE_H
#define WARREN_COORD_POLICY_CHANGE_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/policy.h"

#define POLICY_CHANGE_PORTS_MAX 12
#define POLICY_CHANGE_PORT_SIZE 160

/* What somebody may start now and could not before, or the other way: "tcp/22", "udp/80-90", "*".
 */
struct policy_change {
	char ports[POLICY_CHANGE_PORTS_MAX][POLICY_CHANGE_PORT_SIZE];
	size_t count;
	bool cut; /* there is more */
};

/* The difference of two lists of rules for one node, by what they let through. 0 or -ENOMEM. */
int policy_change_find(const struct policy_rules *before, const struct policy_rules *after,
		       const struct policy_node *to, struct policy_change *gained,
		       struct policy_change *lost);

#endif
