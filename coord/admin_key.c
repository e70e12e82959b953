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

/* How the key treats the node that joins: uses, approval, for. */
static void get_treatment(struct admin_request *request, struct enrolment_key *wanted)
{
	static const char *const approvals[KEY_APPROVAL_COUNT] = { "", "needed", "given",
								   "sign-in" };
	struct json_fields *f = &request->fields;
	char approval[16] = "";
	char node[CERT_NAME_MAX + 1] = "";
	int i = 0;

	if (json_fields_has(f, "uses_max"))
		json_fields_u64(f, "uses_max", UINT32_MAX, &wanted->uses_max);
	json_fields_text_opt(f, "approval", approval, sizeof(approval));
	json_fields_text_opt(f, "for", node, sizeof(node));
	if (f->failed)
		return;
	while (i < KEY_APPROVAL_COUNT && strcmp(approval, approvals[i]) != 0)
		i++;
	wanted->approval = (enum key_approval)i;
	if (i == KEY_APPROVAL_COUNT)
		admin_fail(request, ADMIN_INVALID,
			   "approval: \"%s\" is no good value; want needed, given or sign-in",
			   approval);
	else if (wanted->uses_max > 1 && !wanted->reusable)
		admin_fail(request, ADMIN_INVALID, "a number of uses goes with a reusable key");
	else if (node[0] && (wanted->approval == KEY_APPROVAL_NEEDED ||
			     wanted->approval == KEY_APPROVAL_SIGN_IN))
		admin_fail(request, ADMIN_INVALID,
			   "a key for a certain node is approved with that; leave out one of both");
	if (request->kind != ADMIN_OK || !node[0])
		return;
	wanted->for_node = network_find_name(request->sessions->network, node);
	if (!wanted->for_node)
		admin_fail(request, ADMIN_NOT_FOUND, "no node %s; see node list", node);
}

/* What its nodes may carry: "routes", and "exit" for both families. */
static void get_routes(struct admin_request *request, struct route_list *list)
{
	static const struct prefix exits[] = { { .addr.family = AF_INET },
					       { .addr.family = AF_INET6 } };
	struct json_fields *f = &request->fields;
	bool is_exit = false;
	json_t *array = NULL;
	json_t *value;
	size_t i;

	if (json_fields_has(f, "exit"))
		json_fields_bool(f, "exit", &is_exit);
	if (json_fields_has(f, "routes"))
		array = json_fields_array(f, "routes", NODE_ROUTES_ADVANCE_MAX - 2);
	for (i = 0; is_exit && i < 2; i++)
		route_list_add(list, &exits[i]);
	json_array_foreach (array, i, value) {
		const char *text = json_string_value(value);
		const char *problem = NULL;
		struct prefix prefix;

		if (!text || prefix_parse(&prefix, text) < 0)
			problem = "want a prefix such as 10.20.0.0/16, without host bits";
		else if (route_is_exit(&prefix))
			problem = "an exit is approved by exit, not as a route";
		if (problem) {
			admin_fail(request, ADMIN_INVALID, "%.64s: %s", text ? text : "routes",
				   problem);
			return;
		}
		if (route_list_add(list, &prefix) < 0)
			f->failed = true;
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
	get_treatment(request, &wanted);
	get_routes(request, &wanted.routes);
	wanted.name = name;
	wanted.created_by = request->caller->who;
	if (request->fields.failed || request->kind != ADMIN_OK)
		return;
	err = enrolment_make_key(request->sessions->network, &wanted, request->now_s, token, id);
	if (err < 0) {
		admin_fail_store(request, err);
		return;
	}
	encoding_hex(text, sizeof(text), id, sizeof(id));
	log_info("key-created id=%s by=%s", text, request->caller->who);
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
	if ((!key->reusable && key->uses > 0) || (key->uses_max && key->uses >= key->uses_max))
		return "used";
	return now_s > key->expires_s ? "expired" : "open";
}

struct listing {
	struct admin_request *request;
	json_t *keys;
};

/* The node's name that the key is for, as long as there is one. */
static const char *for_name(const struct network *network, const struct store_key *key)
{
	uint8_t device_key[32];
	const struct node *node = NULL;

	if (key->for_node[0] &&
	    encoding_hex_parse(device_key, sizeof(device_key), key->for_node) == 0)
		node = network_find(network, device_key);
	return node ? node->name : key->for_node[0] ? "?" : "";
}

static json_t *key_json(const struct admin_request *request, const struct store_key *key,
			const char *id)
{
	static const char *const approvals[KEY_APPROVAL_COUNT] = { "network", "needed", "given",
								   "sign-in" };

	return json_pack("{s:s,s:s,s:s,s:b,s:b,s:I,s:I,s:I,s:I,s:I,s:s,s:s,s:s,s:o,s:o,s:o}", "id",
			 id, "name", key->name, "state", key_state(key, request->now_s), "reusable",
			 key->reusable, "ephemeral", key->ephemeral, "uses", (json_int_t)key->uses,
			 "uses_max", (json_int_t)(key->reusable ? key->uses_max : 1), "created_s",
			 (json_int_t)key->created_s, "expires_s", (json_int_t)key->expires_s,
			 "used_s", (json_int_t)key->used_s, "created_by", key->created_by,
			 "approval", approvals[key->approval], "for",
			 for_name(request->sessions->network, key), "groups",
			 labels_json(&key->groups), "tags", labels_json(&key->tags), "routes",
			 route_list_json(&key->routes));
}

/* "one-use", "reusable", "ephemeral", and what else is special about it. */
static void describe_kind(const struct network *network, const struct store_key *key, char *out,
			  size_t size)
{
	const char *node = for_name(network, key);

	snprintf(out, size, "%s%s%s%s%s%s", key->reusable ? "reusable" : "one-use",
		 key->ephemeral ? ",ephemeral" : "",
		 key->approval == KEY_APPROVAL_NEEDED    ? ",needs-approval"
		 : key->approval == KEY_APPROVAL_GIVEN   ? ",approved"
		 : key->approval == KEY_APPROVAL_SIGN_IN ? ",sign-in"
							 : "",
		 node[0] ? ",for:" : "", node, key->routes.count ? ",routes" : "");
}

static void print_key(struct admin_request *request, const struct store_key *key, const char *id)
{
	char groups[LABELS_TEXT_SIZE];
	char tags[LABELS_TEXT_SIZE];
	char created[32];
	char expires[32];
	char kind[CERT_NAME_MAX + 64];
	char uses[48];

	labels_format(groups, &key->groups);
	labels_format(tags, &key->tags);
	describe_kind(request->sessions->network, key, kind, sizeof(kind));
	snprintf(uses, sizeof(uses), "%llu", (unsigned long long)key->uses);
	if (key->uses_max || !key->reusable)
		snprintf(uses, sizeof(uses), "%llu/%llu", (unsigned long long)key->uses,
			 (unsigned long long)(key->reusable ? key->uses_max : 1));
	fprintf(request->out, "%-16s  %-8s  %-24s  %5s  %-20s  %-20s  %-16s  %-16s  %-16s  %s\n",
		id, key_state(key, request->now_s), kind, uses, admin_time(created, key->created_s),
		admin_time(expires, key->expires_s), key->created_by[0] ? key->created_by : "-",
		groups[0] ? groups : "-", tags[0] ? tags : "-", key->name);
}

static int list_one(void *arg, const struct store_key *key)
{
	struct listing *listing = arg;
	char id[ID_TEXT_SIZE];

	encoding_hex(id, sizeof(id), key->id, sizeof(key->id));
	if (listing->request->json)
		json_array_append_new(listing->keys, key_json(listing->request, key, id));
	else
		print_key(listing->request, key, id);
	return 0;
}

void admin_key_list(struct admin_request *request)
{
	struct listing listing = { .request = request, .keys = json_array() };
	int err;

	if (!request->json)
		fprintf(request->out,
			"%-16s  %-8s  %-24s  %5s  %-20s  %-20s  %-16s  %-16s  %-16s  %s\n", "ID",
			"STATE", "KIND", "USES", "CREATED", "EXPIRES", "BY", "GROUPS", "TAGS",
			"NAME");
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
