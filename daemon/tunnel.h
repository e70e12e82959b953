#ifndef WARREN_DAEMON_TUNNEL_H
#define WARREN_DAEMON_TUNNEL_H

struct cert;
struct ip_addr;
struct mesh;
struct mesh_peer;

/*
 * What the kernel holds for a node of a mesh: the TUN device with our addresses, and a host route
 * to every peer.
 */

/* Sets the addresses of our certificate and brings the device up. 0 or -errno. */
int tunnel_configure(struct mesh *mesh);

/*
 * The address of our certificate, v4 (which 0) or v6 (1), unless it collides here or there is none:
 * NULL.
 */
const struct ip_addr *tunnel_own_address(const struct mesh *mesh, int which);

/* One host route for each overlay address, so that nothing else is touched. */
void tunnel_add_routes(struct mesh *mesh, const struct mesh_peer *peer);
void tunnel_remove_routes(struct mesh *mesh, const struct cert *cert);

/*
 * The routes say how large packets to the peer may be (mesh_peer_route_mtu), so that TCP of this
 * host picks it up by itself and what it forwards is answered with ICMP.
 */
void tunnel_set_mtu(struct mesh *mesh, const struct mesh_peer *peer);

/*
 * Somebody deleted the device, set it down or took an address: makes it whole again. Sessions and
 * the UDP port live on. Nothing happens when all is there.
 */
void tunnel_restore(struct mesh *mesh);

#endif
