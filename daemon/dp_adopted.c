#include "daemon/dp_adopted.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/descriptors.h"
#include "daemon/dp_worker.h"

static void on_readable(void *arg, int revents)
{
	const struct dp_adopted *adopted = arg;

	(void)revents;
	dp_control_receive(adopted->dp, adopted->number, adopted->six);
}

static void close_group(struct rcu_head *rcu)
{
	struct dp_adopted *adopted = dp_rcu_released(rcu, struct dp_adopted);

	dp_sockets_close(&adopted->group);
	free(adopted);
}

/* From here on nobody finds it; whoever had found it may go on to the end of a batch. */
static void leave(struct dp_adopted *adopted)
{
	struct dataplane *dp = adopted->dp;

	dp_rcu_publish(dp->adopted[adopted->number % DP_SOCKETS_MAX], NULL);
	loop_watch_free(adopted->watch);
	for (unsigned int i = 0; i < dp->workers; i++)
		dp_worker_unwatch(&dp->worker[i], &adopted->socket[i]);
	dp_rcu_defer(&adopted->rcu, close_group);
}

static void init_sockets(struct dp_adopted *adopted)
{
	const struct dataplane *dp = adopted->dp;

	for (unsigned int i = 0; i <= dp->workers; i++) {
		struct dp_socket *socket = &adopted->socket[i];

		dp_socket_init(socket, &adopted->group, i, adopted->six, adopted->number);
		if (i < dp->workers)
			dp_room_init(&socket->room, socket->fd);
	}
}

/* Published, and then watched: what waits in the sockets meanwhile is found by the first poll. */
static int enter(struct dp_adopted *adopted)
{
	struct dataplane *dp = adopted->dp;
	int err;

	dp_rcu_publish(dp->adopted[adopted->number % DP_SOCKETS_MAX], adopted);
	err = loop_watch_new(&adopted->watch, dp->loop, adopted->socket[dp->workers].fd,
			     UV_READABLE, on_readable, adopted);
	for (unsigned int i = 0; !err && i < dp->workers; i++)
		err = dp_worker_watch(&dp->worker[i], &adopted->socket[i]);
	return err;
}

static bool find_slot(const struct dataplane *dp, uint32_t *slot)
{
	for (*slot = 0; *slot < DP_SOCKETS_MAX; ++*slot)
		if (!dp->adopted[*slot])
			return true;
	return false;
}

static struct dp_adopted *adopted_new(struct dataplane *dp, uint32_t slot)
{
	size_t size = sizeof(struct dp_adopted) + (dp->workers + 1) * sizeof(struct dp_socket);
	struct dp_adopted *adopted = aligned_alloc(_Alignof(struct dp_adopted), size);

	if (!adopted)
		return NULL;
	memset(adopted, 0, size);
	adopted->dp = dp;
	/* The slot alone would name one that was released long ago; 0 is the shared port. */
	do
		adopted->number = ++dp->adoptions * DP_SOCKETS_MAX + slot;
	while (adopted->number < DP_SOCKETS_MAX);
	return adopted;
}

int dataplane_adopt_socket(struct dataplane *dp, int fd, uint32_t *number)
{
	struct dp_adopted *adopted;
	uint32_t slot;
	int err;

	if (!find_slot(dp, &slot))
		return -ENOSPC;
	adopted = adopted_new(dp, slot);
	if (!adopted)
		return -ENOMEM;
	descriptors_allow(DESCRIPTORS_ALL);
	err = dp_sockets_adopt(&adopted->group, fd, dp->workers, &dp->config);
	if (err) {
		free(adopted);
		return err;
	}
	adopted->six = adopted->group.fd[0][0] < 0;
	init_sockets(adopted);
	err = enter(adopted);
	if (err) {
		adopted->group.fd[0][adopted->six] = -1; /* stays the caller's */
		leave(adopted);
		return err;
	}
	*number = adopted->number;
	return 0;
}

void dataplane_release_socket(struct dataplane *dp, uint32_t number)
{
	struct dp_adopted *adopted = dp_adopted_find(dp, number);

	if (adopted)
		leave(adopted);
}

void dp_adopted_release_all(struct dataplane *dp)
{
	for (uint32_t slot = 0; slot < DP_SOCKETS_MAX; slot++)
		if (dp->adopted[slot])
			leave(dp->adopted[slot]);
}

uint16_t dataplane_socket_port(const struct dataplane *dp, uint32_t number)
{
	const struct dp_adopted *adopted = dp_adopted_find(dp, number);

	if (!number)
		return dataplane_port(dp);
	return adopted ? adopted->group.port : 0;
}

uint32_t dataplane_socket_on(const struct dataplane *dp, uint16_t port)
{
	if (port == dataplane_port(dp))
		return 0;
	for (uint32_t slot = 0; slot < DP_SOCKETS_MAX; slot++)
		if (dp->adopted[slot] && dp->adopted[slot]->group.port == port)
			return dp->adopted[slot]->number;
	return 0;
}

int dp_adopted_set_fwmark(const struct dataplane *dp, uint32_t fwmark)
{
	for (uint32_t slot = 0; slot < DP_SOCKETS_MAX; slot++) {
		const struct dp_adopted *adopted = dp->adopted[slot];
		int err = adopted ? dp_sockets_set_fwmark(&adopted->group, fwmark) : 0;

		if (err)
			return err;
	}
	return 0;
}
