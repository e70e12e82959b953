#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/box.h"
#include "crypto/dh.h"
#include "crypto/rng.h"
#include "proto/signal.h"

/* The input as a signal's inside, sealed first, and as it is. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t sealed[SIGNAL_SEALED_MAX + BOX_OVERHEAD];
	static uint8_t plain[SIGNAL_SEALED_MAX];
	struct signal expect = { .kind = 0 };
	struct signal_replay replay = { .next = 0 };
	struct rng_seeded seeded;
	struct signal signal;
	struct rng rng;
	uint8_t secret[32];
	uint8_t key[32];

	if (size > SIGNAL_SEALED_MAX)
		return 0;
	rng_seeded_init(&seeded, 1);
	rng = rng_from_seeded(&seeded);
	dh_private_new(secret, &rng);
	dh_public(key, secret);
	if (size >= 82) {
		memcpy(expect.network_id, data + 2, 16);
		memcpy(expect.from, data + 18, 32);
		memcpy(expect.to, data + 50, 32);
	}
	if (box_seal(sealed, data, size, key, secret, &rng) < 0)
		abort();
	if (signal_open(&signal, plain, sealed, size + BOX_OVERHEAD, secret, key, &expect) == 0) {
		if (signal.payload_len > SIGNAL_PAYLOAD_MAX ||
		    signal.payload + signal.payload_len > plain + sizeof(plain))
			abort();
		(void)signal_replay_check(&replay, &signal, 1000);
		if (signal_replay_check(&replay, &signal, 1000))
			abort(); /* twice */
	}
	(void)signal_open(&signal, plain, data, size, secret, key, &expect);
	return 0;
}
