#ifndef WARREN_COORD_SERVER_H
#define WARREN_COORD_SERVER_H

struct options;

/* Runs the coordinator until SIGTERM or SIGINT. The exit code; errors were printed or logged. */
int server_run(const struct options *options);

#endif
