/* The policy: policy get, set, check. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "coord/admin_reply.h"
#include "coord/policy_report.h"
#include "coord/policy_tag.h"
#include "coord/session_routes.h"
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
	sessions_review_routes(request->sessions, request->now_s);
	sessions_want_flush(request->sessions);
}

/* --- policy check --- */

static void say_verdict(struct admin_request *request, const struct policy_question *question,
			const struct policy_verdict *verdict)
{
	const char *said = verdict->allowed ? "allow" : "deny";

	if (request->json) {
		admin_answer(request, json_pack("{s:s,s:s,s:s,s:s,s:i,s:i,s:s}", "verdict", said,
						"from", question->from, "to", question->to, "proto",
						question->proto[0] ? question->proto : "tcp",
						"port", (int)question->port, "line", verdict->line,
						"rule", verdict->text));
		return;
	}
	fprintf(request->out, "%s: %s to %s, %s", said, question->from, question->to,
		question->proto[0] ? question->proto : "tcp");
	if (question->port)
		fprintf(request->out, " port %u", question->port);
	if (verdict->line)
		fprintf(request->out, "\nline %d decides: %s\n", verdict->line, verdict->text);
	else
		fputs("\nno rule allows it\n", request->out);
}

static void answer_question(struct admin_request *request, const struct policy *policy)
{
	struct policy_question question = { .port = 0 };
	struct policy_verdict verdict;
	const char *unknown = "";
	uint64_t port = 0;
	int err;

	json_fields_text(&request->fields, "from", question.from, sizeof(question.from));
	json_fields_text(&request->fields, "to", question.to, sizeof(question.to));
	json_fields_text_opt(&request->fields, "proto", question.proto, sizeof(question.proto));
	if (json_fields_has(&request->fields, "port"))
		json_fields_u64(&request->fields, "port", UINT16_MAX, &port);
	if (request->fields.failed)
		return;
	question.port = (uint16_t)port;
	err = policy_report_explain(request->sessions->network, policy, &question, &verdict,
				    &unknown);
	if (err == -ENOENT)
		admin_fail(request, ADMIN_REFUSED,
			   "there is no node %s; give a node, group:G, tag:T, user:U, a host of "
			   "the policy or an address",
			   unknown);
	else if (err == -EINVAL)
		admin_fail(request, ADMIN_INVALID,
			   "%s is no protocol; give tcp, udp, icmp, sctp, gre, ... or proto/N",
			   question.proto);
	else if (err < 0)
		admin_fail_store(request, err);
	else
		say_verdict(request, &question, &verdict);
}

static void answer_diff(struct admin_request *request, const struct policy *policy)
{
	json_t *answer = NULL;
	int err = policy_report_diff(request->sessions->network, policy,
				     request->json ? NULL : request->out, &answer);

	if (err == -ENOSPC)
		admin_fail(request, ADMIN_REFUSED,
			   "the policy was refused: more than %u rules for one pair of nodes",
			   FILTER_RULES_MAX);
	else if (err < 0)
		admin_fail_store(request, err);
	else if (answer)
		admin_answer(request, answer);
}

void admin_policy_check(struct admin_request *request)
{
	struct network *network = request->sessions->network;
	struct policy_error problem;
	struct policy *given = NULL;
	bool asks = json_fields_has(&request->fields, "from") ||
		    json_fields_has(&request->fields, "to");
	bool diff = false;
	int err = 0;

	if (json_fields_has(&request->fields, "diff"))
		json_fields_bool(&request->fields, "diff", &diff);
	if (json_fields_has(&request->fields, "policy") || !asks) {
		size_t len;
		const char *text = get_text(request, &len);

		if (!text)
			return;
		err = network_check_policy(network, text, len, &given, &problem);
	}
	if (err < 0)
		explain(request, err, &problem);
	else if (asks)
		answer_question(request, given ? given : network->policy);
	else if (diff)
		answer_diff(request, given);
	else if (!request->json)
		fputs("the policy is good\n", request->out);
	policy_free(given);
}
