#include "coord/tls.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "coord/data_dir.h"
#include "coord/options.h"
#include "coord/sessions.h"
#include "io/cert_watch.h"
#include "io/ws.h"

#define HEALTH "tls"
#define DAY_S  86400

int tls_init(struct tls *tls, const struct options *options, struct sessions *sessions)
{
	int err;

	memset(tls, 0, sizeof(*tls));
	tls->sessions = sessions;
	tls->off = options->no_tls;
	if (tls->off)
		return 0;
	if (options->tls_cert) {
		if (strlen(options->tls_cert) >= PATH_MAX || strlen(options->tls_key) >= PATH_MAX)
			return -ENAMETOOLONG;
		strcpy(tls->cert, options->tls_cert);
		strcpy(tls->key, options->tls_key);
		return 0;
	}
	err = data_dir_path(tls->cert, options->data, DATA_DIR_TLS_CERT);
	if (err == 0)
		err = data_dir_path(tls->key, options->data, DATA_DIR_TLS_KEY);
	if (err == 0)
		err = ws_make_certificate(tls->cert, tls->key,
					  sessions->network->addresses[0].host);
	return err;
}

void tls_check_life(struct tls *tls, uint64_t now_s)
{
	struct health *health = &tls->sessions->health;
	struct ws_certificate_life life;

	if (tls->off || tls->refused || ws_certificate_life(tls->cert, &life) < 0)
		return;
	if (life.not_after_s <= now_s)
		health_set(health, HEALTH, HEALTH_WARNING, now_s,
			   "the certificate %.100s has expired; browsers refuse it, nodes do not "
			   "mind: put a new one there",
			   tls->cert);
	else if (life.not_after_s <= now_s + TLS_WARN_S)
		health_set(health, HEALTH, HEALTH_WARNING, now_s,
			   "the certificate %.100s expires in %u days; put a new one there, it is "
			   "used at once",
			   tls->cert, (unsigned int)((life.not_after_s - now_s) / DAY_S));
	else
		health_clear(health, HEALTH);
}

/* What is on disk is in use. */
static void take(struct tls *tls)
{
	struct sessions *sessions = tls->sessions;

	sessions->has_tls_key = ws_certificate_key_hash(tls->cert, sessions->tls_key_hash) == 0;
	tls_check_life(tls, clock_wall_s());
}

static void on_changed(void *arg, int err)
{
	struct tls *tls = arg;

	tls->refused = err < 0;
	if (err == 0) {
		log_info("tls-loaded cert=\"%s\"", tls->cert);
		take(tls);
		return;
	}
	health_set(&tls->sessions->health, HEALTH, HEALTH_WARNING, clock_wall_s(),
		   "%s: %s; the one before stays in use", tls->cert, cert_watch_error(err));
}

int tls_follow(struct tls *tls, struct loop *loop, struct ws_server *server)
{
	if (tls->off)
		return 0;
	tls->watch = cert_watch_new(loop, server, tls->cert, tls->key, on_changed, tls);
	if (!tls->watch)
		return -ENOMEM;
	take(tls);
	return 0;
}

void tls_reload(struct tls *tls)
{
	cert_watch_reload(tls->watch);
}

void tls_clear(struct tls *tls)
{
	cert_watch_free(tls->watch);
	tls->watch = NULL;
}
