#include "coord/node.h"

#include <stdlib.h>

void node_free(struct node *node)
{
	if (!node)
		return;
	netmap_free(node->map);
	free(node->due);
	control_report_clear(&node->report);
	netmap_cert_unref(node->shared_cert);
	free(node);
}

bool node_is_member(const struct node *node)
{
	return !node->revoked && !node_is_pending(node);
}

bool node_is_online(const struct node *node)
{
	return node->session || node->elsewhere;
}

struct policy_node node_policy_view(const struct node *node)
{
	return (struct policy_node){
		.name = node->name,
		.owner = node->owner,
		.address4 = node->address4,
		.address6 = node->address6,
		.groups = node->groups.refs,
		.group_count = node->groups.count,
		.tags = node->tags.refs,
		.tag_count = node->tags.count,
	};
}
