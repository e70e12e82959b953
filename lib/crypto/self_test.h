#ifndef WARREN_CRYPTO_SELF_TEST_H
#define WARREN_CRYPTO_SELF_TEST_H

#include <stdbool.h>
#include <stddef.h>

struct aead_backend;

/*
 * Does what the machine's libraries compute agree with the standards, and with each other? Run at
 * every start, before anything is computed that counts; all together takes a few milliseconds.
 */

/* The primitives that have one library each: index 0, 1, … until NULL. */
const char *self_test_name(size_t index);
/* Known answers, and that what is forged is refused. */
bool self_test_run(size_t index);

/*
 * A backend of bulk encryption: the known answer of RFC 8439; then packets of random bytes, in
 * every length at which block ciphers change their path, many in one call, in place and not, must
 * come out as from reference, which is another library (NULL: known answer only), and be opened
 * again unless a bit was changed. False also when it cannot be used here at all.
 */
bool self_test_aead(const struct aead_backend *backend, const struct aead_backend *reference);

#endif
