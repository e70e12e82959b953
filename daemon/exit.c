#include "daemon/exit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "daemon/block.h"
#include "daemon/coordination.h"
#include "daemon/dataplane.h"
#include "daemon/leftovers.h"
#include "daemon/mesh.h"
#include "daemon/mesh_peer.h"
#include "daemon/name_service.h"
#include "daemon/route_report.h"
#include "daemon/routing.h"
#include "daemon/rules_watch.h"
#include "kernel-iface/firewall.h"
#include "kernel-iface/ifaddr.h"
#include "kernel-iface/route.h"
#include "kernel-iface/sysctl.h"
#include "proto/route_facts.h"

/* Shorter ones are no networks of a link, but somebody who wants more than that. */
#define LOCAL_LEN4_MIN   16
#define LOCAL_LEN6_MIN   32
#define PRIVATE_LEN4_MIN 8

#define TABLE_NAME_SIZE 64

#define VALID_MARK "net/ipv4/conf/all/src_valid_mark"

/* What is in force. */
struct exit_use {
	bool valid_mark;
	bool begun;  /* tables of an earlier run have been dealt with */
	bool wanted; /* routing knows */
	bool keep_local;
	char name[SETTING_KEY_MAX * 3];
	char text[2][BLOCK_TEXT_MAX]; /* of the two tables; "": not there */
	char *seen[2];                /* as the kernel lists them */
	struct rules_watch *watch;
	bool offers[2];
};

/* --- the user's choice --- */

/* 0 or -ENOENT: no exit was chosen. */
static int get_choice(const struct mesh *mesh, struct setting *choice)
{
	if (settings_get(&mesh->settings, "exit-node", choice) < 0 ||
	    strcmp(choice->value, "none") == 0)
		return -ENOENT;
	return 0;
}

static bool option_is_yes(const struct setting *setting, const char *name, const char *fallback)
{
	return strcmp(setting_option(setting, name, fallback), "yes") == 0;
}

bool exit_wanted(const struct mesh *mesh)
{
	struct setting choice;

	return mesh->settings.up && mesh->has_membership && get_choice(mesh, &choice) == 0;
}

static bool keeps_local(const struct mesh *mesh)
{
	struct setting choice;

	return get_choice(mesh, &choice) < 0 || option_is_yes(&choice, "keep-local", "yes");
}

void exit_local_lengths(const struct mesh *mesh, uint32_t out[static 2])
{
	bool kept = keeps_local(mesh);

	out[0] = kept ? PRIVATE_LEN4_MIN : 0;
	out[1] = kept ? LOCAL_LEN6_MIN : 0;
}

static bool holds_when_dead(const struct mesh *mesh)
{
	struct setting choice;

	return get_choice(mesh, &choice) == 0 && option_is_yes(&choice, "kill-switch", "no");
}

bool exit_may_carry(const struct mesh *mesh, const struct cert *cert, const struct prefix *prefix)
{
	struct setting choice;

	if (!route_is_exit(prefix) || !exit_wanted(mesh) || get_choice(mesh, &choice) < 0 ||
	    (strcmp(choice.value, "auto") != 0 && strcmp(choice.value, cert->name) != 0))
		return false;
	return cert_carries(cert, prefix);
}

/* --- what is blocked --- */

static bool holds_address(const struct route *route, const struct iface_addr *held, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (held[i].ifindex == route->ifindex &&
		    prefix_contains(&route->dst, &held[i].addr))
			return true;
	}
	return false;
}

/*
 * A private network, on a link or behind a router, or the one that this machine itself has a public
 * address of: whoever gives out addresses and routes must not draw the internet past the tunnel by
 * calling it local.
 */
static bool is_local(const struct route *route, uint32_t tunnel, const struct iface_addr *held,
		     size_t count)
{
	const struct prefix *dst = &route->dst;

	if (!route->ifindex || route->ifindex == tunnel)
		return false;
	if (addr_is_private(&dst->addr))
		return dst->len >=
		       (dst->addr.family == AF_INET ? PRIVATE_LEN4_MIN : LOCAL_LEN6_MIN);
	return dst->len >= (dst->addr.family == AF_INET ? LOCAL_LEN4_MIN : LOCAL_LEN6_MIN) &&
	       !addr_len(&route->gateway) && holds_address(route, held, count);
}

static size_t list_locals(const struct mesh *mesh, struct prefix out[static BLOCK_LOCALS_MAX])
{
	uint32_t tunnel = mesh->dp ? dataplane_tun_ifindex(mesh->dp) : 0;
	struct route *routes = calloc(ROUTE_MAX, sizeof(*routes));
	struct iface_addr held[IFADDR_MAX];
	size_t count = 0, held_count = 0, kept = 0;

	if (routes && route_list_others(mesh->netlink, routes, ROUTE_MAX, &count) < 0)
		count = 0;
	if (count && iface_addr_list(mesh->netlink, held, IFADDR_MAX, &held_count) < 0)
		held_count = 0;
	for (size_t i = 0; i < count && kept < BLOCK_LOCALS_MAX; i++) {
		if (is_local(&routes[i], tunnel, held, held_count))
			out[kept++] = routes[i].dst;
	}
	free(routes);
	return kept;
}

static void tell_not_blocked(struct mesh *mesh, const char *why)
{
	mesh_set_health(mesh, HEALTH_BLOCK,
			"exit: what goes beside the tunnel cannot be blocked (%s); DNS and "
			"traffic to local networks may leak; is nftables in this kernel?",
			why);
}

/* As the kernel lists it; malloc'd, NULL when it is not there. */
static char *list_table(struct mesh *mesh, bool stays)
{
	char command[TABLE_NAME_SIZE + 16] = "list table ", *listed;
	size_t used = strlen(command);

	block_table_name(command + used, sizeof(command) - used, mesh->config->tun, stays);
	return firewall_list(mesh->firewall, command, &listed) < 0 ? NULL : listed;
}

static bool is_untouched(struct mesh *mesh, bool stays)
{
	const char *seen = mesh->exit->seen[stays];
	char *listed = list_table(mesh, stays);
	bool same = listed && seen && strcmp(listed, seen) == 0;

	free(listed);
	return same;
}

static void note_table(struct mesh *mesh, bool stays, char *listed)
{
	free(mesh->exit->seen[stays]);
	mesh->exit->seen[stays] = listed;
}

/* The text is applied when it is another than before, or others touched what is there. */
static void apply(struct mesh *mesh, bool stays, const char *text)
{
	char *held = mesh->exit->text[stays];
	char why[FIREWALL_WHY_SIZE];
	int err;

	if (strcmp(held, text) == 0 && is_untouched(mesh, stays))
		return;
	err = firewall_apply(mesh->firewall, text, why);
	if (err < 0) {
		log_error("exit-not-blocked error=\"%s\"", why);
		tell_not_blocked(mesh, why);
		held[0] = '\0';
		return;
	}
	mesh_set_health(mesh, HEALTH_BLOCK, NULL);
	strcpy(held, text);
	note_table(mesh, stays, list_table(mesh, stays));
}

static void open_table(struct mesh *mesh, bool stays)
{
	char why[FIREWALL_WHY_SIZE], text[BLOCK_TEXT_MAX];

	/* Once without having made it: by an earlier run. */
	if (mesh->exit->begun && !mesh->exit->text[stays][0])
		return;
	block_remove_text(text, sizeof(text), mesh->config->tun, stays);
	if (firewall_apply(mesh->firewall, text, why) < 0 && mesh->exit->text[stays][0])
		log_error("exit-not-opened error=\"%s\"", why);
	mesh->exit->text[stays][0] = '\0';
	note_table(mesh, stays, NULL);
}

static void block(struct mesh *mesh)
{
	struct prefix locals[BLOCK_LOCALS_MAX];
	struct block block = {
		.tun = mesh->config->tun,
		.mark = mesh->config->fwmark,
		.port = mesh->dp ? dataplane_port(mesh->dp) : 0,
		.locals = locals,
	};
	char text[BLOCK_TEXT_MAX];

	if (keeps_local(mesh))
		block.local_count = list_locals(mesh, locals);
	for (int stays = 1; stays >= 0; stays--) {
		block.stays = stays;
		if (stays && !holds_when_dead(mesh))
			continue;
		if (block_text(text, sizeof(text), &block) > 0)
			apply(mesh, stays, text);
	}
}

/* The new table comes before the old one goes. */
static void update_block(struct mesh *mesh)
{
	if (exit_wanted(mesh))
		block(mesh);
	else
		open_table(mesh, false);
	if (!exit_wanted(mesh) || !holds_when_dead(mesh))
		open_table(mesh, true);
	mesh->exit->begun = true;
}

static void on_rules_changed(void *arg)
{
	struct mesh *mesh = arg;

	if (exit_wanted(mesh))
		update_block(mesh);
}

/* Others may empty all of nftables at any time, and the next moment may be the daemon's last. */
static void update_watch(struct mesh *mesh)
{
	struct exit_use *use = mesh->exit;

	if (use->wanted && !use->watch)
		use->watch = rules_watch_new(mesh->loop, on_rules_changed, mesh);
	if (use->wanted)
		return;
	rules_watch_free(use->watch);
	use->watch = NULL;
}

/* So that the kernel's check of the way home looks at the mark too. */
static void update_valid_mark(struct mesh *mesh)
{
	bool wanted = exit_wanted(mesh);
	int err;

	if (wanted == mesh->exit->valid_mark)
		return;
	mesh->exit->valid_mark = wanted;
	if (!wanted) {
		leftovers_undo_sysctl(mesh->leftovers, VALID_MARK);
		return;
	}
	err = leftovers_note_sysctl(mesh->leftovers, VALID_MARK, "1");
	if (err == 0)
		err = sysctl_set(VALID_MARK, "1");
	if (err < 0)
		log_warn("exit-mark sysctl=%s error=\"%s\"", VALID_MARK, strerror(-err));
}

/* --- who carries --- */

static void tell_names(struct mesh *mesh)
{
	struct mesh_peer *peer = routing_exit_peer(mesh, AF_INET);
	struct ip_addr servers[2];
	size_t count = 0;

	if (!peer)
		peer = routing_exit_peer(mesh, AF_INET6);
	if (peer) {
		const struct cert *cert = &mesh_peer_info(peer)->cert->parsed;

		if (addr_len(&cert->address4) && addr_len(&mesh->membership.cert.address4))
			servers[count++] = cert->address4;
		if (addr_len(&cert->address6) && addr_len(&mesh->membership.cert.address6))
			servers[count++] = cert->address6;
	}
	name_service_set_exit(mesh, exit_wanted(mesh), servers, count);
}

static void tell_health(struct mesh *mesh)
{
	struct setting choice;

	if (!exit_wanted(mesh) || get_choice(mesh, &choice) < 0 ||
	    routing_exit_peer(mesh, AF_INET) || routing_exit_peer(mesh, AF_INET6))
		mesh_set_health(mesh, HEALTH_EXIT, NULL);
	else if (strcmp(choice.value, "auto") == 0)
		mesh_set_health(mesh, HEALTH_EXIT,
				"exit: no exit node can be reached now; traffic to the internet is "
				"held back until one can, or until `warren set exit-node none`");
	else
		mesh_set_health(mesh, HEALTH_EXIT,
				"exit: %s carries nothing for this node now; traffic to the "
				"internet is held back until it does, or until `warren set "
				"exit-node none` (`warren routes` says why)",
				choice.value);
}

void exit_carrier_changed(struct mesh *mesh, int family, struct mesh_peer *peer)
{
	if (exit_wanted(mesh))
		log_info("exit family=%s peer=%s", family == AF_INET ? "v4" : "v6",
			 peer ? mesh_peer_info(peer)->cert->parsed.name : "none");
	tell_names(mesh);
	tell_health(mesh);
}

/* True when the choice differs from what routing was told. */
static bool note_choice(struct mesh *mesh)
{
	struct exit_use *use = mesh->exit;
	bool wanted = exit_wanted(mesh), keep_local = keeps_local(mesh);
	struct setting choice = { .value = "" };
	bool changed;

	get_choice(mesh, &choice);
	changed = wanted != use->wanted ||
		  (wanted && (keep_local != use->keep_local || strcmp(use->name, choice.value)));
	use->wanted = wanted;
	use->keep_local = keep_local;
	strncpy(use->name, choice.value, sizeof(use->name) - 1);
	return changed;
}

/* --- what this node offers --- */

static const struct prefix everything[2] = { { .addr.family = AF_INET },
					     { .addr.family = AF_INET6 } };

/* Only what this machine reaches itself. */
static void update_offer(struct mesh *mesh)
{
	bool wanted = settings_yes(&mesh->settings, "offer-exit", false);
	uint32_t tunnel = dataplane_tun_ifindex(mesh->dp);
	bool *offers = mesh->exit->offers;
	bool now[2] = { false, false };
	struct route found;

	for (int i = 0; wanted && i < 2; i++)
		now[i] = route_default(mesh->netlink, everything[i].addr.family, tunnel, &found) ==
			 0;
	if (wanted && !now[0] && !now[1])
		mesh_set_health(mesh, HEALTH_OFFER,
				"exit: this machine has no default route, so it offers no exit");
	else
		mesh_set_health(mesh, HEALTH_OFFER, NULL);
	if (now[0] == offers[0] && now[1] == offers[1])
		return;
	if (coordination_offer_exit(mesh, now[0], now[1]) < 0) {
		mesh_set_health(mesh, HEALTH_OFFER,
				"exit: there are too many routes to offer an exit too; take some "
				"out of `warren set routes`");
		return;
	}
	memcpy(offers, now, sizeof(now));
}

/* --- life --- */

int exit_begin(struct mesh *mesh)
{
	mesh->exit = calloc(1, sizeof(*mesh->exit));
	if (!mesh->exit)
		return -ENOMEM;
	update_block(mesh);
	update_valid_mark(mesh);
	return 0;
}

void exit_update(struct mesh *mesh)
{
	bool changed = note_choice(mesh);

	if (mesh->exit->wanted)
		update_block(mesh);
	update_valid_mark(mesh);
	if (changed)
		routing_map_changed(mesh);
	if (!mesh->exit->wanted)
		update_block(mesh);
	update_watch(mesh);
	update_offer(mesh);
	tell_names(mesh);
	tell_health(mesh);
}

void exit_unwatch(struct mesh *mesh)
{
	if (!mesh->exit)
		return;
	rules_watch_free(mesh->exit->watch);
	mesh->exit->watch = NULL;
}

void exit_end(struct mesh *mesh)
{
	if (!mesh->exit)
		return;
	open_table(mesh, false);
	note_table(mesh, true, NULL);
	free(mesh->exit);
	mesh->exit = NULL;
}

int exit_close(struct mesh *mesh)
{
	struct block block = { .tun = mesh->config->tun,
			       .mark = mesh->config->fwmark,
			       .stays = true };
	char text[BLOCK_TEXT_MAX], why[FIREWALL_WHY_SIZE];
	int err;

	if (!exit_wanted(mesh) || !holds_when_dead(mesh))
		return 0;
	block_text(text, sizeof(text), &block);
	err = firewall_apply(mesh->firewall, text, why);
	if (err < 0)
		tell_not_blocked(mesh, why);
	return err;
}

int exit_open(const char *tun)
{
	char text[BLOCK_TEXT_MAX], why[FIREWALL_WHY_SIZE];
	struct firewall *firewall;
	int err = firewall_new(&firewall);

	if (err < 0)
		return err;
	block_remove_text(text, sizeof(text), tun, true);
	err = firewall_apply(firewall, text, why);
	firewall_free(firewall);
	return err;
}

static void report_one(struct route_report *report, const struct mesh *mesh, int which)
{
	const struct cert *cert = &mesh->membership.cert;
	const struct control_route *answer =
		route_offer_find(&mesh->route_offer, &everything[which]);
	struct route_line line = {
		.prefix = everything[which],
		.node = cert->name,
		.own = true,
		.snat = true,
		.weight = ROUTE_WEIGHT_DEFAULT,
		.offered = mesh->exit->offers[which],
	};

	for (size_t i = 0; i < cert->route_count; i++)
		line.approved |= prefix_equal(&cert->routes[i], &everything[which]);
	if (!line.offered && !line.approved)
		return;
	line.used = line.offered && line.approved;
	if (!line.offered)
		snprintf(line.why, sizeof(line.why), "not offered any more");
	else if (!line.approved)
		snprintf(line.why, sizeof(line.why), "%.150s",
			 answer && answer->why[0] ? answer->why : "waits for approval");
	route_report_add(report, &line);
}

void exit_report(struct route_report *report, const struct mesh *mesh)
{
	if (!mesh->exit || !mesh->membership.enrolled)
		return;
	report_one(report, mesh, 0);
	report_one(report, mesh, 1);
}
