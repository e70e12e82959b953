#include "proto/relay_session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

/* An address as a map's key: no padding, so that equal means equal bytes. */
#define ADDRESS_KEY_SIZE 23

static void address_key(uint8_t key[static ADDRESS_KEY_SIZE], const struct relay_address *address)
{
	key[0] = address->remote.addr.family;
	memcpy(key + 1, address->remote.addr.bytes, 16);
	store_be16(key + 17, address->remote.port);
	store_be32(key + 19, address->stream);
}

int relay_sessions_init(struct relay_sessions *sessions, size_t max, struct relay_forward *forward)
{
	timer_heap_init(&sessions->expiry);
	sessions->forward = forward;
	sessions->by_key = map_new(STUN_KEY_SIZE, max);
	sessions->by_address = map_new(ADDRESS_KEY_SIZE, max);
	if (forward && sessions->by_key && sessions->by_address)
		return 0;
	relay_sessions_clear(sessions);
	return -ENOMEM;
}

static void free_session(struct relay_sessions *sessions, struct relay_session *session)
{
	relay_forward_remove(sessions->forward, session->source);
	while (session->channels) {
		struct relay_channel *channel = session->channels;

		session->channels = channel->next;
		free(channel);
	}
	map_free(session->by_peer);
	free(session->by_number);
	free(session);
}

void relay_sessions_clear(struct relay_sessions *sessions)
{
	struct relay_session *session;
	size_t cursor = 0;

	if (sessions->by_key) {
		while ((session = map_next(sessions->by_key, &cursor)))
			free_session(sessions, session);
	}
	map_free(sessions->by_key);
	map_free(sessions->by_address);
	timer_heap_clear(&sessions->expiry);
	relay_forward_free(sessions->forward);
	sessions->forward = NULL;
	sessions->by_key = NULL;
	sessions->by_address = NULL;
}

struct relay_session *relay_sessions_find(const struct relay_sessions *sessions,
					  const uint8_t node_key[static STUN_KEY_SIZE])
{
	return map_find(sessions->by_key, node_key);
}

struct relay_session *relay_sessions_find_address(const struct relay_sessions *sessions,
						  const struct relay_address *address)
{
	uint8_t key[ADDRESS_KEY_SIZE];

	address_key(key, address);
	return map_find(sessions->by_address, key);
}

struct relay_session *relay_sessions_add(struct relay_sessions *sessions,
					 const uint8_t node_key[static STUN_KEY_SIZE])
{
	struct relay_session *session = calloc(1, sizeof(*session));

	if (!session)
		return NULL;
	memcpy(session->node_key, node_key, STUN_KEY_SIZE);
	session->source = relay_source_new();
	if (!session->source)
		goto fail;
	if (timer_heap_set(&sessions->expiry, &session->timer, 0) < 0)
		goto fail;
	if (map_insert(sessions->by_key, node_key, session) < 0) {
		timer_heap_remove(&sessions->expiry, &session->timer);
		goto fail;
	}
	return session;

fail:
	relay_forward_remove(sessions->forward, session->source);
	free(session);
	return NULL;
}

void relay_sessions_set_absent(struct relay_sessions *sessions, struct relay_session *session)
{
	uint8_t key[ADDRESS_KEY_SIZE];

	if (!session->present)
		return;
	address_key(key, &session->address);
	map_remove(sessions->by_address, key);
	relay_forward_clear_place(sessions->forward, session->source);
	session->present = false;
}

void relay_sessions_remove(struct relay_sessions *sessions, struct relay_session *session)
{
	relay_sessions_set_absent(sessions, session);
	timer_heap_remove(&sessions->expiry, &session->timer);
	map_remove(sessions->by_key, session->node_key);
	free_session(sessions, session);
}

static bool same_address(const struct relay_address *a, const struct relay_address *b)
{
	return endpoint_equal(&a->remote, &b->remote) && a->stream == b->stream &&
	       a->socket == b->socket && a->masked == b->masked && addr_equal(&a->local, &b->local);
}

int relay_sessions_move(struct relay_sessions *sessions, struct relay_session *session,
			const struct relay_address *address)
{
	struct relay_session *there = relay_sessions_find_address(sessions, address);
	uint8_t key[ADDRESS_KEY_SIZE];

	if (there == session && same_address(&session->address, address))
		return 0;
	if (there && there != session)
		relay_sessions_set_absent(sessions, there);
	relay_sessions_set_absent(sessions, session);
	address_key(key, address);
	if (relay_forward_set_place(sessions->forward, session->source, address) < 0)
		return -ENOMEM;
	if (map_insert(sessions->by_address, key, session) < 0) {
		relay_forward_clear_place(sessions->forward, session->source);
		return -ENOMEM;
	}
	session->address = *address;
	session->present = true;
	return 0;
}

void relay_sessions_set_expiry(struct relay_sessions *sessions, struct relay_session *session,
			       uint64_t expires_ns)
{
	/* Queued since relay_sessions_add: cannot fail. */
	timer_heap_set(&sessions->expiry, &session->timer, expires_ns);
}

void relay_sessions_expire(struct relay_sessions *sessions, uint64_t now_ns)
{
	struct timer_node *node;

	while ((node = timer_heap_first(&sessions->expiry)) && node->deadline_ns <= now_ns)
		relay_sessions_remove(sessions, (struct relay_session *)node);
}

static struct relay_channel *by_number(const struct relay_session *session, uint16_t number)
{
	size_t slot = (size_t)number - RELAY_CHANNEL_MIN;

	return number >= RELAY_CHANNEL_MIN && slot < session->number_count
		       ? session->by_number[slot]
		       : NULL;
}

struct relay_channel *relay_session_channel(const struct relay_session *session, uint16_t number,
					    uint64_t now_ns)
{
	struct relay_channel *channel = by_number(session, number);

	return channel && channel->expires_ns > now_ns ? channel : NULL;
}

struct relay_channel *relay_session_channel_to(const struct relay_session *session,
					       const uint8_t peer[static STUN_KEY_SIZE],
					       uint64_t now_ns)
{
	struct relay_channel *channel = session->by_peer ? map_find(session->by_peer, peer) : NULL;

	return channel && channel->expires_ns > now_ns ? channel : NULL;
}

static void drop_channel(struct relay_sessions *sessions, struct relay_session *session,
			 struct relay_channel **at)
{
	struct relay_channel *channel = *at;

	relay_forward_unlink(sessions->forward, session->source, channel->number);
	*at = channel->next;
	map_remove(session->by_peer, channel->peer);
	session->by_number[channel->number - RELAY_CHANNEL_MIN] = NULL;
	session->channel_count--;
	free(channel);
}

/* Expired channels go once their number has rested. */
static void drop_rested(struct relay_sessions *sessions, struct relay_session *session,
			uint64_t now_ns)
{
	struct relay_channel **at = &session->channels;

	while (*at) {
		if ((*at)->expires_ns + RELAY_CHANNEL_REST_S * NS_PER_S <= now_ns)
			drop_channel(sessions, session, at);
		else
			at = &(*at)->next;
	}
}

static int make_room(struct relay_session *session, uint16_t number)
{
	size_t slots = (size_t)(RELAY_CHANNEL_MAX - RELAY_CHANNEL_MIN) + 1;
	size_t want = session->number_count ? session->number_count : 16;
	struct relay_channel **numbers;

	if (!session->by_peer)
		session->by_peer = map_new(STUN_KEY_SIZE, RELAY_CHANNELS_MAX);
	if (!session->by_peer)
		return -ENOMEM;
	while (want <= (size_t)number - RELAY_CHANNEL_MIN)
		want *= 2;
	if (want > slots)
		want = slots;
	if (want == session->number_count)
		return 0;
	numbers = realloc(session->by_number, want * sizeof(*numbers));
	if (!numbers)
		return -ENOMEM;
	memset(numbers + session->number_count, 0,
	       (want - session->number_count) * sizeof(*numbers));
	session->by_number = numbers;
	session->number_count = want;
	return 0;
}

static int add_channel(struct relay_session *session, uint16_t number,
		       const uint8_t peer[static STUN_KEY_SIZE], uint64_t now_ns)
{
	struct relay_channel *channel;
	int err;

	if (session->channel_count >= RELAY_CHANNELS_MAX)
		return -ENOSPC;
	err = make_room(session, number);
	if (err < 0)
		return err;
	channel = calloc(1, sizeof(*channel));
	if (!channel)
		return -ENOMEM;
	channel->number = number;
	memcpy(channel->peer, peer, STUN_KEY_SIZE);
	err = map_insert(session->by_peer, peer, channel);
	if (err < 0) {
		free(channel);
		return err;
	}
	channel->expires_ns = now_ns + RELAY_LIFETIME_S * NS_PER_S;
	channel->next = session->channels;
	session->channels = channel;
	session->channel_count++;
	session->by_number[number - RELAY_CHANNEL_MIN] = channel;
	return 0;
}

/*
 * Forwarders may have the pair once both have bound it, until either binding ends. Without memory
 * for that it stays here, where every packet is looked at.
 */
static void link_pair(struct relay_sessions *sessions, struct relay_session *session,
		      const struct relay_channel *channel, uint64_t now_ns)
{
	struct relay_session *peer = relay_sessions_find(sessions, channel->peer);
	struct relay_channel *back =
		peer ? relay_session_channel_to(peer, session->node_key, now_ns) : NULL;

	if (back)
		relay_forward_link(sessions->forward, session->source, channel->number,
				   peer->source, back->number,
				   channel->expires_ns < back->expires_ns ? channel->expires_ns
									  : back->expires_ns);
}

int relay_sessions_bind(struct relay_sessions *sessions, struct relay_session *session,
			uint16_t number, const uint8_t peer[static STUN_KEY_SIZE], uint64_t now_ns)
{
	struct relay_channel *channel;
	struct relay_channel *same_peer;
	int err;

	drop_rested(sessions, session, now_ns);
	channel = by_number(session, number);
	same_peer = session->by_peer ? map_find(session->by_peer, peer) : NULL;
	/* RFC 8656 section 12.1: one number, one peer, both ways. */
	if (channel != same_peer)
		return -EINVAL;
	if (!channel) {
		err = add_channel(session, number, peer, now_ns);
		if (err < 0)
			return err;
		channel = by_number(session, number);
	}
	channel->expires_ns = now_ns + RELAY_LIFETIME_S * NS_PER_S;
	link_pair(sessions, session, channel, now_ns);
	return 0;
}
