#include "proto/handshake.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "base/buf.h"
#include "crypto/rng.h"
#include "proto/wg_message.h"

#define CONSTRUCTION "Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s"
#define IDENTIFIER   "WireGuard v1 zx2c4 Jason@zx2c4.com"

void wg_identity_set(struct wg_identity *identity, const uint8_t priv[static 32])
{
	memcpy(identity->priv, priv, 32);
	identity->present = !sodium_is_zero(priv, 32);
	if (identity->present) {
		dh_private_clamp(identity->priv);
		dh_public(identity->pub, identity->priv);
	} else {
		memset(identity->pub, 0, 32);
	}
}

void handshake_init(struct handshake *hs, const struct wg_identity *identity,
		    const uint8_t remote_static[static 32])
{
	memset(hs, 0, sizeof(*hs));
	memcpy(hs->remote_static, remote_static, 32);
	handshake_set_identity(hs, identity);
}

void handshake_set_identity(struct handshake *hs, const struct wg_identity *identity)
{
	handshake_forget_initiation(hs);
	hs->possible = identity->present &&
		       dh_shared(hs->static_static, identity->priv, hs->remote_static) == 0;
	if (!hs->possible)
		sodium_memzero(hs->static_static, sizeof(hs->static_static));
}

void handshake_set_psk(struct handshake *hs, const uint8_t psk[static 32])
{
	memcpy(hs->psk, psk, 32);
}

void handshake_forget_initiation(struct handshake *hs)
{
	hs->initiated = false;
	hs->local_index = 0;
	sodium_memzero(hs->ephemeral_priv, sizeof(hs->ephemeral_priv));
	noise_clear(&hs->noise);
}

void handshake_clear(struct handshake *hs)
{
	sodium_memzero(hs, sizeof(*hs));
}

/* WireGuard mixes an ephemeral key into the chaining key as well, for the psk's sake. */
static void mix_ephemeral(struct noise_state *noise, const uint8_t pub[static 32])
{
	noise_mix_hash(noise, pub, 32);
	hash_kdf(noise->chaining_key, NULL, NULL, noise->chaining_key, pub, 32);
}

static void start(struct noise_state *noise, const uint8_t responder_pub[static 32])
{
	noise_init(noise, CONSTRUCTION);
	noise_mix_hash(noise, IDENTIFIER, strlen(IDENTIFIER));
	noise_mix_hash(noise, responder_pub, 32);
}

int handshake_create_initiation(struct handshake *hs, const struct wg_identity *identity,
				const struct rng *rng, const uint8_t timestamp[static TAI64N_SIZE],
				uint32_t local_index, struct wg_initiation *msg)
{
	struct noise_state *noise = &hs->noise;

	handshake_forget_initiation(hs);
	if (!hs->possible)
		return -ENOKEY;
	memset(msg, 0, sizeof(*msg));
	msg->type[0] = WG_INITIATION;
	store_le32(msg->sender, local_index);

	start(noise, hs->remote_static);
	dh_private_new(hs->ephemeral_priv, rng);
	dh_public(msg->ephemeral, hs->ephemeral_priv);
	mix_ephemeral(noise, msg->ephemeral);
	if (noise_mix_dh(noise, hs->ephemeral_priv, hs->remote_static) < 0) {
		handshake_forget_initiation(hs);
		return -ENOKEY;
	}
	noise_encrypt_and_hash(noise, msg->sealed_static, identity->pub, 32);
	noise_mix_key(noise, hs->static_static);
	noise_encrypt_and_hash(noise, msg->sealed_timestamp, timestamp, TAI64N_SIZE);

	hs->local_index = local_index;
	hs->initiated = true;
	return 0;
}

int wg_incoming_open(struct wg_incoming *in, const struct wg_identity *identity,
		     const struct wg_initiation *msg)
{
	if (!identity->present)
		return -ENOKEY;
	start(&in->noise, identity->pub);
	memcpy(in->remote_ephemeral, msg->ephemeral, 32);
	in->remote_index = load_le32(msg->sender);
	mix_ephemeral(&in->noise, msg->ephemeral);
	if (noise_mix_dh(&in->noise, identity->priv, msg->ephemeral) < 0 ||
	    !noise_decrypt_and_hash(&in->noise, in->remote_static, msg->sealed_static,
				    sizeof(msg->sealed_static))) {
		wg_incoming_clear(in);
		return -EBADMSG;
	}
	return 0;
}

void wg_incoming_clear(struct wg_incoming *in)
{
	sodium_memzero(in, sizeof(*in));
}

int handshake_accept(struct handshake *hs, struct wg_incoming *in, const struct wg_initiation *msg,
		     uint64_t now_ns)
{
	uint8_t timestamp[TAI64N_SIZE];

	if (!hs->possible)
		return -EBADMSG;
	noise_mix_key(&in->noise, hs->static_static);
	if (!noise_decrypt_and_hash(&in->noise, timestamp, msg->sealed_timestamp,
				    sizeof(msg->sealed_timestamp)))
		return -EBADMSG;
	if (!tai64n_after(timestamp, hs->latest_timestamp))
		return -EALREADY;
	if (hs->consumed && now_ns - hs->consumed_ns < HANDSHAKE_INITIATIONS_MIN_NS)
		return -EBUSY;
	memcpy(hs->latest_timestamp, timestamp, TAI64N_SIZE);
	hs->consumed = true;
	hs->consumed_ns = now_ns;
	return 0;
}

int handshake_respond(const struct handshake *hs, struct wg_incoming *in, const struct rng *rng,
		      uint32_t local_index, struct wg_response *msg, struct wg_session *session)
{
	struct noise_state *noise = &in->noise;
	uint8_t ephemeral_priv[32];
	int ret;

	memset(msg, 0, sizeof(*msg));
	msg->type[0] = WG_RESPONSE;
	store_le32(msg->sender, local_index);
	store_le32(msg->receiver, in->remote_index);

	dh_private_new(ephemeral_priv, rng);
	dh_public(msg->ephemeral, ephemeral_priv);
	mix_ephemeral(noise, msg->ephemeral);
	ret = noise_mix_dh(noise, ephemeral_priv, in->remote_ephemeral);
	if (ret == 0)
		ret = noise_mix_dh(noise, ephemeral_priv, hs->remote_static);
	sodium_memzero(ephemeral_priv, sizeof(ephemeral_priv));
	if (ret < 0) {
		wg_incoming_clear(in);
		return -EBADMSG;
	}
	noise_mix_psk(noise, hs->psk);
	noise_encrypt_and_hash(noise, msg->sealed_nothing, NULL, 0);

	session->initiator = false;
	session->local_index = local_index;
	session->remote_index = in->remote_index;
	noise_split(noise, session->recv_key, session->send_key);
	wg_incoming_clear(in);
	return 0;
}

/* Works on a copy, so that a forged response harms nothing. */
static int open_response(struct noise_state *noise, const struct handshake *hs,
			 const struct wg_identity *identity, const struct wg_response *msg)
{
	*noise = hs->noise;
	mix_ephemeral(noise, msg->ephemeral);
	if (noise_mix_dh(noise, hs->ephemeral_priv, msg->ephemeral) < 0 ||
	    noise_mix_dh(noise, identity->priv, msg->ephemeral) < 0)
		return -EBADMSG;
	noise_mix_psk(noise, hs->psk);
	if (!noise_decrypt_and_hash(noise, NULL, msg->sealed_nothing, sizeof(msg->sealed_nothing)))
		return -EBADMSG;
	return 0;
}

int handshake_consume_response(struct handshake *hs, const struct wg_identity *identity,
			       const struct wg_response *msg, struct wg_session *session)
{
	struct noise_state noise;
	int ret;

	if (!hs->initiated || load_le32(msg->receiver) != hs->local_index)
		return -EPROTO;
	ret = open_response(&noise, hs, identity, msg);
	if (ret == 0) {
		session->initiator = true;
		session->local_index = hs->local_index;
		session->remote_index = load_le32(msg->sender);
		noise_split(&noise, session->send_key, session->recv_key);
		handshake_forget_initiation(hs);
	}
	noise_clear(&noise);
	return ret;
}
