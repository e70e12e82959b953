#include "coord/handed_file.h"

#include <errno.h>
#include <libgen.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"

#define SIZE_MAX_BYTES (4ul << 30)

/* The real folder that a file would be in. */
static int real_folder(char out[static PATH_MAX], const char *path)
{
	char copy[PATH_MAX];

	if (strlen(path) >= sizeof(copy))
		return -ENAMETOOLONG;
	strcpy(copy, path);
	return realpath(dirname(copy), out) ? 0 : -errno;
}

int handed_file_begin(struct handed_file *file, const char *dir, const char *wanted)
{
	char data[PATH_MAX];
	char folder[PATH_MAX];
	size_t len;
	int err = real_folder(folder, wanted);

	if (err < 0)
		return err;
	if (!realpath(dir, data))
		return -errno;
	len = strlen(data);
	if (strncmp(folder, data, len) == 0 && (!folder[len] || folder[len] == '/'))
		return -EXDEV;
	if (access(wanted, F_OK) == 0)
		return -EEXIST;
	if (access(folder, W_OK) < 0)
		return -errno;
	strcpy(file->wanted, wanted);
	return snprintf(file->made, sizeof(file->made), "%s/" HANDED_FILE_PREFIX "%ld", data,
			(long)getpid()) < (int)sizeof(file->made)
		       ? 0
		       : -ENAMETOOLONG;
}

int handed_file_finish(const struct handed_file *file)
{
	uint8_t *bytes;
	size_t len;
	int err;

	if (rename(file->made, file->wanted) == 0) {
		/* The server's user made it; it is the user's who asked. */
		if (geteuid() == 0 && chown(file->wanted, 0, 0) < 0)
			return -errno;
		return 0;
	}
	if (errno != EXDEV)
		return -errno;
	err = file_read(file->made, SIZE_MAX_BYTES, &bytes, &len);
	if (err < 0)
		return err;
	err = file_write_atomic(file->wanted, bytes, len, 0600);
	file_free_secret(bytes, len);
	if (err == 0)
		unlink(file->made);
	return err;
}
