#ifndef WARREN_TESTS_SUPPORT_SIMNET_H
#define WARREN_TESTS_SUPPORT_SIMNET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "crypto/rng.h"
#include "tests/support/simnat.h"

/*
 * A small internet in memory with a virtual clock: hosts, some of them behind NAT boxes, and
 * datagrams that are delayed, lost, duplicated and overtaken. Everything follows from the seed.
 *
 *	host ── [nat] ──┐
 *	host ── [nat] ──┼── internet ── host
 *	host ───────────┘
 */
struct simnet;

#define SIM_HOSTS_MAX     12
#define SIM_ADDRS_MAX     2
#define SIM_DATAGRAM_SIZE 512
#define SIM_PUBLIC        (-1) /* in place of a NAT's number */

struct sim_quality {
	uint64_t delay_ns;  /* one way, of a host's access line; both ends' add up */
	uint64_t jitter_ns; /* added at random: packets overtake each other */
	unsigned int loss_permille;
	unsigned int duplicate_permille;
	unsigned int reorder_permille; /* of those sent: come a good deal later */
	unsigned int police_pps;       /* packets a second each way, more are dropped; 0: all */
};

/* What vanishes on the way from one host's line to another's. */
enum sim_hole {
	SIM_HOLE_NONE,
	SIM_HOLE_DATA, /* WireGuard's data only */
	SIM_HOLE_ALL,
};

enum sim_event_kind {
	SIM_DATAGRAM,
	SIM_MESSAGE, /* what simnet_post was given */
};

struct sim_event {
	enum sim_event_kind kind;
	uint64_t time_ns;
	int host;
	int zone;               /* DATAGRAM: a NAT's inside, or SIM_PUBLIC; private */
	struct endpoint local;  /* DATAGRAM: where it arrived */
	struct endpoint remote; /* DATAGRAM: where it seems to come from */
	void *message;          /* MESSAGE */
	size_t len;
	uint8_t data[SIM_DATAGRAM_SIZE];
};

struct simnet *simnet_new(uint64_t seed);
/* Frees undelivered messages too, with free(). */
void simnet_free(struct simnet *net);
const struct rng *simnet_rng(const struct simnet *net);

/* Numbers from 0 up. */
int simnet_add_nat(struct simnet *net, enum sim_nat_kind kind);
/* behind: a NAT's number (that one is a carrier's then), or SIM_PUBLIC. */
int simnet_add_box(struct simnet *net, const struct sim_nat_config *config, int behind);
struct sim_nat *simnet_nat(const struct simnet *net, int nat);
/* behind: a NAT's number or SIM_PUBLIC. Two hosts behind one NAT are on one LAN. */
int simnet_add_host(struct simnet *net, int behind, const struct sim_quality *quality);
/* A host's own addresses: index 0, and 1 after simnet_add_addr. */
struct ip_addr simnet_addr(const struct simnet *net, int host, int index);
void simnet_add_addr(struct simnet *net, int host);

/* The box that it is behind, or SIM_PUBLIC. */
int simnet_behind(const struct simnet *net, int host);

void simnet_set_quality(struct simnet *net, int host, const struct sim_quality *quality);
/* Nothing gets in or out. */
void simnet_set_cut(struct simnet *net, int host, bool cut);
void simnet_set_hole(struct simnet *net, int from, int to, enum sim_hole hole);
/* The box forgets all mappings and takes new ports from now on. */
void simnet_rebind(struct simnet *net, int nat);

/*
 * From local of host to remote, now. ttl: routers that it passes, of which the own box is one and
 * the internet another; 0: enough.
 */
void simnet_send_ttl(struct simnet *net, int host, const struct endpoint *local,
		     const struct endpoint *remote, const uint8_t *data, size_t len, uint8_t ttl,
		     uint64_t now_ns);
void simnet_send(struct simnet *net, int host, const struct endpoint *local,
		 const struct endpoint *remote, const uint8_t *data, size_t len, uint64_t now_ns);
/* A message outside the datagram network (a signal): comes to host at that time, never lost. */
void simnet_post(struct simnet *net, int host, void *message, uint64_t time_ns);

/* The time of the next event, or CLOCK_NEVER. */
uint64_t simnet_next_ns(const struct simnet *net);
/* Takes it; false when it came to nothing: filtered at its end. Time moves on all the same. */
bool simnet_poll(struct simnet *net, struct sim_event *event);

/*
 * Where a datagram would arrive now, without sending it: false when nowhere. Works on mappings that
 * exist; those that would have to be made count as nowhere.
 */
bool simnet_trace(const struct simnet *net, int host, const struct endpoint *local,
		  const struct endpoint *remote, struct sim_event *arrival);

/* Datagrams that a host has handed in so far. */
uint64_t simnet_sent(const struct simnet *net, int host);

#endif
