/* Strict mode: signatures come in, and what has enough of them comes into force. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "coord/network_names.h"
#include "coord/session_routes.h"
#include "coord/sessions.h"
#include "coord/store_signing.h"
#include "coord/strict.h"
#include "crypto/sign.h"

static const uint8_t no_subject[32];

bool strict_describe(const struct signing_request *request, char *out, size_t size)
{
	struct document document;
	struct cert cert;

	if (request->kind == SIGNING_CERTIFICATE) {
		if (cert_parse_body(&cert, request->body, request->body_len) < 0)
			return false;
		snprintf(out, size, "certificate of %s", cert.name);
		return true;
	}
	if (document_parse_body(&document, request->body, request->body_len) < 0)
		return false;
	snprintf(out, size, "%s v%llu", document_kind_name(document.kind),
		 (unsigned long long)document.version);
	document_clear(&document);
	return true;
}

size_t strict_signatures(const struct network *network, const struct signing_request *request)
{
	uint8_t set[TRUST_SET_MAX];
	size_t len = request->set_len;

	memcpy(set, request->set, sizeof(set));
	return trust_set_trim(&network->strict.trust, signing_domain(request->kind), request->body,
			      request->body_len, set, &len);
}

/* --- what waits --- */

struct bundling {
	const struct network *network;
	struct signing_bundle *bundle;
};

static int copy_bytes(uint8_t **out, size_t *out_len, const uint8_t *data, size_t len)
{
	*out = len ? malloc(len) : NULL;
	if (!*out)
		return len ? -ENOMEM : 0;
	memcpy(*out, data, len);
	*out_len = len;
	return 0;
}

static int copy_previous(const struct network *network, const struct store_request *from,
			 struct signing_request *to)
{
	const struct node *node = network_find(network, from->subject);

	if (to->kind != SIGNING_CERTIFICATE)
		return copy_bytes(&to->previous, &to->previous_len,
				  network->strict.documents[to->kind].data,
				  network->strict.documents[to->kind].len);
	return node ? copy_bytes(&to->previous, &to->previous_len, node->cert, node->cert_len) : 0;
}

static int bundle_one(void *arg, struct store_request *from)
{
	struct bundling *b = arg;
	struct signing_bundle *bundle = b->bundle;
	struct signing_request *to = &bundle->requests[bundle->count];

	if (bundle->count == SIGNING_REQUESTS_MAX)
		return 0;
	*to = from->request;
	from->request.body = NULL;
	bundle->count++;
	return copy_previous(b->network, from, to);
}

int strict_bundle(const struct network *network, struct signing_bundle *bundle)
{
	struct bundling b = { network, bundle };
	const struct strict_document *trust = &network->strict.documents[DOCUMENT_TRUST];
	uint64_t oldest_s;
	uint64_t count;
	int err = store_request_count(network->store, &count, &oldest_s);

	*bundle = (struct signing_bundle){ .trust = network->strict.trust };
	if (err < 0)
		return err;
	snprintf(bundle->network_name, sizeof(bundle->network_name), "%s", network->name);
	bundle->requests =
		calloc((count < SIGNING_REQUESTS_MAX ? (size_t)count : SIGNING_REQUESTS_MAX) + 1,
		       sizeof(*bundle->requests));
	err = bundle->requests ? copy_bytes(&bundle->trust_document, &bundle->trust_len,
					    trust->data, trust->len)
			       : -ENOMEM;
	if (err == 0)
		err = store_request_each(network->store, bundle_one, &b);
	if (err < 0)
		signing_clear(bundle);
	return err;
}

/* --- into force --- */

static bool is_free(const struct network *network, const struct node *node, const struct cert *cert)
{
	const struct node *other;
	size_t cursor = 0;

	while ((other = network_next(network, &cursor)))
		if (other != node && (strcmp(other->name, cert->name) == 0 ||
				      memcmp(other->wireguard_key, cert->wireguard_key, 32) == 0))
			return false;
	return true;
}

static void fill_labels(struct labels *labels, const char (*names)[CERT_LABEL_MAX + 1],
			size_t count)
{
	*labels = (struct labels){ .count = 0 };
	for (size_t i = 0; i < count; i++)
		labels_add(labels, names[i]);
}

/* The node as its certificate says. */
static void take_cert(struct node *node, const struct cert *cert, const uint8_t *data, size_t len)
{
	strcpy(node->name, cert->name);
	strcpy(node->owner, cert->owner);
	memcpy(node->wireguard_key, cert->wireguard_key, 32);
	fill_labels(&node->groups, cert->groups, cert->group_count);
	fill_labels(&node->tags, cert->tags, cert->tag_count);
	node->state = NODE_APPROVED;
	node->serial = cert->serial;
	node->not_before_s = cert->not_before_s;
	node->not_after_s = cert->not_after_s;
	memcpy(node->cert, data, len);
	node->cert_len = len;
}

static void restore_node(struct node *node, const struct node *before)
{
	*node = *before;
	labels_copy(&node->groups, &before->groups);
	labels_copy(&node->tags, &before->tags);
}

static int store_certified(struct network *network, struct node *node)
{
	int err = store_begin(network->store);

	if (err < 0)
		return err;
	err = store_node_put(network->store, node);
	if (err == 0)
		err = store_request_delete(network->store, SIGNING_CERTIFICATE, node->device_key);
	if (err == 0)
		err = store_commit(network->store);
	if (err < 0)
		store_rollback(network->store);
	return err;
}

static int put_certificate(struct sessions *sessions, const struct store_request *request,
			   uint64_t now_s)
{
	struct network *network = sessions->network;
	const struct signing_request *r = &request->request;
	struct node *node = network_find(network, request->subject);
	uint8_t data[CERT_ENCODED_MAX];
	struct node *before;
	struct cert cert;
	size_t len;
	int err = cert_parse_body(&cert, r->body, r->body_len);

	if (err == 0)
		err = cert_join(data, &len, r->body, r->body_len, r->set, r->set_len);
	if (err == 0 && (!node || node->revoked))
		err = -ENOENT;
	if (err == 0 && !is_free(network, node, &cert))
		err = -EEXIST;
	before = err == 0 ? malloc(sizeof(*before)) : NULL;
	if (!before)
		return err < 0 ? err : -ENOMEM;
	*before = *node;
	take_cert(node, &cert, data, len);
	err = store_certified(network, node);
	if (err < 0) {
		restore_node(node, before);
	} else {
		node->dirty = true;
		sessions_want_flush(sessions);
		if (node->session && node->session->state == SESSION_WAITING)
			session_let_in(node->session, now_s);
		else if (node->session)
			session_send_certificate(node->session);
	}
	free(before);
	return err;
}

/* Nodes obey it from now on, and so does the coordinator. */
static int obey(struct network *network, struct document *document)
{
	struct policy_error problem;
	struct policy *policy;
	int err;

	if (document->kind == DOCUMENT_NAMES)
		return network_obey_names(network, document->names, document->names_len);
	if (document->kind != DOCUMENT_POLICY)
		return 0;
	err = policy_parse(&policy, document->policy, document->policy_len, &problem);
	if (err < 0)
		return err;
	network_obey(network, policy);
	return 0;
}

static int store_document(struct network *network, const struct document *document,
			  const uint8_t *data, size_t len)
{
	int err = store_begin(network->store);

	if (err < 0)
		return err;
	err = store_document_put(network->store, (int)document->kind, document->version, data, len);
	if (err == 0 && document->kind == DOCUMENT_POLICY)
		err = store_set(network->store, NETWORK_VALUE_POLICY, document->policy,
				document->policy_len);
	if (err == 0 && document->kind == DOCUMENT_NAMES)
		err = store_set(network->store, NETWORK_VALUE_NAMES, document->names,
				document->names_len);
	if (err == 0)
		err = store_request_delete(network->store, (int)document->kind, no_subject);
	if (err == 0)
		err = store_commit(network->store);
	if (err < 0)
		store_rollback(network->store);
	return err;
}

static int enforce(struct sessions *sessions, struct document *document, const uint8_t *data,
		   size_t len)
{
	struct network *network = sessions->network;
	struct strict_document *held = &network->strict.documents[document->kind];
	uint8_t *copy = malloc(len + 1);
	int err = copy ? store_document(network, document, data, len) : -ENOMEM;

	if (err == 0)
		err = obey(network, document);
	if (err < 0) {
		free(copy);
		return err;
	}
	memcpy(copy, data, len);
	free(held->data);
	*held = (struct strict_document){ .version = document->version, .data = copy, .len = len };
	network->strict.documents_dirty = network->all_dirty = true;
	log_info("document-in-force kind=%s version=%llu", document_kind_name(document->kind),
		 (unsigned long long)document->version);
	sessions_want_flush(sessions);
	return 0;
}

static int put_document(struct sessions *sessions, const struct store_request *request,
			uint64_t now_s)
{
	const struct signing_request *r = &request->request;
	struct document document;
	uint8_t *data = NULL;
	size_t len;
	int err = document_parse_body(&document, r->body, r->body_len);

	if (err < 0)
		return err;
	if (document.version <= sessions->network->strict.documents[document.kind].version)
		err = -ENOENT;
	if (err == 0)
		err = document_join(r->body, r->body_len, r->set, r->set_len, &data, &len);
	if (err == 0)
		err = enforce(sessions, &document, data, len);
	if (err == 0 && document.kind == DOCUMENT_POLICY)
		sessions_review_routes(sessions, now_s);
	free(data);
	document_clear(&document);
	return err;
}

/* --- signatures --- */

static int add_signature(struct network *network, struct store_request *request,
			 const uint8_t key[static 32], const uint8_t signature[static 64])
{
	struct signing_request *r = &request->request;
	const char *domain = signing_domain(r->kind);
	int err;

	if (!trust_is_signer(&network->strict.trust, key) ||
	    !sign_verify(signature, key, domain, r->body, r->body_len))
		return -EPERM;
	trust_set_trim(&network->strict.trust, domain, r->body, r->body_len, r->set, &r->set_len);
	err = trust_set_add(r->set, &r->set_len, key, signature);
	if (err == 0)
		err = store_request_set(network->store, request->id, r->set, r->set_len);
	return err;
}

int strict_sign(struct sessions *sessions, const uint8_t id[static SIGNING_ID_SIZE],
		const uint8_t key[static 32], const uint8_t signature[static 64], uint64_t now_s,
		char *text, size_t text_size)
{
	struct network *network = sessions->network;
	const struct trust *trust = &network->strict.trust;
	struct store_request request;
	struct signing_request *r = &request.request;
	int err = store_request_find(network->store, id, &request);

	snprintf(text, text_size, "request");
	if (err < 0)
		return err;
	strict_describe(r, text, text_size);
	err = add_signature(network, &request, key, signature);
	if (err == 0 && trust_check(trust, signing_domain(r->kind), r->body, r->body_len, r->set,
				    r->set_len) == 0) {
		err = r->kind == SIGNING_CERTIFICATE ? put_certificate(sessions, &request, now_s)
						     : put_document(sessions, &request, now_s);
		err = err == 0 ? 1 : err;
	}
	store_request_clear(&request);
	return err;
}

/* --- other signers --- */

/* What the new signers did not sign is asked for anew. */
static int request_again(struct network *network, uint64_t now_s)
{
	const struct trust *trust = &network->strict.trust;
	struct document document;
	struct node *node;
	struct cert cert;
	size_t cursor = 0;
	int err = 0;

	while (err == 0 && (node = network_next(network, &cursor)))
		if (node_is_member(node) &&
		    cert_verify(&cert, node->cert, node->cert_len, trust) < 0)
			err = strict_request_certificate(network, node, now_s);
	for (int kind = DOCUMENT_POLICY; kind < DOCUMENT_KIND_END && err == 0; kind++) {
		const struct strict_document *held = &network->strict.documents[kind];

		if (kind == DOCUMENT_NAMES && !held->data)
			continue;
		if (document_verify(&document, held->data, held->len, trust) == 0)
			document_clear(&document);
		else
			err = strict_request_again(network, (enum document_kind)kind, now_s);
	}
	return err;
}

int strict_set_trust(struct sessions *sessions, const uint8_t *data, size_t len, uint64_t now_s)
{
	struct network *network = sessions->network;
	struct strict *strict = &network->strict;
	struct document document;
	int err = document_verify(&document, data, len, &strict->trust);

	if (err < 0)
		return err;
	if (document.kind != DOCUMENT_TRUST ||
	    memcmp(document.map_key, strict->trust.map_key, 32) != 0)
		err = -EBADMSG;
	else if (document.version <= strict->trust.version)
		err = -ESTALE;
	else
		err = enforce(sessions, &document, data, len);
	if (err == 0) {
		document_trust(&document, &strict->trust);
		err = request_again(network, now_s);
	}
	document_clear(&document);
	return err;
}
