#include "proto/pcp.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"

#define PCP_VERSION    2 /* RFC 6887 section 7 */
#define NATPMP_VERSION 0 /* RFC 6886 section 3.1 */
#define RESPONSE       0x80
#define OP_ANNOUNCE    0 /* of PCP; in NAT-PMP: external address */
#define OP_MAP         1 /* of PCP; in NAT-PMP: map UDP */
#define PROTOCOL_UDP   17

#define PCP_HEADER   24 /* RFC 6887 sections 7.1 and 7.2 */
#define PCP_MAP_SIZE 60 /* with the opcode's own part, section 11.1 */

#define NATPMP_ADDRESS_REQUEST  2 /* RFC 6886 section 3.2 */
#define NATPMP_ADDRESS_RESPONSE 12
#define NATPMP_MAP_REQUEST      12 /* section 3.3 */
#define NATPMP_MAP_RESPONSE     16
#define NATPMP_ERROR_SIZE       8

#define RESULT_SUCCESS        0
#define RESULT_UNSUPP_VERSION 1

/* RFC 6887 section 8.1.1. */
#define PCP_FIRST_NS (3 * NS_PER_S)
#define PCP_MAX_NS   (1024 * NS_PER_S)
/* RFC 6886 section 3.1: nine tries, the last waits 64 s. */
#define NATPMP_FIRST_NS (250 * NS_PER_MS)
#define NATPMP_TRIES    9

#define SILENT_AFTER_NS (2 * NS_PER_S)  /* what people are told; a gateway is a millisecond away */
#define REFUSED_MIN_NS  (30 * NS_PER_S) /* before a gateway that refused is asked again … */
#define REFUSED_MAX_NS  (30 * 60 * NS_PER_S) /* … whatever it says */
/*
 * Of what ends sooner our peers would hear for as long as it is repeated; RFC 6887 section 15 wants
 * 120 s.
 */
#define LIFETIME_LEAST_S 10
#define RENEW_MIN_NS     (4 * NS_PER_S) /* RFC 6887 section 11.2.1 */
#define EPOCH_REST_NS    (5 * NS_PER_S) /* between two askings because of a lost epoch */

/* One of the two protocols. */
struct language {
	struct port_mapping mapping;
	bool due;          /* a request is to be sent */
	bool deleting;     /* and before it one that deletes */
	unsigned int sent; /* requests since the last answer; 0: none is under way */
	uint64_t first_sent_ns;
	uint64_t wait_ns;
	uint64_t next_ns;    /* retransmission, or renewal */
	uint64_t expires_ns; /* what is open */
	uint16_t suggested_port;
	struct ip_addr suggested_addr; /* family 0: none yet */
	bool asked;                    /* for a mapping, which may be open even if no answer came */

	/*
	 * NAT-PMP tells the address by itself, and is asked for a mapping only then: a router that
	 * speaks both has answered to PCP meanwhile, and opens nothing twice.
	 */
	struct ip_addr address;

	struct {
		uint16_t port;
		struct ip_addr addr;
	} old;        /* what deleting means */
	bool deleted; /* that was asked for, and the answer is still to come */
};

struct pcp {
	const struct rng *rng;
	struct endpoint internal;
	uint8_t nonce[PCP_NONCE_SIZE];
	struct language languages[2]; /* by enum port_mapping_protocol */
	bool epoch_known;
	uint32_t epoch_s;
	uint64_t epoch_ns; /* when it was that */
	uint64_t epoch_lost_ns;
};

static struct language *language_of(struct pcp *pcp, enum port_mapping_protocol protocol)
{
	return &pcp->languages[protocol];
}

static bool is_natpmp(const struct pcp *pcp, const struct language *l)
{
	return l == &pcp->languages[PORT_MAPPING_NATPMP];
}

/* ---- asking ---- */

/* Within a tenth, so that not all clients of a router ask at once (RFC 6887 section 8.1.1). */
static uint64_t jittered(const struct pcp *pcp, uint64_t ns)
{
	uint64_t tenth = ns / 10;

	return ns - tenth + rng_below(pcp->rng, (uint32_t)(2 * tenth / NS_PER_MS) + 1) * NS_PER_MS;
}

static void ask(struct language *l)
{
	l->due = true;
	l->address = (struct ip_addr){ 0 };
	l->sent = 0;
	l->wait_ns = 0;
	l->next_ns = CLOCK_NEVER;
}

static void begin(struct language *l, uint16_t suggested_port)
{
	l->mapping = (struct port_mapping){ .state = PORT_MAPPING_ASKING };
	l->suggested_port = suggested_port;
	l->suggested_addr = (struct ip_addr){ 0 };
	l->asked = false;
	ask(l);
}

struct pcp *pcp_new(const struct pcp_config *config, const struct rng *rng, uint64_t now_ns)
{
	struct pcp *pcp;

	(void)now_ns;
	if (!config->internal.port || !addr_len(&config->internal.addr))
		return NULL;
	pcp = calloc(1, sizeof(*pcp));
	if (!pcp)
		return NULL;
	pcp->rng = rng;
	pcp->internal = config->internal;
	memcpy(pcp->nonce, config->nonce, sizeof(pcp->nonce));
	begin(&pcp->languages[PORT_MAPPING_PCP], config->suggested_port);
	/* NAT-PMP knows v4 only. */
	if (config->internal.addr.family == AF_INET)
		begin(&pcp->languages[PORT_MAPPING_NATPMP], config->suggested_port);
	else
		pcp_stop(pcp, PORT_MAPPING_NATPMP);
	return pcp;
}

void pcp_free(struct pcp *pcp)
{
	free(pcp);
}

void pcp_stop(struct pcp *pcp, enum port_mapping_protocol protocol)
{
	struct language *l = language_of(pcp, protocol);

	l->mapping = (struct port_mapping){ .state = PORT_MAPPING_OFF };
	l->due = false;
	l->sent = 0;
	l->next_ns = CLOCK_NEVER;
}

/* Also what was asked for without an answer may be open over there. */
static void note_old(struct language *l)
{
	if (!l->asked)
		return;
	l->asked = false;
	l->deleting = true;
	l->old.port = l->suggested_port;
	l->old.addr = l->suggested_addr;
}

void pcp_delete(struct pcp *pcp, enum port_mapping_protocol protocol)
{
	note_old(language_of(pcp, protocol));
	pcp_stop(pcp, protocol);
}

void pcp_anew(struct pcp *pcp, enum port_mapping_protocol protocol, uint16_t suggested_port,
	      uint64_t now_ns)
{
	struct language *l = language_of(pcp, protocol);

	(void)now_ns;
	if (protocol == PORT_MAPPING_NATPMP && pcp->internal.addr.family != AF_INET)
		return;
	note_old(l);
	begin(l, suggested_port);
}

/* ---- messages out ---- */

/* An address as 16 bytes: v4 is mapped into v6 (RFC 6887 section 5). */
static void put_addr(uint8_t out[static 16], const struct ip_addr *addr, int family)
{
	memset(out, 0, 16);
	if (family == AF_INET) {
		memset(out + 10, 0xff, 2);
		memcpy(out + 12, addr->bytes, 4);
	} else {
		memcpy(out, addr->bytes, 16);
	}
}

static size_t build_pcp(const struct pcp *pcp, uint8_t *buf, uint32_t lifetime_s, uint16_t port,
			const struct ip_addr *addr)
{
	int family = pcp->internal.addr.family;

	memset(buf, 0, PCP_MAP_SIZE);
	buf[0] = PCP_VERSION;
	buf[1] = OP_MAP;
	store_be32(buf + 4, lifetime_s);
	put_addr(buf + 8, &pcp->internal.addr, family);
	memcpy(buf + PCP_HEADER, pcp->nonce, PCP_NONCE_SIZE);
	buf[36] = PROTOCOL_UDP;
	store_be16(buf + 40, pcp->internal.port);
	store_be16(buf + 42, port);
	put_addr(buf + 44, addr, family);
	return PCP_MAP_SIZE;
}

static size_t build_natpmp(const struct pcp *pcp, uint8_t *buf, uint32_t lifetime_s, uint16_t port)
{
	memset(buf, 0, NATPMP_MAP_REQUEST);
	buf[0] = NATPMP_VERSION;
	buf[1] = OP_MAP;
	store_be16(buf + 4, pcp->internal.port);
	store_be16(buf + 6, port);
	store_be32(buf + 8, lifetime_s);
	return NATPMP_MAP_REQUEST;
}

static size_t build_delete(struct pcp *pcp, struct language *l, uint8_t *buf)
{
	l->deleting = false;
	l->deleted = true;
	/* RFC 6886 section 3.4 wants the external port zero. */
	if (is_natpmp(pcp, l))
		return build_natpmp(pcp, buf, 0, 0);
	return build_pcp(pcp, buf, 0, l->old.port, &l->old.addr);
}

static uint64_t next_wait_ns(const struct pcp *pcp, const struct language *l)
{
	uint64_t wait_ns;

	if (is_natpmp(pcp, l))
		return l->wait_ns ? 2 * l->wait_ns : NATPMP_FIRST_NS;
	wait_ns = l->wait_ns ? 2 * l->wait_ns : PCP_FIRST_NS;
	return jittered(pcp, wait_ns < PCP_MAX_NS ? wait_ns : PCP_MAX_NS);
}

static size_t build_request(struct pcp *pcp, struct language *l, uint8_t *buf, uint64_t now_ns)
{
	l->due = false;
	if (!l->sent)
		l->first_sent_ns = now_ns;
	l->sent++;
	l->wait_ns = next_wait_ns(pcp, l);
	l->next_ns = now_ns + l->wait_ns;
	if (is_natpmp(pcp, l) && !l->address.family) {
		buf[0] = NATPMP_VERSION;
		buf[1] = OP_ANNOUNCE;
		return NATPMP_ADDRESS_REQUEST;
	}
	l->asked = true;
	if (is_natpmp(pcp, l))
		return build_natpmp(pcp, buf, PORT_MAPPING_LIFETIME_S, l->suggested_port);
	return build_pcp(pcp, buf, PORT_MAPPING_LIFETIME_S, l->suggested_port, &l->suggested_addr);
}

size_t pcp_poll_output(struct pcp *pcp, uint8_t *buf, size_t cap, uint64_t now_ns)
{
	if (cap < PCP_REQUEST_MAX)
		return 0;
	for (size_t i = 0; i < 2; i++) {
		struct language *l = &pcp->languages[i];

		if (l->deleting)
			return build_delete(pcp, l, buf);
		if (l->due)
			return build_request(pcp, l, buf, now_ns);
	}
	return 0;
}

/* ---- answers ---- */

static void refuse(struct language *l, const char *why, uint64_t again_ns, uint64_t now_ns)
{
	if (again_ns < REFUSED_MIN_NS)
		again_ns = REFUSED_MIN_NS;
	if (again_ns > REFUSED_MAX_NS)
		again_ns = REFUSED_MAX_NS;
	l->mapping = (struct port_mapping){ .state = PORT_MAPPING_REFUSED, .why = why };
	l->due = false;
	l->sent = 0;
	l->next_ns = now_ns + again_ns;
}

static void open_mapping(struct pcp *pcp, struct language *l, const struct endpoint *external,
			 uint32_t lifetime_s, uint64_t now_ns)
{
	const char *why = port_mapping_refuse(external, &pcp->internal.addr);
	uint64_t renew_ns;

	if (!why && lifetime_s < LIFETIME_LEAST_S)
		why = "opens the port for no time at all";
	if (why) {
		refuse(l, why, REFUSED_MAX_NS, now_ns);
		return;
	}
	if (lifetime_s > PORT_MAPPING_LIFETIME_MAX_S)
		lifetime_s = PORT_MAPPING_LIFETIME_MAX_S;
	l->mapping = (struct port_mapping){ .state = PORT_MAPPING_OPEN, .external = *external };
	l->suggested_port = external->port;
	l->suggested_addr = external->addr;
	l->due = false;
	l->sent = 0;
	l->wait_ns = 0;
	/* Between a half and five eighths of the time (RFC 6887 section 11.2.1). */
	renew_ns =
		lifetime_s * (NS_PER_S / 2) + rng_below(pcp->rng, lifetime_s * 125 + 1) * NS_PER_MS;
	l->next_ns = now_ns + (renew_ns > RENEW_MIN_NS ? renew_ns : RENEW_MIN_NS);
	l->expires_ns = now_ns + lifetime_s * NS_PER_S;
}

static uint32_t apart(uint32_t a, uint32_t b)
{
	return a > b ? a - b : 0;
}

/*
 * RFC 6887 section 8.5: the server's seconds go on as ours do, within a sixteenth and two. True
 * when they do not, so that what it held may be lost.
 */
static bool note_epoch(struct pcp *pcp, uint32_t epoch_s, uint64_t now_ns)
{
	uint32_t ours = (uint32_t)((now_ns - pcp->epoch_ns) / NS_PER_S);
	uint32_t theirs = apart(epoch_s, pcp->epoch_s);
	bool lost = false;

	if (pcp->epoch_known)
		lost = apart(pcp->epoch_s, epoch_s) > 1 || apart(theirs, theirs / 16) > ours + 2 ||
		       apart(ours, ours / 16) > theirs + 2;
	pcp->epoch_known = true;
	pcp->epoch_s = epoch_s;
	pcp->epoch_ns = now_ns;
	return lost;
}

/* Whatever is open is asked for again; the nonce and the port stay. */
static void epoch_lost(struct pcp *pcp, const struct language *but, uint64_t now_ns)
{
	if (pcp->epoch_lost_ns && now_ns - pcp->epoch_lost_ns < EPOCH_REST_NS)
		return;
	pcp->epoch_lost_ns = now_ns;
	for (size_t i = 0; i < 2; i++) {
		struct language *l = &pcp->languages[i];

		if (l != but && l->mapping.state == PORT_MAPPING_OPEN && !l->sent)
			ask(l);
	}
}

static const char *pcp_error(uint8_t result)
{
	switch (result) {
	case 1:
		return "speaks another version";
	case 2:
		return "does not allow it";
	case 7:
		return "has no network outside";
	case 8:
	case 10:
		return "has no more ports to give";
	case 12:
		return "is not the only router between (address mismatch)";
	default:
		return "answers with an error";
	}
}

/* To what deletes, which has the nonce of what is asked for after it (RFC 6887 section 15). */
static bool answers_deletion(struct language *l, uint8_t result, uint16_t port, uint32_t lifetime_s)
{
	bool closed = result == RESULT_SUCCESS && !lifetime_s;
	bool refused = result != RESULT_SUCCESS && port == l->old.port && port != l->suggested_port;

	if (!l->deleted || !(closed || refused))
		return false;
	l->deleted = false;
	return true;
}

static int on_pcp(struct pcp *pcp, const uint8_t *data, size_t len, uint64_t now_ns)
{
	struct language *l = &pcp->languages[PORT_MAPPING_PCP];
	struct endpoint external = { 0 };
	uint32_t lifetime_s;

	if (len < PCP_HEADER || len > PCP_MESSAGE_MAX || len % 4)
		return -EBADMSG;
	/* A server of PCP only says so to NAT-PMP's requests. */
	if (data[3] == RESULT_UNSUPP_VERSION && len < PCP_MAP_SIZE) {
		l = &pcp->languages[PORT_MAPPING_NATPMP];
		if (!l->sent)
			return -ENOENT;
		refuse(l, "is not spoken here", REFUSED_MAX_NS, now_ns);
		return 0;
	}
	if (data[1] != (RESPONSE | OP_MAP) || len < PCP_MAP_SIZE)
		return -EBADMSG;
	/* RFC 6887 sections 8.3 and 11.4: ours by nonce, protocol and port. */
	if (!l->sent || memcmp(data + PCP_HEADER, pcp->nonce, PCP_NONCE_SIZE) != 0 ||
	    data[36] != PROTOCOL_UDP || load_be16(data + 40) != pcp->internal.port)
		return -ENOENT;
	lifetime_s = load_be32(data + 4);
	if (note_epoch(pcp, load_be32(data + 8), now_ns))
		epoch_lost(pcp, l, now_ns);
	if (answers_deletion(l, data[3], load_be16(data + 42), lifetime_s))
		return 0;
	if (data[3] != RESULT_SUCCESS) {
		refuse(l, pcp_error(data[3]), lifetime_s * NS_PER_S, now_ns);
		return 0;
	}
	external.port = load_be16(data + 42);
	external.addr = addr_from_bytes(AF_INET6, data + 44);
	open_mapping(pcp, l, &external, lifetime_s, now_ns);
	return 0;
}

static const char *natpmp_error(uint16_t result)
{
	switch (result) {
	case 2:
		return "does not allow it";
	case 3:
		return "has no network outside";
	case 4:
		return "has no more ports to give";
	default:
		return "answers with an error";
	}
}

static int on_natpmp_address(struct pcp *pcp, struct language *l, const uint8_t *data, size_t len,
			     uint64_t now_ns)
{
	struct endpoint external = { .port = pcp->internal.port };
	const char *why;

	if (len != NATPMP_ADDRESS_RESPONSE || l->address.family)
		return -ENOENT;
	external.addr = addr_from_bytes(AF_INET, data + 8);
	why = port_mapping_refuse(&external, &pcp->internal.addr);
	if (why) {
		refuse(l, why, REFUSED_MAX_NS, now_ns);
		return 0;
	}
	ask(l);
	l->address = external.addr;
	return 0;
}

static int on_natpmp_map(struct pcp *pcp, struct language *l, const uint8_t *data, size_t len,
			 uint64_t now_ns)
{
	struct endpoint external = { .addr = l->address };

	if (len != NATPMP_MAP_RESPONSE || !l->address.family ||
	    load_be16(data + 8) != pcp->internal.port)
		return -ENOENT;
	external.port = load_be16(data + 10);
	open_mapping(pcp, l, &external, load_be32(data + 12), now_ns);
	return 0;
}

static int on_natpmp(struct pcp *pcp, const uint8_t *data, size_t len, uint64_t now_ns)
{
	struct language *l = &pcp->languages[PORT_MAPPING_NATPMP];
	uint16_t result;

	if (len < NATPMP_ERROR_SIZE || len > NATPMP_MAP_RESPONSE)
		return -EBADMSG;
	result = load_be16(data + 2);
	/* What a server of NAT-PMP only says to PCP's requests (RFC 6886 section 3.5). */
	if (result == RESULT_UNSUPP_VERSION) {
		l = &pcp->languages[PORT_MAPPING_PCP];
		if (!l->sent)
			return -ENOENT;
		refuse(l, "is not spoken here", REFUSED_MAX_NS, now_ns);
		return 0;
	}
	if (!l->sent)
		return -ENOENT;
	if (note_epoch(pcp, load_be32(data + 4), now_ns))
		epoch_lost(pcp, l, now_ns);
	if (result != RESULT_SUCCESS) {
		refuse(l, natpmp_error(result), 2 * REFUSED_MIN_NS, now_ns);
		return 0;
	}
	if (data[1] == (RESPONSE | OP_ANNOUNCE))
		return on_natpmp_address(pcp, l, data, len, now_ns);
	if (data[1] == (RESPONSE | OP_MAP))
		return on_natpmp_map(pcp, l, data, len, now_ns);
	return -EBADMSG;
}

int pcp_input(struct pcp *pcp, const uint8_t *data, size_t len, uint64_t now_ns)
{
	if (len < 4 || !(data[1] & RESPONSE))
		return -EBADMSG;
	if (data[0] == PCP_VERSION)
		return on_pcp(pcp, data, len, now_ns);
	if (data[0] == NATPMP_VERSION)
		return on_natpmp(pcp, data, len, now_ns);
	return -EBADMSG;
}

int pcp_input_announcement(struct pcp *pcp, const uint8_t *data, size_t len, uint64_t now_ns)
{
	uint32_t epoch_s;

	/* RFC 6887 section 14.1.3, RFC 6886 section 3.2.1. */
	if (len >= PCP_HEADER && len <= PCP_MESSAGE_MAX && data[0] == PCP_VERSION &&
	    data[1] == (RESPONSE | OP_ANNOUNCE) && data[3] == RESULT_SUCCESS)
		epoch_s = load_be32(data + 8);
	else if (len == NATPMP_ADDRESS_RESPONSE && data[0] == NATPMP_VERSION &&
		 data[1] == (RESPONSE | OP_ANNOUNCE) && load_be16(data + 2) == RESULT_SUCCESS)
		epoch_s = load_be32(data + 4);
	else
		return -EBADMSG;
	if (note_epoch(pcp, epoch_s, now_ns))
		epoch_lost(pcp, NULL, now_ns);
	return 0;
}

/* ---- time ---- */

struct port_mapping pcp_mapping(const struct pcp *pcp, enum port_mapping_protocol protocol)
{
	return pcp->languages[protocol].mapping;
}

uint64_t pcp_next_timeout(const struct pcp *pcp)
{
	uint64_t next_ns = CLOCK_NEVER;

	for (size_t i = 0; i < 2; i++) {
		const struct language *l = &pcp->languages[i];

		if (l->next_ns < next_ns)
			next_ns = l->next_ns;
		if (l->mapping.state == PORT_MAPPING_OPEN && l->expires_ns < next_ns)
			next_ns = l->expires_ns;
	}
	return next_ns;
}

static void expire(struct pcp *pcp, struct language *l, uint64_t now_ns)
{
	if (l->mapping.state == PORT_MAPPING_OPEN && l->expires_ns <= now_ns)
		l->mapping = (struct port_mapping){ .state = PORT_MAPPING_SILENT };
	if (l->next_ns > now_ns)
		return;
	if (!l->sent) { /* renewal, or once more after a refusal */
		ask(l);
		return;
	}
	if (l->mapping.state == PORT_MAPPING_ASKING && now_ns - l->first_sent_ns >= SILENT_AFTER_NS)
		l->mapping.state = PORT_MAPPING_SILENT;
	if (is_natpmp(pcp, l) && l->sent == NATPMP_TRIES) {
		/* It is not spoken here, or not any more. */
		l->next_ns = CLOCK_NEVER;
		return;
	}
	l->due = true;
	l->next_ns = CLOCK_NEVER;
}

void pcp_expire(struct pcp *pcp, uint64_t now_ns)
{
	for (size_t i = 0; i < 2; i++)
		expire(pcp, &pcp->languages[i], now_ns);
}
