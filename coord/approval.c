#include "coord/approval.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/log.h"
#include "proto/approval_code.h"

void approval_describe(const struct node *node, struct control_pending *pending)
{
	static const enum control_pending_reason reasons[NODE_STATE_COUNT] = {
		[NODE_WAITS_APPROVAL] = CONTROL_PENDING_APPROVAL,
		[NODE_WAITS_SIGNATURE] = CONTROL_PENDING_SIGNATURE,
		[NODE_WAITS_SIGN_IN] = CONTROL_PENDING_SIGN_IN,
	};

	*pending = (struct control_pending){ .reason = reasons[node->state] };
	if (node->state != NODE_WAITS_SIGN_IN)
		approval_code(pending->code, node->device_key, node->box_key);
}

int approval_grant(struct sessions *sessions, struct node *node, uint64_t now_s)
{
	int err;

	if (node->revoked)
		return -EPERM;
	if (!node_is_pending(node) || node->state == NODE_WAITS_SIGNATURE)
		return -EALREADY;
	err = network_approve(sessions->network, node, now_s);
	if (err < 0)
		return err;
	log_info("node-approved name=%s key=%s", node->name, log_key(node->device_key).text);
	sessions_want_flush(sessions);
	if (node->session && node_is_pending(node)) {
		/* In strict mode admins have to sign its certificate, too. */
		struct control_pending pending;

		approval_describe(node, &pending);
		session_send_pending(node->session, &pending);
	} else if (node->session) {
		session_let_in(node->session, now_s);
	}
	return 0;
}

int approval_reject(struct sessions *sessions, struct node *node, uint64_t now_s)
{
	if (!node_is_pending(node) || node->cert_len > 0)
		return -EALREADY;
	log_info("node-rejected name=%s key=%s", node->name, log_key(node->device_key).text);
	return sessions_delete(
		sessions, node,
		"an admin did not let this machine in; ask why, and join again with a new "
		"token",
		now_s);
}

void approval_expire(struct sessions *sessions, uint64_t now_s)
{
	uint64_t life_s = sessions->limits.values[LIMIT_PENDING_S];
	struct node *node;
	size_t cursor = 0;

	while ((node = network_next(sessions->network, &cursor))) {
		/* Who had a certificate once has addresses that others know. */
		if (!node_is_pending(node) || node->cert_len > 0 ||
		    now_s < node->created_s + life_s)
			continue;
		log_info("pending-expired name=%s key=%s", node->name,
			 log_key(node->device_key).text);
		if (sessions_delete(
			    sessions, node,
			    "nobody let this machine in for too long; join again with a new token",
			    now_s) < 0)
			log_error("store-failed what=pending-removal");
	}
}

int approval_find(const struct network *network, const char *text, struct node **out)
{
	char wanted[APPROVAL_CODE_SIZE];
	char code[APPROVAL_CODE_SIZE];
	struct node *found = network_find_name(network, text);
	struct node *node;
	size_t cursor = 0;

	*out = found;
	if (found && node_is_pending(found) && !found->revoked)
		return 0;
	if (approval_code_parse(wanted, text) < 0)
		return found ? -EALREADY : -ENOENT;
	while ((node = network_next(network, &cursor))) {
		if (!node_is_pending(node) || node->revoked)
			continue;
		approval_code(code, node->device_key, node->box_key);
		if (strcmp(code, wanted) != 0)
			continue;
		if (*out && *out != found)
			return -ENOTUNIQ;
		*out = node;
	}
	return *out == found ? (found ? -EALREADY : -ENOENT) : 0;
}

size_t approval_count(const struct network *network)
{
	const struct node *node;
	size_t cursor = 0;
	size_t count = 0;

	while ((node = network_next(network, &cursor)))
		count += node_is_pending(node) && node->cert_len == 0;
	return count;
}

int approval_require(struct network *network, bool required)
{
	const char *value = required ? "required" : "no";
	int err = store_set(network->store, NETWORK_VALUE_APPROVAL, value, strlen(value));

	if (err == 0)
		network->needs_approval = required;
	return err;
}
