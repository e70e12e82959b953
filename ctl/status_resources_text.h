#ifndef WARREN_CTL_STATUS_RESOURCES_TEXT_H
#define WARREN_CTL_STATUS_RESOURCES_TEXT_H

#include <jansson.h>
#include <stdio.h>

/* What status shows of routes, exit and names; all take the object of `status --json`. */

/* For the headline: " · routes 2 of 3 used · exit fra", or nothing. */
void status_resources_headline(const json_t *status, FILE *out);
/* For the details of this node: its exit and how it has names. */
void status_resources_details(const json_t *status, FILE *out);
/* The routes of a node in its details. */
void status_resources_node(const json_t *status, const char *name, FILE *out);

#endif
