#include "daemon/status_resources.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/mesh.h"
#include "daemon/mesh_peer.h"
#include "daemon/name_service.h"
#include "daemon/route_report.h"
#include "daemon/routing.h"
#include "daemon/status.h"

#define CONFLICT_SIZE (PREFIX_TEXT_SIZE + CERT_NAME_MAX + ROUTE_WHY_SIZE + 16)

/* A string or null; "?" for what is not UTF-8. */
static json_t *text_json(const char *text)
{
	json_t *value = text ? json_string(text) : json_null();

	return value ? value : json_string("?");
}

static json_t *exit_json(const struct status_exit *exit_node)
{
	if (!exit_node->wanted)
		return json_null();
	return json_pack("{s:o, s:o, s:o, s:b, s:b}", "wanted", text_json(exit_node->wanted),
			 "ipv4", text_json(exit_node->node4), "ipv6", text_json(exit_node->node6),
			 "keep_local", exit_node->keep_local, "kill_switch",
			 exit_node->kill_switch);
}

static json_t *names_json(const struct status_names *names)
{
	return json_pack("{s:b, s:o, s:o}", "on", names->on, "how", text_json(names->how), "domain",
			 text_json(names->domain && names->domain[0] ? names->domain : NULL));
}

/* "10.20.0.0/16 of gw: this machine is inside it" */
static json_t *conflicts_json(const struct route_report *routes)
{
	json_t *array = json_array();
	char text[CONFLICT_SIZE], prefix[PREFIX_TEXT_SIZE];

	for (size_t i = 0; routes && i < routes->count; i++) {
		const struct route_line *line = &routes->lines[i];

		if (!line->conflict)
			continue;
		snprintf(text, sizeof(text), "%s of %s: %s", prefix_format(prefix, &line->prefix),
			 line->node, line->why);
		json_array_append_new(array, text_json(text));
	}
	return array;
}

json_t *status_resources_by_node(const struct status *status)
{
	size_t count = status->routes ? status->routes->count : 0;
	json_t *nodes = json_object();
	char prefix[PREFIX_TEXT_SIZE];

	for (size_t i = 0; i < count; i++) {
		const struct route_line *line = &status->routes->lines[i];
		json_t *list = json_object_get(nodes, line->node);

		if (!line->approved)
			continue;
		if (!list) {
			list = json_array();
			json_object_set_new(nodes, line->node, list);
		}
		json_array_append_new(list, json_string(prefix_format(prefix, &line->prefix)));
	}
	return nodes;
}

int status_resources_add(json_t *object, const struct status *status)
{
	const struct route_report none = { 0 };
	const struct route_report *routes = status->routes ? status->routes : &none;

	return json_object_set_new(object, "routes", route_report_lines_json(routes)) ||
			       json_object_set_new(object, "exit_node",
						   exit_json(&status->exit_node)) ||
			       json_object_set_new(object, "names", names_json(&status->names)) ||
			       json_object_set_new(object, "conflicts", conflicts_json(routes))
		       ? -ENOMEM
		       : 0;
}

static const char *exit_name(const struct mesh *mesh, int family)
{
	const struct mesh_peer *peer = routing_exit_peer(mesh, family);

	return peer ? mesh_peer_info(peer)->cert->parsed.name : NULL;
}

static void fill_exit(struct status_exit *exit_node, const struct mesh *mesh)
{
	struct setting choice;

	if (settings_get(&mesh->settings, "exit-node", &choice) < 0 ||
	    strcmp(choice.value, "none") == 0)
		return;
	exit_node->wanted = choice.value;
	exit_node->node4 = exit_name(mesh, AF_INET);
	exit_node->node6 = exit_name(mesh, AF_INET6);
	exit_node->keep_local = strcmp(setting_option(&choice, "keep-local", "yes"), "yes") == 0;
	exit_node->kill_switch = strcmp(setting_option(&choice, "kill-switch", "no"), "yes") == 0;
}

void status_resources_fill(struct status *status, const struct mesh *mesh)
{
	struct name_service_state names = { 0 };

	fill_exit(&status->exit_node, mesh);
	name_service_describe(mesh, &names);
	status->names = (struct status_names){ names.on, names.how, names.domain };
}

void status_resources_netcheck(json_t *fields, const struct mesh *mesh)
{
	struct status status = { .network = NULL };
	struct route_report routes;

	status_resources_fill(&status, mesh);
	route_report_make(&routes, mesh);
	json_object_set_new(fields, "exit_node", exit_json(&status.exit_node));
	json_object_set_new(fields, "names", names_json(&status.names));
	json_object_set_new(fields, "conflicts", conflicts_json(&routes));
	route_report_clear(&routes);
}
