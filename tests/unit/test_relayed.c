#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* The real ones are linked for other tests' sake: what is under test is compiled against these. */
#define candidate_addr_allowed  fake_candidate_addr_allowed
#define loop_now_ns             fake_loop_now_ns
#define map_next                fake_map_next
#define mesh_find_peer_address  fake_mesh_find_peer_address
#define mesh_peer_connect       fake_mesh_peer_connect
#define mesh_peer_key           fake_mesh_peer_key
#define mesh_peer_online        fake_mesh_peer_online
#define mesh_peer_relay_up      fake_mesh_peer_relay_up
#define mesh_peer_relayed       fake_mesh_peer_relayed
#define relays_find             fake_relays_find
#define relays_is_turn          fake_relays_is_turn
#define relays_name             fake_relays_name
#define relays_next             fake_relays_next
#define relays_reaches          fake_relays_reaches
#define relays_relayed          fake_relays_relayed
#define relays_set_peer_address fake_relays_set_peer_address
#define relays_want             fake_relays_want
#define signalling_send         fake_signalling_send
#include "daemon/relayed.c"

#pragma GCC diagnostic ignored "-Wunused-parameter"

#define FRA 1

/* --- one TURN server, where both are, and a peer that is told things --- */

static struct mesh mesh;
static struct relayed_peer state_of_peer;
static uint64_t at_ns;
static bool server_is_useless; /* its addresses are of no use to anybody */
static unsigned int told, set;
static char last[RELAYED_NOTICE_TEXT_MAX];
static size_t last_len;

static struct mesh_peer *peer(void)
{
	return (struct mesh_peer *)&state_of_peer;
}

bool candidate_addr_allowed(const struct endpoint *address, const struct prefix *refused,
			    size_t count)
{
	return address->addr.family != AF_UNSPEC && !server_is_useless;
}

uint64_t loop_now_ns(struct loop *loop)
{
	return at_ns;
}

void *map_next(const struct map *map, size_t *cursor)
{
	return (*cursor)++ ? NULL : peer();
}

struct mesh_peer *mesh_find_peer_address(const struct mesh *m, const struct ip_addr *addr)
{
	return NULL;
}

void mesh_peer_connect(struct mesh_peer *p)
{
}

const uint8_t *mesh_peer_key(const struct mesh_peer *p)
{
	static const uint8_t key[32];

	return key;
}

bool mesh_peer_online(const struct mesh_peer *p)
{
	return true;
}

void mesh_peer_relay_up(struct mesh_peer *p, uint32_t relay)
{
}

struct relayed_peer *mesh_peer_relayed(struct mesh_peer *p)
{
	return &state_of_peer;
}

uint32_t relays_find(const struct relays *relays, const char *name)
{
	return FRA;
}

bool relays_is_turn(const struct relays *relays, uint32_t relay)
{
	return true;
}

const char *relays_name(const struct relays *relays, uint32_t relay)
{
	return "fra";
}

uint32_t relays_next(const struct relays *relays, size_t *cursor)
{
	return (*cursor)++ ? 0 : FRA;
}

bool relays_reaches(const struct relays *relays, uint32_t relay, const uint8_t node_key[static 32])
{
	return false;
}

bool relays_relayed(const struct relays *relays, uint32_t relay, struct endpoint *relayed)
{
	return endpoint_parse(relayed, "192.0.2.1:50000") == 0;
}

int relays_set_peer_address(struct relays *relays, uint32_t relay,
			    const uint8_t node_key[static 32], const struct endpoint *relayed)
{
	set++;
	return 0;
}

void relays_want(struct relays *relays, uint32_t relay)
{
}

int signalling_send(struct mesh *m, struct mesh_peer *p, enum signal_kind kind, const void *payload,
		    size_t len, enum signal_route route)
{
	told++;
	memcpy(last, payload, len);
	last_len = len;
	return 0;
}

static int setup(void **state)
{
	at_ns = 1000 * NS_PER_S;
	state_of_peer = (struct relayed_peer){ 0 };
	server_is_useless = false;
	told = set = 0;
	return 0;
}

static void hear(bool ask)
{
	struct relayed_notice notice = { .relay = "fra", .ask = ask };
	char text[RELAYED_NOTICE_TEXT_MAX];
	size_t len;

	assert_int_equal(endpoint_parse(&notice.address, "192.0.2.1:50001"), 0);
	assert_int_equal(relayed_notice_encode(&notice, text, sizeof(text), &len), 0);
	relayed_receive(&mesh, peer(), (const uint8_t *)text, len);
}

/* --- tests --- */

static void a_question_is_answered(void **state)
{
	struct relayed_notice got;

	relayed_ask(&mesh, peer(), FRA);
	assert_int_equal(told, 1);
	hear(true);
	assert_int_equal(set, 1);
	assert_int_equal(told, 2);
	assert_int_equal(relayed_notice_decode(&got, last, last_len), 0);
	assert_int_equal(got.address.port, 50000);
	assert_false(got.ask);
	assert_int_equal(relayed_next_timeout(peer()), CLOCK_NEVER);
	hear(false);
	assert_int_equal(told, 2);
}

/* Both ask and neither can use what it hears: that is not to go to and fro without a pause. */
static void an_answer_asks_nothing(void **state)
{
	struct relayed_notice got;

	server_is_useless = true;
	relayed_ask(&mesh, peer(), FRA);
	hear(true);
	assert_int_equal(told, 2);
	assert_int_equal(relayed_notice_decode(&got, last, last_len), 0);
	assert_false(got.ask);
	assert_true(relayed_next_timeout(peer()) > at_ns);
	at_ns = relayed_next_timeout(peer());
	relayed_expire(&mesh, peer());
	assert_int_equal(told, 3);
	assert_int_equal(relayed_notice_decode(&got, last, last_len), 0);
	assert_true(got.ask);
}

static void notices_are_bounded(void **state)
{
	for (int i = 0; i < 1000; i++)
		hear(true);
	assert_int_equal(set, 16);
	assert_int_equal(told, 16);
	at_ns += 60 * NS_PER_S;
	for (int i = 0; i < 1000; i++)
		hear(true);
	assert_int_equal(set, 28);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_question_is_answered, setup),
		cmocka_unit_test_setup(an_answer_asks_nothing, setup),
		cmocka_unit_test_setup(notices_are_bounded, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
