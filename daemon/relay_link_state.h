#ifndef WARREN_DAEMON_RELAY_LINK_STATE_H
#define WARREN_DAEMON_RELAY_LINK_STATE_H

#include "crypto/rng.h"
#include "daemon/relay_link.h"
#include "io/loop.h"
#include "proto/relay_client.h"
#include "proto/turn_stream.h"

struct resolve;
struct ws_conn;

/*
 * What relay_link.c (addresses, registration) and relay_link_stream.c (the stream that stands in
 * for UDP) share; nobody else includes this.
 */

#define SERVERS_MAX 8

/* One stream's way back to its link; link is NULL once the link has moved on. */
struct stream {
	struct relay_link *link;
	bool open;
	bool heard;              /* something came by it */
	bool served;             /* we were registered by it */
	struct turn_stream turn; /* only a TURN server's */
};

struct relay_link {
	const struct relay_link_owner *owner;
	uint32_t id;
	struct netmap_relay info;
	struct rng rng;
	struct endpoint known[SERVERS_MAX]; /* every UDP address of its hosts */
	size_t known_count;
	struct endpoint servers[SERVERS_MAX]; /* those that this host has a way to */
	size_t server_count;
	size_t server;                                    /* the one that is asked now */
	struct resolve *resolves[NETMAP_RELAY_HOSTS_MAX]; /* of each host that is a name */

	bool has_credential;
	struct control_credential credential;
	bool wanted;
	struct relay_client *client;
	enum relay_transport transport;
	uint64_t udp_rtt_ns; /* 0: no answer the last time */

	struct ws_conn *conn;
	struct stream *stream;
	uint64_t udp_again_ns;         /* a TURN server: not by UDP before */
	bool stream_plain;             /* a TURN server's: TCP without TLS */
	struct endpoint alternate;     /* a TURN server to go on with; family 0: none */
	unsigned int refusal;          /* the code of the last answer, 0 once registered */
	size_t stream_host;            /* which of its hosts is dialled */
	unsigned int stream_failures;  /* since one opened, or the network changed */
	struct loop_timer timer;       /* the client's */
	struct loop_timer headstart;   /* of UDP over TLS */
	bool moving;                   /* the registration is not confirmed from the new address */
	uint8_t in[RELAY_MESSAGE_MAX]; /* not on the stack, where each packet would clear them */
	uint8_t out[RELAY_MESSAGE_MAX + 4]; /* and padding */
};

static inline uint64_t relay_link_now_ns(const struct relay_link *link)
{
	return loop_now_ns(link->owner->config->loop);
}

/* --- relay_link.c --- */

/* Does what the client wants done: events, messages, the next alarm. */
void relay_link_drain(struct relay_link *link);

/* --- relay_link_stream.c --- */

void relay_link_drop_stream(struct relay_link *link);
/* Registered, and not only before the network changed. */
bool relay_link_is_settled(const struct relay_link *link);
/* A stream is dialled then, unless UDP gets there first. */
void relay_link_start_headstart(struct relay_link *link, uint64_t delay_ms);
void relay_link_on_headstart(void *arg, uint64_t at_ns);

#endif
