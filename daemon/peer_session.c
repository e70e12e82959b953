#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "base/clock.h"
#include "base/map.h"
#include "daemon/device_state.h"
#include "proto/wg_message.h"

/* Well above HANDSHAKE_INITIATIONS_MIN_NS, because the two may travel at different speeds. */
#define RESEND_MIN_NS (5 * HANDSHAKE_INITIATIONS_MIN_NS)

/* Data this young is probably followed by more. */
#define FLOWING_NS NS_PER_S

/* Handshakes, keypair slots and timers of a peer. */

#define TOS_HANDSHAKE 0x88 /* AF41, as the kernel's */

/* Registers an index so that messages to it find the peer; *index then is not free to reuse. */
static int index_register(struct peer *peer, uint32_t *index)
{
	struct device *device = peer->device;
	int ret = dataplane_index_new(peer->dp, index);

	if (ret < 0)
		return ret;
	ret = map_insert(device->by_index, index, peer);
	if (ret < 0)
		dataplane_index_free(device->dp, *index);
	return ret;
}

/* The initiation's index; free when no keypair has taken it over. */
static void initiation_index_drop(struct peer *peer, bool taken)
{
	if (!peer->has_initiation_index)
		return;
	peer->has_initiation_index = false;
	map_remove(peer->device->by_index, &peer->initiation_index);
	if (!taken)
		dataplane_index_free(peer->device->dp, peer->initiation_index);
}

/* The index of our last response belongs to its keypair; here it only leads cookies to us. */
static void response_index_drop(struct peer *peer)
{
	if (!peer->has_response_index)
		return;
	peer->has_response_index = false;
	map_remove(peer->device->by_index, &peer->response_index);
}

static void keypair_drop(struct dp_keypair **slot)
{
	if (*slot)
		dataplane_keypair_free(*slot);
	*slot = NULL;
}

static void initiation_forget(struct peer *peer)
{
	handshake_forget_initiation(&peer->handshake);
	initiation_index_drop(peer, false);
}

void peer_sessions_end(struct peer *peer)
{
	initiation_forget(peer);
	dataplane_peer_set_current(peer->dp, NULL);
	response_index_drop(peer);
	keypair_drop(&peer->next);
	keypair_drop(&peer->current);
	keypair_drop(&peer->previous);
}

static struct timers_marks timers_marks_of(const struct dp_activity *activity)
{
	return (struct timers_marks){
		.last_tx_ns = activity->last_tx_ns,
		.last_rx_ns = activity->last_rx_ns,
		.last_tx_data_ns = activity->last_tx_data_ns,
		.unanswered_since_ns = activity->unanswered_since_ns,
		.unacked_since_ns = activity->unacked_since_ns,
	};
}

static void marks_read(const struct peer *peer, struct timers_marks *marks)
{
	struct dp_activity activity;

	dataplane_peer_activity(peer->dp, &activity);
	*marks = timers_marks_of(&activity);
}

static bool data_flows(const struct dp_activity *activity, uint64_t now_ns)
{
	return now_ns < activity->last_tx_data_ns + FLOWING_NS ||
	       now_ns < activity->last_rx_data_ns + FLOWING_NS;
}

/*
 * Asks for the notices that would bring a deadline which does not exist yet. While data flows both
 * ways its marks come and go with every packet, and so would the notices: it is enough to look
 * again before the first deadline that a mark set from now on can have. Returns when.
 */
static uint64_t ask_notices(struct peer *peer, const struct dp_activity *activity)
{
	const uint64_t now_ns = loop_now_ns(peer->device->loop);
	uint64_t look_ns = CLOCK_NEVER;
	unsigned int ask = 0;

	if (!peer->timers.session)
		return look_ns;
	if (!activity->unanswered_since_ns)
		ask |= DP_NOTICE_UNANSWERED;
	if (!activity->unacked_since_ns)
		ask |= DP_NOTICE_UNACKED;
	if (ask && data_flows(activity, now_ns)) {
		ask = 0;
		look_ns = now_ns + KEEPALIVE_TIMEOUT_NS;
	}
	if (peer->current && peer->current_initiator && !peer->timers.wanted &&
	    !timers_handshake_under_way(&peer->timers))
		ask |= DP_NOTICE_REKEY;
	ask &= ~peer->notices;
	if (!ask)
		return look_ns;
	/* Marked first: the answer may come at once. */
	peer->notices |= ask;
	dataplane_peer_notify(peer->dp, ask);
	return look_ns;
}

void peer_timer_arm(struct peer *peer)
{
	struct dp_activity activity;
	struct timers_marks marks;
	uint64_t look_ns;
	uint64_t next_ns;

	dataplane_peer_activity(peer->dp, &activity);
	marks = timers_marks_of(&activity);
	look_ns = ask_notices(peer, &activity);
	next_ns = timers_next(&peer->timers, &marks);
	loop_timer_set(&peer->timer, look_ns < next_ns ? look_ns : next_ns);
}

static void send_handshake(struct peer *peer, const struct dp_path *path, uint8_t *msg, size_t len,
			   uint64_t now_ns)
{
	cookie_add_macs(&peer->cookies, msg, len, now_ns);
	/* A lost message and one that could not be sent are the same: retried. */
	(void)dataplane_send(peer->device->dp, path, msg, len, TOS_HANDSHAKE, 0);
}

/* Strictly above every stamp used before, also by an earlier run of the program. */
static void timestamp_next(struct device *device, uint8_t stamp[static TAI64N_SIZE])
{
	if (tai64n_source_next(&device->timestamps, device->wall_ns(), stamp) &&
	    device->ops->save_timestamp)
		device->ops->save_timestamp(device->arg, device->timestamps.reserved);
}

static void send_initiation(struct peer *peer, uint64_t now_ns)
{
	struct device *device = peer->device;
	struct wg_initiation msg;
	uint8_t stamp[TAI64N_SIZE];
	uint32_t index;

	/* Also when nothing can be sent: the next try comes with the timer. */
	timers_initiation_sent(&peer->timers, &device->rng, now_ns);
	initiation_forget(peer);
	if (peer_path(peer)->kind == DP_PATH_NONE || !peer->handshake.possible)
		return;
	if (index_register(peer, &index) < 0)
		return;
	peer->initiation_index = index;
	peer->has_initiation_index = true;
	timestamp_next(device, stamp);
	if (handshake_create_initiation(&peer->handshake, &device->identity, &device->rng, stamp,
					index, &msg) < 0) {
		initiation_index_drop(peer, false);
		return;
	}
	send_handshake(peer, &peer->path, (uint8_t *)&msg, sizeof(msg), now_ns);
	peer->initiation_sent_ns = now_ns;
	sodium_memzero(&msg, sizeof(msg));
}

static void give_up(struct peer *peer)
{
	struct device *device = peer->device;

	initiation_forget(peer);
	dataplane_peer_drop_staged(peer->dp, true);
	if (device->ops->handshake_failed)
		device->ops->handshake_failed(device->arg, peer);
}

static void send_keepalive(struct peer *peer)
{
	if (dataplane_peer_send_keepalive(peer->dp) == -ENOKEY)
		timers_want_handshake(&peer->timers);
}

/*
 * The address that a plain device sticks to may be why nobody answers: it is there, but the way
 * changed. The kernel then chooses anew, and packets from the peer set it again. An owner of paths
 * knows better.
 */
static void source_forget(struct peer *peer)
{
	struct dp_path path = *peer_path(peer);

	if (peer->device->ops->peer_seen || addr_is_link_local(&path.local))
		return;
	path.local = (struct ip_addr){ 0 };
	peer_set_path(peer, &path);
}

void peer_run(void *arg, uint64_t now_ns)
{
	struct peer *peer = arg;
	struct timers_marks marks;
	unsigned int actions;
	bool again = timers_handshake_under_way(&peer->timers);

	marks_read(peer, &marks);
	again |= marks.unanswered_since_ns &&
		 now_ns >= marks.unanswered_since_ns + UNANSWERED_TIMEOUT_NS;
	actions = timers_expire(&peer->timers, &marks, now_ns);
	if (actions & TIMERS_ERASE_KEYS)
		peer_sessions_end(peer);
	if (actions & TIMERS_GIVE_UP)
		give_up(peer);
	if (actions & TIMERS_SEND_KEEPALIVE)
		send_keepalive(peer);
	if (actions & TIMERS_SEND_INITIATION && again)
		source_forget(peer);
	if (actions & TIMERS_SEND_INITIATION)
		send_initiation(peer, now_ns);
	peer_timer_arm(peer);
}

static void run_now(struct peer *peer)
{
	peer_run(peer, loop_now_ns(peer->device->loop));
}

void peer_key_changed(struct peer *peer)
{
	initiation_forget(peer);
	handshake_set_identity(&peer->handshake, &peer->device->identity);
	/* Packets under way to us are still received with what was current. */
	dataplane_peer_set_current(peer->dp, NULL);
	response_index_drop(peer);
	keypair_drop(&peer->next);
	if (peer->current) {
		keypair_drop(&peer->previous);
		peer->previous = peer->current;
		peer->current = NULL;
	}
	timers_handshake_complete(&peer->timers);
	peer->timers.sent = false;
	run_now(peer);
}

void peer_activity(struct peer *peer, unsigned int notices)
{
	struct device *device = peer->device;

	peer->notices &= ~notices;
	if (notices & DP_NOTICE_REKEY)
		timers_want_handshake(&peer->timers);
	/* In the next turn, since this may come from within a call of ours. */
	loop_timer_set(&peer->timer, loop_now_ns(device->loop));
	if (device->ops->activity)
		device->ops->activity(device->arg, peer, notices);
}

static void handshake_done(struct peer *peer, uint64_t now_ns)
{
	struct device *device = peer->device;

	timers_handshake_complete(&peer->timers);
	peer->last_handshake_ns = now_ns;
	peer->last_handshake_wall_ns = device->wall_ns();
	dataplane_peer_set_current(peer->dp, peer->current);
}

static void session_up(struct peer *peer)
{
	struct device *device = peer->device;

	dataplane_peer_flush(peer->dp);
	dataplane_peer_greet(peer->dp);
	peer_timer_arm(peer);
	if (device->ops->session_up)
		device->ops->session_up(device->arg, peer);
}

void peer_confirmed(struct peer *peer, struct dp_keypair *keypair)
{
	if (!keypair || keypair != peer->next)
		return;
	keypair_drop(&peer->previous);
	peer->previous = peer->current;
	peer->current = peer->next;
	peer->current_created_ns = peer->next_created_ns;
	peer->current_initiator = false;
	peer->next = NULL;
	handshake_done(peer, loop_now_ns(peer->device->loop));
	session_up(peer);
}

static struct dp_keypair *keypair_new(struct peer *peer, const struct wg_session *session,
				      uint64_t now_ns)
{
	struct dp_keypair_config config = {
		.local_index = session->local_index,
		.remote_index = session->remote_index,
		.created_ns = now_ns,
		.initiator = session->initiator,
	};
	struct dp_keypair *keypair;

	memcpy(config.send_key, session->send_key, 32);
	memcpy(config.recv_key, session->recv_key, 32);
	keypair = dataplane_keypair_new(peer->dp, &config);
	sodium_memzero(&config, sizeof(config));
	if (keypair)
		timers_session_begun(&peer->timers, now_ns);
	return keypair;
}

/* The peer has not yet shown that it has the keys, so nothing is sent with them. */
static void keypair_responded(struct peer *peer, struct dp_keypair *keypair, uint64_t now_ns)
{
	keypair_drop(&peer->next);
	keypair_drop(&peer->previous);
	peer->next = keypair;
	peer->next_created_ns = now_ns;
	peer_timer_arm(peer);
}

static void keypair_initiated(struct peer *peer, struct dp_keypair *keypair, uint64_t now_ns)
{
	keypair_drop(&peer->previous);
	if (peer->next) {
		/* The peer began as well: it may send with that one still. */
		keypair_drop(&peer->current);
		peer->previous = peer->next;
		peer->next = NULL;
	} else {
		peer->previous = peer->current;
	}
	peer->current = keypair;
	peer->current_created_ns = now_ns;
	peer->current_initiator = true;
	handshake_done(peer, now_ns);
	/* First of all an empty packet: the responder waits for one before it sends. */
	(void)dataplane_peer_send_keepalive(peer->dp);
	session_up(peer);
}

void peer_accept_initiation(struct peer *peer, struct wg_incoming *in,
			    const struct wg_initiation *msg, const struct dp_path *from,
			    uint64_t now_ns)
{
	struct device *device = peer->device;
	struct dp_keypair *keypair;
	struct wg_session session;
	struct wg_response response;
	uint32_t index;
	int ret = handshake_accept(&peer->handshake, in, msg, now_ns);

	if (ret < 0) {
		*(ret == -EBADMSG ? &device->drops.unauthentic : &device->drops.replayed) += 1;
		return;
	}
	response_index_drop(peer);
	if (index_register(peer, &index) < 0)
		return;
	peer->response_index = index;
	peer->has_response_index = true;
	ret = handshake_respond(&peer->handshake, in, &device->rng, index, &response, &session);
	keypair = ret < 0 ? NULL : keypair_new(peer, &session, now_ns);
	sodium_memzero(&session, sizeof(session));
	if (!keypair) {
		response_index_drop(peer);
		dataplane_index_free(device->dp, index);
		return;
	}
	/* Before the response leaves: the first packet may follow it within microseconds. */
	keypair_responded(peer, keypair, now_ns);
	peer_saw(peer, from);
	if (!device_may_answer(device, peer, from))
		from = peer_path(peer);
	send_handshake(peer, from, (uint8_t *)&response, sizeof(response), now_ns);
}

void peer_accept_response(struct peer *peer, const struct wg_response *msg,
			  const struct dp_path *from, uint64_t now_ns)
{
	struct device *device = peer->device;
	struct dp_keypair *keypair;
	struct wg_session session;

	if (handshake_consume_response(&peer->handshake, &device->identity, msg, &session) < 0) {
		device->drops.unauthentic++;
		return;
	}
	keypair = keypair_new(peer, &session, now_ns);
	initiation_index_drop(peer, keypair != NULL);
	sodium_memzero(&session, sizeof(session));
	if (!keypair)
		return;
	peer_saw(peer, from);
	keypair_initiated(peer, keypair, now_ns);
}

void peer_start_handshake(struct peer *peer)
{
	timers_want_handshake(&peer->timers);
	run_now(peer);
}

void peer_resend_handshake(struct peer *peer)
{
	const uint64_t now_ns = loop_now_ns(peer->device->loop);

	if (!timers_handshake_under_way(&peer->timers))
		return;
	/*
	 * A second one so soon would be refused by the responder's limit, and make the answer to
	 * the first one worthless: nothing then before the retry, seconds later.
	 */
	if (peer->has_initiation_index && now_ns < peer->initiation_sent_ns + RESEND_MIN_NS)
		return;
	send_initiation(peer, now_ns);
	peer_timer_arm(peer);
}

void peer_send_keepalive(struct peer *peer)
{
	send_keepalive(peer);
	run_now(peer);
}

bool peer_has_session(const struct peer *peer)
{
	return peer->current &&
	       loop_now_ns(peer->device->loop) - peer->current_created_ns < REJECT_AFTER_TIME_NS;
}

bool peer_handshake_under_way(const struct peer *peer)
{
	return timers_handshake_under_way(&peer->timers);
}
