#ifndef WARREN_PROTO_CONTROL_REPORT_H
#define WARREN_PROTO_CONTROL_REPORT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/json_fields.h"
#include "proto/netmap.h"

/*
 * What a node tells its coordinator for the admin to look at: by which kind of path it reaches
 * which peer, and what is wrong with it. Never an address: those of paths travel sealed, past the
 * coordinator, and texts are cleaned of them before they go out. Only while the coordinator says in
 * its pongs that it wants reports, and only when something changed, at most one in REPORT_PAUSE_S.
 */
#define CONTROL_REPORT_PEERS_MAX      96
#define CONTROL_REPORT_HEALTH_MAX     12
#define CONTROL_REPORT_TEXT_MAX       191 /* bytes of a line */
#define CONTROL_REPORT_REASON_MAX     23
#define CONTROL_REPORT_PAUSE_S        30
#define CONTROL_REPORT_LATENCY_MAX_US 60000000u

enum control_report_path {
	CONTROL_REPORT_DIRECT,
	CONTROL_REPORT_RELAY,
	CONTROL_REPORT_CONNECTING,
	CONTROL_REPORT_IDLE, /* online, and nothing was said lately */
	CONTROL_REPORT_OFFLINE,
	CONTROL_REPORT_PATHS,
};

/* Peers that are not named are idle or offline. */
struct control_report_peer {
	uint8_t node_key[32];
	enum control_report_path path;
	uint32_t latency_us;                        /* there and back; 0: unknown */
	char relay[NETMAP_RELAY_NAME_MAX + 1];      /* in use; "" for the others */
	char reason[CONTROL_REPORT_REASON_MAX + 1]; /* why not direct, as status says it; or "" */
};

struct control_report {
	struct control_report_peer *peers; /* malloc'd */
	size_t peer_count;
	char (*health)[CONTROL_REPORT_TEXT_MAX + 1]; /* malloc'd */
	size_t health_count;
};

const char *control_report_path_name(enum control_report_path path);

/*
 * Copies a line with every address in it replaced by "(address)": IPv4, IPv6, with port or prefix
 * length or without; and cuts it at a whole character.
 */
void control_report_clean(char out[static CONTROL_REPORT_TEXT_MAX + 1], const char *line);

/* The members of the message. Nonzero when out of memory. */
int control_report_put(json_t *object, const struct control_report *report);
void control_report_get(struct json_fields *fields, struct control_report *report);
/* Frees what it owns, and leaves it empty. */
void control_report_clear(struct control_report *report);

#endif
