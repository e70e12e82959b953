#ifndef WARREN_DAEMON_ROUTING_TABLE_H
#define WARREN_DAEMON_ROUTING_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

struct mesh;

/* What the kernel is told: see daemon/routing.h. */
struct routing_table {
	struct routing_route {
		struct prefix dst;
		uint32_t mtu; /* 0: the device's */
	} * routes;           /* by prefix, ascending as bytes */
	size_t count;
	bool rules[2];     /* v4, v6: those that lead to the table are there */
	uint32_t local[2]; /* and the one that asks the main table before: from this length on */
	uint32_t number;   /* of the table that these rules lead to */
	bool lost;         /* the kernel may not hold all of this */
};

/*
 * Makes the table hold these routes and no others (in order as above; taken over, also on failure),
 * and the rules lead there as long as there are any. local: the main table is asked before, for
 * prefixes of this length (v4, v6) or more; 0: it is not. 0 or the first -errno; what can be done
 * is done.
 */
int routing_table_set(struct routing_table *table, struct mesh *mesh, struct routing_route *routes,
		      size_t count, const uint32_t local[static 2]);
/* Are the rules still there? Others tidy up what they do not know. False: the next call of set puts
 * them back. */
bool routing_table_holds(struct routing_table *table, struct mesh *mesh);
/* The kernel may have lost some: the next call tells it all. */
void routing_table_forget(struct routing_table *table);
void routing_table_clear(struct routing_table *table);

int routing_prefix_compare(const struct prefix *a, const struct prefix *b);

#endif
