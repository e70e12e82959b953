#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/arguments.h"
#include "ctl/client.h"
#include "ctl/dial.h"
#include "ctl/report.h"
#include "ctl/routes_text.h"
#include "ctl/status_field.h"
#include "ctl/stream.h"
#include "ctl/verbs.h"

#define NC_TIMEOUT_MS 30000

static int parse_port(uint16_t *port, const char *text)
{
	char *end;
	unsigned long value = text[0] >= '0' && text[0] <= '9' ? strtoul(text, &end, 10) : 0;

	if (value < 1 || value > 65535 || *end)
		return -EINVAL;
	*port = (uint16_t)value;
	return 0;
}

/* An address that no packet has a way to: what the routes say of it. */
static int report_route(const struct client *client, const char *host, const json_t *addresses)
{
	const char *address = json_string_value(json_array_get(addresses, 0));
	json_t *routes = NULL;
	const json_t *route = NULL;

	if (address && client_routes(client, &routes) == LOCAL_OK)
		route = routes_find(routes, address);
	if (route && status_text(route, "why", NULL))
		report(LOCAL_TIMEOUT, "%s: not connected: %s of %s is not used: %s", host,
		       status_text(route, "prefix", "-"), status_text(route, "node", "-"),
		       status_text(route, "why", "-"));
	json_decref(routes);
	return route && status_text(route, "why", NULL) ? LOCAL_TIMEOUT : LOCAL_OK;
}

static int report_dial(const struct client *client, char **argv, const json_t *answer, int err)
{
	const char *node = status_text(answer, "node", NULL);

	if (err == -ECONNREFUSED)
		return report(LOCAL_TIMEOUT, "%s: nothing listens on port %s there", argv[1],
			      argv[2]);
	if (err == -EACCES || err == -EPERM)
		return report(LOCAL_DENIED,
			      "%s: connecting to port %s is forbidden on this machine: look at its "
			      "firewall",
			      argv[1], argv[2]);
	if (!node && report_route(client, argv[1], json_object_get(answer, "addresses")))
		return LOCAL_TIMEOUT;
	return report(LOCAL_TIMEOUT,
		      "%s: not connected to port %s: %s: policy may forbid it; warren %s %s tells "
		      "more",
		      argv[1], argv[2], strerror(-err), node ? "ping" : "whois", argv[1]);
}

static int report_broken(const char *host, int err)
{
	if (err == -EPIPE)
		return report(LOCAL_FAILURE, "%s: nobody reads what comes any more", host);
	return report(LOCAL_TIMEOUT, "%s: the connection broke: %s", host, strerror(-err));
}

/* The answer to where; LOCAL_DENIED when policy keeps us from it altogether. */
static int look_up(const struct client *client, const char *host, json_t **answer)
{
	int code = client_resolve(client, host, answer);

	if (code)
		return code;
	if (json_is_false(json_object_get(*answer, "allowed")))
		return report(LOCAL_DENIED,
			      "%s: the network's policy lets this node start nothing there", host);
	return LOCAL_OK;
}

int verb_nc(const struct client *client, int argc, char **argv)
{
	uint64_t timeout_ms = NC_TIMEOUT_MS;
	const struct argument list[] = { { "timeout", 'w', ARGUMENT_DURATION, &timeout_ms } };
	struct ip_addr addresses[DIAL_ADDRESSES_MAX];
	json_t *answer = NULL;
	int operands;
	uint16_t port;
	size_t count;
	int code, fd;

	if (arguments_parse(argc, argv, list, 1, 2, 2, &operands))
		return LOCAL_USAGE;
	if (parse_port(&port, argv[2]))
		return report(LOCAL_USAGE, "nc: %s is not a port: 1 to 65535", argv[2]);
	code = look_up(client, argv[1], &answer);
	if (code) {
		json_decref(answer);
		return code;
	}
	count = dial_addresses(addresses, json_object_get(answer, "addresses"));
	fd = dial_connect(addresses, count, port, timeout_ms);
	code = fd < 0 ? report_dial(client, argv, answer, fd) : LOCAL_OK;
	json_decref(answer);
	if (fd < 0)
		return code;
	code = stream_run(fd, STDIN_FILENO, STDOUT_FILENO);
	if (code < 0)
		return report_broken(argv[1], code);
	/* Its end has been told by closing it; what is flushed when this program ends is nothing.
	 */
	return LOCAL_OK;
}
