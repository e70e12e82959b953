#include "crypto/hash.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <pthread.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Fetched once for the process, never freed. */
static struct {
	EVP_MD *blake2s;
	EVP_MAC *blake2s_mac;
	EVP_MAC *hmac;
	pthread_key_t contexts;
} algorithms;

static pthread_once_t algorithms_once = PTHREAD_ONCE_INIT;

struct contexts {
	EVP_MD_CTX *blake2s;
	EVP_MAC_CTX *mac16;
	EVP_MAC_CTX *hmac_blake2s;
	EVP_MAC_CTX *hmac_sha1;
};

static _Thread_local struct contexts *thread_contexts;

static void must(bool ok)
{
	if (!ok)
		abort();
}

static void contexts_free(void *arg)
{
	struct contexts *c = arg;

	EVP_MD_CTX_free(c->blake2s);
	EVP_MAC_CTX_free(c->mac16);
	EVP_MAC_CTX_free(c->hmac_blake2s);
	EVP_MAC_CTX_free(c->hmac_sha1);
	free(c);
}

static void algorithms_fetch(void)
{
	algorithms.blake2s = EVP_MD_fetch(NULL, "BLAKE2S-256", NULL);
	algorithms.blake2s_mac = EVP_MAC_fetch(NULL, "BLAKE2SMAC", NULL);
	algorithms.hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	must(algorithms.blake2s && algorithms.blake2s_mac && algorithms.hmac &&
	     !pthread_key_create(&algorithms.contexts, contexts_free));
}

static EVP_MAC_CTX *hmac_new(const char *digest)
{
	EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(algorithms.hmac);
	char name[16];
	OSSL_PARAM params[2];

	snprintf(name, sizeof(name), "%s", digest);
	params[0] = OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name, 0);
	params[1] = OSSL_PARAM_construct_end();
	must(ctx && EVP_MAC_CTX_set_params(ctx, params));
	return ctx;
}

static EVP_MAC_CTX *mac16_new(void)
{
	EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(algorithms.blake2s_mac);
	size_t size = HASH_MAC_SIZE;
	OSSL_PARAM params[2];

	params[0] = OSSL_PARAM_construct_size_t(OSSL_MAC_PARAM_SIZE, &size);
	params[1] = OSSL_PARAM_construct_end();
	must(ctx && EVP_MAC_CTX_set_params(ctx, params));
	return ctx;
}

static struct contexts *contexts(void)
{
	struct contexts *c = thread_contexts;

	if (c)
		return c;
	pthread_once(&algorithms_once, algorithms_fetch);
	c = calloc(1, sizeof(*c));
	must(c != NULL);
	c->blake2s = EVP_MD_CTX_new();
	must(c->blake2s && EVP_DigestInit_ex2(c->blake2s, algorithms.blake2s, NULL));
	c->mac16 = mac16_new();
	c->hmac_blake2s = hmac_new("BLAKE2S-256");
	c->hmac_sha1 = hmac_new("SHA1");
	must(!pthread_setspecific(algorithms.contexts, c));
	thread_contexts = c;
	return c;
}

void hash_blake2s(uint8_t out[static HASH_SIZE], const void *a, size_t a_len, const void *b,
		  size_t b_len)
{
	EVP_MD_CTX *ctx = contexts()->blake2s;
	unsigned int len = HASH_SIZE;

	/* Without an algorithm the context's own is restarted. */
	must(EVP_DigestInit_ex2(ctx, NULL, NULL) && EVP_DigestUpdate(ctx, a, a_len) &&
	     (!b_len || EVP_DigestUpdate(ctx, b, b_len)) && EVP_DigestFinal_ex(ctx, out, &len));
}

static void mac(EVP_MAC_CTX *ctx, uint8_t *out, size_t out_len, const void *key, size_t key_len,
		const void *data, size_t len)
{
	static const uint8_t none[1];
	size_t written;

	/* A NULL key would mean "the key from before". */
	must(EVP_MAC_init(ctx, key ? key : none, key_len, NULL) &&
	     (!len || EVP_MAC_update(ctx, data, len)) &&
	     EVP_MAC_final(ctx, out, &written, out_len) && written == out_len);
}

void hash_mac16(uint8_t out[static HASH_MAC_SIZE], const void *key, size_t key_len,
		const void *data, size_t len)
{
	mac(contexts()->mac16, out, HASH_MAC_SIZE, key, key_len, data, len);
}

void hash_hmac_blake2s(uint8_t out[static HASH_SIZE], const void *key, size_t key_len,
		       const void *data, size_t len)
{
	mac(contexts()->hmac_blake2s, out, HASH_SIZE, key, key_len, data, len);
}

void hash_kdf(uint8_t out1[static HASH_SIZE], uint8_t *out2, uint8_t *out3,
	      const uint8_t chaining_key[static HASH_SIZE], const void *input, size_t len)
{
	uint8_t prk[HASH_SIZE], block[HASH_SIZE + 1];

	hash_hmac_blake2s(prk, chaining_key, HASH_SIZE, input, len);
	block[0] = 1;
	hash_hmac_blake2s(block, prk, sizeof(prk), block, 1);
	memcpy(out1, block, HASH_SIZE);
	if (out2) {
		block[HASH_SIZE] = 2;
		hash_hmac_blake2s(block, prk, sizeof(prk), block, sizeof(block));
		memcpy(out2, block, HASH_SIZE);
	}
	if (out2 && out3) {
		block[HASH_SIZE] = 3;
		hash_hmac_blake2s(block, prk, sizeof(prk), block, sizeof(block));
		memcpy(out3, block, HASH_SIZE);
	}
	sodium_memzero(prk, sizeof(prk));
	sodium_memzero(block, sizeof(block));
}

void hash_hmac_sha1(uint8_t out[static HASH_SHA1_SIZE], const void *key, size_t key_len,
		    const void *data, size_t len)
{
	mac(contexts()->hmac_sha1, out, HASH_SHA1_SIZE, key, key_len, data, len);
}

void hash_blake2b(uint8_t out[static HASH_SIZE], const void *data, size_t len)
{
	if (crypto_generichash(out, HASH_SIZE, data, len, NULL, 0) != 0)
		abort();
}
