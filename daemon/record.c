#include "daemon/record.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

/* "WARREN1\n", kind padded with NULs, hash of kind and payload, payload. */
#define MAGIC     "WARREN1\n"
#define MAGIC_LEN 8
#define KIND_LEN  8
#define HASH_LEN  32
#define HEAD_LEN  (MAGIC_LEN + KIND_LEN + HASH_LEN)

static void make_head(uint8_t head[static HEAD_LEN], const char *kind, const uint8_t *payload,
		      size_t len)
{
	crypto_generichash_state state;

	memcpy(head, MAGIC, MAGIC_LEN);
	memset(head + MAGIC_LEN, 0, KIND_LEN);
	memcpy(head + MAGIC_LEN, kind, strnlen(kind, KIND_LEN));
	crypto_generichash_init(&state, NULL, 0, HASH_LEN);
	crypto_generichash_update(&state, head, MAGIC_LEN + KIND_LEN);
	crypto_generichash_update(&state, payload, len);
	crypto_generichash_final(&state, head + MAGIC_LEN + KIND_LEN, HASH_LEN);
}

int record_write(const char *path, const char *kind, const void *payload, size_t len)
{
	uint8_t *file;
	int err;

	if (len > RECORD_MAX)
		return -EFBIG;
	file = malloc(HEAD_LEN + len);
	if (!file)
		return -ENOMEM;
	if (len)
		memcpy(file + HEAD_LEN, payload, len);
	make_head(file, kind, file + HEAD_LEN, len);
	err = file_write_atomic(path, file, HEAD_LEN + len, 0600);
	file_free_secret(file, HEAD_LEN + len);
	return err;
}

int record_read(const char *path, const char *kind, uint8_t **payload, size_t *len)
{
	uint8_t head[HEAD_LEN];
	uint8_t *file;
	size_t file_len;
	int err = file_read_secret(path, HEAD_LEN + RECORD_MAX, &file, &file_len);

	if (err < 0)
		return err;
	if (file_len < HEAD_LEN) {
		file_free_secret(file, file_len);
		return -EBADMSG;
	}
	make_head(head, kind, file + HEAD_LEN, file_len - HEAD_LEN);
	if (memcmp(head, file, HEAD_LEN) != 0) {
		file_free_secret(file, file_len);
		return -EBADMSG;
	}
	*len = file_len - HEAD_LEN;
	memmove(file, file + HEAD_LEN, *len + 1); /* with the NUL that file_read puts at the end */
	sodium_memzero(file + *len + 1, HEAD_LEN - 1);
	*payload = file;
	return 0;
}
