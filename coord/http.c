#include "coord/http.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "coord/api.h"
#include "coord/http_health.h"
#include "coord/http_host.h"
#include "coord/http_metrics.h"
#include "coord/oidc.h"
#include "coord/sessions.h"
#include "coord/web.h"
#include "proto/json_fields.h"

struct area {
	const char *path; /* itself, and all below it */
	void (*handle)(struct http *http, const struct ws_http_request *request,
		       struct ws_http_response *response);
};

static const struct area areas[] = {
	{ API_PATH, api_handle },
	{ "/metrics", http_metrics_handle },
	{ "/healthz", http_health_handle },
	{ OIDC_PATH, oidc_http },
	{ NULL, NULL },
};

void http_answer_text(struct ws_http_response *response, int status, const char *type,
		      const void *text, size_t len)
{
	uint8_t *body = malloc(len + 1);

	free(response->body);
	response->body = body;
	response->body_len = body ? len : 0;
	response->status = body ? status : 503;
	response->content_type = type;
	if (body)
		memcpy(body, text, len);
}

void http_answer_json(struct ws_http_response *response, int status, json_t *object)
{
	char *text = json_dumps(object, JSON_COMPACT);

	json_decref(object);
	if (text)
		http_answer_text(response, status, "application/json", text, strlen(text));
	else
		response->status = 503;
	free(text);
}

void http_fail(struct ws_http_response *response, int status, const char *code, const char *fmt,
	       ...)
{
	char message[400];
	va_list args;

	va_start(args, fmt);
	vsnprintf(message, sizeof(message), fmt, args);
	va_end(args);
	http_answer_json(response, status,
			 json_pack("{s:i,s:{s:s,s:o}}", "schema", 1, "error", "code", code,
				   "message", json_fields_lossy(message)));
}

/* What is wrong with a request that was not even looked at. */
static void refuse(const struct ws_http_request *request, struct ws_http_response *response)
{
	switch (request->status) {
	case 405:
		http_fail(response, 405, "method", "this method is not served here");
		break;
	case 411:
		http_fail(response, 411, "length", "a body needs a Content-Length");
		break;
	case 413:
		http_fail(response, 413, "too-large", "the body is larger than %u bytes",
			  WS_HTTP_BODY_MAX);
		break;
	case 414:
	case 431:
		http_fail(response, request->status, "too-large",
			  "path, query and headers are larger than %d bytes", WS_HTTP_HEAD_MAX);
		break;
	default:
		http_fail(response, 400, "malformed", "the request is malformed");
		break;
	}
}

static bool is_within(const char *path, const char *area)
{
	size_t len = strlen(area);

	return strncmp(path, area, len) == 0 && (!path[len] || path[len] == '/');
}

/* Unless the handler said otherwise. */
static void set_defaults(struct ws_http_response *response)
{
	static const char *const headers[][2] = {
		{ "cache-control", "no-store" },
		{ "content-security-policy", "default-src 'none'; frame-ancestors 'none'" },
		{ "referrer-policy", "no-referrer" },
		{ "x-content-type-options", "nosniff" },
		{ "x-frame-options", "DENY" },
	};

	for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++)
		if (!ws_http_has_header(response, headers[i][0]))
			ws_http_set_header(response, headers[i][0], "%s", headers[i][1]);
}

/* Health is for programs that know no better, and says nothing. */
static bool host_matters(const struct ws_http_request *request)
{
	return !request->local && strcmp(request->path, "/healthz") != 0;
}

void http_handle(void *arg, const struct ws_http_request *request,
		 struct ws_http_response *response)
{
	struct http *http = arg;

	if (request->status) {
		refuse(request, response);
	} else if (host_matters(request) &&
		   !http_host_is_ours(http->sessions->network, http->hosts, request->host)) {
		http_fail(response, 421, "host",
			  "this is not the host that was asked; use one of the network's public "
			  "addresses, or tell the coordinator this one by --host");
	} else {
		const struct area *area = areas;

		while (area->path && !is_within(request->path, area->path))
			area++;
		if (area->path)
			area->handle(http, request, response);
		else
			web_handle(http, request, response);
	}
	set_defaults(response);
	if (!response->deferred && response->status / 100 < HTTP_CLASSES)
		http->answered[response->status / 100]++;
}
