/* The names document out of its JSON text and back. */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/json_fields.h"
#include "proto/names_document_core.h"

#define DEPTH_MAX 4

/* The entry that is being read, for errors. */
struct place {
	const char *list;
	size_t index;
	const struct names_name *origin;
	char *error;
};

static int refuse_entry(const struct place *place, const char *why)
{
	return names_refuse(place->error, "%s[%zu]: %s", place->list, place->index, why);
}

/* Puts the entry before what is said of it. */
static int name_entry(const struct place *place, int err)
{
	char why[NAMES_ERROR_SIZE];

	if (err == -EINVAL) {
		snprintf(why, sizeof(why), "%.400s", place->error);
		refuse_entry(place, why);
	}
	return err;
}

static bool only_members(json_t *object, const char *const *members)
{
	const char *key;
	json_t *value;

	json_object_foreach (object, key, value) {
		size_t i = 0;

		while (members[i] && strcmp(members[i], key) != 0)
			i++;
		if (!members[i])
			return false;
	}
	return true;
}

static int get_record(struct names_document *document, json_t *value, const struct place *place)
{
	static const char *const members[] = { "name", "type", "value", NULL };
	const char *name = json_string_value(json_object_get(value, "name"));
	const char *type = json_string_value(json_object_get(value, "type"));
	const char *text = json_string_value(json_object_get(value, "value"));
	int err;

	if (!name || !type || !text || !only_members(value, members))
		return refuse_entry(place, "an object with \"name\", \"type\" and \"value\" is "
					   "wanted");
	err = names_record_make(&document->records[document->record_count], name, type, text,
				place->origin, place->error);
	if (err < 0)
		return name_entry(place, err);
	document->record_count++;
	return 0;
}

static int get_split(struct names_document *document, json_t *value, const struct place *place)
{
	static const char *const members[] = { "domain", "servers", NULL };
	const char *domain = json_string_value(json_object_get(value, "domain"));
	json_t *list = json_object_get(value, "servers");
	const char *servers[NAMES_SERVERS_MAX];
	size_t count = json_array_size(list);
	int err;

	if (!domain || !json_is_array(list) || !only_members(value, members))
		return refuse_entry(place, "an object with \"domain\" and \"servers\" is wanted");
	for (size_t i = 0; i < count && i < NAMES_SERVERS_MAX; i++) {
		servers[i] = json_string_value(json_array_get(list, i));
		if (!servers[i])
			return refuse_entry(place, "servers are addresses as text");
	}
	err = names_split_make(&document->splits[document->split_count], domain, servers, count,
			       place->origin, place->error);
	if (err < 0)
		return name_entry(place, err);
	document->split_count++;
	return 0;
}

static int get_list(struct names_document *document, json_t *root, struct place *place,
		    const char *name, size_t max,
		    int (*get)(struct names_document *, json_t *, const struct place *))
{
	json_t *list = json_object_get(root, name);
	int err = 0;

	place->list = name;
	if (!list)
		return 0;
	if (!json_is_array(list))
		return names_refuse(place->error, "\"%s\" is no list", name);
	if (json_array_size(list) > max)
		return names_refuse(place->error, "\"%s\" has %zu entries; %zu can be", name,
				    json_array_size(list), max);
	for (place->index = 0; place->index < json_array_size(list) && err == 0; place->index++)
		err = get(document, json_array_get(list, place->index), place);
	return err;
}

static int get_root(struct names_document *document, json_t *root, struct place *place)
{
	static const char *const members[] = { "records", "split", NULL };
	size_t records = json_array_size(json_object_get(root, "records"));
	size_t splits = json_array_size(json_object_get(root, "split"));
	int err;

	if (!json_is_object(root) || !only_members(root, members))
		return names_refuse(place->error,
				    "an object with \"records\" and \"split\" is wanted");
	records = records < NAMES_RECORDS_MAX ? records : NAMES_RECORDS_MAX;
	splits = splits < NAMES_SPLITS_MAX ? splits : NAMES_SPLITS_MAX;
	document->records = calloc(records + 1, sizeof(*document->records));
	document->splits = calloc(splits + 1, sizeof(*document->splits));
	if (!document->records || !document->splits)
		return -ENOMEM;
	err = get_list(document, root, place, "records", NAMES_RECORDS_MAX, get_record);
	return err < 0 ? err
		       : get_list(document, root, place, "split", NAMES_SPLITS_MAX, get_split);
}

int names_document_parse(struct names_document *out, const char *text, size_t len,
			 const char *network, char error[static NAMES_ERROR_SIZE])
{
	struct names_document document = { .record_count = 0 };
	struct names_name origin;
	struct place place = { .origin = &origin, .error = error };
	json_error_t json_error;
	json_t *root;
	int err;

	error[0] = '\0';
	names_name_origin(&origin, network);
	if (len > NAMES_TEXT_MAX)
		return names_refuse(error, "larger than %u bytes", NAMES_TEXT_MAX);
	if (json_fields_nesting(text, len) > DEPTH_MAX)
		return names_refuse(error, "nested too deep");
	if (len > 0) {
		root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &json_error);
		if (!root)
			return names_refuse(error, "no valid JSON: line %d: %.150s",
					    json_error.line, json_error.text);
		err = get_root(&document, root, &place);
		json_decref(root);
		if (err == 0)
			err = names_document_check(&document, network, error);
		if (err < 0) {
			names_document_clear(&document);
			return err;
		}
	}
	*out = document;
	return 0;
}

static int put_records(const struct names_document *document, json_t *list)
{
	int err = 0;

	for (size_t i = 0; i < document->record_count; i++) {
		const struct names_record *record = &document->records[i];

		err |= json_array_append_new(list, json_pack("{s:s,s:s,s:s}", "name", record->name,
							     "type", names_type_text(record->type),
							     "value", record->value));
	}
	return err;
}

static int put_splits(const struct names_document *document, json_t *list)
{
	char text[ENDPOINT_TEXT_SIZE];
	int err = 0;

	for (size_t i = 0; i < document->split_count; i++) {
		const struct names_split *split = &document->splits[i];
		json_t *servers = json_array();

		for (size_t j = 0; j < split->server_count; j++)
			err |= json_array_append_new(servers, json_string(names_server_format(
								      text, &split->servers[j])));
		err |= json_array_append_new(list, json_pack("{s:s,s:o}", "domain", split->domain,
							     "servers", servers));
	}
	return err;
}

const char *names_server_format(char out[static ENDPOINT_TEXT_SIZE], const struct endpoint *server)
{
	if (server->port != NAMES_DEFAULT_PORT)
		return endpoint_format(out, server);
	return addr_format(out, &server->addr);
}

int names_document_encode(const struct names_document *document, char **out, size_t *len)
{
	json_t *records = json_array();
	json_t *splits = json_array();
	int err = records && splits ? 0 : -1;
	json_t *root = NULL;
	char *text = NULL;

	if (document->record_count + document->split_count == 0) {
		text = strdup("");
	} else if (err == 0) {
		err |= put_records(document, records);
		err |= put_splits(document, splits);
		root = err == 0 ? json_pack("{s:O,s:O}", "records", records, "split", splits)
				: NULL;
		text = root ? json_dumps(root, JSON_COMPACT) : NULL;
	}
	json_decref(root);
	json_decref(records);
	json_decref(splits);
	if (!text)
		return -ENOMEM;
	if (strlen(text) > NAMES_TEXT_MAX) {
		free(text);
		return -EMSGSIZE;
	}
	*out = text;
	*len = strlen(text);
	return 0;
}
