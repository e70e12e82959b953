#include <stdlib.h>
#include <string.h>

#include "proto/demux.h"
#include "proto/ice.h"
#include "proto/stun.h"

/* Every reader is run on whatever parses; what is found must lie inside the message. */
static void read_all(const struct stun_message *msg, const uint8_t *data, size_t size)
{
	uint16_t types[STUN_UNKNOWN_MAX], channel;
	char text[STUN_USERNAME_MAX + 1];
	const uint8_t *key, *value;
	struct endpoint ep;
	unsigned int code;
	uint32_t small;
	uint64_t large;
	size_t len;

	for (uint16_t type = 0; type < 0x30; type++) {
		value = stun_find(msg, type, &len);
		if (value && (value < data || len > size || value + len > data + size))
			abort();
		stun_get_u32(msg, type, &small);
		stun_get_u64(msg, type, &large);
		stun_get_endpoint(msg, type, &ep);
		if (stun_get_text(msg, type, text, sizeof(text)) == 0 &&
		    strlen(text) >= sizeof(text))
			abort();
	}
	stun_get_mapped(msg, &ep);
	stun_get_channel(msg, &channel);
	stun_get_node_key(msg, &key);
	if (stun_get_error(msg, &code) == 0 && (code < 300 || code > 699))
		abort();
	if (stun_unknown_attrs(msg, types, STUN_UNKNOWN_MAX) > STUN_UNKNOWN_MAX)
		abort();
	stun_check_integrity(msg, "password", 8);
	ice_username_ufrag(msg, text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct stun_message msg;

	if (stun_parse(&msg, data, size) == 0) {
		if (demux_datagram(data, size) != DEMUX_STUN)
			abort();
		read_all(&msg, data, size);
	}
	return 0;
}
