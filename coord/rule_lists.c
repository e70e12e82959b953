#include "coord/rule_lists.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/map.h"
#include "crypto/hash.h"

#define PACKED_RULE_SIZE (2 * (1 + 16 + 1) + 1 + 2 + 2 + 1)

struct entry {
	uint8_t key[HASH_SIZE];
	struct netmap_rules *rules;
};

struct rule_lists {
	struct map *entries;       /* by hash of the list */
	struct netmap_rules *last; /* handed out last; mostly it is wanted again */
};

struct rule_lists *rule_lists_new(void)
{
	struct rule_lists *lists = calloc(1, sizeof(*lists));

	if (!lists)
		return NULL;
	lists->entries = map_new(HASH_SIZE, RULE_LISTS_MAX);
	if (!lists->entries) {
		free(lists);
		return NULL;
	}
	return lists;
}

static void forget_last(struct rule_lists *lists)
{
	netmap_rules_unref(lists->last);
	lists->last = NULL;
}

void rule_lists_free(struct rule_lists *lists)
{
	struct entry *entry;
	size_t cursor = 0;

	if (!lists)
		return;
	forget_last(lists);
	while ((entry = map_next(lists->entries, &cursor))) {
		netmap_rules_unref(entry->rules);
		free(entry);
	}
	map_free(lists->entries);
	free(lists);
}

static void pack_prefix(struct writer *w, const struct prefix *prefix)
{
	writer_u8(w, prefix->addr.family);
	writer_bytes(w, prefix->addr.bytes, 16);
	writer_u8(w, prefix->len);
}

/* Field by field: between the fields of the struct may be anything. */
static int hash_list(uint8_t key[static HASH_SIZE], const struct filter_rule *list, size_t count)
{
	uint8_t *packed = malloc(count * PACKED_RULE_SIZE + 1);
	struct writer w;

	if (!packed)
		return -1;
	writer_init(&w, packed, count * PACKED_RULE_SIZE);
	for (size_t i = 0; i < count; i++) {
		pack_prefix(&w, &list[i].src);
		pack_prefix(&w, &list[i].dst);
		writer_u8(&w, list[i].proto);
		writer_u16(&w, list[i].port_low);
		writer_u16(&w, list[i].port_high);
		writer_u8(&w, list[i].deny);
	}
	hash_blake2s(key, packed, w.len, NULL, 0);
	free(packed);
	return 0;
}

/* Without memory for it, the list is merely not found again. */
static void remember(struct rule_lists *lists, const uint8_t key[static HASH_SIZE],
		     struct netmap_rules *rules)
{
	struct entry *entry = malloc(sizeof(*entry));

	if (!entry)
		return;
	memcpy(entry->key, key, HASH_SIZE);
	entry->rules = rules;
	if (map_insert(lists->entries, key, entry) < 0)
		free(entry);
	else
		netmap_rules_ref(rules);
}

struct netmap_rules *rule_lists_share(struct rule_lists *lists, const struct filter_rule *list,
				      size_t count)
{
	struct netmap_rules *rules = NULL;
	uint8_t key[HASH_SIZE];
	struct entry *entry;

	if (lists->last && netmap_rules_hold(lists->last, list, count))
		return netmap_rules_ref(lists->last);
	if (hash_list(key, list, count) < 0)
		return NULL;
	entry = map_find(lists->entries, key);
	if (entry)
		rules = netmap_rules_ref(entry->rules);
	else if (netmap_rules_new(&rules, list, count) < 0)
		return NULL;
	else
		remember(lists, key, rules);
	forget_last(lists);
	lists->last = netmap_rules_ref(rules);
	return rules;
}

void rule_lists_sweep(struct rule_lists *lists)
{
	struct entry *entry;
	size_t cursor = 0;

	forget_last(lists);
	while ((entry = map_next(lists->entries, &cursor))) {
		if (entry->rules->refs > 1)
			continue;
		map_remove(lists->entries, entry->key);
		netmap_rules_unref(entry->rules);
		free(entry);
	}
}

size_t rule_lists_count(const struct rule_lists *lists)
{
	return map_count(lists->entries);
}
