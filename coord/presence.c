#include "coord/presence.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "coord/sessions.h"

#define NEWS_FIRST 8

static const uint8_t *key_at(const struct netmap *map, size_t i)
{
	return map->peers[i]->cert->parsed.device_key;
}

static struct node *peer_of(const struct sessions *sessions, const struct netmap *map, size_t i)
{
	return network_find(sessions->network, key_at(map, i));
}

static bool knows(const struct netmap *map, const struct node *node)
{
	return map && netmap_find_peer(map, node->device_key);
}

/* Notes the node for the session's next message. */
static int add_news(struct session *session, struct node *node)
{
	struct session_news *news = &session->news;

	if (news->count == news->cap) {
		size_t cap = news->cap ? news->cap * 2 : NEWS_FIRST;
		struct node **nodes = realloc(news->nodes, cap * sizeof(struct node *));

		if (!nodes)
			return -ENOMEM;
		news->nodes = nodes;
		news->cap = cap;
	}
	news->nodes[news->count++] = node;
	return 0;
}

static void describe(const struct node *node, struct control_presence_entry *entry)
{
	memcpy(entry->node_key, node->device_key, 32);
	entry->online = node_is_online(node);
	strcpy(entry->home_relay, node->home_relay);
	entry->last_seen_s = node->last_seen_s;
}

static void send_news(struct session *session)
{
	struct session_news *news = &session->news;
	struct control_message message = { .type = CONTROL_PRESENCE };
	struct control_presence_entry *entries =
		news->count ? calloc(news->count, sizeof(*entries)) : NULL;

	for (size_t i = 0; entries && i < news->count; i++)
		describe(news->nodes[i], &entries[i]);
	message.presence.entries = entries;
	message.presence.count = news->count;
	free(news->nodes);
	memset(news, 0, sizeof(*news));
	if (entries)
		session_send(session, &message);
	free(entries);
}

void presence_tell_added(struct session *session, const struct netmap *before)
{
	const struct netmap *map = session->node->map;
	size_t old = 0;

	/* Both ascend. */
	for (size_t i = 0; map && i < map->peer_count; i++) {
		struct node *peer;
		int order = 1;

		while (before && old < before->peer_count &&
		       (order = memcmp(key_at(before, old), key_at(map, i), 32)) < 0)
			old++;
		if (before && old < before->peer_count && order == 0)
			continue;
		peer = peer_of(session->sessions, map, i);
		/* Out of memory: it hears of this one with its next change. */
		if (peer)
			add_news(session, peer);
	}
	send_news(session);
}

void presence_tell_all(struct session *session)
{
	presence_tell_added(session, NULL);
}

/* Whom a node knows is who knows it. */
static void spread(struct sessions *sessions, struct node *node)
{
	for (size_t i = 0; i < node->map->peer_count; i++) {
		struct node *peer = peer_of(sessions, node->map, i);
		struct session *to = peer ? peer->session : NULL;

		if (to && to->state == SESSION_READY && !to->map_due && knows(peer->map, node))
			add_news(to, node);
	}
}

void presence_tell_changes(struct sessions *sessions)
{
	struct session *session;
	struct session *next;
	struct node *node;
	size_t cursor = 0;

	sessions->presence_wanted = false;
	while ((node = network_next(sessions->network, &cursor))) {
		bool due = node->presence_dirty;

		node->presence_dirty = false;
		if (due && node->map)
			spread(sessions, node);
	}
	/* One that ends meanwhile is dirty for the next time. */
	for (session = sessions->first; session; session = next) {
		next = session->next;
		if (session->news.count)
			send_news(session);
	}
}
