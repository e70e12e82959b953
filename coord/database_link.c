#include "coord/database_link.h"

#include <errno.h>
#include <libpq-fe.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "coord/store.h"
#include "coord/store_postgres.h"
#include "io/loop.h"

#define RETRY_FIRST_MS  100
#define RETRY_MAX_MS    2000
#define CHECK_NS        (200 * NS_PER_MS) /* how often it is looked whether the store lost its own */
#define ANSWER_LIMIT_NS (5 * NS_PER_S)
#define CHANGE_CHANNEL  "warren_change"
#define COMMON_CHANNEL  "warren_all"
#define OWN_CHANNEL     "warren_to_"
#define CHANNEL_SIZE    32
#define NOTIFIES_A_TURN 256

struct chunk {
	struct chunk *next;
	char channel[CHANNEL_SIZE];
	size_t len;
	char text[DATABASE_LINK_LINE_MAX + 1];
};

/* What the thread does. It may outlive the link, which then is NULL in it. */
struct dialling {
	uv_work_t work;
	struct database_link *link;
	char *place;
	char listen[256];
	PGconn *store;
	PGconn *bus;
	char error[256];
};

struct database_link {
	struct loop *loop;
	struct store *store;
	char *place;
	char id[DATABASE_LINK_ID_SIZE];
	const struct database_link_ops *ops;
	void *arg;
	PGconn *bus; /* NULL: not connected */
	struct loop_watch *watch;
	struct loop_timer timer; /* the next attempt, or the next look at the connections */
	struct dialling *dialling;
	unsigned int failures;
	bool complained;
	bool answer_due; /* a chunk is on its way */
	uint64_t sent_ns;
	struct chunk *first;
	struct chunk *last;
	size_t queued;
};

static void drop_chunks(struct database_link *link)
{
	struct chunk *chunk;

	while ((chunk = link->first)) {
		link->first = chunk->next;
		free(chunk);
	}
	link->last = NULL;
	link->queued = 0;
}

static void dialling_free(struct dialling *dialling)
{
	PQfinish(dialling->store);
	PQfinish(dialling->bus);
	if (dialling->place)
		sodium_memzero(dialling->place, strlen(dialling->place));
	free(dialling->place);
	free(dialling);
}

/* In a thread of its own. */
static void dial(uv_work_t *work)
{
	struct dialling *dialling = work->data;
	PGresult *result;

	dialling->store =
		store_postgres_connect(dialling->place, dialling->error, sizeof(dialling->error));
	if (!dialling->store)
		return;
	dialling->bus =
		store_postgres_connect(dialling->place, dialling->error, sizeof(dialling->error));
	if (!dialling->bus)
		return;
	PQsetnonblocking(dialling->bus, 0);
	result = PQexec(dialling->bus, dialling->listen);
	if (PQresultStatus(result) != PGRES_COMMAND_OK) {
		snprintf(dialling->error, sizeof(dialling->error), "%.200s",
			 PQerrorMessage(dialling->bus));
		dialling->error[strcspn(dialling->error, "\n")] = '\0';
		PQfinish(dialling->bus);
		dialling->bus = NULL;
	}
	PQclear(result);
	if (dialling->bus)
		PQsetnonblocking(dialling->bus, 1);
}

/* Full jitter, so that coordinators do not come together to a database that has just started. */
static void retry_later(struct database_link *link)
{
	uint64_t bound_ms = RETRY_FIRST_MS;

	for (unsigned int i = 1; i < link->failures && bound_ms < RETRY_MAX_MS; i++)
		bound_ms *= 2;
	if (bound_ms > RETRY_MAX_MS)
		bound_ms = RETRY_MAX_MS;
	loop_timer_set(&link->timer,
		       loop_now_ns(link->loop) +
			       (50 + randombytes_uniform((uint32_t)bound_ms)) * NS_PER_MS);
}

static void hang_up(struct database_link *link, const char *why)
{
	bool was_up = link->bus;

	loop_watch_free(link->watch);
	link->watch = NULL;
	PQfinish(link->bus);
	link->bus = NULL;
	link->answer_due = false;
	drop_chunks(link);
	store_postgres_adopt(link->store, NULL);
	if (!was_up)
		return;
	log_warn("database-lost why=\"%s\"", why);
	link->ops->down(link->arg);
	retry_later(link);
}

static void send_next(struct database_link *link)
{
	struct chunk *chunk = link->first;
	const char *values[2];
	int unsent;

	if (!link->bus || link->answer_due || !chunk)
		return;
	values[0] = chunk->channel;
	values[1] = chunk->text;
	if (!PQsendQueryParams(link->bus, "SELECT pg_notify($1, $2)", 2, NULL, values, NULL, NULL,
			       0)) {
		hang_up(link, "cannot send");
		return;
	}
	link->first = chunk->next;
	if (!link->first)
		link->last = NULL;
	link->queued -= sizeof(*chunk);
	free(chunk);
	link->answer_due = true;
	link->sent_ns = clock_now_ns();
	unsent = PQflush(link->bus);
	loop_watch_events(link->watch, UV_READABLE | (unsent ? UV_WRITABLE : 0));
}

static void take_lines(struct database_link *link, char *text)
{
	char *from = strsep(&text, "\n");
	char *line;

	if (strlen(from) != DATABASE_LINK_ID_SIZE - 1)
		return;
	while (link->bus && (line = strsep(&text, "\n")))
		if (line[0])
			link->ops->line(link->arg, from, line);
}

/* True when something may be left for the next turn. */
static bool take_notifications(struct database_link *link)
{
	bool changed = false;
	PGnotify *notify;
	int taken = 0;

	while (link->bus && taken < NOTIFIES_A_TURN && (notify = PQnotifies(link->bus))) {
		if (strcmp(notify->relname, CHANGE_CHANNEL) == 0)
			changed = true;
		else
			take_lines(link, notify->extra);
		PQfreemem(notify);
		taken++;
	}
	if (changed && link->bus)
		link->ops->changed(link->arg);
	return taken == NOTIFIES_A_TURN;
}

static void take_answer(struct database_link *link)
{
	PGresult *result;

	while (link->bus && link->answer_due && !PQisBusy(link->bus)) {
		ExecStatusType status;

		result = PQgetResult(link->bus);
		status = PQresultStatus(result);
		PQclear(result);
		if (!result)
			link->answer_due = false;
		else if (status != PGRES_TUPLES_OK)
			hang_up(link, "a notification was refused");
	}
}

static void on_ready(void *arg, int revents)
{
	struct database_link *link = arg;
	int unsent = 0;

	if ((revents & UV_READABLE) && !PQconsumeInput(link->bus)) {
		hang_up(link, "the connection broke");
		return;
	}
	if (link->answer_due)
		unsent = PQflush(link->bus);
	loop_watch_events(link->watch, UV_READABLE | (unsent > 0 ? UV_WRITABLE : 0));
	take_answer(link);
	while (take_notifications(link))
		;
	send_next(link);
}

static void come_up(struct database_link *link)
{
	int err = loop_watch_new(&link->watch, link->loop, PQsocket(link->bus), UV_READABLE,
				 on_ready, link);

	if (err < 0) {
		hang_up(link, strerror(-err));
		return;
	}
	link->failures = 0;
	if (link->complained)
		log_info("database-back");
	link->complained = false;
	loop_timer_set(&link->timer, loop_now_ns(link->loop) + CHECK_NS);
	link->ops->up(link->arg);
}

static void on_dialled(uv_work_t *work, int status)
{
	struct dialling *dialling = work->data;
	struct database_link *link = dialling->link;

	(void)status;
	if (!link) {
		dialling_free(dialling);
		return;
	}
	link->dialling = NULL;
	if (dialling->store && dialling->bus) {
		store_postgres_adopt(link->store, dialling->store);
		link->bus = dialling->bus;
		dialling->store = dialling->bus = NULL;
		come_up(link);
	} else {
		if (!link->complained)
			log_warn("database-unreachable error=\"%s\"", dialling->error);
		link->complained = true;
		link->failures++;
		retry_later(link);
	}
	dialling_free(dialling);
}

static void start_dialling(struct database_link *link)
{
	struct dialling *dialling = calloc(1, sizeof(*dialling));

	if (dialling)
		dialling->place = strdup(link->place);
	if (!dialling || !dialling->place) {
		free(dialling);
		retry_later(link);
		return;
	}
	dialling->link = link;
	dialling->work.data = dialling;
	snprintf(dialling->listen, sizeof(dialling->listen),
		 "SET synchronous_commit = off; LISTEN " CHANGE_CHANNEL "; LISTEN " COMMON_CHANNEL
		 "; LISTEN " OWN_CHANNEL "%s",
		 link->id);
	link->dialling = dialling;
	if (uv_queue_work(loop_uv(link->loop), &dialling->work, dial, on_dialled) < 0) {
		link->dialling = NULL;
		dialling_free(dialling);
		retry_later(link);
	}
}

static void on_timer(void *arg, uint64_t now_ns)
{
	struct database_link *link = arg;

	if (!link->bus) {
		if (!link->dialling)
			start_dialling(link);
		return;
	}
	loop_timer_set(&link->timer, now_ns + CHECK_NS);
	if (store_is_away(link->store))
		hang_up(link, "the store's connection broke");
	else if (link->answer_due && clock_now_ns() > link->sent_ns + ANSWER_LIMIT_NS)
		hang_up(link, "no answer in time");
}

int database_link_new(struct database_link **out, struct loop *loop, struct store *store,
		      const char *place, const char *id, const struct database_link_ops *ops,
		      void *arg)
{
	struct database_link *link = calloc(1, sizeof(*link));

	if (link)
		link->place = strdup(place);
	if (!link || !link->place) {
		free(link);
		return -ENOMEM;
	}
	link->loop = loop;
	link->store = store;
	snprintf(link->id, sizeof(link->id), "%s", id);
	link->ops = ops;
	link->arg = arg;
	loop_timer_init(&link->timer, loop, on_timer, link);
	start_dialling(link);
	*out = link;
	return 0;
}

void database_link_free(struct database_link *link)
{
	if (!link)
		return;
	if (link->dialling) {
		link->dialling->link = NULL;
		uv_cancel((uv_req_t *)&link->dialling->work);
	}
	loop_timer_clear(&link->timer);
	loop_watch_free(link->watch);
	PQfinish(link->bus);
	drop_chunks(link);
	sodium_memzero(link->place, strlen(link->place));
	free(link->place);
	free(link);
}

bool database_link_is_up(const struct database_link *link)
{
	return link && link->bus;
}

/* The last chunk to this channel that has room, or a new one. */
static struct chunk *room_for(struct database_link *link, const char *channel, size_t len)
{
	struct chunk *found = NULL;

	for (struct chunk *chunk = link->first; chunk; chunk = chunk->next)
		if (strcmp(chunk->channel, channel) == 0)
			found = chunk;
	if (found && found->len + 1 + len <= DATABASE_LINK_LINE_MAX)
		return found;
	if (link->queued + sizeof(*found) > DATABASE_LINK_QUEUE_MAX)
		return NULL;
	found = malloc(sizeof(*found));
	if (!found)
		return NULL;
	found->next = NULL;
	snprintf(found->channel, sizeof(found->channel), "%s", channel);
	found->len = (size_t)snprintf(found->text, sizeof(found->text), "%s", link->id);
	if (link->last)
		link->last->next = found;
	else
		link->first = found;
	link->last = found;
	link->queued += sizeof(*found);
	return found;
}

int database_link_send(struct database_link *link, const char *to, const char *line)
{
	char channel[CHANNEL_SIZE];
	size_t len = strlen(line);
	struct chunk *chunk;

	if (!database_link_is_up(link))
		return -ENOTCONN;
	if (DATABASE_LINK_ID_SIZE + len > DATABASE_LINK_LINE_MAX)
		return -EMSGSIZE;
	snprintf(channel, sizeof(channel), "%s%s", to ? OWN_CHANNEL : COMMON_CHANNEL, to ? to : "");
	chunk = room_for(link, channel, len);
	if (!chunk)
		return -ENOBUFS;
	chunk->text[chunk->len++] = '\n';
	memcpy(chunk->text + chunk->len, line, len + 1);
	chunk->len += len;
	send_next(link);
	return 0;
}
