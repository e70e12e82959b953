#ifndef WARREN_COORD_API_CALLER_H
#define WARREN_COORD_API_CALLER_H

#include <stdbool.h>

#include "coord/admin_verbs.h"
#include "coord/http.h"

/*
 * Who asks: by a token, by the cookie of a login, or by the local socket. False when nobody who
 * counts; then the response says so (401, 403, 429, 503).
 */
bool api_caller_find(struct http *http, const struct ws_http_request *request,
		     struct ws_http_response *response, struct admin_caller *caller);
/*
 * The one that a token in a login's body names; token_id is filled in. False as above.
 */
bool api_caller_from_token(struct http *http, const struct ws_http_request *request,
			   const char *token, struct ws_http_response *response,
			   struct admin_caller *caller, uint8_t *token_id);
/* A change by cookie, or a login, has to come from a page of ours. False as above. */
bool api_caller_is_page(const struct ws_http_request *request, struct ws_http_response *response);

#endif
