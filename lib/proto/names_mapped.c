/*
 * Reverse names of sites that appear by other addresses than their own (1:1 mapping): the site's
 * name server knows its hosts by the real ones.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/names_zone.h"

static bool carries(const struct cert *cert, const struct ip_addr *addr)
{
	for (size_t i = 0; i < cert->route_count; i++)
		if (!route_is_exit(&cert->routes[i]) && prefix_contains(&cert->routes[i], addr))
			return true;
	return false;
}

/* Those of the network's name servers that are in the node's site, each once. */
static void site_servers(const struct names_zone *zone, const struct cert *cert,
			 struct names_split *site)
{
	site->server_count = 0;
	for (size_t i = 0; i < zone->split_count; i++) {
		const struct names_split *split = &zone->splits[i];

		for (size_t j = 0; j < split->server_count; j++) {
			size_t k = 0;

			if (!carries(cert, &split->servers[j].addr))
				continue;
			while (k < site->server_count &&
			       !endpoint_equal(&site->servers[k], &split->servers[j]))
				k++;
			if (k == site->server_count && k < NAMES_SERVERS_MAX)
				site->servers[site->server_count++] = split->servers[j];
		}
	}
}

int names_mapped_add(struct names_zone *zone, const struct cert *cert)
{
	struct names_mapped *mapped;

	for (size_t i = 0; i < cert->route_count && zone->mapped_count < NAMES_MAPPED_MAX; i++) {
		if (!cert->route_facts[i].real.family)
			continue;
		mapped = reallocarray(zone->mapped, zone->mapped_count + 1, sizeof(*zone->mapped));
		if (!mapped)
			return -ENOMEM;
		zone->mapped = mapped;
		mapped += zone->mapped_count;
		*mapped = (struct names_mapped){
			.mapping = { .real = route_real(&cert->routes[i], &cert->route_facts[i]),
				     .seen = cert->routes[i] }
		};
		names_name_reverse(&mapped->domain, &mapped->mapping.seen);
		names_name_format(mapped->site.domain, &mapped->domain);
		site_servers(zone, cert, &mapped->site);
		zone->mapped_count += mapped->site.server_count > 0 ? 1 : 0;
	}
	return 0;
}

const struct names_split *names_mapped_find(const struct names_zone *zone,
					    const struct names_name *name, int split,
					    struct names_name *real)
{
	const struct names_mapped *best = NULL;
	struct names_mapping back;
	struct prefix host;

	if (!zone->mapped_count || names_name_address(&host, name) < 0 ||
	    host.len != addr_len(&host.addr) * 8)
		return NULL;
	for (size_t i = 0; i < zone->mapped_count; i++) {
		const struct names_mapped *mapped = &zone->mapped[i];

		if (prefix_contains(&mapped->mapping.seen, &host.addr) &&
		    (!best || mapped->mapping.seen.len > best->mapping.seen.len))
			best = mapped;
	}
	/* Who names servers for just these reverse names knows better. */
	if (!best || (split >= 0 && zone->split_names[split].len >= best->domain.len))
		return NULL;
	back = (struct names_mapping){ .real = best->mapping.seen, .seen = best->mapping.real };
	host.addr = names_map_address(&back, &host.addr);
	names_name_reverse(real, &host);
	return &best->site;
}
