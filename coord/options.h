#ifndef WARREN_COORD_OPTIONS_H
#define WARREN_COORD_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "coord/labels.h"
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
	COMMAND_POLICY_GET,
	COMMAND_POLICY_SET,
	COMMAND_POLICY_CHECK,
	COMMAND_RELAY_LIST,
	COMMAND_RELAY_ADD,
	COMMAND_RELAY_REMOVE,
	COMMAND_BACKUP,
	COMMAND_RESTORE,
};

#define OPTIONS_ARGUMENTS_MAX 2

/* The command line, parsed. Texts point into argv. */
struct options {
	enum command command;
	const char *data;
	const char *arguments[OPTIONS_ARGUMENTS_MAX]; /* after the verb */
	struct token_address public[TOKEN_ADDRESSES_MAX];
	size_t public_count;
	const char *name;
	struct prefix pool4; /* family 0: the default */
	struct prefix pool6;
	struct endpoint listen;
	struct endpoint relay_listen;
	struct endpoint relay_alt; /* family 0: none */
	const char *relay_name;
	bool no_relay;
	bool reusable;
	bool ephemeral;
	bool json;
	bool verbose;
	uint64_t expires_s;
	struct labels groups;
	struct labels tags;
	uint16_t tls_port;
	const char *secret_file;
	bool turn;
};

/*
 * 0: go on; 1: --help or --version was answered; -EINVAL: a line about what is wrong was printed
 * (exit 2).
 */
int coord_options_parse(struct options *options, int argc, char **argv);

/* "90", "90s", "15m", "24h", "7d": seconds. 0 or -EINVAL. */
int coord_options_duration(uint64_t *seconds, const char *text);

#endif
