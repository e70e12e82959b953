#ifndef WARREN_DAEMON_NAME_LOOKUP_H
#define WARREN_DAEMON_NAME_LOOKUP_H

#include <stddef.h>

#include "base/addr.h"

struct mesh;

/*
 * The addresses of a name for our own tools, also while the setting `names` is no: of nodes and
 * records from the map, of split domains from their servers. Other names are not asked for.
 */
struct name_lookup;

#define NAME_LOOKUP_MAX 16 /* addresses */

/* count 0: there are none, or nobody answered. */
typedef void name_lookup_done(void *arg, const struct ip_addr *addresses, size_t count);

/*
 * How many addresses are in out; or -EINPROGRESS: done comes later, unless *lookup is freed;
 * -ENOENT: no name of the network or a split domain; -EINVAL: no name; -ENODATA: it has no address;
 * or another -errno.
 */
int name_lookup_new(struct name_lookup **lookup, struct mesh *mesh, const char *name,
		    struct ip_addr out[static NAME_LOOKUP_MAX], name_lookup_done *done, void *arg);
/* Nobody waits any more. Accepts NULL. After done it is gone by itself. */
void name_lookup_free(struct name_lookup *lookup);

#endif
