#ifndef WARREN_PROTO_PATHCHOICE_H
#define WARREN_PROTO_PATHCHOICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Decides where the WireGuard packets for one peer go: a direct pair of addresses, a relay, or
 * nowhere, and says why. Pure: the owner reports what happened, then drains pathchoice_poll, after
 * every call that takes now_ns. Direct pairs are promoted by ICE's checks and demoted by
 * WireGuard's own silence, because a path that answers probes but does not carry WireGuard is no
 * path.
 */

#define PATHCHOICE_PAIRS_MAX  16
#define PATHCHOICE_RELAYS_MAX 4

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
	uint64_t unanswered_since_ns; /* first data sent since the last authentic packet */
	uint64_t last_rx_ns;          /* last authentic packet */
	uint64_t last_tx_data_ns;
};

enum path_order_type {
	PATH_ORDER_USE,   /* send packets by `current` from now on; also when only reason changed */
	PATH_ORDER_PROBE, /* ice_probe(id), `count` times */
	PATH_ORDER_WATCH, /* ask the data plane to tell when data goes unanswered */
	PATH_ORDER_RESTART, /* ice_restart */
};

struct path_order {
	enum path_order_type type;
	struct path_current current; /* USE */
	uint32_t id;                 /* PROBE */
	unsigned int count;          /* PROBE */
};

/* A direct pair as the chooser sees it; embedded, private. */
struct path_slot {
	bool used;
	bool alive; /* answered since it last failed */
	struct path_pair pair;
	uint64_t srtt_ns;
	uint64_t barred_ns; /* not before this time, after a failure */
	unsigned int failures;
	enum path_reason failure;
	uint64_t probe_ns;          /* when a pair that is not alive is asked again */
	unsigned int probes_wanted; /* to be polled */
};

struct path_relay {
	bool used;
	uint32_t id;
	uint64_t rtt_ns;
};

/* The watch over the pair in use: WireGuard's silence, and the probes it caused. */
struct path_silence {
	uint64_t since_ns;    /* unanswered_since of the data plane; 0: all is answered */
	uint64_t answered_ns; /* latest probe answered during it, 0 for none */
	unsigned int misses;  /* probes sent since the last answer of any kind */
	bool suspected;       /* begun by pathchoice_heard_elsewhere, not by unanswered data */
	uint64_t due_ns;
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
	struct path_activity activity;
	struct path_silence silence;
	uint64_t suspected_ns; /* last time */
	struct path_slot pairs[PATHCHOICE_PAIRS_MAX];
	struct path_relay relays[PATHCHOICE_RELAYS_MAX];
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

/* A relay through which the peer is reachable, with the whole round trip to the peer or to the
 * relay; again when that changes. 0 or -ENOSPC. */
int pathchoice_relay_up(struct pathchoice *pc, uint32_t id, uint64_t rtt_ns, uint64_t now_ns);
void pathchoice_relay_down(struct pathchoice *pc, uint32_t id, uint64_t now_ns);

/* ICE_EVENT_PAIR_VALID, _RTT, _LOST and _FAILED. -ENOSPC when too many pairs are known. */
int pathchoice_pair_valid(struct pathchoice *pc, const struct path_pair *pair, uint64_t now_ns);
void pathchoice_pair_answered(struct pathchoice *pc, uint32_t id, uint64_t rtt_ns, uint64_t now_ns);
void pathchoice_pair_lost(struct pathchoice *pc, uint32_t id, uint64_t now_ns);
void pathchoice_ice_failed(struct pathchoice *pc, uint64_t now_ns);

/*
 * The data plane's marks: to be called with fresh ones when it tells that data goes unanswered, and
 * right before every pathchoice_expire.
 */
void pathchoice_set_activity(struct pathchoice *pc, const struct path_activity *activity,
			     uint64_t now_ns);

/*
 * An authentic packet came by another path than the one in use: the peer may have left ours for a
 * reason, so the pair in use is probed now. At most once a second.
 */
void pathchoice_heard_elsewhere(struct pathchoice *pc, uint64_t now_ns);

uint64_t pathchoice_next_timeout(const struct pathchoice *pc);
void pathchoice_expire(struct pathchoice *pc, uint64_t now_ns);
bool pathchoice_poll(struct pathchoice *pc, struct path_order *order);

#endif
