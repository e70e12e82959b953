/* The REST API from request to answer, without a socket: rights, bounds and what is said of it. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "coord/api.h"
#include "coord/api_document.h"
#include "coord/api_routes.h"
#include "coord/api_token.h"
#include "coord/http_metrics.h"
#include "coord/store_audit.h"
#include "coord/store_login.h"
#include "io/loop.h"
#include "tests/support/coordination.h"

struct fixture {
	struct coordination c;
	struct http http;
	char admin[API_TOKEN_TEXT_SIZE];
	char viewer[API_TOKEN_TEXT_SIZE];
	char viewer_id[HEX_SIZE(STORE_API_TOKEN_ID_SIZE)];
};

struct reply {
	struct ws_http_response response;
	json_t *body;
};

static void make_token(struct fixture *f, bool admin, char *text)
{
	struct store_api_token token = { .admin = admin };

	strcpy(token.name, admin ? "root" : "look");
	assert_int_equal(api_token_make(&f->c.network, &token, clock_wall_s(), text), 0);
	if (!admin)
		encoding_hex(f->viewer_id, sizeof(f->viewer_id), token.id, sizeof(token.id));
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	*state = f;
	coordination_begin(&f->c);
	assert_int_equal(loop_new(&f->http.loop), 0);
	f->http.sessions = &f->c.sessions;
	make_token(f, true, f->admin);
	make_token(f, false, f->viewer);
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	loop_free(f->http.loop);
	coordination_end(&f->c);
	free(f);
	return 0;
}

static struct ws_http_request make_request(const char *method, const char *path)
{
	return (struct ws_http_request){
		.method = method,
		.path = path,
		.query = "",
		.host = "coord.example.net",
		.origin = "",
		.cookie = "",
		.authorization = "",
		.content_type = "",
		.accept = "",
		.accept_encoding = "",
		.accept_language = "",
		.if_match = "",
		.if_none_match = "",
		.user_agent = "",
		.csrf = "",
		.fetch_site = "",
		.forwarded_for = "",
		.forwarded_proto = "",
		.forwarded_host = "",
		.body = (const uint8_t *)"",
		.remote = { .addr = addr_from_v4(0xc0000201), .port = 1000 },
	};
}

static struct reply ask(struct fixture *f, const struct ws_http_request *request)
{
	struct reply reply = { .response = { .status = 0 } };

	api_handle(&f->http, request, &reply.response);
	if (reply.response.body)
		reply.body =
			json_loadb((char *)reply.response.body, reply.response.body_len, 0, NULL);
	if (reply.response.body_len)
		assert_true(json_is_object(reply.body));
	return reply;
}

static void clear(struct reply *reply)
{
	free(reply->response.body);
	json_decref(reply->body);
}

/* Asks, looks at the status, and at the error's word if there is to be one. */
static void expect(struct fixture *f, const struct ws_http_request *request, int status,
		   const char *code)
{
	struct reply reply = ask(f, request);
	json_t *error = json_object_get(reply.body, "error");

	assert_int_equal(reply.response.status, status);
	if (code) {
		assert_string_equal(json_string_value(json_object_get(error, "code")), code);
		assert_true(json_string_length(json_object_get(error, "message")) > 0);
	} else {
		assert_null(error);
	}
	clear(&reply);
}

static struct ws_http_request with_token(const char *method, const char *path, const char *token,
					 const char *body)
{
	static char authorization[API_TOKEN_TEXT_SIZE + 8];
	struct ws_http_request request = make_request(method, path);

	snprintf(authorization, sizeof(authorization), "Bearer %s", token);
	request.authorization = authorization;
	if (body) {
		request.content_type = "application/json";
		request.body = (const uint8_t *)body;
		request.body_len = strlen(body);
	}
	return request;
}

static void expect_with(struct fixture *f, const char *method, const char *path, const char *body,
			int status, const char *code)
{
	struct ws_http_request request = with_token(method, path, f->admin, body);

	expect(f, &request, status, code);
}

static void test_document_and_routes_are_the_same(void **state)
{
	json_t *document =
		json_loadb(api_document, api_document_len(), JSON_REJECT_DUPLICATES, NULL);
	json_t *paths = json_object_get(document, "paths");
	size_t described = 0;
	const char *path;
	json_t *item;

	(void)state;
	assert_non_null(paths);
	json_object_foreach (paths, path, item)
		described += json_object_size(item);
	assert_int_equal(described, api_route_count);
	for (size_t i = 0; i < api_route_count; i++) {
		const struct api_route *route = &api_routes[i];
		json_t *operation;
		json_t *body;
		char method[8] = "";

		for (size_t j = 0; route->method[j]; j++)
			method[j] = (char)(route->method[j] | 0x20);
		operation = json_object_get(json_object_get(paths, route->path), method);
		if (!operation)
			fail_msg("%s %s is not described", route->method, route->path);
		if (!route->fields)
			continue;
		/* Every field is there, and no more of them. */
		body = json_object_get(operation, "requestBody");
		if (body) {
			json_t *schema = NULL;
			size_t count = 0;

			assert_int_equal(json_unpack(body, "{s:{s:{s:o}}}", "content",
						     "application/json", "schema", &schema),
					 0);
			for (const struct api_field *field = route->fields; field->name; field++) {
				assert_non_null(
					json_object_get(json_object_get(schema, "properties"),
							field->name));
				count++;
			}
			assert_int_equal(json_object_size(json_object_get(schema, "properties")),
					 count);
		}
	}
	json_decref(document);
}

static void test_nobody_and_strangers_are_refused(void **state)
{
	struct fixture *f = *state;
	struct ws_http_request request = make_request("GET", "/api/v1/nodes");

	expect(f, &request, 401, "unauthorized");
	request.authorization = "Basic cm9vdDpyb290";
	expect(f, &request, 401, "unauthorized");
	request.authorization = "Bearer warren-api-0011223344556677-AAAA";
	expect(f, &request, 401, "unauthorized");
	request.authorization = "Bearer ";
	expect(f, &request, 401, "unauthorized");
	/* The description is for everybody. */
	request = make_request("GET", "/api/v1/openapi.json");
	expect(f, &request, 200, NULL);
}

static void test_guessing_is_slowed_down_and_owners_are_not(void **state)
{
	struct fixture *f = *state;
	struct ws_http_request request = make_request("GET", "/api/v1/nodes");

	request.authorization = "Bearer wrong";
	for (int i = 0; i < LOGIN_THROTTLE_BURST; i++)
		expect(f, &request, 401, "unauthorized");
	expect(f, &request, 429, "too-many");
	request.remote.addr = addr_from_v4(0xc0000202);
	expect(f, &request, 401, "unauthorized");
	/* From the address that guessed. */
	expect_with(f, "GET", "/api/v1/nodes", NULL, 200, NULL);
}

static void test_viewers_look_only(void **state)
{
	struct fixture *f = *state;
	struct ws_http_request request = with_token("GET", "/api/v1/nodes", f->viewer, NULL);

	expect(f, &request, 200, NULL);
	for (size_t i = 0; i < api_route_count; i++) {
		const struct api_route *route = &api_routes[i];
		struct reply reply;
		char path[128];
		int n;

		/* Checks and signing in change nothing. */
		if (!route->verb || strcmp(route->method, "GET") == 0 ||
		    strncmp(route->path, "/policy/", 8) == 0)
			continue;
		n = snprintf(path, sizeof(path), "/api/v1%s", route->path);
		for (int j = 0; j < n; j++)
			if (path[j] == '{' || path[j] == '}')
				path[j] = 'x';
		request = with_token(
			route->method, path, f->viewer,
			"{\"name\":\"a\",\"host\":\"h\",\"secret\":\"0123456789abcdef\"}");
		reply = ask(f, &request);
		assert_true(reply.response.status == 403 || reply.response.status == 400);
		clear(&reply);
	}
	request = with_token("POST", "/api/v1/keys", f->viewer, "{}");
	expect(f, &request, 403, "denied");
}

static void test_bad_requests_are_told_what_is_wrong(void **state)
{
	struct fixture *f = *state;
	struct ws_http_request request;

	expect_with(f, "GET", "/api/v1/nope", NULL, 404, "not-found");
	expect_with(f, "GET", "/api/v1/nodes/", NULL, 404, "not-found");
	expect_with(f, "GET", "/api/v1/nodes/none", NULL, 404, "not-found");
	expect_with(f, "GET", "/api/v1/nodes/a\x01", NULL, 404, "not-found");
	expect_with(f, "PATCH", "/api/v1/nodes", NULL, 405, "method");
	expect_with(f, "POST", "/api/v1/keys/zz/revoke", NULL, 404, "not-found");
	expect_with(f, "POST", "/api/v1/keys", "{", 400, "invalid");
	expect_with(f, "POST", "/api/v1/keys", "[]", 400, "invalid");
	expect_with(f, "POST", "/api/v1/keys", "{\"a\":[[[[[[[[[[1]]]]]]]]]]}", 400, "invalid");
	expect_with(f, "POST", "/api/v1/keys", "{\"reusable\":1}", 400, "invalid");
	expect_with(f, "POST", "/api/v1/keys", "{\"expires_s\":-1}", 400, "invalid");
	expect_with(f, "POST", "/api/v1/keys", "{\"expires_s\":1.5}", 400, "invalid");
	expect_with(f, "POST", "/api/v1/keys", "{\"groups\":[1]}", 400, "invalid");
	expect_with(f, "POST", "/api/v1/keys", "{\"unknown\":1}", 400, "invalid");
	expect_with(f, "POST", "/api/v1/keys", "{\"name\":\"a\",\"name\":\"b\"}", 400, "invalid");
	expect_with(f, "POST", "/api/v1/keys", "{\"name\":\"a\\u0000b\"}", 400, "invalid");
	expect_with(f, "POST", "/api/v1/keys", "{\"name\":\"a\\nb\"}", 400, "invalid");
	expect_with(f, "POST", "/api/v1/relays", "{\"name\":\"a\"}", 400, "invalid");
	expect_with(f, "PUT", "/api/v1/policy", "{\"policy\":\"nonsense\"}", 422, "refused");
	request = with_token("POST", "/api/v1/keys", f->admin, "{}");
	request.content_type = "text/plain";
	expect(f, &request, 415, "media-type");
	request = with_token("GET", "/api/v1/nodes", f->admin, NULL);
	request.query = "limit=5&limit=6";
	expect(f, &request, 400, "invalid");
	request.query = "limit=1001";
	expect(f, &request, 400, "invalid");
	request.query = "limit=%zz";
	expect(f, &request, 400, "invalid");
	request.query = "descending=yes";
	expect(f, &request, 400, "invalid");
	request.query = "nothing=1";
	expect(f, &request, 400, "invalid");
	request.query = "limit=5&sort=name&search=%26";
	expect(f, &request, 200, NULL);
}

static void test_methods_are_listed(void **state)
{
	struct fixture *f = *state;
	struct ws_http_request request = make_request("OPTIONS", "/api/v1/policy");
	struct reply reply = ask(f, &request);

	assert_int_equal(reply.response.status, 204);
	assert_true(ws_http_has_header(&reply.response, "allow"));
	assert_string_equal(reply.response.headers + sizeof("allow:"), "GET, HEAD, PUT, OPTIONS");
	clear(&reply);
}

/* The cookie out of a response to a login. */
static void take_cookie(const struct ws_http_response *response, char *out, size_t size)
{
	const char *value = response->headers + sizeof("set-cookie:");

	assert_non_null(strstr(value, "HttpOnly"));
	assert_non_null(strstr(value, "Secure"));
	assert_non_null(strstr(value, "SameSite=Strict"));
	snprintf(out, size, "%.*s", (int)strcspn(value, ";"), value);
}

static void test_pages_of_others_are_not_heard(void **state)
{
	struct fixture *f = *state;
	struct ws_http_request request = make_request("POST", "/api/v1/login");
	char body[API_TOKEN_TEXT_SIZE + 16];
	char cookie[256];
	struct reply reply;

	snprintf(body, sizeof(body), "{\"token\":\"%s\"}", f->viewer);
	request.content_type = "application/json";
	request.body = (const uint8_t *)body;
	request.body_len = strlen(body);
	request.origin = "https://evil.example";
	expect(f, &request, 403, "origin");
	request.origin = "https://coord.example.net";
	reply = ask(f, &request);
	assert_int_equal(reply.response.status, 200);
	assert_null(memmem(reply.response.body, reply.response.body_len, f->viewer, 20));
	take_cookie(&reply.response, cookie, sizeof(cookie));
	clear(&reply);

	request = make_request("GET", "/api/v1/session");
	request.cookie = cookie;
	expect(f, &request, 200, NULL);
	request = make_request("POST", "/api/v1/keys");
	request.cookie = cookie;
	expect(f, &request, 403, "csrf");
	request.origin = "https://evil.example";
	request.csrf = "1";
	expect(f, &request, 403, "origin");
	request.origin = "https://coord.example.net:444";
	expect(f, &request, 403, "origin");
	request.origin = "null";
	expect(f, &request, 403, "origin");
	/* A viewer's cookie is a viewer's. */
	request.origin = "https://coord.example.net";
	expect(f, &request, 403, "denied");
	/* With the token the login ends. */
	snprintf(body, sizeof(body), "/api/v1/api-tokens/%s/revoke", f->viewer_id);
	expect_with(f, "POST", body, NULL, 200, NULL);
	request = make_request("GET", "/api/v1/session");
	request.cookie = cookie;
	expect(f, &request, 401, "unauthorized");
}

static void test_two_admins_do_not_undo_each_other(void **state)
{
	struct fixture *f = *state;
	struct ws_http_request request = with_token("GET", "/api/v1/policy", f->admin, NULL);
	struct reply reply = ask(f, &request);
	char tag[64];

	assert_int_equal(reply.response.status, 200);
	assert_string_equal(reply.response.headers, "etag:");
	snprintf(tag, sizeof(tag), "%.63s", reply.response.headers + sizeof("etag:"));
	clear(&reply);
	request = with_token("PUT", "/api/v1/policy", f->admin,
			     "{\"policy\":\"{\\\"rules\\\":[]}\"}");
	request.if_match = tag;
	expect(f, &request, 200, NULL);
	request = with_token("PUT", "/api/v1/policy", f->admin,
			     "{\"policy\":\"{\\\"rules\\\":[ ]}\"}");
	request.if_match = tag;
	expect(f, &request, 412, "changed");
	request.if_match = "rubbish";
	expect(f, &request, 412, "changed");
	/* What no policy can have as its tag is no request without a condition. */
	request.if_match = "\"\"";
	expect(f, &request, 412, "changed");
	request.if_match = "\"\xff\"";
	expect(f, &request, 412, "changed");
	request.if_match = "*";
	expect(f, &request, 200, NULL);
}

/* Errors quote what was sent, and cut it: within a character, too. */
static void test_errors_are_text_whatever_was_sent(void **state)
{
	char body[160] = "{\"a";

	for (int i = 0; i < 50; i++)
		strcat(body, "\xc3\xa9");
	strcat(body, "\":1}");
	expect_with(*state, "POST", "/api/v1/keys", body, 400, "invalid");
}

static void expect_metrics(struct fixture *f, const struct ws_http_request *request, int status)
{
	struct ws_http_response response = { .status = 0 };

	http_metrics_handle(&f->http, request, &response);
	assert_int_equal(response.status, status);
	free(response.body);
}

/* Without a token for this machine, and not for whom a proxy on it lets through. */
static void test_metrics_are_not_for_whom_a_proxy_speaks(void **state)
{
	struct fixture *f = *state;
	struct ws_http_request request = make_request("GET", "/metrics");
	struct prefix proxy;

	assert_int_equal(prefix_parse(&proxy, "127.0.0.1/32"), 0);
	expect_metrics(f, &request, 401);
	request.host = "127.0.0.1:8080";
	expect_metrics(f, &request, 401);
	request.remote.addr = addr_from_v4(0x7f000001);
	expect_metrics(f, &request, 200);
	request.host = "coord.example.net";
	expect_metrics(f, &request, 401);
	request.host = "127.0.0.1:8080";
	f->http.proxies = &proxy;
	f->http.proxy_count = 1;
	expect_metrics(f, &request, 401);
}

static void open_login(struct fixture *f, const char *who, uint8_t number)
{
	struct store_login login = { .id_hash = { number }, .expires_s = 1000 + number };

	strcpy(login.who, who);
	assert_int_equal(store_login_add(f->c.network.store, &login), 0);
}

static int find_login(struct fixture *f, uint8_t number)
{
	const uint8_t hash[32] = { number };
	struct store_login login;

	return store_login_find(f->c.network.store, hash, &login);
}

static void test_many_logins_end_ones_own(void **state)
{
	struct fixture *f = *state;

	open_login(f, "token:root", 0);
	for (uint8_t i = 1; i <= STORE_LOGINS_OF_ONE + 2; i++)
		open_login(f, "token:look", i);
	assert_int_equal(find_login(f, 0), 0);
	assert_int_equal(find_login(f, 1), -ENOENT);
	assert_int_equal(find_login(f, 2), -ENOENT);
	assert_int_equal(find_login(f, 3), 0);
	assert_int_equal(find_login(f, STORE_LOGINS_OF_ONE + 2), 0);
}

static void test_signatures_are_handed_in(void **state)
{
	struct fixture *f = *state;
	struct ws_http_request request;

	expect_with(f, "GET", "/api/v1/authority", NULL, 200, NULL);
	/* In simple mode the coordinator signs by itself. */
	expect_with(f, "GET", "/api/v1/authority/requests", NULL, 409, "conflict");
	expect_with(f, "POST", "/api/v1/authority/signatures", "{}", 409, "conflict");
	expect_with(f, "POST", "/api/v1/authority/signatures", "{\"signatures\":[1]}", 400,
		    "invalid");
	expect_with(f, "POST", "/api/v1/authority/signatures", "{\"signatures\":[{\"id\":\"x\"}]}",
		    400, "invalid");
	request = with_token("POST", "/api/v1/authority/signatures", f->viewer,
			     "{\"signatures\":[]}");
	expect(f, &request, 403, "denied");
}

struct log {
	unsigned int count;
	struct store_audit last;
};

static int count_entry(void *arg, const struct store_audit *entry)
{
	struct log *log = arg;

	if (log->count++ == 0)
		log->last = *entry;
	return 0;
}

static struct log read_log(struct fixture *f)
{
	struct store_audit_query query = { .limit = 100 };
	struct log log = { .count = 0 };

	assert_int_equal(store_audit_each(f->c.network.store, &query, count_entry, &log), 0);
	return log;
}

static void test_changes_are_in_the_audit_log(void **state)
{
	struct fixture *f = *state;
	struct log log;

	expect_with(f, "GET", "/api/v1/nodes", NULL, 200, NULL);
	expect_with(f, "POST", "/api/v1/policy/check", "{\"policy\":\"{}\"}", 200, NULL);
	expect_with(f, "POST", "/api/v1/keys", "{\"reusable\":1}", 400, "invalid");
	expect_with(f, "DELETE", "/api/v1/relays/none", NULL, 404, "not-found");
	assert_int_equal(read_log(f).count, 0);
	expect_with(f, "POST", "/api/v1/relays",
		    "{\"name\":\"fra\",\"host\":\"h\",\"secret\":\"canary-0123456789\"}", 201,
		    NULL);
	log = read_log(f);
	assert_int_equal(log.count, 1);
	assert_string_equal(log.last.who, "token:root");
	assert_string_equal(log.last.from, "192.0.2.1");
	assert_string_equal(log.last.action, "relay-add");
	assert_string_equal(log.last.target, "fra");
	assert_null(strstr(log.last.details, "canary"));
	assert_null(strstr(log.last.details, "Y2FuYXJ5")); /* in base64 */
	expect_with(f, "DELETE", "/api/v1/relays/fra", NULL, 200, NULL);
	assert_int_equal(read_log(f).count, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_document_and_routes_are_the_same),
		cmocka_unit_test_setup_teardown(test_nobody_and_strangers_are_refused, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_guessing_is_slowed_down_and_owners_are_not,
						setup, teardown),
		cmocka_unit_test_setup_teardown(test_viewers_look_only, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bad_requests_are_told_what_is_wrong, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_methods_are_listed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pages_of_others_are_not_heard, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_two_admins_do_not_undo_each_other, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_errors_are_text_whatever_was_sent, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_metrics_are_not_for_whom_a_proxy_speaks, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_many_logins_end_ones_own, setup, teardown),
		cmocka_unit_test_setup_teardown(test_signatures_are_handed_in, setup, teardown),
		cmocka_unit_test_setup_teardown(test_changes_are_in_the_audit_log, setup, teardown),
	};

	return cmocka_run_group_tests_name("api", tests, NULL, NULL);
}
