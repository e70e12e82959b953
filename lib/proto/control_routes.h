#ifndef WARREN_PROTO_CONTROL_ROUTES_H
#define WARREN_PROTO_CONTROL_ROUTES_H

#include <jansson.h>

#include "proto/control.h"
#include "proto/json_fields.h"

/* The members of messages about routes. Nonzero when out of memory. */

/* "routes", and "route_facts" when there is something to say in them. */
int control_routes_put_offer(json_t *object, const struct control_update *update);
/* A list that can be read and is none of routes is a problem for the node to hear of. */
void control_routes_get_offer(struct json_fields *fields, struct control_update *update);

int control_routes_put(json_t *object, const struct control_routes *routes);
void control_routes_get(struct json_fields *fields, struct control_routes *routes);

#endif
