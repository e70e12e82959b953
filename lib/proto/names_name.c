#include "proto/names_name.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"

#define REVERSE4 "in-addr.arpa"
#define REVERSE6 "ip6.arpa"

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_';
}

static bool label_valid(const char *label, size_t len)
{
	if (len == 0 || len > NAMES_LABEL_MAX || label[0] == '-' || label[len - 1] == '-')
		return false;
	for (size_t i = 0; i < len; i++)
		if (!is_letter(label[i]) && label[i] != '-')
			return false;
	return true;
}

static uint8_t lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c + ('a' - 'A')) : c;
}

int names_name_parse(struct names_name *out, const char *text, bool wildcard)
{
	struct names_name name = { .len = 0 };
	size_t at = 0;

	do {
		size_t len = strcspn(text, ".");
		bool star = wildcard && at == 0 && len == 1 && text[0] == '*';

		if ((!star && !label_valid(text, len)) || at + 1 + len + 1 > NAMES_WIRE_MAX)
			return -EINVAL;
		name.wire[at++] = (uint8_t)len;
		for (size_t i = 0; i < len; i++)
			name.wire[at++] = lower((uint8_t)text[i]);
		text += len;
		if (text[0] == '.')
			text++;
	} while (text[0]);
	name.wire[at++] = 0;
	name.len = (uint8_t)at;
	*out = name;
	return 0;
}

int names_name_parse_in(struct names_name *out, const char *text, const struct names_name *origin,
			bool wildcard)
{
	size_t len = strlen(text);
	struct names_name name;
	int err;

	if (strcmp(text, "@") == 0) {
		*out = *origin;
		return 0;
	}
	err = names_name_parse(&name, text, wildcard);
	if (err < 0)
		return err;
	if (text[len - 1] != '.' && !names_name_within(&name, origin)) {
		if (name.len - 1u + origin->len > NAMES_WIRE_MAX)
			return -EINVAL;
		memcpy(name.wire + name.len - 1, origin->wire, origin->len);
		name.len = (uint8_t)(name.len - 1 + origin->len);
	}
	*out = name;
	return 0;
}

int names_name_get(struct names_name *name, struct reader *r)
{
	size_t len;

	name->len = 0;
	do {
		const uint8_t *label;

		len = reader_u8(r);
		if (len > NAMES_LABEL_MAX || name->len + 1 + len + (len > 0) > NAMES_WIRE_MAX)
			return -EBADMSG;
		label = reader_bytes(r, len);
		if (!label || r->failed)
			return -EBADMSG;
		name->wire[name->len++] = (uint8_t)len;
		memcpy(name->wire + name->len, label, len);
		name->len = (uint8_t)(name->len + len);
	} while (len > 0);
	return 0;
}

const char *names_name_format(char out[static NAMES_TEXT_NAME_SIZE], const struct names_name *name)
{
	size_t at = 0;
	size_t i = 0;

	while (i < name->len && name->wire[i] > 0) {
		size_t len = name->wire[i++];

		if (at > 0)
			out[at++] = '.';
		for (; len > 0 && i < name->len; len--, i++) {
			char c = (char)lower(name->wire[i]);

			out[at++] = is_letter(c) || c == '-' || c == '*' ? c : '?';
		}
	}
	out[at] = '\0';
	return out;
}

/* A network may be called anything: what no domain name has is a hyphen, none at a label's ends. */
void names_name_origin(struct names_name *name, const char *network)
{
	char text[NAMES_TEXT_NAME_SIZE] = "";
	size_t at = 0;

	for (; *network && at < NAMES_LABEL_MAX; network++) {
		bool letter = is_letter(*network) && *network != '_';
		bool starts = at == 0 || text[at - 1] == '.';

		if (letter) {
			text[at++] = *network;
		} else if (*network != '.') {
			if (!starts)
				text[at++] = '-';
		} else if (!starts) {
			while (text[at - 1] == '-')
				at--;
			text[at++] = '.';
		}
	}
	while (at > 0 && (text[at - 1] == '-' || text[at - 1] == '.'))
		at--;
	snprintf(text + at, sizeof(text) - at, "%s." NAMES_SUFFIX, at > 0 ? "" : "warren");
	names_name_parse(name, text, false);
}

static void put_label(struct names_name *name, const char *text)
{
	size_t len = strlen(text);

	name->wire[name->len++] = (uint8_t)len;
	memcpy(name->wire + name->len, text, len);
	name->len = (uint8_t)(name->len + len);
}

/* Of thousands of addresses, so straight into labels. */
void names_name_reverse(struct names_name *name, const struct prefix *prefix)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *bytes = prefix->addr.bytes;
	char text[4];

	name->len = 0;
	if (prefix->addr.family == AF_INET) {
		for (int i = prefix->len / 8 - 1; i >= 0; i--) {
			snprintf(text, sizeof(text), "%u", bytes[i]);
			put_label(name, text);
		}
		put_label(name, "in-addr");
	} else {
		for (int i = prefix->len / 4 - 1; i >= 0; i--) {
			name->wire[name->len++] = 1;
			name->wire[name->len++] =
				(uint8_t)digits[i % 2 ? bytes[i / 2] & 15 : bytes[i / 2] >> 4];
		}
		put_label(name, "ip6");
	}
	put_label(name, "arpa");
	put_label(name, "");
}

/* One octet or nibble as it is written in a reverse name: no leading zeros. -1: none. */
static int reverse_digit(const uint8_t *label, size_t len, bool hex)
{
	int value = 0;

	if (hex) {
		if (len != 1 || !isxdigit(label[0]))
			return -1;
		return label[0] <= '9' ? label[0] - '0' : lower(label[0]) - 'a' + 10;
	}
	if (len > 3 || (len > 1 && label[0] == '0'))
		return -1;
	for (size_t i = 0; i < len; i++) {
		if (label[i] < '0' || label[i] > '9')
			return -1;
		value = value * 10 + label[i] - '0';
	}
	return value <= 255 ? value : -1;
}

int names_name_address(struct prefix *prefix, const struct names_name *name)
{
	struct names_name origin4;
	struct names_name origin6;
	uint8_t bytes[16] = { 0 };
	struct ip_addr addr = { .family = 0 };
	size_t labels = names_name_labels(name);
	size_t at = 0;
	bool hex;

	names_name_parse(&origin4, REVERSE4, false);
	names_name_parse(&origin6, REVERSE6, false);
	hex = names_name_within(name, &origin6);
	if ((!hex && !names_name_within(name, &origin4)) || labels - 2 > (hex ? 32u : 4u))
		return -EINVAL;
	labels -= 2;
	for (size_t i = labels; i > 0; i--) {
		size_t len = name->wire[at];
		int digit = reverse_digit(&name->wire[at + 1], len, hex);

		if (digit < 0)
			return -EINVAL;
		if (hex)
			bytes[(i - 1) / 2] |= (uint8_t)(i % 2 ? digit << 4 : digit);
		else
			bytes[i - 1] = (uint8_t)digit;
		at += len + 1;
	}
	/* Not by addr_from_bytes: the names below ::ffff:0:0/96 are no v4 addresses'. */
	addr.family = hex ? AF_INET6 : AF_INET;
	memcpy(addr.bytes, bytes, sizeof(bytes));
	*prefix = (struct prefix){ addr, (uint8_t)(labels * (hex ? 4 : 8)) };
	return 0;
}

bool names_name_equal(const struct names_name *a, const struct names_name *b)
{
	return a->len == b->len && memcmp(a->wire, b->wire, a->len) == 0;
}

bool names_name_within(const struct names_name *name, const struct names_name *origin)
{
	size_t at = 0;

	if (name->len < origin->len ||
	    memcmp(name->wire + name->len - origin->len, origin->wire, origin->len) != 0)
		return false;
	/* Also by labels: a length may look like a letter. */
	while (name->len - at > origin->len)
		at += name->wire[at] + 1u;
	return name->len - at == origin->len;
}

void names_name_parent(struct names_name *name)
{
	size_t first = name->wire[0] + 1u;

	if (name->len <= 1)
		return;
	name->len = (uint8_t)(name->len - first);
	memmove(name->wire, name->wire + first, name->len);
}

size_t names_name_labels(const struct names_name *name)
{
	size_t count = 0;

	for (size_t at = 0; at < name->len && name->wire[at] > 0; at += name->wire[at] + 1u)
		count++;
	return count;
}

void names_name_lower(struct names_name *name)
{
	/* Lengths are below 'A'. */
	for (size_t i = 0; i < name->len; i++)
		name->wire[i] = lower(name->wire[i]);
}
