#ifndef WARREN_DAEMON_CREDENTIALS_H
#define WARREN_DAEMON_CREDENTIALS_H

#include <stddef.h>

#include "proto/control.h"

/*
 * The relay credentials of the last login, kept on disk so that a daemon that starts while the
 * coordinator is away can still register at the relays. They expire by themselves.
 */

/* 0 or -errno. */
int credentials_save(const char *path, const struct control_credential *list, size_t count);
/* At most max; *count is set. 0, -ENOENT, -EBADMSG when damaged, or -errno. */
int credentials_load(const char *path, struct control_credential *list, size_t max, size_t *count);

#endif
