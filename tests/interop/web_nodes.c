/*
 * Nodes for the web pages to show: they speak the real protocol, say of themselves what a file
 * says, and tell of paths that they do not have.
 *
 *     build/release/tests/interop/web_nodes ADDRESS PORT FILE
 *
 * FILE is JSON, {"nodes":[{"token":…,"hostname":…,"os":…,"version":…,"home_relay":…,"health":[…],
 * "routes":["10.20.0.0/16"],"paths":[{"peer":1,"path":"relay","relay":…,"reason":…,
 * "latency_us":…}]}]}; a peer is a place in the list. It prints "ready" when all are in or wait for
 * approval, and ends with its stdin.
 */
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/support/load_node.h"

#define NODES_MAX 2000
#define EVENTS    64

static struct {
	struct load_fleet fleet;
	json_t *list;
	size_t count;
	size_t started;
	size_t ready;
	struct player {
		struct load_node node;
		struct token token;
		struct control_facts facts;
		bool told;
	} * players;
} stage;

static const char *text(json_t *object, const char *name)
{
	const char *value = json_string_value(json_object_get(object, name));

	return value ? value : "";
}

static void start_next(void)
{
	struct player *player = &stage.players[stage.started];
	json_t *entry = json_array_get(stage.list, stage.started);

	if (token_parse(&player->token, text(entry, "token")) < 0) {
		fprintf(stderr, "web_nodes: node %zu has no good token\n", stage.started);
		exit(1);
	}
	snprintf(player->facts.hostname, sizeof(player->facts.hostname), "%s",
		 text(entry, "hostname"));
	snprintf(player->facts.os, sizeof(player->facts.os), "%s", text(entry, "os"));
	snprintf(player->facts.version, sizeof(player->facts.version), "%s",
		 text(entry, "version"));
	load_node_init(&player->node, &stage.fleet, &player->token);
	player->node.facts = &player->facts;
	stage.started++;
	load_node_start(&player->node);
}

/* One after the other, so that they get the names that they ask for. */
static void one_more(void)
{
	stage.ready++;
	if (stage.started < stage.count) {
		start_next();
	} else if (stage.ready == stage.count) {
		puts("ready");
		fflush(stdout);
	}
}

static void add_routes(struct control_update *update, json_t *routes)
{
	json_t *value;
	size_t i;

	update->has_routes = routes != NULL;
	json_array_foreach (routes, i, value)
		if (i < CERT_ROUTES_MAX &&
		    prefix_parse(&update->routes[i], json_string_value(value)) == 0)
			update->route_count++;
}

static void on_ready(void *arg, struct load_node *node)
{
	struct player *player = (struct player *)(void *)node;
	json_t *entry = json_array_get(stage.list, (size_t)(player - stage.players));
	struct control_message update = { .type = CONTROL_UPDATE };

	(void)arg;
	update.update.has_home_relay = true;
	snprintf(update.update.home_relay, sizeof(update.update.home_relay), "%s",
		 text(entry, "home_relay"));
	add_routes(&update.update, json_object_get(entry, "routes"));
	load_node_send(node, &update);
	one_more();
}

static void on_pending(void *arg, struct load_node *node, const struct control_pending *pending)
{
	(void)arg;
	(void)node;
	(void)pending;
	one_more();
}

static void add_path(struct control_report *report, json_t *entry)
{
	struct control_report_peer *path = &report->peers[report->peer_count];
	size_t peer = (size_t)json_integer_value(json_object_get(entry, "peer"));

	if (peer >= stage.started || report->peer_count == CONTROL_REPORT_PEERS_MAX)
		return;
	memcpy(path->node_key, stage.players[peer].node.device_key, 32);
	for (int kind = 0; kind < CONTROL_REPORT_PATHS; kind++)
		if (strcmp(text(entry, "path"),
			   control_report_path_name((enum control_report_path)kind)) == 0)
			path->path = (enum control_report_path)kind;
	snprintf(path->relay, sizeof(path->relay), "%s", text(entry, "relay"));
	snprintf(path->reason, sizeof(path->reason), "%s", text(entry, "reason"));
	path->latency_us = (uint32_t)json_integer_value(json_object_get(entry, "latency_us"));
	report->peer_count++;
}

static void tell(struct player *player)
{
	json_t *entry = json_array_get(stage.list, (size_t)(player - stage.players));
	struct control_message message = { .type = CONTROL_REPORT };
	struct control_report *report = &message.report;
	json_t *value;
	size_t i;

	report->peers = calloc(CONTROL_REPORT_PEERS_MAX, sizeof(*report->peers));
	report->health = calloc(CONTROL_REPORT_HEALTH_MAX, sizeof(*report->health));
	if (!report->peers || !report->health)
		abort();
	json_array_foreach (json_object_get(entry, "paths"), i, value)
		add_path(report, value);
	json_array_foreach (json_object_get(entry, "health"), i, value)
		if (i < CONTROL_REPORT_HEALTH_MAX)
			control_report_clean(report->health[report->health_count++],
					     json_string_value(value));
	load_node_send(&player->node, &message);
	control_message_clear(&message);
	player->told = true;
}

/* Once all are there, so that everybody knows everybody's key. */
static void tell_all(void)
{
	for (size_t i = 0; stage.ready == stage.count && i < stage.count; i++)
		if (!stage.players[i].told && stage.players[i].node.state == LOAD_NODE_READY)
			tell(&stage.players[i]);
}

static void on_map(void *arg, struct load_node *node, bool whole, size_t len)
{
	(void)arg, (void)node, (void)whole, (void)len;
}

static void on_presence(void *arg, struct load_node *node, size_t entries)
{
	(void)arg, (void)node, (void)entries;
}

static void on_pong(void *arg, struct load_node *node, uint64_t rtt_ns)
{
	(void)arg, (void)node, (void)rtt_ns;
}

static void on_signal(void *arg, struct load_node *node, const struct control_signal *signal)
{
	(void)arg, (void)node, (void)signal;
}

static void on_error(void *arg, struct load_node *node, const struct control_error *error)
{
	(void)arg, (void)node;
	fprintf(stderr, "web_nodes: %s: %s\n", control_error_name(error->code), error->text);
}

static void on_lost(void *arg, struct load_node *node, bool was_ready)
{
	(void)arg, (void)was_ready;
	load_node_stop(node); /* revoked, or the coordinator is gone: it stays away */
}

static void on_broken(void *arg, struct load_node *node, const char *what)
{
	(void)arg, (void)node;
	fprintf(stderr, "web_nodes: broken %s\n", what);
}

static void turn(void)
{
	struct epoll_event events[EVENTS];
	struct timer_node *first;
	int count;

	stage.fleet.now_ns = clock_now_ns();
	while ((first = timer_heap_first(&stage.fleet.timers)) &&
	       first->deadline_ns <= stage.fleet.now_ns)
		load_node_expire((struct load_node *)first);
	count = epoll_wait(stage.fleet.epoll, events, EVENTS, 20);
	stage.fleet.now_ns = clock_now_ns();
	for (int i = 0; i < count; i++)
		load_node_event(events[i].data.ptr, events[i].events);
	tell_all();
}

static int set_up(const char *address, const char *port, const char *path)
{
	struct endpoint to = { .port = (uint16_t)atoi(port) };
	json_t *object = json_load_file(path, 0, NULL);

	stage.list = json_object_get(object, "nodes");
	stage.count = json_array_size(stage.list);
	if (stage.count == 0 || stage.count > NODES_MAX || addr_parse(&to.addr, address) < 0)
		return -1;
	stage.players = calloc(stage.count, sizeof(*stage.players));
	stage.fleet = (struct load_fleet){ .epoll = epoll_create1(EPOLL_CLOEXEC),
					   .tls = load_link_tls(),
					   .ready = on_ready,
					   .pending = on_pending,
					   .map = on_map,
					   .presence = on_presence,
					   .pong = on_pong,
					   .signal = on_signal,
					   .error = on_error,
					   .lost = on_lost,
					   .broken = on_broken };
	stage.fleet.to_len = endpoint_to_sockaddr(&stage.fleet.to, &to);
	timer_heap_init(&stage.fleet.timers);
	return stage.players && stage.fleet.tls ? 0 : -1;
}

int main(int argc, char **argv)
{
	struct pollfd end = { .fd = STDIN_FILENO, .events = POLLIN };
	char byte;

	if (argc != 4) {
		fprintf(stderr, "usage: web_nodes ADDRESS PORT FILE\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	if (sodium_init() < 0 || set_up(argv[1], argv[2], argv[3]) < 0) {
		fprintf(stderr, "web_nodes: bad address or file\n");
		return 1;
	}
	stage.fleet.now_ns = clock_now_ns();
	start_next();
	while (poll(&end, 1, 0) == 0 || read(STDIN_FILENO, &byte, 1) > 0)
		turn();
	return 0;
}
