#ifndef WARREN_DAEMON_LOGIN_TICKET_H
#define WARREN_DAEMON_LOGIN_TICKET_H

#include "proto/control.h"

/* The ticket of the last welcome, on disk: it tells this machine from an older copy of its disk. */

/* 0 or -errno. */
int login_ticket_save(const char *path, const struct control_ticket *ticket);
/* 0, -ENOENT, -EBADMSG when damaged, or -errno. */
int login_ticket_load(const char *path, struct control_ticket *ticket);

#endif
