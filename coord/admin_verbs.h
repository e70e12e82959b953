#ifndef WARREN_COORD_ADMIN_VERBS_H
#define WARREN_COORD_ADMIN_VERBS_H

#include <stddef.h>
#include <stdint.h>

struct sessions;

/*
 * What admins can ask for. A request is a JSON object with a verb; the answer is malloc'd text that
 * ends in a newline: {"code":0,"text":…} with what the command prints, or {"code":1,"error":…}.
 * NULL when out of memory.
 */
char *admin_verbs_run(struct sessions *sessions, const char *request, size_t len, uint64_t now_s);

#endif
