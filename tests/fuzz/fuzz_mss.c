#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/mss.h"

/* Two bytes of MTU, then the packet, exactly as long as it is. Clamping once is enough. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *packet;
	size_t mtu;

	if (size < 2)
		return 0;
	mtu = 576 + (size_t)(data[0] << 8 | data[1]);
	size -= 2;
	packet = malloc(size ? size : 1);
	memcpy(packet, data + 2, size);
	if (mss_concerns(packet, size) && mss_clamp(packet, size, mtu) &&
	    mss_clamp(packet, size, mtu))
		abort();
	free(packet);
	return 0;
}
