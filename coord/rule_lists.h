#ifndef WARREN_COORD_RULE_LISTS_H
#define WARREN_COORD_RULE_LISTS_H

#include <stddef.h>

#include "proto/netmap.h"

/*
 * The lists of rules in all maps, each distinct one once: what a node's peers may start towards it
 * is mostly the same for all of them.
 */
struct rule_lists;

#define RULE_LISTS_MAX (1u << 20) /* lists beyond it are not shared */

/* NULL when out of memory. */
struct rule_lists *rule_lists_new(void);
/* Lists that maps refer to stay until those are gone. Accepts NULL. */
void rule_lists_free(struct rule_lists *lists);

/* A reference to the list equal to this one. NULL when out of memory or above FILTER_RULES_MAX. */
struct netmap_rules *rule_lists_share(struct rule_lists *lists, const struct filter_rule *list,
				      size_t count);
/* Forgets lists that no map refers to any more. */
void rule_lists_sweep(struct rule_lists *lists);
size_t rule_lists_count(const struct rule_lists *lists);

#endif
