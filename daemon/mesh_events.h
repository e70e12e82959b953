#ifndef WARREN_DAEMON_MESH_EVENTS_H
#define WARREN_DAEMON_MESH_EVENTS_H

struct device_ops;
struct mdns_service_ops;
struct relays_ops;

/* What the mesh does with news from its device and its relays; arg is the struct mesh. */
extern const struct device_ops mesh_device_ops;
extern const struct mdns_service_ops mesh_mdns_ops;
extern const struct relays_ops mesh_relays_ops;

#endif
