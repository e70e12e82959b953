#include "daemon/login_ticket.h"

#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "base/file.h"
#include "daemon/record.h"

#define KIND    "ticket"
#define ENCODED 40

int login_ticket_save(const char *path, const struct control_ticket *ticket)
{
	uint8_t data[ENCODED];

	store_be64(data, ticket->number);
	memcpy(data + 8, ticket->mac, sizeof(ticket->mac));
	return record_write(path, KIND, data, sizeof(data));
}

int login_ticket_load(const char *path, struct control_ticket *ticket)
{
	uint8_t *data;
	size_t len;
	int err = record_read(path, KIND, &data, &len);

	if (err < 0)
		return err;
	if (len == ENCODED) {
		ticket->number = load_be64(data);
		memcpy(ticket->mac, data + 8, sizeof(ticket->mac));
	} else {
		err = -EBADMSG;
	}
	file_free_secret(data, len);
	return err;
}
