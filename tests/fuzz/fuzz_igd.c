#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "crypto/rng.h"
#include "proto/igd.h"

/*
 * What a gateway answers, to the search first and then to one request after the other: pieces that
 * end with a zero byte. Whatever it says, requests stay a few, and go to it.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct igd_config config = { .gateway = addr_from_v4(0xc0a80101),
				     .internal = { .addr = addr_from_v4(0xc0a8010a),
						   .port = 41641 },
				     .suggested_port = 41641 };
	static struct igd_request request;
	struct rng_seeded seeded;
	struct rng rng;
	struct igd *igd;
	uint64_t now_ns = 1000 * NS_PER_S;
	unsigned int searches = 0;

	rng_seeded_init(&seeded, 1);
	rng = rng_from_seeded(&seeded);
	igd = igd_new(&config, &rng, now_ns);
	if (!igd)
		abort();
	while (size) {
		const uint8_t *end = memchr(data, 0, size);
		size_t piece = end ? (size_t)(end - data) : size;
		char *copy = malloc(piece ? piece : 1);
		char search[UPNP_SEARCH_MAX];
		struct ip_addr to;

		memcpy(copy, data, piece);
		while (igd_poll_search(igd, &to, search, sizeof(search))) {
			if (++searches > 1000)
				abort();
		}
		if (igd_poll_request(igd, &request)) {
			if (!request.len || !request.port || request.len >= sizeof(request.data))
				abort();
			if (!igd_input_answer(igd, copy, piece, false, now_ns) &&
			    !igd_input_answer(igd, copy, piece, true, now_ns))
				abort();
		} else {
			igd_input_search(igd, &config.gateway, copy, piece, now_ns);
		}
		free(copy);
		if (igd_next_timeout(igd) != CLOCK_NEVER)
			now_ns = igd_next_timeout(igd) > now_ns ? igd_next_timeout(igd) : now_ns;
		igd_expire(igd, now_ns);
		data += piece + (end != NULL);
		size -= piece + (end != NULL);
	}
	igd_free(igd);
	return 0;
}
