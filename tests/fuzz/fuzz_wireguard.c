#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"
#include "crypto/dh.h"
#include "crypto/rng.h"
#include "proto/cookie.h"
#include "proto/handshake.h"
#include "proto/wg_message.h"

/*
 * A handshake message from anybody, to a responder, an initiator that waits, and a sender that may
 * be given a cookie. mac1 is made right where the first byte's top bit asks for it, so that what
 * lies behind it is reached.
 */

static struct wg_identity identity;
static struct handshake peer;
static struct cookie_checker checker;
static struct cookie_maker to_us, to_peer;
static struct rng_seeded seeded;
static struct rng rng;

static void start(void)
{
	static const uint8_t stamp[TAI64N_SIZE] = { 0x40 };
	static const uint8_t priv[32] = { 1, 2, 3 }, other_priv[32] = { 4, 5, 6 };
	struct wg_initiation msg;
	uint8_t other[32];

	rng_seeded_init(&seeded, 1);
	rng = rng_from_seeded(&seeded);
	wg_identity_set(&identity, priv);
	dh_public(other, other_priv);
	handshake_init(&peer, &identity, other);
	cookie_checker_init(&checker, identity.pub);
	cookie_maker_init(&to_us, identity.pub);
	cookie_maker_init(&to_peer, other);
	handshake_create_initiation(&peer, &identity, &rng, stamp, 0, &msg);
	cookie_add_macs(&to_peer, (uint8_t *)&msg, sizeof(msg), 1);
}

static void initiation(const struct wg_initiation *msg)
{
	struct wg_incoming in;
	struct wg_response response;
	struct wg_session session;

	if (wg_incoming_open(&in, &identity, msg) == 0 && handshake_accept(&peer, &in, msg, 1) == 0)
		handshake_respond(&peer, &in, &rng, 1, &response, &session);
	wg_incoming_clear(&in);
}

static void message(uint8_t *data, size_t size)
{
	struct endpoint from = { .port = 1 };
	struct wg_cookie_reply reply;
	struct wg_session session;
	enum wg_type type = wg_handshake_type(data, size);

	if (!type)
		return;
	if (type == WG_COOKIE_REPLY) {
		cookie_consume_reply(&to_peer, (const struct wg_cookie_reply *)data, 1);
		return;
	}
	if (!cookie_check_mac1(&checker, data, size))
		return;
	if (!cookie_check_mac2(&checker, data, size, &from, 0, 1))
		cookie_create_reply(&checker, &rng, data, size, &from, 0, 1, &reply);
	if (type == WG_INITIATION)
		initiation((const struct wg_initiation *)data);
	else
		handshake_consume_response(&peer, &identity, (const struct wg_response *)data,
					   &session);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *copy;

	if (!peer.possible)
		start();
	if (size < 1)
		return 0;
	/* One byte off every alignment, and just as long as the message. */
	copy = malloc(size);
	memcpy(copy, data, size);
	if (size > sizeof(struct wg_macs) + 1 && (data[0] & 0x80))
		cookie_add_macs(&to_us, copy + 1, size - 1, 1);
	message(copy + 1, size - 1);
	free(copy);
	return 0;
}
