#ifndef WARREN_PROTO_CARRIER_H
#define WARREN_PROTO_CARRIER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"

/*
 * Which of several peers carries a prefix: the one that lives and has the highest weight. Pure and
 * without a clock of its own. A pulse follows one peer and says whether it lives; a choice belongs
 * to one prefix and goes by the pulses of its candidates. A carrier that died is left at once; to
 * one that is better traffic moves late, so that nothing flaps.
 */

/* Data without any answer: the peer is in doubt, asked by echoes, and given up. */
#define CARRIER_DOUBT_NS  (250 * NS_PER_MS)
#define CARRIER_ECHO_NS   (250 * NS_PER_MS)
#define CARRIER_SILENT_NS (1200 * NS_PER_MS)
/* Over long ways 400 ms and four round trips, up to this. */
#define CARRIER_SILENT_MAX_NS (2 * NS_PER_S)
/* No session comes about although packets wait for one. */
#define CARRIER_WAIT_NS (1500 * NS_PER_MS)
/*
 * Said to be offline: it is asked itself, since a coordinator that begins anew says so too, and
 * given up.
 */
#define CARRIER_OFFLINE_ASK_NS NS_PER_S
#define CARRIER_OFFLINE_NS     (3 * NS_PER_S)
/* One that was given up and is heard again has to stay for so long; doubles with every time. */
#define CARRIER_HOLD_NS     (5 * NS_PER_S)
#define CARRIER_HOLD_MAX_NS (300 * NS_PER_S)
/* After so long without a failure the former ones are forgotten. */
#define CARRIER_FORGET_NS (600 * NS_PER_S)
/* A silent one is asked again after this, and twice as long each time. */
#define CARRIER_RETRY_NS     (2 * NS_PER_S)
#define CARRIER_RETRY_MAX_NS (60 * NS_PER_S)
/* Of two with one weight the better path wins when it was the better one for so long. */
#define CARRIER_BETTER_NS (10 * NS_PER_S)

/* From bad to good. */
enum carrier_state {
	CARRIER_OFFLINE, /* the coordinator says so */
	CARRIER_SILENT,  /* it does not answer */
	CARRIER_HELD,    /* it answers again, but not for long */
	CARRIER_LIVE,
};

/* What is known of a peer; times of clock_now_ns, 0: never or none. */
struct carrier_signs {
	bool offline;                 /* it is said not to be there */
	uint64_t unanswered_since_ns; /* first data since the last authentic packet of the peer's */
	uint64_t waiting_since_ns;    /* packets wait for a session */
	uint64_t heard_ns;            /* last authentic packet */
	uint64_t rtt_ns;              /* 0: not known */
};

struct carrier_pulse {
	enum carrier_state state;
	uint64_t offline_ns; /* said to be offline since; 0: not */
	uint64_t died_ns;    /* when it was given up last; 0: never */
	uint64_t hold_ns;    /* how long it is held when it comes back */
	uint64_t well_ns;    /* HELD: live from then on */
	uint64_t ask_ns;     /* when it is to be asked */
	uint64_t retry_ns;   /* SILENT: how long after asking it is asked again */
	uint64_t next_ns;    /* when time alone changes something */
};

void carrier_pulse_init(struct carrier_pulse *pulse);
/* True when the state changed. */
bool carrier_pulse_update(struct carrier_pulse *pulse, const struct carrier_signs *signs,
			  uint64_t now_ns);
/* Is it to be asked now, by an echo or a handshake? Once for every time that it is. */
bool carrier_pulse_ask(struct carrier_pulse *pulse, uint64_t now_ns);
/* When to update, or ask, at the latest; CLOCK_NEVER: not before the signs change. */
uint64_t carrier_pulse_next_ns(const struct carrier_pulse *pulse);

struct carrier_candidate {
	uint64_t id; /* never 0; of equals the lowest is taken */
	unsigned int weight;
	enum carrier_state state;
	bool direct;         /* its path is */
	uint64_t latency_ns; /* 0: not known */
};

enum carrier_reason {
	CARRIER_NONE,     /* nobody is there */
	CARRIER_ONLY,     /* nobody else carries it */
	CARRIER_WEIGHT,   /* of those that live it has the highest */
	CARRIER_FAILOVER, /* a better one was given up */
	CARRIER_PATH,     /* of equals it has the better path */
	CARRIER_EQUAL,    /* of equals it was first */
	CARRIER_LAST,     /* none lives; this one was the last that did */
};

/* "only", "weight", …; "" for CARRIER_NONE. */
const char *carrier_reason_text(enum carrier_reason reason);

struct carrier_choice {
	uint64_t current; /* id; 0: none */
	enum carrier_reason reason;
	uint64_t rival; /* has the better path; 0: nobody */
	uint64_t rival_since_ns;
};

void carrier_choice_init(struct carrier_choice *choice);
/* True when another one carries now. */
bool carrier_choose(struct carrier_choice *choice, const struct carrier_candidate *candidates,
		    size_t count, uint64_t now_ns);
/* When to choose again although no candidate changed; CLOCK_NEVER: never. */
uint64_t carrier_choice_next_ns(const struct carrier_choice *choice);

#endif
