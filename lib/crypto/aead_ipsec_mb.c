#include "crypto/aead_backend.h"

#ifdef HAVE_IPSEC_MB

#include <intel-ipsec-mb.h>
#include <sodium.h>
#include <stdlib.h>

#define JOBS_MAX 64

struct ipsec_mb_state {
	IMB_MGR *mgr;
	uint8_t nonce[JOBS_MAX][AEAD_NONCE_SIZE];
	uint8_t tag[JOBS_MAX][AEAD_TAG_SIZE];
};

static void ipsec_mb_state_free(void *arg)
{
	struct ipsec_mb_state *state = arg;

	if (!state)
		return;
	if (state->mgr)
		free_mb_mgr(state->mgr);
	sodium_memzero(state, sizeof(*state));
	free(state);
}

static void *ipsec_mb_state_new(void)
{
	struct ipsec_mb_state *state = calloc(1, sizeof(*state));

	if (!state)
		return NULL;
	state->mgr = alloc_mb_mgr(0);
	if (state->mgr)
		init_mb_mgr_auto(state->mgr, NULL);
	if (!state->mgr || imb_get_errno(state->mgr) != 0) {
		ipsec_mb_state_free(state);
		return NULL;
	}
	return state;
}

static void fill_job(IMB_JOB *out, const struct aead_job *job, const uint8_t *key,
		     const uint8_t *nonce, uint8_t *tag, bool seal)
{
	*out = (IMB_JOB){
		.enc_keys = key,
		.dec_keys = key,
		.key_len_in_bytes = AEAD_KEY_SIZE,
		.src = job->in,
		.dst = job->out,
		.msg_len_to_cipher_in_bytes = job->len,
		.msg_len_to_hash_in_bytes = job->len,
		.iv = nonce,
		.iv_len_in_bytes = AEAD_NONCE_SIZE,
		.auth_tag_output = tag,
		.auth_tag_output_len_in_bytes = AEAD_TAG_SIZE,
		.cipher_mode = IMB_CIPHER_CHACHA20_POLY1305,
		.cipher_direction = seal ? IMB_DIR_ENCRYPT : IMB_DIR_DECRYPT,
		.hash_alg = IMB_AUTH_CHACHA20_POLY1305,
		.chain_order = seal ? IMB_ORDER_CIPHER_HASH : IMB_ORDER_HASH_CIPHER,
	};
}

/*
 * At most JOBS_MAX jobs, all done when it returns. One job a call: the burst calls want a session
 * set up for every job since version 1.4, and gain nothing for a cipher that works job by job.
 */
static void run_jobs(struct ipsec_mb_state *state, const uint8_t *key, struct aead_job *jobs,
		     size_t count, bool seal)
{
	for (size_t i = 0; i < count; i++) {
		uint8_t *tag = seal ? jobs[i].out + jobs[i].len : state->tag[i];

		aead_nonce(state->nonce[i], jobs[i].counter);
		fill_job(IMB_GET_NEXT_JOB(state->mgr), &jobs[i], key, state->nonce[i], tag, seal);
		IMB_SUBMIT_JOB_NOCHECK(state->mgr);
	}
	while (IMB_FLUSH_JOB(state->mgr))
		;
}

static void ipsec_mb_seal(void *arg, const uint8_t *key, struct aead_job *jobs, size_t count)
{
	for (size_t done = 0; done < count; done += JOBS_MAX) {
		size_t n = count - done < JOBS_MAX ? count - done : JOBS_MAX;

		run_jobs(arg, key, jobs + done, n, true);
	}
}

static void ipsec_mb_open(void *arg, const uint8_t *key, struct aead_job *jobs, size_t count)
{
	struct ipsec_mb_state *state = arg;

	for (size_t done = 0; done < count; done += JOBS_MAX) {
		size_t n = count - done < JOBS_MAX ? count - done : JOBS_MAX;
		struct aead_job *part = jobs + done;

		run_jobs(state, key, part, n, false);
		/* In place only the plaintext was overwritten: the tag is still there. */
		for (size_t i = 0; i < n; i++)
			part[i].authentic = sodium_memcmp(state->tag[i], part[i].in + part[i].len,
							  AEAD_TAG_SIZE) == 0;
	}
}

const struct aead_backend aead_backend_ipsec_mb = {
	.name = "ipsec-mb",
	.state_new = ipsec_mb_state_new,
	.state_free = ipsec_mb_state_free,
	.seal = ipsec_mb_seal,
	.open = ipsec_mb_open,
};

#endif
