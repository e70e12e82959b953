#ifndef WARREN_TESTS_SUPPORT_SIMPUNCH_H
#define WARREN_TESTS_SUPPORT_SIMPUNCH_H

#include "proto/ice.h"
#include "proto/punch.h"

struct sim_node;

/* Port guessing of a simulated node, driven as the daemon does it. */
struct sim_punch {
	struct punch *core;
	struct punch_budget budget;
	char session[ICE_UFRAG_SIZE];
	uint16_t first_port; /* of the sockets that are open */
};

void sim_punch_init(struct sim_node *n);
void sim_punch_clear(struct sim_node *n);
/* Around the agent: what it is about to tell, what it was told, and what came of it. */
void sim_punch_report(struct sim_node *n, struct ice_description *d);
void sim_punch_note(struct sim_node *n, const struct ice_description *d);
void sim_punch_pair_event(struct sim_node *n);
uint64_t sim_punch_next(const struct sim_node *n);
void sim_punch_expire(struct sim_node *n);

#endif
