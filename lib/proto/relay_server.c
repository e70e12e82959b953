#include "proto/relay_server.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "proto/relay_auth.h"
#include "proto/relay_forward.h"
#include "proto/relay_session.h"

#define SESSIONS_DEFAULT      65536
#define BYTES_PER_S_DEFAULT   625000000u
#define PACKETS_PER_S_DEFAULT 500000u
#define SENDER_BURST_NS       (100 * NS_PER_MS)
#define NOTICES_PER_S         10
#define STRANGER_SLOTS        4096
#define STRANGER_COST_NS      (NS_PER_S / RELAY_UNAUTHENTICATED_PPS)
#define STRANGER_BURST_NS     NS_PER_S
#define PROBE_COST_NS         (NS_PER_S / RELAY_PROBES_PER_S)
#define PROBE_BURST_NS        (10 * PROBE_COST_NS)
#define PROBE_PORT_MIN        1024 /* a system port is nobody's mapping */

struct relay_server {
	struct relay_auth auth;
	struct relay_sessions sessions;
	struct relay_stats stats;
	struct endpoint sockets[RELAY_SOCKETS_MAX];
	bool has_other; /* all of RFC 5780 */
	uint16_t second_port;
	uint8_t stranger_key[crypto_shorthash_KEYBYTES];
	struct relay_bucket strangers[STRANGER_SLOTS]; /* by a hash of the address */
};

/* One input on its way through. */
struct request {
	struct relay_server *server;
	struct stun_message msg;
	const struct relay_address *from;
	uint64_t now_ns;
	struct relay_output *out;
	struct relay_identity who;
};

static struct relay_forward *new_forward(const struct relay_server_config *config,
					 const struct rng *rng)
{
	uint64_t bytes_per_s =
		config->rate_bytes_per_s ? config->rate_bytes_per_s : BYTES_PER_S_DEFAULT;
	uint64_t packets_per_s =
		config->rate_packets_per_s ? config->rate_packets_per_s : PACKETS_PER_S_DEFAULT;
	struct relay_rate rate = {
		.byte_cost_ps = 1000 * NS_PER_S / bytes_per_s,
		.packet_cost_ns = NS_PER_S / packets_per_s,
		.burst_ns = SENDER_BURST_NS,
	};

	return relay_forward_new(&rate, rng, config->forwarders);
}

int relay_server_new(struct relay_server **out, const struct relay_server_config *config,
		     const struct rng *rng, uint64_t now_ns, uint64_t wall_s)
{
	struct relay_server *server = calloc(1, sizeof(*server));
	int err;

	if (!server)
		return -ENOMEM;
	err = relay_auth_init(&server->auth, config, rng);
	if (err < 0)
		goto fail;
	err = relay_sessions_init(&server->sessions,
				  config->sessions_max ? config->sessions_max : SESSIONS_DEFAULT,
				  new_forward(config, rng));
	if (err < 0)
		goto fail;
	rng_fill(rng, server->stranger_key, sizeof(server->stranger_key));
	memcpy(server->sockets, config->sockets, sizeof(server->sockets));
	server->second_port = config->second_port;
	server->has_other = true;
	for (size_t i = 0; i < RELAY_SOCKETS_MAX; i++)
		server->has_other = server->has_other && server->sockets[i].addr.family;
	relay_server_set_wall(server, now_ns, wall_s);
	*out = server;
	return 0;

fail:
	relay_auth_clear(&server->auth);
	free(server);
	return err;
}

void relay_server_free(struct relay_server *server)
{
	if (!server)
		return;
	relay_sessions_clear(&server->sessions);
	relay_auth_clear(&server->auth);
	free(server);
}

void relay_server_set_wall(struct relay_server *server, uint64_t now_ns, uint64_t wall_s)
{
	server->auth.wall_s = wall_s;
	server->auth.wall_at_ns = now_ns;
}

/* Answers to those who showed no credentials are few, so that nobody is flooded by reflection. */
static bool stranger_allowed(struct request *rq)
{
	struct relay_server *server = rq->server;
	const struct ip_addr *addr = &rq->from->remote.addr;
	uint8_t hash[crypto_shorthash_BYTES];
	size_t slot;

	if (relay_sessions_find_address(&server->sessions, rq->from))
		return true;
	crypto_shorthash(hash, addr->bytes, addr->family == AF_INET ? 4 : 8, server->stranger_key);
	slot = load_le32(hash) % STRANGER_SLOTS;
	if (relay_bucket_take(&server->strangers[slot], STRANGER_COST_NS, STRANGER_BURST_NS,
			      rq->now_ns))
		return true;
	server->stats.dropped_rate++;
	return false;
}

static bool finish(struct request *rq, struct stun_builder *b, bool authenticated)
{
	if (authenticated)
		stun_add_integrity(b, rq->who.key, sizeof(rq->who.key));
	if (rq->msg.has_fingerprint)
		stun_add_fingerprint(b);
	if (stun_end(b, &rq->out->len) < 0)
		return false;
	rq->out->to = *rq->from;
	rq->out->data = rq->out->buffer;
	return true;
}

static void begin(struct request *rq, struct stun_builder *b, enum stun_class class)
{
	stun_begin_response(b, rq->out->buffer, sizeof(rq->out->buffer), class, &rq->msg);
}

static bool answer_error(struct request *rq, unsigned int code, bool authenticated)
{
	struct stun_builder b;

	begin(rq, &b, STUN_ERROR);
	stun_add_error(&b, code);
	rq->server->stats.refused++;
	return finish(rq, &b, authenticated);
}

static bool answer_unknown(struct request *rq, const uint16_t *types, size_t count,
			   bool authenticated)
{
	struct stun_builder b;

	begin(rq, &b, STUN_ERROR);
	stun_add_error(&b, STUN_ERR_UNKNOWN_ATTRIBUTE);
	stun_add_unknown_attrs(&b, types, count);
	rq->server->stats.refused++;
	return finish(rq, &b, authenticated);
}

/* 401 and 438 carry a fresh nonce; both are the normal way in, not a refusal. */
static bool answer_challenge(struct request *rq, unsigned int code)
{
	char nonce[RELAY_NONCE_SIZE];
	struct stun_builder b;

	begin(rq, &b, STUN_ERROR);
	stun_add_error(&b, code);
	stun_add_text(&b, STUN_ATTR_REALM, TURN_REALM);
	relay_auth_nonce(&rq->server->auth, nonce, rq->from, rq->now_ns);
	stun_add_text(&b, STUN_ATTR_NONCE, nonce);
	return finish(rq, &b, false);
}

/* ---- plain STUN ---- */

/* Comprehension-required attributes that a Binding request here may not have; how many. */
static size_t binding_unknown(struct request *rq, uint16_t *types)
{
	static const struct {
		uint16_t type;
		bool discovery; /* fine where there is a second address */
	} unsupported[] = {
		{ STUN_ATTR_CHANGE_REQUEST, true },
		{ STUN_ATTR_RESPONSE_PORT, true },
		/* Makes answers large, for whoever's address the request claims. */
		{ STUN_ATTR_PADDING, false },
		{ STUN_ATTR_MESSAGE_INTEGRITY_SHA256, false },
	};
	size_t count = stun_unknown_attrs(&rq->msg, types, STUN_UNKNOWN_MAX);

	for (size_t i = 0; i < sizeof(unsupported) / sizeof(unsupported[0]); i++) {
		bool fine = unsupported[i].discovery && rq->server->has_other;

		if (!fine && count < STUN_UNKNOWN_MAX && stun_has(&rq->msg, unsupported[i].type))
			types[count++] = unsupported[i].type;
	}
	return count;
}

/* RESPONSE-PORT: 16 bits and as much padding (RFC 5780 section 7.5). False when malformed. */
static bool response_port(const struct stun_message *msg, uint16_t *port)
{
	size_t len;
	const uint8_t *value = stun_find(msg, STUN_ATTR_RESPONSE_PORT, &len);

	if (!value)
		return true;
	if (len != 2 && len != 4)
		return false;
	*port = load_be16(value);
	return *port != 0;
}

static bool on_binding(struct request *rq)
{
	struct relay_server *server = rq->server;
	uint16_t types[STUN_UNKNOWN_MAX];
	size_t count = binding_unknown(rq, types);
	struct stun_builder b;
	uint32_t change = 0;
	uint16_t port = rq->from->remote.port;
	uint8_t via = rq->from->socket & 3;

	if (count)
		return answer_unknown(rq, types, count, false);
	if (stun_get_u32(&rq->msg, STUN_ATTR_CHANGE_REQUEST, &change) == -EBADMSG ||
	    !response_port(&rq->msg, &port))
		return answer_error(rq, STUN_ERR_BAD_REQUEST, false);
	begin(rq, &b, STUN_SUCCESS);
	stun_add_endpoint(&b, STUN_ATTR_XOR_MAPPED_ADDRESS, &rq->from->remote);
	if (!rq->from->stream) {
		if (server->has_other)
			stun_add_endpoint(&b, STUN_ATTR_OTHER_ADDRESS, &server->sockets[via ^ 3]);
		via ^= (change & STUN_CHANGE_PORT ? 1 : 0) | (change & STUN_CHANGE_IP ? 2 : 0);
		if (server->sockets[via].addr.family)
			stun_add_endpoint(&b, STUN_ATTR_RESPONSE_ORIGIN, &server->sockets[via]);
	}
	if (!finish(rq, &b, false))
		return false;
	if (rq->out->to.socket != via)
		rq->out->to.local.family = 0;
	rq->out->to.socket = via;
	rq->out->to.remote.port = port;
	server->stats.bindings++;
	return true;
}

/* ---- registration ---- */

static uint64_t lifetime_s(const struct request *rq)
{
	uint32_t lifetime;

	if (stun_get_u32(&rq->msg, STUN_ATTR_LIFETIME, &lifetime) < 0 ||
	    lifetime > RELAY_LIFETIME_S)
		return RELAY_LIFETIME_S;
	return lifetime;
}

/* session NULL: it has left. */
static bool answer_registered(struct request *rq, const struct relay_session *session,
			      uint64_t lifetime)
{
	char nonce[RELAY_NONCE_SIZE], pass[RELAY_PASS_SIZE];
	struct stun_builder b;

	begin(rq, &b, STUN_SUCCESS);
	stun_add_endpoint(&b, STUN_ATTR_XOR_MAPPED_ADDRESS, &rq->from->remote);
	stun_add_u32(&b, STUN_ATTR_LIFETIME, (uint32_t)lifetime);
	if (session) {
		relay_auth_nonce(&rq->server->auth, nonce, rq->from, rq->now_ns);
		stun_add_text(&b, STUN_ATTR_NONCE, nonce);
		relay_auth_pass(&rq->server->auth, pass, session->node_key, session->pass);
		stun_add_text(&b, STUN_ATTR_PASS, pass);
	}
	if (rq->server->second_port)
		stun_add_u32(&b, STUN_ATTR_SECOND_PORT, rq->server->second_port);
	return finish(rq, &b, true);
}

/*
 * Is this a copy of the machine that is registered? Credentials are made anew with every login, so
 * a copy's are older, or as old when it was made of a running machine. It must not take the place
 * of the one that lives; what was started anew, on the same machine or with newer credentials, may.
 */
static bool is_copy(const struct request *rq, const struct relay_session *session)
{
	const struct relay_address *at = &session->address;
	uint32_t instance = 0;

	if (!session->present || rq->who.has_pass ||
	    rq->now_ns >= session->heard_ns + RELAY_ALIVE_S * NS_PER_S ||
	    rq->who.expiry_s > session->expiry_s ||
	    (endpoint_equal(&at->remote, &rq->from->remote) && at->stream == rq->from->stream))
		return false;
	if (rq->who.expiry_s < session->expiry_s)
		return true;
	/* Another kind of request is from whoever has seen an answer to an Allocate. */
	if (rq->msg.method != STUN_ALLOCATE || addr_equal(&at->remote.addr, &rq->from->remote.addr))
		return false;
	stun_get_u32(&rq->msg, STUN_ATTR_INSTANCE, &instance);
	return !instance || instance != session->instance;
}

static void note_life(const struct request *rq, struct relay_session *session)
{
	uint32_t instance;

	session->heard_ns = rq->now_ns;
	if (rq->who.expiry_s > session->expiry_s)
		session->expiry_s = rq->who.expiry_s;
	if (stun_get_u32(&rq->msg, STUN_ATTR_INSTANCE, &instance) == 0)
		session->instance = instance;
}

static bool settle(struct request *rq, struct relay_session *session, uint64_t lifetime)
{
	struct relay_sessions *sessions = &rq->server->sessions;

	if (relay_sessions_move(sessions, session, rq->from) < 0)
		return answer_error(rq, STUN_ERR_INSUFFICIENT_CAPACITY, true);
	note_life(rq, session);
	relay_sessions_set_expiry(sessions, session, rq->now_ns + lifetime * NS_PER_S);
	return answer_registered(rq, session, lifetime);
}

/* Never one that was given before, to this session or an earlier one of the node. */
static uint32_t pass_number(const struct request *rq)
{
	return (uint32_t)(rq->now_ns / NS_PER_MS);
}

static bool on_allocate(struct request *rq)
{
	struct relay_sessions *sessions = &rq->server->sessions;
	struct relay_session *session = relay_sessions_find(sessions, rq->who.node_key);
	uint64_t lifetime = lifetime_s(rq);

	if (!session) {
		session = relay_sessions_add(sessions, rq->who.node_key);
		if (session)
			session->pass = pass_number(rq);
	}
	if (!session)
		return answer_error(rq, STUN_ERR_INSUFFICIENT_CAPACITY, true);
	if (is_copy(rq, session))
		return answer_error(rq, STUN_ERR_FORBIDDEN, true);
	return settle(rq, session, lifetime ? lifetime : RELAY_LIFETIME_S);
}

/* Each holds once, or whoever has seen it could call itself this node. */
static bool take_pass(const struct request *rq, struct relay_session *session)
{
	if (session->pass != rq->who.pass)
		return false;
	session->pass = pass_number(rq) > session->pass ? pass_number(rq) : session->pass + 1;
	return true;
}

static bool on_refresh(struct request *rq)
{
	struct relay_sessions *sessions = &rq->server->sessions;
	struct relay_session *session = relay_sessions_find(sessions, rq->who.node_key);
	uint64_t lifetime = lifetime_s(rq);

	if (!session)
		return answer_error(rq, STUN_ERR_ALLOCATION_MISMATCH, true);
	if (rq->who.has_pass && !take_pass(rq, session))
		return answer_challenge(rq, STUN_ERR_STALE_NONCE);
	if (is_copy(rq, session))
		return answer_error(rq, STUN_ERR_FORBIDDEN, true);
	if (lifetime)
		return settle(rq, session, lifetime);
	relay_sessions_remove(sessions, session);
	return answer_registered(rq, NULL, 0);
}

static bool on_channel_bind(struct request *rq)
{
	struct relay_sessions *sessions = &rq->server->sessions;
	struct relay_session *session = relay_sessions_find(sessions, rq->who.node_key);
	struct relay_session *peer;
	const uint8_t *peer_key;
	struct stun_builder b;
	uint16_t number;
	int err;

	if (!session)
		return answer_error(rq, STUN_ERR_ALLOCATION_MISMATCH, true);
	if (stun_get_node_key(&rq->msg, &peer_key) < 0 || stun_get_channel(&rq->msg, &number) < 0 ||
	    number < RELAY_CHANNEL_MIN || number > RELAY_CHANNEL_MAX ||
	    memcmp(peer_key, rq->who.node_key, STUN_KEY_SIZE) == 0)
		return answer_error(rq, STUN_ERR_BAD_REQUEST, true);
	if (is_copy(rq, session))
		return answer_error(rq, STUN_ERR_FORBIDDEN, true);
	if (relay_sessions_move(sessions, session, rq->from) < 0)
		return answer_error(rq, STUN_ERR_INSUFFICIENT_CAPACITY, true);
	note_life(rq, session);
	peer = relay_sessions_find(sessions, peer_key);
	if (!peer || !peer->present)
		return answer_error(rq, RELAY_ERR_PEER_ABSENT, true);
	err = relay_sessions_bind(sessions, session, number, peer_key, rq->now_ns);
	if (err < 0)
		return answer_error(rq,
				    err == -EINVAL ? STUN_ERR_BAD_REQUEST
						   : STUN_ERR_INSUFFICIENT_CAPACITY,
				    true);
	begin(rq, &b, STUN_SUCCESS);
	return finish(rq, &b, true);
}

/* ---- probes ---- */

/* The asker's own address, and a port that may be a mapping of its. */
static bool probe_target(const struct request *rq, struct endpoint *target)
{
	const struct endpoint *remote = &rq->from->remote;

	if (stun_get_endpoint(&rq->msg, STUN_ATTR_XOR_PEER_ADDRESS, target) < 0 ||
	    !addr_equal(&target->addr, &remote->addr))
		return false;
	return target->port >= PROBE_PORT_MIN ||
	       (!rq->from->stream && target->port && target->port == remote->port);
}

static bool build_probe(struct request *rq, const struct endpoint *target)
{
	struct relay_output *out = rq->out;
	struct stun_builder b;
	size_t len;

	stun_begin(&b, out->probe.data, sizeof(out->probe.data), STUN_INDICATION, STUN_PROBE,
		   rq->msg.transaction);
	stun_add_integrity(&b, rq->who.key, sizeof(rq->who.key));
	if (stun_end(&b, &len) < 0 || len != sizeof(out->probe.data))
		return false;
	out->probe.to = (struct relay_address){ .remote = *target, .socket = RELAY_SECOND_SOCKET };
	if (!rq->from->stream) {
		out->probe.to.local = rq->from->local;
		out->probe.to.masked = rq->from->masked;
	}
	return true;
}

static bool on_probe(struct request *rq)
{
	struct relay_server *server = rq->server;
	struct relay_session *session = relay_sessions_find(&server->sessions, rq->who.node_key);
	struct endpoint target;
	struct stun_builder b;

	if (!session)
		return answer_error(rq, STUN_ERR_ALLOCATION_MISMATCH, true);
	if (!server->second_port)
		return answer_error(rq, STUN_ERR_BAD_REQUEST, true);
	if (!probe_target(rq, &target))
		return answer_error(rq, STUN_ERR_FORBIDDEN, true);
	if (!relay_bucket_take(&session->probes, PROBE_COST_NS, PROBE_BURST_NS, rq->now_ns))
		return answer_error(rq, STUN_ERR_ALLOCATION_QUOTA, true);
	begin(rq, &b, STUN_SUCCESS);
	if (!finish(rq, &b, true))
		return false;
	rq->out->has_probe = build_probe(rq, &target);
	server->stats.probes += rq->out->has_probe;
	return true;
}

static bool on_authenticated(struct request *rq)
{
	uint16_t types[STUN_UNKNOWN_MAX];
	size_t count = stun_unknown_attrs(&rq->msg, types, STUN_UNKNOWN_MAX);
	const uint8_t *node_key;

	if (count)
		return answer_unknown(rq, types, count, true);
	if (rq->msg.method == STUN_CHANNEL_BIND)
		return on_channel_bind(rq);
	/* The credential names one node, and only that may be registered with it. */
	if (stun_get_node_key(&rq->msg, &node_key) < 0)
		return answer_error(rq, STUN_ERR_BAD_REQUEST, true);
	if (sodium_memcmp(node_key, rq->who.node_key, STUN_KEY_SIZE) != 0)
		return answer_error(rq, STUN_ERR_FORBIDDEN, true);
	switch (rq->msg.method) {
	case STUN_ALLOCATE:
		return on_allocate(rq);
	case STUN_PROBE:
		return on_probe(rq);
	default:
		return on_refresh(rq);
	}
}

static bool on_request(struct request *rq)
{
	unsigned int code;

	switch (rq->msg.method) {
	case STUN_BINDING:
		return stranger_allowed(rq) && on_binding(rq);
	case STUN_ALLOCATE:
	case STUN_REFRESH:
	case STUN_CHANNEL_BIND:
	case STUN_PROBE:
		break;
	default:
		return stranger_allowed(rq) && answer_error(rq, STUN_ERR_BAD_REQUEST, false);
	}
	code = relay_auth_check(&rq->server->auth, &rq->msg, rq->from, rq->now_ns, &rq->who);
	if (!code)
		return on_authenticated(rq);
	if (!stranger_allowed(rq))
		return false;
	if (code == STUN_ERR_UNAUTHENTICATED || code == STUN_ERR_STALE_NONCE)
		return answer_challenge(rq, code);
	return answer_error(rq, code, code == STUN_ERR_WRONG_CREDENTIALS);
}

/* ---- forwarding ---- */

static bool sender_allowed(struct request *rq, struct relay_session *sender, size_t len)
{
	struct relay_server *server = rq->server;

	if (relay_forward_allow(server->sessions.forward, sender->source, 1, len, rq->now_ns))
		return true;
	server->stats.dropped_rate++;
	return false;
}

/* Tells the sender that peer is not here, a few times a second at most. */
static bool tell_absent(struct request *rq, struct relay_session *sender,
			const uint8_t peer[static STUN_KEY_SIZE])
{
	uint8_t transaction[STUN_TRANSACTION_SIZE] = { 0 };
	struct stun_builder b;

	rq->server->stats.dropped_absent++;
	if (!relay_bucket_take(&sender->notices, NS_PER_S / NOTICES_PER_S, NS_PER_S, rq->now_ns))
		return false;
	/* Nobody answers an indication, so its transaction only has to be well-formed. */
	store_be64(transaction, rq->now_ns);
	stun_begin(&b, rq->out->buffer, sizeof(rq->out->buffer), STUN_INDICATION, STUN_DATA,
		   transaction);
	stun_add(&b, STUN_ATTR_NODE_KEY, peer, STUN_KEY_SIZE);
	stun_add_error(&b, RELAY_ERR_PEER_ABSENT);
	if (stun_end(&b, &rq->out->len) < 0)
		return false;
	rq->out->to = sender->address;
	rq->out->data = rq->out->buffer;
	return true;
}

static bool wrap_data(struct request *rq, const struct relay_session *sender,
		      const uint8_t *payload, size_t len)
{
	uint8_t transaction[STUN_TRANSACTION_SIZE] = { 0 };
	struct stun_builder b;

	store_be64(transaction, rq->now_ns);
	stun_begin(&b, rq->out->buffer, sizeof(rq->out->buffer), STUN_INDICATION, STUN_DATA,
		   transaction);
	stun_add(&b, STUN_ATTR_NODE_KEY, sender->node_key, STUN_KEY_SIZE);
	stun_add(&b, STUN_ATTR_DATA, payload, len);
	rq->out->data = rq->out->buffer;
	return stun_end(&b, &rq->out->len) == 0;
}

/* payload has RELAY_CHANNEL_HEADER bytes of the input before it, which may be written over. */
static bool forward(struct request *rq, struct relay_session *sender,
		    const uint8_t peer[static STUN_KEY_SIZE], uint8_t *payload, size_t len)
{
	struct relay_session *receiver = relay_sessions_find(&rq->server->sessions, peer);
	struct relay_channel *back;

	if (!sender_allowed(rq, sender, len))
		return false;
	if (!receiver || !receiver->present)
		return tell_absent(rq, sender, peer);
	back = relay_session_channel_to(receiver, sender->node_key, rq->now_ns);
	if (back) {
		uint8_t *frame = payload - RELAY_CHANNEL_HEADER;

		store_be16(frame, back->number);
		store_be16(frame + 2, (uint16_t)len);
		rq->out->data = frame;
		rq->out->len = len + RELAY_CHANNEL_HEADER;
	} else if (!wrap_data(rq, sender, payload, len)) {
		rq->server->stats.dropped_malformed++;
		return false;
	}
	rq->out->to = receiver->address;
	rq->server->stats.forwarded_packets++;
	rq->server->stats.forwarded_bytes += len;
	return true;
}

static bool on_channel_data(struct request *rq, uint8_t *data, size_t len)
{
	struct relay_session *sender;
	struct relay_channel *channel;
	const uint8_t *payload;
	size_t payload_len;
	uint16_t number;

	if (relay_channel_parse(data, len, &number, &payload, &payload_len) < 0) {
		rq->server->stats.dropped_malformed++;
		return false;
	}
	sender = relay_sessions_find_address(&rq->server->sessions, rq->from);
	channel = sender ? relay_session_channel(sender, number, rq->now_ns) : NULL;
	if (!channel) {
		rq->server->stats.dropped_stranger++;
		return false;
	}
	return forward(rq, sender, channel->peer, data + RELAY_CHANNEL_HEADER, payload_len);
}

static bool on_send(struct request *rq, uint8_t *data)
{
	struct relay_session *sender = relay_sessions_find_address(&rq->server->sessions, rq->from);
	const uint8_t *payload;
	const uint8_t *peer;
	uint8_t peer_copy[STUN_KEY_SIZE];
	size_t len;

	if (!sender) {
		rq->server->stats.dropped_stranger++;
		return false;
	}
	payload = stun_find(&rq->msg, STUN_ATTR_DATA, &len);
	if (!payload || stun_get_node_key(&rq->msg, &peer) < 0) {
		rq->server->stats.dropped_malformed++;
		return false;
	}
	/* The attribute's own header before the payload makes room for ChannelData's. */
	memcpy(peer_copy, peer, sizeof(peer_copy));
	return forward(rq, sender, peer_copy, data + (payload - data), len);
}

bool relay_server_input(struct relay_server *server, uint8_t *data, size_t len,
			const struct relay_address *from, uint64_t now_ns, struct relay_output *out)
{
	struct request rq = { .server = server, .from = from, .now_ns = now_ns, .out = out };
	bool answered;

	out->has_probe = false;
	if (len > RELAY_MESSAGE_MAX || len < RELAY_CHANNEL_HEADER) {
		server->stats.dropped_malformed++;
		return false;
	}
	if ((data[0] & 0xf0) == 0x40)
		return on_channel_data(&rq, data, len);
	if (stun_parse(&rq.msg, data, len) < 0) {
		server->stats.dropped_malformed++;
		return false;
	}
	if (rq.msg.class == STUN_INDICATION)
		return rq.msg.method == STUN_SEND && on_send(&rq, data);
	if (rq.msg.class != STUN_REQUEST)
		return false;
	answered = on_request(&rq);
	sodium_memzero(&rq.who, sizeof(rq.who));
	return answered;
}

const struct relay_forward *relay_server_forward(const struct relay_server *server)
{
	return server->sessions.forward;
}

void relay_server_stream_closed(struct relay_server *server, const struct relay_address *address)
{
	struct relay_session *session = relay_sessions_find_address(&server->sessions, address);

	if (session)
		relay_sessions_set_absent(&server->sessions, session);
}

bool relay_server_registered(const struct relay_server *server, const struct relay_address *address)
{
	return relay_sessions_find_address(&server->sessions, address) != NULL;
}

uint64_t relay_server_next_timeout(const struct relay_server *server)
{
	return timer_heap_next_ns(&server->sessions.expiry);
}

void relay_server_expire(struct relay_server *server, uint64_t now_ns)
{
	relay_sessions_expire(&server->sessions, now_ns);
}

struct relay_stats relay_server_stats(const struct relay_server *server)
{
	struct relay_stats stats = server->stats;

	stats.sessions = map_count(server->sessions.by_key);
	return stats;
}
