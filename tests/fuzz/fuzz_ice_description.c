#include <stdlib.h>
#include <string.h>

#include "proto/ice_description.h"

/* What decodes must encode and decode to the same again. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct ice_description first, second;
	static char text[2 * ICE_DESCRIPTION_TEXT_MAX];
	size_t len;

	memset(&first, 0, sizeof(first));
	memset(&second, 0, sizeof(second));
	if (ice_description_decode(&first, (const char *)data, size) < 0)
		return 0;
	if (ice_description_encode(&first, text, sizeof(text), &len) < 0)
		return 0;
	if (ice_description_decode(&second, text, len) < 0 || second.count != first.count ||
	    second.signal_rtt_ms != first.signal_rtt_ms || strcmp(second.ufrag, first.ufrag) != 0)
		abort();
	for (size_t i = 0; i < first.count; i++) {
		if (!endpoint_equal(&first.candidates[i].addr, &second.candidates[i].addr) ||
		    first.candidates[i].priority != second.candidates[i].priority)
			abort();
	}
	return 0;
}
