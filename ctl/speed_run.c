#include "ctl/speed_run.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "ctl/client.h"
#include "ctl/report.h"
#include "ctl/speed_link.h"
#include "ctl/status_field.h"

#define FIRST_ANSWER_MS 10000 /* until the node answers a ping at all */
#define CONNECT_MS      5000
#define IDLE_MS         1000
#define PATH_EVERY_MS   500
#define PATH_ANSWER_MS  1000
#define PROBE_EVERY_MS  50

static void sleep_ms(unsigned int ms)
{
	struct timespec ts = { .tv_nsec = (long)ms * 1000000 };

	nanosleep(&ts, NULL);
}

/* --- the path --- */

/* A pong: another path than the last one known is noted. */
static bool note_path(void *arg, const json_t *pong)
{
	struct speed_run *run = arg;
	const char *path = status_text(pong, "via", NULL);
	const char *via;
	const json_t *last = json_array_get(run->paths, json_array_size(run->paths) - 1);

	if (!path)
		return true; /* lost */
	via = status_text(pong, strcmp(path, "direct") == 0 ? "endpoint" : "relay", "-");
	if (!json_array_size(run->paths) || strcmp(status_text(last, "path", ""), path) != 0 ||
	    strcmp(status_text(last, "via", ""), via) != 0)
		json_array_append_new(run->paths,
				      json_pack("{s:f, s:s, s:s}", "at_s",
						(double)(clock_now_ns() - run->begun_ns) / 1e9,
						"path", path, "via", via));
	return true;
}

static int ask_path(struct speed_run *run, unsigned int timeout_ms)
{
	struct local_ping ping = { .name = run->name, .count = 1, .timeout_ms = timeout_ms };
	json_t *reply = NULL;
	int code = client_call(run->client, local_ping_encode(&ping), timeout_ms + 500, note_path,
			       run, &reply);

	json_decref(reply);
	run->path_ns = clock_now_ns();
	return code;
}

/* --- latency --- */

static void take_sample(struct speed_run *run)
{
	double ms = speed_link_echo(run->echo_fd);

	if (ms >= 0 && run->sample_count < SPEED_SAMPLES_MAX)
		run->samples[run->sample_count++] = ms;
}

static int ascending(const void *a, const void *b)
{
	double one = *(const double *)a, two = *(const double *)b;

	return (one > two) - (one < two);
}

static double median(struct speed_run *run)
{
	size_t count = run->sample_count;

	run->sample_count = 0;
	if (!count)
		return -1;
	qsort(run->samples, count, sizeof(run->samples[0]), ascending);
	return run->samples[count / 2];
}

static void show(const struct speed_run *run, enum speed_phase phase, double mbps)
{
	if (run->progress)
		run->progress(run->arg, phase, mbps);
}

/* What goes on beside the load, or instead of it. */
static void measure_latency(struct speed_run *run)
{
	take_sample(run);
	if (clock_now_ns() - run->path_ns >= PATH_EVERY_MS * NS_PER_MS)
		ask_path(run, PATH_ANSWER_MS);
	sleep_ms(PROBE_EVERY_MS);
}

/* --- steps --- */

static int report_link(const struct speed_run *run, int err)
{
	if (err == -EBUSY)
		return report(LOCAL_FAILURE,
			      "%s measures with somebody else: try again in some seconds",
			      run->name);
	if (err == -EPROTO)
		return report(LOCAL_FAILURE,
			      "%s: what answers at port %d does not speak this version's language: "
			      "is warrend there as new as here?",
			      run->name, SPEED_PORT);
	return report(LOCAL_TIMEOUT,
		      "%s answers no measurement (%s): `warren get speed` there says whether it is "
		      "on, and its firewall must let TCP port %d through the tunnel",
		      run->name, strerror(-err), SPEED_PORT);
}

static int begin(struct speed_run *run)
{
	const struct speed_hello hello = { .mode = SPEED_ECHO };
	int code;

	run->begun_ns = clock_now_ns();
	run->paths = json_array();
	code = ask_path(run, FIRST_ANSWER_MS);
	if (code && code != CLIENT_SILENCE)
		return code;
	if (code || json_array_size(run->paths) == 0)
		return report(LOCAL_TIMEOUT, "%s does not answer: warren status says how it stands",
			      run->name);
	run->echo_fd = speed_link_open(run->addresses, run->address_count, &hello, CONNECT_MS);
	return run->echo_fd < 0 ? report_link(run, run->echo_fd) : LOCAL_OK;
}

static void run_idle(struct speed_run *run)
{
	uint64_t until_ns = clock_now_ns() + IDLE_MS * NS_PER_MS;

	speed_link_echo(run->echo_fd); /* the first one pays for what the others find done */
	while (clock_now_ns() < until_ns) {
		show(run, SPEED_PHASE_IDLE, -1);
		measure_latency(run);
	}
	run->latency_ms[SPEED_PHASE_IDLE] = median(run);
}

static int run_load(struct speed_run *run, enum speed_phase phase, enum speed_mode mode)
{
	struct speed_hello hello = { .mode = mode, .duration_ms = (uint32_t)run->load_ms };
	uint64_t begun_ns = clock_now_ns();
	struct speed_load load;
	int err = speed_link_open(run->addresses, run->address_count, &hello, CONNECT_MS);

	if (err >= 0)
		err = speed_load_begin(&load, err, &hello);
	if (err < 0)
		return report_link(run, err);
	while (!atomic_load(&load.done)) {
		double seconds = (double)(clock_now_ns() - begun_ns) / 1e9;

		show(run, phase, (double)atomic_load(&load.bytes) * 8e-6 / (seconds + 0.001));
		measure_latency(run);
	}
	err = speed_load_end(&load);
	if (err < 0)
		return report(LOCAL_TIMEOUT, "%s: the measurement broke off: %s", run->name,
			      strerror(-err));
	run->latency_ms[phase] = median(run);
	run->bytes[phase] = load.result.bytes;
	run->mbps[phase] = speed_mbps(&load.result);
	return LOCAL_OK;
}

int speed_run(struct speed_run *run)
{
	int code = begin(run);

	if (code)
		return code;
	run_idle(run);
	code = run_load(run, SPEED_PHASE_UP, SPEED_TAKE);
	if (!code)
		code = run_load(run, SPEED_PHASE_DOWN, SPEED_GIVE);
	close(run->echo_fd);
	return code;
}

static json_t *latency_json(double ms)
{
	return ms < 0 ? json_null() : json_real((double)(int64_t)(ms * 100 + 0.5) / 100);
}

static json_t *direction_json(const struct speed_run *run, enum speed_phase phase)
{
	return json_pack("{s:f, s:I, s:o}", "mbit_per_s",
			 (double)(int64_t)(run->mbps[phase] * 100 + 0.5) / 100, "bytes",
			 (json_int_t)run->bytes[phase], "latency_ms",
			 latency_json(run->latency_ms[phase]));
}

json_t *speed_run_json(const struct speed_run *run)
{
	char address[ADDR_TEXT_SIZE];

	return json_pack("{s:i, s:s, s:s, s:o, s:o, s:o, s:O}", "schema", 1, "name", run->name,
			 "address", addr_format(address, run->addresses), "latency_ms",
			 latency_json(run->latency_ms[SPEED_PHASE_IDLE]), "up",
			 direction_json(run, SPEED_PHASE_UP), "down",
			 direction_json(run, SPEED_PHASE_DOWN), "paths", run->paths);
}
