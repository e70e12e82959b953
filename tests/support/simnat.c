#include "tests/support/simnat.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

#define MAPPINGS_MAX  4096
#define CONTACTS_MAX  16384
#define BUCKETS       4096
#define SQUATTERS_MAX 64
#define SQUATTER_NS   (30 * NS_PER_S) /* after its last packet */
#define PORT_MIN      20000
#define PORTS         40000

/* Whom a mapping has sent to. */
struct contact {
	uint32_t mapping; /* its serial number */
	struct endpoint remote;
	uint64_t used_ns;
	int next; /* in its bucket, plus one */
};

struct mapping {
	uint32_t serial;
	struct endpoint inside;
	struct endpoint towards; /* what it depends on; zeroed where it does not */
	uint16_t port;
	uint64_t made_ns, used_ns;
};

/* What a box takes for a connection to itself: it has that port towards that address. */
struct squatter {
	struct endpoint remote;
	uint16_t port;
	uint64_t until_ns;
};

struct sim_nat {
	struct sim_nat_config config;
	const struct rng *rng;
	uint32_t serial;
	uint16_t next_port;
	struct mapping *mappings;
	int mapping_count;
	struct contact *contacts;
	int contact_count;
	int buckets[BUCKETS]; /* index plus one */
	struct squatter squatters[SQUATTERS_MAX];
};

static const struct endpoint anywhere;

bool sim_nat_is_hard(enum sim_nat_kind kind)
{
	return kind == SIM_NAT_B || kind == SIM_NAT_E || kind == SIM_NAT_S;
}

struct sim_nat *sim_nat_new(const struct sim_nat_config *config, const struct rng *rng)
{
	struct sim_nat *nat = calloc(1, sizeof(*nat));

	if (!nat)
		abort();
	nat->config = *config;
	nat->rng = rng;
	nat->mappings = calloc(MAPPINGS_MAX, sizeof(*nat->mappings));
	nat->contacts = calloc(CONTACTS_MAX, sizeof(*nat->contacts));
	if (!nat->mappings || !nat->contacts)
		abort();
	sim_nat_forget(nat);
	return nat;
}

void sim_nat_free(struct sim_nat *nat)
{
	free(nat->mappings);
	free(nat->contacts);
	free(nat);
}

const struct sim_nat_config *sim_nat_config(const struct sim_nat *nat)
{
	return &nat->config;
}

void sim_nat_set_lifetimes(struct sim_nat *nat, uint64_t idle_ns, uint64_t absolute_ns)
{
	nat->config.idle_ns = idle_ns;
	nat->config.absolute_ns = absolute_ns;
}

void sim_nat_forget(struct sim_nat *nat)
{
	nat->mapping_count = 0;
	nat->contact_count = 0;
	memset(nat->buckets, 0, sizeof(nat->buckets));
	memset(nat->squatters, 0, sizeof(nat->squatters));
	nat->next_port = (uint16_t)(PORT_MIN + rng_below(nat->rng, PORTS));
}

/* ---- squatters ---- */

static struct squatter *find_squatter(struct sim_nat *nat, uint16_t port,
				      const struct endpoint *remote, uint64_t now_ns)
{
	for (int i = 0; i < SQUATTERS_MAX; i++) {
		struct squatter *s = &nat->squatters[i];

		if (s->port == port && s->until_ns > now_ns && endpoint_equal(&s->remote, remote))
			return s;
	}
	return NULL;
}

void sim_nat_unasked(struct sim_nat *nat, uint16_t port, const struct endpoint *remote,
		     uint64_t now_ns)
{
	struct squatter *s = find_squatter(nat, port, remote, now_ns);

	if (nat->config.kind != SIM_NAT_R)
		return;
	for (int i = 0; i < SQUATTERS_MAX && !s; i++) {
		if (nat->squatters[i].until_ns <= now_ns)
			s = &nat->squatters[i];
	}
	if (s)
		*s = (struct squatter){ *remote, port, now_ns + SQUATTER_NS };
}

/* ---- contacts ---- */

static bool is_alive(const struct sim_nat *nat, const struct mapping *m, uint64_t now_ns)
{
	return (!nat->config.idle_ns || now_ns < m->used_ns + nat->config.idle_ns) &&
	       (!nat->config.absolute_ns || now_ns < m->made_ns + nat->config.absolute_ns);
}

static int *bucket_of(struct sim_nat *nat, uint32_t mapping, const struct endpoint *remote)
{
	uint32_t hash = mapping * 2654435761u + remote->port * 40503u;

	for (int i = 0; i < 16; i++)
		hash = hash * 31 + remote->addr.bytes[i];
	return &nat->buckets[hash % BUCKETS];
}

static struct contact *find_contact(struct sim_nat *nat, const struct mapping *m,
				    const struct endpoint *remote, uint64_t now_ns)
{
	for (int i = *bucket_of(nat, m->serial, remote); i; i = nat->contacts[i - 1].next) {
		struct contact *c = &nat->contacts[i - 1];

		if (c->mapping != m->serial || !endpoint_equal(&c->remote, remote))
			continue;
		return nat->config.idle_ns && now_ns >= c->used_ns + nat->config.idle_ns ? NULL : c;
	}
	return NULL;
}

static void put_contact(struct sim_nat *nat, uint32_t mapping, const struct endpoint *remote,
			uint64_t now_ns)
{
	int *bucket = bucket_of(nat, mapping, remote);
	struct contact *c = &nat->contacts[nat->contact_count++];

	*c = (struct contact){
		.mapping = mapping, .remote = *remote, .used_ns = now_ns, .next = *bucket
	};
	*bucket = nat->contact_count;
}

static bool is_mapping(const struct sim_nat *nat, uint32_t serial)
{
	for (int i = 0; i < nat->mapping_count; i++) {
		if (nat->mappings[i].serial == serial)
			return true;
	}
	return false;
}

/* Those of mappings that are gone, and if that is not enough the older half. */
static void drop_contacts(struct sim_nat *nat)
{
	int count = nat->contact_count, from = count == CONTACTS_MAX ? count / 2 : 0;

	nat->contact_count = 0;
	memset(nat->buckets, 0, sizeof(nat->buckets));
	for (int i = from; i < count; i++) {
		struct contact c = nat->contacts[i];

		if (is_mapping(nat, c.mapping))
			put_contact(nat, c.mapping, &c.remote, c.used_ns);
	}
}

static void note_contact(struct sim_nat *nat, const struct mapping *m,
			 const struct endpoint *remote, uint64_t now_ns)
{
	struct contact *c = find_contact(nat, m, remote, now_ns);

	if (c) {
		c->used_ns = now_ns;
		return;
	}
	if (nat->contact_count == CONTACTS_MAX)
		drop_contacts(nat);
	put_contact(nat, m->serial, remote, now_ns);
}

/* ---- mappings ---- */

static struct mapping *find(struct sim_nat *nat, const struct endpoint *inside,
			    const struct endpoint *towards, uint64_t now_ns)
{
	for (int i = 0; i < nat->mapping_count; i++) {
		struct mapping *m = &nat->mappings[i];

		if (endpoint_equal(&m->inside, inside) && endpoint_equal(&m->towards, towards) &&
		    is_alive(nat, m, now_ns))
			return m;
	}
	return NULL;
}

/* Another host's packets to remote already come from this port. */
static bool is_shared_port_busy(struct sim_nat *nat, const struct mapping *own,
				const struct endpoint *remote, uint64_t now_ns)
{
	for (int i = 0; i < nat->mapping_count; i++) {
		const struct mapping *m = &nat->mappings[i];

		if (m != own && m->port == own->port && is_alive(nat, m, now_ns) &&
		    find_contact(nat, m, remote, now_ns))
			return true;
	}
	return false;
}

/*
 * The port that this inside endpoint has towards most of the world cannot serve towards remote:
 * another has it there. The odd port that is taken instead is kept as long as it is in use.
 */
static bool needs_odd_port(struct sim_nat *nat, const struct endpoint *inside,
			   const struct endpoint *remote, uint64_t now_ns)
{
	struct mapping *usual = find(nat, inside, &anywhere, now_ns);
	struct mapping *odd = find(nat, inside, remote, now_ns);

	if (odd && now_ns < odd->used_ns + SQUATTER_NS)
		return true;
	if (!usual || find_contact(nat, usual, remote, now_ns))
		return false;
	return (nat->config.kind == SIM_NAT_R && find_squatter(nat, usual->port, remote, now_ns)) ||
	       (nat->config.keeps_port && is_shared_port_busy(nat, usual, remote, now_ns));
}

/* What the mapping is keyed by besides the inside endpoint. */
static struct endpoint dependence(struct sim_nat *nat, const struct endpoint *inside,
				  const struct endpoint *remote, uint64_t now_ns)
{
	struct endpoint towards = { 0 };

	if (nat->config.kind == SIM_NAT_E)
		towards.addr = remote->addr;
	else if (sim_nat_is_hard(nat->config.kind) || needs_odd_port(nat, inside, remote, now_ns))
		towards = *remote;
	return towards;
}

static bool port_taken(const struct sim_nat *nat, uint16_t port)
{
	for (int i = 0; i < nat->mapping_count; i++) {
		if (nat->mappings[i].port == port)
			return true;
	}
	return false;
}

static uint16_t next_port(struct sim_nat *nat)
{
	unsigned int step =
		nat->config.kind == SIM_NAT_S && nat->config.stride ? nat->config.stride : 1;

	nat->next_port = (uint16_t)(nat->next_port + step);
	if (nat->next_port < 1024)
		nat->next_port = (uint16_t)(nat->next_port + 1024);
	return nat->next_port;
}

static uint16_t choose_port(struct sim_nat *nat, const struct mapping *m,
			    const struct endpoint *remote, uint64_t now_ns)
{
	struct mapping wished = { .port = m->inside.port };
	enum sim_nat_kind kind = nat->config.kind;
	uint16_t port;

	if (nat->config.keeps_port && !sim_nat_is_hard(kind) &&
	    endpoint_equal(&m->towards, &anywhere) &&
	    !is_shared_port_busy(nat, &wished, remote, now_ns))
		return wished.port;
	do {
		port = kind == SIM_NAT_B || kind == SIM_NAT_E
			       ? (uint16_t)(PORT_MIN + rng_below(nat->rng, PORTS))
			       : next_port(nat);
	} while (port_taken(nat, port));
	return port;
}

static void drop_dead(struct sim_nat *nat, uint64_t now_ns)
{
	for (int i = 0; i < nat->mapping_count;) {
		if (is_alive(nat, &nat->mappings[i], now_ns))
			i++;
		else
			nat->mappings[i] = nat->mappings[--nat->mapping_count];
	}
}

static struct mapping *add_mapping(struct sim_nat *nat, const struct endpoint *inside,
				   const struct endpoint *towards, const struct endpoint *remote,
				   uint64_t now_ns)
{
	struct mapping m = {
		.inside = *inside, .towards = *towards, .made_ns = now_ns, .used_ns = now_ns
	};

	drop_dead(nat, now_ns);
	if (nat->mapping_count == MAPPINGS_MAX)
		return NULL;
	m.serial = ++nat->serial;
	m.port = choose_port(nat, &m, remote, now_ns);
	nat->mappings[nat->mapping_count] = m;
	return &nat->mappings[nat->mapping_count++];
}

uint16_t sim_nat_out(struct sim_nat *nat, const struct endpoint *inside,
		     const struct endpoint *remote, bool make, uint64_t now_ns)
{
	struct endpoint towards, any_port = *remote;
	struct mapping *m;

	if (nat->config.kind == SIM_NAT_U)
		return 0;
	towards = dependence(nat, inside, remote, now_ns);
	m = find(nat, inside, &towards, now_ns);
	if (!m && make)
		m = add_mapping(nat, inside, &towards, remote, now_ns);
	if (!m)
		return 0;
	if (make) {
		m->used_ns = now_ns;
		note_contact(nat, m, remote, now_ns);
		any_port.port = 0;
		if (nat->config.kind == SIM_NAT_D)
			note_contact(nat, m, &any_port, now_ns);
	}
	return m->port;
}

static struct contact *find_permission(struct sim_nat *nat, const struct mapping *m,
				       const struct endpoint *remote, uint64_t now_ns)
{
	struct endpoint from = *remote;

	if (nat->config.kind == SIM_NAT_D)
		from.port = 0;
	return find_contact(nat, m, &from, now_ns);
}

bool sim_nat_in(struct sim_nat *nat, uint16_t port, const struct endpoint *remote, bool use,
		uint64_t now_ns, struct endpoint *inside)
{
	for (int i = 0; i < nat->mapping_count; i++) {
		struct mapping *m = &nat->mappings[i];
		struct contact *c;

		if (m->port != port || !is_alive(nat, m, now_ns))
			continue;
		c = find_permission(nat, m, remote, now_ns);
		if (!c && nat->config.kind != SIM_NAT_C)
			continue;
		if (use)
			m->used_ns = now_ns;
		if (use && c)
			c->used_ns = now_ns;
		*inside = m->inside;
		return true;
	}
	return false;
}
