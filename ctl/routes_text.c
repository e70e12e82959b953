#include "ctl/routes_text.h"

#include "base/addr.h"
#include "ctl/format.h"
#include "ctl/status_field.h"
#include "ctl/table.h"

#define TEXT_MAX 256

static bool is_set(const json_t *route, const char *key)
{
	return json_is_true(json_object_get(route, key));
}

static void add_answer(struct table *table, const json_t *route, const char *key)
{
	table_add(table, is_set(route, key) ? "yes" : "no",
		  is_set(route, key) ? TABLE_GREEN : TABLE_YELLOW);
}

static void add_route(struct table *table, const json_t *route)
{
	const char *real = status_text(route, "real", NULL);
	double weight = status_number(route, "weight");
	char text[TEXT_MAX];

	snprintf(text, sizeof(text), "%s%s%s", status_text(route, "prefix", "-"), real ? " = " : "",
		 real                    ? real
		 : is_set(route, "exit") ? " (exit)"
					 : "");
	table_add(table, text, TABLE_PLAIN);
	snprintf(text, sizeof(text), "%s%s", status_text(route, "node", "-"),
		 is_set(route, "own") ? " (here)" : "");
	table_add(table, text, TABLE_PLAIN);
	snprintf(text, sizeof(text), "%.0f", weight);
	table_add(table, weight < 0 ? "-" : text, TABLE_PLAIN);
	add_answer(table, route, "offered");
	add_answer(table, route, "approved");
	add_answer(table, route, "used");
	table_add(table, status_text(route, "why", "-"), TABLE_PLAIN);
}

void routes_text_print(const json_t *routes, FILE *out, bool colour)
{
	static const char *const heads[] = { "PREFIX",   "ROUTER", "WEIGHT", "OFFERED",
					     "APPROVED", "USED",   "WHY NOT" };
	const json_t *list = json_object_get(routes, "routes");
	double left_out = status_number(routes, "left_out");
	struct table *table;
	size_t i;

	if (json_array_size(list) == 0 && json_is_false(json_object_get(routes, "up"))) {
		fputs("no routes: this node is not connected; sudo warren up connects it\n", out);
		return;
	}
	if (json_array_size(list) == 0) {
		fputs("no routes: nobody offers one; sudo warren set routes PREFIX offers one from "
		      "here\n",
		      out);
		return;
	}
	table = table_new(sizeof(heads) / sizeof(heads[0]));
	if (!table)
		return;
	for (i = 0; i < sizeof(heads) / sizeof(heads[0]); i++)
		table_add(table, heads[i], TABLE_PLAIN);
	for (i = 0; i < json_array_size(list); i++)
		add_route(table, json_array_get(list, i));
	table_print(table, out, colour);
	table_free(table);
	if (left_out > 0)
		fprintf(out, "and %.0f more\n", left_out);
}

/* Is one a better answer than two for an address that both hold? */
static bool is_closer(const json_t *one, const struct prefix *one_prefix, const json_t *two,
		      const struct prefix *two_prefix)
{
	if (!two || one_prefix->len != two_prefix->len)
		return !two || one_prefix->len > two_prefix->len;
	return is_set(one, "used") && !is_set(two, "used");
}

const json_t *routes_find(const json_t *routes, const char *address)
{
	const json_t *list = json_object_get(routes, "routes");
	struct prefix best_prefix = { 0 };
	const json_t *best = NULL;
	struct ip_addr addr;

	if (addr_parse(&addr, address))
		return NULL;
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *route = json_array_get(list, i);
		struct prefix prefix;

		if (prefix_parse(&prefix, status_text(route, "prefix", "")) || !prefix.len ||
		    !prefix_contains(&prefix, &addr))
			continue;
		if (is_closer(route, &prefix, best, &best_prefix)) {
			best = route;
			best_prefix = prefix;
		}
	}
	return best;
}
