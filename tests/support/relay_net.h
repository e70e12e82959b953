#ifndef WARREN_TESTS_RELAY_NET_H
#define WARREN_TESTS_RELAY_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "crypto/rng.h"
#include "proto/relay_client.h"
#include "proto/relay_server.h"

/*
 * Relay clients and a relay in memory:   node 0 ─┐
 *                                        node 1 ─┼─ network (delay, loss) ─ relay
 *                                        node 2 ─┘
 */

#define RELAY_NET_NODES    3
#define RELAY_NET_DELAY_NS (10 * NS_PER_MS)
#define RELAY_NET_FLYING   4096
#define RELAY_NET_WALL_S   1700000000u

extern const uint8_t relay_net_secret[];
#define RELAY_NET_SECRET_LEN  18
#define RELAY_NET_SECOND_PORT 3479

struct relay_flying {
	uint64_t at_ns;
	bool used;
	int to; /* node, or -1 for the relay */
	struct relay_address address;
	uint8_t data[2048];
	size_t len;
};

struct relay_node {
	struct relay_client *client;
	uint8_t key[32];
	struct relay_address address;
	unsigned int registered;
	unsigned int lost;
	unsigned int refused;
	unsigned int error;
	unsigned int channels;
	unsigned int channels_lost;
	unsigned int absent;
	unsigned int data_count;
	uint64_t lost_at_ns;
	uint16_t channel;
	uint8_t data_from[32];
	uint8_t data[2048];
	size_t data_len;
	bool by_channel; /* the last data came as ChannelData */
};

struct relay_net {
	struct rng_seeded seeded;
	struct rng rng;
	uint64_t now_ns;
	struct relay_server *server;
	struct relay_output out;
	struct relay_node nodes[RELAY_NET_NODES];
	struct relay_flying flying[RELAY_NET_FLYING];
	unsigned int loss_percent;
	bool relay_dead;
	unsigned int to_relay;
	uint8_t last[2048]; /* the last message that reached the relay */
	size_t last_len;
};

/* cmocka's setup and teardown: *state is the struct relay_net. */
void relay_net_address(struct relay_address *address, const char *text);
void relay_net_start_relay(struct relay_net *net);
int relay_net_setup(void **state);
int relay_net_teardown(void **state);
void relay_net_join_until(struct relay_net *net, int i, uint64_t expiry_s);
void relay_net_join(struct relay_net *net, int i);
void relay_net_run(struct relay_net *net, uint64_t for_ns);
void relay_net_send(struct relay_net *net, int from, int to, const char *text);
void relay_net_expect(struct relay_net *net, int at, int from, const char *text);
void relay_net_join_pair(struct relay_net *net);
void relay_net_bind(struct relay_net *net, int from, int to);
void relay_net_drain(struct relay_net *net, int i);

#endif
