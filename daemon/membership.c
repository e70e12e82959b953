#include "daemon/membership.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/file.h"
#include "daemon/record.h"

#define KIND        "member"
#define ENCODED_MAX (CERT_ENCODED_MAX + 4096)

void membership_from_token(struct membership *membership, const struct token *token)
{
	struct membership pinned = { .address_count = token->address_count };

	memcpy(pinned.addresses, token->addresses, sizeof(pinned.addresses));
	memcpy(pinned.coordinator_key, token->coordinator_key, 32);
	memcpy(pinned.authority_hash, token->authority_hash, 32);
	*membership = pinned;
}

/* Takes over a certificate that the authority made for this device. */
static int set_certificate(struct membership *membership, const uint8_t *cert, size_t len,
			   const uint8_t device_key[static 32], const uint8_t box_key[static 32])
{
	struct cert parsed;
	int err;

	if (len > CERT_ENCODED_MAX)
		return -EBADMSG;
	err = cert_verify(&parsed, cert, len, membership->authority_key, membership->network_id);
	if (err < 0)
		return err == -EPERM ? -EPERM : -EBADMSG;
	if (memcmp(parsed.device_key, device_key, 32) != 0 ||
	    memcmp(parsed.box_key, box_key, 32) != 0)
		return -EBADMSG;
	membership->cert = parsed;
	memcpy(membership->cert_bytes, cert, len);
	membership->cert_len = len;
	return 0;
}

int membership_enrol(struct membership *membership, const uint8_t authority_key[static 32],
		     const uint8_t network_id[static CERT_NETWORK_ID_SIZE],
		     const char *network_name, const uint8_t *cert, size_t cert_len,
		     const uint8_t device_key[static 32], const uint8_t box_key[static 32])
{
	struct membership enrolled = *membership;
	uint8_t hash[32];
	int err;

	token_authority_hash(hash, authority_key);
	if (memcmp(hash, membership->authority_hash, sizeof(hash)) != 0)
		return -EPERM;
	if (membership->enrolled &&
	    memcmp(network_id, membership->network_id, CERT_NETWORK_ID_SIZE) != 0)
		return -EPERM;
	memcpy(enrolled.authority_key, authority_key, 32);
	memcpy(enrolled.network_id, network_id, CERT_NETWORK_ID_SIZE);
	snprintf(enrolled.network_name, sizeof(enrolled.network_name), "%s", network_name);
	enrolled.enrolled = true;
	err = set_certificate(&enrolled, cert, cert_len, device_key, box_key);
	if (err == 0)
		*membership = enrolled;
	return err;
}

void membership_trust(const struct membership *membership, struct netmap_trust *trust)
{
	memcpy(trust->authority_key, membership->authority_key, 32);
	memcpy(trust->network_id, membership->network_id, CERT_NETWORK_ID_SIZE);
	memcpy(trust->node_key, membership->cert.device_key, 32);
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
		writer_bytes(&w, membership->authority_key, 32);
		writer_bytes(&w, membership->network_id, CERT_NETWORK_ID_SIZE);
		write_text(&w, membership->network_name);
		writer_u16(&w, (uint16_t)membership->cert_len);
		writer_bytes(&w, membership->cert_bytes, membership->cert_len);
	}
	return w.failed ? -EMSGSIZE : record_write(path, KIND, data, w.len);
}

static void read_enrolled(struct reader *r, struct membership *membership)
{
	reader_copy(r, membership->authority_key, 32);
	reader_copy(r, membership->network_id, CERT_NETWORK_ID_SIZE);
	read_text(r, membership->network_name, sizeof(membership->network_name));
	membership->cert_len = reader_u16(r);
	if (membership->cert_len > CERT_ENCODED_MAX)
		r->failed = true;
	else
		reader_copy(r, membership->cert_bytes, membership->cert_len);
	if (!r->failed &&
	    cert_verify(&membership->cert, membership->cert_bytes, membership->cert_len,
			membership->authority_key, membership->network_id) < 0)
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
