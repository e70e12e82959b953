#ifndef WARREN_COORD_ADMIN_CLIENT_H
#define WARREN_COORD_ADMIN_CLIENT_H

struct options;

/* Asks the running server and prints its answer. The exit code: 0, 1, or 3 when none runs. */
int admin_client_run(const struct options *options);

#endif
