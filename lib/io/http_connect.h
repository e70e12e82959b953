#ifndef WARREN_IO_HTTP_CONNECT_H
#define WARREN_IO_HTTP_CONNECT_H

#include <stddef.h>
#include <stdint.h>

/*
 * CONNECT through an HTTP proxy (RFC 9110 section 9.3.6), for plain streams; libwebsockets does it
 * by itself for WebSockets only.
 */

#define HTTP_CONNECT_REPLY_MAX 4096 /* bytes of a proxy's answer before the tunnel begins */

/* What was read of the answer so far; zeroed, embedded. */
struct http_connect {
	size_t len;
	char reply[HTTP_CONNECT_REPLY_MAX];
};

/* The request's text. credentials: "user:password" or "". Its length, or -ENOSPC. */
int http_connect_request(char *out, size_t size, const char *host, uint16_t port,
			 const char *credentials);
/*
 * Takes what came, and moves on to what follows the answer. 0: more is needed; else the status (200
 * to 299: the tunnel stands), or -EBADMSG.
 */
int http_connect_input(struct http_connect *connect, const uint8_t **data, size_t *len);

#endif
