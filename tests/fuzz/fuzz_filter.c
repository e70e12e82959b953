#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/filter.h"

static void behind(struct filter_flows *flows, const struct filter_rules *lan,
		   const struct filter_tuple *tuple, bool related, uint64_t now_ns,
		   uint64_t *carrier)
{
	bool pass = filter_pass_outbound(flows, lan, tuple, related, now_ns, carrier);
	struct filter_tuple begins = *tuple;

	if (!pass && filter_rules_match(lan, tuple) && !related)
		abort();
	/* No flow admits a SYN from behind that no rule allows. */
	begins.tcp_open = true;
	if (begins.proto == 6 && !begins.fragment && !filter_rules_match(lan, &begins) &&
	    filter_pass_outbound(flows, lan, &begins, false, now_ns, carrier))
		abort();
}

/*
 * The first byte says the packet's direction, and whether it comes from a network behind this node;
 * the rest is the packet. What rules allow passes; what comes from behind passes by its rules or a
 * flow, never by what it is.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t secret[16];
	static struct filter_flows *flows;
	static struct filter_rules *rules;
	static struct filter_rules *lan;
	struct filter_rule rule = { .port_high = 1023 };
	static const struct ip_addr nobody[2];
	uint64_t carrier;
	struct filter_tuple tuple;
	bool related;
	uint8_t *exact;

	if (!flows) {
		flows = filter_flows_new(secret);
		rules = filter_rules_new(&rule, 1, NULL);
		prefix_parse(&rule.src, "10.0.0.0/9");
		lan = filter_rules_new(&rule, 1, nobody);
	}
	if (size < 1)
		return 0;
	/* A block of just this size, so that a read beyond it is seen. */
	exact = malloc(size - 1 ? size - 1 : 1);
	memcpy(exact, data + 1, size - 1);
	if (filter_tuple_parse(&tuple, &related, exact, size - 1) == 0) {
		if (data[0] & 2)
			behind(flows, lan, &tuple, related, data[0], &carrier);
		else if (data[0] & 1)
			filter_note_outbound(flows, &tuple, data[0]);
		else if (!filter_pass_inbound(flows, rules, &tuple, related, data[0]) &&
			 filter_rules_match(rules, &tuple) && !related)
			abort();
	}
	free(exact);
	return 0;
}
