/* The pages that browsers see on their way to the provider and back. */
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/encoding.h"
#include "base/log.h"
#include "coord/audit.h"
#include "coord/http.h"
#include "coord/http_cookie.h"
#include "coord/login.h"
#include "coord/oidc_core.h"
#include "coord/sessions.h"
#include "crypto/hash.h"
#include "io/loop.h"
#include "proto/approval_code.h"

#define COOKIE_NAME "warren-signin"
#define CODE_MAX    2048 /* bytes of the provider's code */

static const char style[] = "<style>body{font:16px/1.5 system-ui,sans-serif;max-width:34rem;"
			    "margin:12vh auto;padding:0 1rem;color:#1b1f24;background:#fff}"
			    "code{font-size:1.4em;letter-spacing:.08em}"
			    "button{font:inherit;padding:.6rem 1.4rem;border:0;border-radius:6px;"
			    "background:#0b57d0;color:#fff}dt{color:#57606a}dd{margin:0 0 .6rem}"
			    "@media(prefers-color-scheme:dark){body{background:#0d1117;"
			    "color:#e6edf3}dt{color:#9da7b3}}</style>";

static void put_escaped(FILE *out, const char *text)
{
	for (; *text; text++) {
		switch (*text) {
		case '&':
			fputs("&amp;", out);
			break;
		case '<':
			fputs("&lt;", out);
			break;
		case '>':
			fputs("&gt;", out);
			break;
		case '"':
			fputs("&quot;", out);
			break;
		case '\'':
			fputs("&#39;", out);
			break;
		default:
			fputc(*text, out);
		}
	}
}

struct page {
	FILE *out;
	char *text;
	size_t len;
};

static void page_begin(struct page *page, const char *title, const char *head)
{
	*page = (struct page){ .text = NULL };
	page->out = open_memstream(&page->text, &page->len);
	if (!page->out)
		return;
	fputs("<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta "
	      "name=\"viewport\" content=\"width=device-width\"><title>Warren: ",
	      page->out);
	put_escaped(page->out, title);
	fprintf(page->out, "</title>%s%s</head><body><h1>", style, head);
	put_escaped(page->out, title);
	fputs("</h1>", page->out);
}

static void page_end(struct page *page, struct ws_http_response *response, int status)
{
	response->status = 503;
	if (!page->out)
		return;
	fputs("</body></html>\n", page->out);
	if (fclose(page->out) == 0) {
		http_answer_text(response, status, "text/html; charset=utf-8", page->text,
				 page->len);
		ws_http_set_header(response, "content-security-policy",
				   "default-src 'none'; style-src 'unsafe-inline'; "
				   "frame-ancestors 'none'; base-uri 'none'");
	}
	free(page->text);
}

static void simple_page(struct ws_http_response *response, int status, const char *title,
			const char *text)
{
	struct page page;

	page_begin(&page, title, "");
	if (page.out) {
		fputs("<p>", page.out);
		put_escaped(page.out, text);
		fputs("</p>", page.out);
	}
	page_end(&page, response, status);
}

/* Answers the browser that waits, and forgets it. */
static void answer(struct signin *signin, struct ws_http_response *response)
{
	signin->has_ticket = false;
	ws_http_set_header(response, "cache-control", "no-store");
	ws_http_set_header(response, "referrer-policy", "no-referrer");
	ws_http_set_header(response, "x-content-type-options", "nosniff");
	ws_http_set_header(response, "x-frame-options", "DENY");
	if (!signin->now) {
		ws_http_answer(signin->ticket, response);
		return;
	}
	**signin->now = *response;
	*signin->now = NULL;
	signin->now = NULL;
}

void oidc_answer_page(struct signin *signin, int status, const char *title, const char *text)
{
	struct ws_http_response response = { .status = status };

	if (!signin->has_ticket)
		return;
	simple_page(&response, status, title, text);
	answer(signin, &response);
}

/* --- the cookie that keeps a sign-in to one browser --- */

static bool is_https(const struct oidc *oidc)
{
	char url[OIDC_URL_MAX + 1];

	oidc_redirect_url(oidc, url);
	return oidc_url_is_https(url);
}

static const char *cookie_name(const struct oidc *oidc)
{
	return is_https(oidc) ? "__Host-" COOKIE_NAME : COOKIE_NAME;
}

static void set_cookie(const struct oidc *oidc, struct ws_http_response *response,
		       const char *value)
{
	/* Lax: it has to come along when the provider sends the browser back. */
	ws_http_set_header(response, "set-cookie",
			   "%s=%s; Path=/; HttpOnly; SameSite=Lax; "
			   "Max-Age=%d%s",
			   cookie_name(oidc), value, OIDC_BROWSER_S,
			   is_https(oidc) ? "; Secure" : "");
}

/* The value that the browser showed; false: none that we would make. */
static bool get_cookie(const struct oidc *oidc, const struct ws_http_request *request,
		       char out[static OIDC_SECRET_TEXT])
{
	uint8_t bytes[OIDC_SECRET_SIZE];
	size_t len;

	return http_cookie_get(request->cookie, cookie_name(oidc), out, OIDC_SECRET_TEXT) &&
	       encoding_base64url_parse(bytes, sizeof(bytes), &len, out) == 0 &&
	       len == sizeof(bytes);
}

/* Ties a form to the browser and the sign-in that it was made for. */
static void form_token(const struct oidc *oidc, const char *cookie, const char *handle,
		       char out[static BASE64_SIZE(HASH_SIZE)])
{
	uint8_t hash[HASH_SIZE];
	char text[2 * OIDC_SECRET_TEXT];

	snprintf(text, sizeof(text), "%s %s", cookie, handle);
	hash_hmac_blake2s(hash, oidc->form_secret, sizeof(oidc->form_secret), text, strlen(text));
	encoding_base64url(out, BASE64_SIZE(HASH_SIZE), hash, sizeof(hash));
}

/* --- the browser's way --- */

/* One that is there once, and of printable characters only. */
static bool argument(const struct ws_http_request *request, const char *name, char *out,
		     size_t size)
{
	return oidc_form_get(request->query, strlen(request->query), name, out, size) == 0;
}

static const char gone[] = "This address is not good any more. The machine that wants to join "
			   "shows a new one.";

/* The sign-in of this machine, when a browser may begin it. */
static struct signin *offered(struct oidc *oidc, const char *handle, const struct node **node)
{
	struct signin *signin = signin_find_handle(oidc, handle);

	if (!signin || signin->admin ||
	    (signin->state != SIGNIN_OFFERED && signin->state != SIGNIN_AUTHORIZING))
		return NULL;
	*node = network_find(oidc->sessions->network, signin->node_key);
	return *node ? signin : NULL;
}

static void put_machine(FILE *out, const struct node *node)
{
	char code[APPROVAL_CODE_SIZE];

	approval_code(code, node->device_key, node->box_key);
	fputs("<p>This machine asks to join the network under your name:</p><dl><dt>Name</dt><dd>",
	      out);
	put_escaped(out, node->name);
	fputs("</dd><dt>System</dt><dd>", out);
	put_escaped(out, node->os[0] ? node->os : "-");
	fprintf(out,
		"</dd><dt>Code</dt><dd><code>%s</code></dd></dl><p><strong>Go on only if your "
		"own machine shows this code.</strong> Whoever sent you this address may want "
		"to bring in a machine of theirs.</p>",
		code);
}

static void page_start(struct oidc *oidc, const struct ws_http_request *request,
		       struct ws_http_response *response)
{
	char handle[OIDC_SECRET_TEXT];
	char cookie[OIDC_SECRET_TEXT];
	char token[BASE64_SIZE(HASH_SIZE)];
	const struct node *node;
	struct page page;

	if (!argument(request, "s", handle, sizeof(handle)) || !offered(oidc, handle, &node)) {
		simple_page(response, 404, "No such sign-in", gone);
		return;
	}
	if (!get_cookie(oidc, request, cookie))
		signin_random(oidc, cookie);
	form_token(oidc, cookie, handle, token);
	page_begin(&page, "Join the network?", "");
	if (page.out) {
		put_machine(page.out, node);
		fprintf(page.out,
			"<form method=\"post\" action=\"" OIDC_PATH "/confirm\"><input "
			"type=\"hidden\" name=\"s\" value=\"%s\"><input type=\"hidden\" name=\"t\" "
			"value=\"%s\"><button>The code is the same: sign in</button></form>",
			handle, token);
	}
	page_end(&page, response, 200);
	set_cookie(oidc, response, cookie);
}

static void redirect(struct ws_http_response *response, const char *url)
{
	http_answer_text(response, 303, "text/plain", "", 0);
	if (ws_http_set_header(response, "location", "%s", url) < 0)
		response->status = 503;
}

static void send_to_provider(struct oidc *oidc, struct signin *signin,
			     struct ws_http_response *response)
{
	char *url = oidc_authorization_url(oidc, signin);

	if (url)
		redirect(response, url);
	else
		response->status = 503;
	free(url);
}

static void page_confirm(struct oidc *oidc, const struct ws_http_request *request,
			 struct ws_http_response *response)
{
	const char *body = (const char *)request->body;
	char handle[OIDC_SECRET_TEXT];
	char cookie[OIDC_SECRET_TEXT];
	char token[BASE64_SIZE(HASH_SIZE)] = "";
	char expected[BASE64_SIZE(HASH_SIZE)] = "";
	const struct node *node;
	struct signin *signin;

	if (oidc_form_get(body, request->body_len, "s", handle, sizeof(handle)) < 0 ||
	    !(signin = offered(oidc, handle, &node))) {
		simple_page(response, 404, "No such sign-in", gone);
		return;
	}
	if (get_cookie(oidc, request, cookie))
		form_token(oidc, cookie, handle, expected);
	if (!expected[0] || oidc_form_get(body, request->body_len, "t", token, sizeof(token)) < 0 ||
	    sodium_memcmp(token, expected, sizeof(token)) != 0 ||
	    (request->fetch_site[0] && strcmp(request->fetch_site, "same-origin") != 0)) {
		simple_page(response, 403, "Not signed in",
			    "This form is not from our own page, or cookies are off.");
		return;
	}
	if (!oidc_provider_ready(oidc, loop_now_ns(oidc->loop))) {
		simple_page(response, 503, "Not signed in",
			    "The sign-in provider does not answer; try again later.");
		return;
	}
	memcpy(signin->cookie, cookie, sizeof(signin->cookie));
	send_to_provider(oidc, signin, response);
}

/* The answer may come before the request's handler returns, or much later. */
static void expect_answer(struct signin *signin, const struct ws_http_request *request,
			  struct ws_http_response **waiting)
{
	char from[ADDR_TEXT_SIZE];

	signin->has_ticket = true;
	signin->ticket = request->ticket;
	signin->now = waiting;
	addr_format(from, &request->remote.addr);
	snprintf(signin->from, sizeof(signin->from), "%s", from);
}

/* After what may have answered, and then freed the sign-in: NULL says so. */
static void defer_unless_answered(struct signin *signin, struct ws_http_response *waiting)
{
	if (!waiting)
		return;
	waiting->deferred = true;
	signin->now = NULL;
}

/* The provider's parameters of the way back; RFC 9207 for `iss`. */
static const char *bad_return(const struct oidc *oidc, const struct ws_http_request *request)
{
	char issuer[OIDC_URL_MAX + 1];

	if (argument(request, "iss", issuer, sizeof(issuer)))
		return strcmp(issuer, oidc->config.issuer) == 0
			       ? NULL
			       : "This answer is of another sign-in provider.";
	return oidc->provider.says_issuer ? "This answer does not say which provider it is of."
					  : NULL;
}

/* The sign-in that this browser began. Its state serves once. */
static struct signin *returning(struct oidc *oidc, const struct ws_http_request *request)
{
	char cookie[OIDC_SECRET_TEXT];
	char state[OIDC_SECRET_TEXT];
	struct signin *signin = NULL;

	if (argument(request, "state", state, sizeof(state)))
		signin = signin_find_state(oidc, state);
	if (!signin || signin->state != SIGNIN_AUTHORIZING || !get_cookie(oidc, request, cookie) ||
	    sodium_memcmp(cookie, signin->cookie, sizeof(cookie)) != 0)
		return NULL;
	signin->state_text[0] = '\0';
	return signin;
}

static void page_callback(struct oidc *oidc, const struct ws_http_request *request,
			  struct ws_http_response *response)
{
	struct ws_http_response *waiting = response;
	struct signin *signin = returning(oidc, request);
	char code[CODE_MAX];
	char error[64];
	const char *bad;

	if (!signin) {
		simple_page(response, 403, "Not signed in",
			    "This browser did not begin this sign-in, or it took too long; begin "
			    "anew.");
		return;
	}
	expect_answer(signin, request, &waiting);
	bad = bad_return(oidc, request);
	if (bad)
		oidc_fail(oidc, signin, bad);
	else if (argument(request, "error", error, sizeof(error)))
		oidc_fail(oidc, signin,
			  strcmp(error, "access_denied") == 0 ? "the sign-in was broken off"
							      : error);
	else if (!argument(request, "code", code, sizeof(code)))
		oidc_fail(oidc, signin, "the provider gave no code");
	else
		oidc_exchange(oidc, signin, code);
	defer_unless_answered(signin, waiting);
	sodium_memzero(code, sizeof(code));
}

/* --- admins --- */

void oidc_send_to_provider(struct oidc *oidc, struct signin *signin)
{
	struct ws_http_response response = { .status = 503 };

	if (!signin->has_ticket)
		return;
	send_to_provider(oidc, signin, &response);
	set_cookie(oidc, &response, signin->cookie);
	answer(signin, &response);
}

static void page_login(struct oidc *oidc, const struct ws_http_request *request,
		       struct ws_http_response *response)
{
	uint64_t now_ns = loop_now_ns(oidc->loop);
	struct ws_http_response *waiting = response;
	struct signin *signin;

	if (!oidc_login_path(oidc)) {
		simple_page(response, 404, "No sign-in here",
			    "No user may sign in to these pages; an admin can change that with "
			    "warren-coord oidc set --admin.");
		return;
	}
	signin = signin_new(oidc, true, now_ns);
	if (!signin) {
		simple_page(response, 503, "Too many sign-ins",
			    "Too many sign in at once; try again.");
		return;
	}
	if (!get_cookie(oidc, request, signin->cookie))
		signin_random(oidc, signin->cookie);
	expect_answer(signin, request, &waiting);
	oidc_advance(oidc, signin, now_ns);
	defer_unless_answered(signin, waiting);
}

void oidc_open_pages(struct oidc *oidc, struct signin *signin, const char *user, bool admin)
{
	struct network *network = oidc->sessions->network;
	struct ws_http_response response = { .status = 503 };
	struct admin_caller caller = { .may_change = admin };
	struct page page;
	int err;

	if (!signin->has_ticket)
		return;
	snprintf(caller.who, sizeof(caller.who), "user:%.*s", (int)sizeof(caller.who) - 6, user);
	memcpy(caller.from, signin->from, sizeof(caller.from));
	audit_note(network->store, &caller, "login", "", NULL, clock_wall_s());
	err = login_open(network, &caller, NULL, clock_wall_s(), &response);
	audit_forget(network->store);
	if (err < 0) {
		oidc_answer_page(signin, 503, "Not signed in",
				 err == -ENOSPC ? "Too many people are signed in."
						: "The database does not answer; try again later.");
		return;
	}
	log_info("login who=\"%s\" from=%s", caller.who, caller.from);
	/*
	 * No redirect: the login's cookie is for this site alone (SameSite=Strict), and a way that
	 * began at the provider is not of this site.
	 */
	page_begin(&page, "Signed in", "<meta http-equiv=\"refresh\" content=\"0;url=/\">");
	if (page.out)
		fputs("<p><a href=\"/\">To the network</a></p>", page.out);
	page_end(&page, &response, 200);
	answer(signin, &response);
}

const char *oidc_login_path(const struct oidc *oidc)
{
	const struct oidc_config *config = oidc_settings(oidc);

	return config && (config->admins.count || config->viewers.count) ? OIDC_PATH "/login"
									 : NULL;
}

/* --- the router --- */

void oidc_http(struct http *http, const struct ws_http_request *request,
	       struct ws_http_response *response)
{
	static const struct {
		const char *path;
		const char *method;
		void (*page)(struct oidc *oidc, const struct ws_http_request *request,
			     struct ws_http_response *response);
	} pages[] = {
		{ OIDC_PATH "/start", "GET", page_start },
		{ OIDC_PATH "/confirm", "POST", page_confirm },
		{ OIDC_PATH "/callback", "GET", page_callback },
		{ OIDC_PATH "/login", "GET", page_login },
	};
	struct oidc *oidc = http->sessions->oidc;

	for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
		if (strcmp(request->path, pages[i].path) != 0)
			continue;
		if (strcmp(request->method, pages[i].method) != 0) {
			ws_http_set_header(response, "allow", "%s", pages[i].method);
			http_fail(response, 405, "method", "this page wants %s", pages[i].method);
		} else if (!oidc || !oidc->configured) {
			simple_page(response, 404, "No sign-in here",
				    "This network has no sign-in provider.");
		} else {
			pages[i].page(oidc, request, response);
		}
		return;
	}
	http_fail(response, 404, "not-found", "there is no such page");
}
