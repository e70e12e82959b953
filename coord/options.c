#include "coord/options.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_DATA       "/var/lib/warren-coord"
#define DEFAULT_PORT       443
#define DEFAULT_RELAY_PORT 3478
#define DEFAULT_EXPIRES_S  (24 * 3600)
#define LONGEST_LIFE_S     (10ull * 365 * 86400)

static const char usage[] =
	"usage: warren-coord COMMAND [--data DIR] [OPTION]...\n"
	"\n"
	"  init --public HOST[:PORT]... [--name NET] [--pool4 CIDR] [--pool6 CIDR]\n"
	"                              create a network; the last line is a join token\n"
	"  serve [--listen ADDR:PORT] [--relay-listen ADDR:PORT] [--relay-name N] [--no-relay]\n"
	"        [--relay-alt ADDR:PORT]\n"
	"                              run (443/tcp and 3478/udp unless said otherwise); --relay-alt\n"
	"                              is a second address and port for NAT discovery (RFC 5780)\n"
	"  key create [--reusable] [--ephemeral] [--expires 24h] [--group G]... [--tag T]...\n"
	"             [--name N]       print a join token, for one machine unless reusable\n"
	"  key list [--json]           the join keys\n"
	"  key revoke ID               no new node with this key\n"
	"  node list [--json]          the nodes\n"
	"  node revoke NAME            cut a node off at every peer\n"
	"  node delete NAME            the same, and forget it\n"
	"  node rename NAME NEW\n"
	"  policy get                  print the policy\n"
	"  policy set FILE             obey another one, if its own tests pass\n"
	"  policy check FILE           only say whether they would\n"
	"  relay list [--json]\n"
	"  relay add NAME HOST:PORT [--turn] [--tls-port P] --secret-file F\n"
	"                              a warren-relay, or with --turn a TURN server such as coturn\n"
	"                              with use-auth-secret (UDP and TCP on PORT, TLS on 5349)\n"
	"  relay remove NAME\n"
	"  backup FILE                 database and keys into one file: keep it safe\n"
	"  restore FILE                the other way, into a --data DIR without a network\n"
	"\n"
	"  --data DIR   where everything is kept (default " DEFAULT_DATA ")\n"
	"  --verbose    log more\n"
	"  --help, --version\n"
	"\n"
	"Commands other than init, serve and restore speak to the running server.\n"
	"Exit codes: 0 ok, 1 failure, 2 usage, 3 server not reachable.\n";

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
	OPTION_TAG,
	OPTION_JSON,
	OPTION_TLS_PORT,
	OPTION_SECRET_FILE,
	OPTION_TURN,
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
	{ "tag", required_argument, NULL, OPTION_TAG },
	{ "json", no_argument, NULL, OPTION_JSON },
	{ "tls-port", required_argument, NULL, OPTION_TLS_PORT },
	{ "secret-file", required_argument, NULL, OPTION_SECRET_FILE },
	{ "turn", no_argument, NULL, OPTION_TURN },
	{ "verbose", no_argument, NULL, OPTION_VERBOSE },
	{ "help", no_argument, NULL, OPTION_HELP },
	{ "version", no_argument, NULL, OPTION_VERSION },
	{ NULL, 0, NULL, 0 },
};

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
	  MASK(OPTION_PUBLIC) | MASK(OPTION_NAME) | MASK(OPTION_POOL4) | MASK(OPTION_POOL6) },
	{ "serve", NULL, COMMAND_SERVE, 0,
	  MASK(OPTION_LISTEN) | MASK(OPTION_RELAY_LISTEN) | MASK(OPTION_RELAY_ALT) |
		  MASK(OPTION_RELAY_NAME) | MASK(OPTION_NO_RELAY) },
	{ "key", "create", COMMAND_KEY_CREATE, 0,
	  MASK(OPTION_REUSABLE) | MASK(OPTION_EPHEMERAL) | MASK(OPTION_EXPIRES) |
		  MASK(OPTION_GROUP) | MASK(OPTION_TAG) | MASK(OPTION_NAME) },
	{ "key", "list", COMMAND_KEY_LIST, 0, MASK(OPTION_JSON) },
	{ "key", "revoke", COMMAND_KEY_REVOKE, 1, 0 },
	{ "node", "list", COMMAND_NODE_LIST, 0, MASK(OPTION_JSON) },
	{ "node", "revoke", COMMAND_NODE_REVOKE, 1, 0 },
	{ "node", "delete", COMMAND_NODE_DELETE, 1, 0 },
	{ "node", "rename", COMMAND_NODE_RENAME, 2, 0 },
	{ "policy", "get", COMMAND_POLICY_GET, 0, 0 },
	{ "policy", "set", COMMAND_POLICY_SET, 1, 0 },
	{ "policy", "check", COMMAND_POLICY_CHECK, 1, 0 },
	{ "relay", "list", COMMAND_RELAY_LIST, 0, MASK(OPTION_JSON) },
	{ "relay", "add", COMMAND_RELAY_ADD, 2,
	  MASK(OPTION_TLS_PORT) | MASK(OPTION_SECRET_FILE) | MASK(OPTION_TURN) },
	{ "relay", "remove", COMMAND_RELAY_REMOVE, 1, 0 },
	{ "backup", NULL, COMMAND_BACKUP, 1, 0 },
	{ "restore", NULL, COMMAND_RESTORE, 1, 0 },
};

#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))
#define COMMON        (MASK(OPTION_DATA) | MASK(OPTION_VERBOSE) | MASK(OPTION_HELP) | MASK(OPTION_VERSION))

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

int coord_options_duration(uint64_t *seconds, const char *text)
{
	static const struct {
		char unit;
		uint64_t seconds;
	} units[] = { { '\0', 1 }, { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 } };
	unsigned long long value;
	char *end;

	if (!isdigit((unsigned char)text[0]))
		return -EINVAL;
	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno || value == 0 || (*end && end[1]))
		return -EINVAL;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (*end == units[i].unit && value <= LONGEST_LIFE_S / units[i].seconds) {
			*seconds = value * units[i].seconds;
			return 0;
		}
	}
	return -EINVAL;
}

static int parse_port(uint16_t *port, const char *text)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (!isdigit((unsigned char)text[0]) || *end || value == 0 || value > UINT16_MAX)
		return -EINVAL;
	*port = (uint16_t)value;
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

static int take_option(struct options *options, int option, const char *value)
{
	switch (option) {
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
		options->relay_name = value;
		return strlen(value) > NETMAP_RELAY_NAME_MAX ? -EINVAL : cert_name_check(value);
	case OPTION_NO_RELAY:
		options->no_relay = true;
		return 0;
	case OPTION_REUSABLE:
		options->reusable = true;
		return 0;
	case OPTION_EPHEMERAL:
		options->ephemeral = true;
		return 0;
	case OPTION_EXPIRES:
		return coord_options_duration(&options->expires_s, value);
	case OPTION_GROUP:
		return parse_label(&options->groups, value, "group:");
	case OPTION_TAG:
		return parse_label(&options->tags, value, "tag:");
	case OPTION_JSON:
		options->json = true;
		return 0;
	case OPTION_TLS_PORT:
		return parse_port(&options->tls_port, value);
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
	int skip;

	if (place < 0)
		return place;
	skip = commands[place].verb ? 2 : 1;
	options->command = commands[place].command;
	if (count - skip != commands[place].arguments)
		return complain("%s%s%s wants %d argument%s", words[0], skip == 2 ? " " : "",
				skip == 2 ? words[1] : "", commands[place].arguments,
				commands[place].arguments == 1 ? "" : "s");
	for (int i = 0; i < commands[place].arguments; i++)
		options->arguments[i] = words[skip + i];
	used &= ~(commands[place].options | COMMON);
	for (int option = OPTION_DATA; used && option <= OPTION_VERSION; option++)
		if (used & MASK(option))
			return complain("%s does not know --%s", words[0], option_name(option));
	if (options->command == COMMAND_INIT && options->public_count == 0)
		return complain("init wants --public HOST[:PORT], where nodes reach this machine");
	if (options->command == COMMAND_RELAY_ADD && !options->secret_file)
		return complain("relay add wants --secret-file, the secret that the relay was "
				"started with");
	return 0;
}

static void set_defaults(struct options *options)
{
	struct ip_addr any = { .family = AF_INET6 };

	*options = (struct options){ .data = DEFAULT_DATA,
				     .relay_name = "home",
				     .expires_s = DEFAULT_EXPIRES_S };
	options->listen = (struct endpoint){ .addr = any, .port = DEFAULT_PORT };
	options->relay_listen = (struct endpoint){ .addr = any, .port = DEFAULT_RELAY_PORT };
}

int coord_options_parse(struct options *options, int argc, char **argv)
{
	uint64_t used = 0;
	int option;

	set_defaults(options);
	opterr = 0;
	optind = 0; /* also when called again, in tests */
	while ((option = getopt_long(argc, argv, ":", long_options, NULL)) != -1) {
		if (option == ':')
			return complain("%s wants a value", argv[optind - 1]);
		if (option == '?')
			return complain("unknown option %s", argv[optind - 1]);
		if (option == OPTION_HELP || option == OPTION_VERSION) {
			fputs(option == OPTION_HELP ? usage : "warren-coord " WARREN_VERSION "\n",
			      stdout);
			return 1;
		}
		if (take_option(options, option, optarg) < 0)
			return complain("--%s: \"%s\" is no good value", option_name(option),
					optarg);
		used |= MASK(option);
	}
	return take_command(options, argc - optind, argv + optind, used);
}
