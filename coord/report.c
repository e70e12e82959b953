#include "coord/report.h"

#include <string.h>

#include "coord/network.h"

void report_forget(struct node *node)
{
	control_report_clear(&node->report);
	node->reported_s = 0;
}

void report_take(const struct network *network, struct node *node, struct control_report *report,
		 uint64_t now_s)
{
	if (!network->report_paths)
		return;
	report_forget(node);
	node->report = *report;
	node->reported_s = now_s;
	memset(report, 0, sizeof(*report));
}

const struct control_report_peer *report_find(const struct node *node,
					      const uint8_t peer_key[static 32])
{
	for (size_t i = 0; i < node->report.peer_count; i++)
		if (memcmp(node->report.peers[i].node_key, peer_key, 32) == 0)
			return &node->report.peers[i];
	return NULL;
}

int report_allow(struct network *network, bool allow)
{
	const char *value = allow ? "yes" : "no";
	struct node *node;
	size_t cursor = 0;
	int err = store_set(network->store, NETWORK_VALUE_REPORT, value, strlen(value));

	if (err < 0)
		return err;
	network->report_paths = allow;
	while (!allow && (node = network_next(network, &cursor)))
		report_forget(node);
	return 0;
}
