#ifndef WARREN_COORD_HTTP_HEALTH_H
#define WARREN_COORD_HTTP_HEALTH_H

struct http;
struct ws_http_request;
struct ws_http_response;

/*
 * /healthz, for load balancers and monitors: 200 {"status":"ok"} or "warning", 503 "failing". What
 * is wrong is for admins only; see the health verb.
 */
void http_health_handle(struct http *http, const struct ws_http_request *request,
			struct ws_http_response *response);

#endif
