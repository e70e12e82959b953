#include "proto/signing.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/hash.h"
#include "proto/json_fields.h"

#define ID_DOMAIN "warren signing request 1"
#define VERSION   1
#define DEPTH_MAX 6

void signing_id(uint8_t id[static SIGNING_ID_SIZE], int kind, const uint8_t *body, size_t len)
{
	char head[sizeof(ID_DOMAIN) + 1] = ID_DOMAIN;

	head[sizeof(ID_DOMAIN)] = (char)kind;
	hash_blake2s(id, head, sizeof(head), body, len);
}

const char *signing_domain(int kind)
{
	return kind == SIGNING_CERTIFICATE ? CERT_DOMAIN
					   : document_domain((enum document_kind)kind);
}

static void clear_request(struct signing_request *request)
{
	free(request->body);
	free(request->previous);
}

void signing_clear(struct signing_bundle *bundle)
{
	for (size_t i = 0; i < bundle->count; i++)
		clear_request(&bundle->requests[i]);
	free(bundle->requests);
	free(bundle->trust_document);
	free(bundle->new_trust);
	*bundle = (struct signing_bundle){ .count = 0 };
}

/* --- writing --- */

static int put_bytes(json_t *object, const char *name, const uint8_t *data, size_t len)
{
	return data ? json_object_set_new(object, name, json_fields_encode(data, len)) : 0;
}

static json_t *request_json(const struct signing_request *request)
{
	json_t *object = json_object();
	json_t *signatures = json_array();
	int err = 0;

	for (size_t i = 0; i < request->set_len; i += TRUST_ENTRY_SIZE) {
		json_t *entry = json_object();

		err |= put_bytes(entry, "key", request->set + i, 32);
		err |= put_bytes(entry, "signature", request->set + i + 32, 64);
		err |= json_array_append_new(signatures, entry);
	}
	err |= json_object_set_new(object, "kind", json_integer(request->kind));
	err |= json_object_set_new(object, "who", json_string(request->who));
	err |= json_object_set_new(object, "time", json_integer((json_int_t)request->time_s));
	err |= put_bytes(object, "body", request->body, request->body_len);
	err |= put_bytes(object, "previous", request->previous, request->previous_len);
	err |= json_object_set_new(object, "signatures", signatures);
	if (err == 0)
		return object;
	json_decref(object);
	return NULL;
}

int signing_encode(const struct signing_bundle *bundle, char **text, size_t *len)
{
	json_t *object = json_object();
	json_t *array = json_array();
	char *dumped = NULL;
	int err = 0;

	for (size_t i = 0; i < bundle->count; i++)
		err |= json_array_append_new(array, request_json(&bundle->requests[i]));
	err |= json_object_set_new(object, "signing", json_integer(VERSION));
	err |= json_object_set_new(object, "network", json_string(bundle->network_name));
	err |= put_bytes(object, "network_id", bundle->trust.network_id, TRUST_NETWORK_ID_SIZE);
	err |= put_bytes(object, "authority", bundle->trust.authority_key, 32);
	err |= put_bytes(object, "trust", bundle->trust_document, bundle->trust_len);
	err |= put_bytes(object, "new_trust", bundle->new_trust, bundle->new_trust_len);
	err |= json_object_set_new(object, "requests", array);
	if (err == 0)
		dumped = json_dumps(object, JSON_INDENT(1));
	json_decref(object);
	if (!dumped)
		return -ENOMEM;
	*len = strlen(dumped);
	*text = realloc(dumped, *len + 2);
	if (!*text) {
		free(dumped);
		return -ENOMEM;
	}
	strcpy(*text + *len, "\n");
	++*len;
	return 0;
}

/* --- reading --- */

static void get_signatures(struct json_fields *f, struct signing_request *request)
{
	json_t *array = json_fields_array(f, "signatures", TRUST_SIGNATURES_MAX);
	json_t *value;
	size_t i;

	json_array_foreach (array, i, value) {
		struct json_fields entry;
		uint8_t signature[64];
		uint8_t key[32];

		json_fields_init(&entry, value);
		json_fields_bytes(&entry, "key", key, sizeof(key));
		json_fields_bytes(&entry, "signature", signature, sizeof(signature));
		f->failed |= entry.failed;
		if (f->failed)
			return;
		f->failed = trust_set_add(request->set, &request->set_len, key, signature) < 0;
	}
}

static void get_request(json_t *value, struct signing_request *request, bool *failed)
{
	struct json_fields f;
	uint64_t kind = 0;

	json_fields_init(&f, value);
	json_fields_u64(&f, "kind", DOCUMENT_KIND_END - 1, &kind);
	json_fields_u64(&f, "time", INT64_MAX, &request->time_s);
	json_fields_text_opt(&f, "who", request->who, sizeof(request->who));
	json_fields_blob(&f, "body", DOCUMENT_ENCODED_MAX, &request->body, &request->body_len);
	if (json_fields_has(&f, "previous"))
		json_fields_blob(&f, "previous", DOCUMENT_ENCODED_MAX, &request->previous,
				 &request->previous_len);
	get_signatures(&f, request);
	request->kind = (int)kind;
	*failed |= f.failed;
}

static void get_requests(struct json_fields *f, struct signing_bundle *bundle)
{
	json_t *array = json_fields_array(f, "requests", SIGNING_REQUESTS_MAX);
	json_t *value;
	size_t i;

	bundle->requests = calloc(json_array_size(array) + 1, sizeof(*bundle->requests));
	f->failed |= !bundle->requests;
	json_array_foreach (array, i, value) {
		if (f->failed)
			return;
		bundle->count++;
		get_request(value, &bundle->requests[i], &f->failed);
	}
}

/* Who may sign is what the authority says, not what the coordinator says. */
static int check_trust(struct signing_bundle *bundle, const uint8_t network_id[static 16],
		       const uint8_t authority_key[static 32])
{
	struct document document;
	int err;

	trust_init(&bundle->trust, network_id, authority_key);
	err = document_verify(&document, bundle->trust_document, bundle->trust_len, &bundle->trust);
	if (err < 0)
		return -EBADMSG;
	if (document.kind == DOCUMENT_TRUST)
		document_trust(&document, &bundle->trust);
	else
		err = -EBADMSG;
	document_clear(&document);
	return err;
}

int signing_parse(struct signing_bundle *out, const char *text, size_t len)
{
	json_t *object = json_fields_load(text, len, SIGNING_TEXT_MAX, DEPTH_MAX);
	struct signing_bundle bundle = { .count = 0 };
	uint8_t network_id[TRUST_NETWORK_ID_SIZE];
	uint8_t authority_key[32];
	struct json_fields f;
	uint64_t version = 0;
	int err;

	json_fields_init(&f, object);
	json_fields_u64(&f, "signing", INT32_MAX, &version);
	json_fields_text(&f, "network", bundle.network_name, sizeof(bundle.network_name));
	json_fields_bytes(&f, "network_id", network_id, sizeof(network_id));
	json_fields_bytes(&f, "authority", authority_key, sizeof(authority_key));
	json_fields_blob(&f, "trust", DOCUMENT_ENCODED_MAX, &bundle.trust_document,
			 &bundle.trust_len);
	if (json_fields_has(&f, "new_trust"))
		json_fields_blob(&f, "new_trust", DOCUMENT_ENCODED_MAX, &bundle.new_trust,
				 &bundle.new_trust_len);
	get_requests(&f, &bundle);
	err = f.failed || version != VERSION ? -EBADMSG
					     : check_trust(&bundle, network_id, authority_key);
	json_decref(object);
	if (err < 0)
		signing_clear(&bundle);
	else
		*out = bundle;
	return err;
}
