#ifndef WARREN_TESTS_LOAD_LINK_H
#define WARREN_TESTS_LOAD_LINK_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/*
 * The client end of one WebSocket over TLS, for programs that hold ten thousand of them or behave
 * as no client should: nothing but OpenSSL, a descriptor in the caller's epoll and a few bytes. It
 * can stop reading, and send what no library would.
 */

#define LOAD_LINK_MESSAGE_MAX 65535 /* bytes; larger ones end the link */
#define LOAD_LINK_QUEUE_MAX   (1u << 20)

enum load_link_state {
	LOAD_LINK_CLOSED,
	LOAD_LINK_CONNECTING,
	LOAD_LINK_TLS,
	LOAD_LINK_UPGRADE,
	LOAD_LINK_OPEN,
};

struct load_link {
	int epoll;
	int fd;
	SSL *ssl;
	enum load_link_state state;
	bool deaf; /* does not read */
	uint32_t events;
	uint8_t *out; /* what TLS did not take yet */
	size_t out_len;
	size_t out_cap;
	uint8_t *in; /* the beginning of a frame */
	size_t in_len;
	void (*opened)(void *arg);
	void (*message)(void *arg, uint8_t *data, size_t len);
	void *arg; /* of both, and of the epoll event */
};

/* What all links share; verifies nobody. NULL on failure. */
SSL_CTX *load_link_tls(void);

/* Starts; callbacks come out of load_link_ready. link is zero but for opened, message and arg. 0 or
 * -errno. */
int load_link_open(struct load_link *link, SSL_CTX *tls, int epoll,
		   const struct sockaddr_storage *to, socklen_t to_len);
/* epoll's events on the descriptor. 0, or negative: the link is over, close it. */
int load_link_ready(struct load_link *link, uint32_t events);
/* One binary message. 0, -ENOTCONN, -ENOBUFS, -ENOMEM, -EPIPE. */
int load_link_send(struct load_link *link, const uint8_t *data, size_t len);
/* Bytes as they are, without a frame around them. The same. */
int load_link_send_raw(struct load_link *link, const void *data, size_t len);
/* Stops reading for good. */
void load_link_stop_reading(struct load_link *link);
/* At once, without a farewell. A closed one may be opened again. */
void load_link_close(struct load_link *link);

#endif
