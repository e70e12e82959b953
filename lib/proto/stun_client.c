#include "proto/stun_client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

const struct stun_schedule stun_schedule_standard = { 500, 7, 16 };
const struct stun_schedule stun_schedule_brief = { 500, 3, 4 };

enum query_state {
	QUERY_FREE,
	QUERY_ASKING,
	QUERY_DONE,
};

struct query {
	enum query_state state;
	struct stun_question question;
	uint8_t transaction[STUN_TRANSACTION_SIZE];
	unsigned int sent;
	bool send_now;
	uint64_t sent_ns;
	uint64_t due_ns;
	struct stun_result result;
};

struct stun_client {
	struct rng rng;
	struct query queries[STUN_CLIENT_MAX];
};

struct stun_client *stun_client_new(const struct rng *rng)
{
	struct stun_client *client = calloc(1, sizeof(*client));

	if (client)
		client->rng = *rng;
	return client;
}

void stun_client_free(struct stun_client *client)
{
	free(client);
}

/* Marks the query to be sent and says when its turn comes again. */
static void send_query(struct query *q, uint64_t now_ns)
{
	const struct stun_schedule *s = q->question.schedule;
	uint64_t wait_ms = (uint64_t)s->rto_ms << q->sent;

	q->sent++;
	if (q->sent == s->count)
		wait_ms = (uint64_t)s->rto_ms * s->last_factor;
	q->send_now = true;
	q->sent_ns = now_ns;
	q->due_ns = now_ns + wait_ms * NS_PER_MS;
}

int stun_client_ask(struct stun_client *client, const struct stun_question *question,
		    uint64_t now_ns)
{
	struct query *q = client->queries;

	while (q < client->queries + STUN_CLIENT_MAX && q->state != QUERY_FREE)
		q++;
	if (q == client->queries + STUN_CLIENT_MAX)
		return -ENOSPC;
	*q = (struct query){ .state = QUERY_ASKING, .question = *question };
	rng_fill(&client->rng, q->transaction, sizeof(q->transaction));
	send_query(q, now_ns);
	return 0;
}

void stun_client_cancel(struct stun_client *client)
{
	memset(client->queries, 0, sizeof(client->queries));
}

static struct query *find(const struct stun_client *client, const uint8_t *transaction)
{
	for (size_t i = 0; i < STUN_CLIENT_MAX; i++) {
		const struct query *q = &client->queries[i];

		if (q->state == QUERY_ASKING &&
		    memcmp(q->transaction, transaction, STUN_TRANSACTION_SIZE) == 0)
			return (struct query *)q;
	}
	return NULL;
}

bool stun_client_owns(const struct stun_client *client,
		      const uint8_t transaction[static STUN_TRANSACTION_SIZE])
{
	return find(client, transaction) != NULL;
}

static void finish(struct query *q, int err)
{
	q->state = QUERY_DONE;
	q->send_now = false;
	q->result.tag = q->question.tag;
	q->result.err = err;
	q->result.local = q->question.local;
	q->result.server = q->question.server;
}

static int read_answer(struct stun_result *result, const struct stun_message *msg)
{
	if (msg->class != STUN_SUCCESS || stun_get_mapped(msg, &result->mapped) < 0)
		return -EPROTO;
	/* Its absence only means that the server has no second address. */
	stun_get_endpoint(msg, STUN_ATTR_OTHER_ADDRESS, &result->other);
	return 0;
}

int stun_client_input(struct stun_client *client, const uint8_t *data, size_t len,
		      const struct endpoint *remote, uint64_t now_ns)
{
	struct stun_message msg;
	struct query *q;

	if (stun_parse(&msg, data, len) < 0)
		return -EBADMSG;
	if (msg.class != STUN_SUCCESS && msg.class != STUN_ERROR)
		return -ENOENT;
	q = find(client, msg.transaction);
	if (!q || (!q->question.change && !endpoint_equal(remote, &q->question.server)))
		return -ENOENT;
	q->result.origin = *remote;
	q->result.rtt_ns = q->sent == 1 ? now_ns - q->sent_ns : 0;
	finish(q, read_answer(&q->result, &msg));
	return 0;
}

uint64_t stun_client_next_timeout(const struct stun_client *client)
{
	uint64_t next = CLOCK_NEVER;

	for (size_t i = 0; i < STUN_CLIENT_MAX; i++) {
		const struct query *q = &client->queries[i];

		if (q->state == QUERY_ASKING && q->due_ns < next)
			next = q->due_ns;
	}
	return next;
}

void stun_client_expire(struct stun_client *client, uint64_t now_ns)
{
	for (size_t i = 0; i < STUN_CLIENT_MAX; i++) {
		struct query *q = &client->queries[i];

		if (q->state != QUERY_ASKING || q->due_ns > now_ns)
			continue;
		if (q->sent == q->question.schedule->count)
			finish(q, -ETIMEDOUT);
		else
			send_query(q, now_ns);
	}
}

bool stun_client_poll_output(struct stun_client *client, struct stun_client_datagram *out)
{
	for (size_t i = 0; i < STUN_CLIENT_MAX; i++) {
		struct query *q = &client->queries[i];
		struct stun_builder b;

		if (!q->send_now)
			continue;
		q->send_now = false;
		out->local = q->question.local;
		out->remote = q->question.server;
		stun_begin(&b, out->data, sizeof(out->data), STUN_REQUEST, STUN_BINDING,
			   q->transaction);
		if (q->question.change)
			stun_add_u32(&b, STUN_ATTR_CHANGE_REQUEST, q->question.change);
		stun_add_fingerprint(&b);
		return stun_end(&b, &out->len) == 0;
	}
	return false;
}

bool stun_client_poll_result(struct stun_client *client, struct stun_result *result)
{
	for (size_t i = 0; i < STUN_CLIENT_MAX; i++) {
		struct query *q = &client->queries[i];

		if (q->state != QUERY_DONE)
			continue;
		*result = q->result;
		q->state = QUERY_FREE;
		return true;
	}
	return false;
}
