#include "coord/admin_client.h"

#include <errno.h>
#include <jansson.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/file.h"
#include "coord/admin.h"
#include "coord/data_dir.h"
#include "coord/handed_file.h"
#include "coord/options.h"
#include "proto/json_fields.h"
#include "proto/names_document.h"
#include "proto/policy.h"
#include "proto/turn_credential.h"

#define EXIT_UNREACHABLE 3
#define EXIT_USAGE       2
#define EXIT_DENIED      6
#define TIMEOUT_S        10
#define ANSWER_MAX       (64u << 20)
#define SECRET_FILE_MAX  4096
#define TURN_TLS_PORT    5349 /* RFC 8656 section 3.1 */

static int complain(const char *what, const char *why)
{
	fprintf(stderr, "warren-coord: %s: %s\n", what, why);
	return 1;
}

static const char *verb_name(enum command command)
{
	static const char *const names[] = {
		[COMMAND_KEY_CREATE] = "key-create",
		[COMMAND_KEY_LIST] = "key-list",
		[COMMAND_KEY_REVOKE] = "key-revoke",
		[COMMAND_NODE_LIST] = "node-list",
		[COMMAND_NODE_REVOKE] = "node-revoke",
		[COMMAND_NODE_DELETE] = "node-delete",
		[COMMAND_NODE_RENAME] = "node-rename",
		[COMMAND_NODE_APPROVE] = "node-approve",
		[COMMAND_NODE_REJECT] = "node-reject",
		[COMMAND_POLICY_GET] = "policy-get",
		[COMMAND_POLICY_SET] = "policy-set",
		[COMMAND_POLICY_CHECK] = "policy-check",
		[COMMAND_DNS_LIST] = "dns-list",
		[COMMAND_DNS_ADD] = "dns-add",
		[COMMAND_DNS_REMOVE] = "dns-remove",
		[COMMAND_DNS_SPLIT] = "dns-split",
		[COMMAND_ROUTE_LIST] = "route-list",
		[COMMAND_ROUTE_APPROVE] = "route-approve",
		[COMMAND_ROUTE_REVOKE] = "route-revoke",
		[COMMAND_RELAY_LIST] = "relay-list",
		[COMMAND_RELAY_ADD] = "relay-add",
		[COMMAND_RELAY_REMOVE] = "relay-remove",
		[COMMAND_BACKUP] = "backup",
		[COMMAND_AUTHORITY_SHOW] = "authority-show",
		[COMMAND_AUTHORITY_EXPORT] = "authority-export",
		[COMMAND_AUTHORITY_REQUESTS] = "authority-requests",
		[COMMAND_API_TOKEN_CREATE] = "api-token-create",
		[COMMAND_API_TOKEN_LIST] = "api-token-list",
		[COMMAND_API_TOKEN_REVOKE] = "api-token-revoke",
		[COMMAND_AUDIT_LIST] = "audit-list",
		[COMMAND_LIMITS] = "limits",
		[COMMAND_OVERVIEW] = "overview",
		[COMMAND_PATH_LIST] = "path-list",
		[COMMAND_NODE_PATHS] = "path-list",
		[COMMAND_SETTING_LIST] = "setting-list",
		[COMMAND_SETTING_SET] = "setting-set",
		[COMMAND_HEALTH] = "health",
		[COMMAND_OIDC_SET] = "oidc-set",
		[COMMAND_OIDC_SHOW] = "oidc-show",
		[COMMAND_OIDC_REMOVE] = "oidc-remove",
		[COMMAND_USER_LIST] = "user-list",
		[COMMAND_USER_REVOKE] = "user-revoke",
		[COMMAND_USER_FORGET] = "user-forget",
	};

	return names[command];
}

static int add_key(json_t *request, const struct options *options)
{
	json_object_set_new(request, "name", json_string(options->name ? options->name : ""));
	json_object_set_new(request, "reusable", json_boolean(options->reusable));
	json_object_set_new(request, "ephemeral", json_boolean(options->ephemeral));
	json_object_set_new(request, "expires_s", json_integer((json_int_t)options->expires_s));
	json_object_set_new(request, "uses_max", json_integer((json_int_t)options->uses_max));
	json_object_set_new(request, "approval",
			    json_string(options->needs_approval ? "needed"
					: options->approved     ? "given"
					: options->sign_in      ? "sign-in"
								: ""));
	json_object_set_new(request, "for",
			    json_string(options->for_node ? options->for_node : ""));
	json_object_set_new(request, "groups", labels_json(&options->groups));
	json_object_set_new(request, "tags", labels_json(&options->tags));
	if (options->routes.count)
		json_object_set_new(request, "routes", route_list_json(&options->routes));
	if (options->exit)
		json_object_set_new(request, "exit", json_true());
	return 0;
}

/* A node, and what it offers. */
static int add_routes(json_t *request, const struct options *options)
{
	json_t *prefixes = json_array();

	for (int i = 1; i < options->name_count; i++)
		json_array_append_new(prefixes, json_string(options->names[i]));
	json_object_set_new(request, "prefixes", prefixes);
	return json_object_set_new(request, "name", json_string(options->names[0]));
}

static int add_policy(json_t *request, const char *path)
{
	uint8_t *text;
	size_t len;
	int err = file_read(path, POLICY_TEXT_MAX, &text, &len);
	json_t *value;

	if (err < 0)
		return complain(path, strerror(-err));
	value = json_stringn((char *)text, len);
	free(text);
	if (!value)
		return complain(path, "is not UTF-8 text");
	json_object_set_new(request, "policy", value);
	return 0;
}

static int add_secret(json_t *request, const char *path, bool turn)
{
	const uint8_t *secret;
	uint8_t *text;
	size_t secret_len;
	size_t len;
	int err = file_read_secret(path, SECRET_FILE_MAX, &text, &len);

	if (err == -EPERM)
		return complain(path, "others may read this secret; chmod 600 it");
	if (err < 0)
		return complain(path, strerror(-err));
	err = turn_secret_trim(&secret, &secret_len, text, len, turn ? 1 : TURN_SECRET_MIN);
	if (err == 0)
		json_object_set_new(request, "secret", json_fields_encode(secret, secret_len));
	file_free_secret(text, len);
	if (err < 0)
		return complain(path, turn ? "a TURN server's secret has 1 to 128 bytes here"
					   : "a relay's secret has 16 to 128 bytes");
	return 0;
}

static int add_relay(json_t *request, const struct options *options)
{
	struct token_address address;

	if (token_address_parse(&address, options->arguments[1], 3478) < 0)
		return complain(options->arguments[1], "want HOST:PORT");
	json_object_set_new(request, "name", json_string(options->arguments[0]));
	json_object_set_new(request, "host", json_string(address.host));
	json_object_set_new(request, "udp_port", json_integer(address.port));
	json_object_set_new(request, "tls_port",
			    json_integer(!options->turn || options->tls_port ? options->tls_port
									     : TURN_TLS_PORT));
	if (options->turn)
		json_object_set_new(request, "turn", json_true());
	return add_secret(request, options->secret_file, options->turn);
}

/* What the server makes is moved to where it is wanted; see coord/handed_file.h. */
static struct handed_file handed;

static int add_file(json_t *request, const struct options *options)
{
	const char *wanted = options->arguments[0];
	int err = handed_file_begin(&handed, options->data, wanted);

	if (err == -EEXIST)
		return complain(wanted, "is there already; choose another name");
	if (err == -EXDEV)
		return complain(wanted, "is in the data folder, where it is not to stay");
	if (err < 0)
		return complain(wanted, strerror(-err));
	json_object_set_new(request, "shown", json_string(wanted));
	return json_object_set_new(request, "path", json_string(handed.made));
}

static int take_file(void)
{
	int err = handed.made[0] ? handed_file_finish(&handed) : 0;

	if (err == 0)
		return 0;
	fprintf(stderr, "warren-coord: %s: %s; it is in %s: move it away from there\n",
		handed.wanted, strerror(-err), handed.made);
	return 1;
}

static int add_export(json_t *request, const struct options *options)
{
	json_t *signers = json_array();

	for (size_t i = 0; i < options->signer_count; i++)
		json_array_append_new(signers, json_string(options->signers[i]));
	json_object_set_new(request, "signers", signers);
	json_object_set_new(request, "threshold", json_integer((json_int_t)options->threshold));
	if (options->life_s)
		json_object_set_new(request, "life_s", json_integer((json_int_t)options->life_s));
	return add_file(request, options);
}

/* NAME [TYPE [VALUE]]; a value may come in several words, as that of SRV. */
static int add_record(json_t *request, const struct options *options)
{
	bool all = options->command == COMMAND_DNS_ADD;
	char value[1024] = "";
	size_t len = 0;

	if (all && options->name_count < 3) {
		complain("dns add", "wants NAME TYPE VALUE");
		return EXIT_USAGE;
	}
	for (int i = 2; i < options->name_count && len < sizeof(value); i++)
		len += (size_t)snprintf(value + len, sizeof(value) - len, "%s%s", i > 2 ? " " : "",
					options->names[i]);
	json_object_set_new(request, "name", json_string(options->names[0]));
	if (options->name_count > 1)
		json_object_set_new(request, "type", json_string(options->names[1]));
	if (options->name_count > 2)
		json_object_set_new(request, "value", json_string(value));
	return 0;
}

/* DOMAIN SERVER...|none. */
static int add_split(json_t *request, const struct options *options)
{
	json_t *servers = json_array();
	bool none = options->name_count == 2 && strcmp(options->names[1], "none") == 0;

	if (options->name_count < 2 || options->name_count > 1 + NAMES_SERVERS_MAX) {
		json_decref(servers);
		complain("dns split", "wants DOMAIN and 1 to 8 servers, or none");
		return EXIT_USAGE;
	}
	for (int i = 1; i < options->name_count && !none; i++)
		json_array_append_new(servers, json_string(options->names[i]));
	json_object_set_new(request, "name", json_string(options->names[0]));
	return json_object_set_new(request, "servers", servers);
}

static int add_arguments(json_t *request, const struct options *options)
{
	const char *argument = options->arguments[0];

	switch (options->command) {
	case COMMAND_KEY_CREATE:
		return add_key(request, options);
	case COMMAND_API_TOKEN_CREATE:
		json_object_set_new(request, "name", json_string(options->name));
		json_object_set_new(request, "role", json_string(options->role));
		return json_object_set_new(request, "expires_s",
					   json_integer((json_int_t)options->expires_s));
	case COMMAND_AUDIT_LIST:
		return json_object_set_new(request, "since_s",
					   json_integer((json_int_t)options->since_s));
	case COMMAND_API_TOKEN_REVOKE:
	case COMMAND_KEY_REVOKE:
		return json_object_set_new(request, "id", json_string(argument));
	case COMMAND_NODE_RENAME:
		json_object_set_new(request, "new_name", json_string(options->arguments[1]));
		return json_object_set_new(request, "name", json_string(argument));
	case COMMAND_SETTING_SET:
		json_object_set_new(request, "value", json_string(options->arguments[1]));
		return json_object_set_new(request, "name", json_string(argument));
	case COMMAND_ROUTE_APPROVE:
	case COMMAND_ROUTE_REVOKE:
		return add_routes(request, options);
	case COMMAND_DNS_ADD:
	case COMMAND_DNS_REMOVE:
		return add_record(request, options);
	case COMMAND_DNS_SPLIT:
		return add_split(request, options);
	case COMMAND_OIDC_SET:
		return json_object_update(request, options->oidc);
	case COMMAND_USER_REVOKE:
	case COMMAND_USER_FORGET:
	case COMMAND_NODE_PATHS:
	case COMMAND_NODE_APPROVE:
	case COMMAND_NODE_REJECT:
	case COMMAND_NODE_REVOKE:
	case COMMAND_NODE_DELETE:
	case COMMAND_RELAY_REMOVE:
		return json_object_set_new(request, "name", json_string(argument));
	case COMMAND_POLICY_CHECK:
		json_object_update(request, options->question);
		return argument[0] ? add_policy(request, argument) : 0;
	case COMMAND_POLICY_SET:
		return add_policy(request, argument);
	case COMMAND_RELAY_ADD:
		return add_relay(request, options);
	case COMMAND_AUTHORITY_EXPORT:
		return add_export(request, options);
	case COMMAND_BACKUP:
		return add_file(request, options);
	default:
		return 0;
	}
}

/* Says why there is no connection; returns the exit code. */
static int no_server(const char *dir, int error)
{
	if (error == EACCES || error == EPERM) {
		fprintf(stderr,
			"warren-coord: no access to %s: use sudo -u warren-coord, or sudo\n", dir);
		return EXIT_DENIED;
	}
	fprintf(stderr,
		"warren-coord: no server for %s: %s; start it with: warren-coord serve --data %s\n",
		dir, strerror(error), dir);
	return EXIT_UNREACHABLE;
}

/* The descriptor, or -errno. */
static int dial(const char *dir)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct timeval timeout = { .tv_sec = TIMEOUT_S };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int len = snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s", dir,
			   DATA_DIR_ADMIN_SOCKET);
	int err;

	if (fd < 0 || len >= (int)sizeof(address.sun_path)) {
		errno = fd < 0 ? errno : ENAMETOOLONG;
	} else {
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
		if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
			return fd;
	}
	err = -errno;
	if (fd >= 0)
		close(fd);
	return err;
}

static int send_all(int fd, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t sent = send(fd, text, len, MSG_NOSIGNAL);

		if (sent <= 0)
			return -EIO;
		text += sent;
		len -= (size_t)sent;
	}
	return 0;
}

/* Everything until the server closes, malloc'd; NULL: nothing came. */
static char *receive_all(int fd, size_t *len)
{
	size_t cap = 65536;
	char *text = malloc(cap);

	*len = 0;
	while (text) {
		ssize_t got = recv(fd, text + *len, cap - *len, 0);
		char *grown;

		if (got <= 0)
			return text;
		*len += (size_t)got;
		if (*len < cap)
			continue;
		cap *= 2;
		grown = cap > ANSWER_MAX ? NULL : realloc(text, cap);
		if (!grown)
			free(text);
		text = grown;
	}
	return NULL;
}

/* What the command prints goes to *printed, malloc'd; returns the exit code. */
static int read_answer(const char *text, size_t len, char **printed)
{
	json_t *answer = json_loadb(text, len, 0, NULL);
	const char *error = json_string_value(json_object_get(answer, "error"));
	const char *good = json_string_value(json_object_get(answer, "text"));
	int code = (int)json_integer_value(json_object_get(answer, "code"));

	*printed = error || !good ? NULL : strdup(good);
	if (error) {
		fprintf(stderr, "warren-coord: %s\n", error);
	} else if (!*printed) {
		fputs("warren-coord: the server did not answer; see its log\n", stderr);
		code = EXIT_UNREACHABLE;
	}
	json_decref(answer);
	return error && code == 0 ? 1 : code;
}

static int ask(const char *dir, const char *request, char **printed)
{
	int fd = dial(dir);
	char *answer = NULL;
	size_t len = 0;
	int code;

	if (fd < 0)
		return no_server(dir, -fd);
	/* A server that refuses says so without reading the request: what it said counts. */
	if (send_all(fd, request, strlen(request)) == 0)
		send_all(fd, "\n", 1);
	answer = receive_all(fd, &len);
	close(fd);
	code = read_answer(answer ? answer : "", len, printed);
	if (answer)
		sodium_memzero(answer, len);
	free(answer);
	return code;
}

static void wipe(char *text)
{
	if (text)
		sodium_memzero(text, strlen(text));
	free(text);
}

int admin_client_call(const char *dir, json_t *request, char **text)
{
	char *line = json_dumps(request, JSON_COMPACT);
	int code;

	json_decref(request);
	if (!line)
		return complain("memory", strerror(ENOMEM));
	if (strlen(line) >= ADMIN_REQUEST_MAX)
		code = complain("the request", "is larger than 10 MiB");
	else
		code = ask(dir, line, text);
	wipe(line);
	return code;
}

static int run_one(const struct options *options)
{
	json_t *request = json_object();
	char *printed = NULL;
	int code;

	json_object_set_new(request, "verb", json_string(verb_name(options->command)));
	json_object_set_new(request, "json", json_boolean(options->json));
	code = add_arguments(request, options);
	if (code != 0) {
		json_decref(request);
		return code == EXIT_USAGE ? code : 1;
	}
	code = admin_client_call(options->data, request, &printed);
	if (printed)
		fputs(printed, stdout);
	wipe(printed);
	return code ? code : take_file();
}

/* Its arguments belong together. */
static bool is_one(enum command command)
{
	return command == COMMAND_ROUTE_APPROVE || command == COMMAND_ROUTE_REVOKE ||
	       command == COMMAND_DNS_ADD || command == COMMAND_DNS_REMOVE ||
	       command == COMMAND_DNS_SPLIT;
}

int admin_client_run(const struct options *options)
{
	struct options one = *options;
	int code = 0;

	if (!options->names || is_one(options->command))
		return run_one(options);
	/* What fails for one name is said, and the others are not left out for that. */
	for (int i = 0; i < options->name_count; i++) {
		int failed;

		one.arguments[0] = options->names[i];
		failed = run_one(&one);
		if (failed != 0)
			code = failed;
		if (failed == EXIT_UNREACHABLE)
			break;
	}
	return code;
}
