#ifndef WARREN_COORD_HTTP_METRICS_H
#define WARREN_COORD_HTTP_METRICS_H

#include "coord/http.h"

/*
 * /metrics for Prometheus: with a token of any role, or from this machine itself. A handler of
 * http.c's table.
 */
void http_metrics_handle(struct http *http, const struct ws_http_request *request,
			 struct ws_http_response *response);

#endif
