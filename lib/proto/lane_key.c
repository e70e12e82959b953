#include "proto/lane_key.h"

#include <string.h>

#include "crypto/hash.h"

#define LABEL "warren lane 1 key"

void lane_key_derive(uint8_t key[static LANE_KEY_SIZE],
		     const uint8_t transport[static LANE_KEY_SIZE], uint8_t lane)
{
	uint8_t info[sizeof(LABEL)] = LABEL;

	if (lane == 0) {
		memmove(key, transport, LANE_KEY_SIZE);
		return;
	}
	/* In the place of the label's NUL. */
	info[sizeof(info) - 1] = lane;
	hash_hmac_blake2s(key, transport, LANE_KEY_SIZE, info, sizeof(info));
}
