#include "coord/api_caller.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/log.h"
#include "coord/admin.h"
#include "coord/api_token.h"
#include "coord/http_host.h"
#include "coord/login.h"
#include "coord/sessions.h"
#include "io/loop.h"

static bool deny(struct ws_http_response *response)
{
	ws_http_set_header(response, "www-authenticate", "Bearer realm=\"warren\"");
	http_fail(response, 401, "unauthorized",
		  "sign in, or send a token that is known and has not expired");
	return false;
}

static bool no_store(struct ws_http_response *response)
{
	http_fail(response, 503, "unavailable", "the database does not answer; try again later");
	return false;
}

static bool may_try(struct http *http, const struct ws_http_request *request,
		    struct ws_http_response *response)
{
	unsigned int wait_s = login_throttle_wait(&http->throttle, &request->remote.addr,
						  loop_now_ns(http->loop));

	if (wait_s == 0)
		return true;
	ws_http_set_header(response, "retry-after", "%u", wait_s);
	http_fail(response, 429, "too-many", "too many wrong tokens from this address; wait %u s",
		  wait_s);
	return false;
}

static void note_failure(struct http *http, const struct ws_http_request *request)
{
	char from[ADDR_TEXT_SIZE];

	login_throttle_failed(&http->throttle, &request->remote.addr, loop_now_ns(http->loop));
	http->login_failures++;
	log_warn("login-failed from=%s", addr_format(from, &request->remote.addr));
}

static void set_from(struct admin_caller *caller, const struct ws_http_request *request)
{
	char text[ADDR_TEXT_SIZE];

	snprintf(caller->from, sizeof(caller->from), "%s",
		 addr_format(text, &request->remote.addr));
}

bool api_caller_from_token(struct http *http, const struct ws_http_request *request,
			   const char *text, struct ws_http_response *response,
			   struct admin_caller *caller, uint8_t *token_id)
{
	struct store_api_token token;
	int err;

	/* Nobody guesses 256 bits: a good token is good, whoever shares the address. */
	err = api_token_check(http->sessions->network->store, text, clock_wall_s(), &token);
	if (err == -EACCES) {
		if (!may_try(http, request, response))
			return false;
		note_failure(http, request);
		return deny(response);
	}
	if (err < 0)
		return no_store(response);
	*caller = (struct admin_caller){ .may_change = token.admin };
	snprintf(caller->who, sizeof(caller->who), "token:%s", token.name);
	set_from(caller, request);
	if (token_id)
		memcpy(token_id, token.id, sizeof(token.id));
	return true;
}

bool api_caller_is_page(const struct ws_http_request *request, struct ws_http_response *response)
{
	if (request->local)
		return true;
	if (request->origin[0] && !http_origin_is_host(request->origin, request->host)) {
		http_fail(response, 403, "origin", "a page of another origin may not do this");
		return false;
	}
	return true;
}

static bool from_cookie(struct http *http, const struct ws_http_request *request,
			struct ws_http_response *response, struct admin_caller *caller)
{
	bool reads = strcmp(request->method, "GET") == 0 || strcmp(request->method, "HEAD") == 0;
	struct store_login login;
	int err = login_find(http->sessions->network, request, clock_wall_s(), &login);

	if (err == -ENOENT)
		return deny(response);
	if (err < 0)
		return no_store(response);
	if (!reads && !api_caller_is_page(request, response))
		return false;
	if (!reads && (!request->origin[0] || !request->csrf[0])) {
		http_fail(response, 403, "csrf",
			  "changes by a browser want the headers Origin and X-Warren-CSRF");
		return false;
	}
	*caller = (struct admin_caller){ .may_change = login.admin };
	snprintf(caller->who, sizeof(caller->who), "%s", login.who);
	set_from(caller, request);
	return true;
}

bool api_caller_find(struct http *http, const struct ws_http_request *request,
		     struct ws_http_response *response, struct admin_caller *caller)
{
	const char *authorization = request->authorization;

	if (request->local) {
		admin_local_caller(caller, request->local_uid);
		return true;
	}
	if (authorization[0]) {
		if (strncasecmp(authorization, "Bearer ", 7) != 0)
			return deny(response);
		return api_caller_from_token(http, request,
					     authorization + 7 + strspn(authorization + 7, " "),
					     response, caller, NULL);
	}
	return request->cookie[0] ? from_cookie(http, request, response, caller) : deny(response);
}
