#include "base/map.h"

#include <errno.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define MIN_SLOTS 16

/* Open addressing with linear probing; a removed slot is a tombstone until the next rebuild. */
enum slot_state { SLOT_EMPTY, SLOT_USED, SLOT_DELETED };

struct map {
	size_t key_size;
	size_t max;
	size_t count;
	size_t filled; /* used and deleted */
	size_t slots;  /* power of two */
	uint8_t *states;
	uint8_t *keys;
	void **values;
	uint8_t secret[crypto_shorthash_KEYBYTES];
};

static int allocate_slots(struct map *map, size_t slots)
{
	uint8_t *states = calloc(slots, 1);
	uint8_t *keys = malloc(slots * map->key_size);
	void **values = calloc(slots, sizeof(*values));

	if (!states || !keys || !values) {
		free(states);
		free(keys);
		free(values);
		return -ENOMEM;
	}
	map->states = states;
	map->keys = keys;
	map->values = values;
	map->slots = slots;
	map->count = 0;
	map->filled = 0;
	return 0;
}

struct map *map_new(size_t key_size, size_t max)
{
	struct map *map = calloc(1, sizeof(*map));

	if (!map)
		return NULL;
	map->key_size = key_size;
	map->max = max;
	randombytes_buf(map->secret, sizeof(map->secret));
	if (allocate_slots(map, MIN_SLOTS) < 0) {
		free(map);
		return NULL;
	}
	return map;
}

void map_free(struct map *map)
{
	if (!map)
		return;
	free(map->states);
	free(map->keys);
	free(map->values);
	free(map);
}

static uint8_t *slot_key(const struct map *map, size_t i)
{
	return map->keys + i * map->key_size;
}

static size_t first_slot(const struct map *map, const void *key)
{
	uint8_t out[crypto_shorthash_BYTES];
	size_t hash;

	crypto_shorthash(out, key, map->key_size, map->secret);
	memcpy(&hash, out, sizeof(hash));
	return hash & (map->slots - 1);
}

/* The slot that holds key, or map->slots. */
static size_t find_slot(const struct map *map, const void *key)
{
	size_t i = first_slot(map, key);

	while (map->states[i] != SLOT_EMPTY) {
		if (map->states[i] == SLOT_USED &&
		    memcmp(slot_key(map, i), key, map->key_size) == 0)
			return i;
		i = (i + 1) & (map->slots - 1);
	}
	return map->slots;
}

static void fill_slot(struct map *map, const void *key, void *value)
{
	size_t i = first_slot(map, key);

	while (map->states[i] == SLOT_USED)
		i = (i + 1) & (map->slots - 1);
	if (map->states[i] == SLOT_EMPTY)
		map->filled++;
	map->states[i] = SLOT_USED;
	memcpy(slot_key(map, i), key, map->key_size);
	map->values[i] = value;
	map->count++;
}

/* Keeps at least a quarter of the slots empty, and sheds tombstones. */
static int make_room(struct map *map)
{
	struct map old = *map;
	size_t slots = map->slots;
	size_t i;

	if ((map->filled + 1) * 4 <= map->slots * 3)
		return 0;
	if ((map->count + 1) * 2 > slots)
		slots *= 2;
	if (allocate_slots(map, slots) < 0)
		return -ENOMEM;
	for (i = 0; i < old.slots; i++) {
		if (old.states[i] == SLOT_USED)
			fill_slot(map, slot_key(&old, i), old.values[i]);
	}
	free(old.states);
	free(old.keys);
	free(old.values);
	return 0;
}

int map_insert(struct map *map, const void *key, void *value)
{
	if (find_slot(map, key) < map->slots)
		return -EEXIST;
	if (map->count >= map->max)
		return -ENOSPC;
	if (make_room(map) < 0)
		return -ENOMEM;
	fill_slot(map, key, value);
	return 0;
}

void *map_find(const struct map *map, const void *key)
{
	size_t i = find_slot(map, key);

	return i < map->slots ? map->values[i] : NULL;
}

void *map_remove(struct map *map, const void *key)
{
	size_t i = find_slot(map, key);
	void *value;

	if (i == map->slots)
		return NULL;
	value = map->values[i];
	map->states[i] = SLOT_DELETED;
	map->values[i] = NULL;
	map->count--;
	return value;
}

size_t map_count(const struct map *map)
{
	return map->count;
}

void *map_next(const struct map *map, size_t *cursor)
{
	while (*cursor < map->slots) {
		size_t i = (*cursor)++;

		if (map->states[i] == SLOT_USED)
			return map->values[i];
	}
	return NULL;
}
