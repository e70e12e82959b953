#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ctl/arguments.h"
#include "ctl/client.h"
#include "ctl/format.h"
#include "ctl/report.h"
#include "ctl/status_field.h"
#include "ctl/token.h"
#include "ctl/verbs.h"

#define UP_TIMEOUT_MS    60000
#define NAME_MAX_TEXT    256
#define PENDING_MAX_TEXT 1024

struct up_options {
	const char *token_file;
	const char *hostname;
	uint64_t timeout_ms;
};

static int report_token(const char *path, int err)
{
	const char *from = strcmp(path, "-") == 0 ? "standard input" : path;

	if (err == -EPERM)
		return report(LOCAL_USAGE, "%s: others may read this token: chmod 600 it first",
			      path);
	if (err == -ENODATA)
		return report(LOCAL_USAGE, "%s: there is no token in it", from);
	if (err == -EINVAL || err == -EFBIG)
		return report(LOCAL_USAGE,
			      "%s: not a join token: it is one word, as warren-coord key create "
			      "prints it",
			      from);
	return report(LOCAL_USAGE, "%s: %s", from, strerror(-err));
}

/* *token stays NULL when none was given: then the daemon uses the identity it has. */
static int get_token(char **token, const struct up_options *options, const char *operand)
{
	const char *path = options->token_file;
	int err;

	if (operand && path)
		return report(LOCAL_USAGE, "up: a token and --token-file: give one of them");
	if (operand && strcmp(operand, "-") == 0)
		path = operand;
	if (path) {
		err = token_read(token, path);
		return err ? report_token(path, err) : 0;
	}
	if (!operand) {
		err = token_read_credential(token);
		return err ? report_token(TOKEN_CREDENTIAL, err) : 0;
	}
	fputs("warren: warning: a token on the command line shows in the process list and the "
	      "shell's history; --token-file or - hide it\n",
	      stderr);
	*token = strdup(operand);
	return *token ? 0 : report(LOCAL_FAILURE, "out of memory");
}

/* What went by while up waited. */
struct stages {
	bool terminal;
	char trouble[NAME_MAX_TEXT];    /* why the last try failed; "" since one got further */
	char pending[PENDING_MAX_TEXT]; /* what has to be done first; "" once it was */
};

static bool show_stage(void *arg, const json_t *fields)
{
	struct stages *stages = arg;
	const char *stage = status_text(fields, "stage", "");
	char clean[NAME_MAX_TEXT];

	format_text(clean, sizeof(clean), status_text(fields, "text", stage));
	snprintf(stages->trouble, sizeof(stages->trouble), "%s",
		 strcmp(stage, "retry") == 0 ? clean : "");
	if (strcmp(stage, "note") == 0) {
		fprintf(stderr, "warren: note: %s\n", clean);
		return true;
	}
	if (strcmp(stage, "pending") == 0) {
		/* Also where nobody sees the other stages: without it nothing goes on. */
		format_text(stages->pending, sizeof(stages->pending),
			    status_text(fields, "text", stage));
		printf("%s\n", stages->pending);
		fflush(stdout);
		return true;
	}
	if (strcmp(stage, "enrol") == 0)
		stages->pending[0] = '\0';
	if (stages->terminal) {
		printf("  %s\n", clean);
		fflush(stdout);
	}
	return true;
}

static int report_timeout(const struct stages *stages, uint64_t timeout_ms)
{
	char duration[FORMAT_SIZE];

	format_duration(duration, (timeout_ms + 999) / 1000);
	if (stages->pending[0])
		return report(LOCAL_LOGIN,
			      "not let in within %s; the daemon goes on waiting, and connects once "
			      "it is",
			      duration);
	if (stages->trouble[0])
		return report(LOCAL_UNREACHABLE,
			      "not connected within %s: %s; the daemon goes on trying", duration,
			      stages->trouble);
	return report(LOCAL_TIMEOUT,
		      "not connected within %s: the daemon goes on trying; warren status says why",
		      duration);
}

static void print_connected(const json_t *reply)
{
	char name[NAME_MAX_TEXT];
	char network[NAME_MAX_TEXT];
	char address[NAME_MAX_TEXT];

	printf("connected to %s as %s, %s\n",
	       format_text(network, sizeof(network), status_text(reply, "network", "-")),
	       format_text(name, sizeof(name), status_text(reply, "name", "-")),
	       format_text(address, sizeof(address), status_address(reply)));
}

int verb_up(const struct client *client, int argc, char **argv)
{
	struct up_options options = { .timeout_ms = UP_TIMEOUT_MS };
	const struct argument list[] = {
		{ "token-file", 0, ARGUMENT_TEXT, &options.token_file },
		{ "hostname", 0, ARGUMENT_TEXT, &options.hostname },
		{ "timeout", 0, ARGUMENT_DURATION, &options.timeout_ms },
	};
	struct stages stages = { .terminal = client->terminal };
	json_t *reply = NULL;
	char *token = NULL;
	int operands;
	int code;

	if (arguments_parse(argc, argv, list, 3, 0, 1, &operands))
		return LOCAL_USAGE;
	code = get_token(&token, &options, operands ? argv[1] : NULL);
	if (code)
		return code;
	code = client_call(client, local_up_encode(&(struct local_up){ token, options.hostname }),
			   options.timeout_ms, show_stage, &stages, &reply);
	token_free(token);
	if (code == CLIENT_SILENCE)
		code = report_timeout(&stages, options.timeout_ms);
	if (code == LOCAL_OK)
		print_connected(reply);
	json_decref(reply);
	return code;
}

/* Verbs without fields and without an answer but yes or no. */
static int run_plain(const struct client *client, int argc, char **argv)
{
	json_t *reply = NULL;
	int operands;
	int code;

	if (arguments_parse(argc, argv, NULL, 0, 0, 0, &operands))
		return LOCAL_USAGE;
	code = client_call(client, local_plain_encode(argv[0]), CLIENT_PATIENCE_MS, NULL, NULL,
			   &reply);
	if (code == CLIENT_SILENCE)
		code = report(LOCAL_TIMEOUT,
			      "%s: the daemon did not answer: see journalctl -u warren", argv[0]);
	json_decref(reply);
	return code;
}

int verb_down(const struct client *client, int argc, char **argv)
{
	return run_plain(client, argc, argv);
}

int verb_logout(const struct client *client, int argc, char **argv)
{
	return run_plain(client, argc, argv);
}
