#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "daemon/leftovers.h"
#include "daemon/record.h"
#include "kernel-iface/sysctl.h"
#include "tests/support/netns.h"

#define FORWARD "net/ipv4/ip_forward"

static char dir[] = "/tmp/warren-leftovers-XXXXXX";
static char file[64], record[64];

static void write_text(const char *path, const char *text)
{
	assert_int_equal(file_write_atomic(path, text, strlen(text), 0644), 0);
}

static void assert_text(const char *path, const char *text)
{
	uint8_t *data;
	size_t len;

	assert_int_equal(file_read(path, 4096, &data, &len), 0);
	assert_string_equal((const char *)data, text);
	free(data);
}

static void assert_sysctl(const char *name, const char *value)
{
	char is[SYSCTL_VALUE_SIZE];

	assert_int_equal(sysctl_get(name, is), 0);
	assert_string_equal(is, value);
}

/* All kinds at once, as a daemon would make them. */
static void make_a_mess(struct leftovers *leftovers)
{
	static const struct leftover_rule rule = { AF_INET, 5220, 12345, 0x5752 };

	assert_int_equal(leftovers_note_sysctl(leftovers, FORWARD, "1"), 0);
	assert_int_equal(sysctl_set(FORWARD, "1"), 0);
	assert_int_equal(leftovers_note_file(leftovers, file, "# warren"), 0);
	write_text(file, "nameserver 100.64.0.1\n# warren wrote this\n");
	assert_int_equal(leftovers_note_rule(leftovers, &rule), 0);
	netns_run("ip rule add pref 5220 fwmark 0x5752 table 12345 protocol 87");
	assert_int_equal(leftovers_note_chain(leftovers, "ip filter DOCKER-USER", "warren0"), 0);
	netns_run("nft add rule ip filter DOCKER-USER iifname warren0 accept comment warren0");
}

static void assert_clean(const char *content)
{
	assert_sysctl(FORWARD, "0");
	assert_text(file, content);
	assert_false(netns_shows("ip rule", "5220"));
	assert_false(netns_shows("nft list ruleset", "warren0"));
	assert_true(netns_shows("nft list ruleset", "somebody else"));
	assert_int_equal(access(record, F_OK), -1);
}

static int set_up(void **state)
{
	(void)state;
	assert_int_equal(sysctl_set(FORWARD, "0"), 0);
	write_text(file, "nameserver 192.0.2.53\n");
	netns_run(
		"nft add table ip filter; nft add chain ip filter DOCKER-USER; "
		"nft add rule ip filter DOCKER-USER tcp dport 7 drop comment '\"somebody else\"'");
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	netns_run("nft flush ruleset");
	return 0;
}

static void a_clean_stop_puts_everything_back(void **state)
{
	struct leftovers *leftovers;

	(void)state;
	assert_int_equal(leftovers_open(&leftovers, dir), 0);
	make_a_mess(leftovers);
	assert_true(netns_shows("nft list ruleset", "warren0"));
	leftovers_close(leftovers);
	assert_clean("nameserver 192.0.2.53\n");
}

/* A daemon that makes a mess and then waits; its process id. */
static pid_t start_daemon(void)
{
	int ready[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct leftovers *leftovers;

		if (leftovers_open(&leftovers, dir) < 0)
			_exit(1);
		make_a_mess(leftovers);
		close(ready[0]);
		if (write(ready[1], "", 1) == 1)
			pause();
		_exit(0);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return pid;
}

static void kill_daemon(pid_t pid)
{
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void a_killed_daemon_has_a_caretaker(void **state)
{
	int tries;

	(void)state;
	kill_daemon(start_daemon());
	for (tries = 0; tries < 500 && access(record, F_OK) == 0; tries++)
		usleep(10000);
	assert_clean("nameserver 192.0.2.53\n");
}

/* Who killed the caretaker too has --cleanup, and the next start. */
static void what_is_written_down_is_undone_later(void **state)
{
	struct leftovers *leftovers;
	char command[64];
	pid_t pid;
	int i;

	(void)state;
	for (i = 0; i < 2; i++) {
		set_up(NULL);
		pid = start_daemon();
		snprintf(command, sizeof(command), "pkill -KILL -P %d", (int)pid);
		netns_run("%s", command);
		kill_daemon(pid);
		assert_sysctl(FORWARD, "1");
		if (i == 0) {
			assert_int_equal(leftovers_cleanup(dir), 0);
			assert_int_equal(leftovers_cleanup(dir), 0); /* and again */
		} else {
			assert_int_equal(leftovers_open(&leftovers, dir), 0);
			leftovers_close(leftovers);
		}
		assert_clean("nameserver 192.0.2.53\n");
		tear_down(NULL);
	}
	set_up(NULL);
}

static void what_others_changed_meanwhile_is_theirs(void **state)
{
	struct leftovers *leftovers;

	(void)state;
	assert_int_equal(leftovers_open(&leftovers, dir), 0);
	make_a_mess(leftovers);
	write_text(file, "nameserver 198.51.100.1\n");
	leftovers_close(leftovers);
	assert_clean("nameserver 198.51.100.1\n");

	/* It was on already: then it stays on. */
	assert_int_equal(sysctl_set(FORWARD, "1"), 0);
	assert_int_equal(leftovers_open(&leftovers, dir), 0);
	assert_int_equal(leftovers_note_sysctl(leftovers, FORWARD, "1"), 0);
	leftovers_close(leftovers);
	assert_sysctl(FORWARD, "1");
	assert_int_equal(sysctl_set(FORWARD, "0"), 0);
}

static void a_link_becomes_a_link_again(void **state)
{
	struct leftovers *leftovers;
	char target[64], link[64];
	char *original;

	(void)state;
	snprintf(target, sizeof(target), "%s/target", dir);
	write_text(target, "nameserver 127.0.0.53\n");
	unlink(file);
	assert_int_equal(symlink("target", file), 0);
	assert_int_equal(leftovers_open(&leftovers, dir), 0);
	assert_null(leftovers_original(leftovers, file));
	assert_int_equal(leftovers_note_file(leftovers, file, "# warren"), 0);
	original = leftovers_original(leftovers, file);
	assert_string_equal(original, "nameserver 127.0.0.53\n");
	free(original);
	unlink(file);
	write_text(file, "# warren\n");
	/* Ours is no original. */
	assert_int_equal(leftovers_note_file(leftovers, file, "# warren"), 0);
	assert_int_equal(leftovers_undo_file(leftovers, file), 0);
	memset(link, 0, sizeof(link));
	assert_int_equal(readlink(file, link, sizeof(link) - 1), 6);
	assert_string_equal(link, "target");
	leftovers_close(leftovers);
	unlink(file);

	/* No file before: none after. */
	assert_int_equal(leftovers_open(&leftovers, dir), 0);
	assert_int_equal(leftovers_note_file(leftovers, file, "# warren"), 0);
	write_text(file, "# warren\n");
	leftovers_close(leftovers);
	assert_int_equal(access(file, F_OK), -1);
}

static void what_cannot_be_written_down_is_refused(void **state)
{
	struct leftovers *leftovers;
	char gone[] = "/tmp/warren-leftgone-XXXXXX";

	(void)state;
	assert_non_null(mkdtemp(gone));
	assert_int_equal(leftovers_open(&leftovers, gone), 0);
	assert_int_equal(rmdir(gone), 0);
	assert_true(leftovers_note_sysctl(leftovers, FORWARD, "1") < 0);
	assert_int_equal(leftovers_note_sysctl(leftovers, "net/no_such_switch", "1"), -ENOENT);
	leftovers_close(leftovers);
	assert_int_equal(leftovers_cleanup(gone), -ENOENT);
}

static void a_damaged_record_undoes_nothing(void **state)
{
	struct leftovers *leftovers;
	static const char odd[] =
		"{\"run\":1,\"entries\":[{\"kind\":\"sysctl\",\"key\":\"../x\",\"was\":\"1\","
		"\"ours\":\"0\"},{\"kind\":\"rule\",\"key\":\"x\"},{\"kind\":\"new\",\"key\":\"\"},"
		"{\"kind\":\"file\",\"key\":\"/nowhere\"},{\"kind\":\"chain\",\"key\":\"a\"},7]}";

	(void)state;
	write_text(record, "not one");
	assert_int_equal(chmod(record, 0600), 0);
	assert_int_equal(leftovers_cleanup(dir), -EBADMSG);
	assert_int_equal(leftovers_open(&leftovers, dir), 0); /* it starts all the same */
	leftovers_close(leftovers);
	assert_int_equal(record_write(record, "leftover", odd, strlen(odd)), 0);
	leftovers_cleanup(dir);
	unlink(record);
}

static int enter(void **state)
{
	(void)state;
	netns_enter();
	assert_non_null(mkdtemp(dir));
	snprintf(file, sizeof(file), "%s/resolv.conf", dir);
	snprintf(record, sizeof(record), "%s/leftovers", dir);
	return 0;
}

static int leave(void **state)
{
	(void)state;
	netns_run("rm -rf %s", dir);
	return 0;
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(a_clean_stop_puts_everything_back),
		TEST(a_killed_daemon_has_a_caretaker),
		TEST(what_is_written_down_is_undone_later),
		TEST(what_others_changed_meanwhile_is_theirs),
		TEST(a_link_becomes_a_link_again),
		TEST(what_cannot_be_written_down_is_refused),
		TEST(a_damaged_record_undoes_nothing),
	};

	return cmocka_run_group_tests(tests, enter, leave);
}
