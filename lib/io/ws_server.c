#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "io/forwarded.h"
#include "io/ws_conn.h"
#include "io/ws_http.h"

/*
 * Thousands come at once when the server was away. Who waits here has not been forgotten by the
 * time it is served; the others' kernels try again.
 */
#define BACKLOG 2048
/* Few, because who was let in goes first: then all wait outside rather than half way in. */
#define ACCEPTS_A_TURN      16
#define AT_WORK_MAX         256 /* strangers in the middle of their handshakes */
#define AT_WORK_PAUSE_MS    10
#define ANSWER_LATE_MS      500 /* whose answer takes longer is not waited for */
#define ACCEPT_PAUSE_MS     100 /* when the process is out of descriptors */
#define PROTOCOLS_MAX       8
#define QUIET_READ_SIZE     4096
#define KEEPALIVE_TIMEOUT_S 30 /* between plain requests of one connection */

struct ws_server {
	struct loop *loop;
	struct ws_context *context;
	struct lws_vhost *vhost;
	struct loop_watch *watch;
	struct loop_timer accept_timer;
	struct ws_server_config config; /* with file names of its own */
	struct ws_protocol protocols[PROTOCOLS_MAX];
	struct lws_protocols lws_protocols[PROTOCOLS_MAX + 2]; /* plain HTTP first, NULL last */
	struct ws_http_service http;
	SSL_CTX *tls;                   /* libwebsockets'; NULL without TLS */
	struct ws_strangers *strangers; /* NULL: without bounds */
	size_t connections;
	uint16_t port;
	int fd;
};

static struct ws_server *server_of(struct lws *wsi)
{
	return lws_context_user(lws_get_context(wsi));
}

static void free_conn(struct ws_conn *conn)
{
	ws_conn_clear(conn);
	free(conn);
}

/* Comes last for every socket, whatever became of it. */
static void on_destroy(struct lws *wsi)
{
	struct ws_conn *conn = lws_get_opaque_user_data(wsi);

	if (!conn)
		return;
	lws_set_opaque_user_data(wsi, NULL);
	server_of(wsi)->connections--;
	free_conn(conn);
}

/* Who asks: a proxy's connection may carry the requests of many. */
static struct endpoint client_of(struct lws *wsi, const struct ws_conn *conn)
{
	const struct ws_server_config *config = &server_of(wsi)->config;
	struct endpoint client = conn ? conn->remote : (struct endpoint){ 0 };
	char header[FORWARDED_HEADER_MAX + 1];

	if (config->proxy_count &&
	    lws_hdr_copy(wsi, header, sizeof(header), WSI_TOKEN_X_FORWARDED_FOR) > 0)
		forwarded_client(&client, header, config->proxies, config->proxy_count);
	return client;
}

/* libwebsockets gives each piece of a body as long as all of it may take. */
static void set_body_deadline(struct lws *wsi, struct ws_conn *conn)
{
	char length[24];

	if (!conn)
		return;
	loop_timer_clear(&conn->timer);
	if (lws_hdr_copy(wsi, length, sizeof(length), WSI_TOKEN_HTTP_CONTENT_LENGTH) > 0 &&
	    strcmp(length, "0") != 0)
		loop_timer_set(&conn->timer,
			       loop_now_ns(conn->loop) + WS_BODY_DEADLINE_S * NS_PER_S);
}

/* The opening deadline ends with a request; what follows has libwebsockets' own timeouts. */
static int on_http(struct lws *wsi, struct ws_http *http, enum lws_callback_reasons reason,
		   void *in, size_t len)
{
	struct ws_http_service *service = &server_of(wsi)->http;
	struct ws_conn *conn = lws_get_opaque_user_data(wsi);
	struct endpoint remote;

	switch ((int)reason) {
	case LWS_CALLBACK_HTTP:
		set_body_deadline(wsi, conn);
		remote = client_of(wsi, conn);
		return ws_http_begin(http, wsi, service, &remote, conn);
	case LWS_CALLBACK_HTTP_BODY:
		return ws_http_body(http, in, len);
	case LWS_CALLBACK_HTTP_BODY_COMPLETION:
		if (conn)
			loop_timer_clear(&conn->timer);
		return ws_http_body_done(http);
	default:
		return ws_http_writable(http);
	}
}

/*
 * A first line that libwebsockets knows no method in: the connection falls back to a stream of
 * bytes, which ends with this.
 */
static int refuse_method(struct lws *wsi)
{
	static const char answer[] = "HTTP/1.1 405 Method Not Allowed\r\n"
				     "content-type: application/json\r\n"
				     "allow: GET, HEAD, POST, PUT, DELETE, OPTIONS\r\n"
				     "connection: close\r\n"
				     "content-length: 83\r\n\r\n"
				     "{\"schema\":1,\"error\":{\"code\":\"method\",\"message\":"
				     "\"this method is not served here\"}}\r\n";
	uint8_t buffer[LWS_PRE + sizeof(answer)];

	memcpy(buffer + LWS_PRE, answer, sizeof(answer) - 1);
	lws_write(wsi, buffer + LWS_PRE, sizeof(answer) - 1, LWS_WRITE_RAW);
	return -1;
}

static int http_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
			 size_t len)
{
	switch ((int)reason) {
	case LWS_CALLBACK_HTTP:
	case LWS_CALLBACK_HTTP_BODY:
	case LWS_CALLBACK_HTTP_BODY_COMPLETION:
	case LWS_CALLBACK_HTTP_WRITEABLE:
		return user ? on_http(wsi, user, reason, in, len) : -1;
	case LWS_CALLBACK_CLOSED_HTTP:
	case LWS_CALLBACK_HTTP_DROP_PROTOCOL:
		if (user)
			ws_http_clear(user);
		return 0;
	case LWS_CALLBACK_FILTER_PROTOCOL_CONNECTION:
		/* An upgrade without one of our subprotocols. */
		return -1;
	case LWS_CALLBACK_RAW_RX:
		return refuse_method(wsi);
	case LWS_CALLBACK_OPENSSL_LOAD_EXTRA_SERVER_VERIFY_CERTS:
		server_of(wsi)->tls = user;
		return 0;
	case LWS_CALLBACK_WSI_DESTROY:
		on_destroy(wsi);
		return 0;
	default:
		return 0;
	}
}

static bool path_matches(struct lws *wsi, const struct ws_protocol *protocol)
{
	char path[256];

	return lws_hdr_copy(wsi, path, sizeof(path), WSI_TOKEN_GET_URI) > 0 &&
	       strcmp(path, protocol->path) == 0;
}

static int on_established(struct lws *wsi, struct ws_conn *conn, const struct ws_protocol *protocol)
{
	conn->handler = protocol->handler;
	conn->arg = protocol->arg;
	conn->message_max = protocol->message_max;
	conn->queue = protocol->queue;
	ws_conn_open(conn, wsi);
	return 0;
}

static int ws_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
		       size_t len)
{
	const struct lws_protocols *lws_protocol = lws_get_protocol(wsi);
	struct ws_conn *conn = lws_get_opaque_user_data(wsi);

	(void)user;
	switch ((int)reason) {
	case LWS_CALLBACK_FILTER_PROTOCOL_CONNECTION:
		if (conn)
			conn->remote = client_of(wsi, conn);
		return path_matches(wsi, lws_protocol->user) ? 0 : -1;
	case LWS_CALLBACK_ESTABLISHED:
		return conn ? on_established(wsi, conn, lws_protocol->user) : -1;
	case LWS_CALLBACK_RECEIVE:
		return conn ? ws_conn_receive(conn, in, len) : -1;
	case LWS_CALLBACK_RECEIVE_PONG:
		if (conn)
			ws_conn_pong(conn);
		return 0;
	case LWS_CALLBACK_SERVER_WRITEABLE:
		return conn ? ws_conn_writable(conn) : -1;
	case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
		if (conn)
			ws_conn_peer_closes(conn);
		return 0;
	case LWS_CALLBACK_CLOSED:
		if (conn && conn->opened)
			ws_conn_tell_closed(conn);
		return 0;
	default:
		return 0;
	}
}

/* By a Unix socket: root and the own user. */
static bool may_enter(struct ws_conn *conn, int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return false;
	conn->local = true;
	conn->local_uid = peer.uid;
	return peer.uid == 0 || peer.uid == geteuid();
}

static bool is_proxy(const struct ws_server *server, const struct ip_addr *addr)
{
	for (size_t i = 0; i < server->config.proxy_count; i++)
		if (prefix_contains(&server->config.proxies[i], addr))
			return true;
	return false;
}

static struct ws_conn *conn_of(struct ws_stranger *stranger)
{
	return (struct ws_conn *)((char *)stranger - offsetof(struct ws_conn, stranger));
}

/* Is there room for one more of whom nothing is known? A proxy speaks for many. */
static bool admit(struct ws_server *server, struct ws_conn *conn)
{
	struct ws_stranger *gone;

	if (!server->strangers || is_proxy(server, &conn->remote.addr))
		return true;
	if (ws_strangers_add(server->strangers, &conn->stranger, &conn->remote.addr,
			     loop_now_ns(server->loop), &gone) < 0)
		return false;
	conn->strangers = server->strangers;
	if (gone)
		ws_conn_give_way(conn_of(gone));
	return true;
}

/* Has it sent what was not looked at yet, or been answered a moment ago? */
static bool works(const struct ws_stranger *stranger, uint64_t now_ns)
{
	const struct ws_conn *conn = conn_of((struct ws_stranger *)stranger);
	int fd = conn->wsi ? lws_get_socket_fd(conn->wsi) : -1;
	struct tcp_info info = { .tcpi_state = 0 };
	socklen_t len = sizeof(info);
	uint64_t sent_ns;
	int unread = 0;

	if (fd < 0 || ioctl(fd, FIONREAD, &unread) < 0)
		return false;
	if (unread > 0)
		return true;
	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0)
		return false;
	sent_ns = info.tcpi_last_data_sent * NS_PER_MS;
	return sent_ns < ANSWER_LATE_MS * NS_PER_MS && sent_ns < now_ns - stranger->since_ns;
}

/* Are as many in the middle of their handshakes as can be served before they give up? */
static bool is_at_work(const struct ws_server *server)
{
	return server->strangers &&
	       ws_strangers_at_work(server->strangers, loop_now_ns(server->loop), AT_WORK_MAX,
				    works) >= AT_WORK_MAX;
}

/* It gave up while it waited: not worth a signature. (Without TLS it may have said all already.) */
static bool has_hung_up(int fd)
{
	struct pollfd look = { .fd = fd, .events = POLLRDHUP };

	return poll(&look, 1, 0) > 0 && (look.revents & (POLLRDHUP | POLLHUP | POLLERR));
}

static void pause_accepting(struct ws_server *server, uint64_t pause_ms)
{
	loop_watch_events(server->watch, 0);
	loop_timer_set(&server->accept_timer, loop_now_ns(server->loop) + pause_ms * NS_PER_MS);
}

static void adopt(struct ws_server *server, int fd, const struct sockaddr_storage *from)
{
	struct ws_conn *conn = calloc(1, sizeof(*conn));
	lws_sock_file_fd_type descriptor = { .sockfd = fd };
	struct lws *wsi;
	int one = 1;

	if (!conn) {
		close(fd);
		return;
	}
	if (server->config.unix_path && !may_enter(conn, fd)) {
		close(fd);
		free(conn);
		return;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	endpoint_from_sockaddr(&conn->remote, (const struct sockaddr *)from);
	if (!admit(server, conn)) {
		close(fd);
		free(conn);
		return;
	}
	/* On failure libwebsockets closes the socket. */
	wsi = lws_adopt_descriptor_vhost(server->vhost,
					 LWS_ADOPT_SOCKET | LWS_ADOPT_HTTP | LWS_ADOPT_ALLOW_SSL,
					 descriptor, NULL, NULL);
	if (!wsi) {
		ws_conn_trust(conn);
		free(conn);
		return;
	}
	ws_conn_init(conn, server->context, server->loop);
	conn->wsi = wsi;
	lws_set_opaque_user_data(wsi, conn);
	server->connections++;
}

static void on_accept_again(void *arg, uint64_t now_ns)
{
	struct ws_server *server = arg;

	(void)now_ns;
	loop_watch_events(server->watch, UV_READABLE);
}

static void on_listener(void *arg, int revents)
{
	struct ws_server *server = arg;
	size_t max = server->config.connections_max;

	(void)revents;
	ws_context_touch(server->context);
	if (is_at_work(server)) {
		pause_accepting(server, AT_WORK_PAUSE_MS);
		return;
	}
	for (int i = 0; i < ACCEPTS_A_TURN; i++) {
		struct sockaddr_storage from;
		socklen_t from_len = sizeof(from);
		int fd = accept4(server->fd, (struct sockaddr *)&from, &from_len,
				 SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM)) {
			pause_accepting(server, ACCEPT_PAUSE_MS);
			return;
		}
		if (fd < 0)
			return;
		if ((max && server->connections >= max) || (server->tls && has_hung_up(fd)))
			close(fd);
		else
			adopt(server, fd, &from);
	}
}

static int open_unix(struct ws_server *server)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	mode_t mask;
	int err = 0;

	if (strlen(server->config.unix_path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	strcpy(address.sun_path, server->config.unix_path);
	server->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (server->fd < 0)
		return -errno;
	unlink(address.sun_path);
	mask = umask(0177);
	if (bind(server->fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(server->fd, BACKLOG) < 0)
		err = -errno;
	umask(mask);
	return err;
}

static int open_listener(struct ws_server *server)
{
	const struct endpoint *listen_at = &server->config.listen;
	struct sockaddr_storage ss;
	socklen_t ss_len = endpoint_to_sockaddr(&ss, listen_at);
	struct endpoint bound;
	int one = 1;
	int zero = 0;

	if (!ss_len)
		return -EINVAL;
	server->fd = socket(ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (server->fd < 0)
		return -errno;
	setsockopt(server->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	/* [::] serves v4 too. */
	if (ss.ss_family == AF_INET6 && addr_is_unspecified(&listen_at->addr))
		setsockopt(server->fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero));
	if (bind(server->fd, (struct sockaddr *)&ss, ss_len) < 0 || listen(server->fd, BACKLOG) < 0)
		return -errno;
	ss_len = sizeof(ss);
	if (getsockname(server->fd, (struct sockaddr *)&ss, &ss_len) < 0)
		return -errno;
	endpoint_from_sockaddr(&bound, (struct sockaddr *)&ss);
	server->port = bound.port;
	return 0;
}

static void fill_protocols(struct ws_server *server)
{
	struct lws_protocols *out = server->lws_protocols;

	out[0].name = "http";
	out[0].callback = http_callback;
	out[0].per_session_data_size = sizeof(struct ws_http);
	for (size_t i = 0; i < server->config.protocol_count; i++) {
		server->protocols[i] = server->config.protocols[i];
		out[i + 1].name = server->protocols[i].name;
		out[i + 1].callback = ws_callback;
		out[i + 1].user = &server->protocols[i];
		/* Every connection has such a buffer for good; ten thousand nodes say little. */
		if (!server->protocols[i].queue.join_max)
			out[i + 1].rx_buffer_size = QUIET_READ_SIZE;
		out[i + 1].tx_packet_size = server->protocols[i].queue.max;
	}
}

static int open_context(struct ws_server *server)
{
	struct lws_context_creation_info info = {
		.port = CONTEXT_PORT_NO_LISTEN_SERVER,
		.protocols = server->lws_protocols,
		.ssl_cert_filepath = server->config.cert_file,
		.ssl_private_key_filepath = server->config.key_file,
		.user = server,
		.vhost_name = "warren",
		.keepalive_timeout = KEEPALIVE_TIMEOUT_S,
		.timeout_secs = WS_OPENING_DEADLINE_S,
		.max_http_header_data = 2 * WS_HTTP_HEAD_MAX,
	};
	int err = ws_context_new(&server->context, server->loop, &info);

	if (err < 0)
		return err;
	/* A vhost that does not listen gets a server's TLS only when it has a port. */
	info.port = CONTEXT_PORT_NO_LISTEN_SERVER;
	info.options |= LWS_SERVER_OPTION_FALLBACK_TO_APPLY_LISTEN_ACCEPT_CONFIG;
	server->vhost = lws_create_vhost(ws_context_lws(server->context), &info);
	return server->vhost ? 0 : -EINVAL;
}

static int check_files(const struct ws_server_config *config)
{
	if (!config->cert_file)
		return 0;
	if (!config->key_file || access(config->cert_file, R_OK) < 0 ||
	    access(config->key_file, R_OK) < 0)
		return config->key_file ? -errno : -EINVAL;
	return 0;
}

static int copy_files(struct ws_server *server, const struct ws_server_config *config)
{
	if (!config->cert_file)
		return 0;
	server->config.cert_file = strdup(config->cert_file);
	server->config.key_file = strdup(config->key_file);
	return server->config.cert_file && server->config.key_file ? 0 : -ENOMEM;
}

int ws_server_new(struct ws_server **out, struct loop *loop, const struct ws_server_config *config)
{
	struct ws_server *server;
	int err = check_files(config);

	if (err < 0)
		return err;
	if (config->protocol_count > PROTOCOLS_MAX)
		return -EINVAL;
	server = calloc(1, sizeof(*server));
	if (!server)
		return -ENOMEM;
	server->loop = loop;
	server->config = *config;
	server->config.cert_file = server->config.key_file = NULL;
	server->fd = -1;
	server->http = (struct ws_http_service){ .server = server,
						 .handle = config->http,
						 .arg = config->http_arg };
	loop_timer_init(&server->accept_timer, loop, on_accept_again, server);
	if (config->strangers_max && !config->unix_path) {
		server->strangers =
			ws_strangers_new(config->strangers_max, config->strangers_per_address);
		if (!server->strangers) {
			err = -ENOMEM;
			goto fail;
		}
	}
	fill_protocols(server);
	err = copy_files(server, config);
	if (err < 0)
		goto fail;
	err = config->unix_path ? open_unix(server) : open_listener(server);
	if (err < 0)
		goto fail;
	err = open_context(server);
	if (err < 0)
		goto fail;
	err = loop_watch_new(&server->watch, loop, server->fd, UV_READABLE, on_listener, server);
	if (err < 0)
		goto fail;
	*out = server;
	return 0;

fail:
	ws_server_free(server);
	return err;
}

void ws_server_free(struct ws_server *server)
{
	if (!server)
		return;
	loop_timer_clear(&server->accept_timer);
	loop_watch_free(server->watch);
	if (server->fd >= 0)
		close(server->fd);
	if (server->fd >= 0 && server->config.unix_path)
		unlink(server->config.unix_path);
	ws_context_free(server->context);
	ws_strangers_free(server->strangers);
	free((char *)server->config.cert_file);
	free((char *)server->config.key_file);
	free(server);
}

int ws_http_answer(struct ws_http_ticket ticket, struct ws_http_response *response)
{
	int err = ws_http_deliver(&ticket.server->http, ticket.id, response);

	ws_context_touch(ticket.server->context);
	return err;
}

int ws_server_reload(struct ws_server *server)
{
	const struct ws_server_config *config = &server->config;
	int err;

	if (!server->tls)
		return 0;
	err = ws_certificate_check(config->cert_file, config->key_file);
	if (err < 0)
		return err;
	/* Connections that are open keep what they began with. */
	if (SSL_CTX_use_certificate_chain_file(server->tls, config->cert_file) != 1 ||
	    SSL_CTX_use_PrivateKey_file(server->tls, config->key_file, SSL_FILETYPE_PEM) != 1)
		return -EINVAL;
	return 0;
}

uint16_t ws_server_port(const struct ws_server *server)
{
	return server->port;
}
