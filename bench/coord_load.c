/*
 * Ten thousand nodes in one process, each with a TLS connection, a Noise session and a daemon's
 * habits, on one thread. bench/coord and the tests drive it with lines on stdin, and get one line
 * of JSON for each:
 *
 *     build/release/bench/coord_load ADDRESS PORT TOKENS [MAX]
 *
 *     join N AT_ONCE        until N nodes are there, with so many opening at a time
 *     run S                 nothing but what nodes do by themselves
 *     signals RATE S BYTES  besides, signals a second, between nodes with the same token
 *     back S                until all have come back after now, S seconds at most
 *     changed COUNT S       until so many nodes have been sent a map or a delta after now
 *     more SEQUENCE         one more node with the first token, and what that brings to others
 *     flood NODES RATE S    so many signals a second, 16 KiB each, from the first nodes
 *     deaf NODES            the last ones stop reading until they are cut off
 *     huge NODES            the first ones send a frame above what is allowed, once
 *     garbage NODES         the first ones send a message that is not JSON, once
 *
 * TOKENS is a file with a token a line; node i has token i modulo their number. Every tenth signal
 * is really sealed and opened, the others are bytes of the same length: a server cannot tell, and
 * the two cores belong to the coordinator as well. Every hundredth node verifies its maps.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/descriptors.h"
#include "base/map.h"
#include "crypto/rng.h"
#include "proto/signal.h"
#include "tests/support/load_node.h"

#define NODES_MAX    20000
#define TOKENS_MAX   1024
#define EVENTS       256
#define SAMPLES_MAX  (1u << 20)
#define CHECKS_EVERY 100
#define SEALED_EVERY 10
#define TURN_NS      (5 * NS_PER_MS)
#define SETTLED_NS   (2 * NS_PER_S) /* no message for so long: nothing follows */
#define RUBBISH_S    3              /* until all have come back */
#define HUGE         (LOAD_LINK_MESSAGE_MAX + 1)

struct samples {
	uint32_t us[SAMPLES_MAX];
	size_t count;
};

struct load {
	struct load_fleet fleet;
	struct token tokens[TOKENS_MAX];
	size_t token_count;
	struct load_node *nodes;
	struct map *by_key;
	size_t started;
	size_t ready;
	size_t max;
	uint64_t since_ns; /* of the command */
	uint64_t heard_ns; /* when the last map or presence came */
	uint64_t maps, deltas, map_bytes, presences, entries;
	uint64_t pings, lost, failed, broken, errors, refused[CONTROL_ERROR_CODE_COUNT];
	uint64_t sent, delivered, opened, unopened, undelivered;
	struct samples join, ping, signal, back, change;
};

static struct load load;

static void sample(struct samples *samples, uint64_t ns)
{
	if (samples->count < SAMPLES_MAX)
		samples->us[samples->count++] = (uint32_t)(ns / 1000);
}

static int ascending(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a;
	uint32_t y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static void print_samples(const char *name, struct samples *samples)
{
	static const double parts[] = { 0.5, 0.9, 0.99, 1.0 };
	static const char *const names[] = { "p50", "p90", "p99", "max" };

	printf(",\"%s_ms\":{\"count\":%zu", name, samples->count);
	qsort(samples->us, samples->count, sizeof(samples->us[0]), ascending);
	for (size_t i = 0; i < 4 && samples->count; i++)
		printf(",\"%s\":%.2f", names[i],
		       samples->us[(size_t)(parts[i] * (double)(samples->count - 1))] / 1e3);
	printf("}");
}

static void forget(void)
{
	load.join.count = load.ping.count = load.signal.count = 0;
	load.back.count = load.change.count = 0;
	load.maps = load.deltas = load.map_bytes = load.presences = load.entries = 0;
	load.pings = load.lost = load.failed = load.broken = load.errors = 0;
	load.sent = load.delivered = load.opened = load.unopened = load.undelivered = 0;
	memset(load.refused, 0, sizeof(load.refused));
	load.since_ns = load.heard_ns = clock_now_ns();
}

static void print_result(const char *command)
{
	double seconds = (double)(clock_now_ns() - load.since_ns) / (double)NS_PER_S;

	printf("{\"command\":\"%s\",\"seconds\":%.3f,\"nodes\":%zu,\"ready\":%zu,\"lost\":%llu,"
	       "\"failed\":%llu,\"broken\":%llu,\"errors\":%llu",
	       command, seconds, load.started, load.ready, (unsigned long long)load.lost,
	       (unsigned long long)load.failed, (unsigned long long)load.broken,
	       (unsigned long long)load.errors);
	printf(",\"maps\":%llu,\"deltas\":%llu,\"map_bytes\":%llu,\"presences\":%llu,"
	       "\"presence_entries\":%llu",
	       (unsigned long long)load.maps, (unsigned long long)load.deltas,
	       (unsigned long long)load.map_bytes, (unsigned long long)load.presences,
	       (unsigned long long)load.entries);
	printf(",\"sent\":%llu,\"delivered\":%llu,\"opened\":%llu,\"unopened\":%llu",
	       (unsigned long long)load.sent, (unsigned long long)load.delivered,
	       (unsigned long long)load.opened, (unsigned long long)load.unopened);
	printf(",\"error_codes\":{");
	for (int i = 0, n = 0; i < CONTROL_ERROR_CODE_COUNT; i++)
		if (load.refused[i])
			printf("%s\"%s\":%llu", n++ ? "," : "",
			       control_error_name((enum control_error_code)i),
			       (unsigned long long)load.refused[i]);
	printf("}");
	print_samples("join", &load.join);
	print_samples("ping", &load.ping);
	print_samples("signal", &load.signal);
	print_samples("back", &load.back);
	print_samples("change", &load.change);
	printf("}\n");
	fflush(stdout);
}

static void on_ready(void *arg, struct load_node *node)
{
	(void)arg;
	load.ready++;
	sample(&load.join, node->ready_ns - node->dialled_ns);
	sample(&load.back, node->ready_ns - load.since_ns);
}

static void on_map(void *arg, struct load_node *node, bool whole, size_t len)
{
	(void)arg;
	load.heard_ns = load.fleet.now_ns;
	*(whole ? &load.maps : &load.deltas) += 1;
	load.map_bytes += len;
	sample(&load.change, node->map_ns - load.since_ns);
}

static void on_presence(void *arg, struct load_node *node, size_t entries)
{
	(void)arg;
	(void)node;
	load.heard_ns = load.fleet.now_ns;
	load.presences++;
	load.entries += entries;
}

static void on_pong(void *arg, struct load_node *node, uint64_t rtt_ns)
{
	(void)arg;
	(void)node;
	load.pings++;
	sample(&load.ping, rtt_ns);
}

static void on_signal(void *arg, struct load_node *node, const struct control_signal *in)
{
	struct load_node *from = map_find(load.by_key, in->node_key);
	uint8_t plain[SIGNAL_SEALED_MAX];
	struct signal signal = { .kind = 0 };
	struct signal expect = { .kind = 0 };
	uint64_t sent_ns;

	(void)arg;
	load.delivered++;
	memcpy(&sent_ns, in->data, sizeof(sent_ns));
	if (sent_ns == 0 && from) {
		memcpy(expect.from, from->device_key, 32);
		memcpy(expect.to, node->device_key, 32);
		memcpy(expect.network_id, node->trust.trust.network_id, sizeof(expect.network_id));
		if (signal_open(&signal, plain, in->data + 8, in->len - 8, node->box_secret,
				from->box_key, &expect) < 0) {
			load.unopened++;
			return;
		}
		load.opened++;
		memcpy(&sent_ns, signal.payload, sizeof(sent_ns));
	}
	sample(&load.signal, clock_now_ns() - sent_ns);
}

static void on_error(void *arg, struct load_node *node, const struct control_error *error)
{
	(void)arg;
	(void)node;
	load.errors++;
	load.refused[error->code]++;
}

static void on_lost(void *arg, struct load_node *node, bool was_ready)
{
	(void)arg;
	(void)node;
	if (was_ready) {
		load.ready--;
		load.lost++;
	} else {
		load.failed++;
	}
}

static void on_broken(void *arg, struct load_node *node, const char *what)
{
	(void)arg;
	fprintf(stderr, "node %zu: bad %s\n", (size_t)(node - load.nodes), what);
	load.broken++;
}

/* One turn: what is due, then what happens within a few milliseconds. */
static void turn(void)
{
	struct epoll_event events[EVENTS];
	struct timer_node *first;
	uint64_t next_ns;
	int wait_ms;
	int count;

	load.fleet.now_ns = clock_now_ns();
	while ((first = timer_heap_first(&load.fleet.timers)) &&
	       first->deadline_ns <= load.fleet.now_ns)
		load_node_expire((struct load_node *)first);
	next_ns = timer_heap_next_ns(&load.fleet.timers);
	wait_ms = next_ns < load.fleet.now_ns + TURN_NS ? 1 : (int)(TURN_NS / NS_PER_MS);
	count = epoll_wait(load.fleet.epoll, events, EVENTS, wait_ms);
	load.fleet.now_ns = clock_now_ns();
	for (int i = 0; i < count; i++)
		load_node_event(events[i].data.ptr, events[i].events);
}

static bool before(double seconds)
{
	return clock_now_ns() < load.since_ns + (uint64_t)(seconds * (double)NS_PER_S);
}

static void start_one(void)
{
	struct load_node *node = &load.nodes[load.started];

	load_node_init(node, &load.fleet, &load.tokens[load.started % load.token_count]);
	node->checks = load.started % CHECKS_EVERY == 0;
	if (map_insert(load.by_key, node->device_key, node) < 0)
		abort();
	load.started++;
	load_node_start(node);
}

static void join(size_t count, size_t at_once)
{
	while (load.ready < count) {
		while (load.started < count && load.started < load.max &&
		       load.started - load.ready < at_once)
			start_one();
		turn();
	}
	print_result("join");
}

static void run(double seconds)
{
	while (before(seconds))
		turn();
	print_result("run");
}

static void send_signal(struct load_node *from, struct load_node *to, size_t len)
{
	static uint8_t data[CONTROL_SIGNAL_MAX];
	struct rng rng = rng_system();
	struct control_message message = { .type = CONTROL_SIGNAL };
	uint64_t now_ns = clock_now_ns();

	memcpy(message.signal.node_key, to->device_key, 32);
	message.signal.data = data;
	message.signal.len = len;
	if (load.sent++ % SEALED_EVERY == 0 && len >= SIGNAL_OVERHEAD + 16) {
		uint8_t payload[CONTROL_SIGNAL_MAX] = { 0 };
		struct signal signal = { .kind = SIGNAL_OFFER,
					 .session = load.sent,
					 .counter = 1,
					 .time_s = clock_wall_s(),
					 .payload = payload,
					 .payload_len = len - SIGNAL_OVERHEAD - 8 };
		size_t sealed_len;

		memcpy(payload, &now_ns, sizeof(now_ns));
		memcpy(signal.network_id, from->trust.trust.network_id, sizeof(signal.network_id));
		memcpy(signal.from, from->device_key, 32);
		memcpy(signal.to, to->device_key, 32);
		memset(data, 0, 8);
		if (signal_seal(data + 8, sizeof(data) - 8, &sealed_len, &signal, from->box_secret,
				to->box_key, &rng) < 0)
			abort();
		message.signal.len = sealed_len + 8;
	} else {
		memcpy(data, &now_ns, sizeof(now_ns));
	}
	load_node_send(from, &message);
}

/* Somebody ready with the same token, or NULL. */
static struct load_node *choose_peer(size_t index)
{
	size_t group = load.started / load.token_count;
	size_t peer = index % load.token_count +
		      randombytes_uniform((uint32_t)(group ? group : 1)) * load.token_count;

	if (peer == index || peer >= load.started || load.nodes[peer].state != LOAD_NODE_READY)
		return NULL;
	return &load.nodes[peer];
}

static void send_due(uint64_t *sent, double rate, size_t first, size_t count, size_t len)
{
	double passed = (double)(clock_now_ns() - load.since_ns) / (double)NS_PER_S;
	uint64_t due = (uint64_t)(passed * rate);

	for (; *sent < due; *sent += 1) {
		size_t index = first + randombytes_uniform((uint32_t)count);
		struct load_node *from = &load.nodes[index];
		struct load_node *to = choose_peer(index);

		if (to && from->state == LOAD_NODE_READY && !from->link.deaf &&
		    from->link.out_len < LOAD_LINK_QUEUE_MAX / 4)
			send_signal(from, to, len);
	}
}

static void signals(double rate, double seconds, size_t len, size_t first, size_t count)
{
	uint64_t end_ns;
	uint64_t sent = 0;

	while (before(seconds)) {
		send_due(&sent, rate, first, count, len);
		turn();
	}
	/* The last ones are under way. */
	end_ns = clock_now_ns() + NS_PER_S;
	while (load.delivered < load.sent && clock_now_ns() < end_ns)
		turn();
	print_result("signals");
}

static void back(double seconds)
{
	while (before(seconds)) {
		if (load.back.count >= load.started && load.ready == load.started)
			break;
		turn();
	}
	print_result("back");
}

static void changed(size_t count, double seconds)
{
	while (before(seconds) && load.change.count < count)
		turn();
	print_result("changed");
}

static void more(void)
{
	struct load_node *node = &load.nodes[load.started];

	if (load.started == load.max)
		return;
	start_one();
	while (node->state != LOAD_NODE_READY || clock_now_ns() < load.heard_ns + SETTLED_NS)
		turn();
	print_result("more");
}

static void deaf(size_t count)
{
	for (size_t i = 0; i < count; i++)
		load_link_stop_reading(&load.nodes[load.started - 1 - i].link);
	print_result("deaf");
}

static void rubbish(size_t count, size_t len)
{
	static uint8_t data[2 * HUGE];

	for (size_t i = 0; i < count; i++) {
		struct load_link *link = &load.nodes[i].link;

		/* A frame that says it is longer than anything allowed. */
		static const uint8_t head[14] = { 0x82, 0xff, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff };

		if (len > LOAD_LINK_MESSAGE_MAX && load_link_send_raw(link, head, 14) == 0)
			load_link_send_raw(link, data, sizeof(data));
		else
			load_link_send(link, data, len);
	}
	while (before(RUBBISH_S))
		turn();
	print_result("rubbish");
}

static void obey(const char *line)
{
	unsigned long n = 0, m = 0;
	double rate = 0, seconds = 0;

	forget();
	if (sscanf(line, "join %lu %lu", &n, &m) == 2)
		join(n < load.max ? n : load.max, m);
	else if (sscanf(line, "run %lf", &seconds) == 1)
		run(seconds);
	else if (sscanf(line, "signals %lf %lf %lu", &rate, &seconds, &n) == 3)
		signals(rate, seconds, n < CONTROL_SIGNAL_MAX ? n : CONTROL_SIGNAL_MAX, 0,
			load.started);
	else if (sscanf(line, "flood %lu %lf %lf", &n, &rate, &seconds) == 3)
		signals(rate, seconds, CONTROL_SIGNAL_MAX, 0, n);
	else if (sscanf(line, "back %lf", &seconds) == 1)
		back(seconds);
	else if (sscanf(line, "changed %lu %lf", &n, &seconds) == 2)
		changed(n, seconds);
	else if (strncmp(line, "more", 4) == 0)
		more();
	else if (sscanf(line, "deaf %lu", &n) == 1)
		deaf(n);
	else if (sscanf(line, "huge %lu", &n) == 1)
		rubbish(n, HUGE);
	else if (sscanf(line, "garbage %lu", &n) == 1)
		rubbish(n, 100);
	else
		printf("{\"error\":\"unknown command\"}\n");
	fflush(stdout);
}

static int read_tokens(const char *path)
{
	char line[TOKEN_TEXT_SIZE];
	FILE *file = fopen(path, "r");

	if (!file)
		return -errno;
	while (load.token_count < TOKENS_MAX && fgets(line, sizeof(line), file))
		if (token_parse(&load.tokens[load.token_count], line) == 0)
			load.token_count++;
	fclose(file);
	return load.token_count ? 0 : -EINVAL;
}

static int set_up(const char *address, const char *port, const char *tokens)
{
	struct endpoint to = { .port = (uint16_t)atoi(port) };

	if (addr_parse(&to.addr, address) < 0 || read_tokens(tokens) < 0)
		return -EINVAL;
	load.fleet.to_len = endpoint_to_sockaddr(&load.fleet.to, &to);
	load.fleet.epoll = epoll_create1(EPOLL_CLOEXEC);
	load.fleet.tls = load_link_tls();
	load.nodes = calloc(NODES_MAX, sizeof(*load.nodes));
	load.by_key = map_new(32, NODES_MAX);
	timer_heap_init(&load.fleet.timers);
	load.fleet.ready = on_ready;
	load.fleet.map = on_map;
	load.fleet.presence = on_presence;
	load.fleet.pong = on_pong;
	load.fleet.signal = on_signal;
	load.fleet.error = on_error;
	load.fleet.lost = on_lost;
	load.fleet.broken = on_broken;
	return load.fleet.tls && load.nodes && load.by_key ? 0 : -ENOMEM;
}

int main(int argc, char **argv)
{
	static char line[256];

	if (argc < 4) {
		fprintf(stderr, "usage: coord_load ADDRESS PORT TOKENS [MAX]\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	descriptors_allow(DESCRIPTORS_ALL);
	load.max = argc > 4 ? (size_t)atol(argv[4]) : NODES_MAX;
	if (load.max > NODES_MAX || sodium_init() < 0 || set_up(argv[1], argv[2], argv[3]) < 0) {
		fprintf(stderr, "coord_load: bad address, tokens or number\n");
		return 1;
	}
	for (;;) {
		struct pollfd command = { .fd = STDIN_FILENO, .events = POLLIN };

		turn();
		if (poll(&command, 1, 0) <= 0)
			continue;
		if (!fgets(line, sizeof(line), stdin))
			break;
		obey(line);
	}
	for (size_t i = 0; i < load.started; i++)
		load_node_clear(&load.nodes[i]);
	return 0;
}
