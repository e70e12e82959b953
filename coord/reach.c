#include "coord/reach.h"

#include <errno.h>
#include <stdlib.h>

void reach_drop(struct network *network)
{
	struct node *node;
	size_t cursor = 0;

	while (network->nodes && (node = network_next(network, &cursor))) {
		node->member.index = NULL;
		free(node->due);
		node->due = NULL;
		node->due_count = 0;
	}
	policy_index_free(network->index);
	network->index = NULL;
	network->all_dirty = true;
}

void reach_remove(struct network *network, struct node *node)
{
	struct node *other;
	size_t cursor = 0;

	if (network->index)
		policy_index_remove(network->index, &node->member);
	/* Nobody may look for it in what is due. */
	while ((other = network_next(network, &cursor))) {
		if (other->due_count == 0)
			continue;
		other->due_count = 0;
		network->all_dirty = true;
	}
}

void reach_settle(struct network *network)
{
	struct node *node;
	size_t cursor = 0;

	while ((node = network_next(network, &cursor))) {
		node->dirty = false;
		free(node->due);
		node->due = NULL;
		node->due_count = 0;
	}
}

/* --- what is due --- */

/* Only who is connected here is told now; the others get all of it when they come. */
static int note_due(struct node *node, struct map_due due)
{
	uint32_t count = node->due_count;

	if (!node->session || node == due.peer)
		return 0;
	if (!(count & (count - 1)) && (count == 0 || count >= 4)) {
		struct map_due *grown =
			realloc(node->due, (count ? count * 2 : 4) * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		node->due = grown;
	}
	node->due[node->due_count++] = due;
	return 0;
}

/* Notes the node with everybody whom it has to do with as the index has it, and marks them. */
static int visit(struct network *network, struct node *node, uint32_t mark)
{
	const struct policy_reach *row;
	size_t count = 0;
	int err = 0;

	if (node->member.index == network->index)
		err = policy_index_row(network->index, &node->member, &row, &count);
	for (size_t i = 0; err == 0 && i < count; i++) {
		struct policy_member *const *members;
		size_t members_count;

		members = policy_index_members(network->index, row[i].class, &members_count);
		for (size_t j = 0; err == 0 && j < members_count; j++) {
			struct node *other = members[j]->owner;

			other->due_mark = mark;
			err = note_due(other, (struct map_due){ node, row[i].out, row[i].in });
		}
	}
	return err;
}

/* Those whom it had to do with before. */
static int list_former(struct network *network, const struct node *node, struct node ***out,
		       size_t *out_count)
{
	const struct policy_reach *row;
	size_t count = 0;
	size_t total = 0;
	struct node **list;
	int err = 0;

	if (node->member.index == network->index)
		err = policy_index_row(network->index, &node->member, &row, &count);
	if (err < 0)
		return err;
	for (size_t i = 0; i < count; i++) {
		size_t members_count;

		policy_index_members(network->index, row[i].class, &members_count);
		total += members_count;
	}
	list = malloc((total + 1) * sizeof(struct node *));
	if (!list)
		return -ENOMEM;
	total = 0;
	for (size_t i = 0; i < count; i++) {
		struct policy_member *const *members;
		size_t members_count;

		members = policy_index_members(network->index, row[i].class, &members_count);
		for (size_t j = 0; j < members_count; j++)
			list[total++] = members[j]->owner;
	}
	*out = list;
	*out_count = total;
	return 0;
}

static int put(struct network *network, struct node *node)
{
	struct policy_node view = node_policy_view(node);

	node->member.owner = node;
	if (node_is_member(node))
		return policy_index_put(network->index, &node->member, &view);
	policy_index_remove(network->index, &node->member);
	return 0;
}

/* One node changed: whoever knew it or knows it now is to look at it. */
static int follow(struct network *network, struct node *node)
{
	uint32_t mark = ++network->due_mark;
	struct node **former = NULL;
	size_t count = 0;
	int err = list_former(network, node, &former, &count);

	if (err == 0)
		err = put(network, node);
	if (err == 0)
		err = visit(network, node, mark);
	for (size_t i = 0; err == 0 && i < count; i++)
		if (former[i]->due_mark != mark)
			err = note_due(former[i], (struct map_due){ node, NULL, NULL });
	free(former);
	return err;
}

int reach_prepare(struct network *network)
{
	bool all = network->all_dirty || !network->index;
	struct node *node;
	size_t cursor = 0;
	int err = 0;

	network->all_dirty = all;
	if (!network->index)
		err = policy_index_new(&network->index, network->policy);
	while (err == 0 && (node = network_next(network, &cursor))) {
		bool out = node_is_member(node) && node->member.index != network->index;

		if (all && (node->dirty || out))
			err = put(network, node);
		else if (node->dirty)
			err = follow(network, node);
	}
	if (err < 0)
		reach_drop(network);
	return err;
}
