#include "daemon/peer.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/device_state.h"

int peer_new(struct peer **out, struct device *device, const uint8_t pub[static 32])
{
	struct peer *peer = calloc(1, sizeof(*peer));

	if (!peer)
		return -ENOMEM;
	peer->device = device;
	peer->dp = dataplane_peer_new(device->dp, peer);
	if (!peer->dp) {
		free(peer);
		return -ENOMEM;
	}
	handshake_init(&peer->handshake, &device->identity, pub);
	cookie_maker_init(&peer->cookies, pub);
	timers_init(&peer->timers);
	loop_timer_init(&peer->timer, device->loop, peer_run, peer);
	*out = peer;
	return 0;
}

void peer_free(struct peer *peer)
{
	if (!peer)
		return;
	loop_timer_clear(&peer->timer);
	peer_sessions_end(peer);
	dataplane_peer_drop_staged(peer->dp, false);
	dataplane_peer_free(peer->dp);
	handshake_clear(&peer->handshake);
	cookie_maker_clear(&peer->cookies);
	sodium_memzero(peer, sizeof(*peer));
	free(peer);
}

void peer_saw(struct peer *peer, const struct dp_path *from)
{
	struct device *device = peer->device;

	if (device->ops->peer_seen)
		device->ops->peer_seen(device->arg, peer, from);
	else
		peer_set_path(peer, from);
}

void peer_data_seen(struct peer *peer, const struct dp_path *from)
{
	struct device *device = peer->device;

	if (device->ops->peer_seen)
		device->ops->peer_seen(device->arg, peer, from);
}

static bool path_same(const struct dp_path *a, const struct dp_path *b)
{
	return a->kind == b->kind && endpoint_equal(&a->remote, &b->remote) &&
	       addr_equal(&a->local, &b->local) && a->ifindex == b->ifindex &&
	       a->channel == b->channel && a->stream == b->stream;
}

void peer_wants_session(struct peer *peer)
{
	struct device *device = peer->device;

	if (device->ops->peer_wanted)
		device->ops->peer_wanted(device->arg, peer);
	/* Nobody will bring a path, or a key. */
	if ((peer_path(peer)->kind == DP_PATH_NONE && !device->ops->peer_wanted) ||
	    !peer->handshake.possible) {
		dataplane_peer_drop_staged(peer->dp, true);
		return;
	}
	peer_start_handshake(peer);
}

const uint8_t *peer_public_key(const struct peer *peer)
{
	return peer->handshake.remote_static;
}

struct device *peer_device(const struct peer *peer)
{
	return peer->device;
}

struct dp_peer *peer_dp(const struct peer *peer)
{
	return peer->dp;
}

void peer_set_owner(struct peer *peer, void *owner)
{
	peer->owner = owner;
}

void *peer_owner(const struct peer *peer)
{
	return peer->owner;
}

void peer_set_psk(struct peer *peer, const uint8_t psk[static 32])
{
	handshake_set_psk(&peer->handshake, psk);
}

void peer_psk(const struct peer *peer, uint8_t psk[static 32])
{
	memcpy(psk, peer->handshake.psk, 32);
}

void peer_set_keepalive(struct peer *peer, uint16_t interval_s)
{
	if (interval_s == peer->keepalive_s)
		return;
	peer->keepalive_s = interval_s;
	timers_set_keepalive(&peer->timers, interval_s);
	peer_timer_arm(peer);
}

uint16_t peer_keepalive(const struct peer *peer)
{
	return peer->keepalive_s;
}

void peer_set_path(struct peer *peer, const struct dp_path *path)
{
	static const struct dp_path none = { .kind = DP_PATH_NONE };

	if (!path)
		path = &none;
	if (path_same(path, peer_path(peer)))
		return;
	peer->path = *path;
	dataplane_peer_set_path(peer->dp, path);
	if (path->kind != DP_PATH_NONE)
		dataplane_peer_flush(peer->dp); /* what waited for a path only */
}

const struct dp_path *peer_path(struct peer *peer)
{
	dataplane_peer_path(peer->dp, &peer->path);
	return &peer->path;
}

uint64_t peer_last_handshake_ns(const struct peer *peer)
{
	return peer->last_handshake_ns;
}

uint64_t peer_last_handshake_wall_ns(const struct peer *peer)
{
	return peer->last_handshake_wall_ns;
}
