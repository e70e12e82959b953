#include "daemon/status.h"

#include "base/encoding.h"
#include "daemon/status_resources.h"

const char *status_state_name(enum status_state state)
{
	static const char *const names[] = {
		[STATUS_STOPPED] = "stopped",
		[STATUS_NEEDS_LOGIN] = "needs-login",
		[STATUS_NEEDS_APPROVAL] = "needs-approval",
		[STATUS_CONNECTING] = "connecting",
		[STATUS_CONNECTED] = "connected",
	};

	return names[state];
}

const char *status_path_name(enum status_path path)
{
	static const char *const names[] = {
		[STATUS_PATH_DIRECT] = "direct",         [STATUS_PATH_RELAY] = "relay",
		[STATUS_PATH_CONNECTING] = "connecting", [STATUS_PATH_IDLE] = "idle",
		[STATUS_PATH_OFFLINE] = "offline",
	};

	return names[path];
}

/* A string or null; "?" for what is not UTF-8. */
static json_t *text_json(const char *text)
{
	json_t *value;

	if (!text)
		return json_null();
	value = json_string(text);
	return value ? value : json_string("?");
}

/* To a tenth of a millisecond: more is noise, and 9.1 stays 9.1 when printed. */
static json_t *latency_json(double ms)
{
	if (!(ms >= 0 && ms < 1e9))
		return json_null();
	return json_real((double)(int64_t)(ms * 10 + 0.5) / 10);
}

static json_t *key_json(const uint8_t *key)
{
	char text[BASE64_KEY_SIZE];

	if (!key)
		return json_null();
	encoding_base64_key(text, key);
	return json_string(text);
}

static json_t *addresses_json(const struct ip_addr *addresses, size_t count)
{
	json_t *array = json_array();
	char text[ADDR_TEXT_SIZE];
	size_t i;

	for (i = 0; i < count; i++) {
		if (json_array_append_new(array, json_string(addr_format(text, &addresses[i])))) {
			json_decref(array);
			return NULL;
		}
	}
	return array;
}

static json_t *texts_json(const char *const *texts, size_t count)
{
	json_t *array = json_array();
	size_t i;

	for (i = 0; i < count; i++) {
		if (json_array_append_new(array, text_json(texts[i]))) {
			json_decref(array);
			return NULL;
		}
	}
	return array;
}

static json_t *endpoint_json(const struct endpoint *endpoint)
{
	char text[ENDPOINT_TEXT_SIZE];

	return endpoint ? json_string(endpoint_format(text, endpoint)) : json_null();
}

static json_t *seconds_json(int64_t seconds)
{
	return seconds < 0 ? json_null() : json_integer(seconds);
}

static json_t *count_json(uint64_t count)
{
	return json_integer(count > INT64_MAX ? INT64_MAX : (json_int_t)count);
}

static json_t *self_json(const struct status_self *self)
{
	return json_pack("{s:o, s:o, s:o, s:o}", "name", text_json(self->name), "addresses",
			 addresses_json(self->addresses, self->address_count), "public_key",
			 key_json(self->public_key), "owner", text_json(self->owner));
}

static json_t *coordinator_json(const struct status_coordinator *coordinator)
{
	return json_pack("{s:o, s:o, s:o, s:o}", "state", text_json(coordinator->state),
			 "latency_ms", latency_json(coordinator->latency_ms), "transport",
			 text_json(coordinator->transport), "error", text_json(coordinator->error));
}

static json_t *relay_json(const struct status_relay *relay)
{
	if (!relay->name)
		return json_null();
	return json_pack("{s:o, s:o, s:o}", "name", text_json(relay->name), "transport",
			 text_json(relay->transport), "latency_ms",
			 latency_json(relay->latency_ms));
}

static json_t *data_plane_json(const struct status_data_plane *data_plane)
{
	if (!data_plane->cipher)
		return json_null();
	return json_pack("{s:o, s:I, s:{s:b, s:b, s:b, s:b}}", "cipher",
			 text_json(data_plane->cipher), "workers", (json_int_t)data_plane->workers,
			 "offload", "tun_tcp", data_plane->offload.tun_tcp, "tun_udp",
			 data_plane->offload.tun_udp, "udp_gso", data_plane->offload.udp_gso,
			 "udp_gro", data_plane->offload.udp_gro);
}

/* json_pack would only take over values; set_new also frees them when something fails. */
static int peer_set_path(json_t *object, const struct status_peer *peer)
{
	return json_object_set_new(object, "path", text_json(status_path_name(peer->path))) ||
	       json_object_set_new(object, "endpoint", endpoint_json(peer->endpoint)) ||
	       json_object_set_new(object, "relay", text_json(peer->relay)) ||
	       json_object_set_new(object, "reason", text_json(peer->reason)) ||
	       json_object_set_new(object, "latency_ms", latency_json(peer->latency_ms)) ||
	       json_object_set_new(object, "loss_percent", json_real(peer->loss_permille / 10.0)) ||
	       json_object_set_new(object, "mtu",
				   peer->mtu ? count_json(peer->mtu) : json_null()) ||
	       json_object_set_new(object, "lanes", count_json(peer->lanes)) ||
	       json_object_set_new(object, "last_handshake_s",
				   seconds_json(peer->last_handshake_s)) ||
	       json_object_set_new(object, "last_seen_s", seconds_json(peer->last_seen_s)) ||
	       json_object_set_new(object, "rx_bytes", count_json(peer->rx_bytes)) ||
	       json_object_set_new(object, "tx_bytes", count_json(peer->tx_bytes));
}

/* routes: by node. */
static json_t *peer_json(const struct status_peer *peer, const json_t *routes)
{
	json_t *own = json_object_get(routes, peer->name);
	json_t *object = json_object();

	if (json_object_set_new(object, "name", text_json(peer->name)) ||
	    json_object_set_new(object, "addresses",
				addresses_json(peer->addresses, peer->address_count)) ||
	    json_object_set_new(object, "public_key", key_json(peer->public_key)) ||
	    json_object_set_new(object, "owner", text_json(peer->owner)) ||
	    json_object_set_new(object, "tags", texts_json(peer->tags, peer->tag_count)) ||
	    json_object_set_new(object, "online", json_boolean(peer->online)) ||
	    peer_set_path(object, peer) ||
	    json_object_set_new(object, "routes", own ? json_incref(own) : json_array())) {
		json_decref(object);
		return NULL;
	}
	return object;
}

static json_t *peers_json(const struct status *status)
{
	json_t *routes = status_resources_by_node(status);
	json_t *array = json_array();
	size_t i;

	for (i = 0; i < status->peer_count; i++) {
		if (json_array_append_new(array, peer_json(&status->peers[i], routes))) {
			json_decref(array);
			array = NULL;
			break;
		}
	}
	json_decref(routes);
	return array;
}

static json_t *pending_json(const struct control_pending *pending)
{
	if (!pending)
		return json_null();
	return json_pack("{s:s, s:o, s:o}", "reason", control_pending_name(pending->reason), "code",
			 text_json(pending->code[0] ? pending->code : NULL), "url",
			 text_json(pending->url[0] ? pending->url : NULL));
}

json_t *status_to_json(const struct status *status)
{
	json_t *object =
		json_pack("{s:i, s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "schema", 1,
			  "network", text_json(status->network), "state",
			  status_state_name(status->state), "self", self_json(&status->self),
			  "coordinator", coordinator_json(&status->coordinator), "home_relay",
			  relay_json(&status->home_relay), "data_plane",
			  data_plane_json(&status->data_plane), "port_mapping",
			  text_json(status->port_mapping), "peers", peers_json(status), "health",
			  texts_json(status->health, status->health_count), "pending",
			  pending_json(status->pending));

	if (!object || status_resources_add(object, status) < 0) {
		json_decref(object);
		return NULL;
	}
	return object;
}
