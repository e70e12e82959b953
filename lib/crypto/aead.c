#include "crypto/aead_backend.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct aead {
	const struct aead_backend *backend;
	void *state;
};

static const struct aead_backend *const backends[] = {
#ifdef HAVE_IPSEC_MB
	&aead_backend_ipsec_mb,
#endif
#ifdef HAVE_BORINGSSL
	&aead_backend_boringssl,
#endif
	&aead_backend_libcrypto,
	&aead_backend_libsodium,
};

#define BACKENDS (sizeof(backends) / sizeof(backends[0]))

/* Full-size packets, as many as one offloaded read brings. */
#define TRIAL_PACKETS 32
#define TRIAL_SIZE    1424
#define TRIAL_TURNS   4

void aead_nonce(uint8_t nonce[static AEAD_NONCE_SIZE], uint64_t counter)
{
	memset(nonce, 0, 4);
	for (int i = 0; i < 8; i++)
		nonce[4 + i] = (uint8_t)(counter >> (8 * i));
}

/* Number index of those that are there; NULL: fewer are. */
static const struct aead_backend *backend_at(size_t index)
{
	for (size_t i = 0; i < BACKENDS; i++)
		if ((!backends[i]->available || backends[i]->available()) && index-- == 0)
			return backends[i];
	return NULL;
}

const char *aead_backend_name(size_t index)
{
	const struct aead_backend *backend = backend_at(index);

	return backend ? backend->name : NULL;
}

static int new_with(struct aead **out, const struct aead_backend *backend)
{
	struct aead *aead = calloc(1, sizeof(*aead));

	if (!aead)
		return -ENOMEM;
	aead->backend = backend;
	aead->state = backend->state_new();
	if (!aead->state) {
		free(aead);
		return -ENOMEM;
	}
	if (!aead_self_test(aead)) {
		aead_free(aead);
		return -EIO;
	}
	*out = aead;
	return 0;
}

int aead_new(struct aead **out, const char *name)
{
	const struct aead_backend *backend;

	for (size_t i = 0; (backend = backend_at(i)); i++)
		if (!strcmp(backend->name, name))
			return new_with(out, backend);
	return -EINVAL;
}

void aead_free(struct aead *aead)
{
	if (!aead)
		return;
	aead->backend->state_free(aead->state);
	free(aead);
}

const char *aead_name(const struct aead *aead)
{
	return aead->backend->name;
}

void aead_seal(struct aead *aead, const uint8_t key[static AEAD_KEY_SIZE], struct aead_job *jobs,
	       size_t count)
{
	aead->backend->seal(aead->state, key, jobs, count);
}

void aead_open(struct aead *aead, const uint8_t key[static AEAD_KEY_SIZE], struct aead_job *jobs,
	       size_t count)
{
	aead->backend->open(aead->state, key, jobs, count);
}

/*
 * RFC 8439, A.5: key, nonce and ciphertext are the example's, cut to its first 64 bytes. The tag is
 * the one for no associated data, which the example has and transport data has not.
 */
static const uint8_t vector_key[AEAD_KEY_SIZE] = {
	0x1c, 0x92, 0x40, 0xa5, 0xeb, 0x55, 0xd3, 0x8a, 0xf3, 0x33, 0x88,
	0x86, 0x04, 0xf6, 0xb5, 0xf0, 0x47, 0x39, 0x17, 0xc1, 0x40, 0x2b,
	0x80, 0x09, 0x9d, 0xca, 0x5c, 0xbc, 0x20, 0x70, 0x75, 0xc0,
};
#define VECTOR_COUNTER 0x0807060504030201ULL
#define VECTOR_SIZE    64
static const char vector_plain[] =
	"Internet-Drafts are draft documents valid for a maximum of six months and may be";
static const uint8_t vector_sealed[VECTOR_SIZE + AEAD_TAG_SIZE] = {
	0x64, 0xa0, 0x86, 0x15, 0x75, 0x86, 0x1a, 0xf4, 0x60, 0xf0, 0x62, 0xc7, 0x9b, 0xe6,
	0x43, 0xbd, 0x5e, 0x80, 0x5c, 0xfd, 0x34, 0x5c, 0xf3, 0x89, 0xf1, 0x08, 0x67, 0x0a,
	0xc7, 0x6c, 0x8c, 0xb2, 0x4c, 0x6c, 0xfc, 0x18, 0x75, 0x5d, 0x43, 0xee, 0xa0, 0x9e,
	0xe9, 0x4e, 0x38, 0x2d, 0x26, 0xb0, 0xbd, 0xb7, 0xb7, 0x3c, 0x32, 0x1b, 0x01, 0x00,
	0xd4, 0xf0, 0x3b, 0x7f, 0x35, 0x58, 0x94, 0xcf, 0x6a, 0x03, 0x47, 0x0a, 0xd6, 0x73,
	0xe5, 0xd2, 0x76, 0x44, 0x7e, 0x00, 0x0e, 0x77, 0x16, 0xc4,
};

bool aead_self_test(struct aead *aead)
{
	uint8_t sealed[sizeof(vector_sealed)];
	uint8_t plain[sizeof(vector_sealed)];
	struct aead_job job = {
		.in = (const uint8_t *)vector_plain,
		.out = sealed,
		.len = VECTOR_SIZE,
		.counter = VECTOR_COUNTER,
	};

	aead_seal(aead, vector_key, &job, 1);
	if (memcmp(sealed, vector_sealed, sizeof(sealed)) != 0)
		return false;
	job.in = sealed;
	job.out = plain;
	aead_open(aead, vector_key, &job, 1);
	if (!job.authentic || memcmp(plain, vector_plain, VECTOR_SIZE) != 0)
		return false;
	sealed[sizeof(sealed) - 1] ^= 1;
	aead_open(aead, vector_key, &job, 1);
	return !job.authentic;
}

/* Bytes sealed and opened in a second, 0 when there is no memory. */
static uint64_t measure(struct aead *aead, uint64_t budget_ns, uint64_t (*clock_ns)(void))
{
	struct aead_job jobs[TRIAL_PACKETS];
	size_t stride = TRIAL_SIZE + AEAD_TAG_SIZE;
	uint8_t *data = calloc(TRIAL_PACKETS, stride);
	uint64_t start_ns;
	uint64_t spent_ns;
	uint64_t rounds = 0;

	if (!data)
		return 0;
	for (size_t i = 0; i < TRIAL_PACKETS; i++)
		jobs[i] = (struct aead_job){ .in = data + i * stride,
					     .out = data + i * stride,
					     .len = TRIAL_SIZE,
					     .counter = i };
	aead_seal(aead, vector_key, jobs, TRIAL_PACKETS); /* caches warm, pages touched */
	start_ns = clock_ns();
	do {
		aead_open(aead, vector_key, jobs, TRIAL_PACKETS);
		aead_seal(aead, vector_key, jobs, TRIAL_PACKETS);
		rounds++;
		spent_ns = clock_ns() - start_ns;
	} while (spent_ns < budget_ns);
	free(data);
	return rounds * 2 * TRIAL_PACKETS * TRIAL_SIZE * 1000000000ULL / (spent_ns + 1);
}

uint64_t aead_measure(const char *name, uint64_t budget_ns, uint64_t (*clock_ns)(void))
{
	struct aead *aead;
	uint64_t speed;

	if (aead_new(&aead, name) < 0)
		return 0;
	speed = measure(aead, budget_ns, clock_ns);
	aead_free(aead);
	return speed;
}

const char *aead_fastest(uint64_t budget_ns, uint64_t (*clock_ns)(void))
{
	const char *fastest = NULL;
	uint64_t best = 0;

	/* In turns, and the best turn counts: others use the processor too. */
	for (size_t turn = 0; turn < TRIAL_TURNS; turn++) {
		const char *name;

		for (size_t i = 0; (name = aead_backend_name(i)); i++) {
			uint64_t speed = aead_measure(name, budget_ns / TRIAL_TURNS, clock_ns);

			if (speed > best) {
				best = speed;
				fastest = name;
			}
		}
	}
	return fastest;
}
