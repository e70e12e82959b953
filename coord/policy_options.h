#ifndef WARREN_COORD_POLICY_OPTIONS_H
#define WARREN_COORD_POLICY_OPTIONS_H

#include <jansson.h>

/*
 * The command line of `policy check`, which has options of its own. Takes them out of argv and
 * leaves the others there in order, with an empty FILE where none was given because the present
 * policy is meant. *request: what the server is asked besides, a new reference; untouched for other
 * commands. 0, or -EINVAL after a line on stderr.
 */
int policy_options_take(json_t **request, int *argc, char **argv);

extern const char policy_options_usage[];

#endif
