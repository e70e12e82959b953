#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "crypto/rng.h"
#include "proto/cookie.h"
#include "proto/handshake.h"
#include "proto/wg_message.h"

/* WireGuard handshakes a second that one core answers: mac1, both DH, timestamp, response, keys. */

#define MESSAGES 256

int main(void)
{
	static struct wg_initiation initiations[MESSAGES];
	struct rng rng = rng_system();
	struct wg_identity us, them;
	struct handshake here, there;
	struct cookie_checker checker;
	struct cookie_maker maker;
	uint8_t priv[32], stamp[TAI64N_SIZE] = { 0 };
	uint64_t start, count = 0;

	dh_private_new(priv, &rng);
	wg_identity_set(&us, priv);
	dh_private_new(priv, &rng);
	wg_identity_set(&them, priv);
	handshake_init(&there, &them, us.pub);
	handshake_init(&here, &us, them.pub);
	cookie_checker_init(&checker, us.pub);
	cookie_maker_init(&maker, us.pub);
	for (uint32_t i = 0; i < MESSAGES; i++) {
		store_be32(stamp, i + 1);
		handshake_create_initiation(&there, &them, &rng, stamp, i, &initiations[i]);
		cookie_add_macs(&maker, (uint8_t *)&initiations[i], WG_INITIATION_SIZE, 0);
	}
	start = clock_now_ns();
	while (clock_now_ns() - start < 2 * NS_PER_S) {
		/* The same messages again: forget that they were seen. */
		memset(here.latest_timestamp, 0, sizeof(here.latest_timestamp));
		here.consumed = false;
		for (uint32_t i = 0; i < MESSAGES; i++) {
			const struct wg_initiation *msg = &initiations[i];
			struct wg_incoming in;
			struct wg_response response;
			struct wg_session session;

			if (!cookie_check_mac1(&checker, (const uint8_t *)msg, sizeof(*msg)) ||
			    wg_incoming_open(&in, &us, msg) < 0 ||
			    handshake_accept(&here, &in, msg, (i + 1) * NS_PER_S) < 0 ||
			    handshake_respond(&here, &in, &rng, i, &response, &session) < 0)
				return 1;
			count++;
		}
	}
	printf("handshakes answered a second: %.0f\n",
	       (double)count * 1e9 / (double)(clock_now_ns() - start));
	return 0;
}
