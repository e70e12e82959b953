#include "coord/api.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "coord/api_arguments.h"
#include "coord/api_caller.h"
#include "coord/api_routes.h"
#include "coord/policy_tag.h"
#include "coord/sessions.h"

/* Not found, or the methods that are. */
static void refuse(const struct api_call *call, const char *allow)
{
	if (!allow[0]) {
		http_fail(call->response, 404, "not-found", "there is nothing at this path");
		return;
	}
	ws_http_set_header(call->response, "allow", "%s", allow);
	if (strcmp(call->request->method, "OPTIONS") == 0)
		call->response->status = 204;
	else
		http_fail(call->response, 405, "method", "this path has %s", allow);
}

/* "x", W/"x" or *, of which only a whole entity tag of ours counts. */
static bool take_if_match(struct api_call *call)
{
	const char *text = call->request->if_match;
	size_t len = strlen(text);
	json_t *tag = NULL;

	if (len == 0 || strcmp(text, "*") == 0)
		return true;
	if (len >= 3 && text[0] == '"' && text[len - 1] == '"' && len - 2 < POLICY_TAG_SIZE)
		tag = json_stringn(text + 1, len - 2);
	/* A condition that nobody can meet is not one that nobody made. */
	if (tag && json_object_set_new(call->arguments, "if_match", tag) == 0)
		return true;
	http_fail(call->response, 412, "changed", "If-Match is no ETag that was given out");
	return false;
}

static void set_etag(struct api_call *call)
{
	char tag[POLICY_TAG_SIZE];

	if (policy_tag(call->http->sessions->network->store, tag) == 0)
		ws_http_set_header(call->response, "etag", "\"%s\"", tag);
}

static void run_verb(struct api_call *call, const struct api_route *route)
{
	struct admin_result result;

	json_object_set_new(call->arguments, "verb", json_string(route->verb));
	json_object_set_new(call->arguments, "json", json_true());
	if (admin_verbs_call(call->http->sessions, &call->caller, call->arguments, clock_wall_s(),
			     &result) < 0) {
		http_fail(call->response, 503, "unavailable", "out of memory; try again later");
		return;
	}
	if (result.kind == ADMIN_OK) {
		http_answer_text(call->response, route->status, "application/json", result.text,
				 result.len);
		if (route->etag)
			set_etag(call);
	} else {
		http_fail(call->response, admin_http_status(result.kind),
			  admin_kind_text(result.kind), "%s", result.error);
	}
	admin_result_clear(&result);
}

static bool take_arguments(struct api_call *call, const struct api_route *route)
{
	static const struct api_field none[1];
	bool reads = strcmp(route->method, "GET") == 0;

	if (!api_arguments_from_query(call->arguments, reads ? route->fields : none, call->request,
				      call->response))
		return false;
	if (reads)
		return true;
	return api_arguments_from_body(call->arguments, route->fields, call->request,
				       call->response) &&
	       (!route->etag || take_if_match(call));
}

static void handle(struct api_call *call)
{
	const struct api_route *route;
	char allow[64];

	route = api_route_find(call->request->method, call->request->path + strlen(API_PATH),
			       call->arguments, allow);
	if (!route) {
		refuse(call, allow);
		return;
	}
	if (!route->open &&
	    !api_caller_find(call->http, call->request, call->response, &call->caller))
		return;
	if (!take_arguments(call, route))
		return;
	if (route->run)
		route->run(call);
	else
		run_verb(call, route);
}

void api_handle(struct http *http, const struct ws_http_request *request,
		struct ws_http_response *response)
{
	struct api_call call = {
		.http = http, .request = request, .response = response, .arguments = json_object()
	};

	if (call.arguments)
		handle(&call);
	else
		http_fail(response, 503, "unavailable", "out of memory; try again later");
	json_decref(call.arguments);
}
