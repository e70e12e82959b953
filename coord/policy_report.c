#include "coord/policy_report.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "coord/mapmaker.h"
#include "coord/policy_change.h"
#include "proto/filter_tuple.h"

/* --- one flow --- */

/* A side of a question. */
struct side {
	struct policy_node node;
	const char *label;
	struct prefix routes[2];
	struct ip_addr asked; /* the address that was asked for, if one was */
};

static bool take_label(struct side *side, const char *text)
{
	if (strncmp(text, "group:", 6) == 0) {
		side->label = text + 6;
		side->node.groups = &side->label;
		side->node.group_count = 1;
	} else if (strncmp(text, "tag:", 4) == 0) {
		side->label = text + 4;
		side->node.tags = &side->label;
		side->node.tag_count = 1;
	} else if (strncmp(text, "user:", 5) == 0) {
		side->node.owner = text + 5;
	} else {
		return false;
	}
	side->node.name = "";
	return true;
}

static bool has_address(const struct node *node, const struct ip_addr *addr)
{
	return addr_equal(&node->address4, addr) || addr_equal(&node->address6, addr);
}

/* The node with this address, or that carries it by the longest prefix; NULL: nobody. */
static struct node *find_address(const struct network *network, const struct ip_addr *addr)
{
	struct node *carrier = NULL;
	unsigned int longest = 0;
	struct node *node;
	size_t cursor = 0;

	while ((node = network_next(network, &cursor))) {
		struct policy_node view = node_policy_view(node);

		if (!node_is_member(node))
			continue;
		if (has_address(node, addr))
			return node;
		for (size_t i = 0; i < view.route_count; i++) {
			if (view.routes[i].len <= longest ||
			    !prefix_contains(&view.routes[i], addr))
				continue;
			longest = view.routes[i].len;
			carrier = node;
		}
	}
	return carrier;
}

/* Where nobody has the address, somebody who would carry it, and who would be an exit. */
static void take_address(const struct network *network, struct side *side)
{
	const struct node *node = find_address(network, &side->asked);

	if (node) {
		side->node = node_policy_view(node);
		return;
	}
	side->node.name = "";
	side->routes[0] = prefix_from_addr(&side->asked, 128);
	side->routes[1] = prefix_from_addr(&side->asked, 0);
	side->node.routes = side->routes;
	side->node.route_count = filter_is_internet(&side->asked) ? 2 : 1;
}

/* An address, a prefix or a host of the policy's; all that is behind exits has one address. */
static bool parse_address(const struct policy *policy, struct ip_addr *addr, const char *text)
{
	struct prefix prefix;

	if (strcmp(text, "internet") == 0)
		return addr_parse(addr, "198.51.100.1") == 0;
	if (prefix_parse(&prefix, text) < 0 && policy_host(policy, text, &prefix) < 0)
		return false;
	*addr = prefix.addr;
	return true;
}

static int take_side(const struct network *network, const struct policy *policy, struct side *side,
		     const char *text, bool source)
{
	const struct node *node = network_find_name(network, text);

	*side = (struct side){ .label = NULL };
	addr_parse(&side->node.address4, source ? "192.0.2.1" : "192.0.2.2");
	addr_parse(&side->node.address6, source ? "2001:db8::1" : "2001:db8::2");
	if (take_label(side, text))
		return 0;
	if (parse_address(policy, &side->asked, text)) {
		take_address(network, side);
		return 0;
	}
	if (!node)
		return -ENOENT;
	side->node = node_policy_view(node);
	return 0;
}

/* The one that somebody of this family (0: any) would speak to. */
static struct ip_addr own_address(const struct policy_node *node, uint8_t family)
{
	bool six = family == AF_INET6 || !node->address4.family;

	return six ? node->address6 : node->address4;
}

int policy_report_explain(const struct network *network, const struct policy *policy,
			  const struct policy_question *question, struct policy_verdict *verdict,
			  const char **unknown)
{
	struct filter_tuple tuple = { .dst_port = question->port };
	struct side from;
	struct side to;

	if (policy_protocol(&tuple.proto, question->proto[0] ? question->proto : "tcp") < 0)
		return -EINVAL;
	*unknown = question->from;
	if (take_side(network, policy, &from, question->from, true) < 0)
		return -ENOENT;
	*unknown = question->to;
	if (take_side(network, policy, &to, question->to, false) < 0)
		return -ENOENT;
	/* A node that has the one address has the other. */
	if (!addr_equal(&from.asked, &from.node.address4) &&
	    !addr_equal(&from.asked, &from.node.address6))
		tuple.src = from.asked;
	tuple.dst = own_address(&to.node, tuple.src.family);
	if (to.asked.family)
		tuple.dst = to.asked;
	if (tuple.proto == IPPROTO_ICMP && tuple.dst.family == AF_INET6)
		tuple.proto = IPPROTO_ICMPV6;
	return policy_explain(policy, &from.node, &to.node, &tuple, verdict);
}

/* --- gains and losses --- */

/* What peers may start towards one node, before and after. */
struct pair {
	const struct policy_grant *before;
	const struct policy_grant *after;
};

struct diff {
	struct network *network;
	struct policy_index *index; /* of the new policy */
	struct policy_member *members;
	struct node **nodes; /* in the order of members; a node's due_mark is its place */
	size_t count;
	struct pair *pairs; /* by the peer's place */
	FILE *out;
	json_t *gains;
	json_t *losses;
	size_t lines;
	size_t more;
};

static int diff_init(struct diff *diff, const struct policy *policy)
{
	size_t max = map_count(diff->network->nodes) + 1;
	struct node *node;
	size_t cursor = 0;
	int err = policy_index_new(&diff->index, policy);

	diff->members = calloc(max, sizeof(*diff->members));
	diff->nodes = calloc(max, sizeof(struct node *));
	diff->pairs = calloc(max, sizeof(*diff->pairs));
	if (!diff->members || !diff->nodes || !diff->pairs)
		err = -ENOMEM;
	while (err == 0 && (node = network_next(diff->network, &cursor))) {
		struct policy_node view = node_policy_view(node);

		if (!node_is_member(node))
			continue;
		diff->nodes[diff->count] = node;
		diff->members[diff->count].owner = node;
		node->due_mark = (uint32_t)diff->count;
		err = policy_index_put(diff->index, &diff->members[diff->count++], &view);
	}
	return err;
}

static void diff_clear(struct diff *diff)
{
	policy_index_free(diff->index);
	free(diff->members);
	free(diff->nodes);
	free(diff->pairs);
}

/* Notes with each peer what it may start towards the member, by one of the indexes. */
static int note_row(struct diff *diff, struct policy_index *index,
		    const struct policy_member *member, bool after)
{
	const struct policy_reach *row;
	size_t count;
	int err = policy_index_row(index, member, &row, &count);

	for (size_t i = 0; err == 0 && i < count; i++) {
		size_t members_count;
		struct policy_member *const *members =
			policy_index_members(index, row[i].class, &members_count);

		for (size_t j = 0; j < members_count; j++) {
			const struct node *peer = members[j]->owner;
			struct pair *pair = &diff->pairs[peer->due_mark];

			if (after)
				pair->after = row[i].in;
			else
				pair->before = row[i].in;
		}
	}
	return err;
}

static void tell(struct diff *diff, const struct node *from, const struct node *to,
		 const struct policy_change *change, bool gain)
{
	if (change->count == 0)
		return;
	if (diff->lines++ >= POLICY_REPORT_LINES_MAX) {
		diff->more++;
		return;
	}
	if (diff->out) {
		fprintf(diff->out, "%c %s -> %s: ", gain ? '+' : '-', from->name, to->name);
		for (size_t i = 0; i < change->count; i++)
			fprintf(diff->out, "%s%s", i ? ", " : "", change->ports[i]);
		fprintf(diff->out, "%s\n", change->cut ? ", ..." : "");
	} else {
		json_t *ports = json_array();

		for (size_t i = 0; i < change->count; i++)
			json_array_append_new(ports, json_string(change->ports[i]));
		json_array_append_new(gain ? diff->gains : diff->losses,
				      json_pack("{s:s,s:s,s:o}", "from", from->name, "to", to->name,
						"ports", ports));
	}
}

static int compare_pair(struct diff *diff, const struct node *from, const struct node *to,
			const struct pair *pair)
{
	struct policy_node view = node_policy_view(to);
	struct policy_rules before = { .count = 0 };
	struct policy_rules after = { .count = 0 };
	struct policy_change gained;
	struct policy_change lost;
	int err = pair->before ? policy_grant_rules(pair->before, &view, &before) : 0;

	if (err == 0 && pair->after)
		err = policy_grant_rules(pair->after, &view, &after);
	if (err == 0)
		err = policy_change_find(&before, &after, &view, &gained, &lost);
	if (err == 0) {
		tell(diff, from, to, &gained, true);
		tell(diff, from, to, &lost, false);
	}
	policy_rules_clear(&before);
	policy_rules_clear(&after);
	return err;
}

static int compare_node(struct diff *diff, size_t place)
{
	struct node *to = diff->nodes[place];
	int err = 0;

	memset(diff->pairs, 0, diff->count * sizeof(*diff->pairs));
	if (to->member.index == diff->network->index)
		err = note_row(diff, diff->network->index, &to->member, false);
	if (err == 0)
		err = note_row(diff, diff->index, &diff->members[place], true);
	for (size_t i = 0; err == 0 && i < diff->count; i++)
		if (i != place && (diff->pairs[i].before || diff->pairs[i].after))
			err = compare_pair(diff, diff->nodes[i], to, &diff->pairs[i]);
	return err;
}

static void conclude(const struct diff *diff, json_t **answer)
{
	if (!diff->out) {
		*answer = json_pack("{s:O,s:O,s:I}", "gains", diff->gains, "losses", diff->losses,
				    "more", (json_int_t)diff->more);
		return;
	}
	if (diff->lines == 0)
		fputs("nobody gains or loses anything\n", diff->out);
	if (diff->more > 0)
		fprintf(diff->out, "and %zu more\n", diff->more);
}

int policy_report_diff(struct network *network, const struct policy *policy, FILE *out,
		       json_t **answer)
{
	struct diff diff = {
		.network = network, .out = out, .gains = json_array(), .losses = json_array()
	};
	int err = mapmaker_prepare(network);

	if (err == 0)
		err = diff_init(&diff, policy);
	for (size_t i = 0; err == 0 && i < diff.count; i++)
		err = compare_node(&diff, i);
	if (err == 0)
		conclude(&diff, answer);
	diff_clear(&diff);
	json_decref(diff.gains);
	json_decref(diff.losses);
	return err;
}
