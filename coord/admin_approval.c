/* Nodes that wait to be let in: node approve, node reject. */
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "coord/admin_reply.h"
#include "coord/approval.h"
#include "coord/sessions.h"

void admin_approval_describe(json_t *object, const struct node *node)
{
	struct control_pending pending;

	json_object_set_new(object, "created_s", json_integer((json_int_t)node->created_s));
	json_object_set_new(object, "copy_refused_s",
			    json_integer((json_int_t)node->copy_refused_s));
	json_object_set_new(object, "key_id", json_string(node->key_id));
	if (!node_is_pending(node) || node->revoked) {
		json_object_set_new(object, "pending", json_null());
		return;
	}
	approval_describe(node, &pending);
	json_object_set_new(object, "pending",
			    json_pack("{s:s,s:s,s:b}", "reason",
				      control_pending_name(pending.reason), "code", pending.code,
				      "connected", node->session != NULL));
}

void admin_approval_print(struct admin_request *request, const struct node *node)
{
	struct control_pending pending;
	char since[32];

	if (node->copy_refused_s)
		fprintf(request->out, "! %s: another machine with its identity was refused at %s\n",
			node->name, admin_time(since, node->copy_refused_s));
	if (!node_is_pending(node) || node->revoked)
		return;
	approval_describe(node, &pending);
	fprintf(request->out, "! %s waits for %s since %s%s: code %s, key %s\n", node->name,
		control_pending_name(pending.reason), admin_time(since, node->created_s),
		node->session ? "" : " (away)", pending.code[0] ? pending.code : "-",
		log_key(node->device_key).text);
}

/* The node that waits and is called so or shows this code, or NULL and a failure. */
static struct node *get_pending(struct admin_request *request)
{
	char text[CERT_NAME_MAX + 1] = "";
	struct node *node = NULL;
	int err;

	json_fields_text(&request->fields, "name", text, sizeof(text));
	if (request->fields.failed)
		return NULL;
	err = approval_find(request->sessions->network, text, &node);
	if (err == 0)
		return node;
	if (err == -EALREADY)
		admin_fail(request, ADMIN_CONFLICT, "%s does not wait; see node list", text);
	else if (err == -ENOTUNIQ)
		admin_fail(request, ADMIN_CONFLICT,
			   "two machines show the code %s; look at their keys in node list and say "
			   "which by its name",
			   text);
	else
		admin_fail(request, ADMIN_NOT_FOUND,
			   "no machine that waits is called %s or shows that code; see node list",
			   text);
	return NULL;
}

void admin_node_approve(struct admin_request *request)
{
	struct node *node = get_pending(request);
	int err;

	if (!node)
		return;
	if (node->state == NODE_WAITS_SIGN_IN) {
		admin_fail(request, ADMIN_CONFLICT,
			   "%s waits for its user to sign in, which nobody can do instead; for a "
			   "machine without a user make another key",
			   node->name);
		return;
	}
	err = approval_grant(request->sessions, node, request->now_s);
	if (err < 0)
		admin_fail_store(request, err);
	else
		admin_answer_node(request, node);
}

void admin_node_reject(struct admin_request *request)
{
	struct node *node = get_pending(request);
	int err;

	if (!node)
		return;
	admin_answer_node(request, node);
	err = approval_reject(request->sessions, node, request->now_s);
	if (err == -EALREADY)
		admin_fail(request, ADMIN_CONFLICT,
			   "%s is a member already and waits for something else; revoke it instead",
			   node->name);
	else if (err < 0)
		admin_fail_store(request, err);
}
