#ifndef WARREN_COORD_OIDC_OPTIONS_H
#define WARREN_COORD_OIDC_OPTIONS_H

#include <jansson.h>

/*
 * The command line of `oidc set`, which has many options of its own. Takes them out of argv, and
 * leaves the others there in order. *request: what the server is asked, a new reference. 0, or
 * -EINVAL after a line on stderr.
 */
int oidc_options_take(json_t **request, int *argc, char **argv);

extern const char oidc_options_usage[];

#endif
