#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "io/http_connect.h"

/* A proxy's answer, in pieces of the length that the first byte says. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct http_connect connect;
	size_t piece;
	int status = 0;

	if (!size)
		return 0;
	piece = 1u + *data++;
	size--;
	connect.len = 0;
	while (size && status == 0) {
		size_t len = size < piece ? size : piece;
		size_t left = len;

		status = http_connect_input(&connect, &data, &left);
		if (left > len || (status == 0 && left) || status > 999)
			abort();
		size -= len;
	}
	return 0;
}
