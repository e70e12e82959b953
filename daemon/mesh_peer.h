#ifndef WARREN_DAEMON_MESH_PEER_H
#define WARREN_DAEMON_MESH_PEER_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/control.h"
#include "proto/netmap.h"
#include "proto/pathchoice.h"
#include "proto/signal.h"

struct dp_echo;
struct dp_path;
struct ip_addr;
struct mesh;
struct mesh_peer;
struct peer;
struct status_peer;
struct stun_message;

#define MESH_PEER_HEARD_S 15

/*
 * A peer of the mesh: what the map says of it, its WireGuard peer, and while there is traffic a
 * connection that looks for paths.
 */

/* Takes a reference on info. 0, -ENOMEM, -ENOSPC. */
int mesh_peer_new(struct mesh_peer **peer, struct mesh *mesh, struct netmap_peer *info);
/* Cuts the peer off. Accepts NULL. */
void mesh_peer_free(struct mesh_peer *peer);
/*
 * A newer entry of the map for the same node key. 0 or -errno, for example -EEXIST when another
 * peer has its WireGuard key; the peer is cut off then and good for nothing but mesh_peer_free.
 */
int mesh_peer_update(struct mesh_peer *peer, struct netmap_peer *info);

/* What this node itself lets peers to (speed_service.h) changed. */
void mesh_peer_refresh_rules(struct mesh_peer *peer);

const struct netmap_peer *mesh_peer_info(const struct mesh_peer *peer);
const uint8_t *mesh_peer_key(const struct mesh_peer *peer);
struct peer *mesh_peer_wireguard(const struct mesh_peer *peer);

/* Traffic wants to flow: looks for paths and starts a session unless both are under way. */
void mesh_peer_connect(struct mesh_peer *peer);
/* Lets agent and path go; the next packet connects anew. */
void mesh_peer_disconnect(struct mesh_peer *peer);
/* The user's choice, as the settings have it now; the peer is told when it concerns it. */
void mesh_peer_set_mode(struct mesh_peer *peer, enum path_mode mode);
/* Whether a handshake that came directly may be answered by the way it came. */
bool mesh_peer_may_answer_directly(const struct mesh_peer *peer);

/* News from the coordinator. */
void mesh_peer_presence(struct mesh_peer *peer, const struct control_presence_entry *entry);
/* An opened signal, not seen before. */
void mesh_peer_signal(struct mesh_peer *peer, const struct signal *signal);
/* What it was sent of documents. */
struct gossip_peer *mesh_peer_gossip(struct mesh_peer *peer);
/* What the two of us told each other about TURN servers. */
struct relayed_peer *mesh_peer_relayed(struct mesh_peer *peer);
struct signal_replay *mesh_peer_replay(struct mesh_peer *peer);
/* The number of the signal session and the next counter in it. */
void mesh_peer_next_signal(struct mesh_peer *peer, uint64_t *session, uint64_t *counter);

/* A STUN message for this peer's agent? Consumed when true. */
bool mesh_peer_stun(struct mesh_peer *peer, const struct stun_message *msg, const uint8_t *data,
		    size_t len, const struct dp_path *from);

/* From the device: an authentic packet, a session that stands, data without an answer. */
void mesh_peer_session_up(struct mesh_peer *peer);
void mesh_peer_heard_elsewhere(struct mesh_peer *peer, bool by_relay);
void mesh_peer_echoed(struct mesh_peer *peer, const struct dp_echo *echo);
void mesh_peer_unanswered(struct mesh_peer *peer);

/* A probe by the path in use was not answered: is the path still one? */
void mesh_peer_suspect(struct mesh_peer *peer);
/* The path takes inner packets of this size. */
void mesh_peer_path_mtu(struct mesh_peer *peer, unsigned int mtu);
/* The device's MTU is another one, which its route's is held against. */
void mesh_peer_device_mtu_changed(struct mesh_peer *peer);
/* What its routes are to say; 0: nothing below the device's. */
unsigned int mesh_peer_route_mtu(const struct mesh_peer *peer);

/* From the relays. */
/* Registered there, or the route through it got better. */
void mesh_peer_relay_up(struct mesh_peer *peer, uint32_t relay);
void mesh_peer_relay_down(struct mesh_peer *peer, uint32_t relay);
/* The peer spoke through a relay: it is there. */
void mesh_peer_seen_at_relay(struct mesh_peer *peer, uint32_t relay);
uint32_t mesh_peer_seen_relay(const struct mesh_peer *peer);

/* What a peer's mDNS name leads to; addr of family 0: nothing. */
void mesh_peer_resolved(struct mesh_peer *peer, const char *name, const struct ip_addr *addr);
/* A server saw one of our addresses otherwise than before. */
void mesh_peer_candidates_changed(struct mesh_peer *peer);
/* Addresses or links changed; ways_changed: and where the kernel would send from, or to. */
void mesh_peer_network_changed(struct mesh_peer *peer, bool ways_changed);

/* This program did not run for a while: no silence that was noticed now counts. */
void mesh_peer_resume(struct mesh_peer *peer);

/* The name of its home relay, "" when unknown. */
const char *mesh_peer_home_relay(const struct mesh_peer *peer);
/*
 * May it be reached? The coordinator's word, unless that is not known (it is away since our start)
 * or the peer itself was heard within MESH_PEER_HEARD_S: a coordinator that has just begun anew
 * calls everybody offline who has not found back to it yet.
 */
bool mesh_peer_online(const struct mesh_peer *peer);
/* When that is to be asked again; CLOCK_NEVER: not before the coordinator speaks. */
uint64_t mesh_peer_online_until_ns(const struct mesh_peer *peer);
/* The coordinator said that it is not there; see mesh_peer_online for what to make of that. */
bool mesh_peer_said_offline(const struct mesh_peer *peer);
/* Round trip of the path in force; 0 when unknown. */
uint64_t mesh_peer_latency_ns(const struct mesh_peer *peer);
/* The path in force; NULL while there is none to speak of. */
const struct path_current *mesh_peer_path(const struct mesh_peer *peer);

/*
 * Measures the path in force: one probe there and back, by the path that data takes. The answer
 * comes through ping_answered. 0, -ENOTCONN while there is no path or session yet.
 */
int mesh_peer_probe(struct mesh_peer *peer);

/* Fills what status shows; texts are borrowed from the peer. */
void mesh_peer_status(struct mesh_peer *peer, struct status_peer *out);

#endif
