#include "tests/support/hex.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/encoding.h"

void assert_hex(const uint8_t *data, size_t len, const char *hex)
{
	char *text = malloc(HEX_SIZE(len));

	assert_non_null(text);
	encoding_hex(text, HEX_SIZE(len), data, len);
	assert_string_equal(text, hex);
	free(text);
}
