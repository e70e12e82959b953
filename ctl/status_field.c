#include "ctl/status_field.h"

#include <string.h>

#include "base/addr.h"

const char *status_text(const json_t *object, const char *key, const char *otherwise)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : otherwise;
}

double status_number(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	return json_is_number(value) ? json_number_value(value) : -1;
}

const char *status_address(const json_t *node)
{
	const char *text = json_string_value(json_array_get(json_object_get(node, "addresses"), 0));

	return text ? text : "-";
}

bool status_has_address(const json_t *node, const char *address)
{
	const json_t *addresses = json_object_get(node, "addresses");
	struct ip_addr wanted;
	size_t i;

	if (addr_parse(&wanted, address))
		return false;
	for (i = 0; i < json_array_size(addresses); i++) {
		const char *text = json_string_value(json_array_get(addresses, i));
		struct ip_addr addr;

		if (text && addr_parse(&addr, text) == 0 && addr_equal(&addr, &wanted))
			return true;
	}
	return false;
}

static bool is_node(const json_t *node, const char *name_or_address)
{
	return strcmp(status_text(node, "name", ""), name_or_address) == 0 ||
	       status_has_address(node, name_or_address);
}

const json_t *status_find(const json_t *status, const char *name_or_address)
{
	const json_t *peers = json_object_get(status, "peers");
	const json_t *self = json_object_get(status, "self");
	size_t i;

	if (is_node(self, name_or_address))
		return self;
	for (i = 0; i < json_array_size(peers); i++) {
		if (is_node(json_array_get(peers, i), name_or_address))
			return json_array_get(peers, i);
	}
	return NULL;
}
