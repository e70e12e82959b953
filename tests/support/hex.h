#ifndef WARREN_TESTS_HEX_H
#define WARREN_TESTS_HEX_H

#include <stddef.h>
#include <stdint.h>

/* Fails the test unless data is exactly these bytes. */
void assert_hex(const uint8_t *data, size_t len, const char *hex);

#endif
