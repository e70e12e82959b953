#include "daemon/port_gateway.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/socket_mark.h"
#include "daemon/http_exchange.h"
#include "io/loop.h"
#include "proto/igd.h"
#include "proto/pcp.h"
#include "proto/upnp.h"

/* Datagrams that are read for one that was sent: a router that never stops costs no more. */
#define ANSWERS_A_REQUEST 32
#define DATAGRAM_MAX      2048
#define UNHEARD_MAX       1024

/* A UDP socket that listens for as long as answers may be due. */
struct ear {
	struct port_gateway *gateway;
	int fd;
	struct loop_watch *watch; /* NULL: does not listen */
	unsigned int budget;
	void (*heard)(struct port_gateway *gateway, const struct endpoint *from, uint8_t *data,
		      size_t len);
};

struct port_gateway {
	struct port_gateway_config config;
	struct pcp *pcp;
	struct igd *igd;
	struct ear pcp_ear;
	struct ear igd_ear;
	struct http_exchange *http;
	struct loop_timer timer;
	bool draining;
	bool babbles;
};

static uint64_t now_ns(const struct port_gateway *gateway)
{
	return loop_now_ns(gateway->config.loop);
}

static void drain(struct port_gateway *gateway);

/* ---- sockets ---- */

static int open_socket(const struct port_gateway_config *config, const struct endpoint *remote)
{
	struct endpoint local = { .addr = config->internal.addr };
	int ifindex = (int)config->ifindex;
	struct sockaddr_storage ss;
	socklen_t len = endpoint_to_sockaddr(&ss, &local);
	int fd = socket(ss.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int err;

	if (fd < 0)
		return -errno;
	socket_mark(fd);
	if (bind(fd, (struct sockaddr *)&ss, len) < 0)
		goto fail;
	/* Where to the multicast group goes; best effort. */
	if (ss.ss_family == AF_INET6)
		(void)!setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, &ifindex, sizeof(ifindex));
	else
		(void)!setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF,
				  &((struct sockaddr_in *)&ss)->sin_addr, sizeof(struct in_addr));
	len = remote ? endpoint_to_sockaddr(&ss, remote) : 0;
	if (remote && connect(fd, (struct sockaddr *)&ss, len) < 0)
		goto fail;
	return fd;

fail:
	err = -errno;
	close(fd);
	return err;
}

static void stop_listening(struct ear *ear)
{
	loop_watch_free(ear->watch);
	ear->watch = NULL;
}

static void on_readable(void *arg, int revents)
{
	struct ear *ear = arg;
	struct port_gateway *gateway = ear->gateway;
	uint8_t data[DATAGRAM_MAX];
	struct sockaddr_storage ss;
	struct endpoint from;
	socklen_t ss_len = sizeof(ss);
	ssize_t len = recvfrom(ear->fd, data, sizeof(data), MSG_DONTWAIT | MSG_TRUNC,
			       (struct sockaddr *)&ss, &ss_len);

	(void)revents;
	/* Errors count too: a refused port is told again and again. */
	if (--ear->budget == 0) {
		stop_listening(ear);
		gateway->babbles = gateway->babbles || len > 0;
	}
	if (len <= 0 || (size_t)len > sizeof(data) ||
	    endpoint_from_sockaddr(&from, (struct sockaddr *)&ss) < 0)
		return;
	ear->heard(gateway, &from, data, (size_t)len);
	drain(gateway);
}

/* What came when nobody listened answers nothing that is asked now. */
static void forget_unheard(const struct ear *ear)
{
	char byte;

	for (int i = 0; i < UNHEARD_MAX; i++) {
		if (recv(ear->fd, &byte, sizeof(byte), MSG_DONTWAIT) < 0 && errno == EAGAIN)
			return;
	}
}

static void send_from(struct ear *ear, const struct endpoint *to, const void *data, size_t len)
{
	struct sockaddr_storage ss;
	socklen_t ss_len = to ? endpoint_to_sockaddr(&ss, to) : 0;

	if (!ear->watch) {
		forget_unheard(ear);
		loop_watch_new(&ear->watch, ear->gateway->config.loop, ear->fd, UV_READABLE,
			       on_readable, ear);
	}
	ear->budget = ANSWERS_A_REQUEST;
	/* What cannot be sent is asked again in time. */
	(void)!sendto(ear->fd, data, len, MSG_DONTWAIT, to ? (struct sockaddr *)&ss : NULL, ss_len);
}

static int open_ear(struct ear *ear, struct port_gateway *gateway, const struct endpoint *remote,
		    void (*heard)(struct port_gateway *gateway, const struct endpoint *from,
				  uint8_t *data, size_t len))
{
	ear->gateway = gateway;
	ear->heard = heard;
	ear->fd = open_socket(&gateway->config, remote);
	return ear->fd < 0 ? ear->fd : 0;
}

static void close_ear(struct ear *ear)
{
	stop_listening(ear);
	if (ear->fd >= 0)
		close(ear->fd);
}

static void heard_pcp(struct port_gateway *gateway, const struct endpoint *from, uint8_t *data,
		      size_t len)
{
	(void)from; /* the socket is connected */
	pcp_input(gateway->pcp, data, len, now_ns(gateway));
}

static void heard_igd(struct port_gateway *gateway, const struct endpoint *from, uint8_t *data,
		      size_t len)
{
	igd_input_search(gateway->igd, &from->addr, (const char *)data, len, now_ns(gateway));
}

/* ---- UPnP's requests ---- */

static void end_exchange(struct port_gateway *gateway)
{
	http_exchange_free(gateway->http);
	gateway->http = NULL;
}

static bool on_answer(void *arg, char *data, size_t len, bool ended)
{
	struct port_gateway *gateway = arg;

	if (!igd_input_answer(gateway->igd, data, len, ended, now_ns(gateway)))
		return false;
	end_exchange(gateway);
	drain(gateway);
	return true;
}

static void on_failed(void *arg)
{
	struct port_gateway *gateway = arg;

	end_exchange(gateway);
	igd_request_failed(gateway->igd, now_ns(gateway));
	drain(gateway);
}

static struct http_exchange_config exchange_config(struct port_gateway *gateway,
						   const struct igd_request *request)
{
	struct http_exchange_config config = {
		.loop = gateway->config.loop,
		.local = gateway->config.internal.addr,
		.remote = gateway->config.gateway,
		.data = request->data,
		.len = request->len,
		.answer_max = UPNP_ANSWER_MAX,
		.answer = on_answer,
		.failed = on_failed,
		.arg = gateway,
	};

	config.remote.port = request->port;
	return config;
}

static void start_exchange(struct port_gateway *gateway, const struct igd_request *request)
{
	const struct http_exchange_config config = exchange_config(gateway, request);

	end_exchange(gateway);
	if (http_exchange_new(&gateway->http, &config) < 0)
		igd_request_failed(gateway->igd, now_ns(gateway));
}

/* ---- the cores ---- */

static void send_out(struct port_gateway *gateway)
{
	struct endpoint to = gateway->config.gateway;
	struct igd_request request;
	uint8_t buf[UPNP_SEARCH_MAX];
	size_t len;

	while ((len = pcp_poll_output(gateway->pcp, buf, sizeof(buf), now_ns(gateway))))
		send_from(&gateway->pcp_ear, NULL, buf, len);
	to.port = UPNP_SSDP_PORT;
	while ((len = igd_poll_search(gateway->igd, &to.addr, (char *)buf, sizeof(buf))))
		send_from(&gateway->igd_ear, &to, buf, len);
	while (igd_poll_request(gateway->igd, &request))
		start_exchange(gateway, &request);
}

static void drain(struct port_gateway *gateway)
{
	uint64_t pcp_ns, igd_ns;

	/* The owner may ask for something in answer to the news. */
	if (gateway->draining)
		return;
	gateway->draining = true;
	send_out(gateway);
	gateway->config.changed(gateway->config.arg, gateway);
	send_out(gateway);
	gateway->draining = false;
	pcp_ns = pcp_next_timeout(gateway->pcp);
	igd_ns = igd_next_timeout(gateway->igd);
	loop_timer_set(&gateway->timer, pcp_ns < igd_ns ? pcp_ns : igd_ns);
}

static void on_timer(void *arg, uint64_t at_ns)
{
	struct port_gateway *gateway = arg;

	pcp_expire(gateway->pcp, at_ns);
	igd_expire(gateway->igd, at_ns);
	drain(gateway);
}

int port_gateway_new(struct port_gateway **out, const struct port_gateway_config *config)
{
	struct port_gateway *gateway = calloc(1, sizeof(*gateway));
	struct pcp_config pcp = { config->internal, config->suggested_port, { 0 } };
	const struct igd_config igd = { config->gateway.addr, config->internal,
					config->suggested_port };
	struct endpoint server = config->gateway;
	int err = -ENOMEM;

	if (!gateway)
		return -ENOMEM;
	gateway->config = *config;
	memcpy(pcp.nonce, config->nonce, sizeof(pcp.nonce));
	gateway->pcp_ear.fd = -1;
	gateway->igd_ear.fd = -1;
	loop_timer_init(&gateway->timer, config->loop, on_timer, gateway);
	gateway->pcp = pcp_new(&pcp, config->rng, now_ns(gateway));
	gateway->igd = igd_new(&igd, config->rng, now_ns(gateway));
	server.port = PCP_PORT;
	if (gateway->pcp && gateway->igd)
		err = open_ear(&gateway->pcp_ear, gateway, &server, heard_pcp);
	if (!err)
		err = open_ear(&gateway->igd_ear, gateway, NULL, heard_igd);
	if (err < 0) {
		port_gateway_free(gateway, false);
		return err;
	}
	*out = gateway;
	loop_timer_set(&gateway->timer, now_ns(gateway)); /* which drains it */
	return 0;
}

static void delete_all(struct port_gateway *gateway, bool ending)
{
	struct igd_request request;
	bool upnp = igd_delete(gateway->igd, &request);

	pcp_delete(gateway->pcp, PORT_MAPPING_PCP);
	pcp_delete(gateway->pcp, PORT_MAPPING_NATPMP);
	send_out(gateway);
	if (upnp) {
		const struct http_exchange_config config = exchange_config(gateway, &request);

		http_exchange_last(&config, ending ? PORT_GATEWAY_END_MS : PORT_GATEWAY_LEAVE_MS);
	}
}

void port_gateway_free(struct port_gateway *gateway, bool ending)
{
	if (!gateway)
		return;
	gateway->draining = true; /* nobody is told any more */
	if (gateway->pcp_ear.fd >= 0 && gateway->igd_ear.fd >= 0)
		delete_all(gateway, ending);
	end_exchange(gateway);
	close_ear(&gateway->pcp_ear);
	close_ear(&gateway->igd_ear);
	loop_timer_clear(&gateway->timer);
	pcp_free(gateway->pcp);
	igd_free(gateway->igd);
	free(gateway);
}

struct port_mapping port_gateway_mapping(const struct port_gateway *gateway,
					 enum port_mapping_protocol protocol)
{
	return protocol == PORT_MAPPING_UPNP ? igd_mapping(gateway->igd)
					     : pcp_mapping(gateway->pcp, protocol);
}

bool port_gateway_babbles(const struct port_gateway *gateway)
{
	return gateway->babbles;
}

void port_gateway_stop(struct port_gateway *gateway, enum port_mapping_protocol protocol)
{
	if (protocol != PORT_MAPPING_UPNP) {
		pcp_stop(gateway->pcp, protocol);
		return;
	}
	igd_stop(gateway->igd);
	end_exchange(gateway);
}

void port_gateway_anew(struct port_gateway *gateway, uint16_t suggested_port)
{
	end_exchange(gateway);
	pcp_anew(gateway->pcp, PORT_MAPPING_PCP, suggested_port, now_ns(gateway));
	pcp_anew(gateway->pcp, PORT_MAPPING_NATPMP, suggested_port, now_ns(gateway));
	igd_anew(gateway->igd, suggested_port, now_ns(gateway));
	drain(gateway);
}

void port_gateway_announced(struct port_gateway *gateway, const uint8_t *data, size_t len)
{
	pcp_input_announcement(gateway->pcp, data, len, now_ns(gateway));
	drain(gateway);
}
