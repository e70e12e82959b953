/* Nodes: node list, revoke, delete, rename. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/encoding.h"
#include "base/log.h"
#include "coord/admin_reply.h"
#include "coord/node_query.h"
#include "coord/sessions.h"

const char *admin_node_state(const struct node *node)
{
	if (node->revoked)
		return "revoked";
	return node_is_pending(node) ? "pending" : node_is_online(node) ? "online" : "offline";
}

static void print_node(struct admin_request *request, const struct node *node)
{
	char addr[ADDR_TEXT_SIZE];
	char groups[LABELS_TEXT_SIZE];
	char tags[LABELS_TEXT_SIZE];
	char seen[32];

	labels_format(groups, &node->groups);
	labels_format(tags, &node->tags);
	fprintf(request->out, "%-20s  %-15s  %-8s  %-20s  %-10s  %-16s  %-16s  %s\n", node->name,
		addr_format(addr, &node->address4), admin_node_state(node),
		node_is_online(node) ? "now" : admin_time(seen, node->last_seen_s),
		node->home_relay[0] ? node->home_relay : "-", groups[0] ? groups : "-",
		tags[0] ? tags : "-", node->owner[0] ? node->owner : "-");
}

static json_t *node_json(struct admin_request *request, const struct node *node)
{
	char key[BASE64_KEY_SIZE];
	char wireguard_key[BASE64_KEY_SIZE];
	char addr4[ADDR_TEXT_SIZE];
	char addr6[ADDR_TEXT_SIZE];
	json_t *object;

	encoding_base64_key(key, node->device_key);
	encoding_base64_key(wireguard_key, node->wireguard_key);
	object = json_pack("{s:s,s:[s,s],s:s,s:s,s:s,s:I,s:s,s:b,s:s,s:s,s:I,s:I,s:o,s:o,s:s,s:I}",
			   "name", node->name, "addresses", addr_format(addr4, &node->address4),
			   addr_format(addr6, &node->address6), "state", admin_node_state(node),
			   "key", key, "wireguard_key", wireguard_key, "last_seen_s",
			   (json_int_t)node->last_seen_s, "home_relay", node->home_relay,
			   "ephemeral", node->ephemeral, "version", node->version, "os", node->os,
			   "serial", (json_int_t)node->serial, "certificate_until_s",
			   (json_int_t)node->not_after_s, "groups", labels_json(&node->groups),
			   "tags", labels_json(&node->tags), "owner", node->owner, "login_until_s",
			   (json_int_t)node->login_until_s);
	admin_path_describe(object, node);
	admin_approval_describe(object, node);
	admin_route_describe(request, object, node);
	return object;
}

void admin_answer_node(struct admin_request *request, const struct node *node)
{
	admin_answer(request, json_pack("{s:o}", "node", node_json(request, node)));
}

void admin_node_list(struct admin_request *request)
{
	json_t *array = json_array();
	struct node_query query;
	struct node **nodes = NULL;
	size_t count = 0;
	size_t total = 0;

	node_query_get(request, &query);
	if (!request->fields.failed && request->kind == ADMIN_OK)
		nodes = node_query_run(request->sessions->network, &query, &count, &total);
	if (!request->json)
		fprintf(request->out, "%-20s  %-15s  %-8s  %-20s  %-10s  %-16s  %-16s  %s\n",
			"NAME", "ADDRESS", "STATE", "LAST SEEN", "RELAY", "GROUPS", "TAGS",
			"OWNER");
	for (size_t i = 0; i < count; i++) {
		if (request->json)
			json_array_append_new(array, node_json(request, nodes[i]));
		else
			print_node(request, nodes[i]);
	}
	for (size_t i = 0; !request->json && i < count; i++)
		admin_approval_print(request, nodes[i]);
	free(nodes);
	admin_answer(request, json_pack("{s:o,s:I}", "nodes", array, "total", (json_int_t)total));
}

/* The node that the request names, or NULL and a failure. */
static struct node *get_node(struct admin_request *request)
{
	char name[CERT_NAME_MAX + 1] = "";
	struct node *node = NULL;

	json_fields_text(&request->fields, "name", name, sizeof(name));
	if (!request->fields.failed) {
		node = network_find_name(request->sessions->network, name);
		if (!node)
			admin_fail(request, ADMIN_NOT_FOUND, "no node %s; see node list", name);
	}
	return node;
}

void admin_node_get(struct admin_request *request)
{
	struct node *node = get_node(request);

	if (node)
		admin_answer_node(request, node);
}

void admin_node_revoke(struct admin_request *request)
{
	struct node *node = get_node(request);
	int err;

	if (!node)
		return;
	err = network_revoke(request->sessions->network, node, request->now_s);
	if (err < 0) {
		admin_fail_store(request, err);
		return;
	}
	log_info("node-revoked name=%s", node->name);
	admin_answer_node(request, node);
	sessions_cut_off(request->sessions, node,
			 "this machine was removed from the network by its admin");
	admin_say_signatures(request);
}

void admin_node_delete(struct admin_request *request)
{
	struct node *node = get_node(request);
	char name[CERT_NAME_MAX + 1];
	int err;

	if (!node)
		return;
	memcpy(name, node->name, sizeof(name));
	admin_answer_node(request, node);
	err = sessions_delete(request->sessions, node,
			      "this machine was deleted from the network by its admin; join again "
			      "with a token",
			      request->now_s);
	if (err < 0) {
		admin_fail_store(request, err);
		return;
	}
	log_info("node-deleted name=%s", name);
	admin_say_signatures(request);
}

void admin_node_rename(struct admin_request *request)
{
	struct node *node = get_node(request);
	char name[CERT_NAME_MAX + 1] = "";
	int err;

	json_fields_text(&request->fields, "new_name", name, sizeof(name));
	if (!node || request->fields.failed)
		return;
	err = network_rename(request->sessions->network, node, name, request->now_s);
	if (err == -EINVAL)
		admin_fail(request, ADMIN_INVALID,
			   "%s is no name: want small letters, digits, inner hyphens", name);
	else if (err == -EEXIST)
		admin_fail(request, ADMIN_CONFLICT,
			   "there is a node %s already; choose another name", name);
	else if (err < 0)
		admin_fail_store(request, err);
	if (err < 0)
		return;
	admin_answer_node(request, node);
	sessions_want_flush(request->sessions);
	if (node->session)
		session_send_certificate(node->session);
	admin_say_signatures(request);
}
