#include <ctype.h>
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "crypto/hash.h"
#include "io/http_connect.h"
#include "io/tls_layer.h"
#include "io/ws_conn.h"

#define PROXIES_MAX 8
/* What libwebsockets says when a proxy answers anything but 200. */
#define PROXY_REFUSES     "proxy not h1"
#define PROXY_WANTS_MORE  "the proxy refuses; are its credentials right?"
#define REQUEST_MAX       1024 /* bytes of a CONNECT */
#define ADDRESSES_MAX     4    /* of one name, tried in turn */
#define ATTEMPT_TIMEOUT_S 4    /* for each but the last */
#define CLIENT_FDS_MAX    256

/* One outgoing connection; `conn` is first, so that the public handle is this struct. */
struct client_conn {
	struct ws_conn conn;
	struct client_conn *next;
	struct ws_client *client;
	struct resolve *resolve;
	struct loop_timer attempt_timer;
	char *host;
	char *path;
	char *protocol;
	char dial[256];      /* the name or address that is connected to */
	char proxy_user[96]; /* "user:pass@" or empty */
	bool proxied;
	bool no_tls;
	struct http_connect *tunnel; /* of a plain stream, until the proxy has answered */
	const char *failure;         /* why it did not open, when we know better */
	bool proxy_invalid;
	uint16_t port;
	struct endpoint addresses[ADDRESSES_MAX]; /* of the proxy, when there is one */
	size_t address_count;
	size_t address_next;
};

/* A name look-up on libuv's threads; it may outlive the connection that asked. */
struct resolve {
	uv_getaddrinfo_t request; /* first */
	struct client_conn *asker;
};

struct ws_client {
	struct loop *loop;
	struct ws_context *context;
	struct client_conn *conns;
	struct client_conn *connecting; /* inside lws_client_connect_via_info, unless it failed */
	struct {
		char text[224];
		struct lws_vhost *vhost;
	} vhosts[PROXIES_MAX + 1]; /* libwebsockets knows a proxy by virtual host; "" is none */
	size_t vhost_count;
	size_t vhost_next; /* that is given to another proxy when there are too many */
};

static int client_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
			   size_t len);

static const struct lws_protocols client_protocols[] = {
	{ "warren-client", client_callback, 0, 0, 0, NULL, 0 },
	{ NULL, NULL, 0, 0, 0, NULL, 0 },
};

static void forget_resolve(struct client_conn *cc)
{
	if (!cc->resolve)
		return;
	cc->resolve->asker = NULL;
	uv_cancel((uv_req_t *)&cc->resolve->request);
	cc->resolve = NULL;
}

/* Tells the end and frees. */
static void finish(struct client_conn *cc)
{
	struct client_conn **at = &cc->client->conns;

	while (*at != cc)
		at = &(*at)->next;
	*at = cc->next;
	if (cc->client->connecting == cc)
		cc->client->connecting = NULL;
	forget_resolve(cc);
	loop_timer_clear(&cc->attempt_timer);
	ws_conn_tell_closed(&cc->conn);
	ws_conn_clear(&cc->conn);
	free(cc->tunnel);
	free(cc->host);
	free(cc->path);
	free(cc->protocol);
	free(cc);
}

static void on_orphaned(struct ws_conn *conn)
{
	finish((struct client_conn *)conn);
}

/* Gives the host that was made or given away longest ago to that proxy. */
static struct lws_vhost *reuse_vhost(struct ws_client *client, const char *proxy)
{
	size_t i = client->vhost_next;

	if (!client->vhosts[i].text[0]) /* stays the one without */
		i = (i + 1) % PROXIES_MAX;
	client->vhost_next = (i + 1) % PROXIES_MAX;
	if (lws_set_proxy(client->vhosts[i].vhost, proxy))
		return NULL;
	snprintf(client->vhosts[i].text, sizeof(client->vhosts[0].text), "%s", proxy);
	return client->vhosts[i].vhost;
}

static struct lws_vhost *vhost_for(struct ws_client *client, const char *proxy)
{
	/* An empty proxy keeps libwebsockets from reading one from the environment. */
	struct lws_context_creation_info info = {
		.port = CONTEXT_PORT_NO_LISTEN,
		.vhost_name = "client", /* kept by reference */
		.protocols = client_protocols,
		.http_proxy_address = proxy,
		.timeout_secs = WS_OPENING_DEADLINE_S,
		.options = LWS_SERVER_OPTION_DISABLE_OS_CA_CERTS |
			   LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT,
	};
	struct lws_vhost *vhost;

	for (size_t i = 0; i < client->vhost_count; i++) {
		if (strcmp(client->vhosts[i].text, proxy) == 0)
			return client->vhosts[i].vhost;
	}
	if (client->vhost_count >= PROXIES_MAX && proxy[0])
		return reuse_vhost(client, proxy);
	vhost = lws_create_vhost(ws_context_lws(client->context), &info);
	if (!vhost)
		return NULL;
	snprintf(client->vhosts[client->vhost_count].text, sizeof(client->vhosts[0].text), "%s",
		 proxy);
	client->vhosts[client->vhost_count++].vhost = vhost;
	return vhost;
}

static void on_failed(struct client_conn *cc, const char *detail)
{
	struct ws_client *client = cc->client;

	cc->conn.wsi = NULL;
	if (client->connecting == cc)
		client->connecting = NULL;
	loop_timer_clear(&cc->attempt_timer);
	if (cc->conn.state == WS_OPENING && cc->address_next < cc->address_count) {
		/* Not from inside libwebsockets' own failure. */
		loop_timer_set(&cc->attempt_timer, loop_now_ns(client->loop));
		return;
	}
	if (cc->conn.state == WS_OPENING)
		ws_conn_end(&cc->conn, WS_CLOSE_UNREACHABLE, detail);
	finish(cc);
}

static void dial(struct client_conn *cc, const char *address, const char *proxy)
{
	struct ws_client *client = cc->client;
	struct lws_client_connect_info info = {
		.context = ws_context_lws(client->context),
		.vhost = vhost_for(client, proxy),
		.address = address,
		.port = cc->port,
		.path = cc->path,
		.host = cc->host,
		.protocol = cc->protocol,
		.local_protocol_name = client_protocols[0].name,
		.ssl_connection = LCCSCF_USE_SSL | LCCSCF_ALLOW_SELFSIGNED |
				  LCCSCF_SKIP_SERVER_CERT_HOSTNAME_CHECK | LCCSCF_ALLOW_EXPIRED |
				  LCCSCF_ALLOW_INSECURE,
		.alpn = "http/1.1",
		.ietf_version_or_minus_one = -1,
		.opaque_user_data = cc,
	};
	struct lws *wsi;

	if (cc->conn.raw) {
		info.method = "RAW";
		info.protocol = NULL;
		info.alpn = NULL;
		info.port = cc->addresses[cc->address_next - 1].port;
		info.ssl_connection = 0; /* libwebsockets 4.1 does not open such with TLS */
	}
	if (!info.vhost) {
		on_failed(cc, "the proxy cannot be used");
		return;
	}
	client->connecting = cc;
	wsi = lws_client_connect_via_info(&info);
	ws_context_touch(client->context);
	lws_cancel_service(info.context);
	/* Otherwise the callback told of a failure already. */
	if (client->connecting != cc)
		return;
	client->connecting = NULL;
	cc->conn.wsi = wsi;
	if (!wsi)
		on_failed(cc, "cannot connect");
}

static void attempt(struct client_conn *cc)
{
	const struct endpoint *to = &cc->addresses[cc->address_next++];
	char address[ADDR_TEXT_SIZE];
	char to_text[ENDPOINT_TEXT_SIZE];
	char proxy[224] = "";

	/* Of the address before. */
	free(cc->tunnel);
	cc->tunnel = NULL;
	tls_layer_free(cc->conn.tls);
	cc->conn.tls = NULL;
	if (cc->address_next < cc->address_count)
		loop_timer_set(&cc->attempt_timer,
			       loop_now_ns(cc->client->loop) + ATTEMPT_TIMEOUT_S * NS_PER_S);
	cc->conn.remote = *to;
	if (!cc->proxied) {
		dial(cc, addr_format(address, &to->addr), proxy);
		return;
	}
	if (cc->conn.raw) { /* the tunnel is our own affair */
		dial(cc, addr_format(address, &to->addr), proxy);
		return;
	}
	snprintf(proxy, sizeof(proxy), "%s%s", cc->proxy_user, endpoint_format(to_text, to));
	dial(cc, cc->host, proxy);
}

static void on_attempt_late(void *arg, uint64_t now_ns)
{
	struct client_conn *cc = arg;

	(void)now_ns;
	ws_context_touch(cc->client->context);
	if (cc->conn.wsi)
		lws_set_timeout(cc->conn.wsi, PENDING_TIMEOUT_USER_REASON_BASE, LWS_TO_KILL_SYNC);
	else
		attempt(cc);
}

static int begin_stream(struct client_conn *cc)
{
	return ws_conn_connected_raw(&cc->conn, cc->conn.wsi, cc->no_tls ? NULL : cc->host);
}

static int begin_tunnel(struct client_conn *cc)
{
	char credentials[sizeof(cc->proxy_user)];
	uint8_t buf[LWS_PRE + REQUEST_MAX];
	int len;

	snprintf(credentials, sizeof(credentials), "%s", cc->proxy_user);
	if (credentials[0])
		credentials[strlen(credentials) - 1] = 0; /* the @ */
	len = http_connect_request((char *)buf + LWS_PRE, REQUEST_MAX, cc->host, cc->port,
				   credentials);
	sodium_memzero(credentials, sizeof(credentials));
	cc->tunnel = calloc(1, sizeof(*cc->tunnel));
	if (!cc->tunnel || len < 0 ||
	    lws_write(cc->conn.wsi, buf + LWS_PRE, (size_t)len, LWS_WRITE_RAW) < 0)
		return -1;
	return 0;
}

static int continue_tunnel(struct client_conn *cc, const uint8_t *data, size_t len)
{
	int status = http_connect_input(cc->tunnel, &data, &len);

	if (status == 0)
		return 0;
	if (status < 200 || status > 299) {
		cc->failure =
			status == 407 ? PROXY_WANTS_MORE : "the proxy does not let us through";
		return -1;
	}
	free(cc->tunnel);
	cc->tunnel = NULL;
	if (begin_stream(cc) < 0)
		return -1;
	return len ? ws_conn_receive_raw(&cc->conn, data, len) : 0;
}

static int client_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
			   size_t len)
{
	struct client_conn *cc = lws_get_opaque_user_data(wsi);
	char detail[96];

	(void)user;
	if (!cc)
		return 0;
	switch ((int)reason) {
	case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
		lws_set_opaque_user_data(wsi, NULL);
		snprintf(detail, sizeof(detail), "%.*s", in ? (int)len : 14,
			 in ? (const char *)in : "cannot connect");
		on_failed(cc, strcmp(detail, PROXY_REFUSES) == 0 ? PROXY_WANTS_MORE : detail);
		return 0;
	case LWS_CALLBACK_RAW_CONNECTED:
		loop_timer_clear(&cc->attempt_timer);
		cc->conn.wsi = wsi;
		return cc->proxied ? begin_tunnel(cc) : begin_stream(cc);
	case LWS_CALLBACK_CLIENT_ESTABLISHED:
		loop_timer_clear(&cc->attempt_timer);
		ws_conn_open(&cc->conn, wsi);
		return 0;
	case LWS_CALLBACK_CLIENT_RECEIVE:
		return ws_conn_receive(&cc->conn, in, len);
	case LWS_CALLBACK_RAW_RX:
		if (cc->tunnel)
			return continue_tunnel(cc, in, len);
		return ws_conn_receive_raw(&cc->conn, in, len);
	case LWS_CALLBACK_CLIENT_RECEIVE_PONG:
		ws_conn_pong(&cc->conn);
		return 0;
	case LWS_CALLBACK_CLIENT_WRITEABLE:
	case LWS_CALLBACK_RAW_WRITEABLE:
		return ws_conn_writable(&cc->conn);
	case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
		ws_conn_peer_closes(&cc->conn);
		return 0;
	case LWS_CALLBACK_CLIENT_CLOSED:
	case LWS_CALLBACK_RAW_CLOSE:
	case LWS_CALLBACK_WSI_DESTROY:
		lws_set_opaque_user_data(wsi, NULL);
		if (cc->conn.opened)
			finish(cc);
		else
			on_failed(cc,
				  cc->failure ? cc->failure : "connection closed while opening");
		return 0;
	default:
		return 0;
	}
}

static void add_addresses(struct client_conn *cc, const struct addrinfo *list, uint16_t port)
{
	for (; list && cc->address_count < ADDRESSES_MAX; list = list->ai_next) {
		struct endpoint *to = &cc->addresses[cc->address_count];

		if (endpoint_from_sockaddr(to, list->ai_addr) < 0)
			continue;
		to->port = port;
		cc->address_count++;
	}
}

static void on_resolved(uv_getaddrinfo_t *request, int status, struct addrinfo *list)
{
	struct resolve *resolve = (struct resolve *)request;
	struct client_conn *cc = resolve->asker;

	if (cc) {
		cc->resolve = NULL;
		if (status == 0)
			add_addresses(cc, list, cc->addresses[0].port);
		if (cc->address_count)
			attempt(cc);
		else
			on_failed(cc, status ? uv_strerror(status) : "name has no address");
	}
	uv_freeaddrinfo(list);
	free(resolve);
}

static int start_resolve(struct client_conn *cc, const char *name)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG };
	struct resolve *resolve = calloc(1, sizeof(*resolve));
	int err;

	if (!resolve)
		return -ENOMEM;
	resolve->asker = cc;
	err = uv_getaddrinfo(loop_uv(cc->client->loop), &resolve->request, on_resolved, name, NULL,
			     &hints);
	if (err < 0) {
		free(resolve);
		return err;
	}
	cc->resolve = resolve;
	return 0;
}

/* Splits "user:pass@host:port" into what is dialled and what is told there. */
static int set_proxy(struct client_conn *cc, const char *text)
{
	const char *at = strrchr(text, '@');
	const char *name = at ? at + 1 : text;
	const char *colon = strrchr(name, ':');
	size_t user_len = (size_t)(name - text);
	char *end;
	unsigned long port;

	if (!colon || user_len >= sizeof(cc->proxy_user))
		return -EINVAL;
	port = strtoul(colon + 1, &end, 10);
	if (*end || port == 0 || port > UINT16_MAX)
		return -EINVAL;
	if (name[0] == '[' && colon > name + 2 && colon[-1] == ']')
		snprintf(cc->dial, sizeof(cc->dial), "%.*s", (int)(colon - name - 2), name + 1);
	else
		snprintf(cc->dial, sizeof(cc->dial), "%.*s", (int)(colon - name), name);
	memcpy(cc->proxy_user, text, user_len);
	cc->proxy_user[user_len] = 0;
	cc->proxied = true;
	cc->addresses[0].port = (uint16_t)port;
	return 0;
}

/* The first thing in the turn after ws_client_connect. */
static void on_start(void *arg, uint64_t now_ns)
{
	struct client_conn *cc = arg;

	(void)now_ns;
	loop_timer_init(&cc->attempt_timer, cc->client->loop, on_attempt_late, cc);
	if (cc->proxy_invalid) {
		on_failed(cc, "proxy is not host:port");
	} else if (addr_parse(&cc->addresses[0].addr, cc->dial) == 0) {
		cc->address_count = 1;
		attempt(cc);
	} else if (start_resolve(cc, cc->dial) < 0) {
		on_failed(cc, "name cannot be looked up");
	}
}

int ws_client_new(struct ws_client **out, struct loop *loop)
{
	struct ws_client *client = calloc(1, sizeof(*client));
	struct lws_context_creation_info info = {
		.port = CONTEXT_PORT_NO_LISTEN,
		.fd_limit_per_thread = CLIENT_FDS_MAX,
		.timeout_secs = WS_OPENING_DEADLINE_S,
	};
	int err;

	if (!client)
		return -ENOMEM;
	client->loop = loop;
	err = ws_context_new(&client->context, loop, &info);
	if (err < 0) {
		free(client);
		return err;
	}
	*out = client;
	return 0;
}

void ws_client_free(struct ws_client *client)
{
	if (!client)
		return;
	for (struct client_conn *cc = client->conns; cc; cc = cc->next) {
		ws_conn_end(&cc->conn, WS_CLOSE_LOCAL, "");
		cc->address_next = cc->address_count;
	}
	ws_context_free(client->context);
	while (client->conns)
		finish(client->conns);
	free(client);
}

struct ws_conn *ws_client_connect(struct ws_client *client, const struct ws_connect *connect)
{
	struct client_conn *cc = calloc(1, sizeof(*cc));

	if (!cc)
		return NULL;
	cc->host = strdup(connect->host);
	cc->path = strdup(connect->protocol ? connect->path : "");
	cc->protocol = strdup(connect->protocol ? connect->protocol : "");
	if (!cc->host || !cc->path || !cc->protocol) {
		free(cc->host);
		free(cc->path);
		free(cc->protocol);
		free(cc);
		return NULL;
	}
	cc->client = client;
	cc->port = connect->port;
	ws_conn_init(&cc->conn, client->context, client->loop);
	cc->conn.raw = !connect->protocol;
	cc->no_tls = cc->conn.raw && connect->no_tls;
	cc->conn.handler = connect->handler;
	cc->conn.arg = connect->arg;
	cc->conn.message_max = connect->message_max;
	cc->conn.lost_s = connect->lost_s;
	cc->conn.queue = connect->queue;
	cc->conn.orphaned = on_orphaned;
	cc->addresses[0].port = connect->port;
	snprintf(cc->dial, sizeof(cc->dial), "%s", connect->host);
	if (connect->http_proxy)
		cc->proxy_invalid = set_proxy(cc, connect->http_proxy) < 0;
	cc->next = client->conns;
	client->conns = cc;
	loop_timer_init(&cc->attempt_timer, client->loop, on_start, cc);
	loop_timer_set(&cc->attempt_timer, loop_now_ns(client->loop));
	return &cc->conn;
}

/* One fact of the certificate, as text or bytes; 0 when there is none. */
static size_t certificate_fact(struct lws *wsi, enum lws_tls_cert_info type, char *out, size_t size)
{
	/* The last member of the union is as long as the caller says. */
	_Alignas(union lws_tls_cert_info_results) char room[2048];
	union lws_tls_cert_info_results *result = (union lws_tls_cert_info_results *)room;

	if (lws_tls_peer_cert_info(lws_get_network_wsi(wsi), type, result,
				   sizeof(room) - sizeof(*result) + sizeof(result->ns.name)) ||
	    result->ns.len <= 0 || (size_t)result->ns.len > size)
		return 0;
	memcpy(out, result->ns.name, (size_t)result->ns.len);
	return (size_t)result->ns.len;
}

int ws_conn_certificate(const struct ws_conn *conn, struct ws_certificate *certificate)
{
	char key[1024];
	size_t len;

	if (!conn->wsi || conn->state != WS_OPEN)
		return -ENOENT;
	len = certificate_fact(conn->wsi, LWS_TLS_CERT_INFO_OPAQUE_PUBLIC_KEY, key, sizeof(key));
	if (!len)
		return -ENOENT;
	hash_blake2s(certificate->key_hash, key, len, NULL, 0);
	len = certificate_fact(conn->wsi, LWS_TLS_CERT_INFO_ISSUER_NAME, certificate->issuer,
			       WS_ISSUER_SIZE - 1);
	certificate->issuer[len] = '\0';
	for (char *c = certificate->issuer; *c; c++) {
		if (!isprint((unsigned char)*c) || *c == '"')
			*c = '?';
	}
	return 0;
}
