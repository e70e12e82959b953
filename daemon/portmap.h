#ifndef WARREN_DAEMON_PORTMAP_H
#define WARREN_DAEMON_PORTMAP_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mesh;

/*
 * The shared port, opened by the routers in front of this node (PCP, NAT-PMP, UPnP; a port of the
 * NAT for v4, a pinhole in the firewall for v6), so that peers behind any NAT reach it. What a
 * router opened becomes a candidate at once, and is verified from outside by a relay's probes for
 * as long as it stands; one found dead is deleted and asked for anew.
 */
struct portmap;

#define PORTMAP_VERIFY_INTERVAL_S 30
#define PORTMAP_TEXT_SIZE         160

/* NULL when out of memory. Asks nobody before portmap_update. */
struct portmap *portmap_new(struct mesh *mesh);
/* Accepts NULL. */
void portmap_free(struct portmap *portmap);

/* The mesh is up, or the network changed: the gateways in front of us are asked. Accepts NULL. */
void portmap_update(struct portmap *portmap);
/* Deletes what is open, and asks no more until the next update. Accepts NULL. */
void portmap_stop(struct portmap *portmap);
/* A relay is registered at, which may verify now. Accepts NULL. */
void portmap_relay_up(struct portmap *portmap);
/* A STUN message on the shared port; true when it was for us. Accepts NULL. */
bool portmap_input(struct portmap *portmap, const uint8_t *data, size_t len);

/* For people: "pcp 198.51.100.1:4000 verified", or why there is nothing. */
void portmap_describe(const struct portmap *portmap, char text[static PORTMAP_TEXT_SIZE]);
/* The same in full: an array with one object for each family that has a gateway. */
json_t *portmap_to_json(const struct portmap *portmap);

#endif
