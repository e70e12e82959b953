#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The real ones are linked for other tests' sake: what is under test is compiled against these. */
#define device_peer_add             fake_device_peer_add
#define device_peer_remove          fake_device_peer_remove
#define peer_dp                     fake_peer_dp
#define peer_set_owner              fake_peer_set_owner
#define peer_has_session            fake_peer_has_session
#define peer_handshake_under_way    fake_peer_handshake_under_way
#define peer_last_handshake_ns      fake_peer_last_handshake_ns
#define dataplane_allowed_ip_set    fake_dataplane_allowed_ip_set
#define dataplane_allowed_ip_remove fake_dataplane_allowed_ip_remove
#define dataplane_peer_set_rules    fake_dataplane_peer_set_rules
#define dataplane_peer_activity     fake_dataplane_peer_activity
#define dataplane_peer_mtu          fake_dataplane_peer_mtu
#define dataplane_peer_lanes        fake_dataplane_peer_lanes
#define loop_now_ns                 fake_loop_now_ns
#include "daemon/mesh_peer.c"

#include "tests/support/authority.h"

/* --- a device that adds what it is told to --- */

static int peer_add_result;
static int wireguard_peers;
static struct dp_activity activity;
static uint64_t handshaken_ns;
static uint64_t now_ns;

static struct peer *some_peer(void)
{
	return (struct peer *)&wireguard_peers;
}

int device_peer_add(struct device *device, const uint8_t pub[static 32], struct peer **peer)
{
	(void)device;
	(void)pub;
	if (peer_add_result < 0)
		return peer_add_result;
	wireguard_peers++;
	*peer = some_peer();
	return 0;
}

void device_peer_remove(struct peer *peer)
{
	assert_ptr_equal(peer, some_peer());
	wireguard_peers--;
}

struct dp_peer *peer_dp(const struct peer *peer)
{
	return (struct dp_peer *)peer;
}

void peer_set_owner(struct peer *peer, void *owner)
{
	(void)peer;
	(void)owner;
}

bool peer_handshake_under_way(const struct peer *wireguard)
{
	(void)wireguard;
	return true;
}

bool peer_has_session(const struct peer *peer)
{
	(void)peer;
	return false;
}

uint64_t peer_last_handshake_ns(const struct peer *peer)
{
	(void)peer;
	return handshaken_ns;
}

int dataplane_allowed_ip_set(struct dp_peer *peer, const struct prefix *prefix)
{
	(void)peer;
	(void)prefix;
	return 0;
}

void dataplane_allowed_ip_remove(struct dp_peer *peer, const struct prefix *prefix)
{
	(void)prefix;
	(void)peer;
}

int dataplane_peer_set_rules(struct dp_peer *peer, struct filter_rules *rules,
			     struct filter_rules *lan)
{
	(void)peer;
	filter_rules_free(rules);
	filter_rules_free(lan);
	return 0;
}

void dataplane_peer_activity(const struct dp_peer *peer, struct dp_activity *out)
{
	(void)peer;
	*out = activity;
}

unsigned int dataplane_peer_mtu(const struct dp_peer *peer)
{
	(void)peer;
	return 1420;
}

unsigned int dataplane_peer_lanes(const struct dp_peer *peer)
{
	(void)peer;
	return 1;
}

uint64_t loop_now_ns(struct loop *loop)
{
	(void)loop;
	return now_ns;
}

uint64_t mesh_wall_s(const struct mesh *mesh)
{
	(void)mesh;
	return 0;
}

void ping_forget(struct pings *pings, struct mesh_peer *peer)
{
	(void)pings;
	(void)peer;
}

void gossip_tell(struct mesh *mesh, struct mesh_peer *peer)
{
	(void)mesh;
	(void)peer;
}

void gossip_document(struct mesh *mesh, struct mesh_peer *peer, const uint8_t *data, size_t len)
{
	(void)mesh;
	(void)peer;
	(void)data;
	(void)len;
}

void ping_session_up(struct pings *pings, struct mesh_peer *peer)
{
	(void)pings;
	(void)peer;
}

static unsigned int route_mtu_set;

void tunnel_set_mtu(struct mesh *mesh, const struct mesh_peer *peer)
{
	(void)mesh;
	(void)peer;
	route_mtu_set++;
}

const char *relays_name(const struct relays *relays, uint32_t relay)
{
	(void)relays;
	(void)relay;
	return "";
}

void relayed_receive(struct mesh *mesh, struct mesh_peer *peer, const uint8_t *data, size_t len)
{
	(void)mesh;
	(void)peer;
	(void)data;
	(void)len;
}

void relays_release_peer(struct relays *relays, const uint8_t node_key[static 32])
{
	(void)relays;
	(void)node_key;
}

int signalling_send(struct mesh *mesh, struct mesh_peer *peer, enum signal_kind kind,
		    const void *payload, size_t len, enum signal_route route)
{
	(void)mesh;
	(void)peer;
	(void)kind;
	(void)payload;
	(void)len;
	(void)route;
	return 0;
}

void routing_peer_changed(struct mesh *mesh, struct mesh_peer *peer)
{
	(void)mesh;
	(void)peer;
}

void router_tell(struct mesh *mesh, struct mesh_peer *peer)
{
	(void)mesh;
	(void)peer;
}

size_t speed_service_rules(const struct mesh *mesh, struct filter_rule out[static 2])
{
	(void)mesh;
	(void)out;
	return 0;
}

/* --- no connections here --- */

struct connection *connection_new(struct mesh *mesh, struct mesh_peer *peer, enum path_mode mode)
{
	(void)mesh;
	(void)peer;
	(void)mode;
	return NULL;
}

void connection_free(struct connection *conn)
{
	assert_null(conn);
}

#define NOT_CALLED(type, name, ...) \
	type name(__VA_ARGS__)      \
	{                           \
		abort();            \
	}

#pragma GCC diagnostic ignored "-Wunused-parameter"
NOT_CALLED(void, connection_want, struct connection *c)
NOT_CALLED(void, connection_set_mode, struct connection *c, enum path_mode mode)
NOT_CALLED(void, connection_set_peer_relay_only, struct connection *c, bool relay_only)
NOT_CALLED(void, connection_heard_directly, struct connection *c)
NOT_CALLED(bool, connection_may_answer_directly, const struct connection *c)
NOT_CALLED(void, connection_presence_changed, struct connection *c, bool returned)
NOT_CALLED(void, connection_describe, struct connection *c, struct ice_description *d)
NOT_CALLED(bool, connection_stun, struct connection *c, const struct stun_message *m,
	   const uint8_t *data, size_t len, const struct dp_path *from)
NOT_CALLED(void, connection_heard_elsewhere, struct connection *c, bool by_relay)
NOT_CALLED(void, connection_echoed, struct connection *c, const struct dp_echo *e)
NOT_CALLED(void, connection_unanswered, struct connection *c)
NOT_CALLED(void, connection_relay_up, struct connection *c, uint32_t relay)
NOT_CALLED(void, connection_relay_down, struct connection *c, uint32_t relay)
NOT_CALLED(void, connection_resolved, struct connection *conn, const char *name,
	   const struct ip_addr *addr)
NOT_CALLED(void, connection_candidates_changed, struct connection *c)
NOT_CALLED(void, connection_resume, struct connection *c)
NOT_CALLED(void, connection_network_changed, struct connection *c, bool ways_changed)
NOT_CALLED(int, connection_probe, struct connection *c)
NOT_CALLED(void, connection_probe_answered, struct connection *c, const uint8_t *p, size_t len)
NOT_CALLED(const struct path_current *, connection_path, const struct connection *c)
NOT_CALLED(const struct endpoint *, connection_remote, const struct connection *c)
NOT_CALLED(uint64_t, connection_latency_ns, const struct connection *c)
NOT_CALLED(unsigned int, connection_loss, const struct connection *c)

/* --- tests --- */

static struct authority authority;
static struct mesh mesh;

static int setup(void **state)
{
	struct mesh_peer *peer;
	struct netmap_peer *info;

	authority_init(&authority, 1);
	mesh.rng = rng_system();
	peer_add_result = 0;
	handshaken_ns = 0;
	activity = (struct dp_activity){ 0 };
	now_ns = 1000 * NS_PER_S;
	info = authority_peer(&authority, 1, 1);
	if (mesh_peer_new(&peer, &mesh, info) < 0)
		return -1;
	netmap_peer_unref(info);
	*state = peer;
	return 0;
}

static int teardown(void **state)
{
	mesh_peer_free(*state);
	return wireguard_peers;
}

/* Two nodes may claim one WireGuard key, or one of them ours: that must cost only the liar. */
static void a_key_that_is_taken_ends_the_peer_only(void **state)
{
	struct netmap_peer *info = authority_peer(&authority, 1, 1);

	info->cert->parsed.wireguard_key[0] ^= 1;
	peer_add_result = -EEXIST;
	assert_int_equal(mesh_peer_update(*state, info), -EEXIST);
	assert_int_equal(wireguard_peers, 0);
	netmap_peer_unref(info);
	mesh_peer_free(*state);
	*state = NULL;
}

static void say(struct mesh_peer *peer, bool online)
{
	const struct control_presence_entry entry = { .online = online, .home_relay = "fra" };

	mesh_peer_presence(peer, &entry);
}

static void a_peer_that_nobody_spoke_of_may_be_there(void **state)
{
	struct status_peer status = { 0 };

	assert_true(mesh_peer_online(*state));
	assert_int_equal(mesh_peer_online_until_ns(*state), CLOCK_NEVER);
	mesh_peer_status(*state, &status);
	assert_int_equal(status.path, STATUS_PATH_IDLE);
	say(*state, false);
	assert_false(mesh_peer_online(*state));
	mesh_peer_status(*state, &status);
	assert_int_equal(status.path, STATUS_PATH_OFFLINE);
	say(*state, true);
	assert_true(mesh_peer_online(*state));
}

static void what_the_peer_says_counts_more_than_the_coordinator(void **state)
{
	const uint64_t life_ns = MESH_PEER_HEARD_S * NS_PER_S;
	struct signal signal = { .kind = SIGNAL_END };

	say(*state, false);
	activity.last_rx_ns = now_ns - NS_PER_S;
	assert_true(mesh_peer_online(*state));
	assert_int_equal(mesh_peer_online_until_ns(*state), now_ns - NS_PER_S + life_ns);
	now_ns += life_ns - NS_PER_S;
	assert_false(mesh_peer_online(*state));
	handshaken_ns = now_ns;
	assert_true(mesh_peer_online(*state));
	now_ns += life_ns;
	assert_false(mesh_peer_online(*state));
	mesh_peer_signal(*state, &signal);
	assert_true(mesh_peer_online(*state));
}

/* The device has what the widest link carries, so only less than that is said. */
static void routes_say_what_is_less_than_the_device(void **state)
{
	struct mesh_peer *peer = *state;

	mesh.underlay_mtu = 1420;
	route_mtu_set = 0;
	mesh_peer_path_mtu(peer, 1420);
	assert_int_equal(route_mtu_set, 0);
	mesh_peer_path_mtu(peer, 1340);
	mesh_peer_path_mtu(peer, 1340);
	assert_int_equal(route_mtu_set, 1);
	assert_int_equal(mesh_peer_route_mtu(peer), 1340);
	mesh_peer_path_mtu(peer, 1420);
	assert_int_equal(route_mtu_set, 2);
	assert_int_equal(mesh_peer_route_mtu(peer), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_key_that_is_taken_ends_the_peer_only, setup,
						teardown),
		cmocka_unit_test_setup_teardown(routes_say_what_is_less_than_the_device, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_peer_that_nobody_spoke_of_may_be_there, setup,
						teardown),
		cmocka_unit_test_setup_teardown(what_the_peer_says_counts_more_than_the_coordinator,
						setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
