#ifndef WARREN_DAEMON_RELAYS_H
#define WARREN_DAEMON_RELAYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "daemon/dataplane.h"

struct control_credential;
struct http_proxy;
struct identity;
struct loop;
struct netmap_relay;
struct ws_client;

/*
 * The relays of the network and this node's registrations at them: UDP first, TLS when UDP does not
 * answer within RELAY_TLS_HEADSTART_MS; the nearest is home, others are joined when a peer lives
 * there. A relay is named by a number that stays the same while its name does.
 */
struct relays;

#define RELAY_TLS_HEADSTART_MS   300
#define RELAY_MEASURE_INTERVAL_S 60 /* latency of relays we are not registered at */
#define RELAY_UDP_RETRY_S        5  /* the same while nothing comes back over UDP */
#define RELAY_ROUTES_MAX         65536

struct relays_ops {
	/* Registered, or again by another transport: routes through it are to be asked for anew. */
	void (*up)(void *arg, uint32_t relay);
	void (*down)(void *arg, uint32_t relay);
	/* The route to this peer got better: a channel is bound. */
	void (*channel)(void *arg, uint32_t relay, const uint8_t node_key[static 32]);
	/* The relay does not know this peer. */
	void (*absent)(void *arg, uint32_t relay, const uint8_t node_key[static 32]);
	/* It does not want us; code of its answer. */
	void (*refused)(void *arg, uint32_t relay, unsigned int code);
	/* What a peer sent through the relay's messages (not by a bound UDP channel). */
	void (*data)(void *arg, uint32_t relay, const uint8_t node_key[static 32],
		     const uint8_t *data, size_t len);
	/* What the relay at server sees of base. */
	void (*mapped)(void *arg, const struct endpoint *mapped, const struct endpoint *base,
		       const struct ip_addr *server);
	/* The same of any port that was measured; only for learning what the NAT does. */
	void (*seen)(void *arg, const struct endpoint *mapped, const struct endpoint *base,
		     const struct endpoint *server);
	/* Another relay is home now (or none: 0). */
	void (*home)(void *arg, uint32_t relay);
};

struct relays_config {
	struct loop *loop;
	struct dataplane *dp;
	struct ws_client *ws;
	const struct http_proxy *http_proxy; /* borrowed */
	struct identity *const *identity; /* whose device key registers; NULL before the first up */
};

/* 0 or -ENOMEM. */
int relays_new(struct relays **relays, const struct relays_config *config,
	       const struct relays_ops *ops, void *arg);
/* Accepts NULL. */
void relays_free(struct relays *relays);

/* The map's list; unknown names are added, missing ones dropped. 0 or -ENOMEM. */
int relays_set_list(struct relays *relays, const struct netmap_relay *list, size_t count);
void relays_set_credential(struct relays *relays, const struct control_credential *credential);
/* The network changed: register and measure anew at once. */
void relays_network_changed(struct relays *relays);

/* 0 when no relay has that name. */
uint32_t relays_find(const struct relays *relays, const char *name);
const char *relays_name(const struct relays *relays, uint32_t relay);
uint32_t relays_home(const struct relays *relays);
bool relays_is_up(const struct relays *relays, uint32_t relay);
/* "udp", "tls", of a TURN server also "tcp", or NULL when not registered. */
const char *relays_transport(const struct relays *relays, uint32_t relay);
/* 0 when not measured. */
uint64_t relays_rtt_ns(const struct relays *relays, uint32_t relay);
/* STUN gets through here only when it is masked, see proto/mask.h. */
bool relays_masked(const struct relays *relays);
/* No relay answers by UDP although one does by TLS. */
bool relays_udp_blocked(const struct relays *relays);
/* Walks all: start with *cursor = 0; 0 at the end. */
uint32_t relays_next(const struct relays *relays, size_t *cursor);
/* The numeric address of its STUN server in that family (AF_INET, AF_INET6), or false. */
bool relays_stun_server(const struct relays *relays, uint32_t relay, int family,
			struct endpoint *server);

/* Another UDP port of the relay's addresses that answers Binding requests; 0: unknown, or none. */
uint16_t relays_second_port(const struct relays *relays, uint32_t relay);

/* What a probe by a relay (proto/relay_probe.h) takes. */
struct relays_prober {
	struct endpoint server; /* to be asked from the shared port */
	const char *username;   /* borrowed, both */
	const char *password;
};
/* A relay that can probe an address of that family, home first. False when there is none now. */
bool relays_find_prober(const struct relays *relays, int family, struct relays_prober *prober);
/* The addresses of all relays' servers, with or without a way there; at most max. */
size_t relays_addresses(const struct relays *relays, struct ip_addr *out, size_t max);

/* Registers there and stays, until not wanted for as long as peers last used it. */
void relays_want(struct relays *relays, uint32_t relay);

/*
 * How to send to a peer through a relay: by its UDP channel once one is bound, else through
 * relays_output. Binds a channel as a side effect. 0, -ENOTCONN when not registered, -ENOSPC.
 */
int relays_path(struct relays *relays, uint32_t relay, const uint8_t node_key[static 32],
		struct dp_path *path);
/* The relay that a stream leads to; 0: none. */
uint32_t relays_stream_relay(const struct relays *relays, uint32_t stream);
/* What dp_ops.stream_output is given. */
void relays_output(struct relays *relays, uint32_t stream, const uint8_t *data, size_t len);
/*
 * At a TURN server peers are reached at the address of their own allocation, which they tell
 * (daemon/relayed.h); others know them by node key.
 */
bool relays_is_turn(const struct relays *relays, uint32_t relay);
/* Registered there, and the way to this peer is known. */
bool relays_reaches(const struct relays *relays, uint32_t relay, const uint8_t node_key[static 32]);
/* Where our own allocation is; false while there is none. */
bool relays_relayed(const struct relays *relays, uint32_t relay, struct endpoint *relayed);
/* 0 or -errno when that cannot be used now. */
int relays_set_peer_address(struct relays *relays, uint32_t relay,
			    const uint8_t node_key[static 32], const struct endpoint *relayed);
/* Its channels there are not kept up until it is sent to again. */
void relays_release_peer(struct relays *relays, const uint8_t node_key[static 32]);
/* A relay that does not want us and why; 0: none. */
uint32_t relays_refused(const struct relays *relays, unsigned int *code);
/* A message for the peer's daemon (a sealed signal) by way of the relay. 0 or -ENOTCONN. */
int relays_send(struct relays *relays, uint32_t relay, const uint8_t node_key[static 32],
		const uint8_t *data, size_t len);

/* Packets that go by this relay are not answered; it may be gone. */
void relays_unanswered(struct relays *relays, uint32_t relay);

/* A STUN message from the shared port; true when it came from a relay and was for us. */
bool relays_input(struct relays *relays, const uint8_t *data, size_t len,
		  const struct dp_path *from);
/* Which peer a channel at a relay's address leads to, and the relay; false when none. */
bool relays_channel_peer(const struct relays *relays, const struct endpoint *server,
			 uint16_t channel, uint8_t node_key[static 32], uint32_t *relay);

#endif
