#include "coord/cluster.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/encoding.h"
#include "base/log.h"
#include "coord/cluster_line.h"
#include "coord/database_link.h"
#include "coord/follow.h"
#include "coord/sessions.h"
#include "coord/store_postgres.h"
#include "io/loop.h"
#include "proto/control_channel.h"

/* Another coordinator. */
struct coordinator {
	struct coordinator *next;
	char id[DATABASE_LINK_ID_SIZE];
	uint64_t heard_ns;
	uint64_t list; /* the number of the list that it is sending */
	/* A signal in parts. */
	uint8_t from[32];
	uint8_t to[32];
	uint64_t parts;
	uint8_t *signal;
	size_t signal_len;
};

struct cluster {
	struct loop *loop;
	struct sessions *sessions;
	struct database_link *link;
	struct loop_timer timer;
	char id[DATABASE_LINK_ID_SIZE];
	struct coordinator *others;
	uint64_t lists; /* counts those that were begun */
	uint64_t up_ns; /* since when we hear of the others */
	struct cluster_figures figures;
	/* The line that is being looked at, or made: too large for the stack of a callback. */
	struct cluster_line line;
};

static void say(struct cluster *cluster, const char *to, const struct cluster_line *line)
{
	char text[CLUSTER_LINE_SIZE];

	cluster_line_format(text, line);
	database_link_send(cluster->link, to, text);
}

static void say_verb(struct cluster *cluster, const char *to, enum cluster_verb verb)
{
	const char text[2] = { (char)verb, '\0' };

	database_link_send(cluster->link, to, text);
}

static void say_node(struct cluster *cluster, const char *to, enum cluster_verb verb,
		     const uint8_t key[static 32])
{
	struct cluster_line *line = &cluster->line;

	line->verb = verb;
	memmove(line->node, key, 32);
	say(cluster, to, line);
}

/* Where a node of ours is. */
static void say_online(struct cluster *cluster, const char *to, enum cluster_verb verb,
		       const struct node *node)
{
	struct cluster_line *line = &cluster->line;

	line->verb = verb;
	memcpy(line->node, node->device_key, 32);
	memcpy(line->hash, control_channel_handshake_hash(node->session->channel), 32);
	strcpy(line->relay, node->home_relay);
	say(cluster, to, line);
}

/* A claim, until all have heard it. */
static enum cluster_verb verb_for(const struct node *node)
{
	return node->session->claimed ? CLUSTER_NODE : CLUSTER_ONLINE;
}

void cluster_tell(struct cluster *cluster, const struct node *node)
{
	if (!cluster || !database_link_is_up(cluster->link))
		return;
	if (node->session) {
		say_online(cluster, NULL, verb_for(node), node);
		return;
	}
	cluster->line.number = node->last_seen_s;
	say_node(cluster, NULL, CLUSTER_OFFLINE, node->device_key);
}

bool cluster_ask(struct cluster *cluster, const struct node *node)
{
	if (!cluster || !node->elsewhere || !database_link_is_up(cluster->link))
		return false;
	say_node(cluster, node->elsewhere->id, CLUSTER_ASK, node->device_key);
	return true;
}

void cluster_answer(struct cluster *cluster, struct session *session)
{
	if (!cluster || !session->asker[0])
		return;
	say_node(cluster, session->asker, CLUSTER_LIVES, session->node->device_key);
	session->asker[0] = '\0';
}

int cluster_signal(struct cluster *cluster, const uint8_t from[static 32], const struct node *to,
		   const uint8_t *data, size_t len)
{
	char text[CLUSTER_LINE_SIZE];
	struct cluster_line *line;
	int err = 0;

	if (!cluster || !to->elsewhere)
		return -ENOTCONN;
	line = &cluster->line;
	line->verb = CLUSTER_SIGNAL;
	memcpy(line->node, to->device_key, 32);
	memcpy(line->hash, from, 32);
	for (line->number = 0; err == 0 && (len > 0 || line->number == 0); line->number++) {
		line->len = len > CLUSTER_PART_MAX ? CLUSTER_PART_MAX : len;
		memcpy(line->data, data, line->len);
		data += line->len;
		len -= line->len;
		line->more = len > 0;
		cluster_line_format(text, line);
		/* The other end forgets what it has of one that is cut short. */
		err = database_link_send(cluster->link, to->elsewhere->id, text);
	}
	if (err == 0)
		cluster->figures.signals_out++;
	else
		cluster->figures.signals_dropped++;
	return err;
}

/* The node is not at this coordinator any more. */
static void take_offline(struct cluster *cluster, struct node *node, uint64_t last_seen_s)
{
	node->elsewhere = NULL;
	if (node->session)
		return;
	node->home_relay[0] = '\0';
	if (last_seen_s > node->last_seen_s)
		node->last_seen_s = last_seen_s;
	sessions_note_presence(cluster->sessions, node);
}

static void forget_coordinator(struct cluster *cluster, struct coordinator *gone)
{
	struct coordinator **place = &cluster->others;
	uint64_t now_s = clock_wall_s();
	struct node *node;
	size_t cursor = 0;

	while (*place != gone)
		place = &(*place)->next;
	*place = gone->next;
	while ((node = network_next(cluster->sessions->network, &cursor)))
		if (node->elsewhere == gone)
			take_offline(cluster, node, now_s);
	log_info("coordinator-gone id=%s", gone->id);
	free(gone->signal);
	free(gone);
}

static struct coordinator *find_coordinator(struct cluster *cluster, const char *id)
{
	struct coordinator *other = cluster->others;
	unsigned int count = 0;

	for (; other; other = other->next, count++)
		if (strcmp(other->id, id) == 0)
			return other;
	if (count == CLUSTER_COORDINATORS_MAX)
		return NULL;
	other = calloc(1, sizeof(*other));
	if (!other)
		return NULL;
	strcpy(other->id, id);
	other->next = cluster->others;
	cluster->others = other;
	log_info("coordinator-here id=%s", id);
	return other;
}

/* May be so new that its row was not read yet. */
static struct node *find_node(struct cluster *cluster, const uint8_t key[static 32])
{
	struct network *network = cluster->sessions->network;
	struct node *node = network_find(network, key);

	if (!node && follow_catch_up(cluster->sessions, clock_wall_s()) == 0)
		node = network_find(network, key);
	return node;
}

static void put_elsewhere(struct cluster *cluster, struct node *node, struct coordinator *other,
			  const struct cluster_line *line)
{
	node->elsewhere = other;
	node->elsewhere_list = other->list;
	memcpy(node->elsewhere_hash, line->hash, 32);
	strcpy(node->home_relay, line->relay);
	node->last_seen_s = clock_wall_s();
	sessions_note_presence(cluster->sessions, node);
}

/* Claims are taken in the order in which all hear them; ours counts from when we hear it ourselves.
 */
static void take_online(struct cluster *cluster, struct coordinator *other,
			const struct cluster_line *line)
{
	struct node *node = find_node(cluster, line->node);

	if (!node || (node->session && !node->session->claimed))
		return;
	if (node->session)
		session_moved(node->session);
	put_elsewhere(cluster, node, other, line);
}

static void take_listed(struct cluster *cluster, struct coordinator *other,
			const struct cluster_line *line)
{
	struct node *node = find_node(cluster, line->node);

	/* What was claimed since counts more. */
	if (node && !node->session && (!node->elsewhere || node->elsewhere == other))
		put_elsewhere(cluster, node, other, line);
}

/* Whoever the list did not name has left meanwhile. */
static void end_list(struct cluster *cluster, struct coordinator *other)
{
	struct node *node;
	size_t cursor = 0;

	while ((node = network_next(cluster->sessions->network, &cursor)))
		if (node->elsewhere == other && node->elsewhere_list != other->list)
			take_offline(cluster, node, 0);
}

static void send_list(struct cluster *cluster, const char *to)
{
	struct node *node;
	size_t cursor = 0;

	say_verb(cluster, to, CLUSTER_LIST);
	while ((node = network_next(cluster->sessions->network, &cursor)))
		if (node->session)
			say_online(cluster, to, CLUSTER_NODE, node);
	say_verb(cluster, to, CLUSTER_END);
}

static void take_question(struct cluster *cluster, struct coordinator *other,
			  const uint8_t key[static 32])
{
	struct node *node = network_find(cluster->sessions->network, key);

	if (!node || !node->session) {
		say_node(cluster, other->id, CLUSTER_GONE, key);
		return;
	}
	strcpy(node->session->asker, other->id);
	session_ping(node->session);
}

static void deliver(struct cluster *cluster, struct coordinator *other)
{
	struct cluster_line *line = &cluster->line;
	struct node *node = network_find(cluster->sessions->network, other->to);

	if (node && node->session &&
	    session_deliver(node->session, other->from, other->signal, other->signal_len) == 0) {
		cluster->figures.signals_in++;
		return;
	}
	cluster->figures.signals_dropped++;
	line->verb = CLUSTER_LOST;
	memcpy(line->node, other->to, 32);
	memcpy(line->hash, other->from, 32);
	say(cluster, other->id, line);
}

static void take_signal(struct cluster *cluster, struct coordinator *other,
			const struct cluster_line *line)
{
	if (line->number == 0) {
		other->parts = 0;
		other->signal_len = 0;
		memcpy(other->from, line->hash, 32);
		memcpy(other->to, line->node, 32);
	}
	if (!other->signal)
		other->signal = malloc(CLUSTER_SIGNAL_PARTS * CLUSTER_PART_MAX);
	if (!other->signal || line->number != other->parts ||
	    other->parts >= CLUSTER_SIGNAL_PARTS || memcmp(other->from, line->hash, 32) != 0 ||
	    memcmp(other->to, line->node, 32) != 0) {
		other->parts = CLUSTER_SIGNAL_PARTS; /* until the next one begins */
		cluster->figures.signals_dropped++;
		return;
	}
	memcpy(other->signal + other->signal_len, line->data, line->len);
	other->signal_len += line->len;
	other->parts++;
	if (!line->more && other->signal_len <= CONTROL_SIGNAL_MAX)
		deliver(cluster, other);
}

/* What we said to all comes to us as well. */
static void take_own(struct cluster *cluster, const struct cluster_line *line)
{
	struct node *node = network_find(cluster->sessions->network, line->node);

	if (line->verb == CLUSTER_ONLINE && node && node->session &&
	    memcmp(control_channel_handshake_hash(node->session->channel), line->hash, 32) == 0)
		node->session->claimed = true;
}

static void take(struct cluster *cluster, struct coordinator *other,
		 const struct cluster_line *line)
{
	struct sessions *sessions = cluster->sessions;
	struct node *node = network_find(sessions->network, line->node);

	switch (line->verb) {
	case CLUSTER_ALIVE:
		break;
	case CLUSTER_HELLO:
		send_list(cluster, other->id);
		break;
	case CLUSTER_LIST:
		other->list = ++cluster->lists;
		break;
	case CLUSTER_NODE:
		take_listed(cluster, other, line);
		break;
	case CLUSTER_END:
		end_list(cluster, other);
		break;
	case CLUSTER_ONLINE:
		take_online(cluster, other, line);
		break;
	case CLUSTER_OFFLINE:
		if (node && node->elsewhere == other)
			take_offline(cluster, node, line->number);
		break;
	case CLUSTER_ASK:
		take_question(cluster, other, line->node);
		break;
	case CLUSTER_LIVES:
	case CLUSTER_GONE:
		if (node && node->elsewhere == other)
			sessions_probed(sessions, node, line->verb == CLUSTER_LIVES);
		break;
	case CLUSTER_SIGNAL:
		take_signal(cluster, other, line);
		break;
	case CLUSTER_LOST:
		sessions_signal_lost(sessions, line->hash, line->node);
		break;
	}
}

static void on_line(void *arg, const char *from, const char *text)
{
	struct cluster *cluster = arg;
	struct cluster_line line;
	struct coordinator *other;

	if (cluster_line_parse(&line, text) < 0) {
		log_debug("cluster-line-refused from=%.16s", from);
		return;
	}
	if (strcmp(from, cluster->id) == 0) {
		take_own(cluster, &line);
		return;
	}
	other = find_coordinator(cluster, from);
	if (!other)
		return;
	other->heard_ns = loop_now_ns(cluster->loop);
	take(cluster, other, &line);
}

static void on_changed(void *arg)
{
	struct cluster *cluster = arg;

	follow_catch_up(cluster->sessions, clock_wall_s());
}

static void on_up(void *arg)
{
	struct cluster *cluster = arg;
	struct node *node;
	size_t cursor = 0;

	cluster->up_ns = loop_now_ns(cluster->loop);
	follow_catch_up(cluster->sessions, clock_wall_s());
	say_verb(cluster, NULL, CLUSTER_HELLO);
	/* Nobody heard who came to us meanwhile. */
	while ((node = network_next(cluster->sessions->network, &cursor)))
		if (node->session)
			say_online(cluster, NULL, verb_for(node), node);
}

/* What is known serves on; sessions_save says in health what is wrong. */
static void on_down(void *arg)
{
	(void)arg;
}

static const struct database_link_ops link_ops = { on_up, on_down, on_changed, on_line };

static void on_timer(void *arg, uint64_t now_ns)
{
	struct cluster *cluster = arg;
	struct coordinator *other = cluster->others;
	struct coordinator *next;

	loop_timer_set(&cluster->timer, now_ns + CLUSTER_ALIVE_S * NS_PER_S);
	follow_tick(cluster->sessions, clock_wall_s());
	if (!database_link_is_up(cluster->link))
		return;
	say_verb(cluster, NULL, CLUSTER_ALIVE);
	/* Who could not be heard is not dead. */
	if (now_ns < cluster->up_ns + CLUSTER_SILENCE_S * NS_PER_S)
		return;
	for (; other; other = next) {
		next = other->next;
		if (now_ns > other->heard_ns + CLUSTER_SILENCE_S * NS_PER_S)
			forget_coordinator(cluster, other);
	}
}

int cluster_new(struct cluster **out, struct loop *loop, struct sessions *sessions,
		const char *place)
{
	struct cluster *cluster = calloc(1, sizeof(*cluster));
	uint8_t id[8];
	int err;

	if (!cluster)
		return -ENOMEM;
	cluster->loop = loop;
	cluster->sessions = sessions;
	rng_fill(&sessions->network->rng, id, sizeof(id));
	encoding_hex(cluster->id, sizeof(cluster->id), id, sizeof(id));
	loop_timer_init(&cluster->timer, loop, on_timer, cluster);
	store_postgres_serve(sessions->network->store);
	err = database_link_new(&cluster->link, loop, sessions->network->store, place, cluster->id,
				&link_ops, cluster);
	if (err < 0) {
		free(cluster);
		return err;
	}
	loop_timer_set(&cluster->timer, loop_now_ns(loop) + CLUSTER_ALIVE_S * NS_PER_S);
	*out = cluster;
	return 0;
}

void cluster_free(struct cluster *cluster)
{
	struct coordinator *other;

	if (!cluster)
		return;
	loop_timer_clear(&cluster->timer);
	database_link_free(cluster->link);
	while ((other = cluster->others)) {
		cluster->others = other->next;
		free(other->signal);
		free(other);
	}
	free(cluster);
}

void cluster_figures(const struct cluster *cluster, struct cluster_figures *figures)
{
	*figures = (struct cluster_figures){ .shared = false };
	if (!cluster)
		return;
	*figures = cluster->figures;
	figures->shared = true;
	figures->database_up = database_link_is_up(cluster->link);
	for (const struct coordinator *other = cluster->others; other; other = other->next)
		figures->others++;
}
