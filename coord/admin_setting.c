/* What holds for the whole network: settings list, set. */
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "coord/admin_reply.h"
#include "coord/approval.h"
#include "coord/report.h"
#include "coord/sessions.h"

#define SETTING_NAME_MAX 31

static bool get_report(const struct network *network)
{
	return network->report_paths;
}

static bool get_approval(const struct network *network)
{
	return network->needs_approval;
}

/* All are a yes or a no. */
static const struct {
	const char *name;
	const char *what;
	bool (*get)(const struct network *network);
	int (*set)(struct network *network, bool value);
} settings[] = {
	{ "report-paths",
	  "nodes tell by which kind of path they reach whom, and what is wrong with them",
	  get_report, report_allow },
	{ "approval", "machines wait until an admin lets them in, unless their key says otherwise",
	  get_approval, approval_require },
};
#define SETTING_COUNT (sizeof(settings) / sizeof(settings[0]))

void admin_setting_list(struct admin_request *request)
{
	const struct network *network = request->sessions->network;
	json_t *array = json_array();

	for (size_t i = 0; i < SETTING_COUNT; i++) {
		const char *value = settings[i].get(network) ? "yes" : "no";

		if (!request->json)
			fprintf(request->out, "%-16s  %-5s  %s\n", settings[i].name, value,
				settings[i].what);
		json_array_append_new(array, json_pack("{s:s,s:s,s:s}", "name", settings[i].name,
						       "value", value, "what", settings[i].what));
	}
	admin_answer(request, json_pack("{s:o}", "settings", array));
}

void admin_setting_set(struct admin_request *request)
{
	char name[SETTING_NAME_MAX + 1] = "";
	char value[8] = "";
	bool yes;
	int err;

	json_fields_text(&request->fields, "name", name, sizeof(name));
	json_fields_text(&request->fields, "value", value, sizeof(value));
	if (request->fields.failed)
		return;
	yes = strcmp(value, "yes") == 0;
	if (!yes && strcmp(value, "no") != 0) {
		admin_fail(request, ADMIN_INVALID, "%s: \"%s\" is no good value; want yes or no",
			   name, value);
		return;
	}
	for (size_t i = 0; i < SETTING_COUNT; i++) {
		if (strcmp(name, settings[i].name) != 0)
			continue;
		err = settings[i].set(request->sessions->network, yes);
		if (err < 0)
			admin_fail_store(request, err);
		else
			log_info("setting-changed name=%s value=%s", name, value);
		return;
	}
	admin_fail(request, ADMIN_NOT_FOUND, "there is no setting %s; see settings list", name);
}
