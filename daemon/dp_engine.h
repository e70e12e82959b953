#ifndef WARREN_DAEMON_DP_ENGINE_H
#define WARREN_DAEMON_DP_ENGINE_H

#include <netinet/in.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "crypto/aead.h"
#include "daemon/dp_backlog.h"
#include "daemon/dp_queue.h"
#include "daemon/dp_socket.h"
#include "io/udp.h"
#include "proto/coalesce.h"
#include "proto/vnet.h"

struct dataplane;
struct dp_hop;
struct dp_keypair;
struct dp_lane;
struct dp_peer;
struct segment_plan;

/*
 * What one thread needs to seal, send, open and deliver: its descriptors, cipher and buffers. Every
 * worker has one, and so has the control thread, which flushes what waited for a session and opens
 * what a relay's stream brought. Used by its thread only, inside RCU read-side sections that last
 * a batch; pointers to peers, keypairs and hops are good within one batch.
 */

#define DP_DATA_HEADER    16 /* type, receiver index, counter */
#define DP_DATA_OVERHEAD  (DP_DATA_HEADER + AEAD_TAG_SIZE)
#define DP_CHANNEL_HEADER 4

/*
 * Sealed packets of a batch: three full reads of the TUN with all overhead, because 64 KiB of TCP
 * are a little more than one datagram holds and would cost two, where three reads cost four.
 */
#define DP_OUT_BYTES   (256U * 1024)
#define DP_OUT_ENOUGH  (160U * 1024) /* sent without waiting for more */
#define DP_OUT_PACKETS 256

struct dp_out_packet {
	uint32_t offset; /* of the WireGuard message */
	uint16_t len;    /* of it, on the wire */
	uint8_t tos;
};

/* How a packet gets to a peer. */
struct dp_way {
	struct dp_peer *peer;
	struct dp_keypair *keypair;
	struct dp_hop *hop;
	uint8_t lane;
	bool fragment; /* on the way, rather than lost */
};

/* Consecutive packets of one peer: one reservation of nonces, one mark of the timers. */
struct dp_out_run {
	struct dp_peer *peer;
	struct dp_keypair *keypair;
	struct dp_lane *lane; /* looked up when it is sealed */
	struct dp_hop *hop;
	uint16_t first;
	uint16_t count;
	uint8_t lane_number;
	bool fragment;
	bool data;    /* not only keepalives */
	bool refused; /* the keypair was used up */
};

struct dp_outbox {
	size_t used;
	size_t packets;
	size_t runs;
	struct dp_out_packet packet[DP_OUT_PACKETS];
	struct dp_out_run run[DP_OUT_PACKETS];
	struct aead_job job[DP_OUT_PACKETS];
	uint8_t *bytes; /* DP_OUT_BYTES */
};

#define DP_IN_PACKETS 512

/* Received packets of one keypair's lane from one place, opened together. */
struct dp_inbox {
	struct dp_keypair *keypair;
	uint32_t index; /* that they came to: the keypair's, plus the lane's number */
	uint8_t lane_number;
	struct dp_path from;
	uint8_t tos;
	size_t count;
	struct aead_job job[DP_IN_PACKETS];
	struct coalesce merged;                            /* of the whole receive batch */
	struct dp_peer *merged_peer[COALESCE_PACKETS_MAX]; /* of each run in it */
};

/* The last route looked up; only good within one RCU read-side section. */
struct dp_route_cache {
	uint8_t version; /* 4 or 6; 0: empty */
	uint8_t addr[16];
	struct dp_peer *peer; /* NULL: nobody */
};

struct dp_engine {
	struct dataplane *dp;
	unsigned int number;
	atomic_uint turns; /* odd between begin and end; for other threads to see */
	struct aead *aead;
	int tun_fd;
	uint64_t now_ns;  /* read once a batch */
	uint64_t icmp_ns; /* when the next ICMP error may be made */
	struct dp_queue events;
	struct dp_backlog tun;
	struct dp_socket udp[2]; /* v4, v6, of the shared port */
	uint64_t adopted_sent;   /* bit by slot: adopted sockets sent on since the last turn */
	struct dp_route_cache to;
	struct dp_route_cache from;
	struct dp_outbox out;
	struct dp_inbox in;
	struct udp_receiver *receiver;
	uint8_t *packet; /* one read of the TUN, or one packet to be opened */
};

/* 0, -ENOMEM, or what aead_new says. */
int dp_engine_new(struct dp_engine **engine, struct dataplane *dp, unsigned int number);
/* Accepts NULL. */
void dp_engine_free(struct dp_engine *engine);

/* Between these two everything else may be called: an RCU read-side section with one clock read. */
void dp_engine_begin(struct dp_engine *engine);
/* Seals and sends, opens and delivers what is left. */
void dp_engine_end(struct dp_engine *engine);

/* Takes the sockets of the shared port from the data plane, at first and after a change. */
void dp_engine_take_sockets(struct dp_engine *engine);
/* The engine's socket by the number of struct dp_path. NULL: released, or of the other family. */
struct dp_socket *dp_engine_socket(struct dp_engine *engine, uint32_t number, bool six);

/*
 * Whatever had come to the engine's sockets, the shared port's and that of this number, was
 * delivered: asked by another thread.
 */
bool dp_engine_is_drained(struct dp_engine *engine, uint32_t number);

/* dp_send.c: towards the peers. */

/* Whose the packet's destination or source is; NULL: nobody's. The packet passed inner_parse. */
struct dp_peer *dp_engine_peer_to(struct dp_engine *engine, const uint8_t *packet);
struct dp_peer *dp_engine_peer_from(struct dp_engine *engine, const uint8_t *packet);

/*
 * A socket that has no room for what another turn of the TUN would bring; NULL: none. When it has:
 * dp_room_back.
 */
struct dp_socket *dp_engine_full(struct dp_engine *engine);
/* Reads the TUN until it is empty or a turn's share was read. */
void dp_engine_read_tun(struct dp_engine *engine);
/*
 * Routes one packet as read from the TUN. congested: its flow is to be told, by a mark or, where it
 * does not do ECN, the loss of one packet.
 */
void dp_engine_send(struct dp_engine *engine, const struct vnet_hdr *hdr, uint8_t *packet,
		    size_t len, bool congested);
/* Sends what waits at the peer. False when there is no key or no way. */
bool dp_engine_flush_staged(struct dp_engine *engine, struct dp_peer *peer);
/* An empty packet. 0, -ENOKEY or -EDESTADDRREQ. */
int dp_engine_send_keepalive(struct dp_engine *engine, struct dp_peer *peer);
/* Answers packet with ICMP unreachable, at a bounded rate. */
void dp_engine_unreachable(struct dp_engine *engine, const uint8_t *packet, size_t len);
/* Answers packet with ICMP "too big": mtu bytes would fit. At a bounded rate. */
void dp_engine_too_big(struct dp_engine *engine, const uint8_t *packet, size_t len,
		       unsigned int mtu);

/* dp_outbox.c: what sending collects. */

/* Room for an inner packet of len bytes behind its headers; may send what is held. NULL: too long.
 */
uint8_t *dp_outbox_add(struct dp_engine *engine, const struct dp_way *way, size_t len, uint8_t tos);
void dp_outbox_flush(struct dp_engine *engine);

/* dp_receive.c: from the peers. */

/* One receive call on one of the engine's sockets; false when nothing waited. */
bool dp_engine_receive(struct dp_engine *engine, struct dp_socket *socket);
/* One packet, opened in place. */
void dp_engine_input(struct dp_engine *engine, uint8_t *data, size_t len,
		     const struct dp_path *from, uint8_t tos);

/* dp_inbox.c: what receiving collects. */

/* A transport message of at least DP_DATA_OVERHEAD bytes. */
void dp_inbox_add(struct dp_engine *engine, uint8_t *data, size_t len, const struct dp_path *from,
		  uint8_t tos);
/* Opens what is held and writes the result to the TUN. */
void dp_inbox_flush(struct dp_engine *engine);

/* Notices and events that name a peer. */
void dp_engine_notice(struct dp_engine *engine, struct dp_peer *peer, unsigned int notice);
void dp_engine_ask_session(struct dp_engine *engine, struct dp_peer *peer);

#endif
