#ifndef WARREN_IO_CERT_WATCH_H
#define WARREN_IO_CERT_WATCH_H

struct loop;
struct ws_server;

/*
 * A server's certificate files, which somebody else renews: looked at every few seconds, and obeyed
 * once both have stood still from one look to the next, so that a pair that is half replaced is not
 * taken for a broken one.
 */
struct cert_watch;

#define CERT_WATCH_PAUSE_S 2 /* between looks */

/*
 * changed is told after every change of the files: 0, new connections get the new certificate; or
 * the error of ws_server_reload, and what was used so far stays in use. The files are in use
 * already. NULL when out of memory or a path is too long.
 */
struct cert_watch *cert_watch_new(struct loop *loop, struct ws_server *server,
				  const char *cert_file, const char *key_file,
				  void (*changed)(void *arg, int err), void *arg);
/* To be freed before the server. Accepts NULL. */
void cert_watch_free(struct cert_watch *watch);
/* Loads them now, changed or not. Accepts NULL. */
void cert_watch_reload(struct cert_watch *watch);

/* "the certificate has expired", …, for people. */
const char *cert_watch_error(int err);

#endif
