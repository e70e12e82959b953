#ifndef WARREN_DAEMON_NAME_SERVER_H
#define WARREN_DAEMON_NAME_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

struct loop;

/*
 * Port 53, UDP and TCP, on addresses of our own. The kernel lets through what comes from this
 * machine itself, and what comes by one interface more where that is asked for; nobody else gets
 * as much as a refusal.
 */
struct name_server;
/* Somebody who waits for an answer. */
struct name_client;

#define NAME_SERVER_PORT            53
#define NAME_SERVER_ADDRESSES_MAX   2
#define NAME_SERVER_CLIENTS_MAX     512 /* that wait */
#define NAME_SERVER_CONNECTIONS_MAX 64
#define NAME_SERVER_FROM_ONE_MAX    24 /* of them from one address, so that nobody has all */
#define NAME_SERVER_IDLE_S          10 /* then a connection is closed (RFC 7766, 6.2.3) */
#define NAME_SERVER_QUERY_MAX       4096

struct name_server_ops {
	/*
	 * A query came: name_server_answer ends every client, now or later. data is good until it
	 * returns.
	 */
	void (*query)(void *arg, struct name_client *client, const uint8_t *data, size_t len);
	/* Nobody waits for this client's answer any more; it must not be answered. */
	void (*gone)(void *arg, struct name_client *client);
};

/* 0 or -ENOMEM. */
int name_server_new(struct name_server **server, struct loop *loop,
		    const struct name_server_ops *ops, void *arg);
/* Accepts NULL; all clients are gone. */
void name_server_free(struct name_server *server);

/*
 * Listens at these addresses (and no others any more), for this machine and for what comes by
 * interface `also` (0: none). 0, or -errno: -EADDRINUSE when another server has the port. What is
 * unchanged stays open.
 */
int name_server_listen(struct name_server *server, const struct ip_addr *addresses, size_t count,
		       uint32_t also);

/* Listens for this machine alone. */
bool name_server_is_private(const struct name_server *server);

/* Where it asks from, and how. */
const struct endpoint *name_client_from(const struct name_client *client);
bool name_client_is_udp(const struct name_client *client);
/* For the owner: what it knows of the client. */
void name_client_set(struct name_client *client, void *data);
void *name_client_get(const struct name_client *client);
/* Sends the answer and ends the client; len 0: there is none. */
void name_server_answer(struct name_client *client, const uint8_t *data, size_t len);

#endif
