#include "coord/data_dir.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>

#include "base/encoding.h"
#include "base/file.h"

#define SECRET_FILE_MAX 128

int data_dir_path(char out[static PATH_MAX], const char *dir, const char *name)
{
	int len = snprintf(out, PATH_MAX, "%s/%s", dir, name);

	return len < 0 || len >= PATH_MAX ? -ENAMETOOLONG : 0;
}

int data_dir_write_secret(const char *dir, const char *name,
			  const uint8_t secret[static DATA_DIR_SECRET_SIZE])
{
	char text[BASE64_KEY_SIZE];
	char path[PATH_MAX];
	int err = data_dir_path(path, dir, name);

	if (err < 0)
		return err;
	encoding_base64_key(text, secret);
	text[BASE64_KEY_SIZE - 1] = '\n';
	err = file_write_atomic(path, text, BASE64_KEY_SIZE, 0600);
	sodium_memzero(text, sizeof(text));
	return err;
}

int data_dir_read_secret(const char *dir, const char *name,
			 uint8_t secret[static DATA_DIR_SECRET_SIZE])
{
	char path[PATH_MAX];
	uint8_t *data;
	size_t len;
	int err = data_dir_path(path, dir, name);

	if (err == 0)
		err = file_read_secret(path, SECRET_FILE_MAX, &data, &len);
	if (err < 0)
		return err;
	if (len == BASE64_KEY_SIZE && data[len - 1] == '\n')
		data[len - 1] = '\0';
	err = encoding_base64_key_parse(secret, (char *)data) < 0 ? -EBADMSG : 0;
	file_free_secret(data, len);
	return err;
}

int data_dir_free_bytes(const char *dir, uint64_t *bytes)
{
	struct statvfs fs;

	if (statvfs(dir, &fs) < 0)
		return -errno;
	*bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
	return 0;
}
