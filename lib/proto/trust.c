#include "proto/trust.h"

#include <errno.h>
#include <string.h>

#include "crypto/sign.h"

void trust_init(struct trust *trust, const uint8_t network_id[static TRUST_NETWORK_ID_SIZE],
		const uint8_t authority_key[static 32])
{
	*trust = (struct trust){ .version = 0 };
	memcpy(trust->network_id, network_id, TRUST_NETWORK_ID_SIZE);
	memcpy(trust->authority_key, authority_key, 32);
}

static bool is_authority(const struct trust *trust, const uint8_t key[static 32])
{
	return memcmp(trust->authority_key, key, 32) == 0;
}

bool trust_is_signer(const struct trust *trust, const uint8_t key[static 32])
{
	if (is_authority(trust, key))
		return true;
	for (size_t i = 0; trust_is_strict(trust) && i < trust->signer_count; i++)
		if (memcmp(trust->signers[i], key, 32) == 0)
			return true;
	return false;
}

static bool is_entries(const uint8_t *set, size_t len)
{
	if (len == 0 || len % TRUST_ENTRY_SIZE != 0 || len > TRUST_SET_MAX)
		return false;
	for (size_t i = TRUST_ENTRY_SIZE; i < len; i += TRUST_ENTRY_SIZE)
		if (memcmp(set + i - TRUST_ENTRY_SIZE, set + i, 32) >= 0)
			return false;
	return true;
}

bool trust_set_valid(const uint8_t *set, size_t len)
{
	return len == SIGN_SIZE || is_entries(set, len);
}

int trust_check(const struct trust *trust, const char *domain, const void *message, size_t len,
		const uint8_t *set, size_t set_len)
{
	bool authority = false;
	size_t signers = 0;

	if (set_len == SIGN_SIZE)
		return sign_verify(set, trust->authority_key, domain, message, len) ? 0 : -EPERM;
	if (!is_entries(set, set_len))
		return -EPERM;
	for (size_t i = 0; i < set_len; i += TRUST_ENTRY_SIZE) {
		if (!trust_is_signer(trust, set + i) ||
		    !sign_verify(set + i + 32, set + i, domain, message, len))
			return -EPERM;
		if (is_authority(trust, set + i))
			authority = true;
		else
			signers++;
	}
	return authority || (trust->threshold > 0 && signers >= trust->threshold) ? 0 : -EPERM;
}

int trust_check_authority(const uint8_t authority_key[static 32], const char *domain,
			  const void *message, size_t len, const uint8_t *set, size_t set_len)
{
	struct trust alone = { .version = 0 };

	memcpy(alone.authority_key, authority_key, 32);
	return trust_check(&alone, domain, message, len, set, set_len);
}

bool trust_check_map(const struct trust *trust, const char *domain, const void *message, size_t len,
		     const uint8_t signature[static 64])
{
	return (trust_is_strict(trust) &&
		sign_verify(signature, trust->map_key, domain, message, len)) ||
	       sign_verify(signature, trust->authority_key, domain, message, len);
}

int trust_set_add(uint8_t set[static TRUST_SET_MAX], size_t *set_len, const uint8_t key[static 32],
		  const uint8_t signature[static 64])
{
	size_t at = 0;
	bool same;

	while (at < *set_len && memcmp(set + at, key, 32) < 0)
		at += TRUST_ENTRY_SIZE;
	same = at < *set_len && memcmp(set + at, key, 32) == 0;
	if (!same && *set_len + TRUST_ENTRY_SIZE > TRUST_SET_MAX)
		return -ENOSPC;
	if (!same) {
		memmove(set + at + TRUST_ENTRY_SIZE, set + at, *set_len - at);
		*set_len += TRUST_ENTRY_SIZE;
	}
	memcpy(set + at, key, 32);
	memcpy(set + at + 32, signature, SIGN_SIZE);
	return 0;
}

size_t trust_set_trim(const struct trust *trust, const char *domain, const void *message,
		      size_t len, uint8_t set[static TRUST_SET_MAX], size_t *set_len)
{
	size_t kept = 0;

	for (size_t i = 0; i < *set_len; i += TRUST_ENTRY_SIZE) {
		if (!trust_is_signer(trust, set + i) ||
		    !sign_verify(set + i + 32, set + i, domain, message, len))
			continue;
		memmove(set + kept, set + i, TRUST_ENTRY_SIZE);
		kept += TRUST_ENTRY_SIZE;
	}
	*set_len = kept;
	return kept / TRUST_ENTRY_SIZE;
}
