#include <stdio.h>
#include <string.h>

#include "ctl/arguments.h"
#include "ctl/client.h"
#include "ctl/format.h"
#include "ctl/report.h"
#include "ctl/status_field.h"
#include "ctl/verbs.h"

#define TEXT_MAX 64

int verb_version(const struct client *client, int argc, char **argv)
{
	json_t *reply = NULL;
	char clean[TEXT_MAX];
	int operands;

	if (arguments_parse(argc, argv, NULL, 0, 0, 0, &operands))
		return LOCAL_USAGE;
	puts("warren " WARREN_VERSION);
	/* Ours is known without a daemon, so its absence is no error. */
	if (!client_probe(client)) {
		puts("warrend is not reachable");
		return LOCAL_OK;
	}
	if (client_call(client, local_plain_encode("version"), CLIENT_PATIENCE_MS, NULL, NULL,
			&reply) == LOCAL_OK)
		printf("warrend %s\n",
		       format_text(clean, sizeof(clean), status_text(reply, "version", "-")));
	json_decref(reply);
	return LOCAL_OK;
}

/* Prometheus text: newlines are its own, everything else that does not print is not. */
static void print_lines(const char *text)
{
	for (; *text; text++)
		putchar(*text == '\n' || (*text >= ' ' && *text <= '~') ? *text : '?');
}

int verb_metrics(const struct client *client, int argc, char **argv)
{
	json_t *reply = NULL;
	int operands;
	int code;

	if (arguments_parse(argc, argv, NULL, 0, 0, 0, &operands))
		return LOCAL_USAGE;
	code = client_call(client, local_plain_encode("metrics"), CLIENT_PATIENCE_MS, NULL, NULL,
			   &reply);
	if (code == CLIENT_SILENCE)
		code = report(LOCAL_TIMEOUT,
			      "metrics: the daemon did not answer: see journalctl -u warren");
	if (code == LOCAL_OK)
		print_lines(status_text(reply, "text", ""));
	json_decref(reply);
	return code;
}
