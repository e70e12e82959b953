/* The policy file out of its JSON text. Unknown members are errors: a rule with a typing error must
 * not be a rule that is silently wider. */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "proto/filter_tuple.h"
#include "proto/json_fields.h"
#include "proto/policy_model.h"

#define DEPTH_MAX   8
#define NUMBERS_MAX (2 * POLICY_REFERENCES_MAX)

/* What is being parsed, for error messages. */
struct context {
	const char *text;
	size_t len;
	size_t at; /* where the element begins */
	struct policy_error *error;
};

__attribute__((format(printf, 3, 4))) static int fail(const struct context *context,
						      const char *needle, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(context->error->text, sizeof(context->error->text), fmt, args);
	va_end(args);
	context->error->line = policy_text_find(context->text, context->len, context->at, needle);
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

/* --- groups and hosts --- */

static bool is_member(const char *text)
{
	return text && (strncmp(text, "user:", 5) == 0 ? cert_owner_check(text + 5) == 0
						       : cert_name_check(text) == 0);
}

static int parse_group(const struct context *context, struct policy_group *group, const char *name,
		       json_t *members)
{
	json_t *value;
	size_t i;

	if (cert_label_check(name) < 0)
		return fail(context, name, "\"%.60s\" is no group name", name);
	if (!json_is_array(members) || json_array_size(members) > POLICY_MEMBERS_MAX)
		return fail(context, name, "group %s wants a list of at most %d node names", name,
			    POLICY_MEMBERS_MAX);
	strcpy(group->name, name);
	group->members = calloc(json_array_size(members) + 1, sizeof(char *));
	if (!group->members)
		return -ENOMEM;
	json_array_foreach (members, i, value) {
		const char *member = json_string_value(value);

		if (!is_member(member))
			return fail(context, member ? member : name,
				    "group %s: \"%.60s\" is no node name and no user:NAME", name,
				    member ? member : "?");
		group->members[group->member_count] = strdup(member);
		if (!group->members[group->member_count++])
			return -ENOMEM;
	}
	return 0;
}

static int parse_groups(const struct context *context, struct policy *policy, json_t *groups)
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

static int parse_host(const struct context *context, struct policy_host *host, const char *name,
		      json_t *value)
{
	size_t count = json_is_array(value) ? json_array_size(value) : 1;

	if (strcmp(name, "internet") == 0)
		return fail(context, name,
			    "internet is what is behind exits and no host: give "
			    "the host another name");
	if (cert_name_check(name) < 0)
		return fail(
			context, name,
			"\"%.60s\" is no host name: want lower-case letters, digits and hyphens",
			name);
	if (count == 0 || count > POLICY_HOST_PREFIXES_MAX)
		return fail(context, name, "host %s wants 1 to %d addresses or prefixes", name,
			    POLICY_HOST_PREFIXES_MAX);
	strcpy(host->name, name);
	for (size_t i = 0; i < count; i++) {
		const char *text =
			json_string_value(json_is_array(value) ? json_array_get(value, i) : value);

		if (!text || prefix_parse(&host->prefixes[i], text) < 0)
			return fail(context, text ? text : name,
				    "host %s: \"%.60s\" is no address and no prefix without host "
				    "bits",
				    name, text ? text : "?");
		host->count++;
	}
	return 0;
}

static int compare_hosts(const void *a, const void *b)
{
	const struct policy_host *x = a;
	const struct policy_host *y = b;

	return strcmp(x->name, y->name);
}

static int parse_hosts(const struct context *context, struct policy *policy, json_t *hosts)
{
	const char *name;
	json_t *value;

	if (!hosts)
		return 0;
	if (!json_is_object(hosts) || json_object_size(hosts) > POLICY_HOSTS_MAX)
		return fail(context, "hosts", "hosts wants an object of at most %d addresses",
			    POLICY_HOSTS_MAX);
	policy->hosts = calloc(json_object_size(hosts) + 1, sizeof(*policy->hosts));
	if (!policy->hosts)
		return -ENOMEM;
	json_object_foreach (hosts, name, value) {
		int err = parse_host(context, &policy->hosts[policy->host_count++], name, value);

		if (err < 0)
			return err;
	}
	qsort(policy->hosts, policy->host_count, sizeof(*policy->hosts), compare_hosts);
	return 0;
}

/* --- rules --- */

static int too_many(const struct context *context)
{
	return fail(context, NULL, "the rules name more than %u sources or destinations",
		    POLICY_REFERENCES_MAX);
}

/* The internet starts nothing. */
static int take_source(struct policy *policy, const char *text,
		       uint32_t numbers[static POLICY_HOST_PREFIXES_MAX], size_t *count)
{
	int err =
		text ? policy_selector_parse(policy, text, strlen(text), numbers, count) : -EINVAL;

	return err == 0 && policy->selectors[numbers[0]].kind == SELECT_INTERNET ? -EINVAL : err;
}

static int parse_sources(const struct context *context, struct policy *policy,
			 struct policy_rule *rule, json_t *list)
{
	json_t *value;
	size_t i;

	if (!json_is_array(list) || json_array_size(list) > POLICY_SELECTORS_MAX)
		return fail(context, NULL, "%s wants a list of at most %d names, group:… or tag:…",
			    rule->deny ? "deny" : "allow", POLICY_SELECTORS_MAX);
	rule->source = (uint32_t)policy->source_count;
	json_array_foreach (list, i, value) {
		const char *text = json_string_value(value);
		uint32_t numbers[POLICY_HOST_PREFIXES_MAX];
		size_t count = 0;
		int err = take_source(policy, text, numbers, &count);

		if (err == -EINVAL)
			return fail(context, text,
				    "\"%.60s\" is no source: want *, a name, group:G, tag:T, "
				    "user:U, a host or an address",
				    text ? text : "?");
		if (err < 0)
			return err;
		if (policy->source_count + count > POLICY_REFERENCES_MAX)
			return too_many(context);
		memcpy(&policy->sources[policy->source_count], numbers, count * sizeof(numbers[0]));
		policy->source_count += count;
	}
	rule->source_count = (uint32_t)policy->source_count - rule->source;
	return 0;
}

static int parse_destination(const struct context *context, struct policy *policy, uint32_t rule,
			     const char *text)
{
	const char *colon = strrchr(text, ':');
	uint32_t numbers[POLICY_HOST_PREFIXES_MAX];
	size_t count = 0;
	uint32_t ports;
	int err = -EINVAL;

	if (colon)
		err = policy_selector_parse(policy, text, (size_t)(colon - text), numbers, &count);
	if (err == 0)
		err = policy_ports_parse(policy, colon + 1, &ports);
	if (err < 0)
		return err;
	if (policy->destination_count + count > POLICY_REFERENCES_MAX)
		return too_many(context);
	for (size_t i = 0; i < count; i++)
		policy->destinations[policy->destination_count++] =
			(struct destination){ rule, numbers[i], ports };
	return 0;
}

static int parse_destinations(const struct context *context, struct policy *policy,
			      struct policy_rule *rule, json_t *list)
{
	json_t *value;
	size_t i;

	if (!json_is_array(list) || json_array_size(list) > POLICY_SELECTORS_MAX)
		return fail(context, NULL,
			    "a rule wants \"to\" with a list of at most %d destinations",
			    POLICY_SELECTORS_MAX);
	rule->destination = (uint32_t)policy->destination_count;
	json_array_foreach (list, i, value) {
		const char *text = json_string_value(value);
		int err = -EINVAL;

		context->error->text[0] = '\0';
		if (text)
			err = parse_destination(context, policy, (uint32_t)(rule - policy->rules),
						text);
		if (err == -EINVAL && !context->error->text[0])
			return fail(context, text,
				    "\"%.60s\" is no destination: want WHO:PORTS, like "
				    "tag:db:tcp/5432",
				    text ? text : "?");
		if (err < 0)
			return err;
	}
	rule->destination_count = (uint32_t)policy->destination_count - rule->destination;
	return 0;
}

static int parse_rule(const struct context *context, struct policy *policy,
		      struct policy_rule *rule, json_t *object)
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
	err = parse_sources(context, policy, rule, deny ? deny : allow);
	return err < 0 ? err
		       : parse_destinations(context, policy, rule, json_object_get(object, "to"));
}

/* Room for all that a list of rules can name. */
static int make_room(struct policy *policy, json_t *rules)
{
	size_t each = policy->host_count ? POLICY_HOST_PREFIXES_MAX : 1;
	size_t sources = 1;
	size_t destinations = 1;
	json_t *rule;
	size_t i;

	json_array_foreach (rules, i, rule) {
		sources += each * (json_array_size(json_object_get(rule, "allow")) +
				   json_array_size(json_object_get(rule, "deny")));
		destinations += each * json_array_size(json_object_get(rule, "to"));
	}
	if (sources > POLICY_REFERENCES_MAX)
		sources = POLICY_REFERENCES_MAX;
	if (destinations > POLICY_REFERENCES_MAX)
		destinations = POLICY_REFERENCES_MAX;
	policy->rules = calloc(json_array_size(rules) + 1, sizeof(*policy->rules));
	policy->sources = malloc(sources * sizeof(*policy->sources));
	policy->destinations = malloc(destinations * sizeof(*policy->destinations));
	return policy->rules && policy->sources && policy->destinations ? 0 : -ENOMEM;
}

/* Where the elements stand; as many as there are, also when they cannot be found. */
static struct policy_span *find_elements(const struct context *context, const char *key,
					 size_t count)
{
	struct policy_span *spans = calloc(count + 1, sizeof(*spans));

	if (spans)
		policy_text_elements(context->text, context->len, key, spans, count);
	return spans;
}

static int parse_rules(struct context *context, struct policy *policy, json_t *rules)
{
	struct policy_span *spans;
	json_t *object;
	int err = 0;
	size_t i;

	if (rules && (!json_is_array(rules) || json_array_size(rules) > POLICY_RULES_MAX))
		return fail(context, "rules", "rules wants a list of at most %d", POLICY_RULES_MAX);
	spans = find_elements(context, "rules", json_array_size(rules));
	if (!spans)
		return -ENOMEM;
	json_array_foreach (rules, i, object) {
		struct policy_rule *rule = &policy->rules[policy->rule_count++];

		context->at = rule->at = spans[i].at;
		rule->len = spans[i].len;
		rule->line = spans[i].line;
		err = parse_rule(context, policy, rule, object);
		if (err < 0)
			break;
	}
	context->at = 0;
	free(spans);
	return err;
}

/* --- tests --- */

static int parse_test_protocol(const struct context *context, struct policy_test *test,
			       json_t *object)
{
	json_t *value = json_object_get(object, "proto");
	const char *proto = json_string_value(value);
	json_t *port = json_object_get(object, "port");

	if (json_is_integer(value) && json_integer_value(value) > 0 &&
	    json_integer_value(value) <= UINT8_MAX)
		test->proto = (uint8_t)json_integer_value(value);
	else if ((value && !proto) || policy_protocol(&test->proto, proto ? proto : "tcp") < 0)
		return fail(context, proto,
			    "proto is one of tcp, udp, icmp, sctp, gre, esp, ... or a number from "
			    "1 to 255");
	if (!filter_proto_has_ports(test->proto) && !port)
		return 0;
	if (!json_is_integer(port) || json_integer_value(port) < 0 ||
	    json_integer_value(port) > UINT16_MAX)
		return fail(context, NULL, "a test wants \"port\": a number up to 65535");
	test->port = (uint16_t)json_integer_value(port);
	return 0;
}

static int parse_test(const struct context *context, struct policy *policy,
		      struct policy_test *test, json_t *object)
{
	static const char *const known[] = { "from", "to", "proto", "port", "expect" };
	const char *from = json_string_value(json_object_get(object, "from"));
	const char *to = json_string_value(json_object_get(object, "to"));
	const char *expect = json_string_value(json_object_get(object, "expect"));
	int err;

	if (!json_is_object(object))
		return fail(context, NULL, "a test is an object with from, to, port and expect");
	err = check_members(context, object, known, 5);
	if (err < 0)
		return err;
	err = take_source(policy, from, test->from, &test->from_count);
	if (err == -EINVAL)
		return fail(context, from,
			    "a test wants \"from\": a name, group:G, tag:T, user:U or address");
	if (err == 0)
		err = to ? policy_selector_parse(policy, to, strlen(to), test->to, &test->to_count)
			 : -EINVAL;
	if (err == -EINVAL)
		return fail(context, to,
			    "a test wants \"to\": a name, group:G, tag:T, user:U, host or address");
	if (err == 0)
		err = parse_test_protocol(context, test, object);
	if (err < 0)
		return err;
	if (!expect || (strcmp(expect, "allow") != 0 && strcmp(expect, "deny") != 0))
		return fail(context, NULL, "a test wants \"expect\": allow or deny");
	test->allow = strcmp(expect, "allow") == 0;
	return 0;
}

static int parse_tests(struct context *context, struct policy *policy, json_t *tests)
{
	struct policy_span *spans;
	json_t *object;
	int err = 0;
	size_t i;

	if (!tests)
		return 0;
	if (!json_is_array(tests) || json_array_size(tests) > POLICY_TESTS_MAX)
		return fail(context, "tests", "tests wants a list of at most %d", POLICY_TESTS_MAX);
	policy->tests = calloc(json_array_size(tests) + 1, sizeof(*policy->tests));
	spans = find_elements(context, "tests", json_array_size(tests));
	if (!policy->tests || !spans)
		err = -ENOMEM;
	json_array_foreach (tests, i, object) {
		struct policy_test *test = &policy->tests[i];

		if (err < 0)
			break;
		context->at = spans[i].at;
		test->line = spans[i].line;
		err = parse_test(context, policy, test, object);
		policy->test_count++;
	}
	context->at = 0;
	free(spans);
	return err;
}

/* --- approvals --- */

/* Nodes by what they are; not by addresses, since what has those is what is to be approved. */
static int parse_approved_node(const struct context *context, struct policy *policy,
			       struct policy_approval *approval, const char *text)
{
	uint32_t numbers[POLICY_HOST_PREFIXES_MAX];
	size_t count = 0;
	int err =
		text ? policy_selector_parse(policy, text, strlen(text), numbers, &count) : -EINVAL;
	enum selector_kind kind = err == 0 ? policy->selectors[numbers[0]].kind : SELECT_PREFIX;

	if (err < 0 && err != -EINVAL)
		return err;
	if (kind == SELECT_PREFIX || kind == SELECT_INTERNET)
		return fail(context, text,
			    "\"%.60s\" cannot be approved: want a name, group:G, tag:T or user:U",
			    text ? text : "?");
	approval->nodes[approval->node_count++] = numbers[0];
	return 0;
}

static int parse_approved_route(const struct context *context, struct policy_approval *approval,
				const char *text)
{
	struct prefix *prefix = &approval->routes[approval->route_count];

	if (!text || prefix_parse(prefix, text) < 0)
		return fail(context, text, "\"%.60s\" is no prefix without host bits",
			    text ? text : "?");
	if (prefix->len == 0)
		return fail(context, text,
			    "%.60s is no route: to approve an exit say \"exit\":true", text);
	approval->route_count++;
	return 0;
}

static bool is_list(json_t *value, size_t max)
{
	return json_is_array(value) && json_array_size(value) > 0 && json_array_size(value) <= max;
}

static int check_approval(const struct context *context, json_t *object)
{
	static const char *const known[] = { "nodes", "routes", "exit" };
	json_t *routes = json_object_get(object, "routes");
	json_t *exit = json_object_get(object, "exit");

	if (!json_is_object(object) ||
	    !is_list(json_object_get(object, "nodes"), POLICY_APPROVAL_ROUTES_MAX) ||
	    (routes && !is_list(routes, POLICY_APPROVAL_ROUTES_MAX)) ||
	    (exit && !json_is_boolean(exit)) || (!routes && !exit))
		return fail(context, NULL,
			    "an approval wants \"nodes\", and \"routes\" (lists of at most %d) or "
			    "\"exit\":true",
			    POLICY_APPROVAL_ROUTES_MAX);
	return check_members(context, object, known, 3);
}

static int parse_approval(const struct context *context, struct policy *policy,
			  struct policy_approval *approval, json_t *object)
{
	json_t *nodes = json_object_get(object, "nodes");
	json_t *routes = json_object_get(object, "routes");
	int err = check_approval(context, object);
	json_t *value;
	size_t i;

	if (err < 0)
		return err;
	approval->nodes = calloc(json_array_size(nodes) + 1, sizeof(*approval->nodes));
	approval->routes = calloc(json_array_size(routes) + 1, sizeof(*approval->routes));
	if (!approval->nodes || !approval->routes)
		return -ENOMEM;
	approval->exit = json_is_true(json_object_get(object, "exit"));
	json_array_foreach (nodes, i, value)
		if (err == 0)
			err = parse_approved_node(context, policy, approval,
						  json_string_value(value));
	json_array_foreach (routes, i, value)
		if (err == 0)
			err = parse_approved_route(context, approval, json_string_value(value));
	return err;
}

static int parse_approvals(struct context *context, struct policy *policy, json_t *approvals)
{
	struct policy_span *spans;
	json_t *object;
	int err = 0;
	size_t i;

	if (!approvals)
		return 0;
	if (!json_is_array(approvals) || json_array_size(approvals) > POLICY_APPROVALS_MAX)
		return fail(context, "approve", "approve wants a list of at most %d",
			    POLICY_APPROVALS_MAX);
	policy->approvals = calloc(json_array_size(approvals) + 1, sizeof(*policy->approvals));
	spans = find_elements(context, "approve", json_array_size(approvals));
	if (!policy->approvals || !spans)
		err = -ENOMEM;
	json_array_foreach (approvals, i, object) {
		if (err < 0)
			break;
		context->at = spans[i].at;
		err = parse_approval(context, policy, &policy->approvals[policy->approval_count++],
				     object);
	}
	context->at = 0;
	free(spans);
	return err;
}

/* --- the whole --- */

static int parse_root(struct context *context, struct policy *policy, json_t *root)
{
	static const char *const known[] = { "groups", "hosts", "rules", "approve", "tests" };
	int err;

	if (!json_is_object(root))
		return fail(context, NULL,
			    "a policy is a JSON object with groups, hosts, rules, approve, tests");
	err = check_members(context, root, known, 5);
	if (err == 0)
		err = parse_groups(context, policy, json_object_get(root, "groups"));
	if (err == 0)
		err = parse_hosts(context, policy, json_object_get(root, "hosts"));
	if (err == 0)
		err = make_room(policy, json_object_get(root, "rules"));
	if (err == 0)
		err = parse_rules(context, policy, json_object_get(root, "rules"));
	if (err == 0)
		err = parse_approvals(context, policy, json_object_get(root, "approve"));
	if (err == 0)
		err = parse_tests(context, policy, json_object_get(root, "tests"));
	return err < 0 ? err : policy_finish(policy);
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

/* policy->text is there. */
static int parse_text(struct policy *policy, struct policy_error *error)
{
	struct context context = { policy->text, policy->text_len, 0, error };
	json_t *root;
	int err;

	if (json_fields_nesting(policy->text, policy->text_len) > DEPTH_MAX) {
		snprintf(error->text, sizeof(error->text), "nested too deep");
		return -EINVAL;
	}
	root = load(policy->text, policy->text_len, error);
	if (!root)
		return -EINVAL;
	err = parse_root(&context, policy, root);
	json_decref(root);
	return err;
}

int policy_parse(struct policy **out, const char *text, size_t len, struct policy_error *error)
{
	struct policy *policy;
	int err = -ENOMEM;

	*error = (struct policy_error){ .line = 0 };
	if (len > POLICY_TEXT_MAX) {
		snprintf(error->text, sizeof(error->text), "larger than %u bytes", POLICY_TEXT_MAX);
		return -EFBIG;
	}
	policy = calloc(1, sizeof(*policy));
	if (!policy)
		return -ENOMEM;
	policy->text = policy_text_clean(text, len);
	policy->text_len = len;
	policy->numbers = map_new(64, NUMBERS_MAX);
	if (policy->text && policy->numbers)
		err = parse_text(policy, error);
	if (err < 0) {
		policy_free(policy);
		return err;
	}
	*out = policy;
	return 0;
}
