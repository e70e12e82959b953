/*
 * What a full mesh costs the coordinator: memory, and the time until one more join, or a burst of
 * them, is in everybody's map. No sockets: frames are sealed, counted and dropped.
 *
 *     build/release/bench/joins [NODES [BURST]]
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "proto/control_channel.h"
#include "tests/support/coordination.h"

#define BURST 50

static struct coordination c;
static struct machine machine;
static uint64_t sent_bytes;
static uint64_t sent_frames;
static unsigned int joined;

static int count_frame(void *arg, const uint8_t *frame, size_t len)
{
	(void)arg;
	(void)frame;
	sent_bytes += len;
	sent_frames++;
	return 0;
}

static size_t no_queue(void *arg)
{
	(void)arg;
	return 0;
}

static void no_close(void *arg)
{
	(void)arg;
	abort();
}

static const struct session_ops sink = { count_frame, no_queue, no_close };

/* A machine joins; its side of the connection is forgotten, the coordinator's stays. */
static void join(const struct token *token)
{
	machine_init(&machine, &c, ++joined);
	machine_connect(&machine);
	machine.session->ops = &sink;
	machine_enrol(&machine, token, "node");
	machine.session = NULL;
	machine_clear(&machine);
}

static double resident_mib(void)
{
	unsigned long pages = 0;
	FILE *file = fopen("/proc/self/statm", "r");

	if (!file || fscanf(file, "%*u %lu", &pages) != 1)
		abort();
	fclose(file);
	return (double)pages * (double)sysconf(_SC_PAGESIZE) / (1 << 20);
}

static double ms_since(clock_t start)
{
	return (double)(clock() - start) * 1e3 / CLOCKS_PER_SEC;
}

static void measure(const char *what, unsigned int joins, const struct token *token)
{
	clock_t start = clock();
	clock_t enrolled;

	sent_bytes = sent_frames = 0;
	for (unsigned int i = 0; i < joins; i++)
		join(token);
	enrolled = clock();
	coordination_flush(&c);
	printf("%-10s %7.0f ms of CPU (enrolment %.0f), %.2f MB in %llu frames, resident %.1f MiB\n",
	       what, ms_since(start), ms_since(start) - ms_since(enrolled),
	       (double)sent_bytes / 1e6, (unsigned long long)sent_frames, resident_mib());
}

int main(int argc, char **argv)
{
	unsigned int nodes = argc > 1 ? (unsigned int)atoi(argv[1]) : 150;
	unsigned int burst = argc > 2 ? (unsigned int)atoi(argv[2]) : BURST;
	struct token token;

	log_set_level(LOG_LEVEL_ERROR);
	coordination_begin(&c);
	token = coordination_key(&c, true, false, "trusted");
	printf("no nodes: resident %.1f MiB\n", resident_mib());
	measure("mesh", nodes > 1 ? nodes - 1 : 1, &token);
	measure("last join", 1, &token);
	measure("burst", burst, &token);
	while (c.sessions.first)
		session_free(c.sessions.first);
	coordination_end(&c);
	return 0;
}
