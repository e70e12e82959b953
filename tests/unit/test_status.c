/* cmocka.h needs these before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "daemon/route_report.h"
#include "daemon/status.h"

static char *dump(const struct status *status)
{
	json_t *object = status_to_json(status);
	char *text;

	assert_non_null(object);
	text = json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(10));
	json_decref(object);
	return text;
}

static void test_before_enrolment(void **state)
{
	struct status status = {
		.state = STATUS_NEEDS_LOGIN,
		.coordinator = { .state = "none", .latency_ms = STATUS_LATENCY_NONE },
	};
	char *text = dump(&status);

	(void)state;
	assert_string_equal(
		text,
		"{\"schema\":1,\"network\":null,\"state\":\"needs-login\","
		"\"self\":{\"name\":null,\"addresses\":[],\"public_key\":null,"
		"\"owner\":null},"
		"\"coordinator\":{\"state\":\"none\",\"latency_ms\":null,"
		"\"transport\":null,\"error\":null},\"home_relay\":null,"
		"\"data_plane\":null,\"port_mapping\":null,\"peers\":[],\"health\":[],\"pending\":null,"
		"\"routes\":[],\"exit_node\":null,\"names\":{\"on\":false,\"how\":null,"
		"\"domain\":null},\"conflicts\":[]}");
	free(text);
}

static const char contract[] =
	"{\"schema\":1,\"network\":\"acme\",\"state\":\"connected\","
	"\"self\":{\"name\":\"laptop\",\"addresses\":[\"100.64.0.1\"],"
	"\"public_key\":\"AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\",\"owner\":\"bob@example.com\"},"
	"\"coordinator\":{\"state\":\"ok\",\"latency_ms\":12.0,\"transport\":\"wss\","
	"\"error\":null},"
	"\"home_relay\":{\"name\":\"fra\",\"transport\":\"udp\",\"latency_ms\":8.0},"
	"\"data_plane\":{\"cipher\":\"ipsec-mb\",\"workers\":4,\"offload\":"
	"{\"tun_tcp\":true,\"tun_udp\":false,\"udp_gso\":true,\"udp_gro\":true}},"
	"\"port_mapping\":\"upnp 203.0.113.9:41641 verified\","
	"\"peers\":[{\"name\":\"db1\",\"addresses\":[\"100.64.0.2\"],"
	"\"public_key\":\"AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\","
	"\"owner\":null,\"tags\":[\"tag:db\"],\"online\":true,\"path\":\"direct\","
	"\"endpoint\":\"203.0.113.5:41641\",\"relay\":null,\"reason\":null,"
	"\"latency_ms\":9.1,\"loss_percent\":2.1,\"mtu\":1340,\"lanes\":4,\"last_handshake_s\":42,\"last_seen_s\":null,"
	"\"rx_bytes\":1258291,\"tx_bytes\":3565158,"
	"\"routes\":[\"10.20.0.0/16\"]},"
	"{\"name\":\"?\",\"addresses\":[],"
	"\"public_key\":\"AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\","
	"\"owner\":\"alice\",\"tags\":[],\"online\":false,\"path\":\"relay\","
	"\"endpoint\":null,\"relay\":\"fra\",\"reason\":\"udp-blocked\","
	"\"latency_ms\":null,\"loss_percent\":0.0,\"mtu\":null,\"lanes\":1,\"last_handshake_s\":null,\"last_seen_s\":7200,"
	"\"rx_bytes\":0,\"tx_bytes\":0,\"routes\":[]}],"
	"\"health\":[\"dns: no resolver to configure, names are off\"],"
	"\"pending\":{\"reason\":\"approval\",\"code\":\"ABCD-EFGH\",\"url\":null},"
	"\"routes\":[{\"prefix\":\"10.20.0.0/16\",\"real\":null,\"node\":\"db1\","
	"\"own\":false,\"exit\":false,\"weight\":100,\"snat\":null,\"offered\":true,"
	"\"approved\":true,\"used\":true,\"conflict\":false,\"why\":null},"
	"{\"prefix\":\"10.77.1.0/24\",\"real\":\"192.168.1.0/24\",\"node\":\"laptop\","
	"\"own\":true,\"exit\":false,\"weight\":7,\"snat\":true,\"offered\":true,"
	"\"approved\":false,\"used\":false,\"conflict\":true,\"why\":\"waits\"}],"
	"\"exit_node\":{\"wanted\":\"auto\",\"ipv4\":\"db1\",\"ipv6\":null,"
	"\"keep_local\":true,\"kill_switch\":false},"
	"\"names\":{\"on\":true,\"how\":\"systemd-resolved\",\"domain\":\"acme.internal\"},"
	"\"conflicts\":[\"10.77.1.0/24 of laptop: waits\"]}";

static void test_the_contract(void **state)
{
	static const uint8_t key[32] = { 1 };
	static const char *const tags[] = { "tag:db" };
	static const struct control_pending pending = { .code = "ABCD-EFGH" };
	static const char *const health[] = { "dns: no resolver to configure, names are off" };
	const struct ip_addr self = addr_from_v4(0x64400001);
	const struct ip_addr addr = addr_from_v4(0x64400002);
	const struct endpoint endpoint = { .addr = addr_from_v4(0xcb007105), .port = 41641 };
	const struct status_peer peers[] = {
		{
			.name = "db1",
			.addresses = &addr,
			.address_count = 1,
			.public_key = key,
			.tags = tags,
			.tag_count = 1,
			.online = true,
			.path = STATUS_PATH_DIRECT,
			.endpoint = &endpoint,
			.latency_ms = 9.1234,
			.loss_permille = 21,
			.mtu = 1340,
			.lanes = 4,
			.last_handshake_s = 42,
			.last_seen_s = -1,
			.rx_bytes = 1258291,
			.tx_bytes = 3565158,
		},
		{
			.name = "\xff",
			.public_key = key,
			.path = STATUS_PATH_RELAY,
			.relay = "fra",
			.reason = "udp-blocked",
			.latency_ms = STATUS_LATENCY_NONE,
			.lanes = 1,
			.last_handshake_s = -1,
			.last_seen_s = 7200,
			.owner = "alice",
		},
	};
	struct route_line lines[] = {
		{ .prefix = { addr_from_v4(0x0a140000), 16 },
		  .node = "db1",
		  .weight = 100,
		  .offered = true,
		  .approved = true,
		  .used = true },
		{ .prefix = { addr_from_v4(0x0a4d0100), 24 },
		  .real = addr_from_v4(0xc0a80100),
		  .node = "laptop",
		  .own = true,
		  .snat = true,
		  .weight = 7,
		  .offered = true,
		  .conflict = true,
		  .why = "waits" },
	};
	const struct route_report routes = { .lines = lines, .count = 2 };
	const struct status status = {
		.network = "acme",
		.state = STATUS_CONNECTED,
		.self = { "laptop", &self, 1, key, "bob@example.com" },
		.coordinator = { "ok", "wss", NULL, 12 },
		.home_relay = { "fra", "udp", 8 },
		.data_plane = { "ipsec-mb", 4, { true, false, true, true } },
		.port_mapping = "upnp 203.0.113.9:41641 verified",
		.peers = peers,
		.peer_count = 2,
		.pending = &pending,
		.health = health,
		.health_count = 1,
		.routes = &routes,
		.exit_node = { "auto", "db1", NULL, true, false },
		.names = { true, "systemd-resolved", "acme.internal" },
	};
	char *text = dump(&status);

	(void)state;
	assert_string_equal(text, contract);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_before_enrolment),
		cmocka_unit_test(test_the_contract),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
