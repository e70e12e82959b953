#ifndef WARREN_DAEMON_DATAPLANE_H
#define WARREN_DAEMON_DATAPLANE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "proto/peer_message.h"

struct filter_flows;
struct filter_rules;
struct loop;

/*
 * The one narrow interface between control (handshakes, paths, policy; one thread with a loop) and
 * the packet engine: N workers that run to completion, each with a TUN queue, a UDP socket of the
 * reuseport group and buffers of its own. Everything here is called on the control thread, every
 * callback comes on the control thread. Workers read only what is published through liburcu.
 */
struct dataplane;

/* A peer as the workers know it: current keypair, path, rules, staged packets, counters. */
struct dp_peer;

/*
 * One transport session in one slot: both keys, nonce counter, replay window; and of our own nodes'
 * sessions the lanes that they are spread over, so that many cores work for one peer.
 */
struct dp_keypair;

enum dp_path_kind {
	DP_PATH_NONE,   /* nowhere to send: packets are staged, then answered with ICMP */
	DP_PATH_UDP,    /* a datagram to remote, wrapped as ChannelData when channel is set */
	DP_PATH_STREAM, /* handed to the control thread, which owns the relay's TLS stream */
};

/* Where packets go, or where one came from. */
struct dp_path {
	enum dp_path_kind kind;
	struct endpoint remote; /* the peer, or the relay */
	struct ip_addr local;   /* source address to stick to; family 0: the kernel chooses */
	uint32_t ifindex;       /* with local; 0: any */
	uint16_t channel;       /* 0x4000 to 0x4FFF towards a relay, 0 when direct */
	bool masked;            /* STUN this way is masked, see proto/mask.h */
	uint32_t stream;        /* DP_PATH_STREAM: the number given to stream_output */
	uint32_t socket;        /* DP_PATH_UDP: 0 for the shared port, or an adopted socket */
};

struct dp_config {
	const char *tun_name;
	unsigned int mtu;     /* inner; 0 for 1420 */
	unsigned int workers; /* 0: one per core; at most DP_WORKERS_MAX */
	uint16_t port;        /* 0: any free one */
	uint32_t fwmark;      /* 0: none */
	bool no_tun_offload;  /* kill switches, one for each offload */
	bool no_udp_gso;
	bool no_udp_gro;
	bool steer; /* TUN queues go by flow, where the kernel lets us */
	bool lanes; /* peers are our own nodes: lanes are received, and sent on where told */
	/*
	 * Peers are our own nodes: every path's MTU is found by probes, and outer packets are not
	 * fragmented unless a path takes none of 1280 bytes. Without, they may be, as plain
	 * WireGuard's.
	 */
	bool path_mtu;
	bool follow; /* a peer's path follows its authentic packets at once, as plain WireGuard's */
	const char *cipher; /* NULL: the fastest measured at start; or a name of aead.h */
};

#define DP_WORKERS_MAX 64
#define DP_STAGED_MAX  128 /* packets of one peer that wait for a session; the oldest goes first */

/* Why a peer's activity() is called; see dataplane_peer_notify. */
enum dp_notice {
	DP_NOTICE_UNANSWERED = 1 << 0, /* data was sent and nothing authentic came since */
	DP_NOTICE_UNACKED = 1 << 1,    /* data was received and nothing was sent since */
	DP_NOTICE_REKEY = 1 << 2,      /* the current keypair is old or used up enough to renew */
};

/* An answered echo: how many packets of ours the peer ought to have got, and got. They wrap. */
struct dp_echo {
	uint32_t token;
	uint32_t expected;
	uint32_t arrived;
};

struct dp_ops {
	/* A packet waits for peer, which has no keypair or path to be sent with. Once until
	 * flushed. */
	void (*need_session)(void *arg, struct dp_peer *peer);
	/* A WireGuard message of type 1, 2 or 3, its length already right for the type. */
	void (*handshake_message)(void *arg, const uint8_t *data, size_t len,
				  const struct dp_path *from);
	/*
	 * Anything else that is not transport data: STUN from peers and relays; and with
	 * from->channel set whatever a peer's daemon sent through a relay.
	 */
	void (*other_message)(void *arg, const uint8_t *data, size_t len,
			      const struct dp_path *from);
	/* The first authentic packet of a keypair whose owner responded: it may now be sent with.
	 */
	void (*keypair_confirmed)(void *arg, struct dp_peer *peer, struct dp_keypair *keypair);
	/* An authentic packet came from elsewhere than the peer's path points (or pointed) to. */
	void (*path_seen)(void *arg, struct dp_peer *peer, const struct dp_path *from);
	void (*activity)(void *arg, struct dp_peer *peer, unsigned int notices);
	/* With config.path_mtu: the peer's path takes inner packets of this size. May be NULL. */
	void (*path_mtu)(void *arg, struct dp_peer *peer, unsigned int mtu);
	/* The kernel cuts no more on the peer's path, and for which errno. May be NULL. */
	void (*gso_off)(void *arg, struct dp_peer *peer, int reason);
	/* What the peer answered to dataplane_peer_echo. May be NULL. */
	void (*echo)(void *arg, struct dp_peer *peer, const struct dp_echo *echo);
	/* The documents that the peer holds; PEER_MESSAGE_HELD of them. May be NULL. */
	void (*documents)(void *arg, struct dp_peer *peer, const struct peer_message_held *held);
	/* Which of its certificate's routes lead nowhere now, see peer_message.h. May be NULL. */
	void (*routes)(void *arg, struct dp_peer *peer, uint32_t serial, uint32_t down);
	/* May an echo be answered by the way it came? NULL: yes. Else it is not answered. */
	bool (*may_answer)(void *arg, struct dp_peer *peer, const struct dp_path *from);
	/* A packet for a DP_PATH_STREAM path, sealed and framed as ChannelData when channel is set.
	 */
	void (*stream_output)(void *arg, uint32_t stream, const uint8_t *data, size_t len);
};

/*
 * Opens TUN queues and sockets and starts the workers. 0; -EADDRINUSE for the port, -EBUSY for the
 * TUN name, -EPERM, -ENOENT without /dev/net/tun, -ENOTSUP when the cipher does not work on this
 * machine, or another -errno.
 */
int dataplane_new(struct dataplane **dp, struct loop *loop, const struct dp_config *config,
		  const struct dp_ops *ops, void *arg);
/* Stops the workers, removes the device, wipes keys. Peers must have been removed. Accepts NULL. */
void dataplane_free(struct dataplane *dp);

uint16_t dataplane_port(const struct dataplane *dp);
const char *dataplane_tun_name(const struct dataplane *dp);
uint32_t dataplane_tun_ifindex(const struct dataplane *dp);
const char *dataplane_cipher(const struct dataplane *dp);
unsigned int dataplane_workers(const struct dataplane *dp);
/* Over how many lanes peers had best send to us: 1 to DP_WORKERS_MAX. */
unsigned int dataplane_lanes(const struct dataplane *dp);
/* Rebinds every socket to another port (0: any) or mark. 0 or -errno, then the old one stays. */
int dataplane_set_port(struct dataplane *dp, uint16_t port);
int dataplane_set_fwmark(struct dataplane *dp, uint32_t fwmark);
int dataplane_set_mtu(struct dataplane *dp, unsigned int mtu);
/* False once the TUN device was deleted; one that was moved to another namespace serves on. */
bool dataplane_has_tun(const struct dataplane *dp);
/*
 * Makes the TUN device anew, by the same name and without addresses, after it was deleted; peers,
 * sessions and sockets stay. 0, or -EBUSY when the name is taken, or another -errno.
 */
int dataplane_reopen_tun(struct dataplane *dp);

/* peer->owner comes back from dp_peer_owner. NULL when out of memory. */
struct dp_peer *dataplane_peer_new(struct dataplane *dp, void *owner);
/*
 * Nothing is sent to or accepted from the peer any more, and its prefixes are nobody's with the
 * next commit, or the next turn of the loop. Freed after a grace period. Accepts NULL.
 */
void dataplane_peer_free(struct dp_peer *peer);
void *dp_peer_owner(const struct dp_peer *peer);
/* 0, or -ENOMEM and the old path stays. */
int dataplane_peer_set_path(struct dp_peer *peer, const struct dp_path *path);
/* The path as it is now; differs from the one set when `follow` is on. */
void dataplane_peer_path(const struct dp_peer *peer, struct dp_path *path);
/* The largest inner packet on the peer's path; 0 while nothing is known of it. */
unsigned int dataplane_peer_mtu(const struct dp_peer *peer);
/*
 * Stops cutting by the kernel (UDP_SEGMENT) on the peer's path as it is now, for the errno that
 * says why: ETIMEDOUT when cut packets do not arrive. EIO, EINVAL and EMSGSIZE of a send do the
 * same by themselves. It stays so while the path leads to the same place.
 */
void dataplane_peer_gso_off(struct dp_peer *peer, int reason);
/* 0 while the kernel may cut; or the errno for which it may not. */
int dataplane_peer_gso_error(const struct dp_peer *peer);
/* What is left to the kernel, as configured, granted, and not refused since. */
struct dp_offload {
	bool tun_tcp; /* large packets to and from the device */
	bool tun_udp;
	bool udp_gso; /* but see dataplane_peer_gso_error */
	bool udp_gro;
	int tun_error; /* the errno for which merged packets are not written any more; 0: none */
};

void dataplane_offload(const struct dataplane *dp, struct dp_offload *offload);
/* Such an errno as a word for people: "EIO", "loss". */
const char *dataplane_gso_reason(int error);
/*
 * What the peer may start towards us, what the networks behind us may start towards the peer (lan),
 * and the flow table that lets answers through, both ways. NULL rules drop everything inbound, NULL
 * lan all that neither comes from our own addresses nor answers; without a call nothing is filtered
 * (a plain WireGuard device). The rules are owned by the data plane from here on. 0, or -ENOMEM and
 * the old rules stay. The flow table is borrowed, set before the first rules, and outlives the data
 * plane.
 */
int dataplane_peer_set_rules(struct dp_peer *peer, struct filter_rules *rules,
			     struct filter_rules *lan);
void dataplane_set_flows(struct dataplane *dp, struct filter_flows *flows);
/*
 * Our own addresses, v4 and v6, either of which may be of no family: what the host sends from them
 * is its own; what it sends from others comes from the networks behind it. Without a call all is
 * its own. 0 or -ENOMEM.
 */
int dataplane_set_own(struct dataplane *dp, const struct ip_addr own[static 2]);
/*
 * May filtered packets be for others than these addresses? Only while the kernel has the rules of
 * what is handed on; not at first.
 */
void dataplane_set_carrying(struct dataplane *dp, bool carries);

/*
 * Prefixes from which the peer may send besides those that are routed to it: what it carries, also
 * while another peer carries it for us. A packet whose source is routed to another peer by a longer
 * prefix than any of these is not accepted. A flow that the peer brought, or took, stays with it
 * while `live`, whoever has the prefix meanwhile: no answer takes another way than its question. 0
 * or -ENOMEM.
 */
int dataplane_peer_set_sources(struct dp_peer *peer, const struct prefix *list, size_t count,
			       bool live);

/*
 * Longest-prefix table of inner addresses. Setting a prefix takes it from whoever had it. Changes
 * are published by commit, in one step. 0 or -ENOMEM.
 */
int dataplane_allowed_ip_set(struct dp_peer *peer, const struct prefix *prefix);
void dataplane_allowed_ip_remove(struct dp_peer *peer, const struct prefix *prefix);
void dataplane_allowed_ips_clear(struct dp_peer *peer);
int dataplane_allowed_ips_commit(struct dataplane *dp);
/* Walks a peer's own prefixes: start with *cursor = 0; false at the end. */
bool dataplane_allowed_ip_next(const struct dp_peer *peer, size_t *cursor, struct prefix *prefix);

/*
 * Packets that wait for a session with the peer go to whoever has their addresses by now, after a
 * commit; those that are for the peer itself wait on.
 */
void dataplane_peer_redirect(struct dp_peer *peer);

/*
 * A fresh receiver index, random but for its low byte, which names the worker that the steering
 * program brings its packets to: always the same one for a peer, so that a new session does not
 * change the order of packets. 0, or -ENOSPC. Released by index_free, or with its keypair.
 */
int dataplane_index_new(struct dp_peer *peer, uint32_t *index);
void dataplane_index_free(struct dataplane *dp, uint32_t index);

struct dp_keypair_config {
	uint32_t local_index; /* from dataplane_index_new; the keypair takes it over */
	uint32_t remote_index;
	uint8_t send_key[32];
	uint8_t recv_key[32];
	uint64_t created_ns;
	bool initiator; /* we initiated: sending is allowed at once, and rekey is our duty */
};

/* Receives from now on; is not sent with before set_current. NULL when out of memory. */
struct dp_keypair *dataplane_keypair_new(struct dp_peer *peer,
					 const struct dp_keypair_config *config);
/* Unpublishes, wipes and frees after a grace period. Clears the peer's current if it is this one.
 */
void dataplane_keypair_free(struct dp_keypair *keypair);
/* NULL: nothing may be sent. */
void dataplane_peer_set_current(struct dp_peer *peer, struct dp_keypair *keypair);

/*
 * The peer said, authentically, what its dataplane_lanes is: so it receives on lanes, and packets
 * of all its sessions from now on are spread over as many as the one with more workers has. 1 at
 * first; without config.lanes it stays so.
 */
void dataplane_peer_set_lanes(struct dp_peer *peer, unsigned int lanes);
/* Says so to the peer, who answers with its own; with every new session, since either may be lost.
 */
void dataplane_peer_greet(struct dp_peer *peer);
/*
 * Asks over a path, whether it is the one in use or not, by a packet that looks like any other of
 * the session; the answer comes back by the same way. 0, -ENOKEY without a session, or -errno of
 * send.
 */
int dataplane_peer_echo(struct dp_peer *peer, const struct dp_path *path, uint32_t token);
/* Tells the peer which documents we hold. 0, -ENOKEY without a session, or -errno of send. */
int dataplane_peer_documents(struct dp_peer *peer,
			     const struct peer_message_held held[static PEER_MESSAGE_HELD]);
/* Tells the peer which of our certificate's routes lead nowhere. As above. */
int dataplane_peer_routes(struct dp_peer *peer, uint32_t serial, uint32_t down);
/* How many lanes the peer is sent to on. */
unsigned int dataplane_peer_lanes(const struct dp_peer *peer);

/* Sends what waits, or drops it (with ICMP unreachable to the host when `unreachable`). */
void dataplane_peer_flush(struct dp_peer *peer);
void dataplane_peer_drop_staged(struct dp_peer *peer, bool unreachable);
/* An empty sealed packet with the current keypair. 0, -ENOKEY, -EDESTADDRREQ, or -errno of send. */
int dataplane_peer_send_keepalive(struct dp_peer *peer);
/*
 * A handshake or STUN message over path, from path->socket's port. tos: the IP byte (0x88, 0). ttl:
 * or hop limit; 0: the system's. 0, -EMSGSIZE, -EDESTADDRREQ, -EBADF for a socket that was
 * released, or -errno of the system.
 */
int dataplane_send(struct dataplane *dp, const struct dp_path *path, const uint8_t *data,
		   size_t len, uint8_t tos, uint8_t ttl);

/*
 * Sockets besides the shared port, for paths whose NAT mapping hangs on another one. An adopted
 * socket becomes a group like the shared port's: every worker sends and receives on it, with all
 * that it does there, while traffic goes on. What comes to it has from->socket set, so that answers
 * leave from the same port. It belongs to who adopted it, who releases it when no path leads over
 * it any more; freeing the data plane releases all.
 */
#define DP_SOCKETS_MAX 64

/*
 * fd: a bound UDP socket of one family, the only one on its port. On success it is the data plane's
 * (nothing that waits in it is lost), and *socket its number, never 0 and never used again. 0, or
 * -ENOSPC beyond DP_SOCKETS_MAX, -EINVAL, or another -errno; then fd stays the caller's.
 */
int dataplane_adopt_socket(struct dataplane *dp, int fd, uint32_t *socket);
/*
 * Nothing is received on it any more, and what is still sent over it is dropped. Closed after a
 * grace period. No-op for 0 and for a number that was released.
 */
void dataplane_release_socket(struct dataplane *dp, uint32_t socket);
/* The port of an adopted socket, dataplane_port for 0; 0 when it was released. */
uint16_t dataplane_socket_port(const struct dataplane *dp, uint32_t socket);
/* The adopted socket on that port; 0, the shared one, when none is. */
uint32_t dataplane_socket_on(const struct dataplane *dp, uint16_t port);
/* A packet that a relay's stream or Data indication brought, as if it came from a socket. */
void dataplane_input(struct dataplane *dp, const uint8_t *data, size_t len,
		     const struct dp_path *from);

/* Counters and marks that workers keep; times in ns of clock_now_ns, 0 for never. */
struct dp_activity {
	uint64_t tx_bytes; /* outer payload, as wg(8) counts */
	uint64_t rx_bytes;
	uint64_t last_tx_ns; /* any transport packet, keepalives too */
	uint64_t last_tx_data_ns;
	uint64_t last_rx_ns;
	uint64_t last_rx_data_ns;
	uint64_t unanswered_since_ns; /* first data sent since the last authentic packet; 0: none */
	uint64_t unacked_since_ns;    /* first data received since the last packet sent; 0: none */
	/* First data sent since the last authentic packet that came by the path in use; 0: none. */
	uint64_t silent_since_ns;
	uint64_t rx_dropped_filter;
	uint64_t rx_dropped_source; /* inner source is not this peer's */
	uint64_t tx_dropped;
	uint64_t tx_dropped_filter;  /* from networks behind us, without leave */
	uint64_t congestion_marked;  /* both ways: told with ECN that a queue stands */
	uint64_t congestion_dropped; /* the same for flows without ECN */
};

void dataplane_peer_activity(const struct dp_peer *peer, struct dp_activity *activity);
/* Asks to be told, once for each bit, the next time it happens (at once when it already has). */
void dataplane_peer_notify(struct dp_peer *peer, unsigned int notices);

#endif
