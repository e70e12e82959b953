/* The audit log: audit list. */
#include <errno.h>
#include <string.h>

#include "coord/admin_reply.h"
#include "coord/audit.h"
#include "coord/sessions.h"

#define LIMIT_NORMAL 200
#define LIMIT_MOST   1000

struct listing {
	struct admin_request *request;
	json_t *entries;
	uint64_t last_id;
};

static int list_one(void *arg, const struct store_audit *entry)
{
	struct listing *listing = arg;
	json_t *details;
	char when[32];

	listing->last_id = entry->id;
	if (!listing->request->json) {
		fprintf(listing->request->out, "%-20s  %-24s  %-20s  %-16s  %-20s  %s\n",
			admin_time(when, entry->time_s), entry->who,
			entry->from[0] ? entry->from : "-", entry->action,
			entry->target[0] ? entry->target : "-", entry->details);
		return 0;
	}
	details = json_loads(entry->details, 0, NULL);
	json_array_append_new(listing->entries,
			      json_pack("{s:I,s:I,s:s,s:s,s:s,s:s,s:o}", "id",
					(json_int_t)entry->id, "time_s", (json_int_t)entry->time_s,
					"who", entry->who, "from", entry->from, "verb",
					entry->action, "target", entry->target, "details",
					details ? details : json_object()));
	return 0;
}

void admin_audit_list(struct admin_request *request)
{
	struct store_audit_query query = { .limit = LIMIT_NORMAL };
	struct listing listing = { .request = request };
	char action[sizeof(((struct store_audit *)0)->action)] = "";
	struct json_fields *f = &request->fields;
	int err;

	if (json_fields_has(f, "since_s"))
		json_fields_u64(f, "since_s", INT64_MAX, &query.since_s);
	if (json_fields_has(f, "before"))
		json_fields_u64(f, "before", INT64_MAX, &query.before);
	if (json_fields_has(f, "limit"))
		json_fields_u64(f, "limit", LIMIT_MOST, &query.limit);
	json_fields_text_opt(f, "action", action, sizeof(action));
	if (f->failed)
		return;
	query.action = action[0] ? action : NULL;
	listing.entries = json_array();
	if (!request->json)
		fprintf(request->out, "%-20s  %-24s  %-20s  %-16s  %-20s  %s\n", "TIME", "WHO",
			"FROM", "ACTION", "TARGET", "DETAILS");
	err = store_audit_each(request->sessions->network->store, &query, list_one, &listing);
	if (err < 0)
		admin_fail_store(request, err);
	admin_answer(request,
		     json_pack("{s:o,s:o}", "audit", listing.entries, "next",
			       json_array_size(listing.entries) < query.limit || !query.limit
				       ? json_null()
				       : json_integer((json_int_t)listing.last_id)));
}
