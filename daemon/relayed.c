#include "daemon/relayed.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/map.h"
#include "daemon/mesh.h"
#include "daemon/mesh_peer.h"
#include "daemon/relays.h"
#include "daemon/signalling.h"
#include "proto/candidate.h"
#include "proto/relayed_notice.h"

#define ASK_FIRST_NS NS_PER_S
#define ASK_MAX_NS   (30 * NS_PER_S)
/* Every address that a peer tells takes a channel's number for a quarter of an hour. */
#define NOTICE_COST_NS  (5 * NS_PER_S)
#define NOTICE_BURST_NS (16 * NOTICE_COST_NS)

_Static_assert(NETMAP_RELAYS_MAX <= 64, "a bit for each relay");

static uint64_t bit(uint32_t relay)
{
	return 1ULL << (relay - 1);
}

static void send_notice(struct mesh *mesh, struct mesh_peer *peer, uint32_t relay, bool ask)
{
	struct relayed_peer *state = mesh_peer_relayed(peer);
	struct relayed_notice notice = { .ask = ask && state->asked & bit(relay) };
	char text[RELAYED_NOTICE_TEXT_MAX];
	size_t len;

	snprintf(notice.relay, sizeof(notice.relay), "%s", relays_name(mesh->relays, relay));
	if (relays_relayed(mesh->relays, relay, &notice.address))
		state->owed &= ~bit(relay);
	else if (!notice.ask)
		return;
	if (relayed_notice_encode(&notice, text, sizeof(text), &len) == 0)
		signalling_send(mesh, peer, SIGNAL_RELAYED, text, len, SIGNAL_BY_COORDINATOR);
}

static void ask_again_later(struct mesh *mesh, struct relayed_peer *state)
{
	uint64_t wait_ns = ASK_FIRST_NS << (state->tries < 5 ? state->tries : 5);

	state->tries++;
	state->again_ns = loop_now_ns(mesh->loop) + (wait_ns < ASK_MAX_NS ? wait_ns : ASK_MAX_NS);
}

void relayed_ask(struct mesh *mesh, struct mesh_peer *peer, uint32_t relay)
{
	struct relayed_peer *state = mesh_peer_relayed(peer);

	if (state->asked & bit(relay))
		return;
	if (!state->asked) {
		state->tries = 0;
		ask_again_later(mesh, state);
	}
	state->asked |= bit(relay);
	send_notice(mesh, peer, relay, true);
}

/* An address that packets may go to: the server is to have refused the rest itself. */
static bool is_usable(const struct mesh *mesh, const struct endpoint *address)
{
	return candidate_addr_allowed(address, NULL, 0) &&
	       !mesh_find_peer_address(mesh, &address->addr);
}

static bool within_rate(const struct mesh *mesh, struct relayed_peer *state)
{
	uint64_t now_ns = loop_now_ns(mesh->loop);

	if (state->heard_ns >= now_ns + NOTICE_BURST_NS)
		return false;
	state->heard_ns = (state->heard_ns > now_ns ? state->heard_ns : now_ns) + NOTICE_COST_NS;
	return true;
}

void relayed_receive(struct mesh *mesh, struct mesh_peer *peer, const uint8_t *data, size_t len)
{
	struct relayed_peer *state = mesh_peer_relayed(peer);
	struct relayed_notice notice;
	uint32_t relay;

	if (relayed_notice_decode(&notice, (const char *)data, len) < 0 ||
	    !within_rate(mesh, state))
		return;
	relay = relays_find(mesh->relays, notice.relay);
	if (!relay || !relays_is_turn(mesh->relays, relay))
		return;
	relays_want(mesh->relays, relay);
	if (is_usable(mesh, &notice.address) &&
	    relays_set_peer_address(mesh->relays, relay, mesh_peer_key(peer), &notice.address) == 0)
		state->asked &= ~bit(relay);
	if (notice.ask) {
		state->owed |= bit(relay);
		mesh_peer_connect(peer);
		/*
		 * Unless the connection told it already. An answer does not ask, or two who can do
		 * nothing with each other's addresses would do so for ever.
		 */
		if (state->owed & bit(relay))
			send_notice(mesh, peer, relay, false);
	}
	mesh_peer_relay_up(peer, relay);
}

void relayed_tell_all(struct mesh *mesh, uint32_t relay)
{
	struct mesh_peer *peer;
	size_t cursor = 0;

	if (!relays_is_turn(mesh->relays, relay))
		return;
	while ((peer = map_next(mesh->peers, &cursor))) {
		const struct relayed_peer *state = mesh_peer_relayed(peer);

		if ((state->owed | state->asked) & bit(relay) ||
		    relays_reaches(mesh->relays, relay, mesh_peer_key(peer)))
			send_notice(mesh, peer, relay, true);
	}
}

uint64_t relayed_next_timeout(struct mesh_peer *peer)
{
	const struct relayed_peer *state = mesh_peer_relayed(peer);

	return state->asked ? state->again_ns : CLOCK_NEVER;
}

void relayed_expire(struct mesh *mesh, struct mesh_peer *peer)
{
	struct relayed_peer *state = mesh_peer_relayed(peer);
	uint32_t relay;
	size_t cursor = 0;

	if (loop_now_ns(mesh->loop) < relayed_next_timeout(peer))
		return;
	while ((relay = relays_next(mesh->relays, &cursor))) {
		if (state->asked & bit(relay) && mesh_peer_online(peer))
			send_notice(mesh, peer, relay, true);
	}
	ask_again_later(mesh, state);
}
