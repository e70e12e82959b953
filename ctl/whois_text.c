#include "ctl/whois_text.h"

#include <string.h>

#include "base/addr.h"
#include "ctl/format.h"
#include "ctl/routes_text.h"
#include "ctl/status_field.h"

#define TEXT_MAX 256

static void print_field(FILE *out, const char *label, const char *text)
{
	char clean[TEXT_MAX];

	fprintf(out, "%-10s %s\n", label, format_text(clean, sizeof(clean), text));
}

static void print_list(FILE *out, const char *label, const json_t *texts)
{
	for (size_t i = 0; i < json_array_size(texts); i++) {
		const char *text = json_string_value(json_array_get(texts, i));

		print_field(out, i ? "" : label, text ? text : "-");
	}
}

void whois_text_node(const json_t *node, FILE *out)
{
	print_field(out, "name", status_text(node, "name", "-"));
	print_list(out, "addresses", json_object_get(node, "addresses"));
	if (status_text(node, "owner", NULL))
		print_field(out, "owner", status_text(node, "owner", "-"));
	print_list(out, "tags", json_object_get(node, "tags"));
	print_list(out, "routes", json_object_get(node, "routes"));
	print_field(out, "key", status_text(node, "public_key", "-"));
}

/* The same host in a prefix of the same length. */
static struct ip_addr move_host(const struct ip_addr *addr, const struct prefix *to)
{
	struct ip_addr moved = to->addr;

	for (unsigned int bit = to->len; bit < addr_len(addr) * 8; bit++)
		moved.bytes[bit / 8] |= (uint8_t)(addr->bytes[bit / 8] & 0x80 >> bit % 8);
	return moved;
}

/* A mapped route by what its own network calls it; *seen is what the mesh calls the address. */
static const json_t *find_real(const json_t *routes, const char *address,
			       char seen[static ADDR_TEXT_SIZE])
{
	const json_t *list = json_object_get(routes, "routes");
	struct ip_addr addr, moved;

	if (addr_parse(&addr, address))
		return NULL;
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *route = json_array_get(list, i);
		struct prefix real, prefix;

		if (prefix_parse(&real, status_text(route, "real", "-")) ||
		    prefix_parse(&prefix, status_text(route, "prefix", "-")) ||
		    !prefix_contains(&real, &addr))
			continue;
		moved = move_host(&addr, &prefix);
		addr_format(seen, &moved);
		return route;
	}
	return NULL;
}

static void print_real(const json_t *route, const char *address, FILE *out)
{
	char text[ADDR_TEXT_SIZE];
	struct ip_addr addr, moved;
	struct prefix real;

	if (prefix_parse(&real, status_text(route, "real", "-")) || addr_parse(&addr, address))
		return;
	moved = move_host(&addr, &real);
	print_field(out, "there", addr_format(text, &moved));
}

/* "gw, used", or why not. */
static void print_router(const char *label, const json_t *route, FILE *out)
{
	bool used = json_is_true(json_object_get(route, "used"));
	const char *why = status_text(route, "why", NULL);
	char text[TEXT_MAX];

	snprintf(text, sizeof(text), "%s%s, %s%s%s", status_text(route, "node", "-"),
		 json_is_true(json_object_get(route, "own")) ? " (here)" : "",
		 used ? "used" : "not used", why ? ": " : "", why ? why : "");
	print_field(out, label, text);
}

bool whois_text_address(const json_t *routes, const char *address, const char *name, FILE *out)
{
	const json_t *list = json_object_get(routes, "routes");
	const json_t *found = routes_find(routes, address);
	const char *label = "routers", *prefix;
	char seen[ADDR_TEXT_SIZE];

	if (!found) {
		found = find_real(routes, address, seen);
		address = seen;
	}
	if (!found)
		return false;
	if (name)
		print_field(out, "name", name);
	print_field(out, "address", address);
	print_real(found, address, out);
	prefix = status_text(found, "prefix", "-");
	print_field(out, "network", prefix);
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *route = json_array_get(list, i);

		if (strcmp(status_text(route, "prefix", ""), prefix) != 0)
			continue;
		print_router(label, route, out);
		label = "";
	}
	return true;
}
