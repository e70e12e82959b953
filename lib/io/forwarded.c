#include "io/forwarded.h"

#include <string.h>

bool forwarded_is_trusted(const struct ip_addr *addr, const struct prefix *proxies, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (prefix_contains(&proxies[i], addr))
			return true;
	return false;
}

/* One entry: an address, "[v6]", either with a port. */
static bool parse_entry(struct endpoint *out, const char *text, size_t len)
{
	struct endpoint found = { .port = 0 };
	char entry[ENDPOINT_TEXT_SIZE];

	while (len && (*text == ' ' || *text == '\t')) {
		text++;
		len--;
	}
	while (len && (text[len - 1] == ' ' || text[len - 1] == '\t'))
		len--;
	if (len == 0 || len >= sizeof(entry))
		return false;
	memcpy(entry, text, len);
	entry[len] = '\0';
	if (entry[0] == '[' && entry[len - 1] == ']') {
		entry[len - 1] = '\0';
		if (addr_parse(&found.addr, entry + 1) < 0)
			return false;
	} else if (addr_parse(&found.addr, entry) < 0 && endpoint_parse(&found, entry) < 0) {
		return false;
	}
	*out = found;
	return true;
}

void forwarded_client(struct endpoint *client, const char *header, const struct prefix *proxies,
		      size_t count)
{
	size_t end = strlen(header);

	if (end > FORWARDED_HEADER_MAX)
		return;
	while (end > 0 && forwarded_is_trusted(&client->addr, proxies, count)) {
		size_t start = end;
		struct endpoint said;

		while (start > 0 && header[start - 1] != ',')
			start--;
		if (!parse_entry(&said, header + start, end - start))
			return;
		*client = said;
		end = start ? start - 1 : 0;
	}
}
