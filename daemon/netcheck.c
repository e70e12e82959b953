#include "daemon/netcheck.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/addr.h"
#include "daemon/http_proxy.h"
#include "daemon/local_server.h"
#include "daemon/mesh.h"
#include "daemon/relays.h"
#include "io/source.h"
#include "proto/local_api.h"
#include "proto/natcheck.h"

#define DATAGRAM_MAX 2048

struct netcheck;

/* The questions for one address family, from a socket that nothing else uses. */
struct netcheck_run {
	struct netcheck *netcheck;
	struct natcheck *core;      /* NULL: not asked, or answered */
	struct stun_client *second; /* asks another relay what it sees, when one cannot tell */
	struct endpoint server;     /* that core asks */
	struct natcheck_result result;
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
	stun_client_free(run->second);
	run->second = NULL;
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
	json_t *fields =
		json_pack("{s:b,s:o,s:o,s:s,s:s,s:s,s:s?,s:o}", "udp",
			  v4->result.udp || v6->result.udp, "ipv4", mapped_json(v4), "ipv6",
			  mapped_json(v6), "mapping", behaviour(nat, nat->result.mapping),
			  "filtering", nat_behaviour_text(nat->result.filtering), "port_mapping",
			  "unknown", "proxy", http_proxy_name(&netcheck->mesh->http_proxy),
			  "relays", relays_json(netcheck->mesh->relays));

	netcheck_free(netcheck);
	local_reply_end(request, json_pack("{s:o}", "netcheck", fields));
}

/* --- asking --- */

/* A STUN server of that family at another address than `but`; the home relay's if it has one. */
static bool find_server(const struct relays *relays, int family, const struct endpoint *but,
			struct endpoint *server)
{
	uint32_t home = relays_home(relays), relay;
	size_t cursor = 0;

	if (home && relays_stun_server(relays, home, family, server) &&
	    !addr_equal(&server->addr, &but->addr))
		return true;
	while ((relay = relays_next(relays, &cursor))) {
		if (relays_stun_server(relays, relay, family, server) &&
		    !addr_equal(&server->addr, &but->addr))
			return true;
	}
	return false;
}

static void send_datagram(const struct netcheck_run *run,
			  const struct stun_client_datagram *datagram)
{
	struct sockaddr_storage ss;
	socklen_t len = endpoint_to_sockaddr(&ss, &datagram->remote);

	/* What cannot be sent is not answered, which is a result too. */
	(void)!sendto(run->fd, datagram->data, datagram->len, 0, (struct sockaddr *)&ss, len);
}

static void end_run(struct netcheck_run *run)
{
	struct netcheck *netcheck = run->netcheck;

	clear_run(run);
	if (netcheck->runs[0].fd < 0 && netcheck->runs[1].fd < 0)
		finish(netcheck);
}

static void drain_second(struct netcheck_run *run)
{
	struct stun_client_datagram datagram;
	struct stun_result result;

	while (stun_client_poll_output(run->second, &datagram))
		send_datagram(run, &datagram);
	if (!stun_client_poll_result(run->second, &result)) {
		loop_timer_set(&run->timer, stun_client_next_timeout(run->second));
		return;
	}
	if (result.err == 0)
		run->result.mapping = endpoint_equal(&result.mapped, &run->result.mapped)
					      ? NAT_ENDPOINT_INDEPENDENT
					      : NAT_ADDRESS_DEPENDENT;
	end_run(run);
}

/* A relay with one address cannot tell how a NAT maps; two relays together can. */
static bool ask_second(struct netcheck_run *run)
{
	struct mesh *mesh = run->netcheck->mesh;
	struct stun_question question = { .local = run->result.local,
					  .schedule = &stun_schedule_brief };

	if (!run->result.udp || !run->result.translated || run->result.mapping != NAT_UNKNOWN ||
	    !find_server(mesh->relays, question.local.addr.family, &run->server, &question.server))
		return false;
	run->second = stun_client_new(&mesh->rng);
	if (!run->second)
		return false;
	stun_client_ask(run->second, &question, loop_now_ns(mesh->loop));
	drain_second(run);
	return true;
}

static void drain(struct netcheck_run *run)
{
	struct stun_client_datagram datagram;

	if (run->second) {
		drain_second(run);
		return;
	}
	while (natcheck_poll_output(run->core, &datagram))
		send_datagram(run, &datagram);
	if (!natcheck_poll_result(run->core, &run->result))
		loop_timer_set(&run->timer, natcheck_next_timeout(run->core));
	else if (!ask_second(run))
		end_run(run);
}

static void on_timer(void *arg, uint64_t now_ns)
{
	struct netcheck_run *run = arg;

	if (run->second)
		stun_client_expire(run->second, now_ns);
	else
		natcheck_expire(run->core, now_ns);
	drain(run);
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
	if (run->second)
		stun_client_input(run->second, data, (size_t)len, &remote, now_ns);
	else
		natcheck_input(run->core, data, (size_t)len, &remote, now_ns);
	drain(run);
}

static int open_socket(struct netcheck_run *run, struct endpoint *local)
{
	struct sockaddr_storage ss;
	socklen_t len = endpoint_to_sockaddr(&ss, local);

	run->fd = socket(ss.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (run->fd < 0 || bind(run->fd, (struct sockaddr *)&ss, len) < 0)
		return -errno;
	len = sizeof(ss);
	if (getsockname(run->fd, (struct sockaddr *)&ss, &len) < 0)
		return -errno;
	return endpoint_from_sockaddr(local, (struct sockaddr *)&ss);
}

static void start_run(struct netcheck *netcheck, struct netcheck_run *run, int family)
{
	static const struct endpoint nowhere;
	struct mesh *mesh = netcheck->mesh;
	struct endpoint local = { 0 };

	run->netcheck = netcheck;
	run->fd = -1;
	loop_timer_init(&run->timer, mesh->loop, on_timer, run);
	if (!find_server(mesh->relays, family, &nowhere, &run->server) ||
	    source_address(&local.addr, &run->server) < 0 || open_socket(run, &local) < 0 ||
	    loop_watch_new(&run->watch, mesh->loop, run->fd, UV_READABLE, on_readable, run) < 0) {
		clear_run(run);
		return;
	}
	run->core = natcheck_new(&mesh->rng, &local, &run->server, loop_now_ns(mesh->loop));
	if (run->core)
		loop_timer_set(&run->timer, loop_now_ns(mesh->loop)); /* which drains it */
	else
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
