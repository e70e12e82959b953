#include "crypto/md5.h"

#include <errno.h>
#include <openssl/evp.h>

int md5_hash(uint8_t out[static MD5_SIZE], const void *data, size_t len)
{
	return EVP_Digest(data, len, out, NULL, EVP_md5(), NULL) == 1 ? 0 : -ENOTSUP;
}
