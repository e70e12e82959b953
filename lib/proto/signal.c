#include "proto/signal.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "base/buf.h"
#include "crypto/box.h"

#define VERSION 1

int signal_seal(uint8_t *out, size_t max, size_t *len, const struct signal *signal,
		const uint8_t box_secret[static 32], const uint8_t peer_box_key[static 32],
		const struct rng *rng)
{
	uint8_t plain[SIGNAL_SEALED_MAX];
	struct writer w;
	int err;

	if (signal->payload_len > SIGNAL_PAYLOAD_MAX)
		return -EMSGSIZE;
	if (max < SIGNAL_OVERHEAD + signal->payload_len)
		return -ENOSPC;
	writer_init(&w, plain, sizeof(plain));
	writer_u8(&w, VERSION);
	writer_u8(&w, signal->kind);
	writer_bytes(&w, signal->network_id, sizeof(signal->network_id));
	writer_bytes(&w, signal->from, sizeof(signal->from));
	writer_bytes(&w, signal->to, sizeof(signal->to));
	writer_u64(&w, signal->session);
	writer_u64(&w, signal->counter);
	writer_u64(&w, signal->time_s);
	writer_bytes(&w, signal->payload, signal->payload_len);
	err = box_seal(out, plain, w.len, peer_box_key, box_secret, rng);
	if (err == 0)
		*len = w.len + BOX_OVERHEAD;
	sodium_memzero(plain, sizeof(plain));
	return err;
}

static int parse_plain(struct signal *signal, const uint8_t *plain, size_t len)
{
	struct reader r;

	reader_init(&r, plain, len);
	if (reader_u8(&r) != VERSION)
		return -EBADMSG;
	signal->kind = reader_u8(&r);
	reader_copy(&r, signal->network_id, sizeof(signal->network_id));
	reader_copy(&r, signal->from, sizeof(signal->from));
	reader_copy(&r, signal->to, sizeof(signal->to));
	signal->session = reader_u64(&r);
	signal->counter = reader_u64(&r);
	signal->time_s = reader_u64(&r);
	signal->payload_len = r.left;
	signal->payload = reader_bytes(&r, r.left);
	return r.failed || signal->counter == 0 ? -EBADMSG : 0;
}

int signal_open(struct signal *signal, uint8_t plain[static SIGNAL_SEALED_MAX], const uint8_t *data,
		size_t len, const uint8_t box_secret[static 32],
		const uint8_t peer_box_key[static 32], const struct signal *expect)
{
	struct signal opened = { .kind = 0 };

	if (len < SIGNAL_OVERHEAD || len > SIGNAL_SEALED_MAX)
		return -EBADMSG;
	if (box_open(plain, data, len, peer_box_key, box_secret) < 0 ||
	    parse_plain(&opened, plain, len - BOX_OVERHEAD) < 0)
		return -EBADMSG;
	/* The box proves the box keys; a node's identity is its device key. */
	if (memcmp(opened.network_id, expect->network_id, sizeof(opened.network_id)) != 0 ||
	    memcmp(opened.from, expect->from, sizeof(opened.from)) != 0 ||
	    memcmp(opened.to, expect->to, sizeof(opened.to)) != 0)
		return -EPERM;
	*signal = opened;
	return 0;
}

static struct signal_replay_session *find_session(struct signal_replay *replay, uint64_t session)
{
	for (size_t i = 0; i < SIGNAL_SESSIONS; i++)
		if (replay->sessions[i].highest > 0 && replay->sessions[i].session == session)
			return &replay->sessions[i];
	return NULL;
}

static bool is_fresh(const struct signal_replay *replay, uint64_t time_s, uint64_t now_s)
{
	uint64_t apart = time_s > now_s ? time_s - now_s : now_s - time_s;

	return time_s >= replay->newest_s || apart <= SIGNAL_FRESH_S;
}

/* Marks counter in the window; false when it is there already or too old to tell. */
static bool mark(struct signal_replay_session *session, uint64_t counter)
{
	uint64_t behind;

	if (counter > session->highest) {
		uint64_t ahead = counter - session->highest;

		session->window = ahead < 64 ? session->window << ahead | 1 : 1;
		session->highest = counter;
		return true;
	}
	behind = session->highest - counter;
	if (behind >= 64 || session->window >> behind & 1)
		return false;
	session->window |= 1ull << behind;
	return true;
}

bool signal_replay_check(struct signal_replay *replay, const struct signal *signal, uint64_t now_s)
{
	struct signal_replay_session *session = find_session(replay, signal->session);

	if (!session) {
		if (!is_fresh(replay, signal->time_s, now_s))
			return false;
		session = &replay->sessions[replay->next++ % SIGNAL_SESSIONS];
		*session = (struct signal_replay_session){ .session = signal->session };
	}
	if (!mark(session, signal->counter))
		return false;
	if (signal->time_s > replay->newest_s)
		replay->newest_s = signal->time_s;
	return true;
}
