/* Control messages out of JSON; strict, bounded, and nothing is kept of a malformed one. */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "proto/control.h"
#include "proto/control_routes.h"
#include "proto/json_fields.h"

static void get_facts(struct json_fields *f, struct control_facts *facts)
{
	struct json_fields inner;

	if (!json_fields_has(f, "facts"))
		return;
	json_fields_init(&inner, json_object_get(f->object, "facts"));
	json_fields_text_opt(&inner, "hostname", facts->hostname, sizeof(facts->hostname));
	json_fields_text_opt(&inner, "version", facts->version, sizeof(facts->version));
	json_fields_text_opt(&inner, "os", facts->os, sizeof(facts->os));
	if (json_fields_has(&inner, "turn"))
		json_fields_bool(&inner, "turn", &facts->turn);
	f->failed |= inner.failed;
}

static void get_enrol(struct json_fields *f, struct control_enrol *enrol)
{
	json_fields_bytes(f, "key_id", enrol->key_id, sizeof(enrol->key_id));
	json_fields_bytes(f, "secret", enrol->secret, sizeof(enrol->secret));
	json_fields_bytes(f, "device_key", enrol->device_key, 32);
	json_fields_bytes(f, "wireguard_key", enrol->wireguard_key, 32);
	json_fields_bytes(f, "proof", enrol->proof, 64);
	json_fields_u64(f, "time", INT64_MAX, &enrol->time_s);
	get_facts(f, &enrol->facts);
}

static void get_documents(struct json_fields *f, uint64_t versions[static DOCUMENT_KINDS])
{
	json_t *array = json_fields_array(f, "documents", DOCUMENT_KINDS);
	json_t *value;
	size_t i;

	json_array_foreach (array, i, value) {
		f->failed |= !json_is_integer(value) || json_integer_value(value) < 0;
		versions[i] = (uint64_t)json_integer_value(value);
	}
}

static bool get_ticket(struct json_fields *f, struct control_ticket *ticket)
{
	if (!json_fields_has(f, "ticket"))
		return false;
	json_fields_u64(f, "ticket_number", INT64_MAX, &ticket->number);
	json_fields_bytes(f, "ticket", ticket->mac, sizeof(ticket->mac));
	return true;
}

static void get_login(struct json_fields *f, struct control_login *login)
{
	json_fields_bytes(f, "device_key", login->device_key, 32);
	json_fields_bytes(f, "wireguard_key", login->wireguard_key, 32);
	json_fields_bytes(f, "proof", login->proof, 64);
	json_fields_u64(f, "time", INT64_MAX, &login->time_s);
	json_fields_u64(f, "map_version", INT64_MAX, &login->map_version);
	if (json_fields_has(f, "documents"))
		get_documents(f, login->documents);
	login->has_replaces = json_fields_has(f, "replaces");
	if (login->has_replaces)
		json_fields_bytes(f, "replaces", login->replaces, sizeof(login->replaces));
	login->has_ticket = get_ticket(f, &login->ticket);
	get_facts(f, &login->facts);
}

static void get_update(struct json_fields *f, struct control_update *update)
{
	update->has_wireguard_key = json_fields_has(f, "wireguard_key");
	update->has_home_relay = json_fields_has(f, "home_relay");
	update->has_routes = json_fields_has(f, "routes");
	update->has_facts = json_fields_has(f, "facts");
	if (update->has_wireguard_key)
		json_fields_bytes(f, "wireguard_key", update->wireguard_key, 32);
	if (update->has_home_relay)
		json_fields_text(f, "home_relay", update->home_relay, sizeof(update->home_relay));
	if (json_fields_has(f, "ticket_number"))
		json_fields_u64(f, "ticket_number", INT64_MAX, &update->ticket_number);
	if (update->has_routes)
		control_routes_get_offer(f, update);
	get_facts(f, &update->facts);
}

static void get_signal(struct json_fields *f, struct control_signal *signal)
{
	json_fields_bytes(f, "node", signal->node_key, 32);
	json_fields_blob(f, "data", CONTROL_SIGNAL_MAX, &signal->data, &signal->len);
}

static void get_addresses(struct json_fields *f, struct control_welcome *welcome)
{
	json_t *array;
	json_t *value;
	size_t i;

	if (!json_fields_has(f, "coordinators"))
		return;
	array = json_fields_array(f, "coordinators", TOKEN_ADDRESSES_MAX);
	json_array_foreach (array, i, value) {
		const char *text = json_string_value(value);

		if (!text || strlen(text) != json_string_length(value) ||
		    token_address_parse(&welcome->addresses[i], text, 443) < 0) {
			f->failed = true;
			return;
		}
		welcome->address_count = i + 1;
	}
}

static void get_welcome(struct json_fields *f, struct control_welcome *welcome)
{
	json_fields_bytes(f, "authority_key", welcome->authority_key, 32);
	json_fields_bytes(f, "network_id", welcome->network_id, CERT_NETWORK_ID_SIZE);
	json_fields_text(f, "network_name", welcome->network_name, sizeof(welcome->network_name));
	json_fields_blob(f, "certificate", CERT_ENCODED_MAX, &welcome->certificate,
			 &welcome->certificate_len);
	if (json_fields_has(f, "trust"))
		json_fields_blob(f, "trust", DOCUMENT_ENCODED_MAX, &welcome->trust,
				 &welcome->trust_len);
	json_fields_u64(f, "time", INT64_MAX, &welcome->time_s);
	welcome->has_tls_key = json_fields_has(f, "tls_key");
	if (welcome->has_tls_key)
		json_fields_bytes(f, "tls_key", welcome->tls_key_hash, 32);
	welcome->has_ticket = get_ticket(f, &welcome->ticket);
	get_addresses(f, welcome);
}

static void get_relays(struct json_fields *f, struct control_relays *relays)
{
	json_t *array = json_fields_array(f, "credentials", NETMAP_RELAYS_MAX);
	json_t *value;
	size_t i;

	relays->credentials = calloc(json_array_size(array) + 1, sizeof(*relays->credentials));
	f->failed |= !relays->credentials;
	json_array_foreach (array, i, value) {
		struct control_credential *credential = &relays->credentials[i];
		struct json_fields entry;

		if (f->failed)
			return;
		json_fields_init(&entry, value);
		json_fields_text(&entry, "relay", credential->relay, sizeof(credential->relay));
		json_fields_text(&entry, "username", credential->username,
				 sizeof(credential->username));
		json_fields_text(&entry, "password", credential->password,
				 sizeof(credential->password));
		json_fields_u64(&entry, "expires", INT64_MAX, &credential->expires_s);
		f->failed |= entry.failed;
		relays->count++;
	}
}

static void get_presence(struct json_fields *f, struct control_presence *presence)
{
	json_t *array = json_fields_array(f, "peers", CONTROL_PRESENCES_MAX);
	json_t *value;
	size_t i;

	presence->entries = calloc(json_array_size(array) + 1, sizeof(*presence->entries));
	f->failed |= !presence->entries;
	json_array_foreach (array, i, value) {
		struct control_presence_entry *peer = &presence->entries[i];
		struct json_fields entry;

		if (f->failed)
			return;
		json_fields_init(&entry, value);
		json_fields_bytes(&entry, "node", peer->node_key, 32);
		json_fields_bool(&entry, "online", &peer->online);
		json_fields_text_opt(&entry, "home_relay", peer->home_relay,
				     sizeof(peer->home_relay));
		json_fields_u64(&entry, "last_seen", INT64_MAX, &peer->last_seen_s);
		f->failed |= entry.failed;
		presence->count++;
	}
}

static void get_error(struct json_fields *f, struct control_error *error)
{
	char name[32];
	int code = CONTROL_ERROR_INTERNAL; /* for names that a newer coordinator made up */

	json_fields_text(f, "code", name, sizeof(name));
	for (int i = 0; !f->failed && i < CONTROL_ERROR_CODE_COUNT; i++)
		if (strcmp(name, control_error_name((enum control_error_code)i)) == 0)
			code = i;
	error->code = (enum control_error_code)code;
	json_fields_text(f, "text", error->text, sizeof(error->text));
	if (json_fields_has(f, "node"))
		json_fields_bytes(f, "node", error->node_key, 32);
}

/* What is shown to people: no white space, no control characters, ASCII. */
static bool is_plain(const char *text)
{
	while (*text > ' ' && *text < 0x7f)
		text++;
	return *text == '\0';
}

static void get_pending(struct json_fields *f, struct control_pending *pending)
{
	char name[32];
	int reason = CONTROL_PENDING_APPROVAL; /* for names that a newer coordinator made up */

	json_fields_text(f, "reason", name, sizeof(name));
	for (int i = 0; !f->failed && i < CONTROL_PENDING_REASON_COUNT; i++)
		if (strcmp(name, control_pending_name((enum control_pending_reason)i)) == 0)
			reason = i;
	pending->reason = (enum control_pending_reason)reason;
	json_fields_text_opt(f, "code", pending->code, sizeof(pending->code));
	json_fields_text_opt(f, "url", pending->url, sizeof(pending->url));
	f->failed |= !is_plain(pending->code) || !is_plain(pending->url);
	f->failed |= pending->url[0] && strncmp(pending->url, "https://", 8) != 0 &&
		     strncmp(pending->url, "http://", 7) != 0;
}

static void get_ping(struct json_fields *f, struct control_ping *ping)
{
	json_fields_u64(f, "sent", INT64_MAX, &ping->sent_ns);
	json_fields_u64(f, "time", INT64_MAX, &ping->time_s);
	if (json_fields_has(f, "report"))
		json_fields_bool(f, "report", &ping->report);
}

static void get_body(struct json_fields *f, struct control_message *message)
{
	switch (message->type) {
	case CONTROL_ENROL:
		get_enrol(f, &message->enrol);
		break;
	case CONTROL_LOGIN:
		get_login(f, &message->login);
		break;
	case CONTROL_UPDATE:
		get_update(f, &message->update);
		break;
	case CONTROL_SIGNAL:
		get_signal(f, &message->signal);
		break;
	case CONTROL_WELCOME:
		get_welcome(f, &message->welcome);
		break;
	case CONTROL_CERTIFICATE:
	case CONTROL_MAP:
	case CONTROL_DELTA:
	case CONTROL_DOCUMENT:
		json_fields_blob(f, "data", NETMAP_ENCODED_MAX, &message->document.data,
				 &message->document.len);
		break;
	case CONTROL_RELAYS:
		get_relays(f, &message->relays);
		break;
	case CONTROL_PRESENCE:
		get_presence(f, &message->presence);
		break;
	case CONTROL_REVOKED:
	case CONTROL_ERROR:
		get_error(f, &message->error);
		break;
	case CONTROL_ROUTES:
		control_routes_get(f, &message->routes);
		break;
	case CONTROL_PENDING:
		get_pending(f, &message->pending);
		break;
	case CONTROL_PING:
	case CONTROL_PONG:
		get_ping(f, &message->ping);
		break;
	case CONTROL_REPORT:
		control_report_get(f, &message->report);
		break;
	case CONTROL_RESYNC:
	case CONTROL_TYPE_COUNT:
		break;
	}
}

/* 0, -EBADMSG, -EPROTONOSUPPORT. */
static int get_type(struct json_fields *f, enum control_type *type)
{
	char name[32];
	uint64_t version = 0;

	json_fields_text(f, "type", name, sizeof(name));
	json_fields_u64(f, "v", INT32_MAX, &version);
	if (f->failed)
		return -EBADMSG;
	if (version != CONTROL_VERSION)
		return -EPROTONOSUPPORT;
	for (int i = 0; i < CONTROL_TYPE_COUNT; i++) {
		if (strcmp(name, control_type_name((enum control_type)i)) == 0) {
			*type = (enum control_type)i;
			return 0;
		}
	}
	return -EPROTONOSUPPORT;
}

int control_parse(struct control_message *out, const char *json, size_t len)
{
	struct control_message message = { .type = CONTROL_RESYNC };
	json_t *object = json_fields_load(json, len, CONTROL_COORD_MAX, CONTROL_DEPTH_MAX);
	struct json_fields f;
	int err;

	json_fields_init(&f, object);
	err = get_type(&f, &message.type);
	if (err == 0) {
		get_body(&f, &message);
		err = f.failed ? -EBADMSG : 0;
	}
	json_decref(object);
	if (err < 0) {
		control_message_clear(&message);
		return err;
	}
	*out = message;
	return 0;
}
