#ifndef WARREN_DAEMON_CONNECTION_STATE_H
#define WARREN_DAEMON_CONNECTION_STATE_H

#include "base/clock.h"
#include "daemon/connection.h"
#include "daemon/mesh.h"
#include "daemon/mesh_peer.h"
#include "io/loop.h"
#include "proto/ice.h"
#include "proto/punch.h"

/*
 * What connection.c, connection_ice.c and connection_relay.c share; nobody else includes this.
 *
 *	connection.c        life, what the chooser orders, idle time, measuring
 *	connection_mode.c   paths that a user forced, at either end
 *	connection_ice.c    the agent: offers and answers, checks, candidates
 *	connection_mdns.c   private addresses as names
 *	connection_network.c  what another address or route does to the pairs
 *	connection_relay.c  which relays may lead to the peer, and whether they still do
 *	connection_punch.c  guessing ports through hard NATs
 *	connection_obstacle.c  what is known to stand in the way of a direct path
 */

#define CONNECTION_SOCKETS_MAX 2 /* besides the shared one */
#define CONNECTION_OUTSIDE_MAX 8

/* See connection_punch.c. */
struct connection_punch {
	struct punch *core; /* NULL: out of memory */
	struct loop_timer timer;
	char session[ICE_UFRAG_SIZE]; /* of the agent */
	struct endpoint base;         /* of ours, that leads out */
	struct probe_sockets *probes; /* while a run lasts that needs them */
	uint32_t adopted[CONNECTION_SOCKETS_MAX];
	struct endpoint won_local, won_remote; /* the pair that was won last; port 0: none */
	size_t recalls;
	uint64_t bound_ns;
};

struct connection {
	struct mesh *mesh;
	struct mesh_peer *peer;
	struct ice_agent *ice;         /* NULL while the relay is forced */
	char names[2][ICE_UFRAG_SIZE]; /* of the agent, as mesh->stun lists them; "": none */
	struct pathchoice choice;
	enum path_mode mode;   /* what our user wants */
	bool peer_relay_only;  /* what the peer's user wants */
	uint64_t told_ns;      /* when we last told the peer to send by relay alone; 0: never */
	bool masked;           /* the peer masks STUN, so we do */
	bool described;        /* the peer's agent answered */
	bool peer_udp_blocked; /* it says so */
	unsigned int peer_families; /* that its candidates have; see connection_obstacle.c */
	unsigned int offers;
	uint64_t offer_due_ns;
	uint64_t wanted_ns; /* when there was a reason last */
	uint64_t watch_due_ns;
	struct loop_timer timer;
	bool held;    /* news may come in now, but are acted on by whoever holds it */
	bool advance; /* there were some */
	/* What the peer's present session shows of its public addresses. */
	struct ip_addr outside[CONNECTION_OUTSIDE_MAX];
	size_t outside_count;
	char outside_session[ICE_UFRAG_SIZE];
	struct ice_description *hidden; /* host candidates told by name only, or NULL */
	struct ice_description *named;  /* the peer's that are being looked up, or NULL */
	struct endpoint direct_remote;
	uint64_t latency_ns; /* of the path in force; 0: unknown */
	uint64_t probe_token;
	uint64_t probe_sent_ns; /* 0: none is awaited */
	bool on_route; /* the kernel would have sent from the direct path's own address by itself */
	uint32_t peer_network; /* the last that it told of; 0: none */
	/* The pairs from before a restart are left for the first new one: the network is another.
	 */
	bool leave_previous;
	bool moved; /* our address changed: no pair of before leads here, as offers say */
	struct connection_punch punch;
};

static inline uint64_t connection_now_ns(const struct connection *conn)
{
	return loop_now_ns(conn->mesh->loop);
}

static inline struct peer *connection_wireguard(const struct connection *conn)
{
	return mesh_peer_wireguard(conn->peer);
}

static inline const struct cert *connection_peer_cert(const struct connection *conn)
{
	return &mesh_peer_info(conn->peer)->cert->parsed;
}

/* --- connection.c --- */

/* Lets time pass for everything that waits, acts on what came of it, and sets the next alarm. */
void connection_advance(struct connection *conn);
/* Between the two the relays may be asked for something; then all news are acted on. */
bool connection_hold(struct connection *conn);
void connection_let_go(struct connection *conn, bool was_held);
/* The chooser's path as the data plane knows it. False when it cannot be used after all. */
bool connection_resolve_path(struct connection *conn, const struct path_current *current,
			     struct dp_path *path);

/* Forgets all paths but the relays, which are offered anew. */
void connection_begin_choice(struct connection *conn, enum path_mode mode);

/* --- connection_ice.c --- */

void connection_ice_begin(struct connection *conn);
/* Accepts a connection without an agent. */
void connection_ice_end(struct connection *conn);
/* Does what the agent wants done: events, descriptions, datagrams. */
void connection_ice_drain(struct connection *conn);
/* Sends a description of ours to the peer. */
void connection_ice_tell(struct connection *conn, struct ice_description *d);
/* Looks for pairs anew. What the peer's agent said before answers no offer that follows. */
void connection_ice_restart(struct connection *conn);
/* The other side, or the way to the coordinator, may have been away when our offer was sent. */
void connection_ice_repeat_offer(struct connection *conn);

/* --- connection_mdns.c --- */

/* Private addresses in our description become names, unless this peer may know them. */
void connection_hide_hosts(struct connection *conn, struct ice_description *d);
/* Tells the peer plainly what it may know after all: something has been learnt. */
void connection_reveal_hosts(struct connection *conn);
/* Takes the names out of the peer's description and asks for them. */
void connection_look_up_hosts(struct connection *conn, struct ice_description *d);
/* Forgets both. */
void connection_forget_hosts(struct connection *conn);

/* --- connection_network.c --- */

/* A direct path begins to be used. */
void connection_note_route(struct connection *conn, const struct ice_pair_info *pair);
/* What the peer says of its network; our ufrag was `before` until it was listened to. */
void connection_note_network(struct connection *conn, const struct ice_description *d,
			     const char *before);
/*
 * Would this go out by a network that the routing table does not want? Pairs of before a restart
 * serve there until new ones do, but no new ones are made.
 */
bool connection_is_astray(const struct connection *conn, const struct ice_datagram *datagram);
/* Is the message for this connection's agent? */
bool connection_owns(const struct connection *conn, const struct stun_message *msg);

/* --- connection_punch.c --- */

void connection_punch_init(struct connection *conn);
/* The agent is gone: so is what was opened for it. */
void connection_punch_end(struct connection *conn);
/* Before the agent's end. */
void connection_punch_clear(struct connection *conn);
/* Adds what the peer is to know to a description. */
void connection_punch_report(struct connection *conn, struct ice_description *d);
/* A description of the peer, after the agent has had it. */
void connection_punch_note(struct connection *conn, const struct ice_description *d);
/* Our addresses changed: before the agent begins anew. */
void connection_punch_network_changed(struct connection *conn);
/* The user no longer forces the relay. */
void connection_punch_begin_anew(struct connection *conn);
void connection_punch_pair_event(struct connection *conn, const struct ice_event *event);
/* Both NATs are known to choose ports that cannot be foreseen. */
bool connection_punch_is_hopeless(const struct connection *conn);

/* --- connection_relay.c --- */

/*
 * The pair in force may be dead: what killed it may have taken our mapping towards the relay too,
 * which is better known before the relay is needed.
 */
void connection_check_relay(const struct connection *conn);

/* Tells the chooser every relay that may lead to the peer. */
void connection_offer_relays(struct connection *conn);
/* Keeps us registered where packets go now, and where they could go if that ended. */
void connection_keep_relays(const struct connection *conn);

/* --- connection_obstacle.c --- */

/* Something that it looks at may have changed; the chooser is told. */
void connection_see_obstacle(struct connection *conn);
/* What the peer's agent says of its network. */
void connection_note_description(struct connection *conn, const struct ice_description *d);

#endif
