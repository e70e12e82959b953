#include "crypto/aead_backend.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/self_test.h"

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
#define TRIAL_STRIDE  (TRIAL_SIZE + AEAD_TAG_SIZE)
#define TRIAL_TURNS   8

/* What is faster by less than a twentieth is so by chance: then the better guess is taken. */
#define CLEARLY_FASTER(a, b) ((a) > (b) + (b) / 20)

/* Which backends work: found out before anybody uses one, and only once. */
static bool verdicts[BACKENDS];
static pthread_once_t verdicts_once = PTHREAD_ONCE_INIT;

void aead_nonce(uint8_t nonce[static AEAD_NONCE_SIZE], uint64_t counter)
{
	memset(nonce, 0, 4);
	for (int i = 0; i < 8; i++)
		nonce[4 + i] = (uint8_t)(counter >> (8 * i));
}

static bool available(size_t i)
{
	return !backends[i]->available || backends[i]->available();
}

const char *aead_backend_name(size_t index)
{
	for (size_t i = 0; i < BACKENDS; i++)
		if (available(i) && index-- == 0)
			return backends[i]->name;
	return NULL;
}

/* Agrees with another library, the most conservative being asked first. */
static bool agrees(size_t index)
{
	for (size_t i = BACKENDS; i-- > 0;)
		if (i != index && available(i) && self_test_aead(backends[index], backends[i]))
			return true;
	return false;
}

static void judge(void)
{
	bool any = false;

	for (size_t i = 0; i < BACKENDS; i++)
		any |= verdicts[i] = available(i) && agrees(i);
	/* Nobody can tell who is right: then the one that handshakes rely on anyway. */
	if (!any)
		verdicts[BACKENDS - 1] = self_test_aead(backends[BACKENDS - 1], NULL);
}

static bool works(size_t index)
{
	pthread_once(&verdicts_once, judge);
	return verdicts[index];
}

static int new_with(struct aead **out, size_t index)
{
	const struct aead_backend *backend = backends[index];
	struct aead *aead;

	if (!works(index))
		return -EIO;
	aead = calloc(1, sizeof(*aead));
	if (!aead)
		return -ENOMEM;
	aead->backend = backend;
	aead->state = backend->state_new();
	if (!aead->state) {
		free(aead);
		return -ENOMEM;
	}
	*out = aead;
	return 0;
}

/* BACKENDS when there is none. */
static size_t index_of(const char *name)
{
	size_t i;

	for (i = 0; i < BACKENDS; i++)
		if (available(i) && !strcmp(backends[i]->name, name))
			break;
	return i;
}

int aead_new(struct aead **out, const char *name)
{
	size_t index = index_of(name);

	return index < BACKENDS ? new_with(out, index) : -EINVAL;
}

bool aead_works(const char *name)
{
	size_t index = index_of(name);

	return index < BACKENDS && works(index);
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

/* One backend's part in the comparison. */
struct trial {
	struct aead *aead; /* NULL: it does not take part */
	uint64_t best_ns;  /* the shortest round */
};

/* All packets sealed and opened once; others use the processor too, so the shortest round counts.
 */
static void trial_turn(struct trial *trial, uint8_t *data, uint64_t budget_ns,
		       uint64_t (*clock_ns)(void))
{
	static const uint8_t key[AEAD_KEY_SIZE] = { 1 };
	struct aead_job jobs[TRIAL_PACKETS];
	uint64_t start_ns = clock_ns(), now_ns = start_ns;

	for (size_t i = 0; i < TRIAL_PACKETS; i++)
		jobs[i] = (struct aead_job){ .in = data + i * TRIAL_STRIDE,
					     .out = data + i * TRIAL_STRIDE,
					     .len = TRIAL_SIZE,
					     .counter = i };
	do {
		uint64_t round_ns = now_ns;

		aead_seal(trial->aead, key, jobs, TRIAL_PACKETS);
		aead_open(trial->aead, key, jobs, TRIAL_PACKETS);
		now_ns = clock_ns();
		round_ns = now_ns - round_ns;
		if (round_ns < trial->best_ns)
			trial->best_ns = round_ns;
	} while (now_ns - start_ns < budget_ns);
}

/* In turns, so that a disturbance does not hit one alone. */
static void trials_run(struct trial *trials, size_t count, uint64_t budget_ns,
		       uint64_t (*clock_ns)(void))
{
	uint8_t *data = calloc(TRIAL_PACKETS, TRIAL_STRIDE);

	for (size_t turn = 0; data && turn < TRIAL_TURNS; turn++)
		for (size_t i = 0; i < count; i++)
			if (trials[i].aead)
				trial_turn(&trials[i], data, budget_ns / TRIAL_TURNS, clock_ns);
	free(data);
}

/* Bytes a second; 0 when nothing was measured. */
static uint64_t trial_speed(const struct trial *trial)
{
	if (trial->best_ns == UINT64_MAX)
		return 0;
	return 2ULL * TRIAL_PACKETS * TRIAL_SIZE * 1000000000ULL / (trial->best_ns + 1);
}

uint64_t aead_measure(const char *name, uint64_t budget_ns, uint64_t (*clock_ns)(void))
{
	struct trial trial = { .best_ns = UINT64_MAX };

	if (aead_new(&trial.aead, name) < 0)
		return 0;
	trials_run(&trial, 1, budget_ns, clock_ns);
	aead_free(trial.aead);
	return trial_speed(&trial);
}

const char *aead_fastest(uint64_t budget_ns, uint64_t (*clock_ns)(void))
{
	struct trial trials[BACKENDS] = { 0 };
	const char *fastest = NULL;
	uint64_t best = 0;

	for (size_t i = 0; i < BACKENDS; i++) {
		trials[i].best_ns = UINT64_MAX;
		/* What does not work takes no part. */
		if (new_with(&trials[i].aead, i) < 0)
			trials[i].aead = NULL;
	}
	trials_run(trials, BACKENDS, budget_ns, clock_ns);
	for (size_t i = 0; i < BACKENDS; i++) {
		uint64_t speed = trial_speed(&trials[i]);

		aead_free(trials[i].aead);
		if (speed && CLEARLY_FASTER(speed, best)) {
			best = speed;
			fastest = backends[i]->name;
		}
	}
	return fastest;
}
