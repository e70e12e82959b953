#include "coord/admin.h"

#include <errno.h>
#include <jansson.h>
#include <pwd.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "coord/admin_verbs.h"
#include "coord/sessions.h"
#include "io/loop.h"

#define BACKLOG       16
#define REQUEST_FIRST (64u << 10) /* bytes; more when it is longer */

struct connection {
	struct admin *admin;
	struct loop_watch *watch;
	struct loop_timer timer;
	struct admin_caller caller;
	int fd;
	char *request;
	size_t request_len;
	size_t request_cap;
	char *answer; /* malloc'd; NULL while the request is coming in */
	size_t answer_len;
	size_t answer_sent;
};

struct admin {
	struct loop *loop;
	struct sessions *sessions;
	struct loop_watch *watch;
	int fd;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	struct connection *connections[ADMIN_CONNECTIONS_MAX];
};

static void connection_free(struct connection *connection)
{
	if (!connection)
		return;
	for (size_t i = 0; i < ADMIN_CONNECTIONS_MAX; i++)
		if (connection->admin->connections[i] == connection)
			connection->admin->connections[i] = NULL;
	loop_timer_clear(&connection->timer);
	loop_watch_free(connection->watch);
	close(connection->fd);
	/* Requests and answers carry tokens. */
	if (connection->request)
		sodium_memzero(connection->request, connection->request_cap);
	if (connection->answer)
		sodium_memzero(connection->answer, connection->answer_len);
	free(connection->request);
	free(connection->answer);
	free(connection);
}

static void on_deadline(void *arg, uint64_t now_ns)
{
	(void)now_ns;
	connection_free(arg);
}

static void send_answer(struct connection *connection)
{
	while (connection->answer_sent < connection->answer_len) {
		ssize_t sent = send(connection->fd, connection->answer + connection->answer_sent,
				    connection->answer_len - connection->answer_sent, MSG_NOSIGNAL);

		if (sent < 0 && errno == EAGAIN) {
			if (loop_watch_events(connection->watch, UV_WRITABLE) < 0)
				connection_free(connection);
			return;
		}
		if (sent < 0)
			break;
		connection->answer_sent += (size_t)sent;
	}
	connection_free(connection);
}

static void answer(struct connection *connection)
{
	struct sessions *sessions = connection->admin->sessions;

	connection->answer = admin_verbs_run(sessions, &connection->caller, connection->request,
					     connection->request_len, clock_wall_s());
	if (!connection->answer) {
		connection_free(connection);
		return;
	}
	connection->answer_len = strlen(connection->answer);
	send_answer(connection);
}

/* More room, up to what a request may have. What came so far may be a secret. */
static int make_room(struct connection *connection)
{
	size_t cap = connection->request_cap ? connection->request_cap * 2 : REQUEST_FIRST;
	char *grown;

	if (connection->request_len < connection->request_cap)
		return 0;
	if (cap > ADMIN_REQUEST_MAX)
		cap = ADMIN_REQUEST_MAX;
	grown = malloc(cap);
	if (!grown)
		return -ENOMEM;
	if (connection->request) {
		memcpy(grown, connection->request, connection->request_len);
		sodium_memzero(connection->request, connection->request_cap);
		free(connection->request);
	}
	connection->request = grown;
	connection->request_cap = cap;
	return 0;
}

static void receive(struct connection *connection)
{
	size_t before = connection->request_len;
	ssize_t got = -1;
	char *end;

	errno = ENOMEM;
	if (make_room(connection) == 0)
		got = recv(connection->fd, connection->request + before,
			   connection->request_cap - before, 0);
	if (got < 0 && errno == EAGAIN)
		return;
	if (got <= 0) {
		connection_free(connection);
		return;
	}
	connection->request_len += (size_t)got;
	end = memchr(connection->request + before, '\n', (size_t)got);
	if (end)
		connection->request_len = (size_t)(end - connection->request);
	else if (connection->request_len < ADMIN_REQUEST_MAX)
		return;
	answer(connection);
}

static void on_connection(void *arg, int revents)
{
	struct connection *connection = arg;

	(void)revents;
	if (connection->answer)
		send_answer(connection);
	else
		receive(connection);
}

static bool is_allowed(int fd, struct ucred *peer)
{
	socklen_t len = sizeof(*peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, peer, &len) == 0 &&
	       (peer->uid == 0 || peer->uid == geteuid());
}

void admin_local_caller(struct admin_caller *caller, uid_t uid)
{
	char buffer[1024];
	struct passwd entry;
	struct passwd *found = NULL;

	*caller = (struct admin_caller){ .from = "local", .may_change = true };
	if (getpwuid_r(uid, &entry, buffer, sizeof(buffer), &found) == 0 && found)
		snprintf(caller->who, sizeof(caller->who), "local:%.64s", entry.pw_name);
	else
		snprintf(caller->who, sizeof(caller->who), "local:%u", (unsigned int)uid);
}

/* One line, sent if it fits into the socket's buffer: nobody is waited for. */
static void refuse(int fd, bool full)
{
	static const char too_many[] =
		"{\"error\":\"too many commands at once; try again\",\"code\":1}\n";
	static const char not_allowed[] =
		"{\"error\":\"only root and the server's user may do this; use sudo\",\"code\":6}\n";
	const char *said = full ? too_many : not_allowed;

	log_warn("admin-refused why=%s", full ? "too-many" : "not-allowed");
	send(fd, said, strlen(said), MSG_DONTWAIT | MSG_NOSIGNAL);
	close(fd);
}

static struct connection *connection_new(struct admin *admin, int fd, const struct ucred *peer)
{
	struct connection *connection = calloc(1, sizeof(*connection));

	if (!connection) {
		close(fd);
		return NULL;
	}
	connection->admin = admin;
	connection->fd = fd;
	admin_local_caller(&connection->caller, peer->uid);
	loop_timer_init(&connection->timer, admin->loop, on_deadline, connection);
	if (loop_watch_new(&connection->watch, admin->loop, fd, UV_READABLE, on_connection,
			   connection) < 0) {
		connection_free(connection);
		return NULL;
	}
	loop_timer_set(&connection->timer, loop_now_ns(admin->loop) + ADMIN_DEADLINE_S * NS_PER_S);
	return connection;
}

static void on_listener(void *arg, int revents)
{
	struct admin *admin = arg;
	int fd = accept4(admin->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct ucred peer;
	size_t place = 0;

	(void)revents;
	if (fd < 0)
		return;
	while (place < ADMIN_CONNECTIONS_MAX && admin->connections[place])
		place++;
	if (place == ADMIN_CONNECTIONS_MAX || !is_allowed(fd, &peer)) {
		refuse(fd, place == ADMIN_CONNECTIONS_MAX);
		return;
	}
	admin->connections[place] = connection_new(admin, fd, &peer);
}

/* A socket file that nobody answers on is left over from a crash. */
static int remove_leftover(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int err;

	if (fd < 0)
		return -errno;
	err = connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 ? -EADDRINUSE
										   : 0;
	close(fd);
	if (err == 0)
		unlink(address->sun_path);
	return err;
}

static int open_socket(struct admin *admin)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int err;

	strcpy(address.sun_path, admin->path);
	err = remove_leftover(&address);
	if (err < 0)
		return err;
	admin->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (admin->fd < 0)
		return -errno;
	/* The program's umask is 0077 from its start, so nobody can connect before the chmod. */
	if (bind(admin->fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    chmod(admin->path, 0600) < 0 || listen(admin->fd, BACKLOG) < 0)
		return -errno;
	return loop_watch_new(&admin->watch, admin->loop, admin->fd, UV_READABLE, on_listener,
			      admin);
}

int admin_new(struct admin **out, struct loop *loop, struct sessions *sessions, const char *path)
{
	struct admin *admin;
	int err;

	if (strlen(path) >= sizeof(admin->path))
		return -ENAMETOOLONG;
	admin = calloc(1, sizeof(*admin));
	if (!admin)
		return -ENOMEM;
	admin->loop = loop;
	admin->sessions = sessions;
	admin->fd = -1;
	strcpy(admin->path, path);
	err = open_socket(admin);
	if (err < 0) {
		if (admin->fd >= 0)
			close(admin->fd);
		free(admin);
		return err;
	}
	*out = admin;
	return 0;
}

void admin_free(struct admin *admin)
{
	if (!admin)
		return;
	for (size_t i = 0; i < ADMIN_CONNECTIONS_MAX; i++)
		connection_free(admin->connections[i]);
	loop_watch_free(admin->watch);
	close(admin->fd);
	unlink(admin->path);
	free(admin);
}
