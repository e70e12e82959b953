#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The real ones are linked for other tests' sake: what is under test is compiled against these. */
#define dataplane_port          fake_dataplane_port
#define dataplane_socket_port   fake_dataplane_socket_port
#define dataplane_socket_on     fake_dataplane_socket_on
#define dataplane_send          fake_dataplane_send
#define dataplane_peer_activity fake_dataplane_peer_activity
#define dataplane_peer_notify   fake_dataplane_peer_notify
#define dataplane_peer_echo     fake_dataplane_peer_echo
#define loop_now_ns             fake_loop_now_ns
#define loop_timer_init         fake_loop_timer_init
#define loop_timer_set          fake_loop_timer_set
#define loop_timer_clear        fake_loop_timer_clear
#include "daemon/connection.c"
#include "daemon/connection_ice.c"
#include "daemon/connection_mode.c"
#include "daemon/connection_obstacle.c"
#include "daemon/connection_punch.c"
#include "daemon/connection_relay.c"

#include "daemon/stun_index.h"

#pragma GCC diagnostic ignored "-Wunused-parameter"

static const struct daemon_config config = { .idle_s = 90 };
static struct mesh mesh;
static struct netmap_cert cert;
static struct netmap_peer info = { .cert = &cert };
static struct connection *tested;
static bool disconnected;
static uint64_t at_ns;

/* --- relays that may bring news in the midst of a question --- */

static bool is_up[4];
static uint32_t unknown_at; /* a TURN server at which we do not know where the peer is */
static uint32_t asked_at;
static void (*news)(void); /* told the next time a path is asked for */
static struct dp_path path;

bool relays_is_up(const struct relays *relays, uint32_t relay)
{
	return is_up[relay];
}

bool relays_reaches(const struct relays *relays, uint32_t relay, const uint8_t node_key[static 32])
{
	return is_up[relay] && relay != unknown_at;
}

void relayed_ask(struct mesh *m, struct mesh_peer *peer, uint32_t relay)
{
	asked_at = relay;
}

void relayed_expire(struct mesh *m, struct mesh_peer *peer)
{
}

uint64_t relayed_next_timeout(struct mesh_peer *peer)
{
	return CLOCK_NEVER;
}

int relays_path(struct relays *relays, uint32_t relay, const uint8_t node_key[static 32],
		struct dp_path *out)
{
	void (*tell)(void) = news;

	*out = (struct dp_path){ .kind = DP_PATH_UDP, .channel = (uint16_t)(0x4000 + relay) };
	news = NULL;
	if (tell)
		tell();
	return 0;
}

uint32_t relays_next(const struct relays *relays, size_t *cursor)
{
	return *cursor < 3 ? (uint32_t)++ * cursor : 0;
}

uint32_t relays_find(const struct relays *relays, const char *name)
{
	return 0;
}

bool control_client_alive(const struct control_client *client)
{
	return false;
}

uint32_t relays_home(const struct relays *relays)
{
	return 1;
}

const char *relays_name(const struct relays *relays, uint32_t relay)
{
	return "fra";
}

uint64_t relays_rtt_ns(const struct relays *relays, uint32_t relay)
{
	return relay * NS_PER_MS;
}

bool relays_masked(const struct relays *relays)
{
	(void)relays;
	return false;
}

bool relays_udp_blocked(const struct relays *relays)
{
	return false;
}

void relays_want(struct relays *relays, uint32_t relay)
{
}

void relays_unanswered(struct relays *relays, uint32_t relay)
{
}

/* --- a peer --- */

const struct netmap_peer *mesh_peer_info(const struct mesh_peer *peer)
{
	return &info;
}

const uint8_t *mesh_peer_key(const struct mesh_peer *peer)
{
	return cert.parsed.device_key;
}

struct peer *mesh_peer_wireguard(const struct mesh_peer *peer)
{
	return NULL;
}

const char *mesh_peer_home_relay(const struct mesh_peer *peer)
{
	return "";
}

uint32_t mesh_peer_seen_relay(const struct mesh_peer *peer)
{
	return 0;
}

bool mesh_peer_online(const struct mesh_peer *peer)
{
	return true;
}

uint64_t mesh_peer_online_until_ns(const struct mesh_peer *peer)
{
	return CLOCK_NEVER;
}

void mesh_peer_disconnect(struct mesh_peer *peer)
{
	disconnected = true;
	connection_free(tested);
	tested = NULL;
}

struct dp_peer *peer_dp(const struct peer *peer)
{
	return NULL;
}

void peer_set_path(struct peer *peer, const struct dp_path *to)
{
	path = *to;
}

bool peer_has_session(const struct peer *peer)
{
	return true;
}

bool peer_handshake_under_way(const struct peer *peer)
{
	return false;
}

void peer_resend_handshake(struct peer *peer)
{
}

void peer_start_handshake(struct peer *peer)
{
}

void ping_answered(struct pings *pings, struct mesh_peer *peer, uint64_t rtt_ns)
{
}

struct mesh_peer *mesh_find_peer_address(const struct mesh *of, const struct ip_addr *addr)
{
	(void)of;
	(void)addr;
	return NULL;
}

uint64_t signalling_rtt_ns(const struct mesh *of)
{
	(void)of;
	return 0;
}

static unsigned int signals[SIGNAL_RELAY_ONLY + 1]; /* by kind, since the last look */

int signalling_send(struct mesh *of, struct mesh_peer *peer, enum signal_kind kind,
		    const void *payload, size_t len, enum signal_route route)
{
	signals[kind]++;
	return 0;
}

/* --- no packets, and a clock that stands --- */

int dataplane_send(struct dataplane *dp, const struct dp_path *to, const uint8_t *data, size_t len,
		   uint8_t tos, uint8_t ttl)
{
	return 0;
}

uint16_t dataplane_port(const struct dataplane *dp)
{
	return 1;
}

uint16_t dataplane_socket_port(const struct dataplane *dp, uint32_t socket)
{
	return 1;
}

uint32_t dataplane_socket_on(const struct dataplane *dp, uint16_t port)
{
	return 0;
}

void dataplane_peer_activity(const struct dp_peer *peer, struct dp_activity *activity)
{
	*activity = (struct dp_activity){ 0 };
}

void dataplane_peer_notify(struct dp_peer *peer, unsigned int notices)
{
}

int dataplane_peer_echo(struct dp_peer *peer, const struct dp_path *by, uint32_t token)
{
	return 0;
}

uint64_t loop_now_ns(struct loop *loop)
{
	return at_ns;
}

void loop_timer_init(struct loop_timer *timer, struct loop *loop,
		     void (*fire)(void *arg, uint64_t now_ns), void *arg)
{
}

void loop_timer_set(struct loop_timer *timer, uint64_t deadline_ns)
{
}

void loop_timer_clear(struct loop_timer *timer)
{
}

/* --- tests --- */

static int setup(void **state)
{
	at_ns = 1000 * NS_PER_S;
	memset(is_up, 0, sizeof(is_up));
	unknown_at = asked_at = 0;
	news = NULL;
	disconnected = false;
	path = (struct dp_path){ .kind = DP_PATH_NONE };
	mesh.rng = rng_system();
	mesh.config = &config;
	mesh.stun = stun_index_new(2);
	tested = connection_new(&mesh, (struct mesh_peer *)&info, PATH_MODE_RELAY);
	if (!tested || !mesh.stun)
		return -1;
	connection_punch_clear(tested); /* no ports are guessed here */
	return 0;
}

static int teardown(void **state)
{
	connection_free(tested);
	stun_index_free(mesh.stun);
	return 0;
}

static void relay_2_takes_over(void)
{
	is_up[1] = false;
	is_up[2] = true;
	connection_relay_down(tested, 1);
	connection_relay_up(tested, 2);
}

static void news_in_the_midst_of_an_order_are_the_last_word(void **state)
{
	is_up[1] = true;
	news = relay_2_takes_over;
	connection_relay_up(tested, 1);
	assert_null(news);
	assert_int_equal(connection_path(tested)->kind, PATH_RELAY);
	assert_int_equal(connection_path(tested)->id, 2);
	assert_int_equal(path.channel, 0x4002);
}

static void relay_1_goes(void)
{
	is_up[1] = false;
	connection_relay_down(tested, 1);
}

static void a_path_that_goes_while_it_is_set_is_not_used(void **state)
{
	is_up[1] = true;
	connection_relay_up(tested, 1);
	assert_int_equal(path.channel, 0x4001);
	news = relay_1_goes; /* when it is resolved anew, as after another registration */
	connection_relay_up(tested, 1);
	assert_int_equal(connection_path(tested)->kind, PATH_NONE);
	assert_int_equal(path.kind, DP_PATH_NONE);
}

static void an_idle_one_does_not_end_under_its_callers_feet(void **state)
{
	is_up[1] = true;
	connection_relay_up(tested, 1);
	at_ns += 2 * config.idle_s * NS_PER_S;
	news = relay_1_goes;
	connection_relay_up(tested, 1);
	assert_true(disconnected);
	assert_null(tested);
}

static void who_forces_the_relay_tells_no_address_and_says_so(void **state)
{
	struct ice_description offer = { .instance = 1, .generation = 1, .count = 1 };

	strcpy(offer.ufrag, "abcd");
	strcpy(offer.pwd, "0123456789012345678901");
	assert_int_equal(candidate_parse(&offer.candidates[0],
					 "candidate:1 1 udp 9 192.0.2.1 9 typ host"),
			 0);
	is_up[1] = true;
	connection_relay_up(tested, 1);
	memset(signals, 0, sizeof(signals));
	for (int i = 0; i < 10; i++)
		connection_describe(tested, &offer);
	assert_int_equal(signals[SIGNAL_RELAY_ONLY], 1); /* once a second */
	assert_int_equal(signals[SIGNAL_OFFER] + signals[SIGNAL_ANSWER], 0);
	assert_null(tested->ice);
	assert_false(connection_may_answer_directly(tested));
	assert_int_equal(connection_path(tested)->reason, PATH_REASON_FORCED);
	at_ns += NS_PER_S;
	connection_heard_directly(tested);
	assert_int_equal(signals[SIGNAL_RELAY_ONLY], 2);
	/* With auto again the peer is offered addresses, and not told that. */
	connection_set_mode(tested, PATH_MODE_AUTO);
	assert_non_null(tested->ice);
	assert_int_equal(signals[SIGNAL_OFFER], 1);
	connection_heard_directly(tested);
	assert_int_equal(signals[SIGNAL_RELAY_ONLY], 2);
}

static void the_peer_may_force_the_relay(void **state)
{
	struct ice_description offer = { .instance = 1, .generation = 1 };

	strcpy(offer.ufrag, "abcd");
	strcpy(offer.pwd, "0123456789012345678901");
	is_up[1] = true;
	connection_relay_up(tested, 1);
	connection_set_mode(tested, PATH_MODE_AUTO);
	assert_non_null(tested->ice);
	connection_set_peer_relay_only(tested, true);
	assert_null(tested->ice);
	assert_false(connection_may_answer_directly(tested));
	assert_int_equal(connection_path(tested)->kind, PATH_RELAY);
	assert_int_equal(connection_path(tested)->reason, PATH_REASON_FORCED);
	/* Who wants a direct path and nothing else has none then. */
	connection_set_mode(tested, PATH_MODE_DIRECT);
	assert_null(tested->ice);
	assert_int_equal(connection_path(tested)->kind, PATH_NONE);
	assert_int_equal(connection_path(tested)->reason, PATH_REASON_FORCED);
	/* An offer takes it back. */
	connection_set_mode(tested, PATH_MODE_AUTO);
	connection_describe(tested, &offer);
	assert_non_null(tested->ice);
	assert_true(connection_may_answer_directly(tested));
}

static void where_the_way_is_not_known_it_is_asked_for(void **state)
{
	is_up[1] = is_up[2] = true;
	unknown_at = 1;
	connection_relay_up(tested, 1);
	assert_int_equal(asked_at, 1);
	assert_int_equal(connection_path(tested)->id, 2);
	unknown_at = 0;
	connection_relay_up(tested, 1);
	connection_relay_down(tested, 2);
	assert_int_equal(connection_path(tested)->id, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(news_in_the_midst_of_an_order_are_the_last_word,
						setup, teardown),
		cmocka_unit_test_setup_teardown(a_path_that_goes_while_it_is_set_is_not_used, setup,
						teardown),
		cmocka_unit_test_setup_teardown(an_idle_one_does_not_end_under_its_callers_feet,
						setup, teardown),
		cmocka_unit_test_setup_teardown(who_forces_the_relay_tells_no_address_and_says_so,
						setup, teardown),
		cmocka_unit_test_setup_teardown(the_peer_may_force_the_relay, setup, teardown),
		cmocka_unit_test_setup_teardown(where_the_way_is_not_known_it_is_asked_for, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
