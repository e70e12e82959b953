/* cmocka.h needs these before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/format.h"
#include "ctl/netcheck_text.h"
#include "ctl/ping_text.h"
#include "ctl/routes_text.h"
#include "ctl/speed_text.h"
#include "ctl/status_field.h"
#include "ctl/status_table.h"

static void test_bytes(void **state)
{
	static const struct {
		uint64_t bytes;
		const char *text;
	} cases[] = {
		{ 0, "0 B" },
		{ 276, "276 B" },
		{ 1023, "1023 B" },
		{ 1024, "1.0 KiB" },
		{ 1258291, "1.2 MiB" },
		{ 3565158, "3.4 MiB" },
		{ 1048575, "1.0 MiB" },
		{ 1024ULL * 1024 * 1024 * 5, "5.0 GiB" },
		{ UINT64_MAX, "16.0 EiB" },
	};
	char out[FORMAT_SIZE];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(format_bytes(out, cases[i].bytes), cases[i].text);
}

static void test_durations(void **state)
{
	static const struct {
		uint64_t seconds;
		const char *text;
	} cases[] = {
		{ 0, "0s" },     { 42, "42s" },    { 60, "1m" },    { 70, "1m10s" },
		{ 7200, "2h" },  { 7265, "2h1m" }, { 86400, "1d" }, { 90061, "1d1h" },
		{ 86459, "1d" }, { 3659, "1h" },
	};
	static const char *const bad[] = {
		"", "s", "1x", "1 s", "-1s", "0", "0s", "1.5s", "99999999999999999999s", "400d"
	};
	char out[FORMAT_SIZE];
	uint64_t ms = 7;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(format_duration(out, cases[i].seconds), cases[i].text);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(format_parse_duration(&ms, bad[i]), -EINVAL);
	assert_int_equal(ms, 7);
	assert_int_equal(format_parse_duration(&ms, "500ms"), 0);
	assert_int_equal(ms, 500);
	assert_int_equal(format_parse_duration(&ms, "60s"), 0);
	assert_int_equal(ms, 60000);
	assert_int_equal(format_parse_duration(&ms, "2h"), 0);
	assert_int_equal(ms, 7200000);
	assert_int_equal(format_parse_duration(&ms, "3"), 0);
	assert_int_equal(ms, 3000);
}

static void test_latency_and_text(void **state)
{
	char out[FORMAT_SIZE];
	char text[8];

	(void)state;
	assert_string_equal(format_latency(out, 9.1), "9ms");
	assert_string_equal(format_latency(out, 0.42), "0.4ms");
	assert_string_equal(format_latency(out, 0.97), "1ms");
	assert_string_equal(format_latency(out, -1), "-");
	assert_string_equal(format_latency_fine(out, 9.1), "9.1ms");
	assert_string_equal(format_text(text, sizeof(text), "a\033[31m\x9b\n!"), "a?[31m?");
}

static const char sample[] =
	"{\"schema\":1,\"network\":\"acme\",\"state\":\"connected\","
	"\"self\":{\"name\":\"laptop\",\"addresses\":[\"100.64.0.1\",\"fd00::1\"],"
	"\"public_key\":\"K\"},"
	"\"coordinator\":{\"state\":\"ok\",\"transport\":\"wss\",\"latency_ms\":12},"
	"\"home_relay\":{\"name\":\"fra\",\"transport\":\"udp\",\"latency_ms\":8},"
	"\"data_plane\":{\"cipher\":\"ipsec-mb\",\"workers\":2,\"offload\":{\"tun_tcp\":true,"
	"\"tun_udp\":false,\"udp_gso\":true,\"udp_gro\":true}},"
	"\"peers\":["
	"{\"name\":\"db1\",\"addresses\":[\"100.64.0.2\",\"fd00::2\"],\"public_key\":\"D\","
	"\"tags\":[\"tag:db\"],\"online\":true,\"path\":\"direct\","
	"\"endpoint\":\"203.0.113.5:41641\",\"relay\":null,\"reason\":null,\"latency_ms\":9.1,"
	"\"last_handshake_s\":42,\"rx_bytes\":1258291,\"tx_bytes\":3565158},"
	"{\"name\":\"nas\",\"addresses\":[\"100.64.0.3\"],\"owner\":\"alice\",\"tags\":[],"
	"\"online\":true,\"path\":\"relay\",\"endpoint\":null,\"relay\":\"fra\","
	"\"reason\":\"udp-blocked\",\"latency_ms\":34,\"last_handshake_s\":70,"
	"\"rx_bytes\":276,\"tx_bytes\":220},"
	"{\"name\":\"gw\",\"addresses\":[\"100.64.0.4\"],\"tags\":[\"tag:gw\"],"
	"\"online\":false,\"path\":\"offline\",\"endpoint\":null,\"relay\":null,"
	"\"reason\":\"peer-offline\",\"latency_ms\":null,\"last_handshake_s\":7200,"
	"\"last_seen_s\":7200,\"rx_bytes\":5,\"tx_bytes\":5}],"
	"\"health\":[\"dns: no resolver to configure, names are off\"]}";

static char *print_status(const char *json, bool details, bool colour)
{
	json_t *status = json_loads(json, 0, NULL);
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	assert_non_null(status);
	status_table_print(status, out, details, colour);
	fclose(out);
	json_decref(status);
	return text;
}

static void test_status_like_the_contract(void **state)
{
	char *text = print_status(sample, false, false);

	(void)state;
	assert_string_equal(
		text,
		"acme · laptop 100.64.0.1 · coord ok (wss, 12ms) · relay fra 8ms · direct 1 relay 1 "
		"offline 1\n"
		"NAME  ADDRESS     OWNER   PATH     VIA                LAT   HANDSHAKE  RX       TX\n"
		"db1   100.64.0.2  tag:db  direct   203.0.113.5:41641  9ms   42s        1.2 MiB  3.4 "
		"MiB\n"
		"nas   100.64.0.3  alice   relay    fra: udp blocked   34ms  1m10s      276 B    220 "
		"B\n"
		"gw    100.64.0.4  tag:gw  offline  last seen 2h ago   -     2h         -        -\n"
		"! dns: no resolver to configure, names are off\n");
	free(text);
}

static void test_status_details_and_colour(void **state)
{
	char *text = print_status(sample, true, false);

	(void)state;
	assert_non_null(strstr(text, "\ndb1\n  addresses  100.64.0.2 fd00::2\n"
				     "  key        D\n  tags       tag:db\n"
				     "  endpoint   203.0.113.5:41641\n"));
	assert_non_null(strstr(text, "\nlaptop\n  addresses  100.64.0.1 fd00::1\n"));
	assert_non_null(strstr(text, "\n  key        K\n  data plane ipsec-mb, 2 workers, "
				     "offload tun tcp + udp gso + udp gro\n"));
	assert_null(strchr(text, '\033'));
	free(text);
	text = print_status(sample, false, true);
	assert_non_null(strstr(text, "\033[32mdirect\033[0m   203."));
	free(text);
}

/* --- routes --- */

static const char route_lines[] =
	"\"routes\":[{\"prefix\":\"0.0.0.0/0\",\"node\":\"db1\",\"exit\":true,\"own\":false,"
	"\"weight\":100,\"offered\":true,\"approved\":true,\"used\":false,\"why\":\"no exit is "
	"wanted\"},"
	"{\"prefix\":\"10.20.0.0/16\",\"node\":\"db1\",\"own\":false,\"exit\":false,"
	"\"weight\":100,\"offered\":true,\"approved\":true,\"used\":true,\"why\":null},"
	"{\"prefix\":\"10.20.0.0/16\",\"node\":\"nas\",\"own\":false,\"exit\":false,"
	"\"weight\":50,\"offered\":true,\"approved\":true,\"used\":false,\"why\":\"standby\"},"
	"{\"prefix\":\"10.20.5.0/24\",\"node\":\"nas\",\"own\":false,\"exit\":false,"
	"\"weight\":50,\"offered\":true,\"approved\":true,\"used\":false,\"why\":\"at-home\"},"
	"{\"prefix\":\"10.77.1.0/24\",\"real\":\"192.168.1.0/24\",\"node\":\"laptop\","
	"\"own\":true,\"exit\":false,\"weight\":100,\"offered\":true,\"approved\":false,"
	"\"used\":false,\"why\":\"waits for an admin's approval\"}]";

static char *print_routes(const char *json)
{
	json_t *routes = json_loads(json, 0, NULL);
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	assert_non_null(routes);
	routes_text_print(routes, out, false);
	fclose(out);
	json_decref(routes);
	return text;
}

static void test_routes(void **state)
{
	char json[4096], *text;

	(void)state;
	snprintf(json, sizeof(json), "{\"schema\":1,%s,\"left_out\":3}", route_lines);
	text = print_routes(json);
	assert_string_equal(
		text,
		"PREFIX                         ROUTER         WEIGHT  OFFERED  APPROVED  USED  WHY NOT\n"
		"0.0.0.0/0 (exit)               db1            100     yes      yes       no    no exit is wanted\n"
		"10.20.0.0/16                   db1            100     yes      yes       yes   -\n"
		"10.20.0.0/16                   nas            50      yes      yes       no    standby\n"
		"10.20.5.0/24                   nas            50      yes      yes       no    at-home\n"
		"10.77.1.0/24 = 192.168.1.0/24  laptop (here)  100     yes      no        no    waits for an admin's approval\n"
		"and 3 more\n");
	free(text);
	text = print_routes("{\"schema\":1,\"routes\":[]}");
	assert_non_null(strstr(text, "no routes: nobody offers one"));
	free(text);
	text = print_routes("{\"schema\":1,\"routes\":[],\"up\":false}");
	assert_non_null(strstr(text, "this node is not connected"));
	free(text);
	text = print_routes("{\"routes\":[1,{},{\"prefix\":\"\\u001b[2J\",\"weight\":\"x\"}]}");
	assert_null(strchr(text, '\033'));
	free(text);
}

static const char *find_route(const json_t *routes, const char *address)
{
	return status_text(routes_find(routes, address), "node", "nobody");
}

/* The most specific, and of several the one that is used; exits are everybody's. */
static void test_route_of_address(void **state)
{
	char json[4096];
	json_t *routes;

	(void)state;
	snprintf(json, sizeof(json), "{%s}", route_lines);
	routes = json_loads(json, 0, NULL);
	assert_string_equal(find_route(routes, "10.20.0.9"), "db1");
	assert_string_equal(find_route(routes, "10.20.5.9"), "nas");
	assert_string_equal(find_route(routes, "10.77.1.9"), "laptop");
	assert_string_equal(find_route(routes, "192.168.1.9"), "nobody");
	assert_string_equal(find_route(routes, "8.8.8.8"), "nobody");
	assert_string_equal(find_route(routes, "not one"), "nobody");
	json_decref(routes);
	assert_string_equal(find_route(NULL, "10.20.0.9"), "nobody");
}

static void test_status_resources(void **state)
{
	char json[sizeof(sample) + sizeof(route_lines) + 512], *text;

	(void)state;
	snprintf(json, sizeof(json),
		 "%.*s,%s,\"exit_node\":{\"wanted\":\"auto\",\"ipv4\":\"db1\",\"ipv6\":null,"
		 "\"keep_local\":true,\"kill_switch\":false},\"names\":{\"on\":true,\"how\":"
		 "\"resolv.conf\",\"domain\":\"acme.internal\"},\"conflicts\":[]}",
		 (int)(strlen(sample) - 1), sample, route_lines);
	text = print_status(json, true, false);
	assert_non_null(
		strstr(text, "offline 1 · routes 1 of 3 used, 1 at home · exit db1 (v4)\n"));
	assert_non_null(strstr(
		text,
		"\n  routes     10.77.1.0/24 = 192.168.1.0/24 not used: waits for an admin's approval\n"));
	assert_non_null(strstr(
		text,
		"\n  exit       auto wanted, exit db1 (v4), local networks kept, kill switch off\n"
		"  names      acme.internal, by resolv.conf\n"));
	assert_non_null(strstr(text, "\n  routes     10.20.0.0/16 not used: standby\n"
				     "             10.20.5.0/24 not used: at-home\n"));
	free(text);
}

/* --- speed --- */

static void check_speed(const char *json, const char *expected)
{
	json_t *speed = json_loads(json, 0, NULL);
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	assert_non_null(speed);
	speed_text_print(speed, out);
	fclose(out);
	assert_string_equal(text, expected);
	free(text);
	json_decref(speed);
}

static void test_speed(void **state)
{
	char out[SPEED_RATE_SIZE];

	(void)state;
	check_speed("{\"schema\":1,\"name\":\"db1\",\"address\":\"100.64.0.2\",\"latency_ms\":9.13,"
		    "\"up\":{\"mbit_per_s\":812.4,\"bytes\":304650000,\"latency_ms\":23.5},"
		    "\"down\":{\"mbit_per_s\":1204,\"bytes\":451500000,\"latency_ms\":null},"
		    "\"paths\":[{\"at_s\":0,\"path\":\"relay\",\"via\":\"fra\"},"
		    "{\"at_s\":1.25,\"path\":\"direct\",\"via\":\"203.0.113.5:41641\"}]}",
		    "to        db1 (100.64.0.2)\n"
		    "path      relay fra, after 1.2s direct 203.0.113.5:41641\n"
		    "idle      9.1ms\n"
		    "up        812 Mbit/s (290.5 MiB), latency 23.5ms\n"
		    "down      1.20 Gbit/s (430.6 MiB), latency -\n");
	check_speed("{}", "to        - (-)\npath      \nidle      -\n"
			  "up        - (0 B), latency -\n"
			  "down      - (0 B), latency -\n");
	assert_string_equal(speed_rate(out, 9.94), "9.9 Mbit/s");
	assert_string_equal(speed_rate(out, 99.96), "100 Mbit/s");
	assert_string_equal(speed_rate(out, 999.6), "1.00 Gbit/s");
}

static void test_status_states(void **state)
{
	char *text = print_status("{\"state\":\"needs-login\",\"self\":{\"name\":null},"
				  "\"peers\":[]}",
				  false, false);

	(void)state;
	assert_string_equal(text, "not in a network: join one with sudo warren up TOKEN\n");
	free(text);
	text = print_status("{\"state\":\"stopped\",\"network\":\"acme\",\"self\":{\"name\":\"a\","
			    "\"addresses\":[\"100.64.0.1\"]},\"peers\":[]}",
			    false, false);
	assert_string_equal(text, "acme · a 100.64.0.1 · stopped: connect with sudo warren up\n");
	free(text);
	text = print_status("{\"state\":\"connecting\",\"network\":\"acme\","
			    "\"self\":{\"name\":\"a\",\"addresses\":[\"100.64.0.1\"]},"
			    "\"coordinator\":{\"state\":\"unreachable\",\"error\":\"refused\"},"
			    "\"home_relay\":null,\"peers\":[]}",
			    false, false);
	assert_string_equal(text, "acme · a 100.64.0.1 · connecting · coord unreachable (refused)"
				  " · no relay · no peers\n");
	free(text);
}

/* Whatever the object holds: no crash, and nothing that a terminal would obey. */
static void test_status_hostile(void **state)
{
	static const char *const bad[] = {
		"{}",
		"{\"peers\":7,\"health\":\"x\",\"self\":[],\"home_relay\":3,\"coordinator\":1,"
		"\"data_plane\":{\"cipher\":5,\"workers\":\"\"}}",
		"{\"state\":\"connected\",\"peers\":[1,null,{}]}",
		"{\"network\":\"\\u001b[2J\",\"self\":{\"name\":\"\\u009b31m\"},"
		"\"peers\":[{\"name\":\"\\u001b]0;x\\u0007\",\"path\":\"relay\",\"relay\":\"\\n\","
		"\"reason\":\"\\r\"}],\"health\":[\"\\u001b[H\",5]}",
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char *text = print_status(bad[i], true, false);
		const char *at;

		for (at = text; *at; at++)
			assert_true(*at == '\n' || (unsigned char)*at >= ' ');
		assert_null(strstr(text, "\xc2\x9b"));
		free(text);
	}
}

static void test_find(void **state)
{
	json_t *status = json_loads(sample, 0, NULL);

	(void)state;
	assert_string_equal(status_text(status_find(status, "nas"), "name", ""), "nas");
	assert_string_equal(status_text(status_find(status, "fd00:0::2"), "name", ""), "db1");
	assert_string_equal(status_text(status_find(status, "100.64.0.1"), "name", ""), "laptop");
	assert_null(status_find(status, "100.64.0.9"));
	assert_null(status_find(status, "na"));
	json_decref(status);
}

static void check_pong(const char *json, const char *text)
{
	json_t *fields = json_loads(json, 0, NULL);
	char out[PING_TEXT_MAX];

	assert_string_equal(ping_text(out, fields, "db1"), text);
	json_decref(fields);
}

static void test_pong(void **state)
{
	(void)state;
	check_pong("{\"seq\":1,\"from\":\"db1\",\"address\":\"100.64.0.2\",\"via\":\"direct\","
		   "\"endpoint\":\"203.0.113.5:41641\",\"latency_ms\":9.1}",
		   "pong from db1 (100.64.0.2) via direct 203.0.113.5:41641 in 9.1ms");
	check_pong("{\"seq\":1,\"from\":\"db1\",\"address\":\"100.64.0.2\",\"via\":\"relay\","
		   "\"relay\":\"fra\",\"endpoint\":null,\"latency_ms\":34}",
		   "pong from db1 (100.64.0.2) via relay fra in 34.0ms");
	check_pong("{\"seq\":2,\"lost\":true}", "no reply from db1");
	check_pong("{\"from\":\"\\u001b[2J\"}", "pong from ?[2J (-) via relay - in -");
}

static void test_netcheck(void **state)
{
	json_t *object = json_loads(
		"{\"udp\":true,\"ipv4\":\"203.0.113.7:41641\",\"ipv6\":null,"
		"\"mapping\":\"endpoint-independent\",\"filtering\":\"unknown\","
		"\"port_mapping\":\"none\",\"proxy\":null,"
		"\"names\":{\"on\":true,\"how\":\"resolv.conf\",\"domain\":\"a.internal\"},"
		"\"exit_node\":{\"wanted\":\"auto\",\"ipv4\":\"fra\",\"ipv6\":null},"
		"\"conflicts\":[\"10.1.0.0/16 of gw: at-home\",\"10.2.0.0/16 of gw: overlay\"],"
		"\"relays\":["
		"{\"name\":\"fra\",\"latency_ms\":8.2,\"transport\":\"udp\","
		"\"home\":true},{\"name\":\"nyc\",\"latency_ms\":null,"
		"\"transport\":null,\"home\":false}]}",
		0, NULL);
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	(void)state;
	netcheck_text_print(object, out);
	fclose(out);
	assert_string_equal(text, "udp           yes\n"
				  "ipv4          203.0.113.7:41641\n"
				  "ipv6          no answer\n"
				  "mapping       endpoint-independent\n"
				  "filtering     unknown\n"
				  "port mapping  none\n"
				  "proxy         none\n"
				  "names         a.internal by resolv.conf\n"
				  "exit          auto, for IPv4 fra, for IPv6 nobody\n"
				  "conflicts     10.1.0.0/16 of gw: at-home\n"
				  "              10.2.0.0/16 of gw: overlay\n"
				  "relays        fra  8ms  home\n"
				  "              nyc  -    no answer\n");
	free(text);
	json_decref(object);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_durations),
		cmocka_unit_test(test_latency_and_text),
		cmocka_unit_test(test_status_like_the_contract),
		cmocka_unit_test(test_status_details_and_colour),
		cmocka_unit_test(test_routes),
		cmocka_unit_test(test_route_of_address),
		cmocka_unit_test(test_status_resources),
		cmocka_unit_test(test_speed),
		cmocka_unit_test(test_status_states),
		cmocka_unit_test(test_status_hostile),
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_pong),
		cmocka_unit_test(test_netcheck),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
