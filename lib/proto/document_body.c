/* The bodies of network documents. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/hash.h"
#include "proto/document.h"
#include "proto/document_wire.h"
#include "proto/names_document.h"
#include "proto/netmap_wire.h"
#include "proto/policy.h"

/* Field numbers. Never reuse one. */
enum field {
	FIELD_NETWORK_ID = 1,
	FIELD_KIND = 2,
	FIELD_VERSION = 3,
	FIELD_MADE = 4,
	FIELD_THRESHOLD = 16,
	FIELD_SIGNERS = 17,
	FIELD_MAP_KEY = 18,
	FIELD_POLICY = 32,
	FIELD_RELAYS = 48,
	FIELD_DEVICES = 64,
	FIELD_SERIALS = 65,
	FIELD_NAMES = 80,
	FIELD_NOT_CRITICAL = 0x8000,
};

#define HEAD_MAX 256 /* bytes of everything but the lists and texts */

void document_put_field(struct writer *w, uint16_t number, const void *data, size_t len)
{
	writer_u16(w, number);
	writer_u32(w, (uint32_t)len);
	writer_bytes(w, data, len);
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

static bool keys_ascend(const uint8_t (*keys)[32], size_t count)
{
	for (size_t i = 1; i < count; i++)
		if (memcmp(keys[i - 1], keys[i], 32) >= 0)
			return false;
	return true;
}

static bool serials_ascend(const uint64_t *serials, size_t count)
{
	for (size_t i = 1; i < count; i++)
		if (serials[i - 1] >= serials[i])
			return false;
	return true;
}

static bool signers_valid(const struct document *d)
{
	return d->signer_count <= TRUST_SIGNERS_MAX && d->threshold <= d->signer_count &&
	       (d->threshold > 0) == (d->signer_count > 0) &&
	       keys_ascend(d->signers, d->signer_count);
}

/* The rules that hold for what is signed and for what is read. */
static bool document_valid(const struct document *d)
{
	if (d->kind < DOCUMENT_TRUST || d->kind >= DOCUMENT_KIND_END || d->version == 0)
		return false;
	switch (d->kind) {
	case DOCUMENT_TRUST:
		return signers_valid(d);
	case DOCUMENT_POLICY:
		return d->policy && d->policy_len <= POLICY_TEXT_MAX;
	case DOCUMENT_NAMES:
		return d->names && d->names_len <= NAMES_TEXT_MAX;
	case DOCUMENT_RELAYS:
		return d->relay_count <= NETMAP_RELAYS_MAX;
	default:
		return d->device_count <= DOCUMENT_DEVICES_MAX &&
		       d->serial_count <= NETMAP_REVOKED_MAX &&
		       keys_ascend(d->devices, d->device_count) &&
		       serials_ascend(d->serials, d->serial_count);
	}
}

/* --- writing --- */

static void put_u64(struct writer *w, uint16_t number, uint64_t value)
{
	uint8_t bytes[8];

	store_be64(bytes, value);
	document_put_field(w, number, bytes, sizeof(bytes));
}

/* Begins a field whose length is known at its end. */
static uint8_t *open_field(struct writer *w, uint16_t number)
{
	writer_u16(w, number);
	return writer_reserve(w, 4);
}

static void close_field(struct writer *w, uint8_t *length)
{
	if (length && !w->failed)
		store_be32(length, (uint32_t)((size_t)(w->start + w->len - length) - 4));
}

static void put_relays(struct writer *w, const struct document *d)
{
	uint8_t *length = open_field(w, FIELD_RELAYS);

	netmap_put_relay_list(w, NETMAP_WIRE_VERSION_KINDS, d->relays, d->relay_count);
	close_field(w, length);
}

static void put_serials(struct writer *w, const struct document *d)
{
	uint8_t *length = open_field(w, FIELD_SERIALS);

	for (size_t i = 0; i < d->serial_count; i++)
		writer_u64(w, d->serials[i]);
	close_field(w, length);
}

static void put_contents(struct writer *w, const struct document *d)
{
	uint8_t threshold = d->threshold;

	switch (d->kind) {
	case DOCUMENT_TRUST:
		document_put_field(w, FIELD_THRESHOLD, &threshold, 1);
		document_put_field(w, FIELD_SIGNERS, d->signers, d->signer_count * 32u);
		document_put_field(w, FIELD_MAP_KEY, d->map_key, 32);
		break;
	case DOCUMENT_POLICY:
		document_put_field(w, FIELD_POLICY, d->policy, d->policy_len);
		break;
	case DOCUMENT_RELAYS:
		put_relays(w, d);
		break;
	case DOCUMENT_NAMES:
		document_put_field(w, FIELD_NAMES, d->names, d->names_len);
		break;
	default:
		document_put_field(w, FIELD_DEVICES, d->devices, d->device_count * 32);
		put_serials(w, d);
		break;
	}
}

static void sort_lists(struct document *d)
{
	if (d->signer_count <= TRUST_SIGNERS_MAX)
		qsort(d->signers, d->signer_count, 32, compare_keys);
	if (d->device_count > 1)
		qsort(d->devices, d->device_count, 32, compare_keys);
	if (d->serial_count > 1)
		qsort(d->serials, d->serial_count, sizeof(*d->serials), compare_serials);
}

int document_encode(const struct document *document, uint8_t **body, size_t *len)
{
	struct document d = *document; /* the lists are sorted where they are */
	size_t size = HEAD_MAX + TRUST_SIGNERS_MAX * 32 + d.policy_len + d.names_len +
		      d.device_count * 32 + d.serial_count * 8 +
		      d.relay_count * (sizeof(struct netmap_relay) + 16);
	uint8_t kind = (uint8_t)d.kind;
	uint8_t *bytes;
	struct writer w;

	sort_lists(&d);
	if (!document_valid(&d))
		return -EINVAL;
	bytes = malloc(size);
	if (!bytes)
		return -ENOMEM;
	writer_init(&w, bytes, size);
	document_put_field(&w, FIELD_NETWORK_ID, d.network_id, sizeof(d.network_id));
	document_put_field(&w, FIELD_KIND, &kind, 1);
	put_u64(&w, FIELD_VERSION, d.version);
	put_u64(&w, FIELD_MADE, d.made_s);
	put_contents(&w, &d);
	if (w.failed || w.len + DOCUMENT_FIELD_HEAD + TRUST_SET_MAX > DOCUMENT_ENCODED_MAX) {
		free(bytes);
		return -EMSGSIZE;
	}
	*body = bytes;
	*len = w.len;
	return 0;
}

/* --- reading --- */

static int get_bytes(void *out, size_t size, const uint8_t *data, size_t len)
{
	if (len != size)
		return -EBADMSG;
	memcpy(out, data, size);
	return 0;
}

static int get_u64(uint64_t *value, const uint8_t *data, size_t len)
{
	if (len != 8)
		return -EBADMSG;
	*value = load_be64(data);
	return 0;
}

static int get_kind(struct document *d, const uint8_t *data, size_t len)
{
	if (len != 1 || data[0] < DOCUMENT_TRUST || data[0] >= DOCUMENT_KIND_END)
		return -EBADMSG;
	d->kind = data[0];
	return 0;
}

static int get_signers(struct document *d, const uint8_t *data, size_t len)
{
	if (len % 32 != 0 || len > sizeof(d->signers))
		return -EBADMSG;
	d->signer_count = (uint8_t)(len / 32);
	if (len)
		memcpy(d->signers, data, len);
	return 0;
}

static int get_text(char **text, size_t *text_len, size_t max, const uint8_t *data, size_t len)
{
	if (len > max)
		return -EBADMSG;
	*text = malloc(len + 1);
	if (!*text)
		return -ENOMEM;
	if (len)
		memcpy(*text, data, len);
	(*text)[len] = '\0';
	*text_len = len;
	return 0;
}

static int get_relays(struct document *d, const uint8_t *data, size_t len)
{
	struct reader r;
	int err;

	reader_init(&r, data, len);
	err = netmap_get_relay_list(&d->relays, &d->relay_count, NETMAP_WIRE_VERSION_KINDS, &r);
	return err == 0 && !reader_done(&r) ? -EBADMSG : err;
}

static int get_devices(struct document *d, const uint8_t *data, size_t len)
{
	if (len % 32 != 0 || len / 32 > DOCUMENT_DEVICES_MAX)
		return -EBADMSG;
	d->devices = malloc(len + 1);
	if (!d->devices)
		return -ENOMEM;
	if (len)
		memcpy(d->devices, data, len);
	d->device_count = len / 32;
	return 0;
}

static int get_serials(struct document *d, const uint8_t *data, size_t len)
{
	size_t count = len / 8;

	if (len % 8 != 0 || count > NETMAP_REVOKED_MAX)
		return -EBADMSG;
	d->serials = calloc(count + 1, sizeof(*d->serials));
	if (!d->serials)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		d->serials[i] = load_be64(data + i * 8);
	d->serial_count = count;
	return 0;
}

static int get_field(struct document *d, uint16_t number, const uint8_t *data, size_t len)
{
	switch (number) {
	case FIELD_NETWORK_ID:
		return get_bytes(d->network_id, sizeof(d->network_id), data, len);
	case FIELD_KIND:
		return get_kind(d, data, len);
	case FIELD_VERSION:
		return get_u64(&d->version, data, len);
	case FIELD_MADE:
		return get_u64(&d->made_s, data, len);
	case FIELD_THRESHOLD:
		return get_bytes(&d->threshold, 1, data, len);
	case FIELD_SIGNERS:
		return get_signers(d, data, len);
	case FIELD_MAP_KEY:
		return get_bytes(d->map_key, 32, data, len);
	case FIELD_POLICY:
		return get_text(&d->policy, &d->policy_len, POLICY_TEXT_MAX, data, len);
	case FIELD_NAMES:
		return get_text(&d->names, &d->names_len, NAMES_TEXT_MAX, data, len);
	case FIELD_RELAYS:
		return get_relays(d, data, len);
	case FIELD_DEVICES:
		return get_devices(d, data, len);
	case FIELD_SERIALS:
		return get_serials(d, data, len);
	default:
		return number >= FIELD_NOT_CRITICAL ? 0 : -EPROTONOSUPPORT;
	}
}

/* Each kind has its own fields, all of them and no other's. */
static bool fields_fit(const struct document *d, const uint64_t seen[static 2])
{
	static const uint64_t contents[DOCUMENT_KIND_END] = {
		[DOCUMENT_TRUST] = 7ull << FIELD_THRESHOLD,
		[DOCUMENT_POLICY] = 1ull << FIELD_POLICY,
		[DOCUMENT_RELAYS] = 1ull << FIELD_RELAYS,
	};
	/* From the 64th field on. */
	static const uint64_t contents_on[DOCUMENT_KIND_END] = {
		[DOCUMENT_REVOCATIONS] = 3ull << (FIELD_DEVICES - 64),
		[DOCUMENT_NAMES] = 1ull << (FIELD_NAMES - 64),
	};
	uint64_t head = 1ull << FIELD_NETWORK_ID | 1ull << FIELD_KIND | 1ull << FIELD_VERSION |
			1ull << FIELD_MADE;

	return seen[0] == (head | contents[d->kind]) && seen[1] == contents_on[d->kind];
}

static int parse_fields(struct document *d, struct reader *r, uint64_t seen[static 2])
{
	int previous = 0;

	while (r->left > 0) {
		uint16_t number = reader_u16(r);
		size_t len = reader_u32(r);
		const uint8_t *field = reader_bytes(r, len);
		int err;

		if (!field || number <= previous || number == DOCUMENT_FIELD_SIGNATURES)
			return -EBADMSG;
		err = get_field(d, number, field, len);
		if (err < 0)
			return err;
		if (number < 128)
			seen[number / 64] |= 1ull << (number % 64);
		previous = number;
	}
	return reader_done(r) ? 0 : -EBADMSG;
}

int document_parse_body(struct document *out, const uint8_t *body, size_t len)
{
	struct document d = { .version = 0 };
	uint64_t seen[2] = { 0 };
	struct reader r;
	int err;

	if (len > DOCUMENT_ENCODED_MAX)
		return -EBADMSG;
	reader_init(&r, body, len);
	err = parse_fields(&d, &r, seen);
	if (err == 0 && (d.kind == 0 || !fields_fit(&d, seen) || !document_valid(&d)))
		err = -EBADMSG;
	if (err < 0) {
		document_clear(&d);
		return err;
	}
	hash_blake2s(d.hash, document_domain(d.kind), strlen(document_domain(d.kind)) + 1, body,
		     len);
	*out = d;
	return 0;
}
