#include "daemon/relay_link_state.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/http_proxy.h"
#include "daemon/identity.h"
#include "io/source.h"
#include "io/ws.h"

/* A name look-up under way. */
struct resolve {
	uv_getaddrinfo_t request; /* first: libuv's handle is the look-up */
	struct relay_link *link;  /* NULL: nobody waits any more */
	size_t host;
};

static void first_servers(struct relay_link *link);

/* --- addresses --- */

/* Addresses of a family that this host has no way to are of no use. */
static void pick_servers(struct relay_link *link)
{
	struct endpoint before = { 0 };
	struct ip_addr source;
	size_t i;

	if (link->server_count)
		before = link->servers[link->server];
	link->server_count = 0;
	link->server = 0;
	for (i = 0; i < link->known_count; i++) {
		if (source_address(&source, &link->known[i]) < 0)
			continue;
		if (endpoint_equal(&link->known[i], &before))
			link->server = link->server_count;
		link->servers[link->server_count++] = link->known[i];
	}
}

static void add_server(struct relay_link *link, const struct endpoint *server)
{
	size_t i;

	for (i = 0; i < link->known_count; i++) {
		if (endpoint_equal(&link->known[i], server))
			return;
	}
	/* A name that leads elsewhere all the time: the latest places count. */
	if (link->known_count == SERVERS_MAX) {
		memmove(link->known, link->known + 1, (SERVERS_MAX - 1) * sizeof(*link->known));
		link->known_count--;
	}
	link->known[link->known_count++] = *server;
}

static void on_resolved(uv_getaddrinfo_t *request, int status, struct addrinfo *list)
{
	struct resolve *resolve = (struct resolve *)request;
	struct relay_link *link = resolve->link;
	const struct addrinfo *entry;
	struct endpoint server;
	size_t had = link ? link->server_count : 0;

	if (link) {
		link->resolves[resolve->host] = NULL;
		for (entry = status == 0 ? list : NULL; entry; entry = entry->ai_next) {
			if (endpoint_from_sockaddr(&server, entry->ai_addr) == 0) {
				server.port = link->info.udp_port;
				add_server(link, &server);
			}
		}
		pick_servers(link);
		link->owner->changed(link->owner->set, link);
		if (!had)
			first_servers(link);
		relay_link_drain(link);
	}
	uv_freeaddrinfo(list);
	free(resolve);
}

static void look_up(struct relay_link *link, size_t host)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_DGRAM };
	struct resolve *resolve;

	resolve = calloc(1, sizeof(*resolve));
	if (!resolve)
		return;
	resolve->link = link;
	resolve->host = host;
	if (uv_getaddrinfo(loop_uv(link->owner->config->loop), &resolve->request, on_resolved,
			   link->info.hosts[host], NULL, &hints) < 0)
		free(resolve);
	else
		link->resolves[host] = resolve;
}

/* Their answers would be about hosts, or a network, of before. */
static void forget_look_ups(struct relay_link *link)
{
	size_t i;

	for (i = 0; i < NETMAP_RELAY_HOSTS_MAX; i++) {
		if (link->resolves[i])
			link->resolves[i]->link = NULL;
		link->resolves[i] = NULL;
	}
}

static bool looks_up(const struct relay_link *link)
{
	size_t i;

	for (i = 0; i < NETMAP_RELAY_HOSTS_MAX; i++) {
		if (link->resolves[i])
			return true;
	}
	return false;
}

/* What was found before is used until something newer is. */
static void find_servers(struct relay_link *link)
{
	struct endpoint server = { .port = link->info.udp_port };
	size_t i;

	forget_look_ups(link);
	for (i = 0; i < link->info.host_count; i++) {
		if (addr_parse(&server.addr, link->info.hosts[i]) == 0)
			add_server(link, &server);
		else
			look_up(link, i);
	}
	pick_servers(link);
}

bool relay_link_server(const struct relay_link *link, struct endpoint *server)
{
	if (!link->server_count)
		return false;
	*server = link->alternate.port ? link->alternate : link->servers[link->server];
	return true;
}

bool relay_link_server_of(const struct relay_link *link, int family, struct endpoint *server)
{
	size_t i;

	for (i = 0; i < link->server_count; i++) {
		if (link->servers[i].addr.family == family) {
			*server = link->servers[i];
			return true;
		}
	}
	return false;
}

uint16_t relay_link_second_port(const struct relay_link *link)
{
	return relay_link_up(link) ? relay_client_second_port(link->client) : 0;
}

bool relay_link_prober(const struct relay_link *link, int family, struct relays_prober *prober)
{
	if (!relay_link_second_port(link) || !link->has_credential ||
	    !relay_link_server_of(link, family, &prober->server))
		return false;
	prober->username = link->credential.username;
	prober->password = link->credential.password;
	return true;
}

size_t relay_link_addresses(const struct relay_link *link, struct ip_addr *out, size_t max)
{
	size_t i;

	for (i = 0; i < link->known_count && i < max; i++)
		out[i] = link->known[i].addr;
	return i;
}

void relay_link_next_server(struct relay_link *link)
{
	/* A measurement may get lost; the registration knows better whether this one answers. */
	if (relay_link_up(link) && link->transport == RELAY_UDP)
		return;
	if (link->alternate.port)
		link->alternate.port = 0; /* where we were sent nobody answers */
	else if (link->server_count)
		link->server = (link->server + 1) % link->server_count;
	else if (!looks_up(link))
		find_servers(link);
}

/* A name was looked up: what was sent before went nowhere. */
static void first_servers(struct relay_link *link)
{
	if (!link->client || relay_link_is_settled(link) || link->transport != RELAY_UDP)
		return;
	if (link->server_count) {
		relay_client_moved(link->client, RELAY_UDP, relay_link_now_ns(link));
		relay_link_start_headstart(link, RELAY_TLS_HEADSTART_MS);
	} else if (!looks_up(link)) {
		relay_link_start_headstart(link, 0);
	}
}

/* --- the client core --- */

static void tell_mapped(struct relay_link *link, const struct endpoint *mapped)
{
	const struct relays_config *config = link->owner->config;
	struct endpoint server, base = { .port = dataplane_port(config->dp) };

	if (link->transport != RELAY_UDP || !relay_link_server(link, &server) ||
	    !addr_len(&mapped->addr) || source_address(&base.addr, &server) < 0)
		return;
	link->owner->ops->mapped(link->owner->arg, mapped, &base, &server.addr);
}

/* The answer may go out by the same client, which then owns the bytes no longer: so a copy. */
static void hand_over(struct relay_link *link, const struct relay_event *event)
{
	if (event->len > sizeof(link->in))
		return;
	memcpy(link->in, event->data, event->len);
	link->owner->ops->data(link->owner->arg, link->id, event->peer, link->in, event->len);
}

/* It brings nothing any more, though nobody closed it: another one, or UDP, may. */
static void leave_dead_stream(struct relay_link *link)
{
	if (link->transport != RELAY_STREAM || !link->stream || !link->stream->served)
		return;
	relay_link_drop_stream(link);
	link->transport = RELAY_UDP;
	relay_client_moved(link->client, RELAY_UDP, relay_link_now_ns(link));
}

static void handle_event(struct relay_link *link, const struct relay_event *event)
{
	const struct relays_ops *ops = link->owner->ops;
	void *arg = link->owner->arg;

	switch (event->type) {
	case RELAY_EVENT_REGISTERED:
		link->moving = false;
		link->refusal = 0;
		loop_timer_clear(&link->headstart);
		if (link->transport == RELAY_UDP)
			relay_link_drop_stream(link);
		else if (link->stream)
			link->stream->served = true;
		tell_mapped(link, &event->mapped);
		log_info("relay state=registered relay=%s transport=%s", link->info.name,
			 relay_link_transport(link));
		link->owner->changed(link->owner->set, link);
		ops->up(arg, link->id);
		break;
	case RELAY_EVENT_LOST:
		log_warn("relay state=lost relay=%s", link->info.name);
		link->alternate.port = 0;
		leave_dead_stream(link);
		link->udp_rtt_ns = 0; /* what was measured before says nothing now */
		relay_link_start_headstart(link, RELAY_TLS_HEADSTART_MS);
		link->owner->changed(link->owner->set, link);
		ops->down(arg, link->id);
		break;
	case RELAY_EVENT_REFUSED:
		log_warn("relay state=refused relay=%s code=%u", link->info.name, event->error);
		link->refusal = event->error;
		link->alternate.port = 0;
		ops->refused(arg, link->id, event->error);
		break;
	case RELAY_EVENT_ALTERNATE:
		link->alternate = event->mapped;
		relay_client_moved(link->client, RELAY_UDP, relay_link_now_ns(link));
		break;
	case RELAY_EVENT_MAPPED:
		tell_mapped(link, &event->mapped);
		break;
	case RELAY_EVENT_CHANNEL:
	case RELAY_EVENT_CHANNEL_LOST:
		ops->channel(arg, link->id, event->peer);
		break;
	case RELAY_EVENT_DATA:
		hand_over(link, event);
		break;
	case RELAY_EVENT_PEER_ABSENT:
		ops->absent(arg, link->id, event->peer);
		break;
	}
}

/* data has room for padding behind it. */
static void send_out(struct relay_link *link, uint8_t *data, size_t len)
{
	struct dp_path path = { .kind = DP_PATH_UDP,
				.masked = link->owner->masked && !relay_link_is_turn(link) };

	if (relay_link_is_turn(link) && link->transport == RELAY_STREAM) {
		memset(data + len, 0, turn_stream_padding(len));
		len += turn_stream_padding(len);
	}
	if (link->transport == RELAY_STREAM) {
		/* A full queue drops packets first. */
		if (link->conn && relay_is_data(data, len))
			ws_conn_offer(link->conn, data, len);
		else if (link->conn)
			ws_conn_send(link->conn, data, len);
	} else if (relay_link_server(link, &path.remote)) {
		dataplane_send(link->owner->config->dp, &path, data, len, 0, 0);
	}
}

void relay_link_drain(struct relay_link *link)
{
	struct relay_event event;
	size_t len;

	while (link->client && relay_client_poll_event(link->client, &event))
		handle_event(link, &event);
	if (!link->client)
		return;
	while ((len = relay_client_poll_output(link->client, link->out, RELAY_MESSAGE_MAX)))
		send_out(link, link->out, len);
	loop_timer_set(&link->timer, relay_client_next_timeout(link->client));
}

static void on_timer(void *arg, uint64_t at_ns)
{
	struct relay_link *link = arg;

	relay_client_expire(link->client, at_ns);
	relay_link_drain(link);
}

/* Begins to register when everything that it takes is there. */
static void try_register(struct relay_link *link)
{
	const struct identity *identity = *link->owner->config->identity;
	struct relay_client_config config = { .transport = RELAY_UDP };

	if (!link->wanted || link->client || !link->has_credential || !identity)
		return;
	memcpy(config.node_key, identity->device_public, 32);
	config.turn = relay_link_is_turn(link);
	config.username = link->credential.username;
	config.password = link->credential.password;
	link->transport = RELAY_UDP;
	link->client = relay_client_new(&config, &link->rng, relay_link_now_ns(link));
	if (!link->client)
		return;
	/* Proxies let through what looks like HTTPS. */
	link->stream_plain = config.turn &&
			     !http_proxy_for(link->owner->config->http_proxy, link->info.hosts[0]);
	/* Without an address there is nothing to wait for. */
	relay_link_start_headstart(link, link->server_count || looks_up(link)
						 ? RELAY_TLS_HEADSTART_MS
						 : 0);
	relay_link_drain(link);
}

/* --- life --- */

struct relay_link *relay_link_new(const struct relay_link_owner *owner, uint32_t id,
				  const struct netmap_relay *info)
{
	struct relay_link *link = calloc(1, sizeof(*link));

	if (!link)
		return NULL;
	link->owner = owner;
	link->id = id;
	link->info = *info;
	link->rng = rng_system();
	loop_timer_init(&link->timer, owner->config->loop, on_timer, link);
	loop_timer_init(&link->headstart, owner->config->loop, relay_link_on_headstart, link);
	find_servers(link);
	return link;
}

void relay_link_release(struct relay_link *link)
{
	link->wanted = false;
	link->moving = false;
	link->alternate.port = 0;
	if (!link->client)
		return;
	relay_client_leave(link->client, relay_link_now_ns(link));
	relay_link_drain(link);
	loop_timer_clear(&link->timer);
	loop_timer_clear(&link->headstart);
	relay_link_drop_stream(link);
	relay_client_free(link->client);
	link->client = NULL;
}

void relay_link_free(struct relay_link *link)
{
	if (!link)
		return;
	relay_link_release(link);
	forget_look_ups(link);
	free(link);
}

void relay_link_update(struct relay_link *link, const struct netmap_relay *info)
{
	bool was_wanted = link->wanted;

	if (memcmp(&link->info, info, sizeof(*info)) == 0)
		return;
	relay_link_release(link);
	link->info = *info;
	link->stream_host = 0;
	link->known_count = 0;
	find_servers(link);
	if (was_wanted)
		relay_link_want(link);
}

void relay_link_set_credential(struct relay_link *link, const struct control_credential *cred)
{
	link->credential = *cred;
	link->has_credential = true;
	if (link->client)
		relay_client_set_credentials(link->client, cred->username, cred->password);
	else
		try_register(link);
}

void relay_link_want(struct relay_link *link)
{
	link->wanted = true;
	try_register(link);
}

bool relay_link_wanted(const struct relay_link *link)
{
	return link->wanted;
}

void relay_link_network_changed(struct relay_link *link)
{
	bool by_stream = link->transport == RELAY_STREAM;

	find_servers(link);
	link->udp_rtt_ns = 0;
	link->udp_again_ns = 0;
	link->alternate.port = 0; /* anybody in the network of before may have named it */
	link->stream_failures = 0;
	if (!link->client)
		return;
	relay_link_drop_stream(link);
	link->transport = RELAY_UDP;
	link->moving = true;
	relay_client_moved(link->client, RELAY_UDP, relay_link_now_ns(link));
	/* Where UDP did not get through just now, it gets no head start. */
	relay_link_start_headstart(link, by_stream ? 0 : RELAY_TLS_HEADSTART_MS);
	relay_link_drain(link);
}

/* --- what the set asks --- */

uint32_t relay_link_id(const struct relay_link *link)
{
	return link->id;
}

const char *relay_link_name(const struct relay_link *link)
{
	return link->info.name;
}

bool relay_link_up(const struct relay_link *link)
{
	return link->client && relay_client_registered(link->client);
}

const char *relay_link_transport(const struct relay_link *link)
{
	if (!relay_link_up(link))
		return NULL;
	if (link->transport == RELAY_UDP)
		return "udp";
	return relay_link_is_turn(link) && link->stream_plain ? "tcp" : "tls";
}

void relay_link_measured(struct relay_link *link, uint64_t rtt_ns)
{
	link->udp_rtt_ns = rtt_ns;
	if (!rtt_ns || !link->client || link->transport == RELAY_UDP ||
	    relay_link_now_ns(link) < link->udp_again_ns)
		return;
	/* UDP gets through again: no reason to go by TLS any longer. */
	relay_link_drop_stream(link);
	link->transport = RELAY_UDP;
	relay_client_moved(link->client, RELAY_UDP, relay_link_now_ns(link));
	relay_link_start_headstart(link, RELAY_TLS_HEADSTART_MS);
	relay_link_drain(link);
}

uint64_t relay_link_rtt_ns(const struct relay_link *link)
{
	uint64_t rtt_ns = link->client ? relay_client_rtt_ns(link->client) : 0;

	return rtt_ns ? rtt_ns : link->udp_rtt_ns;
}

bool relay_link_answers_udp(const struct relay_link *link)
{
	return link->udp_rtt_ns != 0 || (relay_link_up(link) && link->transport == RELAY_UDP);
}

uint16_t relay_link_channel(struct relay_link *link, const uint8_t node_key[static 32])
{
	uint16_t channel;

	if (!relay_link_up(link))
		return 0;
	channel = relay_client_channel(link->client, node_key);
	if (!channel) {
		relay_client_bind(link->client, node_key, relay_link_now_ns(link));
		relay_link_drain(link);
	}
	return link->transport == RELAY_UDP ? channel : 0;
}

bool relay_link_is_turn(const struct relay_link *link)
{
	return link->info.kind == NETMAP_RELAY_TURN;
}

unsigned int relay_link_refusal(const struct relay_link *link)
{
	return link->refusal;
}

bool relay_link_reaches(const struct relay_link *link, const uint8_t node_key[static 32])
{
	return link->client && relay_client_reaches(link->client, node_key);
}

bool relay_link_relayed(const struct relay_link *link, struct endpoint *relayed)
{
	if (!relay_link_up(link) || !relay_link_is_turn(link))
		return false;
	*relayed = relay_client_relayed(link->client);
	return true;
}

int relay_link_set_peer_address(struct relay_link *link, const uint8_t node_key[static 32],
				const struct endpoint *relayed)
{
	int err;

	if (!link->client || !relay_link_is_turn(link))
		return -ENOTCONN;
	err = relay_client_set_peer_address(link->client, node_key, relayed,
					    relay_link_now_ns(link));
	relay_link_drain(link);
	return err;
}

void relay_link_release_peer(struct relay_link *link, const uint8_t node_key[static 32])
{
	if (link->client)
		relay_client_unbind(link->client, node_key);
}

bool relay_link_channel_peer(const struct relay_link *link, uint16_t channel,
			     uint8_t node_key[static 32])
{
	return link->client && relay_client_channel_peer(link->client, channel, node_key);
}

int relay_link_send(struct relay_link *link, const uint8_t node_key[static 32], const uint8_t *data,
		    size_t len)
{
	int err;

	if (!relay_link_up(link))
		return -ENOTCONN;
	err = relay_client_send(link->client, node_key, data, len, relay_link_now_ns(link));
	relay_link_drain(link);
	return err;
}

void relay_link_unanswered(struct relay_link *link)
{
	if (!link->client)
		return;
	relay_client_unanswered(link->client, relay_link_now_ns(link));
	relay_link_drain(link);
}

bool relay_link_input(struct relay_link *link, const uint8_t *data, size_t len)
{
	bool ours;

	if (!link->client || link->transport != RELAY_UDP)
		return false;
	ours = relay_client_input(link->client, data, len, relay_link_now_ns(link)) == 0;
	relay_link_drain(link);
	return ours;
}
