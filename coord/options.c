#include "coord/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/config.h"
#include "base/file.h"
#include "coord/oidc_options.h"
#include "coord/options_usage.h"
#include "coord/policy_options.h"

#define DEFAULT_PORT        443
#define DEFAULT_RELAY_PORT  3478
#define DEFAULT_EXPIRES_S   (24 * 3600)
#define DEFAULT_API_TOKEN_S (90 * 86400)

enum option_id {
	OPTION_DATA = 256,
	OPTION_PUBLIC,
	OPTION_NAME,
	OPTION_POOL4,
	OPTION_POOL6,
	OPTION_LISTEN,
	OPTION_RELAY_LISTEN,
	OPTION_RELAY_ALT,
	OPTION_RELAY_NAME,
	OPTION_NO_RELAY,
	OPTION_REUSABLE,
	OPTION_EPHEMERAL,
	OPTION_EXPIRES,
	OPTION_GROUP,
	OPTION_USES,
	OPTION_NEEDS_APPROVAL,
	OPTION_SIGN_IN,
	OPTION_APPROVED,
	OPTION_FOR,
	OPTION_ROUTES,
	OPTION_EXIT,
	OPTION_TAG,
	OPTION_JSON,
	OPTION_TLS_PORT,
	OPTION_SECRET_FILE,
	OPTION_DATABASE,
	OPTION_DATABASE_FILE,
	OPTION_TURN,
	OPTION_CONFIG,
	OPTION_TLS_CERT,
	OPTION_TLS_KEY,
	OPTION_NO_TLS,
	OPTION_HTTP_LISTEN,
	OPTION_ACME_DIR,
	OPTION_TRUSTED_PROXY,
	OPTION_LOG_FORMAT,
	OPTION_LIMIT,
	OPTION_ROLE,
	OPTION_SINCE,
	OPTION_KEY,
	OPTION_SIGNER,
	OPTION_THRESHOLD,
	OPTION_CERT_LIFE,
	OPTION_YES,
	OPTION_HOST,
	OPTION_VERBOSE,
	OPTION_HELP,
	OPTION_VERSION,
};

static const struct option long_options[] = {
	{ "data", required_argument, NULL, OPTION_DATA },
	{ "public", required_argument, NULL, OPTION_PUBLIC },
	{ "name", required_argument, NULL, OPTION_NAME },
	{ "pool4", required_argument, NULL, OPTION_POOL4 },
	{ "pool6", required_argument, NULL, OPTION_POOL6 },
	{ "listen", required_argument, NULL, OPTION_LISTEN },
	{ "relay-listen", required_argument, NULL, OPTION_RELAY_LISTEN },
	{ "relay-alt", required_argument, NULL, OPTION_RELAY_ALT },
	{ "relay-name", required_argument, NULL, OPTION_RELAY_NAME },
	{ "no-relay", no_argument, NULL, OPTION_NO_RELAY },
	{ "reusable", no_argument, NULL, OPTION_REUSABLE },
	{ "ephemeral", no_argument, NULL, OPTION_EPHEMERAL },
	{ "expires", required_argument, NULL, OPTION_EXPIRES },
	{ "group", required_argument, NULL, OPTION_GROUP },
	{ "uses", required_argument, NULL, OPTION_USES },
	{ "needs-approval", no_argument, NULL, OPTION_NEEDS_APPROVAL },
	{ "approved", no_argument, NULL, OPTION_APPROVED },
	{ "sign-in", no_argument, NULL, OPTION_SIGN_IN },
	{ "for", required_argument, NULL, OPTION_FOR },
	{ "routes", required_argument, NULL, OPTION_ROUTES },
	{ "exit", no_argument, NULL, OPTION_EXIT },
	{ "tag", required_argument, NULL, OPTION_TAG },
	{ "json", no_argument, NULL, OPTION_JSON },
	{ "tls-port", required_argument, NULL, OPTION_TLS_PORT },
	{ "secret-file", required_argument, NULL, OPTION_SECRET_FILE },
	{ "database", required_argument, NULL, OPTION_DATABASE },
	{ "database-file", required_argument, NULL, OPTION_DATABASE_FILE },
	{ "turn", no_argument, NULL, OPTION_TURN },
	{ "config", required_argument, NULL, OPTION_CONFIG },
	{ "tls-cert", required_argument, NULL, OPTION_TLS_CERT },
	{ "tls-key", required_argument, NULL, OPTION_TLS_KEY },
	{ "no-tls", no_argument, NULL, OPTION_NO_TLS },
	{ "http-listen", required_argument, NULL, OPTION_HTTP_LISTEN },
	{ "acme-dir", required_argument, NULL, OPTION_ACME_DIR },
	{ "trusted-proxy", required_argument, NULL, OPTION_TRUSTED_PROXY },
	{ "log-format", required_argument, NULL, OPTION_LOG_FORMAT },
	{ "limit", required_argument, NULL, OPTION_LIMIT },
	{ "role", required_argument, NULL, OPTION_ROLE },
	{ "since", required_argument, NULL, OPTION_SINCE },
	{ "key", required_argument, NULL, OPTION_KEY },
	{ "signer", required_argument, NULL, OPTION_SIGNER },
	{ "threshold", required_argument, NULL, OPTION_THRESHOLD },
	{ "cert-life", required_argument, NULL, OPTION_CERT_LIFE },
	{ "yes", no_argument, NULL, OPTION_YES },
	{ "host", required_argument, NULL, OPTION_HOST },
	{ "verbose", no_argument, NULL, OPTION_VERBOSE },
	{ "help", no_argument, NULL, OPTION_HELP },
	{ "version", no_argument, NULL, OPTION_VERSION },
	{ NULL, 0, NULL, 0 },
};

#define ANY_NUMBER   (-1) /* of arguments, but one at least */
#define MASK(option) (1ull << ((option)-OPTION_DATA))

/* A command, the arguments after its words, and the options it knows besides the common ones. */
static const struct {
	const char *noun;
	const char *verb; /* NULL: the noun is all */
	enum command command;
	int arguments;
	uint64_t options;
} commands[] = {
	{ "init", NULL, COMMAND_INIT, 0,
	  MASK(OPTION_PUBLIC) | MASK(OPTION_NAME) | MASK(OPTION_POOL4) | MASK(OPTION_POOL6) |
		  MASK(OPTION_DATABASE) | MASK(OPTION_DATABASE_FILE) },
	{ "serve", NULL, COMMAND_SERVE, 0,
	  MASK(OPTION_LISTEN) | MASK(OPTION_RELAY_LISTEN) | MASK(OPTION_RELAY_ALT) |
		  MASK(OPTION_RELAY_NAME) | MASK(OPTION_NO_RELAY) | MASK(OPTION_TLS_CERT) |
		  MASK(OPTION_TLS_KEY) | MASK(OPTION_NO_TLS) | MASK(OPTION_HTTP_LISTEN) |
		  MASK(OPTION_ACME_DIR) | MASK(OPTION_TRUSTED_PROXY) | MASK(OPTION_LOG_FORMAT) |
		  MASK(OPTION_HOST) | MASK(OPTION_LIMIT) | MASK(OPTION_DATABASE) |
		  MASK(OPTION_DATABASE_FILE) | MASK(OPTION_PUBLIC) },
	{ "key", "create", COMMAND_KEY_CREATE, 0,
	  MASK(OPTION_REUSABLE) | MASK(OPTION_EPHEMERAL) | MASK(OPTION_EXPIRES) |
		  MASK(OPTION_GROUP) | MASK(OPTION_TAG) | MASK(OPTION_NAME) | MASK(OPTION_USES) |
		  MASK(OPTION_NEEDS_APPROVAL) | MASK(OPTION_APPROVED) | MASK(OPTION_SIGN_IN) |
		  MASK(OPTION_FOR) | MASK(OPTION_ROUTES) | MASK(OPTION_EXIT) },
	{ "key", "list", COMMAND_KEY_LIST, 0, MASK(OPTION_JSON) },
	{ "key", "revoke", COMMAND_KEY_REVOKE, 1, 0 },
	{ "node", "list", COMMAND_NODE_LIST, 0, MASK(OPTION_JSON) },
	{ "node", "approve", COMMAND_NODE_APPROVE, ANY_NUMBER, 0 },
	{ "node", "reject", COMMAND_NODE_REJECT, ANY_NUMBER, 0 },
	{ "node", "revoke", COMMAND_NODE_REVOKE, ANY_NUMBER, 0 },
	{ "node", "delete", COMMAND_NODE_DELETE, ANY_NUMBER, 0 },
	{ "node", "rename", COMMAND_NODE_RENAME, 2, 0 },
	{ "route", "list", COMMAND_ROUTE_LIST, 0, MASK(OPTION_JSON) },
	{ "route", "approve", COMMAND_ROUTE_APPROVE, ANY_NUMBER, 0 },
	{ "route", "revoke", COMMAND_ROUTE_REVOKE, ANY_NUMBER, 0 },
	{ "policy", "get", COMMAND_POLICY_GET, 0, 0 },
	{ "policy", "set", COMMAND_POLICY_SET, 1, 0 },
	{ "policy", "check", COMMAND_POLICY_CHECK, 1, MASK(OPTION_JSON) },
	{ "dns", "list", COMMAND_DNS_LIST, 0, MASK(OPTION_JSON) },
	{ "dns", "add", COMMAND_DNS_ADD, ANY_NUMBER, 0 },
	{ "dns", "remove", COMMAND_DNS_REMOVE, ANY_NUMBER, 0 },
	{ "dns", "split", COMMAND_DNS_SPLIT, ANY_NUMBER, 0 },
	{ "relay", "list", COMMAND_RELAY_LIST, 0, MASK(OPTION_JSON) },
	{ "relay", "add", COMMAND_RELAY_ADD, 2,
	  MASK(OPTION_TLS_PORT) | MASK(OPTION_SECRET_FILE) | MASK(OPTION_TURN) },
	{ "relay", "remove", COMMAND_RELAY_REMOVE, 1, 0 },
	{ "health", NULL, COMMAND_HEALTH, 0, MASK(OPTION_JSON) },
	{ "limits", NULL, COMMAND_LIMITS, 0, MASK(OPTION_JSON) },
	{ "overview", NULL, COMMAND_OVERVIEW, 0, MASK(OPTION_JSON) },
	{ "path", "list", COMMAND_PATH_LIST, 0, MASK(OPTION_JSON) },
	{ "node", "paths", COMMAND_NODE_PATHS, 1, MASK(OPTION_JSON) },
	{ "settings", "list", COMMAND_SETTING_LIST, 0, MASK(OPTION_JSON) },
	{ "settings", "set", COMMAND_SETTING_SET, 2, 0 },
	{ "authority", "show", COMMAND_AUTHORITY_SHOW, 0, MASK(OPTION_JSON) },
	{ "authority", "export", COMMAND_AUTHORITY_EXPORT, 1,
	  MASK(OPTION_SIGNER) | MASK(OPTION_THRESHOLD) | MASK(OPTION_CERT_LIFE) },
	{ "authority", "requests", COMMAND_AUTHORITY_REQUESTS, 0, 0 },
	{ "authority", "keygen", COMMAND_AUTHORITY_KEYGEN, 1, 0 },
	{ "authority", "sign", COMMAND_AUTHORITY_SIGN, 0, MASK(OPTION_KEY) | MASK(OPTION_YES) },
	{ "authority", "submit", COMMAND_AUTHORITY_SUBMIT, 0, 0 },
	{ "authority", "trust", COMMAND_AUTHORITY_TRUST, 0,
	  MASK(OPTION_KEY) | MASK(OPTION_SIGNER) | MASK(OPTION_THRESHOLD) | MASK(OPTION_YES) },
	{ "backup", NULL, COMMAND_BACKUP, 1, 0 },
	{ "api-token", "create", COMMAND_API_TOKEN_CREATE, 0,
	  MASK(OPTION_NAME) | MASK(OPTION_ROLE) | MASK(OPTION_EXPIRES) },
	{ "api-token", "list", COMMAND_API_TOKEN_LIST, 0, MASK(OPTION_JSON) },
	{ "api-token", "revoke", COMMAND_API_TOKEN_REVOKE, 1, 0 },
	{ "audit", "list", COMMAND_AUDIT_LIST, 0, MASK(OPTION_SINCE) | MASK(OPTION_JSON) },
	{ "oidc", "set", COMMAND_OIDC_SET, 0, 0 },
	{ "oidc", "show", COMMAND_OIDC_SHOW, 0, MASK(OPTION_JSON) },
	{ "oidc", "remove", COMMAND_OIDC_REMOVE, 0, 0 },
	{ "user", "list", COMMAND_USER_LIST, 0, MASK(OPTION_JSON) },
	{ "user", "revoke", COMMAND_USER_REVOKE, ANY_NUMBER, 0 },
	{ "user", "forget", COMMAND_USER_FORGET, ANY_NUMBER, 0 },
	{ "restore", NULL, COMMAND_RESTORE, 1, MASK(OPTION_DATABASE) | MASK(OPTION_DATABASE_FILE) },
};

#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))
#define COMMON                                                                                \
	(MASK(OPTION_DATA) | MASK(OPTION_CONFIG) | MASK(OPTION_VERBOSE) | MASK(OPTION_HELP) | \
	 MASK(OPTION_VERSION))

__attribute__((format(printf, 1, 2))) static int complain(const char *fmt, ...)
{
	va_list args;

	fputs("warren-coord: ", stderr);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputs("; see warren-coord --help\n", stderr);
	return -EINVAL;
}

static int add_host(struct options *options, const char *name)
{
	size_t len = strlen(options->hosts);
	int added;

	if (!name[0] || strpbrk(name, " /:"))
		return -EINVAL;
	added = snprintf(options->hosts + len, sizeof(options->hosts) - len, "%s%s", len ? " " : "",
			 name);
	return (size_t)added < sizeof(options->hosts) - len ? 0 : -EINVAL;
}

static int parse_port(uint16_t *port, const char *text)
{
	unsigned long value;

	if (config_number(&value, text, 1, UINT16_MAX) < 0)
		return -EINVAL;
	*port = (uint16_t)value;
	return 0;
}

static int parse_number(uint64_t *number, const char *text)
{
	unsigned long value;

	if (config_number(&value, text, 1, UINT32_MAX) < 0)
		return -EINVAL;
	*number = value;
	return 0;
}

static int parse_endpoint(struct endpoint *endpoint, const char *text)
{
	return endpoint_parse(endpoint, text) < 0 ? -EINVAL : 0;
}

static int parse_pool(struct prefix *pool, const char *text, int family)
{
	int err = prefix_parse(pool, text);

	return err < 0 || pool->addr.family != family ? -EINVAL : 0;
}

/* "tag:db" is the same as "db". */
static int parse_label(struct labels *labels, const char *text, const char *prefix)
{
	size_t len = strlen(prefix);

	return labels_add(labels, strncmp(text, prefix, len) == 0 ? text + len : text);
}

static int parse_public(struct options *options, const char *text)
{
	if (options->public_count == TOKEN_ADDRESSES_MAX)
		return -EINVAL;
	return token_address_parse(&options->public[options->public_count++], text, DEFAULT_PORT);
}

/* One or several, separated by commas. */
static int parse_proxies(struct options *options, const char *text)
{
	while (*text) {
		size_t len = strcspn(text, ",");
		char one[64];

		if (options->trusted_proxy_count == OPTIONS_PROXIES_MAX || len >= sizeof(one))
			return -EINVAL;
		memcpy(one, text, len);
		one[len] = '\0';
		if (prefix_parse(&options->trusted_proxies[options->trusted_proxy_count], one) < 0)
			return -EINVAL;
		options->trusted_proxy_count++;
		text += len + (text[len] == ',');
	}
	return 0;
}

/* One or several, separated by commas; exits are another option. */
static int parse_routes(struct route_list *list, const char *text)
{
	char one[PREFIX_TEXT_SIZE];
	struct prefix prefix;

	do {
		size_t len = strcspn(text, ",");

		if (len >= sizeof(one))
			return -EINVAL;
		memcpy(one, text, len);
		one[len] = '\0';
		if (prefix_parse(&prefix, one) < 0 || route_problem(&prefix) ||
		    route_is_exit(&prefix) || list->count == NODE_ROUTES_ADVANCE_MAX - 2 ||
		    route_list_add(list, &prefix) < 0)
			return -EINVAL;
		text += len;
	} while (*text++ == ',');
	return 0;
}

/* NAME=VALUE */
static int parse_limit(struct options *options, const char *text)
{
	const char *equals = strchr(text, '=');
	char name[32];

	if (!equals || (size_t)(equals - text) >= sizeof(name))
		return -EINVAL;
	memcpy(name, text, (size_t)(equals - text));
	name[equals - text] = '\0';
	return limits_set(&options->limits, name, equals + 1);
}

/* What keys and tokens are made with, and who looks at what. 1: none of these. */
static int take_key_option(struct options *options, int option, const char *value)
{
	switch (option) {
	case OPTION_HOST:
		return add_host(options, value);
	case OPTION_ROLE:
		options->role = value;
		return strcmp(value, "admin") == 0 || strcmp(value, "viewer") == 0 ? 0 : -EINVAL;
	case OPTION_SINCE:
		return coord_options_since(&options->since_s, value);
	case OPTION_REUSABLE:
		options->reusable = true;
		return 0;
	case OPTION_EPHEMERAL:
		options->ephemeral = true;
		return 0;
	case OPTION_USES:
		return parse_number(&options->uses_max, value);
	case OPTION_NEEDS_APPROVAL:
		options->needs_approval = true;
		return 0;
	case OPTION_APPROVED:
		options->approved = true;
		return 0;
	case OPTION_FOR:
		options->for_node = value;
		return cert_name_check(value);
	case OPTION_ROUTES:
		return parse_routes(&options->routes, value);
	case OPTION_EXIT:
		options->exit = true;
		return 0;
	case OPTION_GROUP:
		return parse_label(&options->groups, value, "group:");
	case OPTION_TAG:
		return parse_label(&options->tags, value, "tag:");
	case OPTION_EXPIRES:
		return coord_options_duration(&options->expires_s, value);
	case OPTION_SIGN_IN:
		options->sign_in = true;
		return 0;
	default:
		return 1;
	}
}

/* Texts of the command line live on; those of the file are copied. */
static int take_option(struct options *options, int option, const char *value)
{
	int taken = take_key_option(options, option, value);

	if (taken <= 0)
		return taken;
	switch (option) {
	case OPTION_CONFIG:
		return 0; /* was read before */
	case OPTION_TLS_CERT:
		options->tls_cert = value;
		return 0;
	case OPTION_TLS_KEY:
		options->tls_key = value;
		return 0;
	case OPTION_NO_TLS:
		options->no_tls = true;
		return 0;
	case OPTION_HTTP_LISTEN:
		return parse_endpoint(&options->http_listen, value);
	case OPTION_ACME_DIR:
		options->acme_dir = value;
		return 0;
	case OPTION_TRUSTED_PROXY:
		return parse_proxies(options, value);
	case OPTION_LOG_FORMAT:
		options->log_json = strcmp(value, "json") == 0;
		return options->log_json || strcmp(value, "text") == 0 ? 0 : -EINVAL;
	case OPTION_LIMIT:
		return parse_limit(options, value);
	case OPTION_DATA:
		options->data = value;
		return 0;
	case OPTION_PUBLIC:
		return parse_public(options, value);
	case OPTION_NAME:
		options->name = value;
		return 0;
	case OPTION_POOL4:
		return parse_pool(&options->pool4, value, AF_INET);
	case OPTION_POOL6:
		return parse_pool(&options->pool6, value, AF_INET6);
	case OPTION_LISTEN:
		return parse_endpoint(&options->listen, value);
	case OPTION_RELAY_LISTEN:
		return parse_endpoint(&options->relay_listen, value);
	case OPTION_RELAY_ALT:
		return parse_endpoint(&options->relay_alt, value);
	case OPTION_RELAY_NAME:
		options->relay_name_is_default = false;
		options->relay_name = value;
		return strlen(value) > NETMAP_RELAY_NAME_MAX ? -EINVAL : cert_name_check(value);
	case OPTION_NO_RELAY:
		options->no_relay = true;
		return 0;
	case OPTION_KEY:
		options->key = value;
		return 0;
	case OPTION_SIGNER:
		if (options->signer_count == TRUST_SIGNERS_MAX)
			return -EINVAL;
		options->signers[options->signer_count++] = value;
		return 0;
	case OPTION_THRESHOLD:
		return parse_number(&options->threshold, value) < 0 ||
				       options->threshold > TRUST_SIGNERS_MAX
			       ? -EINVAL
			       : 0;
	case OPTION_CERT_LIFE:
		return coord_options_duration(&options->life_s, value);
	case OPTION_YES:
		options->yes = true;
		return 0;
	case OPTION_JSON:
		options->json = true;
		return 0;
	case OPTION_TLS_PORT:
		return parse_port(&options->tls_port, value);
	case OPTION_DATABASE:
		options->database = value;
		return 0;
	case OPTION_DATABASE_FILE:
		options->database_file = value;
		return 0;
	case OPTION_SECRET_FILE:
		options->secret_file = value;
		return 0;
	case OPTION_TURN:
		options->turn = true;
		return 0;
	default:
		options->verbose = true;
		return 0;
	}
}

static const char *option_name(int option)
{
	return long_options[option - OPTION_DATA].name;
}

/* The command that the words name, by its place in the table, or -EINVAL. */
static int find_command(int count, char **words)
{
	bool known_noun = false;

	if (count == 0)
		return complain("which command");
	for (size_t i = 0; i < COMMAND_COUNT; i++) {
		if (strcmp(words[0], commands[i].noun) != 0)
			continue;
		known_noun = true;
		if (!commands[i].verb || (count > 1 && strcmp(words[1], commands[i].verb) == 0))
			return (int)i;
	}
	if (known_noun && count > 1)
		return complain("there is no command %s %s", words[0], words[1]);
	return complain(known_noun ? "%s wants a verb" : "there is no command %s", words[0]);
}

static int take_command(struct options *options, int count, char **words, uint64_t used)
{
	int place = find_command(count, words);
	bool expires_given;
	int skip;

	if (place < 0)
		return place;
	skip = commands[place].verb ? 2 : 1;
	options->command = commands[place].command;
	if (commands[place].arguments == ANY_NUMBER) {
		options->names = words + skip;
		options->name_count = count - skip;
		if (count == skip)
			return complain("%s %s wants a name", words[0], words[1]);
		if (strcmp(words[0], "route") == 0 && count == skip + 1)
			return complain("%s %s wants a node, and prefixes, exit or all", words[0],
					words[1]);
	} else if (count - skip != commands[place].arguments)
		return complain("%s%s%s wants %d argument%s", words[0], skip == 2 ? " " : "",
				skip == 2 ? words[1] : "", commands[place].arguments,
				commands[place].arguments == 1 ? "" : "s");
	for (int i = 0; i < commands[place].arguments; i++)
		options->arguments[i] = words[skip + i];
	expires_given = used & MASK(OPTION_EXPIRES);
	options->data_given = used & MASK(OPTION_DATA);
	used &= ~(commands[place].options | COMMON);
	for (int option = OPTION_DATA; used && option <= OPTION_VERSION; option++)
		if (used & MASK(option))
			return complain("%s does not know --%s", words[0], option_name(option));
	if (options->command == COMMAND_INIT && options->public_count == 0)
		return complain("init wants --public HOST[:PORT], where nodes reach this machine");
	if (!options->tls_cert != !options->tls_key)
		return complain("--tls-cert and --tls-key belong together");
	if (options->tls_cert && options->no_tls)
		return complain("--no-tls and --tls-cert exclude each other");
	if (options->command == COMMAND_API_TOKEN_CREATE) {
		if (!options->name)
			return complain("api-token create wants --name, for the audit log");
		if (!expires_given)
			options->expires_s = DEFAULT_API_TOKEN_S;
	}
	if ((commands[place].options & MASK(OPTION_KEY)) && !options->key)
		return complain("%s %s wants --key, a file of authority keygen or export", words[0],
				words[1]);
	if (options->needs_approval + options->approved + options->sign_in > 1)
		return complain("--needs-approval, --approved and --sign-in exclude each other");
	if (options->uses_max > 1 && !options->reusable)
		return complain("--uses goes with --reusable");
	if (options->command == COMMAND_RELAY_ADD && !options->secret_file)
		return complain("relay add wants --secret-file, the secret that the relay was "
				"started with");
	return 0;
}

static void set_defaults(struct options *options)
{
	struct ip_addr any = { .family = AF_INET6 };

	*options = (struct options){ .data = DEFAULT_DATA,
				     .role = "admin",
				     .relay_name = "home",
				     .relay_name_is_default = true,
				     .expires_s = DEFAULT_EXPIRES_S };
	limits_init(&options->limits);
	options->listen = (struct endpoint){ .addr = any, .port = DEFAULT_PORT };
	options->relay_listen = (struct endpoint){ .addr = any, .port = DEFAULT_RELAY_PORT };
}

/* Options of serve that a file may have as keys: all, and `limit-NAME`. */
#define FILE_OPTIONS                                                                     \
	(MASK(OPTION_DATA) | MASK(OPTION_LISTEN) | MASK(OPTION_RELAY_LISTEN) |           \
	 MASK(OPTION_RELAY_ALT) | MASK(OPTION_RELAY_NAME) | MASK(OPTION_NO_RELAY) |      \
	 MASK(OPTION_TLS_CERT) | MASK(OPTION_TLS_KEY) | MASK(OPTION_NO_TLS) |            \
	 MASK(OPTION_HTTP_LISTEN) | MASK(OPTION_ACME_DIR) | MASK(OPTION_TRUSTED_PROXY) | \
	 MASK(OPTION_LOG_FORMAT) | MASK(OPTION_VERBOSE))

/* Texts of the file, for as long as the program runs. */
static char texts[CONFIG_SIZE_MAX];
static size_t texts_len;

static char *keep_text(const char *text)
{
	size_t size = strlen(text) + 1;
	char *copy = texts + texts_len;

	if (size > sizeof(texts) - texts_len)
		return NULL;
	memcpy(copy, text, size);
	texts_len += size;
	return copy;
}

static const char *set_from_file(void *arg, const char *name, const char *value)
{
	const struct option *option = long_options;
	bool yes = true;
	char *copy;

	if (strncmp(name, "limit-", 6) == 0) {
		int err = limits_set(&((struct options *)arg)->limits, name + 6, value);

		return err == -ERANGE ? "out of bounds; see warren-coord limits"
		       : err < 0      ? "no number"
				      : NULL;
	}
	while (strcmp(option->name, name) != 0)
		option++;
	if (option->has_arg == no_argument && config_bool(&yes, value) < 0)
		return "must be yes or no";
	if (!yes)
		return NULL;
	copy = keep_text(value);
	if (!copy)
		return "too much text";
	return take_option(arg, option->val, copy) < 0 ? "no good value" : NULL;
}

/* The names of all keys, in static memory. */
static size_t file_keys(const char *names[static CONFIG_KEYS_MAX])
{
	static char limit_names[LIMIT_COUNT][40];
	size_t count = 0;

	for (size_t i = 0; long_options[i].name; i++)
		if (MASK(long_options[i].val) & FILE_OPTIONS)
			names[count++] = long_options[i].name;
	for (size_t i = 0; i < LIMIT_COUNT; i++) {
		snprintf(limit_names[i], sizeof(limit_names[i]), "limit-%s", limit_infos[i].name);
		names[count++] = limit_names[i];
	}
	return count;
}

static int parse_file(struct options *options, const char *path, const char *text, size_t len)
{
	struct config_error error = { .line = 0 };
	const char *names[CONFIG_KEYS_MAX];
	size_t count = file_keys(names);
	int err = config_parse_named(text, len, names, count, set_from_file, options, &error);

	if (err == -EINVAL)
		fprintf(stderr, "warren-coord: %s line %u: %s; correct the file\n", path,
			error.line, error.text);
	else if (err < 0)
		fprintf(stderr, "warren-coord: %s: %s\n", path, strerror(-err));
	return err < 0 ? -EINVAL : 0;
}

/*
 * The file comes before every option of the command line, wherever it is named there. The one that
 * nobody named need not be there, nor be readable for who only asks the server.
 */
static int load_file(struct options *options, int argc, char **argv)
{
	const char *path = DEFAULT_CONFIG;
	bool named = false;
	uint8_t *text;
	size_t len;
	int option;
	int err;

	optind = 0;
	texts_len = 0;
	while ((option = getopt_long(argc, argv, ":", long_options, NULL)) != -1) {
		if (option == OPTION_CONFIG) {
			path = optarg;
			named = true;
		}
	}
	err = file_read(path, CONFIG_SIZE_MAX, &text, &len);
	if (!named && (err == -ENOENT || err == -EACCES))
		return 0;
	if (err < 0) {
		fprintf(stderr, "warren-coord: cannot read %s: %s; name a file with --config\n",
			path, strerror(-err));
		return -EINVAL;
	}
	err = parse_file(options, path, (char *)text, len);
	free(text);
	return err;
}

/* A command with so many options that they are read apart. */
static bool is_oidc_set(int argc, char **argv)
{
	for (int i = 1; i + 1 < argc; i++)
		if (strcmp(argv[i], "oidc") == 0 && strcmp(argv[i + 1], "set") == 0)
			return true;
	return false;
}

/* What would be good, where the option's name does not say it. */
static const char *value_hint(int option)
{
	return option == OPTION_ROUTES
		       ? "; want prefixes such as 10.20.0.0/16,fd00:20::/64, at most 14 and without "
			 "host bits; the internet is --exit"
		       : "";
}

int coord_options_parse(struct options *options, int argc, char **argv)
{
	uint64_t used = 0;
	int option;

	set_defaults(options);
	opterr = 0;
	if (policy_options_take(&options->question, &argc, argv) < 0)
		return -EINVAL;
	if (is_oidc_set(argc, argv) && oidc_options_take(&options->oidc, &argc, argv) < 0)
		return -EINVAL;
	if (load_file(options, argc, argv) < 0)
		return -EINVAL;
	optind = 0; /* also when called again, in tests */
	while ((option = getopt_long(argc, argv, ":", long_options, NULL)) != -1) {
		if (option == ':')
			return complain("%s wants a value", argv[optind - 1]);
		if (option == '?')
			return complain("unknown option %s", argv[optind - 1]);
		if (option == OPTION_HELP || option == OPTION_VERSION) {
			fputs(option == OPTION_HELP ? options_usage
						    : "warren-coord " WARREN_VERSION "\n",
			      stdout);
			fputs(option == OPTION_HELP ? policy_options_usage : "", stdout);
			fputs(option == OPTION_HELP ? oidc_options_usage : "", stdout);
			return 1;
		}
		if (take_option(options, option, optarg) < 0)
			return complain("--%s: \"%.60s\" is no good value%s", option_name(option),
					optarg, value_hint(option));
		used |= MASK(option);
	}
	return take_command(options, argc - optind, argv + optind, used);
}
