#include "daemon/name_service.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/dataplane.h"
#include "daemon/local_networks.h"
#include "daemon/mesh.h"
#include "daemon/name_forward.h"
#include "daemon/name_server.h"
#include "daemon/name_service_core.h"
#include "daemon/name_system.h"

#define SETTLE_MS 100 /* maps come in bursts */
#define RETRY_S   5   /* for a port that another server has */

/* --- the zone --- */

/* What admins added to the names of the nodes; one that does not hold leaves those alone. */
static void read_document(struct name_service *service, struct names_document *document)
{
	struct mesh *mesh = service->mesh;
	const struct netmap_names *names = mesh->map ? mesh->map->names : NULL;
	char error[NAMES_ERROR_SIZE];
	int err = 0;

	*document = (struct names_document){ .record_count = 0 };
	if (names)
		err = names_document_parse(document, names->text, names->len,
					   mesh->membership.network_name, error);
	if (err == -EINVAL)
		mesh_set_health(mesh, HEALTH_NAMES_DOCUMENT,
				"dns: the network's own records cannot be used (%.200s); nodes "
				"have their names all the same",
				error);
	else if (service->bad_document)
		mesh_set_health(mesh, HEALTH_NAMES_DOCUMENT, NULL);
	service->bad_document = err == -EINVAL;
}

const struct names_zone *name_service_make_zone(struct name_service *service)
{
	const struct mesh *mesh = service->mesh;
	struct names_source source = { .network = mesh->membership.network_name };
	uint8_t secret[NAMES_SECRET_SIZE];
	struct names_document document;

	if (service->zone || !mesh->membership.enrolled)
		return service->zone;
	rng_fill(&mesh->rng, secret, sizeof(secret));
	source.secret = secret;
	source.own = &mesh->membership.cert;
	source.map = mesh->map;
	source.serial = mesh->map ? (uint32_t)mesh->map->version : 0;
	read_document(service, &document);
	source.document = &document;
	if (names_zone_new(&service->zone, &source) < 0)
		service->zone = NULL;
	names_document_clear(&document);
	return service->zone;
}

static void forget_zone(struct name_service *service)
{
	names_zone_free(service->zone);
	service->zone = NULL;
}

/* --- serving --- */

/* The addresses of our certificate that this machine has. */
static size_t own_addresses(const struct mesh *mesh, struct ip_addr out[static 2])
{
	const struct ip_addr *const list[] = { &mesh->membership.cert.address4,
					       &mesh->membership.cert.address6 };
	char why[LOCAL_REFUSAL_SIZE];
	size_t count = 0;

	for (size_t i = 0; i < 2; i++) {
		if (addr_len(list[i]) &&
		    !local_networks_refuse(&mesh->local_networks, list[i], why))
			out[count++] = *list[i];
	}
	return count;
}

/* The interface by which others ask us: an exit's. */
static uint32_t strangers_come_by(const struct mesh *mesh)
{
	const struct cert *own = &mesh->membership.cert;

	for (size_t i = 0; i < own->route_count; i++) {
		if (!own->routes[i].len)
			return dataplane_tun_ifindex(mesh->dp);
	}
	return 0;
}

static void tell_port(struct mesh *mesh, int err, const struct ip_addr *address)
{
	char text[ADDR_TEXT_SIZE];

	if (err == -EADDRINUSE)
		mesh_set_health(mesh, HEALTH_DNS,
				"dns: another server has port 53 of %s, names are off; let it "
				"listen on addresses of its own only",
				addr_format(text, address));
	else
		mesh_set_health(mesh, HEALTH_DNS,
				"dns: port 53 of %s cannot be opened (%s), names "
				"are off",
				addr_format(text, address), strerror(-err));
}

static void tell_system(void *arg)
{
	struct name_service *service = arg;
	const char *trouble = name_system_trouble(service->system);

	if (service->on)
		mesh_set_health(service->mesh, HEALTH_DNS, trouble[0] ? "%s" : NULL, trouble);
}

static void wish(struct name_service *service, const struct ip_addr *servers, size_t count)
{
	const char *domains[NAME_SYSTEM_DOMAINS_MAX];
	struct name_system_wish wish = {
		.ifindex = dataplane_tun_ifindex(service->mesh->dp),
		.servers = { servers[0], servers[1] },
		.server_count = count,
		.domains = domains,
		.everything = service->exit_wanted,
	};

	while (wish.domain_count < NAME_SYSTEM_DOMAINS_MAX) {
		const char *domain = names_zone_domain(service->zone, wish.domain_count);

		if (!domain)
			break;
		domains[wish.domain_count++] = domain;
	}
	name_system_set(service->system, &wish);
}

static void stop(struct name_service *service)
{
	const struct name_system_wish none = { .ifindex = 0 };

	service->on = false;
	service->domain[0] = '\0';
	name_system_set(service->system, &none);
	name_server_listen(service->server, NULL, 0, 0);
}

static void serve(struct name_service *service)
{
	struct mesh *mesh = service->mesh;
	struct ip_addr addresses[2] = { { 0 } };
	size_t count = own_addresses(mesh, addresses);
	int err;

	if (!count || !name_service_make_zone(service)) {
		stop(service);
		mesh_set_health(
			mesh, HEALTH_DNS,
			count ? "dns: the network's name %s is no domain name, names are off"
			      : "dns: this node has no address that it may use (%s), names "
				"are off",
			mesh->membership.network_name);
		return;
	}
	err = name_server_listen(service->server, addresses, count, strangers_come_by(mesh));
	if (err < 0) {
		stop(service);
		tell_port(mesh, err, &addresses[0]);
		loop_timer_set(&service->timer, loop_now_ns(mesh->loop) + RETRY_S * NS_PER_S);
		return;
	}
	service->on = true;
	snprintf(service->domain, sizeof(service->domain), "%s", names_zone_origin(service->zone));
	wish(service, addresses, count);
	tell_system(service);
}

static void settle(struct name_service *service)
{
	struct mesh *mesh = service->mesh;

	if (service->begun && mesh->membership.enrolled &&
	    settings_yes(&mesh->settings, "names", true)) {
		serve(service);
		return;
	}
	stop(service);
	mesh_set_health(
		mesh, HEALTH_DNS,
		service->begun && service->exit_wanted
			? "dns: names are off, so this machine asks its own servers, and what "
			  "is not behind the exit node is held back; `warren set names yes`"
			: NULL);
}

static void on_timer(void *arg, uint64_t now_ns)
{
	(void)now_ns;
	settle(arg);
}

/* --- from outside --- */

void name_service_begin(struct mesh *mesh)
{
	mesh->names->begun = true;
	forget_zone(mesh->names);
	settle(mesh->names);
}

void name_service_end(struct mesh *mesh)
{
	if (!mesh->names)
		return; /* the start failed before it was there */
	mesh->names->begun = false;
	loop_timer_clear(&mesh->names->timer);
	settle(mesh->names);
	forget_zone(mesh->names);
}

void name_service_refresh(struct mesh *mesh)
{
	struct name_service *service = mesh->names;

	if (!service || !service->begun)
		return;
	forget_zone(service);
	if (!timer_node_queued(&service->timer.node))
		loop_timer_set(&service->timer, loop_now_ns(mesh->loop) + SETTLE_MS * NS_PER_MS);
}

void name_service_apply(struct mesh *mesh)
{
	forget_zone(mesh->names);
	settle(mesh->names);
}

void name_service_set_exit(struct mesh *mesh, bool wanted, const struct ip_addr *servers,
			   size_t count)
{
	struct name_service *service = mesh->names;

	if (!service)
		return;
	service->exit_servers.count = 0;
	for (size_t i = 0; i < count && i < FORWARDER_SERVERS_MAX; i++) {
		service->exit_servers.list[service->exit_servers.count++] =
			(struct endpoint){ .addr = servers[i], .port = NAME_SERVER_PORT };
	}
	if (service->exit_wanted == wanted)
		return;
	service->exit_wanted = wanted;
	if (service->begun)
		settle(service);
}

void name_service_describe(const struct mesh *mesh, struct name_service_state *state)
{
	const struct name_service *service = mesh->names;

	*state = (struct name_service_state){ .on = service->on, .domain = service->domain };
	if (service->on)
		state->how = name_system_how(service->system);
}

const struct names_zone *name_service_zone(struct mesh *mesh)
{
	return mesh->names ? name_service_make_zone(mesh->names) : NULL;
}

/* --- life --- */

int name_service_new(struct name_service **out, struct mesh *mesh)
{
	static const struct name_server_ops ops = { .query = name_query_take,
						    .gone = name_query_gone };
	struct name_service *service = calloc(1, sizeof(*service));
	int err;

	if (!service)
		return -ENOMEM;
	service->mesh = mesh;
	loop_timer_init(&service->timer, mesh->loop, on_timer, service);
	err = name_server_new(&service->server, mesh->loop, &ops, service);
	if (err == 0)
		err = name_forward_new(&service->forward, mesh->loop, &mesh->rng);
	if (err == 0)
		err = name_system_new(&service->system, mesh->loop, mesh->leftovers, tell_system,
				      service);
	if (err < 0) {
		name_service_free(service);
		return err;
	}
	*out = service;
	return 0;
}

void name_service_free(struct name_service *service)
{
	if (!service)
		return;
	service->mesh->names = NULL;
	loop_timer_clear(&service->timer);
	name_system_free(service->system);
	name_server_free(service->server);
	name_forward_free(service->forward);
	names_zone_free(service->zone);
	free(service);
}
