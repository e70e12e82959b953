/*
 * warren-coord serve, taken over by somebody: it is the real program with all its keys, but what it
 * sends to one node, the victim, is what the file named by HOSTILE_ATTACK says, "ATTACK VICTIM
 * PEER". The linker puts this file between the server and three of its functions (--wrap).
 *
 * `remember` keeps what is true now, for attacks that bring it back later. HOSTILE_SIGNER names the
 * key file of a signer who plays along, for `fork`.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/encoding.h"
#include "base/file.h"
#include "coord/options.h"
#include "coord/server.h"
#include "coord/sessions.h"
#include "coord/strict.h"
#include "crypto/sign.h"
#include "proto/control_channel.h"

#define FLIPS_A_TURN 24

struct session *__real_session_new(struct sessions *sessions, const struct session_ops *ops,
				   void *arg, uint64_t now_ns);
struct session *__wrap_session_new(struct sessions *sessions, const struct session_ops *ops,
				   void *arg, uint64_t now_ns);
void __real_sessions_tick(struct sessions *sessions, uint64_t now_ns, uint64_t now_s);
void __wrap_sessions_tick(struct sessions *sessions, uint64_t now_ns, uint64_t now_s);
int __real_control_channel_send(struct control_channel *channel, const char *json, size_t len);
int __wrap_control_channel_send(struct control_channel *channel, const char *json, size_t len);

struct blob {
	uint8_t *data;
	size_t len;
};

static struct sessions *held;
static bool honest; /* what is sent now is the attack itself */
static char attack[32];
static char victim[64];
static char peer_name[64];
static struct blob old_cert;
static struct blob old_map;
static struct blob old_policy;
static size_t next_bit;

static void die(const char *what)
{
	fprintf(stderr, "hostile_coord: %s\n", what);
	exit(1);
}

static void keep(struct blob *blob, const uint8_t *data, size_t len)
{
	free(blob->data);
	blob->data = malloc(len);
	if (!blob->data)
		die("memory");
	memcpy(blob->data, data, len);
	blob->len = len;
}

static bool is(const char *name)
{
	return strcmp(attack, name) == 0;
}

/* --- certificates --- */

/* What the attacker would have the peer's certificate say; false: nothing of the kind. */
static bool change_cert(struct cert *cert)
{
	if (is("swap-wireguard-key"))
		cert->wireguard_key[0] ^= 1;
	else if (is("swap-box-key"))
		cert->box_key[3] ^= 1;
	else if (is("swap-device-key"))
		cert->device_key[31] ^= 1;
	else if (is("swap-address"))
		cert->address4.bytes[3] ^= 64;
	else if (is("swap-name"))
		strcpy(cert->name, "somebody");
	else if (is("longer-life"))
		cert->not_after_s += 86400;
	else if (is("own-signature"))
		cert->wireguard_key[0] ^= 1;
	else if (is("other-network"))
		cert->network_id[0] ^= 1;
	else if (is("add-tag"))
		strcpy(cert->tags[cert->tag_count++], "zz-admin");
	else
		return false;
	return true;
}

/* The changed certificate, with the signatures of the true one or with our own. */
static size_t forge_cert(uint8_t out[static CERT_ENCODED_MAX], const struct netmap_cert *true_one,
			 const uint8_t map_secret[static 64])
{
	uint8_t body[CERT_ENCODED_MAX];
	struct cert cert = true_one->parsed;
	size_t true_len;
	size_t len;

	if (cert_encode(body, &true_len, &cert) < 0 || !change_cert(&cert))
		die("certificate");
	if (is("own-signature") || is("other-network")) {
		if (cert_sign(out, &len, &cert, map_secret) < 0)
			die("cert_sign");
		return len;
	}
	/* The set is the last field: number, length, bytes. */
	if (cert_encode(body, &len, &cert) < 0 ||
	    cert_join(out, &len, body, len, true_one->bytes + true_len + 4,
		      true_one->len - true_len - 4) < 0)
		die("cert_join");
	return len;
}

static void put_cert(struct netmap *map, struct netmap_peer *peer, const uint8_t *bytes, size_t len)
{
	struct netmap_peer *forged;
	bool may_send = peer->may_send;

	if (netmap_peer_new(&forged, bytes, len, peer->rules->list, peer->rules->count, may_send) <
	    0)
		die("netmap_peer_new");
	netmap_remove_peer(map, peer->cert->parsed.device_key);
	if (netmap_add_peer(map, forged) < 0)
		die("netmap_add_peer");
}

/* --- sending --- */

static void send_document(struct session *session, enum control_type type, const uint8_t *data,
			  size_t len)
{
	struct control_message message = { .type = type };

	message.document.data = (uint8_t *)data;
	message.document.len = len;
	honest = true;
	session_send(session, &message);
	honest = false;
}

static void send_flipped(struct session *session, enum control_type type, const uint8_t *data,
			 size_t len)
{
	uint8_t *copy = malloc(len);

	if (!copy)
		die("memory");
	for (int i = 0; i < FLIPS_A_TURN; i++) {
		memcpy(copy, data, len);
		/* Coprime to anything likely, so that it gets about. */
		next_bit = (next_bit + 1009) % (len * 8);
		copy[next_bit / 8] ^= (uint8_t)(1u << next_bit % 8);
		send_document(session, type, copy, len);
	}
	free(copy);
}

static struct netmap_peer *find_peer(const struct netmap *map)
{
	for (size_t i = 0; i < map->peer_count; i++)
		if (strcmp(map->peers[i]->cert->parsed.name, peer_name) == 0)
			return map->peers[i];
	return NULL;
}

static void attack_map(struct session *session)
{
	const struct strict *strict = &session->sessions->network->strict;
	struct netmap *map = netmap_copy(session->node->map);
	struct netmap_peer *peer = map ? find_peer(map) : NULL;
	uint8_t cert[CERT_ENCODED_MAX];
	struct blob out;

	if (!peer)
		die("no such peer");
	if (is("old-cert"))
		put_cert(map, peer, old_cert.data, old_cert.len);
	else if (is("other-node"))
		memcpy(map->node_key, peer->cert->parsed.device_key, 32);
	else if (is("map-of-another-network"))
		map->network_id[0] ^= 1;
	else if (!is("flip") && !is("unsigned-map"))
		put_cert(map, peer, cert, forge_cert(cert, peer->cert, strict->map_secret));
	map->version++;
	if (netmap_sign(map, strict->map_secret) < 0)
		die("netmap_sign");
	if (is("unsigned-map"))
		map->signature[5] ^= 1;
	if (netmap_encode(map, &out.data, &out.len) < 0)
		die("netmap_encode");
	if (is("flip"))
		send_flipped(session, CONTROL_MAP, out.data, out.len);
	else
		send_document(session, CONTROL_MAP, out.data, out.len);
	free(out.data);
	netmap_free(map);
}

/* --- documents --- */

static void read_signer(uint8_t public[static 32], uint8_t secret[static 64])
{
	const char *path = getenv("HOSTILE_SIGNER");
	uint8_t seed[32];
	uint8_t *text;
	size_t len;

	if (!path || file_read(path, 256, &text, &len) < 0)
		die("HOSTILE_SIGNER");
	text[strcspn((char *)text, "\n")] = '\0';
	if (encoding_base64_key_parse(seed, (char *)text) < 0)
		die("key file");
	free(text);
	sign_key_from_seed(public, secret, seed);
}

static void send_signed(struct session *session, const struct document *document,
			const uint8_t public[static 32], const uint8_t secret[static 64])
{
	uint8_t set[TRUST_SET_MAX];
	uint8_t signature[64];
	size_t set_len = 0;
	struct blob body;
	struct blob out;

	if (document_encode(document, &body.data, &body.len) < 0 ||
	    sign_make(signature, secret, document_domain(document->kind), body.data, body.len) <
		    0 ||
	    trust_set_add(set, &set_len, public, signature) < 0 ||
	    document_join(body.data, body.len, set, set_len, &out.data, &out.len) < 0)
		die("document");
	send_document(session, CONTROL_DOCUMENT, out.data, out.len);
	free(body.data);
	free(out.data);
}

static void attack_document(struct session *session)
{
	static char all[] = "{\"rules\":[{\"allow\":[\"*\"],\"to\":[\"*:*\"]}]}";
	const struct network *network = session->sessions->network;
	const struct strict *strict = &network->strict;
	struct document document = { .kind = DOCUMENT_POLICY, .made_s = 1 };
	uint8_t public[32];
	uint8_t secret[64];

	memcpy(secret, strict->map_secret, sizeof(secret));
	memcpy(public, strict->trust.map_key, sizeof(public));
	memcpy(document.network_id, network->id, sizeof(document.network_id));
	document.version = strict->documents[DOCUMENT_POLICY].version + !is("fork");
	document.policy = all;
	document.policy_len = strlen(all);
	if (is("fork"))
		read_signer(public, secret);
	if (is("policy-of-another-network")) {
		read_signer(public, secret);
		document.network_id[0] ^= 1;
	}
	if (is("own-trust")) {
		document.kind = DOCUMENT_TRUST;
		document.version = strict->trust.version + 1;
		document.threshold = document.signer_count = 1;
		memcpy(document.signers[0], public, 32);
		memcpy(document.map_key, public, 32);
	}
	send_signed(session, &document, public, secret);
}

static void remember(const struct session *session)
{
	const struct strict_document *policy =
		&session->sessions->network->strict.documents[DOCUMENT_POLICY];
	const struct netmap_peer *peer = find_peer(session->node->map);
	struct blob map;

	if (!peer || netmap_encode(session->node->map, &map.data, &map.len) < 0)
		die("nothing to remember");
	keep(&old_cert, peer->cert->bytes, peer->cert->len);
	keep(&old_map, map.data, map.len);
	keep(&old_policy, policy->data, policy->len);
	free(map.data);
}

static void strike(struct session *session)
{
	const struct strict_document *policy =
		&session->sessions->network->strict.documents[DOCUMENT_POLICY];

	if (is("remember"))
		remember(session);
	else if (is("old-map"))
		send_document(session, CONTROL_MAP, old_map.data, old_map.len);
	else if (is("old-policy"))
		send_document(session, CONTROL_DOCUMENT, old_policy.data, old_policy.len);
	else if (is("flip-policy"))
		send_flipped(session, CONTROL_DOCUMENT, policy->data, policy->len);
	else if (is("own-policy") || is("fork") || is("own-trust") ||
		 is("policy-of-another-network"))
		attack_document(session);
	else if (!is("freeze"))
		attack_map(session);
}

/* --- between the server and its functions --- */

static void read_attack(void)
{
	const char *path = getenv("HOSTILE_ATTACK");
	FILE *file = path ? fopen(path, "r") : NULL;

	attack[0] = victim[0] = peer_name[0] = '\0';
	if (!file)
		return;
	if (fscanf(file, "%31s %63s %63s", attack, victim, peer_name) != 3)
		attack[0] = '\0';
	fclose(file);
}

static bool is_victim(const struct session *session)
{
	return session->node && strcmp(session->node->name, victim) == 0;
}

/* The attack is over: the former victim is told the truth. */
static void repent(struct sessions *sessions, const char *name)
{
	struct session *session = sessions->first;

	while (session && (session->state != SESSION_READY || strcmp(session->node->name, name)))
		session = session->next;
	if (!session)
		return;
	session->map_version = 0;
	session_send_map(session);
	for (int kind = DOCUMENT_TRUST; session->state == SESSION_READY && kind < DOCUMENT_KIND_END;
	     kind++) {
		const struct strict_document *document = &sessions->network->strict.documents[kind];

		if (document->version)
			send_document(session, CONTROL_DOCUMENT, document->data, document->len);
	}
}

struct session *__wrap_session_new(struct sessions *sessions, const struct session_ops *ops,
				   void *arg, uint64_t now_ns)
{
	held = sessions;
	return __real_session_new(sessions, ops, arg, now_ns);
}

void __wrap_sessions_tick(struct sessions *sessions, uint64_t now_ns, uint64_t now_s)
{
	bool was_hostile = attack[0] && !is("remember");
	char before[sizeof(victim)];
	struct session *session;
	struct session *next;

	strcpy(before, victim);
	__real_sessions_tick(sessions, now_ns, now_s);
	read_attack();
	if (was_hostile && !attack[0])
		repent(sessions, before);
	for (session = sessions->first; attack[0] && session; session = next) {
		next = session->next;
		if (session->state == SESSION_READY && is_victim(session))
			strike(session);
	}
}

/* While it is attacked the victim gets nothing true of the kind. */
int __wrap_control_channel_send(struct control_channel *channel, const char *json, size_t len)
{
	static const char *const kinds[] = { "\"type\":\"map\"", "\"type\":\"delta\"",
					     "\"type\":\"document\"" };
	struct session *session = held ? held->first : NULL;

	while (session && session->channel != channel)
		session = session->next;
	if (honest || !attack[0] || is("remember") || !session || !is_victim(session))
		return __real_control_channel_send(channel, json, len);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (memmem(json, len, kinds[i], strlen(kinds[i])))
			return 0;
	return __real_control_channel_send(channel, json, len);
}

int main(int argc, char **argv)
{
	static struct options options;

	if (coord_options_parse(&options, argc, argv) != 0 || options.command != COMMAND_SERVE)
		return 2;
	umask(0077);
	return server_run(&options);
}
