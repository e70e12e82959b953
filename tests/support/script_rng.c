#include "tests/support/script_rng.h"

#include <stdio.h>
#include <string.h>

static void script_fill(void *arg, uint8_t *out, size_t len)
{
	struct script_rng *script = arg;
	unsigned int byte;

	for (size_t i = 0; i < len; i++, script->used++) {
		byte = 0;
		if (script->used * 2 < strlen(script->hex))
			sscanf(script->hex + script->used * 2, "%2x", &byte);
		out[i] = (uint8_t)byte;
	}
}

struct rng script_rng(struct script_rng *script, const char *hex)
{
	*script = (struct script_rng){ .hex = hex };
	return (struct rng){ .fill = script_fill, .arg = script };
}
