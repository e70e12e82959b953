#ifndef WARREN_COORD_LOGIN_H
#define WARREN_COORD_LOGIN_H

#include <stdbool.h>
#include <stdint.h>

#include "coord/store_login.h"

struct admin_caller;
struct network;
struct ws_http_request;
struct ws_http_response;

/*
 * People signed in at the web pages. The cookie holds 256 random bits, the store their hash, so
 * every coordinator of a network knows a login, and a restart ends none.
 */

#define LOGIN_LIFE_S (12 * 3600)
#define LOGIN_COOKIE "__Host-warren" /* the browser binds such a name to this host and TLS */

/*
 * Opens one for the caller and sets the cookie; token_id is that of the API token it rests on, or
 * NULL. Also for single sign-on. 0, -ENOSPC, or an error of the store.
 */
int login_open(struct network *network, const struct admin_caller *caller, const uint8_t *token_id,
	       uint64_t now_s, struct ws_http_response *response);
/* By the request's cookie. 0; -ENOENT: none that counts; or an error of the store. */
int login_find(struct network *network, const struct ws_http_request *request, uint64_t now_s,
	       struct store_login *login);
/* Ends the one of the request's cookie, and has the browser forget it. */
int login_close(struct network *network, const struct ws_http_request *request,
		struct ws_http_response *response);

#endif
