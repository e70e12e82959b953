#include "daemon/netcheck.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/addr.h"
#include "base/socket_mark.h"
#include "daemon/dataplane.h"
#include "daemon/http_proxy.h"
#include "daemon/local_server.h"
#include "daemon/mesh.h"
#include "daemon/portmap.h"
#include "daemon/relays.h"
#include "daemon/status_resources.h"
#include "io/source.h"
#include "proto/local_api.h"
#include "proto/natcheck.h"

#define DATAGRAM_MAX 2048
#define SERVERS_MAX  3 /* that are asked one after the other */

struct netcheck;

/* The questions for one address family, from a socket that nothing else uses. */
struct netcheck_run {
	struct netcheck *netcheck;
	struct natcheck *core; /* what is asked now, one of the two */
	struct stun_client
		*two; /* asks two relays, when none can tell alone how ports are mapped */
	struct endpoint mapped[2]; /* what those answered */
	struct endpoint servers[SERVERS_MAX];
	size_t server_count;
	size_t asked;
	struct natcheck_result result; /* the most telling so far */
	struct loop_watch *watch;
	struct loop_timer timer;
	int fd;
};

struct netcheck {
	struct mesh *mesh;
	struct local_request *request;
	struct netcheck_run runs[2]; /* v4, v6 */
};

static void clear_run(struct netcheck_run *run)
{
	loop_timer_clear(&run->timer);
	loop_watch_free(run->watch);
	run->watch = NULL;
	natcheck_free(run->core);
	run->core = NULL;
	stun_client_free(run->two);
	run->two = NULL;
	if (run->fd >= 0)
		close(run->fd);
	run->fd = -1;
}

static void netcheck_free(struct netcheck *netcheck)
{
	clear_run(&netcheck->runs[0]);
	clear_run(&netcheck->runs[1]);
	free(netcheck);
}

static void on_cancel(void *arg)
{
	netcheck_free(arg);
}

/* --- the answer --- */

static json_t *mapped_json(const struct netcheck_run *run)
{
	char text[ENDPOINT_TEXT_SIZE];

	return run->result.udp ? json_string(endpoint_format(text, &run->result.mapped))
			       : json_null();
}

static json_t *relays_json(const struct relays *relays)
{
	json_t *list = json_array();
	size_t cursor = 0;
	uint32_t relay;

	while ((relay = relays_next(relays, &cursor))) {
		uint64_t rtt_ns = relays_rtt_ns(relays, relay);

		json_array_append_new(list, json_pack("{s:s,s:o,s:s?,s:b}", "name",
						      relays_name(relays, relay), "latency_ms",
						      rtt_ns ? json_real((double)rtt_ns / 1e6)
							     : json_null(),
						      "transport", relays_transport(relays, relay),
						      "home", relay == relays_home(relays)));
	}
	return list;
}

/* What has been learnt in passing, by the relays' second ports too, may tell more. */
static enum nat_behaviour best_mapping(const struct netcheck_run *run)
{
	const struct mesh *mesh = run->netcheck->mesh;
	const struct endpoint base = { .addr = run->result.local.addr,
				       .port = dataplane_port(mesh->dp) };
	struct nat_report learnt;

	if (!run->result.udp || run->result.mapping == NAT_ENDPOINT_INDEPENDENT)
		return run->result.mapping;
	learnt = nat_mapping_report(&mesh->nat, &base, loop_now_ns(mesh->loop));
	return learnt.mapping == NAT_ADDRESS_PORT_DEPENDENT || run->result.mapping == NAT_UNKNOWN
		       ? learnt.mapping
		       : run->result.mapping;
}

static const char *behaviour(const struct netcheck_run *run, enum nat_behaviour what)
{
	if (run->result.udp && !run->result.translated)
		return "none"; /* no NAT: nothing is mapped */
	return nat_behaviour_text(what);
}

static void finish(struct netcheck *netcheck)
{
	const struct netcheck_run *v4 = &netcheck->runs[0], *v6 = &netcheck->runs[1];
	/* A NAT is a matter of v4; v6 stands in where there is nothing else. */
	const struct netcheck_run *nat = v4->result.udp || !v6->result.udp ? v4 : v6;
	struct local_request *request = netcheck->request;
	char port_mapping[PORTMAP_TEXT_SIZE];
	json_t *fields;

	portmap_describe(netcheck->mesh->portmap, port_mapping);
	fields = json_pack("{s:o,s:o,s:o,s:s,s:s,s:s,s:o,s:s?,s:o}", "udp",
			   v4->server_count + v6->server_count
				   ? json_boolean(v4->result.udp || v6->result.udp)
				   : json_null(),
			   "ipv4", mapped_json(v4), "ipv6", mapped_json(v6), "mapping",
			   behaviour(nat, best_mapping(nat)), "filtering",
			   nat_behaviour_text(nat->result.filtering), "port_mapping", port_mapping,
			   "port_mappings", portmap_to_json(netcheck->mesh->portmap), "proxy",
			   http_proxy_name(&netcheck->mesh->http_proxy), "relays",
			   relays_json(netcheck->mesh->relays));

	if (fields)
		status_resources_netcheck(fields, netcheck->mesh);
	netcheck_free(netcheck);
	local_reply_end(request, json_pack("{s:o}", "netcheck", fields));
}

/* --- asking --- */

static void add_server(struct netcheck_run *run, uint32_t relay, int family)
{
	struct endpoint *server = &run->servers[run->server_count];

	if (run->server_count < SERVERS_MAX &&
	    relays_stun_server(run->netcheck->mesh->relays, relay, family, server))
		run->server_count++;
}

/* The STUN servers of that family, the home relay's first. */
static void find_servers(struct netcheck_run *run, int family)
{
	const struct relays *relays = run->netcheck->mesh->relays;
	uint32_t home = relays_home(relays), relay;
	size_t cursor = 0;

	if (home)
		add_server(run, home, family);
	while ((relay = relays_next(relays, &cursor))) {
		if (relay != home)
			add_server(run, relay, family);
	}
}

static void send_datagram(const struct netcheck_run *run,
			  const struct stun_client_datagram *datagram)
{
	struct sockaddr_storage ss;
	socklen_t len = endpoint_to_sockaddr(&ss, &datagram->remote);

	/* What cannot be sent is not answered, which is a result too. */
	(void)!sendto(run->fd, datagram->data, datagram->len, 0, (struct sockaddr *)&ss, len);
}

static void on_readable(void *arg, int revents);

static int open_socket(struct netcheck_run *run, struct endpoint *local)
{
	struct sockaddr_storage ss;
	socklen_t len = endpoint_to_sockaddr(&ss, local);

	run->fd = socket(ss.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (run->fd >= 0)
		socket_mark(run->fd);
	if (run->fd < 0 || bind(run->fd, (struct sockaddr *)&ss, len) < 0)
		return -errno;
	len = sizeof(ss);
	if (getsockname(run->fd, (struct sockaddr *)&ss, &len) < 0)
		return -errno;
	return endpoint_from_sockaddr(local, (struct sockaddr *)&ss);
}

/* In place of the last socket, whose questions have opened mappings and filters. */
static int open_fresh(struct netcheck_run *run, struct endpoint *local,
		      const struct endpoint *server)
{
	int err;

	clear_run(run);
	*local = (struct endpoint){ 0 };
	err = source_address(&local->addr, server);
	if (err == 0)
		err = open_socket(run, local);
	if (err == 0)
		err = loop_watch_new(&run->watch, run->netcheck->mesh->loop, run->fd, UV_READABLE,
				     on_readable, run);
	return err;
}

/* False when there is nobody left to ask. */
static bool ask_next(struct netcheck_run *run)
{
	struct mesh *mesh = run->netcheck->mesh;
	struct endpoint local;

	while (run->asked < run->server_count) {
		const struct endpoint *server = &run->servers[run->asked++];

		if (open_fresh(run, &local, server) < 0)
			continue;
		run->core = natcheck_new(&mesh->rng, &local, server, loop_now_ns(mesh->loop));
		if (!run->core)
			continue;
		loop_timer_set(&run->timer, loop_now_ns(mesh->loop)); /* which drains it */
		return true;
	}
	return false;
}

static void end_run(struct netcheck_run *run)
{
	struct netcheck *netcheck = run->netcheck;

	clear_run(run);
	if (netcheck->runs[0].fd < 0 && netcheck->runs[1].fd < 0)
		finish(netcheck);
}

static void drain_two(struct netcheck_run *run)
{
	struct stun_client_datagram datagram;
	struct stun_result result;

	while (stun_client_poll_output(run->two, &datagram))
		send_datagram(run, &datagram);
	while (stun_client_poll_result(run->two, &result)) {
		if (result.err == 0)
			run->mapped[result.tag] = result.mapped;
		run->asked++;
	}
	if (run->asked < 2) {
		loop_timer_set(&run->timer, stun_client_next_timeout(run->two));
		return;
	}
	if (run->mapped[0].port && run->mapped[1].port)
		run->result.mapping = endpoint_equal(&run->mapped[0], &run->mapped[1])
					      ? NAT_ENDPOINT_INDEPENDENT
					      : NAT_ADDRESS_DEPENDENT;
	end_run(run);
}

/* Two relays at different addresses together can tell what one cannot. */
static bool ask_two(struct netcheck_run *run)
{
	struct mesh *mesh = run->netcheck->mesh;
	struct stun_question question = { .server = run->servers[0],
					  .schedule = &stun_schedule_brief };
	size_t other = 1;

	while (other < run->server_count &&
	       addr_equal(&run->servers[other].addr, &question.server.addr))
		other++;
	if (!run->result.udp || !run->result.translated || run->result.mapping != NAT_UNKNOWN ||
	    other >= run->server_count || open_fresh(run, &question.local, &question.server) < 0)
		return false;
	run->two = stun_client_new(&mesh->rng);
	if (!run->two)
		return false;
	run->asked = 0;
	stun_client_ask(run->two, &question, loop_now_ns(mesh->loop));
	question.server = run->servers[other];
	question.tag = 1;
	stun_client_ask(run->two, &question, loop_now_ns(mesh->loop));
	drain_two(run);
	return true;
}

static void drain(struct netcheck_run *run)
{
	struct stun_client_datagram datagram;
	struct natcheck_result result;

	while (natcheck_poll_output(run->core, &datagram))
		send_datagram(run, &datagram);
	if (!natcheck_poll_result(run->core, &result)) {
		loop_timer_set(&run->timer, natcheck_next_timeout(run->core));
		return;
	}
	if (result.udp && (!run->result.udp || result.filtering != NAT_UNKNOWN))
		run->result = result;
	if (run->result.filtering == NAT_UNKNOWN && ask_next(run))
		return;
	if (!ask_two(run))
		end_run(run);
}

static void on_timer(void *arg, uint64_t now_ns)
{
	struct netcheck_run *run = arg;

	if (run->two) {
		stun_client_expire(run->two, now_ns);
		drain_two(run);
	} else {
		natcheck_expire(run->core, now_ns);
		drain(run);
	}
}

static void on_readable(void *arg, int revents)
{
	struct netcheck_run *run = arg;
	uint64_t now_ns = loop_now_ns(run->netcheck->mesh->loop);
	uint8_t data[DATAGRAM_MAX];
	struct sockaddr_storage ss;
	socklen_t ss_len = sizeof(ss);
	struct endpoint remote;
	ssize_t len = recvfrom(run->fd, data, sizeof(data), MSG_DONTWAIT, (struct sockaddr *)&ss,
			       &ss_len);

	(void)revents;
	if (len < 0 || endpoint_from_sockaddr(&remote, (struct sockaddr *)&ss) < 0)
		return;
	if (run->two) {
		stun_client_input(run->two, data, (size_t)len, &remote, now_ns);
		drain_two(run);
	} else {
		natcheck_input(run->core, data, (size_t)len, &remote, now_ns);
		drain(run);
	}
}

static void start_run(struct netcheck *netcheck, struct netcheck_run *run, int family)
{
	run->netcheck = netcheck;
	run->fd = -1;
	loop_timer_init(&run->timer, netcheck->mesh->loop, on_timer, run);
	find_servers(run, family);
	if (!ask_next(run))
		clear_run(run);
}

void netcheck_start(struct mesh *mesh, struct local_request *request)
{
	struct netcheck *netcheck = calloc(1, sizeof(*netcheck));

	if (!netcheck) {
		local_reply_error(request, LOCAL_FAILURE, "out of memory");
		return;
	}
	netcheck->mesh = mesh;
	netcheck->request = request;
	local_request_on_cancel(request, on_cancel, netcheck);
	start_run(netcheck, &netcheck->runs[0], AF_INET);
	start_run(netcheck, &netcheck->runs[1], AF_INET6);
	if (!netcheck->runs[0].core && !netcheck->runs[1].core)
		finish(netcheck); /* no relay is known, or no way to any */
}
