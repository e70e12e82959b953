#ifndef WARREN_TESTS_SUPPORT_SIMNODE_H
#define WARREN_TESTS_SUPPORT_SIMNODE_H

#include "proto/ice.h"
#include "proto/ice_budget.h"
#include "proto/nat_mapping.h"
#include "proto/pathchoice.h"
#include "proto/relay_client.h"
#include "proto/stun_client.h"
#include "tests/support/simnamed.h"
#include "tests/support/simnet.h"
#include "tests/support/simpacket.h"
#include "tests/support/simpunch.h"

/*
 * A node of the simulator: an ICE agent, a path chooser, two relay clients and a STUN client on a
 * simulated host, glued as the daemon does it, with a stand-in for WireGuard (simpacket.h). Two of
 * them make a world (simworld.h).
 */
#define SIM_RELAYS     2 /* r is told to the chooser as r + 1 */
#define SIM_PORT       41641
#define SIM_RELAY_PORT 3480
#define SIM_START_NS   (1000 * NS_PER_S)

struct sim_world;

struct sim_node {
	struct sim_world *world;
	int host;
	int index;
	int home; /* relay */
	bool running;
	bool cut;                /* off the network altogether */
	bool barred[SIM_RELAYS]; /* cannot reach that relay */
	bool unsignalled;        /* cannot reach the coordinator */
	bool controlling;        /* as told at the start */
	bool warm;               /* knows its mapped address when it starts, if it ever did */
	bool joins;              /* starts when it is called */
	enum path_mode mode;
	bool peer_relay_only; /* as the peer told */
	uint64_t told_ns;     /* that we are */
	struct endpoint mapped;
	struct ip_addr mapped_by;
	struct nat_mapping nat;
	struct sim_punch punch;
	struct ice_budget *budget;
	struct ice_agent *agent; /* NULL while the relay is forced */
	struct stun_client *stun;
	struct relay_client *relays[SIM_RELAYS];
	enum relay_transport transport; /* a stream where UDP is blocked */
	struct pathchoice path;
	struct ice_pair_info selected; /* id 0: none */

	bool described; /* the peer's agent has said something */
	unsigned int offers;
	uint64_t offer_due_ns;

	struct sim_session session;
	uint64_t data_interval_ns; /* 0: only answers */
	uint64_t data_due_ns;
	uint64_t keepalive_due_ns;
	struct path_activity activity;
	uint64_t last_rx_ns;
	bool watched;

	/* Whom authentic messages named: nobody else may be sent to. */
	struct sim_named named;
	uint16_t heard_port;   /* where it came to */
	struct endpoint heard; /* where the latest datagram came from */

	/*
	 * A second agent on the same port and budget, whose peer is made up by a test. Its
	 * datagrams go out and are counted, what it tells is put aside.
	 */
	struct ice_agent *other;
	struct ice_description other_told;
	void (*other_sent)(struct sim_node *n, const struct ice_datagram *d);

	uint64_t first_data_ns; /* first received, 0 for none */
	uint64_t first_direct_ns;
	uint64_t direct_ns; /* the latest time that it became direct */
	uint64_t relayed_ns;
	uint64_t received;
	unsigned int kind_changes;
	struct path_current used; /* as ordered */
	unsigned int left;        /* direct paths, for the relay */
	unsigned int lost;        /* of those, because of silence */
	uint64_t echoes;          /* sent */
	unsigned int restarts;
	unsigned int roles;
	unsigned int spins[4]; /* of the cores: timeouts that did not move */
};

void sim_node_start(struct sim_node *n);
/* As after kill -9: the agent and all its state are gone. */
void sim_node_stop(struct sim_node *n);
/* Begins a new ICE session and asks the STUN server again. */
void sim_node_restart_ice(struct sim_node *n);
void sim_node_set_cut(struct sim_node *n, bool cut);
/* Neither datagrams nor its stream come to that relay, or from it. */
void sim_node_bar_relay(struct sim_node *n, int relay, bool barred);
/* As by a user, any time. */
void sim_node_set_mode(struct sim_node *n, enum path_mode mode);

/* For the world's loop. */
void sim_node_drain(struct sim_node *n);
uint64_t sim_node_next(const struct sim_node *n);
void sim_node_expire(struct sim_node *n);
void sim_node_datagram(struct sim_node *n, const struct sim_event *event);
void sim_node_signal(struct sim_node *n, const char *text, size_t len);
/* The peer has its path forced to the relay. */
void sim_node_told_relay_only(struct sim_node *n);
/* What relay r said on our stream. */
void sim_node_stream(struct sim_node *n, int r, const uint8_t *data, size_t len);

#endif
