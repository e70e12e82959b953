#include "daemon/router.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "daemon/coordination.h"
#include "daemon/dataplane.h"
#include "daemon/foreign_rules.h"
#include "daemon/forwarding.h"
#include "daemon/mesh.h"
#include "daemon/mesh_peer.h"
#include "daemon/peer.h"
#include "daemon/route_list.h"
#include "daemon/route_report.h"
#include "daemon/router_lan.h"
#include "daemon/router_rules.h"
#include "daemon/rules_watch.h"
#include "kernel-iface/firewall.h"

#define PROBLEM_SIZE 240
/* What peers are told may be lost: it is told again after each of these. */
static const uint64_t retell_ns[] = { NS_PER_S / 4, NS_PER_S, 4 * NS_PER_S, 15 * NS_PER_S };

struct router {
	struct mesh *mesh;
	bool up;
	struct route_list list; /* what `set routes` says */
	char *applied;          /* the rules in force; NULL: none */
	bool forwards4;         /* we saw to it */
	bool forwards6;
	struct rules_watch *watch; /* while we carry */
	char problem[PROBLEM_SIZE];
	struct router_lan lan;
	struct loop_timer lan_timer;
	struct loop_timer retell;
	size_t retold;
	uint32_t told; /* which of our certificate's routes lead nowhere, as peers know it */
	uint32_t told_serial;
};

static void on_lan_timer(void *arg, uint64_t now_ns);
static void on_retell(void *arg, uint64_t now_ns);

struct router *router_new(struct mesh *mesh)
{
	struct router *router = calloc(1, sizeof(*router));

	if (!router)
		return NULL;
	router->mesh = mesh;
	loop_timer_init(&router->lan_timer, mesh->loop, on_lan_timer, router);
	loop_timer_init(&router->retell, mesh->loop, on_retell, router);
	return router;
}

/* --- others' rules --- */

static void on_rules_changed(void *arg)
{
	struct router *router = arg;

	router_update(router->mesh);
}

/* Without it they are looked at from time to time all the same. */
static void watch(struct router *router)
{
	if (!router->watch)
		router->watch = rules_watch_new(router->mesh->loop, on_rules_changed, router);
}

static void stop_watching(struct router *router)
{
	rules_watch_free(router->watch);
	router->watch = NULL;
}

/* --- what is offered --- */

/* Whose address in the mesh lies in the prefix; NULL: nobody's. */
static const char *overlay_inside(const struct mesh *mesh, const struct prefix *prefix)
{
	const struct cert *own = &mesh->membership.cert;
	struct mesh_peer *peer;
	size_t cursor = 0;

	if (mesh->membership.enrolled &&
	    (prefix_contains(prefix, &own->address4) || prefix_contains(prefix, &own->address6)))
		return "this node";
	while ((peer = map_next(mesh->peers, &cursor))) {
		const struct cert *cert = &mesh_peer_info(peer)->cert->parsed;

		if (prefix_contains(prefix, &cert->address4) ||
		    prefix_contains(prefix, &cert->address6))
			return cert->name;
	}
	return NULL;
}

int router_check_setting(const struct mesh *mesh, const struct setting *setting,
			 char why[static SETTING_WHY_SIZE])
{
	const struct route_offer *offer = &mesh->route_offer;
	char text[PREFIX_TEXT_SIZE];
	struct route_list list;
	size_t i;
	int err = route_list_read(&list, setting, why);

	if (err < 0)
		return err;
	for (i = 0; i < list.count; i++) {
		struct prefix real = route_real(&list.routes[i], &list.facts[i]);
		const char *whose = overlay_inside(mesh, &list.routes[i]);

		if (!whose)
			whose = overlay_inside(mesh, &real);
		if (!whose)
			continue;
		snprintf(why, SETTING_WHY_SIZE,
			 "%s holds the address of %s in the mesh; offer a part without it",
			 prefix_format(text, &list.routes[i]), whose);
		return -EPERM;
	}
	if (list.count + offer->exit4 + offer->exit6 <= CERT_ROUTES_MAX)
		return 0;
	snprintf(why, SETTING_WHY_SIZE,
		 "with the exit that this node offers too these are more than %d; offer fewer",
		 CERT_ROUTES_MAX);
	return -EPERM;
}

static void offer(struct mesh *mesh)
{
	struct route_list *list = &mesh->router->list;
	char why[SETTING_WHY_SIZE];
	struct setting setting;
	int err;

	*list = (struct route_list){ .snat = true };
	if (settings_get(&mesh->settings, "routes", &setting) == 0 &&
	    route_list_read(list, &setting, why) < 0)
		log_warn("routes-refused error=\"%s\"", why);
	err = coordination_offer_routes(mesh, list->routes, list->facts, list->count);
	if (err < 0)
		log_warn("routes-not-offered error=\"%s\"", strerror(-err));
}

void router_begin(struct mesh *mesh)
{
	offer(mesh);
}

void router_apply_setting(struct mesh *mesh)
{
	offer(mesh);
	router_update(mesh);
}

/* --- what is carried --- */

static bool is_exit(const struct mesh *mesh, uint8_t family)
{
	const struct prefix whole = { .addr.family = family };

	return cert_carries(&mesh->membership.cert, &whole);
}

/* What is both offered and approved, while this node is up. */
static void make_plan(const struct mesh *mesh, struct router_plan *plan)
{
	const struct route_list *list = &mesh->router->list;
	const struct cert *cert = &mesh->membership.cert;
	size_t i;

	*plan = (struct router_plan){ .tun = dataplane_tun_name(mesh->dp), .ftp = true };
	if (!mesh->router->up || !mesh->membership.enrolled)
		return;
	plan->address4 = cert->address4;
	plan->address6 = cert->address6;
	plan->exit4 = mesh->route_offer.exit4 && is_exit(mesh, AF_INET);
	plan->exit6 = mesh->route_offer.exit6 && is_exit(mesh, AF_INET6);
	for (i = 0; i < list->count; i++) {
		if (!cert_carries(cert, &list->routes[i]))
			continue;
		plan->routes[plan->route_count++] = (struct router_route){
			list->routes[i], route_real(&list->routes[i], &list->facts[i]), list->snat
		};
	}
}

static bool carries(const struct router_plan *plan, int family)
{
	size_t i;

	if (family == AF_INET ? plan->exit4 : plan->exit6)
		return true;
	for (i = 0; i < plan->route_count; i++) {
		if (plan->routes[i].seen.addr.family == family)
			return true;
	}
	return false;
}

/* --- what the kernel is told --- */

static void set_problem(struct router *router, const char *text)
{
	if (text && strcmp(router->problem, text) != 0)
		log_error("router error=\"%s\"", text);
	snprintf(router->problem, sizeof(router->problem), "%s", text ? text : "");
}

static void forward(struct router *router, const struct router_plan *plan, int family)
{
	bool *on = family == AF_INET ? &router->forwards4 : &router->forwards6;
	struct leftovers *leftovers = router->mesh->leftovers;
	bool wanted = carries(plan, family);
	char text[PROBLEM_SIZE];
	int err = 0;

	if (wanted)
		err = forwarding_start(leftovers, family);
	else if (*on)
		err = forwarding_stop(leftovers, family);
	*on = wanted;
	if (err == 0)
		return;
	snprintf(text, sizeof(text),
		 "IPv%d forwarding cannot be switched %s (%s); as root: sysctl -w %s=%d",
		 family == AF_INET ? 4 : 6, wanted ? "on" : "off", strerror(-err),
		 family == AF_INET ? "net.ipv4.ip_forward" : "net.ipv6.conf.all.forwarding",
		 wanted);
	set_problem(router, text);
}

/* A kernel that cannot follow FTP carries all the rest. */
static int apply_rules(struct router *router, struct router_plan *plan,
		       char why[static FIREWALL_WHY_SIZE])
{
	char *rules = router_rules(plan);
	int err;

	if (!rules)
		return -ENOMEM;
	if (router->applied && strcmp(router->applied, rules) == 0) {
		free(rules);
		return 0;
	}
	err = firewall_apply(router->mesh->firewall, rules, why);
	if (err < 0 && plan->ftp) {
		char *without;

		plan->ftp = false;
		without = router_rules(plan);
		err = without ? firewall_apply(router->mesh->firewall, without, why) : -ENOMEM;
		free(without);
		if (err == 0)
			log_warn("router error=\"this kernel does not follow FTP\" action=\"load "
				 "nf_conntrack_ftp and nf_nat_ftp for active FTP\"");
	}
	if (err < 0) {
		free(rules);
		return err;
	}
	free(router->applied);
	router->applied = rules;
	log_info("router routes=%zu exit4=%s exit6=%s", plan->route_count,
		 plan->exit4 ? "yes" : "no", plan->exit6 ? "yes" : "no");
	return 0;
}

static void remove_rules(struct router *router, struct router_plan *plan)
{
	char why[FIREWALL_WHY_SIZE];
	char *rules;

	if (!router->applied)
		return;
	rules = router_rules(plan);
	if (!rules || firewall_apply(router->mesh->firewall, rules, why) < 0)
		log_warn("router error=\"its table could not be removed\"");
	free(rules);
	free(router->applied);
	router->applied = NULL;
	log_info("router routes=0");
}

static void stop(struct router *router, struct router_plan *plan)
{
	stop_watching(router);
	forward(router, plan, AF_INET);
	forward(router, plan, AF_INET6);
	if (router->applied && foreign_close_docker(router->mesh->leftovers) < 0)
		log_warn("router error=\"our rules in DOCKER-USER could not be removed\"");
	remove_rules(router, plan);
}

static void start(struct router *router, struct router_plan *plan)
{
	struct mesh *mesh = router->mesh;
	char why[FIREWALL_WHY_SIZE] = "", text[PROBLEM_SIZE], chain[FOREIGN_CHAIN_SIZE];
	char comment[ROUTER_NAME_SIZE];
	int err = apply_rules(router, plan, why);

	if (err < 0) {
		snprintf(text, sizeof(text),
			 "nftables refuses the rules (%.120s); is nf_tables in "
			 "this kernel?",
			 why[0] ? why : strerror(-err));
		set_problem(router, text);
		return; /* nothing is handed on that nothing checks */
	}
	router->problem[0] = '\0';
	watch(router);
	forward(router, plan, AF_INET);
	forward(router, plan, AF_INET6);
	if (foreign_open_docker(mesh->firewall, mesh->leftovers, plan->tun,
				router_table_name(comment, plan->tun)) < 0)
		log_warn("router error=\"DOCKER-USER takes no rules of ours\"");
	if (foreign_find_drop(mesh->firewall, plan->tun, chain))
		mesh_set_health(mesh, HEALTH_FOREIGN_RULES,
				"routes: the firewall chain %s drops what its rules do not let "
				"through; let it forward from and to %s",
				chain, plan->tun);
	else
		mesh_set_health(mesh, HEALTH_FOREIGN_RULES, NULL);
}

/* --- what of it leads anywhere --- */

/* One bit for each of our certificate's routes that this node does not carry now. */
static uint32_t leads_nowhere(const struct router *router)
{
	const struct cert *cert = &router->mesh->membership.cert;
	uint32_t bits = 0;

	for (size_t i = 0; i < cert->route_count; i++) {
		const struct prefix *route = &cert->routes[i];
		bool carried = route_is_exit(route);

		for (size_t k = 0; k < router->lan.count; k++)
			carried |= prefix_equal(&router->lan.states[k].seen, route) &&
				   router->lan.states[k].works;
		if (!router->up || router->problem[0] || !carried)
			bits |= 1u << i;
	}
	return bits;
}

void router_tell(struct mesh *mesh, struct mesh_peer *peer)
{
	const struct router *router = mesh->router;

	/* Lost or not possible: it is told again, or with the next session. */
	if (router && mesh->membership.cert.route_count)
		(void)dataplane_peer_routes(peer_dp(mesh_peer_wireguard(peer)),
					    (uint32_t)mesh->membership.cert.serial,
					    leads_nowhere(router));
}

static void tell_all(struct router *router)
{
	struct mesh_peer *peer;
	size_t cursor = 0;

	while ((peer = map_next(router->mesh->peers, &cursor)))
		router_tell(router->mesh, peer);
	if (router->retold < sizeof(retell_ns) / sizeof(*retell_ns))
		loop_timer_set(&router->retell,
			       loop_now_ns(router->mesh->loop) + retell_ns[router->retold++]);
}

static void on_retell(void *arg, uint64_t now_ns)
{
	(void)now_ns;
	tell_all(arg);
}

static void show_lan(struct router *router)
{
	const struct prefix *first = router_lan_first(&router->lan);
	char text[PREFIX_TEXT_SIZE];

	if (first)
		mesh_set_health(router->mesh, HEALTH_LAN, "routes: %s is not carried: %s",
				prefix_format(text, first),
				router_lan_problem(&router->lan, first));
	else
		mesh_set_health(router->mesh, HEALTH_LAN, NULL);
}

/* Looks at the ways into the networks, and tells peers where that makes a difference. */
static void check_lan(struct router *router)
{
	struct mesh *mesh = router->mesh;
	uint32_t serial = (uint32_t)mesh->membership.cert.serial, bits;
	uint64_t now_ns = loop_now_ns(mesh->loop);

	if (router_lan_look(&router->lan, mesh->netlink, dataplane_tun_ifindex(mesh->dp), now_ns))
		log_warn("router-networks out-of-reach=%s",
			 router_lan_first(&router->lan) ? "some" : "none");
	loop_timer_set(&router->lan_timer, router_lan_next_ns(&router->lan));
	show_lan(router);
	bits = leads_nowhere(router);
	if (bits == router->told && serial == router->told_serial)
		return;
	router->told = bits;
	router->told_serial = serial;
	router->retold = 0;
	tell_all(router);
}

static void on_lan_timer(void *arg, uint64_t now_ns)
{
	(void)now_ns;
	check_lan(arg);
}

void router_network_changed(struct mesh *mesh)
{
	if (mesh->router && mesh->router->lan.count)
		check_lan(mesh->router);
}

void router_update(struct mesh *mesh)
{
	struct router_plan plan;

	if (!mesh->router)
		return;
	make_plan(mesh, &plan);
	if (!router_plan_is_empty(&plan)) {
		start(mesh->router, &plan);
		dataplane_set_carrying(mesh->dp, mesh->router->applied);
	} else {
		dataplane_set_carrying(mesh->dp, false);
		mesh->router->problem[0] = '\0';
		mesh_set_health(mesh, HEALTH_FOREIGN_RULES, NULL);
		stop(mesh->router, &plan);
	}
	if (mesh->router->problem[0])
		mesh_set_health(mesh, HEALTH_ROUTER, "routes: %s", mesh->router->problem);
	else
		mesh_set_health(mesh, HEALTH_ROUTER, NULL);
	router_lan_plan(&mesh->router->lan, &plan);
	check_lan(mesh->router);
}

void router_set_up(struct mesh *mesh, bool up)
{
	if (mesh->router)
		mesh->router->up = up;
	router_update(mesh);
}

void router_free(struct router *router)
{
	struct router_plan nothing = { 0 };

	if (!router)
		return;
	loop_timer_clear(&router->lan_timer);
	loop_timer_clear(&router->retell);
	nothing.tun = router->mesh->dp ? dataplane_tun_name(router->mesh->dp) : "";
	if (router->mesh->dp)
		dataplane_set_carrying(router->mesh->dp, false);
	stop(router, &nothing);
	free(router->applied);
	free(router);
}

/* --- what is told --- */

const char *router_problem(const struct mesh *mesh)
{
	return mesh->router->problem[0] ? mesh->router->problem : NULL;
}

static void explain(const struct mesh *mesh, struct route_line *line)
{
	const struct control_route *answer = route_offer_find(&mesh->route_offer, &line->prefix);

	if (!line->offered)
		snprintf(line->why, sizeof(line->why), "not offered by this node any more");
	else if (!line->approved && mesh->route_offer.problem[0])
		snprintf(line->why, sizeof(line->why), "%.150s", mesh->route_offer.problem);
	else if (!line->approved && answer && answer->why[0])
		snprintf(line->why, sizeof(line->why), "%.150s", answer->why);
	else if (!line->approved)
		snprintf(line->why, sizeof(line->why), "%s",
			 answer ? "waits for an admin's approval"
				: "the coordinator has not answered yet");
	else if (!mesh->router->up)
		snprintf(line->why, sizeof(line->why), "this node is down");
	else if (mesh->router->problem[0])
		snprintf(line->why, sizeof(line->why), "%.150s", mesh->router->problem);
	else if (router_lan_problem(&mesh->router->lan, &line->prefix))
		snprintf(line->why, sizeof(line->why), "%s",
			 router_lan_problem(&mesh->router->lan, &line->prefix));
	else
		line->used = true;
}

void router_report(struct route_report *report, const struct mesh *mesh)
{
	const struct route_list *list = &mesh->router->list;
	const struct cert *cert = &mesh->membership.cert;
	size_t i, j;

	for (i = 0; i < list->count; i++) {
		struct route_line line = { .prefix = list->routes[i],
					   .real = list->facts[i].real,
					   .node = cert->name,
					   .own = true,
					   .snat = list->snat,
					   .weight = list->facts[i].weight,
					   .offered = true,
					   .approved = cert_carries(&mesh->membership.cert,
								    &list->routes[i]) };

		explain(mesh, &line);
		route_report_add(report, &line);
	}
	for (i = 0; i < cert->route_count; i++) {
		struct route_line line = { .prefix = cert->routes[i],
					   .real = cert->route_facts[i].real,
					   .node = cert->name,
					   .own = true,
					   .weight = cert->route_facts[i].weight,
					   .approved = true };

		for (j = 0; j < list->count; j++) {
			if (prefix_equal(&list->routes[j], &cert->routes[i]))
				break;
		}
		if (j < list->count || route_is_exit(&cert->routes[i]))
			continue;
		explain(mesh, &line);
		route_report_add(report, &line);
	}
}
