/* cmocka.h needs these before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/local_api.h"

static json_t *request(const char *text)
{
	json_t *object = NULL;

	assert_int_equal(local_api_request_parse(&object, text, strlen(text)), 0);
	return object;
}

static void test_requests_that_are_none(void **state)
{
	static const char *const bad[] = {
		"",
		"{}",
		"[]",
		"\"status\"",
		"{\"verb\":1}",
		"{\"verb\":\"\"}",
		"{\"verb\":\"status\"",
		"{\"verb\":\"status\"} x",
		"{\"verb\":\"status\"}{\"verb\":\"down\"}",
		"{\"verb\":\"status\",\"verb\":\"down\"}",
		"{\"verb\":\"a\\u0000b\"}",
		"{\"verb\":\"\xff\"}",
		"{\"verb\":\"a-verb-that-is-longer-than-any-verb-there-is\"}",
	};
	json_t *object = NULL;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(local_api_request_parse(&object, bad[i], strlen(bad[i])),
				 -EBADMSG);
	assert_null(object);
}

static void test_request_size(void **state)
{
	char *text = malloc(LOCAL_API_REQUEST_MAX);
	json_t *object = NULL;

	(void)state;
	memset(text, ' ', LOCAL_API_REQUEST_MAX);
	memcpy(text, "{\"verb\":\"x\"}", 12);
	assert_int_equal(local_api_request_parse(&object, text, LOCAL_API_REQUEST_MAX), -EMSGSIZE);
	assert_int_equal(local_api_request_parse(&object, text, LOCAL_API_REQUEST_MAX - 1), 0);
	json_decref(object);
	/* Nesting is bounded by the parser. */
	memset(text, '[', LOCAL_API_REQUEST_MAX);
	assert_int_equal(local_api_request_parse(&object, text, LOCAL_API_REQUEST_MAX - 1),
			 -EBADMSG);
	free(text);
}

static void test_up(void **state)
{
	struct local_up in = { .token = "warren1-abc", .hostname = "laptop" };
	struct local_up none = { 0 };
	struct local_up up;
	json_t *object = local_up_encode(&in);

	(void)state;
	assert_int_equal(local_up_decode(&up, object), 0);
	assert_string_equal(up.token, "warren1-abc");
	assert_string_equal(up.hostname, "laptop");
	assert_string_equal(local_api_request_verb(object), "up");
	json_decref(object);
	object = local_up_encode(&none);
	assert_int_equal(json_object_size(object), 1);
	assert_int_equal(local_up_decode(&up, object), 0);
	assert_null(up.token);
	assert_null(up.hostname);
	json_decref(object);
}

static void test_ping(void **state)
{
	static const char *const bad[] = {
		"{\"verb\":\"ping\"}",
		"{\"verb\":\"ping\",\"name\":\"\"}",
		"{\"verb\":\"ping\",\"name\":\"a\",\"count\":0}",
		"{\"verb\":\"ping\",\"name\":\"a\",\"count\":1000001}",
		"{\"verb\":\"ping\",\"name\":\"a\",\"count\":\"1\"}",
		"{\"verb\":\"ping\",\"name\":\"a\",\"timeout_ms\":0}",
		"{\"verb\":\"ping\",\"name\":\"a\",\"timeout_ms\":99999999999}",
		"{\"verb\":\"ping\",\"name\":\"a\",\"until_direct\":1}",
		"{\"verb\":\"ping\",\"name\":\"a\",\"more\":1}",
	};
	struct local_ping in = { "db1", 7, true, 250 };
	struct local_ping before = { "x", 1, false, 2 };
	struct local_ping ping;
	json_t *object = local_ping_encode(&in);
	size_t i;

	(void)state;
	assert_int_equal(local_ping_decode(&ping, object), 0);
	assert_string_equal(ping.name, "db1");
	assert_int_equal(ping.count, 7);
	assert_true(ping.until_direct);
	assert_int_equal(ping.timeout_ms, 250);
	json_decref(object);

	object = request("{\"verb\":\"ping\",\"name\":\"a\"}");
	assert_int_equal(local_ping_decode(&ping, object), 0);
	assert_int_equal(ping.count, 1);
	assert_int_equal(ping.timeout_ms, 5000);
	assert_false(ping.until_direct);
	json_decref(object);

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		object = request(bad[i]);
		ping = before;
		assert_int_equal(local_ping_decode(&ping, object), -EBADMSG);
		assert_string_equal(ping.name, "x");
		json_decref(object);
	}
}

static void test_set_path(void **state)
{
	struct local_set_path in = { "db1", "relay" };
	struct local_set_path set;
	json_t *object = local_set_path_encode(&in);

	(void)state;
	assert_int_equal(local_set_path_decode(&set, object), 0);
	assert_string_equal(set.path, "relay");
	json_decref(object);
	object = request("{\"verb\":\"set-path\",\"name\":\"a\",\"path\":\"fast\"}");
	assert_int_equal(local_set_path_decode(&set, object), -EBADMSG);
	json_decref(object);
}

static void test_plain(void **state)
{
	json_t *object = local_plain_encode("status");

	(void)state;
	assert_int_equal(local_plain_decode(object), 0);
	json_object_set_new(object, "x", json_true());
	assert_int_equal(local_plain_decode(object), -EBADMSG);
	json_decref(object);
}

static struct local_reply reparse(json_t *object)
{
	struct local_reply reply;
	size_t len;
	char *line = local_api_line(object, &len);

	assert_non_null(line);
	assert_int_equal(line[len - 1], '\n');
	assert_null(memchr(line, '\n', len - 1));
	assert_int_equal(local_reply_parse(&reply, line, len - 1), 0);
	json_decref(object);
	free(line);
	return reply;
}

static void test_replies_round_trip(void **state)
{
	struct local_reply reply = reparse(local_progress_encode(json_pack("{s:f}", "ms", 9.1)));

	(void)state;
	assert_int_equal(reply.kind, LOCAL_REPLY_PROGRESS);
	assert_non_null(json_object_get(reply.body, "ms"));
	local_reply_clear(&reply);

	reply = reparse(local_success_encode(json_pack("{s:s}", "text", "a\nb")));
	assert_int_equal(reply.kind, LOCAL_REPLY_SUCCESS);
	assert_string_equal(json_string_value(json_object_get(reply.body, "text")), "a\nb");
	local_reply_clear(&reply);

	reply = reparse(local_success_encode(NULL));
	assert_int_equal(reply.kind, LOCAL_REPLY_SUCCESS);
	local_reply_clear(&reply);

	reply = reparse(local_failure_encode(LOCAL_LOGIN, "no token: \xff\x1b[31m"));
	assert_int_equal(reply.kind, LOCAL_REPLY_FAILURE);
	assert_int_equal(reply.code, LOCAL_LOGIN);
	assert_string_equal(reply.error, "no token: ??[31m");
	local_reply_clear(&reply);
}

static void test_replies_that_are_none(void **state)
{
	static const char *const bad[] = {
		"{}",
		"[]",
		"{\"ok\":1}",
		"{\"progress\":1}",
		"{\"progress\":{},\"ok\":true}",
		"{\"ok\":false}",
		"{\"ok\":false,\"code\":0,\"error\":\"x\"}",
		"{\"ok\":false,\"code\":7,\"error\":\"x\"}",
		"{\"ok\":false,\"code\":1,\"error\":null}",
		"{\"ok\":false,\"code\":1,\"error\":\"x\",\"y\":1}",
	};
	struct local_reply reply;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(local_reply_parse(&reply, bad[i], strlen(bad[i])), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_requests_that_are_none),
		cmocka_unit_test(test_request_size),
		cmocka_unit_test(test_up),
		cmocka_unit_test(test_ping),
		cmocka_unit_test(test_set_path),
		cmocka_unit_test(test_plain),
		cmocka_unit_test(test_replies_round_trip),
		cmocka_unit_test(test_replies_that_are_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
