#ifndef WARREN_CTL_ARGUMENTS_H
#define WARREN_CTL_ARGUMENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The options of a verb. Each points to where its value goes; flags may stand before and after the
 * other arguments, "--" ends them, "--name=value" and "-c3" work.
 */
enum argument_kind {
	ARGUMENT_FLAG,     /* bool */
	ARGUMENT_TEXT,     /* const char * */
	ARGUMENT_NUMBER,   /* uint64_t, at least 1 */
	ARGUMENT_DURATION, /* uint64_t, milliseconds */
};

struct argument {
	const char *name; /* without dashes */
	char letter;      /* 0: none */
	enum argument_kind kind;
	void *value;
};

/*
 * Takes the options out of argv[1..argc-1] and leaves the operands there, *operands of them. 0, or
 * -EINVAL after one line on stderr; also when the operands are not min to max.
 */
int arguments_parse(int argc, char **argv, const struct argument *options, size_t count, int min,
		    int max, int *operands);

#endif
