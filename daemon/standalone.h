#ifndef WARREN_DAEMON_STANDALONE_H
#define WARREN_DAEMON_STANDALONE_H

struct options;

/* A plain WireGuard device that wg(8) configures. Returns the exit code, after a signal 0. */
int standalone_run(const struct options *options);

#endif
