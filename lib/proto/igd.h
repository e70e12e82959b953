#ifndef WARREN_PROTO_IGD_H
#define WARREN_PROTO_IGD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "crypto/rng.h"
#include "proto/port_mapping.h"
#include "proto/upnp.h"

/*
 * A client of one UPnP Internet Gateway Device, for one UDP port: finds it, reads its description,
 * asks for its address and for a port (v4) or a pinhole (v6), renews that, deletes it.
 *
 * No clock, no socket. The owner sends searches by UDP, and requests one at a time by TCP to the
 * gateway's own address, whatever hosts the device names. After every call that takes now_ns it
 * drains igd_poll_search and igd_poll_request.
 */
struct igd;

struct igd_config {
	struct ip_addr gateway;
	struct endpoint internal;
	uint16_t suggested_port;
};

/* For the gateway, at this port. */
struct igd_request {
	uint16_t port;
	size_t len;
	char data[UPNP_REQUEST_MAX];
};

/* NULL when out of memory, or for port 0. rng is borrowed. */
struct igd *igd_new(const struct igd_config *config, const struct rng *rng, uint64_t now_ns);
/* Accepts NULL. Says nothing to the device. */
void igd_free(struct igd *igd);

/* The next search: to the gateway itself, and to the multicast group. 0: none. */
size_t igd_poll_search(struct igd *igd, struct ip_addr *to, char *buf, size_t cap);
/* What came to the socket that searches are sent from. */
void igd_input_search(struct igd *igd, const struct ip_addr *from, const char *data, size_t len,
		      uint64_t now_ns);

/* True when a request is to be made; then one of the two below ends it. */
bool igd_poll_request(struct igd *igd, struct igd_request *request);
/*
 * All that has come in answer; ended: nothing more will. May change data. False while more is
 * needed: then call again with more, or ended. At UPNP_ANSWER_MAX bytes it is ended.
 */
bool igd_input_answer(struct igd *igd, char *data, size_t len, bool ended, uint64_t now_ns);
/* No connection, or no whole answer in time. */
void igd_request_failed(struct igd *igd, uint64_t now_ns);

uint64_t igd_next_timeout(const struct igd *igd);
void igd_expire(struct igd *igd, uint64_t now_ns);

struct port_mapping igd_mapping(const struct igd *igd);
/* No more requests; what is open stays open until it expires. */
void igd_stop(struct igd *igd);
/* The request that deletes what is open; false when nothing is. Stops. */
bool igd_delete(struct igd *igd, struct igd_request *request);
/* Deletes what is open, if anything, and asks anew for another external port. */
void igd_anew(struct igd *igd, uint16_t suggested_port, uint64_t now_ns);

#endif
