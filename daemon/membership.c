#include "daemon/membership.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/file.h"
#include "daemon/record.h"
#include "proto/document.h"

#define KIND        "member"
#define ENCODED_MAX (CERT_ENCODED_MAX + MEMBERSHIP_TRUST_MAX + 4096)

void membership_from_token(struct membership *membership, const struct token *token)
{
	struct membership pinned = { .address_count = token->address_count };

	memcpy(pinned.addresses, token->addresses, sizeof(pinned.addresses));
	memcpy(pinned.coordinator_key, token->coordinator_key, 32);
	memcpy(pinned.authority_hash, token->authority_hash, 32);
	*membership = pinned;
}

int membership_set_trust(struct membership *membership, const uint8_t *data, size_t len)
{
	bool again = len == membership->trust_document_len && len > 0 &&
		     memcmp(data, membership->trust_document, len) == 0;
	struct document document;
	int err;

	if (again)
		return 0;
	if (len > MEMBERSHIP_TRUST_MAX)
		return -EBADMSG;
	err = document_verify(&document, data, len, &membership->trust);
	if (err < 0)
		return err;
	if (document.kind != DOCUMENT_TRUST)
		err = -EBADMSG;
	else if (document.version < membership->trust.version)
		err = -ESTALE;
	else if (document.version == membership->trust.version)
		err = -EEXIST;
	if (err == 0) {
		document_trust(&document, &membership->trust);
		memcpy(membership->trust_document, data, len);
		membership->trust_document_len = len;
	}
	document_clear(&document);
	return err;
}

/* Reads a certificate that was properly made for the device and box key. */
static int check_certificate(struct cert *parsed, const struct trust *trust, const uint8_t *cert,
			     size_t len, const uint8_t device_key[static 32],
			     const uint8_t box_key[static 32])
{
	struct cert c;

	if (len > CERT_ENCODED_MAX || cert_verify(&c, cert, len, trust) < 0)
		return -EBADMSG;
	if (memcmp(c.device_key, device_key, 32) != 0 || memcmp(c.box_key, box_key, 32) != 0)
		return -EBADMSG;
	*parsed = c;
	return 0;
}

static int take_certificate(struct membership *membership, const uint8_t *cert, size_t len,
			    const uint8_t device_key[static 32], const uint8_t box_key[static 32])
{
	struct cert parsed;
	int err = check_certificate(&parsed, &membership->trust, cert, len, device_key, box_key);

	if (err < 0)
		return err;
	if (membership->cert_len > 0 && parsed.serial < membership->cert.serial)
		return -ESTALE;
	membership->cert = parsed;
	memcpy(membership->cert_bytes, cert, len);
	membership->cert_len = len;
	return 0;
}

int membership_set_certificate(struct membership *membership, const uint8_t *cert, size_t len)
{
	const struct cert own = membership->cert;

	return take_certificate(membership, cert, len, own.device_key, own.box_key);
}

/* A trust document that is older than ours changes nothing. */
static int take_trust(struct membership *membership, const struct control_welcome *welcome)
{
	int err;

	if (!welcome->trust)
		return trust_is_strict(&membership->trust) ? -ESTALE : 0;
	err = membership_set_trust(membership, welcome->trust, welcome->trust_len);
	return err == 0 || err == -ESTALE ? err : -EKEYREJECTED;
}

int membership_enrol(struct membership *membership, const struct control_welcome *welcome,
		     const uint8_t device_key[static 32], const uint8_t box_key[static 32])
{
	struct membership enrolled = *membership;
	uint8_t hash[32];
	int older;
	int err;

	token_authority_hash(hash, welcome->authority_key);
	if (memcmp(hash, membership->authority_hash, sizeof(hash)) != 0)
		return -EPERM;
	if (membership->enrolled &&
	    memcmp(welcome->network_id, membership->trust.network_id, CERT_NETWORK_ID_SIZE) != 0)
		return -EPERM;
	if (!membership->enrolled)
		trust_init(&enrolled.trust, welcome->network_id, welcome->authority_key);
	snprintf(enrolled.network_name, sizeof(enrolled.network_name), "%s", welcome->network_name);
	enrolled.enrolled = true;
	older = take_trust(&enrolled, welcome);
	if (older < 0 && older != -ESTALE)
		return older;
	err = take_certificate(&enrolled, welcome->certificate, welcome->certificate_len,
			       device_key, box_key);
	if (err == 0 || err == -ESTALE)
		*membership = enrolled;
	return err == 0 ? older : err;
}

void membership_trust(const struct membership *membership, struct netmap_trust *trust,
		      struct netmap_refusal *refusal)
{
	trust->trust = membership->trust;
	memcpy(trust->node_key, membership->cert.device_key, 32);
	trust->refusal = refusal;
}

static void write_text(struct writer *w, const char *text)
{
	size_t len = strlen(text);

	writer_u8(w, (uint8_t)len);
	writer_bytes(w, text, len);
}

static void read_text(struct reader *r, char *text, size_t size)
{
	size_t len = reader_u8(r);

	if (len >= size)
		r->failed = true;
	else
		reader_copy(r, text, len);
	text[r->failed ? 0 : len] = '\0';
}

int membership_save(const struct membership *membership, const char *path)
{
	uint8_t data[ENCODED_MAX];
	struct writer w;
	size_t i;

	writer_init(&w, data, sizeof(data));
	writer_u8(&w, (uint8_t)membership->address_count);
	for (i = 0; i < membership->address_count; i++) {
		write_text(&w, membership->addresses[i].host);
		writer_u16(&w, membership->addresses[i].port);
	}
	writer_bytes(&w, membership->coordinator_key, 32);
	writer_bytes(&w, membership->authority_hash, 32);
	writer_u8(&w, membership->enrolled);
	if (membership->enrolled) {
		writer_bytes(&w, membership->trust.authority_key, 32);
		writer_bytes(&w, membership->trust.network_id, CERT_NETWORK_ID_SIZE);
		write_text(&w, membership->network_name);
		writer_u16(&w, (uint16_t)membership->cert_len);
		writer_bytes(&w, membership->cert_bytes, membership->cert_len);
	}
	/* Absent in simple mode, as in records of versions that knew no other. */
	if (membership->trust_document_len > 0) {
		writer_u16(&w, (uint16_t)membership->trust_document_len);
		writer_bytes(&w, membership->trust_document, membership->trust_document_len);
	}
	return w.failed ? -EMSGSIZE : record_write(path, KIND, data, w.len);
}

/* Behind the certificate, which it says who may sign. */
static void read_trust_document(struct reader *r, struct membership *membership)
{
	size_t len = r->left > 0 ? reader_u16(r) : 0;
	const uint8_t *data = len > 0 ? reader_bytes(r, len) : NULL;

	if (data && membership_set_trust(membership, data, len) < 0)
		r->failed = true;
}

static void read_enrolled(struct reader *r, struct membership *membership)
{
	uint8_t authority_key[32];
	uint8_t network_id[CERT_NETWORK_ID_SIZE];

	reader_copy(r, authority_key, 32);
	reader_copy(r, network_id, CERT_NETWORK_ID_SIZE);
	trust_init(&membership->trust, network_id, authority_key);
	read_text(r, membership->network_name, sizeof(membership->network_name));
	membership->cert_len = reader_u16(r);
	if (membership->cert_len > CERT_ENCODED_MAX)
		r->failed = true;
	else
		reader_copy(r, membership->cert_bytes, membership->cert_len);
	read_trust_document(r, membership);
	/* It was checked when it came; signers may have changed since. */
	if (!r->failed &&
	    cert_parse(&membership->cert, membership->cert_bytes, membership->cert_len) < 0)
		r->failed = true;
}

static int parse(struct membership *membership, const uint8_t *data, size_t len)
{
	struct membership loaded = { 0 };
	struct reader r;
	size_t i;

	reader_init(&r, data, len);
	loaded.address_count = reader_u8(&r);
	if (loaded.address_count > TOKEN_ADDRESSES_MAX)
		return -EBADMSG;
	for (i = 0; i < loaded.address_count; i++) {
		read_text(&r, loaded.addresses[i].host, sizeof(loaded.addresses[i].host));
		loaded.addresses[i].port = reader_u16(&r);
	}
	reader_copy(&r, loaded.coordinator_key, 32);
	reader_copy(&r, loaded.authority_hash, 32);
	loaded.enrolled = reader_u8(&r) != 0;
	if (loaded.enrolled)
		read_enrolled(&r, &loaded);
	if (!reader_done(&r))
		return -EBADMSG;
	*membership = loaded;
	return 0;
}

int membership_load(struct membership *membership, const char *path)
{
	uint8_t *data;
	size_t len;
	int err = record_read(path, KIND, &data, &len);

	if (err < 0)
		return err;
	err = parse(membership, data, len);
	file_free_secret(data, len);
	return err;
}
