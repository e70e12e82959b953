#include "daemon/gossip.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "daemon/control_client.h"
#include "daemon/dataplane.h"
#include "daemon/mesh.h"
#include "daemon/mesh_peer.h"
#include "daemon/peer.h"
#include "daemon/signalling.h"
#include "proto/peer_message.h"

#define WHO_SIZE (CERT_NAME_MAX + 40)

/* --- what status says --- */

static const char *name_of(const struct mesh_peer *peer)
{
	return mesh_peer_info(peer)->cert->parsed.name;
}

/* What one peer of several says, as "NAME" or "NAME and N others". */
static void count_in(char *who, size_t size, const struct mesh_peer *peer, size_t count)
{
	if (count == 1)
		snprintf(who, size, "%s", name_of(peer));
	else
		snprintf(who, size, "%s and %zu others", name_of(peer), count - 1);
}

static bool find_fork(const struct mesh *mesh, char *out, size_t size)
{
	uint64_t held[DOCUMENT_KINDS];
	char who[WHO_SIZE];

	documents_versions(mesh, held);
	for (int kind = DOCUMENT_TRUST; kind < DOCUMENT_KIND_END; kind++) {
		struct mesh_peer *first = NULL;
		struct mesh_peer *peer;
		size_t cursor = 0;
		size_t count = 0;

		while ((peer = map_next(mesh->peers, &cursor))) {
			uint64_t forked = mesh_peer_gossip(peer)->claims[kind].forked;

			if (!forked || forked != held[kind - 1])
				continue;
			first = peer;
			count++;
		}
		if (!first)
			continue;
		count_in(who, sizeof(who), first, count);
		snprintf(out, size, "coordinator: forked: %s %s another %s v%llu than we do", who,
			 count == 1 ? "holds" : "hold",
			 document_kind_name((enum document_kind)kind),
			 (unsigned long long)held[kind - 1]);
		return true;
	}
	return false;
}

/*
 * The peer whose claim is the nearest to what the coordinator gave, and ripe: whoever makes up a
 * version makes up a high one. *at_ns becomes when the next ripens, *count how many claim.
 */
static struct mesh_peer *find_ahead(const struct mesh *mesh, enum document_kind kind,
				    uint64_t now_ns, size_t *count, uint64_t *at_ns)
{
	const struct gossip *gossip = &mesh->gossip;
	struct mesh_peer *nearest = NULL;
	struct mesh_peer *peer;
	size_t cursor = 0;

	*count = 0;
	while ((peer = map_next(mesh->peers, &cursor))) {
		const struct gossip_claim *claim = &mesh_peer_gossip(peer)->claims[kind];
		uint64_t ripe_ns = (claim->ahead_ns > gossip->connected_ns ? claim->ahead_ns
									   : gossip->connected_ns) +
				   GOSSIP_GRACE_S * NS_PER_S;

		if (claim->ahead <= gossip->kinds[kind].given)
			continue;
		if (now_ns < ripe_ns) {
			if (!*at_ns || ripe_ns < *at_ns)
				*at_ns = ripe_ns;
			continue;
		}
		++*count;
		if (!nearest || claim->ahead < mesh_peer_gossip(nearest)->claims[kind].ahead)
			nearest = peer;
	}
	return nearest;
}

/* Whether the coordinator keeps something back; *at_ns becomes when to look again. */
static bool find_frozen(const struct mesh *mesh, uint64_t now_ns, char *out, size_t size,
			uint64_t *at_ns)
{
	char who[WHO_SIZE];

	if (!mesh->control || control_client_link(mesh->control) != CONTROL_LINK_OK)
		return false;
	for (int kind = DOCUMENT_TRUST; kind < DOCUMENT_KIND_END; kind++) {
		size_t count;
		struct mesh_peer *peer =
			find_ahead(mesh, (enum document_kind)kind, now_ns, &count, at_ns);

		if (!peer)
			continue;
		count_in(who, sizeof(who), peer, count);
		snprintf(out, size,
			 "coordinator: frozen: %s %s %s v%llu, the coordinator gives v%llu", who,
			 count == 1 ? "holds" : "hold",
			 document_kind_name((enum document_kind)kind),
			 (unsigned long long)mesh_peer_gossip(peer)->claims[kind].ahead,
			 (unsigned long long)mesh->gossip.kinds[kind].given);
		return true;
	}
	return false;
}

/* A line each, so that neither hides the other. */
static void show_one(struct mesh *mesh, enum mesh_health slot, const char *text)
{
	if (!text) {
		mesh_set_health(mesh, slot, NULL);
		return;
	}
	if (strcmp(mesh->health[slot], text) != 0)
		log_warn("gossip text=\"%s\"", text);
	mesh_set_health(mesh, slot, "%s", text);
}

static void show(struct mesh *mesh)
{
	uint64_t now_ns = loop_now_ns(mesh->loop);
	char text[MESH_HEALTH_SIZE];
	uint64_t at_ns = 0;

	show_one(mesh, HEALTH_FORKED, find_fork(mesh, text, sizeof(text)) ? text : NULL);
	show_one(mesh, HEALTH_FROZEN,
		 find_frozen(mesh, now_ns, text, sizeof(text), &at_ns) ? text : NULL);
	if (at_ns && !mesh->gossip.received)
		loop_timer_set(&mesh->gossip.timer, at_ns);
}

void gossip_peers_changed(struct mesh *mesh)
{
	show(mesh);
}

/* --- telling --- */

static bool describe(const struct mesh *mesh, struct peer_message_held held[DOCUMENT_KINDS])
{
	uint64_t versions[DOCUMENT_KINDS];
	uint8_t hash[DOCUMENT_HASH_SIZE];

	memset(held, 0, DOCUMENT_KINDS * sizeof(*held));
	if (!trust_is_strict(&mesh->membership.trust))
		return false;
	documents_versions(mesh, versions);
	for (size_t i = 0; i < DOCUMENT_KINDS; i++) {
		if (!documents_hash(mesh, (enum document_kind)(i + 1), hash))
			continue;
		held[i].version = versions[i];
		memcpy(held[i].hash, hash, PEER_MESSAGE_HASH_SIZE);
	}
	return true;
}

void gossip_tell(struct mesh *mesh, struct mesh_peer *peer)
{
	struct peer_message_held held[DOCUMENT_KINDS];

	/* Lost or not possible: the next session brings another. */
	if (describe(mesh, held))
		(void)dataplane_peer_documents(peer_dp(mesh_peer_wireguard(peer)), held);
}

void gossip_tell_all(struct mesh *mesh)
{
	struct peer_message_held held[DOCUMENT_KINDS];
	struct mesh_peer *peer;
	size_t cursor = 0;

	if (!describe(mesh, held))
		return;
	while ((peer = map_next(mesh->peers, &cursor)))
		(void)dataplane_peer_documents(peer_dp(mesh_peer_wireguard(peer)), held);
}

/* --- hearing --- */

/* The peer is behind: it may have what we have. */
static void help(struct mesh *mesh, struct mesh_peer *peer, enum document_kind kind)
{
	uint64_t *sent_ns = &mesh_peer_gossip(peer)->sent_ns[kind];
	uint64_t now_ns = loop_now_ns(mesh->loop);
	const uint8_t *data;
	size_t len;

	if (*sent_ns && now_ns < *sent_ns + GOSSIP_PAUSE_S * NS_PER_S)
		return;
	if (!documents_signed(mesh, kind, &data, &len) || len > SIGNAL_PAYLOAD_MAX)
		return;
	*sent_ns = now_ns;
	(void)signalling_send(mesh, peer, SIGNAL_DOCUMENT, data, len, SIGNAL_BY_BOTH);
}

/* We are behind, and the peer sends what we lack when it hears so. */
static void ask(struct mesh *mesh, struct mesh_peer *peer)
{
	uint64_t *told_ns = &mesh_peer_gossip(peer)->told_ns;
	uint64_t now_ns = loop_now_ns(mesh->loop);

	if (*told_ns && now_ns < *told_ns + GOSSIP_PAUSE_S * NS_PER_S)
		return;
	*told_ns = now_ns;
	gossip_tell(mesh, peer);
}

static void hear(struct mesh *mesh, struct mesh_peer *peer, enum document_kind kind,
		 const struct peer_message_held *theirs, const struct peer_message_held *ours)
{
	struct gossip_claim *claim = &mesh_peer_gossip(peer)->claims[kind];
	bool same = memcmp(theirs->hash, ours->hash, sizeof(ours->hash)) == 0;

	claim->forked = theirs->version == ours->version && !same ? ours->version : 0;
	if (theirs->version <= ours->version) {
		/* What it said before stands: we may have got it from a peer since. */
		if (theirs->version < claim->ahead)
			claim->ahead = 0;
		if (theirs->version < ours->version)
			help(mesh, peer, kind);
		return;
	}
	if (claim->ahead != theirs->version) {
		if (claim->ahead <= mesh->gossip.kinds[kind].given)
			claim->ahead_ns = loop_now_ns(mesh->loop);
		claim->ahead = theirs->version;
		ask(mesh, peer);
	}
}

void gossip_heard(struct mesh *mesh, struct mesh_peer *peer, const struct peer_message_held *held)
{
	struct peer_message_held ours[DOCUMENT_KINDS];

	/* Also in simple mode: a peer may have heard of a trust document that is kept from us. */
	describe(mesh, ours);
	for (size_t i = 0; i < DOCUMENT_KINDS; i++)
		hear(mesh, peer, (enum document_kind)(i + 1), &held[i], &ours[i]);
	show(mesh);
}

void gossip_document(struct mesh *mesh, struct mesh_peer *peer, const uint8_t *data, size_t len)
{
	struct gossip *gossip = &mesh->gossip;
	uint8_t *copy = gossip->received || len == 0 ? NULL : malloc(len);

	if (!copy)
		return; /* one at a time: it is sent again */
	memcpy(copy, data, len);
	gossip->received = copy;
	gossip->received_len = len;
	snprintf(gossip->received_from, sizeof(gossip->received_from), "%s",
		 mesh_peer_info(peer)->cert->parsed.name);
	loop_timer_set(&gossip->timer, loop_now_ns(mesh->loop));
}

static void on_timer(void *arg, uint64_t now_ns)
{
	struct mesh *mesh = arg;
	struct gossip *gossip = &mesh->gossip;
	uint8_t *data = gossip->received;

	(void)now_ns;
	gossip->received = NULL;
	if (data && mesh->membership.enrolled && mesh->settings.up)
		documents_receive(mesh, gossip->received_from, data, gossip->received_len);
	free(data);
	show(mesh);
}

/* --- the coordinator's side of it --- */

void gossip_connected(struct mesh *mesh)
{
	uint64_t held[DOCUMENT_KINDS];

	documents_versions(mesh, held);
	for (int kind = DOCUMENT_TRUST; kind < DOCUMENT_KIND_END; kind++)
		mesh->gossip.kinds[kind].given = held[kind - 1];
	mesh->gossip.connected_ns = loop_now_ns(mesh->loop);
	show(mesh);
}

void gossip_given(struct mesh *mesh, enum document_kind kind, uint64_t version)
{
	struct gossip_kind *k = &mesh->gossip.kinds[kind];

	if (version > k->given)
		k->given = version;
	show(mesh);
}

void gossip_init(struct mesh *mesh)
{
	loop_timer_init(&mesh->gossip.timer, mesh->loop, on_timer, mesh);
}

void gossip_clear(struct mesh *mesh)
{
	free(mesh->gossip.received);
	mesh->gossip.received = NULL;
	memset(mesh->gossip.kinds, 0, sizeof(mesh->gossip.kinds));
	if (mesh->loop)
		loop_timer_clear(&mesh->gossip.timer);
}
