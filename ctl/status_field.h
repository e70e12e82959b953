#ifndef WARREN_CTL_STATUS_FIELD_H
#define WARREN_CTL_STATUS_FIELD_H

#include <jansson.h>
#include <stdbool.h>

/* Lookups in the status object that never fail: what is missing has the neutral value. */

/* The string, or otherwise. */
const char *status_text(const json_t *object, const char *key, const char *otherwise);
/* The number, or -1. */
double status_number(const json_t *object, const char *key);
/* The first of the peer's or self's addresses, or "-". */
const char *status_address(const json_t *node);
bool status_has_address(const json_t *node, const char *address);
/* self, or the peer with this name or address; NULL when there is none. */
const json_t *status_find(const json_t *status, const char *name_or_address);

#endif
