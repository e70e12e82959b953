#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "crypto/rng.h"
#include "proto/igd.h"

/* A UPnP gateway made of text: the way to an open port, its renewal, and devices that lie. */

#define PORT 41641

static const char description[] =
	"<?xml version=\"1.0\"?>\n<root xmlns=\"urn:schemas-upnp-org:device-1-0\"><device>"
	"<deviceType>urn:schemas-upnp-org:device:InternetGatewayDevice:1</deviceType><serviceList>"
	"<service><serviceType>urn:schemas-upnp-org:service:Layer3Forwarding:1</serviceType>"
	"<controlURL>/ctl/L3F</controlURL></service></serviceList><deviceList><device><serviceList>"
	"<service><serviceType> urn:schemas-upnp-org:service:WANIPConnection:1\n</serviceType>"
	"<controlURL>%s</controlURL><eventSubURL>/evt/IPConn</eventSubURL></service>"
	"<service><controlURL>ctl/6FC</controlURL>"
	"<serviceType>urn:schemas-upnp-org:service:WANIPv6FirewallControl:1</serviceType></service>"
	"</serviceList></device></deviceList></device></root>";

struct fixture {
	struct rng_seeded seeded;
	struct rng rng;
	struct igd *igd;
	struct ip_addr gateway;
	uint64_t now_ns;
	unsigned int searches; /* to the gateway */
	unsigned int requests;
	struct igd_request request;
};

static void drain(struct fixture *f)
{
	char buf[UPNP_SEARCH_MAX];
	struct ip_addr to;

	while (igd_poll_search(f->igd, &to, buf, sizeof(buf)))
		f->searches += addr_equal(&to, &f->gateway);
	while (igd_poll_request(f->igd, &f->request))
		f->requests++;
}

static void start(struct fixture *f, const char *gateway, const char *internal)
{
	struct igd_config config = { .suggested_port = PORT };

	igd_free(f->igd);
	assert_int_equal(addr_parse(&f->gateway, gateway), 0);
	config.gateway = f->gateway;
	assert_int_equal(endpoint_parse(&config.internal, internal), 0);
	f->igd = igd_new(&config, &f->rng, f->now_ns);
	assert_non_null(f->igd);
	igd_expire(f->igd, f->now_ns);
	drain(f);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	rng_seeded_init(&f->seeded, 5);
	f->rng = rng_from_seeded(&f->seeded);
	f->now_ns = 1000 * NS_PER_S;
	*state = f;
	start(f, "192.168.1.1", "192.168.1.10:41641");
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	igd_free(f->igd);
	free(f);
	return 0;
}

static void pass_to(struct fixture *f, uint64_t at_ns)
{
	f->now_ns = at_ns;
	igd_expire(f->igd, at_ns);
	drain(f);
}

static void found(struct fixture *f, const char *from, const char *location)
{
	char text[512];
	struct ip_addr addr;
	int len =
		snprintf(text, sizeof(text),
			 "HTTP/1.1 200 OK\r\nST: upnp:rootdevice\r\nlocation:%s\r\nUSN: x\r\n\r\n",
			 location);

	assert_int_equal(addr_parse(&addr, from), 0);
	igd_input_search(f->igd, &addr, text, (size_t)len, f->now_ns);
	drain(f);
}

/* Gives an answer to the request under way; with its length, so that it is whole. */
static void answer(struct fixture *f, unsigned int status, const char *body)
{
	char text[8192];
	int len = snprintf(text, sizeof(text),
			   "HTTP/1.1 %u X\r\nContent-Length: %zu\r\nServer: x\r\n\r\n%s", status,
			   strlen(body), body);

	assert_true(igd_input_answer(f->igd, text, (size_t)len, false, f->now_ns));
	drain(f);
}

static void describe(struct fixture *f, const char *control)
{
	char body[4096];

	snprintf(body, sizeof(body), description, control);
	answer(f, 200, body);
}

static void answer_address(struct fixture *f, const char *address)
{
	char body[256];

	snprintf(body, sizeof(body),
		 "<s:Envelope><s:Body><u:GetExternalIPAddressResponse><NewExternalIPAddress>%s"
		 "</NewExternalIPAddress></u:GetExternalIPAddressResponse></s:Body></s:Envelope>",
		 address);
	answer(f, 200, body);
}

static void answer_error(struct fixture *f, int code)
{
	char body[256];

	snprintf(body, sizeof(body),
		 "<s:Envelope><s:Body><s:Fault><detail><UPnPError><errorCode>%d</errorCode>"
		 "</UPnPError></detail></s:Fault></s:Body></s:Envelope>",
		 code);
	answer(f, 500, body);
}

static bool asks_for(const struct fixture *f, const char *text)
{
	return strstr(f->request.data, text) != NULL;
}

/* Up to the request for a port. */
static void get_to_add(struct fixture *f)
{
	found(f, "192.168.1.1", "http://192.168.1.1:5000/rootDesc.xml");
	assert_int_equal(f->request.port, 5000);
	assert_true(asks_for(f, "GET /rootDesc.xml HTTP/1.1\r\nHost: 192.168.1.1:5000\r\n"));
	describe(f, "/ctl/IPConn");
	assert_true(asks_for(f, "POST /ctl/IPConn HTTP/1.1\r\n"));
	assert_true(asks_for(f, "SOAPAction: \"urn:schemas-upnp-org:service:WANIPConnection:1#"
				"GetExternalIPAddress\"\r\n"));
	answer_address(f, "203.0.113.5");
	assert_true(asks_for(f, "#AddPortMapping\"\r\n"));
}

static void expect_refused(struct fixture *f, const char *why)
{
	struct port_mapping mapping = igd_mapping(f->igd);

	assert_int_equal(mapping.state, PORT_MAPPING_REFUSED);
	assert_string_equal(mapping.why, why);
	assert_false(igd_poll_request(f->igd, &f->request));
	assert_int_equal(igd_next_timeout(f->igd), f->now_ns + 1800 * NS_PER_S);
}

static void test_opens(void **state)
{
	struct fixture *f = *state;
	struct port_mapping mapping;

	assert_int_equal(f->searches, 1);
	get_to_add(f);
	assert_true(asks_for(f, "<NewExternalPort>41641</NewExternalPort>"));
	assert_true(asks_for(f, "<NewInternalPort>41641</NewInternalPort>"));
	assert_true(asks_for(f, "<NewInternalClient>192.168.1.10</NewInternalClient>"));
	assert_true(asks_for(f, "<NewProtocol>UDP</NewProtocol>"));
	assert_true(asks_for(f, "<NewLeaseDuration>7200</NewLeaseDuration>"));
	answer(f, 200, "<s:Envelope/>");
	mapping = igd_mapping(f->igd);
	assert_int_equal(mapping.state, PORT_MAPPING_OPEN);
	assert_int_equal(mapping.external.port, PORT);
	assert_memory_equal(mapping.external.addr.bytes, "\xcb\x00\x71\x05", 4);
	assert_int_equal(f->requests, 3);
}

static void test_renewal(void **state)
{
	struct fixture *f = *state;
	uint64_t opened_ns;

	get_to_add(f);
	answer(f, 200, "");
	opened_ns = f->now_ns;
	assert_int_equal(igd_next_timeout(f->igd), opened_ns + 3600 * NS_PER_S);
	pass_to(f, opened_ns + 3600 * NS_PER_S);
	assert_true(asks_for(f, "GetExternalIPAddress"));
	answer_address(f, "203.0.113.6");
	answer(f, 200, "");
	assert_memory_equal(igd_mapping(f->igd).external.addr.bytes, "\xcb\x00\x71\x06", 4);
	/* Nobody answers any more: tried from the start each minute, open until the end. */
	opened_ns = f->now_ns;
	pass_to(f, opened_ns + 3600 * NS_PER_S);
	igd_request_failed(f->igd, f->now_ns);
	assert_int_equal(igd_next_timeout(f->igd), f->now_ns + 60 * NS_PER_S);
	f->searches = 0;
	pass_to(f, f->now_ns + 60 * NS_PER_S);
	assert_int_equal(f->searches, 1);
	while (igd_next_timeout(f->igd) < opened_ns + 7200 * NS_PER_S) {
		assert_int_equal(igd_mapping(f->igd).state, PORT_MAPPING_OPEN);
		pass_to(f, igd_next_timeout(f->igd));
	}
	pass_to(f, opened_ns + 7200 * NS_PER_S);
	assert_int_not_equal(igd_mapping(f->igd).state, PORT_MAPPING_OPEN);
}

static void test_searches_end(void **state)
{
	static const uint64_t waits_ms[] = { 500, 1000, 2000, 4000 };
	struct fixture *f = *state;

	for (unsigned int i = 0; i < 4; i++) {
		assert_int_equal(f->searches, i + 1);
		assert_int_equal(igd_next_timeout(f->igd), f->now_ns + waits_ms[i] * NS_PER_MS);
		pass_to(f, f->now_ns + waits_ms[i] * NS_PER_MS);
	}
	assert_int_equal(f->searches, 4);
	assert_int_equal(igd_mapping(f->igd).state, PORT_MAPPING_SILENT);
	assert_int_equal(igd_next_timeout(f->igd), f->now_ns + 1800 * NS_PER_S);
}

static void test_conflicts_take_other_ports(void **state)
{
	struct fixture *f = *state;
	struct port_mapping mapping;

	get_to_add(f);
	answer_error(f, 718);
	assert_true(asks_for(f, "AddPortMapping"));
	assert_false(asks_for(f, "<NewExternalPort>41641<"));
	answer_error(f, 725); /* only permanent leases */
	assert_true(asks_for(f, "<NewLeaseDuration>0</NewLeaseDuration>"));
	answer(f, 200, "");
	mapping = igd_mapping(f->igd);
	assert_int_equal(mapping.state, PORT_MAPPING_OPEN);
	assert_in_range(mapping.external.port, 16384, 49151);

	start(f, "192.168.1.1", "192.168.1.10:41641");
	get_to_add(f);
	f->requests = 0;
	for (int i = 0; i < 4; i++)
		answer_error(f, 718);
	assert_int_equal(f->requests, 3);
	expect_refused(f, "answers with an error");
}

static void test_only_the_gateway(void **state)
{
	struct fixture *f = *state;

	/* Another device of the network. */
	found(f, "192.168.1.66", "http://192.168.1.1:5000/rootDesc.xml");
	assert_int_equal(f->requests, 0);
	assert_int_equal(igd_mapping(f->igd).state, PORT_MAPPING_ASKING);
	/* The gateway sends us elsewhere, in its answer or its description. */
	found(f, "192.168.1.1", "http://169.254.169.254/latest/meta-data");
	assert_int_equal(f->requests, 0);
	expect_refused(f, "points to another host");
	start(f, "192.168.1.1", "192.168.1.10:41641");
	found(f, "192.168.1.1", "http://router.local:5000/rootDesc.xml");
	expect_refused(f, "points to another host");
	start(f, "192.168.1.1", "192.168.1.10:41641");
	found(f, "192.168.1.1", "http://192.168.1.1:5000/rootDesc.xml");
	describe(f, "http://10.0.0.1:80/ctl");
	expect_refused(f, "points to another host");
	/* Its own address in full is fine, at another port too. */
	start(f, "192.168.1.1", "192.168.1.10:41641");
	found(f, "192.168.1.1", "http://192.168.1.1:5000/rootDesc.xml");
	describe(f, "http://192.168.1.1:49152/ctl");
	assert_int_equal(f->request.port, 49152);
}

static void test_lies(void **state)
{
	static const struct {
		const char *address;
		const char *why;
	} cases[] = {
		{ "192.168.0.1", "has itself only a private address" },
		{ "127.0.0.1", "names an address that nobody can have" },
		{ "239.1.2.3", "names an address that nobody can have" },
		{ "0.0.0.0", "has no address of its own outside" },
		{ "2001:db8::1", "names an address of another family" },
		{ "not an address", "answers with an error" },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		start(f, "192.168.1.1", "192.168.1.10:41641");
		found(f, "192.168.1.1", "http://192.168.1.1:5000/rootDesc.xml");
		describe(f, "/ctl");
		answer_address(f, cases[i].address);
		expect_refused(f, cases[i].why);
	}
	start(f, "192.168.1.1", "192.168.1.10:41641");
	found(f, "192.168.1.1", "http://192.168.1.1:5000/rootDesc.xml");
	answer(f, 302, "");
	expect_refused(f, "redirects");
	start(f, "192.168.1.1", "192.168.1.10:41641");
	found(f, "192.168.1.1", "http://192.168.1.1:5000/rootDesc.xml");
	answer(f, 200, "<html>a page</html>");
	expect_refused(f, "describes no gateway");
	start(f, "192.168.1.1", "192.168.1.10:41641");
	found(f, "192.168.1.1", "https://192.168.1.1/x");
	expect_refused(f, "answers nonsense");
	start(f, "192.168.1.1", "192.168.1.10:41641");
	get_to_add(f);
	answer_error(f, 606);
	expect_refused(f, "does not allow it");
}

static void test_babbling_and_hanging(void **state)
{
	struct fixture *f = *state;
	char *huge = malloc(UPNP_ANSWER_MAX);

	assert_non_null(huge);
	found(f, "192.168.1.1", "http://192.168.1.1:5000/rootDesc.xml");
	memset(huge, '<', UPNP_ANSWER_MAX);
	memcpy(huge, "HTTP/1.1 200 OK\r\n\r\n", 19);
	assert_false(igd_input_answer(f->igd, huge, UPNP_ANSWER_MAX - 1, false, f->now_ns));
	assert_true(igd_input_answer(f->igd, huge, UPNP_ANSWER_MAX, false, f->now_ns));
	expect_refused(f, "describes no gateway");
	free(huge);
	start(f, "192.168.1.1", "192.168.1.10:41641");
	found(f, "192.168.1.1", "http://192.168.1.1:5000/rootDesc.xml");
	igd_request_failed(f->igd, f->now_ns);
	expect_refused(f, "announces a service that does not answer");
}

static void test_pinhole(void **state)
{
	struct fixture *f = *state;

	start(f, "fe80::1", "[2001:db8:1::10]:41641");
	found(f, "fe80::1", "http://[2001:db8:1::1]:5000/rootDesc.xml");
	describe(f, "/ctl/IPConn");
	assert_true(asks_for(f, "POST /ctl/6FC HTTP/1.1\r\nHost: [2001:db8:1::1]:5000\r\n"));
	assert_true(asks_for(f, "#AddPinhole\"\r\n"));
	assert_true(asks_for(f, "<InternalClient>2001:db8:1::10</InternalClient>"));
	assert_true(asks_for(f, "<Protocol>17</Protocol>"));
	answer(f, 200, "<s:Envelope><UniqueID>7</UniqueID></s:Envelope>");
	assert_int_equal(igd_mapping(f->igd).state, PORT_MAPPING_OPEN);
	assert_int_equal(igd_mapping(f->igd).external.port, PORT);
	pass_to(f, igd_next_timeout(f->igd));
	assert_true(asks_for(f, "#UpdatePinhole\"\r\n"));
	answer_error(f, 704); /* it has forgotten */
	assert_true(asks_for(f, "#AddPinhole\"\r\n"));
	answer(f, 200, "<UniqueID>99999</UniqueID>");
	expect_refused(f, "answers nonsense");
}

static void test_delete_and_anew(void **state)
{
	struct fixture *f = *state;
	struct igd_request request;

	assert_false(igd_delete(f->igd, &request));
	start(f, "192.168.1.1", "192.168.1.10:41641");
	get_to_add(f);
	answer(f, 200, "");
	igd_anew(f->igd, 43000, f->now_ns);
	drain(f);
	assert_true(asks_for(f, "#DeletePortMapping\"\r\n"));
	assert_true(asks_for(f, "<NewExternalPort>41641</NewExternalPort>"));
	answer_error(f, 714);
	assert_true(asks_for(f, "<NewExternalPort>43000</NewExternalPort>"));
	answer(f, 200, "");
	assert_int_equal(igd_mapping(f->igd).external.port, 43000);
	assert_true(igd_delete(f->igd, &request));
	assert_non_null(strstr(request.data, "<NewExternalPort>43000</NewExternalPort>"));
	assert_int_equal(igd_mapping(f->igd).state, PORT_MAPPING_OFF);
	assert_int_equal(igd_next_timeout(f->igd), CLOCK_NEVER);
}

#define IGD_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IGD_TEST(test_opens),
		IGD_TEST(test_renewal),
		IGD_TEST(test_searches_end),
		IGD_TEST(test_conflicts_take_other_ports),
		IGD_TEST(test_only_the_gateway),
		IGD_TEST(test_lies),
		IGD_TEST(test_babbling_and_hanging),
		IGD_TEST(test_pinhole),
		IGD_TEST(test_delete_and_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
