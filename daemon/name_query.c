#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "daemon/mesh.h"
#include "daemon/mesh_peer.h"
#include "daemon/name_forward.h"
#include "daemon/name_server.h"
#include "daemon/name_service_core.h"
#include "daemon/name_system.h"
#include "proto/names_name.h"
#include "proto/names_translate.h"

/* RFC 1035, 4.1.1 */
#define RCODE_MASK     0x0f
#define RCODE_NXDOMAIN 3
#define ANSWERS_AT     6

/* A question that was sent on for somebody. */
struct query {
	struct name_service *service;
	struct name_client *client; /* NULL: this daemon itself, by what follows */
	name_forward_done *done;
	void *arg;
	size_t question; /* of name_forward */
	bool stranger;
	struct names_mapping mappings[NAMES_MAPPINGS_MAX]; /* of the site whose server is asked */
	size_t mapping_count;
	size_t len;
	uint8_t data[]; /* as it came */
};

/* --- who asks --- */

enum asker { SELF, STRANGER, NOBODY };

/* The policy lets the peer use the internet behind this node. */
static bool may_use_internet(const struct netmap_rules *rules)
{
	bool may = false;

	for (size_t i = 0; rules && i < rules->count; i++) {
		const struct filter_rule *rule = &rules->list[i];

		if (rule->src.addr.family || !rule->dst.addr.family || rule->dst.len)
			continue;
		if (rule->deny)
			return false;
		may = true;
	}
	return may;
}

static enum asker who_asks(const struct name_service *service, const struct ip_addr *from)
{
	const struct cert *own = &service->mesh->membership.cert;
	const struct mesh_peer *peer;

	if (addr_equal(from, &own->address4) || addr_equal(from, &own->address6) ||
	    addr_is_loopback(from))
		return SELF;
	peer = mesh_find_peer_address(service->mesh, from);
	if (!peer)
		return name_server_is_private(service->server) ? SELF : NOBODY;
	return may_use_internet(mesh_peer_info(peer)->rules) ? STRANGER : NOBODY;
}

/* --- whom to ask --- */

static bool within(const struct prefix *prefix, const struct ip_addr *addr)
{
	return prefix->len && prefix_contains(prefix, addr);
}

static struct ip_addr translate(const struct ip_addr *addr, const struct prefix *from,
				const struct prefix *to)
{
	struct ip_addr out = to->addr;

	for (unsigned int bit = from->len; bit < addr_len(addr) * 8; bit++) {
		uint8_t mask = (uint8_t)(0x80 >> bit % 8);

		out.bytes[bit / 8] =
			(uint8_t)((out.bytes[bit / 8] & ~mask) | (addr->bytes[bit / 8] & mask));
	}
	return out;
}

/* The mapped prefixes of a node's certificate. True when addr is in one of its routes. */
static bool add_mappings(struct query *query, const struct cert *cert, const struct ip_addr *addr)
{
	bool carries = false;

	for (size_t i = 0; i < cert->route_count; i++)
		carries = carries || within(&cert->routes[i], addr);
	for (size_t i = 0; carries && i < cert->route_count; i++) {
		const struct route_facts *facts = &cert->route_facts[i];

		if (!facts->real.family || query->mapping_count == NAMES_MAPPINGS_MAX)
			continue;
		query->mappings[query->mapping_count++] = (struct names_mapping){
			.real = route_real(&cert->routes[i], facts),
			.seen = cert->routes[i],
		};
	}
	return carries;
}

/* On the router itself the site's addresses are the real ones. */
static bool is_at_home(const struct cert *own, struct ip_addr *addr)
{
	for (size_t i = 0; i < own->route_count; i++) {
		const struct prefix real = route_real(&own->routes[i], &own->route_facts[i]);

		if (!within(&own->routes[i], addr))
			continue;
		*addr = translate(addr, &own->routes[i], &real);
		return true;
	}
	return false;
}

static bool is_own(const struct name_service *service, const struct ip_addr *addr)
{
	const struct cert *own = &service->mesh->membership.cert;

	return addr_equal(addr, &own->address4) || addr_equal(addr, &own->address6);
}

static void choose_split(struct query *query, struct forwarder_servers *servers,
			 const struct names_split *split)
{
	const struct mesh *mesh = query->service->mesh;

	servers->count = 0;
	for (size_t i = 0; i < split->server_count && i < FORWARDER_SERVERS_MAX; i++) {
		struct endpoint server = split->servers[i];
		size_t peer;

		if (is_own(query->service, &server.addr))
			continue; /* it would come back */
		if (!is_at_home(&mesh->membership.cert, &server.addr) && mesh->map) {
			for (peer = 0; peer < mesh->map->peer_count; peer++) {
				if (add_mappings(query, &mesh->map->peers[peer]->cert->parsed,
						 &server.addr))
					break;
			}
		}
		servers->list[servers->count++] = server;
	}
}

/* A coordinator or a relay: without their addresses no exit comes back either. */
static bool is_infrastructure(const struct name_service *service, const char *name)
{
	const struct mesh *mesh = service->mesh;

	for (size_t i = 0; i < mesh->membership.address_count; i++) {
		if (strcasecmp(mesh->membership.addresses[i].host, name) == 0)
			return true;
	}
	for (size_t i = 0; mesh->map && i < mesh->map->relay_count; i++) {
		const struct netmap_relay *relay = &mesh->map->relays[i];

		for (size_t j = 0; j < relay->host_count; j++) {
			if (strcasecmp(relay->hosts[j], name) == 0)
				return true;
		}
	}
	return false;
}

/* The name in the question of a query that we made, so it is whole. */
static void question_name(char text[static NAMES_TEXT_NAME_SIZE], const uint8_t *data, size_t len)
{
	struct names_name name = { .len = 0 };
	size_t at = 0;

	data += NAMES_HEADER_SIZE;
	len -= NAMES_HEADER_SIZE;
	while (at < len && data[at] && data[at] <= NAMES_LABEL_MAX)
		at += 1u + data[at];
	if (at < len && !data[at] && at < NAMES_WIRE_MAX) {
		name.len = (uint8_t)(at + 1);
		memcpy(name.wire, data, name.len);
	}
	names_name_lower(&name);
	names_name_format(text, &name);
}

/* The mark that goes with the servers: past the tunnel, or (0) as any other packet. */
static uint32_t choose_servers(struct query *query, struct forwarder_servers *servers,
			       const struct names_split *split, const uint8_t *data, size_t len)
{
	const struct name_service *service = query->service;
	char name[NAMES_TEXT_NAME_SIZE];

	if (split) {
		choose_split(query, servers, split);
		return 0;
	}
	*servers = *name_system_upstreams(service->system);
	/* Never from one exit to the next, and back. */
	if (query->stranger || !service->exit_wanted)
		return service->mesh->config->fwmark;
	question_name(name, data, len);
	if (is_infrastructure(service, name))
		return service->mesh->config->fwmark;
	*servers = service->exit_servers;
	return 0;
}

/* --- answers --- */

static void free_query(struct query *query)
{
	if (query->stranger)
		query->service->strangers--;
	free(query);
}

/* len bytes in service->answer are for who asked. */
static void answer(const struct query *query, size_t len)
{
	if (query->client)
		name_server_answer(query->client, query->service->answer, len);
	else
		query->done(query->arg, query->service->answer, len);
}

static void fail(struct name_service *service, struct name_client *client, const uint8_t *data,
		 size_t len, int rcode)
{
	size_t out = names_failure(data, len, rcode, service->answer, sizeof(service->answer));

	name_server_answer(client, service->answer, out);
}

static void on_reply(void *arg, const uint8_t *reply, size_t len)
{
	struct query *query = arg;
	struct name_service *service = query->service;
	const struct names_zone *zone = name_service_make_zone(service);
	size_t out = 0;
	int err = reply && zone && len <= sizeof(service->reply) ? 0 : -ETIMEDOUT;

	if (err == 0) {
		memcpy(service->reply, reply, len);
		err = names_translate(service->reply, len, query->mappings, query->mapping_count);
	}
	if (err >= 0)
		err = names_finish(zone, query->data, query->len, service->reply, len,
				   service->answer, sizeof(service->answer),
				   query->client && name_client_is_udp(query->client), &out);
	if (err < 0)
		out = names_failure(query->data, query->len, NAMES_RCODE_SERVFAIL, service->answer,
				    sizeof(service->answer));
	answer(query, out);
	free_query(query);
}

void name_query_gone(void *arg, struct name_client *client)
{
	struct name_service *service = arg;
	struct query *query = name_client_get(client);

	if (!query)
		return;
	name_forward_cancel(service->forward, query->question);
	free_query(query);
}

/*
 * What is in service->answer goes to servers; data is the query as it came, and given says who
 * asked. 0 or -errno.
 */
static int send_on(const struct query *given, const struct names_outcome *outcome,
		   const uint8_t *data, size_t len, struct query **out)
{
	struct query *query = calloc(1, sizeof(*query) + len);
	struct name_service *service = given->service;
	struct forwarder_servers servers;
	uint32_t fwmark;
	int number;

	if (!query)
		return -ENOMEM;
	*query = *given;
	query->len = len;
	memcpy(query->data, data, len);
	service->strangers += query->stranger ? 1 : 0;
	fwmark = choose_servers(query, &servers, outcome->split, service->answer, outcome->len);
	number = name_forward_ask(service->forward, service->answer, outcome->len, &servers, fwmark,
				  on_reply, query);
	if (number < 0) {
		free_query(query);
		return number;
	}
	query->question = (size_t)number;
	*out = query;
	return 0;
}

/*
 * Those for whom this node is an exit have our names from their own maps, as far as they may know
 * them: from us they get what the internet says, and not even that a name is not there.
 */
static bool is_for_strangers(const struct name_service *service,
			     const struct names_outcome *outcome)
{
	int rcode;

	if (outcome->action == NAMES_FORWARD)
		return !outcome->split && service->strangers < NAME_STRANGERS_MAX;
	rcode = service->answer[3] & RCODE_MASK;
	return outcome->action == NAMES_ANSWER && rcode && rcode != RCODE_NXDOMAIN &&
	       !service->answer[ANSWERS_AT] && !service->answer[ANSWERS_AT + 1];
}

void name_query_take(void *arg, struct name_client *client, const uint8_t *data, size_t len)
{
	struct name_service *service = arg;
	const struct names_zone *zone = name_service_make_zone(service);
	enum asker asker = who_asks(service, &name_client_from(client)->addr);
	struct names_outcome outcome = { .action = NAMES_DROP };
	const struct query given = { .service = service,
				     .client = client,
				     .stranger = asker == STRANGER };
	struct query *query;

	if (zone && asker != NOBODY)
		outcome = names_answer(zone, data, len, service->answer, sizeof(service->answer),
				       name_client_is_udp(client));
	if (outcome.action == NAMES_DROP)
		name_server_answer(client, NULL, 0);
	else if (asker == STRANGER && !is_for_strangers(service, &outcome))
		fail(service, client, data, len, NAMES_RCODE_REFUSED);
	else if (outcome.action == NAMES_ANSWER)
		name_server_answer(client, service->answer, outcome.len);
	else if (send_on(&given, &outcome, data, len, &query) < 0)
		fail(service, client, data, len, NAMES_RCODE_SERVFAIL);
	else
		name_client_set(client, query);
}

/* --- questions of our own --- */

int name_query_ask(struct name_service *service, const uint8_t *data, size_t len,
		   name_forward_done *done, void *arg, struct query **out)
{
	const struct names_zone *zone = name_service_make_zone(service);
	const struct query given = { .service = service, .done = done, .arg = arg };
	struct names_outcome outcome = { .action = NAMES_DROP };

	if (zone)
		outcome = names_answer(zone, data, len, service->answer, sizeof(service->answer),
				       false);
	if (outcome.action == NAMES_ANSWER)
		return (int)outcome.len;
	if (outcome.action == NAMES_DROP || !outcome.split)
		return -ENOENT;
	return send_on(&given, &outcome, data, len, out);
}

void name_query_cancel(struct query *query)
{
	name_forward_cancel(query->service->forward, query->question);
	free_query(query);
}
