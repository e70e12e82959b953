/*
 * What strangers send to the HTTP side: a path, a query, a cookie, a host and a body, one a line.
 * Nothing is asked of the store; arguments that come through fit their fields.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "coord/api_arguments.h"
#include "coord/api_routes.h"
#include "coord/http_cookie.h"
#include "coord/http_host.h"
#include "coord/network.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check_fields(const json_t *arguments, const struct api_field *fields)
{
	for (; fields->name; fields++) {
		const json_t *value = json_object_get(arguments, fields->name);

		if (!value && fields->required)
			abort();
		if (value && fields->type == API_TEXT && json_string_length(value) > fields->max)
			abort();
		if (value && fields->type == API_NUMBER &&
		    (uint64_t)json_integer_value(value) > fields->max)
			abort();
	}
}

static void ask(const struct ws_http_request *request)
{
	static const char *const methods[] = { "GET", "POST", "PUT", "DELETE" };
	static const struct api_field none[1];
	struct ws_http_response response = { .status = 0 };

	for (size_t i = 0; i < 4; i++) {
		json_t *arguments = json_object();
		char allow[64];
		const struct api_route *route =
			api_route_find(methods[i], request->path, arguments, allow);
		const struct api_field *fields = route && route->fields ? route->fields : none;

		if (route &&
		    (i == 0 ? api_arguments_from_query(arguments, fields, request, &response)
			    : api_arguments_from_body(arguments, fields, request, &response)))
			check_fields(arguments, fields);
		json_decref(arguments);
	}
	free(response.body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct ws_http_request request = { .content_type = "application/json" };
	static struct network network;
	char *text = malloc(len + 1);
	char *lines[5] = { "", "", "", "", "" };
	char *rest = text;
	char out[64];

	if (!text)
		return 0;
	memcpy(text, data, len);
	text[len] = '\0';
	for (size_t i = 0; i < 5 && rest; i++)
		lines[i] = i < 4 ? strsep(&rest, "\n") : rest;
	request.path = lines[0];
	request.query = lines[1];
	request.cookie = lines[2];
	request.host = lines[3];
	request.body = (const uint8_t *)lines[4];
	request.body_len = strlen(lines[4]);
	ask(&request);
	if (http_cookie_get(request.cookie, "s", out, sizeof(out)) && strlen(out) >= sizeof(out))
		abort();
	http_host_is_ours(&network, "a.example b.example", request.host);
	http_origin_is_host(request.cookie, request.host);
	if (ws_http_argument(&request, "limit", out, sizeof(out)) && strlen(out) >= sizeof(out))
		abort();
	free(text);
	return 0;
}
