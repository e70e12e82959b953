#include "coord/server.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/descriptors.h"
#include "base/log.h"
#include "coord/admin.h"
#include "coord/builtin_relay.h"
#include "coord/cluster.h"
#include "coord/coordinators.h"
#include "coord/data_dir.h"
#include "coord/database_place.h"
#include "coord/http.h"
#include "coord/oidc.h"
#include "coord/options.h"
#include "coord/port80.h"
#include "coord/sessions.h"
#include "coord/tls.h"
#include "io/loop.h"
#include "io/ws.h"
#include "proto/control_channel.h"
#include "relay/server.h"

#define FLUSH_PAUSE_NS   (20 * NS_PER_MS) /* joins that come together cost one round of maps */
#define PRESENCE_LATE_NS (2 * NS_PER_S)
#define TICK_NS          (1 * NS_PER_S)
#define TICKS_A_LOOK     30
#define ROOM_MIN         (64u << 20) /* bytes */

struct server {
	struct loop *loop;
	struct network network;
	char *database; /* NULL: SQLite in the data folder */
	struct sessions sessions;
	struct tls tls;
	struct ws_server *ws;
	struct ws_server *api; /* the same pages by a Unix socket */
	char api_path[PATH_MAX];
	struct http http;
	struct port80 *port80; /* NULL: not asked for */
	struct admin *admin;
	struct relay *relay; /* NULL with --no-relay */
	struct loop_timer flush_timer;
	struct loop_timer tick_timer;
	unsigned int ticks;
	uint64_t flush_after_ns;    /* not to flush again before */
	uint64_t presence_after_ns; /* nor to tell who is online */
};

/*
 * At once when it was quiet; in a storm of joins flushes take at most half of the time, and who
 * comes meanwhile waits for the next one together.
 */
static void on_flush_wanted(void *arg)
{
	struct server *server = arg;

	loop_timer_set(&server->flush_timer, server->flush_after_ns);
}

static uint64_t pause_after(uint64_t end_ns, uint64_t pause_ns)
{
	return end_ns + (pause_ns > FLUSH_PAUSE_NS ? pause_ns : FLUSH_PAUSE_NS);
}

static void on_flush(void *arg, uint64_t now_ns)
{
	struct server *server = arg;
	struct sessions *sessions = &server->sessions;
	uint64_t cost_ns;
	bool told;

	sessions->presence_held = now_ns < server->presence_after_ns;
	told = sessions->presence_wanted && !sessions->presence_held;
	sessions_flush(sessions, clock_wall_s());
	cost_ns = clock_now_ns() - now_ns;
	server->flush_after_ns = pause_after(now_ns + cost_ns, cost_ns);
	/* What can wait takes a tenth, so that thousands who come at once are let in. */
	if (told)
		server->presence_after_ns =
			pause_after(now_ns + cost_ns, 9 * cost_ns < PRESENCE_LATE_NS
							      ? 9 * cost_ns
							      : PRESENCE_LATE_NS);
	/* Set by what happened within: for the next time. */
	if (sessions->flush_wanted)
		on_flush_wanted(server);
	else if (sessions->presence_wanted)
		loop_timer_set(&server->flush_timer, server->presence_after_ns);
}

/* What nobody notices before it is too late. */
static void look_after(struct server *server, uint64_t now_s)
{
	struct health *health = &server->sessions.health;
	uint64_t bytes;

	tls_check_life(&server->tls, now_s);
	if (data_dir_free_bytes(server->network.dir, &bytes) < 0)
		return;
	if (bytes < ROOM_MIN)
		health_set(health, "disk", HEALTH_WARNING, now_s,
			   "%u MiB are free at %.100s; a full disk lets nobody join: make room",
			   (unsigned int)(bytes >> 20), server->network.dir);
	else
		health_clear(health, "disk");
}

static void on_tick(void *arg, uint64_t now_ns)
{
	struct server *server = arg;
	uint64_t now_s = clock_wall_s();

	oidc_tick(server->sessions.oidc, now_ns, now_s);
	if (server->ticks++ % TICKS_A_LOOK == 0)
		look_after(server, now_s);

	sessions_tick(&server->sessions, now_ns, now_s);
	loop_timer_set(&server->tick_timer, now_ns + TICK_NS);
}

static int send_frame(void *arg, const uint8_t *frame, size_t len)
{
	return ws_conn_send(arg, frame, len);
}

static size_t queued_bytes(void *arg)
{
	return ws_conn_queued(arg);
}

static void close_connection(void *arg)
{
	ws_conn_close(arg);
}

static void trust_connection(void *arg)
{
	ws_conn_trust(arg);
}

static const struct session_ops session_ops = { send_frame, queued_bytes, close_connection,
						trust_connection };

static void on_opened(struct ws_conn *conn, void *arg)
{
	struct server *server = arg;
	struct session *session =
		session_new(&server->sessions, &session_ops, conn, loop_now_ns(server->loop));

	ws_conn_set_user(conn, session);
	if (!session)
		ws_conn_close(conn);
}

static void on_message(struct ws_conn *conn, void *arg, const uint8_t *data, size_t len)
{
	struct server *server = arg;
	struct session *session = ws_conn_user(conn);

	if (session)
		session_input(session, data, len, loop_now_ns(server->loop), clock_wall_s());
}

static void on_closed(struct ws_conn *conn, void *arg, enum ws_close why, const char *detail)
{
	(void)arg;
	log_debug("connection-closed why=%d detail=\"%s\"", why, detail ? detail : "");
	session_free(ws_conn_user(conn));
}

static void on_signal(void *arg, int signum)
{
	struct server *server = arg;

	log_info("stopping signal=%d", signum);
	loop_stop(server->loop);
}

static void on_hangup(void *arg, int signum)
{
	struct server *server = arg;

	(void)signum;
	tls_reload(&server->tls);
}

static int fail(const char *what, int err, const char *todo)
{
	log_error("cannot-start what=\"%s\" error=\"%s\" todo=\"%s\"", what, strerror(-err), todo);
	return 1;
}

static int choose_certificate(struct server *server, const struct options *options)
{
	struct tls *tls = &server->tls;
	int err = tls_init(tls, options, &server->sessions);

	if (err == 0 && !tls->off)
		err = ws_certificate_check(tls->cert, tls->key);
	/* Nodes do not mind, and admins see it in health. */
	if (err == 0 || err == -EKEYEXPIRED)
		return 0;
	return fail(tls->cert, err, "--tls-cert and --tls-key want PEM files that belong together");
}

static int open_listener(struct server *server, const struct options *options)
{
	const struct tls *tls = &server->tls;
	char text[ENDPOINT_TEXT_SIZE];
	struct ws_protocol protocols[2] = {
		{ .name = CONTROL_CHANNEL_PROTOCOL,
		  .path = CONTROL_CHANNEL_PATH,
		  .message_max = CONTROL_CHANNEL_FRAME_MAX,
		  .queue = { .max = CONTROL_CHANNEL_QUEUE_MAX },
		  .handler = { on_opened, on_message, on_closed },
		  .arg = server },
	};
	struct ws_server_config config = { .listen = options->listen,
					   .cert_file = tls->off ? NULL : tls->cert,
					   .key_file = tls->off ? NULL : tls->key,
					   .protocols = protocols,
					   .protocol_count = server->relay ? 2 : 1,
					   .connections_max =
						   options->limits.values[LIMIT_CONNECTIONS],
					   .strangers_max = options->limits.values[LIMIT_STRANGERS],
					   .strangers_per_address =
						   options->limits.values[LIMIT_STRANGERS_SAME],
					   .proxies = options->trusted_proxies,
					   .proxy_count = options->trusted_proxy_count,
					   .http = http_handle,
					   .http_arg = &server->http };
	int err = 0;

	if (server->relay)
		relay_ws_protocol(server->relay, &protocols[1]);
	if (err == 0)
		err = ws_server_new(&server->ws, server->loop, &config);
	if (err == 0)
		err = tls_follow(&server->tls, server->loop, server->ws);
	if (err == 0)
		return 0;
	endpoint_format(text, &options->listen);
	return fail(text, err,
		    err == -EADDRINUSE ? "another program has this port: stop it or use --listen"
		    : err == -EACCES   ? "ports below 1024 want root or CAP_NET_BIND_SERVICE"
				       : "check --listen");
}

static int open_port80(struct server *server, const struct options *options)
{
	char text[ENDPOINT_TEXT_SIZE];
	int err = port80_new(&server->port80, server->loop, &server->network, options);

	if (err == 0)
		return 0;
	endpoint_format(text, &options->http_listen);
	return fail(text, err, "check --http-listen");
}

static int open_admin(struct server *server, const struct options *options)
{
	char path[PATH_MAX];
	int err = data_dir_path(path, options->data, DATA_DIR_ADMIN_SOCKET);

	if (err == 0)
		err = admin_new(&server->admin, server->loop, &server->sessions, path);
	if (err == 0)
		return 0;
	return fail(path, err,
		    err == -EADDRINUSE     ? "a server runs for this --data already"
		    : err == -ENAMETOOLONG ? "choose a shorter --data"
					   : "check --data");
}

/* The API for programs on this machine: curl --unix-socket. */
static int open_api(struct server *server, const struct options *options)
{
	struct ws_server_config config = { .unix_path = server->api_path,
					   .connections_max = ADMIN_CONNECTIONS_MAX,
					   .http = http_handle,
					   .http_arg = &server->http };
	int err = data_dir_path(server->api_path, options->data, DATA_DIR_API_SOCKET);

	if (err == 0)
		err = ws_server_new(&server->api, server->loop, &config);
	if (err == 0)
		return 0;
	return fail(server->api_path, err,
		    err == -ENAMETOOLONG ? "choose a shorter --data" : "check --data");
}

static int open_relay(struct server *server, const struct options *options)
{
	char text[ENDPOINT_TEXT_SIZE];
	int err;

	if (options->no_relay)
		return 0;
	err = builtin_relay_start(&server->relay, server->loop, &server->network, options);
	if (err == 0)
		return 0;
	endpoint_format(text, &options->relay_listen);
	if (err == -EEXIST)
		return fail(options->relay_name, err,
			    "a relay of this name was added: use --relay-name");
	return fail(text, err,
		    err == -EADDRINUSE
			    ? "another program has this UDP port: stop it or use --relay-listen"
			    : "check --relay-listen");
}

/* Tells the others where we are, and what relay we have. */
static int introduce(struct server *server, const struct options *options)
{
	struct network *network = &server->network;
	const struct token_address *own =
		options->public_count ? &options->public[0] : &network->addresses[0];
	int err;

	if (options->public_count == 0 && network->address_count > 1)
		return fail("several public addresses", -EINVAL,
			    "say which is this coordinator's with serve --public");
	err = coordinators_register(network, own, server->relay ? options->relay_name : NULL,
				    options->relay_name_is_default,
				    server->relay ? relay_port(server->relay) : 0, clock_wall_s());
	if (err == -EEXIST)
		return fail(options->relay_name, err,
			    "another coordinator's relay has this name: use --relay-name");
	if (err == 0)
		err = coordinators_load(network);
	return err < 0 ? fail("database", err, "look at the database's log") : 0;
}

static int open_cluster(struct server *server, const struct options *options)
{
	int err = introduce(server, options);

	if (err)
		return err;
	err = cluster_new(&server->sessions.cluster, server->loop, &server->sessions,
			  server->database);

	return err < 0 ? fail("several coordinators", err, "") : 0;
}

static int start(struct server *server, const struct options *options)
{
	char error[256];
	int err;

	err = database_place(&server->database, options);
	if (err != 0)
		return err;
	if (network_open_at(&server->network, options->data, server->database, error,
			    sizeof(error)) < 0) {
		fprintf(stderr, "warren-coord: %s\n", error);
		return 1;
	}
	server->sessions.network = &server->network;
	server->sessions.limits = options->limits;
	err = loop_new(&server->loop);
	if (err == 0)
		err = loop_signal(server->loop, SIGTERM, on_signal, server);
	if (err == 0)
		err = loop_signal(server->loop, SIGINT, on_signal, server);
	if (err == 0)
		err = loop_signal(server->loop, SIGHUP, on_hangup, server);
	if (err < 0)
		return fail("event loop", err, "");
	server->http = (struct http){ .loop = server->loop,
				      .sessions = &server->sessions,
				      .hosts = options->hosts };
	loop_timer_init(&server->flush_timer, server->loop, on_flush, server);
	server->sessions.on_flush_wanted = on_flush_wanted;
	server->sessions.arg = server;
	loop_timer_init(&server->tick_timer, server->loop, on_tick, server);
	loop_timer_set(&server->tick_timer, loop_now_ns(server->loop) + TICK_NS);
	err = oidc_new(&server->sessions.oidc, server->loop, &server->sessions);
	if (err < 0)
		return fail("single sign-on", err, "see the line above, or restore a backup");
	err = open_admin(server, options);
	if (err == 0)
		err = open_api(server, options);
	if (err == 0)
		err = open_relay(server, options);
	server->http.relay = server->relay;
	server->http.proxies = options->trusted_proxies;
	server->http.proxy_count = options->trusted_proxy_count;
	if (err == 0)
		err = open_port80(server, options);
	if (err == 0)
		err = choose_certificate(server, options);
	if (err == 0 && server->database)
		err = open_cluster(server, options);
	return err ? err : open_listener(server, options);
}

static void stop(struct server *server, int code)
{
	server->sessions.on_flush_wanted = NULL;
	admin_free(server->admin);
	tls_clear(&server->tls);
	port80_free(server->port80);
	ws_server_free(server->api);
	ws_server_free(server->ws);
	relay_free(server->relay);
	loop_timer_clear(&server->flush_timer);
	loop_timer_clear(&server->tick_timer);
	while (server->sessions.first)
		session_free(server->sessions.first);
	oidc_free(server->sessions.oidc);
	if (server->network.nodes)
		sessions_save(&server->sessions);
	cluster_free(server->sessions.cluster);
	if (loop_free(server->loop) < 0) {
		/* A database is being dialled that does not answer; nobody waits for that. */
		network_close(&server->network);
		_exit(code);
	}
	network_close(&server->network);
	database_place_free(server->database);
}

int server_run(const struct options *options)
{
	struct server *server = calloc(1, sizeof(*server));
	int code;

	if (!server)
		return fail("memory", -ENOMEM, "");
	/* Keys are in memory: no core dumps, no debugger of the same user. */
	prctl(PR_SET_DUMPABLE, 0);
	signal(SIGPIPE, SIG_IGN);
	/* Every node holds a connection. */
	descriptors_allow(DESCRIPTORS_ALL);
	code = start(server, options);
	if (code == 0) {
		log_info("ready network=\"%s\" port=%u", server->network.name,
			 ws_server_port(server->ws));
		loop_run(server->loop);
	}
	stop(server, code);
	free(server);
	return code;
}
