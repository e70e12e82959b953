/* Routes at the coordinator: offered, approved, certified, revoked, and what nodes hear of it. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* cmocka wants the headers above first */
#include <cmocka.h>

#include "base/log.h"
#include "coord/admin_verbs.h"
#include "coord/route_approval.h"
#include "coord/session_routes.h"
#include "crypto/sign.h"
#include "tests/support/coordination.h"

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

static struct coordination c;
static struct machine gw;
static struct machine laptop;

static int begin(void **state)
{
	struct token token;

	(void)state;
	log_set_level(LOG_LEVEL_ERROR);
	coordination_begin(&c);
	token = coordination_key(&c, true, false, "trusted");
	machine_init(&gw, &c, 1);
	machine_init(&laptop, &c, 2);
	machine_join(&gw, &token, "gw");
	machine_join(&laptop, &token, "laptop");
	coordination_settle(&c);
	machine_forget_messages(&gw);
	return 0;
}

static int end(void **state)
{
	(void)state;
	machine_clear(&gw);
	machine_clear(&laptop);
	coordination_end(&c);
	return 0;
}

static struct node *node_of(const struct machine *m)
{
	return network_find(&c.network, m->device_key);
}

/* Offers routes, as texts that end with NULL. */
static void offer(struct machine *m, const char *const *routes)
{
	struct control_message message = { .type = CONTROL_UPDATE };
	struct control_update *update = &message.update;

	update->has_routes = true;
	for (; *routes; routes++)
		assert_int_equal(prefix_parse(&update->routes[update->route_count++], *routes), 0);
	machine_send(m, &message);
	coordination_flush(&c);
}

#define OFFER(machine, ...) offer(machine, (const char *const[]){ __VA_ARGS__, NULL })

/* What became of the route by the last word of the coordinator: "waiting: why", "-" for no word. */
static const char *told(struct machine *m, const char *route)
{
	static char text[CONTROL_TEXT_MAX + 32];
	struct control_message message;
	struct prefix prefix;

	strcpy(text, "-");
	assert_int_equal(prefix_parse(&prefix, route), 0);
	while (machine_take(m, CONTROL_ROUTES, &message)) {
		strcpy(text, "not offered");
		for (size_t i = 0; i < message.routes.count; i++)
			if (prefix_equal(&message.routes.routes[i].prefix, &prefix))
				snprintf(text, sizeof(text), "%s%s%.200s",
					 control_route_state_name(message.routes.routes[i].state),
					 message.routes.routes[i].why[0] ? ": " : "",
					 message.routes.routes[i].why);
		if (message.routes.problem[0])
			snprintf(text, sizeof(text), "problem: %.200s", message.routes.problem);
		control_message_clear(&message);
	}
	return text;
}

/* The routes of the certificate that the machine's peer has of it, with commas between. */
static const char *seen(const struct machine *by, const struct machine *m)
{
	static char text[CERT_ROUTES_MAX * PREFIX_TEXT_SIZE];
	struct netmap_peer *peer = netmap_find_peer(by->map, m->device_key);

	text[0] = '\0';
	assert_non_null(peer);
	for (size_t i = 0; i < peer->cert->parsed.route_count; i++) {
		char prefix[PREFIX_TEXT_SIZE];

		prefix_format(prefix, &peer->cert->parsed.routes[i]);
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s", i ? "," : "",
			 prefix);
	}
	return text;
}

/* Runs a verb; its answer, or NULL with the error in *error. */
static json_t *ask(const char *request, struct admin_result *failure)
{
	struct admin_caller caller = { .who = "token:test", .may_change = true };
	json_t *object = json_loads(request, 0, NULL);
	struct admin_result result;
	json_t *answer = NULL;

	assert_non_null(object);
	json_object_set_new(object, "json", json_true());
	assert_int_equal(admin_verbs_call(&c.sessions, &caller, object, c.now_s, &result), 0);
	if (result.kind == ADMIN_OK)
		answer = json_loadb(result.text, result.len, 0, NULL);
	if (failure)
		*failure = result;
	admin_result_clear(&result);
	json_decref(object);
	coordination_flush(&c);
	return answer;
}

static void done(const char *request)
{
	struct admin_result failure;
	json_t *answer = ask(request, &failure);

	if (!answer)
		fail_msg("%s: %s", request, failure.error);
	json_decref(answer);
}

static void refused(const char *request, enum admin_kind kind, const char *says)
{
	struct admin_result failure;

	assert_null(ask(request, &failure));
	assert_int_equal(failure.kind, kind);
	if (says && !strstr(failure.error, says))
		fail_msg("%s: %s", request, failure.error);
}

#define APPROVE(what) \
	done("{\"verb\":\"route-approve\",\"name\":\"gw\",\"prefixes\":[\"" what "\"]}")
#define REVOKE(what) done("{\"verb\":\"route-revoke\",\"name\":\"gw\",\"prefixes\":[\"" what "\"]}")

static void set_policy(const char *text)
{
	json_t *object = json_pack("{s:s,s:s}", "verb", "policy-set", "policy", text);
	char *request = json_dumps(object, 0);

	done(request);
	free(request);
	json_decref(object);
}

static void test_an_admin_approves_and_revokes(void **state)
{
	struct control_message message;

	(void)state;
	OFFER(&gw, "10.20.0.0/16", "2001:db8:7::/48");
	assert_string_equal(told(&gw, "10.20.0.0/16"), "waiting: no admin has approved it yet; ask "
						       "for: warren-coord route approve gw "
						       "10.20.0.0/16");
	assert_string_equal(seen(&laptop, &gw), "");
	assert_false(machine_take(&gw, CONTROL_CERTIFICATE, &message));
	APPROVE("10.20.0.0/16");
	assert_true(machine_take(&gw, CONTROL_CERTIFICATE, &message));
	control_message_clear(&message);
	assert_string_equal(told(&gw, "10.20.0.0/16"), "approved");
	assert_string_equal(seen(&laptop, &gw), "10.20.0.0/16");
	APPROVE("all");
	assert_string_equal(seen(&laptop, &gw), "10.20.0.0/16,2001:db8:7::/48");
	/* Peers hear of it with the very next map. */
	REVOKE("10.20.0.0/16");
	assert_string_equal(seen(&laptop, &gw), "2001:db8:7::/48");
	assert_string_equal(told(&gw, "10.20.0.0/16"),
			    "refused: an admin has revoked it; ask for: "
			    "warren-coord route approve gw 10.20.0.0/16");
	REVOKE("all");
	assert_string_equal(seen(&laptop, &gw), "");
	APPROVE("10.20.0.0/16");
	assert_string_equal(seen(&laptop, &gw), "10.20.0.0/16");
	/* What is not offered any more is not certified, and is again when it comes back. */
	OFFER(&gw, "10.30.0.0/16");
	assert_string_equal(seen(&laptop, &gw), "");
	OFFER(&gw, "10.20.0.0/16", "10.30.0.0/16");
	assert_string_equal(seen(&laptop, &gw), "10.20.0.0/16");
}

static void test_facts_are_certified(void **state)
{
	struct control_message message = { .type = CONTROL_UPDATE };
	struct control_update *update = &message.update;
	struct netmap_peer *peer;
	struct ip_addr real;

	(void)state;
	APPROVE("10.77.1.0/24");
	update->has_routes = true;
	update->route_count = 1;
	prefix_parse(&update->routes[0], "10.77.1.0/24");
	update->route_facts[0].weight = 7;
	addr_parse(&real, "192.168.1.0");
	update->route_facts[0].real = real;
	machine_send(&gw, &message);
	coordination_flush(&c);
	peer = netmap_find_peer(laptop.map, gw.device_key);
	assert_int_equal(peer->cert->parsed.route_count, 1);
	assert_int_equal(peer->cert->parsed.route_facts[0].weight, 7);
	assert_true(addr_equal(&peer->cert->parsed.route_facts[0].real, &real));
	/* Another weight is another certificate. */
	update->route_facts[0].weight = 9;
	machine_send(&gw, &message);
	coordination_flush(&c);
	peer = netmap_find_peer(laptop.map, gw.device_key);
	assert_int_equal(peer->cert->parsed.route_facts[0].weight, 9);
}

static void test_the_same_offer_changes_nothing(void **state)
{
	struct control_message message;
	uint64_t serial;

	(void)state;
	APPROVE("10.20.0.0/16");
	OFFER(&gw, "10.20.0.0/16");
	serial = node_of(&gw)->serial;
	machine_forget_messages(&gw);
	OFFER(&gw, "10.20.0.0/16");
	OFFER(&gw, "10.20.0.0/16", "10.20.0.0/16");
	assert_int_equal(node_of(&gw)->serial, serial);
	assert_false(machine_take(&gw, CONTROL_CERTIFICATE, &message));
	assert_string_equal(told(&gw, "10.20.0.0/16"), "approved");
}

static void test_what_can_be_no_route(void **state)
{
	static const struct {
		const char *route;
		const char *why;
	} cases[] = {
		{ "127.0.0.0/8", "refused: it includes loopback addresses; offer another one" },
		{ "169.254.0.0/16",
		  "refused: it includes link-local addresses; offer another one" },
		{ "fe80::/64", "refused: it includes link-local addresses; offer another one" },
		{ "224.0.0.0/4", "refused: it includes multicast addresses; offer another one" },
		{ "0.0.0.0/1", "refused: it includes addresses that no machine has; offer another "
			       "one" },
	};
	char pool[PREFIX_TEXT_SIZE];
	char request[128];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		OFFER(&gw, cases[i].route, "10.20.0.0/16");
		assert_string_equal(told(&gw, cases[i].route), cases[i].why);
		snprintf(request, sizeof(request),
			 "{\"verb\":\"route-approve\",\"name\":\"gw\",\"prefixes\":[\"%s\"]}",
			 cases[i].route);
		refused(request, ADMIN_REFUSED, "nobody's route");
	}
	/* The rest of the list counts, and nothing else does. */
	APPROVE("all");
	assert_string_equal(seen(&laptop, &gw), "10.20.0.0/16");
	OFFER(&gw, prefix_format(pool, &c.network.pool.prefix4), "10.20.0.0/16");
	assert_string_equal(told(&gw, pool), "refused: it overlaps the addresses of the network's "
					     "own nodes; offer another one");
	OFFER(&gw, prefix_format(pool, &c.network.pool.prefix6), "10.20.0.0/16");
	APPROVE("all");
	assert_string_equal(seen(&laptop, &gw), "10.20.0.0/16");
}

static void test_a_list_that_is_none_is_refused_whole(void **state)
{
	struct control_message message = { .type = CONTROL_UPDATE };

	(void)state;
	APPROVE("10.20.0.0/16");
	OFFER(&gw, "10.20.0.0/16");
	machine_forget_messages(&gw);
	/* As the parser leaves it. */
	message.update.has_routes = true;
	strcpy(message.update.routes_problem, "3000 routes are offered, and at most 32 can be");
	session_take_routes(gw.session, &message.update, c.now_s);
	assert_string_equal(told(&gw, "10.20.0.0/16"),
			    "problem: 3000 routes are offered, and at most 32 can be");
	assert_string_equal(seen(&laptop, &gw), "10.20.0.0/16");
}

static void test_bad_decisions(void **state)
{
	char request[2048] = "{\"verb\":\"route-approve\",\"name\":\"gw\",\"prefixes\":[\"all\"";

	for (int i = 0; i < 32; i++)
		snprintf(request + strlen(request), 32, ",\"10.%d.0.0/16\"", i);
	strcat(request, "]}");
	(void)state;
	refused("{\"verb\":\"route-approve\",\"name\":\"ghost\",\"prefixes\":[\"all\"]}",
		ADMIN_NOT_FOUND, "no node ghost");
	refused("{\"verb\":\"route-approve\",\"name\":\"gw\",\"prefixes\":[\"all\"]}",
		ADMIN_CONFLICT, "offers no routes");
	refused("{\"verb\":\"route-approve\",\"name\":\"gw\",\"prefixes\":[\"10.0.0.1/8\"]}",
		ADMIN_INVALID, "10.0.0.1/8 is no route");
	refused("{\"verb\":\"route-approve\",\"name\":\"gw\",\"prefixes\":[\"everything\"]}",
		ADMIN_INVALID, NULL);
	refused("{\"verb\":\"route-approve\",\"name\":\"gw\",\"prefixes\":[]}", ADMIN_INVALID,
		NULL);
	refused("{\"verb\":\"route-approve\",\"name\":\"gw\"}", ADMIN_INVALID, NULL);
	refused(request, ADMIN_INVALID, "more than 32 prefixes");
	refused("{\"verb\":\"route-approve\",\"prefixes\":[\"10.0.0.0/8\"]}", ADMIN_INVALID, NULL);
	/* One bad one, and none of the others. */
	refused("{\"verb\":\"route-approve\",\"name\":\"gw\",\"prefixes\":"
		"[\"10.20.0.0/16\",\"127.0.0.0/8\"]}",
		ADMIN_REFUSED, NULL);
	assert_int_equal(node_of(&gw)->routes.decided_count, 0);
}

static void test_decisions_are_not_without_end(void **state)
{
	struct prefix prefixes[NODE_ROUTES_DECIDED_MAX + 1];
	struct node *node = node_of(&gw);

	(void)state;
	for (unsigned int i = 0; i <= NODE_ROUTES_DECIDED_MAX; i++) {
		struct ip_addr addr = addr_from_v4(0x0a000000u | i << 8);

		prefixes[i] = prefix_from_addr(&addr, 24);
	}
	assert_int_equal(route_approval_decide(&c.network, node, prefixes,
					       NODE_ROUTES_DECIDED_MAX + 1, true, c.now_s),
			 -E2BIG);
	assert_int_equal(node->routes.decided_count, 0);
	assert_int_equal(route_approval_decide(&c.network, node, prefixes, NODE_ROUTES_DECIDED_MAX,
					       true, c.now_s),
			 0);
	refused("{\"verb\":\"route-approve\",\"name\":\"gw\",\"prefixes\":[\"10.99.0.0/24\"]}",
		ADMIN_CONFLICT, "more than 64");
	/* What is not offered is forgotten, and there is room again. */
	REVOKE("10.0.0.0/24");
	APPROVE("10.99.0.0/24");
	REVOKE("all");
	assert_int_equal(node->routes.decided_count, 0);
}

static void test_exits(void **state)
{
	(void)state;
	OFFER(&gw, "0.0.0.0/0", "::/0");
	assert_string_equal(seen(&laptop, &gw), "");
	APPROVE("exit");
	assert_string_equal(seen(&laptop, &gw), "0.0.0.0/0,::/0");
	REVOKE("::/0");
	assert_string_equal(seen(&laptop, &gw), "0.0.0.0/0");
	REVOKE("exit");
	assert_string_equal(seen(&laptop, &gw), "");
}

/* A machine that joins with a key that was made with this. */
static void join_with(struct machine *m, unsigned int seed, const char *key, const char *hostname)
{
	json_t *answer = ask(key, NULL);
	struct token token;

	assert_non_null(answer);
	assert_int_equal(token_parse(&token, json_string_value(json_object_get(answer, "token"))),
			 0);
	json_decref(answer);
	machine_init(m, &c, seed);
	machine_join(m, &token, hostname);
	coordination_settle(&c);
}

static void test_keys_approve_in_advance(void **state)
{
	struct machine branch;

	(void)state;
	join_with(&branch, 3,
		  "{\"verb\":\"key-create\",\"reusable\":false,\"ephemeral\":false,"
		  "\"expires_s\":600,\"groups\":[\"trusted\"],\"tags\":[],"
		  "\"routes\":[\"10.20.0.0/16\"],\"exit\":true}",
		  "branch");
	OFFER(&branch, "10.20.7.0/24", "10.21.0.0/16", "10.0.0.0/8", "0.0.0.0/0");
	assert_string_equal(seen(&laptop, &branch), "0.0.0.0/0,10.20.7.0/24");
	/* An admin's word is the last one. */
	done("{\"verb\":\"route-revoke\",\"name\":\"branch\",\"prefixes\":[\"10.20.7.0/24\"]}");
	assert_string_equal(seen(&laptop, &branch), "0.0.0.0/0");
	done("{\"verb\":\"route-approve\",\"name\":\"branch\",\"prefixes\":[\"10.21.0.0/16\"]}");
	assert_string_equal(seen(&laptop, &branch), "0.0.0.0/0,10.21.0.0/16");
	machine_clear(&branch);
	refused("{\"verb\":\"key-create\",\"reusable\":false,\"ephemeral\":false,"
		"\"expires_s\":600,\"groups\":[],\"tags\":[],\"routes\":[\"10.20.0.1/16\"]}",
		ADMIN_INVALID, "10.20.0.1/16");
	refused("{\"verb\":\"key-create\",\"reusable\":false,\"ephemeral\":false,"
		"\"expires_s\":600,\"groups\":[],\"tags\":[],\"routes\":[\"0.0.0.0/0\"]}",
		ADMIN_INVALID, "exit");
}

static void test_the_policy_approves_in_advance(void **state)
{
	static const char with[] = "{\"rules\":[{\"allow\":[\"*\"],\"to\":[\"*:*\"]}],"
				   "\"approve\":[{\"nodes\":[\"gw\"],\"routes\":[\"10.0.0.0/8\"]},"
				   "{\"nodes\":[\"gw\"],\"exit\":true}]}";
	static const char without[] = "{\"rules\":[{\"allow\":[\"*\"],\"to\":[\"*:*\"]}]}";

	(void)state;
	OFFER(&gw, "10.20.0.0/16", "192.168.7.0/24", "::/0");
	OFFER(&laptop, "10.30.0.0/16");
	assert_string_equal(seen(&laptop, &gw), "");
	machine_forget_messages(&gw);
	/* At once, for those who offer already. */
	set_policy(with);
	assert_string_equal(seen(&laptop, &gw), "10.20.0.0/16,::/0");
	assert_string_equal(seen(&gw, &laptop), "");
	assert_string_equal(told(&gw, "10.20.0.0/16"), "approved");
	REVOKE("10.20.0.0/16");
	assert_string_equal(seen(&laptop, &gw), "::/0");
	/* Neither in parts nor with more around it. */
	OFFER(&gw, "10.20.128.0/17", "10.16.0.0/12", "10.21.0.0/16", "::/0");
	assert_string_equal(seen(&laptop, &gw), "10.21.0.0/16,::/0");
	assert_true(strncmp(told(&gw, "10.20.128.0/17"), "waiting: ", 9) == 0);
	APPROVE("10.20.128.0/17");
	assert_string_equal(seen(&laptop, &gw), "10.20.128.0/17,10.21.0.0/16,::/0");
	REVOKE("10.20.128.0/17");
	/* And what only it approved goes with it. */
	set_policy(without);
	assert_string_equal(seen(&laptop, &gw), "");
	assert_true(strncmp(told(&gw, "::/0"), "waiting: ", 9) == 0);
}

static void test_it_is_kept(void **state)
{
	struct node_routes before;

	(void)state;
	OFFER(&gw, "10.20.0.0/16", "10.30.0.0/16", "2001:db8::/32");
	APPROVE("10.20.0.0/16");
	REVOKE("10.30.0.0/16");
	APPROVE("10.99.0.0/16");
	before = node_of(&gw)->routes;
	machine_disconnect(&gw);
	machine_disconnect(&laptop);
	coordination_restart(&c);
	assert_true(node_routes_equal(&before, &node_of(&gw)->routes));
	assert_true(route_approval_is_certified(node_of(&gw), &before.offered[0]));
	assert_false(route_approval_is_due(&c.network, node_of(&gw)));
}

static void test_who_takes_the_place_has_the_routes(void **state)
{
	struct machine fresh;

	(void)state;
	OFFER(&gw, "10.20.0.0/16");
	APPROVE("10.20.0.0/16");
	join_with(&fresh, 4,
		  "{\"verb\":\"key-create\",\"reusable\":false,\"ephemeral\":false,"
		  "\"expires_s\":600,\"groups\":[],\"tags\":[],\"for\":\"gw\"}",
		  "other");
	assert_string_equal(seen(&laptop, &fresh), "");
	OFFER(&fresh, "10.20.0.0/16");
	assert_string_equal(seen(&laptop, &fresh), "10.20.0.0/16");
	machine_clear(&fresh);
}

static void test_the_list(void **state)
{
	json_t *answer;
	json_t *route;
	const char *prefix;
	int weight;
	int certified;
	const char *why;

	(void)state;
	OFFER(&gw, "10.20.0.0/16", "127.0.0.0/8");
	APPROVE("10.20.0.0/16");
	APPROVE("10.99.0.0/16");
	answer = ask("{\"verb\":\"route-list\"}", NULL);
	assert_int_equal(json_array_size(json_object_get(answer, "routes")), 3);
	route = json_array_get(json_object_get(answer, "routes"), 0);
	assert_int_equal(json_unpack(route, "{s:s,s:i,s:b,s:s}", "prefix", &prefix, "weight",
				     &weight, "in_certificate", &certified, "why", &why),
			 0);
	assert_string_equal(prefix, "10.20.0.0/16");
	assert_int_equal(weight, 100);
	assert_true(certified);
	assert_string_equal(why, "");
	route = json_array_get(json_object_get(answer, "routes"), 2);
	assert_string_equal(json_string_value(json_object_get(route, "why")), "it is not offered");
	json_decref(answer);
	answer = ask("{\"verb\":\"route-list\",\"name\":\"laptop\"}", NULL);
	assert_int_equal(json_array_size(json_object_get(answer, "routes")), 0);
	json_decref(answer);
	answer = ask("{\"verb\":\"node-get\",\"name\":\"gw\"}", NULL);
	assert_int_equal(json_array_size(
				 json_object_get(json_object_get(answer, "node"), "routes")),
			 3);
	json_decref(answer);
	OFFER(&gw, "10.20.0.0/16", "127.0.0.0/8", "10.40.0.0/16");
	answer = ask("{\"verb\":\"overview\"}", NULL);
	assert_int_equal(json_integer_value(json_object_get(answer, "routes_waiting")), 1);
	json_decref(answer);
	/* Who did it is on record. */
	answer = ask("{\"verb\":\"audit-list\",\"action\":\"route-approve\"}", NULL);
	assert_int_equal(json_array_size(json_object_get(answer, "audit")), 2);
	json_decref(answer);
}

/* --- strict mode --- */

static uint8_t admin_secret[64];

static void go_strict(void)
{
	struct strict_export wanted = { .signer_count = 1, .threshold = 1, .life_s = 86400 };
	uint8_t seed[32] = { 7 };
	uint8_t key[32];
	char path[100];

	snprintf(path, sizeof(path), "%s/out.key", c.dir);
	wanted.path = path;
	sign_key_from_seed(key, admin_secret, seed);
	memcpy(wanted.signers[0], key, 32);
	assert_int_equal(strict_export(&c.network, &wanted, c.now_s), 0);
	unlink(path);
	sessions_want_flush(&c.sessions);
	coordination_settle(&c);
}

static size_t waiting(void)
{
	struct signing_bundle bundle;
	size_t count;

	assert_int_equal(strict_bundle(&c.network, &bundle), 0);
	count = bundle.count;
	signing_clear(&bundle);
	return count;
}

static void sign_all(void)
{
	struct signing_bundle bundle;

	assert_int_equal(strict_bundle(&c.network, &bundle), 0);
	for (size_t i = 0; i < bundle.count; i++) {
		const struct signing_request *request = &bundle.requests[i];
		uint8_t id[SIGNING_ID_SIZE];
		uint8_t signature[64];
		char text[128];

		signing_id(id, request->kind, request->body, request->body_len);
		assert_int_equal(sign_make(signature, admin_secret, signing_domain(request->kind),
					   request->body, request->body_len),
				 0);
		assert_int_equal(strict_sign(&c.sessions, id, admin_secret + 32, signature, c.now_s,
					     text, sizeof(text)),
				 1);
	}
	signing_clear(&bundle);
	coordination_settle(&c);
}

static bool certified(const char *text)
{
	struct prefix prefix;

	prefix_parse(&prefix, text);
	return route_approval_is_certified(node_of(&gw), &prefix);
}

static void test_strict_mode_asks_for_signatures(void **state)
{
	(void)state;
	go_strict();
	OFFER(&gw, "10.20.0.0/16", "10.30.0.0/16");
	assert_int_equal(waiting(), 0);
	APPROVE("10.20.0.0/16");
	assert_int_equal(waiting(), 1);
	assert_false(certified("10.20.0.0/16"));
	assert_true(strncmp(told(&gw, "10.20.0.0/16"), "waiting: it is approved, and admins", 35) ==
		    0);
	/* Looking again asks for nothing again. */
	coordination_pass(&c, 10);
	sessions_tick(&c.sessions, c.now_ns, c.now_s);
	assert_int_equal(waiting(), 1);
	sign_all();
	assert_true(certified("10.20.0.0/16"));
	assert_string_equal(told(&gw, "10.20.0.0/16"), "approved");
	assert_int_equal(waiting(), 0);
	/* What was asked for and is not wanted any more is not asked for. */
	APPROVE("10.30.0.0/16");
	assert_int_equal(waiting(), 1);
	REVOKE("10.30.0.0/16");
	assert_int_equal(waiting(), 0);
	REVOKE("10.20.0.0/16");
	assert_int_equal(waiting(), 1);
	sign_all();
	assert_false(certified("10.20.0.0/16"));
}

static void test_strict_mode_keeps_what_else_was_asked_for(void **state)
{
	(void)state;
	go_strict();
	OFFER(&gw, "10.20.0.0/16");
	assert_int_equal(network_rename(&c.network, node_of(&gw), "router", c.now_s), 0);
	APPROVE("10.20.0.0/16");
	assert_int_equal(waiting(), 1);
	sign_all();
	assert_string_equal(node_of(&gw)->name, "router");
	assert_true(certified("10.20.0.0/16"));
	/* And the other way round. */
	done("{\"verb\":\"route-revoke\",\"name\":\"router\",\"prefixes\":[\"all\"]}");
	assert_int_equal(network_rename(&c.network, node_of(&gw), "gw", c.now_s), 0);
	assert_int_equal(waiting(), 1);
	sign_all();
	assert_string_equal(node_of(&gw)->name, "gw");
	assert_false(certified("10.20.0.0/16"));
}

/* --- as texts --- */

static void test_texts(void **state)
{
	static const char *const bad_offers[] = {
		"10.0.0.0/8",    "10.0.0.0/8@0",           "10.0.0.0/8@256",
		"10.0.0.1/8@1",  "10.0.0.0/8=::@1",        "@1",
		"10.0.0.0/8@1x", "10.0.0.0/24=10.1.0.1@1", "10.0.0.0/8@+1",
	};
	static const char *const bad_decisions[] = { "10.0.0.0/8", "+", "*10.0.0.0/8",
						     "+10.0.0.1/8" };
	static const char offers[] = "10.77.1.0/24=192.168.1.0@50 2001:db8::/32@100 0.0.0.0/0@1";
	struct node_routes routes = { .offered_count = 0 };
	char text[NODE_ROUTES_TEXT_SIZE];

	(void)state;
	assert_int_equal(node_routes_parse_offered(&routes, offers), 0);
	assert_int_equal(routes.offered_count, 3);
	node_routes_format_offered(text, &routes);
	assert_string_equal(text, offers);
	assert_int_equal(node_routes_parse_decided(&routes, "+10.0.0.0/8 -::/0"), 0);
	node_routes_format_decided(text, &routes);
	assert_string_equal(text, "+10.0.0.0/8 -::/0");
	assert_int_equal(route_list_parse(&routes.advance, "10.0.0.0/8 ::/0"), 0);
	route_list_format(text, &routes.advance);
	assert_string_equal(text, "10.0.0.0/8 ::/0");
	for (size_t i = 0; i < sizeof(bad_offers) / sizeof(bad_offers[0]); i++)
		assert_int_equal(node_routes_parse_offered(&routes, bad_offers[i]), -EINVAL);
	for (size_t i = 0; i < sizeof(bad_decisions) / sizeof(bad_decisions[0]); i++)
		assert_int_equal(node_routes_parse_decided(&routes, bad_decisions[i]), -EINVAL);
	assert_int_equal(route_list_parse(&routes.advance, "ten"), -EINVAL);
	assert_int_equal(routes.offered_count, 3);
	assert_int_equal(routes.decided_count, 2);
	assert_int_equal(routes.advance.count, 2);
}

/* The longest that there can be. */
static void test_the_longest_texts(void **state)
{
	struct node_routes routes = { .offered_count = CERT_ROUTES_MAX };
	struct node_routes parsed = { .offered_count = 0 };
	char text[NODE_ROUTES_TEXT_SIZE];

	(void)state;
	for (unsigned int i = 0; i < NODE_ROUTES_DECIDED_MAX; i++) {
		uint8_t bytes[16] = {
			0xfd, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
			0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, (uint8_t)(i + 128)
		};
		struct ip_addr addr = addr_from_bytes(AF_INET6, bytes);
		struct prefix prefix = prefix_from_addr(&addr, 128);

		assert_int_equal(node_routes_decide(&routes, &prefix, true), 0);
		if (i < CERT_ROUTES_MAX) {
			routes.offered[i] = prefix;
			routes.facts[i] = (struct route_facts){ 255, addr };
		}
	}
	node_routes_format_offered(text, &routes);
	assert_int_equal(node_routes_parse_offered(&parsed, text), 0);
	node_routes_format_decided(text, &routes);
	assert_int_equal(node_routes_parse_decided(&parsed, text), 0);
	assert_true(node_routes_equal(&routes, &parsed));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_an_admin_approves_and_revokes),
		TEST(test_facts_are_certified),
		TEST(test_the_same_offer_changes_nothing),
		TEST(test_what_can_be_no_route),
		TEST(test_a_list_that_is_none_is_refused_whole),
		TEST(test_bad_decisions),
		TEST(test_decisions_are_not_without_end),
		TEST(test_exits),
		TEST(test_keys_approve_in_advance),
		TEST(test_the_policy_approves_in_advance),
		TEST(test_it_is_kept),
		TEST(test_who_takes_the_place_has_the_routes),
		TEST(test_the_list),
		TEST(test_strict_mode_asks_for_signatures),
		TEST(test_strict_mode_keeps_what_else_was_asked_for),
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_the_longest_texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
