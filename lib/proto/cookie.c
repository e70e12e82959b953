#include "proto/cookie.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "base/addr.h"
#include "base/buf.h"
#include "crypto/chapoly.h"
#include "crypto/hash.h"
#include "crypto/rng.h"
#include "proto/wg_message.h"

#define LABEL_MAC1   "mac1----"
#define LABEL_COOKIE "cookie--"
#define LABEL_SIZE   8

static void label_key(uint8_t key[static 32], const char *label, const uint8_t pub[static 32])
{
	hash_blake2s(key, label, LABEL_SIZE, pub, 32);
}

void cookie_checker_init(struct cookie_checker *checker, const uint8_t our_pub[static 32])
{
	memset(checker, 0, sizeof(*checker));
	label_key(checker->mac1_key, LABEL_MAC1, our_pub);
	label_key(checker->cookie_key, LABEL_COOKIE, our_pub);
}

void cookie_checker_clear(struct cookie_checker *checker)
{
	sodium_memzero(checker, sizeof(*checker));
}

bool cookie_check_mac1(const struct cookie_checker *checker, const uint8_t *msg, size_t len)
{
	uint8_t mac[HASH_MAC_SIZE];
	size_t covered;

	if (len < sizeof(struct wg_macs))
		return false;
	covered = len - sizeof(struct wg_macs);
	hash_mac16(mac, checker->mac1_key, 32, msg, covered);
	return sodium_memcmp(mac, msg + covered, sizeof(mac)) == 0;
}

/* A cookie is bound to address and port, and behind a relay to the channel. */
static void make_cookie(const struct cookie_checker *checker, uint8_t cookie[static COOKIE_SIZE],
			const struct endpoint *from, uint32_t via)
{
	uint8_t bytes[16 + 2 + 4];
	struct writer w;

	writer_init(&w, bytes, sizeof(bytes));
	writer_bytes(&w, from->addr.bytes, addr_len(&from->addr));
	writer_u16(&w, from->port);
	if (via)
		writer_u32(&w, via);
	hash_mac16(cookie, checker->secret, sizeof(checker->secret), bytes, w.len);
}

static bool secret_alive(const struct cookie_checker *checker, uint64_t now_ns)
{
	return checker->has_secret && now_ns - checker->secret_ns < COOKIE_SECRET_NS;
}

bool cookie_check_mac2(const struct cookie_checker *checker, const uint8_t *msg, size_t len,
		       const struct endpoint *from, uint32_t via, uint64_t now_ns)
{
	uint8_t cookie[COOKIE_SIZE], mac[HASH_MAC_SIZE];
	size_t covered;
	bool ok;

	if (len < sizeof(struct wg_macs) || !secret_alive(checker, now_ns))
		return false;
	covered = len - sizeof(mac);
	make_cookie(checker, cookie, from, via);
	hash_mac16(mac, cookie, sizeof(cookie), msg, covered);
	ok = sodium_memcmp(mac, msg + covered, sizeof(mac)) == 0;
	sodium_memzero(cookie, sizeof(cookie));
	return ok;
}

void cookie_create_reply(struct cookie_checker *checker, const struct rng *rng, const uint8_t *msg,
			 size_t len, const struct endpoint *from, uint32_t via, uint64_t now_ns,
			 struct wg_cookie_reply *reply)
{
	uint8_t cookie[COOKIE_SIZE];

	if (!secret_alive(checker, now_ns)) {
		rng_fill(rng, checker->secret, sizeof(checker->secret));
		checker->secret_ns = now_ns;
		checker->has_secret = true;
	}
	make_cookie(checker, cookie, from, via);
	memset(reply, 0, sizeof(*reply));
	reply->type[0] = WG_COOKIE_REPLY;
	/* Every handshake message has its sender's index at offset 4. */
	memcpy(reply->receiver, msg + 4, 4);
	rng_fill(rng, reply->nonce, sizeof(reply->nonce));
	xchapoly_seal(reply->sealed_cookie, checker->cookie_key, reply->nonce,
		      msg + len - sizeof(struct wg_macs), HASH_MAC_SIZE, cookie, sizeof(cookie));
	sodium_memzero(cookie, sizeof(cookie));
}

void cookie_maker_init(struct cookie_maker *maker, const uint8_t remote_pub[static 32])
{
	memset(maker, 0, sizeof(*maker));
	label_key(maker->mac1_key, LABEL_MAC1, remote_pub);
	label_key(maker->cookie_key, LABEL_COOKIE, remote_pub);
}

void cookie_maker_clear(struct cookie_maker *maker)
{
	sodium_memzero(maker, sizeof(*maker));
}

void cookie_add_macs(struct cookie_maker *maker, uint8_t *msg, size_t len, uint64_t now_ns)
{
	struct wg_macs *macs = (struct wg_macs *)(msg + len - sizeof(*macs));

	hash_mac16(macs->mac1, maker->mac1_key, 32, msg, len - sizeof(*macs));
	memcpy(maker->last_mac1, macs->mac1, sizeof(maker->last_mac1));
	maker->sent_mac1 = true;
	if (maker->has_cookie && now_ns - maker->cookie_ns < COOKIE_SECRET_NS - COOKIE_LATENCY_NS)
		hash_mac16(macs->mac2, maker->cookie, COOKIE_SIZE, msg, len - sizeof(macs->mac2));
	else
		memset(macs->mac2, 0, sizeof(macs->mac2));
}

int cookie_consume_reply(struct cookie_maker *maker, const struct wg_cookie_reply *reply,
			 uint64_t now_ns)
{
	uint8_t cookie[COOKIE_SIZE];

	if (!maker->sent_mac1)
		return -EPROTO;
	if (!xchapoly_open(cookie, maker->cookie_key, reply->nonce, maker->last_mac1,
			   sizeof(maker->last_mac1), reply->sealed_cookie,
			   sizeof(reply->sealed_cookie)))
		return -EBADMSG;
	memcpy(maker->cookie, cookie, COOKIE_SIZE);
	maker->cookie_ns = now_ns;
	maker->has_cookie = true;
	/* One reply for one message: a second one is a replay. */
	maker->sent_mac1 = false;
	sodium_memzero(cookie, sizeof(cookie));
	return 0;
}
