#ifndef WARREN_DAEMON_DP_ADOPTED_H
#define WARREN_DAEMON_DP_ADOPTED_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/dp_core.h"
#include "daemon/dp_rcu.h"
#include "daemon/dp_socket.h"
#include "daemon/dp_sockets.h"

/*
 * A port besides the shared one: a reuseport group of its own, with a socket for every engine. It
 * is found by number under RCU and closed after a grace period, so an engine that found one may use
 * it to the end of its batch.
 */
struct dp_adopted {
	struct dataplane *dp;
	uint32_t number; /* its slot is this modulo DP_SOCKETS_MAX */
	bool six;
	struct dp_sockets group;
	struct loop_watch *watch; /* the control engine's socket */
	struct rcu_head rcu;
	struct dp_socket socket[]; /* by engine */
};

/* NULL: released. */
static inline struct dp_adopted *dp_adopted_find(const struct dataplane *dp, uint32_t number)
{
	struct dp_adopted *adopted = dp_rcu_load(dp->adopted[number % DP_SOCKETS_MAX]);

	return adopted && adopted->number == number ? adopted : NULL;
}

/* With the data plane. */
void dp_adopted_release_all(struct dataplane *dp);
/* 0 or -errno, then some may have it. */
int dp_adopted_set_fwmark(const struct dataplane *dp, uint32_t fwmark);

#endif
