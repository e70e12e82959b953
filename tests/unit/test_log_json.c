#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/log_json.h"

static json_t *formatted(const char *line, size_t size)
{
	char *out = malloc(size);
	size_t len;
	json_t *object;

	assert_non_null(out);
	len = log_json_format(out, size, "info", line, 1700000000123);
	assert_true(len < size);
	assert_int_equal(out[len], '\0');
	object = json_loads(out, 0, NULL);
	assert_non_null(object);
	free(out);
	return object;
}

static void expect(json_t *object, const char *name, const char *value)
{
	const char *found = json_string_value(json_object_get(object, name));

	assert_non_null(found);
	assert_string_equal(found, value);
}

static void test_pairs(void **state)
{
	json_t *object =
		formatted("ready port=443 name=\"a b\" empty= quoted=\"\" odd=\"x\"y\"", 512);

	(void)state;
	expect(object, "time", "2023-11-14T22:13:20.123Z");
	expect(object, "level", "info");
	expect(object, "event", "ready");
	expect(object, "port", "443");
	expect(object, "name", "a b");
	expect(object, "empty", "");
	expect(object, "quoted", "");
	expect(object, "odd", "x\"y");
	json_decref(object);
}

static void test_hostile_lines(void **state)
{
	static const char *const lines[] = { "",
					     " ",
					     "a  b=",
					     "=",
					     "x=\"",
					     "x=\"open",
					     "a b=\"\\\" c=1",
					     "e k=\x1b[0m\xff",
					     "e {\"a\":1}",
					     "e k==\"=" };

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		json_decref(formatted(lines[i], 256));
}

/* What does not fit is left out whole. */
static void test_is_cut_between_members(void **state)
{
	char line[1024] = "event first=1 long=";
	json_t *object;

	(void)state;
	memset(line + strlen(line), '"', 700);
	object = formatted(line, 300);
	expect(object, "first", "1");
	assert_null(json_object_get(object, "long"));
	json_decref(object);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pairs),
		cmocka_unit_test(test_hostile_lines),
		cmocka_unit_test(test_is_cut_between_members),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
