/* What admins look at: nodes a page at a time, paths, groups, overview, settings; and the pages. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/log.h"
#include "coord/admin_verbs.h"
#include "coord/http.h"
#include "coord/web.h"
#include "coord/web_files.h"
#include "tests/support/coordination.h"

#define MACHINES 5

static struct coordination c;
static struct machine machines[MACHINES];
static const char *const names[MACHINES] = { "alpha", "beta", "gamma", "delta", "omega" };

static int begin(void **state)
{
	struct token trusted;
	struct token other;

	(void)state;
	log_set_level(LOG_LEVEL_ERROR);
	coordination_begin(&c);
	trusted = coordination_key(&c, true, false, "trusted");
	other = coordination_key(&c, true, false, "other");
	for (unsigned int i = 0; i < MACHINES; i++) {
		machine_init(&machines[i], &c, i + 1);
		machine_join(&machines[i], i < 3 ? &trusted : &other, names[i]);
	}
	coordination_settle(&c);
	return 0;
}

static int end(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < MACHINES; i++)
		machine_clear(&machines[i]);
	coordination_end(&c);
	return 0;
}

/* Runs a verb as an admin or a viewer; the answer, or NULL and the kind of failure. */
static json_t *ask_as(bool may_change, const char *request, enum admin_kind *kind)
{
	struct admin_caller caller = { .who = "token:test", .may_change = may_change };
	json_t *object = json_loads(request, 0, NULL);
	struct admin_result result;
	json_t *answer = NULL;

	assert_non_null(object);
	json_object_set_new(object, "json", json_true());
	assert_int_equal(admin_verbs_call(&c.sessions, &caller, object, c.now_s, &result), 0);
	*kind = result.kind;
	if (result.kind == ADMIN_OK)
		answer = json_loadb(result.text, result.len, 0, NULL);
	admin_result_clear(&result);
	json_decref(object);
	return answer;
}

static json_t *ask(const char *request)
{
	enum admin_kind kind;
	json_t *answer = ask_as(true, request, &kind);

	assert_int_equal(kind, ADMIN_OK);
	return answer;
}

static json_int_t number(json_t *object, const char *name)
{
	assert_true(json_is_integer(json_object_get(object, name)));
	return json_integer_value(json_object_get(object, name));
}

/* The names of the nodes that a list shows, with commas between; and how many there are in all. */
static void assert_list(const char *request, const char *want, json_int_t total)
{
	json_t *answer = ask(request);
	char text[256] = "";
	json_t *node;
	size_t i;

	json_array_foreach (json_object_get(answer, "nodes"), i, node)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s", i ? "," : "",
			 json_string_value(json_object_get(node, "name")));
	assert_string_equal(text, want);
	assert_int_equal(number(answer, "total"), total);
	json_decref(answer);
}

static void test_node_pages(void **state)
{
	enum admin_kind kind;

	(void)state;
	assert_list("{\"verb\":\"node-list\"}", "alpha,beta,delta,gamma,omega", 5);
	assert_list("{\"verb\":\"node-list\",\"limit\":2}", "alpha,beta", 5);
	assert_list("{\"verb\":\"node-list\",\"limit\":2,\"offset\":4}", "omega", 5);
	assert_list("{\"verb\":\"node-list\",\"limit\":2,\"offset\":99}", "", 5);
	assert_list("{\"verb\":\"node-list\",\"search\":\"LT\"}", "delta", 1);
	assert_list("{\"verb\":\"node-list\",\"search\":\"other\"}", "delta,omega", 2);
	assert_list("{\"verb\":\"node-list\",\"sort\":\"address\",\"descending\":true,\"limit\":1}",
		    "omega", 5);
	machine_disconnect(&machines[1]);
	assert_list("{\"verb\":\"node-list\",\"state\":\"offline\"}", "beta", 1);
	assert_list(
		"{\"verb\":\"node-list\",\"sort\":\"last_seen\",\"descending\":true,\"limit\":1}",
		"beta", 5);
	assert_null(ask_as(true, "{\"verb\":\"node-list\",\"sort\":\"age\"}", &kind));
	assert_int_equal(kind, ADMIN_INVALID);
	assert_null(ask_as(true, "{\"verb\":\"node-list\",\"limit\":-1}", &kind));
	assert_int_equal(kind, ADMIN_INVALID);
}

static void report(struct machine *from, const struct machine *to, enum control_report_path kind)
{
	struct control_report_peer path = { .path = kind, .relay = "fra", .latency_us = 9160 };
	char line[1][CONTROL_REPORT_TEXT_MAX + 1] = { "clock is off" };
	struct control_message message = {
		.type = CONTROL_REPORT,
		.report = { &path, 1, line, from == &machines[0] },
	};

	memcpy(path.node_key, to->device_key, 32);
	machine_send(from, &message);
}

static void test_paths(void **state)
{
	json_t *answer;
	json_t *path;
	enum admin_kind kind;

	(void)state;
	report(&machines[0], &machines[1], CONTROL_REPORT_RELAY);
	report(&machines[1], &machines[0], CONTROL_REPORT_DIRECT);
	report(&machines[2], &machines[0], CONTROL_REPORT_CONNECTING);
	answer = ask("{\"verb\":\"path-list\"}");
	assert_int_equal(number(answer, "total"), 2); /* one a pair */
	json_decref(answer);
	answer = ask("{\"verb\":\"path-list\",\"name\":\"beta\"}");
	assert_int_equal(number(answer, "total"), 2); /* all of its group */
	path = json_array_get(json_object_get(answer, "paths"), 0);
	assert_string_equal(json_string_value(json_object_get(path, "peer")), "alpha");
	assert_string_equal(json_string_value(json_object_get(path, "path")), "direct");
	assert_string_equal(json_string_value(json_object_get(path, "peer_path")), "relay");
	assert_true(json_real_value(json_object_get(path, "latency_ms")) == 9.1);
	path = json_array_get(json_object_get(answer, "paths"), 1);
	assert_string_equal(json_string_value(json_object_get(path, "path")), "idle");
	json_decref(answer);
	assert_null(ask_as(true, "{\"verb\":\"path-list\",\"name\":\"nobody\"}", &kind));
	assert_int_equal(kind, ADMIN_NOT_FOUND);
	/* A report of somebody who is unknown here counts for nothing. */
	memset(machines[4].device_key, 9, 32);
	report(&machines[2], &machines[4], CONTROL_REPORT_DIRECT);
	answer = ask("{\"verb\":\"path-list\"}");
	assert_int_equal(number(answer, "total"), 1);
	json_decref(answer);
}

static void test_groups(void **state)
{
	json_t *answer;
	json_t *links;
	json_t *group;
	enum admin_kind kind;

	(void)state;
	report(&machines[0], &machines[1], CONTROL_REPORT_RELAY);
	report(&machines[3], &machines[0], CONTROL_REPORT_DIRECT);
	machine_disconnect(&machines[4]);
	answer = ask("{\"verb\":\"group-list\"}");
	assert_int_equal(json_array_size(json_object_get(answer, "groups")), 2);
	assert_int_equal(number(answer, "left"), 0);
	group = json_array_get(json_object_get(answer, "groups"), 0);
	assert_string_equal(json_string_value(json_object_get(group, "name")), "other");
	assert_int_equal(number(group, "total"), 2);
	assert_int_equal(number(group, "online"), 1);
	group = json_array_get(json_object_get(answer, "groups"), 1);
	assert_int_equal(number(group, "total"), 3);
	assert_int_equal(number(group, "troubled"), 1);
	links = json_object_get(answer, "links");
	assert_int_equal(json_array_size(links), 2);
	assert_int_equal(number(json_array_get(links, 0), "direct"), 1);
	assert_int_equal(number(json_array_get(links, 1), "relay"), 1);
	json_decref(answer);
	answer = ask("{\"verb\":\"group-list\",\"by\":\"owner\"}");
	assert_int_equal(json_array_size(json_object_get(answer, "groups")), 1);
	json_decref(answer);
	assert_null(ask_as(true, "{\"verb\":\"group-list\",\"by\":\"age\"}", &kind));
	assert_int_equal(kind, ADMIN_INVALID);
}

static void test_overview(void **state)
{
	json_t *answer;
	json_t *problem;

	(void)state;
	report(&machines[0], &machines[1], CONTROL_REPORT_RELAY);
	machine_disconnect(&machines[4]);
	answer = ask("{\"verb\":\"overview\"}");
	assert_int_equal(number(json_object_get(answer, "nodes"), "total"), 5);
	assert_int_equal(number(json_object_get(answer, "nodes"), "online"), 4);
	assert_int_equal(number(json_object_get(answer, "nodes"), "offline"), 1);
	assert_int_equal(number(json_object_get(answer, "paths"), "relay"), 1);
	problem = json_array_get(json_object_get(answer, "problems"), 0);
	assert_string_equal(json_string_value(json_object_get(problem, "node")), "alpha");
	assert_string_equal(json_string_value(json_object_get(problem, "text")), "clock is off");
	json_decref(answer);
}

static void test_settings(void **state)
{
	static const char set_no[] =
		"{\"verb\":\"setting-set\",\"name\":\"report-paths\",\"value\":\"no\"}";
	enum admin_kind kind;

	(void)state;
	assert_null(ask_as(false, set_no, &kind));
	assert_int_equal(kind, ADMIN_DENIED);
	assert_true(c.network.report_paths);
	json_decref(ask(set_no));
	assert_false(c.network.report_paths);
	assert_null(ask_as(true,
			   "{\"verb\":\"setting-set\",\"name\":\"report-paths\",\"value\":\"1\"}",
			   &kind));
	assert_int_equal(kind, ADMIN_INVALID);
	assert_null(
		ask_as(true, "{\"verb\":\"setting-set\",\"name\":\"x\",\"value\":\"no\"}", &kind));
	assert_int_equal(kind, ADMIN_NOT_FOUND);
}

static void fetch(const char *method, const char *path, const char *none_match,
		  struct ws_http_response *response)
{
	struct ws_http_request request = { .method = method,
					   .path = path,
					   .if_none_match = none_match };

	memset(response, 0, sizeof(*response));
	web_handle(NULL, &request, response);
	free(response->body);
}

/* Every file is there, whole, with its type and a tag of its own. */
static void test_web_files(void **state)
{
	struct ws_http_response response;

	(void)state;
	for (size_t i = 0; i < web_file_count; i++) {
		const struct web_file *file = &web_files[i];
		char disk[64];
		long size;
		FILE *f;

		snprintf(disk, sizeof(disk), "coord/web%s", file->path);
		f = fopen(disk, "r");
		assert_non_null(f);
		fseek(f, 0, SEEK_END);
		size = ftell(f);
		fclose(f);
		assert_int_equal(file->end - file->start, size);
		fetch("GET", file->path, "", &response);
		assert_int_equal(response.status, 200);
		assert_int_equal(response.body_len, size);
		assert_string_equal(response.content_type, file->type);
		assert_true(ws_http_has_header(&response, "etag"));
		assert_true(ws_http_has_header(&response, "content-security-policy"));
	}
	fetch("GET", "/", "", &response);
	assert_int_equal(response.status, 200);
	fetch("HEAD", "/", "*", &response);
	assert_int_equal(response.status, 304);
	fetch("POST", "/", "", &response);
	assert_int_equal(response.status, 405);
	fetch("GET", "/index.html/", "", &response);
	assert_int_equal(response.status, 404);
	fetch("GET", "//app.js", "", &response);
	assert_int_equal(response.status, 404);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_node_pages), TEST(test_paths),    TEST(test_groups),
		TEST(test_overview),   TEST(test_settings), cmocka_unit_test(test_web_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
