#ifndef WARREN_COORD_OIDC_H
#define WARREN_COORD_OIDC_H

#include <stddef.h>
#include <stdint.h>

#include "coord/oidc_config.h"
#include "proto/control.h"

struct http;
struct loop;
struct node;
struct sessions;
struct ws_http_request;
struct ws_http_response;

/*
 * Single sign-on: machines of users, and admins of the web pages, by an OpenID provider. A node
 * that waits for its user has a *sign-in*: by the device flow (RFC 8628) the user opens the
 * provider's page and we ask until it is done; by the browser flow (authorization code with PKCE)
 * the user comes to our own page first, compares the machine's code, and is led to the provider
 * and back. Sign-ins live in memory: one that is lost is begun anew.
 */
struct oidc;

#define OIDC_PATH  "/oidc"
#define OIDC_VALUE "oidc" /* in the store */

/* Reads its settings from the store. 0 or -errno. */
int oidc_new(struct oidc **oidc, struct loop *loop, struct sessions *sessions);
/* Accepts NULL. */
void oidc_free(struct oidc *oidc);
/* Every second. */
void oidc_tick(struct oidc *oidc, uint64_t now_ns, uint64_t now_s);

/* NULL: no provider is set. */
const struct oidc_config *oidc_settings(const struct oidc *oidc);
/* Stores and obeys; NULL: none any more. Sign-ins begin anew. */
int oidc_configure(struct oidc *oidc, const struct oidc_config *config);
/* Obeys what another coordinator stored. */
int oidc_reload(struct oidc *oidc);
/* Where browsers come back to; it must be known to the provider. */
void oidc_redirect_url(const struct oidc *oidc, char out[static OIDC_URL_MAX + 1]);

/*
 * Where the user of a node that waits for a sign-in has to go; begins one unless there is one. What
 * is not known yet is left empty, and the node hears of it later. Accepts NULL.
 */
void oidc_describe(struct oidc *oidc, const struct node *node, struct control_pending *pending);

/* Where admins sign in to the web pages; NULL: nowhere. */
const char *oidc_login_path(const struct oidc *oidc);
/* Requests below OIDC_PATH. */
void oidc_http(struct http *http, const struct ws_http_request *request,
	       struct ws_http_response *response);

#endif
