#ifndef WARREN_PROTO_COOKIE_H
#define WARREN_PROTO_COOKIE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct endpoint;
struct rng;
struct wg_cookie_reply;

/*
 * mac1, mac2 and cookies (whitepaper sections 5.4.4 and 5.4.7). Messages here are whole
 * initiations or responses: the macs are their last 32 bytes.
 */

#define COOKIE_SIZE       16
#define COOKIE_SECRET_NS  (120 * 1000000000ULL) /* life of the secret that makes cookies */
#define COOKIE_LATENCY_NS (5 * 1000000000ULL)   /* a cookie received is trusted less long */

/* What we, as receiver, check with. */
struct cookie_checker {
	uint8_t mac1_key[32];
	uint8_t cookie_key[32];
	uint8_t secret[32];
	bool has_secret;
	uint64_t secret_ns; /* when it was drawn */
};

/* Also after a change of our key. */
void cookie_checker_init(struct cookie_checker *checker, const uint8_t our_pub[static 32]);
void cookie_checker_clear(struct cookie_checker *checker);
/* Constant time. False for anything shorter than a message with macs. */
bool cookie_check_mac1(const struct cookie_checker *checker, const uint8_t *msg, size_t len);
/*
 * True when mac2 proves that the sender receives at from. via tells apart senders behind one
 * relay; 0 when direct. False when nobody was given a cookie in the secret's life.
 */
bool cookie_check_mac2(const struct cookie_checker *checker, const uint8_t *msg, size_t len,
		       const struct endpoint *from, uint32_t via, uint64_t now_ns);
/* The answer to msg, with a cookie for from; draws a new secret when the old one's life is over. */
void cookie_create_reply(struct cookie_checker *checker, const struct rng *rng, const uint8_t *msg,
			 size_t len, const struct endpoint *from, uint32_t via, uint64_t now_ns,
			 struct wg_cookie_reply *reply);

/* What we, as sender to one peer, sign with. */
struct cookie_maker {
	uint8_t mac1_key[32];
	uint8_t cookie_key[32];
	uint8_t last_mac1[16]; /* associated data of the reply that may come */
	bool sent_mac1;
	uint8_t cookie[COOKIE_SIZE];
	bool has_cookie;
	uint64_t cookie_ns; /* when it came */
};

void cookie_maker_init(struct cookie_maker *maker, const uint8_t remote_pub[static 32]);
void cookie_maker_clear(struct cookie_maker *maker);
/* Fills both macs of a message; mac2 stays zero without a cookie young enough. */
void cookie_add_macs(struct cookie_maker *maker, uint8_t *msg, size_t len, uint64_t now_ns);
/* Keeps the cookie for the next message. 0, -EPROTO when none is awaited, -EBADMSG. */
int cookie_consume_reply(struct cookie_maker *maker, const struct wg_cookie_reply *reply,
			 uint64_t now_ns);

#endif
