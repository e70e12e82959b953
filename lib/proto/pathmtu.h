#ifndef WARREN_PROTO_PATHMTU_H
#define WARREN_PROTO_PATHMTU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Path MTU discovery by padded probes (RFC 8899, DPLPMTUD): nothing but a probe's answer is
 * believed, so networks that drop every ICMP message do no harm, nor do forged ones. Sizes are
 * those of inner packets; what a path adds to them is only known to guess which are likely.
 *
 * Rounds of several sizes at once find the size: the usual ones in one round trip, any other to the
 * byte by narrowing. While large packets are sent, the size in use is confirmed again and again,
 * since what carries small packets may swallow large ones at any time (a black hole). One lost
 * probe says nothing; several large ones lost while smaller ones are answered do. Pairs of probes
 * in one datagram that the kernel cuts are compared in the same way with single ones.
 */
#define PATHMTU_BASE                                                                               \
	1280               /* BASE_PLPMTU: offered everywhere; where it does not fit, in fragments \
			    */
#define PATHMTU_SMALL 64   /* passes wherever anything does */
#define PATHMTU_MAX   8920 /* of a link with 9000 */
#define PATHMTU_LARGE 1150 /* inner packets from here on are worth watching over */

#define PATHMTU_CONFIRM_MS 250 /* between confirmations while large packets are sent */
#define PATHMTU_TRIES      3   /* MAX_PROBES (5.1.2) */
/* PMTU_RAISE_TIMER (5.1.1): soon after a loss may have been mistaken for a limit, then seldom. */
#define PATHMTU_RAISE_FIRST_S 2
#define PATHMTU_RAISE_S       600

/* RFC 8899, 5.2. */
enum pathmtu_state {
	PATHMTU_DISABLED,
	PATHMTU_STATE_BASE, /* nothing is known yet */
	PATHMTU_SEARCHING,
	PATHMTU_COMPLETE,
	PATHMTU_ERROR, /* PATHMTU_BASE does not fit */
};

struct pathmtu_config {
	uint16_t max;      /* largest inner packet, PATHMTU_BASE to PATHMTU_MAX */
	uint16_t overhead; /* bytes around it on the wire, the IP header included */
	bool gso;          /* datagrams are cut by the kernel */
};

struct pathmtu_probe {
	uint32_t token; /* of the first */
	uint16_t size;
	uint8_t count; /* 2: the tokens token and token + 1 in one datagram to be cut */
};

#define PATHMTU_SIZES 12
#define PATHMTU_SENT  64
#define PATHMTU_QUEUE 32

struct pathmtu_sent {
	uint32_t token;
	uint16_t size;
	bool pair;
	bool answered;
	uint64_t sent_ns;
};

enum pathmtu_round {
	PATHMTU_ROUND_NONE,
	PATHMTU_ROUND_SEARCH,
	PATHMTU_ROUND_CONFIRM,
	PATHMTU_ROUND_VERIFY, /* a confirmation was missed: why? */
};

/* Embedded; fields are private. */
struct pathmtu {
	struct pathmtu_config config;
	enum pathmtu_state state;
	uint16_t size;    /* PLPMTU, confirmed; 0: none */
	uint16_t too_big; /* smallest that did not fit; max + 1: none known */

	enum pathmtu_round round;
	unsigned int tries;
	unsigned int answers; /* in this round */
	uint16_t sizes[PATHMTU_SIZES];
	size_t size_count;
	uint32_t round_token; /* the round's first */
	uint32_t try_token;   /* the try's first */
	uint64_t deadline_ns; /* of the try */

	bool busy;        /* large packets were sent since the last tick */
	uint64_t tick_ns; /* when to look again; UINT64_MAX: when told of large packets */
	uint64_t raise_ns;
	uint64_t raise_s;
	unsigned int silent; /* rounds without any answer */
	unsigned int gso_missed;
	bool gso_lost;
	uint64_t rtt_ns; /* smoothed; 0: unknown */

	uint32_t next_token;
	struct pathmtu_sent sent[PATHMTU_SENT];
	struct pathmtu_probe queue[PATHMTU_QUEUE];
	size_t queue_at;
	size_t queue_end;
};

/* Zeros are DISABLED. Begins anew, on another path say; answers to older probes are ignored. */
void pathmtu_start(struct pathmtu *path, const struct pathmtu_config *config, uint64_t now_ns);
void pathmtu_stop(struct pathmtu *path);

/* Large packets are being sent. To be told again after each pathmtu_expire. */
void pathmtu_busy(struct pathmtu *path, uint64_t now_ns);
/* An authentic answer. */
void pathmtu_answer(struct pathmtu *path, uint32_t token, uint16_t size, uint64_t now_ns);
/* Our own link does not take packets of this size. */
void pathmtu_refused(struct pathmtu *path, uint16_t size, uint64_t now_ns);
/* Packets are not cut by the kernel any more, for whatever reason. */
void pathmtu_without_gso(struct pathmtu *path);

/* When expire wants to be called; UINT64_MAX: not before something else happens. */
uint64_t pathmtu_next_timeout(const struct pathmtu *path);
void pathmtu_expire(struct pathmtu *path, uint64_t now_ns);
/* The next probe to be sent; false when there is none. */
bool pathmtu_poll_output(struct pathmtu *path, struct pathmtu_probe *probe);

enum pathmtu_state pathmtu_state(const struct pathmtu *path);
/*
 * The largest inner packet: confirmed, or PATHMTU_BASE in the error state; 0 while nothing is
 * known.
 */
uint16_t pathmtu_size(const struct pathmtu *path);
/* It was not confirmed in one piece: packets must be allowed to be fragmented. */
bool pathmtu_needs_fragments(const struct pathmtu *path);
/* Single packets arrive and cut ones do not. */
bool pathmtu_gso_is_lost(const struct pathmtu *path);

#endif
