#include "proto/uapi.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/encoding.h"

enum value { VALUE_KEY, VALUE_NUMBER, VALUE_MARK, VALUE_TRUE, VALUE_ONE, VALUE_ENDPOINT, VALUE_IP };
enum place { IN_DEVICE, IN_PEER };

static const struct rule {
	const char *name;
	enum uapi_kind kind;
	enum value value;
	enum place place;
} rules[] = {
	{ "private_key", UAPI_PRIVATE_KEY, VALUE_KEY, IN_DEVICE },
	{ "listen_port", UAPI_LISTEN_PORT, VALUE_NUMBER, IN_DEVICE },
	{ "fwmark", UAPI_FWMARK, VALUE_MARK, IN_DEVICE },
	{ "replace_peers", UAPI_REPLACE_PEERS, VALUE_TRUE, IN_DEVICE },
	{ "public_key", UAPI_PUBLIC_KEY, VALUE_KEY, IN_DEVICE },
	{ "remove", UAPI_REMOVE, VALUE_TRUE, IN_PEER },
	{ "update_only", UAPI_UPDATE_ONLY, VALUE_TRUE, IN_PEER },
	{ "preshared_key", UAPI_PRESHARED_KEY, VALUE_KEY, IN_PEER },
	{ "endpoint", UAPI_ENDPOINT, VALUE_ENDPOINT, IN_PEER },
	{ "persistent_keepalive_interval", UAPI_KEEPALIVE, VALUE_NUMBER, IN_PEER },
	{ "replace_allowed_ips", UAPI_REPLACE_ALLOWED_IPS, VALUE_TRUE, IN_PEER },
	{ "allowed_ip", UAPI_ALLOWED_IP, VALUE_IP, IN_PEER },
	{ "protocol_version", UAPI_PROTOCOL_VERSION, VALUE_ONE, IN_PEER },
};

void uapi_parser_init(struct uapi_parser *parser)
{
	memset(parser, 0, sizeof(*parser));
}

void uapi_parser_clear(struct uapi_parser *parser)
{
	sodium_memzero(parser, sizeof(*parser));
}

/* Decimal, or hexadecimal after 0x where base is 0. */
static int parse_number(uint32_t *number, const char *text, int base, uint32_t max)
{
	unsigned long long value;
	char *end;

	/* strtoull would take signs and blanks, and a leading zero for octal. */
	if (*text < '0' || *text > '9')
		return -EINVAL;
	if (base == 0)
		base = text[0] == '0' && (text[1] | 0x20) == 'x' ? 16 : 10;
	errno = 0;
	value = strtoull(text, &end, base);
	if (*end || errno || value > max)
		return -EINVAL;
	*number = (uint32_t)value;
	return 0;
}

/* ADDRESS/LEN with host bits allowed, as wg(8) passes on what its user typed; "-" removes. */
static int parse_allowed_ip(struct uapi_item *item, char *text)
{
	struct ip_addr addr;
	uint32_t len, width;
	char *slash;

	if (*text == '-') {
		item->kind = UAPI_NOT_ALLOWED_IP;
		text++;
	}
	slash = strchr(text, '/');
	if (slash)
		*slash++ = '\0';
	if (addr_parse(&addr, text) < 0)
		return -EINVAL;
	width = (uint32_t)addr_len(&addr) * 8;
	len = width;
	if (slash && parse_number(&len, slash, 10, width) < 0)
		return -EINVAL;
	item->prefix = prefix_from_addr(&addr, len);
	return 0;
}

static int parse_endpoint(struct uapi_item *item, const char *text)
{
	if (endpoint_parse(&item->endpoint, text) < 0 || !item->endpoint.port ||
	    addr_is_unspecified(&item->endpoint.addr))
		return -EINVAL;
	return 0;
}

static int parse_value(struct uapi_item *item, enum value value, char *text)
{
	switch (value) {
	case VALUE_KEY:
		return encoding_hex_parse(item->key, sizeof(item->key), text);
	case VALUE_NUMBER:
		return parse_number(&item->number, text, 10, UINT16_MAX);
	case VALUE_MARK:
		return parse_number(&item->number, text, 0, UINT32_MAX);
	case VALUE_TRUE:
		return strcmp(text, "true") == 0 ? 0 : -EINVAL;
	case VALUE_ONE:
		return strcmp(text, "1") == 0 ? 0 : -EINVAL;
	case VALUE_ENDPOINT:
		return parse_endpoint(item, text);
	case VALUE_IP:
		return parse_allowed_ip(item, text);
	}
	return -EINVAL;
}

static int parse_request(struct uapi_parser *parser, struct uapi_item *item)
{
	/* Empty lines between requests mean nothing. */
	if (!*parser->line)
		item->kind = UAPI_NONE;
	else if (strcmp(parser->line, "get=1") == 0)
		item->kind = UAPI_GET;
	else if (strcmp(parser->line, "set=1") == 0)
		item->kind = UAPI_SET;
	else
		return -EPROTO;
	parser->request = item->kind;
	parser->peer = false;
	return 0;
}

static int parse_line(struct uapi_parser *parser, struct uapi_item *item)
{
	char *value;

	if (parser->request == UAPI_NONE)
		return parse_request(parser, item);
	if (!*parser->line) {
		item->kind = UAPI_END;
		parser->request = UAPI_NONE;
		return 0;
	}
	value = strchr(parser->line, '=');
	if (parser->request == UAPI_GET || !value)
		return -EINVAL;
	*value++ = '\0';
	for (size_t i = 0; i < sizeof(rules) / sizeof(*rules); i++) {
		const struct rule *rule = &rules[i];

		if (strcmp(parser->line, rule->name) != 0)
			continue;
		/* Peers come last; only another peer may follow one. */
		if (rule->kind == UAPI_PUBLIC_KEY)
			parser->peer = true;
		else if (parser->peer != (rule->place == IN_PEER))
			return -EINVAL;
		item->kind = rule->kind;
		return parse_value(item, rule->value, value);
	}
	return -EPROTO;
}

int uapi_parser_next(struct uapi_parser *parser, const char **data, size_t *len,
		     struct uapi_item *item)
{
	struct uapi_item parsed = { .kind = UAPI_NONE };
	const char *newline;
	size_t take;
	int ret = 0;

	do {
		newline = memchr(*data, '\n', *len);
		take = newline ? (size_t)(newline - *data) : *len;
		if (take > UAPI_LINE_MAX - parser->len)
			return -E2BIG;
		if (memchr(*data, '\0', take))
			return -EINVAL;
		memcpy(parser->line + parser->len, *data, take);
		parser->len += take;
		parser->line[parser->len] = '\0';
		*data += take + (newline != NULL);
		*len -= take + (newline != NULL);
		if (newline) {
			ret = parse_line(parser, &parsed);
			parser->len = 0;
			sodium_memzero(parser->line, sizeof(parser->line));
		}
	} while (newline && ret == 0 && parsed.kind == UAPI_NONE);
	if (ret == 0)
		*item = parsed;
	sodium_memzero(&parsed, sizeof(parsed));
	return ret;
}
