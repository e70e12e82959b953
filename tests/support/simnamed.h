#ifndef WARREN_TESTS_SUPPORT_SIMNAMED_H
#define WARREN_TESTS_SUPPORT_SIMNAMED_H

#include <stdbool.h>

#include "base/addr.h"

#define SIM_NAMED_MAX 256

/* The latest addresses that authentic messages named. */
struct sim_named {
	struct endpoint list[SIM_NAMED_MAX];
	unsigned int count; /* so far */
	bool any_port;      /* of an address that was named: ports are guessed */
};

bool sim_named_has(const struct sim_named *named, const struct endpoint *addr);
void sim_named_add(struct sim_named *named, const struct endpoint *addr);

#endif
