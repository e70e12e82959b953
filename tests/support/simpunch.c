#include "tests/support/simpunch.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "tests/support/simworld.h"

#define FIRST_PORT 50000
#define LAST_PORT  60000

void sim_punch_init(struct sim_node *n)
{
	struct punch_config config = {
		.rng = *simnet_rng(n->world->net),
		.budget = &n->punch.budget,
		.first = n->index == 0,
	};

	punch_budget_init(&n->punch.budget, 0, n->world->now_ns);
	n->punch.core = punch_new(&config);
	n->punch.session[0] = '\0';
	n->punch.first_port = FIRST_PORT;
}

void sim_punch_clear(struct sim_node *n)
{
	punch_free(n->punch.core);
	n->punch.core = NULL;
}

static struct endpoint base_of(const struct sim_node *n)
{
	return (struct endpoint){ .addr = simnet_addr(n->world->net, n->host, 0),
				  .port = SIM_PORT };
}

static void tell_own(struct sim_node *n)
{
	const struct endpoint base = base_of(n);
	struct ip_addr outside = n->transport == RELAY_UDP ? n->mapped.addr : (struct ip_addr){ 0 };
	struct nat_report report = nat_mapping_report(&n->nat, &base, n->world->now_ns);

	punch_set_own(n->punch.core, &report, &outside, n->world->now_ns);
}

static void follow_session(struct sim_node *n)
{
	if (strcmp(n->punch.session, ice_ufrag(n->agent)) == 0)
		return;
	snprintf(n->punch.session, sizeof(n->punch.session), "%s", ice_ufrag(n->agent));
	punch_restart(n->punch.core, n->world->now_ns);
}

static void send_ordered(struct sim_node *n, const struct punch_order *order)
{
	struct endpoint local = base_of(n);
	struct ice_datagram d;

	if (order->socket != PUNCH_SHARED)
		local.port = (uint16_t)(n->punch.first_port + order->socket);
	if (n->agent &&
	    ice_stray_check(n->agent, &local, &order->remote, &d, n->world->now_ns) == 0)
		simnet_send_ttl(n->world->net, n->host, &local, &order->remote, d.data, d.len,
				order->ttl, n->world->now_ns);
}

static void step(struct sim_node *n)
{
	uint64_t now = n->world->now_ns;
	struct punch_order order;

	punch_expire(n->punch.core, now);
	while (punch_poll_order(n->punch.core, &order, now)) {
		if (order.type == PUNCH_ORDER_SEND) {
			send_ordered(n, &order);
		} else if (order.type == PUNCH_ORDER_OPEN) {
			n->punch.first_port = (uint16_t)(n->punch.first_port + PUNCH_SOCKETS);
			if (n->punch.first_port > LAST_PORT)
				n->punch.first_port = FIRST_PORT;
			punch_opened(n->punch.core, order.count, now);
		}
	}
}

void sim_punch_report(struct sim_node *n, struct ice_description *d)
{
	follow_session(n);
	tell_own(n);
	d->nat = punch_report(n->punch.core, n->world->now_ns);
	step(n);
}

void sim_punch_note(struct sim_node *n, const struct ice_description *d)
{
	follow_session(n);
	punch_set_peer(n->punch.core, &d->nat, d->candidates, d->count, n->world->now_ns);
	step(n);
}

void sim_punch_pair_event(struct sim_node *n)
{
	punch_set_direct(n->punch.core, n->agent && ice_has_valid_pair(n->agent), n->world->now_ns);
	step(n);
}

uint64_t sim_punch_next(const struct sim_node *n)
{
	return n->agent ? punch_next_timeout(n->punch.core) : CLOCK_NEVER;
}

void sim_punch_expire(struct sim_node *n)
{
	if (!n->agent)
		return;
	step(n);
	if (punch_has_news(n->punch.core, n->world->now_ns))
		ice_describe_again(n->agent);
}
