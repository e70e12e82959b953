#include "daemon/mesh_network.h"

#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "daemon/coordination.h"
#include "daemon/dataplane.h"
#include "daemon/exit.h"
#include "daemon/mdns_service.h"
#include "daemon/mesh.h"
#include "daemon/mesh_map.h"
#include "daemon/mesh_peer.h"
#include "daemon/name_service.h"
#include "daemon/portmap.h"
#include "daemon/relays.h"
#include "daemon/router.h"
#include "daemon/routing.h"
#include "daemon/tunnel.h"
#include "daemon/underlay.h"
#include "kernel-iface/ifaddr.h"
#include "kernel-iface/monitor.h"

/* Private addresses have names, by which peers on the same link find them. */
static void name_hosts(struct mesh *mesh)
{
	struct iface_addr found[MDNS_HOSTS_MAX];
	size_t count, i, kept = 0;

	if (iface_addr_candidates(mesh->netlink, dataplane_tun_ifindex(mesh->dp), found,
				  MDNS_HOSTS_MAX, &count) < 0)
		return;
	for (i = 0; i < count; i++) {
		if (addr_is_private(&found[i].addr))
			found[kept++] = found[i];
	}
	mdns_service_set_hosts(mesh->mdns, found, kept);
}

#define SERVERS_MAX (UPLINKS_MAX - 2)

struct change {
	bool addresses; /* came or went */
	bool ways;      /* where the kernel sends from, or to */
};

static struct change look_around(struct mesh *mesh)
{
	const uint32_t tunnel = dataplane_tun_ifindex(mesh->dp);
	struct ip_addr servers[SERVERS_MAX];
	struct change change = { 0 };
	size_t count = relays_addresses(mesh->relays, servers, SERVERS_MAX);
	int err;

	change.ways = uplinks_refresh(&mesh->uplinks, mesh->netlink, tunnel, servers, count);
	err = local_candidates_refresh(&mesh->candidates, mesh->netlink, tunnel,
				       dataplane_port(mesh->dp), &change.addresses);
	if (err < 0)
		log_warn("addresses-not-listed error=\"%s\"", strerror(-err));
	name_hosts(mesh);
	return change;
}

/* Relays first: what goes by them next comes from where they have just been told. */
static void follow_change(struct mesh *mesh, const struct change *change)
{
	struct mesh_peer *peer;
	size_t cursor = 0;

	if (change->ways)
		mesh->network_count++;
	log_info("network-changed addresses=%zu ways=%s", mesh->candidates.host_count,
		 change->ways ? "changed" : "same");
	nat_mapping_clear(&mesh->nat);
	if (uplinks_any(&mesh->uplinks)) {
		relays_network_changed(mesh->relays);
		coordination_network_changed(mesh);
	}
	while ((peer = map_next(mesh->peers, &cursor)))
		mesh_peer_network_changed(peer, change->ways);
}

/* Another network may hold what was an overlay address, or set one free. */
static bool refresh_local_networks(struct mesh *mesh)
{
	bool changed = false;
	int err = local_networks_refresh(&mesh->local_networks, mesh->netlink,
					 dataplane_tun_ifindex(mesh->dp), &changed);

	if (err < 0)
		log_warn("networks-not-listed error=\"%s\"", strerror(-err));
	return changed;
}

/*
 * What the widest link carries; peers behind narrower paths have routes of their own. Somebody who
 * sets the device's MTU by hand is not contradicted before the links change.
 */
static void refresh_mtu(struct mesh *mesh)
{
	unsigned int mtu = underlay_inner_mtu(mesh->netlink, dataplane_tun_ifindex(mesh->dp));
	struct mesh_peer *peer;
	size_t cursor = 0;
	int err;

	if (mtu == mesh->underlay_mtu)
		return;
	err = dataplane_set_mtu(mesh->dp, mtu);
	if (err < 0)
		log_warn("mtu-not-set mtu=%u error=\"%s\"", mtu, strerror(-err));
	else
		mesh->underlay_mtu = mtu;
	while ((peer = map_next(mesh->peers, &cursor)))
		mesh_peer_device_mtu_changed(peer);
}

static void on_network_changed(struct mesh *mesh, bool all)
{
	struct change change = look_around(mesh);

	change.ways = change.ways || all;
	if (change.addresses || change.ways)
		follow_change(mesh, &change);
	refresh_mtu(mesh);
	if (mesh->control)
		portmap_update(mesh->portmap);
	if (refresh_local_networks(mesh) && mesh->control && mesh->membership.enrolled) {
		tunnel_configure(mesh);
		mesh_map_apply(mesh);
	}
	router_network_changed(mesh);
	routing_network_changed(mesh);
	exit_update(mesh);
}

static void on_monitor_timer(void *arg, uint64_t now_ns)
{
	struct mesh *mesh = arg;
	unsigned int changes = monitor_take(mesh->monitor, now_ns);

	if (changes & (MONITOR_ADDR | MONITOR_LINK | MONITOR_ROUTE))
		on_network_changed(mesh, false);
	if (changes & MONITOR_TUNNEL)
		tunnel_restore(mesh);
	if (changes & MONITOR_RULE)
		routing_check(mesh);
	if (changes)
		name_service_refresh(mesh);
	loop_timer_set(&mesh->monitor_timer, monitor_next_ns(mesh->monitor));
}

static void on_monitor(void *arg, int revents)
{
	struct mesh *mesh = arg;

	(void)revents;
	monitor_read(mesh->monitor, loop_now_ns(mesh->loop));
	loop_timer_set(&mesh->monitor_timer, monitor_next_ns(mesh->monitor));
}

/* After longer than this the coordinator has given us up, and what it says would go nowhere. */
#define LONG_AWAY_NS (60 * NS_PER_S)

/* Asleep, or stopped: what has become of addresses, mappings and connections is found out now. */
static void on_return(void *arg, uint64_t away_ns)
{
	struct mesh *mesh = arg;
	struct mesh_peer *peer;
	size_t cursor = 0;

	log_info("back away_ms=%llu", away_ns / NS_PER_MS);
	while ((peer = map_next(mesh->peers, &cursor)))
		mesh_peer_resume(peer);
	if (away_ns > LONG_AWAY_NS)
		coordination_redial(mesh);
	monitor_read(mesh->monitor, loop_now_ns(mesh->loop));
	on_network_changed(mesh, true);
}

int mesh_network_open(struct mesh *mesh)
{
	int err = monitor_new(&mesh->monitor);

	if (err < 0)
		return err;
	loop_timer_init(&mesh->monitor_timer, mesh->loop, on_monitor_timer, mesh);
	err = loop_on_return(mesh->loop, on_return, mesh);
	if (err < 0)
		return err;
	return loop_watch_new(&mesh->monitor_watch, mesh->loop, monitor_fd(mesh->monitor),
			      UV_READABLE, on_monitor, mesh);
}

void mesh_network_begin(struct mesh *mesh)
{
	mesh->network_count = 1;
	refresh_mtu(mesh);
	look_around(mesh);
	refresh_local_networks(mesh);
}

void mesh_network_close(struct mesh *mesh)
{
	loop_watch_free(mesh->monitor_watch);
	if (mesh->loop)
		loop_timer_clear(&mesh->monitor_timer);
	monitor_free(mesh->monitor);
}
