#ifndef WARREN_DAEMON_NAME_SERVICE_CORE_H
#define WARREN_DAEMON_NAME_SERVICE_CORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/name_forward.h"
#include "daemon/name_service.h"
#include "io/loop.h"
#include "proto/forwarder.h"
#include "proto/names.h"

/* What name_service.c, name_query.c and name_lookup.c share; nobody else includes this. */

struct name_client;
struct name_server;
struct name_system;

#define NAME_STRANGERS_MAX 128 /* questions of peers, for whom this node is an exit, at a time */

struct name_service {
	struct mesh *mesh;
	bool begun;
	bool exit_wanted;
	struct forwarder_servers exit_servers;
	struct name_server *server;
	struct name_forward *forward;
	struct name_system *system;
	struct loop_timer timer;
	bool bad_document;       /* health says so */
	struct names_zone *zone; /* NULL: to be made when somebody asks */
	bool on;
	char domain[NAMES_TEXT_NAME_SIZE];
	size_t strangers; /* questions of theirs under way */
	uint8_t answer[NAMES_MESSAGE_MAX];
	uint8_t reply[NAMES_MESSAGE_MAX];
};

/* The zone of the map in force; NULL: none can be made. */
const struct names_zone *name_service_make_zone(struct name_service *service);

/* name_query.c: of the server's ops */
void name_query_take(void *service, struct name_client *client, const uint8_t *data, size_t len);
void name_query_gone(void *service, struct name_client *client);

/*
 * A question of this daemon's own; only names of ours and of split domains are asked for. The
 * length of the answer that lies in service->answer; or 0: done(arg, …) comes later, unless *query
 * is cancelled; or -ENOENT: a name of neither; or -errno.
 */
struct query;
int name_query_ask(struct name_service *service, const uint8_t *data, size_t len,
		   name_forward_done *done, void *arg, struct query **query);
void name_query_cancel(struct query *query);

#endif
