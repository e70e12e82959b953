/* Users who signed in: user list, revoke, forget. */
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "coord/admin_reply.h"
#include "coord/sessions.h"
#include "coord/store_account.h"
#include "coord/users.h"

struct listing {
	struct admin_request *request;
	json_t *array;
};

static size_t count_nodes(const struct network *network, const char *user)
{
	const struct node *node;
	size_t cursor = 0;
	size_t count = 0;

	while ((node = network_next(network, &cursor)))
		count += strcmp(node->owner, user) == 0 && !node->revoked;
	return count;
}

static int list_one(void *arg, const struct store_account *account)
{
	struct listing *listing = arg;
	struct admin_request *request = listing->request;
	size_t nodes = count_nodes(request->sessions->network, account->name);
	const char *state = account->revoked ? "revoked" : "allowed";
	char seen[32];

	if (request->json)
		json_array_append_new(listing->array,
				      json_pack("{s:s,s:s,s:I,s:I,s:I,s:s}", "name", account->name,
						"state", state, "nodes", (json_int_t)nodes,
						"created_s", (json_int_t)account->created_s,
						"seen_s", (json_int_t)account->seen_s, "issuer",
						account->issuer));
	else
		fprintf(request->out, "%-32s  %-8s  %5zu  %s\n", account->name, state, nodes,
			admin_time(seen, account->seen_s));
	return 0;
}

void admin_user_list(struct admin_request *request)
{
	struct listing listing = { .request = request, .array = json_array() };
	int err;

	if (!request->json)
		fprintf(request->out, "%-32s  %-8s  %5s  %s\n", "NAME", "STATE", "NODES",
			"LAST SIGN-IN");
	err = store_account_each(request->sessions->network->store, list_one, &listing);
	if (err < 0) {
		json_decref(listing.array);
		admin_fail_store(request, err);
		return;
	}
	admin_answer(request, json_pack("{s:o}", "users", listing.array));
}

static void get_name(struct admin_request *request, char name[static CERT_OWNER_MAX + 1])
{
	name[0] = '\0';
	json_fields_text(&request->fields, "name", name, CERT_OWNER_MAX + 1);
	if (!request->fields.failed && cert_owner_check(name) < 0)
		admin_fail(request, ADMIN_INVALID, "%s is no user: write it in lower case", name);
}

void admin_user_revoke(struct admin_request *request)
{
	char name[CERT_OWNER_MAX + 1];
	size_t count;
	int err;

	get_name(request, name);
	if (request->fields.failed || request->kind != ADMIN_OK)
		return;
	admin_note(request, name, NULL, NULL);
	err = users_revoke(request->sessions, name, request->now_s, &count);
	if (err == -ENOENT)
		admin_fail(request, ADMIN_NOT_FOUND, "no user %s has signed in; see user list",
			   name);
	else if (err < 0)
		admin_fail_store(request, err);
	if (err < 0)
		return;
	log_info("user-revoked user=%s nodes=%zu", name, count);
	admin_answer(request, json_pack("{s:I}", "revoked_nodes", (json_int_t)count));
	if (!request->json)
		fprintf(request->out, "%s may sign in no more; %zu node%s cut off\n", name, count,
			count == 1 ? "" : "s");
}

void admin_user_forget(struct admin_request *request)
{
	char name[CERT_OWNER_MAX + 1];
	int err;

	get_name(request, name);
	if (request->fields.failed || request->kind != ADMIN_OK)
		return;
	admin_note(request, name, NULL, NULL);
	err = store_account_delete(request->sessions->network->store, name);
	if (err == -ENOENT)
		admin_fail(request, ADMIN_NOT_FOUND, "no user %s has signed in; see user list",
			   name);
	else if (err < 0)
		admin_fail_store(request, err);
	else
		log_info("user-forgotten user=%s", name);
}
