#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "crypto/rng.h"
#include "proto/pcp.h"

/*
 * What a gateway says to a client that asks: pieces with a length byte before each, one a minute.
 * The nonce is known, as it is to a gateway: it stands where the pieces have 0xff.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pcp_config config = { .internal = { .addr = addr_from_v4(0xc0a8010a),
						   .port = 41641 },
				     .suggested_port = 41641 };
	struct rng_seeded seeded;
	struct rng rng;
	struct pcp *pcp;
	uint64_t now_ns = 1000 * NS_PER_S;
	uint8_t request[PCP_REQUEST_MAX], nonce[12] = { 0 };
	size_t len;

	rng_seeded_init(&seeded, 1);
	rng = rng_from_seeded(&seeded);
	pcp = pcp_new(&config, &rng, now_ns);
	if (!pcp)
		abort();
	while (size) {
		size_t piece = data[0] < size - 1 ? data[0] : size - 1;
		uint8_t *copy = malloc(piece ? piece : 1);
		unsigned int sent = 0;

		while ((len = pcp_poll_output(pcp, request, sizeof(request), now_ns))) {
			if (len == 60)
				memcpy(nonce, request + 24, sizeof(nonce));
			if (++sent > 8)
				abort();
		}
		memcpy(copy, data + 1, piece);
		if (piece >= 36 && copy[24] == 0xff)
			memcpy(copy + 24, nonce, sizeof(nonce));
		pcp_input(pcp, copy, piece, now_ns);
		pcp_input_announcement(pcp, copy, piece, now_ns);
		free(copy);
		now_ns += 60 * NS_PER_S;
		pcp_expire(pcp, now_ns);
		data += piece + 1;
		size -= piece + 1;
	}
	pcp_free(pcp);
	return 0;
}
