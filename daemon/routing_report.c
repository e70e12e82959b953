#include "daemon/routing_report.h"

#include <stdio.h>
#include <string.h>

#include "daemon/mesh.h"
#include "daemon/mesh_peer.h"
#include "daemon/route_report.h"
#include "daemon/routing_state.h"
#include "proto/route_facts.h"

/* --- one prefix of one peer --- */

static const char *name_of(const struct carrier *carrier)
{
	return mesh_peer_info(carrier->peer)->cert->parsed.name;
}

static void view_conflict(struct routing_view *view, const struct route_conflict *conflict)
{
	view->why = route_conflict_text(conflict->kind);
	snprintf(view->detail, sizeof(view->detail), "%s", conflict->with);
}

static void view_off(struct routing_view *view, const char *why)
{
	view->state = ROUTING_OFF;
	view->why = why;
}

static void view_offer(const struct routing *routing, const struct offer *offer,
		       struct routing_view *view)
{
	const struct entry *entry = &routing->entries[offer->entry];
	enum carrier_state state = offer->carrier->pulse.state;

	*view = (struct routing_view){ .prefix = offer->prefix,
				       .peer = offer->carrier->peer,
				       .state = ROUTING_USED };
	if (offer->off) {
		view_off(view, offer->off);
	} else if (entry->conflict.whole) {
		view->state = ROUTING_HIDDEN;
		view_conflict(view, &entry->conflict);
	} else if (entry->off) {
		view_off(view, entry->off);
	} else if (routing_offer_is_down(offer)) {
		view->state = entry->current == offer->carrier ? ROUTING_USED : ROUTING_SILENT;
		view->why = "out-of-reach";
	} else if (entry->current == offer->carrier) {
		view->why = carrier_reason_text(entry->choice.reason);
		if (entry->conflict.kind != ROUTE_CONFLICT_NONE)
			view_conflict(view, &entry->conflict);
	} else {
		view->state = state < CARRIER_HELD ? ROUTING_SILENT : ROUTING_STANDBY;
		view->why = state == CARRIER_OFFLINE  ? "offline"
			    : state == CARRIER_SILENT ? "silent"
			    : state == CARRIER_HELD   ? "returning"
						      : "standby";
		if (entry->current)
			snprintf(view->detail, sizeof(view->detail), "%s", name_of(entry->current));
	}
}

bool routing_next(const struct mesh *mesh, size_t *cursor, struct routing_view *view)
{
	const struct routing *routing = mesh->routing;

	while (routing && *cursor < routing->offer_count) {
		const struct offer *offer = &routing->offers[(*cursor)++];

		if (!offer->carrier->peer)
			continue;
		view_offer(routing, offer, view);
		return true;
	}
	return false;
}

/* --- for people --- */

static void say_conflict(char why[static ROUTE_WHY_SIZE], const struct routing_view *view)
{
	if (view->state == ROUTING_USED)
		snprintf(why, ROUTE_WHY_SIZE, "%s: %s stays with this machine", view->why,
			 view->detail);
	else if (strcmp(view->why, "at-home") == 0)
		snprintf(why, ROUTE_WHY_SIZE, "at-home: this machine is in it, %s", view->detail);
	else if (strcmp(view->why, "overlay") == 0)
		snprintf(why, ROUTE_WHY_SIZE, "overlay: %s in it is a node's address",
			 view->detail);
	else
		snprintf(why, ROUTE_WHY_SIZE, "%s: this machine has %s", view->why, view->detail);
}

static void say_off(char why[static ROUTE_WHY_SIZE], const struct routing_view *view)
{
	static const struct {
		const char *word, *text;
	} texts[] = {
		{ "policy", "no rule lets this node or it reach the other" },
		{ "accept-routes", "warren set accept-routes is no" },
		{ "exit-node", "not chosen with warren set exit-node" },
		{ "no-address", "this node has no address of that family" },
		{ "too-many", "more prefixes than this node uses" },
		{ "out-of-reach", "that router has no way into the network now" },
	};

	snprintf(why, ROUTE_WHY_SIZE, "%s", view->why);
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		if (strcmp(texts[i].word, view->why) == 0)
			snprintf(why, ROUTE_WHY_SIZE, "%s: %s", view->why, texts[i].text);
	}
}

static bool is_conflict(const struct routing *routing, const struct offer *offer)
{
	return !offer->off && routing->entries[offer->entry].conflict.kind != ROUTE_CONFLICT_NONE;
}

static void say(char why[static ROUTE_WHY_SIZE], const struct routing_view *view, bool conflict)
{
	if (conflict)
		say_conflict(why, view);
	else if (view->state == ROUTING_OFF || strcmp(view->why, "out-of-reach") == 0)
		say_off(why, view);
	else if (view->state != ROUTING_USED && view->detail[0])
		snprintf(why, ROUTE_WHY_SIZE, "%s: %s carries it", view->why, view->detail);
	else if (view->state != ROUTING_USED)
		snprintf(why, ROUTE_WHY_SIZE, "%s", view->why);
}

void routing_report(struct route_report *report, const struct mesh *mesh)
{
	const struct routing *routing = mesh->routing;

	for (size_t i = 0; routing && i < routing->offer_count; i++) {
		const struct offer *offer = &routing->offers[i];
		struct route_line line = { .prefix = offer->prefix,
					   .real = offer->real,
					   .weight = offer->weight,
					   .offered = true,
					   .approved = true };
		struct routing_view view;

		if (!offer->carrier->peer)
			continue;
		view_offer(routing, offer, &view);
		line.node = name_of(offer->carrier);
		line.used = view.state == ROUTING_USED;
		line.conflict =
			is_conflict(routing, offer) && (line.used || view.state == ROUTING_HIDDEN);
		if (view.state == ROUTING_OFF &&
		    cert_carries(&mesh->membership.cert, &offer->prefix))
			snprintf(line.why, sizeof(line.why), "own: this node carries it itself");
		else
			say(line.why, &view, line.conflict);
		route_report_add(report, &line);
	}
}

/* That a node is at home is nothing that somebody has to do something about. */
static bool is_trouble(const struct routing *routing, const struct offer *offer)
{
	const struct entry *entry = &routing->entries[offer->entry];

	return offer->carrier->peer && is_conflict(routing, offer) && entry->conflict.whole &&
	       entry->conflict.kind != ROUTE_CONFLICT_AT_HOME;
}

void routing_show_health(struct routing *routing, int err)
{
	const struct offer *first = NULL;
	char prefix[PREFIX_TEXT_SIZE], why[ROUTE_WHY_SIZE], more[40] = "";
	struct routing_view view;
	size_t count = 0;

	for (size_t i = 0; i < routing->offer_count; i++) {
		if (!is_trouble(routing, &routing->offers[i]))
			continue;
		first = first ? first : &routing->offers[i];
		count++;
	}
	if (err < 0) {
		mesh_set_health(routing->mesh, HEALTH_ROUTING,
				"routes: the kernel does not take the prefixes of peers: %s",
				strerror(-err));
	} else if (!first) {
		mesh_set_health(routing->mesh, HEALTH_ROUTING, NULL);
	} else {
		view_offer(routing, first, &view);
		say_conflict(why, &view);
		if (count > 1)
			snprintf(more, sizeof(more), ", and %zu more", count - 1);
		mesh_set_health(routing->mesh, HEALTH_ROUTING,
				"routes: %s of %s is not used: %s%s; see warren routes",
				prefix_format(prefix, &first->prefix), name_of(first->carrier), why,
				more);
	}
}
