#ifndef WARREN_DAEMON_STATUS_H
#define WARREN_DAEMON_STATUS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "proto/control.h"

struct route_report;

/*
 * A snapshot of what the daemon knows, made on the control thread for one answer and turned into
 * the object of `status --json`, schema 1. Everything is borrowed by the snapshot.
 */
#define STATUS_ADDRESSES_MAX 8
#define STATUS_LATENCY_NONE  (-1.0) /* unknown: null in JSON */

enum status_state {
	STATUS_STOPPED,
	STATUS_NEEDS_LOGIN,
	STATUS_NEEDS_APPROVAL,
	STATUS_CONNECTING,
	STATUS_CONNECTED,
};

enum status_path {
	STATUS_PATH_DIRECT,
	STATUS_PATH_RELAY,
	STATUS_PATH_CONNECTING,
	STATUS_PATH_IDLE, /* online, and nothing was said lately */
	STATUS_PATH_OFFLINE,
};

struct status_self {
	const char *name; /* NULL before enrolment */
	const struct ip_addr *addresses;
	size_t address_count;
	const uint8_t *public_key; /* node key, 32 bytes, or NULL */
	const char *owner;         /* the user who signed it in, or NULL */
};

struct status_coordinator {
	const char *state;     /* "ok", "connecting", "unreachable", "refused", "none" */
	const char *transport; /* "wss", "ws", or NULL */
	const char *error;     /* why it is not ok, or NULL */
	double latency_ms;
};

struct status_relay {
	const char *name;      /* NULL: no home relay */
	const char *transport; /* "udp", "tls" */
	double latency_ms;
};

/* How packets are carried, whoever the peer. */
struct status_data_plane {
	const char *cipher; /* the backend chosen; NULL: no data plane, and null in JSON */
	unsigned int workers;
	struct status_offload {
		bool tun_tcp; /* large packets to and from the device */
		bool tun_udp;
		bool udp_gso; /* large ones to and from the network */
		bool udp_gro;
	} offload;
};

struct status_peer {
	const char *name;
	const struct ip_addr *addresses;
	size_t address_count;
	const uint8_t *public_key; /* node key, 32 bytes */
	const char *owner;         /* the user who signed it in, or NULL */
	const char *const *tags;
	size_t tag_count;
	bool online;
	enum status_path path;
	const struct endpoint *endpoint; /* of a direct path, or NULL */
	const char *relay;               /* name of the relay in use, or NULL */
	const char *reason;              /* why not direct, the contract's words, or NULL */
	double latency_ms;
	unsigned int loss_permille; /* of what was sent by this path lately, as the peer tells */
	unsigned int mtu;           /* of inner packets on the path; 0: unknown */
	unsigned int lanes;         /* that packets to it are spread over; 1: not spread */
	int64_t last_handshake_s;   /* ago; -1: never */
	int64_t last_seen_s;        /* ago, for offline peers; -1: unknown */
	uint64_t rx_bytes;
	uint64_t tx_bytes;
	uint64_t congestion_marked; /* in metrics only, as the next */
	uint64_t congestion_dropped;
};

/* Whom this node sends its traffic to the internet through. */
struct status_exit {
	const char *wanted; /* a node's name or "auto"; NULL: none is */
	const char *node4;  /* who carries it now, or NULL */
	const char *node6;
	bool keep_local;
	bool kill_switch;
};

struct status_names {
	bool on;
	const char *how;    /* who was told to ask us: "systemd-resolved", "resolv.conf", or NULL */
	const char *domain; /* NETWORK.internal, or "" */
};

struct status {
	const char *network; /* NULL before enrolment */
	enum status_state state;
	const struct control_pending *pending; /* with needs-approval, else NULL */
	struct status_self self;
	struct status_coordinator coordinator;
	struct status_relay home_relay;
	struct status_data_plane data_plane;
	const char *port_mapping; /* as portmap_describe says, or NULL */
	const struct status_peer *peers;
	size_t peer_count;
	const struct route_report *routes; /* NULL: none */
	struct status_exit exit_node;
	struct status_names names;
	const char *const *health; /* one line each: what is wrong and what to do */
	size_t health_count;
};

const char *status_state_name(enum status_state state);
const char *status_path_name(enum status_path path);

/*
 * The object of `status --json`; a new reference, NULL when out of memory. Names that are not UTF-8
 * are replaced by "?". Reply to the verb with {"status": this}.
 */
json_t *status_to_json(const struct status *status);

#endif
