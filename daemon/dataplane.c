#include "daemon/dataplane.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/map.h"
#include "daemon/dp_adopted.h"
#include "daemon/dp_core.h"
#include "daemon/dp_index.h"
#include "daemon/dp_keypair.h"
#include "daemon/dp_peer.h"
#include "daemon/dp_worker.h"
#include "io/loop.h"
#include "kernel-iface/tun_steer.h"
#include "proto/allowedips.h"

#define DEFAULT_MTU 1420
#define MTU_MIN     576
#define MTU_MAX     (UDP_BYTES_MAX - DP_DATA_OVERHEAD - DP_CHANNEL_HEADER)

static void on_udp4(void *arg, int revents)
{
	(void)revents;
	dp_control_receive(arg, 0, false);
}

static void on_udp6(void *arg, int revents)
{
	(void)revents;
	dp_control_receive(arg, 0, true);
}

static void on_wake(void *arg, int revents)
{
	struct dataplane *dp = arg;
	uint64_t count;

	(void)revents;
	if (read(dp->wake_fd, &count, sizeof(count)) < 0)
		return;
	dp_dispatch(dp);
}

static int watch_control(struct dataplane *dp)
{
	static void (*const ready[2])(void *, int) = { on_udp4, on_udp6 };
	const struct dp_socket *udp = dp_control_engine(dp)->udp;
	int err = 0;

	for (int i = 0; !err && i < 2; i++)
		if (udp[i].fd >= 0)
			err = loop_watch_new(&dp->watches[i], dp->loop, udp[i].fd, UV_READABLE,
					     ready[i], dp);
	return err;
}

static void unwatch_control(struct dataplane *dp)
{
	for (int i = 0; i < 2; i++) {
		loop_watch_free(dp->watches[i]);
		dp->watches[i] = NULL;
	}
}

static int start_workers(struct dataplane *dp)
{
	for (unsigned int i = 0; i < dp->workers; i++) {
		int err = dp_worker_start(&dp->worker[i], dp->engines[i]);

		if (err)
			return err;
	}
	return 0;
}

static void stop_workers(struct dataplane *dp)
{
	for (unsigned int i = 0; dp->worker && i < dp->workers; i++)
		dp_worker_stop(&dp->worker[i]);
}

static int choose_cipher(struct dataplane *dp)
{
	for (size_t i = 0; dp->config.cipher && aead_backend_name(i); i++)
		if (!strcmp(aead_backend_name(i), dp->config.cipher))
			dp->cipher = aead_backend_name(i);
	if (!dp->config.cipher)
		dp->cipher = aead_fastest(AEAD_CHOICE_NS, clock_now_ns);
	if (!dp->cipher)
		return dp->config.cipher ? -EINVAL : -ENOTSUP;
	return aead_works(dp->cipher) ? 0 : -ENOTSUP;
}

static unsigned int choose_workers(unsigned int wanted)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	if (!wanted)
		wanted = cores > 0 ? (unsigned int)cores : 1;
	return wanted < DP_WORKERS_MAX ? wanted : DP_WORKERS_MAX;
}

static int open_tun(struct tun *tun, const struct dataplane *dp, const char *name)
{
	int err = tun_open(tun, name, dp->workers, !dp->config.no_tun_offload);

	/* Not allowed, or a kernel without: it chooses as it does for everybody. */
	if (!err && dp->config.steer && dp->workers > 1)
		(void)tun_steer(tun);
	return err;
}

static int make_tables(struct dataplane *dp)
{
	dp->worker = calloc(dp->workers, sizeof(*dp->worker));
	dp->indexes = dp_index_table_new();
	dp->allowed = allowedips_new();
	dp->peers = map_new(sizeof(uint64_t), DP_PEERS_MAX);
	if (!dp->worker || !dp->indexes || !dp->allowed || !dp->peers)
		return -ENOMEM;
	return dataplane_allowed_ips_commit(dp);
}

static int make_lanes(struct dataplane *dp)
{
	for (unsigned int i = 0; i <= dp->workers; i++) {
		int err = dp_engine_new(&dp->engines[i], dp, i);

		if (err)
			return err;
	}
	return 0;
}

/* Everything but the threads, which start when all else is there. */
static int build(struct dataplane *dp)
{
	unsigned int mtu = dp->config.mtu ? dp->config.mtu : DEFAULT_MTU;
	int err = choose_cipher(dp);

	if (!err)
		err = make_tables(dp);
	if (!err)
		err = open_tun(&dp->tun, dp, dp->config.tun_name);
	if (!err)
		err = dp_mtu_watch(dp);
	if (!err)
		err = dataplane_set_mtu(dp, mtu);
	if (!err)
		err = dp_sockets_open(&dp->sockets, dp->workers, &dp->config);
	if (!err) {
		dp->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		err = dp->wake_fd < 0 ? -errno : 0;
	}
	if (!err)
		err = make_lanes(dp);
	if (!err)
		err = dp_queue_init(&dp->input, dp->wake_fd);
	if (!err)
		err = loop_watch_new(&dp->wake, dp->loop, dp->wake_fd, UV_READABLE, on_wake, dp);
	if (!err)
		err = watch_control(dp);
	return err;
}

int dataplane_new(struct dataplane **out, struct loop *loop, const struct dp_config *config,
		  const struct dp_ops *ops, void *arg)
{
	struct dataplane *dp = aligned_alloc(64, (sizeof(*dp) + 63) & ~(size_t)63);
	int err;

	if (!dp)
		return -ENOMEM;
	memset(dp, 0, sizeof(*dp));
	dp->loop = loop;
	dp->ops = ops;
	dp->arg = arg;
	dp->config = *config;
	dp->wake_fd = -1;
	loop_timer_init(&dp->leave, loop, dp_leave_run, dp);
	dp->workers = choose_workers(config->workers);
	err = build(dp);
	if (!err)
		err = start_workers(dp);
	if (err) {
		dataplane_free(dp);
		return err;
	}
	*out = dp;
	return 0;
}

void dataplane_free(struct dataplane *dp)
{
	if (!dp)
		return;
	stop_workers(dp);
	unwatch_control(dp);
	dp_adopted_release_all(dp);
	dp_mtu_unwatch(dp);
	loop_watch_free(dp->wake);
	if (dp->routes)
		dp_routes_replace(dp, NULL);
	dp_peers_leave(dp);
	/* Peers that were freed a moment ago go before what they were made from. */
	rcu_barrier();
	for (unsigned int i = 0; i <= dp->workers; i++)
		dp_engine_free(dp->engines[i]);
	dp_queue_clear(&dp->input);
	dp_sockets_close(&dp->sockets);
	tun_close(&dp->tun);
	if (dp->wake_fd >= 0)
		close(dp->wake_fd);
	dp_index_table_free(dp->indexes);
	allowedips_free(dp->allowed);
	map_free(dp->peers);
	free(dp->worker);
	free(dp->own);
	free(dp->carriers);
	free(dp);
}

uint16_t dataplane_port(const struct dataplane *dp)
{
	return dp->sockets.port;
}

const char *dataplane_tun_name(const struct dataplane *dp)
{
	return dp->tun.name;
}

uint32_t dataplane_tun_ifindex(const struct dataplane *dp)
{
	return dp->tun.ifindex;
}

const char *dataplane_cipher(const struct dataplane *dp)
{
	return dp->cipher;
}

void dataplane_offload(const struct dataplane *dp, struct dp_offload *offload)
{
	int tcp_error = atomic_load(&dp->tso_error);
	int udp_error = atomic_load(&dp->uso_error);

	*offload = (struct dp_offload){
		.tun_tcp = dp->tun.tso && !tcp_error,
		.tun_udp = dp->tun.uso && !udp_error,
		.udp_gso = !dp->config.no_udp_gso,
		.udp_gro = !dp->config.no_udp_gro,
		.tun_error = tcp_error ? tcp_error : udp_error,
	};
}

unsigned int dataplane_workers(const struct dataplane *dp)
{
	return dp->workers;
}

unsigned int dataplane_lanes(const struct dataplane *dp)
{
	return dp->config.lanes ? dp->workers : 1;
}

/* Workers stand still meanwhile; packets wait in the TUN and, on a new port, are lost anyway. */
static void replace_sockets(struct dataplane *dp, const struct dp_sockets *sockets)
{
	stop_workers(dp);
	unwatch_control(dp);
	dp_sockets_close(&dp->sockets);
	dp->sockets = *sockets;
	for (unsigned int i = 0; i <= dp->workers; i++)
		dp_engine_take_sockets(dp->engines[i]);
}

int dataplane_set_port(struct dataplane *dp, uint16_t port)
{
	struct dp_config config = dp->config;
	struct dp_sockets sockets;
	int err;

	config.port = port;
	if (port && port == dp->sockets.port)
		return 0;
	err = dp_sockets_open(&sockets, dp->workers, &config);
	if (err)
		return err;
	dp->config.port = port;
	replace_sockets(dp, &sockets);
	err = watch_control(dp);
	return err ? err : start_workers(dp);
}

int dataplane_set_fwmark(struct dataplane *dp, uint32_t fwmark)
{
	int err = dp_sockets_set_fwmark(&dp->sockets, fwmark);

	if (!err)
		err = dp_adopted_set_fwmark(dp, fwmark);
	if (err) {
		dp_sockets_set_fwmark(&dp->sockets, dp->config.fwmark);
		dp_adopted_set_fwmark(dp, dp->config.fwmark);
	} else {
		dp->config.fwmark = fwmark;
	}
	return err;
}

int dataplane_set_mtu(struct dataplane *dp, unsigned int mtu)
{
	int err;

	if (mtu < MTU_MIN || mtu > MTU_MAX)
		return -EINVAL;
	if (mtu == atomic_load(&dp->mtu))
		return 0;
	err = tun_set_mtu(&dp->tun, mtu);
	if (err)
		return err;
	atomic_store(&dp->mtu, mtu);
	dp_mtu_changed(dp);
	return 0;
}

bool dataplane_has_tun(const struct dataplane *dp)
{
	return tun_exists(&dp->tun);
}

int dataplane_reopen_tun(struct dataplane *dp)
{
	struct tun tun;
	int err = open_tun(&tun, dp, dp->tun.name);

	if (err)
		return err;
	err = tun_set_mtu(&tun, atomic_load(&dp->mtu));
	if (err) {
		tun_close(&tun);
		return err;
	}
	stop_workers(dp);
	tun_close(&dp->tun);
	dp->tun = tun;
	for (unsigned int i = 0; i <= dp->workers; i++)
		dp->engines[i]->tun_fd = tun.fds[i < dp->workers ? i : 0];
	/* The kernel's news of the device name it by its number, which is another one now. */
	dp_mtu_unwatch(dp);
	err = dp_mtu_watch(dp);
	return err ? err : start_workers(dp);
}

void dataplane_set_flows(struct dataplane *dp, struct filter_flows *flows)
{
	dp_rcu_publish(dp->flows, flows);
}

static void free_own(struct rcu_head *rcu)
{
	free(dp_rcu_released(rcu, struct dp_own));
}

int dataplane_set_own(struct dataplane *dp, const struct ip_addr own[static 2])
{
	struct dp_own *old = dp->own;
	struct dp_own *new = calloc(1, sizeof(*new));

	if (!new)
		return -ENOMEM;
	memcpy(new->addr, own, sizeof(new->addr));
	dp_rcu_publish(dp->own, new);
	if (old)
		dp_rcu_defer(&old->rcu, free_own);
	return 0;
}

void dataplane_set_carrying(struct dataplane *dp, bool carries)
{
	atomic_store(&dp->carries, carries);
}

int dataplane_index_new(struct dp_peer *peer, uint32_t *index)
{
	struct dataplane *dp = peer->dp;
	/* Lanes count from 0 and spread by themselves. */
	uint64_t worker = dp->config.lanes ? 0 : peer->id % dp->workers;

	return dp_index_new(dp->indexes, (uint8_t)worker, index);
}

void dataplane_index_free(struct dataplane *dp, uint32_t index)
{
	dp_index_remove(dp->indexes, index);
}

void dataplane_input(struct dataplane *dp, const uint8_t *data, size_t len,
		     const struct dp_path *from)
{
	struct dp_event event = { .kind = DP_EVENT_INPUT, .path = *from, .len = len };

	/* One by one they would reach the TUN one by one; beyond the queue they are lost. */
	if (len <= PACKET_MAX)
		dp_queue_push(&dp->input, &event, data);
}
