#ifndef WARREN_COORD_SESSION_H
#define WARREN_COORD_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/control.h"

struct control_channel;
struct node;
struct sessions;

/* One connection of a node, from its first frame to its end; the socket is behind the ops. */

#define SESSION_PROBE_S 3 /* how long an older connection has to show that it lives */

struct session_ops {
	int (*send)(void *arg, const uint8_t *frame, size_t len);
	size_t (*queued)(void *arg);
	/* Close in order, after what was sent; session_free follows, not from within. */
	void (*close)(void *arg);
	/* The node has shown who it is. May be NULL. */
	void (*trust)(void *arg);
};

enum session_state {
	SESSION_GREETING, /* handshake, then enrol or login */
	SESSION_PROBING,  /* accepted, if the node's older connection turns out to be dead */
	SESSION_WAITING,  /* of a node that is not let in yet: pings only */
	SESSION_READY,
	SESSION_ENDED,
};

/* A leaky bucket. */
struct session_rate {
	uint64_t updated_ns;
	double level;
};

/* Nodes whose presence goes into one message; for presence.c. */
struct session_news {
	struct node **nodes;
	size_t count;
	size_t cap;
};

struct session {
	struct session *next; /* in sessions */
	struct session *previous;
	struct sessions *sessions;
	const struct session_ops *ops;
	void *arg;
	struct control_channel *channel;
	enum session_state state;
	struct node *node;    /* from PROBING on; node->session is set in WAITING and READY */
	bool claimed;         /* all coordinators have heard that its node is here */
	char asker[17];       /* the coordinator that asks whether it lives, or "" */
	bool map_due;         /* READY, and was sent nothing but its welcome */
	uint64_t map_version; /* that the node said it holds */
	uint64_t documents[DOCUMENT_KINDS]; /* likewise, or was sent; by kind - 1 */
	uint64_t deadline_ns;               /* of the state */
	uint64_t looked_s;                  /* wall clock, what is to be renewed was looked at */
	uint64_t credentials_s; /* wall clock at which the relay credentials were made */
	struct session_rate messages;
	struct session_rate changes;
	struct session_news news; /* empty but within a flush */
};

/* NULL when out of memory or above the maximum. */
struct session *session_new(struct sessions *sessions, const struct session_ops *ops, void *arg,
			    uint64_t now_ns);
/* The connection is gone. Accepts NULL. */
void session_free(struct session *session);
/* One frame came in. */
void session_input(struct session *session, const uint8_t *frame, size_t len, uint64_t now_ns,
		   uint64_t now_s);
/* Deadlines, renewals. */
void session_tick(struct session *session, uint64_t now_ns, uint64_t now_s);
/* Sends one message; ends the session when that is not possible. */
void session_send(struct session *session, const struct control_message *message);
/* Sends an error (or `revoked`) and ends. */
void session_end(struct session *session, enum control_type type,
		 const struct control_error *error);
/* The change since the map that the node said it holds if we remember that one, else all of it. */
void session_send_map(struct session *session);
/* To one in WAITING: what its node waits for, when that changed. */
void session_send_pending(struct session *session, const struct control_pending *pending);
/* From WAITING to READY: its node has become a member. */
void session_let_in(struct session *session, uint64_t now_s);
/* From READY to WAITING: its node is no member any more, and may become one again. */
void session_shut_out(struct session *session, uint64_t now_s);
/* Passes a sealed signal on. 0, -ENOBUFS: the node does not keep up. */
int session_deliver(struct session *session, const uint8_t from[static 32], const uint8_t *data,
		    size_t len);
/* To see whether it lives. */
void session_ping(struct session *session);
/* Its node has gone to another coordinator. */
void session_moved(struct session *session);
/* The node's certificate, as a message; to who waits nothing. */
void session_send_certificate(struct session *session);
/* Strict mode: the documents that the node does not hold yet. */
void session_send_documents(struct session *session);

#endif
