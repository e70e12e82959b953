#ifndef WARREN_TESTS_SUPPORT_ICE_BENCH_H
#define WARREN_TESTS_SUPPORT_ICE_BENCH_H

#include "base/clock.h"
#include "proto/ice.h"

#define MS NS_PER_MS
#define T0 (1000 * NS_PER_S)

#define ICE_BENCH_UFRAG "PEER"
#define ICE_BENCH_PWD   "peerpasswordpeerpasswo"
#define ICE_BENCH_LINE  "candidate:1 1 udp 2130706431 198.51.100.9 900 typ host"

/* The agent under test, its peer's view of it, and what it told since the last look. */
struct ice_bench {
	struct ice_agent *agent;
	struct rng_seeded seeded;
	struct ice_description ours;
	struct endpoint local, remote;
	struct ice_datagram out[64];
	size_t out_count;
	struct ice_event events[64];
	size_t event_count;
	size_t descriptions;
};

/* A request to the agent as its peer would send it. */
struct ice_bench_request {
	const char *pwd; /* NULL: the right one */
	const char *username;
	bool controlling;
	uint64_t tie_breaker;
	bool use_candidate, no_priority, no_integrity, no_fingerprint;
	uint16_t extra; /* attribute to add */
};

struct endpoint ice_bench_endpoint(const char *text);
/* Collects what the agent has for us; replaces what was collected before. */
void ice_bench_drain(struct ice_bench *b, uint64_t now);
struct ice_description ice_bench_description(uint32_t generation, const char *line);
/* An agent with one host candidate, its first description taken. */
void ice_bench_init(struct ice_bench *b, bool controlling);
/* The peer's description with one candidate, generation 1. */
void ice_bench_bind(struct ice_bench *b, uint64_t now);
size_t ice_bench_build(const struct ice_bench *b, uint8_t buf[static 512],
		       const struct ice_bench_request *r);
/* A request to the agent as its peer would send it; what ice_input said. */
int ice_bench_request(struct ice_bench *b, const struct ice_bench_request *r,
		      const struct endpoint *from, uint64_t now);
/* The peer's answer to a check: code 0 for success; pwd NULL: not signed. */
int ice_bench_answer_from(struct ice_bench *b, const struct ice_datagram *check, unsigned int code,
			  const char *pwd, const struct endpoint *from, uint64_t now);
int ice_bench_answer(struct ice_bench *b, const struct ice_datagram *check, uint64_t now);
/* The code of an error response, 0 for anything else. */
unsigned int ice_bench_error_of(const struct ice_datagram *d);
bool ice_bench_is_request(const struct ice_datagram *d);
const struct ice_event *ice_bench_find_event(const struct ice_bench *b, enum ice_event_type type);
/* Lets time pass until the next datagram; its time. */
uint64_t ice_bench_next_output(struct ice_bench *b);
/* Up to the first valid pair; returns its id. */
uint32_t ice_bench_begin_valid(struct ice_bench *b, bool controlling);

#endif
