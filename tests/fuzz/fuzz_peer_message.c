#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/peer_message.h"

/* Whatever was parsed says the same when it is written again. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct peer_message message, again;
	uint8_t *out;

	if (peer_message_parse(&message, data, size) < 0)
		return 0;
	if (peer_message_len(&message) != size)
		abort();
	out = malloc(size);
	peer_message_encode(&message, out);
	if (peer_message_parse(&again, out, size) < 0 ||
	    memcmp(&message, &again, sizeof(message)) != 0)
		abort();
	free(out);
	return 0;
}
