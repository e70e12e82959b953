#ifndef WARREN_PROTO_TIMERS_H
#define WARREN_PROTO_TIMERS_H

#include <stdbool.h>
#include <stdint.h>

struct rng;

/*
 * WireGuard's timers of one peer (whitepaper section 6), as a core without clock: events go in,
 * timers_next says when to call timers_expire, and that says what to do. What the packet workers
 * saw is read as marks at those moments, instead of an event for every packet.
 */

#define REKEY_AFTER_TIME_NS   (120 * 1000000000ULL) /* initiator, on send */
#define REKEY_ON_RECEIVE_NS   (165 * 1000000000ULL) /* initiator, on receive */
#define REJECT_AFTER_TIME_NS  (180 * 1000000000ULL)
#define REKEY_ATTEMPT_TIME_NS (90 * 1000000000ULL)
#define REKEY_TIMEOUT_NS      (5 * 1000000000ULL)
#define REKEY_JITTER_MAX_NS   334000000U
#define KEEPALIVE_TIMEOUT_NS  (10 * 1000000000ULL)
#define UNANSWERED_TIMEOUT_NS (KEEPALIVE_TIMEOUT_NS + REKEY_TIMEOUT_NS)
#define ERASE_AFTER_TIME_NS   (3 * REJECT_AFTER_TIME_NS)
#define REKEY_AFTER_MESSAGES  (1ULL << 60)
#define REJECT_AFTER_MESSAGES (UINT64_MAX - (1ULL << 13))

/* What the workers saw of a peer; times of clock_now_ns, 0 for never. */
struct timers_marks {
	uint64_t last_tx_ns; /* transport packets of any kind */
	uint64_t last_rx_ns;
	uint64_t last_tx_data_ns;
	uint64_t unanswered_since_ns; /* first data sent since the last authentic packet came */
	uint64_t unacked_since_ns;    /* first data received since the last packet was sent */
};

enum timers_action {
	TIMERS_SEND_INITIATION = 1 << 0, /* then call timers_initiation_sent */
	TIMERS_GIVE_UP = 1 << 1,         /* no answer for 90 s: drop what waits */
	TIMERS_SEND_KEEPALIVE = 1 << 2,
	TIMERS_ERASE_KEYS = 1 << 3, /* all three slots and the handshake */
};

struct timers {
	bool sent; /* last_initiation_ns is valid */
	uint64_t last_initiation_ns;
	uint64_t attempt_started_ns;
	uint64_t retry_ns; /* CLOCK_NEVER: no handshake under way */
	bool wanted;
	bool session;
	uint64_t erase_ns;
	uint64_t interval_ns; /* persistent keepalive; 0: off */
	uint64_t persistent_ns;
	uint64_t passive_ns;
	uint64_t unanswered_ns; /* when unanswered data was last acted on */
	uint64_t jitter_ns;
};

void timers_init(struct timers *timers);
/* 0 turns persistent keepalive off; turning it on sends one at once. */
void timers_set_keepalive(struct timers *timers, uint16_t interval_s);

/*
 * A handshake is wanted: a packet waits, or the key is old. timers_expire will say when: not
 * within 5 s of the last initiation, and not while one is under way.
 */
void timers_want_handshake(struct timers *timers);
/* An initiation went out, or could not: either way the next one comes 5 s and jitter later. */
void timers_initiation_sent(struct timers *timers, const struct rng *rng, uint64_t now_ns);
/* Keys were derived, by either side: what is older than 540 s will be erased. */
void timers_session_begun(struct timers *timers, uint64_t now_ns);
/* The session works both ways: our initiation was answered, or the peer sent on what it began. */
void timers_handshake_complete(struct timers *timers);
/* Nothing of a handshake or session is left, for example after a key change. */
void timers_reset(struct timers *timers);
bool timers_handshake_under_way(const struct timers *timers);

/* The next moment timers_expire has something to do, or CLOCK_NEVER. */
uint64_t timers_next(const struct timers *timers, const struct timers_marks *marks);
/* What is due, as a set of timers_action. */
unsigned int timers_expire(struct timers *timers, const struct timers_marks *marks,
			   uint64_t now_ns);

#endif
