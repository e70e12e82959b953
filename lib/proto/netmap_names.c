/* The names document in a map. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/names_document.h"
#include "proto/netmap.h"
#include "proto/netmap_wire.h"

int netmap_names_new(struct netmap_names **out, const char *text, size_t len)
{
	struct netmap_names *names;

	if (len == 0 || len > NAMES_TEXT_MAX)
		return -EINVAL;
	names = malloc(sizeof(*names) + len + 1);
	if (!names)
		return -ENOMEM;
	names->refs = 1;
	names->len = (uint32_t)len;
	memcpy(names->text, text, len);
	names->text[len] = '\0';
	*out = names;
	return 0;
}

struct netmap_names *netmap_names_ref(struct netmap_names *names)
{
	if (names)
		names->refs++;
	return names;
}

void netmap_names_unref(struct netmap_names *names)
{
	if (names && --names->refs == 0)
		free(names);
}

bool netmap_names_equal(const struct netmap_names *a, const struct netmap_names *b)
{
	return a == b || (a && b && a->len == b->len && memcmp(a->text, b->text, a->len) == 0);
}

void netmap_set_names(struct netmap *map, struct netmap_names *names)
{
	netmap_names_ref(names);
	netmap_names_unref(map->names);
	map->names = names;
}

void netmap_put_names(struct writer *w, uint8_t version, const struct netmap *map)
{
	if (version < NETMAP_WIRE_VERSION_ROUTES)
		return;
	writer_u32(w, map->names ? map->names->len : 0);
	if (map->names)
		writer_bytes(w, map->names->text, map->names->len);
}

int netmap_get_names(struct netmap *map, uint8_t version, struct reader *r)
{
	struct netmap_names *names = NULL;
	const uint8_t *text;
	size_t len;
	int err = 0;

	if (version < NETMAP_WIRE_VERSION_ROUTES)
		return 0;
	len = reader_u32(r);
	if (r->failed || len > NAMES_TEXT_MAX)
		return -EBADMSG;
	text = reader_bytes(r, len);
	if (!text)
		return -EBADMSG;
	if (len > 0)
		err = netmap_names_new(&names, (const char *)text, len);
	if (err < 0)
		return err;
	netmap_names_unref(map->names);
	map->names = names;
	return 0;
}
