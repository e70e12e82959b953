#include "proto/names_zone.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"

#define ENTRIES_MAX (NETMAP_PEERS_MAX * 64)
#define KEY_SIZE    crypto_shorthash_siphashx24_BYTES
#define SHARED4     0x64400000 /* 100.64.0.0/10, RFC 6598; its reverse names are nobody's outside */
#define SHARED4_LEN 10

_Static_assert(NAMES_SECRET_SIZE == crypto_shorthash_siphashx24_KEYBYTES, "a key of that hash");

/* --- entries --- */

static void entry_name(struct names_name *name, const struct names_entry *entry)
{
	name->len = entry->name_len;
	memcpy(name->wire, entry->name, entry->name_len);
}

/* Keyed, so that nobody who names nodes finds two of one key. */
static void hash_name(const struct names_zone *zone, uint8_t key[static KEY_SIZE],
		      const struct names_name *name)
{
	crypto_shorthash_siphashx24(key, name->wire, name->len, zone->secret);
}

struct names_entry *names_zone_find(const struct names_zone *zone, const struct names_name *name)
{
	uint8_t key[KEY_SIZE];

	hash_name(zone, key, name);
	return map_find(zone->by_name, key);
}

static int make_entry(struct names_zone *zone, const struct names_name *name,
		      struct names_entry **out)
{
	struct names_entry *entry = names_zone_find(zone, name);
	uint8_t key[KEY_SIZE];
	int err;

	if (!entry) {
		entry = calloc(1, sizeof(*entry) + name->len);
		if (!entry)
			return -ENOMEM;
		entry->name_len = name->len;
		memcpy(entry->name, name->wire, name->len);
		hash_name(zone, key, name);
		err = map_insert(zone->by_name, key, entry);
		if (err < 0) {
			free(entry);
			return err;
		}
		entry->next = zone->entries;
		zone->entries = entry;
	}
	*out = entry;
	return 0;
}

/* The names between an entry and its apex are there too, if with nothing (RFC 4592 2.2.2). */
static int make_ancestors(struct names_zone *zone, const struct names_name *name,
			  const struct names_name *apex)
{
	struct names_name parent = *name;
	struct names_entry *entry;
	int err = 0;

	for (names_name_parent(&parent);
	     err == 0 && parent.len > apex->len && !names_zone_find(zone, &parent);
	     names_name_parent(&parent))
		err = make_entry(zone, &parent, &entry);
	return err;
}

static int add_item(struct names_entry *entry, enum names_type type, const void *rdata, size_t len)
{
	struct names_item **last = &entry->items;
	struct names_item *item;
	size_t count = 0;

	for (; *last; last = &(*last)->next)
		count++;
	if (count >= NAMES_PER_NAME_MAX)
		return 0;
	item = malloc(sizeof(*item) + len);
	if (!item)
		return -ENOMEM;
	*item = (struct names_item){ NULL, type, (uint16_t)len };
	memcpy(item->rdata, rdata, len);
	*last = item;
	return 0;
}

/* With nothing between, an entry of a node's. */
static int add_node_item(struct names_zone *zone, const struct names_name *name,
			 const struct names_name *apex, enum names_type type, const void *rdata,
			 size_t len)
{
	struct names_entry *entry;
	int err = make_entry(zone, name, &entry);

	if (err == 0)
		err = make_ancestors(zone, name, apex);
	if (err < 0)
		return err;
	entry->node = true;
	return add_item(entry, type, rdata, len);
}

/* --- reverse zones --- */

static const struct names_name *reverse_apex(const struct names_zone *zone,
					     const struct names_name *name)
{
	for (size_t i = 0; i < zone->reverse_count; i++)
		if (names_name_within(name, &zone->reverse[i]))
			return &zone->reverse[i];
	return NULL;
}

static void note_reverse(struct names_zone *zone, const struct prefix *prefix)
{
	struct names_name name;

	names_name_reverse(&name, prefix);
	if (zone->reverse_count < NAMES_REVERSE_MAX && !reverse_apex(zone, &name))
		zone->reverse[zone->reverse_count++] = name;
}

/*
 * Nobody tells a node which addresses the network may give. Of the shared space all are ours when
 * one is, else what is near the ones that are there.
 */
static void note_address(struct names_zone *zone, const struct ip_addr *addr)
{
	struct ip_addr shared = addr_from_v4(SHARED4);
	struct prefix pool = prefix_from_addr(&shared, SHARED4_LEN);
	struct prefix near = prefix_from_addr(addr, addr->family == AF_INET ? 24 : 64);

	if (addr->family != AF_INET || !prefix_contains(&pool, addr)) {
		note_reverse(zone, &near);
		return;
	}
	near = prefix_from_addr(addr, 16);
	for (int i = 0; i < 64; i++) {
		near.addr.bytes[1] = (uint8_t)(64 + i);
		note_reverse(zone, &near);
	}
}

/* --- nodes --- */

static int add_reverse(struct names_zone *zone, const struct names_name *target,
		       const struct ip_addr *addr)
{
	struct prefix host = prefix_from_addr(addr, 128);
	const struct names_name *apex;
	struct names_name name;

	names_name_reverse(&name, &host);
	apex = reverse_apex(zone, &name);
	if (!apex) {
		note_address(zone, addr);
		apex = reverse_apex(zone, &name);
	}
	if (names_zone_find(zone, &name))
		return 0;
	return add_node_item(zone, &name, apex ? apex : &name, NAMES_PTR, target->wire,
			     target->len);
}

static int add_node(struct names_zone *zone, const struct cert *cert)
{
	const struct ip_addr *addresses[] = { &cert->address4, &cert->address6 };
	struct names_name name;
	int err = 0;

	if (names_name_parse_in(&name, cert->name, &zone->origin, false) < 0 ||
	    names_zone_find(zone, &name))
		return 0;
	for (size_t i = 0; i < 2 && err == 0; i++) {
		const struct ip_addr *addr = addresses[i];

		if (!addr->family)
			continue;
		err = add_node_item(zone, &name, &zone->origin,
				    addr->family == AF_INET ? NAMES_A : NAMES_AAAA, addr->bytes,
				    addr_len(addr));
		if (err == 0)
			err = add_reverse(zone, &name, addr);
	}
	return err;
}

/* --- the document --- */

/* The reverse name of a record's private address, unless somebody else knows better. */
static int add_record_reverse(struct names_zone *zone, const struct names_name *name,
			      enum names_type type, const struct names_rdata *rdata)
{
	struct ip_addr addr = addr_from_bytes(type == NAMES_A ? AF_INET : AF_INET6, rdata->bytes);
	struct prefix host = prefix_from_addr(&addr, 128);
	struct names_entry *entry;
	struct names_name reverse;
	struct names_name apex;
	bool owned;
	int split;
	int err;

	if (!addr_is_private(&addr) || name->wire[1] == '*')
		return 0;
	names_name_reverse(&reverse, &host);
	owned = names_zone_owns(zone, &reverse, &apex, &split);
	if (names_zone_find(zone, &reverse) || (!owned && split >= 0))
		return 0;
	err = make_entry(zone, &reverse, &entry);
	if (err == 0 && owned)
		err = make_ancestors(zone, &reverse, &apex);
	return err < 0 ? err : add_item(entry, NAMES_PTR, name->wire, name->len);
}

static int add_record(struct names_zone *zone, const struct names_record *record)
{
	struct names_entry *entry;
	struct names_rdata rdata;
	struct names_name apex;
	struct names_name name;
	const char *why;
	int split;
	int err;

	/* Checked when the document was read. */
	if (names_name_parse_in(&name, record->name, &zone->origin, true) < 0 ||
	    names_rdata_parse(&rdata, record->type, record->value, &zone->origin, &why) < 0)
		return 0;
	entry = names_zone_find(zone, &name);
	if (entry && entry->node)
		return 0;
	err = make_entry(zone, &name, &entry);
	if (err == 0 && names_zone_owns(zone, &name, &apex, &split))
		err = make_ancestors(zone, &name, &apex);
	return err < 0 ? err : add_item(entry, record->type, rdata.bytes, rdata.len);
}

static int add_splits(struct names_zone *zone, const struct names_document *document)
{
	zone->splits = calloc(document->split_count + 1, sizeof(*zone->splits));
	zone->split_names = calloc(document->split_count + 1, sizeof(*zone->split_names));
	if (!zone->splits || !zone->split_names)
		return -ENOMEM;
	for (size_t i = 0; i < document->split_count; i++) {
		const struct names_split *split = &document->splits[i];

		if (names_name_parse(&zone->split_names[zone->split_count], split->domain, false) <
		    0)
			continue;
		zone->splits[zone->split_count++] = *split;
	}
	return 0;
}

/* Reverse names that were said come before those that follow from addresses. */
static int add_document(struct names_zone *zone, const struct names_document *document)
{
	int err = add_splits(zone, document);

	for (size_t i = 0; i < document->record_count && err == 0; i++)
		err = add_record(zone, &document->records[i]);
	for (size_t i = 0; i < document->record_count && err == 0; i++) {
		const struct names_record *record = &document->records[i];
		struct names_rdata rdata;
		struct names_name name;
		const char *why;

		if ((record->type != NAMES_A && record->type != NAMES_AAAA) ||
		    names_name_parse_in(&name, record->name, &zone->origin, true) < 0 ||
		    names_rdata_parse(&rdata, record->type, record->value, &zone->origin, &why) < 0)
			continue;
		err = add_record_reverse(zone, &name, record->type, &rdata);
	}
	return err;
}

/* --- whose --- */

static int best_split(const struct names_zone *zone, const struct names_name *name)
{
	int best = -1;

	for (size_t i = 0; i < zone->split_count; i++)
		if (names_name_within(name, &zone->split_names[i]) &&
		    (best < 0 || zone->split_names[i].len > zone->split_names[best].len))
			best = (int)i;
	return best;
}

bool names_zone_owns(const struct names_zone *zone, const struct names_name *name,
		     struct names_name *apex, int *split)
{
	const struct names_entry *entry;
	const struct names_name *reverse;

	*split = -1;
	if (names_name_within(name, &zone->origin)) {
		*apex = zone->origin;
		return true;
	}
	*split = best_split(zone, name);
	reverse = reverse_apex(zone, name);
	entry = names_zone_find(zone, name);
	if (entry && entry->items) {
		*apex = reverse ? *reverse : *name;
		return true;
	}
	if (!reverse || (*split >= 0 && zone->split_names[*split].len >= reverse->len))
		return false;
	*apex = *reverse;
	return true;
}

struct names_entry *names_zone_lookup(const struct names_zone *zone, const struct names_name *name,
				      const struct names_name *apex)
{
	struct names_entry *entry = names_zone_find(zone, name);
	struct names_name encloser = *name;
	struct names_name wildcard = { .len = 0 };

	if (entry)
		return entry;
	/* The apex is there in any case. */
	do
		names_name_parent(&encloser);
	while (encloser.len > apex->len && !names_zone_find(zone, &encloser));
	if (encloser.len + 2u > NAMES_WIRE_MAX)
		return NULL;
	wildcard.wire[0] = 1;
	wildcard.wire[1] = '*';
	memcpy(wildcard.wire + 2, encloser.wire, encloser.len);
	wildcard.len = (uint8_t)(encloser.len + 2);
	return names_zone_find(zone, &wildcard);
}

/* --- the whole --- */

static int add_domain(struct names_zone *zone, const struct names_name *name)
{
	char text[NAMES_TEXT_NAME_SIZE];

	if (zone->domain_count >= NAMES_DOMAINS_MAX)
		return 0;
	zone->domains[zone->domain_count] = strdup(names_name_format(text, name));
	if (!zone->domains[zone->domain_count])
		return -ENOMEM;
	zone->domain_count++;
	return 0;
}

static int list_domains(struct names_zone *zone)
{
	struct names_name name;
	int err;

	zone->domains = calloc(NAMES_DOMAINS_MAX, sizeof(*zone->domains));
	if (!zone->domains)
		return -ENOMEM;
	err = add_domain(zone, &zone->origin);
	for (size_t i = 0; i < zone->split_count && err == 0; i++)
		err = add_domain(zone, &zone->split_names[i]);
	for (size_t i = 0; i < zone->reverse_count && err == 0; i++)
		err = add_domain(zone, &zone->reverse[i]);
	for (size_t i = 0; i < zone->mapped_count && err == 0; i++)
		err = add_domain(zone, &zone->mapped[i].domain);
	for (const struct names_entry *e = zone->entries; e && err == 0; e = e->next) {
		entry_name(&name, e);
		if (!names_name_within(&name, &zone->origin) && !reverse_apex(zone, &name))
			err = add_domain(zone, &name);
	}
	return err;
}

static int fill(struct names_zone *zone, const struct names_source *source)
{
	struct names_entry *apex;
	int err = make_entry(zone, &zone->origin, &apex);

	if (err == 0 && source->own)
		err = add_node(zone, source->own);
	for (size_t i = 0; source->map && i < source->map->peer_count && err == 0; i++)
		err = add_node(zone, &source->map->peers[i]->cert->parsed);
	if (err == 0 && source->document)
		err = add_document(zone, source->document);
	if (err == 0 && source->own)
		err = names_mapped_add(zone, source->own);
	for (size_t i = 0; source->map && i < source->map->peer_count && err == 0; i++)
		err = names_mapped_add(zone, &source->map->peers[i]->cert->parsed);
	return err == 0 ? list_domains(zone) : err;
}

int names_zone_new(struct names_zone **out, const struct names_source *source)
{
	struct names_zone *zone = calloc(1, sizeof(*zone));
	int err;

	if (!zone)
		return -ENOMEM;
	zone->by_name = map_new(KEY_SIZE, ENTRIES_MAX);
	zone->reverse = calloc(NAMES_REVERSE_MAX, sizeof(*zone->reverse));
	zone->serial = source->serial;
	if (source->secret)
		memcpy(zone->secret, source->secret, sizeof(zone->secret));
	names_name_origin(&zone->origin, source->network);
	names_name_format(zone->origin_text, &zone->origin);
	if (!source->own ||
	    names_name_parse_in(&zone->server, source->own->name, &zone->origin, false) < 0)
		zone->server = zone->origin;
	err = zone->by_name && zone->reverse ? fill(zone, source) : -ENOMEM;
	if (err < 0) {
		names_zone_free(zone);
		return err;
	}
	*out = zone;
	return 0;
}

int names_zone_of_document(struct names_zone **zone, const struct names_document *document,
			   const char *network)
{
	return names_zone_new(zone,
			      &(struct names_source){ .network = network, .document = document });
}

void names_zone_free(struct names_zone *zone)
{
	if (!zone)
		return;
	while (zone->entries) {
		struct names_entry *entry = zone->entries;

		zone->entries = entry->next;
		while (entry->items) {
			struct names_item *item = entry->items;

			entry->items = item->next;
			free(item);
		}
		free(entry);
	}
	for (size_t i = 0; i < zone->domain_count; i++)
		free(zone->domains[i]);
	free(zone->domains);
	free(zone->reverse);
	free(zone->splits);
	free(zone->split_names);
	free(zone->mapped);
	map_free(zone->by_name);
	free(zone);
}

const char *names_zone_origin(const struct names_zone *zone)
{
	return zone->origin_text;
}

const char *names_zone_domain(const struct names_zone *zone, size_t index)
{
	return index < zone->domain_count ? zone->domains[index] : NULL;
}
