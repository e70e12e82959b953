#ifndef WARREN_DAEMON_RELAY_LINK_H
#define WARREN_DAEMON_RELAY_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/relays.h"
#include "proto/control.h"
#include "proto/netmap.h"

/*
 * One relay as this node sees it: its addresses, the registration, and the stream that stands in
 * when UDP does not get through.
 */
struct relay_link;

/* What the set of relays wants to know beyond relays_ops. */
struct relay_link_owner {
	bool masked; /* this network drops STUN that is not, see proto/mask.h; may change */
	const struct relays_config *config;
	const struct relays_ops *ops;
	void *arg; /* of ops */
	/* An address was found, registration or latency changed. */
	void (*changed)(void *set, struct relay_link *link);
	void *set;
};

/* owner is borrowed. NULL when out of memory. */
struct relay_link *relay_link_new(const struct relay_link_owner *owner, uint32_t id,
				  const struct netmap_relay *info);
/* Leaves the relay. Accepts NULL. */
void relay_link_free(struct relay_link *link);

/* Where it is may have changed. */
void relay_link_update(struct relay_link *link, const struct netmap_relay *info);
void relay_link_set_credential(struct relay_link *link, const struct control_credential *cred);
/* Registers as soon as credentials and an address are known, and stays registered. */
void relay_link_want(struct relay_link *link);
/* Leaves again. */
void relay_link_release(struct relay_link *link);
bool relay_link_wanted(const struct relay_link *link);
/* Registers from the new address; tries UDP again when it went by stream. */
void relay_link_network_changed(struct relay_link *link);

uint32_t relay_link_id(const struct relay_link *link);
const char *relay_link_name(const struct relay_link *link);
bool relay_link_up(const struct relay_link *link);
const char *relay_link_transport(const struct relay_link *link);
/* The address that is asked now; false while none is known. */
bool relay_link_server(const struct relay_link *link, struct endpoint *server);
/* One of its addresses in that family. */
bool relay_link_server_of(const struct relay_link *link, int family, struct endpoint *server);
/* Another UDP port of it that answers Binding requests; 0: unknown, or none. */
uint16_t relay_link_second_port(const struct relay_link *link);
/* False unless it can probe an address of that family now. */
bool relay_link_prober(const struct relay_link *link, int family, struct relays_prober *prober);
/* All that are known, with or without a way there; at most max. */
size_t relay_link_addresses(const struct relay_link *link, struct ip_addr *out, size_t max);
/* Another of its addresses, when the present one does not answer. */
void relay_link_next_server(struct relay_link *link);
/* Told by whoever measured over UDP; 0: it did not answer. */
void relay_link_measured(struct relay_link *link, uint64_t rtt_ns);
uint64_t relay_link_rtt_ns(const struct relay_link *link);
/* The last measurement over UDP got an answer. */
bool relay_link_answers_udp(const struct relay_link *link);

/* A channel bound to the peer on UDP, or 0. Asks for one. */
uint16_t relay_link_channel(struct relay_link *link, const uint8_t node_key[static 32]);
/* --- of a TURN server --- */

bool relay_link_is_turn(const struct relay_link *link);
/* Why it does not want us: the code of its answer, 0 when it did not say so. */
unsigned int relay_link_refusal(const struct relay_link *link);
/* Registered, and the way to this peer is known. Any relay. */
bool relay_link_reaches(const struct relay_link *link, const uint8_t node_key[static 32]);
/* Where our allocation is; false while there is none. */
bool relay_link_relayed(const struct relay_link *link, struct endpoint *relayed);
/* Where the peer's is. 0, -ENOTCONN: not wanted or no credentials yet, -ENOSPC. */
int relay_link_set_peer_address(struct relay_link *link, const uint8_t node_key[static 32],
				const struct endpoint *relayed);

/* Nothing is sent to the peer for now; what is known of it stays. */
void relay_link_release_peer(struct relay_link *link, const uint8_t node_key[static 32]);

bool relay_link_channel_peer(const struct relay_link *link, uint16_t channel,
			     uint8_t node_key[static 32]);
/* 0, -ENOTCONN, -EMSGSIZE, -ENOMEM. */
int relay_link_send(struct relay_link *link, const uint8_t node_key[static 32], const uint8_t *data,
		    size_t len);
/* Packets by this relay are not answered: is it still there? */
void relay_link_unanswered(struct relay_link *link);
/* A datagram from its address. True when it was for us. */
bool relay_link_input(struct relay_link *link, const uint8_t *data, size_t len);

#endif
