#ifndef WARREN_COORD_NODE_H
#define WARREN_COORD_NODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "coord/labels.h"
#include "coord/node_routes.h"
#include "proto/cert.h"
#include "proto/control_report.h"
#include "proto/netmap.h"
#include "proto/policy.h"
#include "proto/policy_index.h"
#include "proto/token.h"

struct map_due;
struct session;

/* How far a node has come into the network. Only members get anything of it. */
enum node_state {
	NODE_APPROVED,
	/* Known, with a name and addresses of its own, and not let in yet; stored as numbers. */
	NODE_WAITS_APPROVAL,  /* for approval_grant */
	NODE_WAITS_SIGNATURE, /* for a certificate that admins sign */
	NODE_WAITS_SIGN_IN,   /* for its user */
	NODE_STATE_COUNT,
};

#define NODE_KEY_TEXT_SIZE 65                          /* a device key in hexadecimal, with NUL */
#define NODE_KEY_ID_SIZE   (2 * TOKEN_KEY_ID_SIZE + 1) /* in hexadecimal, with NUL */

/* A machine of the network, as the store keeps it, and what is known while the server runs. */
struct node {
	uint8_t device_key[32];
	uint8_t box_key[32];
	uint8_t wireguard_key[32];
	char name[CERT_NAME_MAX + 1];
	struct ip_addr address4;
	struct ip_addr address6;
	struct labels groups;
	struct labels tags;
	char owner[CERT_OWNER_MAX + 1]; /* the user who signed it in; empty: nobody's */
	uint64_t login_until_s;         /* its user must sign in again then; 0: never */
	bool ephemeral;                 /* deleted when it stays away */
	bool revoked;
	enum node_state state;
	uint64_t created_s;
	uint64_t last_seen_s; /* 0: never */
	char version[32];
	char os[64];
	uint64_t logins;               /* the number of the newest one that it has confirmed */
	char key_id[NODE_KEY_ID_SIZE]; /* the join key it came with, or "" */
	struct node_routes routes;
	/* Its present certificate. */
	uint64_t serial;
	uint64_t not_before_s;
	uint64_t not_after_s;
	uint8_t cert[CERT_ENCODED_MAX];
	size_t cert_len;

	/* Not stored. */
	struct session *session; /* NULL: not connected here */
	struct coordinator
		*elsewhere;         /* the coordinator that it is connected to; NULL: none or us */
	uint8_t elsewhere_hash[32]; /* of its handshake there; see control_login.replaces */
	uint64_t elsewhere_list;    /* the list that named it there; see cluster.c */
	uint64_t map_floor; /* the greatest version of a map that it says it had from anybody */
	char home_relay[NETMAP_RELAY_NAME_MAX + 1];
	struct netmap_cert *shared_cert; /* cert for all maps; older or NULL: made when needed */
	struct netmap *map; /* what it was sent last, kept for deltas; NULL: nothing yet */
	bool knows_turn;    /* by its own word; others hear of no TURN server */
	bool dirty;         /* changed in something that its peers' maps say */
	/* For mapmaker.c: what policy makes of it, and peers of its map that are to be looked at.
	 */
	struct policy_member member;
	struct map_due *due;
	uint32_t due_count;
	uint32_t due_mark;
	bool presence_dirty;     /* came, went or moved to another relay */
	bool unsaved;            /* was seen since it was stored */
	uint64_t copy_refused_s; /* another machine with its keys was; 0: never */
	/* What it told of its paths and health on this connection; see report.h. */
	struct control_report report;
	uint64_t reported_s; /* 0: nothing */
};

/* Approved and not revoked: it may be in maps and has one itself. */
bool node_is_member(const struct node *node);
static inline bool node_is_pending(const struct node *node)
{
	return node->state != NODE_APPROVED;
}

/* Its session must be gone. Accepts NULL. */
void node_free(struct node *node);

/* Is it connected, here or at another coordinator of the network? */
bool node_is_online(const struct node *node);

/*
 * Its present certificate, which all maps and looks at it share; made when there is none yet. NULL:
 * it has no certificate, or memory is out.
 */
struct netmap_cert *node_shared_cert(const struct node *node);

/* The node as policy sees it, with the routes of its certificate; borrows from node. */
struct policy_node node_policy_view(const struct node *node);

#endif
