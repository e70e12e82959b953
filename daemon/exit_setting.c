#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/exit.h"
#include "daemon/mesh.h"
#include "proto/route_facts.h"

#define NODE_USAGE "set exit-node NAME|auto|none [--keep-local yes|no] [--kill-switch yes|no]"

static bool is_yes_or_no(const char *value)
{
	return strcmp(value, "yes") == 0 || strcmp(value, "no") == 0;
}

static const struct netmap_peer *find_peer(const struct mesh *mesh, const char *name)
{
	for (size_t i = 0; mesh->map && i < mesh->map->peer_count; i++) {
		if (strcmp(mesh->map->peers[i]->cert->parsed.name, name) == 0)
			return mesh->map->peers[i];
	}
	return NULL;
}

/* Its certificate says so, and policy lets this node use it. */
static void look_at(const struct netmap_peer *peer, bool *approved, bool *allowed)
{
	const struct cert *cert = &peer->cert->parsed;

	*approved = *allowed = false;
	for (size_t i = 0; i < cert->route_count; i++) {
		if (!route_is_exit(&cert->routes[i]))
			continue;
		*approved = true;
		*allowed |= peer->routes_used >> i & 1;
	}
}

static int check_any(const struct mesh *mesh, char why[static SETTING_WHY_SIZE])
{
	bool approved, allowed;

	for (size_t i = 0; i < mesh->map->peer_count; i++) {
		look_at(mesh->map->peers[i], &approved, &allowed);
		if (allowed)
			return 0;
	}
	snprintf(why, SETTING_WHY_SIZE,
		 "no peer is an exit node that this node may use; one must `warren set offer-exit "
		 "yes`, be approved (`warren-coord route approve NODE exit`), and the policy must "
		 "allow `internet`");
	return -EPERM;
}

static int check_one(const struct mesh *mesh, const char *name, char why[static SETTING_WHY_SIZE])
{
	const struct netmap_peer *peer = find_peer(mesh, name);
	bool approved, allowed;

	if (strcmp(name, mesh->membership.cert.name) == 0) {
		snprintf(why, SETTING_WHY_SIZE, "%s is this node itself; name another, or none",
			 name);
		return -EPERM;
	}
	if (!peer) {
		snprintf(why, SETTING_WHY_SIZE, "no peer is called %.64s; see `warren status`",
			 name);
		return -EPERM;
	}
	look_at(peer, &approved, &allowed);
	if (!approved) {
		snprintf(why, SETTING_WHY_SIZE,
			 "%s is no exit node: it must `warren set offer-exit yes`, and an admin "
			 "approve it with `warren-coord route approve %s exit`",
			 name, name);
		return -EPERM;
	}
	if (!allowed) {
		snprintf(why, SETTING_WHY_SIZE,
			 "the policy does not let this node use %s as its exit; ask for a rule "
			 "with the destination `internet`",
			 name);
		return -EPERM;
	}
	return 0;
}

int exit_check_node(const struct mesh *mesh, const struct setting *setting,
		    char why[static SETTING_WHY_SIZE])
{
	const char *name = setting->value;

	for (size_t i = 0; i < setting->option_count; i++) {
		if (is_yes_or_no(setting->options[i].value))
			continue;
		snprintf(why, SETTING_WHY_SIZE, "--%s is yes or no; write " NODE_USAGE,
			 setting->options[i].name);
		return -EINVAL;
	}
	if (strcmp(name, "none") == 0)
		return 0;
	if (strcmp(name, "auto") != 0 && cert_name_check(name) < 0) {
		snprintf(why, SETTING_WHY_SIZE, "that is no name of a node; write " NODE_USAGE);
		return -EINVAL;
	}
	if (settings_yes(&mesh->settings, "offer-exit", false)) {
		snprintf(why, SETTING_WHY_SIZE,
			 "this node offers to be an exit itself; `warren set offer-exit no` first");
		return -EPERM;
	}
	if (!mesh->has_membership || !mesh->map) {
		snprintf(why, SETTING_WHY_SIZE,
			 "this node knows no peers yet; join a network with `warren up` first");
		return -EPERM;
	}
	return strcmp(name, "auto") == 0 ? check_any(mesh, why) : check_one(mesh, name, why);
}

int exit_check_offer(const struct mesh *mesh, const struct setting *setting,
		     char why[static SETTING_WHY_SIZE])
{
	struct setting choice;

	if (!is_yes_or_no(setting->value)) {
		snprintf(why, SETTING_WHY_SIZE,
			 "offer-exit is yes or no; write set offer-exit yes|no");
		return -EINVAL;
	}
	if (strcmp(setting->value, "yes") == 0 &&
	    settings_get(&mesh->settings, "exit-node", &choice) == 0 &&
	    strcmp(choice.value, "none") != 0) {
		snprintf(why, SETTING_WHY_SIZE,
			 "this node uses an exit node itself; `warren set exit-node none` first");
		return -EPERM;
	}
	return 0;
}
