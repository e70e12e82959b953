#ifndef WARREN_DAEMON_CONNECTION_H
#define WARREN_DAEMON_CONNECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "proto/pathchoice.h"

struct dp_echo;
struct dp_path;
struct ice_description;
struct mesh;
struct mesh_peer;
struct stun_message;

/*
 * The effort to reach one peer while there is traffic with it: an ICE agent that looks for direct
 * pairs, the path chooser that decides, and what carries out its orders. Idle peers have none.
 */
struct connection;

/*
 * Without data in either direction it ends itself after the configuration's idle_s, and nothing is
 * sent to the peer any more. Before that its pairs are only kept open, once CONNECTION_QUIET_S are
 * over.
 */
#define CONNECTION_QUIET_S 15

/* Begins at once. NULL when out of memory. */
struct connection *connection_new(struct mesh *mesh, struct mesh_peer *peer, enum path_mode mode);
/* Leaves the peer's WireGuard side without a path. Accepts NULL. */
void connection_free(struct connection *conn);

/* Somebody wants to talk: starts the idle time anew, and a handshake if there is no session. */
void connection_want(struct connection *conn);
void connection_set_mode(struct connection *conn, enum path_mode mode);
/* The peer is to be sent to by relay alone, or no longer. */
void connection_set_peer_relay_only(struct connection *conn, bool relay_only);
/* The peer sends directly or would like to: when our user forbids it, it is told. */
void connection_heard_directly(struct connection *conn);
/* Whether a handshake that came directly may be answered by the way it came. */
bool connection_may_answer_directly(const struct connection *conn);
/* The peer is online or not, or lives at another relay. */
void connection_presence_changed(struct connection *conn, bool returned);
/* What the peer's agent says; candidates of no use are taken out of it. */
void connection_describe(struct connection *conn, struct ice_description *description);
/* A STUN message for this agent? Consumed when true. */
bool connection_stun(struct connection *conn, const struct stun_message *msg, const uint8_t *data,
		     size_t len, const struct dp_path *from);
/* An authentic packet came by another path than the one in force, and whether by a relay. */
void connection_heard_elsewhere(struct connection *conn, bool by_relay);
/* The peer answered an echo of the chooser's. */
void connection_echoed(struct connection *conn, const struct dp_echo *echo);
/* Data went unanswered. */
void connection_unanswered(struct connection *conn);

void connection_relay_up(struct connection *conn, uint32_t relay);
void connection_relay_down(struct connection *conn, uint32_t relay);
/* What an mDNS name of the peer's leads to; addr of family 0: nothing. */
void connection_resolved(struct connection *conn, const char *name, const struct ip_addr *addr);
/* A server saw one of our addresses otherwise than before. */
void connection_candidates_changed(struct connection *conn);

/* Addresses or links changed; ways_changed: and where the kernel would send from, or to. */
void connection_network_changed(struct connection *conn, bool ways_changed);

/* This program did not run for a while. */
void connection_resume(struct connection *conn);

/* Measures the path in force there and back; see mesh_peer_probe. */
int connection_probe(struct connection *conn);
void connection_probe_answered(struct connection *conn, const uint8_t *payload, size_t len);

const struct path_current *connection_path(const struct connection *conn);
/* The peer's address on the direct path. */
const struct endpoint *connection_remote(const struct connection *conn);
/* Of the path in force; 0 when unknown. */
uint64_t connection_latency_ns(const struct connection *conn);
/* Permille of what was sent by it lately, as far as the peer told. */
unsigned int connection_loss(const struct connection *conn);

#endif
