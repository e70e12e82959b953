/* Relays: relay list, add, remove. */
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "coord/admin_reply.h"
#include "coord/sessions.h"
#include "proto/turn_credential.h"

static void format_hosts(char *out, size_t size, const struct netmap_relay *relay)
{
	size_t len = 0;

	for (size_t i = 0; i < relay->host_count; i++)
		len += (size_t)snprintf(out + len, size - len, "%s%s", i ? "," : "",
					relay->hosts[i]);
}

static const char *kind_text(const struct netmap_relay *relay)
{
	return relay->kind == NETMAP_RELAY_TURN ? "turn" : "warren";
}

/* How many nodes are at home there. */
static json_int_t count_nodes(const struct network *network, const char *name)
{
	const struct node *node;
	json_int_t count = 0;
	size_t cursor = 0;

	while ((node = network_next(network, &cursor)))
		count += strcmp(node->home_relay, name) == 0;
	return count;
}

static json_t *relay_json(const struct network *network, const struct store_relay *stored,
			  const char *hosts)
{
	const struct netmap_relay *relay = &stored->relay;

	return json_pack("{s:s,s:s,s:i,s:i,s:s,s:b,s:I}", "name", relay->name, "host", hosts,
			 "udp_port", relay->udp_port, "tls_port", relay->tls_port, "kind",
			 kind_text(relay), "builtin", stored->builtin, "nodes",
			 count_nodes(network, relay->name));
}

void admin_relay_list(struct admin_request *request)
{
	const struct network *network = request->sessions->network;
	char hosts[NETMAP_RELAY_HOSTS_MAX * (NETMAP_HOST_MAX + 1)];
	json_t *array = json_array();

	if (!request->json)
		fprintf(request->out, "%-16s  %-32s  %-5s  %-5s  %s\n", "NAME", "HOST", "UDP",
			"TLS", "KIND");
	for (size_t i = 0; i < network->relay_count; i++) {
		const struct netmap_relay *relay = &network->relays[i].relay;

		format_hosts(hosts, sizeof(hosts), relay);
		if (request->json)
			json_array_append_new(array,
					      relay_json(network, &network->relays[i], hosts));
		else
			fprintf(request->out, "%-16s  %-32s  %-5u  %-5u  %s\n", relay->name, hosts,
				relay->udp_port, relay->tls_port, kind_text(relay));
	}
	admin_answer(request, json_pack("{s:o}", "relays", array));
}

static void get_relay(struct admin_request *request, struct store_relay *relay)
{
	struct json_fields *f = &request->fields;
	uint64_t udp_port = 0;
	uint64_t tls_port = 0;
	uint8_t *secret = NULL;
	bool turn = false;
	size_t len = 0;

	json_fields_text(f, "name", relay->relay.name, sizeof(relay->relay.name));
	json_fields_text(f, "host", relay->relay.hosts[0], sizeof(relay->relay.hosts[0]));
	json_fields_u64(f, "udp_port", UINT16_MAX, &udp_port);
	json_fields_u64(f, "tls_port", UINT16_MAX, &tls_port);
	if (json_fields_has(f, "turn"))
		json_fields_bool(f, "turn", &turn);
	json_fields_blob(f, "secret", sizeof(relay->secret), &secret, &len);
	relay->relay.kind = turn ? NETMAP_RELAY_TURN : NETMAP_RELAY_WARREN;
	relay->relay.host_count = 1;
	relay->relay.udp_port = (uint16_t)udp_port;
	relay->relay.tls_port = (uint16_t)tls_port;
	if (secret) {
		memcpy(relay->secret, secret, len);
		relay->secret_len = len;
		sodium_memzero(secret, len);
		free(secret);
	}
}

/* A name, or a numeric address without brackets. */
static void check_host(struct admin_request *request, const char *host)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789-._:";

	if (!request->fields.failed && (!host[0] || host[strspn(host, allowed)]))
		admin_fail(request, ADMIN_INVALID, "\"%s\" is neither a name nor an address", host);
}

void admin_relay_add(struct admin_request *request)
{
	struct network *network = request->sessions->network;
	struct store_relay relay = { .secret_len = 0 };
	int err;

	get_relay(request, &relay);
	check_host(request, relay.relay.hosts[0]);
	if (request->fields.failed || request->kind != ADMIN_OK) {
		sodium_memzero(&relay, sizeof(relay));
		return;
	}
	err = cert_name_check(relay.relay.name);
	if (err == 0)
		err = network_add_relay(network, &relay);
	sodium_memzero(relay.secret, sizeof(relay.secret));
	if (err == -EINVAL)
		admin_fail(request, ADMIN_INVALID,
			   "%s is no name: want small letters, digits, inner hyphens",
			   relay.relay.name);
	else if (err == -EEXIST)
		admin_fail(request, ADMIN_CONFLICT, "there is a relay %s already; remove it first",
			   relay.relay.name);
	else if (err == -ENOSPC)
		admin_fail(request, ADMIN_CONFLICT, "there are %d relays already; remove one first",
			   NETMAP_RELAYS_MAX);
	else if (err < 0)
		admin_fail_store(request, err);
	if (err < 0)
		return;
	log_info("relay-added name=%s", relay.relay.name);
	sessions_want_flush(request->sessions);
	admin_say_signatures(request);
}

void admin_relay_remove(struct admin_request *request)
{
	char name[NETMAP_RELAY_NAME_MAX + 1] = "";
	int err;

	json_fields_text(&request->fields, "name", name, sizeof(name));
	if (request->fields.failed)
		return;
	err = network_remove_relay(request->sessions->network, name);
	if (err == -ENOENT)
		admin_fail(request, ADMIN_NOT_FOUND, "no relay %s was added; see relay list", name);
	else if (err < 0)
		admin_fail_store(request, err);
	if (err < 0)
		return;
	log_info("relay-removed name=%s", name);
	sessions_want_flush(request->sessions);
	admin_say_signatures(request);
}
