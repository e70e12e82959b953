#include "daemon/mesh.h"

#include <errno.h>
#include <signal.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/map.h"
#include "base/socket_mark.h"
#include "crypto/secret.h"
#include "daemon/clock_skew.h"
#include "daemon/coordination.h"
#include "daemon/credentials.h"
#include "daemon/dataplane.h"
#include "daemon/device.h"
#include "daemon/enrolment.h"
#include "daemon/exit.h"
#include "daemon/http_proxy.h"
#include "daemon/leftovers.h"
#include "daemon/local_server.h"
#include "daemon/mdns_service.h"
#include "daemon/mesh_events.h"
#include "daemon/mesh_map.h"
#include "daemon/mesh_metrics.h"
#include "daemon/mesh_network.h"
#include "daemon/mesh_peer.h"
#include "daemon/name_service.h"
#include "daemon/ping.h"
#include "daemon/portmap.h"
#include "daemon/relays.h"
#include "daemon/reporter.h"
#include "daemon/router.h"
#include "daemon/routing.h"
#include "daemon/self_test.h"
#include "daemon/speed_service.h"
#include "daemon/startup.h"
#include "daemon/stun_index.h"
#include "daemon/timestamp.h"
#include "daemon/tunnel.h"
#include "daemon/uapi.h"
#include "daemon/unattended.h"
#include "daemon/verbs.h"
#include "io/metrics_server.h"
#include "io/ws.h"
#include "kernel-iface/firewall.h"
#include "kernel-iface/link.h"
#include "kernel-iface/monitor.h"
#include "kernel-iface/netlink.h"
#include "proto/filter.h"
#include "proto/ice_budget.h"
#include "proto/stun.h"

#define HOUSEKEEPING_S 30

/* --- small services for the parts --- */

void mesh_set_health(struct mesh *mesh, enum mesh_health what, const char *fmt, ...)
{
	va_list ap;

	mesh->health[what][0] = '\0';
	if (!fmt)
		return;
	va_start(ap, fmt);
	vsnprintf(mesh->health[what], MESH_HEALTH_SIZE, fmt, ap);
	va_end(ap);
}

struct mesh_path mesh_path(const struct mesh *mesh, const char *file)
{
	struct mesh_path path;

	snprintf(path.text, sizeof(path.text), "%s/%s", mesh->config->state, file);
	return path;
}

void mesh_saved(struct mesh *mesh, const char *what, int err)
{
	const struct unsaved_file *file;

	if (err < 0)
		log_error("state-not-written file=%s error=\"%s\"", what, strerror(-err));
	unsaved_note(&mesh->unsaved, what, err);
	file = unsaved_latest(&mesh->unsaved);
	if (!file)
		mesh_set_health(mesh, HEALTH_STATE, NULL);
	else
		mesh_set_health(mesh, HEALTH_STATE,
				"%s cannot be written to %s: %s; changes would be lost with a "
				"restart",
				file->name, mesh->config->state, strerror(-file->err));
}

static uint64_t told_wall_s(const struct mesh *mesh)
{
	return mesh->clock_known ? mesh->clock_base_s + clock_now_ns() / NS_PER_S : clock_wall_s();
}

/*
 * A coordinator that need not be trusted could make expired certificates hold again by telling an
 * early time: in strict mode it may only put the clock forward.
 */
uint64_t mesh_wall_s(const struct mesh *mesh)
{
	uint64_t told_s = told_wall_s(mesh);
	uint64_t own_s = clock_wall_s();

	return trust_is_strict(&mesh->membership.trust) && own_s > told_s ? own_s : told_s;
}

static void check_clock(struct mesh *mesh)
{
	char off[CLOCK_SKEW_TEXT_SIZE];

	if (clock_skew_text(off, clock_wall_s(), told_wall_s(mesh)))
		mesh_set_health(mesh, HEALTH_CLOCK, "this machine's clock is %s off; set it", off);
	else
		mesh_set_health(mesh, HEALTH_CLOCK, NULL);
}

void mesh_set_clock(struct mesh *mesh, uint64_t wall_s)
{
	mesh->clock_base_s = wall_s - clock_now_ns() / NS_PER_S;
	mesh->clock_known = true;
	check_clock(mesh);
	if (mesh->health[HEALTH_CLOCK][0])
		log_warn("clock-skew text=\"%s\"", mesh->health[HEALTH_CLOCK]);
}

struct mesh_peer *mesh_find_peer(const struct mesh *mesh, const uint8_t node_key[static 32])
{
	return map_find(mesh->peers, node_key);
}

struct mesh_peer *mesh_find_peer_address(const struct mesh *mesh, const struct ip_addr *addr)
{
	struct mesh_peer *peer;
	size_t cursor = 0;

	while ((peer = map_next(mesh->peers, &cursor))) {
		const struct cert *cert = &mesh_peer_info(peer)->cert->parsed;

		if (addr_equal(addr, &cert->address4) || addr_equal(addr, &cert->address6))
			return peer;
	}
	return NULL;
}

struct mesh_peer *mesh_find_peer_text(const struct mesh *mesh, const char *text)
{
	struct mesh_peer *peer;
	struct ip_addr addr;
	size_t cursor = 0;

	if (addr_parse(&addr, text) == 0)
		return mesh_find_peer_address(mesh, &addr);
	while ((peer = map_next(mesh->peers, &cursor))) {
		if (strcmp(mesh_peer_info(peer)->cert->parsed.name, text) == 0)
			return peer;
	}
	return NULL;
}

/* --- up and down --- */

/* Certificates run out although nothing was said: peers with an old one are cut off. */
static void on_housekeeping(void *arg, uint64_t now_ns)
{
	struct mesh *mesh = arg;
	int err;

	loop_timer_set(&mesh->housekeeping, now_ns + HOUSEKEEPING_S * NS_PER_S);
	if (!mesh->membership.enrolled)
		return;
	err = cert_check_time(&mesh->membership.cert, mesh_wall_s(mesh));
	if (err == -EKEYEXPIRED)
		mesh_set_health(mesh, HEALTH_CERTIFICATE,
				"this node's certificate has expired; peers refuse it until the "
				"coordinator renews it");
	else if (err < 0)
		mesh_set_health(mesh, HEALTH_CERTIFICATE,
				"this node's certificate is not valid yet; is the clock right?");
	else
		mesh_set_health(mesh, HEALTH_CERTIFICATE, NULL);
	check_clock(mesh);
	tunnel_restore(mesh);
	routing_check(mesh);
	coordination_offer_again(mesh);
	exit_update(mesh);
	mesh_map_refresh(mesh);
	router_update(mesh);
	mesh_plan_housekeeping(mesh);
}

void mesh_plan_housekeeping(struct mesh *mesh)
{
	uint64_t now_s = mesh_wall_s(mesh);

	if (mesh->map && mesh->map_until_s > now_s && mesh->map_until_s - now_s < HOUSEKEEPING_S)
		loop_timer_set(&mesh->housekeeping,
			       loop_now_ns(mesh->loop) + (mesh->map_until_s - now_s) * NS_PER_S);
}

static void load_credentials(struct mesh *mesh)
{
	struct control_credential list[NETMAP_RELAYS_MAX];
	size_t count, i;

	if (credentials_load(mesh_path(mesh, "credentials").text, list, NETMAP_RELAYS_MAX, &count) <
	    0)
		return; /* the coordinator gives new ones */
	for (i = 0; i < count; i++)
		relays_set_credential(mesh->relays, &list[i]);
	sodium_memzero(list, sizeof(list));
}

void mesh_start(struct mesh *mesh)
{
	int err;

	device_set_private_key(mesh->device, mesh->identity->wg_secret);
	if (mesh->membership.enrolled && !enrolment_is_duplicate(mesh->enrolment)) {
		err = tunnel_configure(mesh);
		if (err < 0)
			mesh_set_health(mesh, HEALTH_DEVICE, "device %s cannot be configured: %s",
					mesh->config->tun, strerror(-err));
		mesh_map_apply(mesh);
		load_credentials(mesh);
	}
	router_set_up(mesh, !enrolment_is_duplicate(mesh->enrolment));
	name_service_begin(mesh);
	exit_update(mesh);
	portmap_update(mesh->portmap);
	loop_timer_set(&mesh->housekeeping, loop_now_ns(mesh->loop) + HOUSEKEEPING_S * NS_PER_S);
	mesh_plan_housekeeping(mesh);
	if (coordination_start(mesh) < 0)
		enrolment_fail(mesh->enrolment, LOCAL_FAILURE, "out of memory");
}

void mesh_quiet(struct mesh *mesh)
{
	router_set_up(mesh, false);
	loop_timer_clear(&mesh->housekeeping);
	portmap_stop(mesh->portmap);
	name_service_end(mesh);
	speed_service_stop(mesh);
	mesh_map_suspend(mesh);
	relays_set_list(mesh->relays, NULL, 0);
	link_set_down(mesh->netlink, dataplane_tun_ifindex(mesh->dp));
}

void mesh_stop(struct mesh *mesh)
{
	enum mesh_health what;

	coordination_stop(mesh);
	mesh_quiet(mesh);
	exit_update(mesh);
	/* What was wrong with being connected is not wrong any more. */
	for (what = 0; what < MESH_HEALTH_MAX; what++) {
		if (what != HEALTH_STATE && what != HEALTH_CIPHER)
			mesh_set_health(mesh, what, NULL);
	}
}

/* --- life --- */

static int load_settings(struct mesh *mesh)
{
	int err = settings_load(&mesh->settings, mesh_path(mesh, "settings").text);

	if (err < 0)
		log_error("settings-unreadable file=%s error=\"%s\" action=\"move it away\"",
			  mesh_path(mesh, "settings").text, strerror(-err));
	return err;
}

/* A membership without its keys is worth nothing, but may be all that is left of a backup. */
static void note_lost_identity(const struct mesh *mesh)
{
	if (access(mesh_path(mesh, "membership").text, F_OK) == 0)
		log_error("identity-missing file=%s action=\"restore it from a backup and start "
			  "again, or enrol anew with `warren up TOKEN`\"",
			  mesh_path(mesh, "identity").text);
}

/* What is on disk. Damage is an error: a node never becomes another one by itself. */
static int load_state(struct mesh *mesh)
{
	int err;

	mesh->identity = secret_new(sizeof(*mesh->identity));
	if (!mesh->identity)
		return -ENOMEM;
	err = identity_load(mesh->identity, mesh_path(mesh, "identity").text);
	if (err < 0) {
		secret_free(mesh->identity);
		mesh->identity = NULL;
	}
	if (err < 0 && err != -ENOENT) {
		log_error("identity-unreadable file=%s error=\"%s\" action=\"%s\"",
			  mesh_path(mesh, "identity").text, strerror(-err),
			  err == -EACCES
				  ? "run warrend as root, or as the file's owner"
				  : "restore it from a backup, or move it away and enrol anew");
		return err;
	}
	if (err == -ENOENT) {
		note_lost_identity(mesh);
		return load_settings(mesh);
	}
	err = membership_load(&mesh->membership, mesh_path(mesh, "membership").text);
	if (err < 0 && err != -ENOENT) {
		log_error("membership-unreadable file=%s error=\"%s\" action=\"restore it from a "
			  "backup, or move it away and run `warren up TOKEN`\"",
			  mesh_path(mesh, "membership").text, strerror(-err));
		return err;
	}
	mesh->has_membership = err == 0;
	if (mesh->has_membership)
		mesh_map_load(mesh);
	return load_settings(mesh);
}

/* The configuration's proxy, or the environment's. */
static int load_proxy(struct mesh *mesh)
{
	struct http_proxy *proxy = &mesh->http_proxy;
	const struct daemon_config *config = mesh->config;
	const char *error = http_proxy_from_environment(proxy);

	if (error)
		log_warn("proxy error=\"%s\" action=\"correct https_proxy or no_proxy; no proxy is "
			 "used\"",
			 error);
	error = config->proxy[0] ? http_proxy_parse(proxy, config->proxy) : NULL;
	if (!error && config->proxy_credentials[0])
		error = http_proxy_read_credentials(proxy, config->proxy_credentials);
	if (error) {
		log_error("proxy error=\"%s\" action=\"correct %s\"", error,
			  config->proxy_credentials[0] ? config->proxy_credentials
						       : "proxy in the configuration");
		return -EINVAL;
	}
	if (http_proxy_name(proxy))
		log_info("proxy via=%s", http_proxy_name(proxy));
	return 0;
}

static void report_ciphers(struct mesh *mesh)
{
	char broken[128];

	if (self_test_broken_ciphers(broken, sizeof(broken)))
		mesh_set_health(mesh, HEALTH_CIPHER,
				"cipher: %s computes wrongly on this machine and is not used; see "
				"warrend --self-test",
				broken);
}

static int open_device(struct mesh *mesh)
{
	struct device_config device_config = { .dp = startup_dp_config(mesh->config),
					       .rng = mesh->rng };
	uint8_t stamp[12];
	uint8_t secret[16];
	int err = timestamp_load(mesh_path(mesh, "timestamp").text, stamp);

	device_config.dp.path_mtu = true;
	device_config.dp.lanes = true; /* all peers are our own nodes */
	if (err == 0)
		device_config.timestamp = stamp;
	else if (err != -ENOENT)
		log_warn("timestamp-unreadable action=\"peers may refuse us until their sessions "
			 "end\"");
	err = device_new(&mesh->device, mesh->loop, &device_config, &mesh_device_ops, mesh);
	if (err < 0)
		return err;
	mesh->dp = device_dataplane(mesh->device);
	report_ciphers(mesh);
	rng_fill(&mesh->rng, secret, sizeof(secret));
	mesh->flows = filter_flows_new(secret);
	if (!mesh->flows)
		return -ENOMEM;
	dataplane_set_flows(mesh->dp, mesh->flows);
	monitor_set_tunnel(mesh->monitor, dataplane_tun_ifindex(mesh->dp));
	return 0;
}

static void on_end_signal(void *arg, int signum)
{
	struct mesh *mesh = arg;

	(void)signum;
	loop_stop(mesh->loop);
}

static void write_metrics(void *arg, FILE *out)
{
	mesh_metrics_write(arg, out);
}

/* Prometheus comes here, if the configuration says where. */
static int open_metrics(struct mesh *mesh)
{
	char text[ENDPOINT_TEXT_SIZE];
	int err;

	if (!mesh->config->metrics.addr.family)
		return 0;
	err = metrics_server_new(&mesh->metrics, mesh->loop, &mesh->config->metrics, write_metrics,
				 mesh);
	if (err < 0)
		log_error("metrics listen=%s error=\"%s\" action=\"give another address or port\"",
			  endpoint_format(text, &mesh->config->metrics), strerror(-err));
	return err;
}

static int open_parts(struct mesh *mesh)
{
	struct relays_config relays_config = { .loop = mesh->loop, .ws = mesh->ws };
	const struct local_verb *verbs;
	size_t count;
	int err;

	relays_config.dp = mesh->dp;
	relays_config.http_proxy = &mesh->http_proxy;
	relays_config.identity = &mesh->identity;
	err = relays_new(&mesh->relays, &relays_config, &mesh_relays_ops, mesh);
	if (err < 0)
		return err;
	mesh->pings = pings_new(mesh);
	mesh->enrolment = enrolment_new(mesh);
	mesh->portmap = portmap_new(mesh);
	mesh->reporter = reporter_new(mesh);
	mesh->routing = routing_new(mesh);
	mesh->router = router_new(mesh);
	if (!mesh->pings || !mesh->enrolment || !mesh->portmap || !mesh->reporter ||
	    !mesh->routing || !mesh->router)
		return -ENOMEM;
	err = name_service_new(&mesh->names, mesh);
	if (err == 0)
		err = speed_service_new(&mesh->speed, mesh);
	if (err < 0)
		return err;
	err = uapi_new(&mesh->uapi, mesh->loop, mesh->device, mesh->config->fwmark, true);
	if (err < 0)
		log_warn("uapi error=\"%s\" action=\"wg(8) cannot show this device\"",
			 strerror(-err));
	verbs = verbs_list(&count);
	err = local_server_new(&mesh->local_server, mesh->loop, mesh->config->socket, verbs, count,
			       mesh);
	if (err < 0)
		log_error("socket path=%s error=\"%s\"%s", mesh->config->socket,
			  err == -EADDRINUSE ? "another warrend answers there" : strerror(-err),
			  err == -EADDRINUSE
				  ? " action=\"stop it or give another --socket\""
				  : " action=\"run warrend as root, or give another --socket\"");
	return err < 0 ? err : open_metrics(mesh);
}

/* Two daemons with one identity would undo each other's state and sessions. */
static int open_state(struct mesh *mesh)
{
	int err = file_make_dir(mesh->config->state);

	if (err == 0) {
		mesh->state_lock = file_lock_dir(mesh->config->state);
		err = mesh->state_lock < 0 ? mesh->state_lock : 0;
	}
	if (err == -EWOULDBLOCK)
		log_error("state folder=%s error=\"another warrend uses it\" action=\"stop that "
			  "one, or give another --state\"",
			  mesh->config->state);
	else if (err < 0)
		log_error("state folder=%s error=\"%s\" action=\"run warrend as root, or give a "
			  "folder of your own with --state\"",
			  mesh->config->state, strerror(-err));
	return err;
}

static int open_base(struct mesh *mesh)
{
	int err = open_state(mesh);

	if (err < 0)
		return err;
	err = leftovers_open(&mesh->leftovers, mesh->config->state);
	if (err == 0)
		err = firewall_new(&mesh->firewall);
	if (err < 0) {
		log_error("start error=\"%s\"", strerror(-err));
		return err;
	}
	mesh->peers = map_new(32, NETMAP_PEERS_MAX);
	mesh->refused = map_new(32, NETMAP_PEERS_MAX);
	mesh->stun = stun_index_new(2 * NETMAP_PEERS_MAX);
	punch_budget_init(&mesh->punch_budget, mesh->config->punch_rate, clock_now_ns());
	mesh->checks = ice_budget_new(&mesh->rng);
	if (!mesh->peers || !mesh->refused || !mesh->stun || !mesh->checks)
		return -ENOMEM;
	err = loop_new(&mesh->loop);
	if (err == 0)
		err = netlink_new(&mesh->netlink);
	if (err == 0)
		err = mesh_network_open(mesh);
	if (err == 0)
		err = mdns_service_new(&mesh->mdns, mesh->loop, &mesh_mdns_ops, mesh);
	if (err == 0)
		err = ws_client_new(&mesh->ws, mesh->loop);
	if (err < 0) {
		log_error("start error=\"%s\"", strerror(-err));
		return err;
	}
	loop_timer_init(&mesh->housekeeping, mesh->loop, on_housekeeping, mesh);
	gossip_init(mesh);
	loop_signal(mesh->loop, SIGTERM, on_end_signal, mesh);
	loop_signal(mesh->loop, SIGINT, on_end_signal, mesh);
	return 0;
}

/* -EBUSY when a look-up goes on that nothing can end. */
static int close_all(struct mesh *mesh)
{
	int err;

	if (mesh->enrolment)
		enrolment_fail(mesh->enrolment, LOCAL_UNREACHABLE,
			       "the daemon is ending; start it and try again");
	metrics_server_free(mesh->metrics);
	local_server_free(mesh->local_server);
	if (mesh->relays)
		mesh_stop(mesh);
	name_service_free(mesh->names);
	exit_unwatch(mesh);
	router_free(mesh->router);
	routing_free(mesh->routing);
	reporter_free(mesh->reporter);
	portmap_free(mesh->portmap);
	pings_free(mesh->pings);
	speed_service_free(mesh->speed);
	mesh->speed = NULL;
	relays_free(mesh->relays);
	enrolment_free(mesh->enrolment);
	if (mesh->dp)
		dataplane_set_flows(mesh->dp, NULL);
	uapi_free(mesh->uapi);
	device_free(mesh->device);
	filter_flows_free(mesh->flows);
	mdns_service_free(mesh->mdns);
	ws_client_free(mesh->ws);
	if (mesh->loop)
		loop_timer_clear(&mesh->housekeeping);
	gossip_clear(mesh);
	mesh_network_close(mesh);
	netlink_free(mesh->netlink);
	err = loop_free(mesh->loop);
	map_free(mesh->peers);
	map_free(mesh->refused);
	stun_index_free(mesh->stun);
	ice_budget_free(mesh->checks);
	netmap_free(mesh->map);
	netmap_free(mesh->offered);
	documents_clear(&mesh->documents);
	settings_clear(&mesh->settings);
	secret_free(mesh->identity);
	exit_end(mesh);
	firewall_free(mesh->firewall);
	leftovers_close(mesh->leftovers);
	if (mesh->state_lock >= 0)
		close(mesh->state_lock);
	return err;
}

static int run(struct mesh *mesh)
{
	int err = open_base(mesh);

	if (err < 0 || load_state(mesh) < 0 || load_proxy(mesh) < 0)
		return 1;
	if (exit_begin(mesh) < 0)
		return 1;
	err = open_device(mesh);
	if (err < 0) {
		startup_explain(err, mesh->config);
		return 1;
	}
	if (open_parts(mesh) < 0)
		return 1;
	mesh_network_begin(mesh);
	router_begin(mesh);
	unattended_begin(mesh);
	if (mesh->settings.up && mesh->has_membership)
		mesh_start(mesh);
	log_info("ready tun=%s port=%u workers=%u cipher=%s", dataplane_tun_name(mesh->dp),
		 dataplane_port(mesh->dp), dataplane_workers(mesh->dp), dataplane_cipher(mesh->dp));
	return loop_run(mesh->loop) < 0 ? 1 : 0;
}

int mesh_run(const struct daemon_config *config)
{
	struct mesh *mesh = secret_new(sizeof(*mesh));
	int code, err;

	if (!mesh) {
		log_error("start error=\"out of memory\"");
		return 1;
	}
	mesh->config = config;
	socket_mark_set(config->fwmark);
	mesh->rng = rng_system();
	mesh->state_lock = -1;
	settings_init(&mesh->settings);
	code = run(mesh);
	err = close_all(mesh);
	secret_free(mesh);
	if (err == -EBUSY)
		_exit(code); /* exit would wait for the look-up */
	return code;
}
