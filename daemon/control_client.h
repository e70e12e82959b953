#ifndef WARREN_DAEMON_CONTROL_CLIENT_H
#define WARREN_DAEMON_CONTROL_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/control.h"
#include "proto/token.h"

struct loop;
struct ws_certificate;
struct ws_client;

/*
 * The node's connection to its coordinator: dialled, kept alive with pings, dialled again with full
 * jitter after every end, over all the addresses in turn.
 */
struct control_client;

enum control_link {
	CONTROL_LINK_STOPPED,
	CONTROL_LINK_CONNECTING, /* not welcomed yet, also between two tries */
	CONTROL_LINK_WAITING,    /* known over there, and not let in yet */
	CONTROL_LINK_OK,         /* welcomed */
};

#define CONTROL_PING_INTERVAL_S 15
#define CONTROL_PONG_TIMEOUT_S  10
#define CONTROL_CHECK_LIMIT_S   1  /* for a pong after the network changed */
#define CONTROL_WELCOME_LIMIT_S 20 /* from dialling to welcome */
#define CONTROL_RETRY_FIRST_MS  200
#define CONTROL_RETRY_MAX_MS    20000

struct control_client_config {
	const struct token_address *addresses; /* copied */
	size_t address_count;
	uint8_t coordinator_key[32];
	uint8_t box_secret[32];
	const struct http_proxy *http_proxy; /* borrowed */
};

/* With more than one coordinator a node does not wait long for the one it knows. */
#define CONTROL_WELCOME_HURRY_S 6
#define CONTROL_LOST_S          3 /* until a machine that vanished is noticed */

struct control_client_ops {
	/* The channel is up: send enrol or login, signed over this hash. */
	void (*greet)(void *arg, const uint8_t handshake_hash[static 32]);
	/* Every message but pong. The message stays the client's. */
	void (*message)(void *arg, const struct control_message *message);
	/* The link changed, or a try failed: error is NULL or one line for people. */
	void (*changed)(void *arg, enum control_link link, const char *error);
};

/* ws is shared and borrowed. 0 or -ENOMEM. */
int control_client_new(struct control_client **client, struct loop *loop, struct ws_client *ws,
		       const struct control_client_config *config,
		       const struct control_client_ops *ops, void *arg);
/* Accepts NULL. No callback comes after it. */
void control_client_free(struct control_client *client);

/* Dials now, also when a retry was waiting for its time. */
void control_client_start(struct control_client *client);
/*
 * A connection whose own address the kernel would not choose any more is ended and dialled anew at
 * once; another one has CONTROL_CHECK_LIMIT_S to show that it lives.
 */
void control_client_network_changed(struct control_client *client);
/* The connection is over without having noticed: dials anew at once. */
void control_client_redial(struct control_client *client);
/* Told by the owner, who alone knows that a welcome was good. */
void control_client_accept(struct control_client *client);
/* No welcome for now: the connection is kept, and no deadline counts but the ping's. */
void control_client_wait(struct control_client *client);
/* Ends the connection and tries again later; why goes to changed(). */
void control_client_fail(struct control_client *client, const char *why);

/* 0, -ENOTCONN, -ENOBUFS, -EINVAL, -ENOMEM. */
int control_client_send(struct control_client *client, const struct control_message *message);
/* The address that is being spoken to, or dialled next. */
struct token_address control_client_address(const struct control_client *client);
/* For the next dial; what is there stays. count is at least 1. */
void control_client_set_addresses(struct control_client *client,
				  const struct token_address *addresses, size_t count);
enum control_link control_client_link(const struct control_client *client);
/* What the server showed for TLS. 0 or -ENOENT. */
int control_client_certificate(const struct control_client *client,
			       struct ws_certificate *certificate);
/* Welcomed, and no sign since then that it may be dead: what is sent will very likely arrive. */
bool control_client_alive(const struct control_client *client);
/* The handshake hash of the last connection that was welcomed; false when there was none. */
bool control_client_previous(const struct control_client *client, uint8_t hash[static 32]);
/* The last round trip in milliseconds, or -1. */
/* Does the coordinator want reports of paths and health on this connection? */
bool control_client_wants_report(const struct control_client *client);
double control_client_latency_ms(const struct control_client *client);

#endif
