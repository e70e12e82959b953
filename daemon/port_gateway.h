#ifndef WARREN_DAEMON_PORT_GATEWAY_H
#define WARREN_DAEMON_PORT_GATEWAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "crypto/rng.h"
#include "proto/pcp.h"
#include "proto/port_mapping.h"

struct loop;

/*
 * One router, asked in all protocols at once to open one UDP port of ours. The sockets around the
 * cores of pcp.h and igd.h. Nothing that it says or does not say is waited for, and what it says
 * too much is not read.
 */
struct port_gateway;

struct port_gateway_config {
	struct loop *loop;
	const struct rng *rng;    /* borrowed */
	struct endpoint gateway;  /* address and, for link-local ones, interface; no port */
	uint32_t ifindex;         /* the way to it */
	struct endpoint internal; /* our address there, and the port to be opened */
	uint16_t suggested_port;  /* outside */
	uint8_t nonce[PCP_NONCE_SIZE];
	/* A mapping is not what it was. */
	void (*changed)(void *arg, struct port_gateway *gateway);
	void *arg;
};

/* Begins to ask. 0 or -errno. */
int port_gateway_new(struct port_gateway **gateway, const struct port_gateway_config *config);
/*
 * Deletes what is open. Waits for UPnP's answer for PORT_GATEWAY_END_MS at most when the mesh ends,
 * else for a moment that nobody notices. Accepts NULL.
 */
void port_gateway_free(struct port_gateway *gateway, bool ending);
#define PORT_GATEWAY_END_MS   300
#define PORT_GATEWAY_LEAVE_MS 20

struct port_mapping port_gateway_mapping(const struct port_gateway *gateway,
					 enum port_mapping_protocol protocol);
/* It sent more than anybody reads. */
bool port_gateway_babbles(const struct port_gateway *gateway);
/* Another protocol was first: no more of this one. */
void port_gateway_stop(struct port_gateway *gateway, enum port_mapping_protocol protocol);
/* Everything again from the start, for another external port; what was open is deleted. */
void port_gateway_anew(struct port_gateway *gateway, uint16_t suggested_port);
/* What it told everybody about itself. */
void port_gateway_announced(struct port_gateway *gateway, const uint8_t *data, size_t len);

#endif
