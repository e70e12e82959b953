#include "proto/natcheck.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

/* The tests in their order; the two of filtering run together, their answers come or do not. */
enum stage {
	STAGE_FIRST,        /* RFC 5780 section 4.3 test I */
	STAGE_FILTERING,    /* section 4.4 tests II and III */
	STAGE_MAPPING_ADDR, /* section 4.3 test II: other address, same port */
	STAGE_MAPPING_PORT, /* section 4.3 test III: other address, other port */
	STAGE_DONE,
	STAGE_TOLD,
};

enum {
	TAG_BINDING,
	TAG_CHANGE_BOTH,
	TAG_CHANGE_PORT,
};

struct natcheck {
	struct stun_client *client;
	enum stage stage;
	unsigned int pending;
	bool changed_both, changed_port; /* answers that got through */
	struct endpoint server;
	struct endpoint other;
	struct endpoint mapped_addr; /* towards the other address */
	struct natcheck_result result;
};

const char *nat_behaviour_text(enum nat_behaviour behaviour)
{
	static const char *const texts[] = {
		[NAT_UNKNOWN] = "unknown",
		[NAT_ENDPOINT_INDEPENDENT] = "endpoint-independent",
		[NAT_ADDRESS_DEPENDENT] = "address-dependent",
		[NAT_ADDRESS_PORT_DEPENDENT] = "address-and-port-dependent",
	};

	return texts[behaviour];
}

static void ask(struct natcheck *nc, uint32_t tag, const struct endpoint *server, uint32_t change,
		uint64_t now_ns)
{
	const struct stun_question question = {
		.tag = tag,
		.local = nc->result.local,
		.server = *server,
		.change = change,
		.schedule = &stun_schedule_brief,
	};

	/* At most two are under way, so there is always room. */
	stun_client_ask(nc->client, &question, now_ns);
	nc->pending++;
}

struct natcheck *natcheck_new(const struct rng *rng, const struct endpoint *local,
			      const struct endpoint *server, uint64_t now_ns)
{
	struct natcheck *nc = calloc(1, sizeof(*nc));

	if (!nc)
		return NULL;
	nc->client = stun_client_new(rng);
	if (!nc->client) {
		free(nc);
		return NULL;
	}
	nc->server = *server;
	nc->result.local = *local;
	ask(nc, TAG_BINDING, server, 0, now_ns);
	return nc;
}

void natcheck_free(struct natcheck *nc)
{
	if (!nc)
		return;
	stun_client_free(nc->client);
	free(nc);
}

/* ---- what each answer means ---- */

static void take_first(struct natcheck *nc, const struct stun_result *r)
{
	nc->result.udp = !r->err;
	if (r->err)
		return;
	nc->result.mapped = r->mapped;
	nc->result.rtt_ns = r->rtt_ns;
	nc->result.translated = !endpoint_equal(&r->mapped, &nc->result.local);
	nc->other = r->other;
}

static void take_mapping(struct natcheck *nc, const struct stun_result *r)
{
	struct natcheck_result *out = &nc->result;

	if (r->err)
		return;
	if (nc->stage == STAGE_MAPPING_ADDR) {
		nc->mapped_addr = r->mapped;
		if (endpoint_equal(&r->mapped, &out->mapped))
			out->mapping = NAT_ENDPOINT_INDEPENDENT;
		return;
	}
	out->mapping = endpoint_equal(&r->mapped, &nc->mapped_addr) ? NAT_ADDRESS_DEPENDENT
								    : NAT_ADDRESS_PORT_DEPENDENT;
}

static void take(struct natcheck *nc, const struct stun_result *r)
{
	nc->pending--;
	if (r->tag == TAG_CHANGE_BOTH)
		nc->changed_both = !r->err;
	else if (r->tag == TAG_CHANGE_PORT)
		nc->changed_port = !r->err;
	else if (nc->stage == STAGE_FIRST)
		take_first(nc, r);
	else
		take_mapping(nc, r);
}

/* ---- the order of the tests ---- */

static void conclude_filtering(struct natcheck *nc)
{
	if (nc->changed_both)
		nc->result.filtering = NAT_ENDPOINT_INDEPENDENT;
	else if (nc->changed_port)
		nc->result.filtering = NAT_ADDRESS_DEPENDENT;
	else
		nc->result.filtering = NAT_ADDRESS_PORT_DEPENDENT;
}

static void advance(struct natcheck *nc, uint64_t now_ns)
{
	struct endpoint target = nc->other;

	switch (nc->stage) {
	case STAGE_FIRST:
		/* A server without a second address knows no more than this. */
		if (!nc->result.udp || !addr_len(&nc->other.addr)) {
			nc->stage = STAGE_DONE;
			return;
		}
		nc->stage = STAGE_FILTERING;
		ask(nc, TAG_CHANGE_BOTH, &nc->server, STUN_CHANGE_IP | STUN_CHANGE_PORT, now_ns);
		ask(nc, TAG_CHANGE_PORT, &nc->server, STUN_CHANGE_PORT, now_ns);
		return;
	case STAGE_FILTERING:
		conclude_filtering(nc);
		nc->stage = STAGE_MAPPING_ADDR;
		target.port = nc->server.port;
		ask(nc, TAG_BINDING, &target, 0, now_ns);
		return;
	case STAGE_MAPPING_ADDR:
		nc->stage = STAGE_DONE;
		if (nc->result.mapping == NAT_ENDPOINT_INDEPENDENT ||
		    !addr_len(&nc->mapped_addr.addr))
			return;
		nc->stage = STAGE_MAPPING_PORT;
		ask(nc, TAG_BINDING, &target, 0, now_ns);
		return;
	default:
		nc->stage = STAGE_DONE;
		return;
	}
}

static void run(struct natcheck *nc, uint64_t now_ns)
{
	struct stun_result r;

	while (stun_client_poll_result(nc->client, &r)) {
		take(nc, &r);
		if (!nc->pending)
			advance(nc, now_ns);
	}
}

int natcheck_input(struct natcheck *nc, const uint8_t *data, size_t len,
		   const struct endpoint *remote, uint64_t now_ns)
{
	int err = stun_client_input(nc->client, data, len, remote, now_ns);

	run(nc, now_ns);
	return err;
}

uint64_t natcheck_next_timeout(const struct natcheck *nc)
{
	return stun_client_next_timeout(nc->client);
}

void natcheck_expire(struct natcheck *nc, uint64_t now_ns)
{
	stun_client_expire(nc->client, now_ns);
	run(nc, now_ns);
}

bool natcheck_poll_output(struct natcheck *nc, struct stun_client_datagram *out)
{
	return stun_client_poll_output(nc->client, out);
}

bool natcheck_poll_result(struct natcheck *nc, struct natcheck_result *result)
{
	if (nc->stage != STAGE_DONE)
		return false;
	nc->stage = STAGE_TOLD;
	*result = nc->result;
	return true;
}
