#ifndef WARREN_TESTS_SUPPORT_PATH_BENCH_H
#define WARREN_TESTS_SUPPORT_PATH_BENCH_H

#include "crypto/rng.h"
#include "proto/pathchoice.h"

/*
 * A path chooser with ways that answer, delay and lose as told, in virtual time: an hour takes
 * milliseconds. Data is sent at a steady pace by whatever path is in use, and answered by it.
 */
#define PATH_BENCH_WAYS  6
#define PATH_BENCH_QUEUE 128

struct path_bench_way {
	enum path_kind kind; /* PATH_NONE: no such way */
	uint32_t id;
	uint64_t rtt_ns;
	uint64_t jitter_ns; /* added or taken away */
	unsigned int loss;  /* permille, each way, of everything */
	unsigned int
		echo_loss; /* more of it, of what is inside the session: 1000 drops WireGuard */
	bool dead;
};

struct path_bench_event {
	uint64_t time_ns; /* CLOCK_NEVER: free */
	enum { PATH_BENCH_DATA, PATH_BENCH_PROBE, PATH_BENCH_ECHO } type;
	const struct path_bench_way *way;
	uint64_t sent_ns;
	uint32_t token;
	uint32_t expected, arrived;
};

struct path_bench {
	struct pathchoice pc;
	uint64_t now_ns;
	struct rng_seeded seeded;
	struct rng rng;
	struct path_bench_way way[PATH_BENCH_WAYS];
	struct path_bench_event queue[PATH_BENCH_QUEUE];
	uint64_t data_ns; /* between two packets; 0: no traffic */
	uint64_t next_data_ns;
	bool one_way; /* data is not answered */
	bool watched;
	bool no_session; /* echoes cannot be sent */
	struct path_activity activity;
	uint32_t expected, arrived; /* by the peer's count */
	unsigned int changes;       /* of the path */
	unsigned int silences;      /* of those, with that reason */
	unsigned int restarts;
	uint64_t probes, echoes;
};

/* Nothing but a chooser, at a time that is not 0. */
void path_bench_init(struct path_bench *b, uint64_t seed);
/* A way that is there from now on. */
struct path_bench_way *path_bench_add(struct path_bench *b, enum path_kind kind, uint32_t id,
				      uint64_t rtt_ns);
/* Lets time pass. */
void path_bench_run(struct path_bench *b, uint64_t ns);
/* Until the path in use is of that kind and id, at most ns; whether it came to that. */
bool path_bench_until(struct path_bench *b, enum path_kind kind, uint32_t id, uint64_t ns);

#endif
