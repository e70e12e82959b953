#include "daemon/dp_index.h"

#include <errno.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdlib.h>

#include "daemon/dp_rcu.h"

#define BUCKETS 8192 /* a power of two */

struct entry {
	struct entry *next;
	uint32_t index;
	struct dp_keypair *keypair;
	struct rcu_head rcu;
};

struct dp_index_table {
	size_t count;
	struct entry *buckets[BUCKETS];
};

struct dp_index_table *dp_index_table_new(void)
{
	return calloc(1, sizeof(struct dp_index_table));
}

void dp_index_table_free(struct dp_index_table *table)
{
	if (!table)
		return;
	for (size_t i = 0; i < BUCKETS; i++) {
		while (table->buckets[i]) {
			struct entry *entry = table->buckets[i];

			table->buckets[i] = entry->next;
			free(entry);
		}
	}
	free(table);
}

/* Indexes are our own random numbers, so their bits are hash enough. The lowest 8 say no more. */
static struct entry **bucket(struct dp_index_table *table, uint32_t index)
{
	return &table->buckets[(index >> 8) & (BUCKETS - 1)];
}

static bool same(uint32_t a, uint32_t b)
{
	return a >> 8 == b >> 8;
}

static struct entry *find(struct dp_index_table *table, uint32_t index)
{
	struct entry *entry = dp_rcu_load(*bucket(table, index));

	while (entry && !same(entry->index, index))
		entry = dp_rcu_load(entry->next);
	return entry;
}

int dp_index_new(struct dp_index_table *table, uint8_t low, uint32_t *index)
{
	struct entry *entry;
	uint32_t number;

	if (table->count >= DP_INDEXES_MAX)
		return -ENOSPC;
	entry = calloc(1, sizeof(*entry));
	if (!entry)
		return -ENOMEM;
	do
		number = (randombytes_random() & ~0xFFU) | low;
	while (find(table, number));
	entry->index = number;
	entry->next = *bucket(table, number);
	dp_rcu_publish(*bucket(table, number), entry);
	table->count++;
	*index = number;
	return 0;
}

void dp_index_set(struct dp_index_table *table, uint32_t index, struct dp_keypair *keypair)
{
	struct entry *entry = find(table, index);

	if (entry)
		dp_rcu_publish(entry->keypair, keypair);
}

static void free_entry(struct rcu_head *rcu)
{
	free(dp_rcu_released(rcu, struct entry));
}

void dp_index_remove(struct dp_index_table *table, uint32_t index)
{
	struct entry **link = bucket(table, index);
	struct entry *entry;

	while (*link && !same((*link)->index, index))
		link = &(*link)->next;
	entry = *link;
	if (!entry)
		return;
	/* Readers that stand on it still find the rest of the chain. */
	dp_rcu_publish(*link, entry->next);
	table->count--;
	dp_rcu_defer(&entry->rcu, free_entry);
}

struct dp_keypair *dp_index_find(struct dp_index_table *table, uint32_t index)
{
	struct entry *entry = find(table, index);

	return entry ? dp_rcu_load(entry->keypair) : NULL;
}
