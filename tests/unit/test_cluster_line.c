#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "coord/cluster_line.h"

static struct cluster_line make(enum cluster_verb verb)
{
	struct cluster_line line = { .verb = verb, .number = 7, .more = true, .len = 3 };

	memset(line.node, 1, 32);
	memset(line.hash, 2, 32);
	strcpy(line.relay, "fra");
	memcpy(line.data, "abc", 3);
	return line;
}

static void test_every_verb_comes_back(void **state)
{
	static const char verbs[] = "ah[=]+-?!~sx";
	char text[CLUSTER_LINE_SIZE];
	char again[CLUSTER_LINE_SIZE];
	struct cluster_line read;

	(void)state;
	for (const char *verb = verbs; *verb; verb++) {
		struct cluster_line line = make((enum cluster_verb) * verb);

		cluster_line_format(text, &line);
		assert_int_equal(cluster_line_parse(&read, text), 0);
		cluster_line_format(again, &read);
		assert_string_equal(text, again);
	}
}

static void test_a_node_and_its_relay(void **state)
{
	struct cluster_line line = make(CLUSTER_ONLINE);
	char text[CLUSTER_LINE_SIZE];
	struct cluster_line read;

	(void)state;
	cluster_line_format(text, &line);
	assert_int_equal(cluster_line_parse(&read, text), 0);
	assert_memory_equal(read.node, line.node, 32);
	assert_memory_equal(read.hash, line.hash, 32);
	assert_string_equal(read.relay, "fra");
	line.relay[0] = '\0';
	cluster_line_format(text, &line);
	assert_int_equal(cluster_line_parse(&read, text), 0);
	assert_string_equal(read.relay, "");
}

static void test_the_longest_part_of_a_signal(void **state)
{
	static struct cluster_line line;
	static struct cluster_line read;
	char text[CLUSTER_LINE_SIZE];

	(void)state;
	line = make(CLUSTER_SIGNAL);
	line.number = CLUSTER_SIGNAL_PARTS - 1;
	line.len = CLUSTER_PART_MAX;
	memset(line.data, 0xa5, line.len);
	cluster_line_format(text, &line);
	/* With the sender's name before it, below what PostgreSQL takes. */
	assert_in_range(strlen(text), CLUSTER_PART_MAX, 7900 - 17);
	assert_int_equal(cluster_line_parse(&read, text), 0);
	assert_int_equal(read.len, line.len);
	assert_memory_equal(read.data, line.data, line.len);
	assert_int_equal(read.number, line.number);
}

static void test_malformed(void **state)
{
	static const char *const bad[] = {
		"",     " ",     "z",       "ab",   "a ",    "a x", "?",  "? ",          "? abc",
		"- ab", "+ fra", "= a b c", "\x80", "s 1 2", "aa",  "[ ", "?  AQEBAQEB",
	};
	char text[CLUSTER_LINE_SIZE + 8];
	struct cluster_line line = make(CLUSTER_OFFLINE);
	struct cluster_line read;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(cluster_line_parse(&read, bad[i]), -EBADMSG);
	cluster_line_format(text, &line);
	strcat(text, "x");
	assert_int_equal(cluster_line_parse(&read, text), -EBADMSG);
	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(cluster_line_parse(&read, text), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_verb_comes_back),
		cmocka_unit_test(test_a_node_and_its_relay),
		cmocka_unit_test(test_the_longest_part_of_a_signal),
		cmocka_unit_test(test_malformed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
