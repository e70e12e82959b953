/* Control messages as JSON. */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "proto/control.h"
#include "proto/control_routes.h"
#include "proto/json_fields.h"

/* jansson's setters take the reference and fail on NULL, so failures may be collected. */
static int put_bytes(json_t *object, const char *name, const uint8_t *data, size_t len)
{
	return json_object_set_new(object, name, json_fields_encode(data, len));
}

static int put_text(json_t *object, const char *name, const char *text)
{
	return json_object_set_new(object, name, json_string(text));
}

static int put_text_opt(json_t *object, const char *name, const char *text)
{
	return text[0] ? put_text(object, name, text) : 0;
}

static int put_u64(json_t *object, const char *name, uint64_t value)
{
	return json_object_set_new(object, name, json_integer((json_int_t)value));
}

static int put_facts(json_t *object, const struct control_facts *facts)
{
	json_t *value = json_object();
	int err = 0;

	err |= put_text_opt(value, "hostname", facts->hostname);
	err |= put_text_opt(value, "version", facts->version);
	err |= put_text_opt(value, "os", facts->os);
	if (facts->turn)
		err |= json_object_set_new(value, "turn", json_true());
	return err | json_object_set_new(object, "facts", value);
}

static int put_enrol(json_t *object, const struct control_enrol *enrol)
{
	int err = 0;

	err |= put_bytes(object, "key_id", enrol->key_id, sizeof(enrol->key_id));
	err |= put_bytes(object, "secret", enrol->secret, sizeof(enrol->secret));
	err |= put_bytes(object, "device_key", enrol->device_key, 32);
	err |= put_bytes(object, "wireguard_key", enrol->wireguard_key, 32);
	err |= put_bytes(object, "proof", enrol->proof, 64);
	err |= put_u64(object, "time", enrol->time_s);
	return err | put_facts(object, &enrol->facts);
}

static int put_documents(json_t *object, const uint64_t versions[static DOCUMENT_KINDS])
{
	json_t *array = json_array();
	int err = 0;

	/* Names last, and only who has some: a coordinator that knows none takes four. */
	for (size_t i = 0; i < DOCUMENT_KINDS && (i < DOCUMENT_NAMES - 1 || versions[i]); i++)
		err |= json_array_append_new(array, json_integer((json_int_t)versions[i]));
	return err | json_object_set_new(object, "documents", array);
}

static int put_ticket(json_t *object, const struct control_ticket *ticket)
{
	return put_u64(object, "ticket_number", ticket->number) |
	       put_bytes(object, "ticket", ticket->mac, sizeof(ticket->mac));
}

static int put_login(json_t *object, const struct control_login *login)
{
	int err = 0;

	err |= put_bytes(object, "device_key", login->device_key, 32);
	err |= put_bytes(object, "wireguard_key", login->wireguard_key, 32);
	err |= put_bytes(object, "proof", login->proof, 64);
	err |= put_u64(object, "time", login->time_s);
	err |= put_u64(object, "map_version", login->map_version);
	if (login->documents[0])
		err |= put_documents(object, login->documents);
	if (login->has_replaces)
		err |= put_bytes(object, "replaces", login->replaces, sizeof(login->replaces));
	if (login->has_ticket)
		err |= put_ticket(object, &login->ticket);
	return err | put_facts(object, &login->facts);
}

static int put_update(json_t *object, const struct control_update *update)
{
	int err = 0;

	if (update->has_wireguard_key)
		err |= put_bytes(object, "wireguard_key", update->wireguard_key, 32);
	if (update->has_home_relay)
		err |= put_text(object, "home_relay", update->home_relay);
	if (update->has_routes)
		err |= control_routes_put_offer(object, update);
	if (update->has_facts)
		err |= put_facts(object, &update->facts);
	if (update->ticket_number)
		err |= put_u64(object, "ticket_number", update->ticket_number);
	return err;
}

static int put_signal(json_t *object, const struct control_signal *signal)
{
	int err = put_bytes(object, "node", signal->node_key, 32);

	return err | put_bytes(object, "data", signal->data, signal->len);
}

static int put_addresses(json_t *object, const struct control_welcome *welcome)
{
	json_t *array = json_array();
	char text[TOKEN_ADDRESS_TEXT_SIZE];
	int err = 0;

	for (size_t i = 0; i < welcome->address_count; i++)
		err |= json_array_append_new(
			array, json_string(token_address_format(text, &welcome->addresses[i])));
	return err | json_object_set_new(object, "coordinators", array);
}

static int put_welcome(json_t *object, const struct control_welcome *welcome)
{
	int err = 0;

	err |= put_bytes(object, "authority_key", welcome->authority_key, 32);
	err |= put_bytes(object, "network_id", welcome->network_id, CERT_NETWORK_ID_SIZE);
	err |= put_text(object, "network_name", welcome->network_name);
	err |= put_bytes(object, "certificate", welcome->certificate, welcome->certificate_len);
	if (welcome->trust)
		err |= put_bytes(object, "trust", welcome->trust, welcome->trust_len);
	if (welcome->has_tls_key)
		err |= put_bytes(object, "tls_key", welcome->tls_key_hash, 32);
	if (welcome->has_ticket)
		err |= put_ticket(object, &welcome->ticket);
	if (welcome->address_count)
		err |= put_addresses(object, welcome);
	return err | put_u64(object, "time", welcome->time_s);
}

static int put_relays(json_t *object, const struct control_relays *relays)
{
	json_t *array = json_array();
	int err = 0;

	for (size_t i = 0; i < relays->count; i++) {
		const struct control_credential *credential = &relays->credentials[i];
		json_t *entry = json_object();

		err |= put_text(entry, "relay", credential->relay);
		err |= put_text(entry, "username", credential->username);
		err |= put_text(entry, "password", credential->password);
		err |= put_u64(entry, "expires", credential->expires_s);
		err |= json_array_append_new(array, entry);
	}
	return err | json_object_set_new(object, "credentials", array);
}

static int put_presence(json_t *object, const struct control_presence *presence)
{
	json_t *array = json_array();
	int err = 0;

	for (size_t i = 0; i < presence->count; i++) {
		const struct control_presence_entry *peer = &presence->entries[i];
		json_t *entry = json_object();

		err |= put_bytes(entry, "node", peer->node_key, 32);
		err |= json_object_set_new(entry, "online", json_boolean(peer->online));
		err |= put_text_opt(entry, "home_relay", peer->home_relay);
		err |= put_u64(entry, "last_seen", peer->last_seen_s);
		err |= json_array_append_new(array, entry);
	}
	return err | json_object_set_new(object, "peers", array);
}

static int put_error(json_t *object, const struct control_error *error)
{
	int err = put_text(object, "code", control_error_name(error->code));

	if (error->code == CONTROL_ERROR_PEER)
		err |= put_bytes(object, "node", error->node_key, 32);
	return err | put_text(object, "text", error->text);
}

static int put_pending(json_t *object, const struct control_pending *pending)
{
	int err = put_text(object, "reason", control_pending_name(pending->reason));

	err |= put_text_opt(object, "code", pending->code);
	return err | put_text_opt(object, "url", pending->url);
}

static int put_ping(json_t *object, const struct control_ping *ping)
{
	/* JSON integers end at 63 bits here. */
	uint64_t sent_ns = ping->sent_ns & INT64_MAX;

	int err = put_u64(object, "sent", sent_ns) | put_u64(object, "time", ping->time_s);

	return ping->report ? err | json_object_set_new(object, "report", json_true()) : err;
}

static int put_body(json_t *object, const struct control_message *message)
{
	switch (message->type) {
	case CONTROL_ENROL:
		return put_enrol(object, &message->enrol);
	case CONTROL_LOGIN:
		return put_login(object, &message->login);
	case CONTROL_UPDATE:
		return put_update(object, &message->update);
	case CONTROL_RESYNC:
		return 0;
	case CONTROL_REPORT:
		return control_report_put(object, &message->report);
	case CONTROL_SIGNAL:
		return put_signal(object, &message->signal);
	case CONTROL_WELCOME:
		return put_welcome(object, &message->welcome);
	case CONTROL_CERTIFICATE:
	case CONTROL_MAP:
	case CONTROL_DELTA:
	case CONTROL_DOCUMENT:
		return put_bytes(object, "data", message->document.data, message->document.len);
	case CONTROL_RELAYS:
		return put_relays(object, &message->relays);
	case CONTROL_PRESENCE:
		return put_presence(object, &message->presence);
	case CONTROL_REVOKED:
	case CONTROL_ERROR:
		return put_error(object, &message->error);
	case CONTROL_ROUTES:
		return control_routes_put(object, &message->routes);
	case CONTROL_PENDING:
		return put_pending(object, &message->pending);
	case CONTROL_PING:
	case CONTROL_PONG:
		return put_ping(object, &message->ping);
	default:
		return -1;
	}
}

int control_encode(const struct control_message *message, char **json, size_t *len)
{
	json_t *object = json_object();
	char *text;
	int err = 0;

	if (message->type >= CONTROL_TYPE_COUNT) {
		json_decref(object);
		return -EINVAL;
	}
	err |= put_text(object, "type", control_type_name(message->type));
	err |= put_u64(object, "v", CONTROL_VERSION);
	err |= put_body(object, message);
	text = err ? NULL : json_dumps(object, JSON_COMPACT);
	json_decref(object);
	if (!text)
		return -ENOMEM;
	*json = text;
	*len = strlen(text);
	return 0;
}
