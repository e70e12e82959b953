#ifndef WARREN_PROTO_NETMAP_H
#define WARREN_PROTO_NETMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/cert.h"
#include "proto/filter.h"

/*
 * The network map: the signed, versioned document that one node obeys. It names the peers, with
 * their certificates and what each may start towards this node, the relays and revoked serials. The
 * canonical binary encoding is what the authority signs, what travels and what is cached on disk.
 * Who is online is not in it: that changes often and travels unsigned in control messages.
 */

#define NETMAP_PEERS_MAX        16384
#define NETMAP_RELAYS_MAX       64
#define NETMAP_RELAY_HOSTS_MAX  4
#define NETMAP_RELAY_NAME_MAX   31 /* bytes */
#define NETMAP_HOST_MAX         253
#define NETMAP_REVOKED_MAX      4096
#define NETMAP_NETWORK_NAME_MAX 63
#define NETMAP_ENCODED_MAX      (16u << 20)

/* A certificate, as bytes and parsed; immutable, and shared by all the maps that name it. */
struct netmap_cert {
	unsigned int refs;
	uint16_t len;
	struct cert parsed;
	uint8_t bytes[];
};

/* A list of rules; immutable and shared likewise. */
struct netmap_rules {
	unsigned int refs;
	uint16_t count; /* at most FILTER_RULES_MAX */
	bool sources;   /* some have one */
	struct filter_rule list[];
};

/*
 * A peer; immutable once it is in a map, and shared by the maps of successive versions. A
 * coordinator holds one for every pair of nodes, so what pairs have in common is elsewhere.
 */
struct netmap_peer {
	unsigned int refs;
	/* Policy lets this node, or the networks behind it, start something towards the peer. */
	bool may_send;
	/*
	 * Bit i: this node has to do with what lies behind cert's routes[i], as it, or what is
	 * behind this node, may start something there, or the other way round.
	 */
	uint32_t routes_used;
	struct netmap_cert *cert;
	struct netmap_rules *rules; /* what the peer, and those behind it, may start towards us */
	/* What the networks behind this node may start towards the peer; NULL: nothing. */
	struct netmap_rules *lan;
};

/*
 * The network's names document (proto/names_document.h) as text; immutable, and shared by all maps.
 */
struct netmap_names {
	unsigned int refs;
	uint32_t len;
	char text[]; /* with a NUL behind it */
};

enum netmap_relay_kind {
	NETMAP_RELAY_WARREN, /* ours: registrations by node key */
	NETMAP_RELAY_TURN,   /* a TURN server (RFC 8656), e.g. coturn */
};

/* A relay: a STUN server and forwarder. Its hosts are names or numeric addresses, all of it. */
struct netmap_relay {
	enum netmap_relay_kind kind;
	char name[NETMAP_RELAY_NAME_MAX + 1];
	char hosts[NETMAP_RELAY_HOSTS_MAX][NETMAP_HOST_MAX + 1];
	uint8_t host_count;
	uint16_t udp_port; /* of a TURN server also TCP */
	uint16_t tls_port; /* 0: no TLS */
};

struct netmap {
	uint8_t network_id[CERT_NETWORK_ID_SIZE];
	char network_name[NETMAP_NETWORK_NAME_MAX + 1];
	uint8_t node_key[32];       /* whose map this is */
	uint64_t version;           /* grows; an older one than held is refused */
	struct netmap_peer **peers; /* ascending by device key */
	size_t peer_count;
	size_t peer_cap;
	struct netmap_relay *relays;
	size_t relay_count;
	uint64_t *revoked; /* serials, ascending */
	size_t revoked_count;
	struct netmap_names *names; /* NULL: none */
	uint8_t signature[CERT_SIGNATURE_SIZE];
};

/* Why a map was not believed, for people. */
struct netmap_refusal {
	char peer[CERT_NAME_MAX + 1]; /* whose certificate it was about; empty: the map itself */
	int err;                      /* -EXDEV: another network's, -EPERM, -EBADMSG: not ours */
};

/* Whom a node trusts, and who it is. */
struct netmap_trust {
	struct trust trust;
	uint8_t node_key[32];
	struct netmap_refusal *refusal; /* filled when a map is refused; NULL: nobody asks */
};

/* An empty map on the heap, or NULL. */
struct netmap *netmap_new(void);
/* A copy that shares the peers and is not signed yet, or NULL. */
struct netmap *netmap_copy(const struct netmap *map);
/* Frees the map and its references to peers. Accepts NULL. */
void netmap_free(struct netmap *map);

/* With one reference: the bytes are copied and parsed, no signature is checked. 0, -EBADMSG,
 * -ENOMEM. */
int netmap_cert_new(struct netmap_cert **cert, const uint8_t *bytes, size_t len);
struct netmap_cert *netmap_cert_ref(struct netmap_cert *cert);
void netmap_cert_unref(struct netmap_cert *cert);

/* With one reference: the list is copied. 0, -EINVAL above FILTER_RULES_MAX, -ENOMEM. */
int netmap_rules_new(struct netmap_rules **rules, const struct filter_rule *list, size_t count);
struct netmap_rules *netmap_rules_ref(struct netmap_rules *rules);
void netmap_rules_unref(struct netmap_rules *rules);

/* Equal in every signed byte. */
bool netmap_cert_equal(const struct netmap_cert *a, const struct netmap_cert *b);
bool netmap_rules_hold(const struct netmap_rules *rules, const struct filter_rule *list,
		       size_t count);

/* What a map says of a peer besides its certificate; for a while, so without references. */
struct netmap_terms {
	bool may_send;
	uint32_t routes_used;
	struct netmap_rules *rules;
	struct netmap_rules *lan; /* may be NULL */
};

/* A peer with one reference, and references of its own to what it shares. 0 or -ENOMEM. */
int netmap_peer_share(struct netmap_peer **peer, struct netmap_cert *cert,
		      const struct netmap_terms *terms);
/*
 * A peer that uses no routes, with a certificate and rules of its own, made from copies. 0,
 * -EBADMSG, -EINVAL above FILTER_RULES_MAX, -ENOMEM.
 */
int netmap_peer_new(struct netmap_peer **peer, const uint8_t *cert_bytes, size_t cert_len,
		    const struct filter_rule *rules, size_t rule_count, bool may_send);
struct netmap_peer *netmap_peer_ref(struct netmap_peer *peer);
void netmap_peer_unref(struct netmap_peer *peer);
/* Equal in every signed byte. */
bool netmap_peer_equal(const struct netmap_peer *a, const struct netmap_peer *b);

/* Adds a peer (takes the reference, also on failure). 0, -EEXIST, -ENOSPC, -ENOMEM. */
int netmap_add_peer(struct netmap *map, struct netmap_peer *peer);
/* Takes a peer out of the map, if it is there. */
void netmap_remove_peer(struct netmap *map, const uint8_t device_key[static 32]);
/* The peer with this device key, or NULL. */
struct netmap_peer *netmap_find_peer(const struct netmap *map, const uint8_t device_key[static 32]);
/* Copies; 0, -ENOSPC, -ENOMEM. */
int netmap_set_relays(struct netmap *map, const struct netmap_relay *relays, size_t count);
/* Copies and sorts; above the maximum the highest serials are kept. 0 or -ENOMEM. */
int netmap_set_revoked(struct netmap *map, const uint64_t *serials, size_t count);
/* With one reference: the text is copied. 0, -EINVAL: empty or too long, -ENOMEM. */
int netmap_names_new(struct netmap_names **names, const char *text, size_t len);
struct netmap_names *netmap_names_ref(struct netmap_names *names);
void netmap_names_unref(struct netmap_names *names);
/* Of two that may be NULL. */
bool netmap_names_equal(const struct netmap_names *a, const struct netmap_names *b);
/* Takes a reference of its own; NULL: none. */
void netmap_set_names(struct netmap *map, struct netmap_names *names);

/* The second in which the next certificate begins, or no longer holds; UINT64_MAX: none will. */
uint64_t netmap_next_change_s(const struct netmap *map, uint64_t now_s);
bool netmap_is_revoked(const struct netmap *map, uint64_t serial);

/* Signs the map in its present form. 0, -EMSGSIZE, -ENOMEM. */
int netmap_sign(struct netmap *map, const uint8_t authority_secret[static 64]);

/* The signed bytes, malloc'd; what netmap_parse reads. 0, -EMSGSIZE, -ENOMEM. */
int netmap_encode(const struct netmap *map, uint8_t **data, size_t *len);

/*
 * Parses signed bytes from the network or the disk and checks everything but time: the signature,
 * network, recipient and the signatures of every certificate. 0, -EBADMSG: malformed, -EPERM: not
 * signed by those who may or not for this node, -EXDEV: another network's, -ENOMEM.
 */
int netmap_parse(struct netmap **map, const uint8_t *data, size_t len,
		 const struct netmap_trust *trust);

/*
 * The change from old to new (of the same node) as bytes, malloc'd. new must be signed. 0,
 * -EMSGSIZE, -ENOMEM.
 */
int netmap_diff(const struct netmap *old, const struct netmap *new, uint8_t **data, size_t *len);

/*
 * Makes *map from old and a delta; old stays as it is. Checks the signature over the whole result
 * and every certificate that is new. 0, -EBADMSG, -EPERM, -EXDEV, -ENOMEM; -ESTALE: the delta is
 * not for old's version, ask for the whole map.
 */
int netmap_apply(struct netmap **map, const struct netmap *old, const uint8_t *data, size_t len,
		 const struct netmap_trust *trust);

#endif
