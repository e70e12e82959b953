#include "ctl/token.h"

#include <errno.h>
#include <sodium.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"

static int read_stdin(uint8_t **out, size_t *out_len)
{
	uint8_t *data = malloc(TOKEN_MAX + 1);
	size_t len = 0;
	ssize_t n = 1;

	if (!data)
		return -ENOMEM;
	while (len <= TOKEN_MAX && n > 0) {
		n = read(STDIN_FILENO, data + len, TOKEN_MAX + 1 - len);
		if (n < 0 && errno == EINTR)
			n = 1;
		else if (n > 0)
			len += (size_t)n;
	}
	if (n < 0 || len > TOKEN_MAX) {
		int err = n < 0 ? -errno : -EFBIG;

		file_free_secret(data, TOKEN_MAX + 1);
		return err;
	}
	*out = data;
	*out_len = len;
	return 0;
}

/* One word of printable characters with blanks around it. */
static int cut(char **token, const uint8_t *data, size_t len)
{
	static const char blanks[] = " \t\r\n";
	size_t start = 0;
	size_t end = len;
	char *copy;
	size_t i;

	while (start < end && data[start] && strchr(blanks, data[start]))
		start++;
	while (end > start && data[end - 1] && strchr(blanks, data[end - 1]))
		end--;
	if (start == end)
		return -ENODATA;
	for (i = start; i < end; i++) {
		if (data[i] <= ' ' || data[i] > '~')
			return -EINVAL;
	}
	copy = calloc(1, end - start + 1);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, data + start, end - start);
	*token = copy;
	return 0;
}

int token_read(char **token, const char *path)
{
	uint8_t *data;
	size_t len;
	int err = strcmp(path, "-") == 0 ? read_stdin(&data, &len)
					 : file_read_secret(path, TOKEN_MAX, &data, &len);

	if (err)
		return err;
	err = cut(token, data, len);
	file_free_secret(data, len);
	return err;
}

int token_read_credential(char **token)
{
	const char *dir = getenv("CREDENTIALS_DIRECTORY");
	char path[4096];
	uint8_t *data;
	size_t len;
	int n = dir ? snprintf(path, sizeof(path), "%s/" TOKEN_CREDENTIAL, dir) : 0;
	int err;

	*token = NULL;
	if (!dir || n >= (int)sizeof(path))
		return 0;
	/* Only its service can reach that folder, whatever the mode of the file says. */
	err = file_read(path, TOKEN_MAX, &data, &len);
	if (err)
		return err == -ENOENT ? 0 : err;
	err = cut(token, data, len);
	file_free_secret(data, len);
	return err;
}

void token_free(char *token)
{
	if (!token)
		return;
	sodium_memzero(token, strlen(token));
	free(token);
}
