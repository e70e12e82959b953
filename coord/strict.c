/* Strict mode: its state, how it begins, and what is asked for. strict_sign.c puts into force. */
#include "coord/strict.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/encoding.h"
#include "base/file.h"
#include "base/log.h"
#include "coord/certificate.h"
#include "coord/data_dir.h"
#include "coord/network.h"
#include "coord/sessions.h"
#include "coord/store_signing.h"
#include "crypto/sign.h"

static const uint8_t no_subject[32];

/* --- loading --- */

static int keep_document(struct strict *strict, int kind, uint64_t version, const uint8_t *data,
			 size_t len)
{
	uint8_t *copy = malloc(len + 1);

	if (!copy)
		return -ENOMEM;
	memcpy(copy, data, len);
	free(strict->documents[kind].data);
	strict->documents[kind] =
		(struct strict_document){ .version = version, .data = copy, .len = len };
	return 0;
}

static int load_document(void *arg, int kind, const uint8_t *data, size_t len)
{
	struct network *network = arg;
	struct strict *strict = &network->strict;
	struct document document;
	const uint8_t *set;
	size_t body_len;
	size_t set_len;
	int err = document_split(data, len, &body_len, &set, &set_len);

	if (err == 0)
		err = document_parse_body(&document, data, body_len);
	if (err < 0 || (int)document.kind != kind)
		return -EUCLEAN;
	if (kind == DOCUMENT_TRUST) {
		trust_init(&strict->trust, network->id, network->authority_key);
		document_trust(&document, &strict->trust);
		strict->on = true;
	}
	err = keep_document(strict, kind, document.version, data, len);
	document_clear(&document);
	return err;
}

int strict_load(struct network *network)
{
	struct strict *strict = &network->strict;
	uint8_t *seed = NULL;
	uint8_t public[32];
	size_t len;
	int err = store_document_each(network->store, load_document, network);

	if (err < 0 || !strict->on)
		return err;
	/* Another coordinator of the network may have exported it. */
	sodium_memzero(network->authority_secret, sizeof(network->authority_secret));
	err = store_get(network->store, STRICT_VALUE_MAP_KEY, &seed, &len);
	if (err == 0 && len == SIGN_SEED_SIZE)
		sign_key_from_seed(public, strict->map_secret, seed);
	else
		err = err < 0 ? err : -EUCLEAN;
	if (seed)
		sodium_memzero(seed, len);
	free(seed);
	if (err == 0)
		err = store_get_u64(network->store, STRICT_VALUE_LIFE, &strict->life_s);
	return err;
}

int strict_follow(struct network *network)
{
	int err = strict_load(network);

	network->strict.documents_dirty = network->all_dirty = true;
	return err;
}

void strict_clear(struct strict *strict)
{
	for (int kind = 0; kind < DOCUMENT_KIND_END; kind++)
		free(strict->documents[kind].data);
	sodium_memzero(strict, sizeof(*strict));
}

/* --- documents as the network's state wants them --- */

static void begin(const struct network *network, struct document *document, enum document_kind kind,
		  uint64_t version, uint64_t now_s)
{
	*document = (struct document){ .kind = kind, .version = version, .made_s = now_s };
	memcpy(document->network_id, network->id, sizeof(document->network_id));
}

static int compare_relays(const void *a, const void *b)
{
	const struct netmap_relay *x = a;
	const struct netmap_relay *y = b;

	return strcmp(x->name, y->name);
}

/* In an order that does not depend on when they came. */
static int want_relays(const struct network *network, struct document *document)
{
	document->relays = calloc(network->relay_count + 1, sizeof(*document->relays));
	if (!document->relays)
		return -ENOMEM;
	for (size_t i = 0; i < network->relay_count; i++)
		document->relays[document->relay_count++] = network->relays[i].relay;
	qsort(document->relays, document->relay_count, sizeof(*document->relays), compare_relays);
	return 0;
}

static int add_device(void *arg, const uint8_t device_key[static 32])
{
	struct document *document = arg;

	if (document->device_count == DOCUMENT_DEVICES_MAX)
		return -ENOSPC;
	memcpy(document->devices[document->device_count++], device_key, 32);
	return 0;
}

static int want_revocations(const struct network *network, struct document *document,
			    uint64_t now_s)
{
	document->devices = calloc(DOCUMENT_DEVICES_MAX, 32);
	document->serials = calloc(NETMAP_REVOKED_MAX, sizeof(*document->serials));
	if (!document->devices || !document->serials)
		return -ENOMEM;
	return store_device_revoked_each(network->store, now_s, add_device, document);
}

static int want_policy(const struct network *network, struct document *document)
{
	uint8_t *text;
	int err = store_get(network->store, NETWORK_VALUE_POLICY, &text, &document->policy_len);

	document->policy = err == 0 ? (char *)text : NULL;
	return err;
}

static int want_names(const struct network *network, struct document *document)
{
	size_t len = network->names ? network->names->len : 0;

	document->names = strndup(len ? network->names->text : "", len);
	document->names_len = len;
	return document->names ? 0 : -ENOMEM;
}

/* What the document of its kind would say now. */
static int want(const struct network *network, struct document *document, uint64_t now_s)
{
	switch (document->kind) {
	case DOCUMENT_POLICY:
		return want_policy(network, document);
	case DOCUMENT_RELAYS:
		return want_relays(network, document);
	case DOCUMENT_NAMES:
		return want_names(network, document);
	default:
		return want_revocations(network, document, now_s);
	}
}

/* --- how it begins --- */

/* Signed by the authority, and into the store. */
static int put_signed(struct network *network, struct strict *strict, struct document *document)
{
	const char *domain = document_domain(document->kind);
	uint8_t signature[SIGN_SIZE];
	uint8_t *body = NULL;
	uint8_t *data = NULL;
	size_t body_len;
	size_t len;
	int err = document_encode(document, &body, &body_len);

	if (err == 0)
		err = sign_make(signature, network->authority_secret, domain, body, body_len);
	if (err == 0)
		err = document_join(body, body_len, signature, sizeof(signature), &data, &len);
	if (err == 0)
		err = store_document_put(network->store, (int)document->kind, document->version,
					 data, len);
	if (err == 0)
		err = keep_document(strict, (int)document->kind, document->version, data, len);
	free(body);
	free(data);
	return err;
}

static int put_first_documents(struct network *network, struct strict *strict,
			       const struct strict_export *wanted, uint64_t now_s)
{
	struct document document;
	int err;

	begin(network, &document, DOCUMENT_TRUST, 1, now_s);
	document.threshold = wanted->threshold;
	document.signer_count = wanted->signer_count;
	memcpy(document.signers, wanted->signers, sizeof(document.signers));
	memcpy(document.map_key, strict->map_secret + 32, 32);
	err = put_signed(network, strict, &document);
	if (err < 0)
		return err;
	document_trust(&document, &strict->trust);
	for (int kind = DOCUMENT_POLICY; kind < DOCUMENT_KIND_END && err == 0; kind++) {
		/* Nodes that know no names are not to meet a document of them. */
		if (kind == DOCUMENT_NAMES && !network->names)
			continue;
		begin(network, &document, (enum document_kind)kind, 1, now_s);
		err = want(network, &document, now_s);
		if (err == 0)
			err = put_signed(network, strict, &document);
		document_clear(&document);
	}
	return err;
}

/* What nodes had revoked in simple mode stays revoked. */
static int put_devices(struct network *network, uint64_t now_s)
{
	const struct node *node;
	size_t cursor = 0;
	int err = 0;

	while (err == 0 && (node = network_next(network, &cursor)))
		if (node->revoked)
			err = store_device_revoke(network->store, node->device_key,
						  now_s + 2 * STRICT_LIFE_S);
	return err;
}

/* Certificates that last, since the next ones want signatures. */
static int put_certificates(struct network *network, uint64_t now_s)
{
	struct node *node;
	size_t cursor = 0;
	int err = 0;

	while (err == 0 && (node = network_next(network, &cursor))) {
		if (!node_is_member(node))
			continue;
		err = certificate_issue(network, node, now_s);
		if (err == 0)
			err = store_node_put(network->store, node);
		node->dirty = true;
	}
	return err == 0 ? network_store_serial(network) : err;
}

static int store_export(struct network *network, struct strict *strict,
			const struct strict_export *wanted, uint64_t now_s)
{
	int err = store_begin(network->store);

	if (err < 0)
		return err;
	err = store_set(network->store, STRICT_VALUE_MAP_KEY, strict->map_secret, SIGN_SEED_SIZE);
	if (err == 0)
		err = store_set(network->store, STRICT_VALUE_AUTHORITY, network->authority_key, 32);
	if (err == 0)
		err = store_set_u64(network->store, STRICT_VALUE_LIFE, strict->life_s);
	if (err == 0)
		err = put_devices(network, now_s);
	if (err == 0)
		err = put_first_documents(network, strict, wanted, now_s);
	if (err == 0)
		err = put_certificates(network, now_s);
	if (err == 0)
		err = store_commit(network->store);
	if (err < 0)
		store_rollback(network->store);
	return err;
}

static int check_signers(const struct strict_export *wanted)
{
	for (size_t i = 0; i < wanted->signer_count; i++)
		for (size_t j = 0; j < i; j++)
			if (memcmp(wanted->signers[i], wanted->signers[j], 32) == 0)
				return -EINVAL;
	return wanted->threshold <= wanted->signer_count &&
			       (wanted->threshold > 0) == (wanted->signer_count > 0)
		       ? 0
		       : -EINVAL;
}

static int write_key(const struct network *network, const char *path)
{
	char text[BASE64_KEY_SIZE];
	int err;

	if (access(path, F_OK) == 0)
		return -EEXIST;
	encoding_base64_key(text, network->authority_secret);
	text[BASE64_KEY_SIZE - 1] = '\n';
	err = file_write_atomic(path, text, sizeof(text), 0600);
	sodium_memzero(text, sizeof(text));
	return err;
}

static void forget_key(struct network *network)
{
	char path[PATH_MAX];

	sodium_memzero(network->authority_secret, sizeof(network->authority_secret));
	if (data_dir_path(path, network->dir, DATA_DIR_AUTHORITY) == 0 && unlink(path) < 0)
		log_error("authority-key-left file=%s error=\"%s\" action=\"remove it\"", path,
			  strerror(errno));
}

int strict_export(struct network *network, const struct strict_export *wanted, uint64_t now_s)
{
	struct strict strict = { .life_s = wanted->life_s };
	uint8_t map_key[32];
	int err;

	if (network->strict.on)
		return -EALREADY;
	if (check_signers(wanted) < 0)
		return -EINVAL;
	err = write_key(network, wanted->path);
	if (err < 0)
		return err;
	sign_key_new(map_key, strict.map_secret, &network->rng);
	trust_init(&strict.trust, network->id, network->authority_key);
	network->strict.life_s = wanted->life_s; /* for the certificates */
	err = store_export(network, &strict, wanted, now_s);
	if (err < 0) {
		network->strict.life_s = 0;
		unlink(wanted->path);
		strict_clear(&strict);
		return err;
	}
	strict.on = strict.documents_dirty = true;
	network->strict = strict;
	network->all_dirty = true;
	forget_key(network);
	log_info("authority-exported signers=%u threshold=%u", wanted->signer_count,
		 wanted->threshold);
	return 0;
}

/* --- requests --- */

static int put_request(struct network *network, int kind, const uint8_t subject[static 32],
		       const uint8_t *body, size_t len, const char *who, uint64_t now_s)
{
	struct store_request request = { .request = { .kind = kind,
						      .body = (uint8_t *)body,
						      .body_len = len,
						      .time_s = now_s } };

	memcpy(request.subject, subject, 32);
	snprintf(request.request.who, sizeof(request.request.who), "%s", who);
	signing_id(request.id, kind, body, len);
	return store_request_put(network->store, &request);
}

/* Do the two say the same, but for serial and times? */
static bool same_statement(const struct cert *a, const struct cert *b)
{
	struct cert x = *a;

	x.serial = b->serial;
	x.not_before_s = b->not_before_s;
	x.not_after_s = b->not_after_s;
	return memcmp(&x, b, sizeof(x)) == 0;
}

/* Is just this asked for already, by a request that would still be worth its signatures? */
static int is_requested(struct network *network, const struct cert *cert)
{
	struct store_request request;
	struct cert asked;
	int err = store_request_about(network->store, SIGNING_CERTIFICATE, cert->device_key,
				      &request);

	if (err < 0)
		return err == -ENOENT ? 0 : err;
	err = cert_parse_body(&asked, request.request.body, request.request.body_len);
	store_request_clear(&request);
	return err == 0 && same_statement(cert, &asked) &&
	       cert->not_before_s < asked.not_before_s + network->strict.life_s / 3;
}

/* The certificate as it would be read, with its lists in order. */
static int normalise(struct cert *cert)
{
	uint8_t body[CERT_ENCODED_MAX];
	size_t len;
	int err = cert_encode(body, &len, cert);

	return err < 0 ? err : cert_parse_body(cert, body, len);
}

static int request_certificate(struct network *network, struct cert *cert, uint64_t now_s)
{
	uint8_t body[CERT_ENCODED_MAX];
	size_t len;
	int err = is_requested(network, cert);

	if (err != 0)
		return err < 0 ? err : 0;
	err = network_take_serial(network, &cert->serial);
	if (err == 0)
		err = cert_encode(body, &len, cert);
	if (err == 0)
		err = store_begin(network->store);
	if (err < 0)
		return err;
	err = network_store_serial(network);
	if (err == 0)
		err = put_request(network, SIGNING_CERTIFICATE, cert->device_key, body, len, "",
				  now_s);
	if (err == 0)
		err = store_commit(network->store);
	if (err < 0)
		store_rollback(network->store);
	else
		log_info("signature-wanted what=certificate node=%s", cert->name);
	return err;
}

int strict_request_certificate(struct network *network, const struct node *wanted, uint64_t now_s)
{
	struct cert cert;
	int err;

	certificate_describe(network, wanted, &cert, now_s);
	err = normalise(&cert);
	return err < 0 ? err : request_certificate(network, &cert, now_s);
}

/* Puts into cert what was asked for before, but for routes. 0, -ENOENT: nothing was. */
static int take_asked(struct network *network, struct cert *cert)
{
	struct store_request request;
	struct cert asked;
	int err = store_request_about(network->store, SIGNING_CERTIFICATE, cert->device_key,
				      &request);

	if (err < 0)
		return err;
	err = cert_parse_body(&asked, request.request.body, request.request.body_len);
	store_request_clear(&request);
	if (err < 0)
		return err;
	memcpy(asked.routes, cert->routes, sizeof(asked.routes));
	memcpy(asked.route_facts, cert->route_facts, sizeof(asked.route_facts));
	asked.route_count = cert->route_count;
	asked.not_before_s = cert->not_before_s;
	asked.not_after_s = cert->not_after_s;
	*cert = asked;
	return 0;
}

int strict_request_routes(struct network *network, const struct node *node, uint64_t now_s)
{
	const struct netmap_cert *held = node_shared_cert(node);
	struct cert cert;
	bool asked;
	int err;

	certificate_describe(network, node, &cert, now_s);
	err = take_asked(network, &cert);
	asked = err == 0;
	if (err < 0 && err != -ENOENT)
		return err;
	err = normalise(&cert);
	if (err < 0)
		return err;
	if (!held || !same_statement(&cert, &held->parsed) || certificate_is_due(node, now_s))
		return request_certificate(network, &cert, now_s);
	return asked ? store_request_delete(network->store, SIGNING_CERTIFICATE, cert.device_key)
		     : 0;
}

/* No version is asked for twice, so that of two texts signed one is newer for everybody. */
static int take_version(struct network *network, enum document_kind kind, uint64_t *version)
{
	char name[64];
	uint64_t highest = 0;
	int err;

	snprintf(name, sizeof(name), "%s%s", STRICT_VALUE_VERSION, document_kind_name(kind));
	err = store_get_u64(network->store, name, &highest);
	if (err < 0)
		return err;
	if (highest < network->strict.documents[kind].version)
		highest = network->strict.documents[kind].version;
	*version = highest + 1;
	return store_set_u64(network->store, name, highest + 1);
}

int strict_leap(struct store *store, uint64_t versions)
{
	int err = 0;

	for (int kind = DOCUMENT_POLICY; kind < DOCUMENT_KIND_END && err == 0; kind++) {
		char name[64];
		uint64_t highest = 0;

		snprintf(name, sizeof(name), "%s%s", STRICT_VALUE_VERSION,
			 document_kind_name((enum document_kind)kind));
		err = store_get_u64(store, name, &highest);
		if (err == 0)
			err = store_set_u64(store, name, highest + versions);
	}
	return err;
}

static int request_document(struct network *network, struct document *document, const char *who,
			    uint64_t now_s)
{
	uint8_t *body = NULL;
	size_t len;
	int err = store_begin(network->store);

	if (err < 0)
		return err;
	err = take_version(network, document->kind, &document->version);
	if (err == 0)
		err = document_encode(document, &body, &len);
	if (err == 0)
		err = put_request(network, (int)document->kind, no_subject, body, len, who, now_s);
	if (err == 0)
		err = store_commit(network->store);
	if (err < 0)
		store_rollback(network->store);
	else
		log_info("signature-wanted what=%s version=%llu",
			 document_kind_name(document->kind), (unsigned long long)document->version);
	free(body);
	return err;
}

int strict_request_policy(struct network *network, const char *text, size_t len, const char *who,
			  uint64_t now_s)
{
	struct document document;

	begin(network, &document, DOCUMENT_POLICY, 1, now_s);
	document.policy = (char *)text;
	document.policy_len = len;
	return request_document(network, &document, who, now_s);
}

int strict_request_names(struct network *network, const char *text, size_t len, const char *who,
			 uint64_t now_s)
{
	struct document document;

	begin(network, &document, DOCUMENT_NAMES, 1, now_s);
	document.names = (char *)text;
	document.names_len = len;
	return request_document(network, &document, who, now_s);
}

int strict_request_again(struct network *network, enum document_kind kind, uint64_t now_s)
{
	struct document document;
	int err;

	begin(network, &document, kind, 1, now_s);
	err = want(network, &document, now_s);
	if (err == 0)
		err = request_document(network, &document, "", now_s);
	document_clear(&document);
	return err;
}

/* --- what the network's state wants --- */

/* What is asked for, or else what is in force. False: neither. */
static bool get_latest(const struct network *network, enum document_kind kind,
		       struct document *document)
{
	const struct strict_document *in_force = &network->strict.documents[kind];
	struct store_request request;
	const uint8_t *set;
	size_t body_len;
	size_t set_len;
	int err = store_request_about(network->store, (int)kind, no_subject, &request);

	if (err == 0) {
		err = document_parse_body(document, request.request.body, request.request.body_len);
		store_request_clear(&request);
		if (err == 0)
			return true;
	}
	return in_force->data &&
	       document_split(in_force->data, in_force->len, &body_len, &set, &set_len) == 0 &&
	       document_parse_body(document, in_force->data, body_len) == 0;
}

int strict_latest_names(const struct network *network, char **text, size_t *len)
{
	struct document latest = { .version = 0 };

	if (get_latest(network, DOCUMENT_NAMES, &latest)) {
		*text = latest.names;
		*len = latest.names_len;
		latest.names = NULL;
		document_clear(&latest);
		return 0;
	}
	*text = strdup("");
	*len = 0;
	return *text ? 0 : -ENOMEM;
}

/* Equal in everything but version and time; what expired may be missing from the wanted one. */
static bool says_as_much(struct document *latest, const struct document *wanted)
{
	struct cert cert = { .serial = 0 };
	struct document aligned = *wanted;
	uint8_t *a = NULL;
	uint8_t *b = NULL;
	size_t a_len = 0;
	size_t b_len = 0;
	bool same;

	if (wanted->kind == DOCUMENT_REVOCATIONS) {
		for (size_t i = 0; i < wanted->device_count; i++) {
			memcpy(cert.device_key, wanted->devices[i], 32);
			if (!document_revokes(latest, &cert))
				return false;
		}
		return true;
	}
	aligned.version = latest->version;
	aligned.made_s = latest->made_s;
	same = document_encode(latest, &a, &a_len) == 0 &&
	       document_encode(&aligned, &b, &b_len) == 0 && a_len == b_len &&
	       memcmp(a, b, a_len) == 0;
	free(a);
	free(b);
	return same;
}

static int reconcile_document(struct network *network, enum document_kind kind, uint64_t now_s)
{
	struct document latest = { .version = 0 };
	struct document wanted;
	int err;

	begin(network, &wanted, kind, 1, now_s);
	err = want(network, &wanted, now_s);
	if (err == 0 && (!get_latest(network, kind, &latest) || !says_as_much(&latest, &wanted)))
		err = request_document(network, &wanted, "", now_s);
	document_clear(&latest);
	document_clear(&wanted);
	return err;
}

static int reconcile_nodes(struct network *network, uint64_t now_s)
{
	struct node *node;
	size_t cursor = 0;
	int err = 0;

	while (err == 0 && (node = network_next(network, &cursor))) {
		bool waits = node->state == NODE_WAITS_SIGNATURE && !node->revoked;

		if (waits || (node_is_member(node) && certificate_is_due(node, now_s)))
			err = strict_request_certificate(network, node, now_s);
	}
	return err;
}

int strict_reconcile(struct network *network, uint64_t now_s)
{
	int err;

	if (!network->strict.on)
		return 0;
	err = reconcile_document(network, DOCUMENT_RELAYS, now_s);
	return err < 0 ? err : reconcile_document(network, DOCUMENT_REVOCATIONS, now_s);
}

static void show_overdue(struct sessions *sessions, uint64_t now_s)
{
	struct network *network = sessions->network;
	uint64_t count = 0;
	uint64_t oldest_s = 0;

	if (store_request_count(network->store, &count, &oldest_s) < 0)
		return;
	if (count == 0 || now_s < oldest_s + 86400)
		health_clear(&sessions->health, "signatures");
	else
		health_set(&sessions->health, "signatures", HEALTH_WARNING, now_s,
			   "%llu requests wait for admins' signatures, the oldest for %llu days; "
			   "see warren-coord authority show",
			   (unsigned long long)count,
			   (unsigned long long)((now_s - oldest_s) / 86400));
}

/* Several coordinators have a copy each, and an export that was broken off leaves one. */
static void show_left_key(struct sessions *sessions, uint64_t now_s)
{
	char path[PATH_MAX];

	if (data_dir_path(path, sessions->network->dir, DATA_DIR_AUTHORITY) == 0 &&
	    access(path, F_OK) == 0)
		health_set(&sessions->health, "authority-key", HEALTH_WARNING, now_s,
			   "%.120s is still there although the authority was exported: take it "
			   "away",
			   path);
	else
		health_clear(&sessions->health, "authority-key");
}

void strict_tick(struct sessions *sessions, uint64_t now_s)
{
	struct network *network = sessions->network;
	struct strict *strict = &network->strict;
	uint64_t pause_s =
		strict->life_s / 30 < STRICT_LOOK_S ? strict->life_s / 30 : STRICT_LOOK_S;

	if (!strict->on || (now_s >= strict->looked_s && now_s < strict->looked_s + pause_s))
		return;
	strict->looked_s = now_s;
	if (strict_reconcile(network, now_s) < 0 || reconcile_nodes(network, now_s) < 0)
		log_error("store-failed what=signing-requests");
	show_overdue(sessions, now_s);
	show_left_key(sessions, now_s);
}
