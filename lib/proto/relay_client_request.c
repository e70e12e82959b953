#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "proto/relay_client_core.h"

#define RTO_COLD_NS     (500 * NS_PER_MS) /* RFC 8489 section 6.2.1 */
#define RTO_WARM_MIN_NS (100 * NS_PER_MS) /* once the round trip is known */
#define RTO_MAX_NS      (15 * NS_PER_S)
#define STREAM_WAIT_NS  (5 * NS_PER_S) /* a stream loses nothing, so that this is the end of it */
#define CHALLENGES_MAX  3
#define LIFETIME_MIN_S  10 /* however short it is said to be */

/* Four unanswered in a row within a second, when packets by this relay go unanswered. */
#define PROBE_FAST_MIN_NS (150 * NS_PER_MS)
#define PROBE_FAST_MAX_NS (240 * NS_PER_MS)
#define PROBE_FAST_TRIES  4
#define PROBE_STREAM_NS   (2 * NS_PER_S)
#define PROBE_IDLE_TRIES  5 /* from RTO, doubling */
#define PROBE_PAUSE_NS    (500 * NS_PER_MS)
#define REFUSED_FIRST_NS  (5 * NS_PER_S)
#define REFUSED_MAX_NS    (60 * NS_PER_S)

static uint64_t first_wait_ns(const struct relay_client *client)
{
	if (client->transport == RELAY_STREAM)
		return STREAM_WAIT_NS;
	if (!client->rtt_ns)
		return RTO_COLD_NS;
	return 2 * client->rtt_ns > RTO_WARM_MIN_NS ? 2 * client->rtt_ns : RTO_WARM_MIN_NS;
}

void relay_client_request_start(struct relay_client *client, struct relay_request *request,
				bool sign)
{
	request->active = true;
	request->due = true;
	request->signed_ = sign && client->nonce[0];
	request->sent = 0;
	request->next_ns = CLOCK_NEVER;
	request->wait_ns = first_wait_ns(client);
	rng_fill(client->rng, request->transaction, sizeof(request->transaction));
}

void relay_client_register(struct relay_client *client)
{
	client->again_ns = CLOCK_NEVER;
	/* An allocation ends with the user name that it began with. */
	if (client->has_next && !client->clearing && client->state == RELAY_CONNECTING)
		relay_client_turn_next_credentials(client);
	client->registration.challenges = 0;
	relay_client_request_start(client, &client->registration, true);
}

/* What is asked next may come from another address than the nonce was made for. */
static void use_pass(struct relay_client *client)
{
	if (client->state != RELAY_REGISTERED || !client->pass[0])
		return;
	memcpy(client->nonce, client->pass, sizeof(client->pass));
	client->pass[0] = '\0';
}

static void start_probe(struct relay_client *client, bool fast)
{
	client->fast_probe = fast;
	if (fast)
		use_pass(client);
	client->probe.challenges = 0;
	relay_client_request_start(client, &client->probe, true);
	if (fast && client->transport == RELAY_UDP) {
		uint64_t wait_ns = 2 * client->rtt_ns;

		if (wait_ns < PROBE_FAST_MIN_NS)
			wait_ns = PROBE_FAST_MIN_NS;
		client->probe.wait_ns = wait_ns < PROBE_FAST_MAX_NS ? wait_ns : PROBE_FAST_MAX_NS;
	} else if (client->transport == RELAY_STREAM) {
		client->probe.wait_ns = PROBE_STREAM_NS;
	}
}

static void schedule_keepalive(struct relay_client *client)
{
	uint64_t interval_ms = client->lifetime.interval_ns / NS_PER_MS;

	client->keepalive_ns =
		client->now_ns +
		(interval_ms - rng_below(client->rng, (uint32_t)interval_ms / 4)) * NS_PER_MS;
}

void relay_client_heard(struct relay_client *client)
{
	client->heard_ns = client->now_ns;
	client->probe.active = false;
}

int relay_client_use_credentials(struct relay_client *client, const char *username,
				 const char *password)
{
	if (strlen(username) >= sizeof(client->username) ||
	    strlen(password) >= sizeof(client->password))
		return -EINVAL;
	snprintf(client->username, sizeof(client->username), "%s", username);
	snprintf(client->password, sizeof(client->password), "%s", password);
	if (client->nonce[0] &&
	    stun_long_term_key(client->key, username, client->realm, password) < 0)
		client->nonce[0] = 0;
	return 0;
}

int relay_client_set_credentials(struct relay_client *client, const char *username,
				 const char *password)
{
	/* What was signed with the old ones is still to be answered. */
	int err = client->turn && (client->state == RELAY_REGISTERED || client->registration.active)
			  ? relay_client_turn_set_credentials(client, username, password)
			  : relay_client_use_credentials(client, username, password);

	if (err < 0)
		return err;
	/* A refusal had the old ones for its reason. */
	if (client->state == RELAY_CONNECTING && !client->registration.active)
		client->again_ns = client->now_ns;
	return 0;
}

void relay_client_leave_behind(struct relay_client *client)
{
	if (client->state == RELAY_REGISTERED)
		client->news |= RELAY_NEWS_LOST;
	client->news &= ~(unsigned int)RELAY_NEWS_REGISTERED;
	client->announce = true;
	client->state = RELAY_CONNECTING;
	client->probe.active = false;
	relay_client_peers_unbind(client);
	if (client->turn)
		relay_client_turn_lost(client);
}

void relay_client_moved(struct relay_client *client, enum relay_transport transport,
			uint64_t now_ns)
{
	enum relay_transport was = client->transport;

	client->now_ns = now_ns;
	client->transport = transport;
	client->detached = false;
	client->announce = true;
	client->probe.active = false;
	if (client->state == RELAY_LEFT)
		client->state = RELAY_CONNECTING;
	/* An allocation belongs to the address or stream that it was made from. */
	if (client->turn && (was != transport || transport == RELAY_STREAM))
		relay_client_leave_behind(client);
	use_pass(client);
	relay_client_register(client);
	mapping_lifetime_init(&client->lifetime);
	schedule_keepalive(client);
}

void relay_client_lost(struct relay_client *client)
{
	relay_client_leave_behind(client);
	relay_client_register(client);
}

void relay_client_disconnected(struct relay_client *client, uint64_t now_ns)
{
	client->now_ns = now_ns;
	if (client->detached)
		return;
	relay_client_lost(client);
	client->registration.active = false;
	client->detached = true;
}

void relay_client_leave(struct relay_client *client, uint64_t now_ns)
{
	client->now_ns = now_ns;
	if (client->state != RELAY_REGISTERED) {
		client->state = RELAY_LEFT;
		client->registration.active = false;
		return;
	}
	client->state = RELAY_LEFT;
	relay_client_peers_unbind(client);
	client->probe.active = false;
	relay_client_register(client);
}

void relay_client_unanswered(struct relay_client *client, uint64_t now_ns)
{
	uint64_t recent_ns =
		2 * client->rtt_ns > RTO_WARM_MIN_NS ? 2 * client->rtt_ns : RTO_WARM_MIN_NS;

	client->now_ns = now_ns;
	if (client->state != RELAY_REGISTERED || client->detached ||
	    now_ns - client->heard_ns < recent_ns)
		return;
	if (client->probe.active && client->fast_probe)
		return;
	if (!client->probe.active && client->probe.sent &&
	    now_ns - client->probe.sent_ns < PROBE_PAUSE_NS)
		return;
	start_probe(client, true);
}

/* ---- sending ---- */

void relay_client_add_credentials(struct relay_client *client, const struct relay_request *request,
				  struct stun_builder *b)
{
	if (!request->signed_)
		return;
	stun_add_text(b, STUN_ATTR_USERNAME, client->username);
	stun_add_text(b, STUN_ATTR_REALM, client->realm);
	stun_add_text(b, STUN_ATTR_NONCE, client->nonce);
	stun_add_integrity(b, client->key, sizeof(client->key));
}

size_t relay_client_finish(struct relay_client *client, struct relay_request *request,
			   struct stun_builder *b)
{
	size_t len;

	request->due = false;
	request->sent_ns = client->now_ns;
	request->next_ns = client->now_ns + request->wait_ns;
	request->sent++;
	return stun_end(b, &len) < 0 ? 0 : len;
}

static size_t build_own(struct relay_client *client, struct relay_request *request, uint16_t method,
			uint32_t lifetime_s, uint8_t *buf, size_t cap)
{
	struct stun_builder b;

	stun_begin(&b, buf, cap, STUN_REQUEST, method, request->transaction);
	if (!client->turn)
		stun_add(&b, STUN_ATTR_NODE_KEY, client->node_key, STUN_KEY_SIZE);
	else if (method == STUN_ALLOCATE)
		relay_client_turn_add_allocate(client, &b);
	stun_add_u32(&b, STUN_ATTR_LIFETIME, lifetime_s);
	if (!client->turn && method == STUN_ALLOCATE) {
		/* Any number that a copy started elsewhere has not: of the first transaction. */
		if (!client->instance)
			memcpy(&client->instance, request->transaction, sizeof(client->instance));
		stun_add_u32(&b, STUN_ATTR_INSTANCE, client->instance);
	}
	relay_client_add_credentials(client, request, &b);
	return relay_client_finish(client, request, &b);
}

static size_t build_registration(struct relay_client *client, uint8_t *buf, size_t cap)
{
	bool leaving = client->state == RELAY_LEFT;
	bool allocate = client->state == RELAY_CONNECTING && !client->clearing;
	size_t len =
		build_own(client, &client->registration, allocate ? STUN_ALLOCATE : STUN_REFRESH,
			  leaving || client->clearing ? 0 : RELAY_LIFETIME_S, buf, cap);

	if (leaving)
		client->registration.active = false;
	return len;
}

/* A Refresh rather than a Binding: a relay that was started anew would answer the latter gladly. */
static size_t build_probe(struct relay_client *client, uint8_t *buf, size_t cap)
{
	return build_own(client, &client->probe, STUN_REFRESH, RELAY_LIFETIME_S, buf, cap);
}

static size_t build_bind(struct relay_client *client, struct relay_peer *peer, uint8_t *buf,
			 size_t cap)
{
	struct stun_builder b;

	stun_begin(&b, buf, cap, STUN_REQUEST, STUN_CHANNEL_BIND, peer->bind.transaction);
	stun_add_channel(&b, peer->number);
	relay_client_add_peer(client, peer, &b);
	relay_client_add_credentials(client, &peer->bind, &b);
	/* Even if the answer is lost, the number may now mean this peer over there. */
	peer->rest_ns = client->now_ns + (RELAY_LIFETIME_S + 310) * NS_PER_S;
	return relay_client_finish(client, &peer->bind, &b);
}

size_t relay_client_poll_request(struct relay_client *client, uint8_t *buf, size_t cap)
{
	if (client->registration.active && client->registration.due)
		return build_registration(client, buf, cap);
	if (client->probe.active && client->probe.due)
		return build_probe(client, buf, cap);
	for (size_t i = 0; i < client->peer_count; i++) {
		struct relay_peer *peer = client->peers[i];

		if (peer && peer->bind.active && peer->bind.due)
			return build_bind(client, peer, buf, cap);
	}
	return client->turn ? relay_client_turn_poll(client, buf, cap) : 0;
}

/* ---- answers ---- */

bool relay_client_answers(const struct relay_request *request, const struct stun_message *msg)
{
	return request->active && request->sent &&
	       memcmp(request->transaction, msg->transaction, STUN_TRANSACTION_SIZE) == 0;
}

bool relay_client_authentic(const struct relay_client *client, const struct relay_request *request,
			    const struct stun_message *msg)
{
	return request->signed_ && stun_check_integrity(msg, client->key, sizeof(client->key));
}

static void measure(struct relay_client *client, const struct relay_request *request)
{
	uint64_t rtt_ns = client->now_ns - request->sent_ns;

	/* A repeated request does not tell which try was answered. */
	if (request->sent != 1)
		return;
	client->rtt_ns = client->rtt_ns ? (7 * client->rtt_ns + rtt_ns) / 8 : rtt_ns;
	if (!client->rtt_ns)
		client->rtt_ns = 1;
}

/* True when it is another one than before. */
static bool set_mapped(struct relay_client *client, const struct stun_message *msg)
{
	bool known = client->mapped.port != 0;
	struct endpoint mapped;

	if (stun_get_mapped(msg, &mapped) < 0 || endpoint_equal(&mapped, &client->mapped))
		return false;
	client->mapped = mapped;
	client->news |= RELAY_NEWS_MAPPED;
	return known;
}

/* A keepalive was answered: did the mapping outlive the silence before it? */
static void learn_lifetime(struct relay_client *client, bool moved)
{
	if (client->transport != RELAY_UDP)
		return;
	if (moved) {
		mapping_lifetime_died(&client->lifetime, client->silence_ns);
		schedule_keepalive(client);
	} else {
		mapping_lifetime_held(&client->lifetime, client->silence_ns);
	}
}

static void set_second_port(struct relay_client *client, const struct stun_message *msg)
{
	uint32_t port;

	if (stun_get_u32(msg, STUN_ATTR_SECOND_PORT, &port) < 0 || port > UINT16_MAX)
		port = 0;
	client->second_port = (uint16_t)port;
}

bool relay_client_take_challenge(struct relay_client *client, struct relay_request *request,
				 const struct stun_message *msg, unsigned int code)
{
	char realm[sizeof(client->realm)];
	char nonce[sizeof(client->nonce)];
	bool was_signed = request->signed_;

	if (stun_get_text(msg, STUN_ATTR_REALM, realm, sizeof(realm)) < 0 ||
	    stun_get_text(msg, STUN_ATTR_NONCE, nonce, sizeof(nonce)) < 0 || !nonce[0] ||
	    stun_long_term_key(client->key, client->username, realm, client->password) < 0)
		return false;
	memcpy(client->realm, realm, sizeof(realm));
	memcpy(client->nonce, nonce, sizeof(nonce));
	if ((code == STUN_ERR_UNAUTHENTICATED && was_signed) ||
	    request->challenges++ >= CHALLENGES_MAX)
		return false;
	relay_client_request_start(client, request, true);
	return true;
}

void relay_client_refused(struct relay_client *client, unsigned int code)
{
	relay_client_leave_behind(client);
	client->registration.active = false;
	client->error = code;
	client->news |= RELAY_NEWS_REFUSED;
	client->refused_wait_ns =
		client->refused_wait_ns ? client->refused_wait_ns * 2 : REFUSED_FIRST_NS;
	if (client->refused_wait_ns > REFUSED_MAX_NS)
		client->refused_wait_ns = REFUSED_MAX_NS;
	client->again_ns =
		client->has_next ? client->now_ns : client->now_ns + client->refused_wait_ns;
}

/* Fresh ones come with every success: the next request needs no challenge, wherever we are. */
static void take_nonces(struct relay_client *client, const struct stun_message *msg)
{
	char text[sizeof(client->nonce)];

	if (stun_get_text(msg, STUN_ATTR_NONCE, text, sizeof(text)) == 0 && text[0])
		memcpy(client->nonce, text, sizeof(text));
	if (stun_get_text(msg, STUN_ATTR_PASS, text, sizeof(client->pass)) == 0)
		memcpy(client->pass, text, sizeof(client->pass));
}

int relay_client_registration_done(struct relay_client *client, const struct stun_message *msg)
{
	uint32_t lifetime;

	measure(client, &client->registration);
	relay_client_heard(client);
	take_nonces(client, msg);
	client->registration.active = false;
	set_mapped(client, msg);
	set_second_port(client, msg);
	if (stun_get_u32(msg, STUN_ATTR_LIFETIME, &lifetime) < 0 || lifetime > RELAY_LIFETIME_S)
		lifetime = RELAY_LIFETIME_S;
	if (lifetime < LIFETIME_MIN_S)
		lifetime = LIFETIME_MIN_S;
	client->again_ns = client->now_ns + lifetime * (NS_PER_S / 2);
	client->refused_wait_ns = 0;
	client->state = RELAY_REGISTERED;
	if (client->announce)
		client->news |= RELAY_NEWS_REGISTERED;
	client->announce = false;
	schedule_keepalive(client);
	relay_client_peers_restart(client);
	return 0;
}

static int on_registration(struct relay_client *client, const struct stun_message *msg)
{
	struct relay_request *request = &client->registration;
	unsigned int code;
	bool authentic = relay_client_authentic(client, request, msg);

	if (msg->class == STUN_SUCCESS) {
		if (!authentic)
			return -EBADMSG;
		return client->turn && client->state != RELAY_REGISTERED
			       ? relay_client_turn_success(client, msg)
			       : relay_client_registration_done(client, msg);
	}
	if (stun_get_error(msg, &code) < 0)
		return -EBADMSG;
	if (client->turn && code == STUN_ERR_TRY_ALTERNATE)
		return relay_client_turn_alternate(client, msg);
	if (code == STUN_ERR_UNAUTHENTICATED || code == STUN_ERR_STALE_NONCE) {
		relay_client_heard(client);
		if (!relay_client_take_challenge(client, request, msg, code))
			relay_client_refused(client, code);
		return 0;
	}
	/*
	 * Anyone could have made it (RFC 8489 section 9.2.5). Only that there is an allocation
	 * already coturn says without asking who we are, and what comes of that is authenticated.
	 */
	if (!authentic &&
	    (request->signed_ || !client->turn || code != STUN_ERR_ALLOCATION_MISMATCH))
		return -EBADMSG;
	relay_client_heard(client);
	if (client->turn && client->state != RELAY_REGISTERED &&
	    relay_client_turn_error(client, code))
		return 0;
	if (code == STUN_ERR_ALLOCATION_MISMATCH && client->state == RELAY_REGISTERED) {
		/* The relay forgot us: it was started anew. */
		relay_client_lost(client);
		return 0;
	}
	relay_client_refused(client, code);
	return 0;
}

static int on_bind(struct relay_client *client, struct relay_peer *peer,
		   const struct stun_message *msg)
{
	bool authentic = relay_client_authentic(client, &peer->bind, msg);
	unsigned int code;

	if (msg->class == STUN_SUCCESS) {
		if (!authentic)
			return -EBADMSG;
		measure(client, &peer->bind);
		relay_client_heard(client);
		peer->bind.challenges = 0;
		relay_client_peer_bound(client, peer);
		return 0;
	}
	if (stun_get_error(msg, &code) < 0)
		return -EBADMSG;
	if (code == STUN_ERR_UNAUTHENTICATED || code == STUN_ERR_STALE_NONCE) {
		if (!relay_client_take_challenge(client, &peer->bind, msg, code))
			relay_client_peer_refused(client, peer);
		return 0;
	}
	if (!authentic)
		return -EBADMSG;
	relay_client_heard(client);
	if (code == STUN_ERR_ALLOCATION_MISMATCH)
		relay_client_lost(client);
	else if (code == RELAY_ERR_PEER_ABSENT || client->turn)
		relay_client_peer_absent(client, peer);
	else
		relay_client_peer_refused(client, peer);
	/* coturn says so too when it was started anew and knows no allocation of ours. */
	if (client->turn && code == STUN_ERR_BAD_REQUEST && !client->probe.active)
		start_probe(client, true);
	return 0;
}

static int on_probe(struct relay_client *client, const struct stun_message *msg)
{
	struct relay_request *probe = &client->probe;
	unsigned int code;
	bool moved;

	if (stun_get_error(msg, &code) == 0 &&
	    (code == STUN_ERR_UNAUTHENTICATED || code == STUN_ERR_STALE_NONCE)) {
		if (!relay_client_take_challenge(client, probe, msg, code))
			relay_client_lost(client);
		return 0;
	}
	if (!relay_client_authentic(client, probe, msg))
		return -EBADMSG;
	if (msg->class == STUN_ERROR) {
		relay_client_lost(client); /* it knows us no more */
		return 0;
	}
	measure(client, probe);
	relay_client_heard(client);
	take_nonces(client, msg);
	/* When a NAT gave us another address, this moved the registration there. */
	moved = set_mapped(client, msg);
	if (!client->fast_probe)
		learn_lifetime(client, moved);
	return 0;
}

int relay_client_response(struct relay_client *client, const struct stun_message *msg)
{
	struct relay_peer *peer;

	if (msg->class != STUN_SUCCESS && msg->class != STUN_ERROR)
		return -ENOENT;
	if (relay_client_answers(&client->registration, msg))
		return on_registration(client, msg);
	if (relay_client_answers(&client->probe, msg))
		return on_probe(client, msg);
	peer = relay_client_peer_of(client, msg->transaction);
	if (!peer && client->turn)
		return relay_client_turn_response(client, msg);
	if (!peer || !peer->bind.sent)
		return -ENOENT;
	return on_bind(client, peer, msg);
}

/* ---- time ---- */

static void expire_probe(struct relay_client *client)
{
	struct relay_request *probe = &client->probe;
	unsigned int tries = client->fast_probe ? PROBE_FAST_TRIES : PROBE_IDLE_TRIES;

	if (client->transport == RELAY_STREAM)
		tries = 1;
	if (probe->sent >= tries) {
		relay_client_lost(client);
		return;
	}
	if (!client->fast_probe)
		probe->wait_ns *= 2;
	probe->next_ns = CLOCK_NEVER;
	probe->due = true;
}

static void expire_registration(struct relay_client *client)
{
	struct relay_request *request = &client->registration;

	request->wait_ns = request->wait_ns * 2 < RTO_MAX_NS ? request->wait_ns * 2 : RTO_MAX_NS;
	request->next_ns = CLOCK_NEVER;
	request->due = true;
	/* RFC 8489 section 6.2.1: after seven tries this transaction has failed. */
	if (request->sent < 7)
		return;
	if (client->state == RELAY_REGISTERED) {
		relay_client_lost(client);
		return;
	}
	rng_fill(client->rng, request->transaction, sizeof(request->transaction));
	request->sent = 0;
}

uint64_t relay_client_next_timeout(const struct relay_client *client)
{
	uint64_t next_ns = CLOCK_NEVER;
	uint64_t peers_ns;

	if (client->detached || client->state == RELAY_LEFT)
		return CLOCK_NEVER;
	next_ns = client->registration.active ? client->registration.next_ns : client->again_ns;
	if (client->probe.active && client->probe.next_ns < next_ns)
		next_ns = client->probe.next_ns;
	if (client->state != RELAY_REGISTERED)
		return next_ns;
	if (!client->probe.active && client->keepalive_ns < next_ns)
		next_ns = client->keepalive_ns;
	peers_ns = relay_client_peers_next(client);
	if (peers_ns < next_ns)
		next_ns = peers_ns;
	peers_ns = client->turn ? relay_client_turn_next(client) : CLOCK_NEVER;
	return peers_ns < next_ns ? peers_ns : next_ns;
}

void relay_client_expire(struct relay_client *client, uint64_t now_ns)
{
	client->now_ns = now_ns;
	if (client->detached || client->state == RELAY_LEFT)
		return;
	if (client->registration.active) {
		if (client->registration.next_ns <= now_ns)
			expire_registration(client);
	} else if (client->again_ns <= now_ns) {
		if (!client->turn || !relay_client_turn_renew(client))
			relay_client_register(client);
	}
	if (client->state == RELAY_REGISTERED && client->probe.active &&
	    client->probe.next_ns <= now_ns)
		expire_probe(client);
	if (client->state != RELAY_REGISTERED)
		return;
	if (!client->probe.active && client->keepalive_ns <= now_ns) {
		client->silence_ns = now_ns - client->heard_ns;
		start_probe(client, false);
		schedule_keepalive(client);
	}
	relay_client_peers_expire(client);
	if (client->turn)
		relay_client_turn_expire(client);
}
