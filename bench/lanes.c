/*
 * How sealing and opening for one peer scale over threads, without kernel and network: every thread
 * takes counters, seals a batch of full packets, opens it again and marks the window, with the very
 * lanes that the daemon's engines use. `own` gives every thread a lane of its own, `shared` one to
 * all, as a stock WireGuard session has it. Prints Gbit/s of plaintext sealed and opened.
 *
 * lanes [--seconds S] [--threads N]
 */
#include <getopt.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "crypto/aead.h"
#include "daemon/dp_core.h"
#include "daemon/dp_index.h"
#include "daemon/dp_keypair.h"
#include "daemon/dp_peer.h"

#define BATCH   45 /* packets of one TSO buffer */
#define PAYLOAD 1440

static atomic_bool stopped;

struct work {
	pthread_t thread;
	struct dp_keypair *keypair;
	const char *cipher;
	unsigned int lane;
	uint64_t packets;
};

/* One batch through both directions; returns how many packets were accepted. */
static size_t turn(struct aead *aead, struct dp_lane *lane, uint8_t (*bytes)[PAYLOAD + 16],
		   struct aead_job *jobs)
{
	uint64_t counter;
	size_t accepted = 0;

	if (!dp_lane_reserve(lane, BATCH, &counter))
		return 0;
	for (size_t i = 0; i < BATCH; i++)
		jobs[i] = (struct aead_job){
			.in = bytes[i], .out = bytes[i], .len = PAYLOAD, .counter = counter + i
		};
	aead_seal(aead, lane->send_key, jobs, BATCH);
	aead_open(aead, lane->recv_key, jobs, BATCH);
	pthread_mutex_lock(&lane->replay_lock);
	for (size_t i = 0; i < BATCH; i++)
		accepted += jobs[i].authentic && replay_accept(&lane->replay, jobs[i].counter);
	pthread_mutex_unlock(&lane->replay_lock);
	return accepted;
}

static void *run(void *arg)
{
	struct work *work = arg;
	struct dp_lane *lane = dp_keypair_lane(work->keypair, work->lane);
	uint8_t(*bytes)[PAYLOAD + 16] = calloc(BATCH, sizeof(*bytes));
	struct aead_job jobs[BATCH];
	struct aead *aead;

	if (!lane || !bytes || aead_new(&aead, work->cipher) < 0)
		abort();
	while (!atomic_load_explicit(&stopped, memory_order_relaxed))
		work->packets += turn(aead, lane, bytes, jobs);
	aead_free(aead);
	free(bytes);
	return NULL;
}

static double cpu_seconds(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

/* A peer of a data plane that has nothing but an index table. */
static double measure(const char *cipher, unsigned int threads, bool own, double seconds)
{
	struct dp_keypair_config config = { .created_ns = clock_now_ns(), .initiator = true };
	struct work *works = calloc(threads, sizeof(*works));
	struct dataplane *dp = aligned_alloc(64, (sizeof(*dp) + 63) & ~(size_t)63);
	struct dp_peer *peer = calloc(1, sizeof(*peer));
	struct dp_keypair *keypair;
	double before = cpu_seconds();
	uint64_t begun;
	uint64_t packets = 0;
	double took;

	if (!works || !dp || !peer)
		abort();
	memset(dp, 0, sizeof(*dp));
	dp->workers = threads;
	dp->config.lanes = true;
	dp->indexes = dp_index_table_new();
	peer->dp = dp;
	if (!dp->indexes || dataplane_index_new(peer, &config.local_index) < 0)
		abort();
	keypair = dataplane_keypair_new(peer, &config);
	if (!keypair)
		abort();
	atomic_store(&stopped, false);
	begun = clock_now_ns();
	for (unsigned int i = 0; i < threads; i++) {
		works[i] =
			(struct work){ .keypair = keypair, .cipher = cipher, .lane = own ? i : 0 };
		if (pthread_create(&works[i].thread, NULL, run, &works[i]))
			abort();
	}
	usleep((useconds_t)(seconds * 1e6));
	atomic_store(&stopped, true);
	for (unsigned int i = 0; i < threads; i++) {
		pthread_join(works[i].thread, NULL);
		packets += works[i].packets;
	}
	took = (double)(clock_now_ns() - begun) / 1e9;
	dataplane_keypair_free(keypair);
	rcu_barrier();
	dp_index_table_free(dp->indexes);
	printf("%2u thread%s %-6s %7.2f Gbit/s  %5.2f cores used\n", threads,
	       threads > 1 ? "s" : " ", own ? "own" : "shared",
	       (double)packets * PAYLOAD * 8 / took / 1e9, (cpu_seconds() - before) / took);
	free(peer);
	free(dp);
	free(works);
	return (double)packets * PAYLOAD * 8 / took / 1e9;
}

int main(int argc, char **argv)
{
	static const struct option options[] = { { "seconds", required_argument, NULL, 's' },
						 { "threads", required_argument, NULL, 't' },
						 { 0 } };
	unsigned int most = (unsigned int)sysconf(_SC_NPROCESSORS_ONLN);
	const char *cipher = aead_fastest(3000000, clock_now_ns);
	double seconds = 1;
	double one;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 's')
			seconds = atof(optarg);
		else if (option == 't')
			most = (unsigned int)atoi(optarg);
		else
			return 2;
	}
	if (!cipher || most < 1 || most > DP_LANES_MAX || seconds <= 0)
		return 2;
	printf("sealed and opened, cipher %s\n", cipher);
	one = measure(cipher, 1, true, seconds);
	for (unsigned int n = 2; n <= most; n *= 2) {
		double shared = measure(cipher, n, false, seconds);
		double own = measure(cipher, n, true, seconds);

		printf("   %u threads to one: %.2f with lanes, %.2f without\n", n, own / one,
		       shared / one);
	}
	return 0;
}
