#include "proto/relay_probe.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

#define CHALLENGES_MAX 3
/* The probe leaves together with the answer; this much later it is lost. */
#define AFTER_ANSWER_NS (400 * NS_PER_MS)

/* How long an answer may take. */
static const uint64_t round_wait_ns[RELAY_PROBE_ROUNDS] = {
	300 * NS_PER_MS,
	600 * NS_PER_MS,
	1200 * NS_PER_MS,
	2000 * NS_PER_MS,
};

struct relay_probe {
	const struct rng *rng;
	uint8_t node_key[STUN_KEY_SIZE];
	char username[STUN_USERNAME_MAX + 1];
	char password[128];
	char realm[64];
	char nonce[128]; /* empty: none yet */
	uint8_t key[STUN_LONG_KEY_SIZE];
	struct endpoint target;
	enum relay_probe_result result;
	bool due;
	unsigned int round;
	unsigned int challenges;
	unsigned int answered;
	bool round_answered;
	uint64_t next_ns;
	uint8_t transactions[RELAY_PROBE_ROUNDS][STUN_TRANSACTION_SIZE];
};

static void ask(struct relay_probe *probe)
{
	probe->due = true;
	probe->next_ns = CLOCK_NEVER;
	rng_fill(probe->rng, probe->transactions[probe->round], STUN_TRANSACTION_SIZE);
}

struct relay_probe *relay_probe_new(const struct relay_probe_config *config, const struct rng *rng,
				    uint64_t now_ns)
{
	struct relay_probe *probe;

	(void)now_ns;
	if (strlen(config->username) >= sizeof(probe->username) ||
	    strlen(config->password) >= sizeof(probe->password))
		return NULL;
	probe = calloc(1, sizeof(*probe));
	if (!probe)
		return NULL;
	probe->rng = rng;
	probe->target = config->target;
	memcpy(probe->node_key, config->node_key, sizeof(probe->node_key));
	snprintf(probe->username, sizeof(probe->username), "%s", config->username);
	snprintf(probe->password, sizeof(probe->password), "%s", config->password);
	ask(probe);
	return probe;
}

void relay_probe_free(struct relay_probe *probe)
{
	if (!probe)
		return;
	sodium_memzero(probe->password, sizeof(probe->password));
	sodium_memzero(probe->key, sizeof(probe->key));
	free(probe);
}

static void end(struct relay_probe *probe, enum relay_probe_result result)
{
	probe->result = result;
	probe->due = false;
	probe->next_ns = CLOCK_NEVER;
}

size_t relay_probe_poll_output(struct relay_probe *probe, uint8_t *buf, size_t cap, uint64_t now_ns)
{
	struct stun_builder b;
	size_t len;

	if (!probe->due)
		return 0;
	probe->due = false;
	probe->next_ns = now_ns + round_wait_ns[probe->round];
	stun_begin(&b, buf, cap, STUN_REQUEST, STUN_PROBE, probe->transactions[probe->round]);
	stun_add(&b, STUN_ATTR_NODE_KEY, probe->node_key, STUN_KEY_SIZE);
	stun_add_endpoint(&b, STUN_ATTR_XOR_PEER_ADDRESS, &probe->target);
	if (probe->nonce[0]) {
		stun_add_text(&b, STUN_ATTR_USERNAME, probe->username);
		stun_add_text(&b, STUN_ATTR_REALM, probe->realm);
		stun_add_text(&b, STUN_ATTR_NONCE, probe->nonce);
		stun_add_integrity(&b, probe->key, sizeof(probe->key));
	}
	return stun_end(&b, &len) < 0 ? 0 : len;
}

/* The round that asked with this transaction; -1: none. */
static int round_of(const struct relay_probe *probe, const uint8_t *transaction)
{
	for (unsigned int i = 0; i <= probe->round; i++) {
		if (memcmp(probe->transactions[i], transaction, STUN_TRANSACTION_SIZE) == 0)
			return (int)i;
	}
	return -1;
}

/* 401 and 438: the same round again, with the relay's nonce. */
static void take_challenge(struct relay_probe *probe, const struct stun_message *msg)
{
	char realm[sizeof(probe->realm)];
	char nonce[sizeof(probe->nonce)];

	if (probe->challenges++ >= CHALLENGES_MAX ||
	    stun_get_text(msg, STUN_ATTR_REALM, realm, sizeof(realm)) < 0 ||
	    stun_get_text(msg, STUN_ATTR_NONCE, nonce, sizeof(nonce)) < 0 || !nonce[0] ||
	    stun_long_term_key(probe->key, probe->username, realm, probe->password) < 0) {
		end(probe, RELAY_PROBE_UNKNOWN);
		return;
	}
	memcpy(probe->realm, realm, sizeof(realm));
	memcpy(probe->nonce, nonce, sizeof(nonce));
	ask(probe);
}

static void note_answer(struct relay_probe *probe, unsigned int round, uint64_t now_ns)
{
	/* Late answers of an earlier round count once more at most, which does no harm. */
	if (round != probe->round || probe->round_answered)
		return;
	probe->round_answered = true;
	probe->answered++;
	probe->next_ns = now_ns + AFTER_ANSWER_NS;
}

int relay_probe_input(struct relay_probe *probe, const uint8_t *data, size_t len, uint64_t now_ns)
{
	struct stun_message msg;
	unsigned int code;
	bool authentic;
	int round;

	if (stun_parse(&msg, data, len) < 0)
		return -EBADMSG;
	if (probe->result != RELAY_PROBE_PENDING || msg.method != STUN_PROBE)
		return -ENOENT;
	round = round_of(probe, msg.transaction);
	if (round < 0 || msg.class == STUN_REQUEST)
		return -ENOENT;
	if (msg.class == STUN_ERROR && stun_get_error(&msg, &code) < 0)
		return -EBADMSG;
	if (msg.class == STUN_ERROR &&
	    (code == STUN_ERR_UNAUTHENTICATED || code == STUN_ERR_STALE_NONCE)) {
		if ((unsigned int)round == probe->round && !probe->due)
			take_challenge(probe, &msg);
		return 0;
	}
	authentic = probe->nonce[0] && stun_check_integrity(&msg, probe->key, sizeof(probe->key));
	if (!authentic)
		return -EBADMSG;
	if (msg.class == STUN_INDICATION)
		end(probe, RELAY_PROBE_ARRIVED);
	else if (msg.class == STUN_SUCCESS)
		note_answer(probe, (unsigned int)round, now_ns);
	else if (code == STUN_ERR_FORBIDDEN)
		end(probe, RELAY_PROBE_REFUSED);
	else
		end(probe, RELAY_PROBE_UNKNOWN);
	return 0;
}

uint64_t relay_probe_next_timeout(const struct relay_probe *probe)
{
	return probe->next_ns;
}

void relay_probe_expire(struct relay_probe *probe, uint64_t now_ns)
{
	if (probe->result != RELAY_PROBE_PENDING || now_ns < probe->next_ns)
		return;
	if (probe->round + 1 == RELAY_PROBE_ROUNDS) {
		end(probe, probe->answered >= RELAY_PROBE_BELIEVED ? RELAY_PROBE_LOST
								   : RELAY_PROBE_UNKNOWN);
		return;
	}
	probe->round++;
	probe->round_answered = false;
	ask(probe);
}

enum relay_probe_result relay_probe_result(const struct relay_probe *probe)
{
	return probe->result;
}
