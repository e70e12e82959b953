#include "proto/flow_slot.h"

#include "base/buf.h"
#include "proto/inner.h"

#define ADDRESSES_V4 12
#define ADDRESSES_V6 8

/* Exclusive or does not mind the order, so both directions come to the same. */
unsigned int flow_slot(const struct inner *inner, const uint8_t *packet)
{
	const uint8_t *at = packet + (inner->version == 4 ? ADDRESSES_V4 : ADDRESSES_V6);
	const uint8_t *end = at + (inner->version == 4 ? 8 : 32);
	uint32_t mix = inner->proto;

	for (; at < end; at += 4)
		mix ^= load_be32(at);
	if (inner->plain && (inner->proto == INNER_TCP || inner->proto == INNER_UDP) &&
	    inner->len >= (size_t)inner->l4 + 4)
		mix ^= load_be16(packet + inner->l4) ^ (uint32_t)load_be16(packet + inner->l4 + 2);
	return (mix * FLOW_SLOT_MULTIPLIER) >> FLOW_SLOT_SHIFT;
}
