#include "proto/cert.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "crypto/sign.h"

/* Field numbers of the encoding. Never reuse one. */
enum field {
	FIELD_NETWORK_ID = 1,
	FIELD_SERIAL = 2,
	FIELD_NAME = 3,
	FIELD_DEVICE_KEY = 4,
	FIELD_BOX_KEY = 5,
	FIELD_WIREGUARD_KEY = 6,
	FIELD_ADDRESS4 = 7,
	FIELD_ADDRESS6 = 8,
	FIELD_ROUTES = 9,
	FIELD_TAGS = 10,
	FIELD_GROUPS = 11,
	FIELD_NOT_BEFORE = 12,
	FIELD_NOT_AFTER = 13,
	FIELD_NOT_CRITICAL = 0x8000, /* the first that may be skipped */
	FIELD_OWNER = 0x8000,
	FIELD_ROUTE_FACTS = 0x8001,
	FIELD_SIGNATURE = 0xffff,
};

#define BIT(field) (1u << (field))
#define REQUIRED_FIELDS                                                                        \
	(BIT(FIELD_NETWORK_ID) | BIT(FIELD_SERIAL) | BIT(FIELD_NAME) | BIT(FIELD_DEVICE_KEY) | \
	 BIT(FIELD_BOX_KEY) | BIT(FIELD_WIREGUARD_KEY) | BIT(FIELD_NOT_BEFORE) |               \
	 BIT(FIELD_NOT_AFTER))
/* A body leaves room for the largest set of signatures behind it. */
#define BODY_MAX (CERT_ENCODED_MAX - 4 - TRUST_SET_MAX)

int cert_name_check(const char *name)
{
	size_t len = strlen(name);

	if (len == 0 || len > CERT_NAME_MAX || name[0] == '-' || name[len - 1] == '-')
		return -EINVAL;
	for (size_t i = 0; i < len; i++)
		if (!islower((unsigned char)name[i]) && !isdigit((unsigned char)name[i]) &&
		    name[i] != '-')
			return -EINVAL;
	return 0;
}

int cert_label_check(const char *label)
{
	size_t len = strlen(label);

	if (len == 0 || len > CERT_LABEL_MAX)
		return -EINVAL;
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)label[i]) && !strchr("-_.", label[i]))
			return -EINVAL;
	return 0;
}

int cert_owner_check(const char *owner)
{
	size_t len = strlen(owner);

	if (len == 0 || len > CERT_OWNER_MAX)
		return -EINVAL;
	for (size_t i = 0; i < len; i++)
		if (!isgraph((unsigned char)owner[i]) || isupper((unsigned char)owner[i]) ||
		    strchr("\"\\<>,;:", owner[i]))
			return -EINVAL;
	return 0;
}

static bool labels_valid(const char (*labels)[CERT_LABEL_MAX + 1], size_t count)
{
	if (count > CERT_LABELS_MAX)
		return false;
	for (size_t i = 0; i < count; i++)
		if (cert_label_check(labels[i]) < 0 ||
		    (i > 0 && strcmp(labels[i - 1], labels[i]) >= 0))
			return false;
	return true;
}

static bool routes_valid(const struct cert *cert)
{
	const struct prefix *routes = cert->routes;

	if (cert->route_count > CERT_ROUTES_MAX)
		return false;
	for (size_t i = 0; i < cert->route_count; i++)
		if ((i > 0 && memcmp(&routes[i - 1], &routes[i], sizeof(*routes)) >= 0) ||
		    route_facts_problem(&routes[i], &cert->route_facts[i]))
			return false;
	return true;
}

/* The rules that hold for what is signed and for what is read. */
static bool cert_valid(const struct cert *cert)
{
	return cert_name_check(cert->name) == 0 && routes_valid(cert) &&
	       labels_valid(cert->tags, cert->tag_count) &&
	       labels_valid(cert->groups, cert->group_count) &&
	       (!cert->owner[0] || cert_owner_check(cert->owner) == 0) &&
	       (cert->address4.family == AF_INET || cert->address4.family == 0) &&
	       (cert->address6.family == AF_INET6 || cert->address6.family == 0) &&
	       (cert->address4.family || cert->address6.family) &&
	       cert->not_before_s <= cert->not_after_s;
}

static int compare_labels(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* By insertion, as there are few: the facts move along. */
static void sort_routes(struct cert *cert)
{
	for (size_t i = 0; i < cert->route_count; i++) {
		const struct prefix route = cert->routes[i];
		struct route_facts facts = cert->route_facts[i];
		size_t at = i;

		if (facts.weight == 0)
			facts.weight = ROUTE_WEIGHT_DEFAULT;
		for (; at > 0 && memcmp(&cert->routes[at - 1], &route, sizeof(route)) > 0; at--) {
			cert->routes[at] = cert->routes[at - 1];
			cert->route_facts[at] = cert->route_facts[at - 1];
		}
		cert->routes[at] = route;
		cert->route_facts[at] = facts;
	}
}

/* Sorts the lists, as the encoding wants them. */
static void canonicalise(struct cert *cert)
{
	if (cert->route_count <= CERT_ROUTES_MAX)
		sort_routes(cert);
	if (cert->tag_count <= CERT_LABELS_MAX)
		qsort(cert->tags, cert->tag_count, sizeof(cert->tags[0]), compare_labels);
	if (cert->group_count <= CERT_LABELS_MAX)
		qsort(cert->groups, cert->group_count, sizeof(cert->groups[0]), compare_labels);
}

static void put_field(struct writer *w, uint16_t number, const void *data, size_t len)
{
	writer_u16(w, number);
	writer_u16(w, (uint16_t)len);
	writer_bytes(w, data, len);
}

static void put_u64(struct writer *w, uint16_t number, uint64_t value)
{
	uint8_t bytes[8];

	store_be64(bytes, value);
	put_field(w, number, bytes, sizeof(bytes));
}

static void put_address(struct writer *w, uint16_t number, const struct ip_addr *addr)
{
	if (addr->family)
		put_field(w, number, addr->bytes, addr_len(addr));
}

static void put_routes(struct writer *w, const struct prefix *routes, size_t count)
{
	uint8_t data[CERT_ROUTES_MAX * 18];
	struct writer list;

	if (count == 0)
		return;
	writer_init(&list, data, sizeof(data));
	for (size_t i = 0; i < count; i++) {
		size_t len = addr_len(&routes[i].addr);

		writer_u8(&list, (uint8_t)len);
		writer_u8(&list, routes[i].len);
		writer_bytes(&list, routes[i].addr.bytes, len);
	}
	put_field(w, FIELD_ROUTES, data, list.len);
}

/* Only where there is something to say beyond the prefixes. */
static void put_route_facts(struct writer *w, const struct cert *cert)
{
	uint8_t data[CERT_ROUTES_MAX * 18];
	bool needed = false;
	struct writer list;

	writer_init(&list, data, sizeof(data));
	for (size_t i = 0; i < cert->route_count; i++) {
		const struct route_facts *facts = &cert->route_facts[i];
		size_t len = addr_len(&facts->real);

		needed |= !route_facts_are_default(facts);
		writer_u8(&list, facts->weight);
		writer_u8(&list, (uint8_t)len);
		writer_bytes(&list, facts->real.bytes, len);
	}
	if (needed)
		put_field(w, FIELD_ROUTE_FACTS, data, list.len);
}

static void put_labels(struct writer *w, uint16_t number, const char (*labels)[CERT_LABEL_MAX + 1],
		       size_t count)
{
	uint8_t data[CERT_LABELS_MAX * (CERT_LABEL_MAX + 1)];
	struct writer list;

	if (count == 0)
		return;
	writer_init(&list, data, sizeof(data));
	for (size_t i = 0; i < count; i++) {
		writer_u8(&list, (uint8_t)strlen(labels[i]));
		writer_bytes(&list, labels[i], strlen(labels[i]));
	}
	put_field(w, number, data, list.len);
}

int cert_encode(uint8_t out[static CERT_ENCODED_MAX], size_t *len, const struct cert *cert)
{
	uint8_t data[BODY_MAX];
	struct cert c = *cert;
	struct writer w;

	canonicalise(&c);
	if (!cert_valid(&c))
		return -EINVAL;
	writer_init(&w, data, sizeof(data));
	put_field(&w, FIELD_NETWORK_ID, c.network_id, sizeof(c.network_id));
	put_u64(&w, FIELD_SERIAL, c.serial);
	put_field(&w, FIELD_NAME, c.name, strlen(c.name));
	put_field(&w, FIELD_DEVICE_KEY, c.device_key, 32);
	put_field(&w, FIELD_BOX_KEY, c.box_key, 32);
	put_field(&w, FIELD_WIREGUARD_KEY, c.wireguard_key, 32);
	put_address(&w, FIELD_ADDRESS4, &c.address4);
	put_address(&w, FIELD_ADDRESS6, &c.address6);
	put_routes(&w, c.routes, c.route_count);
	put_labels(&w, FIELD_TAGS, c.tags, c.tag_count);
	put_labels(&w, FIELD_GROUPS, c.groups, c.group_count);
	put_u64(&w, FIELD_NOT_BEFORE, c.not_before_s);
	put_u64(&w, FIELD_NOT_AFTER, c.not_after_s);
	if (c.owner[0])
		put_field(&w, FIELD_OWNER, c.owner, strlen(c.owner));
	put_route_facts(&w, &c);
	if (w.failed)
		return -EINVAL;
	memcpy(out, data, w.len);
	*len = w.len;
	return 0;
}

int cert_join(uint8_t out[static CERT_ENCODED_MAX], size_t *len, const uint8_t *body,
	      size_t body_len, const uint8_t *set, size_t set_len)
{
	struct writer w;

	if (!trust_set_valid(set, set_len) || body_len > BODY_MAX)
		return -EINVAL;
	writer_init(&w, out, CERT_ENCODED_MAX);
	memmove(out, body, body_len);
	w.len = body_len;
	put_field(&w, FIELD_SIGNATURE, set, set_len);
	*len = w.len;
	return 0;
}

int cert_sign(uint8_t out[static CERT_ENCODED_MAX], size_t *len, const struct cert *cert,
	      const uint8_t authority_secret[static 64])
{
	uint8_t data[CERT_ENCODED_MAX];
	uint8_t signature[SIGN_SIZE];
	size_t body_len;
	int err = cert_encode(data, &body_len, cert);

	if (err == 0)
		err = sign_make(signature, authority_secret, CERT_DOMAIN, data, body_len);
	return err < 0 ? err : cert_join(out, len, data, body_len, signature, sizeof(signature));
}

static int get_key(uint8_t *key, size_t size, const uint8_t *data, size_t len)
{
	if (len != size)
		return -EBADMSG;
	memcpy(key, data, size);
	return 0;
}

static int get_u64(uint64_t *value, const uint8_t *data, size_t len)
{
	if (len != 8)
		return -EBADMSG;
	*value = load_be64(data);
	return 0;
}

/* Text without NUL inside, into size bytes with NUL. */
static int get_text(char *out, size_t size, const uint8_t *data, size_t len)
{
	if (len >= size || memchr(data, 0, len))
		return -EBADMSG;
	memcpy(out, data, len);
	out[len] = '\0';
	return 0;
}

static int get_address(struct ip_addr *addr, int family, const uint8_t *data, size_t len)
{
	struct ip_addr parsed;

	if (len != (family == AF_INET ? 4u : 16u))
		return -EBADMSG;
	parsed = addr_from_bytes(family, data);
	if (parsed.family != family) /* v4-mapped */
		return -EBADMSG;
	*addr = parsed;
	return 0;
}

static int get_route(struct prefix *route, struct reader *r)
{
	size_t len = reader_u8(r);
	uint8_t bits = reader_u8(r);
	const uint8_t *bytes;
	struct ip_addr addr;
	int err;

	if ((len != 4 && len != 16) || bits > len * 8)
		return -EBADMSG;
	bytes = reader_bytes(r, len);
	if (!bytes)
		return -EBADMSG;
	err = get_address(&addr, len == 4 ? AF_INET : AF_INET6, bytes, len);
	if (err < 0)
		return err;
	*route = prefix_from_addr(&addr, bits);
	return addr_equal(&route->addr, &addr) ? 0 : -EBADMSG;
}

static int get_routes(struct cert *cert, const uint8_t *data, size_t len)
{
	struct reader r;

	reader_init(&r, data, len);
	while (r.left > 0) {
		if (cert->route_count == CERT_ROUTES_MAX ||
		    get_route(&cert->routes[cert->route_count], &r) < 0)
			return -EBADMSG;
		cert->route_facts[cert->route_count].weight = ROUTE_WEIGHT_DEFAULT;
		cert->route_count++;
	}
	return r.failed || cert->route_count == 0 ? -EBADMSG : 0;
}

/* One for each route, which came before, and no list that says nothing. */
static int get_route_facts(struct cert *cert, const uint8_t *data, size_t len)
{
	bool needed = false;
	struct reader r;

	reader_init(&r, data, len);
	for (size_t i = 0; i < cert->route_count; i++) {
		struct route_facts *facts = &cert->route_facts[i];
		size_t real_len;
		const uint8_t *real;

		facts->weight = reader_u8(&r);
		real_len = reader_u8(&r);
		real = reader_bytes(&r, real_len);
		if (!real || facts->weight == 0 ||
		    (real_len && get_address(&facts->real, real_len == 4 ? AF_INET : AF_INET6, real,
					     real_len) < 0))
			return -EBADMSG;
		needed |= !route_facts_are_default(facts);
	}
	return needed && reader_done(&r) ? 0 : -EBADMSG;
}

static int get_labels(char (*labels)[CERT_LABEL_MAX + 1], size_t *count, const uint8_t *data,
		      size_t len)
{
	struct reader r;

	reader_init(&r, data, len);
	while (r.left > 0) {
		size_t label_len = reader_u8(&r);
		const uint8_t *label = reader_bytes(&r, label_len);

		if (!label || *count == CERT_LABELS_MAX ||
		    get_text(labels[*count], CERT_LABEL_MAX + 1, label, label_len) < 0)
			return -EBADMSG;
		++*count;
	}
	return *count == 0 ? -EBADMSG : 0;
}

static int get_field(struct cert *cert, uint16_t number, const uint8_t *data, size_t len)
{
	switch (number) {
	case FIELD_NETWORK_ID:
		return get_key(cert->network_id, sizeof(cert->network_id), data, len);
	case FIELD_SERIAL:
		return get_u64(&cert->serial, data, len);
	case FIELD_NAME:
		return get_text(cert->name, sizeof(cert->name), data, len);
	case FIELD_DEVICE_KEY:
		return get_key(cert->device_key, 32, data, len);
	case FIELD_BOX_KEY:
		return get_key(cert->box_key, 32, data, len);
	case FIELD_WIREGUARD_KEY:
		return get_key(cert->wireguard_key, 32, data, len);
	case FIELD_ADDRESS4:
		return get_address(&cert->address4, AF_INET, data, len);
	case FIELD_ADDRESS6:
		return get_address(&cert->address6, AF_INET6, data, len);
	case FIELD_ROUTES:
		return get_routes(cert, data, len);
	case FIELD_TAGS:
		return get_labels(cert->tags, &cert->tag_count, data, len);
	case FIELD_GROUPS:
		return get_labels(cert->groups, &cert->group_count, data, len);
	case FIELD_NOT_BEFORE:
		return get_u64(&cert->not_before_s, data, len);
	case FIELD_NOT_AFTER:
		return get_u64(&cert->not_after_s, data, len);
	case FIELD_OWNER:
		return len ? get_text(cert->owner, sizeof(cert->owner), data, len) : -EBADMSG;
	case FIELD_ROUTE_FACTS:
		return get_route_facts(cert, data, len);
	default:
		return number >= FIELD_NOT_CRITICAL ? 0 : -EPROTONOSUPPORT;
	}
}

/*
 * The fields up to the end of the data or the signatures, whichever comes first; *body_len is where
 * they begin, *set NULL without any.
 */
static int parse(struct cert *out, const uint8_t *data, size_t len, size_t *body_len,
		 const uint8_t **set, size_t *set_len)
{
	struct cert cert = { .serial = 0 };
	uint32_t seen = 0;
	int previous = 0;
	struct reader r;

	if (len > CERT_ENCODED_MAX)
		return -EBADMSG;
	*set = NULL;
	reader_init(&r, data, len);
	while (r.left > 0 && !*set) {
		size_t at = len - r.left;
		uint16_t number = reader_u16(&r);
		size_t field_len = reader_u16(&r);
		const uint8_t *field = reader_bytes(&r, field_len);
		int err;

		if (!field || number <= previous)
			return -EBADMSG;
		err = get_field(&cert, number, field, field_len);
		if (err < 0)
			return err;
		if (number < 32)
			seen |= BIT(number);
		previous = number;
		if (number == FIELD_SIGNATURE) {
			*set = field;
			*set_len = field_len;
			*body_len = at;
		}
	}
	if (!reader_done(&r) || (seen & REQUIRED_FIELDS) != REQUIRED_FIELDS || !cert_valid(&cert))
		return -EBADMSG;
	*out = cert;
	return 0;
}

/* With signatures, in form. */
static int parse_signed(struct cert *out, const uint8_t *data, size_t len, size_t *body_len,
			const uint8_t **set, size_t *set_len)
{
	struct cert cert;
	int err = parse(&cert, data, len, body_len, set, set_len);

	if (err < 0)
		return err;
	if (!*set || !trust_set_valid(*set, *set_len))
		return -EBADMSG;
	*out = cert;
	return 0;
}

int cert_parse_body(struct cert *out, const uint8_t *body, size_t len)
{
	const uint8_t *set;
	struct cert cert;
	size_t body_len;
	size_t set_len;
	int err = len > BODY_MAX ? -EBADMSG : parse(&cert, body, len, &body_len, &set, &set_len);

	if (err < 0)
		return err;
	if (set)
		return -EBADMSG;
	*out = cert;
	return 0;
}

int cert_parse(struct cert *cert, const uint8_t *data, size_t len)
{
	const uint8_t *set;
	size_t body_len;
	size_t set_len;

	return parse_signed(cert, data, len, &body_len, &set, &set_len);
}

int cert_verify(struct cert *out, const uint8_t *data, size_t len, const struct trust *trust)
{
	const uint8_t *set;
	struct cert cert;
	size_t body_len;
	size_t set_len;
	int err = parse_signed(&cert, data, len, &body_len, &set, &set_len);

	if (err < 0)
		return err;
	if (memcmp(cert.network_id, trust->network_id, CERT_NETWORK_ID_SIZE) != 0)
		return -EXDEV;
	err = trust_check(trust, CERT_DOMAIN, data, body_len, set, set_len);
	if (err < 0)
		return err;
	*out = cert;
	return 0;
}

bool cert_carries(const struct cert *cert, const struct prefix *route)
{
	for (size_t i = 0; i < cert->route_count; i++) {
		if (prefix_equal(&cert->routes[i], route))
			return true;
	}
	return false;
}

int cert_check_time(const struct cert *cert, uint64_t now_s)
{
	if (now_s < cert->not_before_s)
		return -EAGAIN;
	return now_s > cert->not_after_s ? -EKEYEXPIRED : 0;
}
