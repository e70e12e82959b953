#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "kernel-iface/resolver_file.h"

static void test_reads_what_people_write(void **unused)
{
	struct resolver_text text;
	char address[ADDR_TEXT_SIZE];

	(void)unused;
	resolver_text_parse(&text,
			    "# by hand\n; too\nnameserver  192.0.2.1\t\nnameserver nonsense\n"
			    "domain one.example two.example\nsearch a.example b.example \n"
			    "nameserver 2001:db8::1\noptions edns0 timeout:2\n"
			    "nameserver fe80::1%lo\nnameserver 192.0.2.4\noptions rotate\n"
			    "sortlist 10.0.0.0\nnameserver");
	assert_int_equal(text.server_count, 3);
	assert_string_equal(addr_format(address, &text.servers[1].addr), "2001:db8::1");
	assert_int_equal(text.servers[2].scope_id, 1);
	assert_int_equal(text.servers[0].port, 53);
	assert_string_equal(text.search, "a.example b.example");
	assert_string_equal(text.options, "edns0 timeout:2 rotate");
	assert_false(text.ours);
	/* With nothing said the C library asks this machine. */
	resolver_text_parse(&text, "");
	assert_int_equal(text.server_count, 1);
	assert_string_equal(addr_format(address, &text.servers[0].addr), "127.0.0.1");
}

static void test_ours_keeps_what_was_searched(void **unused)
{
	struct resolver_text original, ours;
	struct ip_addr server;
	char *text;

	(void)unused;
	addr_parse(&server, "100.64.0.1");
	resolver_text_parse(&original, "nameserver 192.0.2.1\nsearch a.example\noptions rotate\n");
	text = resolver_text_make(&original, &server, 1, "acme.internal");
	assert_non_null(text);
	resolver_text_parse(&ours, text);
	assert_true(ours.ours);
	assert_int_equal(ours.server_count, 1);
	assert_true(addr_equal(&ours.servers[0].addr, &server));
	assert_string_equal(ours.search, "acme.internal a.example");
	assert_string_equal(ours.options, "rotate");
	free(text);
}

static void test_endless_lines_are_left_out(void **unused)
{
	struct resolver_text text;
	char *long_text = malloc(70000);

	(void)unused;
	memset(long_text, 'a', 69999);
	memcpy(long_text, "search ", 7);
	strcpy(long_text + 69970, "\nnameserver 192.0.2.1\n");
	resolver_text_parse(&text, long_text);
	assert_int_equal(text.server_count, 1);
	assert_string_equal(text.search, "");
	free(long_text);
}

static void test_links_and_watches(void **unused)
{
	char folder[] = "/tmp/test_resolver_file.XXXXXX", path[64], target[64], link[64];
	struct resolver_watch *watch;
	struct stat st;
	char *text;

	(void)unused;
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/resolv.conf", folder);
	snprintf(target, sizeof(target), "%s/target", folder);
	assert_int_equal(resolver_file_read(path, &text), 0);
	assert_string_equal(text, "");
	free(text);
	assert_int_equal(resolver_watch_new(&watch, path), 0);
	assert_int_equal(resolver_file_write(target, "nameserver 192.0.2.1\n"), 0);
	assert_false(resolver_watch_read(watch));
	assert_int_equal(symlink("target", path), 0);
	assert_true(resolver_watch_read(watch));
	resolver_watch_renew(watch, target);
	assert_int_equal(resolver_file_read(path, &text), 0);
	assert_string_equal(text, "nameserver 192.0.2.1\n");
	free(text);

	/* In place of the link, whose target stays as it is and is watched further. */
	assert_int_equal(resolver_file_write(path, RESOLVER_MARK " x\n"), 0);
	assert_int_equal(lstat(path, &st), 0);
	assert_true(S_ISREG(st.st_mode));
	assert_int_equal(st.st_mode & 0777, 0644);
	resolver_watch_renew(watch, target);
	while (resolver_watch_read(watch))
		;
	assert_int_equal(resolver_file_read(target, &text), 0);
	assert_string_equal(text, "nameserver 192.0.2.1\n");
	free(text);
	assert_int_equal(resolver_file_write(target, "other\n"), 0);
	assert_true(resolver_watch_read(watch));
	snprintf(link, sizeof(link), "%s/unrelated", folder);
	assert_int_equal(resolver_file_write(link, "other\n"), 0);
	assert_false(resolver_watch_read(watch));
	resolver_watch_free(watch);
	unlink(path);
	unlink(target);
	unlink(link);
	rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reads_what_people_write),
		cmocka_unit_test(test_ours_keeps_what_was_searched),
		cmocka_unit_test(test_endless_lines_are_left_out),
		cmocka_unit_test(test_links_and_watches),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
