#include "coord/node.h"

struct policy_node node_policy_view(const struct node *node)
{
	return (struct policy_node){
		.name = node->name,
		.address4 = node->address4,
		.address6 = node->address6,
		.groups = node->groups.refs,
		.group_count = node->groups.count,
		.tags = node->tags.refs,
		.tag_count = node->tags.count,
	};
}
