#include "daemon/speed_service.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "daemon/dataplane.h"
#include "daemon/mesh.h"
#include "daemon/mesh_peer.h"
#include "daemon/speed_connection.h"
#include "proto/filter_rules.h"
#include "proto/speed.h"

/* At one of our addresses. */
struct listener {
	struct speed_service *service;
	struct ip_addr addr; /* family 0: closed */
	uint32_t ifindex;    /* of the device it is bound to */
	int fd;
	struct loop_watch *watch;
};

struct speed_service {
	struct mesh *mesh;
	struct listener listeners[2]; /* v4, v6 */
	int done_fd;
	struct loop_watch *done_watch;

	/* The measurement that runs. */
	uint8_t node_key[32]; /* of whom */
	struct speed_connection connections[SPEED_CONNECTIONS];
	atomic_int load_ms;
	struct loop_timer overall;
};

static bool is_measuring(const struct speed_service *service)
{
	for (size_t i = 0; i < SPEED_CONNECTIONS; i++) {
		if (service->connections[i].running)
			return true;
	}
	return false;
}

static void end_measurement(struct speed_service *service)
{
	for (size_t i = 0; i < SPEED_CONNECTIONS; i++)
		speed_connection_end(&service->connections[i]);
	loop_timer_clear(&service->overall);
}

static void on_overall(void *arg, uint64_t now_ns)
{
	(void)now_ns;
	end_measurement(arg);
}

static void on_done(void *arg, int revents)
{
	struct speed_service *service = arg;
	uint64_t count;

	(void)revents;
	(void)!read(service->done_fd, &count, sizeof(count));
	for (size_t i = 0; i < SPEED_CONNECTIONS; i++) {
		if (atomic_load(&service->connections[i].done))
			speed_connection_end(&service->connections[i]);
	}
	if (!is_measuring(service))
		loop_timer_clear(&service->overall);
}

static void refuse(int fd)
{
	uint8_t answer[SPEED_ANSWER_SIZE];

	speed_answer_write(answer, SPEED_BUSY);
	(void)!send(fd, answer, sizeof(answer), MSG_NOSIGNAL | MSG_DONTWAIT);
	close(fd);
}

/* Of a peer: a connection of its measurement, or the first of a new one. */
static void take_in(struct speed_service *service, const struct mesh_peer *peer, int fd)
{
	struct mesh *mesh = service->mesh;

	if (!is_measuring(service)) {
		memcpy(service->node_key, mesh_peer_key(peer), sizeof(service->node_key));
		atomic_store(&service->load_ms, SPEED_LOAD_MAX_MS);
		loop_timer_set(&service->overall,
			       loop_now_ns(mesh->loop) + SPEED_OVERALL_MS * NS_PER_MS);
		log_info("speed peer=%s", mesh_peer_info(peer)->cert->parsed.name);
	}
	for (size_t i = 0; i < SPEED_CONNECTIONS; i++) {
		if (service->connections[i].running ||
		    memcmp(service->node_key, mesh_peer_key(peer), 32) != 0)
			continue;
		speed_connection_begin(&service->connections[i], fd, service->done_fd,
				       &service->load_ms);
		return;
	}
	refuse(fd);
}

static void on_accept(void *arg, int revents)
{
	struct listener *listener = arg;
	struct speed_service *service = listener->service;
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct mesh_peer *peer;
	struct endpoint from;
	int fd = accept4(listener->fd, (struct sockaddr *)&ss, &len, SOCK_CLOEXEC);

	(void)revents;
	if (fd < 0)
		return;
	peer = endpoint_from_sockaddr(&from, (struct sockaddr *)&ss) == 0
		       ? mesh_find_peer_address(service->mesh, &from.addr)
		       : NULL;
	if (peer)
		take_in(service, peer, fd);
	else
		close(fd);
}

/* --- listening --- */

static void close_listener(struct listener *listener)
{
	if (!listener->addr.family)
		return;
	loop_watch_free(listener->watch);
	listener->watch = NULL;
	close(listener->fd);
	listener->addr = (struct ip_addr){ 0 };
}

/* Bound to the device, so that nobody beside the tunnel finds the port open. */
static int listen_at(const struct mesh *mesh, const struct ip_addr *addr)
{
	const struct endpoint at = { .addr = *addr, .port = SPEED_PORT };
	const char *tun = dataplane_tun_name(mesh->dp);
	struct sockaddr_storage ss;
	socklen_t len = endpoint_to_sockaddr(&ss, &at);
	int fd = socket(ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int err = 0, on = 1;

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	/* The address may come a moment later. */
	setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &on, sizeof(on));
	setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	setsockopt(fd, IPPROTO_IPV6, IPV6_FREEBIND, &on, sizeof(on));
	if (setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, tun, (socklen_t)strlen(tun)) ||
	    bind(fd, (struct sockaddr *)&ss, len) || listen(fd, SPEED_CONNECTIONS)) {
		err = -errno;
		close(fd);
	}
	return err < 0 ? err : fd;
}

static void open_listener(struct listener *listener, const struct ip_addr *addr)
{
	struct mesh *mesh = listener->service->mesh;
	char text[ADDR_TEXT_SIZE];
	int err = 0, fd = listen_at(mesh, addr);

	if (fd >= 0)
		err = loop_watch_new(&listener->watch, mesh->loop, fd, UV_READABLE, on_accept,
				     listener);
	if (fd < 0 || err < 0) {
		log_warn("speed-not-served address=%s port=%d error=\"%s\"",
			 addr_format(text, addr), SPEED_PORT, strerror(fd < 0 ? -fd : -err));
		if (fd >= 0)
			close(fd);
		return;
	}
	listener->fd = fd;
	listener->addr = *addr;
	listener->ifindex = dataplane_tun_ifindex(mesh->dp);
}

/* Whether that changed anything. */
static bool refresh_listener(struct listener *listener, const struct ip_addr *wanted)
{
	struct ip_addr before = listener->addr;

	if (addr_equal(&before, wanted) &&
	    (!wanted->family ||
	     listener->ifindex == dataplane_tun_ifindex(listener->service->mesh->dp)))
		return false;
	close_listener(listener);
	if (wanted->family)
		open_listener(listener, wanted);
	return !addr_equal(&before, &listener->addr);
}

static void set_listeners(struct speed_service *service, bool on)
{
	const struct cert *cert = &service->mesh->membership.cert;
	const struct ip_addr none = { 0 };
	struct mesh *mesh = service->mesh;
	struct mesh_peer *peer;
	size_t cursor = 0;
	bool changed;

	changed = refresh_listener(&service->listeners[0], on ? &cert->address4 : &none);
	changed |= refresh_listener(&service->listeners[1], on ? &cert->address6 : &none);
	while (changed && (peer = map_next(mesh->peers, &cursor)))
		mesh_peer_refresh_rules(peer);
}

void speed_service_refresh(struct mesh *mesh)
{
	set_listeners(mesh->speed, mesh->membership.enrolled && mesh->settings.up &&
					   settings_yes(&mesh->settings, "speed", true));
}

void speed_service_stop(struct mesh *mesh)
{
	end_measurement(mesh->speed);
	set_listeners(mesh->speed, false);
}

size_t speed_service_rules(const struct mesh *mesh, struct filter_rule out[static 2])
{
	size_t count = 0;

	for (size_t i = 0; mesh->speed && i < 2; i++) {
		const struct ip_addr *addr = &mesh->speed->listeners[i].addr;

		if (!addr->family)
			continue;
		out[count++] = (struct filter_rule){ .dst = prefix_from_addr(addr, 128),
						     .proto = IPPROTO_TCP,
						     .port_low = SPEED_PORT,
						     .port_high = SPEED_PORT };
	}
	return count;
}

/* --- life --- */

int speed_service_new(struct speed_service **out, struct mesh *mesh)
{
	struct speed_service *service = calloc(1, sizeof(*service));
	int err;

	if (!service)
		return -ENOMEM;
	service->mesh = mesh;
	service->listeners[0].service = service->listeners[1].service = service;
	loop_timer_init(&service->overall, mesh->loop, on_overall, service);
	service->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	err = service->done_fd < 0
		      ? -errno
		      : loop_watch_new(&service->done_watch, mesh->loop, service->done_fd,
				       UV_READABLE, on_done, service);
	if (err < 0) {
		if (service->done_fd >= 0)
			close(service->done_fd);
		free(service);
		return err;
	}
	*out = service;
	return 0;
}

void speed_service_free(struct speed_service *service)
{
	if (!service)
		return;
	end_measurement(service);
	close_listener(&service->listeners[0]);
	close_listener(&service->listeners[1]);
	loop_watch_free(service->done_watch);
	close(service->done_fd);
	free(service);
}
