#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/rng.h"
#include "proto/noise_ik.h"

/* The first byte picks the reader: a responder, an initiator that waits, or a transport. */

static const uint8_t priv_i[32] = { 8, 1 }, priv_r[32] = { 16, 2 };

static void handshake(struct noise_ik *i, struct noise_ik *r, const struct rng *rng, int upto)
{
	uint8_t pub[32], msg[128], payload[128];
	size_t len, payload_len;

	dh_public(pub, priv_r);
	noise_ik_init_initiator(i, priv_i, pub, NULL, 0);
	noise_ik_init_responder(r, priv_r, NULL, 0);
	if (upto < 1)
		return;
	if (noise_ik_write_first(i, rng, msg, sizeof(msg), &len, NULL, 0) < 0)
		abort();
	if (upto < 2)
		return;
	if (noise_ik_read_first(r, msg, len, payload, sizeof(payload), &payload_len) < 0 ||
	    noise_ik_write_second(r, rng, msg, sizeof(msg), &len, NULL, 0) < 0 ||
	    noise_ik_read_second(i, msg, len, payload, sizeof(payload), &payload_len) < 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rng_seeded seeded;
	struct rng rng;
	struct noise_ik i, r;
	uint8_t *copy, payload[1024];
	size_t len;

	if (size < 1)
		return 0;
	rng_seeded_init(&seeded, 1);
	rng = rng_from_seeded(&seeded);
	handshake(&i, &r, &rng, data[0] % 3);
	copy = malloc(size);
	memcpy(copy, data + 1, size - 1);
	if (data[0] % 3 == 0)
		noise_ik_read_first(&r, copy, size - 1, payload, sizeof(payload), &len);
	else if (data[0] % 3 == 1)
		noise_ik_read_second(&i, copy, size - 1, payload, sizeof(payload), &len);
	else
		noise_ik_open(&r, payload, sizeof(payload), &len, copy, size - 1);
	free(copy);
	noise_ik_clear(&i);
	noise_ik_clear(&r);
	return 0;
}
