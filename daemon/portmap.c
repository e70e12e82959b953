#include "daemon/portmap.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "crypto/hash.h"
#include "daemon/dataplane.h"
#include "daemon/mesh.h"
#include "daemon/mesh_peer.h"
#include "daemon/port_gateway.h"
#include "daemon/relays.h"
#include "io/loop.h"
#include "io/source.h"
#include "kernel-iface/route.h"
#include "proto/pcp.h"
#include "proto/relay_probe.h"

#define NO_WINNER        PORT_MAPPING_PROTOCOLS
#define VERIFY_AGAIN_NS  (5 * NS_PER_S)  /* when no relay could, or did not answer */
#define ANEW_FIRST_NS    (30 * NS_PER_S) /* after the second death in a row, then doubling */
#define ANEW_MAX_NS      (30 * 60 * NS_PER_S)
#define PORT_FROM        16384 /* of those we choose ourselves */
#define PORT_COUNT       32768
#define SYSTEM_PORTS_END 1024
#define DISCARD_PORT     9 /* nothing is sent there */
#define DATAGRAM_MAX     1100
#define LOOK_AGAIN_NS    (10 * NS_PER_S) /* between two looks because the network changed */

/* What is known from outside about what a router opened. */
enum verdict {
	VERDICT_PENDING,
	VERDICT_VERIFIED,
	VERDICT_NO_RELAY, /* none that could try */
	VERDICT_UNKNOWN,  /* none that answered */
	VERDICT_FOREIGN,  /* relays see us at another address */
	VERDICT_DEAD,     /* probes do not arrive */
};

/* One address family. */
struct side {
	struct portmap *portmap;
	int family;
	const char *why_none;         /* no gateway is asked */
	struct port_gateway *gateway; /* NULL: none */
	struct port_gateway_config config;
	enum port_mapping_protocol winner; /* NO_WINNER: nothing is open */
	struct endpoint external;
	uint64_t asked_ns;
	uint64_t looked_ns; /* at it anew, because the network changed */

	enum verdict verdict;
	struct relay_probe *probe; /* under way */
	struct endpoint server;    /* of the relay that probes */
	unsigned int deaths;       /* since one was verified */
	uint64_t verify_ns;
	uint64_t anew_ns;
	struct loop_timer timer;

	int announce_fd;
	struct loop_watch *announce_watch;
};

struct portmap {
	struct mesh *mesh;
	struct side sides[2]; /* v4, v6 */
};

static uint64_t now_ns(const struct side *side)
{
	return loop_now_ns(side->portmap->mesh->loop);
}

static const char *verdict_text(enum verdict verdict)
{
	switch (verdict) {
	case VERDICT_VERIFIED:
		return "verified";
	case VERDICT_NO_RELAY:
		return "unverified: no relay can try it now";
	case VERDICT_UNKNOWN:
		return "unverified: no relay answered";
	case VERDICT_FOREIGN:
		return "unverified: relays see another address";
	case VERDICT_DEAD:
		return "dead: nothing from outside arrives";
	default:
		return "unverified: not tried yet";
	}
}

static void arm(struct side *side)
{
	uint64_t next_ns = side->verify_ns < side->anew_ns ? side->verify_ns : side->anew_ns;

	if (side->probe && relay_probe_next_timeout(side->probe) < next_ns)
		next_ns = relay_probe_next_timeout(side->probe);
	loop_timer_set(&side->timer, next_ns);
}

/* ---- the candidate ---- */

/* Peers are told of what may work, and of nothing that relays contradict. */
static void offer(struct side *side)
{
	struct mesh *mesh = side->portmap->mesh;
	/* A pinhole is for an address that is a candidate anyway. */
	bool good = side->winner != NO_WINNER && side->verdict != VERDICT_FOREIGN &&
		    side->verdict != VERDICT_DEAD &&
		    !endpoint_equal(&side->external, &side->config.internal);
	struct mesh_peer *peer;
	size_t cursor = 0;

	if (!local_candidates_opened(&mesh->candidates, side->family, good ? &side->external : NULL,
				     &side->config.internal))
		return;
	while ((peer = map_next(mesh->peers, &cursor)))
		mesh_peer_candidates_changed(peer);
}

/* What died stays so for people until something else is known of it. */
static bool is_dead(const struct side *side)
{
	return side->deaths && (side->verdict == VERDICT_DEAD || side->verdict == VERDICT_PENDING);
}

/* Of either family: what is well with the one is no word about the other. */
static void tell_health(struct portmap *portmap)
{
	const struct side *side = &portmap->sides[is_dead(&portmap->sides[0]) ? 0 : 1];
	char text[ENDPOINT_TEXT_SIZE];

	if (is_dead(side))
		mesh_set_health(portmap->mesh, HEALTH_PORT,
				"the router says that it opened %s, but nothing arrives there; "
				"restart it, or set port-mapping = no",
				endpoint_format(text, &side->external));
	else
		mesh_set_health(portmap->mesh, HEALTH_PORT, NULL);
}

static void set_verdict(struct side *side, enum verdict verdict)
{
	char text[ENDPOINT_TEXT_SIZE];

	if (verdict == side->verdict)
		return;
	side->verdict = verdict;
	tell_health(side->portmap);
	log_info("port-mapping external=%s state=\"%s\"", endpoint_format(text, &side->external),
		 verdict_text(verdict));
	offer(side);
}

/* ---- verifying ---- */

static void end_probe(struct side *side)
{
	relay_probe_free(side->probe);
	side->probe = NULL;
}

static uint16_t other_port(struct side *side)
{
	return (uint16_t)(PORT_FROM + rng_below(&side->portmap->mesh->rng, PORT_COUNT));
}

static void ask_anew(struct side *side, uint16_t port)
{
	side->anew_ns = CLOCK_NEVER;
	side->verify_ns = CLOCK_NEVER;
	side->winner = NO_WINNER;
	side->asked_ns = now_ns(side);
	end_probe(side);
	offer(side);
	port_gateway_anew(side->gateway, port);
}

/* At once when it had worked; a router that never opens anything is asked ever more seldom. */
static void on_dead(struct side *side)
{
	unsigned int before = side->deaths++;
	uint64_t wait_ns = 0;

	set_verdict(side, VERDICT_DEAD);
	side->verify_ns = CLOCK_NEVER;
	if (before) {
		wait_ns = ANEW_FIRST_NS << (before < 7 ? before - 1 : 6);
		wait_ns = wait_ns < ANEW_MAX_NS ? wait_ns : ANEW_MAX_NS;
	}
	side->anew_ns = now_ns(side) + wait_ns;
}

static void take_result(struct side *side)
{
	enum relay_probe_result result = relay_probe_result(side->probe);
	bool was_verified = side->verdict == VERDICT_VERIFIED;

	if (result == RELAY_PROBE_PENDING)
		return;
	end_probe(side);
	side->verify_ns = now_ns(side) + PORTMAP_VERIFY_INTERVAL_S * NS_PER_S;
	switch (result) {
	case RELAY_PROBE_ARRIVED:
		side->deaths = 0;
		set_verdict(side, VERDICT_VERIFIED);
		break;
	case RELAY_PROBE_LOST:
		on_dead(side);
		break;
	case RELAY_PROBE_REFUSED:
		set_verdict(side, VERDICT_FOREIGN);
		break;
	default:
		/* A relay's silence says nothing about the router. */
		if (!was_verified)
			set_verdict(side, VERDICT_UNKNOWN);
		side->verify_ns = now_ns(side) + VERIFY_AGAIN_NS;
		break;
	}
}

static void drain_probe(struct side *side)
{
	struct dataplane *dp = side->portmap->mesh->dp;
	const struct dp_path path = { .kind = DP_PATH_UDP,
				      .remote = side->server,
				      .masked = relays_masked(side->portmap->mesh->relays) };
	uint8_t buf[1024];
	size_t len;

	if (side->probe) {
		while ((len = relay_probe_poll_output(side->probe, buf, sizeof(buf), now_ns(side))))
			dataplane_send(dp, &path, buf, len, 0, 0);
		take_result(side);
	}
	arm(side);
}

static void verify(struct side *side)
{
	struct mesh *mesh = side->portmap->mesh;
	struct relay_probe_config config = { .target = side->external };
	struct relays_prober prober;

	if (side->winner == NO_WINNER || side->probe)
		return;
	side->verify_ns = now_ns(side) + VERIFY_AGAIN_NS;
	if (!mesh->identity || !relays_find_prober(mesh->relays, side->family, &prober)) {
		if (side->verdict != VERDICT_VERIFIED)
			set_verdict(side, VERDICT_NO_RELAY);
		arm(side);
		return;
	}
	memcpy(config.node_key, mesh->identity->device_public, sizeof(config.node_key));
	config.username = prober.username;
	config.password = prober.password;
	side->server = prober.server;
	side->probe = relay_probe_new(&config, &mesh->rng, now_ns(side));
	if (side->probe)
		side->verify_ns = CLOCK_NEVER;
	drain_probe(side);
}

static void on_timer(void *arg, uint64_t at_ns)
{
	struct side *side = arg;

	if (side->probe) {
		relay_probe_expire(side->probe, at_ns);
		drain_probe(side);
	}
	if (side->anew_ns <= at_ns)
		ask_anew(side, other_port(side));
	if (side->verify_ns <= at_ns)
		verify(side);
	arm(side);
}

bool portmap_input(struct portmap *portmap, const uint8_t *data, size_t len)
{
	for (size_t i = 0; portmap && i < 2; i++) {
		struct side *side = &portmap->sides[i];

		if (!side->probe || relay_probe_input(side->probe, data, len, now_ns(side)) < 0)
			continue;
		drain_probe(side);
		return true;
	}
	return false;
}

void portmap_relay_up(struct portmap *portmap)
{
	for (size_t i = 0; portmap && i < 2; i++) {
		if (portmap->sides[i].verdict != VERDICT_VERIFIED)
			verify(&portmap->sides[i]);
	}
}

/* ---- what the router says ---- */

static void adopt(struct side *side, enum port_mapping_protocol protocol,
		  const struct endpoint *external)
{
	struct mesh *mesh = side->portmap->mesh;
	char text[ENDPOINT_TEXT_SIZE];

	side->winner = protocol;
	side->external = *external;
	side->verdict = local_candidates_contradict(&mesh->candidates, &side->config.internal,
						    &external->addr)
				? VERDICT_FOREIGN
				: VERDICT_PENDING;
	end_probe(side);
	log_info("port-mapping protocol=%s external=%s after_ms=%llu",
		 port_mapping_protocol_name(protocol), endpoint_format(text, external),
		 (unsigned long long)((now_ns(side) - side->asked_ns) / NS_PER_MS));
	offer(side);
	verify(side);
}

/* The first one wins; the others are asked no more. */
static void choose(struct side *side)
{
	enum port_mapping_protocol protocol, other;

	for (protocol = 0; protocol < PORT_MAPPING_PROTOCOLS; protocol++) {
		struct port_mapping mapping = port_gateway_mapping(side->gateway, protocol);

		if (mapping.state != PORT_MAPPING_OPEN)
			continue;
		for (other = 0; other < PORT_MAPPING_PROTOCOLS; other++) {
			if (other != protocol)
				port_gateway_stop(side->gateway, other);
		}
		adopt(side, protocol, &mapping.external);
		return;
	}
}

static void on_gateway_changed(void *arg, struct port_gateway *gateway)
{
	struct side *side = arg;
	struct port_mapping mapping;

	if (side->winner == NO_WINNER) {
		choose(side);
		return;
	}
	mapping = port_gateway_mapping(gateway, side->winner);
	if (mapping.state != PORT_MAPPING_OPEN) {
		log_info("port-mapping protocol=%s state=lost",
			 port_mapping_protocol_name(side->winner));
		ask_anew(side, side->config.suggested_port);
		arm(side);
	} else if (!endpoint_equal(&mapping.external, &side->external)) {
		adopt(side, side->winner, &mapping.external);
	}
}

/* ---- which router ---- */

static void on_announcement(void *arg, int revents)
{
	struct side *side = arg;
	uint8_t data[DATAGRAM_MAX];
	struct sockaddr_storage ss;
	socklen_t ss_len = sizeof(ss);
	struct endpoint from;
	ssize_t len = recvfrom(side->announce_fd, data, sizeof(data), MSG_DONTWAIT | MSG_TRUNC,
			       (struct sockaddr *)&ss, &ss_len);

	(void)revents;
	if (len <= 0 || (size_t)len > sizeof(data) || !side->gateway ||
	    endpoint_from_sockaddr(&from, (struct sockaddr *)&ss) < 0 ||
	    !addr_equal(&from.addr, &side->config.gateway.addr))
		return;
	port_gateway_announced(side->gateway, data, (size_t)len);
}

/* A router that was started anew tells all hosts (RFC 6887 section 14.1); without it we find out.
 */
static void listen_for_announcements(struct side *side)
{
	struct endpoint local = { .addr.family = (uint8_t)side->family, .port = PCP_ANNOUNCE_PORT };
	struct sockaddr_storage ss;
	socklen_t len = endpoint_to_sockaddr(&ss, &local);
	int one = 1;
	int fd = socket(side->family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return;
	/* Other clients of the machine listen there too. */
	(void)!setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (side->family == AF_INET6)
		(void)!setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&ss, len) < 0 ||
	    loop_watch_new(&side->announce_watch, side->portmap->mesh->loop, fd, UV_READABLE,
			   on_announcement, side) < 0) {
		close(fd);
		return;
	}
	side->announce_fd = fd;
}

static void leave(struct side *side, bool ending)
{
	struct port_gateway *gateway = side->gateway;

	side->gateway = NULL;
	side->winner = NO_WINNER;
	side->verdict = VERDICT_PENDING;
	side->deaths = 0;
	tell_health(side->portmap);
	side->verify_ns = CLOCK_NEVER;
	side->anew_ns = CLOCK_NEVER;
	end_probe(side);
	loop_timer_clear(&side->timer);
	loop_watch_free(side->announce_watch);
	side->announce_watch = NULL;
	if (side->announce_fd >= 0)
		close(side->announce_fd);
	side->announce_fd = -1;
	offer(side);
	port_gateway_free(gateway, ending);
}

/* Where a router of that family is, and what it is to open. Why not, or NULL. */
static const char *find_gateway(struct side *side, struct port_gateway_config *config)
{
	struct mesh *mesh = side->portmap->mesh;
	struct endpoint towards = { .port = DISCARD_PORT };
	struct route route;

	if (!mesh->identity)
		return "not asked yet";
	if (!mesh->config->port_mapping)
		return "switched off";
	if (route_default(mesh->netlink, side->family, dataplane_tun_ifindex(mesh->dp), &route) < 0)
		return "no gateway";
	config->gateway.addr = route.gateway;
	config->ifindex = route.ifindex;
	if (addr_is_link_local(&route.gateway))
		config->gateway.scope_id = route.ifindex;
	/* The address that traffic with the world goes out from. */
	towards.addr = route.gateway;
	if (side->family == AF_INET6)
		addr_parse(&towards.addr, "2000::1");
	config->internal.port = dataplane_port(mesh->dp);
	if (!config->internal.port || source_address(&config->internal.addr, &towards) < 0)
		return "no gateway";
	if (side->family == AF_INET && port_mapping_is_public(&config->internal.addr))
		return "not needed: the address is public";
	if (side->family == AF_INET6 && !port_mapping_is_public(&config->internal.addr))
		return "no gateway";
	return NULL;
}

static bool same_gateway(const struct side *side, const struct port_gateway_config *config)
{
	return side->gateway && endpoint_equal(&side->config.gateway, &config->gateway) &&
	       side->config.ifindex == config->ifindex &&
	       endpoint_equal(&side->config.internal, &config->internal);
}

/* Something changed, and the gateway has the same address: is it the same, and does it still hold?
 */
static void look_again(struct side *side)
{
	if (now_ns(side) - side->looked_ns < LOOK_AGAIN_NS)
		return;
	side->looked_ns = now_ns(side);
	if (side->winner == NO_WINNER && !side->deaths)
		ask_anew(side, side->config.suggested_port);
	else
		verify(side);
}

/* Ours alone, and the same when we come back after a crash. */
static void make_nonce(const struct mesh *mesh, struct port_gateway_config *config)
{
	static const char label[] = "warren pcp nonce";
	uint8_t text[sizeof(label) + sizeof(struct ip_addr)];
	uint8_t mac[HASH_SIZE];

	memcpy(text, label, sizeof(label));
	memcpy(text + sizeof(label), &config->internal.addr, sizeof(struct ip_addr));
	hash_hmac_blake2s(mac, mesh->identity->box_secret, sizeof(mesh->identity->box_secret), text,
			  sizeof(text));
	memcpy(config->nonce, mac, sizeof(config->nonce));
}

static void update(struct side *side)
{
	struct mesh *mesh = side->portmap->mesh;
	struct port_gateway_config config = {
		.loop = mesh->loop,
		.rng = &mesh->rng,
		.changed = on_gateway_changed,
		.arg = side,
	};
	const char *why = find_gateway(side, &config);
	int err;

	if (!why && same_gateway(side, &config)) {
		look_again(side);
		return;
	}
	leave(side, false);
	side->why_none = why;
	if (why)
		return;
	config.suggested_port =
		config.internal.port < SYSTEM_PORTS_END ? other_port(side) : config.internal.port;
	make_nonce(mesh, &config);
	side->config = config;
	side->asked_ns = now_ns(side);
	side->looked_ns = side->asked_ns;
	err = port_gateway_new(&side->gateway, &config);
	if (err < 0) {
		side->why_none = "the gateway cannot be asked";
		log_warn("port-mapping error=\"%s\"", strerror(-err));
		return;
	}
	listen_for_announcements(side);
}

struct portmap *portmap_new(struct mesh *mesh)
{
	struct portmap *portmap = calloc(1, sizeof(*portmap));

	if (!portmap)
		return NULL;
	portmap->mesh = mesh;
	for (size_t i = 0; i < 2; i++) {
		struct side *side = &portmap->sides[i];

		side->portmap = portmap;
		side->family = i ? AF_INET6 : AF_INET;
		side->announce_fd = -1;
		side->winner = NO_WINNER;
		side->verify_ns = CLOCK_NEVER;
		side->anew_ns = CLOCK_NEVER;
		side->why_none = "not asked yet";
		loop_timer_init(&side->timer, mesh->loop, on_timer, side);
	}
	return portmap;
}

void portmap_free(struct portmap *portmap)
{
	portmap_stop(portmap);
	free(portmap);
}

void portmap_update(struct portmap *portmap)
{
	for (size_t i = 0; portmap && i < 2; i++)
		update(&portmap->sides[i]);
}

void portmap_stop(struct portmap *portmap)
{
	for (size_t i = 0; portmap && i < 2; i++)
		leave(&portmap->sides[i], true);
}

/* ---- for people ---- */

static const char *state_text(const struct port_mapping *mapping)
{
	switch (mapping->state) {
	case PORT_MAPPING_OFF:
		return "not asked";
	case PORT_MAPPING_ASKING:
		return "being asked";
	case PORT_MAPPING_SILENT:
		return "no answer";
	case PORT_MAPPING_REFUSED:
		return mapping->why;
	default:
		return "open";
	}
}

/* Of a gateway that opened nothing: the protocol that says most. */
static void describe_refusal(const struct side *side, char *text, size_t size)
{
	char gateway[ADDR_TEXT_SIZE];
	enum port_mapping_protocol protocol, best = PORT_MAPPING_PCP;
	struct port_mapping mapping;

	for (protocol = 0; protocol < PORT_MAPPING_PROTOCOLS; protocol++) {
		if (port_gateway_mapping(side->gateway, protocol).state >
		    port_gateway_mapping(side->gateway, best).state)
			best = protocol;
	}
	mapping = port_gateway_mapping(side->gateway, best);
	addr_format(gateway, &side->config.gateway.addr);
	if (mapping.state == PORT_MAPPING_REFUSED)
		snprintf(text, size, "none: gateway %s %s (%s)", gateway, mapping.why,
			 port_mapping_protocol_name(best));
	else if (port_gateway_babbles(side->gateway))
		snprintf(text, size, "none: gateway %s answers without end", gateway);
	else if (mapping.state == PORT_MAPPING_SILENT)
		snprintf(text, size, "none: gateway %s does not answer", gateway);
	else
		snprintf(text, size, "none: gateway %s is being asked", gateway);
}

static void describe_side(const struct side *side, char *text, size_t size)
{
	char external[ENDPOINT_TEXT_SIZE];

	if (!side->gateway)
		snprintf(text, size, "none: %s", side->why_none);
	else if (side->winner == NO_WINNER)
		describe_refusal(side, text, size);
	else
		snprintf(text, size, "%s %s %s", port_mapping_protocol_name(side->winner),
			 endpoint_format(external, &side->external), verdict_text(side->verdict));
}

void portmap_describe(const struct portmap *portmap, char text[static PORTMAP_TEXT_SIZE])
{
	char v6[PORTMAP_TEXT_SIZE / 2];
	size_t len;

	/* v6 is worth a word where something is open, or nothing else is there. */
	describe_side(&portmap->sides[0], text, PORTMAP_TEXT_SIZE);
	if (!portmap->sides[1].gateway ||
	    (portmap->sides[1].winner == NO_WINNER && portmap->sides[0].gateway))
		return;
	describe_side(&portmap->sides[1], v6, sizeof(v6));
	len = portmap->sides[0].gateway ? strlen(text) : 0;
	snprintf(text + len, PORTMAP_TEXT_SIZE - len, "%s%s", len ? "; " : "", v6);
}

static json_t *side_json(const struct side *side)
{
	char gateway[ADDR_TEXT_SIZE], external[ENDPOINT_TEXT_SIZE];
	bool open = side->winner != NO_WINNER;
	json_t *protocols = json_object();
	enum port_mapping_protocol protocol;

	for (protocol = 0; protocol < PORT_MAPPING_PROTOCOLS; protocol++) {
		struct port_mapping mapping = port_gateway_mapping(side->gateway, protocol);

		json_object_set_new(protocols, port_mapping_protocol_name(protocol),
				    json_string(state_text(&mapping)));
	}
	return json_pack("{s:s,s:s?,s:s?,s:b,s:s?,s:o}", "gateway",
			 addr_format(gateway, &side->config.gateway.addr), "protocol",
			 open ? port_mapping_protocol_name(side->winner) : NULL, "external",
			 open ? endpoint_format(external, &side->external) : NULL, "verified",
			 open && side->verdict == VERDICT_VERIFIED, "state",
			 open ? verdict_text(side->verdict) : NULL, "protocols", protocols);
}

json_t *portmap_to_json(const struct portmap *portmap)
{
	json_t *list = json_array();

	for (size_t i = 0; i < 2; i++) {
		if (portmap->sides[i].gateway)
			json_array_append_new(list, side_json(&portmap->sides[i]));
	}
	return list;
}
