#include "coord/approval.h"

#include <errno.h>
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
	if (!node_is_pending(node))
		return -EALREADY;
	err = network_approve(sessions->network, node, now_s);
	if (err < 0)
		return err;
	log_info("node-approved name=%s key=%s", node->name, log_key(node->device_key).text);
	sessions_want_flush(sessions);
	if (node->session)
		session_let_in(node->session, now_s);
	return 0;
}
