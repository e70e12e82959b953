#include "proto/pathmtu.h"

#include <string.h>

#include "base/clock.h"

/* An answer is waited for so long at least, since both daemons may be busy. */
#define ANSWER_MIN_NS     (100 * NS_PER_MS)
#define ANSWER_MAX_NS     (2 * NS_PER_S)
#define ANSWER_UNKNOWN_NS (300 * NS_PER_MS)

/* In one verification. */
#define VERIFY_SIZE  4
#define VERIFY_SMALL 2

#define GSO_MISSED_MAX 4
/* Rounds without any answer before large packets must ask for another. */
#define SILENT_MAX 4
/* Answers that show that a size was tried while the path worked. */
#define WITNESSES 2
/* Sizes of one round of narrowing. */
#define NARROWING 4

#define NEVER UINT64_MAX

/* What links and tunnels on the way usually carry. */
static const uint16_t usual_wire[] = { 9000, 1500, 1492, 1480, 1460, 1420, 1400 };

#define USUAL (sizeof(usual_wire) / sizeof(usual_wire[0]))

static uint16_t usual_size(const struct pathmtu *path, size_t i)
{
	uint16_t size = (uint16_t)(usual_wire[i] - path->config.overhead);

	return size < path->config.max ? size : path->config.max;
}

/* --- sending --- */

static uint64_t answer_time(const struct pathmtu *path)
{
	uint64_t ns = path->rtt_ns + path->rtt_ns / 2 + 10 * NS_PER_MS;

	if (!path->rtt_ns)
		return ANSWER_UNKNOWN_NS;
	if (ns < ANSWER_MIN_NS)
		return ANSWER_MIN_NS;
	return ns < ANSWER_MAX_NS ? ns : ANSWER_MAX_NS;
}

static void forget_sent(struct pathmtu *path)
{
	memset(path->sent, 0, sizeof(path->sent));
	path->queue_at = path->queue_end = 0;
}

static void push(struct pathmtu *path, uint16_t size, uint8_t count, uint64_t now_ns)
{
	if (path->queue_at == path->queue_end)
		path->queue_at = path->queue_end = 0;
	if (path->queue_end == PATHMTU_QUEUE)
		return;
	path->queue[path->queue_end++] = (struct pathmtu_probe){ path->next_token, size, count };
	for (uint8_t i = 0; i < count; i++) {
		path->sent[path->next_token % PATHMTU_SENT] = (struct pathmtu_sent){
			.token = path->next_token,
			.size = size,
			.pair = count > 1,
			.sent_ns = now_ns,
		};
		path->next_token++;
	}
}

static bool pairs(const struct pathmtu *path)
{
	return path->config.gso && !path->gso_lost;
}

static void begin_round(struct pathmtu *path, enum pathmtu_round round)
{
	path->round = round;
	path->tries = 0;
	path->answers = 0;
	path->round_token = path->next_token;
}

static void begin_try(struct pathmtu *path, uint64_t now_ns)
{
	path->try_token = path->next_token;
	path->deadline_ns = now_ns + answer_time(path);
}

/* How many of the probes of a size since a token were answered, single ones or those of pairs. */
static unsigned int answered(const struct pathmtu *path, uint32_t since, uint16_t from, uint16_t to,
			     bool pair)
{
	unsigned int count = 0;

	for (uint32_t token = since; token != path->next_token; token++) {
		const struct pathmtu_sent *sent = &path->sent[token % PATHMTU_SENT];

		count += sent->token == token && sent->answered && sent->pair == pair &&
			 sent->size >= from && sent->size <= to;
	}
	return count;
}

/* --- searching --- */

static void add_size(struct pathmtu *path, uint16_t size)
{
	if (size <= path->size || size >= path->too_big || path->size_count == PATHMTU_SIZES)
		return;
	for (size_t i = 0; i < path->size_count; i++)
		if (path->sizes[i] == size)
			return;
	path->sizes[path->size_count++] = size;
}

static void choose_sizes(struct pathmtu *path)
{
	unsigned int low = path->size ? path->size : PATHMTU_BASE - 1;
	unsigned int gap = path->too_big - low;

	path->size_count = 0;
	add_size(path, path->config.max);
	for (size_t i = 0; i < USUAL; i++)
		if (usual_size(path, i) > PATHMTU_BASE)
			add_size(path, usual_size(path, i));
	if (!path->size)
		add_size(path, PATHMTU_BASE);
	if (path->size_count || path->too_big <= low)
		return;
	for (unsigned int i = 1; i <= NARROWING; i++)
		add_size(path, (uint16_t)(low + (gap * i + NARROWING) / (NARROWING + 1)));
}

static bool is_open(const struct pathmtu *path, uint16_t size)
{
	return size > path->size && size < path->too_big;
}

static bool any_open(const struct pathmtu *path)
{
	for (size_t i = 0; i < path->size_count; i++)
		if (is_open(path, path->sizes[i]))
			return true;
	return false;
}

/* Beside them one that should pass, to tell a limit from a path that is gone. */
static void try_sizes(struct pathmtu *path, uint64_t now_ns)
{
	begin_try(path, now_ns);
	for (size_t i = 0; i < path->size_count; i++)
		if (is_open(path, path->sizes[i]))
			push(path, path->sizes[i], 1, now_ns);
	for (int i = 0; i < WITNESSES; i++)
		push(path, path->size ? path->size : PATHMTU_SMALL, 1, now_ns);
}

static void complete(struct pathmtu *path, uint64_t now_ns)
{
	path->round = PATHMTU_ROUND_NONE;
	path->state = path->size ? PATHMTU_COMPLETE : PATHMTU_ERROR;
	path->raise_ns = path->size == path->config.max ? NEVER : now_ns + path->raise_s * NS_PER_S;
	path->raise_s = path->raise_s * 2 < PATHMTU_RAISE_S ? path->raise_s * 2 : PATHMTU_RAISE_S;
	path->tick_ns = path->busy ? now_ns + PATHMTU_CONFIRM_MS * NS_PER_MS : NEVER;
}

static void search(struct pathmtu *path, uint64_t now_ns)
{
	choose_sizes(path);
	if (!any_open(path)) {
		complete(path, now_ns);
		return;
	}
	if (path->size)
		path->state = PATHMTU_SEARCHING;
	begin_round(path, PATHMTU_ROUND_SEARCH);
	try_sizes(path, now_ns);
}

/* Nothing came back at all, so nothing is known of sizes either. */
static void search_in_vain(struct pathmtu *path, uint64_t now_ns)
{
	path->round = PATHMTU_ROUND_NONE;
	if (path->size) {
		complete(path, now_ns);
		return;
	}
	path->tick_ns =
		path->silent < SILENT_MAX ? now_ns + ((NS_PER_S / 2) << path->silent) : NEVER;
	path->silent++;
}

static void verify(struct pathmtu *path, uint64_t now_ns);

static void search_timeout(struct pathmtu *path, uint64_t now_ns)
{
	/* The size in use was tried beside the others. */
	if (path->size && !answered(path, path->try_token, path->size, path->config.max, false)) {
		verify(path, now_ns);
		return;
	}
	if (++path->tries < PATHMTU_TRIES) {
		try_sizes(path, now_ns);
		return;
	}
	if (path->answers < WITNESSES) {
		search_in_vain(path, now_ns);
		return;
	}
	for (size_t i = 0; i < path->size_count; i++)
		if (is_open(path, path->sizes[i]))
			path->too_big = path->sizes[i];
	if (path->too_big <= PATHMTU_BASE)
		complete(path, now_ns);
	else
		search(path, now_ns);
}

/* --- confirming --- */

static void confirm(struct pathmtu *path, uint64_t now_ns)
{
	begin_round(path, PATHMTU_ROUND_CONFIRM);
	begin_try(path, now_ns);
	push(path, path->size, pairs(path) ? 2 : 1, now_ns);
}

/* Many at once, since the time is short: the size in use, smaller ones, and ways to go on. */
static void verify(struct pathmtu *path, uint64_t now_ns)
{
	uint16_t last = 0;

	begin_round(path, PATHMTU_ROUND_VERIFY);
	begin_try(path, now_ns);
	if (pairs(path))
		push(path, path->size, 2, now_ns);
	for (int i = 0; i < VERIFY_SIZE; i++)
		push(path, path->size, 1, now_ns);
	for (size_t i = 0; i < USUAL; i++) {
		uint16_t size = usual_size(path, i);

		if (size > PATHMTU_BASE && size < path->size && size != last)
			push(path, size, 1, now_ns);
		last = size;
	}
	for (int i = 0; i < VERIFY_SMALL; i++) {
		if (path->size > PATHMTU_BASE)
			push(path, PATHMTU_BASE, 1, now_ns);
		push(path, PATHMTU_SMALL, 1, now_ns);
	}
}

static uint16_t largest_answered(const struct pathmtu *path)
{
	uint16_t largest = 0;

	for (uint32_t token = path->round_token; token != path->next_token; token++) {
		const struct pathmtu_sent *sent = &path->sent[token % PATHMTU_SENT];

		if (sent->token == token && sent->answered && sent->size > largest)
			largest = sent->size;
	}
	return largest;
}

/* What was confirmed before does not count any more, nor do answers still under way. */
static void fall_to(struct pathmtu *path, uint16_t size, uint64_t now_ns)
{
	path->too_big = path->size;
	path->size = size >= PATHMTU_BASE ? size : 0;
	path->state = path->size ? PATHMTU_SEARCHING : PATHMTU_ERROR;
	path->raise_s = PATHMTU_RAISE_FIRST_S;
	forget_sent(path);
	if (path->too_big <= PATHMTU_BASE)
		complete(path, now_ns);
	else
		search(path, now_ns);
}

static void verify_timeout(struct pathmtu *path, uint64_t now_ns)
{
	uint16_t size = path->size;
	unsigned int smaller;

	path->round = PATHMTU_ROUND_NONE;
	if (!answered(path, path->round_token, size, size, false)) {
		smaller = answered(path, path->round_token, 0, (uint16_t)(size - 1), false);
		if (smaller >= WITNESSES)
			fall_to(path, largest_answered(path), now_ns);
		else if (smaller)
			verify(path, now_ns);
		return;
	}
	/* A search had been left off. */
	if (path->state == PATHMTU_SEARCHING)
		path->tick_ns = now_ns;
	if (!pairs(path) || answered(path, path->round_token, size, size, true)) {
		path->gso_missed = 0;
		return;
	}
	if (++path->gso_missed < GSO_MISSED_MAX)
		verify(path, now_ns);
	else
		path->gso_lost = true;
}

/* Still in use, and something to be done about it? */
static void tick(struct pathmtu *path, uint64_t now_ns)
{
	path->tick_ns = NEVER;
	if (path->state == PATHMTU_STATE_BASE && (path->busy || path->silent <= SILENT_MAX)) {
		path->busy = false;
		search(path, now_ns);
		return;
	}
	if (path->state == PATHMTU_SEARCHING) {
		search(path, now_ns);
		return;
	}
	if (!path->busy)
		return;
	path->busy = false;
	path->tick_ns = now_ns + PATHMTU_CONFIRM_MS * NS_PER_MS;
	if (now_ns >= path->raise_ns) {
		path->too_big = (uint16_t)(path->config.max + 1);
		search(path, now_ns);
	} else if (path->size) {
		confirm(path, now_ns);
	}
}

/* --- events --- */

void pathmtu_start(struct pathmtu *path, const struct pathmtu_config *config, uint64_t now_ns)
{
	*path = (struct pathmtu){
		.config = *config,
		.state = PATHMTU_STATE_BASE,
		.too_big = (uint16_t)(config->max + 1),
		.tick_ns = NEVER,
		.raise_ns = NEVER,
		.raise_s = PATHMTU_RAISE_FIRST_S,
		/* Zeros in the list of what was sent are no probe's; old answers find nothing. */
		.next_token = path->next_token + PATHMTU_SENT,
	};
	search(path, now_ns);
}

void pathmtu_stop(struct pathmtu *path)
{
	path->state = PATHMTU_DISABLED;
	path->round = PATHMTU_ROUND_NONE;
	path->tick_ns = NEVER;
	path->size = 0;
	path->gso_lost = false;
	forget_sent(path);
}

void pathmtu_busy(struct pathmtu *path, uint64_t now_ns)
{
	if (path->state == PATHMTU_DISABLED)
		return;
	path->busy = true;
	if (path->tick_ns == NEVER)
		path->tick_ns = now_ns;
}

static void measure(struct pathmtu *path, const struct pathmtu_sent *sent, uint64_t now_ns)
{
	uint64_t rtt = now_ns > sent->sent_ns ? now_ns - sent->sent_ns : 1;

	path->rtt_ns = path->rtt_ns ? (7 * path->rtt_ns + rtt) / 8 : rtt;
}

/* The first answer of a larger size makes it the one in use, whatever round it comes in. */
static void raise_to(struct pathmtu *path, uint16_t size)
{
	path->size = size;
	if (size >= path->too_big)
		path->too_big = (uint16_t)(path->config.max + 1);
	if (path->state == PATHMTU_STATE_BASE || path->state == PATHMTU_ERROR)
		path->state = PATHMTU_SEARCHING;
}

void pathmtu_answer(struct pathmtu *path, uint32_t token, uint16_t size, uint64_t now_ns)
{
	struct pathmtu_sent *sent = &path->sent[token % PATHMTU_SENT];

	if (path->state == PATHMTU_DISABLED || !sent->size || sent->token != token ||
	    sent->size != size || sent->answered)
		return;
	sent->answered = true;
	path->silent = 0;
	measure(path, sent, now_ns);
	if (token - path->round_token < path->next_token - path->round_token)
		path->answers++;
	if (size >= PATHMTU_BASE && size > path->size)
		raise_to(path, size);
	if (path->round == PATHMTU_ROUND_SEARCH && !any_open(path))
		search(path, now_ns);
	else if (path->round == PATHMTU_ROUND_CONFIRM && token - path->round_token < 2)
		path->round = PATHMTU_ROUND_NONE;
}

void pathmtu_refused(struct pathmtu *path, uint16_t size, uint64_t now_ns)
{
	if (path->state == PATHMTU_DISABLED || size >= path->too_big)
		return;
	if (size <= path->size) {
		path->size = size;
		fall_to(path, 0, now_ns);
		return;
	}
	path->too_big = size;
	if (path->round == PATHMTU_ROUND_SEARCH && !any_open(path))
		search(path, now_ns);
}

void pathmtu_without_gso(struct pathmtu *path)
{
	path->config.gso = false;
}

uint64_t pathmtu_next_timeout(const struct pathmtu *path)
{
	if (path->state == PATHMTU_DISABLED)
		return NEVER;
	return path->round ? path->deadline_ns : path->tick_ns;
}

void pathmtu_expire(struct pathmtu *path, uint64_t now_ns)
{
	if (now_ns < pathmtu_next_timeout(path))
		return;
	switch (path->round) {
	case PATHMTU_ROUND_NONE:
		tick(path, now_ns);
		break;
	case PATHMTU_ROUND_SEARCH:
		search_timeout(path, now_ns);
		break;
	case PATHMTU_ROUND_CONFIRM:
		verify(path, now_ns);
		break;
	case PATHMTU_ROUND_VERIFY:
		verify_timeout(path, now_ns);
		break;
	}
}

bool pathmtu_poll_output(struct pathmtu *path, struct pathmtu_probe *probe)
{
	if (path->queue_at == path->queue_end)
		return false;
	*probe = path->queue[path->queue_at++];
	return true;
}

enum pathmtu_state pathmtu_state(const struct pathmtu *path)
{
	return path->state;
}

uint16_t pathmtu_size(const struct pathmtu *path)
{
	return path->state == PATHMTU_ERROR ? PATHMTU_BASE : path->size;
}

bool pathmtu_needs_fragments(const struct pathmtu *path)
{
	return !path->size;
}

bool pathmtu_gso_is_lost(const struct pathmtu *path)
{
	return path->gso_lost;
}
