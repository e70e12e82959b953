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
	json_t *object =
		json_loads("{\"udp\":true,\"ipv4\":\"203.0.113.7:41641\",\"ipv6\":null,"
			   "\"mapping\":\"endpoint-independent\",\"filtering\":\"unknown\","
			   "\"port_mapping\":\"none\",\"proxy\":null,\"relays\":["
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
		cmocka_unit_test(test_status_states),
		cmocka_unit_test(test_status_hostile),
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_pong),
		cmocka_unit_test(test_netcheck),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
