#include "proto/replay.h"

#include <stdlib.h>
#include <string.h>

#define WORDS (REPLAY_BITS / 64)

void replay_init(struct replay *replay)
{
	memset(replay, 0, sizeof(*replay));
}

void replay_clear(struct replay *replay)
{
	free(replay->bits);
	replay->bits = NULL;
}

/* Clears the words between the one that holds the greatest counter so far and the new one's. */
static void advance(struct replay *replay, uint64_t counter)
{
	uint64_t word = counter / 64;
	uint64_t last = replay->next ? (replay->next - 1) / 64 : 0;
	uint64_t steps = word - last;

	if (steps > WORDS)
		steps = WORDS;
	/* None while the first word is all there is. */
	for (uint64_t i = 1; i <= steps; i++)
		replay->bits[(last + i) % WORDS] = 0;
	replay->next = counter + 1;
}

static bool grow(struct replay *replay)
{
	replay->bits = calloc(WORDS, sizeof(*replay->bits));
	if (!replay->bits)
		return false;
	replay->bits[0] = replay->first;
	return true;
}

bool replay_accept(struct replay *replay, uint64_t counter)
{
	uint64_t bit = 1ULL << (counter % 64);
	uint64_t *word;

	if (counter >= REPLAY_COUNTER_LIMIT)
		return false;
	if (!replay->bits && counter >= 64 && !grow(replay))
		return false;
	word = replay->bits ? &replay->bits[(counter / 64) % WORDS] : &replay->first;
	if (counter >= replay->next)
		advance(replay, counter);
	else if (replay->next - 1 - counter > REPLAY_WINDOW)
		return false;
	if (*word & bit)
		return false;
	*word |= bit;
	return true;
}
