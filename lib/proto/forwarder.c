#include "proto/forwarder.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "proto/names.h"
#include "proto/names_translate.h"

/* RFC 1035, 4.1.1 */
#define FLAG_QR        0x80
#define FLAG_TC        0x02
#define OPCODE_MASK    0x78
#define RCODE_MASK     0x0f
#define RCODE_NXDOMAIN 3

#define AVOIDED_MAX 16

enum state { FREE, TO_SEND, WAITING, FAILED };

struct question {
	enum state state;
	bool tcp;
	uint8_t tries;
	uint8_t at; /* in servers */
	uint16_t len;
	uint64_t deadline_ns;
	struct forwarder_servers servers;
	uint8_t query[FORWARDER_QUERY_MAX];
};

struct forwarder {
	struct rng rng;
	struct question questions[FORWARDER_MAX];
	struct {
		struct endpoint server;
		uint64_t until_ns;
	} avoided[AVOIDED_MAX];
};

struct forwarder *forwarder_new(const struct rng *rng)
{
	struct forwarder *forwarder = calloc(1, sizeof(*forwarder));

	if (forwarder)
		forwarder->rng = *rng;
	return forwarder;
}

void forwarder_free(struct forwarder *forwarder)
{
	free(forwarder);
}

/* --- servers that do not answer --- */

static bool is_avoided(const struct forwarder *forwarder, const struct endpoint *server,
		       uint64_t now_ns)
{
	for (size_t i = 0; i < AVOIDED_MAX; i++) {
		if (forwarder->avoided[i].until_ns > now_ns &&
		    endpoint_equal(&forwarder->avoided[i].server, server))
			return true;
	}
	return false;
}

/* In the place of the same one, or of the one whose time ends first. */
static void avoid(struct forwarder *forwarder, const struct endpoint *server, uint64_t now_ns)
{
	size_t place = 0;

	for (size_t i = 0; i < AVOIDED_MAX; i++) {
		if (endpoint_equal(&forwarder->avoided[i].server, server)) {
			place = i;
			break;
		}
		if (forwarder->avoided[i].until_ns < forwarder->avoided[place].until_ns)
			place = i;
	}
	forwarder->avoided[place].server = *server;
	forwarder->avoided[place].until_ns = now_ns + FORWARDER_AVOID_S * NS_PER_S;
}

static void forgive(struct forwarder *forwarder, const struct endpoint *server)
{
	for (size_t i = 0; i < AVOIDED_MAX; i++) {
		if (endpoint_equal(&forwarder->avoided[i].server, server))
			forwarder->avoided[i].until_ns = 0;
	}
}

/* Those that answered lately, then the others, each in the order given. */
static void order_servers(const struct forwarder *forwarder, struct forwarder_servers *out,
			  const struct forwarder_servers *servers, uint64_t now_ns)
{
	out->count = 0;
	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i < servers->count && i < FORWARDER_SERVERS_MAX; i++) {
			const struct endpoint *server = &servers->list[i];

			if (is_avoided(forwarder, server, now_ns) == (round == 1))
				out->list[out->count++] = *server;
		}
	}
}

/* --- asking --- */

static bool is_same(const struct question *question, const uint8_t *query, size_t len)
{
	return question->len == len && memcmp(question->query + 2, query + 2, len - 2) == 0;
}

int forwarder_ask(struct forwarder *forwarder, const uint8_t *query, size_t len,
		  const struct forwarder_servers *servers, uint64_t now_ns)
{
	struct question *question = NULL;
	unsigned int same = 0;

	if (len < NAMES_HEADER_SIZE || len > FORWARDER_QUERY_MAX || (query[2] & FLAG_QR))
		return -EINVAL;
	if (!servers->count)
		return -ENETUNREACH;
	for (size_t i = 0; i < FORWARDER_MAX; i++) {
		struct question *other = &forwarder->questions[i];

		if (other->state == FREE)
			question = question ? question : other;
		else if (is_same(other, query, len) && ++same == FORWARDER_SAME_MAX)
			return -ELOOP;
	}
	if (!question)
		return -ENOSPC;
	*question = (struct question){ .state = TO_SEND, .len = (uint16_t)len };
	memcpy(question->query, query, len);
	rng_fill(&forwarder->rng, question->query, 2);
	order_servers(forwarder, &question->servers, servers, now_ns);
	return (int)(question - forwarder->questions);
}

void forwarder_cancel(struct forwarder *forwarder, size_t question)
{
	forwarder->questions[question].state = FREE;
}

bool forwarder_poll_send(struct forwarder *forwarder, struct forwarder_send *send, uint64_t now_ns)
{
	for (size_t i = 0; i < FORWARDER_MAX; i++) {
		struct question *question = &forwarder->questions[i];

		if (question->state != TO_SEND)
			continue;
		question->state = WAITING;
		question->deadline_ns =
			now_ns + (question->tcp ? FORWARDER_TCP_MS : FORWARDER_TRY_MS) * NS_PER_MS;
		*send = (struct forwarder_send){ .question = i,
						 .to = question->servers.list[question->at],
						 .tcp = question->tcp,
						 .data = question->query,
						 .len = question->len };
		return true;
	}
	return false;
}

/* --- what comes of it --- */

static void send_now(struct forwarder *forwarder, struct question *question, bool tcp)
{
	question->tcp = tcp;
	question->state = TO_SEND;
	rng_fill(&forwarder->rng, question->query, 2); /* so that late answers are no answers */
}

/* To the next server, or to the same one when there is one only. */
static void try_next(struct forwarder *forwarder, struct question *question)
{
	if (++question->tries >= FORWARDER_TRIES) {
		question->state = FAILED;
		return;
	}
	question->at = (uint8_t)((question->at + 1u) % question->servers.count);
	send_now(forwarder, question, false);
}

enum forwarder_verdict forwarder_input(struct forwarder *forwarder, size_t number, uint8_t *data,
				       size_t len)
{
	struct question *question = &forwarder->questions[number];
	uint8_t rcode;

	if (question->state != WAITING || len < NAMES_HEADER_SIZE || !(data[2] & FLAG_QR) ||
	    (data[2] & OPCODE_MASK) || !names_matches(question->query, question->len, data, len))
		return FORWARDER_WAIT;
	if ((data[2] & FLAG_TC) && !question->tcp) {
		forgive(forwarder, &question->servers.list[question->at]);
		send_now(forwarder, question, true);
		return FORWARDER_AGAIN;
	}
	if (names_translate(data, len, NULL, 0) < 0)
		return FORWARDER_WAIT; /* no message at all */
	forgive(forwarder, &question->servers.list[question->at]);
	rcode = data[3] & RCODE_MASK;
	/* One that cannot tell, while another has not been asked. */
	if (rcode && rcode != RCODE_NXDOMAIN && question->tries + 1u < question->servers.count &&
	    question->tries + 1 < FORWARDER_TRIES) {
		try_next(forwarder, question);
		return FORWARDER_AGAIN;
	}
	question->state = FREE;
	return FORWARDER_ANSWER;
}

void forwarder_lost(struct forwarder *forwarder, size_t number, uint64_t now_ns)
{
	struct question *question = &forwarder->questions[number];

	if (question->state != WAITING)
		return;
	avoid(forwarder, &question->servers.list[question->at], now_ns);
	try_next(forwarder, question);
}

/* --- time --- */

static uint64_t deadline_of(const struct question *question)
{
	if (question->state == FREE)
		return CLOCK_NEVER;
	/* What is to be sent, or has failed, is waited for by the owner. */
	return question->state == WAITING ? question->deadline_ns : 0;
}

uint64_t forwarder_next_timeout(const struct forwarder *forwarder)
{
	uint64_t next_ns = CLOCK_NEVER;

	for (size_t i = 0; i < FORWARDER_MAX; i++) {
		uint64_t deadline_ns = deadline_of(&forwarder->questions[i]);

		next_ns = deadline_ns < next_ns ? deadline_ns : next_ns;
	}
	return next_ns;
}

void forwarder_expire(struct forwarder *forwarder, uint64_t now_ns)
{
	for (size_t i = 0; i < FORWARDER_MAX; i++) {
		if (deadline_of(&forwarder->questions[i]) <= now_ns)
			forwarder_lost(forwarder, i, now_ns);
	}
}

size_t forwarder_poll_failed(struct forwarder *forwarder)
{
	for (size_t i = 0; i < FORWARDER_MAX; i++) {
		if (forwarder->questions[i].state == FAILED) {
			forwarder->questions[i].state = FREE;
			return i;
		}
	}
	return FORWARDER_NONE;
}
