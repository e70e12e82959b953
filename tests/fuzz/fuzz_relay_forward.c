#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "crypto/rng.h"
#include "proto/relay_forward.h"

/*
 * A received datagram of several packets to a table where 0 and 1 are linked by two pairs of
 * channels and 2 is known but linked to nobody. Byte 0: who sends (3: a stranger); bytes 1 and 2:
 * the segment. Whatever comes, runs cover the datagram in order, and what is forwarded is the
 * payload that was sent behind the receiver's channel number.
 */
#define NUMBER(who, pair) ((uint16_t)(RELAY_CHANNEL_MIN + (pair)*0x21u + (who)*7u))

static struct relay_forward *forward;

static struct relay_address address_of(unsigned int who)
{
	return (struct relay_address){ .remote = { .addr = addr_from_v4(0x0a000001u + who),
						   .port = 4000 } };
}

static void start(void)
{
	struct relay_rate rate = { .burst_ns = NS_PER_S };
	struct relay_source *sources[3];
	struct rng_seeded seeded;
	struct rng rng;

	rng_seeded_init(&seeded, 1);
	rng = rng_from_seeded(&seeded);
	forward = relay_forward_new(&rate, &rng, false);
	for (unsigned int who = 0; who < 3; who++) {
		struct relay_address address = address_of(who);

		sources[who] = relay_source_new();
		if (relay_forward_set_place(forward, sources[who], &address) < 0)
			abort();
	}
	for (unsigned int pair = 0; pair < 2; pair++)
		if (relay_forward_link(forward, sources[0], NUMBER(0, pair), sources[1],
				       NUMBER(1, pair), NS_PER_S) < 0)
			abort();
}

static void check_packet(unsigned int who, const uint8_t *sent, const uint8_t *out, size_t len)
{
	uint16_t number = load_be16(sent);
	unsigned int pair = number == NUMBER(who, 1) ? 1 : 0;

	if (who > 1 || number != NUMBER(who, pair) || load_be16(out) != NUMBER(who ^ 1u, pair) ||
	    len != load_be16(out + 2) + (size_t)RELAY_CHANNEL_HEADER ||
	    memcmp(sent + 2, out + 2, len - 2) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct relay_counts counts = { 0 };
	const struct relay_place *from;
	struct relay_address address;
	struct relay_run run;
	uint8_t *copy;
	uint8_t *at;
	uint8_t *seen;
	size_t segment;
	size_t len;

	if (size < 3)
		return 0;
	if (!forward)
		start();
	address = address_of(data[0] % 4);
	segment = load_be16(data + 1);
	data += 3;
	size -= 3;
	if (!segment || segment > size)
		segment = size;
	/* A block of just this size, so that a read beyond it is seen. */
	copy = malloc(size ? size : 1);
	memcpy(copy, data, size);
	at = seen = copy;
	len = size;
	from = relay_forward_find(forward, &address.remote);
	while (relay_forward_next(forward, from, &at, &len, segment, 1, &run, &counts)) {
		if (!from || run.data < seen || run.data + run.len > at || !run.len ||
		    at + len != copy + size)
			abort();
		seen = run.data + run.len;
		for (size_t i = 0; run.to && i < run.len; i += run.segment)
			check_packet(address.remote.addr.bytes[3] - 1U,
				     data + (run.data - copy) + i, run.data + i, run.segment);
		if (!run.to && memcmp(run.data, data + (run.data - copy), run.len) != 0)
			abort();
	}
	if (len || counts.dropped_rate)
		abort();
	free(copy);
	return 0;
}
