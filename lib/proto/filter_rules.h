#ifndef WARREN_PROTO_FILTER_RULES_H
#define WARREN_PROTO_FILTER_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

struct filter_tuple;

#define FILTER_RULES_MAX 65535 /* for one peer */
#define FILTER_PROTO_ANY 0

/*
 * One kind of flow, allowed or denied: from src to dst, proto (FILTER_PROTO_ANY: all), ports
 * low..high inclusive. A flow passes when some rule allows it and none denies it.
 */
struct filter_rule {
	struct prefix src; /* family 0: the peer's own addresses; else hosts behind the peer */
	struct prefix dst; /* family 0: any; of length 0: the internet, see filter_is_internet */
	uint8_t proto;
	uint16_t port_low;
	uint16_t port_high; /* 0 and 65535 together: any, also for protocols without ports */
	bool deny;
};

/* What one peer may start towards this node. Immutable, so any thread may match at any time. */
struct filter_rules;

/*
 * rules are copied. own: the addresses of whoever the rules are about, v4 and v6, either of which
 * may be of no family; a packet from elsewhere is not its own. NULL: every source is its own. NULL
 * when out of memory or above FILTER_RULES_MAX.
 */
struct filter_rules *filter_rules_new(const struct filter_rule *rules, size_t count,
				      const struct ip_addr *own);
void filter_rules_free(struct filter_rules *rules);

/*
 * Does a rule allow this tuple and none deny it? A fragment without ports needs a rule for all
 * ports, and is denied with any port of its protocol. NULL rules allow nothing.
 */
bool filter_rules_match(const struct filter_rules *rules, const struct filter_tuple *tuple);

/* Is it out on the internet: unicast, of no private network, and no form that may name one? */
bool filter_is_internet(const struct ip_addr *addr);

/* Differs between any two rule sets of this process; 0 for NULL. */
uint64_t filter_rules_id(const struct filter_rules *rules);

#endif
