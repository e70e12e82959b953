#include <stdio.h>
#include <stdlib.h>

#include "ctl/arguments.h"
#include "ctl/client.h"
#include "ctl/report.h"
#include "ctl/routes_text.h"
#include "ctl/verbs.h"

static int print_json(const json_t *routes)
{
	char *text = json_dumps(routes, JSON_COMPACT | JSON_ENSURE_ASCII);

	if (!text)
		return report(LOCAL_FAILURE, "out of memory");
	puts(text);
	free(text);
	return LOCAL_OK;
}

int verb_routes(const struct client *client, int argc, char **argv)
{
	bool json = false;
	const struct argument list[] = { { "json", 0, ARGUMENT_FLAG, &json } };
	json_t *routes = NULL;
	int operands;
	int code;

	if (arguments_parse(argc, argv, list, 1, 0, 0, &operands))
		return LOCAL_USAGE;
	code = client_routes(client, &routes);
	if (code)
		return code;
	if (json)
		code = print_json(routes);
	else
		routes_text_print(routes, stdout, client->colour);
	json_decref(routes);
	return code;
}
