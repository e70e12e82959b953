#include "daemon/identity.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "base/file.h"
#include "daemon/record.h"

#define KIND        "identity"
#define SECRETS_LEN (32 * 3)

/* Everything follows from the three 32-byte secrets, so only they are stored. */
static int derive(struct identity *identity, const uint8_t secrets[static SECRETS_LEN])
{
	memset(identity, 0, sizeof(*identity));
	crypto_sign_seed_keypair(identity->device_public, identity->device_secret, secrets);
	memcpy(identity->box_secret, secrets + 32, 32);
	memcpy(identity->wg_secret, secrets + 64, 32);
	if (crypto_scalarmult_base(identity->box_public, identity->box_secret) != 0 ||
	    crypto_scalarmult_base(identity->wg_public, identity->wg_secret) != 0)
		return -EBADMSG;
	return 0;
}

void identity_generate(struct identity *identity)
{
	uint8_t secrets[SECRETS_LEN];

	randombytes_buf(secrets, sizeof(secrets));
	derive(identity, secrets);
	sodium_memzero(secrets, sizeof(secrets));
}

static int derive_next(struct identity *identity, const uint8_t secret[static 32])
{
	memcpy(identity->next_secret, secret, 32);
	identity->has_next = true;
	return crypto_scalarmult_base(identity->next_public, identity->next_secret) ? -EBADMSG : 0;
}

void identity_prepare_next(struct identity *identity)
{
	uint8_t secret[32];

	if (identity->has_next)
		return;
	randombytes_buf(secret, sizeof(secret));
	derive_next(identity, secret);
	sodium_memzero(secret, sizeof(secret));
}

void identity_take_next(struct identity *identity)
{
	memcpy(identity->wg_secret, identity->next_secret, 32);
	memcpy(identity->wg_public, identity->next_public, 32);
	sodium_memzero(identity->next_secret, 32);
	identity->has_next = false;
}

int identity_save(const struct identity *identity, const char *path)
{
	uint8_t secrets[SECRETS_LEN + 32];
	int err;

	memcpy(secrets, identity->device_secret, 32); /* the seed is its first half */
	memcpy(secrets + 32, identity->box_secret, 32);
	memcpy(secrets + 64, identity->wg_secret, 32);
	memcpy(secrets + SECRETS_LEN, identity->next_secret, 32);
	err = record_write(path, KIND, secrets, SECRETS_LEN + (identity->has_next ? 32u : 0u));
	sodium_memzero(secrets, sizeof(secrets));
	return err;
}

int identity_load(struct identity *identity, const char *path)
{
	struct identity loaded;
	uint8_t *secrets;
	size_t len;
	int err = record_read(path, KIND, &secrets, &len);

	if (err < 0)
		return err;
	err = len == SECRETS_LEN || len == SECRETS_LEN + 32 ? derive(&loaded, secrets) : -EBADMSG;
	if (err == 0 && len > SECRETS_LEN)
		err = derive_next(&loaded, secrets + SECRETS_LEN);
	file_free_secret(secrets, len);
	if (err == 0)
		*identity = loaded;
	identity_clear(&loaded);
	return err;
}

void identity_clear(struct identity *identity)
{
	sodium_memzero(identity, sizeof(*identity));
}
