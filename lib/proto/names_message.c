#include "proto/names_message.h"

#include <errno.h>
#include <string.h>

#include "base/buf.h"

#define OPCODE_QUERY   0
#define TYPE_OPT       41
#define TYPE_TKEY      249 /* from here on questions about more than a name's records */
#define TYPE_IXFR      251
#define TYPE_AXFR      252
#define FLAG_RD        0x0100
#define FLAG_CD        0x0010
#define ADDITIONAL_MAX 4
#define EDNS_DO        0x8000
#define RDATA_MAX      512

/* --- queries --- */

static int get_question(struct names_query *query, struct reader *r)
{
	struct names_name name;

	if (names_name_get(&name, r) < 0)
		return -EBADMSG;
	query->type = reader_u16(r);
	query->class = reader_u16(r);
	if (r->failed)
		return -EBADMSG;
	query->name = name;
	query->lower = name;
	names_name_lower(&query->lower);
	query->question = true;
	return 0;
}

/* RFC 6891 6.1.2: the class is a size, the TTL holds flags. Returns an rcode. */
static int get_option(struct names_query *query, const ldns_rr *rr)
{
	uint32_t flags = ldns_rr_ttl(rr);
	uint16_t size = (uint16_t)ldns_rr_get_class(rr);

	if (query->edns || ldns_rdf_size(ldns_rr_owner(rr)) != 1)
		return NAMES_RCODE_FORMERR;
	query->edns = true;
	query->dnssec = (flags & EDNS_DO) != 0;
	if (size > query->udp_size)
		query->udp_size = size < NAMES_UDP_SIZE_MAX ? size : NAMES_UDP_SIZE_MAX;
	return (flags >> 16 & 0xff) == 0 ? NAMES_RCODE_NOERROR : NAMES_RCODE_BADVERS;
}

static int get_additional(struct names_query *query, const uint8_t *data, size_t len, size_t at,
			  unsigned int count)
{
	int rcode = NAMES_RCODE_NOERROR;

	if (count > ADDITIONAL_MAX)
		return NAMES_RCODE_FORMERR;
	for (unsigned int i = 0; i < count && rcode == NAMES_RCODE_NOERROR; i++) {
		ldns_rr *rr;

		if (ldns_wire2rr(&rr, data, len, &at, LDNS_SECTION_ADDITIONAL) != LDNS_STATUS_OK)
			return NAMES_RCODE_FORMERR;
		/* Whoever signs wants the signature looked at, and we cannot. */
		if (ldns_rr_get_type(rr) == LDNS_RR_TYPE_TSIG)
			rcode = NAMES_RCODE_FORMERR;
		else if ((int)ldns_rr_get_type(rr) == TYPE_OPT)
			rcode = get_option(query, rr);
		ldns_rr_free(rr);
	}
	return rcode == NAMES_RCODE_NOERROR && at != len ? NAMES_RCODE_FORMERR : rcode;
}

static int check_question(const struct names_query *query)
{
	if (query->class != LDNS_RR_CLASS_IN)
		return NAMES_RCODE_REFUSED;
	if (query->type == TYPE_AXFR || query->type == TYPE_IXFR)
		return NAMES_RCODE_REFUSED;
	if (query->type == 0 || query->type == TYPE_OPT)
		return NAMES_RCODE_FORMERR;
	if (query->type >= TYPE_TKEY && query->type < NAMES_ANY)
		return NAMES_RCODE_NOTIMP;
	return NAMES_RCODE_NOERROR;
}

int names_query_parse(struct names_query *out, const uint8_t *data, size_t len)
{
	struct names_query query = { .udp_size = NAMES_UDP_SIZE };
	uint16_t counts[4];
	struct reader r;
	uint16_t flags;
	int rcode;

	if (len < NAMES_HEADER_SIZE || len > NAMES_MESSAGE_MAX)
		return -EBADMSG;
	reader_init(&r, data, len);
	query.id = reader_u16(&r);
	flags = reader_u16(&r);
	for (int i = 0; i < 4; i++)
		counts[i] = reader_u16(&r);
	/* Answers to answers would go round for ever. */
	if (flags & NAMES_FLAG_QR)
		return -EBADMSG;
	query.rd = (flags & FLAG_RD) != 0;
	query.cd = (flags & FLAG_CD) != 0;
	if ((flags >> 11 & 15) != OPCODE_QUERY)
		rcode = NAMES_RCODE_NOTIMP;
	else if (counts[0] != 1 || counts[1] != 0 || counts[2] != 0 || get_question(&query, &r) < 0)
		rcode = NAMES_RCODE_FORMERR;
	else
		rcode = get_additional(&query, data, len, len - r.left, counts[3]);
	if (rcode == NAMES_RCODE_NOERROR)
		rcode = check_question(&query);
	*out = query;
	return rcode;
}

/* --- messages --- */

static ldns_rdf *name_rdf(const struct names_name *name)
{
	return ldns_rdf_new_frm_data(LDNS_RDF_TYPE_DNAME, name->len, name->wire);
}

static ldns_rr *question_new(const struct names_query *query, const struct names_name *name)
{
	ldns_rr *rr = ldns_rr_new();
	ldns_rdf *owner = name_rdf(name);

	if (!rr || !owner) {
		ldns_rr_free(rr);
		ldns_rdf_deep_free(owner);
		return NULL;
	}
	ldns_rr_set_question(rr, true);
	ldns_rr_set_owner(rr, owner);
	ldns_rr_set_type(rr, (ldns_rr_type)query->type);
	ldns_rr_set_class(rr, (ldns_rr_class)query->class);
	return rr;
}

static int push_question(ldns_pkt *pkt, const struct names_query *query,
			 const struct names_name *name)
{
	ldns_rr *rr = question_new(query, name);

	if (!rr)
		return -ENOMEM;
	if (!ldns_pkt_push_rr(pkt, LDNS_SECTION_QUESTION, rr)) {
		ldns_rr_free(rr);
		return -ENOMEM;
	}
	return 0;
}

static void set_edns(ldns_pkt *pkt, const struct names_query *query)
{
	if (!query->edns)
		return;
	ldns_pkt_set_edns_udp_size(pkt, NAMES_UDP_SIZE_MAX);
	ldns_pkt_set_edns_do(pkt, query->dnssec);
}

ldns_pkt *names_reply_new(const struct names_query *query, int rcode)
{
	ldns_pkt *pkt = ldns_pkt_new();

	if (!pkt)
		return NULL;
	ldns_pkt_set_id(pkt, query->id);
	ldns_pkt_set_qr(pkt, true);
	ldns_pkt_set_rd(pkt, query->rd);
	ldns_pkt_set_cd(pkt, query->cd);
	ldns_pkt_set_ra(pkt, true);
	ldns_pkt_set_rcode(pkt, (uint8_t)(rcode & 15));
	set_edns(pkt, query);
	ldns_pkt_set_edns_extended_rcode(pkt, (uint8_t)(rcode >> 4));
	if (query->question && push_question(pkt, query, &query->name) < 0) {
		ldns_pkt_free(pkt);
		return NULL;
	}
	return pkt;
}

static size_t encode(const ldns_pkt *pkt, uint8_t *out, size_t max)
{
	uint8_t *data = NULL;
	size_t len = 0;

	if (ldns_pkt2wire(&data, pkt, &len) != LDNS_STATUS_OK)
		return 0;
	if (len <= max)
		memcpy(out, data, len);
	else
		len = 0;
	LDNS_FREE(data);
	return len;
}

static void drop_records(ldns_pkt *pkt)
{
	static const ldns_pkt_section sections[] = { LDNS_SECTION_ANSWER, LDNS_SECTION_AUTHORITY,
						     LDNS_SECTION_ADDITIONAL };
	ldns_rr_list *lists[] = { ldns_pkt_answer(pkt), ldns_pkt_authority(pkt),
				  ldns_pkt_additional(pkt) };

	for (size_t i = 0; i < 3; i++) {
		ldns_rr *rr;

		while ((rr = ldns_rr_list_pop_rr(lists[i])))
			ldns_rr_free(rr);
		ldns_pkt_set_section_count(pkt, sections[i], 0);
	}
}

size_t names_reply_encode(ldns_pkt *pkt, uint8_t *out, size_t max)
{
	size_t len = encode(pkt, out, max);

	if (len > 0)
		return len;
	/* A part of an answer is worth nothing (RFC 2181 9). */
	ldns_pkt_set_tc(pkt, true);
	drop_records(pkt);
	return encode(pkt, out, max);
}

size_t names_query_encode(const struct names_query *query, const struct names_name *name,
			  uint8_t *out, size_t max)
{
	ldns_pkt *pkt = ldns_pkt_new();
	size_t len = 0;

	if (!pkt)
		return 0;
	ldns_pkt_set_rd(pkt, query->rd);
	ldns_pkt_set_cd(pkt, query->cd);
	set_edns(pkt, query);
	if (push_question(pkt, query, name) == 0)
		len = encode(pkt, out, max);
	ldns_pkt_free(pkt);
	return len;
}

bool names_record_rename(ldns_rr *rr, const struct names_name *from, const struct names_name *to)
{
	ldns_rdf *theirs = name_rdf(from);
	ldns_rdf *ours = name_rdf(to);
	bool same = theirs && ours && ldns_dname_compare(ldns_rr_owner(rr), theirs) == 0;
	bool done = theirs && ours;

	ldns_rdf_deep_free(theirs);
	if (same) {
		ldns_rdf_deep_free(ldns_rr_owner(rr));
		ldns_rr_set_owner(rr, ours);
	} else {
		ldns_rdf_deep_free(ours);
	}
	return done;
}

ldns_rr *names_record_new(const struct names_name *owner, uint16_t type, uint32_t ttl_s,
			  const uint8_t *rdata, size_t len)
{
	uint8_t data[2 + RDATA_MAX];
	ldns_rdf *name;
	size_t at = 0;
	ldns_rr *rr;

	if (len > RDATA_MAX)
		return NULL;
	rr = ldns_rr_new();
	name = name_rdf(owner);
	if (!rr || !name) {
		ldns_rr_free(rr);
		ldns_rdf_deep_free(name);
		return NULL;
	}
	ldns_rr_set_owner(rr, name);
	ldns_rr_set_type(rr, (ldns_rr_type)type);
	ldns_rr_set_class(rr, LDNS_RR_CLASS_IN);
	ldns_rr_set_ttl(rr, ttl_s);
	store_be16(data, (uint16_t)len);
	memcpy(data + 2, rdata, len);
	if (ldns_wire2rdf(rr, data, len + 2, &at) != LDNS_STATUS_OK) {
		ldns_rr_free(rr);
		return NULL;
	}
	return rr;
}
