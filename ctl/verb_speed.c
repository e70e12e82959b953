#include <stdio.h>
#include <stdlib.h>

#include "ctl/arguments.h"
#include "ctl/client.h"
#include "ctl/dial.h"
#include "ctl/report.h"
#include "ctl/speed_run.h"
#include "ctl/speed_text.h"
#include "ctl/status_field.h"
#include "ctl/verbs.h"
#include "proto/speed.h"

#define SPEED_TIME_MS     6000
#define SPEED_TIME_MIN_MS 1000

static void show_progress(void *arg, enum speed_phase phase, double mbps)
{
	static const char *const words[] = { "latency", "up", "down" };
	char rate[SPEED_RATE_SIZE];

	(void)arg;
	printf("\r\033[K%s %s", words[phase], mbps < 0 ? "" : speed_rate(rate, mbps));
	fflush(stdout);
}

/* The node's addresses; LOCAL_OK, or an exit code after one line. */
static int find_node(const struct client *client, const char *name, char node[static 64],
		     struct ip_addr addresses[static DIAL_ADDRESSES_MAX], size_t *count)
{
	json_t *answer = NULL;
	const char *found;
	int code = client_resolve(client, name, &answer);

	if (code)
		return code;
	found = status_text(answer, "node", NULL);
	if (found)
		snprintf(node, 64, "%s", found);
	*count = dial_addresses(addresses, json_object_get(answer, "addresses"));
	if (!found)
		code = report(LOCAL_FAILURE, "speed: %s is no node of this network", name);
	else if (*count == 0)
		code = report(LOCAL_FAILURE, "speed: %s has no address", name);
	else if (json_is_true(json_object_get(answer, "self")))
		code = report(LOCAL_FAILURE, "speed: %s is this node", name);
	json_decref(answer);
	return code;
}

static int print(const struct speed_run *run, bool json)
{
	json_t *speed = speed_run_json(run);
	char *text = NULL;

	if (speed && json)
		text = json_dumps(speed,
				  JSON_COMPACT | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(10));
	if (!speed || (json && !text)) {
		json_decref(speed);
		return report(LOCAL_FAILURE, "out of memory");
	}
	if (json)
		puts(text);
	else
		speed_text_print(speed, stdout);
	free(text);
	json_decref(speed);
	return LOCAL_OK;
}

int verb_speed(const struct client *client, int argc, char **argv)
{
	uint64_t time_ms = SPEED_TIME_MS;
	bool json = false;
	const struct argument list[] = {
		{ "time", 0, ARGUMENT_DURATION, &time_ms },
		{ "json", 0, ARGUMENT_FLAG, &json },
	};
	struct ip_addr addresses[DIAL_ADDRESSES_MAX];
	char node[64];
	struct speed_run run = { .client = client, .name = node, .addresses = addresses };
	int operands, code;

	if (arguments_parse(argc, argv, list, 2, 1, 1, &operands))
		return LOCAL_USAGE;
	if (time_ms < SPEED_TIME_MIN_MS || time_ms > SPEED_LOAD_MAX_MS)
		return report(LOCAL_USAGE, "speed: --time is from %ds to %ds, for both directions",
			      SPEED_TIME_MIN_MS / 1000, SPEED_LOAD_MAX_MS / 1000);
	code = find_node(client, argv[1], node, addresses, &run.address_count);
	if (code)
		return code;
	run.load_ms = time_ms / 2;
	run.progress = client->terminal && !json ? show_progress : NULL;
	code = speed_run(&run);
	if (run.progress)
		fputs("\r\033[K", stdout);
	if (!code)
		code = print(&run, json);
	json_decref(run.paths);
	return code;
}
