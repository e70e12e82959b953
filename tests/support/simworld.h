#ifndef WARREN_TESTS_SUPPORT_SIMWORLD_H
#define WARREN_TESTS_SUPPORT_SIMWORLD_H

#include "proto/relay_server.h"
#include "tests/support/simnode.h"

/*
 * Two nodes, a STUN server with two addresses, two relays and a coordinator that passes signals on.
 * While it runs invariants are checked; the first that breaks ends the run.
 *
 *	node ── [nat] ── [carrier's nat] ─┐            ┌── relay 0, relay 1
 *	                                  ├─ internet ─┼── STUN server
 *	node ── [nat] ────────────────────┘            └── stranger
 */
struct sim_relay {
	int host;
	struct relay_server *server; /* NULL: it is down */
	/* What it sends comes late, twice, cut short, changed, or to the wrong node. */
	bool hostile;
};

struct sim_world {
	struct simnet *net;
	uint64_t now_ns;
	int server;
	int stranger;
	struct sim_relay relays[SIM_RELAYS];
	struct sim_node nodes[2];
	uint32_t session;         /* counts the starts of nodes */
	uint64_t stream_delay_ns; /* one way, between node and relay by TLS */
	uint64_t signal_delay_ns; /* one way */
	unsigned int signal_loss_permille;
	bool trace;          /* print what happens */
	bool replays;        /* authentic messages come from anywhere, so anybody may be checked */
	const char *failure; /* first broken invariant */
	unsigned int rate_max; /* datagrams a second, of one node */
	uint64_t second_ns;    /* for the packet rate */
	uint64_t sent_before[2];
	unsigned int max_rate;
	/* Sees what nodes send, if set. */
	void (*tap)(struct sim_world *w, const struct sim_node *n, const struct endpoint *remote,
		    const uint8_t *data, size_t len);
};

/* How the nodes are connected. */
struct sim_place {
	struct sim_nat_config nats[2];
	struct sim_nat_config carriers[2]; /* in front of those; kind NONE: there is none */
	bool same_lan;                     /* both behind the first's */
	bool same_carrier;                 /* both behind the first's */
	int homes[2];                      /* relays */
	struct sim_quality quality;
};

void sim_world_place(struct sim_world *w, uint64_t seed, const struct sim_place *place);
/* The same without carriers, both at home at the first relay. */
void sim_world_init(struct sim_world *w, uint64_t seed, const enum sim_nat_kind kinds[static 2],
		    bool same_lan, const struct sim_quality *quality);
void sim_world_clear(struct sim_world *w);
/* Runs until that time or until an invariant breaks. */
void sim_world_run(struct sim_world *w, uint64_t until_ns);
void sim_world_fail(struct sim_world *w, const char *what);

/* False: it is gone; true: it is there with an empty memory, as after a crash. */
void sim_world_set_relay(struct sim_world *w, int r, bool up);
/* The box in front of a node's host; SIM_PUBLIC: none. */
int sim_world_nat(const struct sim_world *w, int node);

/* For nodes. */
struct endpoint sim_world_relay_endpoint(const struct sim_world *w, int r);
void sim_world_credentials(int node, char *username, char *password);
void sim_world_node_key(uint8_t key[static STUN_KEY_SIZE], int node);
/* By the stream of that node. */
void sim_world_stream_to_relay(struct sim_world *w, const struct sim_node *n, int r,
			       const uint8_t *data, size_t len);
/* A sealed signal to the other node, through the coordinator or a relay that both are at. */
void sim_world_signal(struct sim_world *w, const struct sim_node *n, const char *text, size_t len);
/* The same, saying that n has its path forced to the relay. */
void sim_world_tell_relay_only(struct sim_world *w, const struct sim_node *n);

/* Whether the lab says that these two connect directly without guessing ports. */
bool sim_direct_possible(enum sim_nat_kind a, enum sim_nat_kind b);
/* The same for a whole place, in which hard NATs are guessed through or not. */
bool sim_place_direct(const struct sim_place *place);

#endif
