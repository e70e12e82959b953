#ifndef WARREN_PROTO_RELAY_SERVER_H
#define WARREN_PROTO_RELAY_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "crypto/rng.h"
#include "proto/relay_frame.h"
#include "proto/stun.h"

/*
 * A relay's whole mind: who is registered, which channel means which peer, what answer a message
 * gets and where data goes. No clock, no socket, and no queue: every input has at most one output
 * and one probe, and the owner drops what a receiver's queue has no room for.
 */
struct relay_forward;
struct relay_server;

#define RELAY_SECRETS_MAX         4    /* the current one first, then older ones being replaced */
#define RELAY_CHANNELS_MAX        1024 /* of one client */
#define RELAY_CHANNEL_REST_S      300  /* before a number means another peer, RFC 8656 section 12 */
#define RELAY_NONCE_LIFETIME_S    3600
#define RELAY_UNAUTHENTICATED_PPS 50 /* answers to strangers of one v4 address or v6 /64 */
#define RELAY_SOCKETS_MAX         4  /* two addresses by two ports, RFC 5780 */
#define RELAY_SECOND_SOCKET       1  /* the first address, the other port */
#define RELAY_ALIVE_S             30 /* since the last request; clients send one in 20 at most */
#define RELAY_PROBES_PER_S        2  /* of one client, after a burst of ten */

/* Where a client is. */
struct relay_address {
	struct endpoint remote;
	uint32_t stream; /* number of the owner's WebSocket; 0: UDP */
	bool masked;     /* UDP: STUN is masked both ways, see mask.h */
	uint8_t socket;  /* UDP: index of the own socket; bit 0 other port, bit 1 other address */
	struct ip_addr local; /* UDP: the own address it came to, to answer from; may be none */
};

struct relay_server_config {
	struct {
		const uint8_t *bytes; /* copied */
		size_t len;
	} secrets[RELAY_SECRETS_MAX];
	size_t secret_count;
	size_t sessions_max;         /* 0: 65536 */
	uint64_t rate_bytes_per_s;   /* of one sender; 0: 625 MB/s */
	uint64_t rate_packets_per_s; /* of one sender; 0: 500,000 */
	bool forwarders;             /* other threads read relay_server_forward */
	/*
	 * The own UDP addresses, for RESPONSE-ORIGIN and RFC 5780; family 0 where unspecified.
	 * OTHER-ADDRESS, CHANGE-REQUEST and RESPONSE-PORT work when all four are there, else the
	 * latter two are answered with 420.
	 */
	struct endpoint sockets[RELAY_SOCKETS_MAX];
	uint16_t second_port; /* of RELAY_SECOND_SOCKET, whatever its address; 0: there is none */
};

struct relay_output {
	struct relay_address to;
	const uint8_t *data; /* in the input's bytes or the buffer below */
	size_t len;
	struct {
		struct relay_address to;
		uint8_t data[RELAY_PROBE_SIZE];
	} probe;
	bool has_probe; /* it is to be sent too */
	uint8_t buffer[RELAY_MESSAGE_MAX + RELAY_DATA_OVERHEAD];
};

/*
 * All counters since the start but sessions. dropped_busy is its owner's: what forwarders had no
 * room to hand over.
 */
struct relay_stats {
	uint64_t sessions;
	uint64_t forwarded_packets;
	uint64_t forwarded_bytes;
	uint64_t bindings;       /* plain STUN answered */
	uint64_t probes;         /* sent from the second port */
	uint64_t refused;        /* requests answered with an error other than 401 and 438 */
	uint64_t dropped_rate;   /* above a sender's rate, or a stranger's */
	uint64_t dropped_absent; /* the receiver is not here */
	uint64_t dropped_malformed;
	uint64_t dropped_stranger; /* data from an address without a registration */
	uint64_t dropped_busy;
};

/* wall_s: seconds since 1970, against which credentials expire. rng is used now only. 0, -EINVAL
 * without a usable secret, -ENOMEM. */
int relay_server_new(struct relay_server **server, const struct relay_server_config *config,
		     const struct rng *rng, uint64_t now_ns, uint64_t wall_s);
/* Accepts NULL. */
void relay_server_free(struct relay_server *server);
/* To be told now and then, since the wall clock may be set. */
void relay_server_set_wall(struct relay_server *server, uint64_t now_ns, uint64_t wall_s);

/* One datagram or stream message; data may be changed. True when out is to be sent. */
bool relay_server_input(struct relay_server *server, uint8_t *data, size_t len,
			const struct relay_address *from, uint64_t now_ns,
			struct relay_output *out);
/* What forwarders read; it lives as long as the server does, and they end before. */
const struct relay_forward *relay_server_forward(const struct relay_server *server);
/* The WebSocket ended: its client is absent until it comes back some way. */
void relay_server_stream_closed(struct relay_server *server, const struct relay_address *address);

/* Whether a registered node is there. */
bool relay_server_registered(const struct relay_server *server,
			     const struct relay_address *address);
uint64_t relay_server_next_timeout(const struct relay_server *server);
/* Forgets registrations and channels that were not refreshed. */
void relay_server_expire(struct relay_server *server, uint64_t now_ns);
struct relay_stats relay_server_stats(const struct relay_server *server);

#endif
