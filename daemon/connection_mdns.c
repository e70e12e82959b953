#include "daemon/connection_state.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "daemon/mdns_service.h"
#include "proto/ice_description.h"

/* --- ours --- */

/* A server saw it untranslated: whoever is out there knows it already, or is in the same network.
 */
static bool is_seen_outside(const struct local_candidates *candidates, const struct ip_addr *addr)
{
	for (size_t i = 0; i < candidates->reflexive_count; i++) {
		if (addr_equal(&candidates->reflexive[i].mapped.addr, addr))
			return true;
	}
	return false;
}

/* Is the peer behind the same public address as we are, as far as it and servers say now? */
static bool is_near(const struct connection *conn)
{
	for (size_t i = 0; i < conn->outside_count; i++) {
		if (is_seen_outside(&conn->mesh->candidates, &conn->outside[i]))
			return true;
	}
	return false;
}

static bool may_tell(const struct connection *conn, const struct ip_addr *addr)
{
	const struct mesh *mesh = conn->mesh;

	if (!addr_is_private(addr) || mesh->config->host_addresses == HOST_ADDRESSES_SHOW)
		return true;
	return mesh->config->host_addresses == HOST_ADDRESSES_AUTO &&
	       (is_near(conn) || is_seen_outside(&mesh->candidates, addr));
}

/* Another session's are of no use any more. */
static struct ice_description *keep_for(struct ice_description **kept,
					const struct ice_description *d)
{
	if (*kept && strcmp((*kept)->ufrag, d->ufrag) == 0)
		return *kept;
	if (!*kept)
		*kept = malloc(sizeof(**kept));
	if (*kept) {
		**kept = *d;
		(*kept)->count = 0;
	}
	return *kept;
}

static void add_candidate(struct ice_description *d, const struct candidate *c)
{
	if (d && d->count < ICE_CANDIDATES_MAX)
		d->candidates[d->count++] = *c;
}

void connection_hide_hosts(struct connection *conn, struct ice_description *d)
{
	size_t kept = 0;

	for (size_t i = 0; i < d->count; i++) {
		struct candidate *c = &d->candidates[i];
		const char *name = mdns_service_name(conn->mesh->mdns, &c->addr.addr);
		bool hide = c->type == CANDIDATE_HOST && !may_tell(conn, &c->addr.addr);

		if (!may_tell(conn, &c->related.addr))
			c->related = (struct endpoint){ 0 };
		if (hide)
			add_candidate(keep_for(&conn->hidden, d), c);
		if (hide && name)
			memcpy(c->name, name, sizeof(c->name));
		if (!hide || name)
			d->candidates[kept++] = *c;
	}
	d->count = kept;
}

void connection_reveal_hosts(struct connection *conn)
{
	struct ice_description *hidden = conn->hidden;
	size_t kept = 0;

	if (!hidden || !hidden->count || !may_tell(conn, &hidden->candidates[0].addr.addr))
		return;
	for (size_t i = 0; i < hidden->count; i++) {
		if (may_tell(conn, &hidden->candidates[i].addr.addr))
			hidden->candidates[kept++] = hidden->candidates[i];
	}
	hidden->count = kept;
	connection_ice_tell(conn, hidden);
	hidden->count = 0;
}

/* --- the peer's --- */

static void add_outside(struct connection *conn, const struct ip_addr *addr)
{
	for (size_t i = 0; i < conn->outside_count; i++) {
		if (addr_equal(&conn->outside[i], addr))
			return;
	}
	if (conn->outside_count < CONNECTION_OUTSIDE_MAX)
		conn->outside[conn->outside_count++] = *addr;
}

/* Either of the two may go to another network: what was seen there says nothing then. */
static void note_outside(struct connection *conn, const struct ice_description *d)
{
	if (strcmp(conn->outside_session, d->ufrag) != 0)
		conn->outside_count = 0;
	memcpy(conn->outside_session, d->ufrag, sizeof(conn->outside_session));
	for (size_t i = 0; i < d->count; i++) {
		if (d->candidates[i].type == CANDIDATE_SRFLX)
			add_outside(conn, &d->candidates[i].addr.addr);
	}
}

void connection_look_up_hosts(struct connection *conn, struct ice_description *d)
{
	size_t kept = 0;

	for (size_t i = 0; i < d->count; i++) {
		const struct candidate *c = &d->candidates[i];

		if (!c->name[0]) {
			d->candidates[kept++] = *c;
		} else if (mdns_service_ask(conn->mesh->mdns, c->name) == 0) {
			add_candidate(keep_for(&conn->named, d), c);
		}
	}
	d->count = kept;
	note_outside(conn, d);
	connection_reveal_hosts(conn);
}

void connection_resolved(struct connection *conn, const char *name, const struct ip_addr *addr)
{
	struct ice_description *named = conn->named;
	struct ice_description found;

	if (!named || !conn->ice)
		return;
	for (size_t i = named->count; i-- > 0;) {
		if (strcasecmp(named->candidates[i].name, name) != 0)
			continue;
		found = *named;
		found.count = 1;
		found.candidates[0] = named->candidates[i];
		found.candidates[0].name[0] = '\0';
		found.candidates[0].addr.addr = *addr;
		named->candidates[i] = named->candidates[--named->count];
		/* A name leads to a machine on this link, or to nothing. */
		if (addr_is_private(addr))
			connection_describe(conn, &found);
		return;
	}
}

void connection_forget_hosts(struct connection *conn)
{
	free(conn->hidden);
	free(conn->named);
	conn->hidden = conn->named = NULL;
	conn->outside_count = 0;
}
