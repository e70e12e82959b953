#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/route_list.h"

static struct setting base(const char *value)
{
	return (struct setting){ .key = "routes", .value = value };
}

static void add(struct setting *setting, const char *name, const char *value)
{
	setting->options[setting->option_count++] = (struct setting_option){ name, value };
}

static void assert_route(const struct route_list *list, size_t i, const char *seen,
			 const char *real)
{
	char text[PREFIX_TEXT_SIZE];
	struct prefix is = route_real(&list->routes[i], &list->facts[i]);

	assert_string_equal(prefix_format(text, &list->routes[i]), seen);
	assert_string_equal(prefix_format(text, &is), real);
	assert_int_equal(list->facts[i].real.family != 0, strcmp(seen, real) != 0);
}

static void what_is_written_is_offered(void **state)
{
	struct setting setting = base("10.20.0.0/16,fd00:20::/64,192.0.2.7");
	char why[SETTING_WHY_SIZE] = "";
	struct route_list list;

	(void)state;
	assert_int_equal(route_list_read(&list, &setting, why), 0);
	assert_int_equal(list.count, 3);
	assert_true(list.snat);
	assert_route(&list, 0, "10.20.0.0/16", "10.20.0.0/16");
	assert_route(&list, 1, "fd00:20::/64", "fd00:20::/64");
	assert_route(&list, 2, "192.0.2.7/32", "192.0.2.7/32");
	assert_int_equal(list.facts[2].weight, 100);
	add(&setting, "snat", "no");
	add(&setting, "weight", "255");
	assert_int_equal(route_list_read(&list, &setting, why), 0);
	assert_false(list.snat);
	assert_int_equal(list.facts[0].weight, 255);
	setting = base("none");
	assert_int_equal(route_list_read(&list, &setting, why), 0);
	assert_int_equal(list.count, 0);
}

/* The list may name what is seen, what is real, or neither. */
static void a_map_is_offered_as_what_is_seen(void **state)
{
	static const char *const lists[] = { "10.77.1.0/24,10.5.0.0/16",
					     "192.168.1.0/24,10.5.0.0/16", "10.5.0.0/16" };
	char why[SETTING_WHY_SIZE] = "";
	struct route_list list;
	size_t i;

	(void)state;
	for (i = 0; i < 3; i++) {
		struct setting setting = base(lists[i]);

		add(&setting, "map", "192.168.1.0/24=10.77.1.0/24");
		assert_int_equal(route_list_read(&list, &setting, why), 0);
		assert_int_equal(list.count, 2);
		assert_route(&list, 0, "10.77.1.0/24", "192.168.1.0/24");
		assert_route(&list, 1, "10.5.0.0/16", "10.5.0.0/16");
	}
}

static void assert_refused(const struct setting *setting, const char *said)
{
	struct route_list list = { .count = 77 };
	char why[SETTING_WHY_SIZE] = "";

	assert_int_equal(route_list_read(&list, setting, why), -EINVAL);
	if (!strstr(why, said))
		fail_msg("%s: \"%s\" is not in \"%s\"", setting->value, said, why);
	assert_int_equal(list.count, 77);
	assert_null(strchr(why, '\n'));
}

static void what_can_be_no_route_is_refused(void **state)
{
	static const struct {
		const char *list, *said;
	} bad[] = {
		{ "10.20.0.1/16", "has host bits; write 10.20.0.0/16" },
		{ "fd00:20::1/64", "has host bits; write fd00:20::/64" },
		{ "0.0.0.0/0", "offer-exit yes" },
		{ "::/0", "offer-exit yes" },
		{ "0.0.0.0/8", "no machine has" },
		{ "127.0.0.0/8", "loopback" },
		{ "::1/128", "loopback" },
		{ "169.254.0.0/16", "link-local" },
		{ "fe80::/64", "link-local" },
		{ "224.0.0.0/8", "multicast" },
		{ "ff00::/8", "multicast" },
		{ "128.0.0.0/1", "link-local" }, /* as much as the other half of the internet */
		{ "10.0.0.0/8,10.0.0.0/8", "twice" },
		{ "10.1.0.0/16,10.1.2.0/24", "10.1.0.0/16 and 10.1.2.0/24 overlap" },
		{ "fd00:20::/64,10.0.0.0/8,fd00::/16", "fd00:20::/64 and fd00::/16 overlap" },
		{ "10.0.0.0/8,", "is no prefix" },
		{ "", "is no prefix" },
		{ ",", "is no prefix" },
		{ "all", "is no prefix" },
		{ "10.0.0.0/33", "is no prefix" },
		{ "10.0.0.0/-1", "is no prefix" },
		{ "10.0.0/8", "is no prefix" },
		{ "10.0.0.0/8 10.9.0.0/16", "is no prefix" },
		{ "none,10.0.0.0/8", "is no prefix" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct setting setting = base(bad[i].list);

		assert_refused(&setting, bad[i].said);
	}
}

static void maps_that_cannot_be_are_refused(void **state)
{
	static const struct {
		const char *list, *first, *second, *said;
	} bad[] = {
		{ "none", "192.168.1.0/24=10.77.1.0/24", NULL, "none takes no options" },
		{ "10.5.0.0/16", "192.168.1.0/24", NULL, "REAL=SEEN" },
		{ "10.5.0.0/16", "192.168.1.0/24=", NULL, "is no prefix" },
		{ "10.5.0.0/16", "192.168.1.0/24=10.77.0.0/16", NULL, "one family and length" },
		{ "10.5.0.0/16", "192.168.1.0/24=fd00::/24", NULL, "one family and length" },
		{ "10.5.0.0/16", "192.168.1.1/24=10.77.1.0/24", NULL, "host bits" },
		{ "10.5.0.0/16", "192.168.1.0/24=10.77.1.1/24", NULL, "host bits" },
		{ "10.5.0.0/16", "192.168.1.0/24=192.168.1.0/24", NULL, "the same" },
		{ "10.5.0.0/16", "0.0.0.0/0=0.0.0.0/0", NULL, "offer-exit" },
		{ "10.77.0.0/16", "192.168.1.0/24=10.77.1.0/24", NULL, "overlap" },
		{ "10.5.0.0/16", "192.168.1.0/24=10.77.1.0/24", "192.168.2.0/24=10.77.1.0/24",
		  "twice" },
		{ "10.5.0.0/16", "192.168.1.0/24=10.77.1.0/24", "192.168.1.0/24=10.77.2.0/24",
		  "both are mapped" },
		{ "10.77.1.0/24,192.168.1.0/24", "192.168.1.0/24=10.77.1.0/24", NULL, "twice" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct setting setting = base(bad[i].list);

		add(&setting, "map", bad[i].first);
		if (bad[i].second)
			add(&setting, "map", bad[i].second);
		assert_refused(&setting, bad[i].said);
	}
}

static void options_that_cannot_be_are_refused(void **state)
{
	static const char *const bad[][2] = {
		{ "snat", "maybe" }, { "snat", "" },
		{ "weight", "0" },   { "weight", "256" },
		{ "weight", "-1" },  { "weight", "7x" },
		{ "weight", "" },    { "weight", "99999999999999999999" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct setting setting = base("10.0.0.0/8");

		add(&setting, bad[i][0], bad[i][1]);
		assert_refused(&setting, bad[i][0]);
	}
}

static void there_is_room_for_so_many(void **state)
{
	char text[2000] = "", why[SETTING_WHY_SIZE];
	struct route_list list;
	struct setting setting = base(text);
	size_t used = 0;
	int i;

	(void)state;
	for (i = 0; i < CERT_ROUTES_MAX; i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s10.%d.0.0/16",
					 i ? "," : "", i);
	assert_int_equal(route_list_read(&list, &setting, why), 0);
	assert_int_equal(list.count, CERT_ROUTES_MAX);
	snprintf(text + used, sizeof(text) - used, ",10.99.0.0/16");
	assert_refused(&setting, "up to 32");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_offered),
		cmocka_unit_test(a_map_is_offered_as_what_is_seen),
		cmocka_unit_test(what_can_be_no_route_is_refused),
		cmocka_unit_test(maps_that_cannot_be_are_refused),
		cmocka_unit_test(options_that_cannot_be_are_refused),
		cmocka_unit_test(there_is_room_for_so_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
