#include "daemon/device.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "daemon/device_state.h"
#include "daemon/incoming.h"

static void on_need_session(void *arg, struct dp_peer *peer)
{
	(void)arg;
	peer_wants_session(dp_peer_owner(peer));
}

static void on_handshake_message(void *arg, const uint8_t *data, size_t len,
				 const struct dp_path *from)
{
	struct device *device = arg;

	incoming_push(device->incoming, data, len, from);
}

static void on_other_message(void *arg, const uint8_t *data, size_t len, const struct dp_path *from)
{
	struct device *device = arg;

	if (device->ops->other_message)
		device->ops->other_message(device->arg, data, len, from);
}

static void on_keypair_confirmed(void *arg, struct dp_peer *peer, struct dp_keypair *keypair)
{
	(void)arg;
	peer_confirmed(dp_peer_owner(peer), keypair);
}

static void on_path_seen(void *arg, struct dp_peer *peer, const struct dp_path *from)
{
	(void)arg;
	peer_data_seen(dp_peer_owner(peer), from);
}

static void on_activity(void *arg, struct dp_peer *peer, unsigned int notices)
{
	(void)arg;
	peer_activity(dp_peer_owner(peer), notices);
}

static void on_path_mtu(void *arg, struct dp_peer *peer, unsigned int mtu)
{
	struct device *device = arg;

	if (device->ops->path_mtu)
		device->ops->path_mtu(device->arg, dp_peer_owner(peer), mtu);
}

static void on_echo(void *arg, struct dp_peer *peer, const struct dp_echo *echo)
{
	struct device *device = arg;

	if (device->ops->echo)
		device->ops->echo(device->arg, dp_peer_owner(peer), echo);
}

static void on_documents(void *arg, struct dp_peer *peer, const struct peer_message_held *held)
{
	struct device *device = arg;

	if (device->ops->documents)
		device->ops->documents(device->arg, dp_peer_owner(peer), held);
}

static void on_routes(void *arg, struct dp_peer *peer, uint32_t serial, uint32_t down)
{
	struct device *device = arg;

	if (device->ops->routes)
		device->ops->routes(device->arg, dp_peer_owner(peer), serial, down);
}

bool device_may_answer(struct device *device, struct peer *peer, const struct dp_path *from)
{
	return !device->ops->may_answer || device->ops->may_answer(device->arg, peer, from);
}

static bool on_may_answer(void *arg, struct dp_peer *peer, const struct dp_path *from)
{
	return device_may_answer(arg, dp_peer_owner(peer), from);
}

static void on_gso_off(void *arg, struct dp_peer *dp_peer, int reason)
{
	char key[sodium_base64_ENCODED_LEN(6, sodium_base64_VARIANT_ORIGINAL)];

	(void)arg;
	sodium_bin2base64(key, sizeof(key), peer_public_key(dp_peer_owner(dp_peer)), 6,
			  sodium_base64_VARIANT_ORIGINAL);
	log_warn("gso-off peer=%s reason=%s", key, dataplane_gso_reason(reason));
}

static void on_stream_output(void *arg, uint32_t stream, const uint8_t *data, size_t len)
{
	struct device *device = arg;

	if (device->ops->stream_output)
		device->ops->stream_output(device->arg, stream, data, len);
}

static const struct dp_ops dataplane_ops = {
	.need_session = on_need_session,
	.handshake_message = on_handshake_message,
	.other_message = on_other_message,
	.keypair_confirmed = on_keypair_confirmed,
	.path_seen = on_path_seen,
	.activity = on_activity,
	.path_mtu = on_path_mtu,
	.stream_output = on_stream_output,
	.gso_off = on_gso_off,
	.echo = on_echo,
	.documents = on_documents,
	.routes = on_routes,
	.may_answer = on_may_answer,
};

int device_new(struct device **out, struct loop *loop, const struct device_config *config,
	       const struct device_ops *ops, void *arg)
{
	struct device *device = calloc(1, sizeof(*device));
	struct dp_config dp_config = config->dp;
	int ret = -ENOMEM;

	if (!device)
		return -ENOMEM;
	device->loop = loop;
	device->ops = ops;
	device->arg = arg;
	device->rng = config->rng.fill ? config->rng : rng_system();
	device->wall_ns = config->wall_ns ? config->wall_ns : clock_wall_ns;
	tai64n_source_init(&device->timestamps, config->timestamp);
	cookie_checker_init(&device->checker, device->identity.pub);
	TAILQ_INIT(&device->peers);
	/* Without a policy of the owner's. */
	dp_config.follow = !ops->peer_seen;
	device->by_key = map_new(32, DEVICE_PEERS_MAX);
	/* An initiation and a response of each peer. */
	device->by_index = map_new(sizeof(uint32_t), 2 * DEVICE_PEERS_MAX);
	device->incoming = incoming_new(device);
	if (device->by_key && device->by_index && device->incoming)
		ret = dataplane_new(&device->dp, loop, &dp_config, &dataplane_ops, device);
	if (ret < 0) {
		device_free(device);
		return ret;
	}
	*out = device;
	return 0;
}

void device_free(struct device *device)
{
	struct peer *peer;

	if (!device)
		return;
	while ((peer = TAILQ_FIRST(&device->peers)))
		device_peer_remove(peer);
	incoming_free(device->incoming);
	dataplane_free(device->dp);
	map_free(device->by_index);
	map_free(device->by_key);
	cookie_checker_clear(&device->checker);
	sodium_memzero(&device->identity, sizeof(device->identity));
	free(device);
}

struct dataplane *device_dataplane(const struct device *device)
{
	return device->dp;
}

void device_set_private_key(struct device *device, const uint8_t priv[static 32])
{
	struct wg_identity identity;
	struct peer *peer;

	wg_identity_set(&identity, priv);
	/* wg syncconf sets the key that is there: sessions must survive that. */
	if (sodium_memcmp(&identity, &device->identity, sizeof(identity)) != 0) {
		device->identity = identity;
		cookie_checker_init(&device->checker, identity.pub);
		TAILQ_FOREACH(peer, &device->peers, entry)
		peer_key_changed(peer);
	}
	sodium_memzero(&identity, sizeof(identity));
}

bool device_private_key(const struct device *device, uint8_t priv[static 32])
{
	if (!device->identity.present)
		return false;
	memcpy(priv, device->identity.priv, 32);
	return true;
}

bool device_public_key(const struct device *device, uint8_t pub[static 32])
{
	if (!device->identity.present)
		return false;
	memcpy(pub, device->identity.pub, 32);
	return true;
}

int device_peer_add(struct device *device, const uint8_t pub[static 32], struct peer **out)
{
	struct peer *peer;
	int ret;

	if (device->identity.present && memcmp(pub, device->identity.pub, 32) == 0)
		return -EINVAL;
	if (map_find(device->by_key, pub))
		return -EEXIST;
	ret = peer_new(&peer, device, pub);
	if (ret < 0)
		return ret;
	ret = map_insert(device->by_key, pub, peer);
	if (ret < 0) {
		peer_free(peer);
		return ret;
	}
	TAILQ_INSERT_TAIL(&device->peers, peer, entry);
	*out = peer;
	return 0;
}

struct peer *device_peer_find(const struct device *device, const uint8_t pub[static 32])
{
	return map_find(device->by_key, pub);
}

void device_peer_remove(struct peer *peer)
{
	struct device *device = peer->device;

	map_remove(device->by_key, peer->handshake.remote_static);
	TAILQ_REMOVE(&device->peers, peer, entry);
	peer_free(peer);
}

struct peer *device_peer_next(const struct device *device, const struct peer *prev)
{
	return prev ? TAILQ_NEXT(prev, entry) : TAILQ_FIRST(&device->peers);
}

size_t device_peer_count(const struct device *device)
{
	return map_count(device->by_key);
}

void device_drops(const struct device *device, struct device_drops *drops)
{
	*drops = device->drops;
}
