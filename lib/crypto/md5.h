#ifndef WARREN_CRYPTO_MD5_H
#define WARREN_CRYPTO_MD5_H

#include <stddef.h>
#include <stdint.h>

#define MD5_SIZE 16

/*
 * MD5, for nothing but the long-term key of STUN (RFC 8489 section 9.2.2). 0 or -ENOTSUP where
 * libcrypto was configured to refuse it.
 */
int md5_hash(uint8_t out[static MD5_SIZE], const void *data, size_t len);

#endif
