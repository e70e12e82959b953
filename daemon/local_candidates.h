#ifndef WARREN_DAEMON_LOCAL_CANDIDATES_H
#define WARREN_DAEMON_LOCAL_CANDIDATES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

struct ice_agent;
struct netlink;

#define LOCAL_HOSTS_MAX     12
#define LOCAL_REFLEXIVE_MAX 4
#define LOCAL_OPENED_MAX    2 /* one of each family */

/*
 * The addresses at which this node may be reached: those of its interfaces, what relays see of
 * them, and what routers opened for them. Kept current all the time, so that an agent starts with
 * fresh candidates.
 */
struct local_candidates {
	struct endpoint hosts[LOCAL_HOSTS_MAX];
	uint32_t ifindexes[LOCAL_HOSTS_MAX]; /* of those that belong to their link's network; 0 */
	size_t host_count;
	struct local_reflexive {
		struct endpoint mapped;
		struct endpoint base;
		struct ip_addr server;
	} reflexive[LOCAL_REFLEXIVE_MAX];
	size_t reflexive_count;
	struct local_opened {
		struct endpoint external; /* family 0: none */
		struct endpoint base;
	} opened[LOCAL_OPENED_MAX];
};

/*
 * Lists the interfaces anew, with the shared port; reflexive addresses whose base went away, or is
 * not what the kernel sends from to that server any more, are forgotten. *changed tells whether
 * anything did. 0 or -errno.
 */
int local_candidates_refresh(struct local_candidates *candidates, struct netlink *nl,
			     uint32_t tunnel, uint16_t port, bool *changed);

/*
 * A server saw base as mapped. The latest answer for a base and server replaces an older one. True
 * when that is news.
 */
bool local_candidates_mapped(struct local_candidates *candidates, const struct endpoint *mapped,
			     const struct endpoint *base, const struct ip_addr *server);

/* A router opened external for base; NULL: not any more. True when that is news. */
bool local_candidates_opened(struct local_candidates *candidates, int family,
			     const struct endpoint *external, const struct endpoint *base);
/* Some server saw base at another address than that, and none at that one. */
bool local_candidates_contradict(const struct local_candidates *candidates,
				 const struct endpoint *base, const struct ip_addr *external);

/* Gives all of them to an agent, and takes away what it was given before and is not there now. */
void local_candidates_give(const struct local_candidates *candidates, struct ice_agent *agent,
			   uint64_t now_ns);

/*
 * The interface to name when sending from this address: elsewhere it is a stranger, whose packets
 * are dropped or, worse, given a port that the right ones then do not get. 0: none, as for an
 * address that belongs to no network (a whole-length prefix) and may leave by any interface.
 */
uint32_t local_candidates_ifindex(const struct local_candidates *candidates,
				  const struct ip_addr *local);

/* Is this one of the host addresses? */
bool local_candidates_has_host(const struct local_candidates *candidates,
			       const struct ip_addr *addr);

#endif
