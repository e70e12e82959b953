#ifndef WARREN_CTL_SPEED_RUN_H
#define WARREN_CTL_SPEED_RUN_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

struct client;

/* A measurement of `warren speed`, one step after the other. */
#define SPEED_SAMPLES_MAX 512

enum speed_phase {
	SPEED_PHASE_IDLE,
	SPEED_PHASE_UP,
	SPEED_PHASE_DOWN,
	SPEED_PHASES,
};

struct speed_run {
	const struct client *client;
	const char *name;
	const struct ip_addr *addresses;
	size_t address_count;
	uint64_t load_ms; /* of each direction */
	/* For a progress line; NULL: none is wanted. mbps is negative while idle. */
	void (*progress)(void *arg, enum speed_phase phase, double mbps);
	void *arg;

	double latency_ms[SPEED_PHASES]; /* the median; negative: no probe came back */
	double mbps[SPEED_PHASES];       /* of UP and DOWN */
	uint64_t bytes[SPEED_PHASES];
	json_t *paths; /* [{"at_s":0.0,"path":"direct","via":"203.0.113.5:41641"}], one a change */

	/* Inside. */
	uint64_t begun_ns;
	uint64_t path_ns; /* when the path was asked for last */
	int echo_fd;
	double samples[SPEED_SAMPLES_MAX];
	size_t sample_count;
};

/*
 * Brings the path up and measures. LOCAL_OK, or the exit code after one line on stderr. The caller
 * drops paths in both cases.
 */
int speed_run(struct speed_run *run);
/* The object of `speed --json`, schema 1. NULL when out of memory. */
json_t *speed_run_json(const struct speed_run *run);

#endif
