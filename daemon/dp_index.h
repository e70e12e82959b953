#ifndef WARREN_DAEMON_DP_INDEX_H
#define WARREN_DAEMON_DP_INDEX_H

#include <stdint.h>

struct dp_keypair;

/*
 * Receiver index to keypair. The control thread changes it, any thread looks up inside an RCU
 * read-side section. No two differ in the lowest byte alone: that one names the lane.
 */
struct dp_index_table;

#define DP_INDEXES_MAX (1U << 18)

/* NULL when out of memory. */
struct dp_index_table *dp_index_table_new(void);
/* After the last reader. Accepts NULL. */
void dp_index_table_free(struct dp_index_table *table);
/* Reserves a random index with this lowest byte. 0, -ENOSPC or -ENOMEM. */
int dp_index_new(struct dp_index_table *table, uint8_t low, uint32_t *index);
/* Binds a reserved index; NULL unbinds. No-op for an index that is not reserved. */
void dp_index_set(struct dp_index_table *table, uint32_t index, struct dp_keypair *keypair);
void dp_index_remove(struct dp_index_table *table, uint32_t index);
/* Whatever the lowest byte is. NULL when unknown or only reserved. */
struct dp_keypair *dp_index_find(struct dp_index_table *table, uint32_t index);

#endif
