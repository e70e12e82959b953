#ifndef WARREN_BASE_MAP_H
#define WARREN_BASE_MAP_H

#include <stddef.h>
#include <stdint.h>

/*
 * A hash map from fixed-size byte keys to pointers, keyed SipHash so that strangers cannot aim at
 * one bucket. Keys are copied, values are borrowed. max bounds the entries for good.
 */
struct map;

/* NULL when out of memory. key_size at most 64 bytes. */
struct map *map_new(size_t key_size, size_t max);
/* Frees the map, not the values. Accepts NULL. */
void map_free(struct map *map);
/* 0, -EEXIST when the key is there, -ENOSPC at max, -ENOMEM. */
int map_insert(struct map *map, const void *key, void *value);
void *map_find(const struct map *map, const void *key);
/* The value that was there, or NULL. */
void *map_remove(struct map *map, const void *key);
size_t map_count(const struct map *map);
/* Walks all values: start with *cursor = 0, ends with NULL. Removing the value just returned is
 * safe. */
void *map_next(const struct map *map, size_t *cursor);

#endif
