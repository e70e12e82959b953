/* Names besides the nodes': dns list, add, remove, split. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "coord/admin_reply.h"
#include "coord/network_names.h"
#include "coord/sessions.h"
#include "proto/names_record.h"

#define TYPE_SIZE   16
#define NAME_SIZE   (NAMES_TEXT_NAME_SIZE + 1)
#define SERVER_SIZE ENDPOINT_TEXT_SIZE

/* --- dns list --- */

static json_t *record_json(const struct network *network, const struct names_record *record)
{
	const struct node *node = network_names_shadowed(network, record);
	json_t *object = json_pack("{s:s,s:s,s:s}", "name", record->name, "type",
				   names_type_text(record->type), "value", record->value);

	if (node)
		json_object_set_new(object, "hidden_by", json_string(node->name));
	return object;
}

static json_t *split_json(const struct names_split *split)
{
	json_t *servers = json_array();
	char text[SERVER_SIZE];

	for (size_t i = 0; i < split->server_count; i++)
		json_array_append_new(servers,
				      json_string(names_server_format(text, &split->servers[i])));
	return json_pack("{s:s,s:o}", "domain", split->domain, "servers", servers);
}

static void answer_list(struct admin_request *request, const struct names_document *document,
			const char *domain)
{
	const struct network *network = request->sessions->network;
	json_t *records = json_array();
	json_t *splits = json_array();

	for (size_t i = 0; i < document->record_count; i++)
		json_array_append_new(records, record_json(network, &document->records[i]));
	for (size_t i = 0; i < document->split_count; i++)
		json_array_append_new(splits, split_json(&document->splits[i]));
	admin_answer(request, json_pack("{s:s,s:o,s:o}", "domain", domain, "records", records,
					"split", splits));
}

static void print_list(struct admin_request *request, const struct names_document *document,
		       const char *domain)
{
	const struct network *network = request->sessions->network;
	char text[SERVER_SIZE];

	fprintf(request->out, "every node is NAME.%s; besides:\n", domain);
	fprintf(request->out, "%-32s  %-6s  %s\n", "NAME", "TYPE", "VALUE");
	for (size_t i = 0; i < document->record_count; i++) {
		const struct names_record *record = &document->records[i];

		fprintf(request->out, "%-32s  %-6s  %s%s\n", record->name,
			names_type_text(record->type), record->value,
			network_names_shadowed(network, record)
				? "  (not used: a node has this name)"
				: "");
	}
	if (document->split_count)
		fprintf(request->out, "\n%-32s  %s\n", "DOMAIN", "SERVERS");
	for (size_t i = 0; i < document->split_count; i++) {
		const struct names_split *split = &document->splits[i];

		fprintf(request->out, "%-32s ", split->domain);
		for (size_t j = 0; j < split->server_count; j++)
			fprintf(request->out, " %s", names_server_format(text, &split->servers[j]));
		fputc('\n', request->out);
	}
}

static void fail(struct admin_request *request, int err, const char *error)
{
	if (err == -EINVAL)
		admin_fail(request, ADMIN_INVALID, "%.390s", error);
	else if (err == -EEXIST || err == -ENOSPC || err == -EMSGSIZE)
		admin_fail(request, ADMIN_CONFLICT, "%.390s", error);
	else if (err == -ENOENT)
		admin_fail(request, ADMIN_NOT_FOUND, "%.390s", error);
	else
		admin_fail_store(request, err);
}

void admin_dns_list(struct admin_request *request)
{
	const struct network *network = request->sessions->network;
	char domain[NAMES_TEXT_NAME_SIZE];
	char error[NAMES_ERROR_SIZE] = "";
	struct names_document document;
	struct names_name origin;
	int err = network_names_latest(network, &document, error);

	if (err < 0) {
		fail(request, err, error);
		return;
	}
	names_name_origin(&origin, network->name);
	names_name_format(domain, &origin);
	if (request->json)
		answer_list(request, &document, domain);
	else
		print_list(request, &document, domain);
	names_document_clear(&document);
}

/* --- changes --- */

/* What is to be changed, and how it ends. */
struct change {
	struct names_document document;
	char error[NAMES_ERROR_SIZE];
	int err;
};

static void change_begin(struct admin_request *request, struct change *change)
{
	*change = (struct change){ .err = 0 };
	change->err =
		network_names_latest(request->sessions->network, &change->document, change->error);
}

/* Puts it into force, or says why not. True: it is. */
static bool change_end(struct admin_request *request, struct change *change)
{
	if (change->err == 0)
		change->err =
			network_set_names(request->sessions->network, &change->document,
					  request->caller->who, request->now_s, change->error);
	names_document_clear(&change->document);
	if (change->err < 0) {
		fail(request, change->err, change->error);
		return false;
	}
	sessions_want_flush(request->sessions);
	admin_say_signatures(request);
	return true;
}

/* Nodes come first, so a record under a node's name would only mislead. */
static int check_shadow(struct admin_request *request, struct change *change, const char *name,
			const char *type)
{
	const struct network *network = request->sessions->network;
	char relative[NAMES_TEXT_NAME_SIZE + 1];
	struct names_name origin;
	struct names_name parsed;
	const struct node *node;

	names_name_origin(&origin, network->name);
	if (names_name_parse_in(&parsed, name, &origin, true) < 0)
		return 0; /* said better where it is added */
	names_relative(relative, &parsed, &origin);
	node = network_find_name(network, relative);
	if (!node)
		return 0;
	snprintf(
		change->error, sizeof(change->error),
		"%.80s is the name of a node, which answers for itself; take another name for this "
		"%.16s record, or rename the node",
		relative, type);
	return -EEXIST;
}

void admin_dns_add(struct admin_request *request)
{
	const char *network_name = request->sessions->network->name;
	char value[NAMES_VALUE_MAX * 2 + 1] = "";
	char name[NAME_SIZE] = "";
	char type[TYPE_SIZE] = "";
	struct change change;

	json_fields_text(&request->fields, "name", name, sizeof(name));
	json_fields_text(&request->fields, "type", type, sizeof(type));
	json_fields_text(&request->fields, "value", value, sizeof(value));
	if (request->fields.failed)
		return;
	change_begin(request, &change);
	if (change.err == 0)
		change.err = check_shadow(request, &change, name, type);
	if (change.err == 0)
		change.err = names_document_add(&change.document, name, type, value, network_name,
						change.error);
	if (change_end(request, &change))
		log_info("dns-added name=%s type=%s", name, type);
}

void admin_dns_remove(struct admin_request *request)
{
	const char *network_name = request->sessions->network->name;
	char value[NAMES_VALUE_MAX * 2 + 1] = "";
	char name[NAME_SIZE] = "";
	char type[TYPE_SIZE] = "";
	struct change change;
	int count = 0;

	json_fields_text(&request->fields, "name", name, sizeof(name));
	json_fields_text_opt(&request->fields, "type", type, sizeof(type));
	json_fields_text_opt(&request->fields, "value", value, sizeof(value));
	if (request->fields.failed)
		return;
	change_begin(request, &change);
	if (change.err == 0) {
		count = names_document_remove(&change.document, name, type[0] ? type : NULL,
					      type[0] && value[0] ? value : NULL, network_name,
					      change.error);
		change.err = count < 0 ? count : 0;
	}
	if (change.err == 0 && count == 0) {
		snprintf(change.error, sizeof(change.error),
			 "there is no such record; see dns list");
		change.err = -ENOENT;
	}
	if (change_end(request, &change))
		log_info("dns-removed name=%s records=%d", name, count);
}

void admin_dns_split(struct admin_request *request)
{
	const char *network_name = request->sessions->network->name;
	json_t *array = json_fields_array(&request->fields, "servers", NAMES_SERVERS_MAX);
	const char *servers[NAMES_SERVERS_MAX];
	char domain[NAME_SIZE] = "";
	struct change change;
	size_t count = json_array_size(array);

	json_fields_text(&request->fields, "name", domain, sizeof(domain));
	for (size_t i = 0; i < count; i++) {
		servers[i] = json_string_value(json_array_get(array, i));
		request->fields.failed |= !servers[i];
	}
	if (request->fields.failed)
		return;
	change_begin(request, &change);
	if (change.err == 0)
		change.err = names_document_split(&change.document, domain, servers, count,
						  network_name, change.error);
	if (change_end(request, &change))
		log_info("dns-split domain=%s servers=%zu", domain, count);
}

void admin_dns_unsplit(struct admin_request *request)
{
	json_object_set_new(request->fields.object, "servers", json_array());
	admin_dns_split(request);
}
