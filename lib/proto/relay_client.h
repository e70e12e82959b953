#ifndef WARREN_PROTO_RELAY_CLIENT_H
#define WARREN_PROTO_RELAY_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "crypto/rng.h"
#include "proto/relay_frame.h"
#include "proto/stun.h"

/*
 * A node's end at one relay: registers under the node's key, keeps that alive, binds channels to
 * peers, measures, and notices when the relay is gone. The relay may also be a TURN server (RFC
 * 8656): then the registration is an allocation there, a peer is found at the address of its own
 * allocation, which relay_client_set_peer_address tells, and permissions are kept beside channels.
 * No clock, no socket. After every call that takes now_ns the owner drains relay_client_poll_event,
 * then relay_client_poll_output.
 *
 * States: connecting → registered → (lost → connecting …). A lost relay is tried again by itself,
 * with growing pauses; channels come back without new calls.
 */
struct relay_client;

#define RELAY_CLIENT_PEERS_MAX 1024

enum relay_transport {
	RELAY_UDP,    /* retransmits, and keeps a NAT's mapping alive */
	RELAY_STREAM, /* WebSocket messages: delivered once or the stream breaks */
};

struct relay_client_config {
	uint8_t node_key[STUN_KEY_SIZE];
	const char *username; /* copied, both */
	const char *password;
	enum relay_transport transport;
	bool turn; /* the relay is a TURN server */
};

enum relay_event_type {
	RELAY_EVENT_REGISTERED, /* mapped is set; also after a move */
	/* Was registered and answers no more. A stream is best closed then and made anew. */
	RELAY_EVENT_LOST,
	RELAY_EVENT_REFUSED, /* error: the relay does not want us (441: bad or old credentials) */
	RELAY_EVENT_MAPPED,  /* mapped: our address as the relay sees it, when it changed */
	RELAY_EVENT_CHANNEL, /* peer, channel: ChannelData may be sent with it from now on */
	RELAY_EVENT_CHANNEL_LOST, /* peer: bound no more, back to relay_client_send */
	RELAY_EVENT_DATA,         /* peer, data, len: valid until the next call on this client */
	RELAY_EVENT_ALTERNATE,    /* mapped: the server to go on with, told by relay_client_moved */
	RELAY_EVENT_PEER_ABSENT,  /* peer is not at this relay; it is asked for again by itself */
};

struct relay_event {
	enum relay_event_type type;
	uint8_t peer[STUN_KEY_SIZE];
	uint16_t channel;
	unsigned int error;
	struct endpoint mapped;
	const uint8_t *data;
	size_t len;
};

/* NULL when out of memory. rng is borrowed. Registration begins with the first poll_output. */
struct relay_client *relay_client_new(const struct relay_client_config *config,
				      const struct rng *rng, uint64_t now_ns);
/* Accepts NULL. Says nothing to the relay; see relay_client_leave. */
void relay_client_free(struct relay_client *client);

/*
 * Newer credentials, used from the next refresh on. A TURN server ties an allocation to a user
 * name, so there they wait for the next allocation, which is made anew after CREDENTIALS_KEEP_NS. 0
 * or -EINVAL when too long.
 */
int relay_client_set_credentials(struct relay_client *client, const char *username,
				 const char *password);
/*
 * Our address may have changed, or the stream is a new one: refreshes from there at once. Channels
 * stay, and data may be sent meanwhile. A stream that broke is told by relay_client_disconnected.
 */
void relay_client_moved(struct relay_client *client, enum relay_transport transport,
			uint64_t now_ns);
void relay_client_disconnected(struct relay_client *client, uint64_t now_ns);
/* Queues a last Refresh with lifetime 0, so that peers are told we left. */
void relay_client_leave(struct relay_client *client, uint64_t now_ns);

/*
 * One datagram or stream message that came from the relay. 0, -EBADMSG, or -ENOENT when it is a
 * STUN message or channel that this client knows nothing of. Data comes as an event.
 */
int relay_client_input(struct relay_client *client, const uint8_t *data, size_t len,
		       uint64_t now_ns);
/* The peer whose channel this is; for packets that workers took before this core saw them. */
bool relay_client_channel_peer(const struct relay_client *client, uint16_t channel,
			       uint8_t peer[static STUN_KEY_SIZE]);

/*
 * Wants a channel to peer. Its number is fixed at once and stays, but may be used only after
 * RELAY_EVENT_CHANNEL. Again for the same peer: no-op. 0 or -ENOSPC.
 */
int relay_client_bind(struct relay_client *client, const uint8_t peer[static STUN_KEY_SIZE],
		      uint64_t now_ns);
/*
 * Where the peer's allocation at this TURN server is; a channel to it is wanted from now on.
 * Another address gets another channel number. 0, -ENOSPC, or -EAGAIN for a peer that moves too
 * often.
 */
int relay_client_set_peer_address(struct relay_client *client,
				  const uint8_t peer[static STUN_KEY_SIZE],
				  const struct endpoint *relayed, uint64_t now_ns);
/* Registered, and at a TURN server the peer's address there is known. */
bool relay_client_reaches(const struct relay_client *client,
			  const uint8_t peer[static STUN_KEY_SIZE]);
/* Lets the channel expire at the relay; its number is not given to another peer for a while. */
void relay_client_unbind(struct relay_client *client, const uint8_t peer[static STUN_KEY_SIZE]);
/* 0 unless bound now. */
uint16_t relay_client_channel(const struct relay_client *client,
			      const uint8_t peer[static STUN_KEY_SIZE]);
/*
 * Queues data for peer, as ChannelData when bound, else as a Send indication (a copy; bounded: the
 * oldest goes first). 0, -EMSGSIZE, -ENOTCONN when not registered, -ENOMEM.
 */
int relay_client_send(struct relay_client *client, const uint8_t peer[static STUN_KEY_SIZE],
		      const uint8_t *data, size_t len, uint64_t now_ns);
/*
 * Workers sent packets by this relay and nothing came back from those peers since: asks the relay
 * for a sign of life, unless there was one just now. Lost follows within a second when there is
 * none.
 */
void relay_client_unanswered(struct relay_client *client, uint64_t now_ns);

bool relay_client_registered(const struct relay_client *client);
/* Smoothed round trip to the relay, 0 while unknown. */
uint64_t relay_client_rtt_ns(const struct relay_client *client);
/* Another UDP port of the relay that answers Binding requests; 0: unknown, or it has none. */
uint16_t relay_client_second_port(const struct relay_client *client);
/* Our allocation at a TURN server; family 0 while there is none. */
struct endpoint relay_client_relayed(const struct relay_client *client);
/* family 0 while unknown. */
struct endpoint relay_client_mapped(const struct relay_client *client);

uint64_t relay_client_next_timeout(const struct relay_client *client);
void relay_client_expire(struct relay_client *client, uint64_t now_ns);
/* Writes the next message to send to buf; 0 when there is none. cap ≥ RELAY_MESSAGE_MAX. */
size_t relay_client_poll_output(struct relay_client *client, uint8_t *buf, size_t cap);
bool relay_client_poll_event(struct relay_client *client, struct relay_event *event);

#endif
