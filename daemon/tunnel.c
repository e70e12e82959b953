#include "daemon/tunnel.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/map.h"
#include "daemon/dataplane.h"
#include "daemon/mesh.h"
#include "daemon/mesh_peer.h"
#include "daemon/routing.h"
#include "kernel-iface/ifaddr.h"
#include "kernel-iface/link.h"
#include "kernel-iface/monitor.h"
#include "kernel-iface/route.h"
#include "kernel-iface/sysctl.h"
#include "proto/inner.h"

/* No route of IPv6 says less (RFC 8200, 5). */

static uint32_t ifindex_of(const struct mesh *mesh)
{
	return dataplane_tun_ifindex(mesh->dp);
}

/* --- our addresses --- */

const struct ip_addr *tunnel_own_address(const struct mesh *mesh, int which)
{
	const struct cert *cert = &mesh->membership.cert;
	const struct ip_addr *address = which ? &cert->address6 : &cert->address4;
	char why[LOCAL_REFUSAL_SIZE];

	return addr_len(address) && !local_networks_refuse(&mesh->local_networks, address, why)
		       ? address
		       : NULL;
}

static void tell_refused(struct mesh *mesh)
{
	const struct cert *cert = &mesh->membership.cert;
	const struct ip_addr *const list[] = { &cert->address4, &cert->address6 };
	char why[LOCAL_REFUSAL_SIZE], text[ADDR_TEXT_SIZE];
	size_t i;

	mesh_set_health(mesh, HEALTH_OVERLAP, NULL);
	for (i = 0; i < 2; i++) {
		if (addr_len(list[i]) && local_networks_refuse(&mesh->local_networks, list[i], why))
			mesh_set_health(mesh, HEALTH_OVERLAP,
					"address %s of this node %s and is not used; give the "
					"network another pool with `warren-coord init --pool4`",
					addr_format(text, list[i]), why);
	}
}

static bool is_own(const struct mesh *mesh, const struct ip_addr *address)
{
	const struct ip_addr *own4 = tunnel_own_address(mesh, 0);
	const struct ip_addr *own6 = tunnel_own_address(mesh, 1);

	return (own4 && addr_equal(address, own4)) || (own6 && addr_equal(address, own6));
}

static int remove_old_addresses(struct mesh *mesh)
{
	struct iface_addr held[IFADDR_MAX];
	size_t count, i;
	int err = iface_addr_list(mesh->netlink, held, IFADDR_MAX, &count);

	for (i = 0; err == 0 && i < count; i++) {
		if (held[i].ifindex == ifindex_of(mesh) && !is_own(mesh, &held[i].addr) &&
		    !addr_is_link_local(&held[i].addr))
			iface_addr_remove(mesh->netlink, held[i].ifindex, &held[i].addr,
					  held[i].prefix_len);
	}
	return err;
}

/* Where new devices get no IPv6, ours does: what is switched off is the way out beside it. */
static int add_address(struct mesh *mesh, const struct ip_addr *own)
{
	unsigned int len = (unsigned int)addr_len(own) * 8;
	int err = iface_addr_add(mesh->netlink, ifindex_of(mesh), own, len);
	char name[64];

	if (err != -EACCES || own->family != AF_INET6)
		return err;
	snprintf(name, sizeof(name), "net/ipv6/conf/%s/disable_ipv6", dataplane_tun_name(mesh->dp));
	err = sysctl_set(name, "0");
	return err < 0 ? err : iface_addr_add(mesh->netlink, ifindex_of(mesh), own, len);
}

int tunnel_configure(struct mesh *mesh)
{
	const struct cert *cert = &mesh->membership.cert;
	const struct ip_addr addresses[] = { cert->address4, cert->address6 };
	int which, err = remove_old_addresses(mesh);

	tell_refused(mesh);
	if (err == 0)
		err = dataplane_set_own(mesh->dp, addresses);
	for (which = 0; which < 2 && err == 0; which++) {
		const struct ip_addr *own = tunnel_own_address(mesh, which);

		if (own)
			err = add_address(mesh, own);
	}
	if (err == 0)
		err = link_set_up(mesh->netlink, ifindex_of(mesh), 0);
	if (err == 0)
		mesh_set_health(mesh, HEALTH_DEVICE, NULL);
	return err;
}

/* --- routes to peers --- */

void tunnel_set_mtu(struct mesh *mesh, const struct mesh_peer *peer)
{
	const struct cert *cert = &mesh_peer_info(peer)->cert->parsed;
	const struct ip_addr *const to[] = { &cert->address4, &cert->address6 };
	unsigned int mtu = mesh_peer_route_mtu(peer);
	int which;

	for (which = 0; which < 2; which++) {
		const struct ip_addr *from = tunnel_own_address(mesh, which);
		struct prefix host = prefix_from_addr(to[which], 128);
		int err;

		if (!addr_len(to[which]) || !from)
			continue;
		if (which && mtu && mtu < IPV6_MTU_MIN)
			mtu = IPV6_MTU_MIN;
		err = route_set_mtu(mesh->netlink, ifindex_of(mesh), &host, from, mtu);
		/* Without a route of ours the packets themselves are answered. */
		if (err < 0 && err != -ESRCH)
			log_warn("route-mtu-not-set peer=%s error=\"%s\"", cert->name,
				 strerror(-err));
	}
	routing_mtu_changed(mesh, peer);
}

void tunnel_add_routes(struct mesh *mesh, const struct mesh_peer *peer)
{
	const struct cert *cert = &mesh_peer_info(peer)->cert->parsed;
	const struct ip_addr *const to[] = { &cert->address4, &cert->address6 };
	int which;

	for (which = 0; which < 2; which++) {
		const struct ip_addr *from = tunnel_own_address(mesh, which);
		struct prefix host = prefix_from_addr(to[which], 128);
		int err;

		if (!addr_len(to[which]) || !from)
			continue;
		err = route_add(mesh->netlink, ifindex_of(mesh), &host, from);
		if (err < 0)
			mesh_set_health(mesh, HEALTH_DEVICE, "route to %s cannot be set: %s",
					cert->name, strerror(-err));
	}
	if (mesh_peer_route_mtu(peer))
		tunnel_set_mtu(mesh, peer);
}

void tunnel_remove_routes(struct mesh *mesh, const struct cert *cert)
{
	const struct ip_addr *const to[] = { &cert->address4, &cert->address6 };
	int which;

	for (which = 0; which < 2; which++) {
		struct prefix host = prefix_from_addr(to[which], 128);

		if (addr_len(to[which]))
			route_remove(mesh->netlink, ifindex_of(mesh), &host);
	}
}

/* --- when somebody meddled --- */

static bool holds_address(const struct iface_addr *held, size_t count, uint32_t ifindex,
			  const struct ip_addr *own)
{
	size_t i;

	for (i = 0; i < count; i++) {
		if (held[i].ifindex == ifindex && addr_equal(&held[i].addr, own))
			return true;
	}
	return false;
}

static bool is_whole(const struct mesh *mesh, const struct link_info *link)
{
	struct iface_addr held[IFADDR_MAX];
	size_t count;
	int which;

	if (!link->up || iface_addr_list(mesh->netlink, held, IFADDR_MAX, &count) < 0)
		return false;
	for (which = 0; which < 2; which++) {
		const struct ip_addr *own = tunnel_own_address(mesh, which);

		if (own && !holds_address(held, count, link->ifindex, own))
			return false;
	}
	return true;
}

static int reopen(struct mesh *mesh, struct link_info *link)
{
	int err = dataplane_reopen_tun(mesh->dp);

	if (err < 0)
		return err;
	monitor_set_tunnel(mesh->monitor, ifindex_of(mesh));
	log_warn("device-restored tun=%s reason=\"it was deleted\"", dataplane_tun_name(mesh->dp));
	return link_get(mesh->netlink, ifindex_of(mesh), link);
}

/* Some routes went, some stayed: all are set anew. */
static int configure_anew(struct mesh *mesh)
{
	struct mesh_peer *peer;
	size_t cursor = 0;
	int err = tunnel_configure(mesh);

	if (err < 0)
		return err;
	log_warn("device-configured tun=%s reason=\"it was changed from outside\"",
		 dataplane_tun_name(mesh->dp));
	route_cleanup(mesh->netlink, ifindex_of(mesh), NULL);
	while ((peer = map_next(mesh->peers, &cursor)))
		tunnel_add_routes(mesh, peer);
	routing_restore(mesh);
	return 0;
}

void tunnel_restore(struct mesh *mesh)
{
	struct link_info link;
	int err = link_get(mesh->netlink, ifindex_of(mesh), &link);

	if (err == -ENODEV)
		err = reopen(mesh, &link);
	/* While down it has neither addresses nor routes. */
	if (err == 0 && mesh->control && mesh->membership.enrolled && !is_whole(mesh, &link))
		err = configure_anew(mesh);
	if (err < 0)
		mesh_set_health(mesh, HEALTH_DEVICE, "device %s cannot be restored: %s",
				mesh->config->tun, strerror(-err));
}
