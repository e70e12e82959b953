#ifndef WARREN_TESTS_SUPPORT_SIMNAT_H
#define WARREN_TESTS_SUPPORT_SIMNAT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "crypto/rng.h"

/* One NAT box of the simulated internet: which port it shows for whom, and whom it lets in. */
struct sim_nat;

/* Behaviours in RFC 4787 words: mapping / filtering. */
enum sim_nat_kind {
	SIM_NAT_NONE,
	SIM_NAT_A, /* endpoint-independent / address and port dependent */
	SIM_NAT_B, /* address and port dependent / the same, random ports */
	SIM_NAT_C, /* endpoint-independent / endpoint-independent */
	SIM_NAT_D, /* endpoint-independent / address dependent */
	SIM_NAT_E, /* address dependent / address and port dependent */
	SIM_NAT_R, /* as A, but an early packet from outside is taken for a connection of the box's
		      own */
	SIM_NAT_U, /* no UDP at all */
	SIM_NAT_S, /* as B, but the ports follow each other at a distance */
};

#define SIM_NAT_KINDS 9
#define SIM_NAT_NAMES "-ABCDERUS"

struct sim_nat_config {
	enum sim_nat_kind kind;
	bool hairpin; /* hosts behind it reach each other by their outside addresses */
	/*
	 * The inside port is the one outside as well, for several hosts at once, unless two of them
	 * talk to the same remote; not with B, E, S.
	 */
	bool keeps_port;
	unsigned int stride;  /* of S; 0: 1 */
	uint64_t idle_ns;     /* a mapping lives so long after its last packet; 0: forever */
	uint64_t absolute_ns; /* and so long at most; 0: forever */
};

/* Ports of one inside address cannot be foreseen by others. */
bool sim_nat_is_hard(enum sim_nat_kind kind);

/* rng is borrowed. Never NULL. */
struct sim_nat *sim_nat_new(const struct sim_nat_config *config, const struct rng *rng);
void sim_nat_free(struct sim_nat *nat);
const struct sim_nat_config *sim_nat_config(const struct sim_nat *nat);
void sim_nat_set_lifetimes(struct sim_nat *nat, uint64_t idle_ns, uint64_t absolute_ns);
/* Forgets all mappings and takes new ports from now on. */
void sim_nat_forget(struct sim_nat *nat);

/* The port that inside has towards remote, 0 for none; make: makes it, and lets answers in. */
uint16_t sim_nat_out(struct sim_nat *nat, const struct endpoint *inside,
		     const struct endpoint *remote, bool make, uint64_t now_ns);
/* Whom a packet from remote to that port goes to; false: nobody. use: it counts as traffic. */
bool sim_nat_in(struct sim_nat *nat, uint16_t port, const struct endpoint *remote, bool use,
		uint64_t now_ns, struct endpoint *inside);
/* A packet came that nobody asked for. */
void sim_nat_unasked(struct sim_nat *nat, uint16_t port, const struct endpoint *remote,
		     uint64_t now_ns);

#endif
