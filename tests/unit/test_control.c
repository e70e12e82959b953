#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "crypto/sign.h"
#include "proto/control.h"
#include "tests/support/authority.h"

/* Encodes, parses and encodes again: both texts must be the same. The result is the caller's. */
static void round_trip(const struct control_message *message, struct control_message *parsed)
{
	char *a;
	char *b;
	size_t a_len;
	size_t b_len;

	assert_int_equal(control_encode(message, &a, &a_len), 0);
	assert_int_equal(control_parse(parsed, a, a_len), 0);
	assert_int_equal(parsed->type, message->type);
	assert_int_equal(control_encode(parsed, &b, &b_len), 0);
	assert_string_equal(a, b);
	free(a);
	free(b);
}

static void test_node_messages(void **state)
{
	struct control_message enrol = { .type = CONTROL_ENROL };
	struct control_message login = { .type = CONTROL_LOGIN };
	struct control_message update = { .type = CONTROL_UPDATE };
	struct control_message resync = { .type = CONTROL_RESYNC };
	struct control_message ping = { .type = CONTROL_PING, .ping = { 77, 88 } };
	struct control_message parsed;

	(void)state;
	memset(enrol.enrol.secret, 3, sizeof(enrol.enrol.secret));
	memset(enrol.enrol.device_key, 4, 32);
	strcpy(enrol.enrol.facts.hostname, "laptop");
	enrol.enrol.time_s = 1700000000;
	round_trip(&enrol, &parsed);
	assert_memory_equal(&parsed.enrol, &enrol.enrol, sizeof(enrol.enrol));
	login.login.map_version = 12;
	round_trip(&login, &parsed);
	assert_memory_equal(&parsed.login, &login.login, sizeof(login.login));
	assert_false(parsed.login.has_replaces);
	login.login.has_replaces = true;
	memset(login.login.replaces, 0x5a, sizeof(login.login.replaces));
	round_trip(&login, &parsed);
	assert_memory_equal(&parsed.login, &login.login, sizeof(login.login));
	update.update.has_home_relay = true;
	strcpy(update.update.home_relay, "fra");
	update.update.has_routes = true;
	prefix_parse(&update.update.routes[0], "192.168.0.0/24");
	prefix_parse(&update.update.routes[1], "10.77.1.0/24");
	update.update.route_count = 2;
	update.update.route_facts[0].weight = update.update.route_facts[1].weight = 100;
	round_trip(&update, &parsed);
	assert_memory_equal(&parsed.update, &update.update, sizeof(update.update));
	update.update.route_facts[1].weight = 7;
	addr_parse(&update.update.route_facts[1].real, "192.168.1.0");
	round_trip(&update, &parsed);
	assert_memory_equal(&parsed.update, &update.update, sizeof(update.update));
	round_trip(&resync, &parsed);
	round_trip(&ping, &parsed);
	assert_int_equal(parsed.ping.sent_ns, 77);
}

static void test_tickets(void **state)
{
	struct control_message login = { .type = CONTROL_LOGIN };
	struct control_message update = { .type = CONTROL_UPDATE };
	struct control_message parsed;

	(void)state;
	round_trip(&login, &parsed);
	assert_false(parsed.login.has_ticket);
	login.login.has_ticket = true;
	login.login.ticket.number = 7;
	memset(login.login.ticket.mac, 9, sizeof(login.login.ticket.mac));
	round_trip(&login, &parsed);
	assert_memory_equal(&parsed.login, &login.login, sizeof(login.login));
	update.update.ticket_number = 8;
	round_trip(&update, &parsed);
	assert_int_equal(parsed.update.ticket_number, 8);
}

/* What a person is shown: a code and an address, and nothing that a terminal would obey. */
static void test_pending(void **state)
{
	static const char *const bad[] = { "ftp://example.com/", "javascript:alert(1)",
					   "https://example.com/ x", "https://\xc3\xa9" };
	struct control_message pending = { .type = CONTROL_PENDING };
	struct control_message parsed;
	char *text;
	size_t len;

	(void)state;
	pending.pending.reason = CONTROL_PENDING_SIGN_IN;
	strcpy(pending.pending.code, "ABCD-EFGH");
	strcpy(pending.pending.url, "https://id.example.com/device?a=b");
	round_trip(&pending, &parsed);
	assert_memory_equal(&parsed.pending, &pending.pending, sizeof(pending.pending));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		strcpy(pending.pending.url, bad[i]);
		assert_int_equal(control_encode(&pending, &text, &len), 0);
		assert_int_equal(control_parse(&parsed, text, len), -EBADMSG);
		free(text);
	}
}

static void test_signal(void **state)
{
	uint8_t data[CONTROL_SIGNAL_MAX] = { 1, 2, 3 };
	struct control_message signal = { .type = CONTROL_SIGNAL };
	struct control_message parsed;
	char *text;
	size_t len;
	uint8_t *big = calloc(1, CONTROL_SIGNAL_MAX + 1);

	(void)state;
	signal.signal.data = data;
	signal.signal.len = sizeof(data);
	round_trip(&signal, &parsed);
	assert_int_equal(parsed.signal.len, sizeof(data));
	assert_memory_equal(parsed.signal.data, data, sizeof(data));
	control_message_clear(&parsed);
	signal.signal.data = big;
	signal.signal.len = CONTROL_SIGNAL_MAX + 1;
	assert_int_equal(control_encode(&signal, &text, &len), 0);
	assert_int_equal(control_parse(&parsed, text, len), -EBADMSG);
	free(text);
	free(big);
}

static void test_coordinator_messages(void **state)
{
	uint8_t bytes[] = { 9, 8, 7 };
	struct control_credential credential = { "fra", "123:abc", "pass", 123 };
	struct control_presence_entry entries[2] = { { .online = true, .home_relay = "fra" },
						     { .last_seen_s = 55 } };
	struct control_message welcome = { .type = CONTROL_WELCOME };
	struct control_message map = { .type = CONTROL_MAP, .document = { bytes, 3 } };
	struct control_message relays = { .type = CONTROL_RELAYS, .relays = { &credential, 1 } };
	struct control_message presence = { .type = CONTROL_PRESENCE, .presence = { entries, 2 } };
	struct control_message parsed;

	(void)state;
	welcome.welcome.certificate = bytes;
	welcome.welcome.certificate_len = 3;
	strcpy(welcome.welcome.network_name, "acme");
	round_trip(&welcome, &parsed);
	assert_string_equal(parsed.welcome.network_name, "acme");
	assert_false(parsed.welcome.has_tls_key);
	control_message_clear(&parsed);
	welcome.welcome.has_tls_key = true;
	memset(welcome.welcome.tls_key_hash, 7, 32);
	round_trip(&welcome, &parsed);
	assert_true(parsed.welcome.has_tls_key);
	assert_memory_equal(parsed.welcome.tls_key_hash, welcome.welcome.tls_key_hash, 32);
	control_message_clear(&parsed);
	round_trip(&map, &parsed);
	assert_memory_equal(parsed.document.data, bytes, 3);
	control_message_clear(&parsed);
	round_trip(&relays, &parsed);
	assert_string_equal(parsed.relays.credentials[0].password, "pass");
	control_message_clear(&parsed);
	round_trip(&presence, &parsed);
	assert_true(parsed.presence.entries[0].online);
	assert_int_equal(parsed.presence.entries[1].last_seen_s, 55);
	control_message_clear(&parsed);
}

static void test_what_became_of_routes(void **state)
{
	struct control_route routes[CERT_ROUTES_MAX] = { { .state = CONTROL_ROUTE_APPROVED } };
	struct control_message message = { .type = CONTROL_ROUTES, .routes = { routes, 3, "" } };
	struct control_message parsed;

	(void)state;
	prefix_parse(&routes[0].prefix, "10.20.0.0/16");
	prefix_parse(&routes[1].prefix, "2001:db8::/32");
	prefix_parse(&routes[2].prefix, "0.0.0.0/0");
	routes[1].state = CONTROL_ROUTE_WAITING;
	routes[2].state = CONTROL_ROUTE_REFUSED;
	strcpy(routes[2].why, "an admin has revoked it");
	round_trip(&message, &parsed);
	assert_int_equal(parsed.routes.count, 3);
	assert_memory_equal(parsed.routes.routes, routes, 3 * sizeof(routes[0]));
	control_message_clear(&parsed);
	message.routes.count = 0;
	strcpy(message.routes.problem, "1000 routes are offered");
	round_trip(&message, &parsed);
	assert_int_equal(parsed.routes.count, 0);
	assert_string_equal(parsed.routes.problem, message.routes.problem);
	control_message_clear(&parsed);
}

static void test_errors(void **state)
{
	struct control_message message = { .type = CONTROL_ERROR };
	struct control_message parsed;

	(void)state;
	for (int code = 0; code < CONTROL_ERROR_CODE_COUNT; code++) {
		message.error.code = (enum control_error_code)code;
		strcpy(message.error.text, "what: why; what to do");
		round_trip(&message, &parsed);
		assert_int_equal(parsed.error.code, code);
	}
}

static int parse(const char *text)
{
	struct control_message parsed;
	int err = control_parse(&parsed, text, strlen(text));

	if (err == 0)
		control_message_clear(&parsed);
	return err;
}

static void test_malformed(void **state)
{
	static const char *const texts[] = {
		"",
		"{",
		"[]",
		"null",
		"7",
		"{}",
		"{\"type\":\"ping\"}",
		"{\"v\":1}",
		"{\"type\":1,\"v\":1}",
		"{\"type\":\"ping\",\"v\":\"1\"}",
		"{\"type\":\"ping\",\"v\":1}",
		"{\"type\":\"ping\",\"v\":1,\"sent\":-1,\"time\":1}",
		"{\"type\":\"ping\",\"v\":1,\"sent\":1.5,\"time\":1}",
		"{\"type\":\"ping\",\"v\":1,\"sent\":\"1\",\"time\":1}",
		"{\"type\":\"ping\",\"v\":1,\"sent\":99999999999999999999,\"time\":1}",
		"{\"type\":\"ping\",\"type\":\"pong\",\"v\":1,\"sent\":1,\"time\":1}",
		"{\"type\":\"ping\",\"v\":1,\"sent\":1,\"time\":1} x",
		"{\"type\":\"signal\",\"v\":1,\"node\":\"AAAA\",\"data\":\"AAAA\"}",
		"{\"type\":\"map\",\"v\":1,\"data\":\"\"}",
		"{\"type\":\"map\",\"v\":1,\"data\":\"====\"}",
		"{\"type\":\"update\",\"v\":1,\"routes\":[\"ten\"]}",
		"{\"type\":\"update\",\"v\":1,\"routes\":{}}",
		"{\"type\":\"update\",\"v\":1,\"routes\":[],\"route_facts\":[{}]}",
		("{\"type\":\"update\",\"v\":1,\"routes\":[\"10.0.0.0/8\"],\"route_facts\":"
		 "[{\"weight\":256}]}"),
		("{\"type\":\"update\",\"v\":1,\"routes\":[\"10.0.0.0/8\"],\"route_facts\":"
		 "[{\"weight\":0}]}"),
		("{\"type\":\"update\",\"v\":1,\"routes\":[\"10.0.0.0/8\"],\"route_facts\":"
		 "[{\"real\":\"x\"}]}"),
		"{\"type\":\"routes\",\"v\":1}",
		"{\"type\":\"routes\",\"v\":1,\"offered\":[{\"prefix\":\"10.0.0.1/8\","
		"\"state\":\"waiting\"}]}",
		"{\"type\":\"update\",\"v\":1,\"home_relay\":\"a\\nb\"}",
		("{\"type\":\"update\",\"v\":1,\"home_relay\":"
		 "\"0123456789012345678901234567890123456789\"}"),
		"{\"type\":\"update\",\"v\":1,\"facts\":{\"hostname\":5}}",
		"{\"type\":\"relays\",\"v\":1,\"credentials\":[{}]}",
		"{\"type\":\"presence\",\"v\":1,\"peers\":[1]}",
		"{\"type\":\"resync\",\"v\":1,\"x\":[[[[[[[[[]]]]]]]]]}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_int_equal(parse(texts[i]), -EBADMSG);
	assert_int_equal(parse("{\"type\":\"resync\",\"v\":2}"), -EPROTONOSUPPORT);
	assert_int_equal(parse("{\"type\":\"dance\",\"v\":1}"), -EPROTONOSUPPORT);
	assert_int_equal(parse("{\"type\":\"resync\",\"v\":1,\"new\":true}"), 0);
	assert_int_equal(parse("{\"type\":\"error\",\"v\":1,\"code\":\"new\",\"text\":\"x\"}"), 0);
}

/* Lists that can be read and are none of routes: the node hears why, and no route of it counts. */
static void test_bad_offers_are_told(void **state)
{
	static const struct {
		const char *text;
		const char *problem;
	} cases[] = {
		{ "{\"type\":\"update\",\"v\":1,\"routes\":[\"10.1.0.0/16\",\"10.0.0.1/8\"]}",
		  "10.0.0.1/8 is no prefix; host bits have to be zero" },
		{ "{\"type\":\"update\",\"v\":1,\"routes\":[\"10.0.0.0/33\"]}",
		  "10.0.0.0/33 is no prefix; host bits have to be zero" },
		{ "{\"type\":\"update\",\"v\":1,\"routes\":[\"10.0.0.0/8\"],"
		  "\"route_facts\":[{\"real\":\"192.168.1.0\"}]}",
		  "10.0.0.0/8 is no route: what it is mapped from has host bits that are not zero" },
	};
	struct control_message parsed;
	char *text = malloc(60000);
	size_t len;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(control_parse(&parsed, cases[i].text, strlen(cases[i].text)), 0);
		assert_string_equal(parsed.update.routes_problem, cases[i].problem);
		assert_int_equal(parsed.update.route_count, 0);
	}
	len = (size_t)sprintf(text, "{\"type\":\"update\",\"v\":1,\"routes\":[\"10.0.0.0/24\"");
	for (int i = 1; i < 3000; i++)
		len += (size_t)sprintf(text + len, ",\"10.%d.%d.0/24\"", i >> 8, i & 255);
	len += (size_t)sprintf(text + len, "]}");
	assert_int_equal(control_parse(&parsed, text, len), 0);
	assert_string_equal(parsed.update.routes_problem,
			    "3000 routes are offered, and at most 32 can be");
	assert_int_equal(parsed.update.route_count, 0);
	free(text);
}

static void test_deep_nesting_is_refused_early(void **state)
{
	size_t len = 1000000;
	char *text = malloc(len + 1);

	(void)state;
	memset(text, '[', len);
	text[len] = '\0';
	assert_int_equal(parse(text), -EBADMSG);
	free(text);
}

static void test_proof(void **state)
{
	struct authority device;
	uint8_t hash[32] = { 1 };
	uint8_t proof[64];

	(void)state;
	authority_init(&device, 5);
	control_proof_sign(proof, device.secret, hash);
	assert_true(control_proof_verify(proof, device.key, hash));
	hash[0] ^= 1;
	assert_false(control_proof_verify(proof, device.key, hash));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_node_messages),
		cmocka_unit_test(test_tickets),
		cmocka_unit_test(test_pending),
		cmocka_unit_test(test_signal),
		cmocka_unit_test(test_coordinator_messages),
		cmocka_unit_test(test_what_became_of_routes),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_bad_offers_are_told),
		cmocka_unit_test(test_deep_nesting_is_refused_early),
		cmocka_unit_test(test_proof),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
