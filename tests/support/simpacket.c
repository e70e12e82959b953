#include "tests/support/simpacket.h"

#include <string.h>

#include "base/buf.h"

#define SUM_OFFSET 24

void sim_session_follow(struct sim_session *s, uint32_t number)
{
	if (s->number == number)
		return;
	replay_clear(&s->replay);
	*s = (struct sim_session){ .number = number };
	replay_init(&s->replay);
}

void sim_session_clear(struct sim_session *s)
{
	replay_clear(&s->replay);
	*s = (struct sim_session){ 0 };
}

/* In place of a tag: nobody in the simulator makes it but the two. */
static uint64_t sum(const uint8_t *packet)
{
	uint64_t hash = 0xcbf29ce484222325u;

	for (int i = 0; i < SUM_OFFSET; i++)
		hash = (hash ^ packet[i]) * 0x100000001b3u;
	return hash;
}

void sim_packet_build(struct sim_session *s, int from, enum sim_packet_kind kind, uint32_t token,
		      uint8_t out[static SIM_DATA_SIZE])
{
	memset(out, 0, SIM_DATA_SIZE);
	out[0] = SIM_DATA_TYPE;
	out[1] = (uint8_t)kind;
	out[2] = (uint8_t)from;
	store_be32(out + 4, token);
	store_be32(out + 8, s->expected);
	store_be32(out + 12, s->arrived);
	store_be32(out + 16, s->counter++);
	store_be32(out + 20, s->number);
	store_be64(out + SUM_OFFSET, sum(out));
}

bool sim_packet_open(struct sim_session *s, int from, const uint8_t *data, size_t len,
		     struct sim_packet *packet)
{
	uint32_t counter;

	if (len != SIM_DATA_SIZE || data[0] != SIM_DATA_TYPE || data[2] != from ||
	    load_be64(data + SUM_OFFSET) != sum(data) || load_be32(data + 20) != s->number)
		return false;
	counter = load_be32(data + 16);
	if (!replay_accept(&s->replay, counter))
		return false;
	s->arrived++;
	if (counter >= s->expected)
		s->expected = counter + 1;
	*packet = (struct sim_packet){ .kind = (enum sim_packet_kind)data[1],
				       .token = load_be32(data + 4),
				       .expected = load_be32(data + 8),
				       .arrived = load_be32(data + 12) };
	return true;
}
