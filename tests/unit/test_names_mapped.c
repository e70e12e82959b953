/* Reverse names of hosts in sites that appear by other addresses. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <ldns/ldns.h>

#include "proto/names.h"

#define OUT_SIZE 4096

/* This node is one of the two that carry a site; the maps of both are told in the same way. */
static struct names_zone *make_zone(const char *text)
{
	struct cert own = { .name = "gw", .route_count = 3 };
	struct names_document document;
	char error[NAMES_ERROR_SIZE];
	struct names_zone *zone;

	addr_parse(&own.address4, "100.64.0.1");
	prefix_parse(&own.routes[0], "10.77.0.0/22");
	addr_parse(&own.route_facts[0].real, "192.168.4.0");
	prefix_parse(&own.routes[1], "10.20.0.0/16"); /* not mapped */
	prefix_parse(&own.routes[2], "fd77:1::/64");
	addr_parse(&own.route_facts[2].real, "fd00:5::");
	if (names_document_parse(&document, text, strlen(text), "office", error) < 0)
		fail_msg("%s", error);
	assert_int_equal(names_zone_new(&zone, &(struct names_source){ "office", &own, NULL,
								       &document, 7, NULL }),
			 0);
	names_document_clear(&document);
	return zone;
}

static ldns_pkt *make_query(const char *name, ldns_rr_type type)
{
	ldns_pkt *pkt =
		ldns_pkt_query_new(ldns_dname_new_frm_str(name), type, LDNS_RR_CLASS_IN, LDNS_RD);

	assert_non_null(pkt);
	ldns_pkt_set_id(pkt, 77);
	return pkt;
}

struct message {
	uint8_t data[OUT_SIZE];
	size_t len;
};

static struct message to_wire(ldns_pkt *pkt)
{
	struct message message;
	uint8_t *wire;

	assert_int_equal(ldns_pkt2wire(&wire, pkt, &message.len), LDNS_STATUS_OK);
	assert_true(message.len <= sizeof(message.data));
	memcpy(message.data, wire, message.len);
	LDNS_FREE(wire);
	ldns_pkt_free(pkt);
	return message;
}

static struct names_outcome ask(const struct names_zone *zone, const struct message *query,
				struct message *sent)
{
	struct names_outcome outcome =
		names_answer(zone, query->data, query->len, sent->data, sizeof(sent->data), true);

	sent->len = outcome.len;
	return outcome;
}

/* The name in a message's question, or that of the first record of its answer. */
static void check_name(const struct message *message, bool record, const char *expected)
{
	ldns_pkt *pkt;
	char *text;

	assert_int_equal(ldns_wire2pkt(&pkt, message->data, message->len), LDNS_STATUS_OK);
	text = ldns_rdf2str(ldns_rr_owner(
		ldns_rr_list_rr(record ? ldns_pkt_answer(pkt) : ldns_pkt_question(pkt), 0)));
	assert_string_equal(text, expected);
	LDNS_FREE(text);
	ldns_pkt_free(pkt);
}

static struct message reply_to(const struct message *sent, const char *record, int rcode)
{
	ldns_pkt *pkt;
	ldns_rr *rr;

	assert_int_equal(ldns_wire2pkt(&pkt, sent->data, sent->len), LDNS_STATUS_OK);
	ldns_pkt_set_qr(pkt, true);
	ldns_pkt_set_rcode(pkt, (uint8_t)rcode);
	if (record) {
		assert_int_equal(ldns_rr_new_frm_str(&rr, record, 60, NULL, NULL), LDNS_STATUS_OK);
		ldns_pkt_push_rr(pkt, rcode ? LDNS_SECTION_AUTHORITY : LDNS_SECTION_ANSWER, rr);
	}
	return to_wire(pkt);
}

#define SITE                                                                               \
	"{\"records\":[{\"name\":\"wiki\",\"type\":\"A\",\"value\":\"10.77.0.9\"}],"       \
	"\"split\":[{\"domain\":\"corp.example\",\"servers\":[\"10.20.0.53\",\"9.9.9.9\"," \
	"\"10.77.1.53\"]},{\"domain\":\"lab.example\",\"servers\":[\"10.20.0.53\"]},"      \
	"{\"domain\":\"10.in-addr.arpa\",\"servers\":[\"10.9.9.9\"]},"                     \
	"{\"domain\":\"3.77.10.in-addr.arpa\",\"servers\":[\"10.20.0.54\"]}]}"

/* The site's servers are asked by the real name, and what they say is said of the other. */
static void test_there_and_back(void **state)
{
	struct names_zone *zone = make_zone(SITE);
	struct message query = to_wire(make_query("5.2.77.10.IN-addr.arpa.", LDNS_RR_TYPE_PTR));
	struct message sent, reply, out;
	struct names_outcome outcome = ask(zone, &query, &sent);

	(void)state;
	assert_int_equal(outcome.action, NAMES_FORWARD);
	check_name(&sent, false, "5.6.168.192.in-addr.arpa.");
	/* Each of them once, and nobody outside the site. */
	assert_int_equal(outcome.split->server_count, 3);
	reply = reply_to(&sent, "5.6.168.192.in-addr.arpa. 60 IN PTR printer.corp.example.", 0);
	assert_int_equal(names_finish(zone, query.data, query.len, reply.data, reply.len, out.data,
				      sizeof(out.data), true, &out.len),
			 0);
	assert_int_equal(out.data[1], 77);
	check_name(&out, false, "5.2.77.10.IN-addr.arpa.");
	check_name(&out, true, "5.2.77.10.IN-addr.arpa.");
	/* What answers another question is none. */
	assert_int_equal(names_finish(zone, query.data, query.len, query.data, query.len, out.data,
				      sizeof(out.data), true, &out.len),
			 -EBADMSG);
	names_zone_free(zone);
}

static void test_absent(void **state)
{
	struct names_zone *zone = make_zone(SITE);
	struct message query = to_wire(make_query("5.2.77.10.in-addr.arpa.", LDNS_RR_TYPE_PTR));
	struct message sent, reply, out;

	(void)state;
	ask(zone, &query, &sent);
	reply = reply_to(&sent, "168.192.in-addr.arpa. 60 IN SOA ns. root. 1 2 3 4 5", 3);
	assert_int_equal(names_finish(zone, query.data, query.len, reply.data, reply.len, out.data,
				      sizeof(out.data), true, &out.len),
			 0);
	assert_int_equal(out.data[3] & 15, 3);
	assert_int_equal(out.len, query.len); /* nothing of a zone that is not the client's */
	names_zone_free(zone);
}

static void test_whose(void **state)
{
	static const struct {
		const char *name;
		const char *sent;
		const char *domain; /* of the split; "": upstream, NULL: an answer of ours */
	} cases[] = {
		{ "9.0.77.10.in-addr.arpa.", "9.4.168.192.in-addr.arpa.", "77.10.in-addr.arpa" },
		{ "1.64.100.in-addr.arpa.", NULL, NULL },
		{ "5.0.20.10.in-addr.arpa.", "5.0.20.10.in-addr.arpa.", "10.in-addr.arpa" },
		{ "5.4.77.10.in-addr.arpa.", "5.4.77.10.in-addr.arpa.", "10.in-addr.arpa" },
		{ "5.3.77.10.in-addr.arpa.", "5.3.77.10.in-addr.arpa.", "3.77.10.in-addr.arpa" },
		{ "2.77.10.in-addr.arpa.", "2.77.10.in-addr.arpa.", "10.in-addr.arpa" },
		{ "x.5.2.77.10.in-addr.arpa.", "x.5.2.77.10.in-addr.arpa.", "10.in-addr.arpa" },
		{ "5.6.168.192.in-addr.arpa.", "5.6.168.192.in-addr.arpa.", "" },
		{ "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.0.0.7.7.d.f.ip6.arpa.",
		  "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.5.0.0.0.0.0.d.f.ip6.arpa.",
		  "0.0.0.0.0.0.0.0.1.0.0.0.7.7.d.f.ip6.arpa" },
	};
	struct names_zone *zone = make_zone(SITE);

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct message query = to_wire(make_query(cases[i].name, LDNS_RR_TYPE_PTR));
		struct names_outcome outcome;
		struct message sent;

		outcome = ask(zone, &query, &sent);
		if (!cases[i].domain) {
			assert_int_equal(outcome.action, NAMES_ANSWER);
			continue;
		}
		assert_int_equal(outcome.action, NAMES_FORWARD);
		check_name(&sent, false, cases[i].sent);
		if (cases[i].domain[0])
			assert_string_equal(outcome.split->domain, cases[i].domain);
		else
			assert_null(outcome.split);
	}
	names_zone_free(zone);
}

/* Systems that route questions by domain are told of these. */
static void test_domains(void **state)
{
	struct names_zone *zone = make_zone(SITE);
	bool found = false;

	(void)state;
	for (size_t i = 0; names_zone_domain(zone, i); i++)
		found = found || strcmp(names_zone_domain(zone, i), "77.10.in-addr.arpa") == 0;
	assert_true(found);
	found = false;
	names_zone_free(zone);
	/* Without a server in the site nobody could be asked. */
	zone = make_zone("{\"split\":[{\"domain\":\"a.example\",\"servers\":[\"10.21.0.53\"]}]}");
	for (size_t i = 0; names_zone_domain(zone, i); i++)
		found = found || strcmp(names_zone_domain(zone, i), "77.10.in-addr.arpa") == 0;
	assert_false(found);
	names_zone_free(zone);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_there_and_back),
		cmocka_unit_test(test_absent),
		cmocka_unit_test(test_whose),
		cmocka_unit_test(test_domains),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
