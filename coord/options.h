#ifndef WARREN_COORD_OPTIONS_H
#define WARREN_COORD_OPTIONS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "coord/labels.h"
#include "coord/limits.h"
#include "coord/node_routes.h"
#include "proto/netmap.h"
#include "proto/token.h"

enum command {
	COMMAND_INIT,
	COMMAND_SERVE,
	COMMAND_KEY_CREATE,
	COMMAND_KEY_LIST,
	COMMAND_KEY_REVOKE,
	COMMAND_NODE_LIST,
	COMMAND_NODE_REVOKE,
	COMMAND_NODE_DELETE,
	COMMAND_NODE_RENAME,
	COMMAND_NODE_APPROVE,
	COMMAND_NODE_REJECT,
	COMMAND_POLICY_GET,
	COMMAND_POLICY_SET,
	COMMAND_POLICY_CHECK,
	COMMAND_ROUTE_LIST,
	COMMAND_ROUTE_APPROVE,
	COMMAND_ROUTE_REVOKE,
	COMMAND_DNS_LIST,
	COMMAND_DNS_ADD,
	COMMAND_DNS_REMOVE,
	COMMAND_DNS_SPLIT,
	COMMAND_RELAY_LIST,
	COMMAND_RELAY_ADD,
	COMMAND_RELAY_REMOVE,
	COMMAND_AUTHORITY_SHOW,
	COMMAND_AUTHORITY_EXPORT,
	COMMAND_AUTHORITY_REQUESTS,
	COMMAND_AUTHORITY_KEYGEN,
	COMMAND_AUTHORITY_SIGN,
	COMMAND_AUTHORITY_SUBMIT,
	COMMAND_AUTHORITY_TRUST,
	COMMAND_BACKUP,
	COMMAND_LIMITS,
	COMMAND_OVERVIEW,
	COMMAND_PATH_LIST,
	COMMAND_NODE_PATHS,
	COMMAND_SETTING_LIST,
	COMMAND_SETTING_SET,
	COMMAND_HEALTH,
	COMMAND_API_TOKEN_CREATE,
	COMMAND_API_TOKEN_LIST,
	COMMAND_API_TOKEN_REVOKE,
	COMMAND_AUDIT_LIST,
	COMMAND_OIDC_SET,
	COMMAND_OIDC_SHOW,
	COMMAND_OIDC_REMOVE,
	COMMAND_USER_LIST,
	COMMAND_USER_REVOKE,
	COMMAND_USER_FORGET,
	COMMAND_RESTORE,
};

#define OPTIONS_ARGUMENTS_MAX 2
#define OPTIONS_PROXIES_MAX   8

/* The command line and the configuration file, parsed. Texts live as long as the program. */
struct options {
	enum command command;
	const char *data;
	const char *arguments[OPTIONS_ARGUMENTS_MAX]; /* after the verb */
	char **names; /* all of them, for commands that take any number; else NULL */
	int name_count;
	struct token_address public[TOKEN_ADDRESSES_MAX];
	size_t public_count;
	const char *name;
	struct prefix pool4; /* family 0: the default */
	struct prefix pool6;
	struct endpoint listen;
	struct endpoint relay_listen;
	struct endpoint relay_alt; /* family 0: none */
	const char *relay_name;
	bool relay_name_is_default;
	bool no_relay;
	const char *tls_cert; /* NULL: in data, self-signed if nobody put another there */
	const char *tls_key;
	bool no_tls;                 /* somebody in front of us does it */
	struct endpoint http_listen; /* family 0: none */
	const char *acme_dir;        /* NULL: in data */
	struct prefix trusted_proxies[OPTIONS_PROXIES_MAX];
	size_t trusted_proxy_count;
	bool log_json;
	struct limits limits;
	bool reusable;
	bool ephemeral;
	bool json;
	bool verbose;
	uint64_t expires_s;
	uint64_t uses_max; /* 0: any number */
	bool needs_approval;
	bool approved;
	bool sign_in;
	const char *for_node;
	struct route_list routes; /* approved in advance */
	bool exit;
	struct labels groups;
	struct labels tags;
	uint16_t tls_port;
	const char *secret_file;
	const char *key;                        /* authority sign and trust: a file */
	const char *signers[TRUST_SIGNERS_MAX]; /* public keys */
	size_t signer_count;
	uint64_t threshold; /* 0: not given */
	uint64_t life_s;    /* of certificates in strict mode; 0: not given */
	bool yes;
	bool data_given;
	const char *database; /* NULL, like the file: SQLite in data */
	const char *database_file;
	bool turn;
	char hosts[1024]; /* under which browsers may ask, with spaces */
	const char *role; /* of an API token */
	uint64_t since_s; /* wall clock */
	json_t *question; /* what `policy check` asks; see coord/policy_options.h */
	json_t *oidc;     /* what `oidc set` asks; see coord/oidc_options.h */
};

/*
 * The file counts for every command, where it has no such option; the command line wins.
 * 0: go on; 1: --help or --version was answered; -EINVAL: a line about what is wrong was printed
 * (exit 2).
 */
int coord_options_parse(struct options *options, int argc, char **argv);

/* "90", "90s", "15m", "24h", "7d": seconds. 0 or -EINVAL. */
int coord_options_duration(uint64_t *seconds, const char *text);
/* "7d" ago, or a day, "2026-11-21": wall clock. 0 or -EINVAL. */
int coord_options_since(uint64_t *since_s, const char *text);

#endif
