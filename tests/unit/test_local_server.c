/* cmocka.h needs these before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "daemon/local_connection.h"
#include "daemon/local_server.h"
#include "io/loop.h"

/*
 * The server runs here; clients are children that end with 0 when they saw what they should. The
 * loop ends with the child.
 */
#define TEST_GROUP 54321
#define TEST_USER  54322

static char directory[] = "/tmp/warren-local-XXXXXX";
static char path[64];
static struct loop *loop;
static struct local_server *server;
static struct local_request *held; /* by the verb "later" */
static struct loop_timer later;
static bool stop_when_held;
static unsigned int cancelled;

static void do_echo(void *arg, struct local_request *request)
{
	assert_ptr_equal(arg, &later);
	local_reply_line(request, json_pack("{s:i}", "n", 1));
	local_reply_line(request, json_pack("{s:i}", "n", 2));
	local_reply_end(request, json_pack("{s:b}", "fine", 1));
}

static void do_fail(void *arg, struct local_request *request)
{
	(void)arg;
	local_reply_error(request, LOCAL_LOGIN, "no %s: do this", "token");
}

static void on_cancel(void *arg)
{
	assert_ptr_equal(arg, &held);
	held = NULL;
	cancelled++;
	loop_timer_clear(&later);
}

static void on_later(void *arg, uint64_t now_ns)
{
	(void)arg;
	(void)now_ns;
	local_reply_line(held, NULL);
}

static void do_later(void *arg, struct local_request *request)
{
	(void)arg;
	held = request;
	local_request_on_cancel(request, on_cancel, &held);
	loop_timer_set(&later, loop_now_ns(loop) + 20 * NS_PER_MS);
	if (stop_when_held)
		loop_stop(loop);
}

static void do_flood(void *arg, struct local_request *request)
{
	char *text = malloc(4 * 1024 * 1024 + 1);

	(void)arg;
	memset(text, 'x', 4 * 1024 * 1024);
	text[4 * 1024 * 1024] = '\0';
	local_reply_end(request, json_pack("{s:s}", "text", text));
	free(text);
}

static const struct local_verb verbs[] = {
	{ "echo", false, do_echo },   { "fail", false, do_fail },   { "admin", true, do_echo },
	{ "later", false, do_later }, { "flood", false, do_flood },
};
#define VERBS verbs, sizeof(verbs) / sizeof(verbs[0])

static void on_child(void *arg, int signum)
{
	(void)arg;
	(void)signum;
	loop_stop(loop);
}

static int setup(void **state)
{
	(void)state;
	strcpy(directory + strlen(directory) - 6, "XXXXXX");
	if (!mkdtemp(directory))
		return -1;
	/* The socket's group is that of its directory. */
	if (geteuid() == 0 && (chown(directory, 0, TEST_GROUP) || chmod(directory, 02755)))
		return -1;
	snprintf(path, sizeof(path), "%s/s", directory);
	if (loop_new(&loop) || loop_signal(loop, SIGCHLD, on_child, NULL))
		return -1;
	memset(&later, 0, sizeof(later));
	loop_timer_init(&later, loop, on_later, NULL);
	held = NULL;
	cancelled = 0;
	return local_server_new(&server, loop, path, VERBS, &later);
}

static int teardown(void **state)
{
	(void)state;
	local_server_free(server);
	server = NULL;
	loop_timer_clear(&later);
	loop_free(loop);
	unlink(path);
	return rmdir(directory);
}

static int client_connect(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address))) {
		close(fd);
		return -errno;
	}
	return fd;
}

/* Everything until the server closes, within 10 s; the length, or -1. */
static ssize_t client_read(int fd, char *out, size_t size)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	size_t len = 0;
	ssize_t n;

	while (len + 1 < size) {
		if (poll(&pfd, 1, 10000) != 1)
			return -1;
		n = recv(fd, out + len, size - len - 1, 0);
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	out[len] = '\0';
	return (ssize_t)len;
}

/* 0 when the answer to what is sent begins as it should. */
static int client_ask(const char *text, const char *expected)
{
	char answer[4096];
	int fd = client_connect();

	if (fd < 0)
		return 10;
	/* May fail when the server has refused and closed already; its answer waits even so. */
	(void)!send(fd, text, strlen(text), MSG_NOSIGNAL);
	if (client_read(fd, answer, sizeof(answer)) < 0)
		return 12;
	close(fd);
	if (strncmp(answer, expected, strlen(expected)) == 0)
		return 0;
	fprintf(stderr, "wanted %s got %s\n", expected, answer);
	return 13;
}

static void become(uid_t uid, gid_t gid)
{
	if (geteuid() != 0)
		return;
	if (setgroups(1, &gid) || setgid(gid) || setuid(uid))
		_exit(20);
}

/* Runs the client beside the loop and wants it to end with 0. */
static void run_client(int (*client)(void))
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(client());
	loop_run(loop);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static int client_verbs(void)
{
	int bad = client_ask("{\"verb\":\"echo\"}\n", "{\"progress\":{\"n\":1}}\n"
						      "{\"progress\":{\"n\":2}}\n"
						      "{\"ok\":true,\"fine\":true}\n");

	if (!bad)
		bad = client_ask("{\"verb\":\"fail\"}\n",
				 "{\"ok\":false,\"code\":4,\"error\":\"no token: do this\"}\n");
	if (!bad)
		bad = client_ask("{\"verb\":\"what\"}\n", "{\"ok\":false,\"code\":2,");
	if (!bad)
		bad = client_ask("hello\n", "{\"ok\":false,\"code\":2,");
	if (!bad)
		bad = client_ask("\n", "{\"ok\":false,\"code\":2,");
	if (!bad)
		bad = client_ask("{\"verb\":\"echo\"}\n{\"verb\":\"echo\"}\n",
				 "{\"ok\":false,\"code\":2,");
	return bad ? bad : client_ask("{\"verb\":\"admin\"}\n", "{\"progress\"");
}

static void test_verbs(void **state)
{
	(void)state;
	run_client(client_verbs);
}

static int client_in_pieces(void)
{
	static const char text[] = "{\"verb\":\"echo\"}\n";
	char answer[256];
	int fd = client_connect();
	size_t i;

	for (i = 0; i + 1 < sizeof(text); i++) {
		if (send(fd, text + i, 1, 0) != 1)
			return 1;
		usleep(1000);
	}
	return client_read(fd, answer, sizeof(answer)) > 0 && strstr(answer, "\"ok\":true") ? 0 : 2;
}

static void test_in_pieces(void **state)
{
	(void)state;
	run_client(client_in_pieces);
}

static int client_too_large(void)
{
	static char text[LOCAL_API_REQUEST_MAX + 1];
	char answer[256];
	int fd = client_connect();

	memset(text, 'x', sizeof(text));
	(void)!send(fd, text, LOCAL_API_REQUEST_MAX, MSG_NOSIGNAL);
	return client_read(fd, answer, sizeof(answer)) > 0 && strstr(answer, "\"code\":2") ? 0 : 1;
}

static void test_too_large(void **state)
{
	(void)state;
	run_client(client_too_large);
}

static int client_too_slow(void)
{
	uint64_t start_ns = clock_now_ns();
	int bad = client_ask("{", "{\"ok\":false,\"code\":5,");
	uint64_t took_ns = clock_now_ns() - start_ns;

	return bad ? bad : took_ns < LOCAL_REQUEST_LIMIT_S * NS_PER_S - 100 * NS_PER_MS;
}

static void test_too_slow(void **state)
{
	(void)state;
	run_client(client_too_slow);
}

static int client_goes_away(void)
{
	int fd = client_connect();

	if (send(fd, "{\"verb\":\"later\"}\n", 17, 0) != 17)
		return 1;
	/* Once the handler holds it, a moment later. */
	usleep(10000);
	close(fd);
	usleep(50000);
	return 0;
}

static void test_cancel(void **state)
{
	(void)state;
	run_client(client_goes_away);
	assert_int_equal(cancelled, 1);
	assert_null(held);
}

static void test_free_cancels(void **state)
{
	(void)state;
	test_cancel(state);
	cancelled = 0;
	/* One that is held when the server ends. */
	if (fork() == 0) {
		int fd = client_connect();
		char byte;

		(void)!send(fd, "{\"verb\":\"later\"}\n", 17, 0);
		while (recv(fd, &byte, 1, 0) > 0)
			;
		_exit(0);
	}
	stop_when_held = true;
	loop_run(loop);
	stop_when_held = false;
	assert_non_null(held);
	local_server_free(server);
	server = NULL;
	assert_int_equal(cancelled, 1);
	loop_run(loop); /* until the child, whose connection is gone, has ended */
	wait(NULL);
	assert_int_equal(access(path, F_OK), -1);
}

static int client_many(void)
{
	int fds[LOCAL_CONNECTIONS_MAX];
	size_t i;

	for (i = 0; i < LOCAL_CONNECTIONS_MAX; i++) {
		fds[i] = client_connect();
		if (fds[i] < 0)
			return 1;
	}
	usleep(50000);
	if (client_ask("", "{\"ok\":false,\"code\":1,"))
		return 2;
	close(fds[7]);
	usleep(50000);
	return client_ask("{\"verb\":\"echo\"}\n", "{\"progress\"");
}

static void test_many_connections(void **state)
{
	(void)state;
	run_client(client_many);
}

static struct rlimit usual_limit;

static void restore_limit(void *arg, uint64_t now_ns)
{
	(void)arg;
	(void)now_ns;
	setrlimit(RLIMIT_NOFILE, &usual_limit);
}

static int client_echo(void)
{
	setrlimit(RLIMIT_NOFILE, &usual_limit);
	return client_ask("{\"verb\":\"echo\"}\n", "{\"progress\"");
}

/* While no descriptor is to be had, clients wait; the loop does not spin over them. */
static void test_out_of_descriptors(void **state)
{
	struct loop_timer timer = { 0 };
	struct rlimit limit;
	struct timespec before;
	struct timespec after;
	int next = dup(0);

	(void)state;
	close(next);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &usual_limit), 0);
	limit = usual_limit;
	limit.rlim_cur = (rlim_t)next;
	loop_timer_init(&timer, loop, restore_limit, NULL);
	loop_timer_set(&timer, clock_now_ns() + 300 * NS_PER_MS);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
	run_client(client_echo);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
	assert_true((after.tv_sec - before.tv_sec) * 1000 +
			    (after.tv_nsec - before.tv_nsec) / 1000000 <
		    150);
}

static int client_flood(void)
{
	char *answer = malloc(5 * 1024 * 1024);
	int fd = client_connect();
	ssize_t len;

	if (send(fd, "{\"verb\":\"flood\"}\n", 17, 0) != 17)
		return 1;
	usleep(20000);
	len = client_read(fd, answer, 5 * 1024 * 1024);
	return len > 4 * 1024 * 1024 && answer[len - 1] == '\n' ? 0 : 2;
}

static void test_large_answer(void **state)
{
	(void)state;
	run_client(client_flood);
}

static void test_path_and_mode(void **state)
{
	struct local_server *second = NULL;
	struct stat st;

	(void)state;
	assert_int_equal(lstat(path, &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(st.st_mode & 0777, 0660);
	/* A live daemon's socket is not taken. */
	assert_int_equal(local_server_new(&second, loop, path, VERBS, NULL), -EADDRINUSE);
	assert_null(second);
	assert_int_equal(lstat(path, &st), 0);
}

static void test_stale_socket_is_replaced(void **state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)state;
	local_server_free(server);
	server = NULL;
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 1), 0);
	close(fd); /* as after kill -9 */
	assert_int_equal(local_server_new(&server, loop, path, VERBS, &later), 0);
	run_client(client_in_pieces);
}

static void test_other_files_are_left_alone(void **state)
{
	struct local_server *second = NULL;
	char other[sizeof(path) + 8];
	char name[300];
	int fd;

	(void)state;
	snprintf(other, sizeof(other), "%s/file", directory);
	fd = open(other, O_CREAT | O_WRONLY, 0600);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(local_server_new(&second, loop, other, VERBS, NULL), -EEXIST);
	assert_int_equal(access(other, F_OK), 0);
	assert_int_equal(unlink(other), 0);
	memset(name, 'a', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(local_server_new(&second, loop, name, VERBS, NULL), -ENAMETOOLONG);
}

static void test_directory_is_made(void **state)
{
	struct local_server *second = NULL;
	char sub[sizeof(path) + 8];
	struct stat st;

	(void)state;
	snprintf(sub, sizeof(sub), "%s/run/s", directory);
	assert_int_equal(local_server_new(&second, loop, sub, VERBS, NULL), 0);
	local_server_free(second);
	*strrchr(sub, '/') = '\0';
	assert_int_equal(stat(sub, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0755);
	assert_int_equal(rmdir(sub), 0);
}

static void test_access_matrix(void **state)
{
	const gid_t groups[] = { 7, 900 };

	(void)state;
	assert_int_equal(local_access_of(0, 5, NULL, 0, 100, 900), LOCAL_ACCESS_ALL);
	assert_int_equal(local_access_of(100, 5, NULL, 0, 100, 900), LOCAL_ACCESS_ALL);
	assert_int_equal(local_access_of(1000, 900, NULL, 0, 100, 900), LOCAL_ACCESS_READ);
	assert_int_equal(local_access_of(1000, 5, groups, 2, 100, 900), LOCAL_ACCESS_READ);
	assert_int_equal(local_access_of(1000, 5, groups, 1, 100, 900), LOCAL_ACCESS_NONE);
	assert_int_equal(local_access_of(65534, 65534, NULL, 0, 100, 900), LOCAL_ACCESS_NONE);
}

static int client_of_group(void)
{
	int bad;

	become(TEST_USER, TEST_GROUP);
	bad = client_ask("{\"verb\":\"echo\"}\n", "{\"progress\"");
	return bad ? bad : client_ask("{\"verb\":\"admin\"}\n", "{\"ok\":false,\"code\":6,");
}

static int client_nobody(void)
{
	become(65534, 65534);
	return client_connect() == -EACCES ? 0 : 1;
}

static int client_nobody_let_through(void)
{
	become(65534, 65534);
	return client_ask("", "{\"ok\":false,\"code\":6,");
}

static void test_users(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	run_client(client_of_group);
	run_client(client_nobody);
	/* Even when somebody loosened the mode. */
	assert_int_equal(chmod(path, 0666), 0);
	run_client(client_nobody_let_through);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_verbs),
		TEST(test_in_pieces),
		TEST(test_too_large),
		TEST(test_too_slow),
		TEST(test_cancel),
		TEST(test_free_cancels),
		TEST(test_many_connections),
		TEST(test_out_of_descriptors),
		TEST(test_large_answer),
		TEST(test_path_and_mode),
		TEST(test_stale_socket_is_replaced),
		TEST(test_other_files_are_left_alone),
		TEST(test_directory_is_made),
		TEST(test_access_matrix),
		TEST(test_users),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
