#include "daemon/route_report.h"

#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "daemon/exit.h"
#include "daemon/local_server.h"
#include "daemon/mesh.h"
#include "daemon/mesh_peer.h"
#include "daemon/router.h"
#include "daemon/routing.h"

void route_report_add(struct route_report *report, const struct route_line *line)
{
	/* Room doubles at powers of two. */
	if ((report->count & (report->count - 1)) == 0) {
		size_t room = report->count ? report->count * 2 : 1;
		struct route_line *grown =
			report->count < ROUTE_REPORT_MAX
				? reallocarray(report->lines, room, sizeof(*grown))
				: NULL;

		if (!grown) {
			report->left_out++;
			return;
		}
		report->lines = grown;
	}
	report->lines[report->count++] = *line;
}

void route_report_clear(struct route_report *report)
{
	free(report->lines);
	*report = (struct route_report){ 0 };
}

static int compare(const void *a, const void *b)
{
	const struct route_line *one = a, *two = b;
	int order = memcmp(&one->prefix, &two->prefix, sizeof(one->prefix));

	if (order)
		return order;
	if (one->own != two->own)
		return one->own ? -1 : 1;
	if (one->used != two->used)
		return one->used ? -1 : 1;
	if (one->weight != two->weight)
		return one->weight > two->weight ? -1 : 1;
	return strcmp(one->node, two->node);
}

void route_report_make(struct route_report *report, const struct mesh *mesh)
{
	*report = (struct route_report){ 0 };
	exit_report(report, mesh);
	routing_report(report, mesh);
	router_report(report, mesh);
	if (report->count)
		qsort(report->lines, report->count, sizeof(*report->lines), compare);
}

static json_t *prefix_json(const struct prefix *prefix)
{
	char text[PREFIX_TEXT_SIZE];

	return prefix->addr.family ? json_string(prefix_format(text, prefix)) : json_null();
}

/* "?" for what is not UTF-8. */
static json_t *text_json(const char *text)
{
	json_t *value = json_string(text);

	return value ? value : json_string("?");
}

static json_t *line_json(const struct route_line *line)
{
	struct prefix real = { .addr = line->real, .len = line->prefix.len };

	return json_pack("{s:o, s:o, s:o, s:b, s:b, s:I, s:o, s:b, s:b, s:b, s:b, s:o}", "prefix",
			 prefix_json(&line->prefix), "real", prefix_json(&real), "node",
			 text_json(line->node), "own", line->own, "exit", line->prefix.len == 0,
			 "weight", (json_int_t)line->weight, "snat",
			 line->own ? json_boolean(line->snat) : json_null(), "offered",
			 line->offered, "approved", line->approved, "used", line->used, "conflict",
			 line->conflict, "why", line->why[0] ? text_json(line->why) : json_null());
}

json_t *route_report_lines_json(const struct route_report *report)
{
	json_t *array = json_array();

	for (size_t i = 0; i < report->count; i++) {
		if (json_array_append_new(array, line_json(&report->lines[i]))) {
			json_decref(array);
			return NULL;
		}
	}
	return array;
}

json_t *route_report_json(const struct route_report *report)
{
	return json_pack("{s:i, s:o, s:I}", "schema", 1, "routes", route_report_lines_json(report),
			 "left_out", (json_int_t)report->left_out);
}

void route_report_handle(void *arg, struct local_request *request)
{
	const struct mesh *mesh = arg;
	struct route_report report;
	json_t *json;

	route_report_make(&report, arg);
	json = route_report_json(&report);
	route_report_clear(&report);
	if (json && json_object_set_new(json, "up", json_boolean(mesh->settings.up)) == 0)
		local_reply_end(request, json_pack("{s:o}", "routes", json));
	else
		local_reply_error(request, LOCAL_FAILURE, "out of memory");
}
