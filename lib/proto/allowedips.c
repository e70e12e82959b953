#include "proto/allowedips.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

#define NODES_MIN 16

/*
 * A node stands for a prefix. Without an owner it only forks. Node 0 is never used, so that 0 means
 * "none" in every link. Owned nodes of one owner form a list.
 */
struct node {
	uint64_t bits[2]; /* the prefix, leftmost bit first; v4 fills the upper half of bits[0] */
	struct allowedips_owner *owner;
	uint32_t child[2]; /* child[0] also links the free list */
	uint32_t prev, next;
	uint8_t len;
	uint8_t family; /* set with the owner */
};

struct allowedips {
	struct node *nodes;
	uint32_t cap;
	uint32_t used; /* nodes ever used, including node 0 */
	uint32_t free; /* first of the free list */
	uint32_t count;
	uint32_t root[2]; /* v4, v6 */
};

struct allowedips *allowedips_new(void)
{
	struct allowedips *table = calloc(1, sizeof(*table));

	if (!table)
		return NULL;
	table->nodes = calloc(NODES_MIN, sizeof(*table->nodes));
	if (!table->nodes) {
		free(table);
		return NULL;
	}
	table->cap = NODES_MIN;
	table->used = 1;
	return table;
}

void allowedips_free(struct allowedips *table)
{
	if (!table)
		return;
	free(table->nodes);
	free(table);
}

struct allowedips *allowedips_copy(const struct allowedips *table)
{
	struct allowedips *copy = malloc(sizeof(*copy));

	if (!copy)
		return NULL;
	*copy = *table;
	copy->cap = table->used;
	copy->nodes = malloc(copy->cap * sizeof(*copy->nodes));
	if (!copy->nodes) {
		free(copy);
		return NULL;
	}
	memcpy(copy->nodes, table->nodes, copy->cap * sizeof(*copy->nodes));
	return copy;
}

/* Makes room for two nodes, as many as one insertion takes. */
static int reserve(struct allowedips *table)
{
	struct node *nodes;
	uint32_t cap = table->cap;

	/* The free list is not counted on: it may hold a single node. */
	if (table->used + 2 <= cap)
		return 0;
	if (cap >= ALLOWEDIPS_NODES_MAX)
		return -ENOSPC;
	cap *= 2;
	nodes = realloc(table->nodes, cap * sizeof(*nodes));
	if (!nodes)
		return -ENOMEM;
	table->nodes = nodes;
	table->cap = cap;
	return 0;
}

static uint32_t node_take(struct allowedips *table, const uint64_t bits[static 2], unsigned int len)
{
	uint32_t i = table->free;
	struct node *node;

	if (i)
		table->free = table->nodes[i].child[0];
	else
		i = table->used++;
	node = &table->nodes[i];
	memset(node, 0, sizeof(*node));
	node->bits[0] = bits[0];
	node->bits[1] = bits[1];
	node->len = (uint8_t)len;
	return i;
}

static void node_give(struct allowedips *table, uint32_t i)
{
	table->nodes[i].child[0] = table->free;
	table->free = i;
}

static unsigned int bit_at(const uint64_t bits[static 2], unsigned int pos)
{
	return (unsigned int)(bits[pos / 64] >> (63 - pos % 64)) & 1;
}

/* How many leading bits agree, at most max. */
static unsigned int common_len(const uint64_t a[static 2], const uint64_t b[static 2],
			       unsigned int max)
{
	uint64_t hi = a[0] ^ b[0], lo = a[1] ^ b[1];
	unsigned int len = 128;

	if (hi)
		len = (unsigned int)__builtin_clzll(hi);
	else if (lo)
		len = 64 + (unsigned int)__builtin_clzll(lo);
	return len < max ? len : max;
}

static bool node_covers(const struct node *node, const uint64_t bits[static 2])
{
	return common_len(node->bits, bits, node->len) == node->len;
}

static void bits_mask(uint64_t bits[static 2], unsigned int len)
{
	if (len < 64) {
		bits[0] &= len ? ~0ULL << (64 - len) : 0;
		bits[1] = 0;
	} else if (len < 128) {
		bits[1] &= len > 64 ? ~0ULL << (128 - len) : 0;
	}
}

static void bits_from_addr(uint64_t bits[static 2], const struct ip_addr *addr)
{
	bits[0] = load_be64(addr->bytes);
	bits[1] = load_be64(addr->bytes + 8);
}

static uint32_t *root_of(struct allowedips *table, const struct prefix *prefix)
{
	return &table->root[prefix->addr.family == AF_INET6];
}

static void owner_link(struct allowedips *table, uint32_t i, struct allowedips_owner *owner)
{
	struct node *node = &table->nodes[i];

	node->owner = owner;
	node->prev = 0;
	node->next = owner->first;
	if (node->next)
		table->nodes[node->next].prev = i;
	owner->first = i;
	table->count++;
}

static void owner_unlink(struct allowedips *table, uint32_t i)
{
	struct node *node = &table->nodes[i];

	if (node->prev)
		table->nodes[node->prev].next = node->next;
	else
		node->owner->first = node->next;
	if (node->next)
		table->nodes[node->next].prev = node->prev;
	node->owner = NULL;
	table->count--;
}

/* Puts a node for exactly bits/len at *link's place or below it, and returns it. */
static uint32_t node_place(struct allowedips *table, uint32_t *link, const uint64_t bits[static 2],
			   unsigned int len)
{
	uint32_t old, fresh, fork;
	unsigned int common;

	while (*link && table->nodes[*link].len <= len && node_covers(&table->nodes[*link], bits)) {
		if (table->nodes[*link].len == len)
			return *link;
		link = &table->nodes[*link].child[bit_at(bits, table->nodes[*link].len)];
	}
	old = *link;
	fresh = node_take(table, bits, len);
	if (!old) {
		*link = fresh;
		return fresh;
	}
	common = common_len(table->nodes[old].bits, bits,
			    table->nodes[old].len < len ? table->nodes[old].len : len);
	if (common == len) {
		table->nodes[fresh].child[bit_at(table->nodes[old].bits, len)] = old;
		*link = fresh;
		return fresh;
	}
	fork = node_take(table, bits, common);
	bits_mask(table->nodes[fork].bits, common);
	table->nodes[fork].child[bit_at(bits, common)] = fresh;
	table->nodes[fork].child[bit_at(table->nodes[old].bits, common)] = old;
	*link = fork;
	return fresh;
}

int allowedips_insert(struct allowedips *table, const struct prefix *prefix,
		      struct allowedips_owner *owner)
{
	uint64_t bits[2];
	uint32_t i;
	int ret;

	if (!prefix->addr.family)
		return -EINVAL;
	ret = reserve(table);
	if (ret < 0)
		return ret;
	bits_from_addr(bits, &prefix->addr);
	bits_mask(bits, prefix->len);
	i = node_place(table, root_of(table, prefix), bits, prefix->len);
	if (table->nodes[i].owner == owner)
		return 0;
	if (table->nodes[i].owner)
		owner_unlink(table, i);
	table->nodes[i].family = prefix->addr.family;
	owner_link(table, i, owner);
	return 0;
}

/* Takes the node at link out when nothing needs it: it has no owner and does not fork. */
static void node_prune(struct allowedips *table, uint32_t *link)
{
	struct node *node = &table->nodes[*link];
	uint32_t i = *link;

	if (node->owner || (node->child[0] && node->child[1]))
		return;
	*link = node->child[0] ? node->child[0] : node->child[1];
	node_give(table, i);
}

static void remove_bits(struct allowedips *table, uint32_t *link, const uint64_t bits[static 2],
			unsigned int len, const struct allowedips_owner *owner)
{
	uint32_t *parent = NULL;
	struct node *node;

	while (*link) {
		node = &table->nodes[*link];
		if (node->len > len || !node_covers(node, bits))
			return;
		if (node->len == len)
			break;
		parent = link;
		link = &node->child[bit_at(bits, node->len)];
	}
	if (!*link || table->nodes[*link].owner != owner)
		return;
	owner_unlink(table, *link);
	node_prune(table, link);
	/* The fork above may have lost one of its sides. */
	if (parent)
		node_prune(table, parent);
}

void allowedips_remove(struct allowedips *table, const struct prefix *prefix,
		       struct allowedips_owner *owner)
{
	uint64_t bits[2];

	if (!prefix->addr.family)
		return;
	bits_from_addr(bits, &prefix->addr);
	bits_mask(bits, prefix->len);
	remove_bits(table, root_of(table, prefix), bits, prefix->len, owner);
}

static void node_prefix(const struct node *node, struct prefix *prefix)
{
	uint8_t bytes[16];

	store_be64(bytes, node->bits[0]);
	store_be64(bytes + 8, node->bits[1]);
	*prefix = (struct prefix){ .len = node->len };
	/* Not addr_from_bytes: the host bits of a prefix are no address to be normalised. */
	prefix->addr.family = node->family;
	memcpy(prefix->addr.bytes, bytes, addr_len(&prefix->addr));
}

void allowedips_remove_owner(struct allowedips *table, struct allowedips_owner *owner)
{
	struct prefix prefix;

	while (owner->first) {
		node_prefix(&table->nodes[owner->first], &prefix);
		allowedips_remove(table, &prefix, owner);
	}
}

static struct allowedips_owner *lookup(const struct allowedips *table, uint32_t at,
				       const uint64_t bits[static 2], unsigned int width)
{
	struct allowedips_owner *found = NULL;

	while (at) {
		const struct node *node = &table->nodes[at];

		if (!node_covers(node, bits))
			break;
		if (node->owner)
			found = node->owner;
		if (node->len == width)
			break;
		at = node->child[bit_at(bits, node->len)];
	}
	return found;
}

struct allowedips_owner *allowedips_lookup_v4(const struct allowedips *table,
					      const uint8_t addr[static 4])
{
	uint64_t bits[2] = { (uint64_t)load_be32(addr) << 32, 0 };

	return lookup(table, table->root[0], bits, 32);
}

struct allowedips_owner *allowedips_lookup_v6(const struct allowedips *table,
					      const uint8_t addr[static 16])
{
	uint64_t bits[2] = { load_be64(addr), load_be64(addr + 8) };

	return lookup(table, table->root[1], bits, 128);
}

struct allowedips_owner *allowedips_lookup(const struct allowedips *table,
					   const struct ip_addr *addr)
{
	if (addr->family == AF_INET)
		return allowedips_lookup_v4(table, addr->bytes);
	if (addr->family == AF_INET6)
		return allowedips_lookup_v6(table, addr->bytes);
	return NULL;
}

bool allowedips_next(const struct allowedips *table, const struct allowedips_owner *owner,
		     size_t *cursor, struct prefix *prefix)
{
	uint32_t i;

	/* The cursor is the node of the next step plus one, so that 0 can mean the start. */
	i = *cursor ? (uint32_t)(*cursor - 1) : owner->first;
	if (!i)
		return false;
	node_prefix(&table->nodes[i], prefix);
	*cursor = (size_t)table->nodes[i].next + 1;
	return true;
}

size_t allowedips_count(const struct allowedips *table)
{
	return table->count;
}
