#include "io/cert_watch.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "io/loop.h"
#include "io/ws.h"

/* What a file was, all zero when it was not there. */
struct look {
	struct stat cert;
	struct stat key;
};

struct cert_watch {
	struct loop_timer timer;
	struct ws_server *server;
	char cert_file[PATH_MAX];
	char key_file[PATH_MAX];
	struct look seen;   /* the last time */
	struct look obeyed; /* when they were last loaded, or refused */
	void (*changed)(void *arg, int err);
	void *arg;
};

static struct look look(const struct cert_watch *watch)
{
	struct look found;

	memset(&found, 0, sizeof(found));
	if (stat(watch->cert_file, &found.cert) < 0)
		memset(&found.cert, 0, sizeof(found.cert));
	if (stat(watch->key_file, &found.key) < 0)
		memset(&found.key, 0, sizeof(found.key));
	return found;
}

static bool same_file(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_dev == b->st_dev && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static bool same(const struct look *a, const struct look *b)
{
	return same_file(&a->cert, &b->cert) && same_file(&a->key, &b->key);
}

void cert_watch_reload(struct cert_watch *watch)
{
	if (!watch)
		return;
	watch->obeyed = watch->seen = look(watch);
	watch->changed(watch->arg, ws_server_reload(watch->server));
}

static void on_timer(void *arg, uint64_t now_ns)
{
	struct cert_watch *watch = arg;
	struct look found = look(watch);
	bool still = same(&found, &watch->seen);

	watch->seen = found;
	loop_timer_set(&watch->timer, now_ns + CERT_WATCH_PAUSE_S * NS_PER_S);
	if (still && !same(&found, &watch->obeyed))
		cert_watch_reload(watch);
}

struct cert_watch *cert_watch_new(struct loop *loop, struct ws_server *server,
				  const char *cert_file, const char *key_file,
				  void (*changed)(void *arg, int err), void *arg)
{
	struct cert_watch *watch;

	if (strlen(cert_file) >= PATH_MAX || strlen(key_file) >= PATH_MAX)
		return NULL;
	watch = calloc(1, sizeof(*watch));
	if (!watch)
		return NULL;
	watch->server = server;
	strcpy(watch->cert_file, cert_file);
	strcpy(watch->key_file, key_file);
	watch->changed = changed;
	watch->arg = arg;
	watch->obeyed = watch->seen = look(watch);
	loop_timer_init(&watch->timer, loop, on_timer, watch);
	loop_timer_set(&watch->timer, loop_now_ns(loop) + CERT_WATCH_PAUSE_S * NS_PER_S);
	return watch;
}

void cert_watch_free(struct cert_watch *watch)
{
	if (!watch)
		return;
	loop_timer_clear(&watch->timer);
	free(watch);
}

const char *cert_watch_error(int err)
{
	switch (err) {
	case -EKEYEXPIRED:
		return "the certificate has expired";
	case -ENOENT:
		return "the certificate or its key is missing";
	case -EACCES:
		return "the certificate or its key cannot be read";
	case -EINVAL:
		return "no certificate in PEM form, or not the one of this key";
	default:
		return strerror(-err);
	}
}
