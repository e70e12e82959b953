#ifndef WARREN_CRYPTO_SECRET_H
#define WARREN_CRYPTO_SECRET_H

#include <stddef.h>

/*
 * Memory for long-lived secrets: guard pages around it, kept out of core dumps and swap where the
 * system allows. A page or more each, so for whole identities, not for single session keys.
 */

/* Zeroed. NULL when out of memory. */
void *secret_new(size_t len);
/* Wipes and frees. Accepts NULL. */
void secret_free(void *secret);

#endif
