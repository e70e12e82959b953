/* What the server is asked not to exceed, and how much of it is in use. */
#include <jansson.h>

#include "coord/admin_reply.h"
#include "coord/approval.h"
#include "coord/sessions.h"

/* How much of a limit is in use; -1 where that says nothing. */
static json_int_t used(const struct sessions *sessions, enum limit limit)
{
	switch (limit) {
	case LIMIT_CONNECTIONS:
		return (json_int_t)sessions->count;
	case LIMIT_PENDING:
		return (json_int_t)approval_count(sessions->network);
	default:
		return -1;
	}
}

static void print_limit(struct admin_request *request, enum limit limit)
{
	const struct limit_info *info = &limit_infos[limit];
	json_int_t in_use = used(request->sessions, limit);
	char text[24] = "-";

	if (in_use >= 0)
		snprintf(text, sizeof(text), "%lld", (long long)in_use);
	fprintf(request->out, "%-16s  %10llu  %10llu  %10s  %s\n", info->name,
		(unsigned long long)request->sessions->limits.values[limit],
		(unsigned long long)info->normal, text, info->what);
}

static json_t *limit_json(const struct sessions *sessions, enum limit limit)
{
	const struct limit_info *info = &limit_infos[limit];
	json_int_t in_use = used(sessions, limit);

	return json_pack("{s:s,s:I,s:I,s:I,s:I,s:o,s:s}", "name", info->name, "value",
			 (json_int_t)sessions->limits.values[limit], "default",
			 (json_int_t)info->normal, "min", (json_int_t)info->min, "max",
			 (json_int_t)info->max, "used",
			 in_use < 0 ? json_null() : json_integer(in_use), "what", info->what);
}

void admin_limits(struct admin_request *request)
{
	json_t *array = json_array();

	if (!request->json)
		fprintf(request->out, "%-16s  %10s  %10s  %10s  %s\n", "LIMIT", "VALUE", "DEFAULT",
			"IN USE", "WHAT");
	for (enum limit limit = 0; limit < LIMIT_COUNT; limit++) {
		if (request->json)
			json_array_append_new(array, limit_json(request->sessions, limit));
		else
			print_limit(request, limit);
	}
	if (request->json)
		admin_answer(request, json_pack("{s:O}", "limits", array));
	json_decref(array);
}
