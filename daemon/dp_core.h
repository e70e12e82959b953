#ifndef WARREN_DAEMON_DP_CORE_H
#define WARREN_DAEMON_DP_CORE_H

#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

#include "daemon/dataplane.h"
#include "daemon/dp_engine.h"
#include "daemon/dp_rcu.h"
#include "daemon/dp_sockets.h"
#include "io/loop.h"
#include "kernel-iface/tun.h"
#include "kernel-iface/tun_mtu.h"

struct allowedips;
struct dp_adopted;
struct dp_carriers;
struct dp_index_table;
struct dp_worker;
struct loop_watch;
struct map;

#define DP_PEERS_MAX 65536

/* Our own addresses, v4 and v6; published, replaced as a whole. */
struct dp_own {
	struct rcu_head rcu;
	struct ip_addr addr[2];
};

/* A published copy of the table that the control thread changes. */
struct dp_routes {
	struct allowedips *table;
	struct rcu_head rcu;
};

struct dataplane {
	struct loop *loop;
	const struct dp_ops *ops;
	void *arg;
	const char *cipher;
	struct dp_config config;

	struct tun tun;
	atomic_int tso_error; /* the errno for which merged packets are not written to it; 0: they
				 are */
	atomic_int uso_error;
	struct dp_sockets sockets;
	struct dp_adopted *adopted[DP_SOCKETS_MAX]; /* by slot, under RCU; NULL: none */
	uint32_t adoptions;                         /* so far */
	unsigned int workers;
	struct dp_worker *worker; /* workers of them */
	/* One a worker, and the control thread's own at the end. */
	struct dp_engine *engines[DP_WORKERS_MAX + 1];

	atomic_uint mtu; /* of the device */
	/* The smaller ones of routes over it; 0 behind the last. Both as tun_mtu says. */
	atomic_uint route_mtu[TUN_MTU_MAX];
	struct tun_mtu *tun_mtu;
	struct loop_watch *mtu_watch;
	struct dp_index_table *indexes; /* changed by the control thread, read under RCU */
	struct dp_routes *routes;       /* under RCU */
	struct allowedips *allowed;     /* control thread only; published by commit */
	struct filter_flows *flows;     /* under RCU, borrowed */
	struct dp_carriers *carriers;   /* under RCU; NULL: nothing is behind anybody */
	struct dp_own *own;             /* under RCU; NULL: everything that we send is ours */
	atomic_bool carries; /* the kernel checks what goes on to networks behind this node */

	struct dp_queue input; /* what streams brought since the last turn, to be opened together */
	struct map *peers;     /* id to peer */
	uint64_t next_peer_id;
	struct dp_peer *leaving;       /* freed, and still in the published routes */
	struct loop_timer leave;       /* publishes without them, many at once */
	struct loop_watch *wake;       /* events of all engines */
	struct loop_watch *watches[2]; /* the control engine's sockets */
	int wake_fd;
};

/* Is it the packet's source, or destination, as inner_source and inner_destination tell them? */
static inline bool dp_own_has(const struct dp_own *own, const uint8_t *packet,
			      const uint8_t *address)
{
	uint8_t version = packet[0] >> 4;
	const struct ip_addr *addr = &own->addr[version == 6];

	return addr->family && memcmp(address, addr->bytes, version == 6 ? 16 : 4) == 0;
}

static inline struct dp_engine *dp_control_engine(const struct dataplane *dp)
{
	return dp->engines[dp->workers];
}

/* Are the peers our own nodes, who understand peer messages? */
static inline bool dp_speaks(const struct dataplane *dp)
{
	return dp->config.lanes || dp->config.path_mtu;
}

/* Publishes the routes for those who left; the timer's callback. */
void dp_leave_run(void *arg, uint64_t now_ns);
/* Frees after a grace period what waits for routes to be published without it. */
void dp_peers_leave(struct dataplane *dp);
/* Publishes table (NULL: no routes at all), frees the old one after a grace period. */
void dp_routes_replace(struct dataplane *dp, struct dp_routes *routes);
/* Keeps both MTUs as the kernel has them, from the next change on. 0 or -errno. */
int dp_mtu_watch(struct dataplane *dp);
void dp_mtu_unwatch(struct dataplane *dp);
/* The device's MTU is another one: paths are searched up to it. */
void dp_mtu_changed(struct dataplane *dp);
/* A turn of the control thread's socket of that number: see dp_engine_socket. */
void dp_control_receive(struct dataplane *dp, uint32_t number, bool six);
/* Hands waiting events of all engines to the owner's callbacks. */
void dp_dispatch(struct dataplane *dp);

#endif
