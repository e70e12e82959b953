#include <stdio.h>
#include <stdlib.h>

#include "ctl/arguments.h"
#include "ctl/client.h"
#include "ctl/netcheck_text.h"
#include "ctl/report.h"
#include "ctl/verbs.h"

#define NETCHECK_TIMEOUT_MS 30000

/* With the schema that every --json has. */
static int print_json(const json_t *netcheck)
{
	json_t *object = json_pack("{s:i}", "schema", 1);
	char *text = NULL;

	if (object && json_object_update_missing(object, (json_t *)(uintptr_t)netcheck) == 0)
		text = json_dumps(object,
				  JSON_COMPACT | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(10));
	json_decref(object);
	if (!text)
		return report(LOCAL_FAILURE, "out of memory");
	puts(text);
	free(text);
	return LOCAL_OK;
}

int verb_netcheck(const struct client *client, int argc, char **argv)
{
	bool json = false;
	const struct argument list[] = { { "json", 0, ARGUMENT_FLAG, &json } };
	const json_t *netcheck;
	json_t *reply = NULL;
	int operands;
	int code;

	if (arguments_parse(argc, argv, list, 1, 0, 0, &operands))
		return LOCAL_USAGE;
	code = client_call(client, local_plain_encode("netcheck"), NETCHECK_TIMEOUT_MS, NULL, NULL,
			   &reply);
	if (code == CLIENT_SILENCE)
		return report(LOCAL_TIMEOUT, "netcheck: no result within %d s: try again",
			      NETCHECK_TIMEOUT_MS / 1000);
	if (code)
		return code;
	netcheck = json_object_get(reply, "netcheck");
	if (json)
		code = print_json(netcheck);
	else
		netcheck_text_print(netcheck, stdout);
	json_decref(reply);
	return code;
}
