#include "proto/control_channel.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/rng.h"
#include "proto/noise_ik.h"

#define PIECE_MAX (CONTROL_CHANNEL_FRAME_MAX - NOISE_IK_MESSAGE_OVERHEAD - 1)
#define MORE      0
#define END       1

/* A frame waiting to be sent. */
struct frame {
	struct frame *next;
	size_t len;
	uint8_t data[];
};

struct control_channel {
	struct noise_ik noise;
	struct rng rng;
	struct frame *first;
	struct frame **last;
	struct frame *taken; /* what poll_frame gave out */
	size_t queued;       /* bytes */
	char *text;          /* the text that is being put together */
	size_t text_len;
	size_t text_cap;
	size_t message_max;
	bool complete; /* text is whole and not polled yet */
	bool polled;   /* text was given out; the next input frees it */
	int error;     /* of the first failure, for good */
};

static struct control_channel *channel_new(const struct rng *rng, size_t message_max)
{
	struct control_channel *channel = calloc(1, sizeof(*channel));

	if (!channel)
		return NULL;
	channel->rng = *rng;
	channel->last = &channel->first;
	channel->message_max = message_max;
	return channel;
}

static struct frame *frame_new(size_t max)
{
	struct frame *frame = calloc(1, sizeof(*frame) + max);

	return frame;
}

static void frame_append(struct control_channel *channel, struct frame *frame)
{
	*channel->last = frame;
	channel->last = &frame->next;
	channel->queued += frame->len;
}

int control_channel_new_node(struct control_channel **out, const uint8_t box_secret[static 32],
			     const uint8_t coordinator_key[static 32], const struct rng *rng,
			     size_t message_max)
{
	struct control_channel *channel = channel_new(rng, message_max);
	struct frame *frame = frame_new(NOISE_IK_FIRST_OVERHEAD);
	int err = -ENOMEM;

	if (!channel || !frame)
		goto fail;
	noise_ik_init_initiator(&channel->noise, box_secret, coordinator_key,
				CONTROL_CHANNEL_PROTOCOL, strlen(CONTROL_CHANNEL_PROTOCOL));
	err = noise_ik_write_first(&channel->noise, rng, frame->data, NOISE_IK_FIRST_OVERHEAD,
				   &frame->len, NULL, 0);
	if (err < 0)
		goto fail;
	frame_append(channel, frame);
	*out = channel;
	return 0;

fail:
	free(frame);
	control_channel_free(channel);
	return err;
}

int control_channel_new_coordinator(struct control_channel **out,
				    const uint8_t static_secret[static 32], const struct rng *rng,
				    size_t message_max)
{
	struct control_channel *channel = channel_new(rng, message_max);

	if (!channel)
		return -ENOMEM;
	noise_ik_init_responder(&channel->noise, static_secret, CONTROL_CHANNEL_PROTOCOL,
				strlen(CONTROL_CHANNEL_PROTOCOL));
	*out = channel;
	return 0;
}

static void text_free(struct control_channel *channel)
{
	if (channel->text)
		sodium_memzero(channel->text, channel->text_cap);
	free(channel->text);
	channel->text = NULL;
	channel->text_len = 0;
	channel->text_cap = 0;
	channel->complete = false;
	channel->polled = false;
}

void control_channel_free(struct control_channel *channel)
{
	if (!channel)
		return;
	while (channel->first) {
		struct frame *next = channel->first->next;

		free(channel->first);
		channel->first = next;
	}
	free(channel->taken);
	text_free(channel);
	noise_ik_clear(&channel->noise);
	free(channel);
}

/* Room for len more bytes and a NUL. Moves by hand: realloc would leave secrets behind. */
static int text_reserve(struct control_channel *channel, size_t len)
{
	size_t need = channel->text_len + len + 1;
	size_t cap = channel->text_cap ? channel->text_cap : 1024;
	char *text;

	if (channel->text_len + len > channel->message_max)
		return -EMSGSIZE;
	if (need <= channel->text_cap)
		return 0;
	while (cap < need)
		cap *= 2;
	text = malloc(cap);
	if (!text)
		return -ENOMEM;
	if (channel->text) {
		memcpy(text, channel->text, channel->text_len);
		sodium_memzero(channel->text, channel->text_cap);
		free(channel->text);
	}
	channel->text = text;
	channel->text_cap = cap;
	return 0;
}

static int add_piece(struct control_channel *channel, const uint8_t *piece, size_t len)
{
	int err;

	if (len == 0 || piece[0] > END || (piece[0] == MORE && len == 1))
		return -EBADMSG;
	err = text_reserve(channel, len - 1);
	if (err < 0)
		return err;
	memcpy(channel->text + channel->text_len, piece + 1, len - 1);
	channel->text_len += len - 1;
	channel->text[channel->text_len] = '\0';
	channel->complete = piece[0] == END;
	return 0;
}

static int input_transport(struct control_channel *channel, const uint8_t *data, size_t len)
{
	uint8_t *plain = malloc(len + 1);
	size_t plain_len;
	int err;

	if (!plain)
		return -ENOMEM;
	if (channel->polled)
		text_free(channel);
	err = noise_ik_open(&channel->noise, plain, len, &plain_len, data, len);
	if (err == 0 && channel->complete)
		err = -EBADMSG; /* the caller did not poll */
	if (err == 0)
		err = add_piece(channel, plain, plain_len);
	sodium_memzero(plain, len + 1);
	free(plain);
	return err;
}

/* The coordinator's second message, or the node's reading of it. No payloads are used. */
static int input_handshake(struct control_channel *channel, const uint8_t *data, size_t len)
{
	uint8_t payload[1];
	size_t payload_len;
	struct frame *frame;
	int err;

	if (channel->noise.initiator)
		return noise_ik_read_second(&channel->noise, data, len, payload, sizeof(payload),
					    &payload_len);
	err = noise_ik_read_first(&channel->noise, data, len, payload, sizeof(payload),
				  &payload_len);
	if (err < 0)
		return err;
	frame = frame_new(NOISE_IK_SECOND_OVERHEAD);
	if (!frame)
		return -ENOMEM;
	err = noise_ik_write_second(&channel->noise, &channel->rng, frame->data,
				    NOISE_IK_SECOND_OVERHEAD, &frame->len, NULL, 0);
	if (err < 0) {
		free(frame);
		return err;
	}
	frame_append(channel, frame);
	return 0;
}

int control_channel_input(struct control_channel *channel, const uint8_t *frame, size_t len)
{
	int err = channel->error;

	if (err < 0)
		return err;
	if (len == 0 || len > CONTROL_CHANNEL_FRAME_MAX)
		err = -EBADMSG;
	else if (noise_ik_established(&channel->noise))
		err = input_transport(channel, frame, len);
	else
		err = input_handshake(channel, frame, len);
	if (err < 0 && err != -EMSGSIZE && err != -ENOMEM)
		err = -EBADMSG;
	channel->error = err;
	return err;
}

bool control_channel_poll_message(struct control_channel *channel, char **json, size_t *len)
{
	if (!channel->complete || channel->polled)
		return false;
	channel->polled = true;
	*json = channel->text;
	*len = channel->text_len;
	return true;
}

static int send_piece(struct control_channel *channel, const char *piece, size_t len, bool end)
{
	struct frame *frame = frame_new(len + 1 + NOISE_IK_MESSAGE_OVERHEAD);
	int err;

	if (!frame)
		return -ENOMEM;
	/* Sealed in place: Noise allows the buffers to be the same. */
	frame->data[0] = end ? END : MORE;
	memcpy(frame->data + 1, piece, len);
	err = noise_ik_seal(&channel->noise, frame->data, len + 1 + NOISE_IK_MESSAGE_OVERHEAD,
			    &frame->len, frame->data, len + 1);
	if (err < 0) {
		free(frame);
		return err;
	}
	frame_append(channel, frame);
	return 0;
}

int control_channel_send(struct control_channel *channel, const char *json, size_t len)
{
	size_t frames = len / PIECE_MAX + 1;
	size_t at = 0;

	if (channel->error < 0)
		return channel->error;
	if (!noise_ik_established(&channel->noise))
		return -ENOTCONN;
	if (channel->queued + len + frames * (NOISE_IK_MESSAGE_OVERHEAD + 1) >
	    CONTROL_CHANNEL_QUEUE_MAX)
		return -ENOBUFS;
	do {
		size_t piece = len - at < PIECE_MAX ? len - at : PIECE_MAX;
		int err = send_piece(channel, json + at, piece, at + piece == len);

		if (err < 0) {
			/* Half a text is queued: nothing sensible can follow it. */
			channel->error = err;
			return err;
		}
		at += piece;
	} while (at < len);
	return 0;
}

bool control_channel_poll_frame(struct control_channel *channel, const uint8_t **frame, size_t *len)
{
	free(channel->taken);
	channel->taken = channel->first;
	if (!channel->taken)
		return false;
	channel->first = channel->taken->next;
	if (!channel->first)
		channel->last = &channel->first;
	channel->queued -= channel->taken->len;
	*frame = channel->taken->data;
	*len = channel->taken->len;
	return true;
}

bool control_channel_ready(const struct control_channel *channel)
{
	return channel->error == 0 && noise_ik_established(&channel->noise);
}

const uint8_t *control_channel_remote_key(const struct control_channel *channel)
{
	return channel->noise.remote_static;
}

const uint8_t *control_channel_handshake_hash(const struct control_channel *channel)
{
	return channel->noise.handshake_hash;
}
