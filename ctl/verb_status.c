#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "ctl/arguments.h"
#include "ctl/client.h"
#include "ctl/report.h"
#include "ctl/status_field.h"
#include "ctl/status_table.h"
#include "ctl/verbs.h"

#define WATCH_INTERVAL_MS 1000
#define WAIT_INTERVAL_MS  200
#define WAIT_TIMEOUT_MS   60000

enum level {
	LEVEL_LIVE,      /* the daemon answers */
	LEVEL_READY,     /* it has an identity and is up, with or without its coordinator */
	LEVEL_CONNECTED, /* and the coordinator answers */
	LEVEL_NONE,
};

static void sleep_ms(unsigned int ms)
{
	struct timespec ts = { .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 };

	nanosleep(&ts, NULL);
}

static enum level parse_level(const char *text)
{
	static const char *const names[] = { "live", "ready", "connected" };
	int i;

	for (i = 0; i < LEVEL_NONE; i++) {
		if (strcmp(names[i], text) == 0)
			break;
	}
	if (i == LEVEL_NONE)
		report(LOCAL_USAGE, "%s is not a level: live, ready or connected", text);
	return (enum level)i;
}

/* The exit code for a level, from the state. Pure. */
static int judge(const char *state, enum level level)
{
	if (level == LEVEL_LIVE || strcmp(state, "connected") == 0)
		return LOCAL_OK;
	if (strcmp(state, "needs-login") == 0 || strcmp(state, "needs-approval") == 0)
		return LOCAL_LOGIN;
	if (level == LEVEL_READY && strcmp(state, "connecting") == 0)
		return LOCAL_OK;
	return LOCAL_TIMEOUT;
}

static int report_state(const char *state, int code)
{
	if (code == LOCAL_LOGIN && strcmp(state, "needs-login") == 0)
		return report(code,
			      "not in a network, not signed in, or not let in any more: warren "
			      "status says what to do");
	if (code == LOCAL_LOGIN)
		return report(code, "not let in yet: warren status says what is missing");
	if (code)
		return report(code, "not connected: the state is %s; see warren status", state);
	return code;
}

/* Does the coordinator answer, where the level asks for it? */
static bool heard(const json_t *status, enum level level)
{
	const json_t *coordinator = json_object_get(status, "coordinator");

	return level != LEVEL_CONNECTED || strcmp(status_text(coordinator, "state", ""), "ok") == 0;
}

static int check(const struct client *client, enum level level)
{
	json_t *status = NULL;
	const char *state;
	int code = client_status(client, &status);

	if (code)
		return code;
	state = status_text(status, "state", "unknown");
	if (!heard(status, level) && strcmp(state, "connected") == 0)
		code = report(LOCAL_TIMEOUT,
			      "the coordinator does not answer; tunnels go on; see warren status");
	else
		code = report_state(state, judge(state, level));
	json_decref(status);
	return code;
}

/* ASCII only, so that nothing in a name reaches a terminal as it is. */
static int print_json(const json_t *status)
{
	char *text = json_dumps(status, JSON_COMPACT | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(10));

	if (!text)
		return report(LOCAL_FAILURE, "out of memory");
	puts(text);
	free(text);
	return LOCAL_OK;
}

static int show(const struct client *client, bool details, bool json, bool clear)
{
	json_t *status = NULL;
	int code = client_status(client, &status);

	if (code)
		return code;
	if (clear)
		fputs("\033[H\033[J", stdout);
	if (json)
		code = print_json(status);
	else
		status_table_print(status, stdout, details, client->colour);
	json_decref(status);
	/* A reader that went away ends --watch. */
	return fflush(stdout) ? LOCAL_FAILURE : code;
}

int verb_status(const struct client *client, int argc, char **argv)
{
	const char *check_level = NULL;
	bool details = false;
	bool watch = false;
	bool json = false;
	const struct argument list[] = {
		{ "details", 'd', ARGUMENT_FLAG, &details },
		{ "json", 0, ARGUMENT_FLAG, &json },
		{ "watch", 0, ARGUMENT_FLAG, &watch },
		{ "check", 0, ARGUMENT_TEXT, &check_level },
	};
	int operands;
	int code;

	if (arguments_parse(argc, argv, list, 4, 0, 0, &operands))
		return LOCAL_USAGE;
	if (check_level) {
		enum level level = parse_level(check_level);

		return level == LEVEL_NONE ? LOCAL_USAGE : check(client, level);
	}
	do {
		code = show(client, details, json, watch && client->terminal);
		if (watch && !code)
			sleep_ms(WATCH_INTERVAL_MS);
	} while (watch && !code);
	return code;
}

/* Has the daemon reached the level? Says nothing while it has not even started. */
static bool reached(const struct client *client, enum level level)
{
	json_t *status = NULL;
	bool done;

	if (!client_probe(client) || client_status(client, &status))
		return false;
	done = judge(status_text(status, "state", ""), level) == LOCAL_OK && heard(status, level);
	json_decref(status);
	return done;
}

int verb_wait(const struct client *client, int argc, char **argv)
{
	uint64_t timeout_ms = WAIT_TIMEOUT_MS;
	const struct argument list[] = { { "timeout", 0, ARGUMENT_DURATION, &timeout_ms } };
	uint64_t deadline_ns;
	enum level level;
	int operands;

	if (arguments_parse(argc, argv, list, 1, 0, 1, &operands))
		return LOCAL_USAGE;
	level = operands ? parse_level(argv[1]) : LEVEL_CONNECTED;
	if (level == LEVEL_NONE)
		return LOCAL_USAGE;
	deadline_ns = clock_now_ns() + timeout_ms * NS_PER_MS;
	while (clock_now_ns() < deadline_ns) {
		if (reached(client, level))
			return LOCAL_OK;
		sleep_ms(WAIT_INTERVAL_MS);
	}
	return check(client, level);
}
