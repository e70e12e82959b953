#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "coord/certificate.h"
#include "coord/report.h"
#include "crypto/dh.h"
#include "proto/control_channel.h"
#include "tests/support/coordination.h"

#define NORMAL(limit)  limit_infos[limit].normal
#define MESSAGES_BURST NORMAL(LIMIT_MESSAGES_BURST)

static struct coordination c;
static struct machine a;
static struct machine b;

static int begin(void **state)
{
	(void)state;
	log_set_level(LOG_LEVEL_ERROR);
	coordination_begin(&c);
	machine_init(&a, &c, 1);
	machine_init(&b, &c, 2);
	return 0;
}

static int end(void **state)
{
	(void)state;
	machine_clear(&a);
	machine_clear(&b);
	coordination_end(&c);
	return 0;
}

static void join_both(void)
{
	struct token token = coordination_key(&c, true, false, "trusted");

	machine_join(&a, &token, "alpha");
	machine_join(&b, &token, "beta");
	coordination_settle(&c);
	machine_forget_messages(&a);
	machine_forget_messages(&b);
}

static void assert_sees(const struct machine *m, const struct machine *peer, bool sees)
{
	assert_non_null(m->map);
	assert_int_equal(netmap_find_peer(m->map, peer->device_key) != NULL, sees);
}

static void test_enrol(void **state)
{
	struct token token = coordination_key(&c, false, false, "trusted");
	struct control_message message;
	uint8_t hash[32];
	struct cert cert;
	uint8_t box_key[32];

	(void)state;
	machine_connect(&a);
	machine_enrol(&a, &token, "Alpha.Example.NET");
	coordination_flush(&c);
	assert_true(machine_take(&a, CONTROL_WELCOME, &message));
	token_authority_hash(hash, message.welcome.authority_key);
	assert_memory_equal(hash, token.authority_hash, 32);
	assert_string_equal(message.welcome.network_name, "acme");
	assert_int_equal(cert_verify(&cert, message.welcome.certificate,
				     message.welcome.certificate_len, &a.trust.trust),
			 0);
	control_message_clear(&message);
	assert_string_equal(cert.name, "alpha");
	assert_string_equal(cert.groups[0], "trusted");
	assert_memory_equal(cert.device_key, a.device_key, 32);
	assert_memory_equal(cert.wireguard_key, a.wireguard_key, 32);
	dh_public(box_key, a.box_secret);
	assert_memory_equal(cert.box_key, box_key, 32);
	assert_int_equal(cert.address4.family, AF_INET);
	assert_int_equal(cert.address6.family, AF_INET6);
	assert_int_equal(cert_check_time(&cert, c.now_s), 0);
	assert_int_equal(a.map->peer_count, 0);
	assert_true(machine_take(&a, CONTROL_RELAYS, &message));
	control_message_clear(&message);
	assert_false(a.closed);
}

static void test_two_nodes_see_each_other(void **state)
{
	struct token token = coordination_key(&c, true, false, "trusted");
	struct control_message message;
	const struct netmap_peer *peer;

	(void)state;
	machine_join(&a, &token, "alpha");
	machine_join(&b, &token, "alpha");
	assert_sees(&b, &a, true);
	assert_true(machine_take(&a, CONTROL_DELTA, &message));
	control_message_clear(&message);
	peer = netmap_find_peer(a.map, b.device_key);
	assert_non_null(peer);
	assert_string_equal(peer->cert->parsed.name, "alpha-2");
	assert_true(peer->may_send);
	assert_int_equal(peer->rules->count, 2);
	assert_true(machine_take(&a, CONTROL_PRESENCE, &message));
	assert_memory_equal(message.presence.entries[0].node_key, b.device_key, 32);
	assert_true(message.presence.entries[0].online);
	control_message_clear(&message);
}

/* What a full mesh of n nodes holds n * n times is little more than pointers. */
static bool b_held_a_map;
static unsigned int frames_noted;

static int note_order(void *arg, const uint8_t *frame, size_t len)
{
	(void)arg;
	(void)frame;
	(void)len;
	/* The first is the delta; then comes that b is online. */
	if (frames_noted++ == 0)
		b_held_a_map = b.map != NULL;
	return 0;
}

static size_t no_queue(void *arg)
{
	(void)arg;
	return 0;
}

/* Otherwise the others drop its first handshake. */
static void test_newcomer_is_known_before_it_knows(void **state)
{
	static const struct session_ops watched = { note_order, no_queue, NULL, NULL };
	struct token token = coordination_key(&c, true, false, "trusted");
	struct control_message message;

	(void)state;
	machine_join(&a, &token, "alpha");
	machine_connect(&b);
	machine_enrol(&b, &token, "beta");
	/* Welcomed at once, but told nothing of the others yet. */
	assert_true(machine_take(&b, CONTROL_WELCOME, &message));
	control_message_clear(&message);
	assert_null(b.map);
	assert_true(c.sessions.flush_wanted);
	a.session->ops = &watched;
	b_held_a_map = true;
	frames_noted = 0;
	coordination_flush(&c);
	assert_false(b_held_a_map);
	assert_sees(&b, &a, true);
	assert_non_null(netmap_find_peer(a.session->node->map, b.device_key));
}

static unsigned int wishes;

static void count_wish(void *arg)
{
	assert_ptr_equal(arg, &wishes);
	wishes++;
}

static void test_flush_is_asked_for_once(void **state)
{
	(void)state;
	join_both();
	c.sessions.on_flush_wanted = count_wish;
	c.sessions.arg = &wishes;
	wishes = 0;
	sessions_want_flush(&c.sessions);
	sessions_want_flush(&c.sessions);
	assert_int_equal(wishes, 1);
	coordination_flush(&c);
	machine_disconnect(&b);
	assert_int_equal(wishes, 2);
}

static void test_maps_share_certificates_and_rules(void **state)
{
	struct token token = coordination_key(&c, true, false, "trusted");
	struct machine *crowd = calloc(8, sizeof(*crowd));
	struct netmap_cert *cert = NULL;
	struct node *node;
	size_t cursor = 0;

	(void)state;
	for (unsigned int i = 0; i < 8; i++) {
		machine_init(&crowd[i], &c, 100 + i);
		machine_join(&crowd[i], &token, "crowd");
	}
	coordination_settle(&c);
	assert_int_equal(rule_lists_count(c.network.rule_lists), 8);
	while ((node = network_next(&c.network, &cursor))) {
		const struct netmap_peer *peer = netmap_find_peer(node->map, crowd[0].device_key);

		if (!peer)
			continue;
		assert_true(!cert || peer->cert == cert);
		assert_ptr_equal(peer->rules, node->map->peers[0]->rules);
		cert = peer->cert;
	}
	assert_int_equal(cert->refs, 7 + 1);
	for (unsigned int i = 0; i < 8; i++)
		machine_clear(&crowd[i]);
	free(crowd);
}

static void test_node_without_group_reaches_nothing(void **state)
{
	struct token trusted = coordination_key(&c, true, false, "trusted");
	struct token none = coordination_key(&c, true, false, NULL);

	(void)state;
	machine_join(&a, &trusted, "alpha");
	machine_join(&b, &none, "beta");
	coordination_settle(&c);
	assert_sees(&a, &b, false);
	assert_sees(&b, &a, false);
}

static void refused(struct machine *m, const struct token *token, int code)
{
	machine_connect(m);
	machine_enrol(m, token, "x");
	assert_int_equal(machine_take_error(m), code);
	assert_true(m->closed);
	assert_int_equal(map_count(c.network.nodes), 0);
}

static void test_refused_tokens(void **state)
{
	struct token token = coordination_key(&c, false, false, NULL);
	struct token bad = token;

	(void)state;
	bad.secret[3] ^= 1;
	refused(&a, &bad, CONTROL_ERROR_MISTYPED);
	bad = token;
	bad.key_id[3] ^= 1;
	refused(&a, &bad, CONTROL_ERROR_MISTYPED);
	c.now_s += 3601;
	refused(&a, &token, CONTROL_ERROR_EXPIRED);
	c.now_s -= 3601;
	assert_int_equal(store_key_revoke(c.network.store, token.key_id), 0);
	refused(&a, &token, CONTROL_ERROR_KEY_REVOKED);
}

static void test_one_use_key_makes_one_node_of_a_hundred(void **state)
{
	struct token token = coordination_key(&c, false, false, "trusted");
	struct machine *crowd = calloc(100, sizeof(*crowd));
	unsigned int welcomed = 0;

	(void)state;
	for (unsigned int i = 0; i < 100; i++) {
		machine_init(&crowd[i], &c, 100 + i);
		machine_connect(&crowd[i]);
	}
	for (unsigned int i = 0; i < 100; i++) {
		machine_enrol(&crowd[i], &token, "crowd");
		coordination_flush(&c);
		if (crowd[i].map)
			welcomed++;
		else
			assert_int_equal(machine_take_error(&crowd[i]), CONTROL_ERROR_USED);
	}
	assert_int_equal(welcomed, 1);
	assert_int_equal(map_count(c.network.nodes), 1);
	for (unsigned int i = 0; i < 100; i++)
		machine_clear(&crowd[i]);
	coordination_restart(&c);
	assert_int_equal(map_count(c.network.nodes), 1);
	free(crowd);
}

static void test_lost_welcome_costs_no_second_use(void **state)
{
	struct token token = coordination_key(&c, false, false, NULL);

	(void)state;
	machine_join(&a, &token, "alpha");
	machine_disconnect(&a);
	machine_join(&a, &token, "alpha");
	assert_int_equal(map_count(c.network.nodes), 1);
}

static void test_bad_proof(void **state)
{
	struct token token = coordination_key(&c, true, false, NULL);

	(void)state;
	/* Somebody else's device key, signed with one's own. */
	memcpy(a.device_key, b.device_key, 32);
	refused(&a, &token, CONTROL_ERROR_BAD_PROOF);
}

static void test_stolen_device_key_with_another_box_key(void **state)
{
	struct token token = coordination_key(&c, true, false, NULL);

	(void)state;
	machine_join(&a, &token, "alpha");
	machine_disconnect(&a);
	a.box_secret[7] ^= 1;
	machine_connect(&a);
	machine_login(&a);
	coordination_flush(&c);
	assert_int_equal(machine_take_error(&a), CONTROL_ERROR_BAD_PROOF);
}

/* It cannot know better before it has heard the coordinator's time. */
static void test_clocks_that_are_wrong(void **state)
{
	struct token token = coordination_key(&c, true, false, "trusted");
	struct control_message message;

	(void)state;
	a.time_s = 0;
	machine_join(&a, &token, "alpha");
	b.time_s = c.now_s + 20ull * 365 * 86400;
	machine_join(&b, &token, "beta");
	machine_connect(&b);
	machine_login(&b);
	coordination_flush(&c);
	assert_true(machine_take(&b, CONTROL_WELCOME, &message));
	assert_int_equal(message.welcome.time_s, c.now_s);
	control_message_clear(&message);
	assert_sees(&a, &b, true);
	assert_sees(&b, &a, true);
}

static void test_login_of_a_stranger(void **state)
{
	(void)state;
	machine_connect(&a);
	machine_login(&a);
	coordination_flush(&c);
	assert_int_equal(machine_take_error(&a), CONTROL_ERROR_UNKNOWN_NODE);
	assert_true(a.closed);
}

static void test_login_gets_a_delta(void **state)
{
	struct control_message message;

	(void)state;
	join_both();
	machine_disconnect(&a);
	coordination_settle(&c);
	machine_connect(&a);
	machine_login(&a);
	coordination_flush(&c);
	assert_false(machine_take(&a, CONTROL_MAP, &message));
	assert_true(machine_take(&a, CONTROL_DELTA, &message));
	control_message_clear(&message);
	assert_sees(&a, &b, true);
}

static void test_login_after_a_restart_gets_a_newer_map(void **state)
{
	struct control_message message;

	(void)state;
	join_both();
	machine_disconnect(&a);
	machine_disconnect(&b);
	coordination_restart(&c);
	machine_connect(&a);
	machine_login(&a);
	coordination_flush(&c);
	assert_true(machine_take(&a, CONTROL_MAP, &message));
	control_message_clear(&message);
	assert_sees(&a, &b, true);
}

static void test_signals(void **state)
{
	uint8_t data[] = { 1, 2, 3 };
	struct control_message signal = { .type = CONTROL_SIGNAL };
	struct control_message got;

	(void)state;
	join_both();
	memcpy(signal.signal.node_key, b.device_key, 32);
	signal.signal.data = data;
	signal.signal.len = sizeof(data);
	machine_send(&a, &signal);
	assert_true(machine_take(&b, CONTROL_SIGNAL, &got));
	assert_memory_equal(got.signal.node_key, a.device_key, 32);
	assert_memory_equal(got.signal.data, data, sizeof(data));
	control_message_clear(&got);
	b.stalled = true;
	machine_send(&a, &signal);
	assert_int_equal(machine_take_error(&a), CONTROL_ERROR_PEER);
	assert_false(machine_take(&b, CONTROL_SIGNAL, &got));
	machine_disconnect(&b);
	machine_send(&a, &signal);
	assert_int_equal(machine_take_error(&a), CONTROL_ERROR_PEER);
	assert_false(a.closed);
}

static void test_no_signal_to_a_hidden_node(void **state)
{
	struct token trusted = coordination_key(&c, true, false, "trusted");
	struct token none = coordination_key(&c, true, false, NULL);
	struct control_message signal = { .type = CONTROL_SIGNAL };
	struct control_message got;
	uint8_t data[] = { 1 };

	(void)state;
	machine_join(&a, &trusted, "alpha");
	machine_join(&b, &none, "beta");
	memcpy(signal.signal.node_key, a.device_key, 32);
	signal.signal.data = data;
	signal.signal.len = 1;
	machine_send(&b, &signal);
	assert_int_equal(machine_take_error(&b), CONTROL_ERROR_PEER);
	assert_false(machine_take(&a, CONTROL_SIGNAL, &got));
}

static void test_flood_is_dropped(void **state)
{
	struct control_message ping = { .type = CONTROL_PING };
	struct control_message got;
	unsigned int pongs = 0;

	(void)state;
	join_both();
	for (unsigned int i = 0; i < MESSAGES_BURST + 20; i++)
		machine_send(&a, &ping);
	while (machine_take(&a, CONTROL_PONG, &got))
		pongs++;
	assert_in_range(pongs, MESSAGES_BURST - 10, MESSAGES_BURST);
	assert_int_equal(machine_take_error(&a), CONTROL_ERROR_RATE);
	machine_forget_messages(&a);
	coordination_pass(&c, 10);
	machine_send(&a, &ping);
	assert_true(machine_take(&a, CONTROL_PONG, &got));
}

static void test_revoked_node_is_cut_off(void **state)
{
	struct node *node;

	(void)state;
	join_both();
	node = network_find_name(&c.network, "beta");
	assert_int_equal(network_revoke(&c.network, node, c.now_s), 0);
	sessions_cut_off(&c.sessions, node, "removed by its admin");
	assert_int_equal(machine_take_error(&b), CONTROL_ERROR_REVOKED);
	assert_true(b.closed);
	coordination_settle(&c);
	assert_sees(&a, &b, false);
	assert_true(netmap_is_revoked(a.map, node->serial));
	machine_connect(&b);
	machine_login(&b);
	assert_int_equal(machine_take_error(&b), CONTROL_ERROR_REVOKED);
	/* Not with a new token either, and not after a restart. */
	machine_disconnect(&a);
	machine_disconnect(&b);
	coordination_restart(&c);
	machine_connect(&b);
	machine_login(&b);
	assert_int_equal(machine_take_error(&b), CONTROL_ERROR_REVOKED);
}

static void test_deleted_node_vanishes(void **state)
{
	struct node *node;

	(void)state;
	join_both();
	node = network_find_name(&c.network, "beta");
	sessions_cut_off(&c.sessions, node, "deleted by its admin");
	assert_int_equal(machine_take_error(&b), CONTROL_ERROR_REVOKED);
	assert_int_equal(network_delete(&c.network, node, c.now_s), 0);
	coordination_settle(&c);
	assert_sees(&a, &b, false);
	machine_connect(&b);
	machine_login(&b);
	assert_int_equal(machine_take_error(&b), CONTROL_ERROR_UNKNOWN_NODE);
}

static void test_policy_change_reaches_the_maps(void **state)
{
	static const char text[] = "{\"rules\":[{\"allow\":[\"alpha\"],\"to\":[\"beta:tcp/22\"]}]}";
	const struct netmap_peer *peer;
	struct policy_error error;

	(void)state;
	join_both();
	assert_int_equal(network_set_policy(&c.network, text, strlen(text), "test", c.now_s,
					    &error),
			 0);
	sessions_want_flush(&c.sessions);
	coordination_settle(&c);
	peer = netmap_find_peer(a.map, b.device_key);
	assert_true(peer->may_send);
	assert_int_equal(peer->rules->count, 0);
	peer = netmap_find_peer(b.map, a.device_key);
	assert_false(peer->may_send);
	assert_int_equal(peer->rules->count, 2);
	assert_int_equal(peer->rules->list[0].port_low, 22);
	assert_int_equal(network_set_policy(&c.network, "{}", 2, "test", c.now_s, &error), 0);
	sessions_want_flush(&c.sessions);
	coordination_settle(&c);
	assert_sees(&a, &b, false);
	assert_sees(&b, &a, false);
}

static void test_added_relay_and_its_credentials(void **state)
{
	struct store_relay relay = { .secret_len = 20 };
	struct control_message got;

	(void)state;
	join_both();
	strcpy(relay.relay.name, "fra");
	strcpy(relay.relay.hosts[0], "fra.example.net");
	relay.relay.host_count = 1;
	relay.relay.udp_port = 3478;
	assert_int_equal(network_add_relay(&c.network, &relay), 0);
	assert_int_equal(network_add_relay(&c.network, &relay), -EEXIST);
	sessions_want_flush(&c.sessions);
	coordination_settle(&c);
	assert_int_equal(a.map->relay_count, 1);
	assert_string_equal(a.map->relays[0].hosts[0], "fra.example.net");
	assert_true(machine_take(&a, CONTROL_RELAYS, &got));
	assert_int_equal(got.relays.count, 1);
	assert_string_equal(got.relays.credentials[0].relay, "fra");
	assert_true(got.relays.credentials[0].expires_s > c.now_s);
	control_message_clear(&got);
}

/* An older node would take it for a relay of ours. */
static void test_turn_servers_are_for_those_who_know_them(void **state)
{
	struct store_relay relay = { .secret_len = 20 };

	(void)state;
	join_both();
	relay.relay.kind = NETMAP_RELAY_TURN;
	strcpy(relay.relay.name, "turn");
	strcpy(relay.relay.hosts[0], "turn.example.net");
	relay.relay.host_count = 1;
	relay.relay.udp_port = 3478;
	assert_int_equal(network_add_relay(&c.network, &relay), 0);
	sessions_want_flush(&c.sessions);
	coordination_settle(&c);
	assert_int_equal(a.map->relay_count, 0);
	machine_disconnect(&a);
	coordination_settle(&c);
	a.knows_turn = true;
	machine_connect(&a);
	machine_login(&a);
	coordination_settle(&c);
	assert_int_equal(a.map->relay_count, 1);
	assert_int_equal(a.map->relays[0].kind, NETMAP_RELAY_TURN);
	assert_int_equal(b.map->relay_count, 0);
}

static void test_certificate_is_renewed_at_a_third(void **state)
{
	struct control_message ping = { .type = CONTROL_PING };
	struct control_message got;
	uint64_t before_s;

	(void)state;
	join_both();
	before_s = netmap_find_peer(a.map, b.device_key)->cert->parsed.not_after_s;
	c.now_s += CERTIFICATE_LIFE_S / 3 - 100;
	machine_send(&b, &ping);
	coordination_pass(&c, 1);
	assert_false(machine_take(&b, CONTROL_CERTIFICATE, &got));
	c.now_s += 200;
	coordination_pass(&c, 1);
	assert_true(machine_take(&b, CONTROL_CERTIFICATE, &got));
	control_message_clear(&got);
	coordination_settle(&c);
	assert_true(netmap_find_peer(a.map, b.device_key)->cert->parsed.not_after_s > before_s);
}

static void test_ephemeral_node_is_removed_when_away(void **state)
{
	struct token token = coordination_key(&c, true, true, "trusted");

	(void)state;
	machine_join(&a, &token, "alpha");
	machine_join(&b, &token, "beta");
	coordination_settle(&c);
	machine_disconnect(&b);
	for (unsigned int i = 0; i < NORMAL(LIMIT_EPHEMERAL_S) + 5; i += 30) {
		struct control_message ping = { .type = CONTROL_PING };

		coordination_pass(&c, 30);
		machine_send(&a, &ping);
	}
	assert_sees(&a, &b, false);
	assert_int_equal(map_count(c.network.nodes), 1);
}

static void test_last_seen_is_stored(void **state)
{
	uint64_t before_s;

	(void)state;
	join_both();
	machine_disconnect(&a);
	machine_disconnect(&b);
	coordination_pass(&c, 1);
	before_s = network_find_name(&c.network, "alpha")->last_seen_s;
	assert_true(before_s > 0);
	coordination_restart(&c);
	assert_int_equal(network_find_name(&c.network, "alpha")->last_seen_s, before_s);
	assert_false(network_find_name(&c.network, "alpha")->unsaved);
}

static void test_silent_connections_are_closed(void **state)
{
	(void)state;
	join_both();
	machine_disconnect(&b);
	machine_connect(&b);
	coordination_pass(&c, NORMAL(LIMIT_GREETING_S));
	assert_true(b.closed);
	assert_false(a.closed);
	coordination_pass(&c, NORMAL(LIMIT_SILENCE_S));
	assert_true(a.closed);
}

static void test_cloned_machine(void **state)
{
	struct control_message got;
	struct control_message pong = { .type = CONTROL_PONG };
	struct machine clone;

	(void)state;
	join_both();
	machine_init(&clone, &c, 1);
	machine_connect(&clone);
	machine_login(&clone);
	assert_true(machine_take(&a, CONTROL_PING, &got));
	machine_send(&a, &pong);
	assert_int_equal(machine_take_error(&clone), CONTROL_ERROR_DUPLICATE);
	assert_false(a.closed);
	machine_clear(&clone);
}

static void test_dead_connection_is_replaced(void **state)
{
	struct control_message got;
	struct machine moved;

	(void)state;
	join_both();
	machine_init(&moved, &c, 1);
	machine_connect(&moved);
	machine_login(&moved);
	assert_false(machine_take(&moved, CONTROL_WELCOME, &got));
	coordination_pass(&c, SESSION_PROBE_S);
	assert_true(machine_take(&moved, CONTROL_WELCOME, &got));
	control_message_clear(&got);
	assert_true(a.closed);
	machine_clear(&moved);
}

static void test_malformed(void **state)
{
	struct control_message ping = { .type = CONTROL_PING };

	(void)state;
	machine_connect(&a);
	machine_send(&a, &ping);
	assert_int_equal(machine_take_error(&a), CONTROL_ERROR_MALFORMED);
	assert_true(a.closed);
	machine_connect(&a);
	control_channel_send(a.channel, "{\"type\":\"enrol\",\"v\":9}", 22);
	machine_send(&a, &ping);
	assert_int_equal(machine_take_error(&a), CONTROL_ERROR_VERSION);
}

static void test_session_table_is_bounded(void **state)
{
	(void)state;
	c.sessions.count = NORMAL(LIMIT_CONNECTIONS);
	assert_null(session_new(&c.sessions, NULL, NULL, 0));
	c.sessions.count = 0;
}

static void send_report(const struct machine *peer)
{
	struct control_report_peer path = { .path = CONTROL_REPORT_RELAY, .relay = "fra" };
	char line[1][CONTROL_REPORT_TEXT_MAX + 1] = { "port 203.0.113.5:4 is closed" };
	struct control_message message = { .type = CONTROL_REPORT,
					   .report = { &path, 1, line, 1 } };

	memcpy(path.node_key, peer->device_key, 32);
	machine_send(&a, &message);
}

static bool pong_asks(void)
{
	struct control_message ping = { .type = CONTROL_PING, .ping = { .sent_ns = 7 } };
	struct control_message pong;

	machine_send(&a, &ping);
	assert_true(machine_take(&a, CONTROL_PONG, &pong));
	return pong.ping.report;
}

/* Kept while the node is connected, without addresses, and only while the setting allows. */
static void test_report(void **state)
{
	const struct control_report_peer *path;
	struct node *node;

	(void)state;
	join_both();
	node = network_find(&c.network, a.device_key);
	assert_true(pong_asks());
	assert_int_equal(node->reported_s, 0);
	send_report(&b);
	assert_int_equal(node->reported_s, c.now_s);
	path = report_find(node, b.device_key);
	assert_non_null(path);
	assert_string_equal(path->relay, "fra");
	assert_null(report_find(node, a.device_key));
	assert_string_equal(node->report.health[0], "port (address) is closed");
	machine_disconnect(&a);
	assert_int_equal(node->reported_s, 0);
	assert_null(report_find(node, b.device_key));
	machine_connect(&a);
	machine_login(&a);
	send_report(&b);
	assert_non_null(report_find(node, b.device_key));
	assert_int_equal(report_allow(&c.network, false), 0);
	assert_null(report_find(node, b.device_key));
	assert_false(pong_asks());
	send_report(&b);
	assert_int_equal(node->reported_s, 0);
	assert_false(a.closed);
	machine_disconnect(&a);
	machine_disconnect(&b);
	coordination_restart(&c);
	assert_false(c.network.report_paths);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_enrol),
		TEST(test_two_nodes_see_each_other),
		TEST(test_newcomer_is_known_before_it_knows),
		TEST(test_flush_is_asked_for_once),
		TEST(test_maps_share_certificates_and_rules),
		TEST(test_node_without_group_reaches_nothing),
		TEST(test_refused_tokens),
		TEST(test_one_use_key_makes_one_node_of_a_hundred),
		TEST(test_lost_welcome_costs_no_second_use),
		TEST(test_bad_proof),
		TEST(test_stolen_device_key_with_another_box_key),
		TEST(test_clocks_that_are_wrong),
		TEST(test_login_of_a_stranger),
		TEST(test_login_gets_a_delta),
		TEST(test_login_after_a_restart_gets_a_newer_map),
		TEST(test_signals),
		TEST(test_no_signal_to_a_hidden_node),
		TEST(test_flood_is_dropped),
		TEST(test_revoked_node_is_cut_off),
		TEST(test_deleted_node_vanishes),
		TEST(test_policy_change_reaches_the_maps),
		TEST(test_added_relay_and_its_credentials),
		TEST(test_turn_servers_are_for_those_who_know_them),
		TEST(test_certificate_is_renewed_at_a_third),
		TEST(test_ephemeral_node_is_removed_when_away),
		TEST(test_last_seen_is_stored),
		TEST(test_silent_connections_are_closed),
		TEST(test_cloned_machine),
		TEST(test_dead_connection_is_replaced),
		TEST(test_malformed),
		TEST(test_report),
		TEST(test_session_table_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
