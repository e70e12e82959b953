#include "daemon/stun_index.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"

struct sent {
	uint8_t transaction[STUN_TRANSACTION_SIZE];
	uint8_t node_key[32];
};

struct stun_index {
	struct map *names; /* 32 bytes of node key by ufrag */
	struct map *transactions;
	struct sent *sent; /* a ring */
	size_t sent_count; /* since the beginning */
};

struct stun_index *stun_index_new(size_t max_names)
{
	struct stun_index *index = calloc(1, sizeof(*index));

	if (!index)
		return NULL;
	index->names = map_new(ICE_UFRAG_SIZE, max_names);
	index->transactions = map_new(STUN_TRANSACTION_SIZE, STUN_INDEX_SENT_MAX);
	index->sent = calloc(STUN_INDEX_SENT_MAX, sizeof(*index->sent));
	if (!index->names || !index->transactions || !index->sent) {
		stun_index_free(index);
		return NULL;
	}
	return index;
}

void stun_index_free(struct stun_index *index)
{
	uint8_t *node_key;
	size_t cursor = 0;

	if (!index)
		return;
	while (index->names && (node_key = map_next(index->names, &cursor)))
		free(node_key);
	map_free(index->names);
	map_free(index->transactions);
	free(index->sent);
	free(index);
}

/* Names as keys all have the same length. */
struct name {
	char text[ICE_UFRAG_SIZE];
};

static struct name name_of(const char *ufrag)
{
	struct name name = { "" };

	snprintf(name.text, sizeof(name.text), "%s", ufrag);
	return name;
}

int stun_index_add_name(struct stun_index *index, const char *ufrag,
			const uint8_t node_key[static 32])
{
	struct name name = name_of(ufrag);
	uint8_t *copy = malloc(32);
	int err;

	if (!copy)
		return -ENOMEM;
	memcpy(copy, node_key, 32);
	err = map_insert(index->names, name.text, copy);
	if (err < 0)
		free(copy);
	return err;
}

void stun_index_remove_name(struct stun_index *index, const char *ufrag)
{
	struct name name = name_of(ufrag);

	free(map_remove(index->names, name.text));
}

void stun_index_note_sent(struct stun_index *index, const uint8_t *data, size_t len,
			  const uint8_t node_key[static 32])
{
	struct sent *sent = &index->sent[index->sent_count % STUN_INDEX_SENT_MAX];
	struct stun_message msg;

	if (stun_parse(&msg, data, len) < 0 || msg.class != STUN_REQUEST ||
	    map_find(index->transactions, msg.transaction))
		return; /* or the same one sent again */
	if (index->sent_count >= STUN_INDEX_SENT_MAX)
		map_remove(index->transactions, sent->transaction);
	memcpy(sent->transaction, msg.transaction, sizeof(sent->transaction));
	memcpy(sent->node_key, node_key, 32);
	if (map_insert(index->transactions, sent->transaction, sent) == 0)
		index->sent_count++;
}

const uint8_t *stun_index_find(const struct stun_index *index, const struct stun_message *msg)
{
	const struct sent *sent;
	struct name name = { "" };

	if (msg->class == STUN_REQUEST)
		return ice_username_ufrag(msg, name.text) == 0 ? map_find(index->names, name.text)
							       : NULL;
	sent = map_find(index->transactions, msg->transaction);
	return sent ? sent->node_key : NULL;
}
