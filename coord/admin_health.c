/* What is wrong with the coordinator, if anything. */
#include <jansson.h>

#include "coord/admin_reply.h"
#include "coord/sessions.h"

static const char *level_name(enum health_level level)
{
	return level == HEALTH_FAILING ? "failing" : "warning";
}

static json_t *problem_json(const struct health_problem *problem)
{
	return json_pack("{s:s,s:s,s:s,s:I}", "name", problem->name, "level",
			 level_name(problem->level), "text", problem->text, "since_s",
			 (json_int_t)problem->since_s);
}

void admin_health(struct admin_request *request)
{
	const struct health *health = &request->sessions->health;
	json_t *array = json_array();
	char since[32];

	for (size_t i = 0; i < health->count; i++) {
		const struct health_problem *problem = &health->problems[i];

		json_array_append_new(array, problem_json(problem));
		if (!request->json)
			fprintf(request->out, "! %s: %s (%s, since %s)\n", problem->name,
				problem->text, level_name(problem->level),
				admin_time(since, problem->since_s));
	}
	if (request->json)
		admin_answer(request, json_pack("{s:s,s:O}", "status",
						health_is_failing(health) ? "failing"
						: health->count           ? "warning"
									  : "ok",
						"problems", array));
	else if (health->count == 0)
		fputs("ok\n", request->out);
	json_decref(array);
}
