#include "proto/port_mapping.h"

#include <stddef.h>

#define SYSTEM_PORTS_END 1024

const char *port_mapping_protocol_name(enum port_mapping_protocol protocol)
{
	static const char *const names[PORT_MAPPING_PROTOCOLS] = { "pcp", "nat-pmp", "upnp" };

	return names[protocol];
}

bool port_mapping_is_public(const struct ip_addr *addr)
{
	/* RFC 6890, but for the networks of documentation, of which test networks are made. */
	static const char *const special[] = {
		"0.0.0.0/8",      "10.0.0.0/8",    "100.64.0.0/10",
		"169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
		"192.168.0.0/16", "198.18.0.0/15", "240.0.0.0/4",
	};
	struct prefix prefix;

	if (!addr_is_unicast(addr))
		return false;
	if (addr->family == AF_INET6)
		return (addr->bytes[0] & 0xe0) == 0x20; /* 2000::/3, RFC 4291 section 2.4 */
	for (size_t i = 0; i < sizeof(special) / sizeof(special[0]); i++) {
		if (prefix_parse(&prefix, special[i]) == 0 && prefix_contains(&prefix, addr))
			return false;
	}
	return true;
}

const char *port_mapping_refuse(const struct endpoint *external, const struct ip_addr *internal)
{
	if (external->addr.family != internal->family)
		return "names an address of another family";
	if (addr_is_unspecified(&external->addr))
		return "has no address of its own outside";
	if (!addr_is_unicast(&external->addr))
		return "names an address that nobody can have";
	if (!port_mapping_is_public(&external->addr))
		return "has itself only a private address";
	if (external->port == 0)
		return "names no port";
	if (external->port < SYSTEM_PORTS_END)
		return "names a port that belongs to others";
	return NULL;
}
