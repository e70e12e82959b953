#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/segment.h"
#include "proto/vnet.h"

/* Ten bytes of header, then the packet. What is planned must be writable within its own lengths. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct segment_plan plan;
	struct vnet_hdr hdr;
	uint8_t *packet;

	if (size < VNET_HDR_SIZE || size > VNET_HDR_SIZE + PACKET_MAX)
		return 0;
	memcpy(&hdr, data, VNET_HDR_SIZE);
	size -= VNET_HDR_SIZE;
	/* Exactly as long as the packet, so that a read behind it is seen. */
	packet = malloc(size ? size : 1);
	memcpy(packet, data + VNET_HDR_SIZE, size);
	if (segment_plan(&plan, &hdr, packet, size) == 0) {
		if (!plan.count)
			abort();
		for (size_t i = 0; i < plan.count; i++) {
			size_t len = segment_len(&plan, i);
			uint8_t *out = malloc(len);

			if (len > size)
				abort();
			segment_write(&plan, i, out);
			free(out);
		}
	}
	free(packet);
	return 0;
}
