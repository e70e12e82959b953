#ifndef WARREN_COORD_SESSION_ROUTES_H
#define WARREN_COORD_SESSION_ROUTES_H

#include <stdint.h>

struct control_update;
struct node;
struct session;
struct sessions;

/* Routes in the dialogue with nodes; what becomes of them is decided in route_approval.h. */

/* What the node offers now; answers with session_send_routes. */
void session_take_routes(struct session *session, const struct control_update *update,
			 uint64_t now_s);
/* What became of the offer; problem: why the last list was refused, or "". */
void session_send_routes(struct session *session, const char *problem);

/*
 * What was decided about a node's routes takes effect: maps follow at once, and the node gets its
 * certificate, if it has another serial than this one, and hears of it.
 */
void sessions_routes_changed(struct sessions *sessions, struct node *node, uint64_t serial);
/* Looks at the routes of all nodes once more, after the policy changed. */
void sessions_review_routes(struct sessions *sessions, uint64_t now_s);
/* At one node's, which may be due since the database was away. */
void session_review_routes(struct session *session, uint64_t now_s);

#endif
