#include "proto/control_routes.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LISTED_MAX 8192 /* that are counted; a message has room for no more */

static int put_facts(json_t *array, const struct route_facts *facts)
{
	json_t *entry = json_object();
	char text[ADDR_TEXT_SIZE];
	int err = 0;

	if (facts->weight && facts->weight != ROUTE_WEIGHT_DEFAULT)
		err |= json_object_set_new(entry, "weight", json_integer(facts->weight));
	if (facts->real.family)
		err |= json_object_set_new(entry, "real",
					   json_string(addr_format(text, &facts->real)));
	return err | json_array_append_new(array, entry);
}

int control_routes_put_offer(json_t *object, const struct control_update *update)
{
	json_t *routes = json_array();
	json_t *facts = json_array();
	char text[PREFIX_TEXT_SIZE];
	bool needed = false;
	int err = 0;

	for (size_t i = 0; i < update->route_count; i++) {
		err |= json_array_append_new(routes,
					     json_string(prefix_format(text, &update->routes[i])));
		err |= put_facts(facts, &update->route_facts[i]);
		needed |= !route_facts_are_default(&update->route_facts[i]);
	}
	err |= json_object_set_new(object, "routes", routes);
	if (needed)
		return err | json_object_set_new(object, "route_facts", facts);
	json_decref(facts);
	return err;
}

static void refuse_list(struct control_update *update, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
static void refuse_list(struct control_update *update, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(update->routes_problem, sizeof(update->routes_problem), format, args);
	va_end(args);
	update->route_count = 0;
	memset(update->routes, 0, sizeof(update->routes));
	memset(update->route_facts, 0, sizeof(update->route_facts));
}

static void get_facts(struct json_fields *fields, json_t *value, struct route_facts *facts)
{
	uint64_t weight = ROUTE_WEIGHT_DEFAULT;
	char real[ADDR_TEXT_SIZE] = "";
	struct json_fields entry;

	json_fields_init(&entry, value);
	if (json_fields_has(&entry, "weight"))
		json_fields_u64(&entry, "weight", UINT8_MAX, &weight);
	json_fields_text_opt(&entry, "real", real, sizeof(real));
	fields->failed |= entry.failed || weight == 0;
	facts->weight = (uint8_t)weight;
	if (!entry.failed && real[0] && addr_parse(&facts->real, real) < 0)
		fields->failed = true;
}

static void get_all_facts(struct json_fields *fields, struct control_update *update)
{
	json_t *array = json_fields_array(fields, "route_facts", LISTED_MAX);
	json_t *value;
	size_t i;

	/* Of a list that was refused nothing is looked at. */
	if (update->routes_problem[0])
		return;
	fields->failed |= json_array_size(array) != update->route_count;
	json_array_foreach (array, i, value) {
		const char *problem;

		if (fields->failed)
			return;
		get_facts(fields, value, &update->route_facts[i]);
		problem = route_facts_problem(&update->routes[i], &update->route_facts[i]);
		if (problem) {
			char text[PREFIX_TEXT_SIZE];

			refuse_list(update, "%s is no route: %s",
				    prefix_format(text, &update->routes[i]), problem);
			return;
		}
	}
}

/* Does it look like a prefix? Then it may be shown to people. */
static bool is_prefix_text(const char *text)
{
	return strlen(text) < PREFIX_TEXT_SIZE &&
	       strspn(text, "0123456789abcdefABCDEF:./") == strlen(text);
}

void control_routes_get_offer(struct json_fields *fields, struct control_update *update)
{
	json_t *array = json_fields_array(fields, "routes", LISTED_MAX);
	json_t *value;
	size_t i;

	if (json_array_size(array) > CERT_ROUTES_MAX) {
		refuse_list(update, "%zu routes are offered, and at most %d can be",
			    json_array_size(array), CERT_ROUTES_MAX);
		return;
	}
	json_array_foreach (array, i, value) {
		const char *text = json_string_value(value);

		if (!text || !is_prefix_text(text)) {
			fields->failed = true;
			return;
		}
		if (prefix_parse(&update->routes[i], text) < 0) {
			refuse_list(update, "%s is no prefix; host bits have to be zero", text);
			break;
		}
		update->route_facts[i].weight = ROUTE_WEIGHT_DEFAULT;
		update->route_count++;
	}
	if (json_fields_has(fields, "route_facts"))
		get_all_facts(fields, update);
}

int control_routes_put(json_t *object, const struct control_routes *routes)
{
	json_t *array = json_array();
	char text[PREFIX_TEXT_SIZE];
	int err = 0;

	for (size_t i = 0; i < routes->count; i++) {
		const struct control_route *route = &routes->routes[i];
		json_t *entry = json_object();

		err |= json_object_set_new(entry, "prefix",
					   json_string(prefix_format(text, &route->prefix)));
		err |= json_object_set_new(entry, "state",
					   json_string(control_route_state_name(route->state)));
		if (route->why[0])
			err |= json_object_set_new(entry, "why", json_string(route->why));
		err |= json_array_append_new(array, entry);
	}
	if (routes->problem[0])
		err |= json_object_set_new(object, "problem", json_string(routes->problem));
	return err | json_object_set_new(object, "offered", array);
}

static void get_route(struct json_fields *fields, json_t *value, struct control_route *route)
{
	char prefix[PREFIX_TEXT_SIZE] = "";
	char state[16] = "";
	struct json_fields entry;

	json_fields_init(&entry, value);
	json_fields_text(&entry, "prefix", prefix, sizeof(prefix));
	json_fields_text(&entry, "state", state, sizeof(state));
	json_fields_text_opt(&entry, "why", route->why, sizeof(route->why));
	fields->failed |= entry.failed || prefix_parse(&route->prefix, prefix) < 0;
	route->state = CONTROL_ROUTE_WAITING; /* for names that a newer coordinator made up */
	for (int i = 0; i < CONTROL_ROUTE_STATE_COUNT; i++)
		if (strcmp(state, control_route_state_name((enum control_route_state)i)) == 0)
			route->state = (enum control_route_state)i;
}

void control_routes_get(struct json_fields *fields, struct control_routes *routes)
{
	json_t *array = json_fields_array(fields, "offered", CERT_ROUTES_MAX);
	json_t *value;
	size_t i;

	json_fields_text_opt(fields, "problem", routes->problem, sizeof(routes->problem));
	if (fields->failed || json_array_size(array) == 0)
		return;
	routes->routes = calloc(json_array_size(array), sizeof(*routes->routes));
	fields->failed |= !routes->routes;
	json_array_foreach (array, i, value) {
		if (fields->failed)
			return;
		get_route(fields, value, &routes->routes[i]);
		routes->count++;
	}
}
