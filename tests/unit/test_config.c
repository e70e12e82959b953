/* cmocka.h needs these before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/config.h"

static int parse(struct daemon_config *config, const char *text, struct config_error *error)
{
	daemon_config_init(config);
	memset(error, 0, sizeof(*error));
	return daemon_config_parse(config, text, strlen(text), error);
}

static void test_defaults(void **state)
{
	struct daemon_config config;
	struct config_error error;

	(void)state;
	assert_int_equal(parse(&config, "", &error), 0);
	assert_string_equal(config.state, "/var/lib/warren");
	assert_string_equal(config.socket, "/run/warren/warren.sock");
	assert_string_equal(config.tun, "warren0");
	assert_int_equal(config.port, 0);
	assert_int_equal(config.workers, 0);
	assert_true(config.tun_offload && config.udp_gso && config.udp_gro);
	assert_string_equal(config.cipher, "");
	assert_int_equal(config.log_level, LOG_LEVEL_INFO);
}

static void test_every_key(void **state)
{
	struct daemon_config config;
	struct config_error error;

	(void)state;
	assert_int_equal(parse(&config,
			       "# a comment\n"
			       "; another\n"
			       "\n"
			       "state = /srv/w\n"
			       "socket=/run/w/s\r\n"
			       "tun = w-1\n"
			       "port = 65535\n"
			       "workers = 64\n"
			       "fwmark = 0xffffffff\n"
			       "tun-offload = no\n"
			       "udp-gso = off\n"
			       "udp-gro = false\n"
			       "cipher = sodium ; why\n"
			       "log-level = debug",
			       &error),
			 0);
	assert_string_equal(config.state, "/srv/w");
	assert_string_equal(config.socket, "/run/w/s");
	assert_string_equal(config.tun, "w-1");
	assert_int_equal(config.port, 65535);
	assert_int_equal(config.workers, 64);
	assert_int_equal(config.fwmark, UINT32_MAX);
	assert_false(config.tun_offload || config.udp_gso || config.udp_gro);
	assert_string_equal(config.cipher, "sodium");
	assert_int_equal(config.log_level, LOG_LEVEL_DEBUG);
}

static void test_errors_name_the_line(void **state)
{
	static const struct {
		const char *text;
		unsigned int line;
		const char *why;
	} cases[] = {
		{ "prot = 1", 1, "prot: unknown key" },
		{ "port = 1\n\nport = 2\n", 3, "port: given twice" },
		{ "port = 65536", 1, "port: must be a number from 0 to 65535" },
		{ "port = 1x", 1, "port: must" },
		{ "port = -1", 1, "port: must" },
		{ "port =", 1, "port: must" },
		{ "port = 99999999999999999999999", 1, "port: must" },
		{ "#\nworkers = 65", 2, "workers: must be a number from 0 to 64" },
		{ "fwmark = 0", 1, "fwmark: must be a number from 1 to 0xffffffff" },
		{ "fwmark = 0x100000000", 1, "fwmark: must be a number from 1 to 0xffffffff" },
		{ "fwmark = -1", 1, "fwmark: must be a number from 1 to 0xffffffff" },
		{ "udp-gso = maybe", 1, "udp-gso: must be yes or no" },
		{ "log-level = loud", 1, "log-level: must be" },
		{ "state = here", 1, "state: must be an absolute path" },
		{ "tun = a/b", 1, "tun: not a name" },
		{ "tun = ..", 1, "tun: not a name" },
		{ "tun = a234567890123456", 1, "tun: the value is too long" },
		{ "cipher =", 1, "cipher: a value is missing" },
		{ "[tun]\nport = 1\n", 1, "sections are not used here" },
		{ "port = 1\n[tun]", 2, "sections are not used here" },
		{ "port\n", 1, "not of the form" },
		{ "port = 1\n workers = 2\n", 2, "a line must not begin" },
		{ "port = 1\nfoo = 1\nbar = 2\n", 2, "foo: unknown key" },
		{ "\x1b[31m = 1", 1, "" },
	};
	struct daemon_config config;
	struct config_error error;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(parse(&config, cases[i].text, &error), -EINVAL);
		assert_int_equal(error.line, cases[i].line);
		assert_int_equal(strncmp(error.text, cases[i].why, strlen(cases[i].why)), 0);
		assert_null(strchr(error.text, '\x1b'));
		/* Nothing of a bad file is taken. */
		assert_int_equal(config.port, 0);
	}
}

static void test_bounds(void **state)
{
	char *text = malloc(CONFIG_SIZE_MAX + 1);
	struct daemon_config config;
	struct config_error error;

	(void)state;
	daemon_config_init(&config);
	memset(text, '\n', CONFIG_SIZE_MAX + 1);
	assert_int_equal(daemon_config_parse(&config, text, CONFIG_SIZE_MAX + 1, &error), -EFBIG);
	assert_int_equal(daemon_config_parse(&config, text, CONFIG_SIZE_MAX, &error), 0);
	memset(text, '#', 300);
	assert_int_equal(daemon_config_parse(&config, text, 300, &error), -EINVAL);
	assert_int_equal(error.line, 1);
	text[5] = '\0';
	assert_int_equal(daemon_config_parse(&config, text, 20, &error), -EINVAL);
	assert_int_equal(daemon_config_parse(&config, "port = 1", 8, &error), 0);
	assert_int_equal(config.port, 1);
	/* The length counts, not a NUL. */
	assert_int_equal(daemon_config_parse(&config, "port = 12345", 8, &error), 0);
	assert_int_equal(config.port, 1);
	free(text);
}

static void test_files(void **state)
{
	struct daemon_config config;
	struct config_error error;

	(void)state;
	daemon_config_init(&config);
	assert_int_equal(daemon_config_load(&config, "/nonexistent/warren.conf", &error), -ENOENT);
	assert_int_equal(daemon_config_load(&config, "/dev/null", &error), -EINVAL);
	assert_int_equal(error.line, 0);
	assert_string_equal(error.text, "not a regular file");
}

static void test_set_one(void **state)
{
	struct daemon_config config;

	(void)state;
	daemon_config_init(&config);
	assert_null(daemon_config_set(&config, "port", "41641"));
	assert_int_equal(config.port, 41641);
	assert_string_equal(daemon_config_set(&config, "prot", "1"), "unknown key");
	assert_non_null(daemon_config_set(&config, "port", "x"));
	assert_int_equal(config.port, 41641);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_every_key),
		cmocka_unit_test(test_errors_name_the_line),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_set_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
