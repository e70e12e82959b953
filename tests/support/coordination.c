#include "tests/support/coordination.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "coord/data_dir.h"
#include "coord/init.h"
#include "coord/options.h"
#include "crypto/dh.h"
#include "crypto/sign.h"
#include "proto/control_channel.h"

#define CHECK(condition)                                                                \
	do {                                                                            \
		if (!(condition)) {                                                     \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
			abort();                                                        \
		}                                                                       \
	} while (0)

static void open_network(struct coordination *c)
{
	char error[256];

	if (network_open_at(&c->network, c->dir, c->place, error, sizeof(error)) < 0) {
		fprintf(stderr, "%s\n", error);
		abort();
	}
	c->sessions = (struct sessions){ .network = &c->network };
	limits_init(&c->sessions.limits);
}

static struct options options;

static void make_dir(struct coordination *c)
{
	*c = (struct coordination){ .now_ns = 1000 * NS_PER_S, .now_s = clock_wall_s() };
	/* In memory, where a sync costs nothing. */
	snprintf(c->dir, sizeof(c->dir), "%s/warren-coordination-XXXXXX",
		 access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	CHECK(mkdtemp(c->dir));
	options = (struct options){ .data = c->dir, .name = "acme", .public_count = 1 };
	CHECK(token_address_parse(&options.public[0], "192.0.2.1:443", 443) == 0);
}

void coordination_begin(struct coordination *c)
{
	struct rng rng = rng_system();

	make_dir(c);
	CHECK(init_create(&options, &rng) == 0);
	open_network(c);
}

static void copy_key(const char *to, const char *from, const char *name)
{
	uint8_t secret[DATA_DIR_SECRET_SIZE];

	CHECK(data_dir_read_secret(from, name, secret) == 0);
	CHECK(data_dir_write_secret(to, name, secret) == 0);
}

void coordination_begin_at(struct coordination *c, const char *place,
			   const struct coordination *first)
{
	struct rng rng = rng_system();
	char error[256];

	make_dir(c);
	c->place = place;
	if (first) {
		copy_key(c->dir, first->dir, DATA_DIR_COORDINATOR);
		copy_key(c->dir, first->dir, DATA_DIR_AUTHORITY);
	} else {
		CHECK(init_create_at(&options, place, &rng, error, sizeof(error)) == 0);
	}
	open_network(c);
}

void coordination_end(struct coordination *c)
{
	static const char *const files[] = { "coord.db",        "coord.db-wal",  "coord.db-shm",
					     "coordinator.key", "authority.key", "tls.crt",
					     "tls.key" };
	char path[128];

	network_close(&c->network);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", c->dir, files[i]);
		unlink(path);
	}
	rmdir(c->dir);
}

void coordination_restart(struct coordination *c)
{
	network_close(&c->network);
	open_network(c);
}

void coordination_reopen(struct coordination *c)
{
	open_network(c);
}

void coordination_flush(struct coordination *c)
{
	while (c->sessions.flush_wanted)
		sessions_flush(&c->sessions, c->now_s);
}

void coordination_settle(struct coordination *c)
{
	coordination_flush(c);
	coordination_pass(c, 1);
}

void coordination_pass(struct coordination *c, uint64_t seconds)
{
	c->now_ns += seconds * NS_PER_S;
	c->now_s += seconds;
	sessions_tick(&c->sessions, c->now_ns, c->now_s);
	coordination_flush(c);
}

struct token coordination_key(struct coordination *c, bool reusable, bool ephemeral,
			      const char *group)
{
	struct enrolment_key wanted = { .reusable = reusable,
					.ephemeral = ephemeral,
					.life_s = 3600 };
	uint8_t id[TOKEN_KEY_ID_SIZE];
	char text[TOKEN_TEXT_SIZE];
	struct token token;

	if (group)
		CHECK(labels_add(&wanted.groups, group) == 0);
	CHECK(enrolment_make_key(&c->network, &wanted, c->now_s, text, id) == 0);
	CHECK(token_parse(&token, text) == 0);
	return token;
}

void machine_init(struct machine *m, struct coordination *c, unsigned int seed)
{
	struct rng_seeded seeded;
	struct rng rng;

	*m = (struct machine){ .coordination = c, .time_s = c->now_s };
	rng_seeded_init(&seeded, seed);
	rng = rng_from_seeded(&seeded);
	sign_key_new(m->device_key, m->device_secret, &rng);
	dh_private_new(m->box_secret, &rng);
	rng_fill(&rng, m->wireguard_key, 32);
	trust_init(&m->trust.trust, c->network.id, c->network.authority_key);
	memcpy(m->trust.node_key, m->device_key, 32);
}

void machine_forget_messages(struct machine *m)
{
	for (size_t i = 0; i < m->message_count; i++)
		control_message_clear(&m->messages[i]);
	m->message_count = 0;
}

void machine_clear(struct machine *m)
{
	machine_disconnect(m);
	machine_forget_messages(m);
	netmap_free(m->map);
	m->map = NULL;
}

static void take_map(struct machine *m, const struct control_message *message)
{
	struct netmap *map = NULL;
	int err;

	if (message->type == CONTROL_MAP)
		err = netmap_parse(&map, message->document.data, message->document.len, &m->trust);
	else
		err = netmap_apply(&map, m->map, message->document.data, message->document.len,
				   &m->trust);
	CHECK(err == 0);
	CHECK(!m->map || map->version > m->map->version);
	netmap_free(m->map);
	m->map = map;
}

/* Who signs, in strict mode. */
static void take_trust(struct machine *m, const uint8_t *data, size_t len)
{
	struct document document;

	if (document_verify(&document, data, len, &m->trust.trust) < 0)
		return;
	if (document.kind == DOCUMENT_TRUST)
		document_trust(&document, &m->trust.trust);
	document_clear(&document);
}

static int on_frame(void *arg, const uint8_t *frame, size_t len)
{
	struct machine *m = arg;
	struct control_message *message = &m->messages[m->message_count];
	char *json;
	size_t json_len;

	CHECK(control_channel_input(m->channel, frame, len) == 0);
	if (!control_channel_poll_message(m->channel, &json, &json_len))
		return 0;
	CHECK(m->message_count < MACHINE_MESSAGES_MAX);
	CHECK(control_parse(message, json, json_len) == 0);
	if (message->type == CONTROL_WELCOME && message->welcome.has_ticket) {
		m->has_ticket = true;
		m->ticket = message->welcome.ticket;
	}
	if (message->type == CONTROL_WELCOME && message->welcome.trust)
		take_trust(m, message->welcome.trust, message->welcome.trust_len);
	if (message->type == CONTROL_DOCUMENT)
		take_trust(m, message->document.data, message->document.len);
	if (message->type == CONTROL_MAP || message->type == CONTROL_DELTA)
		take_map(m, message);
	m->message_count++;
	return 0;
}

static size_t on_queued(void *arg)
{
	const struct machine *m = arg;

	return m->stalled ? limit_infos[LIMIT_SIGNAL_QUEUE].normal + 1 : 0;
}

static void on_close(void *arg)
{
	struct machine *m = arg;

	m->closed = true;
}

static const struct session_ops ops = { on_frame, on_queued, on_close, NULL };

/* What the machine's channel has goes to the coordinator. */
static void pump(struct machine *m)
{
	struct coordination *c = m->coordination;
	const uint8_t *frame;
	size_t len;

	while (control_channel_poll_frame(m->channel, &frame, &len))
		session_input(m->session, frame, len, c->now_ns, c->now_s);
}

void machine_connect(struct machine *m)
{
	struct rng rng = rng_system();

	machine_disconnect(m);
	CHECK(control_channel_new_node(&m->channel, m->box_secret,
				       m->coordination->network.coordinator_key, &rng,
				       CONTROL_COORD_MAX) == 0);
	m->closed = false;
	m->session = session_new(&m->coordination->sessions, &ops, m, m->coordination->now_ns);
	CHECK(m->session);
	pump(m);
}

void machine_disconnect(struct machine *m)
{
	session_free(m->session);
	control_channel_free(m->channel);
	m->session = NULL;
	m->channel = NULL;
}

void machine_send(struct machine *m, const struct control_message *message)
{
	char *json;
	size_t len;

	CHECK(control_encode(message, &json, &len) == 0);
	CHECK(control_channel_send(m->channel, json, len) == 0);
	free(json);
	pump(m);
}

void machine_enrol(struct machine *m, const struct token *token, const char *hostname)
{
	struct control_message message = { .type = CONTROL_ENROL };
	struct control_enrol *enrol = &message.enrol;

	memcpy(enrol->key_id, token->key_id, sizeof(enrol->key_id));
	memcpy(enrol->secret, token->secret, sizeof(enrol->secret));
	memcpy(enrol->device_key, m->device_key, 32);
	memcpy(enrol->wireguard_key, m->wireguard_key, 32);
	enrol->time_s = m->time_s;
	control_proof_sign(enrol->proof, m->device_secret,
			   control_channel_handshake_hash(m->channel));
	snprintf(enrol->facts.hostname, sizeof(enrol->facts.hostname), "%s", hostname);
	machine_send(m, &message);
}

void machine_login(struct machine *m)
{
	struct control_message message = { .type = CONTROL_LOGIN };
	struct control_login *login = &message.login;

	memcpy(login->device_key, m->device_key, 32);
	memcpy(login->wireguard_key, m->wireguard_key, 32);
	login->time_s = m->time_s;
	login->facts.turn = m->knows_turn;
	control_proof_sign(login->proof, m->device_secret,
			   control_channel_handshake_hash(m->channel));
	login->has_ticket = m->has_ticket;
	login->ticket = m->ticket;
	login->map_version = m->map ? m->map->version : 0;
	machine_send(m, &message);
}

void machine_confirm(struct machine *m)
{
	struct control_message message = { .type = CONTROL_UPDATE };

	message.update.ticket_number = m->ticket.number;
	machine_send(m, &message);
}

bool machine_take(struct machine *m, enum control_type type, struct control_message *message)
{
	for (size_t i = 0; i < m->message_count; i++) {
		if (m->messages[i].type != type)
			continue;
		*message = m->messages[i];
		m->message_count--;
		memmove(&m->messages[i], &m->messages[i + 1],
			(m->message_count - i) * sizeof(m->messages[0]));
		return true;
	}
	return false;
}

int machine_take_error(struct machine *m)
{
	struct control_message message;
	int code;

	if (!machine_take(m, CONTROL_ERROR, &message) &&
	    !machine_take(m, CONTROL_REVOKED, &message))
		return -1;
	code = (int)message.error.code;
	CHECK(strlen(message.error.text) > 10);
	return code;
}

void machine_join(struct machine *m, const struct token *token, const char *hostname)
{
	struct control_message message;

	machine_connect(m);
	machine_enrol(m, token, hostname);
	coordination_flush(m->coordination);
	CHECK(machine_take(m, CONTROL_WELCOME, &message));
	control_message_clear(&message);
	CHECK(m->map);
	machine_forget_messages(m);
}
