#ifndef WARREN_DAEMON_VERBS_H
#define WARREN_DAEMON_VERBS_H

#include <stddef.h>

#include "daemon/status.h"

struct local_request;
struct local_verb;
struct mesh;

/* What warren can ask of the daemon; handlers get the mesh. Sets *count. */
const struct local_verb *verbs_list(size_t *count);

/* What status calls the state. */
enum status_state verbs_overall_state(const struct mesh *mesh);

/* Peers are known while this node is up in a network. False: the request was answered. */
bool verbs_check_up(const struct mesh *mesh, struct local_request *request);

#endif
