#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/inner.h"

/* Everything that is done with the bytes of a packet that was just opened. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t reply[INNER_ERROR_MAX];
	struct inner inner;
	uint8_t *packet;

	if (!size)
		return 0;
	packet = malloc(size);
	memcpy(packet, data, size);
	if (inner_parse(&inner, packet, size) == 0) {
		if (inner.len > size || inner.l4 > inner.len)
			abort();
		inner_combine_ecn(packet, 3);
		if (inner_unreachable(reply, packet, size) > sizeof(reply))
			abort();
	}
	free(packet);
	return 0;
}
