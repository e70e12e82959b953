#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/block.h"

static char text[BLOCK_TEXT_MAX];

static void make(struct block block)
{
	int len;

	block.tun = "warren0";
	block.mark = 0x5752;
	len = block_text(text, sizeof(text), &block);
	assert_int_equal(len, strlen(text));
}

static struct prefix prefix(const char *from)
{
	struct prefix parsed;

	assert_int_equal(prefix_parse(&parsed, from), 0);
	return parsed;
}

static const char *find(const char *what)
{
	const char *at = strstr(text, what);

	if (!at)
		print_error("missing: %s\n%s", what, text);
	assert_non_null(at);
	return at;
}

static void without_a_kill_switch_the_table_goes_with_its_maker(void **state)
{
	(void)state;
	make((struct block){ 0 });
	find("table inet warren_exit_warren0 {\n\tflags owner\n\tchain output {");
	/* It is replaced in one step: named with its flags, emptied, made anew. */
	assert_ptr_equal(find("table inet warren_exit_warren0 {\n\tflags owner\n}\n"
			      "delete table inet warren_exit_warren0\n"),
			 text);
}

static void with_it_the_table_stays(void **state)
{
	(void)state;
	make((struct block){ .stays = true });
	assert_null(strstr(text, "owner"));
	assert_null(strstr(text, "warren_exit_"));
	find("table inet warren_block_warren0 {\n\tchain output {");
}

static void everything_else_is_refused_last(void **state)
{
	const char *refused;

	(void)state;
	make((struct block){ 0 });
	refused = find("\t\treject with icmpx type admin-prohibited\n\t}\n\tchain forward");
	assert_true(find("oifname { \"lo\", \"warren0\" } accept") < refused);
	assert_true(find("meta mark 0x5752 accept") < refused);
	assert_true(find("68 . 67") < refused);
	assert_true(find("nd-neighbor-solicit") < refused);
	find("\t\treject with icmpx type admin-prohibited\n\t}\n\tchain mark_in");
	assert_null(strstr(text, "daddr {")); /* no local network is kept */
}

static void dns_is_refused_before_local_networks_are_let_out(void **state)
{
	const struct prefix locals[] = { prefix("192.168.1.0/24"), prefix("fd00:1::/64") };
	const char *dns, *local;
	int seen = 0;

	(void)state;
	make((struct block){ .locals = locals, .local_count = 2 });
	for (const char *at = text; (dns = strstr(at, "dport { 53, 853 } reject")); at = local) {
		local = strstr(dns, "ip daddr { 224.0.0.0/4, 255.255.255.255, 192.168.1.0/24 } "
				    "accept\n\t\tip6 daddr { fe80::/10, ff02::/16, fd00:1::/64 } "
				    "accept\n\t\treject");
		assert_non_null(local);
		seen++;
	}
	assert_int_equal(seen, 2); /* what is sent, and what is forwarded */
}

static void a_network_is_named_once(void **state)
{
	const struct prefix locals[] = {
		prefix("10.1.0.0/16"),    prefix("10.1.2.0/24"), prefix("10.1.0.0/16"),
		prefix("fe80::/64"),      prefix("ff02::/16"),   prefix("10.1.2.3/32"),
		prefix("169.254.0.0/16"),
	};

	(void)state;
	make((struct block){ .locals = locals, .local_count = 7 });
	find("ip daddr { 224.0.0.0/4, 255.255.255.255, 10.1.0.0/16, 169.254.0.0/16 } accept");
	find("ip6 daddr { fe80::/10, ff02::/16 } accept");
}

static void answers_get_their_mark_back(void **state)
{
	(void)state;
	make((struct block){ .port = 41641 });
	find("ct mark 0x5752 meta mark set 0x5752");
	find("udp dport 41641 fib daddr type local meta mark set 0x5752");
	find("meta mark 0x5752 ct mark set 0x5752");
	make((struct block){ 0 });
	assert_null(strstr(text, "fib daddr"));
}

static void a_text_without_room_is_refused(void **state)
{
	struct prefix locals[BLOCK_LOCALS_MAX];
	struct block block = { .tun = "warren0.abcdefg", .mark = UINT32_MAX, .port = 65535 };
	char small[64];

	(void)state;
	for (size_t i = 0; i < BLOCK_LOCALS_MAX; i++) {
		char from[64];

		snprintf(from, sizeof(from), "2001:db8:1234:5678:9abc:def0:1234:%zx/128",
			 i + 0x1000);
		locals[i] = prefix(from);
	}
	block.locals = locals;
	block.local_count = BLOCK_LOCALS_MAX;
	assert_int_equal(block_text(small, sizeof(small), &block), -ENOSPC);
	assert_true(block_text(text, sizeof(text), &block) > 0); /* the largest there is */
	assert_int_equal(block_remove_text(small, sizeof(small), "warren0", true), -ENOSPC);
}

static void removing_needs_no_table(void **state)
{
	(void)state;
	assert_true(block_remove_text(text, sizeof(text), "warren0", true) > 0);
	assert_string_equal(text, "table inet warren_block_warren0 {\n}\n"
				  "delete table inet warren_block_warren0\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_a_kill_switch_the_table_goes_with_its_maker),
		cmocka_unit_test(with_it_the_table_stays),
		cmocka_unit_test(everything_else_is_refused_last),
		cmocka_unit_test(dns_is_refused_before_local_networks_are_let_out),
		cmocka_unit_test(a_network_is_named_once),
		cmocka_unit_test(answers_get_their_mark_back),
		cmocka_unit_test(a_text_without_room_is_refused),
		cmocka_unit_test(removing_needs_no_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
