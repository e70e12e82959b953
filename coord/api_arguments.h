#ifndef WARREN_COORD_API_ARGUMENTS_H
#define WARREN_COORD_API_ARGUMENTS_H

#include <jansson.h>

#include "coord/api_routes.h"

/*
 * Takes what a request of the API brings, and nothing else, into `arguments`. False when something
 * is missing, unknown, given twice, of the wrong type or too large; the response says which.
 */
bool api_arguments_from_query(json_t *arguments, const struct api_field *fields,
			      const struct ws_http_request *request,
			      struct ws_http_response *response);
bool api_arguments_from_body(json_t *arguments, const struct api_field *fields,
			     const struct ws_http_request *request,
			     struct ws_http_response *response);

#endif
