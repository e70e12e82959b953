#include "daemon/routing_table.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/dataplane.h"
#include "daemon/leftovers.h"
#include "daemon/mesh.h"
#include "daemon/routing.h"
#include "daemon/tunnel.h"
#include "kernel-iface/route.h"
#include "kernel-iface/rule.h"
#include "proto/inner.h"

int routing_prefix_compare(const struct prefix *a, const struct prefix *b)
{
	return memcmp(a, b, sizeof(*a));
}

static uint32_t table_number(const struct mesh *mesh)
{
	return ROUTING_TABLE_BASE | dataplane_tun_ifindex(mesh->dp);
}

static int put(struct mesh *mesh, const struct routing_route *route)
{
	bool six = route->dst.addr.family == AF_INET6;
	uint32_t mtu = six && route->mtu && route->mtu < IPV6_MTU_MIN ? IPV6_MTU_MIN : route->mtu;

	return route_table_put(mesh->netlink, table_number(mesh), dataplane_tun_ifindex(mesh->dp),
			       &route->dst, tunnel_own_address(mesh, six), mtu);
}

static void take(struct mesh *mesh, const struct routing_route *route)
{
	/* Gone already with the device, or its being down. */
	(void)route_table_remove(mesh->netlink, table_number(mesh), dataplane_tun_ifindex(mesh->dp),
				 &route->dst);
}

/* --- rules --- */

static struct rule rule_of(const struct routing_table *table, const struct mesh *mesh, int family,
			   uint32_t priority, uint32_t narrow)
{
	struct rule rule = { .family = family, .priority = priority, .table = RT_TABLE_MAIN };

	if (priority == ROUTING_RULE_MARK)
		rule.mark = mesh->config->fwmark;
	else if (priority == ROUTING_RULE_LOCAL)
		rule.narrow = narrow;
	else
		rule.table = table->number;
	return rule;
}

static struct leftover_rule leftover_of(const struct rule *rule)
{
	return (struct leftover_rule){ .family = rule->family,
				       .priority = rule->priority,
				       .table = rule->table,
				       .mark = rule->mark };
}

static int add_rule(const struct routing_table *table, struct mesh *mesh, int family,
		    uint32_t priority, uint32_t narrow)
{
	struct rule rule = rule_of(table, mesh, family, priority, narrow);
	struct leftover_rule leftover = leftover_of(&rule);
	int err = leftovers_note_rule(mesh->leftovers, &leftover);

	return err < 0 ? err : rule_add(mesh->netlink, &rule);
}

static void remove_rule(const struct routing_table *table, struct mesh *mesh, int family,
			uint32_t priority)
{
	struct rule rule = rule_of(table, mesh, family, priority, 0);
	struct leftover_rule leftover = leftover_of(&rule);

	(void)rule_remove(mesh->netlink, &rule);
	(void)leftovers_undo_rule(mesh->leftovers, &leftover);
}

/* The one that asks the main table: the new one is there before the old one goes. */
static int set_local_rule(struct routing_table *table, struct mesh *mesh, int which,
			  uint32_t narrow)
{
	const int family = which ? AF_INET6 : AF_INET;
	uint32_t former = table->local[which];
	struct rule old = rule_of(table, mesh, family, ROUTING_RULE_LOCAL, former);
	int err = 0;

	if (narrow && (table->lost || narrow != former))
		err = add_rule(table, mesh, family, ROUTING_RULE_LOCAL, narrow);
	if (err < 0 || narrow == former)
		return err;
	if (former)
		(void)rule_remove(mesh->netlink, &old);
	if (!narrow) {
		struct leftover_rule leftover = leftover_of(&old);

		(void)leftovers_undo_rule(mesh->leftovers, &leftover);
	}
	table->local[which] = narrow;
	return 0;
}

/* What must not go into the tunnel is kept out before anything is led there. */
static int set_rules(struct routing_table *table, struct mesh *mesh, int which, bool wanted,
		     uint32_t narrow)
{
	const int family = which ? AF_INET6 : AF_INET;
	bool missing = wanted && (table->lost || !table->rules[which]);
	int err = missing ? add_rule(table, mesh, family, ROUTING_RULE_MARK, 0) : 0;

	if (!wanted && table->rules[which])
		remove_rule(table, mesh, family, ROUTING_RULE_TABLE);
	if (err == 0)
		err = set_local_rule(table, mesh, which, wanted ? narrow : 0);
	if (err == 0 && missing)
		err = add_rule(table, mesh, family, ROUTING_RULE_TABLE, 0);
	if (!wanted && table->rules[which])
		remove_rule(table, mesh, family, ROUTING_RULE_MARK);
	if (err == 0)
		table->rules[which] = wanted;
	return err;
}

/* --- both --- */

static bool has_family(const struct routing_route *routes, size_t count, int family)
{
	for (size_t i = 0; i < count; i++) {
		if (routes[i].dst.addr.family == family)
			return true;
	}
	return false;
}

static int set_all_rules(struct routing_table *table, struct mesh *mesh,
			 const uint32_t local[static 2])
{
	int err4 = set_rules(table, mesh, 0, has_family(table->routes, table->count, AF_INET),
			     local[0]);
	int err6 = set_rules(table, mesh, 1, has_family(table->routes, table->count, AF_INET6),
			     local[1]);

	return err4 ? err4 : err6;
}

/* Both in order: what is only in the new ones is put, what is only in the old ones goes. */
static int merge(struct routing_table *table, struct mesh *mesh, const struct routing_route *routes,
		 size_t count)
{
	size_t old = 0, new = 0;
	int first = 0;

	while (old < table->count || new < count) {
		int order = old == table->count ? 1
			    : new == count      ? -1
						: routing_prefix_compare(&table->routes[old].dst,
									 &routes[new].dst);
		int err = 0;

		if (order > 0 ||
		    (order == 0 && (table->lost || table->routes[old].mtu != routes[new].mtu)))
			err = put(mesh, &routes[new]);
		else if (order < 0)
			take(mesh, &table->routes[old]);
		first = first ? first : err;
		old += order <= 0;
		new += order >= 0;
	}
	return first;
}

/* The device was made anew, with another number. */
static void follow_device(struct routing_table *table, struct mesh *mesh)
{
	if (table->number == table_number(mesh))
		return;
	for (int which = 0; which < 2; which++) {
		if (table->rules[which])
			remove_rule(table, mesh, which ? AF_INET6 : AF_INET, ROUTING_RULE_TABLE);
	}
	table->number = table_number(mesh);
	table->lost = true;
}

int routing_table_set(struct routing_table *table, struct mesh *mesh, struct routing_route *routes,
		      size_t count, const uint32_t local[static 2])
{
	int err, rules_err;

	follow_device(table, mesh);
	err = merge(table, mesh, routes, count);
	free(table->routes);
	table->routes = routes;
	table->count = count;
	rules_err = set_all_rules(table, mesh, local);
	err = err ? err : rules_err;
	table->lost = err < 0;
	return err;
}

static bool holds(const struct rule *list, size_t count, const struct rule *wanted)
{
	for (size_t i = 0; i < count; i++) {
		if (list[i].family == wanted->family && list[i].priority == wanted->priority &&
		    list[i].table == wanted->table && list[i].mark == wanted->mark &&
		    list[i].narrow == wanted->narrow)
			return true;
	}
	return false;
}

/* Another daemon in this namespace has rules of its own; those that are the same it shares. */
bool routing_table_holds(struct routing_table *table, struct mesh *mesh)
{
	static const uint32_t priorities[] = { ROUTING_RULE_MARK, ROUTING_RULE_LOCAL,
					       ROUTING_RULE_TABLE };
	bool all = true;
	struct rule *list;
	size_t count;

	if (!table->rules[0] && !table->rules[1])
		return true;
	list = calloc(RULE_MAX, sizeof(*list));
	if (!list || rule_list(mesh->netlink, list, RULE_MAX, &count) < 0) {
		free(list);
		return true; /* nobody knows */
	}
	for (size_t i = 0; i < 2 * sizeof(priorities) / sizeof(*priorities); i++) {
		int which = i % 2;
		struct rule rule = rule_of(table, mesh, which ? AF_INET6 : AF_INET,
					   priorities[i / 2], table->local[which]);

		if (rule.priority == ROUTING_RULE_LOCAL ? table->local[which] : table->rules[which])
			all &= holds(list, count, &rule);
	}
	free(list);
	table->lost |= !all;
	return all;
}

void routing_table_forget(struct routing_table *table)
{
	table->lost = true;
}

void routing_table_clear(struct routing_table *table)
{
	free(table->routes);
	*table = (struct routing_table){ 0 };
}
