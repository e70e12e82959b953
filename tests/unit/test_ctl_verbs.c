/* cmocka.h needs these before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/addr.h"
#include "ctl/client.h"
#include "ctl/verbs.h"
#include "daemon/local_server.h"
#include "io/loop.h"

/*
 * The verbs against a daemon whose answers are scripted: a child runs the real socket server, the
 * verbs run here with their output in files.
 */
static char directory[] = "/tmp/warren-verbs-XXXXXX";
static char path[64];
static pid_t daemon_pid;
static char output[65536];
static char errors[4096];
static struct client client;

static const char *const states[] = { "stopped", "needs-login", "needs-approval", "connecting",
				      "connected" };

/* The state is set through the daemon's own set-path, to have no other channel. */
static const char *state_now = "connected";
static const char *coordinator_now = "ok";

static void do_status(void *arg, struct local_request *request)
{
	(void)arg;
	local_reply_end(request,
			json_pack("{s:{s:i, s:s, s:{s:s}, s:{s:s, s:[s]}, s:[{s:s, s:[s], s:s}]}}",
				  "status", "schema", 1, "state", state_now, "coordinator", "state",
				  coordinator_now, "self", "name", "me", "addresses", "100.64.0.1",
				  "peers", "name", "db\033", "addresses", "100.64.0.2", "path",
				  "idle"));
}

static void do_set_path(void *arg, struct local_request *request)
{
	struct local_set_path set;
	size_t i;

	(void)arg;
	assert_int_equal(local_set_path_decode(&set, local_request_body(request)), 0);
	for (i = 0; i < 5; i++) {
		if (strcmp(states[i], set.name) == 0)
			state_now = states[i];
	}
	coordinator_now = strcmp(set.path, "relay") == 0 ? "unreachable" : "ok";
	local_reply_end(request, NULL);
}

static void pong(struct local_request *request, const char *via)
{
	local_reply_line(request, json_pack("{s:i, s:s, s:s, s:s, s:s, s:s, s:f}", "seq", 1, "from",
					    "db1", "address", "100.64.0.2", "via", via, "endpoint",
					    "192.0.2.1:7", "relay", "fra", "latency_ms", 9.1));
}

static void do_ping(void *arg, struct local_request *request)
{
	struct local_ping ping;

	(void)arg;
	assert_int_equal(local_ping_decode(&ping, local_request_body(request)), 0);
	if (strcmp(ping.name, "silent") == 0)
		return; /* answers never */
	if (strcmp(ping.name, "lost") == 0)
		local_reply_line(request, json_pack("{s:i, s:b}", "seq", 1, "lost", 1));
	if (strcmp(ping.name, "near") == 0 || strcmp(ping.name, "far") == 0)
		pong(request, "relay");
	if (strcmp(ping.name, "near") == 0)
		pong(request, "direct");
	if (strcmp(ping.name, "nobody") == 0)
		local_reply_error(request, LOCAL_FAILURE, "no node is called nobody: look\033");
	else if (strcmp(ping.name, "stopped") == 0)
		local_reply_error(request, LOCAL_TIMEOUT, "this node is not connected");
	else
		local_reply_end(request, NULL);
}

static void do_up(void *arg, struct local_request *request)
{
	struct local_up up;

	(void)arg;
	assert_int_equal(local_up_decode(&up, local_request_body(request)), 0);
	local_reply_line(request, json_pack("{s:s, s:s}", "stage", "enrol", "text", "enrolled"));
	if (!up.token)
		return; /* still trying */
	if (strcmp(up.token, "warren1-good") != 0)
		local_reply_error(request, LOCAL_DENIED, "the token was used: ask for another");
	else
		local_reply_end(request, json_pack("{s:s, s:s, s:[s]}", "name",
						   up.hostname ? up.hostname : "me", "network",
						   "acme", "addresses", "100.64.0.1"));
}

static void do_down(void *arg, struct local_request *request)
{
	(void)arg;
	local_reply_end(request, NULL);
}

static void do_get(void *arg, struct local_request *request)
{
	(void)arg;
	local_reply_end(request, json_pack("{s:{s:s, s:s}}", "settings", "hostname", "me",
					   "path.db1", "relay"));
}

/* Everything is at 127.0.0.1, but for who may not be reached and who is not there. */
static void do_resolve(void *arg, struct local_request *request)
{
	const char *name;
	struct ip_addr addr;
	bool is_address;

	(void)arg;
	assert_int_equal(local_resolve_decode(&name, local_request_body(request)), 0);
	is_address = addr_parse(&addr, name) == 0;
	if (strcmp(name, "nobody") == 0)
		local_reply_error(request, LOCAL_FAILURE, "no node and no record is called nobody");
	else if (strcmp(name, "stopped") == 0)
		local_reply_error(request, LOCAL_TIMEOUT, "this node is not connected");
	else
		local_reply_end(request,
				json_pack("{s:[s], s:s?, s:s?, s:b, s:b}", "addresses",
					  is_address ? name : "127.0.0.1", "node",
					  is_address || strcmp(name, "wiki") == 0 ? NULL : name,
					  "name", is_address ? "wiki.acme.internal" : NULL, "self",
					  strcmp(name, "me") == 0, "allowed",
					  strcmp(name, "shut") != 0));
}

static json_t *route(const char *prefix, const char *real, const char *node, bool used)
{
	return json_pack("{s:s, s:s?, s:s, s:b, s:b, s:b, s:i, s:b, s:b, s:b, s:s?}", "prefix",
			 prefix, "real", real, "node", node, "own", 0, "exit", 0, "conflict", 0,
			 "weight", 100, "offered", 1, "approved", 1, "used", used, "why",
			 used ? NULL : "standby");
}

static void do_routes(void *arg, struct local_request *request)
{
	(void)arg;
	local_reply_end(request, json_pack("{s:{s:i, s:[o, o, o]}}", "routes", "schema", 1,
					   "routes", route("10.20.0.0/16", NULL, "gw", true),
					   route("10.20.0.0/16", NULL, "gw2", false),
					   route("10.77.1.0/24", "192.168.1.0/24", "site", true)));
}

/* Dies while it owes an answer. */
static void do_die(void *arg, struct local_request *request)
{
	(void)arg;
	(void)request;
	_exit(0);
}

static const struct local_verb daemon_verbs[] = {
	{ "status", false, do_status }, { "set-path", true, do_set_path },
	{ "ping", false, do_ping },     { "up", true, do_up },
	{ "down", true, do_down },      { "get", false, do_get },
	{ "logout", true, do_die },     { "resolve", false, do_resolve },
	{ "routes", false, do_routes },
};

static void run_daemon(void)
{
	struct local_server *server;
	struct loop *loop;

	if (loop_new(&loop) ||
	    local_server_new(&server, loop, path, daemon_verbs,
			     sizeof(daemon_verbs) / sizeof(daemon_verbs[0]), NULL))
		_exit(1);
	alarm(60);
	loop_run(loop);
	_exit(0);
}

static int setup(void **state)
{
	int i;

	(void)state;
	strcpy(directory + strlen(directory) - 6, "XXXXXX");
	if (!mkdtemp(directory))
		return -1;
	snprintf(path, sizeof(path), "%s/s", directory);
	client = (struct client){ .socket = path };
	daemon_pid = fork();
	if (daemon_pid == 0)
		run_daemon();
	for (i = 0; i < 200 && !client_probe(&client); i++)
		usleep(10000);
	return client_probe(&client) ? 0 : -1;
}

static int teardown(void **state)
{
	char command[128];

	(void)state;
	kill(daemon_pid, SIGKILL);
	waitpid(daemon_pid, NULL, 0);
	snprintf(command, sizeof(command), "%s/token", directory);
	unlink(command);
	snprintf(command, sizeof(command), "%s/out", directory);
	unlink(command);
	snprintf(command, sizeof(command), "%s/err", directory);
	unlink(command);
	unlink(path);
	return rmdir(directory);
}

static int redirect(int fd, const char *name)
{
	char file[128];
	int saved = dup(fd);
	int to;

	snprintf(file, sizeof(file), "%s/%s", directory, name);
	to = open(file, O_RDWR | O_CREAT | O_TRUNC, 0600);
	assert_true(to >= 0 && saved >= 0);
	dup2(to, fd);
	close(to);
	return saved;
}

static void restore(int fd, int saved, char *text, size_t size)
{
	ssize_t n;

	fflush(NULL);
	lseek(fd, 0, SEEK_SET);
	n = read(fd, text, size - 1);
	text[n > 0 ? n : 0] = '\0';
	dup2(saved, fd);
	close(saved);
}

#define ARGS_MAX 8

/* Runs a verb given as one line; output and errors are kept. */
static int run(int (*verb)(const struct client *, int, char **), const char *line)
{
	char copy[512];
	char *argv[ARGS_MAX + 1] = { 0 };
	int argc = 0;
	int saved_out;
	int saved_err;
	int code;
	char *word;

	snprintf(copy, sizeof(copy), "%s", line);
	for (word = strtok(copy, " "); word && argc < ARGS_MAX; word = strtok(NULL, " "))
		argv[argc++] = word;
	fflush(NULL);
	saved_out = redirect(STDOUT_FILENO, "out");
	saved_err = redirect(STDERR_FILENO, "err");
	code = verb(&client, argc, argv);
	restore(STDOUT_FILENO, saved_out, output, sizeof(output));
	restore(STDERR_FILENO, saved_err, errors, sizeof(errors));
	return code;
}

/* Exactly one line, which names the program. */
static void assert_one_error(const char *part)
{
	assert_int_equal(strncmp(errors, "warren: ", 8), 0);
	assert_ptr_equal(strchr(errors, '\n'), errors + strlen(errors) - 1);
	assert_non_null(strstr(errors, part));
	assert_null(strchr(errors, '\033'));
}

static void test_status(void **state)
{
	(void)state;
	assert_int_equal(run(verb_status, "status"), 0);
	assert_non_null(strstr(output, "\ndb?   100.64.0.2  -      idle  -"));
	assert_string_equal(errors, "");
	assert_int_equal(run(verb_status, "status --json"), 0);
	assert_int_equal(strncmp(output, "{\"schema\":1,", 12), 0);
	assert_null(strchr(output, '\033'));
}

static void test_check_levels(void **state)
{
	/* Rows: states; columns: live, ready, connected. */
	static const int codes[5][3] = {
		{ 0, 5, 5 }, { 0, 4, 4 }, { 0, 4, 4 }, { 0, 0, 5 }, { 0, 0, 0 },
	};
	static const char *const levels[] = { "live", "ready", "connected" };
	char line[64];
	int i;
	int j;

	(void)state;
	for (i = 0; i < 5; i++) {
		snprintf(line, sizeof(line), "set path %s auto", states[i]);
		assert_int_equal(run(verb_set, line), 0);
		for (j = 0; j < 3; j++) {
			snprintf(line, sizeof(line), "status --check %s", levels[j]);
			assert_int_equal(run(verb_status, line), codes[i][j]);
			assert_string_equal(output, "");
			if (codes[i][j])
				assert_one_error(": ");
			snprintf(line, sizeof(line), "wait %s --timeout 20ms", levels[j]);
			assert_int_equal(run(verb_wait, line), codes[i][j]);
		}
	}
	assert_int_equal(run(verb_status, "status --check fine"), 2);
	/* From the map of before, while nobody answers. */
	assert_int_equal(run(verb_set, "set path connected relay"), 0);
	assert_int_equal(run(verb_status, "status --check ready"), 0);
	assert_int_equal(run(verb_status, "status --check connected"), 5);
	assert_one_error("coordinator does not answer");
	assert_int_equal(run(verb_wait, "wait connected --timeout 20ms"), 5);
	assert_int_equal(run(verb_set, "set path connected auto"), 0);
}

static void test_ping(void **state)
{
	(void)state;
	assert_int_equal(run(verb_ping, "ping near"), 0);
	assert_string_equal(output, "pong from db1 (100.64.0.2) via relay fra in 9.1ms\n"
				    "pong from db1 (100.64.0.2) via direct 192.0.2.1:7 in 9.1ms\n");
	assert_int_equal(run(verb_ping, "ping --until-direct near"), 0);
	assert_int_equal(run(verb_ping, "ping far"), 0);
	assert_int_equal(run(verb_ping, "ping far --until-direct"), 5);
	assert_one_error("by relay only");
	assert_int_equal(run(verb_ping, "ping lost -c 1"), 5);
	assert_string_equal(output, "no reply from lost\n");
	assert_one_error("lost does not answer");
	assert_int_equal(run(verb_ping, "ping silent --timeout 50ms"), 5);
	assert_int_equal(run(verb_ping, "ping nobody"), 1);
	assert_one_error("no node is called nobody: look?");
}

static void write_token(const char *text, mode_t mode)
{
	char file[128];
	int fd;

	snprintf(file, sizeof(file), "%s/token", directory);
	unlink(file);
	fd = open(file, O_WRONLY | O_CREAT, 0600);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static int run_up(const char *options)
{
	char line[256];

	snprintf(line, sizeof(line), "up --token-file %s/token %s", directory, options);
	return run(verb_up, line);
}

static void test_up_token_file(void **state)
{
	(void)state;
	write_token(" warren1-good\n", 0600);
	assert_int_equal(run_up("--hostname nas"), 0);
	assert_string_equal(output, "connected to acme as nas, 100.64.0.1\n");
	assert_string_equal(errors, "");
	write_token("warren1-used\n", 0600);
	assert_int_equal(run_up(""), 6);
	assert_one_error("the token was used: ask for another");
	write_token("warren1-good\n", 0644);
	assert_int_equal(run_up(""), 2);
	assert_one_error("chmod 600");
	write_token("\n", 0600);
	assert_int_equal(run_up(""), 2);
	assert_one_error("there is no token in it");
	write_token("two words", 0600);
	assert_int_equal(run_up(""), 2);
	assert_int_equal(run(verb_up, "up --token-file /nonexistent/token"), 2);
	assert_one_error("No such file");
	assert_int_equal(run_up("warren1-good"), 2);
	assert_one_error("give one of them");
}

static void test_up_argument_and_stdin(void **state)
{
	int saved = dup(STDIN_FILENO);
	char file[128];
	int fd;

	(void)state;
	assert_int_equal(run(verb_up, "up warren1-good"), 0);
	assert_non_null(strstr(errors, "warning: a token on the command line"));
	assert_null(strstr(errors, "warren1-good"));
	write_token("warren1-good\n", 0600);
	snprintf(file, sizeof(file), "%s/token", directory);
	fd = open(file, O_RDONLY);
	dup2(fd, STDIN_FILENO);
	assert_int_equal(run(verb_up, "up -"), 0);
	assert_string_equal(errors, "");
	dup2(saved, STDIN_FILENO);
	close(fd);
	close(saved);
}

static void test_up_timeout(void **state)
{
	(void)state;
	client.terminal = true;
	assert_int_equal(run(verb_up, "up --timeout 100ms"), 5);
	assert_string_equal(output, "  enrolled\n");
	assert_one_error("not connected within");
	client.terminal = false;
	assert_int_equal(run(verb_up, "up --timeout 100ms"), 5);
	assert_string_equal(output, "");
}

static void test_nodes_and_settings(void **state)
{
	(void)state;
	assert_int_equal(run(verb_ip, "ip"), 0);
	assert_string_equal(output, "100.64.0.1\n");
	assert_int_equal(run(verb_ip, "ip me"), 0);
	assert_int_equal(run(verb_ip, "ip nobody"), 1);
	assert_int_equal(run(verb_whois, "whois 100.64.0.2"), 0);
	assert_non_null(strstr(output, "name       db?\n"));
	assert_int_equal(run(verb_whois, "whois 100.64.0.3"), 1);
	assert_one_error("no node that this one may see has 100.64.0.3, and no router");
	assert_int_equal(run(verb_ip, "ip wiki"), 0);
	assert_string_equal(output, "127.0.0.1\n");
	assert_int_equal(run(verb_get, "get"), 0);
	assert_string_equal(output, "hostname = me\npath.db1 = relay\n");
	assert_int_equal(run(verb_get, "get path.db1"), 0);
	assert_string_equal(output, "relay\n");
	assert_int_equal(run(verb_get, "get x"), 1);
	assert_int_equal(run(verb_set, "set path db1 fast"), 2);
	assert_int_equal(run(verb_set, "set speed 1"), 2);
	assert_int_equal(run(verb_down, "down"), 0);
}

/* The daemon's own "not connected" is all that is said, and no daemon's silence. */
static void test_a_stopped_node(void **state)
{
	(void)state;
	assert_int_equal(run(verb_ping, "ping stopped"), 5);
	assert_one_error("not connected");
	assert_int_equal(run(verb_whois, "whois stopped"), 5);
	assert_one_error("not connected");
	assert_int_equal(run(verb_ip, "ip stopped"), 5);
	assert_one_error("not connected");
	assert_int_equal(run(verb_speed, "speed stopped"), 5);
	assert_one_error("not connected");
	assert_int_equal(run(verb_nc, "nc stopped 22"), 5);
	assert_one_error("not connected");
}

static void test_whois_behind_routers(void **state)
{
	(void)state;
	assert_int_equal(run(verb_whois, "whois 10.20.3.4"), 0);
	assert_string_equal(output, "name       wiki.acme.internal\n"
				    "address    10.20.3.4\n"
				    "network    10.20.0.0/16\n"
				    "routers    gw, used\n"
				    "           gw2, not used: standby\n");
	/* One of a mapped network, by either of its addresses. */
	assert_int_equal(run(verb_whois, "whois 10.77.1.9"), 0);
	assert_non_null(strstr(output, "address    10.77.1.9\nthere      192.168.1.9\n"));
	assert_int_equal(run(verb_whois, "whois 192.168.1.9"), 0);
	assert_non_null(strstr(output, "address    10.77.1.9\nthere      192.168.1.9\n"));
	assert_int_equal(run(verb_whois, "whois nobody"), 1);
	assert_one_error("no node and no record is called nobody");
}

static void test_routes_verb(void **state)
{
	(void)state;
	assert_int_equal(run(verb_routes, "routes"), 0);
	assert_non_null(strstr(output, "\n10.77.1.0/24 = 192.168.1.0/24  site    100 "));
	assert_int_equal(run(verb_routes, "routes --json"), 0);
	assert_non_null(strstr(output, "\"schema\":1"));
	assert_int_equal(run(verb_routes, "routes gw"), 2);
	assert_one_error("too many arguments");
	assert_int_equal(run(verb_routes, "routes --all"), 2);
}

/* --- nc --- */

static int listen_somewhere(char port[static 8])
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	socklen_t len = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, len) | listen(fd, 1), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
	snprintf(port, 8, "%u", ntohs(at.sin_port));
	return fd;
}

/* In a program of its own, since it closes its output: what is said there, and the exit code. */
static int run_nc(const char *host, const char *port, int *in, int *out)
{
	char *argv[] = { "nc", (char *)(uintptr_t)host, (char *)(uintptr_t)port, "-w", "2s", NULL };
	int to[2], from[2];
	pid_t pid;

	assert_int_equal(pipe(to) | pipe(from), 0);
	pid = fork();
	if (pid == 0) {
		dup2(to[0], STDIN_FILENO);
		dup2(from[1], STDOUT_FILENO);
		close(to[1]);
		close(from[0]);
		_exit(verb_nc(&client, 5, argv));
	}
	close(to[0]);
	close(from[1]);
	*in = to[1];
	*out = from[0];
	return pid;
}

static void test_nc(void **state)
{
	char port[8], text[16];
	int listener = listen_somewhere(port), in, out, peer, status;
	pid_t pid = run_nc("wiki", port, &in, &out);

	(void)state;
	assert_int_equal(write(in, "question", 8), 8);
	close(in);
	peer = accept(listener, NULL, NULL);
	assert_int_equal(recv(peer, text, sizeof(text), MSG_WAITALL), 8);
	assert_memory_equal(text, "question", 8);
	assert_int_equal(write(peer, "answer", 6), 6);
	close(peer);
	assert_int_equal(read(out, text, sizeof(text)), 6);
	assert_memory_equal(text, "answer", 6);
	assert_int_equal(read(out, text, sizeof(text)), 0);
	waitpid(pid, &status, 0);
	assert_int_equal(WEXITSTATUS(status), 0);
	close(out);
	close(listener);
}

static void test_nc_refusals(void **state)
{
	char port[8], line[64];
	int listener = listen_somewhere(port);

	(void)state;
	snprintf(line, sizeof(line), "nc shut %s", port);
	assert_int_equal(run(verb_nc, line), 6);
	assert_one_error("shut: the network's policy lets this node start nothing there");
	close(listener);
	snprintf(line, sizeof(line), "nc wiki %s", port);
	assert_int_equal(run(verb_nc, line), 5);
	assert_one_error("nothing listens on port");
	assert_int_equal(run(verb_nc, "nc nobody 22"), 1);
	assert_one_error("no node and no record");
	assert_int_equal(run(verb_nc, "nc wiki"), 2);
	assert_int_equal(run(verb_nc, "nc wiki 22 23"), 2);
	assert_int_equal(run(verb_nc, "nc wiki 0"), 2);
	assert_int_equal(run(verb_nc, "nc wiki 65536"), 2);
	assert_int_equal(run(verb_nc, "nc wiki +22"), 2);
	assert_int_equal(run(verb_nc, "nc wiki ssh"), 2);
	assert_one_error("ssh is not a port: 1 to 65535");
	assert_int_equal(run(verb_nc, "nc wiki 22 -w x"), 2);
	assert_int_equal(run(verb_speed, "speed"), 2);
	assert_int_equal(run(verb_speed, "speed db1 --time 1h"), 2);
	assert_one_error("--time is from 1s to 10s");
	assert_int_equal(run(verb_speed, "speed me"), 1);
	assert_one_error("me is this node");
	assert_int_equal(run(verb_speed, "speed wiki"), 1);
	assert_one_error("wiki is no node of this network");
}

/* What the daemon cannot give (here netcheck) is null, and the rest is there. */
static void test_bugreport(void **state)
{
	json_t *bug;

	(void)state;
	assert_int_equal(run(verb_bugreport, "bugreport"), 0);
	bug = json_loads(output, 0, NULL);
	assert_int_equal(json_integer_value(json_object_get(bug, "schema")), 1);
	assert_true(json_is_object(json_object_get(bug, "status")));
	assert_true(json_is_object(json_object_get(bug, "get")));
	assert_true(json_is_null(json_object_get(bug, "netcheck")));
	json_decref(bug);
}

static void test_usage(void **state)
{
	(void)state;
	assert_int_equal(run(verb_ping, "ping"), 2);
	assert_one_error("an argument is missing");
	assert_int_equal(run(verb_ping, "ping a b"), 2);
	assert_int_equal(run(verb_ping, "ping a -c 0"), 2);
	assert_int_equal(run(verb_ping, "ping a -c"), 2);
	assert_one_error("needs a value");
	assert_int_equal(run(verb_ping, "ping a -cx"), 2);
	assert_int_equal(run(verb_ping, "ping a --until-direct=1"), 2);
	assert_int_equal(run(verb_ping, "ping a --timeout=soon"), 2);
	assert_int_equal(run(verb_ping, "ping --what a"), 2);
	assert_one_error("unknown option --what");
	assert_int_equal(run(verb_ping, "ping -c2 --timeout=1s -- near"), 0);
}

static void test_bad_daemons(void **state)
{
	struct client other = client;

	(void)state;
	assert_int_equal(run(verb_netcheck, "netcheck"), 2);
	assert_one_error("the daemon does not know netcheck");
	assert_int_equal(run(verb_logout, "logout"), 3);
	assert_one_error("the daemon ended while answering");
	assert_int_equal(run(verb_status, "status"), 3);
	client.socket = "/nonexistent/warren.sock";
	assert_int_equal(run(verb_status, "status"), 3);
	assert_one_error("No such file");
	assert_int_equal(run(verb_version, "version"), 0);
	assert_string_equal(output, "warren " WARREN_VERSION "\nwarrend is not reachable\n");
	client = other;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_status),
		TEST(test_check_levels),
		TEST(test_ping),
		TEST(test_up_token_file),
		TEST(test_up_argument_and_stdin),
		TEST(test_up_timeout),
		TEST(test_nodes_and_settings),
		TEST(test_bugreport),
		TEST(test_a_stopped_node),
		TEST(test_whois_behind_routers),
		TEST(test_routes_verb),
		TEST(test_nc),
		TEST(test_nc_refusals),
		TEST(test_usage),
		TEST(test_bad_daemons),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
