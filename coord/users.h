#ifndef WARREN_COORD_USERS_H
#define WARREN_COORD_USERS_H

#include <stddef.h>
#include <stdint.h>

#include "coord/oidc_config.h"
#include "coord/oidc_token.h"

struct node;
struct sessions;

/* Users who signed in, and what that means for their machines. */

/*
 * Is this the user that it was before, and may they come in? Notes the sign-in. 0, or -EACCES
 * with a line in error, or the store's error.
 */
int users_check(struct sessions *sessions, const struct oidc_config *config,
		const struct oidc_claims *claims, uint64_t now_s, char *error, size_t error_size);
/*
 * The user signed in to this node, which is theirs from now on and let in, if users_check has
 * nothing against it. 0, -EACCES with a line in error, or the store's error.
 */
int users_admit(struct sessions *sessions, const struct oidc_config *config, struct node *node,
		const struct oidc_claims *claims, uint64_t now_s, char *error, size_t error_size);
/* Machines whose logins are over have to wait for their users. */
void users_tick(struct sessions *sessions, uint64_t now_s);
/*
 * Cuts all machines of a user off and refuses the user. 0, -ENOENT: never signed in and has no
 * machine, or the store's error. *count: of machines.
 */
int users_revoke(struct sessions *sessions, const char *user, uint64_t now_s, size_t *count);

#endif
