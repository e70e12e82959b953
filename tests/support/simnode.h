#ifndef WARREN_TESTS_SUPPORT_SIMNODE_H
#define WARREN_TESTS_SUPPORT_SIMNODE_H

#include "proto/ice.h"
#include "proto/pathchoice.h"
#include "proto/relay_client.h"
#include "proto/relay_server.h"
#include "proto/stun_client.h"
#include "tests/support/simnet.h"

/*
 * A node of the simulator: an ICE agent, a path chooser and a STUN client on a simulated host,
 * glued as the daemon does it, with a stand-in for WireGuard that sends a small packet now and
 * then, and answers echoes. Two of them, one STUN server and a relay make a world.
 */
#define SIM_RELAY_ID   1
#define SIM_DATA_SIZE  32
#define SIM_DATA_TYPE  4 /* WireGuard's, in the first byte */
#define SIM_PORT       41641
#define SIM_RELAY_PORT 3480

struct sim_world;

struct sim_node {
	struct sim_world *world;
	int host;
	int index;
	bool running;
	bool cut;         /* off the network altogether */
	bool controlling; /* as told at the start */
	bool warm;        /* knows its mapped address when it starts, if it ever did */
	bool joins;       /* starts when it is called */
	struct endpoint mapped;
	struct ip_addr mapped_by;
	struct ice_agent *agent;
	struct stun_client *stun;
	struct relay_client *relay;
	enum relay_transport transport; /* a stream where UDP is blocked */
	struct pathchoice path;
	struct ice_pair_info selected; /* id 0: none */

	uint64_t data_interval_ns; /* 0: only answers */
	uint64_t data_due_ns;
	uint64_t keepalive_due_ns;
	struct path_activity activity;
	uint64_t last_rx_ns;
	bool watched;
	uint32_t counter;  /* of the stand-in's packets, those sent … */
	uint32_t expected; /* … and those of the peer */
	uint32_t arrived;

	uint64_t first_data_ns; /* first received, 0 for none */
	uint64_t first_direct_ns;
	uint64_t received;
	unsigned int kind_changes;
	enum path_kind used; /* as ordered */
	unsigned int left;   /* direct paths, for the relay */
	unsigned int lost;   /* of those, because of silence */
	uint64_t echoes;     /* sent */
	unsigned int restarts;
	unsigned int roles;
};

struct sim_world {
	struct simnet *net;
	uint64_t now_ns;
	int server;
	struct sim_node nodes[2];
	struct relay_server *relay;
	bool relay_cut;           /* off the network, but all there */
	uint64_t stream_delay_ns; /* one way, between node and relay by TLS */
	uint64_t signal_delay_ns; /* one way */
	unsigned int signal_loss_permille;
	bool trace;          /* print what happens */
	const char *failure; /* first broken invariant */
	uint64_t second_ns;  /* for the packet rate */
	uint64_t sent_before[2];
	unsigned int max_rate;
};

/* Hosts: the server with two addresses, then two nodes behind these boxes, or on one LAN. */
void sim_world_init(struct sim_world *w, uint64_t seed, const enum sim_nat_kind kinds[static 2],
		    bool same_lan, const struct sim_quality *quality);
void sim_world_clear(struct sim_world *w);
/* Runs until that time or until an invariant breaks. */
void sim_world_run(struct sim_world *w, uint64_t until_ns);

void sim_node_start(struct sim_node *n);
/* As after kill -9: the agent and all its state are gone. */
void sim_node_stop(struct sim_node *n);
/* Begins a new ICE session and asks the STUN server again. */
void sim_node_restart_ice(struct sim_node *n);
void sim_node_set_cut(struct sim_node *n, bool cut);
/* The relay is there again with an empty memory, as after a crash. */
void sim_world_restart_relay(struct sim_world *w);

/* Whether the lab says that these two connect directly without guessing ports. */
bool sim_direct_possible(enum sim_nat_kind a, enum sim_nat_kind b);

#endif
