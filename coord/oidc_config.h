#ifndef WARREN_COORD_OIDC_CONFIG_H
#define WARREN_COORD_OIDC_CONFIG_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "coord/oidc_url.h"
#include "proto/cert.h"

#define OIDC_TEXT_MAX   255
#define OIDC_LIST_MAX   64  /* entries of each list */
#define OIDC_ENTRY_MAX  127 /* bytes of one */
#define OIDC_LIFE_MAX_S (400 * 86400ull)

enum oidc_flow {
	OIDC_FLOW_AUTO, /* device flow where the provider offers it */
	OIDC_FLOW_DEVICE,
	OIDC_FLOW_BROWSER,
};

struct oidc_list {
	char entries[OIDC_LIST_MAX][OIDC_ENTRY_MAX + 1];
	size_t count;
};

/* An OpenID provider and whom of its users we let in, as admins say it. */
struct oidc_config {
	char issuer[OIDC_URL_MAX + 1];
	char client_id[OIDC_TEXT_MAX + 1];
	char client_secret[OIDC_TEXT_MAX + 1]; /* empty: a public client */
	char scope[OIDC_TEXT_MAX + 1];
	char public_url[OIDC_URL_MAX +
			1]; /* how browsers reach this coordinator; empty: its address */
	char ca_file[OIDC_TEXT_MAX + 1]; /* empty: the system's authorities */
	char user_claim[64];             /* that names a user; `email` wants email_verified too */
	char group_claim[64];            /* empty: none */
	enum oidc_flow flow;
	uint64_t login_life_s;    /* of a node's login; 0: for ever */
	bool allow_any;           /* everybody whom the provider knows */
	struct oidc_list domains; /* of mail addresses */
	struct oidc_list users;
	struct oidc_list groups; /* "what the provider says=our group" */
	struct oidc_list admins; /* who may sign in to the web pages */
	struct oidc_list viewers;
};

/*
 * Reads what an admin asked for, or what was stored. 0, or -EINVAL with a line in error. The
 * caller wipes.
 */
int oidc_config_parse(struct oidc_config *config, json_t *object, char *error, size_t error_size);
/* A new reference, or NULL; the secret only if asked for. */
json_t *oidc_config_json(const struct oidc_config *config, bool secret);

const char *oidc_flow_name(enum oidc_flow flow);

/* May this user, by name in lower case, have machines in the network? */
bool oidc_config_allows(const struct oidc_config *config, const char *user);
/* What this user may do on the web pages. */
enum oidc_role { OIDC_ROLE_NONE, OIDC_ROLE_VIEWER, OIDC_ROLE_ADMIN };
enum oidc_role oidc_config_role(const struct oidc_config *config, const char *user);
/* Our group for one of the provider's, or NULL: it counts for nothing here. */
const char *oidc_config_group(const struct oidc_config *config, const char *theirs);

#endif
