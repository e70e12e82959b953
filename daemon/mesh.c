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
#include "crypto/secret.h"
#include "daemon/clock_skew.h"
#include "daemon/coordination.h"
#include "daemon/credentials.h"
#include "daemon/dataplane.h"
#include "daemon/device.h"
#include "daemon/enrolment.h"
#include "daemon/local_server.h"
#include "daemon/mesh_map.h"
#include "daemon/mesh_peer.h"
#include "daemon/peer.h"
#include "daemon/ping.h"
#include "daemon/relays.h"
#include "daemon/self_test.h"
#include "daemon/signalling.h"
#include "daemon/startup.h"
#include "daemon/stun_index.h"
#include "daemon/timestamp.h"
#include "daemon/tunnel.h"
#include "daemon/uapi.h"
#include "daemon/underlay.h"
#include "daemon/verbs.h"
#include "io/ws.h"
#include "kernel-iface/link.h"
#include "kernel-iface/monitor.h"
#include "kernel-iface/netlink.h"
#include "kernel-iface/route.h"
#include "proto/demux.h"
#include "proto/filter.h"
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

uint64_t mesh_wall_s(const struct mesh *mesh)
{
	return mesh->clock_known ? mesh->clock_base_s + clock_now_ns() / NS_PER_S : clock_wall_s();
}

static void check_clock(struct mesh *mesh)
{
	char off[CLOCK_SKEW_TEXT_SIZE];

	if (clock_skew_text(off, clock_wall_s(), mesh_wall_s(mesh)))
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

/* --- from the device --- */

static void on_peer_wanted(void *arg, struct peer *wireguard)
{
	(void)arg;
	mesh_peer_connect(peer_owner(wireguard));
}

static void on_session_up(void *arg, struct peer *wireguard)
{
	(void)arg;
	mesh_peer_session_up(peer_owner(wireguard));
}

/*
 * Where a packet came from moves no path here: the chooser goes by checks that were answered, and
 * an authentic packet that came through a relay shows that the peer is there.
 */
static void on_peer_seen(void *arg, struct peer *wireguard, const struct dp_path *from)
{
	struct mesh *mesh = arg;
	uint8_t key[32];
	uint32_t relay = 0;

	if (from->kind == DP_PATH_STREAM)
		relay = relays_stream_relay(mesh->relays, from->stream);
	else if (from->channel)
		relays_channel_peer(mesh->relays, &from->remote, from->channel, key, &relay);
	if (relay)
		mesh_peer_seen_at_relay(peer_owner(wireguard), relay);
	mesh_peer_heard_elsewhere(peer_owner(wireguard));
}

static void on_activity(void *arg, struct peer *wireguard, unsigned int notices)
{
	(void)arg;
	if (notices & DP_NOTICE_UNANSWERED)
		mesh_peer_unanswered(peer_owner(wireguard));
}

/* Anybody can say that something is from a peer: only what holds shows where the peer is. */
static void take_relayed_signal(struct mesh *mesh, uint32_t relay,
				const uint8_t node_key[static 32], const uint8_t *data, size_t len)
{
	struct mesh_peer *peer = mesh_find_peer(mesh, node_key);

	if (peer && signalling_receive(mesh, node_key, data, len))
		mesh_peer_seen_at_relay(peer, relay);
}

static void on_other_message(void *arg, const uint8_t *data, size_t len, const struct dp_path *from)
{
	struct mesh *mesh = arg;
	struct stun_message msg;
	struct mesh_peer *peer;
	const uint8_t *owner;
	uint8_t key[32];
	uint32_t relay;

	if (from->channel) {
		if (relays_channel_peer(mesh->relays, &from->remote, from->channel, key, &relay))
			take_relayed_signal(mesh, relay, key, data, len);
		return;
	}
	if (relays_input(mesh->relays, data, len, from) || stun_parse(&msg, data, len) < 0)
		return;
	owner = stun_index_find(mesh->stun, &msg);
	peer = owner ? mesh_find_peer(mesh, owner) : NULL;
	if (peer)
		mesh_peer_stun(peer, &msg, data, len, from);
}

static void on_stream_output(void *arg, uint32_t stream, const uint8_t *data, size_t len)
{
	struct mesh *mesh = arg;

	relays_output(mesh->relays, stream, data, len);
}

static void on_save_timestamp(void *arg, const uint8_t stamp[static 12])
{
	struct mesh *mesh = arg;

	mesh_saved(mesh, "timestamp", timestamp_save(mesh_path(mesh, "timestamp").text, stamp));
}

static void on_path_mtu(void *arg, struct peer *wireguard, unsigned int mtu)
{
	(void)arg;
	mesh_peer_path_mtu(peer_owner(wireguard), mtu);
}

static const struct device_ops device_ops = {
	.peer_wanted = on_peer_wanted,
	.session_up = on_session_up,
	.peer_seen = on_peer_seen,
	.activity = on_activity,
	.path_mtu = on_path_mtu,
	.save_timestamp = on_save_timestamp,
	.other_message = on_other_message,
	.stream_output = on_stream_output,
};

/* --- from the relays --- */

/* Tells every peer; news from a relay concern them all. */
static void for_each_peer(struct mesh *mesh, void (*tell)(struct mesh_peer *peer, uint32_t relay),
			  uint32_t relay)
{
	struct mesh_peer *peer;
	size_t cursor = 0;

	while ((peer = map_next(mesh->peers, &cursor)))
		tell(peer, relay);
}

static void on_relay_up(void *arg, uint32_t relay)
{
	struct mesh *mesh = arg;

	mesh_set_health(mesh, HEALTH_RELAY, NULL);
	mesh_set_health(mesh, HEALTH_UDP,
			relays_udp_blocked(mesh->relays)
				? "udp is blocked here; everything goes by relay over tls"
				: NULL);
	for_each_peer(mesh, mesh_peer_relay_up, relay);
	enrolment_relay_up(mesh->enrolment);
}

static void on_relay_down(void *arg, uint32_t relay)
{
	struct mesh *mesh = arg;

	for_each_peer(mesh, mesh_peer_relay_down, relay);
}

static void on_relay_channel(void *arg, uint32_t relay, const uint8_t node_key[static 32])
{
	struct mesh_peer *peer = mesh_find_peer(arg, node_key);

	if (peer)
		mesh_peer_relay_up(peer, relay);
}

static void on_relay_absent(void *arg, uint32_t relay, const uint8_t node_key[static 32])
{
	struct mesh_peer *peer = mesh_find_peer(arg, node_key);

	if (peer)
		mesh_peer_relay_down(peer, relay);
}

static void on_relay_data(void *arg, uint32_t relay, const uint8_t node_key[static 32],
			  const uint8_t *data, size_t len)
{
	struct mesh *mesh = arg;
	struct mesh_peer *peer = mesh_find_peer(mesh, node_key);
	struct dp_path from;

	if (!peer)
		return;
	if (demux_datagram(data, len) != DEMUX_WIREGUARD)
		take_relayed_signal(mesh, relay, node_key, data, len);
	else if (relays_path(mesh->relays, relay, node_key, &from) == 0)
		dataplane_input(mesh->dp, data, len, &from);
}

static void on_relay_mapped(void *arg, const struct endpoint *mapped, const struct endpoint *base,
			    const struct ip_addr *server)
{
	struct mesh *mesh = arg;
	struct mesh_peer *peer;
	size_t cursor = 0;

	if (!local_candidates_mapped(&mesh->candidates, mapped, base, server))
		return;
	while ((peer = map_next(mesh->peers, &cursor)))
		mesh_peer_candidates_changed(peer, false);
}

static void on_relay_home(void *arg, uint32_t relay)
{
	struct mesh *mesh = arg;

	if (!relay && mesh->map && mesh->map->relay_count)
		mesh_set_health(mesh, HEALTH_RELAY,
				"no relay answers; peers behind hard NATs cannot be reached");
	coordination_tell_home_relay(mesh);
}

static const struct relays_ops relays_ops = {
	.up = on_relay_up,
	.down = on_relay_down,
	.channel = on_relay_channel,
	.absent = on_relay_absent,
	.data = on_relay_data,
	.mapped = on_relay_mapped,
	.home = on_relay_home,
};

/* --- from the kernel --- */

static void refresh_candidates(struct mesh *mesh, bool tell)
{
	struct mesh_peer *peer;
	size_t cursor = 0;
	bool changed = false;
	int err = local_candidates_refresh(&mesh->candidates, mesh->netlink,
					   dataplane_tun_ifindex(mesh->dp),
					   dataplane_port(mesh->dp), &changed);

	if (err < 0)
		log_warn("addresses-not-listed error=\"%s\"", strerror(-err));
	if (!changed || !tell)
		return;
	log_info("network-changed addresses=%zu", mesh->candidates.host_count);
	relays_network_changed(mesh->relays);
	coordination_network_changed(mesh);
	while ((peer = map_next(mesh->peers, &cursor)))
		mesh_peer_candidates_changed(peer, true);
}

/* Another network may hold what was an overlay address, or set one free. */
static bool refresh_local_networks(struct mesh *mesh)
{
	bool changed = false;
	int err = local_networks_refresh(&mesh->local_networks, mesh->netlink,
					 dataplane_tun_ifindex(mesh->dp), &changed);

	if (err < 0)
		log_warn("networks-not-listed error=\"%s\"", strerror(-err));
	return changed;
}

/*
 * What the widest link carries; peers behind narrower paths have routes of their own. Somebody who
 * sets the device's MTU by hand is not contradicted before the links change.
 */
static void refresh_mtu(struct mesh *mesh)
{
	unsigned int mtu = underlay_inner_mtu(mesh->netlink, dataplane_tun_ifindex(mesh->dp));
	struct mesh_peer *peer;
	size_t cursor = 0;
	int err;

	if (mtu == mesh->underlay_mtu)
		return;
	err = dataplane_set_mtu(mesh->dp, mtu);
	if (err < 0)
		log_warn("mtu-not-set mtu=%u error=\"%s\"", mtu, strerror(-err));
	else
		mesh->underlay_mtu = mtu;
	while ((peer = map_next(mesh->peers, &cursor)))
		mesh_peer_device_mtu_changed(peer);
}

static void on_network_changed(struct mesh *mesh)
{
	refresh_mtu(mesh);
	refresh_candidates(mesh, true);
	if (refresh_local_networks(mesh) && mesh->control && mesh->membership.enrolled) {
		tunnel_configure(mesh);
		mesh_map_apply(mesh);
	}
}

static void on_monitor_timer(void *arg, uint64_t now_ns)
{
	struct mesh *mesh = arg;
	unsigned int changes = monitor_take(mesh->monitor, now_ns);

	if (changes & (MONITOR_ADDR | MONITOR_LINK | MONITOR_ROUTE))
		on_network_changed(mesh);
	if (changes & MONITOR_TUNNEL)
		tunnel_restore(mesh);
	loop_timer_set(&mesh->monitor_timer, monitor_next_ns(mesh->monitor));
}

static void on_monitor(void *arg, int revents)
{
	struct mesh *mesh = arg;

	(void)revents;
	monitor_read(mesh->monitor, loop_now_ns(mesh->loop));
	loop_timer_set(&mesh->monitor_timer, monitor_next_ns(mesh->monitor));
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
	mesh_map_refresh(mesh);
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
	if (mesh->membership.enrolled) {
		err = tunnel_configure(mesh);
		if (err < 0)
			mesh_set_health(mesh, HEALTH_DEVICE, "device %s cannot be configured: %s",
					mesh->config->tun, strerror(-err));
		mesh_map_apply(mesh);
		load_credentials(mesh);
	}
	loop_timer_set(&mesh->housekeeping, loop_now_ns(mesh->loop) + HOUSEKEEPING_S * NS_PER_S);
	if (coordination_start(mesh) < 0)
		enrolment_fail(mesh->enrolment, LOCAL_FAILURE, "out of memory");
}

void mesh_stop(struct mesh *mesh)
{
	enum mesh_health what;

	loop_timer_clear(&mesh->housekeeping);
	coordination_stop(mesh);
	mesh_map_suspend(mesh);
	relays_set_list(mesh->relays, NULL, 0);
	link_set_down(mesh->netlink, dataplane_tun_ifindex(mesh->dp));
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
	err = device_new(&mesh->device, mesh->loop, &device_config, &device_ops, mesh);
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

/* "http://user:pass@host:port/" of the environment as ws.h wants it; NULL when there is none. */
static char *proxy_from_environment(void)
{
	const char *url = getenv("https_proxy");
	char *proxy;

	if (!url)
		url = getenv("HTTPS_PROXY");
	if (!url || !*url)
		return NULL;
	if (strncmp(url, "http://", 7) == 0)
		url += 7;
	proxy = strdup(url);
	if (proxy)
		proxy[strcspn(proxy, "/")] = '\0';
	return proxy;
}

static void on_end_signal(void *arg, int signum)
{
	struct mesh *mesh = arg;

	(void)signum;
	loop_stop(mesh->loop);
}

static int open_parts(struct mesh *mesh)
{
	struct relays_config relays_config = { .loop = mesh->loop, .ws = mesh->ws };
	const struct local_verb *verbs;
	size_t count;
	int err;

	relays_config.dp = mesh->dp;
	relays_config.http_proxy = mesh->http_proxy;
	relays_config.identity = &mesh->identity;
	err = relays_new(&mesh->relays, &relays_config, &relays_ops, mesh);
	if (err < 0)
		return err;
	mesh->pings = pings_new(mesh);
	mesh->enrolment = enrolment_new(mesh);
	if (!mesh->pings || !mesh->enrolment)
		return -ENOMEM;
	err = uapi_new(&mesh->uapi, mesh->loop, mesh->device, 0, true);
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
	return err;
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
	mesh->peers = map_new(32, NETMAP_PEERS_MAX);
	mesh->refused = map_new(32, NETMAP_PEERS_MAX);
	mesh->stun = stun_index_new(2 * NETMAP_PEERS_MAX);
	if (!mesh->peers || !mesh->refused || !mesh->stun)
		return -ENOMEM;
	err = loop_new(&mesh->loop);
	if (err == 0)
		err = netlink_new(&mesh->netlink);
	if (err == 0)
		err = monitor_new(&mesh->monitor);
	if (err == 0)
		err = loop_watch_new(&mesh->monitor_watch, mesh->loop, monitor_fd(mesh->monitor),
				     UV_READABLE, on_monitor, mesh);
	if (err == 0)
		err = ws_client_new(&mesh->ws, mesh->loop);
	if (err < 0) {
		log_error("start error=\"%s\"", strerror(-err));
		return err;
	}
	loop_timer_init(&mesh->monitor_timer, mesh->loop, on_monitor_timer, mesh);
	loop_timer_init(&mesh->housekeeping, mesh->loop, on_housekeeping, mesh);
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
	local_server_free(mesh->local_server);
	if (mesh->relays)
		mesh_stop(mesh);
	pings_free(mesh->pings);
	relays_free(mesh->relays);
	enrolment_free(mesh->enrolment);
	if (mesh->dp)
		dataplane_set_flows(mesh->dp, NULL);
	uapi_free(mesh->uapi);
	device_free(mesh->device);
	filter_flows_free(mesh->flows);
	ws_client_free(mesh->ws);
	loop_watch_free(mesh->monitor_watch);
	if (mesh->loop) {
		loop_timer_clear(&mesh->monitor_timer);
		loop_timer_clear(&mesh->housekeeping);
	}
	monitor_free(mesh->monitor);
	netlink_free(mesh->netlink);
	err = loop_free(mesh->loop);
	map_free(mesh->peers);
	map_free(mesh->refused);
	stun_index_free(mesh->stun);
	netmap_free(mesh->map);
	settings_clear(&mesh->settings);
	secret_free(mesh->identity);
	free(mesh->http_proxy);
	if (mesh->state_lock >= 0)
		close(mesh->state_lock);
	return err;
}

static int run(struct mesh *mesh)
{
	int err = open_base(mesh);

	if (err < 0 || load_state(mesh) < 0)
		return 1;
	err = open_device(mesh);
	if (err < 0) {
		startup_explain(err, mesh->config);
		return 1;
	}
	if (open_parts(mesh) < 0)
		return 1;
	refresh_mtu(mesh);
	refresh_candidates(mesh, false);
	refresh_local_networks(mesh);
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
	mesh->rng = rng_system();
	mesh->state_lock = -1;
	mesh->http_proxy = proxy_from_environment();
	settings_init(&mesh->settings);
	code = run(mesh);
	err = close_all(mesh);
	secret_free(mesh);
	if (err == -EBUSY)
		_exit(code); /* exit would wait for the look-up */
	return code;
}
