/* Tokens for the API and the web pages: api-token create, list, revoke. */
#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "base/log.h"
#include "coord/admin_reply.h"
#include "coord/api_token.h"
#include "coord/sessions.h"

#define ID_TEXT_SIZE HEX_SIZE(STORE_API_TOKEN_ID_SIZE)

static const char *role_text(bool admin)
{
	return admin ? "admin" : "viewer";
}

static bool get_role(struct admin_request *request)
{
	char role[16] = "";

	json_fields_text(&request->fields, "role", role, sizeof(role));
	if (strcmp(role, "admin") != 0 && strcmp(role, "viewer") != 0 && !request->fields.failed)
		admin_fail(request, ADMIN_INVALID, "there is no role %s: want admin or viewer",
			   role);
	return strcmp(role, "admin") == 0;
}

static const char *token_state(const struct store_api_token *token, uint64_t now_s)
{
	return token->revoked                                  ? "revoked"
	       : token->expires_s && now_s >= token->expires_s ? "expired"
							       : "good";
}

static json_t *token_json(const struct store_api_token *token, uint64_t now_s)
{
	char id[ID_TEXT_SIZE];

	encoding_hex(id, sizeof(id), token->id, sizeof(token->id));
	return json_pack("{s:s,s:s,s:s,s:s,s:I,s:s,s:I}", "id", id, "name", token->name, "role",
			 role_text(token->admin), "state", token_state(token, now_s), "created_s",
			 (json_int_t)token->created_s, "created_by", token->created_by, "expires_s",
			 (json_int_t)token->expires_s);
}

void admin_api_token_create(struct admin_request *request)
{
	struct store_api_token token = { 0 };
	char text[API_TOKEN_TEXT_SIZE];
	uint64_t life_s = 0;
	json_t *answer;
	int err;

	json_fields_text(&request->fields, "name", token.name, sizeof(token.name));
	json_fields_u64(&request->fields, "expires_s", UINT32_MAX, &life_s);
	token.admin = get_role(request);
	if (request->fields.failed || request->kind != ADMIN_OK)
		return;
	if (!token.name[0]) {
		admin_fail(request, ADMIN_INVALID, "a token wants a name, for the audit log");
		return;
	}
	token.expires_s = life_s ? request->now_s + life_s : 0;
	snprintf(token.created_by, sizeof(token.created_by), "%s", request->caller->who);
	err = api_token_make(request->sessions->network, &token, request->now_s, text);
	if (err == -ENOSPC) {
		admin_fail(request, ADMIN_CONFLICT, "there are %d API tokens already",
			   STORE_API_TOKENS_MAX);
		return;
	}
	if (err < 0) {
		admin_fail_store(request, err);
		return;
	}
	log_info("api-token-created name=\"%s\" role=%s", token.name, role_text(token.admin));
	if (request->json) {
		answer = token_json(&token, request->now_s);
		json_object_set_new(answer, "token", json_string(text));
		admin_answer(request, answer);
	} else {
		fprintf(request->out, "%s\n", text);
	}
	sodium_memzero(text, sizeof(text));
}

struct listing {
	struct admin_request *request;
	json_t *tokens;
};

static int list_one(void *arg, const struct store_api_token *token)
{
	struct listing *listing = arg;
	struct admin_request *request = listing->request;
	char id[ID_TEXT_SIZE];
	char created[32];
	char expires[32];

	encoding_hex(id, sizeof(id), token->id, sizeof(token->id));
	if (request->json)
		json_array_append_new(listing->tokens, token_json(token, request->now_s));
	else
		fprintf(request->out, "%-16s  %-8s  %-7s  %-20s  %-20s  %s\n", id,
			token_state(token, request->now_s), role_text(token->admin),
			admin_time(created, token->created_s),
			admin_time(expires, token->expires_s), token->name);
	return 0;
}

void admin_api_token_list(struct admin_request *request)
{
	struct listing listing = { .request = request, .tokens = json_array() };
	int err;

	if (!request->json)
		fprintf(request->out, "%-16s  %-8s  %-7s  %-20s  %-20s  %s\n", "ID", "STATE",
			"ROLE", "CREATED", "EXPIRES", "NAME");
	err = store_api_token_each(request->sessions->network->store, list_one, &listing);
	if (err < 0)
		admin_fail_store(request, err);
	admin_answer(request, json_pack("{s:o}", "api_tokens", listing.tokens));
}

void admin_api_token_revoke(struct admin_request *request)
{
	uint8_t id[STORE_API_TOKEN_ID_SIZE];
	char text[64] = "";
	int err = -ENOENT;

	json_fields_text(&request->fields, "id", text, sizeof(text));
	if (request->fields.failed)
		return;
	if (encoding_hex_parse(id, sizeof(id), text) == 0)
		err = store_api_token_revoke(request->sessions->network->store, id);
	if (err == -ENOENT)
		admin_fail(request, ADMIN_NOT_FOUND, "no API token %s; see api-token list", text);
	else if (err < 0)
		admin_fail_store(request, err);
	else
		log_info("api-token-revoked id=%s", text);
}
