#ifndef WARREN_TESTS_LOW_ORDER_H
#define WARREN_TESTS_LOW_ORDER_H

#include <stdint.h>

/* The points of low order of Curve25519 as 32-byte keys: a DH with any of them gives zero. */
#define LOW_ORDER_COUNT 7

extern const uint8_t low_order[LOW_ORDER_COUNT][32];

#endif
