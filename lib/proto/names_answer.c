/* Answers made of the zone, and what is to be asked of others. */
#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "proto/names_message.h"
#include "proto/names_zone.h"

/* RFC 8482 4.2: instead of all that a name has. */
#define HINFO_ANY "\x07RFC8482"

/* Of the SOA, in seconds: nobody transfers this zone. */
#define REFRESH_S 3600
#define RETRY_S   600
#define EXPIRE_S  86400

/* An answer in the making. */
struct answering {
	const struct names_zone *zone;
	const struct names_query *query;
	ldns_pkt *reply;
	struct names_name name; /* the one to be looked up; behind CNAMEs another than asked for */
	struct names_name apex;
	const struct names_split *site; /* that knows what is asked for by another name */
	bool failed;                    /* out of memory */
};

static void push(struct answering *a, ldns_pkt_section section, ldns_rr *rr)
{
	if (rr && ldns_pkt_push_rr(a->reply, section, rr))
		return;
	ldns_rr_free(rr);
	a->failed = true;
}

static void push_bytes(struct answering *a, const struct names_name *owner, uint16_t type,
		       const uint8_t *rdata, size_t len)
{
	push(a, LDNS_SECTION_ANSWER, names_record_new(owner, type, NAMES_TTL_S, rdata, len));
}

static ldns_rr *soa_new(const struct names_zone *zone, const struct names_name *apex)
{
	static const char mailbox[] = "\x0ahostmaster";
	uint8_t rdata[2 * NAMES_WIRE_MAX];
	struct writer w;

	writer_init(&w, rdata, sizeof(rdata));
	writer_bytes(&w, zone->server.wire, zone->server.len);
	writer_bytes(&w, mailbox, sizeof(mailbox) - 1);
	writer_bytes(&w, zone->origin.wire, zone->origin.len);
	writer_u32(&w, zone->serial);
	writer_u32(&w, REFRESH_S);
	writer_u32(&w, RETRY_S);
	writer_u32(&w, EXPIRE_S);
	writer_u32(&w, NAMES_NEGATIVE_S);
	return w.failed ? NULL : names_record_new(apex, NAMES_SOA, NAMES_NEGATIVE_S, rdata, w.len);
}

/* No such thing (RFC 2308): what is not there is not there for so long. */
static void push_negative(struct answering *a, int rcode)
{
	ldns_pkt_set_rcode(a->reply, (uint8_t)rcode);
	push(a, LDNS_SECTION_AUTHORITY, soa_new(a->zone, &a->apex));
}

static const struct names_item *find_cname(const struct names_entry *entry)
{
	for (const struct names_item *i = entry ? entry->items : NULL; i; i = i->next)
		if (i->type == NAMES_CNAME)
			return i;
	return NULL;
}

/* What a zone has at its apex besides records. Pushes how many. */
static size_t push_apex(struct answering *a)
{
	uint16_t type = a->query->type;

	if (!names_name_equal(&a->name, &a->apex))
		return 0;
	if (type == NAMES_SOA)
		push(a, LDNS_SECTION_ANSWER, soa_new(a->zone, &a->apex));
	else if (type == NAMES_NS)
		push_bytes(a, &a->apex, NAMES_NS, a->zone->server.wire, a->zone->server.len);
	else
		return 0;
	return 1;
}

static void push_records(struct answering *a, const struct names_name *owner,
			 const struct names_entry *entry)
{
	bool any = a->query->type == NAMES_ANY;
	size_t count = push_apex(a);

	for (const struct names_item *i = entry ? entry->items : NULL; i && !any; i = i->next) {
		if ((uint16_t)i->type != a->query->type)
			continue;
		push_bytes(a, owner, (uint16_t)i->type, i->rdata, i->len);
		count++;
	}
	if (any && (names_name_equal(&a->name, &a->apex) || (entry && entry->items))) {
		push_bytes(a, owner, NAMES_HINFO, (const uint8_t *)HINFO_ANY, sizeof(HINFO_ANY));
		count++;
	}
	if (count == 0)
		push_negative(a, NAMES_RCODE_NOERROR);
}

/*
 * Follows CNAMEs through the zone, at most NAMES_CHAIN_MAX. True: all is in the reply; false: the
 * answer goes on outside, where a->name and *split say.
 */
static bool follow(struct answering *a, int *split)
{
	struct names_name owner = a->query->name; /* in the client's letters */

	ldns_pkt_set_aa(a->reply, true);
	for (int links = 0;; links++) {
		const struct names_entry *entry = names_zone_lookup(a->zone, &a->name, &a->apex);
		const struct names_item *cname = find_cname(entry);

		if (!entry && !names_name_equal(&a->name, &a->apex)) {
			push_negative(a, NAMES_RCODE_NXDOMAIN);
			return true;
		}
		if (!cname) {
			push_records(a, &owner, entry);
			return true;
		}
		push_bytes(a, &owner, NAMES_CNAME, cname->rdata, cname->len);
		if (a->query->type == NAMES_CNAME || a->query->type == NAMES_ANY)
			return true;
		if (links >= NAMES_CHAIN_MAX ||
		    names_rdata_target(&a->name, NAMES_CNAME, cname->rdata, cname->len) < 0) {
			a->failed = true;
			return true;
		}
		owner = a->name;
		if (!names_zone_owns(a->zone, &a->name, &a->apex, split))
			return false;
	}
}

/* What is asked of the domains of the world, whose names have one label too. */
static bool is_of_delegation(uint16_t type)
{
	return type == NAMES_NS || type == NAMES_SOA || type == LDNS_RR_TYPE_DS ||
	       type == LDNS_RR_TYPE_DNSKEY;
}

/*
 * NAME alone, from programs that do not search: only what the network has under it, but all of it,
 * so that the name is not asked outside for another type.
 */
static bool is_short(const struct names_zone *zone, const struct names_query *query,
		     struct names_name *name)
{
	struct names_entry *entry;

	if (names_name_labels(&query->lower) != 1 || is_of_delegation(query->type) ||
	    query->lower.len - 1u + zone->origin.len > NAMES_WIRE_MAX)
		return false;
	*name = query->lower;
	memcpy(name->wire + name->len - 1, zone->origin.wire, zone->origin.len);
	name->len = (uint8_t)(name->len - 1 + zone->origin.len);
	entry = names_zone_find(zone, name);
	return entry && entry->items;
}

/* Whose the query's name is; of ours it is to be looked up, else sent on. */
static bool begin(struct answering *a, int *split)
{
	*split = -1;
	if (is_short(a->zone, a->query, &a->name)) {
		a->apex = a->zone->origin;
		return true;
	}
	a->name = a->query->lower;
	if (names_zone_owns(a->zone, &a->name, &a->apex, split))
		return true;
	a->site = names_mapped_find(a->zone, &a->query->lower, *split, &a->name);
	return false;
}

static size_t room(const struct names_query *query, size_t max, bool udp)
{
	size_t size = udp ? query->udp_size : NAMES_MESSAGE_MAX;

	return size < max ? size : max;
}

static bool is_ours(const struct answering *a, const struct names_name *forwarded,
		    const uint8_t *reply, size_t len)
{
	const struct names_query *query = a->query;
	struct names_name name;
	struct reader r;
	uint16_t type;

	if (len < NAMES_HEADER_SIZE || len > NAMES_MESSAGE_MAX ||
	    !(reply[2] & NAMES_FLAG_QR >> 8) || load_be16(reply + 4) != 1)
		return false;
	reader_init(&r, reply + NAMES_HEADER_SIZE, len - NAMES_HEADER_SIZE);
	if (names_name_get(&name, &r) < 0)
		return false;
	names_name_lower(&name);
	type = reader_u16(&r);
	return type == query->type && reader_u16(&r) == query->class && !r.failed &&
	       names_name_equal(&name, forwarded);
}

static size_t error_reply(const struct names_query *query, int rcode, uint8_t *out, size_t max)
{
	ldns_pkt *reply = names_reply_new(query, rcode);
	size_t len = reply ? names_reply_encode(reply, out, max) : 0;

	ldns_pkt_free(reply);
	return len;
}

static struct names_outcome answered(size_t len)
{
	return (struct names_outcome){ len > 0 ? NAMES_ANSWER : NAMES_DROP, len, NULL };
}

static struct names_outcome forwarded(const struct names_zone *zone,
				      const struct names_query *query,
				      const struct names_name *name, int split, uint8_t *out,
				      size_t max)
{
	size_t len = names_query_encode(query, name, out, max);

	return (struct names_outcome){ len > 0 ? NAMES_FORWARD : NAMES_DROP, len,
				       split >= 0 ? &zone->splits[split] : NULL };
}

struct names_outcome names_answer(const struct names_zone *zone, const uint8_t *data, size_t len,
				  uint8_t *out, size_t max, bool udp)
{
	struct names_outcome outcome = { NAMES_DROP, 0, NULL };
	struct names_query query;
	int rcode = names_query_parse(&query, data, len);
	struct answering a = { .zone = zone, .query = &query };
	int split;

	if (rcode < 0)
		return outcome;
	if (rcode != NAMES_RCODE_NOERROR)
		return answered(error_reply(&query, rcode, out, max));
	if (!begin(&a, &split)) {
		outcome = forwarded(zone, &query, a.site ? &a.name : &query.name, split, out, max);
		outcome.split = a.site ? a.site : outcome.split;
		return outcome;
	}
	a.reply = names_reply_new(&query, NAMES_RCODE_NOERROR);
	if (!a.reply)
		return outcome;
	if (!follow(&a, &split))
		outcome = forwarded(zone, &query, &a.name, split, out, max);
	else if (a.failed)
		outcome = answered(error_reply(&query, NAMES_RCODE_SERVFAIL, out, max));
	else
		outcome = answered(names_reply_encode(a.reply, out, room(&query, max, udp)));
	ldns_pkt_free(a.reply);
	return outcome;
}

size_t names_failure(const uint8_t *data, size_t len, int rcode, uint8_t *out, size_t max)
{
	struct names_query query;

	return names_query_parse(&query, data, len) < 0 ? 0 : error_reply(&query, rcode, out, max);
}

/* --- what others answered --- */

bool names_matches(const uint8_t *sent, size_t sent_len, const uint8_t *reply, size_t reply_len)
{
	struct reader r;
	size_t len;

	if (sent_len < NAMES_HEADER_SIZE || reply_len < NAMES_HEADER_SIZE)
		return false;
	reader_init(&r, sent + NAMES_HEADER_SIZE, sent_len - NAMES_HEADER_SIZE);
	while ((len = reader_u8(&r)) > 0)
		reader_bytes(&r, len);
	reader_bytes(&r, 4);
	len = NAMES_HEADER_SIZE + (sent_len - NAMES_HEADER_SIZE - r.left);
	return !r.failed && reply_len >= len && memcmp(sent, reply, 2) == 0 &&
	       reply[2] & NAMES_FLAG_QR >> 8 && load_be16(reply + 4) == 1 &&
	       memcmp(sent + NAMES_HEADER_SIZE, reply + NAMES_HEADER_SIZE,
		      len - NAMES_HEADER_SIZE) == 0;
}

/* The same message under the client's id and question; too long, it says so and no more. */
static size_t pass_on(const struct names_query *query, const uint8_t *reply, size_t len,
		      uint8_t *out, size_t max)
{
	ldns_pkt *cut;

	if (len > max) {
		cut = names_reply_new(query, reply[3] & 15);
		if (!cut)
			return 0;
		ldns_pkt_set_tc(cut, true);
		len = names_reply_encode(cut, out, max);
		ldns_pkt_free(cut);
		return len;
	}
	memcpy(out, reply, len);
	store_be16(out, query->id);
	memcpy(out + NAMES_HEADER_SIZE, query->name.wire, query->name.len);
	return len;
}

static void push_clones(struct answering *a, ldns_pkt_section section, const ldns_rr_list *list)
{
	for (size_t i = 0; i < ldns_rr_list_rr_count(list); i++)
		push(a, section, ldns_rr_clone(ldns_rr_list_rr(list, i)));
}

/* As if it had been asked by the client's name; of a zone that the client never heard of, nothing.
 */
static void push_renamed(struct answering *a, const ldns_rr_list *list)
{
	for (size_t i = 0; i < ldns_rr_list_rr_count(list); i++) {
		ldns_rr *rr = ldns_rr_clone(ldns_rr_list_rr(list, i));

		if (rr && !names_record_rename(rr, &a->name, &a->query->name))
			a->failed = true;
		push(a, LDNS_SECTION_ANSWER, rr);
	}
}

/* What a server said of the name behind our CNAMEs, behind them; or of a name of a mapped site. */
static int append(struct answering *a, const uint8_t *data, size_t len)
{
	ldns_pkt *reply;

	if (ldns_wire2pkt(&reply, data, len) != LDNS_STATUS_OK)
		return -EBADMSG;
	ldns_pkt_set_aa(a->reply, false);
	ldns_pkt_set_rcode(a->reply, (uint8_t)ldns_pkt_get_rcode(reply));
	ldns_pkt_set_tc(a->reply, ldns_pkt_tc(reply));
	if (a->site) {
		push_renamed(a, ldns_pkt_answer(reply));
	} else {
		push_clones(a, LDNS_SECTION_ANSWER, ldns_pkt_answer(reply));
		push_clones(a, LDNS_SECTION_AUTHORITY, ldns_pkt_authority(reply));
	}
	ldns_pkt_free(reply);
	return 0;
}

int names_finish(const struct names_zone *zone, const uint8_t *data, size_t len,
		 const uint8_t *reply, size_t reply_len, uint8_t *out, size_t max, bool udp,
		 size_t *out_len)
{
	struct names_query query;
	struct answering a = { .zone = zone, .query = &query };
	size_t size = 0;
	int split;
	int err = 0;

	if (names_query_parse(&query, data, len) != NAMES_RCODE_NOERROR)
		return -EBADMSG;
	if (!begin(&a, &split) && !a.site) {
		if (!is_ours(&a, &query.lower, reply, reply_len))
			return -EBADMSG;
		size = pass_on(&query, reply, reply_len, out, room(&query, max, udp));
	} else {
		a.reply = names_reply_new(&query, NAMES_RCODE_NOERROR);
		/* The zone may have changed meanwhile: then it is another question. */
		if (!a.reply || (!a.site && follow(&a, &split)) ||
		    !is_ours(&a, &a.name, reply, reply_len))
			err = -EBADMSG;
		if (err == 0)
			err = append(&a, reply, reply_len);
		if (err == 0 && !a.failed)
			size = names_reply_encode(a.reply, out, room(&query, max, udp));
		ldns_pkt_free(a.reply);
	}
	if (err == 0 && size == 0)
		err = -EBADMSG;
	if (err == 0)
		*out_len = size;
	return err;
}

/* --- for our own tools --- */

static size_t collect(const struct names_entry *entry, enum names_type type,
		      struct ip_addr *addresses, size_t count, size_t max)
{
	for (const struct names_item *i = entry ? entry->items : NULL; i && count < max;
	     i = i->next)
		if (i->type == type)
			addresses[count++] =
				addr_from_bytes(type == NAMES_A ? AF_INET : AF_INET6, i->rdata);
	return count;
}

/* What has dots may be a name of the world as well: a wildcard for all the network is none of it.
 */
static bool is_doubtful(const struct names_zone *zone, const char *text,
			const struct names_entry *entry)
{
	struct names_name name;

	return names_name_parse(&name, text, false) == 0 && names_name_labels(&name) > 1 &&
	       !names_name_within(&name, &zone->origin) && entry->name[1] == '*' &&
	       entry->name_len == zone->origin.len + 2;
}

int names_resolve(const struct names_zone *zone, const char *text, struct ip_addr *addresses,
		  size_t max)
{
	const struct names_entry *entry;
	struct names_name name;
	struct names_name apex;
	size_t count;
	int split;

	if (names_name_parse(&name, text, false) < 0)
		return -EINVAL;
	/* Within the network first; "a.b" may be a name of ours or of the world. */
	if (names_name_parse_in(&name, text, &zone->origin, false) < 0)
		return -ENOENT;
	for (int links = 0; links <= NAMES_CHAIN_MAX; links++) {
		const struct names_item *cname;

		if (!names_zone_owns(zone, &name, &apex, &split))
			return -ENOENT;
		entry = names_zone_lookup(zone, &name, &apex);
		if (!entry || (links == 0 && is_doubtful(zone, text, entry)))
			return -ENOENT;
		cname = find_cname(entry);
		if (!cname) {
			count = collect(entry, NAMES_A, addresses, 0, max);
			return (int)collect(entry, NAMES_AAAA, addresses, count, max);
		}
		if (names_rdata_target(&name, NAMES_CNAME, cname->rdata, cname->len) < 0)
			return -ENOENT;
	}
	return -ENOENT;
}

int names_reverse(const struct names_zone *zone, const struct ip_addr *addr,
		  char out[static NAMES_TEXT_NAME_SIZE])
{
	struct prefix host = prefix_from_addr(addr, 128);
	const struct names_entry *entry;
	struct names_name name;

	if (!addr->family)
		return -ENOENT;
	names_name_reverse(&name, &host);
	entry = names_zone_find(zone, &name);
	for (const struct names_item *i = entry ? entry->items : NULL; i; i = i->next) {
		if (i->type != NAMES_PTR ||
		    names_rdata_target(&name, NAMES_PTR, i->rdata, i->len) < 0)
			continue;
		names_name_format(out, &name);
		return 0;
	}
	return -ENOENT;
}
