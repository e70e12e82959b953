#include "coord/http_metrics.h"

#include <stdlib.h>
#include <string.h>

#include "base/metrics.h"
#include "coord/admin_reply.h"
#include "coord/api_caller.h"
#include "coord/cluster.h"
#include "coord/http_host.h"
#include "coord/sessions.h"
#include "io/forwarded.h"
#include "relay/metrics.h"

static void write_nodes(const struct network *network, FILE *out)
{
	static const char *const states[] = { "online", "offline", "pending", "revoked" };
	double counts[4] = { 0 };
	const struct node *node;
	size_t cursor = 0;

	while ((node = network_next(network, &cursor)))
		for (size_t i = 0; i < 4; i++)
			counts[i] += strcmp(admin_node_state(node), states[i]) == 0;
	metrics_begin(out, "warren_coord_nodes", "gauge", "Nodes by state.");
	for (size_t i = 0; i < 4; i++)
		metrics_add(out, "warren_coord_nodes", "state", states[i], counts[i]);
}

static void write_health(const struct health *health, FILE *out)
{
	double failing = 0;

	for (size_t i = 0; i < health->count; i++)
		failing += health->problems[i].level == HEALTH_FAILING;
	metrics_begin(out, "warren_coord_problems", "gauge",
		      "What is wrong with the coordinator, by level.");
	metrics_add(out, "warren_coord_problems", "level", "failing", failing);
	metrics_add(out, "warren_coord_problems", "level", "warning",
		    (double)health->count - failing);
}

static void write_http(const struct http *http, FILE *out)
{
	static const char *const classes[] = { "", "1xx", "2xx", "3xx", "4xx", "5xx" };

	metrics_begin(out, "warren_coord_http_requests_total", "counter",
		      "HTTP requests answered, by class of status.");
	for (size_t i = 1; i < HTTP_CLASSES; i++)
		metrics_add(out, "warren_coord_http_requests_total", "code", classes[i],
			    (double)http->answered[i]);
	metrics_counter(out, "warren_coord_login_failures_total", "Wrong tokens.",
			http->login_failures);
}

/* Several coordinators on one database; nothing where there is one alone. */
static void put_cluster(FILE *out, const struct cluster *cluster)
{
	struct cluster_figures figures;

	cluster_figures(cluster, &figures);
	if (!figures.shared)
		return;
	metrics_gauge(out, "warren_coord_database_up", "Is the shared database there.",
		      figures.database_up);
	metrics_gauge(out, "warren_coord_coordinators", "Coordinators that are there, with us.",
		      figures.others + 1);
	metrics_counter(out, "warren_coord_signals_sent_across_total",
			"Sealed signals passed to another coordinator.", figures.signals_out);
	metrics_counter(out, "warren_coord_signals_received_across_total",
			"Sealed signals from another coordinator.", figures.signals_in);
}

static void write_all(const struct http *http, FILE *out)
{
	const struct sessions *sessions = http->sessions;
	const struct network *network = sessions->network;

	metrics_begin(out, "warren_coord_info", "gauge", "Network and version.");
	metrics_add2(out, "warren_coord_info", "network", network->name, "version", WARREN_VERSION,
		     1);
	write_nodes(network, out);
	metrics_gauge(out, "warren_coord_connections", "Connections of nodes.",
		      (double)sessions->count);
	metrics_gauge(out, "warren_coord_relays", "Relays that nodes are told of.",
		      (double)network->relay_count);
	put_cluster(out, sessions->cluster);
	metrics_counter(out, "warren_coord_signals_forwarded_total",
			"Sealed signals passed from node to node.", sessions->signals_forwarded);
	metrics_counter(out, "warren_coord_signals_dropped_total",
			"Sealed signals whose receiver was away or slow.",
			sessions->signals_dropped);
	write_health(&sessions->health, out);
	write_http(http, out);
	metrics_process(out);
	if (http->relay)
		relay_metrics_write(http->relay, out);
}

/*
 * A proxy on this machine speaks for others: we were told of it, it says so, or it uses their Host.
 */
static bool is_from_here(const struct http *http, const struct ws_http_request *request)
{
	struct endpoint host;

	if (request->local)
		return true;
	if (forwarded_is_trusted(&request->remote.addr, http->proxies, http->proxy_count))
		return false;
	return addr_is_loopback(&request->remote.addr) && !request->forwarded_for[0] &&
	       !request->forwarded_host[0] && !request->origin[0] && !request->fetch_site[0] &&
	       (strncmp(request->host, "localhost", 9) == 0 ||
		(endpoint_parse(&host, request->host) == 0 && addr_is_loopback(&host.addr)));
}

void http_metrics_handle(struct http *http, const struct ws_http_request *request,
			 struct ws_http_response *response)
{
	struct admin_caller caller;
	char *text = NULL;
	size_t len = 0;
	FILE *out;

	if (strcmp(request->path, "/metrics") != 0) {
		http_fail(response, 404, "not-found", "there is nothing here");
		return;
	}
	if (strcmp(request->method, "GET") != 0 && strcmp(request->method, "HEAD") != 0) {
		ws_http_set_header(response, "allow", "GET, HEAD");
		http_fail(response, 405, "method", "want GET");
		return;
	}
	if (!is_from_here(http, request) && !api_caller_find(http, request, response, &caller))
		return;
	out = open_memstream(&text, &len);
	if (out) {
		write_all(http, out);
		if (fclose(out) != 0)
			len = 0;
	}
	if (len)
		http_answer_text(response, 200, METRICS_TYPE, text, len);
	else
		http_fail(response, 503, "unavailable", "out of memory; try again later");
	free(text);
}
