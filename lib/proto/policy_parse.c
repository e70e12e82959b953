/* The policy file out of its JSON text. Unknown members are errors: a rule with a typing error must
 * not be a rule that is silently wider. */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/json_fields.h"
#include "proto/policy_model.h"

#define DEPTH_MAX 8

/* What is being parsed, for error messages. */
struct context {
	const char *text;
	size_t len;
	const char *key; /* of the top-level array, or NULL */
	size_t index;
	struct policy_error *error;
};

__attribute__((format(printf, 3, 4))) static int fail(const struct context *context,
						      const char *needle, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(context->error->text, sizeof(context->error->text), fmt, args);
	va_end(args);
	context->error->line =
		policy_find_line(context->text, context->len, context->key, context->index, needle);
	return -EINVAL;
}

static int check_members(const struct context *context, json_t *object, const char *const *known,
			 size_t count)
{
	const char *key;
	json_t *value;

	json_object_foreach (object, key, value) {
		size_t i = 0;

		while (i < count && strcmp(key, known[i]) != 0)
			i++;
		if (i == count)
			return fail(context, key, "unknown member \"%.40s\"", key);
	}
	return 0;
}

static int compare_members(const void *a, const void *b)
{
	return strcmp(a, b);
}

static int parse_group(struct context *context, struct policy_group *group, const char *name,
		       json_t *members)
{
	json_t *value;
	size_t i;

	if (cert_label_check(name) < 0)
		return fail(context, name, "\"%.60s\" is no group name", name);
	if (!json_is_array(members) || json_array_size(members) > POLICY_MEMBERS_MAX)
		return fail(context, name, "group %s wants a list of node names", name);
	strcpy(group->name, name);
	group->members = calloc(json_array_size(members) + 1, sizeof(group->members[0]));
	if (!group->members)
		return -ENOMEM;
	json_array_foreach (members, i, value) {
		const char *member = json_string_value(value);

		if (!member || cert_name_check(member) < 0)
			return fail(context, member ? member : name,
				    "group %s: \"%.60s\" is no node name", name,
				    member ? member : "?");
		strcpy(group->members[group->member_count++], member);
	}
	qsort(group->members, group->member_count, sizeof(group->members[0]), compare_members);
	return 0;
}

static int parse_groups(struct context *context, struct policy *policy, json_t *groups)
{
	const char *name;
	json_t *members;

	if (!groups)
		return 0;
	if (!json_is_object(groups) || json_object_size(groups) > POLICY_GROUPS_MAX)
		return fail(context, "groups", "groups wants an object of at most %d lists",
			    POLICY_GROUPS_MAX);
	policy->groups = calloc(json_object_size(groups) + 1, sizeof(*policy->groups));
	if (!policy->groups)
		return -ENOMEM;
	json_object_foreach (groups, name, members) {
		int err =
			parse_group(context, &policy->groups[policy->group_count++], name, members);

		if (err < 0)
			return err;
	}
	return 0;
}

static int parse_sources(struct context *context, struct policy_rule *rule, json_t *list)
{
	json_t *value;
	size_t i;

	if (!json_is_array(list) || json_array_size(list) > POLICY_SELECTORS_MAX)
		return fail(context, NULL, "%s wants a list of names, group:… or tag:…",
			    rule->deny ? "deny" : "allow");
	rule->sources = calloc(json_array_size(list) + 1, sizeof(*rule->sources));
	if (!rule->sources)
		return -ENOMEM;
	json_array_foreach (list, i, value) {
		const char *text = json_string_value(value);

		if (!text || selector_parse(&rule->sources[i], text, strlen(text), false) < 0)
			return fail(context, text,
				    "\"%.60s\" is no source: want *, a name, group:G or tag:T",
				    text ? text : "?");
		rule->source_count++;
	}
	return 0;
}

static int parse_destinations(struct context *context, struct policy_rule *rule, json_t *list)
{
	json_t *value;
	size_t i;

	if (!json_is_array(list) || json_array_size(list) > POLICY_SELECTORS_MAX)
		return fail(context, NULL, "a rule wants \"to\" with a list of destinations");
	rule->destinations = calloc(json_array_size(list) + 1, sizeof(*rule->destinations));
	if (!rule->destinations)
		return -ENOMEM;
	json_array_foreach (list, i, value) {
		const char *text = json_string_value(value);
		int err = text ? destination_parse(&rule->destinations[i], text) : -EINVAL;

		if (err == -ENOMEM)
			return err;
		if (err < 0)
			return fail(context, text,
				    "\"%.60s\" is no destination: want WHO:PORTS, like "
				    "tag:db:tcp/5432",
				    text ? text : "?");
		rule->destination_count++;
	}
	return 0;
}

static int parse_rule(struct context *context, struct policy_rule *rule, json_t *object)
{
	static const char *const known[] = { "allow", "deny", "to" };
	json_t *allow = json_object_get(object, "allow");
	json_t *deny = json_object_get(object, "deny");
	int err;

	if (!json_is_object(object) || !allow == !deny)
		return fail(context, NULL, "a rule wants either \"allow\" or \"deny\", and \"to\"");
	err = check_members(context, object, known, 3);
	if (err < 0)
		return err;
	rule->deny = deny;
	err = parse_sources(context, rule, deny ? deny : allow);
	return err < 0 ? err : parse_destinations(context, rule, json_object_get(object, "to"));
}

static int parse_rules(struct context *context, struct policy *policy, json_t *rules)
{
	json_t *object;
	size_t i;

	if (!rules)
		return 0;
	if (!json_is_array(rules) || json_array_size(rules) > POLICY_RULES_MAX)
		return fail(context, "rules", "rules wants a list of at most %d", POLICY_RULES_MAX);
	policy->rules = calloc(json_array_size(rules) + 1, sizeof(*policy->rules));
	if (!policy->rules)
		return -ENOMEM;
	context->key = "rules";
	json_array_foreach (rules, i, object) {
		int err;

		context->index = i;
		err = parse_rule(context, &policy->rules[policy->rule_count++], object);
		if (err < 0)
			return err;
	}
	context->key = NULL;
	return 0;
}

static int parse_proto(uint8_t *proto, const char *name)
{
	static const struct {
		const char *name;
		uint8_t proto;
	} protos[] = { { "tcp", 6 }, { "udp", 17 }, { "icmp", 1 } };

	for (size_t i = 0; i < sizeof(protos) / sizeof(protos[0]); i++) {
		if (strcmp(name, protos[i].name) == 0) {
			*proto = protos[i].proto;
			return 0;
		}
	}
	return -EINVAL;
}

static int parse_test(struct context *context, struct policy_test *test, json_t *object)
{
	static const char *const known[] = { "from", "to", "proto", "port", "expect" };
	const char *from = json_string_value(json_object_get(object, "from"));
	const char *to = json_string_value(json_object_get(object, "to"));
	const char *proto = json_string_value(json_object_get(object, "proto"));
	const char *expect = json_string_value(json_object_get(object, "expect"));
	json_t *port = json_object_get(object, "port");
	int err;

	if (!json_is_object(object))
		return fail(context, NULL, "a test is an object with from, to, port and expect");
	err = check_members(context, object, known, 5);
	if (err < 0)
		return err;
	if (!from || selector_parse(&test->from, from, strlen(from), false) < 0)
		return fail(context, from, "a test wants \"from\": a name, group:G or tag:T");
	if (!to || selector_parse(&test->to, to, strlen(to), true) < 0)
		return fail(context, to, "a test wants \"to\": a name, group:G, tag:T or address");
	if (parse_proto(&test->proto, proto ? proto : "tcp") < 0)
		return fail(context, proto, "proto is one of tcp, udp, icmp");
	if (test->proto != 1 && (!json_is_integer(port) || json_integer_value(port) < 0 ||
				 json_integer_value(port) > UINT16_MAX))
		return fail(context, NULL, "a test wants \"port\": a number up to 65535");
	if (!expect || (strcmp(expect, "allow") != 0 && strcmp(expect, "deny") != 0))
		return fail(context, NULL, "a test wants \"expect\": allow or deny");
	test->port = (uint16_t)json_integer_value(port);
	test->allow = strcmp(expect, "allow") == 0;
	test->line =
		policy_find_line(context->text, context->len, context->key, context->index, NULL);
	return 0;
}

static int parse_tests(struct context *context, struct policy *policy, json_t *tests)
{
	json_t *object;
	size_t i;

	if (!tests)
		return 0;
	if (!json_is_array(tests) || json_array_size(tests) > POLICY_TESTS_MAX)
		return fail(context, "tests", "tests wants a list of at most %d", POLICY_TESTS_MAX);
	policy->tests = calloc(json_array_size(tests) + 1, sizeof(*policy->tests));
	if (!policy->tests)
		return -ENOMEM;
	context->key = "tests";
	json_array_foreach (tests, i, object) {
		int err;

		context->index = i;
		err = parse_test(context, &policy->tests[i], object);
		if (err < 0)
			return err;
		policy->test_count++;
	}
	context->key = NULL;
	return 0;
}

static int parse_root(struct context *context, struct policy *policy, json_t *root)
{
	static const char *const known[] = { "groups", "rules", "tests" };
	int err;

	if (!json_is_object(root))
		return fail(context, NULL, "a policy is a JSON object with groups, rules, tests");
	err = check_members(context, root, known, 3);
	if (err == 0)
		err = parse_groups(context, policy, json_object_get(root, "groups"));
	if (err == 0)
		err = parse_rules(context, policy, json_object_get(root, "rules"));
	if (err == 0)
		err = parse_tests(context, policy, json_object_get(root, "tests"));
	return err;
}

static json_t *load(const char *text, size_t len, struct policy_error *error)
{
	json_error_t json_error;
	json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &json_error);

	if (!root) {
		error->line = json_error.line;
		snprintf(error->text, sizeof(error->text), "no valid JSON: %.150s",
			 json_error.text);
	}
	return root;
}

int policy_parse(struct policy **out, const char *text, size_t len, struct policy_error *error)
{
	struct context context = { .text = text, .len = len, .error = error };
	struct policy *policy;
	json_t *root;
	int err;

	*error = (struct policy_error){ .line = 0 };
	if (len > POLICY_TEXT_MAX) {
		snprintf(error->text, sizeof(error->text), "larger than %u bytes", POLICY_TEXT_MAX);
		return -EFBIG;
	}
	if (json_fields_nesting(text, len) > DEPTH_MAX) {
		snprintf(error->text, sizeof(error->text), "nested too deep");
		return -EINVAL;
	}
	root = load(text, len, error);
	if (!root)
		return -EINVAL;
	policy = calloc(1, sizeof(*policy));
	err = policy ? parse_root(&context, policy, root) : -ENOMEM;
	json_decref(root);
	if (err < 0) {
		policy_free(policy);
		return err;
	}
	*out = policy;
	return 0;
}
