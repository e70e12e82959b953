#ifndef WARREN_COORD_API_TOKEN_H
#define WARREN_COORD_API_TOKEN_H

#include "base/encoding.h"
#include "coord/store_login.h"

struct network;

/*
 * Secrets by which programs and people ask through HTTP: "warren-api-ID-SECRET". Made once, shown
 * once, and kept as a hash.
 */

#define API_TOKEN_SECRET_SIZE 32
#define API_TOKEN_PREFIX      "warren-api-"
#define API_TOKEN_TEXT_SIZE                                             \
	(sizeof(API_TOKEN_PREFIX) + HEX_SIZE(STORE_API_TOKEN_ID_SIZE) + \
	 BASE64_SIZE(API_TOKEN_SECRET_SIZE))

/*
 * Makes and stores one; name, admin, created_by and expires_s of *token are the caller's, the rest
 * is filled in. 0, -ENOSPC: too many, or an error of the store.
 */
int api_token_make(struct network *network, struct store_api_token *token, uint64_t now_s,
		   char text[static API_TOKEN_TEXT_SIZE]);
/* 0; -EACCES: not one that counts; or an error of the store. */
int api_token_check(struct store *store, const char *text, uint64_t now_s,
		    struct store_api_token *token);

#endif
