#include "coord/session_routes.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "coord/follow.h"
#include "coord/route_approval.h"
#include "coord/sessions.h"

#define TRIES_MAX 4

void session_send_routes(struct session *session, const char *problem)
{
	struct control_route routes[CERT_ROUTES_MAX] = { { .state = CONTROL_ROUTE_WAITING } };
	struct control_message message = { .type = CONTROL_ROUTES, .routes.routes = routes };

	if (session->state != SESSION_READY)
		return;
	route_approval_describe(session->sessions->network, session->node, routes,
				&message.routes.count);
	snprintf(message.routes.problem, sizeof(message.routes.problem), "%s", problem);
	session_send(session, &message);
}

void sessions_routes_changed(struct sessions *sessions, struct node *node, uint64_t serial)
{
	if (node->serial != serial)
		sessions_want_flush(sessions);
	if (!node->session)
		return;
	/* Which tells of the routes as well. */
	if (node->serial != serial)
		session_send_certificate(node->session);
	else
		session_send_routes(node->session, "");
}

/* Another coordinator may have changed the node meanwhile: then once more, on what it made of it.
 */
static int offer(struct session *session, const struct control_update *update, uint64_t now_s)
{
	struct sessions *sessions = session->sessions;
	int err = route_approval_offer(sessions->network, session->node, update, now_s);

	for (int i = 0; i < TRIES_MAX && err == -EAGAIN && session->node &&
			follow_catch_up(sessions, now_s) == 0 && session->state == SESSION_READY;
	     i++)
		err = route_approval_offer(sessions->network, session->node, update, now_s);
	return err;
}

void session_take_routes(struct session *session, const struct control_update *update,
			 uint64_t now_s)
{
	uint64_t serial = session->node->serial;
	int err;

	if (update->routes_problem[0]) {
		log_info("routes-refused node=%s error=\"%s\"", session->node->name,
			 update->routes_problem);
		session_send_routes(session, update->routes_problem);
		return;
	}
	err = offer(session, update, now_s);
	if (session->state != SESSION_READY)
		return;
	if (err < 0) {
		log_error("store-failed node=%s what=routes error=\"%s\"", session->node->name,
			  strerror(-err));
		session_send_routes(session, "the coordinator cannot store them now; they are "
					     "offered again with the next connection");
		return;
	}
	sessions_routes_changed(session->sessions, session->node, serial);
}

static void review(struct sessions *sessions, struct node *node, uint64_t now_s)
{
	uint64_t serial = node->serial;
	int err;

	if (node->routes.offered_count == 0)
		return;
	err = route_approval_review(sessions->network, node, now_s);
	if (err < 0)
		log_error("store-failed node=%s what=routes error=\"%s\"", node->name,
			  strerror(-err));
	else if (node->serial != serial)
		sessions_routes_changed(sessions, node, serial);
}

void sessions_review_routes(struct sessions *sessions, uint64_t now_s)
{
	struct node *node;
	size_t cursor = 0;

	while ((node = network_next(sessions->network, &cursor))) {
		review(sessions, node, now_s);
		/* Why not is another matter, too. */
		if (node->session && node->routes.offered_count > 0)
			session_send_routes(node->session, "");
	}
}

void session_review_routes(struct session *session, uint64_t now_s)
{
	review(session->sessions, session->node, now_s);
}
