#ifndef WARREN_COORD_WEB_H
#define WARREN_COORD_WEB_H

#include "io/ws.h"

struct http;

/*
 * The web pages: files that are part of this program, the same for everybody. What they show comes
 * through the REST API.
 */
void web_handle(struct http *http, const struct ws_http_request *request,
		struct ws_http_response *response);

#endif
