#ifndef WARREN_PROTO_CONTROL_H
#define WARREN_PROTO_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "proto/cert.h"
#include "proto/control_report.h"
#include "proto/document.h"
#include "proto/netmap.h"
#include "proto/token.h"

/*
 * The messages of the control channel, each one JSON object {"type":…,"v":1,…}. Keys and binary
 * data are base64url text. Unknown members are ignored, so that newer programs can add some; a
 * member of the wrong type, out of bounds or missing makes the message malformed.
 *
 * A node begins with enrol (its first time, with a token's secret) or login; the coordinator
 * answers welcome, then map, relays and presence, or error and closes. Who has to wait, for an
 * admin's approval or signature or for a sign-in, is told `pending` in place of welcome, again
 * whenever something in it changes; the welcome follows on the same connection, or on a later one.
 * Until then both ends ping, and nothing else is said.
 */

#define CONTROL_VERSION        1
#define CONTROL_NODE_MAX       (64u << 10) /* bytes of a message from a node */
#define CONTROL_COORD_MAX      (24u << 20) /* bytes of a message from the coordinator: a map */
#define CONTROL_DEPTH_MAX      8           /* JSON nesting */
#define CONTROL_SIGNAL_MAX     (16u << 10) /* bytes of a sealed signal */
#define CONTROL_PRESENCES_MAX  NETMAP_PEERS_MAX
#define CONTROL_CREDENTIAL_MAX 127 /* bytes of a user name or password */
#define CONTROL_TEXT_MAX       255 /* bytes of any text for people */
#define CONTROL_CODE_MAX       31  /* bytes of a code to show, or to type somewhere */
#define CONTROL_URL_MAX        511

enum control_type {
	/* Node to coordinator. */
	CONTROL_ENROL,
	CONTROL_LOGIN,
	CONTROL_UPDATE,
	CONTROL_RESYNC, /* "send the whole map": a delta did not fit */
	CONTROL_PING,
	CONTROL_REPORT, /* paths and health, while pongs ask for it */
	/* Both ways. */
	CONTROL_SIGNAL,
	/* Coordinator to node. */
	CONTROL_WELCOME,     /* the answer to enrol and login */
	CONTROL_CERTIFICATE, /* a renewed one */
	CONTROL_MAP,
	CONTROL_DELTA,
	CONTROL_DOCUMENT, /* strict mode: what holds for the whole network */
	CONTROL_RELAYS,
	CONTROL_PRESENCE,
	CONTROL_REVOKED, /* this node is cut off for good; the connection ends */
	CONTROL_PENDING, /* known, and not let in yet */
	CONTROL_ROUTES,  /* what became of the routes that the node offers */
	CONTROL_ERROR,
	CONTROL_PONG,
	CONTROL_TYPE_COUNT,
};

enum control_error_code {
	CONTROL_ERROR_MALFORMED,    /* a message that breaks the protocol */
	CONTROL_ERROR_VERSION,      /* this protocol version is not spoken */
	CONTROL_ERROR_MISTYPED,     /* no such key, or its secret is wrong */
	CONTROL_ERROR_EXPIRED,      /* the key's time is over */
	CONTROL_ERROR_USED,         /* a one-use key that made a node already */
	CONTROL_ERROR_KEY_REVOKED,  /* the key was revoked */
	CONTROL_ERROR_REVOKED,      /* the node was revoked */
	CONTROL_ERROR_BAD_PROOF,    /* the device key did not sign this handshake */
	CONTROL_ERROR_UNKNOWN_NODE, /* login of a node that is not (or no longer) enrolled */
	CONTROL_ERROR_DUPLICATE,    /* another machine is connected with this identity */
	CONTROL_ERROR_FULL,         /* pool, table or server is full */
	CONTROL_ERROR_PEER,         /* signal: no such peer, not allowed or offline */
	CONTROL_ERROR_RATE,         /* too many messages; this one was dropped */
	CONTROL_ERROR_INTERNAL,
	CONTROL_ERROR_SIGN_IN, /* the user who signed in is not taken; the node waits on */
	CONTROL_ERROR_CODE_COUNT,
};

/* What a node says about itself. Empty strings are left out. */
struct control_facts {
	char hostname[CERT_NAME_MAX + 1]; /* asked-for name; the coordinator may add a suffix */
	char version[32];
	char os[64];
	bool turn; /* can use TURN servers as relays: only such nodes hear of them */
};

/*
 * Every welcome carries one, for the next login; the node stores it and says so with an update, and
 * from then on older ones are refused: a copied disk falls behind its original, or is noticed.
 * Only the coordinator can make one.
 */
struct control_ticket {
	uint64_t number; /* of the login */
	uint8_t mac[32];
};

struct control_enrol {
	uint8_t key_id[TOKEN_KEY_ID_SIZE];
	uint8_t secret[TOKEN_SECRET_SIZE];
	uint8_t device_key[32];
	uint8_t wireguard_key[32];
	uint8_t proof[64]; /* control_proof_sign with the device key */
	uint64_t time_s;   /* the node's wall clock */
	struct control_facts facts;
};

struct control_login {
	uint8_t device_key[32];
	uint8_t wireguard_key[32];
	uint8_t proof[64];
	uint64_t time_s;
	uint64_t map_version; /* held, 0 for none; the coordinator sends a delta if it can */
	uint64_t documents[DOCUMENT_KINDS]; /* versions held, by kind - 1; 0 for none */
	/*
	 * The handshake hash of this very process's connection before: that one is over, whatever
	 * it looks like over there. A copy of the machine does not know it.
	 */
	bool has_replaces;
	uint8_t replaces[32];
	bool has_ticket;
	struct control_ticket ticket; /* the one of the last welcome */
	struct control_facts facts;
};

struct control_update {
	uint64_t ticket_number; /* of the ticket that is stored now; 0: nothing new */
	bool has_wireguard_key;
	uint8_t wireguard_key[32];
	bool has_home_relay;
	char home_relay[NETMAP_RELAY_NAME_MAX + 1]; /* empty: none reachable */
	bool has_routes;
	/* All that are offered now, exits among them; in place of what was offered before. */
	struct prefix routes[CERT_ROUTES_MAX];
	struct route_facts
		route_facts[CERT_ROUTES_MAX]; /* of routes[] by place; read: weights > 0 */
	size_t route_count;
	/* What makes the list no list of routes, for the node to hear; then it is empty. Or "". */
	char routes_problem[CONTROL_TEXT_MAX + 1];
	bool has_facts;
	struct control_facts facts;
};

struct control_signal {
	uint8_t node_key[32]; /* from a node: to whom; from the coordinator: from whom */
	uint8_t *data;        /* sealed, malloc'd */
	size_t len;
};

struct control_welcome {
	uint8_t authority_key[32]; /* a new node compares it with the hash in its token */
	uint8_t network_id[CERT_NETWORK_ID_SIZE];
	char network_name[NETMAP_NETWORK_NAME_MAX + 1];
	uint8_t *certificate; /* malloc'd; cert_verify reads it */
	size_t certificate_len;
	uint8_t *trust; /* malloc'd: the trust document, NULL in simple mode */
	size_t trust_len;
	uint64_t time_s; /* the coordinator's wall clock */
	/* Of all coordinators of the network, for the next dial; none: as the token said. */
	struct token_address addresses[TOKEN_ADDRESSES_MAX];
	size_t address_count;
	/* Of its TLS certificate's public key, when it serves TLS itself; see io/ws.h. */
	bool has_tls_key;
	uint8_t tls_key_hash[32];
	bool has_ticket;
	struct control_ticket ticket;
};

/* What a node waits for. */
enum control_pending_reason {
	CONTROL_PENDING_APPROVAL,  /* an admin has to approve this machine */
	CONTROL_PENDING_SIGNATURE, /* admins have to sign its certificate */
	CONTROL_PENDING_SIGN_IN,   /* its user has to sign in at url */
	CONTROL_PENDING_REASON_COUNT,
};

struct control_pending {
	enum control_pending_reason reason;
	/* approval_code() of this machine's keys; for a sign-in what the user types at url, or "".
	 */
	char code[CONTROL_CODE_MAX + 1];
	char url[CONTROL_URL_MAX + 1]; /* http or https, or "" */
};

enum control_route_state {
	CONTROL_ROUTE_APPROVED, /* and in the node's certificate, or about to be */
	CONTROL_ROUTE_WAITING,  /* for an admin's approval, or for signatures */
	CONTROL_ROUTE_REFUSED,  /* can be no route in this network */
	CONTROL_ROUTE_STATE_COUNT,
};

struct control_route {
	struct prefix prefix;
	enum control_route_state state;
	char why[CONTROL_TEXT_MAX + 1]; /* not approved: what and what to do; or "" */
};

/* After every update with routes, and whenever something in it changed. */
struct control_routes {
	struct control_route *routes; /* malloc'd */
	size_t count;
	char problem[CONTROL_TEXT_MAX + 1]; /* why the last list was refused as a whole, or "" */
};

/* A certificate, a map (netmap_parse), a delta (netmap_apply) or a document (document_verify). */
struct control_document {
	uint8_t *data; /* malloc'd */
	size_t len;
};

/* Ephemeral long-term credentials for one relay, in the scheme that coturn calls use-auth-secret.
 */
struct control_credential {
	char relay[NETMAP_RELAY_NAME_MAX + 1];
	char username[CONTROL_CREDENTIAL_MAX + 1];
	char password[CONTROL_CREDENTIAL_MAX + 1];
	uint64_t expires_s;
};

struct control_relays {
	struct control_credential *credentials; /* malloc'd */
	size_t count;
};

struct control_presence_entry {
	uint8_t node_key[32];
	bool online;
	char home_relay[NETMAP_RELAY_NAME_MAX + 1];
	uint64_t last_seen_s; /* 0: never */
};

/* News about some peers; peers that are not named stay as they were. */
struct control_presence {
	struct control_presence_entry *entries; /* malloc'd */
	size_t count;
};

struct control_error {
	enum control_error_code code;
	char text[CONTROL_TEXT_MAX + 1]; /* what and what to do, one line */
	uint8_t node_key[32];            /* for CONTROL_ERROR_PEER: the peer; else zeros */
};

/*
 * Ping carries the sender's time, pong returns it with the coordinator's. A node answers pings too:
 * the coordinator asks when a second machine claims its identity.
 */
struct control_ping {
	uint64_t sent_ns; /* opaque, comes back in the pong */
	uint64_t time_s;  /* pong: the coordinator's wall clock */
	bool report;      /* pong: it wants CONTROL_REPORT */
};

struct control_message {
	enum control_type type;
	union {
		struct control_enrol enrol;
		struct control_login login;
		struct control_update update;
		struct control_signal signal;
		struct control_welcome welcome;
		struct control_document document; /* CERTIFICATE, MAP, DELTA, DOCUMENT */
		struct control_relays relays;
		struct control_presence presence;
		struct control_pending pending;
		struct control_routes routes;
		struct control_error error; /* ERROR and REVOKED */
		struct control_ping ping;   /* PING and PONG */
		struct control_report report;
	};
};

/* The JSON text, malloc'd, with NUL after *len bytes. 0, -EINVAL, -ENOMEM. */
int control_encode(const struct control_message *message, char **json, size_t *len);
/*
 * 0 (free with control_message_clear), -EBADMSG: malformed, -EPROTONOSUPPORT: unknown type or
 * version, -ENOMEM.
 */
int control_parse(struct control_message *message, const char *json, size_t len);
/* Frees and wipes what the message owns. */
void control_message_clear(struct control_message *message);

const char *control_type_name(enum control_type type);
const char *control_error_name(enum control_error_code code);
/* "approval", "signature", "sign-in". */
const char *control_pending_name(enum control_pending_reason reason);
/* "approved", "waiting", "refused". */
const char *control_route_state_name(enum control_route_state state);

/* The signature by which a device shows in a Noise session that it owns its key. */
void control_proof_sign(uint8_t proof[static 64], const uint8_t device_secret[static 64],
			const uint8_t handshake_hash[static 32]);
bool control_proof_verify(const uint8_t proof[static 64], const uint8_t device_key[static 32],
			  const uint8_t handshake_hash[static 32]);

#endif
