#include "daemon/timestamp.h"

#include <errno.h>
#include <string.h>

#include "base/file.h"
#include "daemon/record.h"

#define KIND      "tai64n"
#define STAMP_LEN 12

int timestamp_load(const char *path, uint8_t stamp[static 12])
{
	uint8_t *data;
	size_t len;
	int err = record_read(path, KIND, &data, &len);

	if (err < 0)
		return err;
	if (len == STAMP_LEN)
		memcpy(stamp, data, STAMP_LEN);
	else
		err = -EBADMSG;
	file_free_secret(data, len);
	return err;
}

int timestamp_save(const char *path, const uint8_t stamp[static 12])
{
	return record_write(path, KIND, stamp, STAMP_LEN);
}
