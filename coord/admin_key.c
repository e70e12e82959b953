/* Join keys: key create, list, revoke. */
#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "base/encoding.h"
#include "base/log.h"
#include "coord/admin_reply.h"
#include "coord/enrolment.h"
#include "coord/sessions.h"

#define ID_TEXT_SIZE HEX_SIZE(TOKEN_KEY_ID_SIZE)

static void get_labels(struct admin_request *request, const char *name, struct labels *labels)
{
	json_t *array = json_fields_array(&request->fields, name, CERT_LABELS_MAX);
	json_t *value;
	size_t i;

	json_array_foreach (array, i, value) {
		const char *label = json_string_value(value);

		if (!label || labels_add(labels, label) < 0)
			request->fields.failed = true;
	}
}

void admin_key_create(struct admin_request *request)
{
	struct enrolment_key wanted = { .life_s = 0 };
	char name[64] = "";
	char token[TOKEN_TEXT_SIZE];
	uint8_t id[TOKEN_KEY_ID_SIZE];
	char text[ID_TEXT_SIZE];
	int err;

	json_fields_text_opt(&request->fields, "name", name, sizeof(name));
	json_fields_bool(&request->fields, "reusable", &wanted.reusable);
	json_fields_bool(&request->fields, "ephemeral", &wanted.ephemeral);
	json_fields_u64(&request->fields, "expires_s", UINT32_MAX, &wanted.life_s);
	get_labels(request, "groups", &wanted.groups);
	get_labels(request, "tags", &wanted.tags);
	wanted.name = name;
	if (request->fields.failed)
		return;
	err = enrolment_make_key(request->sessions->network, &wanted, request->now_s, token, id);
	if (err < 0) {
		admin_fail_store(request, err);
		return;
	}
	encoding_hex(text, sizeof(text), id, sizeof(id));
	log_info("key-created id=%s", text);
	if (request->json)
		admin_answer(request, json_pack("{s:s,s:s}", "id", text, "token", token));
	else
		fprintf(request->out, "%s\n", token);
	sodium_memzero(token, sizeof(token));
}

static const char *key_state(const struct store_key *key, uint64_t now_s)
{
	if (key->revoked)
		return "revoked";
	if (!key->reusable && key->uses > 0)
		return "used";
	return now_s > key->expires_s ? "expired" : "open";
}

static json_t *labels_json(const struct labels *labels)
{
	json_t *array = json_array();

	for (size_t i = 0; i < labels->count; i++)
		json_array_append_new(array, json_string(labels->names[i]));
	return array;
}

struct listing {
	struct admin_request *request;
	json_t *keys;
};

static int list_one(void *arg, const struct store_key *key)
{
	struct listing *listing = arg;
	struct admin_request *request = listing->request;
	const char *state = key_state(key, request->now_s);
	char id[ID_TEXT_SIZE];
	char groups[LABELS_TEXT_SIZE];
	char tags[LABELS_TEXT_SIZE];
	char expires[32];

	encoding_hex(id, sizeof(id), key->id, sizeof(key->id));
	if (request->json) {
		json_array_append_new(listing->keys,
				      json_pack("{s:s,s:s,s:s,s:b,s:b,s:I,s:I,s:o,s:o}", "id", id,
						"name", key->name, "state", state, "reusable",
						key->reusable, "ephemeral", key->ephemeral, "uses",
						(json_int_t)key->uses, "expires_s",
						(json_int_t)key->expires_s, "groups",
						labels_json(&key->groups), "tags",
						labels_json(&key->tags)));
		return 0;
	}
	labels_format(groups, &key->groups);
	labels_format(tags, &key->tags);
	fprintf(request->out, "%-16s  %-8s  %-8s  %4llu  %-20s  %-16s  %-16s  %s\n", id, state,
		key->reusable ? "reusable" : "one-use", (unsigned long long)key->uses,
		admin_time(expires, key->expires_s), groups[0] ? groups : "-", tags[0] ? tags : "-",
		key->name);
	return 0;
}

void admin_key_list(struct admin_request *request)
{
	struct listing listing = { .request = request, .keys = json_array() };
	int err;

	if (!request->json)
		fprintf(request->out, "%-16s  %-8s  %-8s  %4s  %-20s  %-16s  %-16s  %s\n", "ID",
			"STATE", "KIND", "USES", "EXPIRES", "GROUPS", "TAGS", "NAME");
	err = store_key_each(request->sessions->network->store, list_one, &listing);
	if (err < 0)
		admin_fail_store(request, err);
	admin_answer(request, json_pack("{s:o}", "keys", listing.keys));
}

void admin_key_revoke(struct admin_request *request)
{
	char text[64] = "";
	uint8_t id[TOKEN_KEY_ID_SIZE];
	int err;

	json_fields_text(&request->fields, "id", text, sizeof(text));
	if (request->fields.failed)
		return;
	if (encoding_hex_parse(id, sizeof(id), text) < 0)
		err = -ENOENT;
	else
		err = store_key_revoke(request->sessions->network->store, id);
	if (err == -ENOENT)
		admin_fail(request, ADMIN_NOT_FOUND, "no key %s; see key list", text);
	else if (err < 0)
		admin_fail_store(request, err);
	else
		log_info("key-revoked id=%s", text);
}
