#ifndef WARREN_IO_TLS_LAYER_H
#define WARREN_IO_TLS_LAYER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The client's end of TLS (OpenSSL's) over bytes that somebody else carries: for plain streams,
 * which libwebsockets does not open with TLS. No certificate is checked; what is inside
 * authenticates itself.
 */
struct tls_layer;

/* host: told to the server when it is a name. NULL when out of memory. */
struct tls_layer *tls_layer_new(const char *host);
/* Accepts NULL. */
void tls_layer_free(struct tls_layer *layer);

/* What came from the server; len 0 begins. 0 or -EPROTO: the handshake failed. */
int tls_layer_receive(struct tls_layer *layer, const uint8_t *data, size_t len);
/* The handshake is over. */
bool tls_layer_ready(const struct tls_layer *layer);
/* The next bytes that the server sent inside. 0: none yet, -EPIPE: it ended, or a broken record. */
int tls_layer_read(struct tls_layer *layer, uint8_t *buf, size_t cap);
/* All of it goes into tls_layer_output. 0 or -EPIPE. */
int tls_layer_write(struct tls_layer *layer, const uint8_t *data, size_t len);
/* Takes what is to be sent to the server; 0: nothing. */
size_t tls_layer_output(struct tls_layer *layer, uint8_t *buf, size_t cap);
bool tls_layer_has_output(const struct tls_layer *layer);

#endif
