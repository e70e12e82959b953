#include "daemon/dp_index.h"

#include <errno.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdlib.h>
#include <urcu-bp.h>
#include <urcu/rcuhlist.h>

#define BUCKETS 8192 /* a power of two */

struct entry {
	struct cds_hlist_node node;
	uint32_t index;
	struct dp_keypair *keypair;
	struct rcu_head rcu;
};

struct dp_index_table {
	size_t count;
	struct cds_hlist_head buckets[BUCKETS];
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
		while (table->buckets[i].next) {
			struct entry *entry =
				caa_container_of(table->buckets[i].next, struct entry, node);

			cds_hlist_del_rcu(&entry->node);
			free(entry);
		}
	}
	free(table);
}

/* Indexes are our own random numbers, so their bits are hash enough. */
static struct cds_hlist_head *bucket(struct dp_index_table *table, uint32_t index)
{
	return &table->buckets[(index >> 8) & (BUCKETS - 1)];
}

static struct entry *find(struct dp_index_table *table, uint32_t index)
{
	struct entry *entry;

	cds_hlist_for_each_entry_rcu_2(entry, bucket(table, index),
				       node) if (entry->index == index) return entry;
	return NULL;
}

int dp_index_new(struct dp_index_table *table, uint8_t worker, uint32_t *index)
{
	struct entry *entry;
	uint32_t number;

	if (table->count >= DP_INDEXES_MAX)
		return -ENOSPC;
	entry = calloc(1, sizeof(*entry));
	if (!entry)
		return -ENOMEM;
	do
		number = (randombytes_random() & ~0xFFU) | worker;
	while (find(table, number));
	entry->index = number;
	cds_hlist_add_head_rcu(&entry->node, bucket(table, number));
	table->count++;
	*index = number;
	return 0;
}

void dp_index_set(struct dp_index_table *table, uint32_t index, struct dp_keypair *keypair)
{
	struct entry *entry = find(table, index);

	if (entry)
		rcu_assign_pointer(entry->keypair, keypair);
}

static void free_entry(struct rcu_head *rcu)
{
	free(caa_container_of(rcu, struct entry, rcu));
}

void dp_index_remove(struct dp_index_table *table, uint32_t index)
{
	struct entry *entry = find(table, index);

	if (!entry)
		return;
	cds_hlist_del_rcu(&entry->node);
	table->count--;
	call_rcu(&entry->rcu, free_entry);
}

struct dp_keypair *dp_index_find(struct dp_index_table *table, uint32_t index)
{
	struct entry *entry = find(table, index);

	return entry ? rcu_dereference(entry->keypair) : NULL;
}
