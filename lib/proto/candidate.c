#include "proto/candidate.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/mdns.h"

#define COMPONENT     1
#define UNTOLD_PORT   9 /* discard: raddr 0.0.0.0 rport 9 tells nothing (RFC 8839 section 5.1) */
#define TOKENS_MAX    32
#define UDP_TRANSPORT "udp"

static const char *const type_names[] = {
	[CANDIDATE_HOST] = "host",
	[CANDIDATE_SRFLX] = "srflx",
	[CANDIDATE_PRFLX] = "prflx",
	[CANDIDATE_RELAY] = "relay",
};

uint32_t candidate_priority(enum candidate_type type, uint16_t preference)
{
	/* RFC 8445 section 5.1.2.2: peer reflexive above server reflexive. */
	static const uint32_t type_preference[] = {
		[CANDIDATE_HOST] = 126,
		[CANDIDATE_PRFLX] = 110,
		[CANDIDATE_SRFLX] = 100,
		[CANDIDATE_RELAY] = 0,
	};

	return type_preference[type] << 24 | (uint32_t)preference << 8 | (256 - COMPONENT);
}

/* FNV-1a: foundations need to be equal or different, not secret. */
static uint32_t mix(uint32_t hash, const void *data, size_t len)
{
	const uint8_t *at = data;

	while (len--)
		hash = (hash ^ *at++) * 16777619u;
	return hash;
}

void candidate_set_foundation(struct candidate *c, const struct ip_addr *server)
{
	uint32_t hash = 2166136261u;

	hash = mix(hash, &c->type, sizeof(c->type));
	hash = mix(hash, &c->base.addr, sizeof(c->base.addr));
	if (server)
		hash = mix(hash, server, sizeof(*server));
	snprintf(c->foundation, sizeof(c->foundation), "%08x", hash);
}

const char *candidate_format(char out[static CANDIDATE_LINE_SIZE], const struct candidate *c)
{
	char addr[ADDR_TEXT_SIZE], related[ADDR_TEXT_SIZE] = "0.0.0.0";
	uint16_t related_port = UNTOLD_PORT;
	int len;

	len = snprintf(out, CANDIDATE_LINE_SIZE, "candidate:%s %d %s %u %s %u typ %s",
		       c->foundation, COMPONENT, UDP_TRANSPORT, c->priority,
		       c->name[0] ? c->name : addr_format(addr, &c->addr.addr), c->addr.port,
		       type_names[c->type]);
	if (c->type == CANDIDATE_HOST)
		return out;
	if (addr_len(&c->related.addr)) {
		addr_format(related, &c->related.addr);
		related_port = c->related.port;
	} else if (c->addr.addr.family == AF_INET6) {
		snprintf(related, sizeof(related), "::");
	}
	snprintf(out + len, CANDIDATE_LINE_SIZE - (size_t)len, " raddr %s rport %u", related,
		 related_port);
	return out;
}

/* RFC 8839 section 5.1: ALPHA / DIGIT / "+" / "/". */
static bool is_foundation(const char *text)
{
	size_t len = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				  "0123456789+/");

	return len > 0 && len < CANDIDATE_FOUNDATION_SIZE && text[len] == '\0';
}

static int parse_number(uint32_t *out, const char *text, uint32_t max)
{
	char *end;
	unsigned long long value;

	if (*text < '0' || *text > '9' || strlen(text) > 10)
		return -EINVAL;
	value = strtoull(text, &end, 10);
	if (*end || value > max)
		return -EINVAL;
	*out = (uint32_t)value;
	return 0;
}

/* Cuts the line at single spaces. The number of tokens, 0 for a line that is out of form. */
static size_t split(char *line, char *tokens[static TOKENS_MAX])
{
	size_t count = 0;
	char *at = line;

	for (;;) {
		char *space = strchr(at, ' ');

		if (space)
			*space = '\0';
		if (count == TOKENS_MAX || *at == '\0')
			return 0;
		tokens[count++] = at;
		if (!space)
			return count;
		at = space + 1;
	}
}

static bool parse_type(enum candidate_type *type, const char *text)
{
	for (size_t i = 0; i < sizeof(type_names) / sizeof(type_names[0]); i++) {
		if (strcmp(text, type_names[i]) == 0) {
			*type = (enum candidate_type)i;
			return true;
		}
	}
	return false;
}

/* A name such as an mDNS one instead of an address: well-formed, but not for us. */
static bool is_name(const char *text)
{
	const char *letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-.";

	return strspn(text, letters) == strlen(text) && strstr(text, ".local");
}

static int parse_addr_port(struct endpoint *ep, const char *addr, const char *port)
{
	uint32_t number;

	if (parse_number(&number, port, UINT16_MAX) < 0)
		return -EINVAL;
	*ep = (struct endpoint){ .port = (uint16_t)number };
	if (addr_parse(&ep->addr, addr) < 0)
		return is_name(addr) ? -EAFNOSUPPORT : -EINVAL;
	return 0;
}

/* " raddr A rport P" comes first when it is there; the rest is name-value pairs to skip. */
static int parse_tail(struct candidate *c, char *const *tokens, size_t count)
{
	struct endpoint related;

	if (count % 2)
		return -EINVAL;
	if (count < 4 || strcmp(tokens[0], "raddr") != 0)
		return c->type == CANDIDATE_HOST ? 0 : -EINVAL;
	if (strcmp(tokens[2], "rport") != 0 ||
	    parse_addr_port(&related, tokens[1], tokens[3]) == -EINVAL)
		return -EINVAL;
	if (!addr_is_unspecified(&related.addr))
		c->related = related;
	return 0;
}

int candidate_parse(struct candidate *c, const char *line)
{
	struct candidate out = { 0 };
	char copy[CANDIDATE_LINE_SIZE], *tokens[TOKENS_MAX];
	uint32_t component;
	size_t count;
	int err;

	if (strlen(line) >= sizeof(copy) || strncmp(line, "candidate:", 10) != 0)
		return -EINVAL;
	strcpy(copy, line + 10);
	count = split(copy, tokens);
	if (count < 8 || !is_foundation(tokens[0]) || strcmp(tokens[6], "typ") != 0 ||
	    parse_number(&component, tokens[1], 256) < 0 || component == 0 ||
	    parse_number(&out.priority, tokens[3], INT32_MAX) < 0 || out.priority == 0)
		return -EINVAL;
	err = parse_addr_port(&out.addr, tokens[4], tokens[5]);
	if (err == -EAFNOSUPPORT && mdns_is_name(tokens[4])) {
		strcpy(out.name, tokens[4]);
		err = 0;
	}
	if (err == -EINVAL || (!err && out.addr.port == 0))
		return -EINVAL;
	if (!parse_type(&out.type, tokens[7]))
		return -EAFNOSUPPORT; /* RFC 8839: unknown types are ignored */
	if (parse_tail(&out, tokens + 8, count - 8) < 0)
		return -EINVAL;
	if (err || component != COMPONENT || strcasecmp(tokens[2], UDP_TRANSPORT) != 0)
		return -EAFNOSUPPORT;
	strcpy(out.foundation, tokens[0]);
	*c = out;
	return 0;
}

/* RFC 8445 section 5.1.1.1: deprecated v4-compatible and site-local v6 addresses are no candidates.
 */
static bool is_deprecated(const struct ip_addr *addr)
{
	static const uint8_t zero[12];

	if (addr->family != AF_INET6)
		return false;
	return memcmp(addr->bytes, zero, sizeof(zero)) == 0 ||
	       (addr->bytes[0] == 0xfe && (addr->bytes[1] & 0xc0) == 0xc0);
}

bool candidate_addr_allowed(const struct endpoint *ep, const struct prefix *refused, size_t count)
{
	bool local6 = ep->addr.family == AF_INET6 && addr_is_link_local(&ep->addr);

	if (ep->port == 0 || is_deprecated(&ep->addr) || (!local6 && !addr_is_unicast(&ep->addr)))
		return false;
	/* "This network" and the reserved class E are no place to send to either. */
	if (ep->addr.family == AF_INET && (ep->addr.bytes[0] == 0 || ep->addr.bytes[0] >= 240))
		return false;
	for (size_t i = 0; i < count; i++) {
		if (prefix_contains(&refused[i], &ep->addr))
			return false;
	}
	return true;
}
