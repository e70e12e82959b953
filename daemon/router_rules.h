#ifndef WARREN_DAEMON_ROUTER_RULES_H
#define WARREN_DAEMON_ROUTER_RULES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/addr.h"
#include "proto/cert.h"

/*
 * The nftables table of a node that carries networks, as text; no system here, so that tests can
 * read it and nft(8) can check it.
 */
#define ROUTER_NAME_SIZE 80

struct router_plan {
	const char *tun;
	struct ip_addr address4; /* our own in the mesh; family 0: none */
	struct ip_addr address6;
	struct router_route {
		struct prefix seen; /* by the mesh */
		struct prefix real; /* in the LAN */
		bool snat;
	} routes[CERT_ROUTES_MAX];
	size_t route_count;
	bool exit4; /* the internet */
	bool exit6;
	bool ftp; /* the kernel can follow FTP */
};

/* "warren_" and the device's name, as nft can write it. */
const char *router_table_name(char out[static ROUTER_NAME_SIZE], const char *tun);

/* Does it carry anything? */
bool router_plan_is_empty(const struct router_plan *plan);

/*
 * Replaces our table, whether it was there or not, in one transaction; malloc'd, NULL when out of
 * memory. Without anything to carry it only removes it.
 */
char *router_rules(const struct router_plan *plan);

#endif
