#ifndef WARREN_COORD_TLS_H
#define WARREN_COORD_TLS_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

struct cert_watch;
struct loop;
struct options;
struct sessions;
struct ws_server;

/*
 * The certificate that the coordinator shows: the one that the options name, or tls.crt and tls.key
 * in the data folder, made self-signed when nobody put any there. A new one on disk is used at
 * once.
 */
struct tls {
	char cert[PATH_MAX];
	char key[PATH_MAX];
	bool off;     /* somebody in front of us does it */
	bool refused; /* what is on disk now is no good */
	struct sessions *sessions;
	struct cert_watch *watch;
};

#define TLS_WARN_S (14 * 86400) /* so long before it expires somebody should look */

/* Chooses, and makes one if needed. 0 or -errno. */
int tls_init(struct tls *tls, const struct options *options, struct sessions *sessions);
/* From when the server is up: tells nodes the key and follows the files. 0 or -ENOMEM. */
int tls_follow(struct tls *tls, struct loop *loop, struct ws_server *server);
/* Now, on request. */
void tls_reload(struct tls *tls);
/* Every minute or so: is the one on disk about to expire? */
void tls_check_life(struct tls *tls, uint64_t now_s);
/* Before the server is freed. */
void tls_clear(struct tls *tls);

#endif
