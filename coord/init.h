#ifndef WARREN_COORD_INIT_H
#define WARREN_COORD_INIT_H

struct options;

/*
 * Makes a network in options->data: keys, TLS certificate, database, starter policy and a first
 * join key, whose token goes to stdout. Refuses to touch an existing one. The exit code; errors
 * were printed.
 */
int init_run(const struct options *options);

#endif
