#include "io/tls_layer.h"

#include <errno.h>
#include <limits.h>
#include <openssl/ssl.h>
#include <stdlib.h>

#include "base/addr.h"

/* RFC 7443: an octet of length and the name. */
static const unsigned char protocols[] = "\x09stun.turn";

struct tls_layer {
	SSL_CTX *ctx;
	SSL *ssl; /* owns both */
	BIO *in;
	BIO *out;
};

static bool begin(struct tls_layer *layer, const char *host)
{
	struct ip_addr addr;

	layer->ctx = SSL_CTX_new(TLS_client_method());
	layer->ssl = layer->ctx ? SSL_new(layer->ctx) : NULL;
	layer->in = BIO_new(BIO_s_mem());
	layer->out = BIO_new(BIO_s_mem());
	if (!layer->ssl || !layer->in || !layer->out) {
		BIO_free(layer->in);
		BIO_free(layer->out);
		return false;
	}
	BIO_set_mem_eof_return(layer->in, -1); /* more may come */
	SSL_set_bio(layer->ssl, layer->in, layer->out);
	SSL_set_connect_state(layer->ssl);
	SSL_set_verify(layer->ssl, SSL_VERIFY_NONE, NULL);
	SSL_set_min_proto_version(layer->ssl, TLS1_2_VERSION);
	SSL_set_alpn_protos(layer->ssl, protocols, sizeof(protocols) - 1);
	if (addr_parse(&addr, host) < 0)
		SSL_set_tlsext_host_name(layer->ssl, host);
	return true;
}

struct tls_layer *tls_layer_new(const char *host)
{
	struct tls_layer *layer = calloc(1, sizeof(*layer));

	if (layer && !begin(layer, host)) {
		tls_layer_free(layer);
		layer = NULL;
	}
	return layer;
}

void tls_layer_free(struct tls_layer *layer)
{
	if (!layer)
		return;
	SSL_free(layer->ssl);
	SSL_CTX_free(layer->ctx);
	free(layer);
}

int tls_layer_receive(struct tls_layer *layer, const uint8_t *data, size_t len)
{
	int result;

	if (len > INT_MAX || (len && BIO_write(layer->in, data, (int)len) != (int)len))
		return -EPROTO;
	if (tls_layer_ready(layer))
		return 0;
	result = SSL_do_handshake(layer->ssl);
	if (result == 1 || SSL_get_error(layer->ssl, result) == SSL_ERROR_WANT_READ)
		return 0;
	return -EPROTO;
}

bool tls_layer_ready(const struct tls_layer *layer)
{
	return SSL_is_init_finished(layer->ssl);
}

int tls_layer_read(struct tls_layer *layer, uint8_t *buf, size_t cap)
{
	int result = SSL_read(layer->ssl, buf, cap < INT_MAX ? (int)cap : INT_MAX);

	if (result > 0)
		return result;
	return SSL_get_error(layer->ssl, result) == SSL_ERROR_WANT_READ ? 0 : -EPIPE;
}

int tls_layer_write(struct tls_layer *layer, const uint8_t *data, size_t len)
{
	/* A memory BIO takes everything at once. */
	return len <= INT_MAX && SSL_write(layer->ssl, data, (int)len) == (int)len ? 0 : -EPIPE;
}

size_t tls_layer_output(struct tls_layer *layer, uint8_t *buf, size_t cap)
{
	int result = BIO_read(layer->out, buf, cap < INT_MAX ? (int)cap : INT_MAX);

	return result > 0 ? (size_t)result : 0;
}

bool tls_layer_has_output(const struct tls_layer *layer)
{
	return BIO_ctrl_pending(layer->out) > 0;
}
