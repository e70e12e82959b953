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

struct netmap_cert *node_shared_cert(const struct node *node)
{
	/* What is kept to save work is no change of the node. */
	struct node *keeper = (struct node *)node;
	struct netmap_cert *cert;

	if (node->shared_cert && node->shared_cert->parsed.serial == node->serial)
		return node->shared_cert;
	if (node->cert_len == 0 || netmap_cert_new(&cert, node->cert, node->cert_len) < 0)
		return NULL;
	netmap_cert_unref(keeper->shared_cert);
	keeper->shared_cert = cert;
	return cert;
}

struct policy_node node_policy_view(const struct node *node)
{
	const struct netmap_cert *cert = node_shared_cert(node);

	return (struct policy_node){
		.routes = cert ? cert->parsed.routes : NULL,
		.route_count = cert ? cert->parsed.route_count : 0,
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
