#include "daemon/uapi_request.h"

#include <errno.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/encoding.h"
#include "daemon/device.h"
#include "daemon/peer.h"
#include "proto/uapi.h"

void uapi_request_init(struct uapi_request *request, struct device *device, uint32_t *fwmark)
{
	*request = (struct uapi_request){ .device = device, .fwmark = fwmark };
}

static void replace_peers(struct device *device)
{
	struct peer *peer;

	while ((peer = device_peer_next(device, NULL)))
		device_peer_remove(peer);
}

/* A device does not talk to itself: a peer with our own new key goes. */
static void set_private_key(struct device *device, const uint8_t key[static 32])
{
	uint8_t pub[32];
	struct peer *self;

	device_set_private_key(device, key);
	if (!device_public_key(device, pub))
		return;
	self = device_peer_find(device, pub);
	if (self)
		device_peer_remove(self);
}

static int set_fwmark(struct uapi_request *request, uint32_t fwmark)
{
	int ret = dataplane_set_fwmark(device_dataplane(request->device), fwmark);

	if (ret == 0)
		*request->fwmark = fwmark;
	return ret;
}

static int set_port(struct device *device, uint32_t port)
{
	struct dataplane *dp = device_dataplane(device);

	if (port && port == dataplane_port(dp))
		return 0;
	return dataplane_set_port(dp, (uint16_t)port);
}

/* Makes the peer that was named, unless it turned out not to be wanted. */
static int make_peer(struct uapi_request *request)
{
	struct peer *peer;
	int ret;

	if (request->peer != UAPI_PEER_MAKE)
		return 0;
	ret = device_peer_add(request->device, request->public_key, &peer);
	request->peer = ret < 0 ? UAPI_PEER_SKIP : UAPI_PEER_KNOWN;
	/* Our own key: its lines are skipped, as the kernel does. */
	return ret == -EINVAL ? 0 : ret;
}

static int select_peer(struct uapi_request *request, const uint8_t key[static 32])
{
	int ret = make_peer(request);

	if (ret < 0)
		return ret;
	memcpy(request->public_key, key, 32);
	request->peer = device_peer_find(request->device, key) ? UAPI_PEER_KNOWN : UAPI_PEER_MAKE;
	return 0;
}

static void remove_peer(struct uapi_request *request)
{
	struct peer *peer = device_peer_find(request->device, request->public_key);

	request->peer = UAPI_PEER_SKIP;
	if (peer)
		device_peer_remove(peer);
}

static void set_endpoint(struct peer *peer, const struct endpoint *endpoint)
{
	struct dp_path path = { .kind = DP_PATH_UDP, .remote = *endpoint };

	/* The same again must not forget the source address that the path sticks to. */
	if (peer_path(peer)->kind == DP_PATH_UDP &&
	    endpoint_equal(&peer_path(peer)->remote, endpoint))
		return;
	peer_set_path(peer, &path);
}

static int apply_to_peer(struct peer *peer, const struct uapi_item *item)
{
	switch (item->kind) {
	case UAPI_PRESHARED_KEY:
		peer_set_psk(peer, item->key);
		return 0;
	case UAPI_ENDPOINT:
		set_endpoint(peer, &item->endpoint);
		return 0;
	case UAPI_KEEPALIVE:
		peer_set_keepalive(peer, (uint16_t)item->number);
		return 0;
	case UAPI_REPLACE_ALLOWED_IPS:
		dataplane_allowed_ips_clear(peer_dp(peer));
		return 0;
	case UAPI_ALLOWED_IP:
		return dataplane_allowed_ip_set(peer_dp(peer), &item->prefix);
	case UAPI_NOT_ALLOWED_IP:
		dataplane_allowed_ip_remove(peer_dp(peer), &item->prefix);
		return 0;
	default:
		return 0;
	}
}

int uapi_request_apply(struct uapi_request *request, const struct uapi_item *item)
{
	struct peer *peer;
	int ret;

	switch (item->kind) {
	case UAPI_PRIVATE_KEY:
		set_private_key(request->device, item->key);
		return 0;
	case UAPI_LISTEN_PORT:
		return set_port(request->device, item->number);
	case UAPI_FWMARK:
		return set_fwmark(request, item->number);
	case UAPI_REPLACE_PEERS:
		replace_peers(request->device);
		return 0;
	case UAPI_PUBLIC_KEY:
		return select_peer(request, item->key);
	case UAPI_REMOVE:
		remove_peer(request);
		return 0;
	case UAPI_UPDATE_ONLY:
		if (request->peer == UAPI_PEER_MAKE)
			request->peer = UAPI_PEER_SKIP;
		return 0;
	default:
		ret = make_peer(request);
		if (ret < 0 || request->peer == UAPI_PEER_SKIP)
			return ret;
		peer = device_peer_find(request->device, request->public_key);
		return peer ? apply_to_peer(peer, item) : 0;
	}
}

int uapi_request_finish(struct uapi_request *request)
{
	int ret = make_peer(request);
	int committed = dataplane_allowed_ips_commit(device_dataplane(request->device));

	return ret < 0 ? ret : committed;
}

void uapi_text_clear(struct uapi_text *text)
{
	if (text->data)
		sodium_memzero(text->data, text->cap);
	free(text->data);
	*text = (struct uapi_text){ 0 };
}

/* Not realloc, which would leave a copy behind. */
static bool text_grow(struct uapi_text *text, size_t need)
{
	size_t cap = text->cap ? text->cap : 4096;
	char *data;

	while (cap < need)
		cap *= 2;
	data = malloc(cap);
	if (!data)
		return false;
	if (text->data) {
		memcpy(data, text->data, text->len);
		sodium_memzero(text->data, text->cap);
		free(text->data);
	}
	text->data = data;
	text->cap = cap;
	return true;
}

void uapi_text_printf(struct uapi_text *text, const char *fmt, ...)
{
	char line[UAPI_LINE_MAX];
	va_list args;
	int len;

	va_start(args, fmt);
	len = vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	if (text->failed || len < 0 || (size_t)len >= sizeof(line) ||
	    (text->len + (size_t)len > text->cap && !text_grow(text, text->len + (size_t)len))) {
		text->failed = true;
	} else {
		memcpy(text->data + text->len, line, (size_t)len);
		text->len += (size_t)len;
	}
	sodium_memzero(line, sizeof(line));
}

static void print_key(struct uapi_text *text, const char *name, const uint8_t key[static 32])
{
	char hex[HEX_SIZE(32)];

	encoding_hex(hex, sizeof(hex), key, 32);
	uapi_text_printf(text, "%s=%s\n", name, hex);
	sodium_memzero(hex, sizeof(hex));
}

static void describe_peer(struct uapi_text *text, struct peer *peer)
{
	char buf[ENDPOINT_TEXT_SIZE > PREFIX_TEXT_SIZE ? ENDPOINT_TEXT_SIZE : PREFIX_TEXT_SIZE];
	uint64_t handshake = peer_last_handshake_wall_ns(peer);
	struct dp_activity activity;
	struct prefix prefix;
	uint8_t psk[32];
	size_t cursor = 0;

	dataplane_peer_activity(peer_dp(peer), &activity);
	peer_psk(peer, psk);
	print_key(text, "public_key", peer_public_key(peer));
	print_key(text, "preshared_key", psk);
	sodium_memzero(psk, sizeof(psk));
	uapi_text_printf(text, "protocol_version=1\n");
	if (peer_path(peer)->kind == DP_PATH_UDP)
		uapi_text_printf(text, "endpoint=%s\n",
				 endpoint_format(buf, &peer_path(peer)->remote));
	uapi_text_printf(text, "last_handshake_time_sec=%llu\nlast_handshake_time_nsec=%llu\n",
			 (unsigned long long)(handshake / NS_PER_S),
			 (unsigned long long)(handshake % NS_PER_S));
	uapi_text_printf(text, "tx_bytes=%llu\nrx_bytes=%llu\npersistent_keepalive_interval=%u\n",
			 (unsigned long long)activity.tx_bytes,
			 (unsigned long long)activity.rx_bytes, peer_keepalive(peer));
	while (dataplane_allowed_ip_next(peer_dp(peer), &cursor, &prefix))
		uapi_text_printf(text, "allowed_ip=%s\n", prefix_format(buf, &prefix));
}

void uapi_describe(struct uapi_text *text, const struct device *device, uint32_t fwmark)
{
	struct peer *peer = NULL;
	uint8_t priv[32];

	if (device_private_key(device, priv)) {
		print_key(text, "private_key", priv);
		sodium_memzero(priv, sizeof(priv));
	}
	uapi_text_printf(text, "listen_port=%u\n", dataplane_port(device_dataplane(device)));
	if (fwmark)
		uapi_text_printf(text, "fwmark=%u\n", fwmark);
	while ((peer = device_peer_next(device, peer)))
		describe_peer(text, peer);
}
