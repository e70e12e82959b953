#ifndef WARREN_COORD_INIT_H
#define WARREN_COORD_INIT_H

#include <stddef.h>

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
/* The same with everything but the keys in a database; -EEXIST: a network is in one of both. */
int init_create_at(const struct options *options, const char *place, const struct rng *rng,
		   char *error, size_t error_size);

#endif
