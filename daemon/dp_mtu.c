#include "base/map.h"
#include "daemon/dp_core.h"
#include "daemon/dp_path_mtu.h"
#include "io/loop.h"
#include "kernel-iface/tun_mtu.h"

void dp_mtu_changed(struct dataplane *dp)
{
	struct dp_peer *peer;
	size_t cursor = 0;

	if (dp->config.path_mtu)
		while ((peer = map_next(dp->peers, &cursor)))
			dp_path_mtu_limit_changed(peer);
}

/*
 * How far packets may be padded follows what the kernel says about the device and the routes over
 * it, since both are changed by whoever administers the machine.
 */
static void load(struct dataplane *dp)
{
	uint32_t mtu[TUN_MTU_MAX];
	bool changed;

	/* A device that moved to another namespace keeps what it had. */
	if (tun_mtu_list(dp->tun_mtu, mtu) < 0)
		return;
	changed = atomic_exchange(&dp->mtu, mtu[0]) != mtu[0];
	for (size_t i = 1; i < TUN_MTU_MAX; i++)
		atomic_store(&dp->route_mtu[i - 1], mtu[i]);
	if (changed)
		dp_mtu_changed(dp);
}

static void on_change(void *arg, int revents)
{
	struct dataplane *dp = arg;

	(void)revents;
	if (tun_mtu_changed(dp->tun_mtu))
		load(dp);
}

int dp_mtu_watch(struct dataplane *dp)
{
	int err = tun_mtu_new(&dp->tun_mtu, dp->tun.ifindex);

	if (!err)
		err = loop_watch_new(&dp->mtu_watch, dp->loop, tun_mtu_fd(dp->tun_mtu), UV_READABLE,
				     on_change, dp);
	return err;
}

void dp_mtu_unwatch(struct dataplane *dp)
{
	loop_watch_free(dp->mtu_watch);
	dp->mtu_watch = NULL;
	tun_mtu_free(dp->tun_mtu);
	dp->tun_mtu = NULL;
}
