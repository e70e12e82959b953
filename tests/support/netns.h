#ifndef WARREN_TESTS_SUPPORT_NETNS_H
#define WARREN_TESTS_SUPPORT_NETNS_H

#include <stdbool.h>

/*
 * Moves this process into a network namespace of its own, which ends with it; as an ordinary user
 * with the help of a user namespace. Fails the test when the kernel refuses both.
 */
void netns_enter(void);

/* Runs a command line in the current namespace (ip, mostly); the test fails when it does. */
void netns_run(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Whether the command's output contains text. */
bool netns_shows(const char *command, const char *text);

#endif
