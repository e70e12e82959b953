#ifndef WARREN_IO_WS_HTTP_H
#define WARREN_IO_WS_HTTP_H

#include <libwebsockets.h>

#include "io/ws.h"

/* One plain HTTP/1.1 exchange on a server's port. Internal to the ws_ files. */

/* What the exchanges of one server share. */
struct ws_http_service {
	struct ws_server *server;
	void (*handle)(void *arg, const struct ws_http_request *request,
		       struct ws_http_response *response);
	void *arg;
	struct ws_http *deferred; /* list of those that wait for their answers */
	size_t deferred_count;
	uint64_t last_id;
};

/* libwebsockets' per-session storage for a plain request: comes zeroed, is freed by it. */
struct ws_http {
	struct ws_http *next; /* in deferred */
	struct ws_http_service *service;
	struct lws *wsi;
	char *head; /* malloc'd: the request's texts */
	struct ws_http_request request;
	uint8_t *body;
	struct ws_http_response *response; /* malloc'd; NULL until there is one */
	uint8_t *answer;                   /* LWS_PRE bytes, then the answer's body */
	size_t answer_len;
	size_t answer_sent;
	uint64_t deferred_id; /* 0: not deferred */
	bool is_head;
	bool headers_sent;
	bool ends; /* the connection, with the answer */
};

/* The four return what the libwebsockets callback is to return. */
int ws_http_begin(struct ws_http *http, struct lws *wsi, struct ws_http_service *service,
		  const struct endpoint *remote, const struct ws_conn *conn);
int ws_http_body(struct ws_http *http, const uint8_t *data, size_t len);
int ws_http_body_done(struct ws_http *http);
int ws_http_writable(struct ws_http *http);
void ws_http_clear(struct ws_http *http);
/* ws_http_answer, within the server. */
int ws_http_deliver(struct ws_http_service *service, uint64_t id,
		    struct ws_http_response *response);

/* The request's line and headers; http->request.status says what is wrong with them. 0 or -ENOMEM.
 */
int ws_http_read_head(struct ws_http *http);

#endif
