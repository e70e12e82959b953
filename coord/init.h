#ifndef WARREN_COORD_INIT_H
#define WARREN_COORD_INIT_H

struct options;
struct rng;

/*
 * Makes a network in options->data: keys, TLS certificate, database, starter policy and a first
 * join key, whose token goes to stdout. Refuses to touch an existing one. The exit code; errors
 * were printed.
 */
int init_run(const struct options *options);

/* Only the files, in a folder that is there. 0 or -errno. */
int init_create(const struct options *options, const struct rng *rng);

#endif
