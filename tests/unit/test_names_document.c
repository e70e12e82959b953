/* The names document: what is a record, what is refused and how that is said, and its one text. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/names_document.h"

static char error[NAMES_ERROR_SIZE];

static int add(struct names_document *d, const char *name, const char *type, const char *value)
{
	return names_document_add(d, name, type, value, "office", error);
}

static void refused(const char *name, const char *type, const char *value, const char *why)
{
	struct names_document d = { .record_count = 0 };

	assert_int_equal(add(&d, name, type, value), -EINVAL);
	if (!strstr(error, why))
		fail_msg("\"%s\" says nothing of \"%s\"", error, why);
	assert_int_equal(d.record_count, 0);
	names_document_clear(&d);
}

/* The document as text and back, which is the same. */
static void expect_text(const struct names_document *d, const char *wanted)
{
	struct names_document again;
	char *text;
	char *second;
	size_t len;

	assert_int_equal(names_document_encode(d, &text, &len), 0);
	assert_string_equal(text, wanted);
	assert_int_equal(len, strlen(text));
	assert_int_equal(names_document_parse(&again, text, len, "office", error), 0);
	assert_int_equal(names_document_encode(&again, &second, &len), 0);
	assert_string_equal(text, second);
	names_document_clear(&again);
	free(text);
	free(second);
}

static void test_canonical(void **state)
{
	struct names_document d = { .record_count = 0 };

	(void)state;
	expect_text(&d, "");
	assert_int_equal(add(&d, "Wiki.Office.Internal", "a", "10.20.0.5"), 0);
	assert_int_equal(add(&d, "*.Apps", "cname", "WIKI"), 0);
	assert_int_equal(add(&d, "@", "TXT", "say \"hi\""), 0);
	assert_int_equal(add(&d, "www", "CNAME", "Example.COM."), 0);
	assert_int_equal(add(&d, "_x._udp", "SRV", "1  2 3 wiki.office.internal."), 0);
	assert_int_equal(add(&d, "5.0.20.10.in-addr.arpa.", "PTR", "wiki"), 0);
	assert_int_equal(add(&d, "v6", "AAAA", "FD00:0::1"), 0);
	expect_text(&d,
		    "{\"records\":["
		    "{\"name\":\"*.apps\",\"type\":\"CNAME\",\"value\":\"wiki\"},"
		    "{\"name\":\"5.0.20.10.in-addr.arpa.\",\"type\":\"PTR\",\"value\":\"wiki\"},"
		    "{\"name\":\"@\",\"type\":\"TXT\",\"value\":\"say \\\"hi\\\"\"},"
		    "{\"name\":\"_x._udp\",\"type\":\"SRV\",\"value\":\"1 2 3 wiki\"},"
		    "{\"name\":\"v6\",\"type\":\"AAAA\",\"value\":\"fd00::1\"},"
		    "{\"name\":\"wiki\",\"type\":\"A\",\"value\":\"10.20.0.5\"},"
		    "{\"name\":\"www\",\"type\":\"CNAME\",\"value\":\"example.com.\"}],"
		    "\"split\":[]}");
	assert_int_equal(add(&d, "wiki", "A", "10.20.0.5"), -EEXIST);
	assert_int_equal(names_document_remove(&d, "WIKI", NULL, NULL, "office", error), 1);
	assert_int_equal(names_document_remove(&d, "wiki", NULL, NULL, "office", error), 0);
	assert_int_equal(names_document_remove(&d, "@", "TXT", "other", "office", error), 0);
	assert_int_equal(names_document_remove(&d, "@", "MX", NULL, "office", error), -EINVAL);
	assert_int_equal(d.record_count, 6);
	names_document_clear(&d);
}

static void test_refused(void **state)
{
	char long_name[300];
	char long_text[300];

	(void)state;
	memset(long_name, 'a', sizeof(long_name));
	long_name[64] = '\0';
	memset(long_text, 'x', sizeof(long_text));
	long_text[256] = '\0';
	refused("", "A", "192.0.2.1", "is no name");
	refused("a b", "A", "192.0.2.1", "is no name");
	refused("a..b", "A", "192.0.2.1", "is no name");
	refused("-a", "A", "192.0.2.1", "is no name");
	refused("a.*", "A", "192.0.2.1", "is no name");
	refused("a*", "A", "192.0.2.1", "is no name");
	refused("b\xc3\xbc"
		"cher",
		"A", "192.0.2.1", "is no name");
	refused(long_name, "A", "192.0.2.1", "is no name");
	refused("www.example.com.", "A", "192.0.2.1", "outside office.internal");
	refused("other.internal.", "A", "192.0.2.1", "outside office.internal");
	refused("1.2.0.192.in-addr.arpa.", "PTR", "wiki", "private");
	refused("0.20.10.in-addr.arpa.", "PTR", "wiki", "one private");
	refused("5.0.20.10.in-addr.arpa.", "A", "192.0.2.1", "PTR only");
	refused("a", "MX", "10 b", "type \"MX\"");
	refused("a", "SOA", "b", "type \"SOA\"");
	refused("a", "A", "10.0.0.256", "IPv4");
	refused("a", "A", "10.0.0.0/8", "IPv4");
	refused("a", "A", "0.0.0.0", "IPv4");
	refused("a", "A", "224.0.0.1", "IPv4");
	refused("a", "AAAA", "10.0.0.1", "IPv6");
	refused("a", "TXT", "", "text");
	refused("a", "TXT", long_text, "text");
	refused("a", "TXT", "a\nb", "text");
	refused("a", "SRV", "1 2 b", "PRIORITY");
	refused("a", "SRV", "1 2 65536 b", "PRIORITY");
	refused("a", "CNAME", "no name", "a name");
	refused("@", "CNAME", "a", "CNAME");
	refused("a", "CNAME", "a", "circle");
	refused("*.a", "CNAME", "b.a", "circle");
}

static void test_together(void **state)
{
	struct names_document d = { .record_count = 0 };
	char name[32];
	char value[32];

	(void)state;
	assert_int_equal(add(&d, "a", "CNAME", "b"), 0);
	assert_int_equal(add(&d, "b", "CNAME", "c"), 0);
	assert_int_equal(add(&d, "c", "CNAME", "a"), -EINVAL);
	assert_non_null(strstr(error, "circle"));
	assert_int_equal(add(&d, "a", "A", "192.0.2.1"), -EINVAL);
	assert_non_null(strstr(error, "stands alone"));
	assert_int_equal(d.record_count, 2);
	/* Eight in a row, and no ninth. */
	for (int i = 0; i < 7; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		snprintf(value, sizeof(value), "n%d", i + 1);
		assert_int_equal(add(&d, name, "CNAME", value), 0);
	}
	assert_int_equal(add(&d, "n7", "CNAME", "n8"), 0);
	assert_int_equal(add(&d, "n8", "CNAME", "n9"), -EINVAL);
	for (int i = 1; i <= 64; i++) {
		snprintf(value, sizeof(value), "192.0.2.%d", i);
		assert_int_equal(add(&d, "many", "A", value), 0);
	}
	assert_int_equal(add(&d, "many", "A", "192.0.2.65"), -EINVAL);
	assert_non_null(strstr(error, "more than 64"));
	names_document_clear(&d);
}

static int split(struct names_document *d, const char *domain, const char *server)
{
	const char *servers[] = { server };

	return names_document_split(d, domain, servers, server ? 1 : 0, "office", error);
}

static void test_split(void **state)
{
	static const char *const bad[] = { "10.0.0.0/8", "dns.example", "127.0.0.1",      "0.0.0.0",
					   "ff02::1",    "10.0.0.1:0",  "10.0.0.1:99999", "" };
	const char *twice[] = { "10.0.0.1", "10.0.0.1:53" };
	struct names_document d = { .record_count = 0 };
	char name[32];

	(void)state;
	assert_int_equal(split(&d, "Corp.Example.", "10.0.0.1:53"), 0);
	assert_int_equal(split(&d, "b.example", "[fd00::1]:5353"), 0);
	assert_int_equal(split(&d, "corp.example", "10.0.0.2"), 0); /* instead */
	expect_text(&d, "{\"records\":[],\"split\":["
			"{\"domain\":\"b.example\",\"servers\":[\"[fd00::1]:5353\"]},"
			"{\"domain\":\"corp.example\",\"servers\":[\"10.0.0.2\"]}]}");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(split(&d, "c.example", bad[i]), -EINVAL);
	assert_int_equal(names_document_split(&d, "c.example", twice, 2, "office", error), -EINVAL);
	assert_int_equal(split(&d, "x.office.internal", "10.0.0.1"), -EINVAL);
	assert_int_equal(split(&d, "office.internal", "10.0.0.1"), -EINVAL);
	assert_int_equal(split(&d, ".", "10.0.0.1"), -EINVAL);
	assert_int_equal(split(&d, "*.example", "10.0.0.1"), -EINVAL);
	assert_int_equal(split(&d, "c.example", NULL), -ENOENT);
	assert_int_equal(split(&d, "b.example", NULL), 0);
	assert_int_equal(d.split_count, 1);
	for (int i = 1; i < NAMES_SPLITS_MAX; i++) {
		snprintf(name, sizeof(name), "s%d.example", i);
		assert_int_equal(split(&d, name, "10.0.0.1"), 0);
	}
	assert_int_equal(split(&d, "more.example", "10.0.0.1"), -ENOSPC);
	names_document_clear(&d);
}

static void parse_fails(const char *text, const char *why)
{
	struct names_document d;

	assert_int_equal(names_document_parse(&d, text, strlen(text), "office", error), -EINVAL);
	if (!strstr(error, why))
		fail_msg("\"%s\" says nothing of \"%s\"", error, why);
}

static void test_text(void **state)
{
	(void)state;
	parse_fails("[]", "object");
	parse_fails("{", "line 1");
	parse_fails("{\"record\":[]}", "object with");
	parse_fails("{\"records\":{}}", "no list");
	parse_fails("{\"records\":[{}]}", "records[0]");
	parse_fails("{\"records\":[{\"name\":\"a\",\"type\":\"A\",\"value\":\"192.0.2.1\"},"
		    "{\"name\":\"a b\",\"type\":\"A\",\"value\":\"192.0.2.1\"}]}",
		    "records[1]: \"a b\" is no name");
	parse_fails("{\"records\":[{\"name\":\"a\",\"type\":\"A\",\"value\":\"192.0.2.1\","
		    "\"ttl\":5}]}",
		    "records[0]");
	parse_fails("{\"records\":[{\"name\":\"a\",\"type\":\"A\",\"value\":\"192.0.2.1\"},"
		    "{\"name\":\"A\",\"type\":\"A\",\"value\":\"192.0.2.1\"}]}",
		    "twice");
	parse_fails("{\"split\":[{\"domain\":\"a.example\",\"servers\":[]}]}", "split[0]");
	parse_fails("{\"split\":[{\"domain\":\"a.example\",\"servers\":[5]}]}", "split[0]");
	parse_fails("{\"records\":[[[[[[]]]]]]}", "deep");
}

/* As many as there can be, and one more. */
static void test_limits(void **state)
{
	size_t size = (NAMES_RECORDS_MAX + 2) * 64;
	struct names_document d;
	char *text = malloc(size);
	size_t len;

	(void)state;
	for (int extra = 0; extra < 2; extra++) {
		len = (size_t)snprintf(text, size, "{\"records\":[");
		for (int i = 0; i < NAMES_RECORDS_MAX + extra; i++)
			len += (size_t)snprintf(
				text + len, size - len,
				"%s{\"name\":\"h%d\",\"type\":\"A\",\"value\":\"10.1.%d.%d\"}",
				i ? "," : "", i, i >> 8, i & 255);
		len += (size_t)snprintf(text + len, size - len, "]}");
		assert_true(len < NAMES_TEXT_MAX);
		assert_int_equal(names_document_parse(&d, text, len, "office", error),
				 extra ? -EINVAL : 0);
		if (!extra) {
			assert_int_equal(d.record_count, NAMES_RECORDS_MAX);
			assert_int_equal(add(&d, "one-more", "A", "10.2.0.1"), -ENOSPC);
			names_document_clear(&d);
		}
	}
	free(text);
	text = calloc(1, NAMES_TEXT_MAX + 1);
	memset(text, ' ', NAMES_TEXT_MAX + 1);
	assert_int_equal(names_document_parse(&d, text, NAMES_TEXT_MAX + 1, "office", error),
			 -EINVAL);
	assert_non_null(strstr(error, "larger"));
	free(text);
}

/* Networks are called anything, domains are not. */
static void test_origin(void **state)
{
	static const struct {
		const char *network;
		const char *domain;
	} cases[] = {
		{ "office", "office.internal" },
		{ "Acme Corp. #1", "acme-corp.1.internal" },
		{ "site.example", "site.example.internal" },
		{ "--- ...", "warren.internal" },
		{ "", "warren.internal" },
		{ "a_b", "a-b.internal" },
		{ "a-.-b", "a.b.internal" },
	};
	char text[NAMES_TEXT_NAME_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct names_name name = { .len = 0 };

		names_name_origin(&name, cases[i].network);
		assert_string_equal(names_name_format(text, &name), cases[i].domain);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_canonical), cmocka_unit_test(test_refused),
		cmocka_unit_test(test_together),  cmocka_unit_test(test_split),
		cmocka_unit_test(test_text),      cmocka_unit_test(test_limits),
		cmocka_unit_test(test_origin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
