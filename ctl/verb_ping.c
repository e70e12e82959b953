#include <stdio.h>
#include <string.h>

#include "ctl/arguments.h"
#include "ctl/client.h"
#include "ctl/format.h"
#include "ctl/ping_text.h"
#include "ctl/report.h"
#include "ctl/status_field.h"
#include "ctl/verbs.h"

#define PING_COUNT           4
#define PING_REPLY_MS        5000
#define PING_UNTIL_DIRECT_MS 30000

struct ping_run {
	const char *name;
	unsigned int replies;
	bool direct; /* the last reply was */
};

static bool show_reply(void *arg, const json_t *fields)
{
	struct ping_run *run = arg;
	char line[PING_TEXT_MAX];

	puts(ping_text(line, fields, run->name));
	fflush(stdout);
	if (!json_is_true(json_object_get(fields, "lost"))) {
		run->replies++;
		run->direct = strcmp(status_text(fields, "via", ""), "direct") == 0;
	}
	return true;
}

static int conclude(const struct ping_run *run, bool until_direct)
{
	if (!run->replies)
		return report(LOCAL_TIMEOUT, "%s does not answer: warren status says how it stands",
			      run->name);
	if (until_direct && !run->direct)
		return report(LOCAL_TIMEOUT,
			      "%s answers by relay only: warren status says why, warren netcheck "
			      "what the network allows",
			      run->name);
	return LOCAL_OK;
}

/* Time for every reply to be late, unless the user said how long. */
static uint64_t overall_ms(uint64_t given_ms, uint64_t count, bool until_direct)
{
	if (given_ms)
		return given_ms;
	return until_direct ? PING_UNTIL_DIRECT_MS : count * (PING_REPLY_MS + 1000) + 1000;
}

int verb_ping(const struct client *client, int argc, char **argv)
{
	uint64_t timeout_ms = 0;
	uint64_t count = 0;
	struct local_ping ping = { 0 };
	const struct argument list[] = {
		{ "count", 'c', ARGUMENT_NUMBER, &count },
		{ "until-direct", 0, ARGUMENT_FLAG, &ping.until_direct },
		{ "timeout", 0, ARGUMENT_DURATION, &timeout_ms },
	};
	struct ping_run run = { 0 };
	json_t *reply = NULL;
	int operands;
	int code;

	if (arguments_parse(argc, argv, list, 3, 1, 1, &operands))
		return LOCAL_USAGE;
	if (!count)
		count = ping.until_direct ? LOCAL_PING_COUNT_MAX : PING_COUNT;
	ping.name = argv[1];
	ping.count = (unsigned int)count;
	ping.timeout_ms =
		timeout_ms && timeout_ms < PING_REPLY_MS ? (unsigned int)timeout_ms : PING_REPLY_MS;
	run.name = argv[1];
	code = client_call(client, local_ping_encode(&ping),
			   overall_ms(timeout_ms, count, ping.until_direct), show_reply, &run,
			   &reply);
	json_decref(reply);
	return code && code != CLIENT_SILENCE ? code : conclude(&run, ping.until_direct);
}
