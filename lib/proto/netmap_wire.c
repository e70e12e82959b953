#include "proto/netmap_wire.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Flags of a peer and of a rule. */
#define PEER_MAY_SEND 1
#define RULE_DENY     1

#define RULE_SIZE_MAX (2 + 16 + 2 + 4)

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

uint8_t netmap_wire_version(const struct netmap *map)
{
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
		if (version == NETMAP_WIRE_VERSION_KINDS)
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
	if (version == NETMAP_WIRE_VERSION_KINDS && get_kind(relay, r) < 0)
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

static void put_rule(struct writer *w, const struct filter_rule *rule)
{
	size_t len = addr_len(&rule->dst.addr);

	writer_u8(w, (uint8_t)len);
	if (len) {
		writer_u8(w, rule->dst.len);
		writer_bytes(w, rule->dst.addr.bytes, len);
	}
	writer_u8(w, rule->proto);
	writer_u8(w, rule->deny ? RULE_DENY : 0);
	writer_u16(w, rule->port_low);
	writer_u16(w, rule->port_high);
}

static int get_prefix(struct prefix *prefix, size_t len, struct reader *r)
{
	uint8_t bits = reader_u8(r);
	const uint8_t *bytes = reader_bytes(r, len);
	int family = len == 4 ? AF_INET : AF_INET6;
	struct ip_addr addr;

	if (!bytes || bits > len * 8)
		return -EBADMSG;
	addr = addr_from_bytes(family, bytes);
	if (addr.family != family)
		return -EBADMSG;
	*prefix = prefix_from_addr(&addr, bits);
	return addr_equal(&prefix->addr, &addr) ? 0 : -EBADMSG;
}

static int get_rule(struct filter_rule *rule, struct reader *r)
{
	size_t len = reader_u8(r);
	uint8_t flags;

	if (len != 0 && len != 4 && len != 16)
		return -EBADMSG;
	if (len && get_prefix(&rule->dst, len, r) < 0)
		return -EBADMSG;
	rule->proto = reader_u8(r);
	flags = reader_u8(r);
	rule->deny = flags & RULE_DENY;
	rule->port_low = reader_u16(r);
	rule->port_high = reader_u16(r);
	return r->failed || flags & ~RULE_DENY || rule->port_low > rule->port_high ? -EBADMSG : 0;
}

void netmap_put_peer(struct writer *w, const struct netmap_peer *peer)
{
	writer_u16(w, peer->cert->len);
	writer_bytes(w, peer->cert->bytes, peer->cert->len);
	writer_u8(w, peer->may_send ? PEER_MAY_SEND : 0);
	writer_u16(w, peer->rules->count);
	for (size_t i = 0; i < peer->rules->count; i++)
		put_rule(w, &peer->rules->list[i]);
}

int netmap_get_peer(struct netmap_peer **peer, struct reader *r)
{
	size_t cert_len = reader_u16(r);
	const uint8_t *cert = reader_bytes(r, cert_len);
	uint8_t flags = reader_u8(r);
	size_t count = reader_u16(r);
	struct filter_rule *rules;
	int err = 0;

	if (!cert || r->failed || flags & ~PEER_MAY_SEND || count > FILTER_RULES_MAX)
		return -EBADMSG;
	rules = calloc(count + 1, sizeof(*rules));
	if (!rules)
		return -ENOMEM;
	for (size_t i = 0; i < count && err == 0; i++)
		err = get_rule(&rules[i], r);
	if (err == 0)
		err = netmap_peer_new(peer, cert, cert_len, rules, count, flags & PEER_MAY_SEND);
	free(rules);
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
	return 5u + peer->cert->len + peer->rules->count * (size_t)RULE_SIZE_MAX;
}

size_t netmap_head_size(const struct netmap *map)
{
	size_t relay_max = sizeof(struct netmap_relay) + 8;

	return 256 + map->relay_count * relay_max + map->revoked_count * 8;
}
