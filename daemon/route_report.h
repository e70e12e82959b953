#ifndef WARREN_DAEMON_ROUTE_REPORT_H
#define WARREN_DAEMON_ROUTE_REPORT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/addr.h"

struct local_request;
struct mesh;

/*
 * What `warren routes` lists, and status, whois and netcheck take their routes from: a line for
 * every prefix that this node offers and for every one that a peer's certificate carries. Exits are
 * the prefixes of length 0. The parts that decide fill the lines: router_report and exit_report
 * those of this node, routing_report those of the peers.
 */
#define ROUTE_REPORT_MAX 16384 /* lines; more are not told, only counted */
#define ROUTE_WHY_SIZE   160

struct route_line {
	struct prefix prefix; /* as seen in the mesh */
	struct ip_addr real;  /* what the LAN calls it (same length); family 0: it is not mapped */
	const char *node;     /* who carries it; lives as long as the report */
	bool own;             /* this node does */
	bool snat;            /* of an own one */
	unsigned int weight;
	bool offered;             /* false: approved ahead, or not offered any more */
	bool approved;            /* the certificate holds it */
	bool used;                /* own: it is carried; a peer's: packets go to this peer */
	bool conflict;            /* why is one with a network of this machine's, or an overlap */
	char why[ROUTE_WHY_SIZE]; /* one is not used: what is in the way; "" when used */
};

struct route_report {
	struct route_line *lines;
	size_t count;
	size_t left_out; /* above the maximum, or without memory */
};

/* Copies the line. */
void route_report_add(struct route_report *report, const struct route_line *line);
void route_report_clear(struct route_report *report);
/* All that is known now: by prefix, then own ones first, then used ones, then by weight. */
void route_report_make(struct route_report *report, const struct mesh *mesh);

/*
 * The object of `routes --json`, schema 1; NULL when out of memory:
 * {"schema":1,"routes":[{"prefix":"10.20.0.0/16","real":null,"node":"gw","own":false,"exit":false,
 *   "weight":100,"snat":null,"offered":true,"approved":true,"used":true,"conflict":false,
 *   "why":null}],"left_out":0}
 */
json_t *route_report_json(const struct route_report *report);
/* The lines alone, an array. */
json_t *route_report_lines_json(const struct route_report *report);

/* The verb of the local API: {"verb":"routes"} -> {"ok":true,"routes":{...}}. */
void route_report_handle(void *mesh, struct local_request *request);

#endif
