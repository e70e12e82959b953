#ifndef WARREN_COORD_OIDC_DOCUMENT_H
#define WARREN_COORD_OIDC_DOCUMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "coord/oidc_url.h"

/*
 * What an OpenID provider answers, read with bounds. Nothing here is believed beyond its form: who
 * somebody is stands in the ID token (oidc_token.h).
 */

#define OIDC_DOCUMENT_MAX (256u << 10) /* bytes of any answer */
#define OIDC_DEPTH_MAX    8
#define OIDC_TOKEN_MAX    (16u << 10) /* bytes of an ID token */
#define OIDC_CODE_MAX     1023        /* bytes of a device code */
#define OIDC_USER_CODE    31          /* bytes; control messages carry no longer one */

/* OpenID Connect Discovery 1.0 section 3, RFC 8414. */
struct oidc_provider {
	char authorization_endpoint[OIDC_URL_MAX + 1];
	char token_endpoint[OIDC_URL_MAX + 1];
	char jwks_uri[OIDC_URL_MAX + 1];
	char device_endpoint[OIDC_URL_MAX + 1];   /* empty: no device flow */
	char userinfo_endpoint[OIDC_URL_MAX + 1]; /* empty: none */
	bool secret_post;                         /* wants the secret in the form */
	bool says_issuer;                         /* adds `iss` to its answers: RFC 9207 */
};

/* 0, or -EBADMSG with a line in error. issuer is what we were told to ask. */
int oidc_provider_parse(struct oidc_provider *provider, const char *text, size_t len,
			const char *issuer, char *error, size_t error_size);

/* RFC 8628 section 3.2. */
struct oidc_device_grant {
	char device_code[OIDC_CODE_MAX + 1]; /* secret */
	char user_code[OIDC_USER_CODE + 1];
	char url[OIDC_URL_MAX + 1]; /* with the code in it where the provider offers that */
	uint64_t life_s;
	uint64_t interval_s;
};

int oidc_device_grant_parse(struct oidc_device_grant *grant, const char *text, size_t len);

/* What the token endpoint says: RFC 6749 section 5, RFC 8628 section 3.5. */
enum oidc_grant {
	OIDC_GRANT_TOKEN,     /* there is an ID token */
	OIDC_GRANT_PENDING,   /* the user is not done */
	OIDC_GRANT_SLOW_DOWN, /* the same, ask less often */
	OIDC_GRANT_EXPIRED,
	OIDC_GRANT_DENIED,  /* by the user */
	OIDC_GRANT_REFUSED, /* with the provider's word in error */
};

struct oidc_token_answer {
	enum oidc_grant grant;
	char *id_token;     /* malloc'd */
	char *access_token; /* malloc'd, or NULL: none, or not a bearer's */
	char error[128];    /* printable */
};

/* 0 (free both tokens, which are secret) or -EBADMSG. */
int oidc_token_answer_parse(struct oidc_token_answer *answer, unsigned int status, const char *text,
			    size_t len);

/* Text for people and the log: printable ASCII but quotes; everything else becomes '?'. */
const char *oidc_plain_text(char *out, size_t size, const char *text, size_t len);

#endif
