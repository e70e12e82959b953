#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "coord/options.h"

static struct options options;

/* Splits a command line at spaces. stderr is not wanted in the test's output. */
static int parse(const char *line)
{
	static char text[512];
	char *argv[32] = { "warren-coord" };
	char *at = text;
	char *word;
	int argc = 1;
	int saved = dup(2);
	int err;

	snprintf(text, sizeof(text), "%s", line);
	while ((word = strsep(&at, " ")))
		if (*word)
			argv[argc++] = word;
	assert_non_null(freopen("/dev/null", "w", stderr));
	err = coord_options_parse(&options, argc, argv);
	fflush(stderr);
	dup2(saved, 2);
	close(saved);
	return err;
}

static void test_serve(void **state)
{
	char text[ENDPOINT_TEXT_SIZE];

	(void)state;
	assert_int_equal(parse("serve --data /d"), 0);
	assert_int_equal(options.command, COMMAND_SERVE);
	assert_string_equal(options.data, "/d");
	assert_string_equal(endpoint_format(text, &options.listen), "[::]:443");
	assert_string_equal(endpoint_format(text, &options.relay_listen), "[::]:3478");
	assert_int_equal(parse("serve --listen 192.0.2.1:8443 --relay-listen [::1]:99"), 0);
	assert_string_equal(endpoint_format(text, &options.listen), "192.0.2.1:8443");
}

static void write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
}

static void test_configuration_file(void **state)
{
	static const char *const bad[] = {
		"group = a\n",             /* not an option of serve */
		"tls-cert = /c\n",         /* without its key */
		"limit-connections = 1\n", /* out of bounds */
		"limit-nothing = 1\n",
		"no-relay = maybe\n",
		"listen = 1\nlisten = 2\n",
		"trusted-proxy = 10.0.0.1,x\n",
	};
	char path[] = "/tmp/warren-options-XXXXXX";
	char line[96];
	char text[ENDPOINT_TEXT_SIZE];

	(void)state;
	close(mkstemp(path));
	write_file(path, "# the port\nlisten = 192.0.2.1:8443\nno-relay = yes\nno-tls = no\n"
			 "limit-silence = 90\ntrusted-proxy = 10.0.0.0/8,fd00::1/128\n");
	snprintf(line, sizeof(line), "serve --relay-name x --config %s --limit greeting=5", path);
	assert_int_equal(parse(line), 0);
	assert_string_equal(endpoint_format(text, &options.listen), "192.0.2.1:8443");
	assert_true(options.no_relay);
	assert_false(options.no_tls);
	assert_int_equal(options.limits.values[LIMIT_SILENCE_S], 90);
	assert_int_equal(options.limits.values[LIMIT_GREETING_S], 5);
	assert_int_equal(options.limits.values[LIMIT_CONNECTIONS],
			 limit_infos[LIMIT_CONNECTIONS].normal);
	assert_int_equal(options.trusted_proxy_count, 2);
	/* The command line wins, wherever the file is named. */
	snprintf(line, sizeof(line), "serve --listen [::1]:1 --config %s", path);
	assert_int_equal(parse(line), 0);
	assert_string_equal(endpoint_format(text, &options.listen), "[::1]:1");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		write_file(path, bad[i]);
		snprintf(line, sizeof(line), "serve --config %s", path);
		assert_int_equal(parse(line), -EINVAL);
	}
	unlink(path);
	assert_int_equal(parse(line), -EINVAL);
}

static void test_key_create(void **state)
{
	(void)state;
	assert_int_equal(parse("key create --data /d"), 0);
	assert_int_equal(options.expires_s, 24 * 3600);
	assert_false(options.reusable);
	assert_int_equal(options.groups.count, 0);
	assert_int_equal(parse("key create --reusable --ephemeral --expires 7d --group a --group "
			       "group:b --tag tag:db --name x"),
			 0);
	assert_true(options.reusable && options.ephemeral);
	assert_int_equal(options.expires_s, 7 * 86400);
	assert_string_equal(options.groups.names[1], "b");
	assert_string_equal(options.tags.names[0], "db");
}

static void test_init(void **state)
{
	(void)state;
	assert_int_equal(parse("init --public example.net --public [2001:db8::1]:8443"), 0);
	assert_int_equal(options.public_count, 2);
	assert_int_equal(options.public[0].port, 443);
	assert_string_equal(options.public[1].host, "2001:db8::1");
	assert_int_equal(parse("init"), -EINVAL);
	assert_int_equal(parse("init --public a --pool4 fd00::/8"), -EINVAL);
	assert_int_equal(parse("init --public a --pool4 10.0.0.1/8"), -EINVAL);
}

static void test_usage_errors(void **state)
{
	static const char *const lines[] = {
		"",
		"frob",
		"key",
		"key frob",
		"key revoke",
		"key revoke a b",
		"node rename a",
		"serve extra",
		"serve --reusable",
		"serve --listen x",
		"serve --frob",
		"serve --data",
		"key create --expires 0",
		"key create --expires 1y",
		"key create --expires -1h",
		"key create --expires 99999999999d",
		"key create --group a:b",
		"relay add fra 192.0.2.1:3478",
		"relay add fra 192.0.2.1:3478 --turn",
		"relay remove fra --turn",
		"relay add fra 192.0.2.1:3478 --secret-file f --tls-port 0",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		if (parse(lines[i]) != -EINVAL)
			fail_msg("accepted: %s", lines[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_serve),        cmocka_unit_test(test_configuration_file),
		cmocka_unit_test(test_key_create),   cmocka_unit_test(test_init),
		cmocka_unit_test(test_usage_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
