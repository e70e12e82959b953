#include "daemon/documents.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/log.h"
#include "base/map.h"
#include "crypto/hash.h"
#include "daemon/mesh.h"
#include "daemon/mesh_map.h"
#include "daemon/record.h"
#include "proto/policy.h"

#define FILE_NAME "documents"
#define KIND      "docs"
#define FORMAT    2
#define FORMAT_4  1 /* with the first four kinds */

struct serial {
	uint8_t device_key[32];
	uint64_t serial;
	uint64_t until_s; /* its certificate's end */
};

/* --- what is held --- */

static void clear_held(struct documents_held *held)
{
	document_clear(&held->document);
	free(held->data);
	*held = (struct documents_held){ .len = 0 };
}

void documents_clear(struct documents *documents)
{
	struct serial *serial;
	size_t cursor = 0;

	for (int kind = 0; kind < DOCUMENT_KIND_END; kind++)
		clear_held(&documents->held[kind]);
	policy_free(documents->policy);
	while (documents->serials && (serial = map_next(documents->serials, &cursor)))
		free(serial);
	map_free(documents->serials);
	*documents = (struct documents){ .map_version = 0 };
}

/* Takes the document and a copy of its bytes. */
static int hold(struct documents *documents, struct document *document, const uint8_t *data,
		size_t len)
{
	struct documents_held *held = &documents->held[document->kind];
	struct policy *policy = NULL;
	struct policy_error error;
	uint8_t *copy = malloc(len + 1);
	int err = copy ? 0 : -ENOMEM;

	if (err == 0 && document->kind == DOCUMENT_POLICY)
		err = policy_parse(&policy, document->policy, document->policy_len, &error);
	if (err < 0) {
		free(copy);
		return err == -EINVAL ? -EBADMSG : err;
	}
	memcpy(copy, data, len);
	clear_held(held);
	*held = (struct documents_held){ .document = *document, .data = copy, .len = len };
	if (policy) {
		policy_free(documents->policy);
		documents->policy = policy;
	}
	return 0;
}

void documents_versions(const struct mesh *mesh, uint64_t versions[static DOCUMENT_KINDS])
{
	versions[DOCUMENT_TRUST - 1] = mesh->membership.trust.version;
	for (int kind = DOCUMENT_POLICY; kind < DOCUMENT_KIND_END; kind++)
		versions[kind - 1] = mesh->documents.held[kind].document.version;
}

bool documents_signed(const struct mesh *mesh, enum document_kind kind, const uint8_t **data,
		      size_t *len)
{
	const struct documents_held *held = &mesh->documents.held[kind];
	bool trust = kind == DOCUMENT_TRUST;

	*data = trust ? mesh->membership.trust_document : held->data;
	*len = trust ? mesh->membership.trust_document_len : held->len;
	return *len > 0;
}

bool documents_hash(const struct mesh *mesh, enum document_kind kind,
		    uint8_t hash[static DOCUMENT_HASH_SIZE])
{
	const struct membership *m = &mesh->membership;
	const struct document *document = &mesh->documents.held[kind].document;
	struct document trust;

	if (kind != DOCUMENT_TRUST) {
		memcpy(hash, document->hash, DOCUMENT_HASH_SIZE);
		return document->version > 0;
	}
	if (!trust_is_strict(&m->trust) ||
	    document_verify(&trust, m->trust_document, m->trust_document_len, &m->trust) < 0)
		return false;
	memcpy(hash, trust.hash, DOCUMENT_HASH_SIZE);
	document_clear(&trust);
	return true;
}

/* --- serials --- */

/* Certificates that ended prove nothing by being old. */
static void forget_expired(struct documents *documents, uint64_t now_s)
{
	struct serial *serial;
	size_t cursor = 0;

	while ((serial = map_next(documents->serials, &cursor))) {
		if (serial->until_s >= now_s)
			continue;
		map_remove(documents->serials, serial->device_key);
		free(serial);
	}
}

static int note_serial(struct documents *documents, const uint8_t device_key[static 32],
		       uint64_t number, uint64_t until_s, uint64_t now_s)
{
	struct serial *serial;
	int err;

	if (!documents->serials)
		documents->serials = map_new(32, DOCUMENTS_SERIALS_MAX);
	if (!documents->serials)
		return -ENOMEM;
	serial = map_find(documents->serials, device_key);
	if (serial) {
		if (number > serial->serial)
			*serial = (struct serial){ .serial = number, .until_s = until_s };
		memcpy(serial->device_key, device_key, 32);
		return 0;
	}
	if (map_count(documents->serials) == DOCUMENTS_SERIALS_MAX)
		forget_expired(documents, now_s);
	serial = malloc(sizeof(*serial));
	if (!serial)
		return -ENOMEM;
	*serial = (struct serial){ .serial = number, .until_s = until_s };
	memcpy(serial->device_key, device_key, 32);
	err = map_insert(documents->serials, device_key, serial);
	if (err < 0)
		free(serial);
	return err;
}

static uint64_t highest_serial(const struct mesh *mesh, const uint8_t device_key[static 32])
{
	const struct serial *serial =
		mesh->documents.serials ? map_find(mesh->documents.serials, device_key) : NULL;
	const struct netmap_peer *peer =
		mesh->offered ? netmap_find_peer(mesh->offered, device_key) : NULL;

	if (serial)
		return serial->serial;
	return peer ? peer->cert->parsed.serial : 0;
}

int documents_check_map(struct mesh *mesh, const struct netmap *offered,
			struct netmap_refusal *refusal)
{
	bool older = (mesh->offered && offered->version < mesh->offered->version) ||
		     offered->version < mesh->documents.map_version;

	*refusal = (struct netmap_refusal){ .err = -ESTALE };
	if (mesh->documents.lost)
		return -EKEYREVOKED;
	if (older)
		return -ESTALE;
	for (size_t i = 0; i < offered->peer_count; i++) {
		const struct cert *cert = &offered->peers[i]->cert->parsed;

		if (cert->serial < highest_serial(mesh, cert->device_key)) {
			snprintf(refusal->peer, sizeof(refusal->peer), "%s", cert->name);
			return -ESTALE;
		}
	}
	return 0;
}

/* --- on disk --- */

static size_t record_size(const struct documents *documents)
{
	size_t size = 64 + (documents->serials ? map_count(documents->serials) * 48 : 0);

	for (int kind = DOCUMENT_POLICY; kind < DOCUMENT_KIND_END; kind++)
		size += 4 + documents->held[kind].len;
	return size;
}

static void put_record(struct writer *w, const struct mesh *mesh)
{
	const struct documents *documents = &mesh->documents;
	const struct serial *serial;
	size_t cursor = 0;

	writer_u8(w, FORMAT);
	writer_bytes(w, mesh->membership.trust.network_id, TRUST_NETWORK_ID_SIZE);
	writer_u64(w, documents->map_version);
	for (int kind = DOCUMENT_POLICY; kind < DOCUMENT_KIND_END; kind++) {
		writer_u32(w, (uint32_t)documents->held[kind].len);
		writer_bytes(w, documents->held[kind].data, documents->held[kind].len);
	}
	while (documents->serials && (serial = map_next(documents->serials, &cursor))) {
		writer_bytes(w, serial->device_key, 32);
		writer_u64(w, serial->serial);
		writer_u64(w, serial->until_s);
	}
}

static int save(struct mesh *mesh)
{
	size_t size = record_size(&mesh->documents);
	uint8_t *data = malloc(size);
	struct writer w;
	int err;

	if (!data)
		return -ENOMEM;
	writer_init(&w, data, size);
	put_record(&w, mesh);
	err = w.failed ? -EMSGSIZE
		       : record_write(mesh_path(mesh, FILE_NAME).text, KIND, data, w.len);
	free(data);
	mesh_saved(mesh, FILE_NAME, err);
	return err;
}

/* What is on disk was checked when it came; signers may have changed since. */
static int get_document(struct documents *documents, enum document_kind kind, struct reader *r)
{
	size_t len = reader_u32(r);
	const uint8_t *data = reader_bytes(r, len);
	struct document document;
	const uint8_t *set;
	size_t body_len;
	size_t set_len;
	int err;

	if (!data || len == 0)
		return data ? 0 : -EBADMSG;
	err = document_split(data, len, &body_len, &set, &set_len);
	if (err == 0)
		err = document_parse_body(&document, data, body_len);
	if (err < 0)
		return err;
	err = document.kind == kind ? hold(documents, &document, data, len) : -EBADMSG;
	if (err < 0)
		document_clear(&document);
	return err;
}

static int get_record(struct mesh *mesh, const uint8_t *data, size_t len)
{
	struct documents *documents = &mesh->documents;
	uint8_t network_id[TRUST_NETWORK_ID_SIZE];
	int kinds = DOCUMENT_KIND_END;
	struct reader r;
	uint8_t format;
	int err = 0;

	reader_init(&r, data, len);
	format = reader_u8(&r);
	if (format != FORMAT && format != FORMAT_4)
		return -EPROTONOSUPPORT;
	if (format == FORMAT_4)
		kinds = DOCUMENT_REVOCATIONS + 1;
	reader_copy(&r, network_id, sizeof(network_id));
	if (memcmp(network_id, mesh->membership.trust.network_id, sizeof(network_id)) != 0)
		return -EXDEV;
	documents->map_version = reader_u64(&r);
	for (int kind = DOCUMENT_POLICY; kind < kinds && err == 0; kind++)
		err = get_document(documents, (enum document_kind)kind, &r);
	while (err == 0 && r.left > 0) {
		const uint8_t *key = reader_bytes(&r, 32);
		uint64_t serial = reader_u64(&r);
		uint64_t until_s = reader_u64(&r);

		err = r.failed ? -EBADMSG : note_serial(documents, key, serial, until_s, 0);
	}
	return err;
}

void documents_load(struct mesh *mesh)
{
	uint8_t *data;
	size_t len;
	int err;

	documents_clear(&mesh->documents);
	if (!trust_is_strict(&mesh->membership.trust))
		return;
	err = record_read(mesh_path(mesh, FILE_NAME).text, KIND, &data, &len);
	if (err == 0) {
		err = get_record(mesh, data, len);
		file_free_secret(data, len);
	}
	if (err == 0)
		return;
	documents_clear(&mesh->documents);
	mesh->documents.lost = true;
	log_error("documents-unreadable file=%s error=\"%s\" action=\"restore it, or run `warren "
		  "logout` and join again\"",
		  mesh_path(mesh, FILE_NAME).text, strerror(-err));
	mesh_set_health(
		mesh, HEALTH_DOCUMENTS,
		"state: %s is %s, so old documents cannot be told from new ones and none is "
		"believed; restore it, or run `warren logout` and join again",
		mesh_path(mesh, FILE_NAME).text, err == -ENOENT ? "missing" : "damaged");
}

int documents_reset(struct mesh *mesh)
{
	documents_clear(&mesh->documents);
	mesh_set_health(mesh, HEALTH_DOCUMENTS, NULL);
	return trust_is_strict(&mesh->membership.trust) ? save(mesh) : 0;
}

void documents_note_map(struct mesh *mesh, const struct netmap *offered)
{
	struct documents *documents = &mesh->documents;

	if (!trust_is_strict(&mesh->membership.trust))
		return;
	documents->map_version = offered->version;
	for (size_t i = 0; i < offered->peer_count; i++) {
		const struct cert *cert = &offered->peers[i]->cert->parsed;

		if (note_serial(documents, cert->device_key, cert->serial, cert->not_after_s,
				mesh_wall_s(mesh)) < 0)
			log_warn("serial-not-kept peer=%s", cert->name);
	}
	save(mesh);
}

/* --- from outside --- */

static enum mesh_health slot(enum document_kind kind)
{
	return (enum mesh_health)(HEALTH_TRUST + (int)kind - DOCUMENT_TRUST);
}

/* Says what the coordinator offered; of peers it goes to the log alone. */
static int refuse(struct mesh *mesh, const char *peer, const struct document *document,
		  uint64_t held, int err)
{
	const char *name = document_kind_name(document->kind);
	unsigned long long version = (unsigned long long)document->version;
	char text[160];

	switch (err) {
	case -ESTALE:
		snprintf(text, sizeof(text), "an older %s (v%llu, we hold v%llu)", name, version,
			 (unsigned long long)held);
		break;
	case -EEXIST:
		snprintf(text, sizeof(text), "a forked %s (another v%llu than the one we hold)",
			 name, version);
		break;
	case -EPERM:
		snprintf(text, sizeof(text), "a %s (v%llu) that %s", name, version,
			 document->kind == DOCUMENT_TRUST ? "the authority did not sign"
							  : "not enough signers signed");
		break;
	case -EXDEV:
		snprintf(text, sizeof(text), "a %s of another network", name);
		break;
	default:
		snprintf(text, sizeof(text), "a %s that does not hold (%s)", name, strerror(-err));
		break;
	}
	log_warn("document-refused from=%s what=\"%s\"", peer ? peer : "coordinator", text);
	if (!peer)
		mesh_set_health(mesh, slot(document->kind), "coordinator: offered %s; refused",
				text);
	return err;
}

static int take_trust(struct mesh *mesh, const char *peer, const struct document *document,
		      const uint8_t *data, size_t len)
{
	struct membership *m = &mesh->membership;
	bool first = !trust_is_strict(&m->trust);
	uint64_t held = m->trust.version;
	int err = membership_set_trust(m, data, len);

	if (err < 0)
		return refuse(mesh, peer, document, held, err);
	if (!peer)
		gossip_given(mesh, DOCUMENT_TRUST, m->trust.version);
	mesh_set_health(mesh, HEALTH_TRUST, NULL);
	if (m->trust.version == held)
		return 0;
	/* Before the membership says that there is such a record. */
	if (first)
		documents_reset(mesh);
	mesh_saved(mesh, "membership", membership_save(m, mesh_path(mesh, "membership").text));
	log_info("trust version=%llu signers=%u threshold=%u", (unsigned long long)m->trust.version,
		 m->trust.signer_count, m->trust.threshold);
	gossip_tell_all(mesh);
	return 0;
}

/* Checked, and newer than what is held (or the same: 0 with *again). */
static int check_version(const struct document *document, const struct document *held, bool *again)
{
	*again = false;
	if (document->version < held->version)
		return -ESTALE;
	if (document->version > held->version)
		return 0;
	*again = memcmp(document->hash, held->hash, sizeof(held->hash)) == 0;
	return *again ? 0 : -EEXIST;
}

static int take_document(struct mesh *mesh, const char *peer, const uint8_t *data, size_t len)
{
	struct documents *documents = &mesh->documents;
	struct document document;
	bool again = false;
	uint64_t held;
	int err = document_verify(&document, data, len, &mesh->membership.trust);

	if (err < 0)
		return err;
	held = documents->held[document.kind].document.version;
	err = check_version(&document, &documents->held[document.kind].document, &again);
	if (err == 0 && !peer)
		gossip_given(mesh, document.kind, document.version);
	if (err == 0 && !again)
		err = hold(documents, &document, data, len);
	if (err < 0 || again) {
		err = err < 0 ? refuse(mesh, peer, &document, held, err) : 0;
		if (err == 0 && !peer)
			mesh_set_health(mesh, slot(document.kind), NULL);
		document_clear(&document);
		return err;
	}
	mesh_set_health(mesh, slot(document.kind), NULL);
	save(mesh);
	log_info("document kind=%s version=%llu from=%s", document_kind_name(document.kind),
		 (unsigned long long)document.version, peer ? peer : "coordinator");
	mesh_map_govern(mesh);
	gossip_tell_all(mesh);
	return 0;
}

int documents_receive(struct mesh *mesh, const char *peer, const uint8_t *data, size_t len)
{
	struct document document;
	const uint8_t *set;
	size_t body_len;
	size_t set_len;
	int err = document_split(data, len, &body_len, &set, &set_len);

	if (mesh->documents.lost)
		return -EKEYREVOKED;
	/* Read twice: what does not hold is to be named all the same. */
	if (err == 0)
		err = document_parse_body(&document, data, body_len);
	if (err < 0) {
		log_warn("document-refused from=%s error=\"%s\"", peer ? peer : "coordinator",
			 strerror(-err));
		if (!peer)
			mesh_set_health(mesh, HEALTH_TRUST,
					"coordinator: offered a document that cannot be read (%s); "
					"refused",
					strerror(-err));
		return err;
	}
	if (document.kind == DOCUMENT_TRUST) {
		err = take_trust(mesh, peer, &document, data, len);
	} else {
		err = take_document(mesh, peer, data, len);
		if (err == -EPERM || err == -EXDEV)
			refuse(mesh, peer, &document, 0, err);
	}
	document_clear(&document);
	return err;
}

void documents_forgive(struct mesh *mesh)
{
	/* Who holds the newest map is sent none, so nothing else would take this back. */
	mesh_set_health(mesh, HEALTH_MAP, NULL);
	for (int kind = DOCUMENT_TRUST; kind < DOCUMENT_KIND_END; kind++)
		if (kind != DOCUMENT_POLICY || mesh->documents.policy)
			mesh_set_health(mesh, slot((enum document_kind)kind), NULL);
}

/* --- the map in force --- */

/* A certificate as policy sees it; borrows from the certificate. */
struct view {
	struct policy_node node;
	const char *groups[CERT_LABELS_MAX];
	const char *tags[CERT_LABELS_MAX];
};

static void view_init(struct view *view, const struct cert *cert)
{
	for (size_t i = 0; i < cert->group_count; i++)
		view->groups[i] = cert->groups[i];
	for (size_t i = 0; i < cert->tag_count; i++)
		view->tags[i] = cert->tags[i];
	view->node = (struct policy_node){
		.name = cert->name,
		.owner = cert->owner[0] ? cert->owner : NULL,
		.address4 = cert->address4,
		.address6 = cert->address6,
		.groups = view->groups,
		.group_count = cert->group_count,
		.tags = view->tags,
		.tag_count = cert->tag_count,
		.routes = cert->routes,
		.route_count = cert->route_count,
	};
}

/* What the signed policy lets the two do; *out NULL when that is nothing. */
static int rule(const struct policy *policy, const struct view *own, const struct view *peer,
		struct netmap_cert *cert, struct netmap_peer **out)
{
	struct policy_rules outbound = { .count = 0 };
	struct policy_rules inbound = { .count = 0 };
	struct policy_rules lan = { .count = 0 };
	struct netmap_terms terms = { .rules = NULL };
	int err = policy_compile(policy, &own->node, &peer->node, &outbound);

	*out = NULL;
	if (err == 0)
		err = policy_compile(policy, &peer->node, &own->node, &inbound);
	if (err == 0 && outbound.count + inbound.count > 0) {
		terms.may_send = outbound.count > 0;
		terms.routes_used = policy_routes_used(&inbound, &outbound, &peer->node);
		err = netmap_rules_new(&terms.rules, inbound.rules, inbound.count);
		if (err == 0)
			err = policy_rules_lan(&outbound, &lan);
		if (err == 0 && lan.count > 0)
			err = netmap_rules_new(&terms.lan, lan.rules, lan.count);
		if (err == 0)
			err = netmap_peer_share(out, cert, &terms);
		netmap_rules_unref(terms.rules);
		netmap_rules_unref(terms.lan);
	}
	policy_rules_clear(&lan);
	policy_rules_clear(&outbound);
	policy_rules_clear(&inbound);
	return err;
}

static int govern_peers(const struct mesh *mesh, const struct netmap *offered, struct netmap *map)
{
	const struct documents *documents = &mesh->documents;
	const struct document *revocations = &documents->held[DOCUMENT_REVOCATIONS].document;
	struct view own;

	view_init(&own, &mesh->membership.cert);
	for (size_t i = 0; i < offered->peer_count; i++) {
		struct netmap_cert *cert = offered->peers[i]->cert;
		struct netmap_peer *peer;
		struct view view;
		int err;

		if (document_revokes(revocations, &cert->parsed))
			continue;
		view_init(&view, &cert->parsed);
		err = rule(documents->policy, &own, &view, cert, &peer);
		if (err == 0 && peer)
			err = netmap_add_peer(map, peer);
		if (err < 0)
			return err;
	}
	return 0;
}

/* Of the document alone: what the coordinator puts into the map nobody signed but itself. */
static int set_names(const struct mesh *mesh, struct netmap *map)
{
	const struct document *document = &mesh->documents.held[DOCUMENT_NAMES].document;
	struct netmap_names *names;
	int err;

	if (document->names_len == 0)
		return 0;
	err = netmap_names_new(&names, document->names, document->names_len);
	if (err < 0)
		return err;
	netmap_set_names(map, names);
	netmap_names_unref(names);
	return 0;
}

static int govern(const struct mesh *mesh, const struct netmap *offered, struct netmap *map)
{
	const struct document *relays = &mesh->documents.held[DOCUMENT_RELAYS].document;
	const struct document *revocations = &mesh->documents.held[DOCUMENT_REVOCATIONS].document;
	int err;

	memcpy(map->network_id, offered->network_id, sizeof(map->network_id));
	memcpy(map->network_name, offered->network_name, sizeof(map->network_name));
	memcpy(map->node_key, offered->node_key, sizeof(map->node_key));
	map->version = offered->version;
	err = netmap_set_relays(map, relays->relays, relays->relay_count);
	if (err == 0)
		err = netmap_set_revoked(map, revocations->serials, revocations->serial_count);
	if (err == 0)
		err = set_names(mesh, map);
	return err == 0 && mesh->documents.policy ? govern_peers(mesh, offered, map) : err;
}

int documents_govern(struct mesh *mesh, const struct netmap *offered, struct netmap **out)
{
	bool strict = trust_is_strict(&mesh->membership.trust);
	struct netmap *map = strict ? netmap_new() : netmap_copy(offered);
	int err = 0;

	if (!map)
		return -ENOMEM;
	if (strict)
		err = govern(mesh, offered, map);
	if (err < 0) {
		netmap_free(map);
		return err;
	}
	if (strict && !mesh->documents.policy)
		mesh_set_health(mesh, HEALTH_POLICY,
				"coordinator: gave no signed policy; nothing is allowed until it "
				"does");
	*out = map;
	return 0;
}
