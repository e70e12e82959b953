#ifndef WARREN_DAEMON_TIMESTAMP_H
#define WARREN_DAEMON_TIMESTAMP_H

#include <stdint.h>

/*
 * The greatest TAI64N stamp that handshakes carried, kept over restarts, so that a clock that was
 * set back does not make peers refuse this node as a replay.
 */

/* 0, -ENOENT, -EBADMSG, or -errno. */
int timestamp_load(const char *path, uint8_t stamp[static 12]);
int timestamp_save(const char *path, const uint8_t stamp[static 12]);

#endif
