#ifndef WARREN_DAEMON_HTTP_EXCHANGE_H
#define WARREN_DAEMON_HTTP_EXCHANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

struct loop;

/*
 * One request over TCP to a machine that nobody trusts, and its answer: bounded in bytes and time,
 * never blocking.
 */
struct http_exchange;

#define HTTP_EXCHANGE_LIMIT_MS 3000 /* from the start to the last byte */

struct http_exchange_config {
	struct loop *loop;
	struct ip_addr local;
	struct endpoint remote;
	const char *data; /* copied */
	size_t len;
	size_t answer_max;
	/*
	 * All that has come, and whether nothing more will. Returns true when that is enough; may
	 * free the exchange then.
	 */
	bool (*answer)(void *arg, char *data, size_t len, bool ended);
	/* No connection, or no whole answer in time; may free the exchange. */
	void (*failed)(void *arg);
	void *arg;
};

/* 0 or -errno. */
int http_exchange_new(struct http_exchange **exchange, const struct http_exchange_config *config);
/* Accepts NULL. */
void http_exchange_free(struct http_exchange *exchange);
/* Without a loop, when the program ends: sends and awaits the beginning of an answer. */
void http_exchange_last(const struct http_exchange_config *config, unsigned int limit_ms);

#endif
