#include "ctl/status_resources_text.h"

#include <string.h>

#include "ctl/format.h"
#include "ctl/status_field.h"

#define TEXT_MAX 256

static bool is_set(const json_t *object, const char *key)
{
	return json_is_true(json_object_get(object, key));
}

static void print_text(FILE *out, const char *text)
{
	char clean[TEXT_MAX];

	fputs(format_text(clean, sizeof(clean), text), out);
}

/* Prefixes of peers; one of several routers for a prefix is enough. */
static void print_routes(const json_t *routes, FILE *out)
{
	size_t all = 0, used = 0, home = 0;

	for (size_t i = 0; i < json_array_size(routes); i++) {
		const json_t *route = json_array_get(routes, i);

		if (is_set(route, "own") || is_set(route, "exit"))
			continue;
		all++;
		used += is_set(route, "used");
		home += strncmp(status_text(route, "why", ""), "at-home", 7) == 0;
	}
	if (all)
		fprintf(out, " · routes %zu of %zu used", used, all);
	if (home)
		fprintf(out, ", %zu at home", home);
}

/* "exit fra", "exit fra (v4)", "exit fra and ams", or "no exit" while one is wanted. */
static void print_exit(const json_t *exit_node, FILE *out)
{
	const char *four = status_text(exit_node, "ipv4", NULL);
	const char *six = status_text(exit_node, "ipv6", NULL);

	if (!four && !six) {
		fputs("no exit", out);
		return;
	}
	fputs("exit ", out);
	print_text(out, four ? four : six);
	if (!four || !six) {
		fputs(four ? " (v4)" : " (v6)", out);
	} else if (strcmp(four, six) != 0) {
		fputs(" and ", out);
		print_text(out, six);
	}
}

void status_resources_headline(const json_t *status, FILE *out)
{
	const json_t *exit_node = json_object_get(status, "exit_node");

	print_routes(json_object_get(status, "routes"), out);
	if (!json_is_object(exit_node))
		return;
	fputs(" · ", out);
	print_exit(exit_node, out);
}

void status_resources_details(const json_t *status, FILE *out)
{
	const json_t *exit_node = json_object_get(status, "exit_node");
	const json_t *names = json_object_get(status, "names");

	if (json_is_object(exit_node)) {
		fputs("  exit       ", out);
		print_text(out, status_text(exit_node, "wanted", "-"));
		fputs(" wanted, ", out);
		print_exit(exit_node, out);
		fprintf(out, ", local networks %s, kill switch %s\n",
			is_set(exit_node, "keep_local") ? "kept" : "not kept",
			is_set(exit_node, "kill_switch") ? "on" : "off");
	}
	if (!json_is_object(names))
		return;
	fputs("  names      ", out);
	print_text(out, is_set(names, "on") ? status_text(names, "domain", "on") : "off");
	if (status_text(names, "how", NULL)) {
		fputs(", by ", out);
		print_text(out, status_text(names, "how", "-"));
	}
	fputc('\n', out);
}

void status_resources_node(const json_t *status, const char *name, FILE *out)
{
	const json_t *routes = json_object_get(status, "routes");
	const char *label = "routes";

	for (size_t i = 0; i < json_array_size(routes); i++) {
		const json_t *route = json_array_get(routes, i);

		if (strcmp(status_text(route, "node", ""), name) != 0)
			continue;
		fprintf(out, "  %-10s ", label);
		print_text(out, status_text(route, "prefix", "-"));
		if (status_text(route, "real", NULL)) {
			fputs(" = ", out);
			print_text(out, status_text(route, "real", "-"));
		}
		fputs(is_set(route, "used") ? " used" : " not used", out);
		if (status_text(route, "why", NULL)) {
			fputs(": ", out);
			print_text(out, status_text(route, "why", "-"));
		}
		fputc('\n', out);
		label = "";
	}
}
