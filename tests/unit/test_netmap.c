#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/netmap.h"
#include "tests/support/authority.h"

static struct authority authority;
static struct authority other;
static struct netmap_trust trust;

static int setup(void **state)
{
	(void)state;
	authority_init(&authority, 1);
	authority_init(&other, 2);
	trust = authority_trust(&authority, 0);
	return 0;
}

static struct netmap *make_map(uint64_t version, unsigned int first, unsigned int last)
{
	struct netmap_relay relays[2] = {
		{ .name = "home",
		  .hosts = { "192.0.2.1", "2001:db8::1" },
		  .host_count = 2,
		  .udp_port = 3478,
		  .tls_port = 443 },
		{ .name = "fra",
		  .hosts = { "fra.example.net" },
		  .host_count = 1,
		  .udp_port = 3478 },
	};
	uint64_t serials[3] = { 9, 4, 9 };
	struct netmap *map = netmap_new();

	memcpy(map->network_id, trust.trust.network_id, sizeof(map->network_id));
	memcpy(map->node_key, trust.node_key, sizeof(map->node_key));
	strcpy(map->network_name, "acme");
	map->version = version;
	/* Backwards: the map sorts by itself. */
	for (unsigned int n = last; n >= first && n > 0; n--)
		assert_int_equal(netmap_add_peer(map, authority_peer(&authority, n, n % 4)), 0);
	assert_int_equal(netmap_set_relays(map, relays, 2), 0);
	assert_int_equal(netmap_set_revoked(map, serials, 3), 0);
	assert_int_equal(netmap_sign(map, authority.secret), 0);
	return map;
}

static void assert_maps_equal(const struct netmap *a, const struct netmap *b)
{
	uint8_t *x;
	uint8_t *y;
	size_t x_len;
	size_t y_len;

	assert_int_equal(netmap_encode(a, &x, &x_len), 0);
	assert_int_equal(netmap_encode(b, &y, &y_len), 0);
	assert_int_equal(x_len, y_len);
	assert_memory_equal(x, y, x_len);
	free(x);
	free(y);
}

static void test_round_trip(void **state)
{
	struct netmap *map = make_map(5, 1, 20);
	struct netmap *parsed;
	uint8_t *data;
	size_t len;

	(void)state;
	assert_int_equal(netmap_encode(map, &data, &len), 0);
	assert_int_equal(netmap_parse(&parsed, data, len, &trust), 0);
	assert_maps_equal(map, parsed);
	assert_int_equal(parsed->version, 5);
	assert_int_equal(parsed->peer_count, 20);
	assert_string_equal(parsed->relays[0].hosts[1], "2001:db8::1");
	assert_int_equal(parsed->revoked_count, 2);
	assert_true(netmap_is_revoked(parsed, 4));
	assert_false(netmap_is_revoked(parsed, 5));
	assert_string_equal(
		netmap_find_peer(parsed, map->peers[3]->cert->parsed.device_key)->cert->parsed.name,
		map->peers[3]->cert->parsed.name);
	netmap_free(parsed);
	netmap_free(map);
	free(data);
}

static void test_every_changed_byte_is_refused(void **state)
{
	struct netmap *map = make_map(5, 1, 3);
	struct netmap *parsed;
	uint8_t *data;
	size_t len;

	(void)state;
	assert_int_equal(netmap_encode(map, &data, &len), 0);
	for (size_t i = 0; i < len; i++) {
		data[i] ^= 0x10;
		assert_int_equal(netmap_parse(&parsed, data, len, &trust), -EPERM);
		data[i] ^= 0x10;
	}
	for (size_t i = 0; i < len; i++)
		assert_int_not_equal(netmap_parse(&parsed, data, i, &trust), 0);
	netmap_free(map);
	free(data);
}

static void test_other_recipient_network_or_authority(void **state)
{
	struct netmap *map = make_map(5, 1, 3);
	struct netmap_trust wrong;
	struct netmap *parsed;
	uint8_t *data;
	size_t len;

	(void)state;
	assert_int_equal(netmap_encode(map, &data, &len), 0);
	wrong = trust;
	wrong.node_key[5] ^= 1;
	assert_int_equal(netmap_parse(&parsed, data, len, &wrong), -EPERM);
	wrong = trust;
	wrong.trust.network_id[5] ^= 1;
	assert_int_equal(netmap_parse(&parsed, data, len, &wrong), -EXDEV);
	wrong = trust;
	memcpy(wrong.trust.authority_key, other.key, 32);
	assert_int_equal(netmap_parse(&parsed, data, len, &wrong), -EPERM);
	netmap_free(map);
	free(data);
}

static void test_certificate_of_another_authority(void **state)
{
	struct netmap *map = make_map(5, 1, 3);
	struct netmap *parsed;
	uint8_t *data;
	size_t len;

	(void)state;
	assert_int_equal(netmap_add_peer(map, authority_peer(&other, 9, 1)), 0);
	assert_int_equal(netmap_sign(map, authority.secret), 0);
	assert_int_equal(netmap_encode(map, &data, &len), 0);
	assert_int_equal(netmap_parse(&parsed, data, len, &trust), -EXDEV);
	netmap_free(map);
	free(data);
}

static void apply_and_compare(const struct netmap *old, const struct netmap *new)
{
	struct netmap *result;
	uint8_t *data;
	size_t len;

	assert_int_equal(netmap_diff(old, new, &data, &len), 0);
	assert_int_equal(netmap_apply(&result, old, data, len, &trust), 0);
	assert_maps_equal(result, new);
	netmap_free(result);
	free(data);
}

static void test_delta_adds_removes_changes(void **state)
{
	struct netmap *a = make_map(5, 1, 20);
	struct netmap *b = make_map(6, 4, 25);

	(void)state;
	netmap_remove_peer(b, b->peers[2]->cert->parsed.device_key);
	netmap_add_peer(b, authority_peer(&authority, 40, 7));
	netmap_set_relays(b, b->relays, 1);
	netmap_set_revoked(b, (uint64_t[]){ 4, 9, 77 }, 3);
	strcpy(b->network_name, "renamed");
	assert_int_equal(netmap_sign(b, authority.secret), 0);
	apply_and_compare(a, b);
	netmap_free(a);
	netmap_free(b);
}

/* First byte: the version. Without a TURN server nodes that know no kinds still read it. */
static void test_kinds_of_relays(void **state)
{
	struct netmap *plain = make_map(5, 1, 3);
	struct netmap *turn = make_map(6, 1, 3);
	struct netmap *parsed;
	uint8_t *data;
	size_t len;

	(void)state;
	assert_int_equal(netmap_encode(plain, &data, &len), 0);
	assert_int_equal(data[0], 1);
	free(data);
	turn->relays[1].kind = NETMAP_RELAY_TURN;
	assert_int_equal(netmap_sign(turn, authority.secret), 0);
	assert_int_equal(netmap_encode(turn, &data, &len), 0);
	assert_int_equal(data[0], 2);
	assert_int_equal(netmap_parse(&parsed, data, len, &trust), 0);
	assert_int_equal(parsed->relays[0].kind, NETMAP_RELAY_WARREN);
	assert_int_equal(parsed->relays[1].kind, NETMAP_RELAY_TURN);
	netmap_free(parsed);
	free(data);
	apply_and_compare(plain, turn);
	netmap_free(plain);
	plain = make_map(7, 1, 3);
	apply_and_compare(turn, plain);
	netmap_free(plain);
	netmap_free(turn);
}

static void set_names(struct netmap *map, const char *text)
{
	struct netmap_names *names;

	assert_int_equal(netmap_names_new(&names, text, strlen(text)), 0);
	netmap_set_names(map, names);
	netmap_names_unref(names);
	assert_int_equal(netmap_sign(map, authority.secret), 0);
}

/* The names document comes, changes and goes, by deltas and whole. */
static void test_names(void **state)
{
	struct netmap *maps[4] = { make_map(5, 1, 3), make_map(6, 1, 3), make_map(7, 1, 4),
				   make_map(8, 1, 4) };
	struct netmap_names *names;
	struct netmap *parsed;
	uint8_t *data;
	size_t len;

	(void)state;
	set_names(maps[1], "{\"records\":[]}");
	set_names(maps[2], "{\"split\":[]}");
	assert_int_equal(netmap_encode(maps[2], &data, &len), 0);
	assert_int_equal(data[0], 3);
	assert_int_equal(netmap_parse(&parsed, data, len, &trust), 0);
	assert_string_equal(parsed->names->text, "{\"split\":[]}");
	netmap_free(parsed);
	for (size_t i = 0; i < len; i++) {
		data[i] ^= 1;
		assert_int_equal(netmap_parse(&parsed, data, len, &trust), -EPERM);
		data[i] ^= 1;
	}
	free(data);
	for (size_t i = 1; i < 4; i++)
		apply_and_compare(maps[i - 1], maps[i]);
	/* What did not change does not travel. */
	netmap_set_names(maps[3], maps[2]->names);
	assert_int_equal(netmap_sign(maps[3], authority.secret), 0);
	assert_int_equal(netmap_diff(maps[2], maps[3], &data, &len), 0);
	assert_null(memmem(data, len, "split", 5));
	free(data);
	assert_int_equal(netmap_names_new(&names, "", 0), -EINVAL);
	for (size_t i = 0; i < 4; i++)
		netmap_free(maps[i]);
}

/* Signed, but not as anybody of ours would write it. */
static void test_kinds_that_are_not_canonical(void **state)
{
	struct netmap *map = make_map(5, 1, 0);
	struct netmap *parsed;
	uint8_t *data;
	size_t len;

	(void)state;
	map->relays[0].kind = 2;
	assert_int_equal(netmap_sign(map, authority.secret), 0);
	assert_int_equal(netmap_encode(map, &data, &len), 0);
	assert_int_equal(netmap_parse(&parsed, data, len, &trust), -EBADMSG);
	free(data);
	netmap_free(map);
}

/* A router: what it carries, what may come from behind it, and what may go there from behind us. */
static struct netmap_peer *make_router(unsigned int n, uint32_t used)
{
	struct filter_rule rule = { .proto = 6, .port_low = 22, .port_high = 22 };
	struct netmap_terms terms = { .may_send = true, .routes_used = used };
	uint8_t data[CERT_ENCODED_MAX];
	struct netmap_cert *shared;
	struct netmap_peer *peer;
	struct cert cert;
	size_t len;

	authority_cert(&authority, &cert, n);
	cert.route_count = 2;
	assert_int_equal(prefix_parse(&cert.routes[0], "10.20.0.0/16"), 0);
	assert_int_equal(prefix_parse(&cert.routes[1], "fd20::/64"), 0);
	authority_sign(&authority, &cert, data, &len);
	assert_int_equal(netmap_cert_new(&shared, data, len), 0);
	assert_int_equal(prefix_parse(&rule.src, "10.20.1.0/24"), 0);
	assert_int_equal(netmap_rules_new(&terms.rules, &rule, 1), 0);
	assert_int_equal(prefix_parse(&rule.src, "fd77::/64"), 0);
	rule.deny = true;
	assert_int_equal(netmap_rules_new(&terms.lan, &rule, 1), 0);
	assert_int_equal(netmap_peer_share(&peer, shared, &terms), 0);
	netmap_rules_unref(terms.rules);
	netmap_rules_unref(terms.lan);
	netmap_cert_unref(shared);
	return peer;
}

static struct netmap *make_site_map(uint64_t version, uint32_t used)
{
	struct netmap *map = make_map(version, 1, 3);

	assert_int_equal(netmap_add_peer(map, make_router(9, used)), 0);
	assert_int_equal(netmap_sign(map, authority.secret), 0);
	return map;
}

/* Only where there are any do maps speak of networks behind nodes: older nodes read the others. */
static void test_networks_behind_peers(void **state)
{
	struct netmap *plain = make_map(5, 1, 3);
	struct netmap *map = make_site_map(6, 2);
	struct netmap *third = make_site_map(7, 3);
	struct netmap *parsed, *applied;
	const struct netmap_peer *peer;
	uint8_t *data;
	size_t len;

	(void)state;
	assert_int_equal(netmap_encode(plain, &data, &len), 0);
	assert_int_equal(data[0], 1);
	free(data);
	assert_int_equal(netmap_encode(map, &data, &len), 0);
	assert_int_equal(data[0], 3);
	assert_int_equal(netmap_parse(&parsed, data, len, &trust), 0);
	assert_maps_equal(map, parsed);
	peer = netmap_find_peer(parsed, map->peers[3]->cert->parsed.device_key);
	assert_true(netmap_peer_equal(peer, map->peers[3]));
	assert_false(netmap_peer_equal(peer, third->peers[3]));
	assert_int_equal(peer->routes_used, 2);
	assert_int_equal(peer->lan->count, 1);
	assert_true(peer->lan->list[0].deny && peer->lan->sources && peer->rules->sources);
	free(data);
	netmap_free(parsed);
	/* Deltas, from one version to the other and back. */
	assert_int_equal(netmap_diff(plain, map, &data, &len), 0);
	assert_int_equal(netmap_apply(&parsed, plain, data, len, &trust), 0);
	assert_maps_equal(map, parsed);
	free(data);
	assert_int_equal(netmap_diff(parsed, third, &data, &len), 0);
	assert_int_equal(netmap_apply(&applied, parsed, data, len, &trust), 0);
	assert_maps_equal(third, applied);
	free(data);
	netmap_free(parsed);
	plain->version = 8;
	assert_int_equal(netmap_sign(plain, authority.secret), 0);
	assert_int_equal(netmap_diff(applied, plain, &data, &len), 0);
	assert_int_equal(netmap_apply(&parsed, applied, data, len, &trust), 0);
	assert_maps_equal(plain, parsed);
	free(data);
	netmap_free(parsed);
	netmap_free(applied);
	netmap_free(plain);
	netmap_free(third);
	netmap_free(map);
}

static void test_routes_that_are_not_there(void **state)
{
	struct netmap *map = make_site_map(6, 4);
	struct filter_rule rule = { .port_high = 1, .src.addr.family = AF_INET };
	struct netmap_rules *everywhere;
	struct netmap *parsed;
	uint8_t *data;
	size_t len;

	(void)state;
	assert_int_equal(netmap_encode(map, &data, &len), 0);
	assert_int_equal(netmap_parse(&parsed, data, len, &trust), -EBADMSG);
	free(data);
	/* Nobody has the whole internet behind him that may start something. */
	assert_int_equal(netmap_rules_new(&everywhere, &rule, 1), 0);
	netmap_rules_unref(map->peers[3]->lan);
	map->peers[3]->lan = everywhere;
	map->peers[3]->routes_used = 1;
	assert_int_equal(netmap_sign(map, authority.secret), 0);
	assert_int_equal(netmap_encode(map, &data, &len), 0);
	assert_int_equal(netmap_parse(&parsed, data, len, &trust), -EBADMSG);
	free(data);
	netmap_free(map);
}

static void test_delta_to_and_from_nothing(void **state)
{
	struct netmap *a = make_map(5, 1, 0);
	struct netmap *b = make_map(6, 1, 9);
	struct netmap *c = make_map(7, 1, 0);

	(void)state;
	apply_and_compare(a, b);
	apply_and_compare(b, c);
	netmap_free(a);
	netmap_free(b);
	netmap_free(c);
}

static void test_delta_shares_unchanged_peers(void **state)
{
	struct netmap *a = make_map(5, 1, 9);
	struct netmap *b = make_map(6, 1, 10);
	struct netmap *result;
	uint8_t *data;
	size_t len;

	(void)state;
	assert_int_equal(netmap_diff(a, b, &data, &len), 0);
	assert_true(len < 1000);
	assert_int_equal(netmap_apply(&result, a, data, len, &trust), 0);
	assert_ptr_equal(result->peers[0], a->peers[0]);
	netmap_free(a);
	assert_string_equal(result->peers[0]->cert->parsed.name, "node1");
	netmap_free(result);
	netmap_free(b);
	free(data);
}

static void test_delta_for_another_version(void **state)
{
	struct netmap *a = make_map(5, 1, 3);
	struct netmap *b = make_map(6, 1, 4);
	struct netmap *c = make_map(7, 1, 5);
	struct netmap *result = NULL;
	uint8_t *data;
	size_t len;

	(void)state;
	assert_int_equal(netmap_diff(b, c, &data, &len), 0);
	assert_int_equal(netmap_apply(&result, a, data, len, &trust), -ESTALE);
	free(data);
	/* Back in time. */
	assert_int_equal(netmap_diff(b, a, &data, &len), 0);
	assert_int_equal(netmap_apply(&result, b, data, len, &trust), -EBADMSG);
	free(data);
	assert_null(result);
	netmap_free(a);
	netmap_free(b);
	netmap_free(c);
}

static void test_damaged_delta_is_refused(void **state)
{
	struct netmap *a = make_map(5, 1, 3);
	struct netmap *b = make_map(6, 2, 4);
	struct netmap *result;
	uint8_t *data;
	size_t len;

	(void)state;
	assert_int_equal(netmap_diff(a, b, &data, &len), 0);
	for (size_t i = 0; i < len; i++) {
		data[i] ^= 0x04;
		assert_int_not_equal(netmap_apply(&result, a, data, len, &trust), 0);
		data[i] ^= 0x04;
	}
	for (size_t i = 0; i < len; i++)
		assert_int_not_equal(netmap_apply(&result, a, data, i, &trust), 0);
	netmap_free(a);
	netmap_free(b);
	free(data);
}

/* When it is time to look through the peers again, and not before. */
static void test_next_change(void **state)
{
	struct netmap *map = make_map(1, 1, 4);
	struct cert *cert[4];

	(void)state;
	for (int i = 0; i < 4; i++)
		cert[i] = &map->peers[i]->cert->parsed; /* 1000 to 2000, both included */
	assert_int_equal(netmap_next_change_s(map, 0), 1000);
	assert_int_equal(netmap_next_change_s(map, 999), 1000);
	assert_int_equal(netmap_next_change_s(map, 1000), 2001);
	assert_int_equal(netmap_next_change_s(map, 2000), 2001);
	assert_true(netmap_next_change_s(map, 2001) == UINT64_MAX);
	cert[2]->not_after_s = 1500;
	cert[3]->not_before_s = 1700;
	cert[1]->not_after_s = UINT64_MAX;
	assert_int_equal(netmap_next_change_s(map, 1000), 1501);
	assert_int_equal(netmap_next_change_s(map, 1501), 1700);
	assert_int_equal(netmap_next_change_s(map, 1700), 2001);
	assert_true(netmap_next_change_s(map, 3000) == UINT64_MAX);
	netmap_free(map);
}

static void test_limits(void **state)
{
	struct netmap *map = make_map(5, 1, 1);
	struct netmap_relay *relays = calloc(NETMAP_RELAYS_MAX + 1, sizeof(*relays));
	uint64_t *serials = calloc(NETMAP_REVOKED_MAX + 10, sizeof(*serials));

	(void)state;
	assert_int_equal(netmap_add_peer(map, authority_peer(&authority, 1, 0)), -EEXIST);
	assert_int_equal(netmap_set_relays(map, relays, NETMAP_RELAYS_MAX + 1), -ENOSPC);
	for (size_t i = 0; i < NETMAP_REVOKED_MAX + 10; i++)
		serials[i] = i + 1;
	assert_int_equal(netmap_set_revoked(map, serials, NETMAP_REVOKED_MAX + 10), 0);
	assert_int_equal(map->revoked_count, NETMAP_REVOKED_MAX);
	assert_true(netmap_is_revoked(map, NETMAP_REVOKED_MAX + 10));
	assert_false(netmap_is_revoked(map, 10));
	free(relays);
	free(serials);
	netmap_free(map);
	netmap_free(NULL);
	netmap_peer_unref(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_every_changed_byte_is_refused),
		cmocka_unit_test(test_other_recipient_network_or_authority),
		cmocka_unit_test(test_certificate_of_another_authority),
		cmocka_unit_test(test_delta_adds_removes_changes),
		cmocka_unit_test(test_kinds_of_relays),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_kinds_that_are_not_canonical),
		cmocka_unit_test(test_networks_behind_peers),
		cmocka_unit_test(test_routes_that_are_not_there),
		cmocka_unit_test(test_delta_to_and_from_nothing),
		cmocka_unit_test(test_delta_shares_unchanged_peers),
		cmocka_unit_test(test_delta_for_another_version),
		cmocka_unit_test(test_damaged_delta_is_refused),
		cmocka_unit_test(test_next_change),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
