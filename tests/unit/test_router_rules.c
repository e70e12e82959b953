#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/foreign_rules.h"
#include "daemon/router_rules.h"
#include "kernel-iface/firewall.h"
#include "tests/support/netns.h"

static struct firewall *firewall;

static struct prefix prefix(const char *text)
{
	struct prefix out;

	assert_int_equal(prefix_parse(&out, text), 0);
	return out;
}

static void add(struct router_plan *plan, const char *seen, const char *real, bool snat)
{
	plan->routes[plan->route_count++] =
		(struct router_route){ prefix(seen), prefix(real), snat };
}

static struct router_plan everything(void)
{
	struct router_plan plan = { .tun = "warren0", .exit4 = true, .exit6 = true, .ftp = true };

	addr_parse(&plan.address4, "100.64.0.7");
	addr_parse(&plan.address6, "fd57::7");
	add(&plan, "10.20.0.0/16", "10.20.0.0/16", true);
	add(&plan, "10.20.5.0/24", "10.20.5.0/24", true); /* inside the former */
	add(&plan, "10.77.1.0/24", "192.168.1.0/24", true);
	add(&plan, "fd00:20::/64", "fd00:20::/64", false);
	add(&plan, "fd00:77::/64", "fd00:1::/64", false);
	return plan;
}

static void apply(const struct router_plan *plan)
{
	char *text = router_rules(plan), why[FIREWALL_WHY_SIZE] = "";

	assert_non_null(text);
	if (firewall_apply(firewall, text, why) != 0)
		fail_msg("%s:\n%s", why, text);
	free(text);
}

/* Not even by addresses that name those of v4 for somebody else's tunnels. */
static void an_exit_leads_to_the_internet_alone(void **state)
{
	struct router_plan plan = { .tun = "warren0", .exit4 = true, .exit6 = true };
	const char *public6 = "ip6 daddr 2000::/3 ip6 daddr != { 2001::/32, 2002::/16 }";
	char *text = router_rules(&plan), *found;

	(void)state;
	assert_non_null(text);
	found = strstr(text, public6);
	assert_non_null(found);
	found = strstr(found + strlen(public6), public6);
	assert_non_null(found);
	assert_null(strstr(found + strlen(public6), "ip6 daddr"));
	free(text);
}

/* The kernel takes it, once and again, and nft(8) does. */
static void the_kernel_takes_every_plan(void **state)
{
	struct router_plan plan = everything();
	char *text;
	FILE *nft;
	unsigned int i;

	(void)state;
	apply(&plan);
	assert_true(netns_shows("nft list ruleset", "flags owner"));
	assert_true(netns_shows("nft list ruleset", "192.168.1.0/24 : 10.77.1.0/24"));
	assert_true(netns_shows("nft list ruleset", "fd00:77::/64 : fd00:1::/64"));
	for (i = 0; i < 64; i++) { /* every way to leave something out */
		plan = everything();
		plan.exit4 = i & 1;
		plan.exit6 = i & 2;
		plan.ftp = i & 4;
		plan.route_count = i & 8 ? plan.route_count : i & 16 ? 1 : 0;
		if (i & 32)
			plan.address6 = (struct ip_addr){ 0 };
		apply(&plan);
	}
	plan = everything();
	plan.tun = "other0";
	text = router_rules(&plan);
	nft = popen("nft -c -f -", "w");
	fputs(text, nft);
	free(text);
	assert_int_equal(pclose(nft), 0);
}

static void without_anything_to_carry_there_is_no_table(void **state)
{
	struct router_plan plan = everything(), nothing = { .tun = "warren0" };

	(void)state;
	apply(&plan);
	assert_true(netns_shows("nft list tables", "warren_warren0"));
	assert_true(router_plan_is_empty(&nothing));
	apply(&nothing);
	assert_false(netns_shows("nft list tables", "warren_warren0"));
	apply(&nothing); /* and again */
}

/* Somebody else's flush leaves it; the end of this process does not. */
static void the_table_is_ours_alone(void **state)
{
	struct router_plan plan = everything();

	(void)state;
	apply(&plan);
	netns_run("nft flush ruleset");
	assert_true(netns_shows("nft list tables", "warren_warren0"));
	assert_false(netns_shows("nft delete table inet warren_warren0 2>/dev/null && echo gone",
				 "gone"));
	firewall_free(firewall);
	firewall = NULL;
	assert_false(netns_shows("nft list tables", "warren_warren0"));
	assert_int_equal(firewall_new(&firewall), 0);
}

static void odd_names_of_devices_make_a_table(void **state)
{
	static const char *const names[] = { "a-b",   "a.b",     "a b",
					     "\"x\"", "'; drop", "abcdefghijklmno" };
	char name[ROUTER_NAME_SIZE];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(names) / sizeof(*names); i++) {
		router_table_name(name, names[i]);
		assert_int_equal(strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_"),
				 strlen(name));
	}
	assert_string_equal(router_table_name(name, "a-b"), "warren_a_2db");
}

static void a_refused_text_changes_nothing(void **state)
{
	struct router_plan plan = everything();
	char why[FIREWALL_WHY_SIZE] = "";

	(void)state;
	apply(&plan);
	assert_int_equal(firewall_apply(firewall, "delete table inet warren_warren0\nnonsense\n",
					why),
			 -EINVAL);
	assert_non_null(strstr(why, "syntax error"));
	assert_int_equal(firewall_apply(firewall, "delete table inet no_such_table\n", why),
			 -ENOENT);
	assert_true(netns_shows("nft list tables", "warren_warren0"));
}

/* As Docker's daemon makes them with iptables-nft. */
static const char docker[] =
	"table ip filter {\n"
	" chain DOCKER-USER { counter return; }\n"
	" chain FORWARD { type filter hook forward priority filter; policy drop;\n"
	"  counter jump DOCKER-USER\n"
	" }\n"
	"}\n";

static void dockers_chain_takes_our_rules(void **state)
{
	char chain[FOREIGN_CHAIN_SIZE], why[FIREWALL_WHY_SIZE];
	int i;

	(void)state;
	assert_int_equal(foreign_open_docker(firewall, NULL, "warren0", "warren_warren0"), 0);
	assert_int_equal(firewall_apply(firewall, docker, why), 0);
	assert_true(foreign_find_drop(firewall, "warren0", chain));
	assert_string_equal(chain, "ip filter FORWARD");
	netns_run("nft insert rule ip filter DOCKER-USER iifname warren0 counter accept comment "
		  "warren_warren0");
	assert_false(foreign_find_drop(firewall, "warren0", chain));
	for (i = 0; i < 2; i++)
		assert_int_equal(firewall_remove_rules(firewall, "ip filter DOCKER-USER",
						       "warren_warren0"),
				 0);
	assert_false(netns_shows("nft list ruleset", "warren0"));
	assert_true(netns_shows("nft list ruleset", "return"));
}

static void who_drops_is_named(void **state)
{
	static const struct {
		const char *text, *chain; /* NULL: it does not drop */
	} cases[] = {
		{ "table inet f { chain c { type filter hook forward priority 0; policy accept; "
		  "ct state established accept; reject with icmpx admin-prohibited; }; }",
		  "inet f c" },
		{ "table ip6 f { chain c { type filter hook forward priority 0; policy drop; }; }",
		  "ip6 f c" },
		{ "table ip f { chain c { type filter hook forward priority 0; tcp dport 1 drop; }; "
		  "chain d { type filter hook input priority 0; policy drop; }; }",
		  NULL },
		{ "table inet f { chain x { iifname \"warren0\" accept; }; chain c { type filter hook "
		  "forward priority 0; policy drop; jump x; }; }",
		  NULL },
		{ "table inet f { set s { type ifname; elements = { \"warren0\" }; }; chain c { type "
		  "filter hook forward priority 0; policy drop; iifname @s accept; }; }",
		  NULL },
	};
	char chain[FOREIGN_CHAIN_SIZE], why[FIREWALL_WHY_SIZE];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		assert_int_equal(firewall_apply(firewall, cases[i].text, why), 0);
		assert_int_equal(foreign_find_drop(firewall, "warren0", chain),
				 cases[i].chain != NULL);
		if (cases[i].chain)
			assert_string_equal(chain, cases[i].chain);
		netns_run("nft flush ruleset");
	}
}

static int set_up(void **state)
{
	(void)state;
	return firewall_new(&firewall);
}

static int tear_down(void **state)
{
	(void)state;
	firewall_free(firewall);
	netns_run("nft flush ruleset");
	return 0;
}

static int enter(void **state)
{
	(void)state;
	netns_enter();
	return 0;
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(an_exit_leads_to_the_internet_alone),
		TEST(the_kernel_takes_every_plan),
		TEST(without_anything_to_carry_there_is_no_table),
		TEST(the_table_is_ours_alone),
		TEST(odd_names_of_devices_make_a_table),
		TEST(a_refused_text_changes_nothing),
		TEST(dockers_chain_takes_our_rules),
		TEST(who_drops_is_named),
	};

	return cmocka_run_group_tests(tests, enter, NULL);
}
