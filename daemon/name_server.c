#include "daemon/name_server.h"

#include <errno.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "io/loop.h"

#define LENGTH_SIZE    2 /* before a message over TCP (RFC 1035, 4.2.2) */
#define BACKLOG        32
#define READS_A_TURN   32
#define LOOPBACK_INDEX 1 /* in every network namespace */

struct connection;

struct name_client {
	TAILQ_ENTRY(name_client) entry;
	struct name_server *server;
	struct connection *connection; /* NULL: UDP */
	int fd;                        /* of the listener, over UDP */
	struct endpoint from;
	void *data;
};

struct connection {
	TAILQ_ENTRY(connection) entry;
	struct name_server *server;
	int fd;
	struct endpoint from;
	struct loop_watch *watch;
	struct loop_timer timer;
	struct name_client *client; /* waits for an answer: nothing is read meanwhile */
	size_t received;
	uint8_t in[LENGTH_SIZE + NAME_SERVER_QUERY_MAX];
	uint8_t *out; /* an answer that is being sent */
	size_t out_len;
	size_t sent;
};

struct listener {
	struct name_server *server;
	struct loop_watch *watch; /* NULL: none */
	int fd;
};

struct place {
	struct ip_addr address;
	uint32_t also;
	struct listener udp;
	struct listener tcp;
};

struct name_server {
	struct loop *loop;
	const struct name_server_ops *ops;
	void *arg;
	struct place places[NAME_SERVER_ADDRESSES_MAX];
	TAILQ_HEAD(, name_client) clients;
	size_t client_count;
	TAILQ_HEAD(, connection) connections; /* the one that was idle for longest first */
	size_t connection_count;
	uint8_t datagram[NAME_SERVER_QUERY_MAX];
};

/* --- who waits --- */

static struct name_client *client_new(struct name_server *server, const struct endpoint *from)
{
	struct name_client *client;

	if (server->client_count == NAME_SERVER_CLIENTS_MAX)
		return NULL;
	client = calloc(1, sizeof(*client));
	if (!client)
		return NULL;
	client->server = server;
	client->from = *from;
	client->fd = -1;
	TAILQ_INSERT_TAIL(&server->clients, client, entry);
	server->client_count++;
	return client;
}

static void client_free(struct name_client *client)
{
	TAILQ_REMOVE(&client->server->clients, client, entry);
	client->server->client_count--;
	free(client);
}

static void client_gone(struct name_client *client)
{
	client->server->ops->gone(client->server->arg, client);
	client_free(client);
}

const struct endpoint *name_client_from(const struct name_client *client)
{
	return &client->from;
}

bool name_client_is_udp(const struct name_client *client)
{
	return !client->connection;
}

void name_client_set(struct name_client *client, void *data)
{
	client->data = data;
}

void *name_client_get(const struct name_client *client)
{
	return client->data;
}

/* --- connections --- */

static void connection_free(struct connection *connection)
{
	struct name_server *server = connection->server;

	if (connection->client)
		client_gone(connection->client);
	loop_timer_clear(&connection->timer);
	loop_watch_free(connection->watch);
	close(connection->fd);
	free(connection->out);
	TAILQ_REMOVE(&server->connections, connection, entry);
	server->connection_count--;
	free(connection);
}

/* It did something: it is the last that would be given up for another. */
static void connection_used(struct connection *connection)
{
	struct name_server *server = connection->server;

	TAILQ_REMOVE(&server->connections, connection, entry);
	TAILQ_INSERT_TAIL(&server->connections, connection, entry);
	loop_timer_set(&connection->timer,
		       loop_now_ns(server->loop) + NAME_SERVER_IDLE_S * NS_PER_S);
}

static void on_idle(void *arg, uint64_t now_ns)
{
	(void)now_ns;
	connection_free(arg);
}

/* 0, or -errno when the connection is of no use any more. */
static int write_some(struct connection *connection)
{
	ssize_t n = send(connection->fd, connection->out + connection->sent,
			 connection->out_len - connection->sent, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	connection->sent += (size_t)n;
	if (connection->sent == connection->out_len) {
		free(connection->out);
		connection->out = NULL;
	}
	return loop_watch_events(connection->watch, connection->out ? UV_WRITABLE : UV_READABLE);
}

static size_t expected(const struct connection *connection)
{
	if (connection->received < LENGTH_SIZE)
		return LENGTH_SIZE;
	return LENGTH_SIZE + ((size_t)connection->in[0] << 8 | connection->in[1]);
}

/* A whole query is there. 0, or -errno. */
static int ask(struct connection *connection)
{
	struct name_server *server = connection->server;
	struct name_client *client = client_new(server, &connection->from);
	size_t len = connection->received - LENGTH_SIZE;
	int err;

	if (!client)
		return -ENOSPC;
	client->connection = connection;
	connection->client = client;
	connection->received = 0;
	/* Others of the same connection wait until this one has its answer. */
	err = loop_watch_events(connection->watch, 0);
	if (err == 0)
		server->ops->query(server->arg, client, connection->in + LENGTH_SIZE, len);
	return err;
}

/* 0, or -errno when the connection has ended or is of no use. */
static int read_some(struct connection *connection)
{
	size_t want = expected(connection);
	ssize_t n;

	if (want > sizeof(connection->in))
		return -EMSGSIZE;
	n = recv(connection->fd, connection->in + connection->received, want - connection->received,
		 MSG_DONTWAIT);
	if (n == 0)
		return -ECONNRESET;
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	connection->received += (size_t)n;
	want = expected(connection);
	if (want == LENGTH_SIZE && connection->received == LENGTH_SIZE)
		return -EBADMSG;
	return connection->received == want ? ask(connection) : 0;
}

static void on_connection(void *arg, int revents)
{
	struct connection *connection = arg;
	int err = 0;

	connection_used(connection);
	if (revents & UV_WRITABLE && connection->out)
		err = write_some(connection);
	else if (revents & UV_READABLE && !connection->client)
		err = read_some(connection);
	if (err < 0)
		connection_free(connection);
}

/* Makes room: whoever has many gives up the one that was idle for longest, else everybody does. */
static void close_one_too_many(struct name_server *server, const struct ip_addr *from)
{
	struct connection *oldest = NULL, *connection;
	size_t count = 0;

	TAILQ_FOREACH(connection, &server->connections, entry)
	{
		if (!addr_equal(&connection->from.addr, from))
			continue;
		oldest = oldest ? oldest : connection;
		count++;
	}
	if (count > NAME_SERVER_FROM_ONE_MAX)
		connection_free(oldest);
	else if (server->connection_count > NAME_SERVER_CONNECTIONS_MAX)
		connection_free(TAILQ_FIRST(&server->connections));
}

static void connection_new(struct name_server *server, int fd, const struct endpoint *from)
{
	struct connection *connection = calloc(1, sizeof(*connection));

	if (!connection) {
		close(fd);
		return;
	}
	connection->server = server;
	connection->fd = fd;
	connection->from = *from;
	loop_timer_init(&connection->timer, server->loop, on_idle, connection);
	TAILQ_INSERT_TAIL(&server->connections, connection, entry);
	server->connection_count++;
	if (loop_watch_new(&connection->watch, server->loop, fd, UV_READABLE, on_connection,
			   connection) < 0) {
		connection_free(connection);
		return;
	}
	connection_used(connection);
	close_one_too_many(server, &from->addr);
}

/* --- answers --- */

static void answer_stream(struct connection *connection, const uint8_t *data, size_t len)
{
	uint8_t *out = len ? malloc(LENGTH_SIZE + len) : NULL;

	if (!out) {
		connection_free(connection);
		return;
	}
	out[0] = (uint8_t)(len >> 8);
	out[1] = (uint8_t)len;
	memcpy(out + LENGTH_SIZE, data, len);
	connection->out = out;
	connection->out_len = LENGTH_SIZE + len;
	connection->sent = 0;
	connection_used(connection);
	/* By the loop, so that a connection never ends below who is reading from it. */
	if (loop_watch_events(connection->watch, UV_WRITABLE) < 0)
		loop_timer_set(&connection->timer, 0);
}

void name_server_answer(struct name_client *client, const uint8_t *data, size_t len)
{
	struct connection *connection = client->connection;
	struct sockaddr_storage ss;
	socklen_t ss_len = endpoint_to_sockaddr(&ss, &client->from);

	if (!connection && client->fd >= 0 && len)
		(void)!sendto(client->fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL,
			      (struct sockaddr *)&ss, ss_len);
	client_free(client);
	if (!connection)
		return;
	connection->client = NULL;
	answer_stream(connection, data, len);
}

/* --- sockets --- */

/* 0 when nothing waits. */
static bool read_datagram(struct listener *listener)
{
	struct name_server *server = listener->server;
	struct sockaddr_storage ss;
	socklen_t ss_len = sizeof(ss);
	struct name_client *client;
	struct endpoint from;
	ssize_t len = recvfrom(listener->fd, server->datagram, sizeof(server->datagram),
			       MSG_DONTWAIT | MSG_TRUNC, (struct sockaddr *)&ss, &ss_len);

	if (len < 0)
		return false;
	if ((size_t)len > sizeof(server->datagram) ||
	    endpoint_from_sockaddr(&from, (struct sockaddr *)&ss) < 0)
		return true;
	client = client_new(server, &from);
	if (!client)
		return true; /* it asks again */
	client->fd = listener->fd;
	server->ops->query(server->arg, client, server->datagram, (size_t)len);
	return true;
}

static void on_datagrams(void *arg, int revents)
{
	int left = READS_A_TURN;

	(void)revents;
	while (left-- && read_datagram(arg))
		;
}

static void on_connections(void *arg, int revents)
{
	struct listener *listener = arg;
	struct sockaddr_storage ss;
	socklen_t ss_len = sizeof(ss);
	struct endpoint from;
	int fd = accept4(listener->fd, (struct sockaddr *)&ss, &ss_len,
			 SOCK_NONBLOCK | SOCK_CLOEXEC);

	(void)revents;
	if (fd < 0)
		return;
	if (endpoint_from_sockaddr(&from, (struct sockaddr *)&ss) < 0)
		close(fd);
	else
		connection_new(listener->server, fd, &from);
}

/*
 * What was sent by this machine to itself comes by the loopback device, whatever the addresses.
 * The kernel drops the rest before anybody sees it, so that from outside the port looks dead.
 */
static int set_filter(int fd, uint32_t also)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_IFINDEX)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, LOOPBACK_INDEX, 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, also ? also : LOOPBACK_INDEX, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_fprog program = { .len = sizeof(code) / sizeof(*code), .filter = code };

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) < 0 ? -errno
											   : 0;
}

static int open_socket(const struct ip_addr *address, int kind, uint32_t also)
{
	const struct endpoint at = { .addr = *address, .port = NAME_SERVER_PORT };
	struct sockaddr_storage ss;
	socklen_t len = endpoint_to_sockaddr(&ss, &at);
	int fd = socket(ss.ss_family, kind | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	const int one = 1;
	int err = 0;

	if (fd < 0)
		return -errno;
	/* The address may be gone for a moment, and the last run's connections still be known. */
	setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &one, sizeof(one));
	if (ss.ss_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_FREEBIND, &one, sizeof(one));
	if (kind == SOCK_STREAM)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	err = set_filter(fd, also);
	if (err == 0 && bind(fd, (struct sockaddr *)&ss, len) < 0)
		err = -errno;
	if (err == 0 && kind == SOCK_STREAM && listen(fd, BACKLOG) < 0)
		err = -errno;
	if (err < 0)
		close(fd);
	return err < 0 ? err : fd;
}

static void listener_close(struct listener *listener)
{
	if (!listener->watch)
		return;
	loop_watch_free(listener->watch);
	close(listener->fd);
	listener->watch = NULL;
}

static int listener_open(struct listener *listener, struct name_server *server,
			 const struct ip_addr *address, int kind, uint32_t also)
{
	int fd = open_socket(address, kind, also);
	int err;

	if (fd < 0)
		return fd;
	err = loop_watch_new(&listener->watch, server->loop, fd, UV_READABLE,
			     kind == SOCK_STREAM ? on_connections : on_datagrams, listener);
	if (err < 0) {
		close(fd);
		return err;
	}
	listener->server = server;
	listener->fd = fd;
	return 0;
}

static void forget_datagram_clients(struct name_server *server, int fd)
{
	struct name_client *client, *next;

	for (client = TAILQ_FIRST(&server->clients); client; client = next) {
		next = TAILQ_NEXT(client, entry);
		if (!client->connection && client->fd == fd)
			client_gone(client);
	}
}

static void place_close(struct name_server *server, struct place *place)
{
	if (place->udp.watch)
		forget_datagram_clients(server, place->udp.fd);
	listener_close(&place->udp);
	listener_close(&place->tcp);
	place->address = (struct ip_addr){ 0 };
}

static int place_open(struct name_server *server, struct place *place,
		      const struct ip_addr *address, uint32_t also)
{
	int err = listener_open(&place->udp, server, address, SOCK_DGRAM, also);

	if (err == 0)
		err = listener_open(&place->tcp, server, address, SOCK_STREAM, also);
	if (err < 0) {
		place_close(server, place);
		return err;
	}
	place->address = *address;
	place->also = also;
	return 0;
}

int name_server_listen(struct name_server *server, const struct ip_addr *addresses, size_t count,
		       uint32_t also)
{
	int err = 0;

	for (size_t i = 0; i < NAME_SERVER_ADDRESSES_MAX; i++) {
		struct place *place = &server->places[i];
		bool wanted = i < count;
		int err_here = 0;

		if (place->address.family && wanted && place->also == also &&
		    addr_equal(&place->address, &addresses[i]))
			continue;
		place_close(server, place);
		if (wanted)
			err_here = place_open(server, place, &addresses[i], also);
		err = err ? err : err_here;
	}
	return err;
}

bool name_server_is_private(const struct name_server *server)
{
	for (size_t i = 0; i < NAME_SERVER_ADDRESSES_MAX; i++) {
		if (server->places[i].address.family && server->places[i].also)
			return false;
	}
	return true;
}

/* --- life --- */

int name_server_new(struct name_server **out, struct loop *loop, const struct name_server_ops *ops,
		    void *arg)
{
	struct name_server *server = calloc(1, sizeof(*server));

	if (!server)
		return -ENOMEM;
	server->loop = loop;
	server->ops = ops;
	server->arg = arg;
	TAILQ_INIT(&server->clients);
	TAILQ_INIT(&server->connections);
	*out = server;
	return 0;
}

void name_server_free(struct name_server *server)
{
	if (!server)
		return;
	name_server_listen(server, NULL, 0, 0);
	while (!TAILQ_EMPTY(&server->connections))
		connection_free(TAILQ_FIRST(&server->connections));
	free(server);
}
