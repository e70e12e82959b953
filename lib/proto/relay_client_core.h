#ifndef WARREN_PROTO_RELAY_CLIENT_CORE_H
#define WARREN_PROTO_RELAY_CLIENT_CORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/mapping_lifetime.h"
#include "proto/relay_client.h"
#include "proto/turn_credential.h"

/* What the files of the relay client share. Internal to them. */

struct map;
struct frame;

#define RELAY_PERMISSIONS_MAX 16 /* addresses; a channel brings its own permission */
#define RELAY_MOVES_MAX       16 /* of one peer, while their channels last */
/* A TURN server's credentials of a day are changed for newer ones after this time. */
#define CREDENTIALS_KEEP_NS  (6 * 3600 * NS_PER_S)
#define RELAY_ALTERNATES_MAX 3 /* 300 in a row (RFC 8489 section 10) */

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
	/* At a TURN server. */
	struct endpoint address; /* family 0: not known yet */
	bool retired;            /* had this address before; only the number still means the peer */
};

/* Whose packets a TURN server lets in (RFC 8656 section 9). */
struct relay_permission {
	struct ip_addr addr;
	uint64_t again_ns;
	struct relay_request request;
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
	RELAY_NEWS_ALTERNATE = 1 << 4,
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
	bool turn;     /* a TURN server */
	bool announce; /* the next registration is news to the owner, not a mere refresh */
	uint64_t now_ns;
	uint32_t instance; /* tells this run from a copy of the machine; 0: none yet */

	char realm[128];
	char nonce[128]; /* empty: none yet */
	char pass[64];   /* the nonce for a first request from another address; empty: none */
	uint8_t key[STUN_LONG_KEY_SIZE];

	struct relay_request registration; /* Allocate, or Refresh once registered */
	struct relay_request probe;        /* Refresh, to see whether the relay lives */
	uint64_t again_ns;                 /* next registration */
	uint64_t keepalive_ns;
	uint64_t heard_ns;                /* anything from the relay */
	struct mapping_lifetime lifetime; /* of the mapping towards it, for keepalives */
	uint64_t silence_ns;              /* that the last keepalive ended */
	uint64_t refused_wait_ns;
	uint64_t rtt_ns;
	struct endpoint mapped;
	uint16_t second_port;

	/* At a TURN server. */
	struct endpoint relayed;
	struct endpoint alternate;
	unsigned int alternates; /* in a row */
	int relayed_family;      /* asked for; 0: the server's default, IPv4 */
	bool clearing;           /* what is left of an allocation is ended first */
	unsigned int clears;     /* in a row */
	bool has_next;           /* credentials for the next allocation */
	char next_username[STUN_USERNAME_MAX + 1];
	char next_password[128];
	uint64_t credentials_ns; /* when the present ones were first used */
	struct relay_permission permissions[RELAY_PERMISSIONS_MAX];
	size_t permission_count;

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
/* Not registered any more, which is told; nothing is asked for yet. */
void relay_client_leave_behind(struct relay_client *client);
void relay_client_lost(struct relay_client *client);
/* Allocate or Refresh, whatever is due; with credentials that waited for this. */
void relay_client_register(struct relay_client *client);
/* Registered, by an authentic answer. 0. */
int relay_client_registration_done(struct relay_client *client, const struct stun_message *msg);
/* How the relay names the peer. */
void relay_client_add_peer(const struct relay_client *client, const struct relay_peer *peer,
			   struct stun_builder *b);
/* The relay does not want us: tells, and tries again after a pause that grows. */
void relay_client_refused(struct relay_client *client, unsigned int code);
void relay_client_add_credentials(struct relay_client *client, const struct relay_request *request,
				  struct stun_builder *b);
size_t relay_client_finish(struct relay_client *client, struct relay_request *request,
			   struct stun_builder *b);
/* 401 and 438: takes the nonce and asks again. False when that was tried often enough. */
bool relay_client_take_challenge(struct relay_client *client, struct relay_request *request,
				 const struct stun_message *msg, unsigned int code);
/* Is it the answer to this request? And one that only the relay can have made? */
bool relay_client_answers(const struct relay_request *request, const struct stun_message *msg);
bool relay_client_authentic(const struct relay_client *client, const struct relay_request *request,
			    const struct stun_message *msg);
int relay_client_use_credentials(struct relay_client *client, const char *username,
				 const char *password);

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
/* The peer whose allocation has this address, or NULL. */
struct relay_peer *relay_client_peer_at(struct relay_client *client,
					const struct endpoint *address);

/* relay_client_turn.c: only at TURN servers */
void relay_client_turn_add_allocate(const struct relay_client *client, struct stun_builder *b);
/* The answers while there is no allocation. Of an error: true when it was dealt with. */
int relay_client_turn_success(struct relay_client *client, const struct stun_message *msg);
bool relay_client_turn_error(struct relay_client *client, unsigned int code);
int relay_client_turn_alternate(struct relay_client *client, const struct stun_message *msg);
/* The allocation is no more. */
void relay_client_turn_lost(struct relay_client *client);
/* Ends the allocation, to have one with newer credentials. True when that begins now. */
bool relay_client_turn_renew(struct relay_client *client);
/* Credentials that came while the allocation holds on to older ones. 0 or -EINVAL. */
int relay_client_turn_set_credentials(struct relay_client *client, const char *username,
				      const char *password);
void relay_client_turn_next_credentials(struct relay_client *client);
/* Lets packets from that address in. */
void relay_client_turn_permit(struct relay_client *client, const struct ip_addr *addr);
size_t relay_client_turn_poll(struct relay_client *client, uint8_t *buf, size_t cap);
/* -ENOENT when it answers no permission. */
int relay_client_turn_response(struct relay_client *client, const struct stun_message *msg);
uint64_t relay_client_turn_next(const struct relay_client *client);
void relay_client_turn_expire(struct relay_client *client);

#endif
