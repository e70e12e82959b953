#include "coord/http_health.h"

#include <string.h>

#include "coord/http.h"
#include "coord/sessions.h"

void http_health_handle(struct http *http, const struct ws_http_request *request,
			struct ws_http_response *response)
{
	const struct health *health = &http->sessions->health;
	bool failing = health_is_failing(health);

	if (strcmp(request->path, "/healthz") != 0) {
		http_fail(response, 404, "not-found", "there is nothing here");
		return;
	}
	if (strcmp(request->method, "GET") != 0 && strcmp(request->method, "HEAD") != 0) {
		ws_http_set_header(response, "allow", "GET, HEAD");
		http_fail(response, 405, "method", "want GET");
		return;
	}
	http_answer_json(response, failing ? 503 : 200,
			 json_pack("{s:i,s:s}", "schema", 1, "status",
				   failing         ? "failing"
				   : health->count ? "warning"
						   : "ok"));
}
