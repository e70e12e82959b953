/* The names document: its rules, and changes to it; its text is in names_text.c. */
#include "proto/names_document.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/names_document_core.h"
#include "proto/names_zone.h"

int names_refuse(char error[static NAMES_ERROR_SIZE], const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(error, NAMES_ERROR_SIZE, fmt, args);
	va_end(args);
	return -EINVAL;
}

void names_record_clear(struct names_record *record)
{
	free(record->name);
	free(record->value);
	*record = (struct names_record){ .name = NULL };
}

void names_document_clear(struct names_document *document)
{
	for (size_t i = 0; i < document->record_count; i++)
		names_record_clear(&document->records[i]);
	free(document->records);
	free(document->splits);
	*document = (struct names_document){ .record_count = 0 };
}

/* --- one entry --- */

/* Ours are names in the network, and the reverse names of private addresses. */
static int check_place(const struct names_name *name, enum names_type type, const char *text,
		       const struct names_name *origin, char error[static NAMES_ERROR_SIZE])
{
	char domain[NAMES_TEXT_NAME_SIZE];
	struct prefix prefix;

	names_name_format(domain, origin);
	if (names_name_within(name, origin))
		return 0;
	if (names_name_address(&prefix, name) < 0)
		return names_refuse(error,
				    "name \"%.80s\" is outside %s; without a dot at its end "
				    "it would be inside",
				    text, domain);
	if (type != NAMES_PTR)
		return names_refuse(error,
				    "name \"%.80s\" is an address's reverse name, which has "
				    "records of type PTR only",
				    text);
	if (prefix.len != addr_len(&prefix.addr) * 8 || !addr_is_private(&prefix.addr))
		return names_refuse(error,
				    "name \"%.80s\" is not the reverse name of one private "
				    "address",
				    text);
	return 0;
}

int names_record_make(struct names_record *out, const char *name_text, const char *type_text,
		      const char *value, const struct names_name *origin,
		      char error[static NAMES_ERROR_SIZE])
{
	enum names_type type = names_type_parse(type_text);
	char relative[NAMES_TEXT_NAME_SIZE + 1];
	char canonical[NAMES_VALUE_SIZE];
	struct names_rdata rdata;
	struct names_record record;
	struct names_name name;
	const char *why;

	if (names_name_parse_in(&name, name_text, origin, true) < 0)
		return names_refuse(error,
				    "\"%.80s\" is no name: labels of 1 to 63 letters, digits, '-' "
				    "and '_' with dots between them, \"*\" only as the first",
				    name_text);
	if (!type)
		return names_refuse(error,
				    "\"%.80s\" has type \"%.20s\"; known are A, AAAA, CNAME, TXT, "
				    "SRV and PTR",
				    name_text, type_text);
	if (check_place(&name, type, name_text, origin, error) < 0)
		return -EINVAL;
	if (type == NAMES_CNAME && names_name_equal(&name, origin))
		return names_refuse(error, "the network's own name cannot be a CNAME");
	if (names_rdata_parse(&rdata, type, value, origin, &why) < 0)
		return names_refuse(error, "%.80s %s \"%.80s\": the value is not %s", name_text,
				    names_type_text(type), value, why);
	names_relative(relative, &name, origin);
	names_rdata_format(canonical, &rdata, type, origin);
	record = (struct names_record){ strdup(relative), strdup(canonical), type };
	if (!record.name || !record.value) {
		names_record_clear(&record);
		return -ENOMEM;
	}
	*out = record;
	return 0;
}

static int server_parse(struct endpoint *server, const char *text)
{
	if (addr_parse(&server->addr, text) == 0)
		server->port = NAMES_DEFAULT_PORT;
	else if (endpoint_parse(server, text) < 0)
		return -EINVAL;
	return addr_is_unicast(&server->addr) && server->port > 0 ? 0 : -EINVAL;
}

int names_split_make(struct names_split *out, const char *domain, const char *const *servers,
		     size_t count, const struct names_name *origin,
		     char error[static NAMES_ERROR_SIZE])
{
	struct names_split split = { .server_count = 0 };
	char own[NAMES_TEXT_NAME_SIZE];
	struct names_name name;

	if (names_name_parse(&name, domain, false) < 0)
		return names_refuse(error, "split domain \"%.80s\" is no name", domain);
	if (names_name_within(&name, origin))
		return names_refuse(
			error,
			"split domain \"%.80s\" is inside %s, which the network answers "
			"for itself",
			domain, names_name_format(own, origin));
	if (count == 0 || count > NAMES_SERVERS_MAX)
		return names_refuse(error, "split domain \"%.80s\" has %zu servers; 1 to %d can be",
				    domain, count, NAMES_SERVERS_MAX);
	names_name_format(split.domain, &name);
	for (size_t i = 0; i < count; i++) {
		struct endpoint server = { .port = 0 };

		if (server_parse(&server, servers[i]) < 0)
			return names_refuse(
				error,
				"split domain \"%.80s\": server \"%.80s\" is no address "
				"of a host, as 10.20.0.53 or 10.20.0.53:5353",
				domain, servers[i]);
		for (size_t j = 0; j < i; j++)
			if (endpoint_equal(&split.servers[j], &server))
				return names_refuse(error,
						    "split domain \"%.80s\" names server \"%.80s\" "
						    "twice",
						    domain, servers[i]);
		split.servers[split.server_count++] = server;
	}
	*out = split;
	return 0;
}

/* --- the whole --- */

int names_record_compare(const void *a, const void *b)
{
	const struct names_record *x = a;
	const struct names_record *y = b;
	int order = strcmp(x->name, y->name);

	if (order == 0)
		order = (int)x->type - (int)y->type;
	return order ? order : strcmp(x->value, y->value);
}

static int compare_splits(const void *a, const void *b)
{
	const struct names_split *x = a;
	const struct names_split *y = b;

	return strcmp(x->domain, y->domain);
}

/* Records of one name follow each other. */
static int check_neighbours(const struct names_document *document,
			    char error[static NAMES_ERROR_SIZE])
{
	size_t same = 0;

	for (size_t i = 1; i < document->record_count; i++) {
		const struct names_record *a = &document->records[i - 1];
		const struct names_record *b = &document->records[i];

		same = strcmp(a->name, b->name) == 0 ? same + 1 : 0;
		if (same == 0)
			continue;
		if (names_record_compare(a, b) == 0)
			return names_refuse(error, "%.80s %s \"%.80s\" is there twice", b->name,
					    names_type_text(b->type), b->value);
		if (a->type == NAMES_CNAME || b->type == NAMES_CNAME)
			return names_refuse(error,
					    "\"%.80s\" has a CNAME besides another record; a CNAME "
					    "stands alone",
					    b->name);
		if (same >= NAMES_PER_NAME_MAX)
			return names_refuse(error, "\"%.80s\" has more than %d records", b->name,
					    NAMES_PER_NAME_MAX);
	}
	for (size_t i = 1; i < document->split_count; i++)
		if (strcmp(document->splits[i - 1].domain, document->splits[i].domain) == 0)
			return names_refuse(error, "split domain \"%.80s\" is there twice",
					    document->splits[i].domain);
	return 0;
}

/* Does a chain that begins here end? */
static int check_chain(const struct names_zone *zone, const struct names_record *record,
		       char error[static NAMES_ERROR_SIZE])
{
	struct names_name name;
	struct names_name apex;
	int split;

	if (names_name_parse_in(&name, record->value, &zone->origin, false) < 0)
		return -EINVAL;
	for (int links = 1; links <= NAMES_CHAIN_MAX; links++) {
		const struct names_entry *entry = names_zone_owns(zone, &name, &apex, &split)
							  ? names_zone_lookup(zone, &name, &apex)
							  : NULL;

		if (!entry || !entry->items || entry->items->type != NAMES_CNAME)
			return 0;
		if (names_rdata_target(&name, NAMES_CNAME, entry->items->rdata, entry->items->len) <
		    0)
			return -EINVAL;
	}
	return names_refuse(error,
			    "%.80s CNAME \"%.80s\" leads in a circle, or over more than %d "
			    "names",
			    record->name, record->value, NAMES_CHAIN_MAX);
}

static int check_chains(const struct names_document *document, const char *network,
			char error[static NAMES_ERROR_SIZE])
{
	struct names_zone *zone;
	int err = names_zone_of_document(&zone, document, network);

	if (err < 0)
		return err;
	for (size_t i = 0; i < document->record_count && err == 0; i++)
		if (document->records[i].type == NAMES_CNAME)
			err = check_chain(zone, &document->records[i], error);
	names_zone_free(zone);
	return err;
}

int names_document_check(struct names_document *document, const char *network,
			 char error[static NAMES_ERROR_SIZE])
{
	int err;

	if (document->record_count > 1)
		qsort(document->records, document->record_count, sizeof(*document->records),
		      names_record_compare);
	if (document->split_count > 1)
		qsort(document->splits, document->split_count, sizeof(*document->splits),
		      compare_splits);
	err = check_neighbours(document, error);
	return err < 0 ? err : check_chains(document, network, error);
}

/* --- changes --- */

static struct names_record *find_record(struct names_document *document,
					const struct names_record *record)
{
	for (size_t i = 0; i < document->record_count; i++)
		if (names_record_compare(&document->records[i], record) == 0)
			return &document->records[i];
	return NULL;
}

static void take_out(struct names_document *document, struct names_record *record)
{
	size_t after = document->record_count - (size_t)(record - document->records) - 1;

	names_record_clear(record);
	memmove(record, record + 1, after * sizeof(*record));
	document->record_count--;
}

int names_document_add(struct names_document *document, const char *name, const char *type,
		       const char *value, const char *network, char error[static NAMES_ERROR_SIZE])
{
	struct names_record *records;
	struct names_record record;
	struct names_record key;
	struct names_name origin;
	int err;

	names_name_origin(&origin, network);
	err = names_record_make(&record, name, type, value, &origin, error);
	if (err < 0)
		return err;
	if (find_record(document, &record)) {
		names_refuse(error, "%.80s %s \"%.80s\" is there already", record.name,
			     names_type_text(record.type), record.value);
		names_record_clear(&record);
		return -EEXIST;
	}
	if (document->record_count >= NAMES_RECORDS_MAX) {
		names_refuse(error, "there are %d records already, and no more can be",
			     NAMES_RECORDS_MAX);
		names_record_clear(&record);
		return -ENOSPC;
	}
	records = reallocarray(document->records, document->record_count + 1, sizeof(*records));
	if (!records) {
		names_record_clear(&record);
		return -ENOMEM;
	}
	document->records = records;
	records[document->record_count++] = record;
	key = record; /* it moves when they are sorted */
	err = names_document_check(document, network, error);
	if (err < 0)
		take_out(document, find_record(document, &key));
	return err;
}

int names_document_remove(struct names_document *document, const char *name, const char *type,
			  const char *value, const char *network,
			  char error[static NAMES_ERROR_SIZE])
{
	char relative[NAMES_TEXT_NAME_SIZE + 1];
	char canonical[NAMES_VALUE_SIZE] = "";
	enum names_type wanted = type ? names_type_parse(type) : 0;
	struct names_name origin;
	struct names_name parsed;
	struct names_rdata rdata;
	const char *why;
	int removed = 0;

	names_name_origin(&origin, network);
	if (names_name_parse_in(&parsed, name, &origin, true) < 0)
		return names_refuse(error, "\"%.80s\" is no name", name);
	if (type && !wanted)
		return names_refuse(error,
				    "there is no type \"%.20s\"; known are A, AAAA, CNAME, "
				    "TXT, SRV and PTR",
				    type);
	if (value && names_rdata_parse(&rdata, wanted, value, &origin, &why) < 0)
		return names_refuse(error, "\"%.80s\" is not %s", value, why);
	if (value)
		names_rdata_format(canonical, &rdata, wanted, &origin);
	names_relative(relative, &parsed, &origin);
	for (size_t i = document->record_count; i > 0; i--) {
		struct names_record *record = &document->records[i - 1];

		if (strcmp(record->name, relative) != 0 || (wanted && record->type != wanted) ||
		    (value && strcmp(record->value, canonical) != 0))
			continue;
		take_out(document, record);
		removed++;
	}
	return removed;
}

int names_document_split(struct names_document *document, const char *domain,
			 const char *const *servers, size_t count, const char *network,
			 char error[static NAMES_ERROR_SIZE])
{
	struct names_name origin;
	struct names_name name;
	struct names_split split;
	struct names_split *splits;
	size_t at = 0;
	int err = 0;

	names_name_origin(&origin, network);
	if (count > 0) {
		err = names_split_make(&split, domain, servers, count, &origin, error);
		if (err < 0)
			return err;
	} else {
		if (names_name_parse(&name, domain, false) < 0)
			return names_refuse(error, "split domain \"%.80s\" is no name", domain);
		names_name_format(split.domain, &name);
	}
	while (at < document->split_count && strcmp(document->splits[at].domain, split.domain) != 0)
		at++;
	if (count == 0 && at == document->split_count) {
		names_refuse(error, "\"%.80s\" is no split domain", domain);
		return -ENOENT;
	}
	if (count == 0) {
		document->splits[at] = document->splits[--document->split_count];
		return names_document_check(document, network, error);
	}
	if (at == document->split_count) {
		if (at >= NAMES_SPLITS_MAX) {
			names_refuse(error,
				     "there are %d split domains already, and no more can be",
				     NAMES_SPLITS_MAX);
			return -ENOSPC;
		}
		splits = reallocarray(document->splits, at + 1, sizeof(*splits));
		if (!splits)
			return -ENOMEM;
		document->splits = splits;
		document->split_count++;
	}
	document->splits[at] = split;
	return names_document_check(document, network, error);
}
