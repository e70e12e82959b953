#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/control.h"

static void test_round_trip(void **state)
{
	struct control_report_peer peers[2] = {
		{ .path = CONTROL_REPORT_DIRECT, .latency_us = 9100 },
		{ .path = CONTROL_REPORT_RELAY, .relay = "fra", .reason = "udp-blocked" },
	};
	char health[1][CONTROL_REPORT_TEXT_MAX + 1] = { "udp is blocked here" };
	struct control_message message = { .type = CONTROL_REPORT,
					   .report = { peers, 2, health, 1 } };
	struct control_message parsed;
	char *text;
	size_t len;

	(void)state;
	memset(peers[0].node_key, 7, 32);
	assert_int_equal(control_encode(&message, &text, &len), 0);
	assert_int_equal(control_parse(&parsed, text, len), 0);
	assert_int_equal(parsed.type, CONTROL_REPORT);
	assert_int_equal(parsed.report.peer_count, 2);
	assert_memory_equal(parsed.report.peers, peers, sizeof(peers));
	assert_int_equal(parsed.report.health_count, 1);
	assert_string_equal(parsed.report.health[0], health[0]);
	control_message_clear(&parsed);
	free(text);
}

static void test_pong_asks(void **state)
{
	struct control_message pong = { .type = CONTROL_PONG, .ping = { 1, 2, true } };
	struct control_message parsed;
	char *text;
	size_t len;

	(void)state;
	assert_int_equal(control_encode(&pong, &text, &len), 0);
	assert_int_equal(control_parse(&parsed, text, len), 0);
	assert_true(parsed.ping.report);
	free(text);
	pong.ping.report = false;
	assert_int_equal(control_encode(&pong, &text, &len), 0);
	assert_null(strstr(text, "report"));
	free(text);
}

/* The largest report is well below what a node may send. */
static void test_bounds(void **state)
{
	struct control_message message = { .type = CONTROL_REPORT };
	struct control_report *report = &message.report;
	struct control_message parsed;
	char *text;
	size_t len;

	(void)state;
	report->peers = calloc(CONTROL_REPORT_PEERS_MAX + 1, sizeof(*report->peers));
	report->health = calloc(CONTROL_REPORT_HEALTH_MAX + 1, sizeof(*report->health));
	for (size_t i = 0; i <= CONTROL_REPORT_PEERS_MAX; i++) {
		memset(report->peers[i].relay, 'r', NETMAP_RELAY_NAME_MAX);
		memset(report->peers[i].reason, 'r', CONTROL_REPORT_REASON_MAX);
		report->peers[i].latency_us = CONTROL_REPORT_LATENCY_MAX_US;
	}
	for (size_t i = 0; i <= CONTROL_REPORT_HEALTH_MAX; i++)
		memset(report->health[i], 'h', CONTROL_REPORT_TEXT_MAX);
	report->peer_count = CONTROL_REPORT_PEERS_MAX;
	report->health_count = CONTROL_REPORT_HEALTH_MAX;
	assert_int_equal(control_encode(&message, &text, &len), 0);
	assert_true(len < CONTROL_NODE_MAX / 2);
	assert_int_equal(control_parse(&parsed, text, len), 0);
	control_message_clear(&parsed);
	free(text);
	report->peer_count++;
	assert_int_equal(control_encode(&message, &text, &len), 0);
	assert_int_equal(control_parse(&parsed, text, len), -EBADMSG);
	free(text);
	report->peer_count--;
	report->health_count++;
	assert_int_equal(control_encode(&message, &text, &len), 0);
	assert_int_equal(control_parse(&parsed, text, len), -EBADMSG);
	free(text);
	control_report_clear(report);
}

static int parse(const char *text)
{
	struct control_message parsed;
	int err = control_parse(&parsed, text, strlen(text));

	if (err == 0)
		control_message_clear(&parsed);
	return err;
}

#define KEY "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

static void test_malformed(void **state)
{
	(void)state;
	assert_int_equal(parse("{\"type\":\"report\",\"v\":1,\"peers\":[],\"health\":[]}"), 0);
	assert_int_equal(parse("{\"type\":\"report\",\"v\":1,\"peers\":[{\"node\":\"" KEY
			       "\",\"path\":\"idle\"}],\"health\":[]}"),
			 0);
	assert_int_equal(parse("{\"type\":\"report\",\"v\":1,\"peers\":[]}"), -EBADMSG);
	assert_int_equal(parse("{\"type\":\"report\",\"v\":1,\"peers\":[7],\"health\":[]}"),
			 -EBADMSG);
	assert_int_equal(parse("{\"type\":\"report\",\"v\":1,\"peers\":[],\"health\":[{}]}"),
			 -EBADMSG);
	assert_int_equal(parse("{\"type\":\"report\",\"v\":1,\"peers\":[{\"node\":\"" KEY
			       "\",\"path\":\"tunnel\"}],\"health\":[]}"),
			 -EBADMSG);
	assert_int_equal(parse("{\"type\":\"report\",\"v\":1,\"peers\":[{\"node\":\"" KEY
			       "\",\"path\":\"idle\",\"latency_us\":-1}],\"health\":[]}"),
			 -EBADMSG);
	assert_int_equal(parse("{\"type\":\"report\",\"v\":1,\"peers\":[{\"node\":\"AA\","
			       "\"path\":\"idle\"}],\"health\":[]}"),
			 -EBADMSG);
}

static void check_clean(const char *line, const char *want)
{
	char out[CONTROL_REPORT_TEXT_MAX + 1];

	control_report_clean(out, line);
	assert_string_equal(out, want);
}

static void test_clean(void **state)
{
	char out[CONTROL_REPORT_TEXT_MAX + 1];
	char line[600];

	(void)state;
	check_clean("", "");
	check_clean("no relay answers; peers cannot be reached",
		    "no relay answers; peers cannot be reached");
	check_clean("opened 203.0.113.5:41641, but nothing", "opened (address), but nothing");
	check_clean("opened [2001:db8::5]:41641.", "opened (address).");
	check_clean("address 100.64.0.1 collides with 10.0.0.0/8: use another",
		    "address (address) collides with (address): use another");
	check_clean("via=192.0.2.1;fe80::1%eth0", "via=(address);(address)");
	check_clean("(::1) and ::ffff:1.2.3.4", "((address)) and (address)");
	check_clean("fd00:1::/64 taken", "(address) taken");
	check_clean("version 0.1.0 at 12:30, db1: cafe", "version 0.1.0 at 12:30, db1: cafe");
	check_clean("a\tb\nc", "a b c");
	/* Cut at a whole character. */
	memset(line, 'x', sizeof(line));
	memcpy(line + CONTROL_REPORT_TEXT_MAX - 1, "\xc3\xa9\0", 3);
	control_report_clean(out, line);
	assert_int_equal(strlen(out), CONTROL_REPORT_TEXT_MAX - 1);
	memset(line, ' ', sizeof(line));
	memcpy(line + CONTROL_REPORT_TEXT_MAX - 4, "192.0.2.1", 10);
	control_report_clean(out, line);
	assert_null(strstr(out, "192"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip), cmocka_unit_test(test_pong_asks),
		cmocka_unit_test(test_bounds),     cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_clean),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
