#ifndef WARREN_IO_WS_H
#define WARREN_IO_WS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

struct loop;

/*
 * WebSocket over TLS, both ends, on libwebsockets: whole binary messages with bounds. TLS is
 * camouflage here (what is inside authenticates itself), so clients accept any certificate unless
 * told otherwise. All callbacks come on the loop's thread.
 */
struct ws_server;
struct ws_client;
struct ws_conn;

/* Codes for ws_handler.closed. */
enum ws_close {
	WS_CLOSE_LOCAL,       /* ws_conn_close was called */
	WS_CLOSE_PEER,        /* closed in order by the other end */
	WS_CLOSE_LOST,        /* connection reset or timed out */
	WS_CLOSE_UNREACHABLE, /* never connected: detail says why */
	WS_CLOSE_TOO_BIG,     /* a message above message_max */
	WS_CLOSE_SLOW,        /* the send queue stayed full, or the opening deadline passed */
};

struct ws_handler {
	/* Open for messages. On a server `arg` is the protocol's arg. */
	void (*opened)(struct ws_conn *conn, void *arg);
	/* One whole message; data is valid during the call only. */
	void (*message)(struct ws_conn *conn, void *arg, const uint8_t *data, size_t len);
	/* The last callback of a connection; conn is freed after it. detail is printable. */
	void (*closed)(struct ws_conn *conn, void *arg, enum ws_close why, const char *detail);
};

/*
 * What waits on a connection. For traffic like datagrams' messages that wait are joined, so that a
 * frame, a TLS record and a system call carry many; what comes in is then several messages that
 * tell their own lengths. Such traffic is better lost than late.
 */
struct ws_queue {
	size_t max;      /* bytes waiting to be sent; above it ws_conn_send fails */
	size_t join_max; /* bytes of one frame, each message padded to four; 0: one message each */
	uint64_t
		late_ns; /* ws_conn_offer fails while the oldest waits longer than this; 0: never */
};

/* One subprotocol that a server speaks, e.g. "warren.control.1" at "/control". */
struct ws_protocol {
	const char *name;
	const char *path;
	size_t message_max; /* bytes; larger ones end the connection */
	struct ws_queue queue;
	struct ws_handler handler;
	void *arg;
};

/* Names one exchange whose answer comes later. */
struct ws_http_ticket {
	struct ws_server *server;
	uint64_t id;
};

#define WS_HTTP_HEAD_MAX     8192        /* bytes of path, query and the headers below */
#define WS_HTTP_BODY_MAX     (1u << 20)  /* bytes; more is answered with 413 */
#define WS_HTTP_DISCARD_MAX  (16u << 20) /* above this the connection ends at once */
#define WS_HTTP_DEFERRED_MAX 256         /* exchanges that wait for their answers */
#define WS_HTTP_DEFERRED_S   60          /* then the connection ends */

/*
 * A plain HTTP request that is no WebSocket. Texts are never NULL, absent ones are "", and none of
 * them can be believed; all is valid during the call only.
 */
struct ws_http_request {
	const char *method;
	const char *path;  /* decoded, begins with '/' */
	const char *query; /* encoded, without '?'; ws_http_argument decodes */
	const char *host;
	const char *origin;
	const char *cookie;
	const char *authorization;
	const char *content_type;
	const char *accept;
	const char *accept_encoding;
	const char *accept_language;
	const char *if_match;
	const char *if_none_match;
	const char *user_agent;
	const char *csrf;          /* X-Warren-CSRF */
	const char *fetch_site;    /* Sec-Fetch-Site */
	const char *forwarded_for; /* X-Forwarded-For, -Proto, -Host: anybody's claims */
	const char *forwarded_proto;
	const char *forwarded_host;
	const uint8_t *body; /* with a NUL after it */
	size_t body_len;
	struct endpoint remote; /* behind a proxy that the configuration trusts, the client */
	bool local;             /* by a Unix socket, from this user */
	uint32_t local_uid;
	int status; /* not 0: the request is bad, and this will be the answer's status */
	struct ws_http_ticket ticket;
};

/*
 * The decoded value of the query's argument of this name; true when it is there, whole, without a
 * NUL and fits. Of several the first.
 */
bool ws_http_argument(const struct ws_http_request *request, const char *name, char *out,
		      size_t size);

struct ws_http_response {
	int status;
	const char *content_type; /* NULL: text/plain */
	char headers[2048];       /* by ws_http_set_header */
	size_t headers_len;
	uint8_t *body; /* malloc'd by the handler, freed by ws; may be NULL */
	size_t body_len;
	bool deferred; /* the answer comes later, by ws_http_answer */
};

/* One more header line. 0, -EINVAL: control characters, -ENOSPC. */
int ws_http_set_header(struct ws_http_response *response, const char *name, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
bool ws_http_has_header(const struct ws_http_response *response, const char *name);
/*
 * The answer to an exchange that was deferred; takes the body in any case. 0 or -ENOENT: nobody
 * waits for it any more. Not after ws_server_free.
 */
int ws_http_answer(struct ws_http_ticket ticket, struct ws_http_response *response);

struct ws_server_config {
	struct endpoint listen;
	/* Instead: a Unix socket, 0600, for root and the own user; what lies there is replaced. */
	const char *unix_path;
	const char *cert_file; /* PEM; NULL serves without TLS */
	const char *key_file;
	const struct ws_protocol *protocols;
	size_t protocol_count;
	size_t connections_max; /* 0: as many as descriptors allow */
	/* Of them those of which ws_conn_trust was not said, in all and of one address; 0: any
	 * number.
	 */
	size_t strangers_max;
	size_t strangers_per_address;
	/* Reverse proxies of ours, whose word on who is behind them is taken; they live on. */
	const struct prefix *proxies;
	size_t proxy_count;
	/* Optional; without it every plain request gets 404. Also for requests that are bad. */
	void (*http)(void *arg, const struct ws_http_request *request,
		     struct ws_http_response *response);
	void *http_arg;
};

/* 0, -EADDRINUSE, -EACCES, -ENOENT (certificate files), or another -errno. */
int ws_server_new(struct ws_server **server, struct loop *loop,
		  const struct ws_server_config *config);
/*
 * Ends every connection, each told through closed, and frees. Not from inside a callback of the
 * server's own. Accepts NULL.
 */
void ws_server_free(struct ws_server *server);
/*
 * Reads the certificate files again, for connections from now on. When they are no good what was
 * used so far stays: -EKEYEXPIRED, -EINVAL: no certificate, or not this key's; -ENOENT, -EACCES.
 */
int ws_server_reload(struct ws_server *server);
/* The port that was bound, when config said 0. */
uint16_t ws_server_port(const struct ws_server *server);

/* The context that outgoing connections share. 0 or -errno. */
int ws_client_new(struct ws_client **client, struct loop *loop);
/* As ws_server_free. */
void ws_client_free(struct ws_client *client);

struct ws_connect {
	const char *host; /* name or numeric address without brackets */
	uint16_t port;
	const char *path;
	/*
	 * NULL: no WebSocket but a plain stream of bytes, of which `message` gets what just came;
	 * path counts for nothing then.
	 */
	const char *protocol;
	bool no_tls;            /* such a stream without TLS */
	const char *http_proxy; /* "host:port" or "user:pass@host:port"; NULL: none */
	unsigned int
		lost_s; /* a machine that vanished is noticed by the kernel so soon; 0: later */
	size_t message_max;
	struct ws_queue queue;
	struct ws_handler handler;
	void *arg;
};

/*
 * Starts a connection; every end of it, also a failure to start, is told through closed, never
 * before this returns. NULL only when out of memory.
 */
struct ws_conn *ws_client_connect(struct ws_client *client, const struct ws_connect *connect);

/* Queues one binary message (copied). 0, -ENOBUFS beyond the queue's bounds, -ENOTCONN, -ENOMEM. */
int ws_conn_send(struct ws_conn *conn, const uint8_t *data, size_t len);
/*
 * The same for what is better lost than late: also -ENOBUFS while the oldest waits too long, and an
 * eighth of the queue is left to ws_conn_send.
 */
int ws_conn_offer(struct ws_conn *conn, const uint8_t *data, size_t len);
/*
 * The other end has shown who it is. On a server with bounds for strangers the others, also those
 * of plain HTTP, may have to give way to newer ones.
 */
void ws_conn_trust(struct ws_conn *conn);
size_t ws_conn_queued(const struct ws_conn *conn);
/* Sends what is queued (for at most a second), then closes; closed() follows. */
void ws_conn_close(struct ws_conn *conn);
void ws_conn_set_user(struct ws_conn *conn, void *user);
void *ws_conn_user(const struct ws_conn *conn);
/* The other end; on a server, behind a proxy that the configuration trusts, the client. */
struct endpoint ws_conn_remote(const struct ws_conn *conn);
/* The own address that it is bound to. 0, or -errno when it is not connected. */
int ws_conn_local(const struct ws_conn *conn, struct ip_addr *local);

#define WS_KEY_HASH_SIZE 32
#define WS_ISSUER_SIZE   128

/* What the other end of a client's TLS connection showed. */
struct ws_certificate {
	uint8_t key_hash[WS_KEY_HASH_SIZE]; /* as ws_certificate_key_hash's */
	char issuer[WS_ISSUER_SIZE];        /* "/C=…/CN=…", printable */
};

/* Of an open client connection. 0 or -ENOENT. */
int ws_conn_certificate(const struct ws_conn *conn, struct ws_certificate *certificate);
/* BLAKE2s of the public key (SubjectPublicKeyInfo, DER) of the first certificate of a PEM file. 0
 * or -errno. */
int ws_certificate_key_hash(const char *cert_file, uint8_t hash[static WS_KEY_HASH_SIZE]);

/* What the first certificate of a PEM file says of itself. */
struct ws_certificate_life {
	uint64_t not_before_s; /* seconds since 1970 */
	uint64_t not_after_s;
	bool self_signed;
};

/* 0, -ENOENT: cannot be read, -EINVAL: no certificate. */
int ws_certificate_life(const char *cert_file, struct ws_certificate_life *life);
/* Do the two belong together, and is it time? 0 or an error of ws_server_reload. */
int ws_certificate_check(const char *cert_file, const char *key_file);

/*
 * Makes a self-signed P-256 certificate valid for ten years, PEM, key 0600, unless both files are
 * there. 0 or -errno.
 */
int ws_make_certificate(const char *cert_file, const char *key_file, const char *common_name);

#endif
