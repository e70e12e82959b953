#include "proto/netmap_wire.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Flags of a peer and of a rule. */
#define PEER_MAY_SEND 1
#define PEER_ROUTES   2 /* routes_used follows */
#define PEER_LAN      4 /* rules of the networks behind us follow */
#define RULE_DENY     1
#define RULE_SOURCE   2 /* it follows */

#define RULE_SIZE_MAX (2 * (2 + 16) + 2 + 4)

void netmap_put_text(struct writer *w, const char *text)
{
	writer_u8(w, (uint8_t)strlen(text));
	writer_bytes(w, text, strlen(text));
}

int netmap_get_text(char *out, size_t size, struct reader *r)
{
	size_t len = reader_u8(r);
	const uint8_t *text = reader_bytes(r, len);

	if (!text || len >= size)
		return -EBADMSG;
	for (size_t i = 0; i < len; i++)
		if (text[i] < 0x20 || text[i] > 0x7e)
			return -EBADMSG;
	memcpy(out, text, len);
	out[len] = '\0';
	return 0;
}

bool netmap_wire_known(uint8_t version)
{
	return version >= NETMAP_WIRE_VERSION && version <= NETMAP_WIRE_VERSION_ROUTES;
}

uint8_t netmap_wire_version(const struct netmap *map)
{
	if (map->names)
		return NETMAP_WIRE_VERSION_ROUTES;
	for (size_t i = 0; i < map->peer_count; i++)
		if (map->peers[i]->routes_used || map->peers[i]->lan ||
		    map->peers[i]->rules->sources)
			return NETMAP_WIRE_VERSION_ROUTES;
	for (size_t i = 0; i < map->relay_count; i++)
		if (map->relays[i].kind != NETMAP_RELAY_WARREN)
			return NETMAP_WIRE_VERSION_KINDS;
	return NETMAP_WIRE_VERSION;
}

void netmap_put_relay_list(struct writer *w, uint8_t version, const struct netmap_relay *relays,
			   size_t count)
{
	writer_u16(w, (uint16_t)count);
	for (size_t i = 0; i < count; i++) {
		const struct netmap_relay *relay = &relays[i];

		netmap_put_text(w, relay->name);
		writer_u8(w, relay->host_count);
		for (size_t j = 0; j < relay->host_count; j++)
			netmap_put_text(w, relay->hosts[j]);
		writer_u16(w, relay->udp_port);
		writer_u16(w, relay->tls_port);
		if (version >= NETMAP_WIRE_VERSION_KINDS)
			writer_u8(w, (uint8_t)relay->kind);
	}
}

void netmap_put_relays(struct writer *w, const struct netmap *map)
{
	netmap_put_relay_list(w, netmap_wire_version(map), map->relays, map->relay_count);
}

static int get_kind(struct netmap_relay *relay, struct reader *r)
{
	uint8_t kind = reader_u8(r);

	if (kind != NETMAP_RELAY_WARREN && kind != NETMAP_RELAY_TURN)
		return -EBADMSG;
	relay->kind = kind;
	return 0;
}

static int get_relay(struct netmap_relay *relay, uint8_t version, struct reader *r)
{
	if (netmap_get_text(relay->name, sizeof(relay->name), r) < 0)
		return -EBADMSG;
	relay->host_count = reader_u8(r);
	if (relay->name[0] == '\0' || relay->host_count == 0 ||
	    relay->host_count > NETMAP_RELAY_HOSTS_MAX)
		return -EBADMSG;
	for (size_t j = 0; j < relay->host_count; j++)
		if (netmap_get_text(relay->hosts[j], sizeof(relay->hosts[j]), r) < 0)
			return -EBADMSG;
	relay->udp_port = reader_u16(r);
	relay->tls_port = reader_u16(r);
	if (version >= NETMAP_WIRE_VERSION_KINDS && get_kind(relay, r) < 0)
		return -EBADMSG;
	return r->failed ? -EBADMSG : 0;
}

int netmap_get_relay_list(struct netmap_relay **out, size_t *out_count, uint8_t version,
			  struct reader *r)
{
	size_t count = reader_u16(r);
	struct netmap_relay *relays;

	if (count > NETMAP_RELAYS_MAX)
		return -EBADMSG;
	relays = calloc(count + 1, sizeof(*relays));
	if (!relays)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		if (get_relay(&relays[i], version, r) < 0) {
			free(relays);
			return -EBADMSG;
		}
	}
	*out = relays;
	*out_count = count;
	return 0;
}

int netmap_get_relays(struct netmap *map, uint8_t version, struct reader *r)
{
	struct netmap_relay *relays;
	size_t count;
	int err = netmap_get_relay_list(&relays, &count, version, r);

	if (err < 0)
		return err;
	free(map->relays);
	map->relays = relays;
	map->relay_count = count;
	return 0;
}

void netmap_put_revoked(struct writer *w, const struct netmap *map)
{
	writer_u32(w, (uint32_t)map->revoked_count);
	for (size_t i = 0; i < map->revoked_count; i++)
		writer_u64(w, map->revoked[i]);
}

int netmap_get_revoked(struct netmap *map, struct reader *r)
{
	size_t count = reader_u32(r);
	uint64_t *serials;

	if (count > NETMAP_REVOKED_MAX)
		return -EBADMSG;
	serials = calloc(count + 1, sizeof(*serials));
	if (!serials)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		serials[i] = reader_u64(r);
		if (r->failed || (i > 0 && serials[i] <= serials[i - 1])) {
			free(serials);
			return -EBADMSG;
		}
	}
	free(map->revoked);
	map->revoked = serials;
	map->revoked_count = count;
	return 0;
}

static void put_prefix(struct writer *w, const struct prefix *prefix)
{
	size_t len = addr_len(&prefix->addr);

	writer_u8(w, (uint8_t)len);
	if (!len)
		return;
	writer_u8(w, prefix->len);
	writer_bytes(w, prefix->addr.bytes, len);
}

static void put_rule(struct writer *w, const struct filter_rule *rule)
{
	bool source = rule->src.addr.family;

	put_prefix(w, &rule->dst);
	writer_u8(w, rule->proto);
	writer_u8(w, (uint8_t)((rule->deny ? RULE_DENY : 0) | (source ? RULE_SOURCE : 0)));
	writer_u16(w, rule->port_low);
	writer_u16(w, rule->port_high);
	if (source)
		put_prefix(w, &rule->src);
}

static int get_prefix(struct prefix *prefix, struct reader *r)
{
	size_t len = reader_u8(r);
	const uint8_t *bytes;
	struct ip_addr addr;
	uint8_t bits;
	int family;

	if (len == 0)
		return r->failed ? -EBADMSG : 0;
	if (len != 4 && len != 16)
		return -EBADMSG;
	bits = reader_u8(r);
	bytes = reader_bytes(r, len);
	if (!bytes || bits > len * 8)
		return -EBADMSG;
	family = len == 4 ? AF_INET : AF_INET6;
	addr = addr_from_bytes(family, bytes);
	if (addr.family != family)
		return -EBADMSG;
	*prefix = prefix_from_addr(&addr, bits);
	return addr_equal(&prefix->addr, &addr) ? 0 : -EBADMSG;
}

/* Nobody lets the whole internet start anything. */
static int get_source(struct prefix *prefix, struct reader *r)
{
	int err = get_prefix(prefix, r);

	return err == 0 && prefix->len == 0 ? -EBADMSG : err;
}

static int get_rule(struct filter_rule *rule, uint8_t version, struct reader *r)
{
	uint8_t known = version >= NETMAP_WIRE_VERSION_ROUTES ? RULE_DENY | RULE_SOURCE : RULE_DENY;
	uint8_t flags;

	if (get_prefix(&rule->dst, r) < 0)
		return -EBADMSG;
	rule->proto = reader_u8(r);
	flags = reader_u8(r);
	rule->deny = flags & RULE_DENY;
	rule->port_low = reader_u16(r);
	rule->port_high = reader_u16(r);
	if (r->failed || flags & ~known || rule->port_low > rule->port_high)
		return -EBADMSG;
	return flags & RULE_SOURCE ? get_source(&rule->src, r) : 0;
}

static void put_rules(struct writer *w, const struct netmap_rules *rules)
{
	writer_u16(w, rules->count);
	for (size_t i = 0; i < rules->count; i++)
		put_rule(w, &rules->list[i]);
}

/* *rules has one reference. */
static int get_rules(struct netmap_rules **rules, uint8_t version, struct reader *r)
{
	size_t count = reader_u16(r);
	struct filter_rule *list;
	int err = 0;

	if (r->failed || count > FILTER_RULES_MAX)
		return -EBADMSG;
	list = calloc(count + 1, sizeof(*list));
	if (!list)
		return -ENOMEM;
	for (size_t i = 0; i < count && err == 0; i++)
		err = get_rule(&list[i], version, r);
	if (err == 0)
		err = netmap_rules_new(rules, list, count);
	free(list);
	return err;
}

void netmap_put_peer(struct writer *w, uint8_t version, const struct netmap_peer *peer)
{
	uint8_t flags = peer->may_send ? PEER_MAY_SEND : 0;

	if (version >= NETMAP_WIRE_VERSION_ROUTES)
		flags |= (uint8_t)((peer->routes_used ? PEER_ROUTES : 0) |
				   (peer->lan ? PEER_LAN : 0));
	writer_u16(w, peer->cert->len);
	writer_bytes(w, peer->cert->bytes, peer->cert->len);
	writer_u8(w, flags);
	put_rules(w, peer->rules);
	if (flags & PEER_ROUTES)
		writer_u32(w, peer->routes_used);
	if (flags & PEER_LAN)
		put_rules(w, peer->lan);
}

/* Those of its routes that there are, and some. */
static int get_routes_used(uint32_t *used, const struct cert *cert, struct reader *r)
{
	*used = reader_u32(r);
	return r->failed || !*used || (uint64_t)*used >> cert->route_count ? -EBADMSG : 0;
}

static int get_terms(struct netmap_terms *terms, const struct cert *cert, uint8_t version,
		     struct reader *r)
{
	uint8_t known = version >= NETMAP_WIRE_VERSION_ROUTES
				? PEER_MAY_SEND | PEER_ROUTES | PEER_LAN
				: PEER_MAY_SEND;
	uint8_t flags = reader_u8(r);
	int err;

	if (r->failed || flags & ~known)
		return -EBADMSG;
	terms->may_send = flags & PEER_MAY_SEND;
	err = get_rules(&terms->rules, version, r);
	if (err == 0 && flags & PEER_ROUTES)
		err = get_routes_used(&terms->routes_used, cert, r);
	if (err == 0 && flags & PEER_LAN)
		err = get_rules(&terms->lan, version, r);
	return err;
}

int netmap_get_peer(struct netmap_peer **peer, uint8_t version, struct reader *r)
{
	struct netmap_terms terms = { .rules = NULL };
	size_t len = reader_u16(r);
	const uint8_t *bytes = reader_bytes(r, len);
	struct netmap_cert *cert = NULL;
	int err = bytes ? netmap_cert_new(&cert, bytes, len) : -EBADMSG;

	if (err == 0)
		err = get_terms(&terms, &cert->parsed, version, r);
	if (err == 0)
		err = netmap_peer_share(peer, cert, &terms);
	netmap_rules_unref(terms.rules);
	netmap_rules_unref(terms.lan);
	netmap_cert_unref(cert);
	return err;
}

int netmap_refuse(const struct netmap_trust *trust, const char *peer, int err)
{
	if (trust->refusal && err < 0) {
		*trust->refusal = (struct netmap_refusal){ .err = err };
		snprintf(trust->refusal->peer, sizeof(trust->refusal->peer), "%s", peer);
	}
	return err;
}

int netmap_peer_verify(const struct netmap_peer *peer, const struct netmap_trust *trust)
{
	const struct netmap_cert *bytes = peer->cert;
	struct cert cert;

	return netmap_refuse(trust, bytes->parsed.name,
			     cert_verify(&cert, bytes->bytes, bytes->len, &trust->trust));
}

size_t netmap_peer_size(const struct netmap_peer *peer)
{
	size_t rules = peer->rules->count + (peer->lan ? peer->lan->count : 0u);

	return 16u + peer->cert->len + rules * (size_t)RULE_SIZE_MAX;
}

size_t netmap_head_size(const struct netmap *map)
{
	size_t relay_max = sizeof(struct netmap_relay) + 8;

	return 256 + map->relay_count * relay_max + map->revoked_count * 8 +
	       (map->names ? map->names->len : 0);
}
