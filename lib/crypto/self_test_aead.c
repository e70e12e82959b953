#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/encoding.h"
#include "crypto/aead_backend.h"
#include "crypto/self_test.h"

/*
 * RFC 8439, A.5: key, nonce, text and ciphertext are the example's. The tag is the one for no
 * associated data, which the example has and transport data has not; chapoly's test has the other.
 */
static const char known_key[] = "1c9240a5eb55d38af333888604f6b5f0473917c1402b80099dca5cbc207075c0";
#define KNOWN_COUNTER 0x0807060504030201ULL
static const char known_text[] =
	"Internet-Drafts are draft documents valid for a maximum of six months and may be updated, "
	"replaced, or obsoleted by other documents at any time. It is inappropriate to use "
	"Internet-Drafts as reference material or to cite them other than as "
	"/\xe2\x80\x9cwork in progress./\xe2\x80\x9d";
#define KNOWN_SIZE (sizeof(known_text) - 1)
static const char known_sealed[] =
	"64a0861575861af460f062c79be643bd5e805cfd345cf389f108670ac76c8cb24c6cfc18755d43ee"
	"a09ee94e382d26b0bdb7b73c321b0100d4f03b7f355894cf332f830e710b97ce98c8a84abd0b9481"
	"14ad176e008d33bd60f982b1ff37c8559797a06ef4f0ef61c186324e2b3506383606907b6a7c02b0"
	"f9f6157b53c867e4b9166c767b804d46a59b5216cde7a4e99040c5a40433225ee282a1b0a06c523e"
	"af4534d7f83fa1155b0047718cbc546a0d072b04b3564eea1b422273f548271a0bb2316053fa7699"
	"1955ebd63159434ecebb4e466dae5a1073a6727627097a1049e617d91d361094fa68f0ff77987130"
	"305beaba2eda04df997b714d6c6f2c29a6ad5cb4022b02709b6e3570b1acaaf1f24f2a644f01acd1"
	"2b";

/* Around the blocks of ChaCha20 and Poly1305 and of the widest vectors; full packets; jumbo ones.
 */
static const uint16_t lengths[] = { 0,    1,    15,   16,   17,   31,   32,   33,   63,  64,  65,
				    127,  128,  129,  191,  192,  255,  256,  257,  511, 512, 513,
				    1023, 1024, 1280, 1419, 1420, 1421, 1424, 8920, 8921 };

#define LENGTHS    (sizeof(lengths) / sizeof(lengths[0]))
#define RANDOM     40 /* besides, of any length below this */
#define RANDOM_MAX 1500
#define JOBS       (LENGTHS + RANDOM) /* more than any backend takes at once */

struct trial {
	uint8_t key[AEAD_KEY_SIZE];
	size_t offset[JOBS]; /* of each packet in all four */
	uint8_t *plain;
	uint8_t *expected;
	uint8_t *sealed;
	uint8_t *opened;
	struct aead_job jobs[JOBS];
};

static bool known_answer(const struct aead_backend *backend, void *state)
{
	uint8_t key[AEAD_KEY_SIZE], sealed[KNOWN_SIZE + AEAD_TAG_SIZE], opened[KNOWN_SIZE];
	uint8_t expected[KNOWN_SIZE + AEAD_TAG_SIZE];
	struct aead_job job = { .in = (const uint8_t *)known_text,
				.out = sealed,
				.len = KNOWN_SIZE,
				.counter = KNOWN_COUNTER };

	if (encoding_hex_parse(key, sizeof(key), known_key) < 0 ||
	    encoding_hex_parse(expected, sizeof(expected), known_sealed) < 0)
		return false;
	backend->seal(state, key, &job, 1);
	if (memcmp(sealed, expected, sizeof(sealed)) != 0)
		return false;
	job.in = sealed;
	job.out = opened;
	backend->open(state, key, &job, 1);
	return job.authentic && memcmp(opened, known_text, KNOWN_SIZE) == 0;
}

static void jobs_set(struct trial *trial, const uint8_t *in, uint8_t *out)
{
	for (size_t i = 0; i < JOBS; i++) {
		trial->jobs[i].in = in + trial->offset[i];
		trial->jobs[i].out = out + trial->offset[i];
		trial->jobs[i].authentic = false;
	}
}

static struct trial *trial_new(void)
{
	struct trial *trial = calloc(1, sizeof(*trial));
	size_t size = 0;

	if (!trial)
		return NULL;
	randombytes_buf(trial->key, sizeof(trial->key));
	for (size_t i = 0; i < JOBS; i++) {
		struct aead_job *job = &trial->jobs[i];

		job->len = i < LENGTHS ? lengths[i] : randombytes_uniform(RANDOM_MAX);
		/* Some beyond 32 bits. */
		job->counter = randombytes_random() | (uint64_t)(i % 3) << (32 + i % 29);
		trial->offset[i] = size;
		size += job->len + AEAD_TAG_SIZE;
	}
	trial->plain = malloc(4 * size);
	if (!trial->plain) {
		free(trial);
		return NULL;
	}
	trial->expected = trial->plain + size;
	trial->sealed = trial->expected + size;
	trial->opened = trial->sealed + size;
	randombytes_buf(trial->plain, size);
	return trial;
}

static void trial_free(struct trial *trial)
{
	free(trial->plain);
	free(trial);
}

static size_t trial_size(const struct trial *trial)
{
	return (size_t)(trial->expected - trial->plain);
}

/* Every packet alone, into its own place. */
static void expect(struct trial *trial, const struct aead_backend *reference, void *state)
{
	jobs_set(trial, trial->plain, trial->expected);
	for (size_t i = 0; i < JOBS; i++)
		reference->seal(state, trial->key, &trial->jobs[i], 1);
}

static bool seals(struct trial *trial, const struct aead_backend *backend, void *state)
{
	size_t size = trial_size(trial);

	jobs_set(trial, trial->plain, trial->sealed);
	backend->seal(state, trial->key, trial->jobs, JOBS);
	if (memcmp(trial->sealed, trial->expected, size) != 0)
		return false;
	memcpy(trial->sealed, trial->plain, size);
	jobs_set(trial, trial->sealed, trial->sealed);
	backend->seal(state, trial->key, trial->jobs, JOBS);
	return memcmp(trial->sealed, trial->expected, size) == 0;
}

static bool is_plain(const struct trial *trial, size_t i, const uint8_t *in)
{
	return memcmp(in + trial->offset[i], trial->plain + trial->offset[i], trial->jobs[i].len) ==
	       0;
}

/* damage: flips a bit of every packet that is not the third, by turns of text and tag. */
static bool opens(struct trial *trial, const struct aead_backend *backend, void *state,
		  bool in_place, bool damage)
{
	uint8_t *out = in_place ? trial->sealed : trial->opened;

	memcpy(trial->sealed, trial->expected, trial_size(trial));
	for (size_t i = 0; damage && i < JOBS; i++) {
		size_t text = trial->jobs[i].len;
		size_t at = i % 3 == 1 && text ? randombytes_uniform((uint32_t)text)
					       : text + randombytes_uniform(AEAD_TAG_SIZE);

		if (i % 3)
			trial->sealed[trial->offset[i] + at] ^= (uint8_t)(1 << i % 8);
	}
	jobs_set(trial, trial->sealed, out);
	backend->open(state, trial->key, trial->jobs, JOBS);
	for (size_t i = 0; i < JOBS; i++) {
		bool authentic = !damage || i % 3 == 0;

		if (trial->jobs[i].authentic != authentic ||
		    (authentic && !is_plain(trial, i, out)))
			return false;
	}
	return true;
}

/* The counter is part of what the tag vouches for. */
static bool refuses_other_counter(struct trial *trial, const struct aead_backend *backend,
				  void *state)
{
	bool refused = true;

	jobs_set(trial, trial->expected, trial->opened);
	for (size_t i = 0; i < JOBS; i++)
		trial->jobs[i].counter ^= 1ULL << (i % 64);
	backend->open(state, trial->key, trial->jobs, JOBS);
	for (size_t i = 0; i < JOBS; i++) {
		refused &= !trial->jobs[i].authentic;
		trial->jobs[i].counter ^= 1ULL << (i % 64);
	}
	return refused;
}

static bool compare(const struct aead_backend *backend, void *state,
		    const struct aead_backend *reference, void *reference_state)
{
	struct trial *trial = trial_new();
	bool ok;

	if (!trial)
		return false;
	expect(trial, reference, reference_state);
	ok = seals(trial, backend, state) && opens(trial, backend, state, false, false) &&
	     opens(trial, backend, state, true, false) &&
	     opens(trial, backend, state, false, true) &&
	     opens(trial, backend, state, true, true) &&
	     refuses_other_counter(trial, backend, state);
	trial_free(trial);
	return ok;
}

bool self_test_aead(const struct aead_backend *backend, const struct aead_backend *reference)
{
	void *state = sodium_init() < 0 ? NULL : backend->state_new();
	void *reference_state;
	bool ok = false;

	if (!state)
		return false;
	reference_state = reference ? reference->state_new() : NULL;
	if (!reference)
		ok = known_answer(backend, state);
	else if (reference_state)
		ok = known_answer(backend, state) &&
		     compare(backend, state, reference, reference_state);
	if (reference_state)
		reference->state_free(reference_state);
	backend->state_free(state);
	return ok;
}
