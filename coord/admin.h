#ifndef WARREN_COORD_ADMIN_H
#define WARREN_COORD_ADMIN_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct admin_caller;
struct loop;
struct sessions;

/*
 * The admin socket: a Unix socket with mode 0600 in the data folder. One request a connection: a
 * line of JSON {"verb":…} in, a line {"code":0,"text":…} out. Only root and the server's own user
 * are heard.
 */
struct admin;

#define ADMIN_CONNECTIONS_MAX 16
#define ADMIN_REQUEST_MAX     (10u << 20) /* bytes: a policy of POLICY_TEXT_MAX, escaped */
#define ADMIN_DEADLINE_S      5           /* for a request to arrive and its answer to leave */

/* 0, -EADDRINUSE: another server runs, or another -errno. */
int admin_new(struct admin **admin, struct loop *loop, struct sessions *sessions, const char *path);
/* Also removes the socket. Accepts NULL. */
void admin_free(struct admin *admin);
/* Who comes by a socket of the data folder, under this user. */
void admin_local_caller(struct admin_caller *caller, uid_t uid);

#endif
