#include <stdio.h>
#include <sys/utsname.h>

#include "ctl/arguments.h"
#include "ctl/client.h"
#include "ctl/report.h"
#include "ctl/verbs.h"

#define NETCHECK_PATIENCE_MS 20000

/* One part of the report; what cannot be had is null, and why stands on stderr. */
static void add_part(json_t *bug, const struct client *client, const char *verb,
		     uint64_t patience_ms)
{
	json_t *reply = NULL;
	int code = client_call(client, local_plain_encode(verb), patience_ms, NULL, NULL, &reply);

	if (code == CLIENT_SILENCE)
		report(LOCAL_TIMEOUT, "%s: the daemon did not answer", verb);
	json_object_set_new(bug, verb, code == LOCAL_OK ? reply : json_null());
}

/*
 * What somebody who looks into a fault wants to see, as one JSON object. No keys but public ones,
 * no tokens; addresses and names are in it.
 */
int verb_bugreport(const struct client *client, int argc, char **argv)
{
	struct utsname uts;
	json_t *bug;
	int operands;

	if (arguments_parse(argc, argv, NULL, 0, 0, 0, &operands))
		return LOCAL_USAGE;
	bug = json_pack("{s:i,s:s}", "schema", 1, "warren", WARREN_VERSION);
	if (!bug)
		return report(LOCAL_FAILURE, "out of memory");
	if (uname(&uts) == 0)
		json_object_set_new(bug, "kernel", json_sprintf("%s %s", uts.release, uts.machine));
	if (client_probe(client)) {
		add_part(bug, client, "version", CLIENT_PATIENCE_MS);
		add_part(bug, client, "status", CLIENT_PATIENCE_MS);
		add_part(bug, client, "get", CLIENT_PATIENCE_MS);
		add_part(bug, client, "netcheck", NETCHECK_PATIENCE_MS);
	} else {
		json_object_set_new(bug, "daemon", json_string("not reachable"));
	}
	json_dumpf(bug, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(bug);
	return LOCAL_OK;
}
