#ifndef WARREN_PROTO_COALESCE_H
#define WARREN_PROTO_COALESCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "proto/vnet.h"

/*
 * Merges the packets of one receive batch into as few writes to a TUN device as possible: runs of
 * one flow stand behind one header and are cut again, if at all, by the kernel. Packets of one flow
 * keep their order. Pure: borrows the packets, rewrites the header of a run's first one.
 *
 * A packet joins its flow's latest run when it has the same 5-tuple, TTL, ToS and DF, the next
 * sequence number, and the same acknowledgment, window, flags and options; none after a shorter
 * one, PSH and FIN only on the last, CWR only on the first; no fragments, IP options or extension
 * headers; payload above 0; and checksums that are right, because the merged packet's is computed
 * by the kernel and would hide that one was wrong. IPv4 packets have consecutive ids, even with
 * DF: the kernel counts them up when it cuts. No packet overtakes a fragment or one with options or
 * extension headers, which may be of its flow.
 */
#define COALESCE_PACKETS_MAX 1024 /* of a batch */
#define COALESCE_RUN_MAX     128  /* of a run */
#define COALESCE_UDP_RUN_MAX 64   /* as UDP_MAX_SEGMENTS of the kernel */
#define COALESCE_FLOWS       256  /* remembered; a forgotten flow just starts a new run */
#define COALESCE_IOV_MAX     (COALESCE_RUN_MAX + 1)

struct coalesce_packet {
	uint8_t *data;
	uint32_t len;
	uint16_t header_len;
	uint16_t next; /* of the same run; 0: last */
};

struct coalesce_run {
	uint16_t first;
	uint16_t last;
	uint16_t count;
	uint16_t l4;
	uint32_t len;      /* as one packet */
	uint32_t next_seq; /* TCP */
	uint16_t size;     /* payload of the first packet */
	uint16_t next_id;  /* IPv4 */
	uint8_t proto;     /* 0: never joined */
	bool closed;       /* no packet may follow */
	bool verified;     /* checksums of the first packet are known to be right */
};

struct coalesce {
	size_t packets;
	size_t runs;
	uint16_t barrier; /* runs below this number take no packet any more */
	bool tcp;
	bool udp;
	struct coalesce_packet packet[COALESCE_PACKETS_MAX];
	struct coalesce_run run[COALESCE_PACKETS_MAX];
	uint16_t latest[COALESCE_FLOWS]; /* by hash of the flow: its run + 1, 0 for none */
};

/* tcp, udp: what may be merged. */
void coalesce_init(struct coalesce *c, bool tcp, bool udp);
/* Drops what is held and starts the next batch. */
void coalesce_reset(struct coalesce *c);
bool coalesce_full(const struct coalesce *c);
/* Takes one whole IP packet of exactly len bytes, not to be changed before the reset. */
void coalesce_add(struct coalesce *c, uint8_t *packet, size_t len);
/* After coalesce_finish, when the write was refused: makes a run's packets what they were. */
void coalesce_split(struct coalesce *c, size_t index);
/*
 * Run index (below c->runs) as one write: iov[0] is hdr. Returns how many of the COALESCE_IOV_MAX
 * entries are used. To be called once a run.
 */
size_t coalesce_finish(struct coalesce *c, size_t index, struct vnet_hdr *hdr, struct iovec *iov);

#endif
