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

/* --- what status says --- */

static bool find_fork(const struct mesh *mesh, char *out, size_t size)
{
	uint64_t held[DOCUMENT_KINDS];

	documents_versions(mesh, held);
	for (int kind = DOCUMENT_TRUST; kind < DOCUMENT_KIND_END; kind++) {
		const struct gossip_kind *k = &mesh->gossip.kinds[kind];

		if (!k->forked || k->forked != held[kind - 1])
			continue;
		snprintf(out, size, "coordinator: forked: %s holds another %s v%llu than we do",
			 k->forked_peer, document_kind_name((enum document_kind)kind),
			 (unsigned long long)k->forked);
		return true;
	}
	return false;
}

/* Whether the coordinator keeps something back; *at_ns becomes when to look again. */
static bool find_frozen(const struct mesh *mesh, uint64_t now_ns, char *out, size_t size,
			uint64_t *at_ns)
{
	const struct gossip *gossip = &mesh->gossip;

	if (!mesh->control || control_client_link(mesh->control) != CONTROL_LINK_OK)
		return false;
	for (int kind = DOCUMENT_TRUST; kind < DOCUMENT_KIND_END; kind++) {
		const struct gossip_kind *k = &gossip->kinds[kind];
		uint64_t since_ns =
			k->ahead_ns > gossip->connected_ns ? k->ahead_ns : gossip->connected_ns;

		if (k->ahead <= k->given)
			continue;
		*at_ns = since_ns + GOSSIP_GRACE_S * NS_PER_S;
		if (now_ns < *at_ns)
			continue;
		snprintf(out, size,
			 "coordinator: frozen: %s holds %s v%llu, the coordinator gives v%llu",
			 k->ahead_peer, document_kind_name((enum document_kind)kind),
			 (unsigned long long)k->ahead, (unsigned long long)k->given);
		return true;
	}
	return false;
}

static void show(struct mesh *mesh)
{
	uint64_t now_ns = loop_now_ns(mesh->loop);
	char text[MESH_HEALTH_SIZE];
	uint64_t at_ns = 0;

	if (find_fork(mesh, text, sizeof(text)) ||
	    find_frozen(mesh, now_ns, text, sizeof(text), &at_ns)) {
		if (strcmp(mesh->health[HEALTH_GOSSIP], text) != 0)
			log_warn("gossip text=\"%s\"", text);
		mesh_set_health(mesh, HEALTH_GOSSIP, "%s", text);
	} else {
		mesh_set_health(mesh, HEALTH_GOSSIP, NULL);
		if (at_ns)
			loop_timer_set(&mesh->gossip.timer, at_ns);
	}
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
	struct gossip_kind *k = &mesh->gossip.kinds[kind];
	const char *name = mesh_peer_info(peer)->cert->parsed.name;
	bool same = memcmp(theirs->hash, ours->hash, sizeof(ours->hash)) == 0;

	if (theirs->version < ours->version) {
		help(mesh, peer, kind);
	} else if (theirs->version == ours->version && !same) {
		k->forked = ours->version;
		snprintf(k->forked_peer, sizeof(k->forked_peer), "%s", name);
	} else if (theirs->version > ours->version && theirs->version > k->ahead) {
		k->ahead = theirs->version;
		k->ahead_ns = loop_now_ns(mesh->loop);
		snprintf(k->ahead_peer, sizeof(k->ahead_peer), "%s", name);
		ask(mesh, peer);
	} else if (same && strcmp(k->forked_peer, name) == 0) {
		k->forked = 0;
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
