#include <stdio.h>

#include "ctl/arguments.h"
#include "ctl/client.h"
#include "ctl/format.h"
#include "ctl/report.h"
#include "ctl/status_field.h"
#include "ctl/verbs.h"

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

static void print_field(const char *label, const char *text)
{
	char clean[TEXT_MAX];

	printf("%-10s %s\n", label, format_text(clean, sizeof(clean), text));
}

static void print_node(const json_t *node)
{
	const json_t *addresses = json_object_get(node, "addresses");
	const json_t *tags = json_object_get(node, "tags");
	size_t i;

	print_field("name", status_text(node, "name", "-"));
	for (i = 0; i < json_array_size(addresses); i++) {
		const char *text = json_string_value(json_array_get(addresses, i));

		print_field(i ? "" : "addresses", text ? text : "-");
	}
	if (status_text(node, "owner", NULL))
		print_field("owner", status_text(node, "owner", "-"));
	for (i = 0; i < json_array_size(tags); i++) {
		const char *text = json_string_value(json_array_get(tags, i));

		print_field(i ? "" : "tags", text ? text : "-");
	}
	print_field("key", status_text(node, "public_key", "-"));
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
		code = report(LOCAL_FAILURE, "no node is called %s: warren status lists them",
			      argv[1]);
	else if (json_array_size(json_object_get(node, "addresses")) == 0)
		code = report(LOCAL_LOGIN, "no address yet: join a network with warren up");
	else
		print_addresses(node);
	json_decref(status);
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
		print_node(node);
	else
		code = report(LOCAL_FAILURE,
			      "no node that this one may see has %s: warren status lists them",
			      argv[1]);
	json_decref(status);
	return code;
}
