#include "base/addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

struct ip_addr addr_from_v4(uint32_t host_order)
{
	struct ip_addr addr = { .family = AF_INET };

	store_be32(addr.bytes, host_order);
	return addr;
}

struct ip_addr addr_from_bytes(int family, const uint8_t *bytes)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	struct ip_addr addr = { .family = 0 };

	if (family == AF_INET6 && memcmp(bytes, mapped, sizeof(mapped)) == 0) {
		family = AF_INET;
		bytes += sizeof(mapped);
	}
	if (family == AF_INET || family == AF_INET6) {
		addr.family = (uint8_t)family;
		memcpy(addr.bytes, bytes, addr_len(&addr));
	}
	return addr;
}

int addr_parse(struct ip_addr *addr, const char *text)
{
	uint8_t bytes[16];

	if (inet_pton(AF_INET, text, bytes) == 1)
		*addr = addr_from_bytes(AF_INET, bytes);
	else if (inet_pton(AF_INET6, text, bytes) == 1)
		*addr = addr_from_bytes(AF_INET6, bytes);
	else
		return -EINVAL;
	return 0;
}

const char *addr_format(char out[static ADDR_TEXT_SIZE], const struct ip_addr *addr)
{
	if (!inet_ntop(addr->family, addr->bytes, out, ADDR_TEXT_SIZE))
		snprintf(out, ADDR_TEXT_SIZE, "-");
	return out;
}

bool addr_equal(const struct ip_addr *a, const struct ip_addr *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

size_t addr_len(const struct ip_addr *addr)
{
	switch (addr->family) {
	case AF_INET:
		return 4;
	case AF_INET6:
		return 16;
	default:
		return 0;
	}
}

bool addr_is_loopback(const struct ip_addr *addr)
{
	static const uint8_t loopback6[16] = { [15] = 1 };

	if (addr->family == AF_INET)
		return addr->bytes[0] == 127;
	return addr->family == AF_INET6 && memcmp(addr->bytes, loopback6, 16) == 0;
}

bool addr_is_link_local(const struct ip_addr *addr)
{
	if (addr->family == AF_INET)
		return addr->bytes[0] == 169 && addr->bytes[1] == 254;
	return addr->family == AF_INET6 && addr->bytes[0] == 0xfe &&
	       (addr->bytes[1] & 0xc0) == 0x80;
}

bool addr_is_multicast(const struct ip_addr *addr)
{
	if (addr->family == AF_INET)
		return (addr->bytes[0] & 0xf0) == 0xe0;
	return addr->family == AF_INET6 && addr->bytes[0] == 0xff;
}

bool addr_is_unspecified(const struct ip_addr *addr)
{
	static const uint8_t zero[16];

	return memcmp(addr->bytes, zero, 16) == 0;
}

bool addr_is_unicast(const struct ip_addr *addr)
{
	static const uint8_t broadcast[4] = { 255, 255, 255, 255 };

	if (!addr_len(addr) || addr_is_loopback(addr) || addr_is_link_local(addr) ||
	    addr_is_multicast(addr) || addr_is_unspecified(addr))
		return false;
	return addr->family != AF_INET || memcmp(addr->bytes, broadcast, 4) != 0;
}

bool addr_is_private(const struct ip_addr *addr)
{
	const uint8_t *b = addr->bytes;

	if (addr->family == AF_INET6)
		return (b[0] & 0xfe) == 0xfc || addr_is_link_local(addr);
	return addr->family == AF_INET &&
	       (b[0] == 10 || (b[0] == 172 && (b[1] & 0xf0) == 16) ||
		(b[0] == 192 && b[1] == 168) || (b[0] == 100 && (b[1] & 0xc0) == 64) ||
		addr_is_link_local(addr));
}

bool addr_is_global(const struct ip_addr *addr)
{
	return addr->family == AF_INET && addr->bytes[0] != 0 && addr->bytes[0] < 224 &&
	       !addr_is_loopback(addr) && !addr_is_private(addr);
}

/* Decimal digits up to 65535, nothing else. */
static int parse_u16(uint16_t *out, const char *text)
{
	char *end;
	unsigned long value;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	value = strtoul(text, &end, 10);
	if (*end || value > UINT16_MAX)
		return -EINVAL;
	*out = (uint16_t)value;
	return 0;
}

int endpoint_parse(struct endpoint *ep, const char *text)
{
	struct endpoint parsed = { 0 };
	char host[ENDPOINT_TEXT_SIZE];
	const char *colon = strrchr(text, ':');
	char *scope;
	size_t len;

	if (!colon || (size_t)(colon - text) >= sizeof(host))
		return -EINVAL;
	len = (size_t)(colon - text);
	memcpy(host, text, len);
	host[len] = '\0';
	if (host[0] == '[') {
		if (host[len - 1] != ']')
			return -EINVAL;
		host[len - 1] = '\0';
		memmove(host, host + 1, len - 1);
		scope = strchr(host, '%');
		if (scope) {
			*scope++ = '\0';
			parsed.scope_id = if_nametoindex(scope);
			if (!parsed.scope_id)
				return -EINVAL;
		}
	} else if (strchr(host, ':')) {
		return -EINVAL; /* v6 needs brackets */
	}
	if (addr_parse(&parsed.addr, host) < 0 || parse_u16(&parsed.port, colon + 1) < 0)
		return -EINVAL;
	*ep = parsed;
	return 0;
}

const char *endpoint_format(char out[static ENDPOINT_TEXT_SIZE], const struct endpoint *ep)
{
	char text[ADDR_TEXT_SIZE];
	char ifname[IF_NAMESIZE];

	addr_format(text, &ep->addr);
	if (ep->addr.family != AF_INET6)
		snprintf(out, ENDPOINT_TEXT_SIZE, "%s:%u", text, ep->port);
	else if (ep->scope_id && if_indextoname(ep->scope_id, ifname))
		snprintf(out, ENDPOINT_TEXT_SIZE, "[%s%%%s]:%u", text, ifname, ep->port);
	else
		snprintf(out, ENDPOINT_TEXT_SIZE, "[%s]:%u", text, ep->port);
	return out;
}

bool endpoint_equal(const struct endpoint *a, const struct endpoint *b)
{
	return addr_equal(&a->addr, &b->addr) && a->port == b->port && a->scope_id == b->scope_id;
}

socklen_t endpoint_to_sockaddr(struct sockaddr_storage *ss, const struct endpoint *ep)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(ep->port) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(ep->port) };

	memset(ss, 0, sizeof(*ss));
	if (ep->addr.family == AF_INET) {
		memcpy(&in.sin_addr, ep->addr.bytes, 4);
		memcpy(ss, &in, sizeof(in));
		return sizeof(in);
	}
	if (ep->addr.family == AF_INET6) {
		memcpy(&in6.sin6_addr, ep->addr.bytes, 16);
		in6.sin6_scope_id = ep->scope_id;
		memcpy(ss, &in6, sizeof(in6));
		return sizeof(in6);
	}
	return 0;
}

int endpoint_from_sockaddr(struct endpoint *ep, const struct sockaddr *sa)
{
	struct endpoint out = { 0 };
	struct sockaddr_in in;
	struct sockaddr_in6 in6;

	if (sa->sa_family == AF_INET) {
		memcpy(&in, sa, sizeof(in));
		out.addr = addr_from_bytes(AF_INET, (const uint8_t *)&in.sin_addr);
		out.port = ntohs(in.sin_port);
	} else if (sa->sa_family == AF_INET6) {
		memcpy(&in6, sa, sizeof(in6));
		out.addr = addr_from_bytes(AF_INET6, in6.sin6_addr.s6_addr);
		out.port = ntohs(in6.sin6_port);
		if (addr_is_link_local(&out.addr) && out.addr.family == AF_INET6)
			out.scope_id = in6.sin6_scope_id;
	} else {
		return -EAFNOSUPPORT;
	}
	*ep = out;
	return 0;
}

struct prefix prefix_from_addr(const struct ip_addr *addr, unsigned int len)
{
	struct prefix prefix = { .addr = *addr };
	unsigned int width = (unsigned int)addr_len(addr) * 8;
	unsigned int bit;

	if (len > width)
		len = width;
	prefix.len = (uint8_t)len;
	for (bit = len; bit < width; bit++)
		prefix.addr.bytes[bit / 8] &= (uint8_t) ~(0x80u >> bit % 8);
	return prefix;
}

int prefix_parse(struct prefix *prefix, const char *text)
{
	char host[ADDR_TEXT_SIZE];
	const char *slash = strchr(text, '/');
	size_t host_len = slash ? (size_t)(slash - text) : strlen(text);
	struct ip_addr addr;
	struct prefix parsed;
	uint16_t len;

	if (host_len >= sizeof(host))
		return -EINVAL;
	memcpy(host, text, host_len);
	host[host_len] = '\0';
	if (addr_parse(&addr, host) < 0)
		return -EINVAL;
	len = (uint16_t)(addr_len(&addr) * 8);
	if (slash && (parse_u16(&len, slash + 1) < 0 || len > addr_len(&addr) * 8))
		return -EINVAL;
	parsed = prefix_from_addr(&addr, len);
	if (!addr_equal(&parsed.addr, &addr))
		return -EINVAL;
	*prefix = parsed;
	return 0;
}

const char *prefix_format(char out[static PREFIX_TEXT_SIZE], const struct prefix *prefix)
{
	char text[ADDR_TEXT_SIZE];

	snprintf(out, PREFIX_TEXT_SIZE, "%s/%u", addr_format(text, &prefix->addr), prefix->len);
	return out;
}

bool prefix_contains(const struct prefix *prefix, const struct ip_addr *addr)
{
	unsigned int whole = prefix->len / 8, rest = prefix->len % 8;
	uint8_t mask = (uint8_t)(0xff00u >> rest);

	if (prefix->addr.family != addr->family)
		return false;
	if (memcmp(prefix->addr.bytes, addr->bytes, whole) != 0)
		return false;
	return !rest || ((prefix->addr.bytes[whole] ^ addr->bytes[whole]) & mask) == 0;
}

bool prefix_overlaps(const struct prefix *a, const struct prefix *b)
{
	return a->len <= b->len ? prefix_contains(a, &b->addr) : prefix_contains(b, &a->addr);
}

bool prefix_equal(const struct prefix *a, const struct prefix *b)
{
	return a->len == b->len && addr_equal(&a->addr, &b->addr);
}
