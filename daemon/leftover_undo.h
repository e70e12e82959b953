#ifndef WARREN_DAEMON_LEFTOVER_UNDO_H
#define WARREN_DAEMON_LEFTOVER_UNDO_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/*
 * One thing to put back, as daemon/leftovers.c writes it down:
 *
 *   {"kind":"sysctl","key":"net/ipv4/ip_forward","was":"0","ours":"1"}
 *   {"kind":"file","key":"/etc/resolv.conf","mark":"# warren","link":"../run/…"?,"data":base64?,
 *    "mode":420}                                    neither link nor data: there was no file
 *   {"kind":"rule","key":"2 5220 1459617794 0"}     family, priority, table, mark
 *   {"kind":"chain","key":"ip filter DOCKER-USER","comment":"warren0"}
 */

/* Puts it back if it still is as we made it. 0, also when it is not; or -errno: try again later. */
int leftover_undo(const json_t *entry);

#define LEFTOVER_FILE_MAX 65536 /* bytes of a file that is noted */

/* An entry for what is at path now. 0, -EFBIG, -EINVAL when it is neither file nor link, -errno. */
int leftover_describe_file(json_t **entry, const char *path, const char *mark);
/* Is what is at path a file of ours: does a line begin with mark? */
bool leftover_is_ours(const char *path, const char *mark);

#endif
