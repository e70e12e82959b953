#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/map.h"
#include "proto/relay_client_core.h"

/* For a peer that is not there yet: it may be on its way to this relay just now. */
#define ABSENT_FIRST_NS (200 * NS_PER_MS)
#define ABSENT_MAX_NS   (15 * NS_PER_S)
/* Half of its lifetime leaves room for lost refreshes. */
#define CHANNEL_REFRESH_NS (RELAY_LIFETIME_S / 2 * NS_PER_S)
/* The server's channel must have expired and rested (RFC 8656 section 12). */
/* A permission holds that long; a channel renews its own (RFC 8656 sections 9 and 12). */
#define TURN_CHANNEL_REFRESH_NS (240 * NS_PER_S)
#define CHANNEL_REST_NS         ((RELAY_LIFETIME_S + 300 + 10) * NS_PER_S)

static void tell(struct relay_client *client, struct relay_peer *peer, enum relay_event_type news)
{
	if (!peer->has_news)
		client->peer_news++;
	peer->has_news = true;
	peer->news = news;
}

static void free_peer(struct relay_client *client, struct relay_peer *peer)
{
	if (peer->has_news)
		client->peer_news--;
	if (!peer->retired)
		map_remove(client->by_key, peer->key);
	client->peers[peer->number - RELAY_CHANNEL_MIN] = NULL;
	while (client->peer_count && !client->peers[client->peer_count - 1])
		client->peer_count--;
	free(peer);
}

static void start_bind(struct relay_client *client, struct relay_peer *peer)
{
	peer->again_ns = CLOCK_NEVER;
	if (client->state == RELAY_REGISTERED &&
	    (!client->turn || peer->address.addr.family != AF_UNSPEC))
		relay_client_request_start(client, &peer->bind, true);
}

/* Of a peer whose address at a TURN server is known, that is kept: it may soon be wanted again. */
static bool is_kept(const struct relay_client *client, const struct relay_peer *peer)
{
	return client->turn && !peer->retired && peer->address.addr.family != AF_UNSPEC;
}

/* Makes room where nothing but an address was kept. */
static void drop_kept(struct relay_client *client)
{
	for (size_t i = 0; i < client->peer_count; i++) {
		struct relay_peer *peer = client->peers[i];

		if (peer && !peer->wanted && is_kept(client, peer) &&
		    (!peer->rest_ns || peer->rest_ns == CLOCK_NEVER)) {
			free_peer(client, peer);
			return;
		}
	}
}

static struct relay_peer *add_peer(struct relay_client *client,
				   const uint8_t key[static STUN_KEY_SIZE])
{
	struct relay_peer *peer;
	size_t slot = 0;

	if (client->peer_count == RELAY_CLIENT_PEERS_MAX)
		drop_kept(client);
	while (slot < client->peer_count && client->peers[slot])
		slot++;
	if (slot == RELAY_CLIENT_PEERS_MAX)
		return NULL;
	peer = calloc(1, sizeof(*peer));
	if (!peer)
		return NULL;
	memcpy(peer->key, key, STUN_KEY_SIZE);
	peer->number = (uint16_t)(RELAY_CHANNEL_MIN + slot);
	if (map_insert(client->by_key, key, peer) < 0) {
		free(peer);
		return NULL;
	}
	client->peers[slot] = peer;
	if (slot == client->peer_count)
		client->peer_count++;
	return peer;
}

int relay_client_bind(struct relay_client *client, const uint8_t key[static STUN_KEY_SIZE],
		      uint64_t now_ns)
{
	struct relay_peer *peer = map_find(client->by_key, key);

	client->now_ns = now_ns;
	if (peer && peer->wanted)
		return 0;
	if (!peer)
		peer = add_peer(client, key);
	if (!peer)
		return -ENOSPC;
	peer->wanted = true;
	peer->absent = false;
	peer->absences = 0;
	start_bind(client, peer);
	return 0;
}

void relay_client_unbind(struct relay_client *client, const uint8_t key[static STUN_KEY_SIZE])
{
	struct relay_peer *peer = map_find(client->by_key, key);

	if (!peer || !peer->wanted)
		return;
	peer->wanted = false;
	peer->bound = false;
	peer->bind.active = false;
	peer->again_ns = CLOCK_NEVER;
	if (!peer->rest_ns && is_kept(client, peer))
		peer->rest_ns = CLOCK_NEVER;
	else if (!peer->rest_ns)
		free_peer(client, peer);
}

/* Whoever moves so often is to wait until numbers are free again: there are not many for all. */
static bool has_moved_too_often(const struct relay_client *client,
				const uint8_t key[static STUN_KEY_SIZE])
{
	size_t retired = 0;

	for (size_t i = 0; i < client->peer_count; i++) {
		const struct relay_peer *peer = client->peers[i];

		retired += peer && peer->retired && memcmp(peer->key, key, STUN_KEY_SIZE) == 0;
	}
	return retired >= RELAY_MOVES_MAX;
}

/* The number stays the peer's until the channel is over at the server; a new address needs another.
 */
static void retire(struct relay_client *client, struct relay_peer *peer)
{
	if (!peer->rest_ns || peer->rest_ns == CLOCK_NEVER) {
		free_peer(client, peer);
		return;
	}
	if (peer->has_news)
		client->peer_news--;
	peer->has_news = false;
	map_remove(client->by_key, peer->key);
	peer->retired = true;
	peer->wanted = false;
	peer->bound = false;
	peer->bind.active = false;
	peer->again_ns = CLOCK_NEVER;
}

int relay_client_set_peer_address(struct relay_client *client,
				  const uint8_t key[static STUN_KEY_SIZE],
				  const struct endpoint *relayed, uint64_t now_ns)
{
	struct relay_peer *peer = map_find(client->by_key, key);
	bool moved = peer && peer->address.addr.family != AF_UNSPEC &&
		     !endpoint_equal(&peer->address, relayed);
	bool was_bound = moved && peer->bound;

	client->now_ns = now_ns;
	if (moved && has_moved_too_often(client, key))
		return -EAGAIN;
	if (moved) {
		retire(client, peer);
		peer = NULL;
	}
	if (!peer)
		peer = add_peer(client, key);
	if (!peer)
		return -ENOSPC;
	if (was_bound)
		tell(client, peer, RELAY_EVENT_CHANNEL_LOST);
	if (peer->wanted && peer->address.addr.family != AF_UNSPEC && !peer->absent)
		return 0;
	peer->address = *relayed;
	peer->wanted = true;
	peer->absent = false;
	peer->absences = 0;
	if (client->state == RELAY_REGISTERED)
		relay_client_turn_permit(client, &relayed->addr);
	start_bind(client, peer);
	return 0;
}

bool relay_client_reaches(const struct relay_client *client,
			  const uint8_t key[static STUN_KEY_SIZE])
{
	const struct relay_peer *peer;

	if (client->state != RELAY_REGISTERED || !client->turn)
		return client->state == RELAY_REGISTERED;
	peer = map_find(client->by_key, key);
	return peer && peer->address.addr.family != AF_UNSPEC && !peer->absent;
}

struct relay_peer *relay_client_peer_at(struct relay_client *client, const struct endpoint *address)
{
	for (size_t i = 0; i < client->peer_count; i++) {
		struct relay_peer *peer = client->peers[i];

		if (peer && endpoint_equal(&peer->address, address))
			return peer;
	}
	return NULL;
}

void relay_client_add_peer(const struct relay_client *client, const struct relay_peer *peer,
			   struct stun_builder *b)
{
	if (client->turn)
		stun_add_endpoint(b, STUN_ATTR_XOR_PEER_ADDRESS, &peer->address);
	else
		stun_add(b, STUN_ATTR_NODE_KEY, peer->key, STUN_KEY_SIZE);
}

uint16_t relay_client_channel(const struct relay_client *client,
			      const uint8_t key[static STUN_KEY_SIZE])
{
	const struct relay_peer *peer = map_find(client->by_key, key);

	return peer && peer->bound ? peer->number : 0;
}

bool relay_client_channel_peer(const struct relay_client *client, uint16_t channel,
			       uint8_t key[static STUN_KEY_SIZE])
{
	size_t slot = (size_t)channel - RELAY_CHANNEL_MIN;

	if (channel < RELAY_CHANNEL_MIN || slot >= client->peer_count || !client->peers[slot])
		return false;
	memcpy(key, client->peers[slot]->key, STUN_KEY_SIZE);
	return true;
}

struct relay_peer *relay_client_peer_of(struct relay_client *client,
					const uint8_t transaction[static STUN_TRANSACTION_SIZE])
{
	for (size_t i = 0; i < client->peer_count; i++) {
		struct relay_peer *peer = client->peers[i];

		if (peer && peer->bind.active &&
		    memcmp(peer->bind.transaction, transaction, STUN_TRANSACTION_SIZE) == 0)
			return peer;
	}
	return NULL;
}

void relay_client_peer_bound(struct relay_client *client, struct relay_peer *peer)
{
	peer->bind.active = false;
	peer->again_ns =
		client->now_ns + (client->turn ? TURN_CHANNEL_REFRESH_NS : CHANNEL_REFRESH_NS);
	peer->rest_ns = client->now_ns + CHANNEL_REST_NS;
	peer->absent = false;
	peer->absences = 0;
	if (!peer->bound)
		tell(client, peer, RELAY_EVENT_CHANNEL);
	peer->bound = true;
}

void relay_client_peer_absent(struct relay_client *client, struct relay_peer *peer)
{
	uint64_t wait_ns = ABSENT_FIRST_NS << (peer->absences < 7 ? peer->absences : 7);

	if (!peer->wanted)
		return;
	peer->bind.active = false;
	if (!peer->absent)
		tell(client, peer, RELAY_EVENT_PEER_ABSENT);
	else if (peer->again_ns != CLOCK_NEVER)
		return; /* a retry is due already */
	peer->absent = true;
	peer->bound = false;
	peer->absences++;
	peer->again_ns = client->now_ns + (wait_ns < ABSENT_MAX_NS ? wait_ns : ABSENT_MAX_NS);
}

void relay_client_peer_present(struct relay_client *client, struct relay_peer *peer)
{
	peer->absences = 0;
	if (peer->wanted && peer->absent && !peer->bind.active)
		start_bind(client, peer);
}

void relay_client_peer_refused(struct relay_client *client, struct relay_peer *peer)
{
	peer->bind.active = false;
	if (peer->bound)
		tell(client, peer, RELAY_EVENT_CHANNEL_LOST);
	peer->bound = false;
	peer->again_ns = client->now_ns + ABSENT_MAX_NS;
}

void relay_client_peers_restart(struct relay_client *client)
{
	for (size_t i = 0; i < client->peer_count; i++) {
		struct relay_peer *peer = client->peers[i];

		if (!peer || !peer->wanted || peer->bound)
			continue;
		if (client->turn && peer->address.addr.family != AF_UNSPEC)
			relay_client_turn_permit(client, &peer->address.addr);
		start_bind(client, peer);
	}
}

void relay_client_peers_unbind(struct relay_client *client)
{
	for (size_t i = 0; i < client->peer_count; i++) {
		struct relay_peer *peer = client->peers[i];

		if (!peer)
			continue;
		if (peer->bound)
			tell(client, peer, RELAY_EVENT_CHANNEL_LOST);
		peer->bound = false;
		peer->bind.active = false;
		peer->again_ns = CLOCK_NEVER;
	}
}

uint64_t relay_client_peers_next(const struct relay_client *client)
{
	uint64_t next_ns = CLOCK_NEVER;

	for (size_t i = 0; i < client->peer_count; i++) {
		const struct relay_peer *peer = client->peers[i];
		uint64_t at_ns;

		if (!peer)
			continue;
		if (!peer->wanted)
			at_ns = peer->rest_ns;
		else
			at_ns = peer->bind.active ? peer->bind.next_ns : peer->again_ns;
		if (at_ns < next_ns)
			next_ns = at_ns;
	}
	return next_ns;
}

void relay_client_peers_expire(struct relay_client *client)
{
	for (size_t i = 0; i < client->peer_count; i++) {
		struct relay_peer *peer = client->peers[i];

		if (!peer)
			continue;
		if (!peer->wanted) {
			if (peer->rest_ns > client->now_ns)
				continue;
			if (is_kept(client, peer))
				peer->rest_ns = CLOCK_NEVER;
			else
				free_peer(client, peer);
		} else if (peer->bind.active) {
			if (peer->bind.next_ns <= client->now_ns) {
				peer->bind.next_ns = CLOCK_NEVER;
				peer->bind.due = true;
			}
		} else if (peer->again_ns <= client->now_ns) {
			start_bind(client, peer);
		}
	}
}
