#ifndef WARREN_COORD_OIDC_CORE_H
#define WARREN_COORD_OIDC_CORE_H

#include <stdbool.h>

#include "coord/admin_verbs.h"
#include "coord/oidc.h"
#include "coord/oidc_document.h"
#include "coord/oidc_fetch.h"
#include "coord/oidc_token.h"
#include "io/ws.h"

/* Inside of oidc*.c only. */

#define OIDC_SIGNINS_MAX   1024
#define OIDC_ADMINS_MAX    64 /* of them, admins at the web pages; the oldest gives way */
#define OIDC_SECRET_SIZE   16 /* random bytes of what nobody may guess */
#define OIDC_SECRET_TEXT   23 /* as base64url, with NUL */
#define OIDC_VERIFIER_TEXT 44 /* RFC 7636 section 4.1 */
#define OIDC_BROWSER_S     (15 * 60)
#define OIDC_RETRY_S       5         /* a provider that does not answer is asked again */
#define OIDC_PROVIDER_S    (60 * 60) /* its documents are read again */
#define OIDC_KEYS_PAUSE_S  2         /* between two looks for new keys */

enum signin_state {
	SIGNIN_STARTING,    /* wants the provider's documents */
	SIGNIN_ASKING,      /* device flow: wants a code from the provider */
	SIGNIN_POLLING,     /* device flow: the user is at the provider */
	SIGNIN_OFFERED,     /* browser flow: nobody has come to our page, or not said yes there */
	SIGNIN_AUTHORIZING, /* browser flow: the user is at the provider */
	SIGNIN_EXCHANGING,  /* browser flow: the code is being made an ID token */
	SIGNIN_VERIFYING,   /* wants the provider's newest keys */
	SIGNIN_LOOKING_UP,  /* wants what the ID token does not say of the user */
};

struct signin {
	uint64_t id; /* names it in callbacks */
	struct signin *next;
	enum signin_state state;
	uint64_t deadline_ns;
	bool admin; /* at the web pages, else of a node */
	bool quiet; /* the node is being told anyway */
	uint8_t node_key[32];
	char handle[OIDC_SECRET_TEXT]; /* in the address of our page */
	/* Browser flow, of the last time that somebody said yes on our page. */
	char cookie[OIDC_SECRET_TEXT]; /* of that browser */
	char state_text[OIDC_SECRET_TEXT];
	char nonce[OIDC_SECRET_TEXT];
	char verifier[OIDC_VERIFIER_TEXT];
	bool has_ticket; /* that browser waits for an answer */
	struct ws_http_ticket ticket;
	char from[ADMIN_FROM_MAX];     /* its address */
	struct ws_http_response **now; /* while that request is handled; NULL behind it: answered */
	/* Device flow. */
	struct oidc_device_grant grant;
	uint64_t ask_ns;
	bool asking;
	char *id_token;
	char *access_token; /* or NULL */
	json_t *claims;     /* in LOOKING_UP */
};

struct oidc {
	struct loop *loop;
	struct sessions *sessions;
	struct oidc_fetcher *fetcher;
	bool configured;
	struct oidc_config config;
	uint64_t epoch; /* counts configurations: answers to older questions are dropped */
	uint64_t ids;
	uint8_t form_secret[32]; /* makes the forms' tokens */
	/* The provider's documents. */
	bool has_provider;
	struct oidc_provider provider;
	struct oidc_keys *keys; /* NULL: none yet */
	bool loading;
	bool stale; /* keys are wanted anew */
	uint64_t loaded_ns;
	uint64_t keys_ns;
	uint64_t retry_ns;
	char trouble[256]; /* why it does not answer as it should, or "" */
	struct signin *signins;
	size_t signin_count;
};

/* oidc_provider.c: loads the documents unless they are there or just failed. True: they are. */
bool oidc_provider_ready(struct oidc *oidc, uint64_t now_ns);
/* Fetches the keys anew, not too often; oidc_advance_all follows. */
void oidc_provider_refresh_keys(struct oidc *oidc, uint64_t now_ns);
void oidc_provider_forget(struct oidc *oidc);
/* A request of oidc's own, with the client's authentication where `client` says so. */
int oidc_ask(struct oidc *oidc, const char *url, struct oidc_form *form, bool client, uint64_t tag,
	     void (*done)(void *arg, uint64_t tag, unsigned int status, const char *text,
			  size_t len));

int oidc_ask_userinfo(struct oidc *oidc, const struct signin *signin,
		      void (*done)(void *arg, uint64_t tag, unsigned int status, const char *text,
				   size_t len));

/* oidc_signin.c: the table. NULL when it is full. */
struct signin *signin_new(struct oidc *oidc, bool admin, uint64_t now_ns);
void signin_free(struct oidc *oidc, struct signin *signin);
struct signin *signin_find(const struct oidc *oidc, uint64_t id);
struct signin *signin_find_node(const struct oidc *oidc, const uint8_t node_key[static 32]);
struct signin *signin_find_handle(const struct oidc *oidc, const char *handle);
struct signin *signin_find_state(const struct oidc *oidc, const char *state_text);
/* Random text, as base64url of OIDC_SECRET_SIZE bytes. */
void signin_random(struct oidc *oidc, char out[static OIDC_SECRET_TEXT]);

/* oidc_flow.c: goes on with a sign-in as far as it can without waiting. It may be gone after. */
void oidc_advance(struct oidc *oidc, struct signin *signin, uint64_t now_ns);
void oidc_advance_all(struct oidc *oidc, uint64_t now_ns);
/* The address at the provider to send a browser to, malloc'd, or NULL. */
char *oidc_authorization_url(struct oidc *oidc, struct signin *signin);
/* The browser came back with this code. */
void oidc_exchange(struct oidc *oidc, struct signin *signin, const char *code);

/* oidc_finish.c: the user has shown who they are; ends the sign-in, or begins it anew. */
void oidc_finish(struct oidc *oidc, struct signin *signin, const struct oidc_claims *claims);
/* It came to nothing: tells a browser that waits and the log. */
void oidc_fail(struct oidc *oidc, struct signin *signin, const char *why);

/* oidc_http.c: answers the browser that waits, if there is one. */
void oidc_answer_page(struct signin *signin, int status, const char *title, const char *text);
/* Gives the browser that waits a login of the web pages. */
void oidc_open_pages(struct oidc *oidc, struct signin *signin, const char *user, bool admin);
/* Leads the browser that waits to the provider. */
void oidc_send_to_provider(struct oidc *oidc, struct signin *signin);

/* oidc.c: tells a node that waits where its user has to go now. */
void oidc_tell_node(struct oidc *oidc, const struct signin *signin);

#endif
