#include "proto/noise_ik.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "crypto/rng.h"

#define PROTOCOL "Noise_IK_25519_ChaChaPoly_BLAKE2s"

#define SEALED_KEY_SIZE (DH_KEY_SIZE + CHAPOLY_TAG_SIZE)

enum stage { STAGE_START, STAGE_FIRST_DONE, STAGE_ESTABLISHED, STAGE_FAILED };

static void init(struct noise_ik *ik, const uint8_t static_priv[static DH_KEY_SIZE],
		 const void *prologue, size_t prologue_len)
{
	memset(ik, 0, sizeof(*ik));
	memcpy(ik->static_priv, static_priv, DH_KEY_SIZE);
	dh_public(ik->static_pub, static_priv);
	noise_init(&ik->noise, PROTOCOL);
	noise_mix_hash(&ik->noise, prologue, prologue_len);
}

void noise_ik_init_initiator(struct noise_ik *ik, const uint8_t static_priv[static DH_KEY_SIZE],
			     const uint8_t remote_static[static DH_KEY_SIZE], const void *prologue,
			     size_t prologue_len)
{
	init(ik, static_priv, prologue, prologue_len);
	ik->initiator = true;
	memcpy(ik->remote_static, remote_static, DH_KEY_SIZE);
	noise_mix_hash(&ik->noise, ik->remote_static, DH_KEY_SIZE);
}

void noise_ik_init_responder(struct noise_ik *ik, const uint8_t static_priv[static DH_KEY_SIZE],
			     const void *prologue, size_t prologue_len)
{
	init(ik, static_priv, prologue, prologue_len);
	noise_mix_hash(&ik->noise, ik->static_pub, DH_KEY_SIZE);
}

void noise_ik_clear(struct noise_ik *ik)
{
	sodium_memzero(ik, sizeof(*ik));
	ik->stage = STAGE_FAILED;
}

bool noise_ik_established(const struct noise_ik *ik)
{
	return ik->stage == STAGE_ESTABLISHED;
}

/* Checks the turn and that a message of size len fits. */
static int check(const struct noise_ik *ik, bool initiator, enum stage stage, size_t len,
		 size_t max)
{
	if (ik->initiator != initiator || ik->stage != stage)
		return -EPROTO;
	if (len > max)
		return -ENOBUFS;
	return 0;
}

static int finish(struct noise_ik *ik, int ret, enum stage stage)
{
	ik->stage = (uint8_t)(ret < 0 ? STAGE_FAILED : stage);
	return ret;
}

static void establish(struct noise_ik *ik)
{
	struct noise_cipher *first = ik->initiator ? &ik->send : &ik->recv;
	struct noise_cipher *second = ik->initiator ? &ik->recv : &ik->send;

	memcpy(ik->handshake_hash, ik->noise.hash, HASH_SIZE);
	noise_split(&ik->noise, first->key, second->key);
	sodium_memzero(ik->ephemeral_priv, DH_KEY_SIZE);
	sodium_memzero(ik->static_priv, DH_KEY_SIZE);
}

static void write_ephemeral(struct noise_ik *ik, const struct rng *rng, uint8_t *out)
{
	dh_private_new(ik->ephemeral_priv, rng);
	dh_public(out, ik->ephemeral_priv);
	noise_mix_hash(&ik->noise, out, DH_KEY_SIZE);
}

static void read_ephemeral(struct noise_ik *ik, const uint8_t *in)
{
	memcpy(ik->remote_ephemeral, in, DH_KEY_SIZE);
	noise_mix_hash(&ik->noise, in, DH_KEY_SIZE);
}

int noise_ik_write_first(struct noise_ik *ik, const struct rng *rng, uint8_t *out, size_t out_max,
			 size_t *out_len, const void *payload, size_t payload_len)
{
	size_t max = out_max < NOISE_MESSAGE_MAX ? out_max : NOISE_MESSAGE_MAX;
	int ret = check(ik, true, STAGE_START, payload_len + NOISE_IK_FIRST_OVERHEAD, max);

	if (ret < 0)
		return ret;
	write_ephemeral(ik, rng, out);
	ret = noise_mix_dh(&ik->noise, ik->ephemeral_priv, ik->remote_static);
	if (ret < 0)
		return finish(ik, ret, STAGE_FAILED);
	noise_encrypt_and_hash(&ik->noise, out + DH_KEY_SIZE, ik->static_pub, DH_KEY_SIZE);
	ret = noise_mix_dh(&ik->noise, ik->static_priv, ik->remote_static);
	if (ret < 0)
		return finish(ik, ret, STAGE_FAILED);
	noise_encrypt_and_hash(&ik->noise, out + DH_KEY_SIZE + SEALED_KEY_SIZE, payload,
			       payload_len);
	*out_len = payload_len + NOISE_IK_FIRST_OVERHEAD;
	return finish(ik, 0, STAGE_FIRST_DONE);
}

static int read_first(struct noise_ik *ik, const uint8_t *in, size_t len, void *payload)
{
	int ret;

	read_ephemeral(ik, in);
	ret = noise_mix_dh(&ik->noise, ik->static_priv, ik->remote_ephemeral);
	if (ret < 0)
		return ret;
	if (!noise_decrypt_and_hash(&ik->noise, ik->remote_static, in + DH_KEY_SIZE,
				    SEALED_KEY_SIZE))
		return -EBADMSG;
	ret = noise_mix_dh(&ik->noise, ik->static_priv, ik->remote_static);
	if (ret < 0)
		return ret;
	if (!noise_decrypt_and_hash(&ik->noise, payload, in + DH_KEY_SIZE + SEALED_KEY_SIZE,
				    len - DH_KEY_SIZE - SEALED_KEY_SIZE))
		return -EBADMSG;
	return 0;
}

int noise_ik_read_first(struct noise_ik *ik, const uint8_t *in, size_t len, void *payload,
			size_t payload_max, size_t *payload_len)
{
	int ret;

	if (len < NOISE_IK_FIRST_OVERHEAD || len > NOISE_MESSAGE_MAX)
		return -EBADMSG;
	ret = check(ik, false, STAGE_START, len - NOISE_IK_FIRST_OVERHEAD, payload_max);
	if (ret < 0)
		return ret;
	ret = read_first(ik, in, len, payload);
	if (ret == 0)
		*payload_len = len - NOISE_IK_FIRST_OVERHEAD;
	return finish(ik, ret, STAGE_FIRST_DONE);
}

int noise_ik_write_second(struct noise_ik *ik, const struct rng *rng, uint8_t *out, size_t out_max,
			  size_t *out_len, const void *payload, size_t payload_len)
{
	size_t max = out_max < NOISE_MESSAGE_MAX ? out_max : NOISE_MESSAGE_MAX;
	int ret = check(ik, false, STAGE_FIRST_DONE, payload_len + NOISE_IK_SECOND_OVERHEAD, max);

	if (ret < 0)
		return ret;
	write_ephemeral(ik, rng, out);
	ret = noise_mix_dh(&ik->noise, ik->ephemeral_priv, ik->remote_ephemeral);
	if (ret == 0)
		ret = noise_mix_dh(&ik->noise, ik->ephemeral_priv, ik->remote_static);
	if (ret < 0)
		return finish(ik, ret, STAGE_FAILED);
	noise_encrypt_and_hash(&ik->noise, out + DH_KEY_SIZE, payload, payload_len);
	*out_len = payload_len + NOISE_IK_SECOND_OVERHEAD;
	establish(ik);
	return finish(ik, 0, STAGE_ESTABLISHED);
}

int noise_ik_read_second(struct noise_ik *ik, const uint8_t *in, size_t len, void *payload,
			 size_t payload_max, size_t *payload_len)
{
	int ret;

	if (len < NOISE_IK_SECOND_OVERHEAD || len > NOISE_MESSAGE_MAX)
		return -EBADMSG;
	ret = check(ik, true, STAGE_FIRST_DONE, len - NOISE_IK_SECOND_OVERHEAD, payload_max);
	if (ret < 0)
		return ret;
	read_ephemeral(ik, in);
	ret = noise_mix_dh(&ik->noise, ik->ephemeral_priv, ik->remote_ephemeral);
	if (ret == 0)
		ret = noise_mix_dh(&ik->noise, ik->static_priv, ik->remote_ephemeral);
	if (ret < 0)
		return finish(ik, ret, STAGE_FAILED);
	if (!noise_decrypt_and_hash(&ik->noise, payload, in + DH_KEY_SIZE, len - DH_KEY_SIZE))
		return finish(ik, -EBADMSG, STAGE_FAILED);
	*payload_len = len - NOISE_IK_SECOND_OVERHEAD;
	establish(ik);
	return finish(ik, 0, STAGE_ESTABLISHED);
}

int noise_ik_seal(struct noise_ik *ik, uint8_t *out, size_t out_max, size_t *out_len,
		  const void *msg, size_t len)
{
	int ret;

	if (ik->stage != STAGE_ESTABLISHED)
		return -EPROTO;
	if (len + CHAPOLY_TAG_SIZE > NOISE_MESSAGE_MAX || len + CHAPOLY_TAG_SIZE > out_max)
		return -ENOBUFS;
	ret = noise_cipher_seal(&ik->send, out, NULL, 0, msg, len);
	if (ret == 0)
		*out_len = len + CHAPOLY_TAG_SIZE;
	return ret;
}

int noise_ik_open(struct noise_ik *ik, void *msg, size_t msg_max, size_t *msg_len,
		  const uint8_t *in, size_t len)
{
	int ret;

	if (ik->stage != STAGE_ESTABLISHED)
		return -EPROTO;
	if (len < CHAPOLY_TAG_SIZE || len > NOISE_MESSAGE_MAX)
		return -EBADMSG;
	if (len - CHAPOLY_TAG_SIZE > msg_max)
		return -ENOBUFS;
	ret = noise_cipher_open(&ik->recv, msg, NULL, 0, in, len);
	if (ret == 0)
		*msg_len = len - CHAPOLY_TAG_SIZE;
	return ret;
}
