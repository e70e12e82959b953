#include "coord/health.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"

static struct health_problem *find(struct health *health, const char *name)
{
	for (size_t i = 0; i < health->count; i++)
		if (strcmp(health->problems[i].name, name) == 0)
			return &health->problems[i];
	return NULL;
}

void health_set(struct health *health, const char *name, enum health_level level, uint64_t now_s,
		const char *fmt, ...)
{
	struct health_problem *problem = find(health, name);
	char text[HEALTH_TEXT_SIZE];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (!problem)
		log_warn("health what=%s text=\"%s\"", name, text);
	if (!problem && health->count == HEALTH_MAX)
		return;
	if (!problem) {
		problem = &health->problems[health->count++];
		*problem = (struct health_problem){ .since_s = now_s };
		snprintf(problem->name, sizeof(problem->name), "%s", name);
	}
	problem->level = level;
	memcpy(problem->text, text, sizeof(text));
}

void health_clear(struct health *health, const char *name)
{
	struct health_problem *problem = find(health, name);
	size_t place;

	if (!problem)
		return;
	log_info("health-again what=%s", name);
	place = (size_t)(problem - health->problems);
	health->count--;
	memmove(problem, problem + 1, (health->count - place) * sizeof(*problem));
}

bool health_is_failing(const struct health *health)
{
	for (size_t i = 0; i < health->count; i++)
		if (health->problems[i].level == HEALTH_FAILING)
			return true;
	return false;
}
