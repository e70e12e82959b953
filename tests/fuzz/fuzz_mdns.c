#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "proto/mdns.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct mdns_resolver resolver = { 0 };
	struct mdns_message message;

	if (mdns_parse(&message, data, len) < 0)
		return 0;
	if (message.count > MDNS_RECORDS_MAX)
		abort();
	for (size_t i = 0; i < message.count; i++) {
		if (!mdns_is_name(message.records[i].name) ||
		    mdns_ask(&resolver, message.records[i].name, 1) < 0)
			abort();
	}
	mdns_input(&resolver, &message, 2);
	return 0;
}
