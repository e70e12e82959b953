#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/filter.h"

/*
 * The first byte says the packet's direction and whether rules allow it; the rest is the packet.
 * What this node sends must find its answer let in.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t secret[16];
	static struct filter_flows *flows;
	static struct filter_rules *rules;
	struct filter_rule rule = { .port_high = 1023 };
	struct filter_tuple tuple;
	bool related;
	uint8_t *exact;

	if (!flows) {
		flows = filter_flows_new(secret);
		rules = filter_rules_new(&rule, 1, NULL);
	}
	if (size < 1)
		return 0;
	/* A block of just this size, so that a read beyond it is seen. */
	exact = malloc(size - 1 ? size - 1 : 1);
	memcpy(exact, data + 1, size - 1);
	if (filter_tuple_parse(&tuple, &related, exact, size - 1) == 0) {
		if (data[0] & 1)
			filter_note_outbound(flows, &tuple, data[0]);
		else if (!filter_pass_inbound(flows, rules, &tuple, related, data[0]) &&
			 filter_rules_match(rules, &tuple) && !related)
			abort();
	}
	free(exact);
	return 0;
}
