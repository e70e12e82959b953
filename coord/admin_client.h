#ifndef WARREN_COORD_ADMIN_CLIENT_H
#define WARREN_COORD_ADMIN_CLIENT_H

#include <jansson.h>

struct options;

/* Asks the running server and prints its answer. The exit code: 0, 1, or 3 when none runs. */
int admin_client_run(const struct options *options);
/*
 * Asks the server of this data folder; takes the reference to request. 0 with *text (malloc'd) what
 * the command would print; else the exit code, and why was printed.
 */
int admin_client_call(const char *dir, json_t *request, char **text);

#endif
