#include <stdio.h>

#include "base/addr.h"
#include "ctl/arguments.h"
#include "ctl/client.h"
#include "ctl/format.h"
#include "ctl/report.h"
#include "ctl/status_field.h"
#include "ctl/verbs.h"
#include "ctl/whois_text.h"

#define TEXT_MAX 256

static void print_addresses(const json_t *node)
{
	const json_t *addresses = json_object_get(node, "addresses");
	char clean[TEXT_MAX];
	size_t i;

	for (i = 0; i < json_array_size(addresses); i++) {
		const char *text = json_string_value(json_array_get(addresses, i));

		puts(format_text(clean, sizeof(clean), text ? text : "-"));
	}
}

/* Of something that is no node's name: a record, or a node's name in full. */
static int print_record(const struct client *client, const char *name)
{
	json_t *answer = NULL;
	int code = client_resolve(client, name, &answer);

	if (!code)
		print_addresses(answer);
	json_decref(answer);
	return code;
}

int verb_ip(const struct client *client, int argc, char **argv)
{
	json_t *status = NULL;
	const json_t *node;
	int operands;
	int code;

	if (arguments_parse(argc, argv, NULL, 0, 0, 1, &operands))
		return LOCAL_USAGE;
	code = client_status(client, &status);
	if (code)
		return code;
	node = operands ? status_find(status, argv[1]) : json_object_get(status, "self");
	if (!node)
		code = print_record(client, argv[1]);
	else if (json_array_size(json_object_get(node, "addresses")) == 0)
		code = report(LOCAL_LOGIN, "no address yet: join a network with warren up");
	else
		print_addresses(node);
	json_decref(status);
	return code;
}

/* An address, or a name with one, that is no node's. */
static int whois_address(const struct client *client, const char *text)
{
	json_t *answer = NULL, *routes = NULL;
	const char *address;
	int code = client_resolve(client, text, &answer);

	if (!code)
		code = client_routes(client, &routes);
	address = json_string_value(json_array_get(json_object_get(answer, "addresses"), 0));
	if (!code && (!address || !whois_text_address(routes, address,
						      status_text(answer, "name", NULL), stdout)))
		code = report(LOCAL_FAILURE,
			      "no node that this one may see has %s, and no router a network with "
			      "it: warren status and warren routes list them",
			      text);
	json_decref(routes);
	json_decref(answer);
	return code;
}

int verb_whois(const struct client *client, int argc, char **argv)
{
	json_t *status = NULL;
	const json_t *node;
	int operands;
	int code;

	if (arguments_parse(argc, argv, NULL, 0, 1, 1, &operands))
		return LOCAL_USAGE;
	code = client_status(client, &status);
	if (code)
		return code;
	node = status_find(status, argv[1]);
	if (node)
		whois_text_node(node, stdout);
	else
		code = whois_address(client, argv[1]);
	json_decref(status);
	return code;
}
