/* The policy: policy get, set, check. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "coord/admin_reply.h"
#include "coord/policy_tag.h"
#include "coord/sessions.h"

void admin_policy_get(struct admin_request *request)
{
	uint8_t *text;
	size_t len;
	int err = store_get(request->sessions->network->store, NETWORK_VALUE_POLICY, &text, &len);

	if (err < 0) {
		admin_fail_store(request, err);
		return;
	}
	if (request->json)
		admin_answer(request, json_pack("{s:s%}", "policy", text, len));
	else
		fwrite(text, 1, len, request->out);
	free(text);
}

static void explain(struct admin_request *request, int err, const struct policy_error *problem)
{
	if (err != -EINVAL && err != -EPERM && err != -EFBIG)
		admin_fail_store(request, err);
	else if (problem->line > 0)
		admin_fail(request, ADMIN_REFUSED, "the policy was refused: line %d: %s",
			   problem->line, problem->text);
	else
		admin_fail(request, ADMIN_REFUSED, "the policy was refused: %s", problem->text);
}

/* Borrowed from the request; NULL and failed when it is not there. */
static const char *get_text(struct admin_request *request, size_t *len)
{
	json_t *value = json_object_get(request->fields.object, "policy");

	*len = json_string_length(value);
	request->fields.failed |= !json_is_string(value);
	return json_string_value(value);
}

/* Two admins do not undo each other's work unseen: `if_match` names the policy that was seen. */
static bool is_as_seen(struct admin_request *request)
{
	char seen[POLICY_TAG_SIZE] = "";
	char tag[POLICY_TAG_SIZE];
	int err;

	json_fields_text_opt(&request->fields, "if_match", seen, sizeof(seen));
	if (request->fields.failed || !seen[0])
		return !request->fields.failed;
	err = policy_tag(request->sessions->network->store, tag);
	if (err < 0)
		admin_fail_store(request, err);
	else if (strcmp(seen, tag) != 0)
		admin_fail(request, ADMIN_CHANGED,
			   "somebody changed the policy meanwhile; look at it again");
	return err == 0 && strcmp(seen, tag) == 0;
}

void admin_policy_set(struct admin_request *request)
{
	struct policy_error problem;
	size_t len;
	const char *text = get_text(request, &len);
	int err;

	if (!text)
		return;
	if (!is_as_seen(request))
		return;
	err = network_set_policy(request->sessions->network, text, len, request->caller->who,
				 request->now_s, &problem);
	if (err < 0) {
		explain(request, err, &problem);
		return;
	}
	if (request->sessions->network->strict.on) {
		admin_say_signatures(request);
		return;
	}
	log_info("policy-set bytes=%zu", len);
	sessions_want_flush(request->sessions);
}

void admin_policy_check(struct admin_request *request)
{
	struct policy_error problem;
	struct policy *policy;
	size_t len;
	const char *text = get_text(request, &len);
	int err;

	if (!text)
		return;
	err = network_check_policy(request->sessions->network, text, len, &policy, &problem);
	if (err < 0) {
		explain(request, err, &problem);
		return;
	}
	policy_free(policy);
	if (!request->json)
		fputs("the policy is good\n", request->out);
}
