#ifndef WARREN_PROTO_POLICY_TABLE_H
#define WARREN_PROTO_POLICY_TABLE_H

#include <stddef.h>
#include <stdint.h>

/*
 * Open addressing from a hash to a number; grows at two thirds. Zero: empty. For policy_index.c,
 * which compares what the numbers stand for itself.
 */
struct policy_table {
	struct policy_table_slot {
		uint64_t hash;
		uint32_t number; /* plus one */
	} * slots;
	size_t size; /* a power of two */
	size_t count;
};

uint64_t policy_mix(uint64_t hash, uint64_t value);

/* Makes room for one more. 0 or -ENOMEM. */
int policy_table_grow(struct policy_table *table);
/* After policy_table_grow. */
void policy_table_add(struct policy_table *table, uint64_t hash, uint32_t number);

#endif
