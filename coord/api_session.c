#include "coord/api_session.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "coord/api_caller.h"
#include "coord/api_document.h"
#include "coord/api_routes.h"
#include "coord/audit.h"
#include "coord/login.h"
#include "coord/oidc.h"
#include "coord/sessions.h"

void api_session_document(struct api_call *call)
{
	http_answer_text(call->response, 200, "application/json", api_document, api_document_len());
}

void api_session_ways(struct api_call *call)
{
	struct network *network = call->http->sessions->network;
	struct store_login found;
	int err = login_find(network, call->request, clock_wall_s(), &found);

	/* A page that begins asks this first: a refusal would be an error on its console. */
	http_answer_json(call->response, 200,
			 json_pack("{s:i,s:b,s:s?,s:b}", "schema", 1, "token", 1, "sso",
				   oidc_login_path(call->http->sessions->oidc), "signed_in",
				   err == 0));
}

static json_t *session_json(const struct admin_caller *caller)
{
	return json_pack("{s:i,s:s,s:s,s:b}", "schema", 1, "who", caller->who, "role",
			 caller->may_change ? "admin" : "viewer", "may_change", caller->may_change);
}

void api_session_login(struct api_call *call)
{
	struct network *network = call->http->sessions->network;
	const char *token = json_string_value(json_object_get(call->arguments, "token"));
	uint8_t id[STORE_API_TOKEN_ID_SIZE];
	int err;

	if (!api_caller_is_page(call->request, call->response) ||
	    !api_caller_from_token(call->http, call->request, token, call->response, &call->caller,
				   id))
		return;
	audit_note(network->store, &call->caller, "login", "", NULL, clock_wall_s());
	err = login_open(network, &call->caller, id, clock_wall_s(), call->response);
	audit_forget(network->store);
	if (err < 0) {
		http_fail(call->response, 503, "unavailable",
			  err == -ENOSPC ? "too many people are signed in"
					 : "the database does not answer; try again later");
		return;
	}
	log_info("login who=\"%s\" from=%s", call->caller.who, call->caller.from);
	http_answer_json(call->response, 200, session_json(&call->caller));
}

void api_session_logout(struct api_call *call)
{
	if (login_close(call->http->sessions->network, call->request, call->response) < 0)
		http_fail(call->response, 503, "unavailable",
			  "the database does not answer; try again later");
	else
		call->response->status = 204;
}

void api_session_show(struct api_call *call)
{
	http_answer_json(call->response, 200, session_json(&call->caller));
}
