#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/options.h"

static struct options options;

#define WORDS_MAX 12

/* The words of a command line, separated by single blanks. */
static enum options_result parse(const char *line)
{
	static char text[256];
	char *argv[WORDS_MAX + 1] = { 0 };
	int argc = 0;

	snprintf(text, sizeof(text), "%s", line);
	for (char *word = strtok(text, " "); word && argc < WORDS_MAX; word = strtok(NULL, " "))
		argv[argc++] = word;
	return options_parse(&options, argc, argv);
}

static void test_defaults(void **state)
{
	(void)state;
	assert_int_equal(parse("warrend"), OPTIONS_RUN);
	assert_false(options.standalone);
	assert_false(options.state_given);
	assert_string_equal(options.config.tun, "warren0");
	assert_int_equal(options.config.port, 0);
}

static void test_given(void **state)
{
	(void)state;
	assert_int_equal(parse("warrend --standalone --tun wg7 --port=51820 --workers 3"),
			 OPTIONS_RUN);
	assert_true(options.standalone);
	assert_false(options.self_test);
	assert_string_equal(options.config.tun, "wg7");
	assert_int_equal(options.config.port, 51820);
	assert_int_equal(options.config.workers, 3);
	assert_int_equal(parse("warrend --state /tmp/x --standalone"), OPTIONS_RUN);
	assert_true(options.state_given && options.standalone);
	assert_int_equal(parse("warrend --self-test --port 7"), OPTIONS_RUN);
	assert_true(options.self_test);
	assert_int_equal(options.config.port, 7);
	assert_int_equal(parse("warrend --open --cleanup --tun wg7"), OPTIONS_RUN);
	assert_true(options.cleanup && options.open);
	assert_int_equal(parse("warrend --cleanup"), OPTIONS_RUN);
	assert_true(options.cleanup && !options.open);
}

static void test_usage_errors(void **state)
{
	static const char *const lines[] = {
		"warrend up",
		"warrend -p 1",
		"warrend --port",
		"warrend --port 65536",
		"warrend --port x",
		"warrend --nothing 1",
		"warrend --tun a/b",
		"warrend --tun",
		"warrend --standalone=yes",
		"warrend --self-test=yes",
		"warrend --standalone x",
		"warrend --open",
		"warrend --close --cleanup",
		"warrend --close=yes",
		"warrend --cleanup=yes",
		"warrend --workers 65",
		"warrend --config",
		"warrend --",
		"warrend --state relative",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++)
		if (parse(lines[i]) != OPTIONS_USAGE)
			fail_msg("accepted: %s", lines[i]);
}

static void test_answers(void **state)
{
	(void)state;
	assert_int_equal(parse("warrend --help"), OPTIONS_DONE);
	assert_int_equal(parse("warrend --version"), OPTIONS_DONE);
}

/* The command line wins over the file, wherever the file is named. */
static void test_file(void **state)
{
	char path[] = "/tmp/warren-options-XXXXXX", line[128];
	static const char good[] = "port = 7\nworkers = 2\nstate = /tmp/y\n";
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, good, sizeof(good) - 1), sizeof(good) - 1);
	snprintf(line, sizeof(line), "warrend --port 8 --config %s", path);
	assert_int_equal(parse(line), OPTIONS_RUN);
	assert_int_equal(options.config.port, 8);
	assert_int_equal(options.config.workers, 2);
	assert_true(options.state_given);
	assert_int_equal(write(fd, "bad\n", 4), 4);
	assert_int_equal(parse(line), OPTIONS_FAILED);
	close(fd);
	unlink(path);
	assert_int_equal(parse(line), OPTIONS_FAILED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),     cmocka_unit_test(test_given),
		cmocka_unit_test(test_usage_errors), cmocka_unit_test(test_answers),
		cmocka_unit_test(test_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
