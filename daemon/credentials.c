#include "daemon/credentials.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "daemon/record.h"

/* The message of the control channel serves as the format on disk. */
#define KIND "relays"

int credentials_save(const char *path, const struct control_credential *list, size_t count)
{
	struct control_message message = { .type = CONTROL_RELAYS };
	char *json;
	size_t len;
	int err;

	message.relays.credentials = (struct control_credential *)list;
	message.relays.count = count;
	err = control_encode(&message, &json, &len);
	if (err < 0)
		return err;
	err = record_write(path, KIND, json, len);
	file_free_secret((uint8_t *)json, len);
	return err;
}

int credentials_load(const char *path, struct control_credential *list, size_t max, size_t *count)
{
	struct control_message message;
	uint8_t *json;
	size_t len;
	int err = record_read(path, KIND, &json, &len);

	if (err < 0)
		return err;
	err = control_parse(&message, (const char *)json, len);
	file_free_secret(json, len);
	if (err < 0)
		return -EBADMSG;
	if (message.type == CONTROL_RELAYS) {
		*count = message.relays.count < max ? message.relays.count : max;
		memcpy(list, message.relays.credentials, *count * sizeof(*list));
	} else {
		err = -EBADMSG;
	}
	control_message_clear(&message);
	return err;
}
