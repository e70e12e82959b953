#ifndef WARREN_IO_METRICS_SERVER_H
#define WARREN_IO_METRICS_SERVER_H

#include <stdint.h>
#include <stdio.h>

#include "base/addr.h"

struct loop;

/* Plain HTTP with one page, /metrics, for Prometheus. */
struct metrics_server;

#define METRICS_CONNECTIONS_MAX 16

/* write fills in the page, each time it is asked for. 0 or what ws_server_new says. */
int metrics_server_new(struct metrics_server **server, struct loop *loop,
		       const struct endpoint *listen, void (*write)(void *arg, FILE *out),
		       void *arg);
/* Accepts NULL. */
void metrics_server_free(struct metrics_server *server);
uint16_t metrics_server_port(const struct metrics_server *server);

#endif
