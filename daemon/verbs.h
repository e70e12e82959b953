#ifndef WARREN_DAEMON_VERBS_H
#define WARREN_DAEMON_VERBS_H

#include <stddef.h>

struct local_verb;

/* What warren can ask of the daemon; handlers get the mesh. Sets *count. */
const struct local_verb *verbs_list(size_t *count);

#endif
