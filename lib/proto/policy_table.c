#include "proto/policy_table.h"

#include <errno.h>
#include <stdlib.h>

uint64_t policy_mix(uint64_t hash, uint64_t value)
{
	hash = (hash ^ value) * 0x9e3779b97f4a7c15u;
	return hash ^ (hash >> 29);
}

int policy_table_grow(struct policy_table *table)
{
	size_t size = table->size ? table->size * 2 : 64;
	struct policy_table_slot *slots;

	if (table->count * 3 < table->size * 2)
		return 0;
	slots = calloc(size, sizeof(*slots));
	if (!slots)
		return -ENOMEM;
	for (size_t i = 0; i < table->size; i++) {
		size_t at = table->slots[i].hash & (size - 1);

		if (!table->slots[i].number)
			continue;
		while (slots[at].number)
			at = (at + 1) & (size - 1);
		slots[at] = table->slots[i];
	}
	free(table->slots);
	table->slots = slots;
	table->size = size;
	return 0;
}

void policy_table_add(struct policy_table *table, uint64_t hash, uint32_t number)
{
	size_t at = hash & (table->size - 1);

	while (table->slots[at].number)
		at = (at + 1) & (table->size - 1);
	table->slots[at] = (struct policy_table_slot){ hash, number + 1 };
	table->count++;
}
