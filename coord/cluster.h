#ifndef WARREN_COORD_CLUSTER_H
#define WARREN_COORD_CLUSTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct loop;
struct node;
struct session;
struct sessions;

/*
 * Several coordinators that serve one network from one PostgreSQL. What lasts is in the database
 * and followed from there (follow.h); who is connected where, and signals to nodes at another
 * coordinator, cross by NOTIFY. While the database is away each goes on with what it knows.
 *
 * A node belongs to the coordinator that claimed it last, in the order in which PostgreSQL delivers
 * the claims, which is the same for all.
 */
struct cluster;

#define CLUSTER_COORDINATORS_MAX 32
#define CLUSTER_ALIVE_S          1 /* how often each says that it is there */
#define CLUSTER_SILENCE_S        4 /* after which it is taken for dead, and its nodes for offline */

/* 0 or -errno. All calls below accept NULL for the cluster: then there are no others. */
int cluster_new(struct cluster **cluster, struct loop *loop, struct sessions *sessions,
		const char *place);
void cluster_free(struct cluster *cluster);

/* The node came to us, left us, or moved to another relay. */
void cluster_tell(struct cluster *cluster, const struct node *node);
/*
 * Asks the coordinator that the node is said to be connected to; session_probed follows, or nothing
 * when that one is dead. False when nobody can be asked.
 */
bool cluster_ask(struct cluster *cluster, const struct node *node);
/* Its node answered our ping: whoever asked is told. */
void cluster_answer(struct cluster *cluster, struct session *session);
/* Passes a signal on to where `to` is. 0, -ENOTCONN, -ENOBUFS. */
int cluster_signal(struct cluster *cluster, const uint8_t from[static 32], const struct node *to,
		   const uint8_t *data, size_t len);

struct cluster_figures {
	bool shared; /* there may be others */
	bool database_up;
	unsigned int others; /* coordinators that are there besides us */
	uint64_t signals_out;
	uint64_t signals_in;
	uint64_t signals_dropped;
};

void cluster_figures(const struct cluster *cluster, struct cluster_figures *figures);

#endif
