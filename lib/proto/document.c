/* Signing, checking and using network documents; their bodies are in document_body.c. */
#include "proto/document.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "proto/document_wire.h"

static const struct {
	const char *name;
	const char *domain;
} kinds[DOCUMENT_KIND_END] = {
	[DOCUMENT_TRUST] = { "trust", "warren trust 1" },
	[DOCUMENT_POLICY] = { "policy", "warren policy 1" },
	[DOCUMENT_RELAYS] = { "relays", "warren relays 1" },
	[DOCUMENT_NAMES] = { "names", "warren names 1" },
	[DOCUMENT_REVOCATIONS] = { "revocations", "warren revocations 1" },
};

const char *document_kind_name(enum document_kind kind)
{
	return kinds[kind].name;
}

const char *document_domain(enum document_kind kind)
{
	return kinds[kind].domain;
}

void document_clear(struct document *document)
{
	free(document->policy);
	free(document->names);
	free(document->relays);
	free(document->devices);
	free(document->serials);
	*document = (struct document){ .version = 0 };
}

int document_join(const uint8_t *body, size_t body_len, const uint8_t *set, size_t set_len,
		  uint8_t **data, size_t *len)
{
	size_t size = body_len + DOCUMENT_FIELD_HEAD + set_len;
	struct writer w;
	uint8_t *bytes;

	if (!trust_set_valid(set, set_len))
		return -EINVAL;
	bytes = malloc(size);
	if (!bytes)
		return -ENOMEM;
	writer_init(&w, bytes, size);
	writer_bytes(&w, body, body_len);
	document_put_field(&w, DOCUMENT_FIELD_SIGNATURES, set, set_len);
	*data = bytes;
	*len = size;
	return 0;
}

int document_split(const uint8_t *data, size_t len, size_t *body_len, const uint8_t **set,
		   size_t *set_len)
{
	struct reader r;

	if (len > DOCUMENT_ENCODED_MAX)
		return -EBADMSG;
	reader_init(&r, data, len);
	while (r.left > 0) {
		size_t at = len - r.left;
		uint16_t number = reader_u16(&r);
		size_t field_len = reader_u32(&r);
		const uint8_t *field = reader_bytes(&r, field_len);

		if (!field)
			return -EBADMSG;
		if (number != DOCUMENT_FIELD_SIGNATURES)
			continue;
		if (!reader_done(&r) || !trust_set_valid(field, field_len))
			return -EBADMSG;
		*body_len = at;
		*set = field;
		*set_len = field_len;
		return 0;
	}
	return -EBADMSG;
}

/* The trust document is the authority's alone. */
static int check_signatures(const struct document *document, const uint8_t *body, size_t body_len,
			    const uint8_t *set, size_t set_len, const struct trust *trust)
{
	const char *domain = document_domain(document->kind);

	if (document->kind == DOCUMENT_TRUST)
		return trust_check_authority(trust->authority_key, domain, body, body_len, set,
					     set_len);
	return trust_check(trust, domain, body, body_len, set, set_len);
}

int document_verify(struct document *out, const uint8_t *data, size_t len,
		    const struct trust *trust)
{
	struct document document;
	const uint8_t *set;
	size_t body_len;
	size_t set_len;
	int err = document_split(data, len, &body_len, &set, &set_len);

	if (err == 0)
		err = document_parse_body(&document, data, body_len);
	if (err < 0)
		return err;
	if (memcmp(document.network_id, trust->network_id, TRUST_NETWORK_ID_SIZE) != 0)
		err = -EXDEV;
	else
		err = check_signatures(&document, data, body_len, set, set_len, trust);
	if (err < 0)
		document_clear(&document);
	else
		*out = document;
	return err;
}

void document_trust(const struct document *document, struct trust *trust)
{
	trust->version = document->version;
	trust->threshold = document->threshold;
	trust->signer_count = document->signer_count;
	memcpy(trust->signers, document->signers, sizeof(trust->signers));
	memcpy(trust->map_key, document->map_key, sizeof(trust->map_key));
}

static int compare_keys(const void *a, const void *b)
{
	return memcmp(a, b, 32);
}

static int compare_serials(const void *a, const void *b)
{
	const uint64_t *x = a;
	const uint64_t *y = b;

	return *x < *y ? -1 : *x > *y;
}

bool document_revokes(const struct document *document, const struct cert *cert)
{
	return (document->device_count > 0 && bsearch(cert->device_key, document->devices,
						      document->device_count, 32, compare_keys)) ||
	       (document->serial_count > 0 &&
		bsearch(&cert->serial, document->serials, document->serial_count,
			sizeof(cert->serial), compare_serials));
}
