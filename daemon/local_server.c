#include "daemon/local_server.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "daemon/local_connection.h"
#include "io/loop.h"

#define ACCEPT_RETRY_MS 500

struct local_server {
	struct loop *loop;
	struct loop_watch *watch;
	struct loop_timer retry; /* accepting pauses while there are no descriptors */
	struct local_connections connections;
	struct sockaddr_un address;
	dev_t device; /* of the socket we made: only that one is removed */
	ino_t inode;
	int fd;
};

/* Does somebody answer at the address? 0 for nobody, -EADDRINUSE, or another -errno. */
static int probe(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int err = 0;

	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 || errno == EAGAIN)
		err = -EADDRINUSE;
	else if (errno != ECONNREFUSED && errno != ENOENT)
		err = -errno;
	close(fd);
	return err;
}

/* Removes what a daemon that is gone left at the path. */
static int remove_stale(const struct sockaddr_un *address)
{
	struct stat st;
	int err;

	if (lstat(address->sun_path, &st))
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	err = probe(address);
	if (err)
		return err;
	return unlink(address->sun_path) && errno != ENOENT ? -errno : 0;
}

/* One level, readable for all: the socket itself says who may connect. */
static int make_directory(const char *path)
{
	char directory[sizeof(((struct sockaddr_un *)0)->sun_path)];
	char *slash;

	snprintf(directory, sizeof(directory), "%s", path);
	slash = strrchr(directory, '/');
	if (!slash || slash == directory)
		return 0;
	*slash = '\0';
	if (mkdir(directory, 0755) == 0)
		return chmod(directory, 0755) ? -errno : 0;
	return errno == EEXIST ? 0 : -errno;
}

/*
 * Binds under a name of our own and links it into place, so that of two daemons that start at once
 * only one gets the path, and nobody connects before the mode is set.
 */
static int bind_path(struct local_server *server)
{
	struct sockaddr_un temporary = { .sun_family = AF_UNIX };
	struct stat st;
	int err = 0;
	int n = snprintf(temporary.sun_path, sizeof(temporary.sun_path), "%s.%d",
			 server->address.sun_path, (int)getpid());

	if (n < 0 || (size_t)n >= sizeof(temporary.sun_path))
		return -ENAMETOOLONG;
	unlink(temporary.sun_path);
	if (bind(server->fd, (struct sockaddr *)&temporary, sizeof(temporary)))
		return -errno;
	if (chmod(temporary.sun_path, 0660) || listen(server->fd, LOCAL_CONNECTIONS_MAX) ||
	    link(temporary.sun_path, server->address.sun_path) || lstat(temporary.sun_path, &st)) {
		err = errno == EEXIST ? -EADDRINUSE : -errno;
	} else {
		server->device = st.st_dev;
		server->inode = st.st_ino;
	}
	unlink(temporary.sun_path);
	return err;
}

static int listen_at(struct local_server *server, const char *path)
{
	int err;

	if (strlen(path) >= sizeof(server->address.sun_path))
		return -ENAMETOOLONG;
	server->address.sun_family = AF_UNIX;
	snprintf(server->address.sun_path, sizeof(server->address.sun_path), "%s", path);
	server->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (server->fd < 0)
		return -errno;
	err = make_directory(path);
	if (!err)
		err = remove_stale(&server->address);
	if (!err)
		err = bind_path(server);
	return err;
}

static void on_accept(void *arg, int revents)
{
	struct local_server *server = arg;
	int fd;

	(void)revents;
	while ((fd = accept4(server->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0)
		local_connections_add(&server->connections, fd);
	/* The connection keeps waiting and would wake us again and again. */
	if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
		loop_watch_events(server->watch, 0);
		loop_timer_set(&server->retry,
			       loop_now_ns(server->loop) + ACCEPT_RETRY_MS * NS_PER_MS);
	}
}

static void on_retry(void *arg, uint64_t now_ns)
{
	struct local_server *server = arg;

	(void)now_ns;
	loop_watch_events(server->watch, UV_READABLE);
}

int local_server_new(struct local_server **out, struct loop *loop, const char *path,
		     const struct local_verb *verbs, size_t count, void *arg)
{
	struct local_server *server = calloc(1, sizeof(*server));
	struct stat st;
	int err;

	if (!server)
		return -ENOMEM;
	server->fd = -1;
	server->loop = loop;
	loop_timer_init(&server->retry, loop, on_retry, server);
	err = listen_at(server, path);
	if (!err && stat(path, &st))
		err = -errno;
	if (!err)
		err = loop_watch_new(&server->watch, loop, server->fd, UV_READABLE, on_accept,
				     server);
	if (err) {
		local_server_free(server);
		return err;
	}
	server->connections = (struct local_connections){
		.loop = loop,
		.verbs = verbs,
		.verb_count = count,
		.arg = arg,
		.group = st.st_gid,
	};
	*out = server;
	return 0;
}

static void remove_own_socket(const struct local_server *server)
{
	struct stat st;

	if (server->inode && lstat(server->address.sun_path, &st) == 0 &&
	    st.st_dev == server->device && st.st_ino == server->inode)
		unlink(server->address.sun_path);
}

void local_server_free(struct local_server *server)
{
	if (!server)
		return;
	loop_timer_clear(&server->retry);
	loop_watch_free(server->watch);
	local_connections_clear(&server->connections);
	remove_own_socket(server);
	if (server->fd >= 0)
		close(server->fd);
	free(server);
}
