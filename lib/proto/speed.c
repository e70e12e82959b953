#include "proto/speed.h"

#include <errno.h>
#include <string.h>

#include "base/buf.h"

static const uint8_t magic[7] = "WSPEED1";

void speed_hello_write(uint8_t out[static SPEED_HELLO_SIZE], const struct speed_hello *hello)
{
	memset(out, 0, SPEED_HELLO_SIZE);
	memcpy(out, magic, sizeof(magic));
	out[7] = (uint8_t)hello->mode;
	store_be32(out + 8, hello->duration_ms);
}

int speed_hello_read(struct speed_hello *out, const uint8_t data[static SPEED_HELLO_SIZE])
{
	struct speed_hello hello = { .mode = data[7], .duration_ms = load_be32(data + 8) };
	bool load = hello.mode == SPEED_TAKE || hello.mode == SPEED_GIVE;

	if (memcmp(data, magic, sizeof(magic)) != 0 || load_be32(data + 12) != 0)
		return -EBADMSG;
	if (!load && (hello.mode != SPEED_ECHO || hello.duration_ms))
		return -EBADMSG;
	if (load && (hello.duration_ms < 1 || hello.duration_ms > SPEED_LOAD_MAX_MS))
		return -EBADMSG;
	*out = hello;
	return 0;
}

void speed_answer_write(uint8_t out[static SPEED_ANSWER_SIZE], enum speed_answer answer)
{
	memcpy(out, magic, sizeof(magic));
	out[7] = (uint8_t)answer;
}

int speed_answer_read(enum speed_answer *answer, const uint8_t data[static SPEED_ANSWER_SIZE])
{
	if (memcmp(data, magic, sizeof(magic)) != 0 || data[7] > SPEED_REFUSED)
		return -EBADMSG;
	*answer = data[7];
	return 0;
}

void speed_result_write(uint8_t out[static SPEED_RESULT_SIZE], const struct speed_result *result)
{
	store_be64(out, result->bytes);
	store_be64(out + 8, result->time_ns);
}

void speed_result_read(struct speed_result *result, const uint8_t data[static SPEED_RESULT_SIZE])
{
	result->bytes = load_be64(data);
	result->time_ns = load_be64(data + 8);
}

double speed_mbps(const struct speed_result *result)
{
	return result->time_ns ? (double)result->bytes * 8e3 / (double)result->time_ns : 0;
}
