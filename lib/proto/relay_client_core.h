#ifndef WARREN_PROTO_RELAY_CLIENT_CORE_H
#define WARREN_PROTO_RELAY_CLIENT_CORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/relay_client.h"
#include "proto/turn_credential.h"

/* What the files of the relay client share. Internal to them. */

struct map;
struct frame;

/* A request that is repeated until answered. */
struct relay_request {
	bool active;
	bool due; /* poll_output is to (re)send it */
	bool signed_;
	uint8_t transaction[STUN_TRANSACTION_SIZE];
	unsigned int sent;
	unsigned int challenges; /* 401 and 438 in a row */
	uint64_t sent_ns;
	uint64_t next_ns; /* when it counts as unanswered; CLOCK_NEVER until sent */
	uint64_t wait_ns; /* of this try */
};

struct relay_peer {
	uint8_t key[STUN_KEY_SIZE];
	uint16_t number;
	bool wanted;
	bool bound;
	bool absent;
	bool has_news; /* only the latest: it supersedes what came before */
	enum relay_event_type news;
	unsigned int absences;
	uint64_t again_ns; /* next request: refresh, or retry for an absent peer */
	uint64_t rest_ns;  /* once unwanted: the number is free from here on */
	struct relay_request bind;
};

enum relay_state {
	RELAY_CONNECTING, /* an Allocate is under way, or due at again_ns */
	RELAY_REGISTERED,
	RELAY_LEFT,
};

enum relay_news {
	RELAY_NEWS_LOST = 1 << 0,
	RELAY_NEWS_REFUSED = 1 << 1,
	RELAY_NEWS_REGISTERED = 1 << 2,
	RELAY_NEWS_MAPPED = 1 << 3,
};

struct relay_client {
	const struct rng *rng;
	uint8_t node_key[STUN_KEY_SIZE];
	char username[STUN_USERNAME_MAX + 1];
	char password[128];
	enum relay_transport transport;
	enum relay_state state;
	bool detached; /* the stream broke: nothing can be sent */
	bool fast_probe;
	bool announce; /* the next registration is news to the owner, not a mere refresh */
	uint64_t now_ns;

	char realm[64];
	char nonce[128]; /* empty: none yet */
	uint8_t key[STUN_LONG_KEY_SIZE];

	struct relay_request registration; /* Allocate, or Refresh once registered */
	struct relay_request probe;        /* Refresh, to see whether the relay lives */
	uint64_t again_ns;                 /* next registration */
	uint64_t keepalive_ns;
	uint64_t heard_ns; /* anything from the relay */
	uint64_t refused_wait_ns;
	uint64_t rtt_ns;
	struct endpoint mapped;
	uint16_t second_port;

	unsigned int news;
	unsigned int error;
	struct map *by_key;
	struct relay_peer *peers[RELAY_CLIENT_PEERS_MAX]; /* by number; some NULL */
	size_t peer_count;                                /* slots in use, with gaps */
	size_t peer_news;

	const uint8_t *data;
	size_t data_len;
	uint8_t data_peer[STUN_KEY_SIZE];
	struct frame *queue;
	struct frame **queue_tail;
	size_t queue_len;
};

/* relay_client_request.c */
size_t relay_client_poll_request(struct relay_client *client, uint8_t *buf, size_t cap);
int relay_client_response(struct relay_client *client, const struct stun_message *msg);
/* A sign of life. */
void relay_client_heard(struct relay_client *client);
void relay_client_request_start(struct relay_client *client, struct relay_request *request,
				bool sign);
void relay_client_lost(struct relay_client *client);

/* relay_client_peer.c */
/* The request of that transaction, or NULL. */
struct relay_peer *relay_client_peer_of(struct relay_client *client,
					const uint8_t transaction[static STUN_TRANSACTION_SIZE]);
void relay_client_peer_bound(struct relay_client *client, struct relay_peer *peer);
void relay_client_peer_absent(struct relay_client *client, struct relay_peer *peer);
void relay_client_peer_present(struct relay_client *client, struct relay_peer *peer);
void relay_client_peer_refused(struct relay_client *client, struct relay_peer *peer);
/* After (re)registration: every wanted peer is asked for. */
void relay_client_peers_restart(struct relay_client *client);
/* After a loss: nothing is bound any more. */
void relay_client_peers_unbind(struct relay_client *client);
uint64_t relay_client_peers_next(const struct relay_client *client);
void relay_client_peers_expire(struct relay_client *client);

#endif
