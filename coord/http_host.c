#include "coord/http_host.h"

#include <string.h>
#include <strings.h>

#include "coord/network.h"

/* The name without its port; false when it is none. */
static bool split(char name[static TOKEN_HOST_MAX + 1], const char *host)
{
	const char *start = host;
	size_t len;

	if (host[0] == '[') {
		start = host + 1;
		len = strcspn(start, "]");
		if (start[len] != ']')
			return false;
		host = start + len + 1;
	} else {
		len = strcspn(host, ":");
		host += len;
	}
	if (len == 0 || len > TOKEN_HOST_MAX || (*host && *host != ':') ||
	    (*host && strspn(host + 1, "0123456789") != strlen(host + 1)))
		return false;
	memcpy(name, start, len);
	name[len] = '\0';
	/* "coord.example.net." is the same name. */
	if (len > 1 && name[len - 1] == '.')
		name[len - 1] = '\0';
	return true;
}

static bool is_among(const char *names, const char *name)
{
	size_t name_len = strlen(name);

	while (names && *names) {
		size_t len = strcspn(names, " ");

		if (len == name_len && strncasecmp(names, name, len) == 0)
			return true;
		names += len;
		names += strspn(names, " ");
	}
	return false;
}

bool http_host_is_ours(const struct network *network, const char *also, const char *host)
{
	char name[TOKEN_HOST_MAX + 1];
	struct ip_addr addr;

	if (!split(name, host))
		return false;
	if (addr_parse(&addr, name) == 0 || strcasecmp(name, "localhost") == 0 ||
	    is_among(also, name))
		return true;
	for (size_t i = 0; i < network->address_count; i++)
		if (strcasecmp(network->addresses[i].host, name) == 0)
			return true;
	return false;
}

bool http_origin_is_host(const char *origin, const char *host)
{
	size_t skip = strncmp(origin, "https://", 8) == 0  ? 8
		      : strncmp(origin, "http://", 7) == 0 ? 7
							   : 0;

	return skip && host[0] && strcasecmp(origin + skip, host) == 0;
}
