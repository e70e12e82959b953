#ifndef WARREN_PROTO_PATHCHOICE_H
#define WARREN_PROTO_PATHCHOICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Decides where the WireGuard packets for one peer go: a direct pair of addresses, a relay, or
 * nowhere, and says why. Pure: the owner reports what happened, then drains pathchoice_poll, after
 * every call that takes now_ns. Direct pairs are promoted by ICE's checks; what demotes a path is
 * what it delivers. Three things are asked for, and answered by calls:
 *
 *	probe  a check of the pair, or a sign of life of the relay, outside of the session
 *	echo   a packet of the session by that very path, answered by it: the only proof that it
 *	       carries WireGuard; its answer tells how much of what was sent arrived
 *	watch  news that data was sent by the path in use and nothing came back by it
 *
 * Silence: data unanswered for max(2 round trips, 100 ms) leads to a probe and an echo, after
 *another round trip to a second of each and to echoes by the other relays, and when that is over
 *too, the path is left (pathwatch.c). Probes answered and echoes not: WireGuard is dropped there.
 *Quality: while data flows the path is asked every second (pathmeasure.c); one that loses or delays
 *much is left for a relay that a train of echoes showed to be better, and comes back by another
 *train.
 */

#define PATHCHOICE_PAIRS_MAX  16
#define PATHCHOICE_RELAYS_MAX 4
#define PATHCHOICE_ECHOES_MAX 64 /* that are remembered */

/* Why the path is what it is; the names that status shows come from path_reason_text. */
enum path_reason {
	PATH_REASON_NONE,           /* direct, as it should be */
	PATH_REASON_CHECKING,       /* looking for a direct path */
	PATH_REASON_UDP_BLOCKED,    /* one side cannot send UDP at all */
	PATH_REASON_NO_FAMILY,      /* one side has IPv4 only, the other IPv6 only */
	PATH_REASON_MAPPING,        /* both NATs choose ports that cannot be foreseen */
	PATH_REASON_EGRESS_BLOCKED, /* the pair answers checks, WireGuard does not get through */
	PATH_REASON_NO_ANSWER,      /* checks were never answered */
	PATH_REASON_SILENCE,        /* the direct path in use went silent */
	PATH_REASON_THROTTLED,      /* it loses or delays much, and a relay delivers better */
	PATH_REASON_FORCED,         /* the user asked for it */
	PATH_REASON_PEER_OFFLINE,
	PATH_REASON_NO_RELAY, /* no relay and no direct path */
};

/* "udp-blocked", …; "" for PATH_REASON_NONE. */
const char *path_reason_text(enum path_reason reason);

enum path_mode {
	PATH_MODE_AUTO,
	PATH_MODE_DIRECT, /* never a relay: without a direct path traffic stops */
	PATH_MODE_RELAY,  /* never direct */
};

enum path_kind {
	PATH_NONE,
	PATH_RELAY,
	PATH_DIRECT,
};

struct path_current {
	enum path_kind kind;
	uint32_t id; /* of the relay or the pair */
	enum path_reason reason;
	uint64_t since_ns;
};

/* Smaller is better at equal round-trip times; ice_path_class fits. */
struct path_pair {
	uint32_t id;
	unsigned int class;
	uint64_t rtt_ns;
};

/* What the data plane knows, a fresh copy each time; times of clock_now_ns, 0 for never/none. */
struct path_activity {
	/* First data sent by the path in use since the last authentic packet that came by it. */
	uint64_t silent_since_ns;
	uint64_t last_tx_data_ns;
};

enum path_order_type {
	PATH_ORDER_USE,   /* send packets by `current` from now on; also when only reason changed */
	PATH_ORDER_PROBE, /* a pair: ice_probe, `count` times; a relay: is it still there? */
	PATH_ORDER_ECHO,  /* one with that token; pathchoice_echo_unsent when that cannot be */
	PATH_ORDER_WATCH, /* ask the data plane to tell when data goes unanswered */
	PATH_ORDER_RESTART, /* ice_restart */
};

struct path_order {
	enum path_order_type type;
	struct path_current current; /* USE */
	enum path_kind kind;         /* PROBE, ECHO */
	uint32_t id;                 /* PROBE, ECHO */
	unsigned int count;          /* PROBE */
	uint32_t token;              /* ECHO */
};

/* A pair or a relay as the chooser sees it; embedded, private. */
struct path_slot {
	bool used;
	bool alive; /* not failed, or answered since */
	enum path_kind kind;
	uint32_t id;
	unsigned int class;  /* of a pair */
	uint64_t assumed_ns; /* of a relay: its round trip, until it is measured */
	uint64_t srtt_ns;    /* of answers (RFC 6298); 0: never measured */
	uint64_t rttvar_ns;

	uint64_t barred_ns; /* not before this time, after a failure */
	unsigned int failures;
	enum path_reason failure;
	bool unproven;     /* failed: alive only when an echo comes back, where there are echoes */
	unsigned int deaf; /* while unproven: checks answered since the last echo */
	unsigned int late; /* late answers in a row after a failure */
	unsigned int trials; /* how often it delivered badly */
	bool on_trial;       /* delivered badly: taken again after a train of echoes only */
	unsigned int loss;   /* permille, when that was found */
	unsigned int missed; /* echoes in a row */

	uint64_t probe_ns;  /* when a path that is not alive is asked again */
	uint64_t failed_ns; /* when it failed */
	uint64_t echo_ns;   /* when it is measured again */
	uint64_t echoed_ns; /* latest answer to an echo */
	unsigned int probes_wanted, echoes_wanted; /* to be polled */
};

struct path_echo {
	uint32_t token; /* 0: none */
	enum path_kind kind;
	uint32_t id;
	bool of_train;
	uint64_t sent_ns;
};

/* The watch over the path in use: its silence, and the questions it caused. */
struct path_watch {
	uint64_t since_ns;  /* first data without an answer; 0: all is answered */
	unsigned int step;  /* of a round: 0 none, 1 asked, 2 asked again */
	uint64_t began_ns;  /* the latest round */
	bool checked;       /* the round's probe was answered */
	unsigned int deaf;  /* rounds in a row with a probe answered, and no echo */
	unsigned int quiet; /* rounds in a row without any answer */
	bool suspected;     /* begun by pathchoice_heard_elsewhere, not by unanswered data */
	uint64_t due_ns;
};

/* What the path in use delivers. */
struct path_delivery {
	bool based;
	uint32_t expected, arrived; /* at the beginning of the window */
	uint64_t based_ns;
	unsigned int loss;  /* permille, smoothed */
	unsigned int lossy; /* windows in a row */
	unsigned int slow;  /* answers in a row */
};

/* Echoes in a row by one path, to see what it is like before it is taken. */
struct path_train {
	bool active;
	enum path_kind kind;
	uint32_t id;
	unsigned int sent, back;
	unsigned int wanted; /* to be polled: 0 or 1 */
	uint64_t due_ns;     /* the next, or the verdict */
};

/* Embedded; the fields are private. */
struct pathchoice {
	struct path_current current;
	struct path_current told;
	enum path_mode mode;
	enum path_reason obstacle;
	enum path_reason lost; /* why the last direct path ended; NONE when there was none */
	bool online;
	bool failed; /* checks ended without a pair */
	bool watch_wanted;
	bool restart_wanted;
	unsigned int restarts; /* since a pair was last valid */
	uint64_t restart_ns;   /* when to begin anew; CLOCK_NEVER: not planned */
	uint64_t last_restart_ns;
	uint64_t checking_ns; /* when checks began */
	uint64_t now_ns;      /* of the latest call */
	struct path_activity activity;
	struct path_watch watch;
	uint64_t suspected_ns; /* last time */
	uint64_t follow_ns;    /* not before: leaving because the peer did */
	unsigned int follows;
	uint64_t relayed_ns; /* when the peer was last heard by a relay, while ours is direct */

	bool echoes; /* the peer has answered one */
	bool mute;   /* the latest could not be sent: no session */
	uint32_t token;
	struct path_echo echo[PATHCHOICE_ECHOES_MAX]; /* by token */
	struct path_delivery delivery;
	struct path_train train;
	uint64_t train_ns; /* no train to leave a pair before */
	unsigned int trains;

	struct path_slot pairs[PATHCHOICE_PAIRS_MAX];
	struct path_slot relays[PATHCHOICE_RELAYS_MAX];
};

void pathchoice_init(struct pathchoice *pc, uint64_t now_ns);
void pathchoice_set_mode(struct pathchoice *pc, enum path_mode mode, uint64_t now_ns);
/* The coordinator's word; while the peer is offline only pairs that answer are used. */
void pathchoice_set_online(struct pathchoice *pc, bool online, uint64_t now_ns);
/*
 * What discovery expects to stand in the way (UDP_BLOCKED, NO_FAMILY, MAPPING), or
 * PATH_REASON_NONE. It is only told, as the reason of a relayed path: checks go on all the same.
 */
void pathchoice_set_obstacle(struct pathchoice *pc, enum path_reason reason, uint64_t now_ns);

/*
 * A relay through which the peer is reachable, with a guess at the whole round trip to the peer,
 * which holds until echoes have measured it; again when that changes. 0 or -ENOSPC.
 */
int pathchoice_relay_up(struct pathchoice *pc, uint32_t id, uint64_t rtt_ns, uint64_t now_ns);
void pathchoice_relay_down(struct pathchoice *pc, uint32_t id, uint64_t now_ns);

/* ICE_EVENT_PAIR_VALID, _RTT, _LOST and _FAILED. -ENOSPC when too many pairs are known. */
int pathchoice_pair_valid(struct pathchoice *pc, const struct path_pair *pair, uint64_t now_ns);
void pathchoice_pair_answered(struct pathchoice *pc, uint32_t id, uint64_t rtt_ns, uint64_t now_ns);
void pathchoice_pair_lost(struct pathchoice *pc, uint32_t id, uint64_t now_ns);
void pathchoice_ice_failed(struct pathchoice *pc, uint64_t now_ns);

/*
 * One side is in another network, and checks have begun anew for that: no restart is to be ordered,
 * and what was found wrong with paths before says nothing.
 */
void pathchoice_restarted(struct pathchoice *pc, uint64_t now_ns);

/*
 * The data plane's marks: to be called with fresh ones when it tells that data goes unanswered, and
 * right before every pathchoice_expire.
 */
void pathchoice_set_activity(struct pathchoice *pc, const struct path_activity *activity,
			     uint64_t now_ns);

/*
 * An authentic packet came by another path than the one in use: the peer may have left ours for a
 * reason. When it came by a relay the path goes there too, and comes back if it answers; otherwise,
 * or when that was done a short while ago, the path is probed, at most once a second.
 */
void pathchoice_heard_elsewhere(struct pathchoice *pc, bool by_relay, uint64_t now_ns);

/* An echo was answered: how many packets the peer ought to have got from us by now, and got. */
void pathchoice_echo_answered(struct pathchoice *pc, uint32_t token, uint32_t expected,
			      uint32_t arrived, uint64_t now_ns);
/* It could not be sent, there being no session. */
void pathchoice_echo_unsent(struct pathchoice *pc, uint32_t token, uint64_t now_ns);

uint64_t pathchoice_next_timeout(const struct pathchoice *pc);
void pathchoice_expire(struct pathchoice *pc, uint64_t now_ns);
bool pathchoice_poll(struct pathchoice *pc, struct path_order *order);

/* Of the path in use: smoothed round trip, 0 while unknown; and how much of what was sent got lost,
 * in permille, as far as the peer told. */
uint64_t pathchoice_rtt_ns(const struct pathchoice *pc);
unsigned int pathchoice_loss(const struct pathchoice *pc);

#endif
