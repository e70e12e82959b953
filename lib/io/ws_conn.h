#ifndef WARREN_IO_WS_CONN_H
#define WARREN_IO_WS_CONN_H

#include <libwebsockets.h>

#include "io/loop.h"
#include "io/ws.h"
#include "io/ws_context.h"
#include "io/ws_strangers.h"

/* What the two ends share: queue, reassembly, deadlines. Internal to the ws_ files. */

#define WS_OPENING_DEADLINE_S \
	10                     /* from accept or connect to an open WebSocket or a request's head */
#define WS_BODY_DEADLINE_S  30 /* from there to the end of its body */
#define WS_FLUSH_DEADLINE_S 1  /* ws_conn_close with messages still queued */
#define WS_UNACKED_MAX_S    20 /* sent, and not acknowledged by the other end's kernel */
#define WS_STALL_DEADLINE_S 30 /* queued messages without one of them leaving */
#define WS_PING_S           30 /* of silence on an open WebSocket, then a pong is asked for */
#define WS_SILENCE_MAX_S    45

/*
 * The kernel keeps no more than this unsent: what waits, waits where it counts, and who does not
 * read costs what the queue allows and not megabytes more.
 */
#define WS_UNSENT_MAX (32 * 1024)

struct tls_layer;
struct ws_message;

enum ws_state {
	WS_OPENING,
	WS_OPEN,
	WS_CLOSING, /* ws_conn_close was called: what is queued still goes out */
	WS_ENDED,   /* the reason is known; waiting for libwebsockets to let go */
};

struct ws_conn {
	struct lws *wsi; /* NULL before and after libwebsockets' interest */
	struct ws_context *context;
	struct loop *loop;
	struct loop_timer timer; /* of the state: opening, stall or flush deadline */
	struct loop_timer idle;  /* of an open WebSocket; looks at heard_ns when it is due */
	uint64_t heard_ns;
	bool ping_due;
	struct ws_strangers *strangers; /* of a server's connection; NULL: nobody counts */
	struct ws_stranger stranger;
	struct ws_handler handler;
	void *arg;
	void *user;
	struct endpoint remote;
	bool local; /* by a Unix socket */
	uint32_t local_uid;
	enum ws_state state;
	enum ws_close why;
	char detail[96];
	bool opened;
	bool raw;                     /* a stream of bytes, no WebSocket */
	struct tls_layer *tls;        /* of a raw stream; NULL: none, or libwebsockets' own */
	enum lws_close_status status; /* told to the peer when we close */
	size_t message_max;
	unsigned int lost_s; /* see struct ws_connect */
	struct ws_queue queue;
	size_t queued;
	struct ws_message *head;
	struct ws_message *last; /* NULL like head */
	uint8_t *rx;             /* a message that comes in pieces */
	size_t rx_len;
	size_t rx_cap;
	/* Called when the opening deadline passes or a close is due and no wsi will tell. */
	void (*orphaned)(struct ws_conn *conn);
};

void ws_conn_init(struct ws_conn *conn, struct ws_context *context, struct loop *loop);
/* Ends a stranger for the sake of another one. */
void ws_conn_give_way(struct ws_conn *conn);
/* Frees what conn holds, not conn. */
void ws_conn_clear(struct ws_conn *conn);
/* Notes the reason unless one is known. */
void ws_conn_end(struct ws_conn *conn, enum ws_close why, const char *detail);
/* Tells the handler the end, once. */
void ws_conn_tell_closed(struct ws_conn *conn);
void ws_conn_open(struct ws_conn *conn, struct lws *wsi);

/* The libwebsockets events of an open connection; their results are the callback's. */
int ws_conn_receive(struct ws_conn *conn, const uint8_t *data, size_t len);
int ws_conn_writable(struct ws_conn *conn);
void ws_conn_pong(struct ws_conn *conn);
/* Of a raw stream: it is connected (host for TLS, NULL without), and whatever came. */
int ws_conn_connected_raw(struct ws_conn *conn, struct lws *wsi, const char *host);
int ws_conn_receive_raw(struct ws_conn *conn, const uint8_t *data, size_t len);
void ws_conn_peer_closes(struct ws_conn *conn);

#endif
