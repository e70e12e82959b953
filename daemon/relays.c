#include "daemon/relays.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "crypto/rng.h"
#include "daemon/relay_link.h"
#include "io/loop.h"
#include "io/source.h"
#include "proto/control.h"
#include "proto/netmap.h"
#include "proto/stun_client.h"

/* So long one form of STUN is tried alone, less than to its first repetition. */
#define DEAF_NS             (400 * NS_PER_MS)
#define HOME_MARGIN_NS      (10 * NS_PER_MS) /* another relay must be better by this … */
#define HOME_MARGIN_DIVISOR 5                /* … or by a fifth, whichever is more */
#define WARM_MAX            3
#define WANT_S              600         /* a relay that peers needed is kept this long */
#define SECOND_PORT_TAG     0x80000000u /* of a question to a relay's other port */

/* Which peer a number of DP_PATH_STREAM means. */
struct route {
	uint32_t relay;
	uint8_t node_key[32];
};

struct relays {
	struct relays_config config;
	struct relays_ops ops;
	void *arg;
	struct relay_link_owner owner;
	struct rng rng;
	/* A relay's number is its place here plus one. */
	struct relay_link *links[NETMAP_RELAYS_MAX];
	uint64_t wanted_ns[NETMAP_RELAYS_MAX]; /* by a peer, the last time */
	bool second_known[NETMAP_RELAYS_MAX];  /* its other port */
	uint32_t home;
	struct stun_client *stun;
	uint64_t deaf_ns; /* since when nothing came over UDP; 0: something did */
	struct loop_timer stun_timer;
	struct loop_timer measure_timer;
	struct route **routes; /* a stream's number is its place plus one */
	size_t route_count;
	struct map *routes_by_peer;
};

static uint64_t now_ns(const struct relays *relays)
{
	return loop_now_ns(relays->config.loop);
}

static struct relay_link *find_link(const struct relays *relays, uint32_t relay)
{
	return relay && relay <= NETMAP_RELAYS_MAX ? relays->links[relay - 1] : NULL;
}

uint32_t relays_next(const struct relays *relays, size_t *cursor)
{
	while (*cursor < NETMAP_RELAYS_MAX) {
		if (relays->links[(*cursor)++])
			return (uint32_t)*cursor;
	}
	return 0;
}

uint32_t relays_find(const struct relays *relays, const char *name)
{
	size_t cursor = 0;
	uint32_t relay;

	while ((relay = relays_next(relays, &cursor))) {
		if (strcmp(relay_link_name(relays->links[relay - 1]), name) == 0)
			return relay;
	}
	return 0;
}

/* --- which one is home --- */

/* How good a home it would be: lower is better, CLOCK_NEVER not at all. */
static uint64_t home_cost(const struct relay_link *link)
{
	uint64_t rtt_ns = relay_link_rtt_ns(link);

	if (relay_link_answers_udp(link))
		return rtt_ns;
	/* By TLS only when nothing answers by UDP. */
	return relay_link_up(link) ? rtt_ns + 3600 * NS_PER_S : CLOCK_NEVER;
}

/* The best home but for those, 0 when there is none. */
static uint32_t best_relay(const struct relays *relays, const bool but[static NETMAP_RELAYS_MAX])
{
	uint64_t best_cost = CLOCK_NEVER;
	uint32_t relay, best = 0;
	size_t cursor = 0;

	while ((relay = relays_next(relays, &cursor))) {
		uint64_t cost = home_cost(relays->links[relay - 1]);

		if (!but[relay - 1] && cost < best_cost) {
			best_cost = cost;
			best = relay;
		}
	}
	return best;
}

/* So much better that moving is worth it. */
static bool is_better(const struct relay_link *other, const struct relay_link *home)
{
	uint64_t cost = home_cost(home);
	uint64_t margin_ns = cost / HOME_MARGIN_DIVISOR;

	if (margin_ns < HOME_MARGIN_NS)
		margin_ns = HOME_MARGIN_NS;
	return cost == CLOCK_NEVER || home_cost(other) + margin_ns < cost;
}

static void elect_home(struct relays *relays)
{
	static const bool none[NETMAP_RELAYS_MAX];
	struct relay_link *home = find_link(relays, relays->home);
	uint32_t best = best_relay(relays, none);

	if (best == relays->home || (home && best && !is_better(relays->links[best - 1], home)))
		return;
	/* Peers send to the old one until they have heard of the new. */
	if (home)
		relays->wanted_ns[relays->home - 1] = now_ns(relays);
	relays->home = best;
	log_info("home-relay relay=%s", best ? relays_name(relays, best) : "none");
	if (best)
		relay_link_want(relays->links[best - 1]);
	relays->ops.home(relays->arg, best);
}

/* --- measuring --- */

static void drain_stun(struct relays *relays);

/* Its other port too: whether a NAT maps us to another one towards it. */
static void ask_second_port(struct relays *relays, uint32_t relay,
			    const struct stun_question *question)
{
	struct stun_question second = *question;

	second.tag = relay | SECOND_PORT_TAG;
	second.server.port = relays_second_port(relays, relay);
	if (second.server.port)
		stun_client_ask(relays->stun, &second, now_ns(relays));
}

static void measure(struct relays *relays, uint32_t relay)
{
	struct stun_question question = {
		.tag = relay,
		.schedule = &stun_schedule_brief,
	};

	if (!relay_link_server(relays->links[relay - 1], &question.server)) {
		relay_link_next_server(relays->links[relay - 1]); /* its name may be found now */
		return;
	}
	question.local.port = dataplane_port(relays->config.dp);
	if (source_address(&question.local.addr, &question.server) < 0)
		return;
	stun_client_ask(relays->stun, &question, now_ns(relays));
	ask_second_port(relays, relay, &question);
}

static void on_link_changed(void *set, struct relay_link *link)
{
	struct relays *relays = set;
	uint32_t relay = relay_link_id(link);
	bool has_second = relay_link_second_port(link) != 0;

	/* It has just been told. Both ports are asked at one time, so that the answers compare. */
	if (has_second && !relays->second_known[relay - 1] && relays->links[relay - 1] == link) {
		measure(relays, relay);
		loop_timer_set(&relays->stun_timer, now_ns(relays));
	}
	relays->second_known[relay - 1] = has_second;
	if (relays_udp_blocked(relays))
		loop_timer_set(&relays->measure_timer,
			       now_ns(relays) + RELAY_UDP_RETRY_S * NS_PER_S);
	elect_home(relays);
}

/* TLS wins the race too when UDP was away for a moment only, so that is asked again soon. */
static uint64_t measure_interval_ns(const struct relays *relays)
{
	return (relays_udp_blocked(relays) ? RELAY_UDP_RETRY_S : RELAY_MEASURE_INTERVAL_S) *
	       NS_PER_S;
}

static void measure_all(struct relays *relays)
{
	uint32_t relay;
	size_t cursor = 0;

	while ((relay = relays_next(relays, &cursor)))
		measure(relays, relay);
	drain_stun(relays);
	loop_timer_set(&relays->measure_timer, now_ns(relays) + measure_interval_ns(relays));
}

/* Perhaps only STUN that is masked gets through, or does not any more: both are tried. */
static void note_silence(struct relays *relays)
{
	uint32_t relay;
	size_t cursor = 0;

	while ((relay = relays_next(relays, &cursor))) {
		if (relay_link_answers_udp(relays->links[relay - 1]))
			return;
	}
	if (!relays->deaf_ns)
		relays->deaf_ns = now_ns(relays);
}

static void take_result(struct relays *relays, const struct stun_result *result)
{
	struct relay_link *link = find_link(relays, result->tag & ~SECOND_PORT_TAG);

	if (!link)
		return;
	if (result->err == 0)
		relays->ops.seen(relays->arg, &result->mapped, &result->local, &result->server);
	if (result->tag & SECOND_PORT_TAG)
		return;
	if (result->err < 0) {
		relay_link_next_server(link);
		relay_link_measured(link, 0);
		note_silence(relays);
	} else {
		relay_link_measured(link, result->rtt_ns ? result->rtt_ns : 1);
		relays->ops.mapped(relays->arg, &result->mapped, &result->local,
				   &result->server.addr);
	}
	elect_home(relays);
}

static void drain_stun(struct relays *relays)
{
	struct stun_client_datagram datagram;
	struct stun_result result;

	while (stun_client_poll_result(relays->stun, &result))
		take_result(relays, &result);
	while (stun_client_poll_output(relays->stun, &datagram)) {
		struct dp_path path = {
			.kind = DP_PATH_UDP,
			.remote = datagram.remote,
			.masked = relays->owner.masked,
		};

		dataplane_send(relays->config.dp, &path, datagram.data, datagram.len, 0, 0);
		path.masked = !path.masked;
		if (relays->deaf_ns && now_ns(relays) >= relays->deaf_ns + DEAF_NS)
			dataplane_send(relays->config.dp, &path, datagram.data, datagram.len, 0, 0);
	}
	loop_timer_set(&relays->stun_timer, stun_client_next_timeout(relays->stun));
}

static void on_stun_timer(void *arg, uint64_t at_ns)
{
	struct relays *relays = arg;

	stun_client_expire(relays->stun, at_ns);
	drain_stun(relays);
}

/*
 * Registered at all along: home, and the next ones, for when home dies. Whoever is near to us has
 * most of them too, so that a pair has another relay at once.
 */
static void keep_warm(struct relays *relays, bool warm[static NETMAP_RELAYS_MAX])
{
	unsigned int count;

	for (count = 0; count < WARM_MAX; count++) {
		uint32_t relay = best_relay(relays, warm);

		if (!relay)
			return;
		warm[relay - 1] = true;
		relay_link_want(relays->links[relay - 1]);
	}
}

/* Leaves relays that no peer needed for long. */
static void release_unwanted(struct relays *relays)
{
	bool warm[NETMAP_RELAYS_MAX] = { false };
	uint32_t relay;
	size_t cursor = 0;

	keep_warm(relays, warm);
	while ((relay = relays_next(relays, &cursor))) {
		struct relay_link *link = relays->links[relay - 1];
		bool was_up = relay_link_up(link);

		if (relay == relays->home || warm[relay - 1] || !relay_link_wanted(link) ||
		    now_ns(relays) <= relays->wanted_ns[relay - 1] + WANT_S * NS_PER_S)
			continue;
		relay_link_release(link);
		if (was_up)
			relays->ops.down(relays->arg, relay);
	}
}

static void on_measure_timer(void *arg, uint64_t at_ns)
{
	(void)at_ns;
	release_unwanted(arg);
	measure_all(arg);
}

/* --- life --- */

int relays_new(struct relays **out, const struct relays_config *config,
	       const struct relays_ops *ops, void *arg)
{
	struct relays *relays = calloc(1, sizeof(*relays));

	if (!relays)
		return -ENOMEM;
	relays->config = *config;
	relays->ops = *ops;
	relays->arg = arg;
	relays->rng = rng_system();
	relays->owner = (struct relay_link_owner){
		.config = &relays->config,
		.ops = &relays->ops,
		.arg = arg,
		.changed = on_link_changed,
		.set = relays,
	};
	relays->deaf_ns = now_ns(relays);
	relays->stun = stun_client_new(&relays->rng);
	relays->routes_by_peer = map_new(sizeof(struct route), RELAY_ROUTES_MAX);
	loop_timer_init(&relays->stun_timer, config->loop, on_stun_timer, relays);
	loop_timer_init(&relays->measure_timer, config->loop, on_measure_timer, relays);
	if (!relays->stun || !relays->routes_by_peer) {
		relays_free(relays);
		return -ENOMEM;
	}
	*out = relays;
	return 0;
}

static void forget_routes(struct relays *relays)
{
	size_t i;

	for (i = 0; i < relays->route_count; i++) {
		map_remove(relays->routes_by_peer, relays->routes[i]);
		free(relays->routes[i]);
	}
	free(relays->routes);
	relays->routes = NULL;
	relays->route_count = 0;
}

static void remove_link(struct relays *relays, uint32_t relay)
{
	struct relay_link *link = relays->links[relay - 1];
	bool was_up = relay_link_up(link);

	relays->links[relay - 1] = NULL;
	relay_link_free(link);
	if (was_up)
		relays->ops.down(relays->arg, relay);
}

void relays_free(struct relays *relays)
{
	if (!relays)
		return;
	relays_set_list(relays, NULL, 0);
	loop_timer_clear(&relays->stun_timer);
	loop_timer_clear(&relays->measure_timer);
	stun_client_free(relays->stun);
	map_free(relays->routes_by_peer);
	free(relays);
}

static bool is_listed(const char *name, const struct netmap_relay *list, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++) {
		if (strcmp(list[i].name, name) == 0)
			return true;
	}
	return false;
}

static void update_link(struct relays *relays, uint32_t relay, const struct netmap_relay *info)
{
	struct relay_link *link = relays->links[relay - 1];
	bool was_up = relay_link_up(link);

	relay_link_update(link, info);
	if (was_up && !relay_link_up(link))
		relays->ops.down(relays->arg, relay);
}

static int add_link(struct relays *relays, const struct netmap_relay *info)
{
	uint32_t relay = 1;

	while (relay <= NETMAP_RELAYS_MAX && relays->links[relay - 1])
		relay++;
	if (relay > NETMAP_RELAYS_MAX)
		return -ENOSPC;
	relays->links[relay - 1] = relay_link_new(&relays->owner, relay, info);
	if (!relays->links[relay - 1])
		return -ENOMEM;
	/* All are registered at first: whoever answers soonest is home, the others wait warm. */
	relays_want(relays, relay);
	return 0;
}

int relays_set_list(struct relays *relays, const struct netmap_relay *list, size_t count)
{
	size_t cursor = 0, i;
	uint32_t relay;
	bool added = false;
	int err = 0;

	while ((relay = relays_next(relays, &cursor))) {
		if (!is_listed(relays_name(relays, relay), list, count))
			remove_link(relays, relay);
	}
	for (i = 0; i < count && err == 0; i++) {
		relay = relays_find(relays, list[i].name);
		if (relay) {
			update_link(relays, relay, &list[i]);
		} else {
			err = add_link(relays, &list[i]);
			added = true;
		}
	}
	if (!count)
		forget_routes(relays);
	if (added)
		measure_all(relays);
	elect_home(relays);
	return err;
}

void relays_set_credential(struct relays *relays, const struct control_credential *credential)
{
	struct relay_link *link = find_link(relays, relays_find(relays, credential->relay));

	if (link)
		relay_link_set_credential(link, credential);
}

void relays_network_changed(struct relays *relays)
{
	uint32_t relay;
	size_t cursor = 0;

	stun_client_cancel(relays->stun);
	relays->owner.masked = false;
	relays->deaf_ns = now_ns(relays);
	while ((relay = relays_next(relays, &cursor)))
		relay_link_network_changed(relays->links[relay - 1]);
	measure_all(relays);
}

/* --- questions --- */

const char *relays_name(const struct relays *relays, uint32_t relay)
{
	const struct relay_link *link = find_link(relays, relay);

	return link ? relay_link_name(link) : "";
}

uint32_t relays_home(const struct relays *relays)
{
	return relays->home;
}

bool relays_is_up(const struct relays *relays, uint32_t relay)
{
	const struct relay_link *link = find_link(relays, relay);

	return link && relay_link_up(link);
}

const char *relays_transport(const struct relays *relays, uint32_t relay)
{
	const struct relay_link *link = find_link(relays, relay);

	return link ? relay_link_transport(link) : NULL;
}

uint64_t relays_rtt_ns(const struct relays *relays, uint32_t relay)
{
	const struct relay_link *link = find_link(relays, relay);

	return link ? relay_link_rtt_ns(link) : 0;
}

bool relays_masked(const struct relays *relays)
{
	return relays->owner.masked;
}

bool relays_is_turn(const struct relays *relays, uint32_t relay)
{
	const struct relay_link *link = find_link(relays, relay);

	return link && relay_link_is_turn(link);
}

bool relays_reaches(const struct relays *relays, uint32_t relay, const uint8_t node_key[static 32])
{
	const struct relay_link *link = find_link(relays, relay);

	return link && relay_link_reaches(link, node_key);
}

bool relays_relayed(const struct relays *relays, uint32_t relay, struct endpoint *relayed)
{
	const struct relay_link *link = find_link(relays, relay);

	return link && relay_link_relayed(link, relayed);
}

int relays_set_peer_address(struct relays *relays, uint32_t relay,
			    const uint8_t node_key[static 32], const struct endpoint *relayed)
{
	struct relay_link *link = find_link(relays, relay);

	return link ? relay_link_set_peer_address(link, node_key, relayed) : -ENOTCONN;
}

void relays_release_peer(struct relays *relays, const uint8_t node_key[static 32])
{
	uint32_t relay;
	size_t cursor = 0;

	while ((relay = relays_next(relays, &cursor))) {
		if (relay_link_is_turn(relays->links[relay - 1]))
			relay_link_release_peer(relays->links[relay - 1], node_key);
	}
}

uint32_t relays_refused(const struct relays *relays, unsigned int *code)
{
	uint32_t relay;
	size_t cursor = 0;

	while ((relay = relays_next(relays, &cursor))) {
		*code = relay_link_refusal(relays->links[relay - 1]);
		if (*code)
			return relay;
	}
	return 0;
}

bool relays_udp_blocked(const struct relays *relays)
{
	bool by_tls = false;
	uint32_t relay;
	size_t cursor = 0;

	while ((relay = relays_next(relays, &cursor))) {
		if (relay_link_answers_udp(relays->links[relay - 1]))
			return false;
		by_tls = by_tls || relay_link_up(relays->links[relay - 1]);
	}
	return by_tls;
}

bool relays_stun_server(const struct relays *relays, uint32_t relay, int family,
			struct endpoint *server)
{
	const struct relay_link *link = find_link(relays, relay);

	return link && relay_link_server_of(link, family, server);
}

uint16_t relays_second_port(const struct relays *relays, uint32_t relay)
{
	const struct relay_link *link = find_link(relays, relay);

	return link ? relay_link_second_port(link) : 0;
}

bool relays_find_prober(const struct relays *relays, int family, struct relays_prober *prober)
{
	const struct relay_link *home = find_link(relays, relays->home);
	uint32_t relay;
	size_t cursor = 0;

	if (home && relay_link_prober(home, family, prober))
		return true;
	while ((relay = relays_next(relays, &cursor))) {
		if (relay_link_prober(relays->links[relay - 1], family, prober))
			return true;
	}
	return false;
}

size_t relays_addresses(const struct relays *relays, struct ip_addr *out, size_t max)
{
	size_t cursor = 0, count = 0;
	uint32_t relay;

	while ((relay = relays_next(relays, &cursor)))
		count += relay_link_addresses(relays->links[relay - 1], out + count, max - count);
	return count;
}

void relays_want(struct relays *relays, uint32_t relay)
{
	struct relay_link *link = find_link(relays, relay);

	if (!link)
		return;
	relays->wanted_ns[relay - 1] = now_ns(relays);
	relay_link_want(link);
}

/* --- sending --- */

/* The number of the stream for a peer at a relay; made when there is none. 0 when full. */
static uint32_t stream_number(struct relays *relays, uint32_t relay,
			      const uint8_t node_key[static 32])
{
	struct route key = { .relay = relay };
	struct route **routes;
	struct route *route;
	uintptr_t found;

	memcpy(key.node_key, node_key, 32);
	found = (uintptr_t)map_find(relays->routes_by_peer, &key);
	if (found)
		return (uint32_t)found;
	routes = reallocarray(relays->routes, relays->route_count + 1, sizeof(struct route *));
	if (!routes)
		return 0;
	relays->routes = routes;
	route = malloc(sizeof(*route));
	if (!route)
		return 0;
	*route = key;
	found = relays->route_count + 1;
	if (map_insert(relays->routes_by_peer, &key, (void *)found) < 0) {
		free(route);
		return 0;
	}
	routes[relays->route_count++] = route;
	return (uint32_t)found;
}

int relays_path(struct relays *relays, uint32_t relay, const uint8_t node_key[static 32],
		struct dp_path *path)
{
	struct relay_link *link = find_link(relays, relay);
	uint16_t channel;
	uint32_t stream;

	if (!link || !relay_link_up(link))
		return -ENOTCONN;
	channel = relay_link_channel(link, node_key);
	if (channel) {
		*path = (struct dp_path){ .kind = DP_PATH_UDP, .channel = channel };
		relay_link_server(link, &path->remote);
		return 0;
	}
	stream = stream_number(relays, relay, node_key);
	if (!stream)
		return -ENOSPC;
	*path = (struct dp_path){ .kind = DP_PATH_STREAM, .stream = stream };
	return 0;
}

uint32_t relays_stream_relay(const struct relays *relays, uint32_t stream)
{
	return stream && stream <= relays->route_count ? relays->routes[stream - 1]->relay : 0;
}

void relays_output(struct relays *relays, uint32_t stream, const uint8_t *data, size_t len)
{
	const struct route *route;

	if (!stream || stream > relays->route_count)
		return;
	route = relays->routes[stream - 1];
	relays_send(relays, route->relay, route->node_key, data, len);
}

int relays_send(struct relays *relays, uint32_t relay, const uint8_t node_key[static 32],
		const uint8_t *data, size_t len)
{
	struct relay_link *link = find_link(relays, relay);

	return link ? relay_link_send(link, node_key, data, len) : -ENOTCONN;
}

void relays_unanswered(struct relays *relays, uint32_t relay)
{
	struct relay_link *link = find_link(relays, relay);

	if (link)
		relay_link_unanswered(link);
}

/* --- receiving --- */

/* The relay whose server this is, or NULL. */
static struct relay_link *link_at(const struct relays *relays, const struct endpoint *server)
{
	struct endpoint own;
	uint32_t relay;
	size_t cursor = 0;

	while ((relay = relays_next(relays, &cursor))) {
		if (relay_link_server(relays->links[relay - 1], &own) &&
		    endpoint_equal(&own, server))
			return relays->links[relay - 1];
	}
	return NULL;
}

/* The answer to a measurement comes as it was asked. */
static void note_answer(struct relays *relays, bool masked)
{
	if (masked && relays->deaf_ns && !relays->owner.masked)
		log_info("stun-masked reason=\"stun gets no answer here but masked\"");
	if (relays->deaf_ns || !masked)
		relays->owner.masked = masked;
	relays->deaf_ns = 0;
}

bool relays_input(struct relays *relays, const uint8_t *data, size_t len,
		  const struct dp_path *from)
{
	struct relay_link *link = link_at(relays, &from->remote);

	/* Second ports are asked as well, which are no link's. */
	if (stun_client_input(relays->stun, data, len, &from->remote, now_ns(relays)) == 0) {
		note_answer(relays, from->masked);
		drain_stun(relays);
		return true;
	}
	return link && relay_link_input(link, data, len);
}

bool relays_channel_peer(const struct relays *relays, const struct endpoint *server,
			 uint16_t channel, uint8_t node_key[static 32], uint32_t *relay)
{
	const struct relay_link *link = link_at(relays, server);

	if (!link || !relay_link_channel_peer(link, channel, node_key))
		return false;
	*relay = relay_link_id(link);
	return true;
}
