#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* The real ones are linked for other tests' sake: what is under test is compiled against these. */
#define connection_describe fake_connection_describe
#define connection_ice_tell fake_connection_ice_tell
#define mdns_service_ask    fake_mdns_service_ask
#define mdns_service_name   fake_mdns_service_name
#define connection_resolved fake_connection_resolved
#include "daemon/connection_mdns.c"

#pragma GCC diagnostic ignored "-Wunused-parameter"

static const struct daemon_config config = { .host_addresses = HOST_ADDRESSES_AUTO };
static struct mesh mesh;
static struct connection conn;
static size_t told; /* candidates, since the last look */

void connection_describe(struct connection *c, struct ice_description *description)
{
}

void connection_ice_tell(struct connection *c, struct ice_description *d)
{
	told += d->count;
}

int mdns_service_ask(struct mdns_service *service, const char *name)
{
	return 0;
}

const char *mdns_service_name(const struct mdns_service *service, const struct ip_addr *addr)
{
	return NULL;
}

static int setup(void **state)
{
	memset(&conn, 0, sizeof(conn));
	mesh = (struct mesh){ .config = &config };
	conn.mesh = &mesh;
	told = 0;
	return 0;
}

static int teardown(void **state)
{
	connection_forget_hosts(&conn);
	return 0;
}

static struct candidate candidate(enum candidate_type type, const char *text)
{
	struct candidate c = { .type = type };

	assert_int_equal(endpoint_parse(&c.addr, text), 0);
	return c;
}

static void servers_see_us_at(const char *text)
{
	mesh.candidates.reflexive_count = 1;
	assert_int_equal(endpoint_parse(&mesh.candidates.reflexive[0].mapped, text), 0);
}

static void peer_shows(const char *session, const char *text)
{
	struct ice_description d = { .count = 1 };

	strcpy(d.ufrag, session);
	d.candidates[0] = candidate(CANDIDATE_SRFLX, text);
	connection_look_up_hosts(&conn, &d);
}

/* How many private addresses an offer tells plainly. */
static size_t offer(const char *session)
{
	struct ice_description d = { .count = 1 };

	strcpy(d.ufrag, session);
	d.candidates[0] = candidate(CANDIDATE_HOST, "192.168.1.2:1");
	connection_hide_hosts(&conn, &d);
	return d.count;
}

static void a_neighbour_is_told(void **state)
{
	servers_see_us_at("198.51.100.1:1");
	assert_int_equal(offer("mine"), 0);
	peer_shows("a", "203.0.113.1:9");
	assert_int_equal(told, 0);
	peer_shows("a", "198.51.100.1:9");
	assert_int_equal(told, 1);
	assert_int_equal(offer("mine"), 1);
}

/* Also when we learn last what we have in common. */
static void a_neighbour_is_told_later(void **state)
{
	peer_shows("a", "198.51.100.1:9");
	assert_int_equal(offer("mine"), 0);
	servers_see_us_at("198.51.100.1:1");
	connection_reveal_hosts(&conn);
	assert_int_equal(told, 1);
}

static void who_was_a_neighbour_is_not_told_elsewhere(void **state)
{
	servers_see_us_at("198.51.100.1:1");
	peer_shows("a", "198.51.100.1:9");
	assert_int_equal(offer("mine"), 1);
	/* We went away … */
	servers_see_us_at("192.0.2.1:1");
	assert_int_equal(offer("other"), 0);
	servers_see_us_at("198.51.100.1:1");
	assert_int_equal(offer("third"), 1);
	/* … and then the peer did. */
	peer_shows("b", "203.0.113.1:9");
	assert_int_equal(offer("fourth"), 0);
	assert_int_equal(told, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_neighbour_is_told, setup, teardown),
		cmocka_unit_test_setup_teardown(a_neighbour_is_told_later, setup, teardown),
		cmocka_unit_test_setup_teardown(who_was_a_neighbour_is_not_told_elsewhere, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
