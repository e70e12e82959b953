#ifndef WARREN_COORD_API_H
#define WARREN_COORD_API_H

#include "coord/http.h"

#define API_PATH "/api/v1"

/* The REST API: routes to admin verbs, all in JSON. A handler of http.c's table. */
void api_handle(struct http *http, const struct ws_http_request *request,
		struct ws_http_response *response);

#endif
