#include "tests/support/simnet.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

#define REORDER_NS (20 * NS_PER_MS) /* how much later a packet comes that others overtake */

struct nat {
	struct sim_nat *box;
	int behind;
	struct ip_addr addr; /* outside */
};

/* What a policer lets through in one direction. */
struct policer {
	unsigned int tokens;
	uint64_t filled_ns;
};

struct host {
	int nat;
	struct sim_quality quality;
	struct ip_addr addrs[SIM_ADDRS_MAX];
	int addr_count;
	bool cut;
	uint64_t sent;
	struct policer up, down;
};

struct queued {
	uint64_t order;
	struct sim_event event; /* last: only as much of its data as there is */
};

struct simnet {
	struct rng_seeded seeded;
	struct rng rng;
	struct nat nats[SIM_HOSTS_MAX];
	int nat_count;
	struct host hosts[SIM_HOSTS_MAX];
	int host_count;
	enum sim_hole holes[SIM_HOSTS_MAX][SIM_HOSTS_MAX]; /* from one's line to another's */
	struct queued **heap;
	size_t count, cap;
	uint64_t order;
	uint64_t now_ns;
};

struct simnet *simnet_new(uint64_t seed)
{
	struct simnet *net = calloc(1, sizeof(*net));

	if (!net)
		abort();
	rng_seeded_init(&net->seeded, seed);
	net->rng = rng_from_seeded(&net->seeded);
	return net;
}

void simnet_free(struct simnet *net)
{
	for (size_t i = 0; i < net->count; i++) {
		free(net->heap[i]->event.message);
		free(net->heap[i]);
	}
	for (int i = 0; i < net->nat_count; i++)
		sim_nat_free(net->nats[i].box);
	free(net->heap);
	free(net);
}

const struct rng *simnet_rng(const struct simnet *net)
{
	return &net->rng;
}

/* ---- building ---- */

int simnet_add_box(struct simnet *net, const struct sim_nat_config *config, int behind)
{
	struct nat *nat = &net->nats[net->nat_count];
	/* 198.51.100.0, or 100.64.0.0 inside a carrier's network */
	uint32_t block = behind == SIM_PUBLIC ? 0xc6336400u : 0x64400000u;

	nat->box = sim_nat_new(config, &net->rng);
	nat->behind = behind;
	nat->addr = addr_from_v4(block + (uint32_t)net->nat_count + 1);
	return net->nat_count++;
}

int simnet_add_nat(struct simnet *net, enum sim_nat_kind kind)
{
	const struct sim_nat_config config = { .kind = kind };

	return simnet_add_box(net, &config, SIM_PUBLIC);
}

struct sim_nat *simnet_nat(const struct simnet *net, int nat)
{
	return net->nats[nat].box;
}

void simnet_add_addr(struct simnet *net, int host)
{
	struct host *h = &net->hosts[host];
	uint32_t base = h->nat == SIM_PUBLIC ? 0xcb007100u : 0xc0a80100u; /* 203.0.113, 192.168.1 */

	/* All homes use the same private block; on one LAN the host numbers differ. */
	h->addrs[h->addr_count] =
		addr_from_v4(base + (uint32_t)host * 8 + (uint32_t)h->addr_count + 1);
	h->addr_count++;
}

int simnet_add_host(struct simnet *net, int behind, const struct sim_quality *quality)
{
	struct host *h = &net->hosts[net->host_count];

	h->nat = behind;
	h->quality = *quality;
	simnet_add_addr(net, net->host_count);
	return net->host_count++;
}

struct ip_addr simnet_addr(const struct simnet *net, int host, int index)
{
	return net->hosts[host].addrs[index];
}

int simnet_behind(const struct simnet *net, int host)
{
	return net->hosts[host].nat;
}

void simnet_set_quality(struct simnet *net, int host, const struct sim_quality *quality)
{
	net->hosts[host].quality = *quality;
}

void simnet_set_cut(struct simnet *net, int host, bool cut)
{
	net->hosts[host].cut = cut;
}

void simnet_set_hole(struct simnet *net, int from, int to, enum sim_hole hole)
{
	net->holes[from][to] = hole;
}

void simnet_rebind(struct simnet *net, int nat)
{
	sim_nat_forget(net->nats[nat].box);
}

uint64_t simnet_sent(const struct simnet *net, int host)
{
	return net->hosts[host].sent;
}

/* ---- translation ---- */

static int find_host(const struct simnet *net, int zone, const struct ip_addr *addr)
{
	for (int i = 0; i < net->host_count; i++) {
		for (int k = 0; k < net->hosts[i].addr_count; k++) {
			if (net->hosts[i].nat == zone && addr_equal(&net->hosts[i].addrs[k], addr))
				return i;
		}
	}
	return -1;
}

/* The box that has its outside address there. */
static int find_box(const struct simnet *net, int zone, const struct ip_addr *addr)
{
	for (int i = 0; i < net->nat_count; i++) {
		if (net->nats[i].behind == zone && addr_equal(&net->nats[i].addr, addr))
			return i;
	}
	return -1;
}

static bool is_private(const struct ip_addr *addr)
{
	return addr->bytes[0] == 192 && addr->bytes[1] == 168;
}

static bool is_carriers(const struct ip_addr *addr)
{
	return addr->bytes[0] == 100 && (addr->bytes[1] & 0xc0) == 64;
}

/* Nothing of that address lies further out than zone. */
static bool is_on_link(const struct simnet *net, int zone, const struct ip_addr *addr)
{
	return zone == SIM_PUBLIC || is_private(addr) || find_box(net, zone, addr) >= 0;
}

/*
 * The way through the sender's own boxes to the internet, or only as far as its LAN or its
 * carrier's network: sets arrival's zone, source and destination. ttl: routers that it passes, 0:
 * enough. make: mappings may be made.
 */
static bool route_out(struct simnet *net, int host, const struct endpoint *local,
		      const struct endpoint *remote, uint8_t ttl, bool make,
		      struct sim_event *arrival)
{
	unsigned int routers = 0;
	int zone = net->hosts[host].nat;

	arrival->host = -1;
	arrival->local = *remote;
	arrival->remote = *local;
	while (!is_on_link(net, zone, &remote->addr)) {
		const struct nat *nat = &net->nats[zone];
		bool own = addr_equal(&remote->addr, &nat->addr);

		if (own && !sim_nat_config(nat->box)->hairpin)
			return false;
		if (ttl && ttl <= ++routers)
			return false;
		arrival->remote.port =
			sim_nat_out(nat->box, &arrival->remote, remote, make, net->now_ns);
		arrival->remote.addr = nat->addr;
		if (!arrival->remote.port)
			return false;
		zone = nat->behind;
	}
	arrival->zone = zone;
	if (zone != SIM_PUBLIC)
		return true;
	return !is_private(&remote->addr) && !is_carriers(&remote->addr) &&
	       (!ttl || ttl > routers + 1); /* or it dies on the internet's first router */
}

/* The rest of the way, judged when the datagram gets there. use: it counts as traffic. */
static bool route_in(const struct simnet *net, struct sim_event *arrival, bool use)
{
	for (;;) {
		int box = find_box(net, arrival->zone, &arrival->local.addr);
		struct endpoint inside;

		arrival->host = find_host(net, arrival->zone, &arrival->local.addr);
		if (arrival->host >= 0)
			return true;
		if (box < 0)
			return false;
		if (!sim_nat_in(net->nats[box].box, arrival->local.port, &arrival->remote, use,
				net->now_ns, &inside)) {
			if (use)
				sim_nat_unasked(net->nats[box].box, arrival->local.port,
						&arrival->remote, net->now_ns);
			return false;
		}
		arrival->local = inside;
		arrival->zone = box;
	}
}

bool simnet_trace(const struct simnet *net, int host, const struct endpoint *local,
		  const struct endpoint *remote, struct sim_event *arrival)
{
	return route_out((struct simnet *)net, host, local, remote, 0, false, arrival) &&
	       route_in(net, arrival, false);
}

/* ---- the queue ---- */

static bool before(const struct queued *a, const struct queued *b)
{
	if (a->event.time_ns != b->event.time_ns)
		return a->event.time_ns < b->event.time_ns;
	return a->order < b->order;
}

static void push(struct simnet *net, const struct sim_event *event)
{
	size_t used = offsetof(struct sim_event, data) + event->len, i = net->count;
	struct queued *q = malloc(offsetof(struct queued, event) + used);

	if (net->count == net->cap) {
		net->cap = net->cap ? net->cap * 2 : 64;
		net->heap = realloc(net->heap, net->cap * sizeof(struct queued *));
	}
	if (!q || !net->heap)
		abort();
	memcpy(&q->event, event, used);
	q->order = net->order++;
	net->heap[net->count++] = q;
	for (; i > 0 && before(q, net->heap[(i - 1) / 2]); i = (i - 1) / 2) {
		net->heap[i] = net->heap[(i - 1) / 2];
		net->heap[(i - 1) / 2] = q;
	}
}

uint64_t simnet_next_ns(const struct simnet *net)
{
	return net->count ? net->heap[0]->event.time_ns : CLOCK_NEVER;
}

static void sift_down(struct simnet *net)
{
	size_t i = 0;

	for (;;) {
		size_t child = 2 * i + 1;
		struct queued *q = net->heap[i];

		if (child >= net->count)
			return;
		if (child + 1 < net->count && before(net->heap[child + 1], net->heap[child]))
			child++;
		if (!before(net->heap[child], q))
			return;
		net->heap[i] = net->heap[child];
		net->heap[child] = q;
		i = child;
	}
}

bool simnet_poll(struct simnet *net, struct sim_event *event)
{
	struct queued *q;

	if (!net->count)
		return false;
	q = net->heap[0];
	memcpy(event, &q->event, offsetof(struct sim_event, data) + q->event.len);
	net->now_ns = event->time_ns;
	free(q);
	net->heap[0] = net->heap[--net->count];
	if (net->count)
		sift_down(net);
	if (event->kind == SIM_MESSAGE)
		return true;
	if (!route_in(net, event, true))
		return false;
	return !net->hosts[event->host].cut;
}

/* ---- sending ---- */

static bool chance(struct simnet *net, unsigned int permille)
{
	return rng_below(&net->rng, 1000) < permille;
}

/* Whose access line leads to that address: the host's own, or that of a host behind the box. */
static int line_of(const struct simnet *net, int zone, const struct ip_addr *addr)
{
	int host = find_host(net, zone, addr), box = find_box(net, zone, addr);

	if (host >= 0 || box < 0)
		return host;
	for (int i = 0; i < net->host_count; i++) {
		int at = net->hosts[i].nat;

		while (at != SIM_PUBLIC && at != box)
			at = net->nats[at].behind;
		if (at == box)
			return i;
	}
	return -1;
}

/* pps tokens a second, half a second's worth at most. */
static bool police(struct policer *p, unsigned int pps, uint64_t now_ns)
{
	uint64_t more = (now_ns - p->filled_ns) * pps / NS_PER_S;

	if (!pps)
		return true;
	if (more) {
		p->filled_ns = now_ns;
		p->tokens = p->tokens + more > pps / 2 ? pps / 2 : p->tokens + (unsigned int)more;
	}
	if (!p->tokens)
		return false;
	p->tokens--;
	return true;
}

static bool swallows(enum sim_hole hole, const struct sim_event *event)
{
	return hole == SIM_HOLE_ALL || (hole == SIM_HOLE_DATA && event->len && event->data[0] == 4);
}

static void deliver(struct simnet *net, int from_host, struct sim_event *event, uint64_t now_ns)
{
	int to_host = line_of(net, event->zone, &event->local.addr);
	struct host *from = &net->hosts[from_host], *to;
	uint64_t jitter;

	if (to_host < 0 || swallows(net->holes[from_host][to_host], event))
		return;
	to = &net->hosts[to_host];
	if (chance(net, from->quality.loss_permille) || chance(net, to->quality.loss_permille) ||
	    !police(&from->up, from->quality.police_pps, now_ns) ||
	    !police(&to->down, to->quality.police_pps, now_ns))
		return;
	jitter = from->quality.jitter_ns + to->quality.jitter_ns;
	event->time_ns = now_ns + from->quality.delay_ns + to->quality.delay_ns;
	if (jitter)
		event->time_ns += rng_below(&net->rng, (uint32_t)(jitter / NS_PER_US)) * NS_PER_US;
	if (chance(net, from->quality.reorder_permille))
		event->time_ns += REORDER_NS;
	push(net, event);
}

void simnet_send(struct simnet *net, int host, const struct endpoint *local,
		 const struct endpoint *remote, const uint8_t *data, size_t len, uint64_t now_ns)
{
	simnet_send_ttl(net, host, local, remote, data, len, 0, now_ns);
}

void simnet_send_ttl(struct simnet *net, int host, const struct endpoint *local,
		     const struct endpoint *remote, const uint8_t *data, size_t len, uint8_t ttl,
		     uint64_t now_ns)
{
	struct host *h = &net->hosts[host];
	struct sim_event event;

	if (len > sizeof(event.data))
		abort();
	event.kind = SIM_DATAGRAM;
	event.message = NULL;
	event.len = len;
	h->sent++;
	net->now_ns = now_ns;
	if (h->cut || !route_out(net, host, local, remote, ttl, true, &event))
		return;
	memcpy(event.data, data, len);
	deliver(net, host, &event, now_ns);
	if (chance(net, h->quality.duplicate_permille))
		deliver(net, host, &event, now_ns);
}

void simnet_post(struct simnet *net, int host, void *message, uint64_t time_ns)
{
	struct sim_event event;

	event.kind = SIM_MESSAGE;
	event.host = host;
	event.message = message;
	event.time_ns = time_ns;
	event.len = 0;
	push(net, &event);
}
