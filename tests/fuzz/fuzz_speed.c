#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/speed.h"

/* What comes at the measuring port; a hello that is accepted must be written back the same. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t text[SPEED_HELLO_SIZE] = { 0 }, again[SPEED_HELLO_SIZE];
	struct speed_result result;
	struct speed_hello hello;
	enum speed_answer answer;

	memcpy(text, data, size < sizeof(text) ? size : sizeof(text));
	if (speed_hello_read(&hello, text) == 0) {
		speed_hello_write(again, &hello);
		if (hello.duration_ms > SPEED_LOAD_MAX_MS || memcmp(text, again, sizeof(text)) != 0)
			abort();
	}
	(void)speed_answer_read(&answer, text);
	speed_result_read(&result, text);
	if (speed_mbps(&result) < 0)
		abort();
	return 0;
}
