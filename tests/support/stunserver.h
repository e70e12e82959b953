#ifndef WARREN_TESTS_SUPPORT_STUNSERVER_H
#define WARREN_TESTS_SUPPORT_STUNSERVER_H

#include "tests/support/simnet.h"

#define STUNSERVER_PORT 3478 /* the other one is the next */

/* Answers a Binding request like a server of RFC 8489, with a second address also of RFC 5780. */
void stunserver_answer(struct simnet *net, int host, bool second_address,
		       const struct sim_event *event, uint64_t now_ns);

#endif
