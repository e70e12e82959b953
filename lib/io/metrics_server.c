#include "io/metrics_server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/metrics.h"
#include "io/ws.h"

struct metrics_server {
	struct ws_server *ws;
	bool loopback; /* it listens for this machine only */
	void (*write)(void *arg, FILE *out);
	void *arg;
};

static void answer(struct metrics_server *server, struct ws_http_response *response)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	response->status = 503;
	if (!out)
		return;
	server->write(server->arg, out);
	if (fclose(out) != 0) {
		free(text);
		return;
	}
	response->status = 200;
	response->content_type = METRICS_TYPE;
	response->body = (uint8_t *)text;
	response->body_len = len;
}

/* An address or localhost; browsers always say a host, some programs none. */
static bool names_this_machine(const char *host)
{
	struct endpoint endpoint;
	struct ip_addr addr;
	size_t len = strcspn(host, ":");

	if (!host[0] || host[0] == '[' || (len == 9 && strncasecmp(host, "localhost", len) == 0))
		return true;
	return endpoint_parse(&endpoint, host) == 0 || addr_parse(&addr, host) == 0;
}

static void on_request(void *arg, const struct ws_http_request *request,
		       struct ws_http_response *response)
{
	const struct metrics_server *server = arg;

	ws_http_set_header(response, "cache-control", "no-store");
	if (request->status)
		return;
	if (strcmp(request->path, "/metrics") != 0) {
		response->status = 404;
	} else if (strcmp(request->method, "GET") != 0 && strcmp(request->method, "HEAD") != 0) {
		ws_http_set_header(response, "allow", "GET, HEAD");
		response->status = 405;
	} else if (request->origin[0] || request->fetch_site[0] ||
		   (server->loopback && !names_this_machine(request->host))) {
		/* A page in somebody's browser has no business here, whatever its name points to.
		 */
		response->status = 403;
	} else {
		answer(arg, response);
	}
}

int metrics_server_new(struct metrics_server **out, struct loop *loop,
		       const struct endpoint *listen, void (*write)(void *arg, FILE *page),
		       void *arg)
{
	struct metrics_server *server = calloc(1, sizeof(*server));
	struct ws_server_config config = { .listen = *listen,
					   .connections_max = METRICS_CONNECTIONS_MAX,
					   .http = on_request,
					   .http_arg = server };
	int err;

	if (!server)
		return -ENOMEM;
	server->loopback = addr_is_loopback(&listen->addr);
	server->write = write;
	server->arg = arg;
	err = ws_server_new(&server->ws, loop, &config);
	if (err < 0) {
		free(server);
		return err;
	}
	*out = server;
	return 0;
}

void metrics_server_free(struct metrics_server *server)
{
	if (!server)
		return;
	ws_server_free(server->ws);
	free(server);
}

uint16_t metrics_server_port(const struct metrics_server *server)
{
	return ws_server_port(server->ws);
}
