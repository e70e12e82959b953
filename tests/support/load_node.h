#ifndef WARREN_TESTS_LOAD_NODE_H
#define WARREN_TESTS_LOAD_NODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/timerheap.h"
#include "proto/control.h"
#include "proto/netmap.h"
#include "proto/token.h"
#include "tests/support/load_link.h"

/*
 * One node as a coordinator sees it, without its data plane: real TLS, WebSocket, Noise and control
 * messages, with the daemon's pings, deadlines and pauses between tries.
 */

enum load_node_state {
	LOAD_NODE_IDLE,
	LOAD_NODE_WAITING, /* for its next try */
	LOAD_NODE_OPENING, /* until the welcome */
	LOAD_NODE_WELCOME,
	LOAD_NODE_READY, /* has its map, relays and what it is told of its peers */
};

struct load_fleet;

struct load_node {
	struct timer_node timer; /* first */
	struct load_fleet *fleet;
	struct load_link link;
	struct control_channel *channel;
	const struct token *token;
	enum load_node_state state;
	bool enrolled;
	const struct control_facts *facts; /* of its own; NULL: those of all */
	bool checks; /* verifies its maps as a node does; costly, so not every node of a load */
	unsigned int failures;
	uint8_t device_key[32];
	uint8_t device_secret[64];
	uint8_t box_key[32];
	uint8_t box_secret[32];
	uint64_t dialled_ns;
	uint64_t ready_ns;
	uint64_t ping_sent_ns; /* 0: no pong is awaited */
	uint64_t map_ns;       /* when the last map or delta came */
	struct netmap *map;    /* with checks */
	struct netmap_trust trust;
};

/* What its nodes have in common, and who is told. */
struct load_fleet {
	int epoll;
	SSL_CTX *tls;
	struct sockaddr_storage to;
	socklen_t to_len;
	struct timer_heap timers;
	uint64_t now_ns;
	void *arg;
	void (*ready)(void *arg, struct load_node *node);
	void (*map)(void *arg, struct load_node *node, bool whole, size_t len);
	void (*presence)(void *arg, struct load_node *node, size_t entries);
	void (*pong)(void *arg, struct load_node *node, uint64_t rtt_ns);
	void (*signal)(void *arg, struct load_node *node, const struct control_signal *signal);
	void (*error)(void *arg, struct load_node *node, const struct control_error *error);
	/* Its connection is over, or a try failed; another follows by itself. */
	void (*pending)(void *arg, struct load_node *node, const struct control_pending *pending);
	void (*lost)(void *arg, struct load_node *node, bool was_ready);
	/* A message that does not hold what it must: a map that is not authentic. */
	void (*broken)(void *arg, struct load_node *node, const char *what);
};

/* node is zero; makes its keys. */
void load_node_init(struct load_node *node, struct load_fleet *fleet, const struct token *token);
void load_node_clear(struct load_node *node);
/* Dials, once or for the first time. */
void load_node_start(struct load_node *node);
/* Hangs up and stays away. */
void load_node_stop(struct load_node *node);
/* What epoll says of its link. */
void load_node_event(struct load_node *node, uint32_t events);
/* Its timer is due. */
void load_node_expire(struct load_node *node);
int load_node_send(struct load_node *node, const struct control_message *message);

#endif
