#include "daemon/route_conflict.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *route_conflict_text(enum route_conflict_kind kind)
{
	static const char *const texts[] = {
		[ROUTE_CONFLICT_NONE] = "",
		[ROUTE_CONFLICT_AT_HOME] = "at-home",
		[ROUTE_CONFLICT_LOCAL_NETWORK] = "local-network",
		[ROUTE_CONFLICT_OVERLAY] = "overlay",
		[ROUTE_CONFLICT_OTHER_ROUTE] = "other-route",
	};

	return texts[kind];
}

/* --- reading the host --- */

static bool has_gateway(const struct route *routes, size_t count, uint32_t ifindex)
{
	for (size_t i = 0; i < count; i++) {
		if (routes[i].ifindex == ifindex && addr_len(&routes[i].gateway))
			return true;
	}
	return false;
}

/* Bridges of containers and other tunnels are nobody's home, unless the way out leads there. */
static bool is_lan(const struct link_info *link, const struct route *routes, size_t count)
{
	static const char *const kinds[] = { "bridge", "dummy", "tun", "wireguard" };

	if (!link->running)
		return false;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		if (strcmp(link->kind, kinds[i]) == 0)
			return has_gateway(routes, count, link->ifindex);
	}
	return true;
}

/* The link of the former network, if it is the same one; one question for each link. */
static int get_link(struct netlink *nl, uint32_t ifindex, struct link_info *link)
{
	return link->ifindex == ifindex ? 0 : link_get(nl, ifindex, link);
}

static int read_networks(struct host_view *host, struct netlink *nl, uint32_t tunnel,
			 const struct route *routes, size_t route_count)
{
	struct iface_addr held[IFADDR_MAX];
	struct link_info link = { 0 };
	size_t count;
	int err = iface_addr_list(nl, held, IFADDR_MAX, &count);

	for (size_t i = 0; err == 0 && i < count; i++) {
		struct host_network *network = &host->networks[host->network_count];

		/* A lone address is no network: the kernel delivers it locally, whatever we say. */
		if (held[i].ifindex == tunnel || held[i].prefix_len >= addr_len(&held[i].addr) * 8)
			continue;
		if (get_link(nl, held[i].ifindex, &link) < 0 || !link.up)
			continue;
		network->network = prefix_from_addr(&held[i].addr, held[i].prefix_len);
		network->addr = held[i].addr;
		network->ifindex = held[i].ifindex;
		network->lan = is_lan(&link, routes, route_count);
		snprintf(network->name, sizeof(network->name), "%s", link.name);
		host->network_count++;
	}
	return err;
}

static bool is_network(const struct host_view *host, const struct route *route)
{
	for (size_t i = 0; i < host->network_count; i++) {
		if (host->networks[i].ifindex == route->ifindex &&
		    prefix_equal(&host->networks[i].network, &route->dst))
			return true;
	}
	return false;
}

/* Those that may stand against a prefix, at the front. */
static size_t keep_routes(const struct host_view *host, struct route *routes, size_t count,
			  uint32_t tunnel)
{
	size_t kept = 0;

	for (size_t i = 0; i < count; i++) {
		if (routes[i].dst.len && routes[i].ifindex != tunnel &&
		    routes[i].protocol != ROUTE_PROTOCOL && !is_network(host, &routes[i]))
			routes[kept++] = routes[i];
	}
	return kept;
}

int host_view_read(struct host_view *host, struct netlink *nl, uint32_t tunnel)
{
	struct host_view *found = calloc(1, sizeof(*found));
	struct route *routes = calloc(ROUTE_MAX, sizeof(*routes));
	size_t count;
	int err = found && routes ? route_list_others(nl, routes, ROUTE_MAX, &count) : -ENOMEM;

	if (err == 0)
		err = read_networks(found, nl, tunnel, routes, count);
	if (err == 0) {
		found->route_count = keep_routes(found, routes, count, tunnel);
		found->routes = routes;
		routes = NULL;
		host_view_clear(host);
		*host = *found;
	}
	free(found);
	free(routes);
	return err;
}

void host_view_clear(struct host_view *host)
{
	free(host->routes);
	*host = (struct host_view){ 0 };
}

/* --- the overlay --- */

static int compare_addrs(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct ip_addr));
}

void overlay_view_sort(struct overlay_view *overlay)
{
	if (overlay->count)
		qsort(overlay->addrs, overlay->count, sizeof(*overlay->addrs), compare_addrs);
}

/* The first that is not below the prefix is in it, or none is. */
static const struct ip_addr *find_overlay(const struct overlay_view *overlay,
					  const struct prefix *prefix)
{
	size_t low = 0, high = overlay->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare_addrs(&overlay->addrs[middle], &prefix->addr) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low < overlay->count && prefix_contains(prefix, &overlay->addrs[low])
		       ? &overlay->addrs[low]
		       : NULL;
}

/* --- the verdict --- */

/* a is b, or around it. */
static bool covers(const struct prefix *a, const struct prefix *b)
{
	return a->len <= b->len && prefix_contains(a, &b->addr);
}

/* A whole one is graver than a part, and of two like that being at home says more. */
static int gravity(enum route_conflict_kind kind, bool whole)
{
	return kind == ROUTE_CONFLICT_NONE ? 0 : 1 + 2 * whole + (kind == ROUTE_CONFLICT_AT_HOME);
}

static void note(struct route_conflict *conflict, enum route_conflict_kind kind, bool whole,
		 const char *what, const char *on)
{
	if (gravity(conflict->kind, conflict->whole) >= gravity(kind, whole))
		return;
	conflict->kind = kind;
	conflict->whole = whole;
	snprintf(conflict->with, sizeof(conflict->with), "%s%s%s", what, on[0] ? " on " : "", on);
}

static void check_network(struct route_conflict *conflict, const struct prefix *prefix,
			  const struct host_network *network, bool site)
{
	char text[ADDR_TEXT_SIZE], what[PREFIX_TEXT_SIZE + 4];

	if (!prefix_overlaps(&network->network, prefix))
		return;
	snprintf(what, sizeof(what), "%s/%u", addr_format(text, &network->addr),
		 network->network.len);
	if (network->lan && prefix_contains(prefix, &network->addr))
		note(conflict, ROUTE_CONFLICT_AT_HOME, site || covers(&network->network, prefix),
		     what, network->name);
	else
		note(conflict, ROUTE_CONFLICT_LOCAL_NETWORK, covers(&network->network, prefix),
		     what, network->name);
}

void route_conflict_find(struct route_conflict *conflict, const struct prefix *prefix,
			 const struct host_view *host, const struct overlay_view *overlay,
			 bool site)
{
	const struct ip_addr *node;
	char text[PREFIX_TEXT_SIZE];

	*conflict = (struct route_conflict){ .kind = ROUTE_CONFLICT_NONE };
	if (!prefix->len)
		return;
	node = find_overlay(overlay, prefix);
	if (node) {
		note(conflict, ROUTE_CONFLICT_OVERLAY, true, addr_format(text, node), "");
		return;
	}
	for (size_t i = 0; i < host->network_count; i++)
		check_network(conflict, prefix, &host->networks[i], site);
	for (size_t i = 0; i < host->route_count; i++) {
		const struct prefix *dst = &host->routes[i].dst;

		if (prefix_overlaps(dst, prefix))
			note(conflict, ROUTE_CONFLICT_OTHER_ROUTE, covers(dst, prefix),
			     prefix_format(text, dst), "");
	}
}
