#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/control.h"

/* Control messages: what is accepted is written, and accepted again. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct control_message message;
	struct control_message second;
	char *json;
	size_t len;

	if (control_parse(&message, (const char *)data, size) < 0)
		return 0;
	if (control_encode(&message, &json, &len) < 0 || control_parse(&second, json, len) < 0 ||
	    second.type != message.type)
		abort();
	free(json);
	control_message_clear(&message);
	control_message_clear(&second);
	return 0;
}
