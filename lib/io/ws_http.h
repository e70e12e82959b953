#ifndef WARREN_IO_WS_HTTP_H
#define WARREN_IO_WS_HTTP_H

#include <libwebsockets.h>

#include "io/ws.h"

/* One plain HTTP/1.1 exchange on a server's port. Internal to the ws_ files. */

#define WS_HTTP_BODY_MAX (1U << 20)

/* libwebsockets' per-session storage for a plain request: comes zeroed, is freed by it. */
struct ws_http {
	char path[512];
	char query[1024];
	char authorization[512];
	const char *method;
	uint8_t *body;
	size_t body_len;
	uint8_t *answer; /* LWS_PRE bytes, then the answer's body */
	size_t answer_len;
	size_t answer_sent;
	int status;
};

/* The four return what the libwebsockets callback is to return. */
int ws_http_begin(struct ws_http *http, struct lws *wsi, const struct ws_server_config *config,
		  const struct endpoint *remote);
int ws_http_body(struct ws_http *http, const uint8_t *data, size_t len);
int ws_http_body_done(struct ws_http *http, struct lws *wsi, const struct ws_server_config *config,
		      const struct endpoint *remote);
int ws_http_writable(struct ws_http *http, struct lws *wsi);
void ws_http_clear(struct ws_http *http);

#endif
