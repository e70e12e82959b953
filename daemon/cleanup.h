#ifndef WARREN_DAEMON_CLEANUP_H
#define WARREN_DAEMON_CLEANUP_H

#include <stdbool.h>

#include "daemon/config.h"

/*
 * `warrend --cleanup`: puts back what a daemon that is gone left changed in the system. open: also
 * what its kill switch blocks; the next start of the daemon blocks it again if the exit node is
 * still chosen. The exit code of the program; errors have been printed.
 */
int cleanup_run(const struct daemon_config *config, bool open);
/*
 * `warrend --close`: before the network is there, blocks what the kill switch blocked when the
 * machine went down; nothing when none was chosen. The exit code of the program.
 */
int cleanup_close(const struct daemon_config *config);

#endif
