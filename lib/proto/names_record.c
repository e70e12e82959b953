#include "proto/names_record.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"

static const struct {
	enum names_type type;
	const char *text;
} types[] = {
	{ NAMES_A, "A" },     { NAMES_AAAA, "AAAA" }, { NAMES_CNAME, "CNAME" },
	{ NAMES_TXT, "TXT" }, { NAMES_SRV, "SRV" },   { NAMES_PTR, "PTR" },
};

const char *names_type_text(enum names_type type)
{
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (types[i].type == type)
			return types[i].text;
	return NULL;
}

enum names_type names_type_parse(const char *text)
{
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (strcasecmp(types[i].text, text) == 0)
			return types[i].type;
	return 0;
}

static int parse_address(struct names_rdata *rdata, int family, const char *value)
{
	struct ip_addr addr;

	if (addr_parse(&addr, value) < 0 || addr.family != family || addr_is_unspecified(&addr) ||
	    addr_is_multicast(&addr))
		return -EINVAL;
	rdata->len = (uint16_t)addr_len(&addr);
	memcpy(rdata->bytes, addr.bytes, rdata->len);
	return 0;
}

static int parse_target(struct names_rdata *rdata, const char *value,
			const struct names_name *origin)
{
	struct names_name name;
	int err = names_name_parse_in(&name, value, origin, false);

	if (err < 0)
		return err;
	memcpy(rdata->bytes + rdata->len, name.wire, name.len);
	rdata->len = (uint16_t)(rdata->len + name.len);
	return 0;
}

static int parse_text(struct names_rdata *rdata, const char *value)
{
	size_t len = strlen(value);

	if (len == 0 || len > NAMES_VALUE_MAX)
		return -EINVAL;
	for (size_t i = 0; i < len; i++)
		if ((uint8_t)value[i] < 0x20 || value[i] == 0x7f)
			return -EINVAL;
	rdata->bytes[0] = (uint8_t)len;
	memcpy(rdata->bytes + 1, value, len);
	rdata->len = (uint16_t)(len + 1);
	return 0;
}

/* "priority weight port target" (RFC 2782). */
static int parse_service(struct names_rdata *rdata, const char *value,
			 const struct names_name *origin)
{
	struct writer w;

	writer_init(&w, rdata->bytes, sizeof(rdata->bytes));
	for (int i = 0; i < 3; i++) {
		size_t digits = strspn(value, "0123456789");
		unsigned long number = digits && digits <= 5 ? strtoul(value, NULL, 10) : 65536;

		if (number > 65535 || value[digits] != ' ')
			return -EINVAL;
		writer_u16(&w, (uint16_t)number);
		value += digits + strspn(value + digits, " ");
	}
	rdata->len = (uint16_t)w.len;
	return parse_target(rdata, value, origin);
}

int names_rdata_parse(struct names_rdata *out, enum names_type type, const char *value,
		      const struct names_name *origin, const char **why)
{
	struct names_rdata rdata = { .len = 0 };
	int err;

	switch (type) {
	case NAMES_A:
		*why = "an IPv4 address of one host";
		err = parse_address(&rdata, AF_INET, value);
		break;
	case NAMES_AAAA:
		*why = "an IPv6 address of one host";
		err = parse_address(&rdata, AF_INET6, value);
		break;
	case NAMES_CNAME:
	case NAMES_PTR:
		*why = "a name, with a dot at its end when it is outside the network";
		err = parse_target(&rdata, value, origin);
		break;
	case NAMES_TXT:
		*why = "a text of 1 to 255 bytes without control characters";
		err = parse_text(&rdata, value);
		break;
	case NAMES_SRV:
		*why = "\"PRIORITY WEIGHT PORT NAME\"";
		err = parse_service(&rdata, value, origin);
		break;
	default:
		*why = "of no type that there is";
		return -EINVAL;
	}
	if (err == 0)
		*out = rdata;
	return err;
}

void names_relative(char out[static NAMES_TEXT_NAME_SIZE + 1], const struct names_name *name,
		    const struct names_name *origin)
{
	char text[NAMES_TEXT_NAME_SIZE];
	struct names_name relative = *name;

	if (names_name_equal(name, origin)) {
		strcpy(out, "@");
		return;
	}
	if (!names_name_within(name, origin)) {
		snprintf(out, NAMES_TEXT_NAME_SIZE + 1, "%s.", names_name_format(text, name));
		return;
	}
	relative.len = (uint8_t)(relative.len - origin->len);
	strcpy(out, names_name_format(text, &relative));
}

int names_rdata_target(struct names_name *name, enum names_type type, const uint8_t *rdata,
		       size_t len)
{
	size_t skip = type == NAMES_SRV ? 6 : 0;

	if (len <= skip || len - skip > NAMES_WIRE_MAX)
		return -EINVAL;
	name->len = (uint8_t)(len - skip);
	memcpy(name->wire, rdata + skip, name->len);
	return 0;
}

void names_rdata_format(char out[static NAMES_VALUE_SIZE], const struct names_rdata *rdata,
			enum names_type type, const struct names_name *origin)
{
	char target[NAMES_TEXT_NAME_SIZE + 1] = "";
	char text[ADDR_TEXT_SIZE];
	struct names_name name;
	struct ip_addr addr;

	switch (type) {
	case NAMES_A:
	case NAMES_AAAA:
		addr = addr_from_bytes(type == NAMES_A ? AF_INET : AF_INET6, rdata->bytes);
		snprintf(out, NAMES_VALUE_SIZE, "%s", addr_format(text, &addr));
		return;
	case NAMES_TXT:
		snprintf(out, NAMES_VALUE_SIZE, "%.*s", rdata->bytes[0],
			 (const char *)rdata->bytes + 1);
		return;
	default:
		break;
	}
	if (names_rdata_target(&name, type, rdata->bytes, rdata->len) == 0)
		names_relative(target, &name, origin);
	if (type == NAMES_SRV)
		snprintf(out, NAMES_VALUE_SIZE, "%u %u %u %s", load_be16(rdata->bytes),
			 load_be16(rdata->bytes + 2), load_be16(rdata->bytes + 4), target);
	else
		snprintf(out, NAMES_VALUE_SIZE, "%s", target);
}
