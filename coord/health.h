#ifndef WARREN_COORD_HEALTH_H
#define WARREN_COORD_HEALTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * What is wrong with this coordinator at present, one line for each matter: what, why, what to do.
 * Whoever notices sets it, and clears it when it is over; both are logged once.
 */
#define HEALTH_MAX       32
#define HEALTH_NAME_SIZE 32
#define HEALTH_TEXT_SIZE 240

enum health_level {
	HEALTH_WARNING, /* it serves, but somebody has to look */
	HEALTH_FAILING, /* it does not do all that it is there for */
};

struct health_problem {
	char name[HEALTH_NAME_SIZE]; /* of the matter: "tls", "database", … */
	char text[HEALTH_TEXT_SIZE];
	enum health_level level;
	uint64_t since_s;
};

struct health {
	struct health_problem problems[HEALTH_MAX]; /* in the order they came */
	size_t count;
};

/* Sets or renews the text of a matter. Above HEALTH_MAX it is only logged. */
void health_set(struct health *health, const char *name, enum health_level level, uint64_t now_s,
		const char *fmt, ...) __attribute__((format(printf, 5, 6)));
void health_clear(struct health *health, const char *name);
bool health_is_failing(const struct health *health);

#endif
