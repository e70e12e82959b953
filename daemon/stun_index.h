#ifndef WARREN_DAEMON_STUN_INDEX_H
#define WARREN_DAEMON_STUN_INDEX_H

#include <stddef.h>
#include <stdint.h>

#include "proto/ice.h"

/*
 * Whose a STUN message is, found in one step whatever the number of peers, because anybody can send
 * any number of them: a request by the name that an agent of ours gave itself, a response by the
 * transaction that was asked. Whether it is authentic is for the agent to say.
 */
struct stun_index;

/* Requests that are remembered; the oldest is forgotten first. Above what may be open at once. */
#define STUN_INDEX_SENT_MAX 32768

/* max_names bounds the names. NULL when out of memory. */
struct stun_index *stun_index_new(size_t max_names);
/* Accepts NULL. */
void stun_index_free(struct stun_index *index);

/* The agent of this peer is called so from now on. 0, -EEXIST, -ENOSPC, -ENOMEM. */
int stun_index_add_name(struct stun_index *index, const char *ufrag,
			const uint8_t node_key[static 32]);
void stun_index_remove_name(struct stun_index *index, const char *ufrag);
/* What this peer's agent sends; only a request is remembered. */
void stun_index_note_sent(struct stun_index *index, const uint8_t *data, size_t len,
			  const uint8_t node_key[static 32]);

/* The node key of the peer, valid until the next call that changes the index; NULL: nobody's. */
const uint8_t *stun_index_find(const struct stun_index *index, const struct stun_message *msg);

#endif
