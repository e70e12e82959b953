#include "tests/support/simnet.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

#define MAPPINGS_MAX  4096
#define CONTACTS_MAX  16384
#define SQUATTERS_MAX 64
#define SQUATTER_NS   (30 * NS_PER_S) /* after its last packet */

struct contact {
	int mapping;
	struct endpoint remote;
};

struct mapping {
	struct endpoint inside;
	struct endpoint towards; /* what it depends on; zeroed where it does not */
	uint16_t port;
	uint64_t used_ns;
};

/* What a box takes for a connection to itself: it has that port towards that address. */
struct squatter {
	struct endpoint remote;
	uint16_t port;
	uint64_t until_ns;
};

struct nat {
	enum sim_nat_kind kind;
	struct ip_addr addr;
	uint16_t next_port;
	struct mapping *mappings;
	int mapping_count;
	struct contact *contacts;
	int contact_count;
	struct squatter squatters[SQUATTERS_MAX];
};

struct host {
	int nat;
	struct sim_quality quality;
	struct ip_addr addrs[SIM_ADDRS_MAX];
	int addr_count;
	bool cut;
	uint64_t sent;
};

struct queued {
	struct sim_event event;
	uint64_t order;
};

struct simnet {
	struct rng_seeded seeded;
	struct rng rng;
	struct nat nats[SIM_HOSTS_MAX];
	int nat_count;
	struct host hosts[SIM_HOSTS_MAX];
	int host_count;
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
	for (int i = 0; i < net->nat_count; i++) {
		free(net->nats[i].mappings);
		free(net->nats[i].contacts);
	}
	free(net->heap);
	free(net);
}

const struct rng *simnet_rng(const struct simnet *net)
{
	return &net->rng;
}

/* ---- building ---- */

int simnet_add_nat(struct simnet *net, enum sim_nat_kind kind)
{
	struct nat *nat = &net->nats[net->nat_count];

	nat->kind = kind;
	nat->addr = addr_from_v4(0xc6336400u + (uint32_t)net->nat_count + 1); /* 198.51.100.0 */
	nat->next_port = (uint16_t)(20000 + rng_below(&net->rng, 20000));
	nat->mappings = calloc(MAPPINGS_MAX, sizeof(*nat->mappings));
	nat->contacts = calloc(CONTACTS_MAX, sizeof(*nat->contacts));
	return net->nat_count++;
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

void simnet_set_quality(struct simnet *net, int host, const struct sim_quality *quality)
{
	net->hosts[host].quality = *quality;
}

void simnet_set_cut(struct simnet *net, int host, bool cut)
{
	net->hosts[host].cut = cut;
}

void simnet_rebind(struct simnet *net, int nat)
{
	net->nats[nat].mapping_count = 0;
	net->nats[nat].contact_count = 0;
	memset(net->nats[nat].squatters, 0, sizeof(net->nats[nat].squatters));
	net->nats[nat].next_port = (uint16_t)(20000 + rng_below(&net->rng, 20000));
}

uint64_t simnet_sent(const struct simnet *net, int host)
{
	return net->hosts[host].sent;
}

/* ---- translation ---- */

static struct squatter *find_squatter(struct nat *nat, uint16_t port, const struct endpoint *remote,
				      uint64_t now_ns)
{
	for (int i = 0; i < SQUATTERS_MAX; i++) {
		struct squatter *s = &nat->squatters[i];

		if (s->port == port && s->until_ns > now_ns && endpoint_equal(&s->remote, remote))
			return s;
	}
	return NULL;
}

static void squat(struct simnet *net, struct nat *nat, uint16_t port, const struct endpoint *remote)
{
	struct squatter *s = find_squatter(nat, port, remote, net->now_ns);

	for (int i = 0; i < SQUATTERS_MAX && !s; i++) {
		if (nat->squatters[i].until_ns <= net->now_ns)
			s = &nat->squatters[i];
	}
	if (s)
		*s = (struct squatter){ *remote, port, net->now_ns + SQUATTER_NS };
}

/* The port that a mapping has towards most of the world is taken towards this remote. */
static bool is_squatted(const struct simnet *net, struct nat *nat, const struct endpoint *inside,
			const struct endpoint *remote)
{
	static const struct endpoint anywhere;

	for (int i = 0; i < nat->mapping_count && nat->kind == SIM_NAT_R; i++) {
		const struct mapping *m = &nat->mappings[i];

		if (endpoint_equal(&m->inside, inside) && endpoint_equal(&m->towards, &anywhere) &&
		    find_squatter(nat, m->port, remote, net->now_ns))
			return true;
	}
	return false;
}

/* The odd port that was taken instead is kept as long as it is in use. */
static bool has_odd_mapping(const struct simnet *net, const struct nat *nat,
			    const struct endpoint *inside, const struct endpoint *towards)
{
	for (int i = 0; i < nat->mapping_count; i++) {
		if (endpoint_equal(&nat->mappings[i].inside, inside) &&
		    endpoint_equal(&nat->mappings[i].towards, towards))
			return net->now_ns < nat->mappings[i].used_ns + SQUATTER_NS;
	}
	return false;
}

static bool has_contact_of(const struct nat *nat, const struct endpoint *inside,
			   const struct endpoint *remote);

/* What the mapping is keyed by besides the inside endpoint. */
static struct endpoint dependence(const struct simnet *net, struct nat *nat,
				  const struct endpoint *inside, const struct endpoint *remote)
{
	struct endpoint towards = { 0 };

	if (nat->kind == SIM_NAT_B)
		towards = *remote;
	else if (nat->kind == SIM_NAT_R &&
		 (has_odd_mapping(net, nat, inside, remote) ||
		  (!has_contact_of(nat, inside, remote) && is_squatted(net, nat, inside, remote))))
		towards = *remote;
	else if (nat->kind == SIM_NAT_E)
		towards.addr = remote->addr;
	return towards;
}

static int find_mapping(const struct simnet *net, struct nat *nat, const struct endpoint *inside,
			const struct endpoint *remote)
{
	struct endpoint towards = dependence(net, nat, inside, remote);

	for (int i = 0; i < nat->mapping_count; i++) {
		if (endpoint_equal(&nat->mappings[i].inside, inside) &&
		    endpoint_equal(&nat->mappings[i].towards, &towards))
			return i;
	}
	return -1;
}

static bool port_taken(const struct nat *nat, uint16_t port)
{
	for (int i = 0; i < nat->mapping_count; i++) {
		if (nat->mappings[i].port == port)
			return true;
	}
	return false;
}

static int add_mapping(struct simnet *net, struct nat *nat, const struct endpoint *inside,
		       const struct endpoint *remote)
{
	struct mapping *m = &nat->mappings[nat->mapping_count];

	if (nat->mapping_count == MAPPINGS_MAX)
		return -1;
	m->inside = *inside;
	m->towards = dependence(net, nat, inside, remote);
	do {
		m->port = nat->kind == SIM_NAT_B || nat->kind == SIM_NAT_E
				  ? (uint16_t)(20000 + rng_below(&net->rng, 40000))
				  : nat->next_port++;
	} while (port_taken(nat, m->port));
	return nat->mapping_count++;
}

static bool has_contact(const struct nat *nat, int mapping, const struct endpoint *remote,
			bool any_port)
{
	for (int i = 0; i < nat->contact_count; i++) {
		const struct contact *c = &nat->contacts[i];

		if (c->mapping == mapping && addr_equal(&c->remote.addr, &remote->addr) &&
		    (any_port || c->remote.port == remote->port))
			return true;
	}
	return false;
}

/* Whether it was sent to from inside by the mapping that serves the whole world. */
static bool has_contact_of(const struct nat *nat, const struct endpoint *inside,
			   const struct endpoint *remote)
{
	static const struct endpoint anywhere;

	for (int i = 0; i < nat->mapping_count; i++) {
		if (endpoint_equal(&nat->mappings[i].inside, inside) &&
		    endpoint_equal(&nat->mappings[i].towards, &anywhere) &&
		    has_contact(nat, i, remote, false))
			return true;
	}
	return false;
}

static void add_contact(struct nat *nat, int mapping, const struct endpoint *remote)
{
	if (has_contact(nat, mapping, remote, false) || nat->contact_count == CONTACTS_MAX)
		return;
	nat->contacts[nat->contact_count++] =
		(struct contact){ .mapping = mapping, .remote = *remote };
}

/* Inbound on the box's address: the inside endpoint, or NULL when filtered. */
static const struct endpoint *translate_in(const struct nat *nat, uint16_t port,
					   const struct endpoint *from)
{
	for (int i = 0; i < nat->mapping_count; i++) {
		if (nat->mappings[i].port != port)
			continue;
		if (nat->kind == SIM_NAT_C || has_contact(nat, i, from, nat->kind == SIM_NAT_D))
			return &nat->mappings[i].inside;
	}
	return NULL;
}

static int find_host(const struct simnet *net, int nat, const struct ip_addr *addr)
{
	for (int i = 0; i < net->host_count; i++) {
		for (int k = 0; k < net->hosts[i].addr_count; k++) {
			if (net->hosts[i].nat == nat && addr_equal(&net->hosts[i].addrs[k], addr))
				return i;
		}
	}
	return -1;
}

static bool is_private(const struct ip_addr *addr)
{
	return addr->bytes[0] == 192 && addr->bytes[1] == 168;
}

/* From the internet side. */
static bool route_in(const struct simnet *net, const struct endpoint *source,
		     const struct endpoint *remote, struct sim_event *arrival)
{
	const struct endpoint *inside;

	arrival->remote = *source;
	arrival->local = *remote;
	arrival->host = find_host(net, SIM_PUBLIC, &remote->addr);
	if (arrival->host >= 0)
		return true;
	for (int i = 0; i < net->nat_count; i++) {
		if (!addr_equal(&net->nats[i].addr, &remote->addr))
			continue;
		inside = translate_in(&net->nats[i], remote->port, source);
		if (!inside)
			return false;
		arrival->local = *inside;
		arrival->host = find_host(net, i, &inside->addr);
		return arrival->host >= 0;
	}
	return false;
}

/*
 * The way through the sender's own box to the internet, or over its LAN: sets arrival's source and
 * destination, and its host when that is settled already. make: mappings may be made.
 */
static bool route_out(struct simnet *net, int host, const struct endpoint *local,
		      const struct endpoint *remote, bool make, struct sim_event *arrival)
{
	const struct host *h = &net->hosts[host];
	struct nat *nat;
	int mapping;

	arrival->host = -1;
	arrival->local = *remote;
	arrival->remote = *local;
	if (h->nat == SIM_PUBLIC)
		return !is_private(&remote->addr);
	nat = &net->nats[h->nat];
	if (is_private(&remote->addr)) {
		arrival->host = find_host(net, h->nat, &remote->addr);
		return arrival->host >= 0;
	}
	if (nat->kind == SIM_NAT_U || addr_equal(&remote->addr, &nat->addr))
		return false; /* no hairpin */
	mapping = find_mapping(net, nat, local, remote);
	if (mapping < 0 && make)
		mapping = add_mapping(net, nat, local, remote);
	if (mapping < 0)
		return false;
	if (make) {
		add_contact(nat, mapping, remote);
		nat->mappings[mapping].used_ns = net->now_ns;
	}
	arrival->remote.addr = nat->addr;
	arrival->remote.port = nat->mappings[mapping].port;
	return true;
}

/* The rest of the way, judged when the datagram gets there. */
static bool route_rest(const struct simnet *net, struct sim_event *arrival)
{
	const struct endpoint source = arrival->remote, dest = arrival->local;

	return arrival->host >= 0 || route_in(net, &source, &dest, arrival);
}

bool simnet_trace(const struct simnet *net, int host, const struct endpoint *local,
		  const struct endpoint *remote, struct sim_event *arrival)
{
	return route_out((struct simnet *)net, host, local, remote, false, arrival) &&
	       route_rest(net, arrival);
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
	struct queued *q = malloc(sizeof(*q));
	size_t i = net->count;

	if (net->count == net->cap) {
		net->cap = net->cap ? net->cap * 2 : 64;
		net->heap = realloc(net->heap, net->cap * sizeof(struct queued *));
	}
	if (!q || !net->heap)
		abort();
	q->event = *event;
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

/* Came to a box that knows nothing of it. */
static void note_unasked(struct simnet *net, const struct sim_event *event)
{
	for (int i = 0; i < net->nat_count; i++) {
		if (net->nats[i].kind == SIM_NAT_R &&
		    addr_equal(&net->nats[i].addr, &event->local.addr))
			squat(net, &net->nats[i], event->local.port, &event->remote);
	}
}

bool simnet_poll(struct simnet *net, struct sim_event *event)
{
	struct queued *q;

	if (!net->count)
		return false;
	q = net->heap[0];
	*event = q->event;
	net->now_ns = event->time_ns;
	free(q);
	net->heap[0] = net->heap[--net->count];
	if (net->count)
		sift_down(net);
	if (event->kind == SIM_MESSAGE)
		return true;
	if (!route_rest(net, event)) {
		note_unasked(net, event);
		return false;
	}
	return !net->hosts[event->host].cut;
}

/* ---- sending ---- */

static bool chance(struct simnet *net, unsigned int permille)
{
	return rng_below(&net->rng, 1000) < permille;
}

/* Whose access line leads to that address: the host's own, or that of a host behind the box. */
static const struct host *line_of(const struct simnet *net, const struct sim_event *event)
{
	if (event->host >= 0)
		return &net->hosts[event->host];
	for (int i = 0; i < net->host_count; i++) {
		const struct host *h = &net->hosts[i];

		if (h->nat == SIM_PUBLIC ? find_host(net, SIM_PUBLIC, &event->local.addr) == i
					 : addr_equal(&net->nats[h->nat].addr, &event->local.addr))
			return h;
	}
	return NULL;
}

static void deliver(struct simnet *net, const struct host *from, struct sim_event *event,
		    uint64_t now_ns)
{
	const struct host *to = line_of(net, event);
	uint64_t jitter;

	if (!to || chance(net, from->quality.loss_permille) ||
	    chance(net, to->quality.loss_permille))
		return;
	jitter = from->quality.jitter_ns + to->quality.jitter_ns;
	event->time_ns = now_ns + from->quality.delay_ns + to->quality.delay_ns;
	if (jitter)
		event->time_ns += rng_below(&net->rng, (uint32_t)(jitter / NS_PER_US)) * NS_PER_US;
	push(net, event);
}

void simnet_send(struct simnet *net, int host, const struct endpoint *local,
		 const struct endpoint *remote, const uint8_t *data, size_t len, uint64_t now_ns)
{
	simnet_send_ttl(net, host, local, remote, data, len, 0, now_ns);
}

/* Whether it is forwarded by that many routers. */
static bool passes(uint8_t ttl, unsigned int routers)
{
	return !ttl || ttl > routers;
}

void simnet_send_ttl(struct simnet *net, int host, const struct endpoint *local,
		     const struct endpoint *remote, const uint8_t *data, size_t len, uint8_t ttl,
		     uint64_t now_ns)
{
	struct sim_event event = { .kind = SIM_DATAGRAM, .len = len };
	struct host *h = &net->hosts[host];
	unsigned int routers = h->nat != SIM_PUBLIC;

	if (len > sizeof(event.data))
		abort();
	h->sent++;
	net->now_ns = now_ns;
	if (h->cut || (!is_private(&remote->addr) && !passes(ttl, routers)) ||
	    !route_out(net, host, local, remote, true, &event))
		return;
	if (event.host < 0 && !passes(ttl, routers + 1))
		return; /* died on the internet's first router */
	memcpy(event.data, data, len);
	deliver(net, h, &event, now_ns);
	if (chance(net, h->quality.duplicate_permille))
		deliver(net, h, &event, now_ns);
}

void simnet_post(struct simnet *net, int host, void *message, uint64_t time_ns)
{
	struct sim_event event = {
		.kind = SIM_MESSAGE, .host = host, .message = message, .time_ns = time_ns
	};

	push(net, &event);
}
