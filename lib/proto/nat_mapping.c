#include "proto/nat_mapping.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

#define ROUND_NS (2 * NS_PER_S) /* answers this close together tell of the same moment */
/* Steps that chance hardly makes: one port in a thousand. */
#define STRIDE_SMALL 64
#define STRIDE_PAGE  256 /* a counter with its bytes the other way round */
#define PAGES_MAX    16

bool nat_behaviour_is_hard(enum nat_behaviour behaviour)
{
	return behaviour == NAT_ADDRESS_DEPENDENT || behaviour == NAT_ADDRESS_PORT_DEPENDENT;
}

void nat_mapping_clear(struct nat_mapping *nm)
{
	nm->count = 0;
}

/* ---- observing ---- */

/* The place for what server says of base: the old word, a free place, or the oldest. */
static struct nat_seen *find_place(struct nat_mapping *nm, const struct endpoint *base,
				   const struct endpoint *server)
{
	struct nat_seen *oldest = &nm->seen[0];

	for (size_t i = 0; i < nm->count; i++) {
		struct nat_seen *seen = &nm->seen[i];

		if (endpoint_equal(&seen->base, base) && endpoint_equal(&seen->server, server))
			return seen;
		if (seen->last_ns < oldest->last_ns)
			oldest = seen;
	}
	if (nm->count == NAT_MAPPING_SEEN_MAX) {
		memset(oldest, 0, sizeof(*oldest));
		return oldest;
	}
	memset(&nm->seen[nm->count], 0, sizeof(*nm->seen));
	return &nm->seen[nm->count++];
}

/*
 * A mapping changed, so perhaps the NAT has begun anew: what others saw before says nothing about
 * what is now.
 */
static void forget_before(struct nat_mapping *nm, const struct endpoint *base, uint64_t now_ns)
{
	size_t kept = 0;

	for (size_t i = 0; i < nm->count; i++) {
		const struct nat_seen *seen = &nm->seen[i];

		if (!endpoint_equal(&seen->base, base) || seen->last_ns + ROUND_NS >= now_ns)
			nm->seen[kept++] = *seen;
	}
	nm->count = kept;
}

void nat_mapping_observe(struct nat_mapping *nm, const struct endpoint *base,
			 const struct endpoint *server, const struct endpoint *mapped,
			 uint64_t now_ns)
{
	struct nat_seen *seen;
	bool known;

	if (base->addr.family != AF_INET || mapped->addr.family != AF_INET ||
	    !addr_is_global(&server->addr) || !mapped->port ||
	    addr_equal(&server->addr, &mapped->addr))
		return; /* the last: a neighbour behind our own NAT */
	seen = find_place(nm, base, server);
	known = seen->last_ns != 0;
	if (!known || !endpoint_equal(&seen->mapped, mapped)) {
		*seen = (struct nat_seen){
			.base = *base, .server = *server, .mapped = *mapped, .since_ns = now_ns
		};
	}
	seen->last_ns = now_ns;
	if (known && seen->since_ns == now_ns)
		forget_before(nm, base, now_ns);
}

/* ---- concluding ---- */

struct selection {
	const struct nat_seen *seen[NAT_MAPPING_SEEN_MAX];
	size_t count;
};

/* What counts now for that base, the oldest mapping first. */
static void select_seen(struct selection *sel, const struct nat_mapping *nm,
			const struct endpoint *base, uint64_t now_ns)
{
	sel->count = 0;
	for (size_t i = 0; i < nm->count; i++) {
		const struct nat_seen *seen = &nm->seen[i];
		size_t k = sel->count;

		if (!endpoint_equal(&seen->base, base) ||
		    seen->last_ns + NAT_MAPPING_AGE_S * NS_PER_S < now_ns)
			continue;
		for (; k > 0 && sel->seen[k - 1]->since_ns > seen->since_ns; k--)
			sel->seen[k] = sel->seen[k - 1];
		sel->seen[k] = seen;
		sel->count++;
	}
}

static enum nat_behaviour find_behaviour(const struct selection *sel)
{
	bool addrs_differ = false, independent = true, ports_matter = false;

	for (size_t i = 0; i < sel->count; i++) {
		const struct nat_seen *a = sel->seen[i];

		if (endpoint_equal(&a->mapped, &a->base))
			return NAT_ENDPOINT_INDEPENDENT; /* nothing is translated */
		for (size_t k = 0; k < i; k++) {
			const struct nat_seen *b = sel->seen[k];
			bool same = endpoint_equal(&a->mapped, &b->mapped);

			if (!addr_equal(&a->server.addr, &b->server.addr))
				addrs_differ = true;
			else if (!same)
				ports_matter = true;
			if (!same)
				independent = false;
		}
	}
	if (ports_matter)
		return NAT_ADDRESS_PORT_DEPENDENT;
	if (!independent)
		return NAT_ADDRESS_DEPENDENT;
	return addrs_differ ? NAT_ENDPOINT_INDEPENDENT : NAT_UNKNOWN;
}

/* How far it is from one mapping to the next, up or down, if that is a step and not a throw. */
static unsigned int step_between(uint16_t from, uint16_t to)
{
	unsigned int up = (uint16_t)(to - from), down = (uint16_t)(from - to);
	unsigned int step = up < down ? up : down;

	if (step <= STRIDE_SMALL ||
	    (step % STRIDE_PAGE <= 1 && step / STRIDE_PAGE <= PAGES_MAX)) /* 1: the carry */
		return step;
	return 0;
}

/*
 * Answers may come in another order than the mappings were made, so only the distance counts:
 * counters go up.
 */
static uint16_t find_stride(const struct selection *sel)
{
	unsigned int least = 0;

	for (size_t i = 1; i < sel->count; i++) {
		unsigned int step =
			step_between(sel->seen[i - 1]->mapped.port, sel->seen[i]->mapped.port);

		if (!step)
			return 0;
		if (!least || step < least)
			least = step;
	}
	return (uint16_t)(least >= STRIDE_PAGE ? STRIDE_PAGE : least);
}

struct nat_report nat_mapping_report(const struct nat_mapping *nm, const struct endpoint *base,
				     uint64_t now_ns)
{
	struct nat_report report = { .mapping = NAT_UNKNOWN };
	struct selection sel;

	select_seen(&sel, nm, base, now_ns);
	if (!sel.count)
		return report;
	report.mapping = find_behaviour(&sel);
	report.port = sel.seen[sel.count - 1]->mapped.port;
	report.keeps_port = true;
	for (size_t i = 0; i < sel.count; i++)
		report.keeps_port = report.keeps_port && sel.seen[i]->mapped.port == base->port;
	if (nat_behaviour_is_hard(report.mapping))
		report.stride = find_stride(&sel);
	return report;
}

uint16_t nat_mapping_predict(uint16_t port, uint16_t stride, unsigned int n)
{
	uint32_t next = port + (uint32_t)stride * n;

	/* A counter whose bytes are swapped carries into the other one. */
	return (uint16_t)(stride == STRIDE_PAGE ? next + (next >> 16) : next);
}
