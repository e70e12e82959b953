#include "proto/mdns.h"

#include <arpa/nameser.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/clock.h"

#define CLASS_UNICAST 0x8000u /* of a question: QU, RFC 6762 section 5.4 */
#define CLASS_FLUSH   0x8000u /* of a record: it is the only one, section 10.2 */
#define FLAGS_ANSWER  0x8400  /* QR and AA */
#define TTL_S         10      /* what section 6.7 bounds answers to plain resolvers by */
#define HEADER        12
#define FIRST_MS      UINT64_C(100)
#define REPEATS       4

void mdns_name_new(char name[static MDNS_NAME_SIZE], const struct rng *rng)
{
	uint8_t b[16];

	rng_fill(rng, b, sizeof(b));
	b[6] = (b[6] & 0x0f) | 0x40; /* version 4 */
	b[8] = (b[8] & 0x3f) | 0x80;
	snprintf(name, MDNS_NAME_SIZE,
		 "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x.local", b[0],
		 b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13],
		 b[14], b[15]);
}

bool mdns_is_name(const char *text)
{
	static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx.local";

	if (strlen(text) != sizeof(form) - 1)
		return false;
	for (size_t i = 0; form[i]; i++) {
		char c = (char)tolower((unsigned char)text[i]);

		if (form[i] == 'x' ? !isxdigit((unsigned char)c) : c != form[i])
			return false;
	}
	return true;
}

/* ---- messages ---- */

static bool read_question(struct mdns_record *record, ns_rr *rr)
{
	unsigned int class = ns_rr_class(*rr);

	if ((class & ~CLASS_UNICAST) != ns_c_in && class != ns_c_any)
		return false;
	if (ns_rr_type(*rr) == ns_t_a)
		record->family = AF_INET;
	else if (ns_rr_type(*rr) == ns_t_aaaa)
		record->family = AF_INET6;
	else if (ns_rr_type(*rr) != ns_t_any)
		return false;
	record->unicast = class & CLASS_UNICAST;
	return true;
}

static bool read_answer(struct mdns_record *record, ns_rr *rr)
{
	if (((unsigned int)ns_rr_class(*rr) & ~CLASS_FLUSH) != ns_c_in || ns_rr_ttl(*rr) == 0)
		return false; /* without lifetime it takes an answer back */
	if (ns_rr_type(*rr) == ns_t_a && ns_rr_rdlen(*rr) == 4)
		record->family = AF_INET;
	else if (ns_rr_type(*rr) == ns_t_aaaa && ns_rr_rdlen(*rr) == 16)
		record->family = AF_INET6;
	else
		return false;
	record->addr = addr_from_bytes(record->family, ns_rr_rdata(*rr));
	return true;
}

int mdns_parse(struct mdns_message *message, const uint8_t *data, size_t len)
{
	ns_msg msg;
	ns_sect section;
	ns_rr rr;

	if (len > UINT16_MAX || ns_initparse(data, (int)len, &msg) < 0)
		return -EBADMSG;
	*message = (struct mdns_message){ .answer = ns_msg_getflag(msg, ns_f_qr),
					  .id = ns_msg_id(msg) };
	section = message->answer ? ns_s_an : ns_s_qd;
	for (int i = 0; i < ns_msg_count(msg, section) && i < MDNS_RECORDS_MAX; i++) {
		struct mdns_record record = { 0 };

		if (ns_parserr(&msg, section, i, &rr) < 0)
			return -EBADMSG;
		if (!mdns_is_name(ns_rr_name(rr)) ||
		    !(message->answer ? read_answer(&record, &rr) : read_question(&record, &rr)))
			continue;
		for (size_t c = 0; c < sizeof(record.name) - 1; c++)
			record.name[c] = (char)tolower((unsigned char)ns_rr_name(rr)[c]);
		message->records[message->count++] = record;
	}
	return 0;
}

static size_t put_header(uint8_t *out, uint16_t id, uint16_t flags, uint16_t questions,
			 uint16_t answers)
{
	memset(out, 0, HEADER);
	store_be16(out, id);
	store_be16(out + 2, flags);
	store_be16(out + 4, questions);
	store_be16(out + 6, answers);
	return HEADER;
}

static size_t put_question(uint8_t *out, const char *name, int type, unsigned int class)
{
	/* Names of our form always fit. */
	size_t n = (size_t)ns_name_compress(name, out, NS_MAXCDNAME, NULL, NULL);

	store_be16(out + n, (uint16_t)type);
	store_be16(out + n + 2, (uint16_t) class);
	return n + 4;
}

size_t mdns_encode_query(uint8_t *out, const char *name)
{
	size_t n = put_header(out, 0, 0, 2, 0);

	n += put_question(out + n, name, ns_t_a, ns_c_in | CLASS_UNICAST);
	return n + put_question(out + n, name, ns_t_aaaa, ns_c_in | CLASS_UNICAST);
}

size_t mdns_encode_answer(uint8_t *out, uint16_t id, const char *name, const struct ip_addr *addr)
{
	int type = addr->family == AF_INET6 ? ns_t_aaaa : ns_t_a;
	size_t n = put_header(out, id, FLAGS_ANSWER, id != 0, 1);

	if (id)
		n += put_question(out + n, name, type, ns_c_in);
	n += put_question(out + n, name, type, id ? ns_c_in : ns_c_in | CLASS_FLUSH);
	store_be32(out + n, TTL_S);
	store_be16(out + n + 4, (uint16_t)addr_len(addr));
	memcpy(out + n + 6, addr->bytes, addr_len(addr));
	return n + 6 + addr_len(addr);
}

/* ---- asking ---- */

static struct mdns_asked *find(struct mdns_resolver *resolver, const char *name)
{
	for (size_t i = 0; i < MDNS_ASKED_MAX; i++) {
		if (strcasecmp(resolver->asked[i].name, name) == 0)
			return &resolver->asked[i];
	}
	return NULL;
}

int mdns_ask(struct mdns_resolver *resolver, const char *name, uint64_t now_ns)
{
	struct mdns_asked *asked;

	if (!mdns_is_name(name))
		return -EINVAL;
	if (find(resolver, name))
		return 0;
	asked = find(resolver, "");
	if (!asked)
		return -ENOSPC;
	*asked = (struct mdns_asked){
		.due_ns = now_ns,
		.end_ns = now_ns + MDNS_PATIENCE_MS * NS_PER_MS,
	};
	for (size_t i = 0; i < sizeof(asked->name) - 1; i++)
		asked->name[i] = (char)tolower((unsigned char)name[i]);
	return 0;
}

/* The one address that the message has for the name; family 0 for none and for several. */
static struct ip_addr only_address(const struct mdns_message *message, const char *name)
{
	const struct ip_addr none = { 0 };
	const struct ip_addr *only = &none;

	for (size_t i = 0; i < message->count; i++) {
		const struct mdns_record *record = &message->records[i];

		if (strcmp(record->name, name) != 0 || addr_equal(&record->addr, only))
			continue;
		if (only != &none)
			return none;
		only = &record->addr;
	}
	return *only;
}

void mdns_input(struct mdns_resolver *resolver, const struct mdns_message *message, uint64_t now_ns)
{
	for (size_t i = 0; message->answer && i < message->count; i++) {
		struct mdns_asked *asked = find(resolver, message->records[i].name);

		if (!asked || asked->addr.family)
			continue;
		asked->addr = only_address(message, asked->name);
		if (asked->addr.family)
			asked->end_ns = now_ns;
	}
}

uint64_t mdns_next_timeout(const struct mdns_resolver *resolver)
{
	uint64_t next = CLOCK_NEVER;

	for (size_t i = 0; i < MDNS_ASKED_MAX; i++) {
		const struct mdns_asked *asked = &resolver->asked[i];

		if (!asked->name[0])
			continue;
		if (asked->end_ns < next)
			next = asked->end_ns;
		if (asked->due_ns < next)
			next = asked->due_ns;
	}
	return next;
}

static bool may_ask(struct mdns_resolver *resolver, uint64_t now_ns)
{
	if (now_ns - resolver->second_ns >= NS_PER_S) {
		resolver->second_ns = now_ns;
		resolver->questions = 0;
	}
	return resolver->questions++ < MDNS_QUESTIONS_PER_S;
}

bool mdns_poll_query(struct mdns_resolver *resolver, char name[static MDNS_NAME_SIZE],
		     uint64_t now_ns)
{
	for (size_t i = 0; i < MDNS_ASKED_MAX; i++) {
		struct mdns_asked *asked = &resolver->asked[i];

		if (!asked->name[0] || asked->due_ns > now_ns || asked->end_ns <= now_ns)
			continue;
		if (!may_ask(resolver, now_ns)) {
			asked->due_ns = resolver->second_ns + NS_PER_S;
			continue;
		}
		asked->due_ns = asked->sent < REPEATS
					? now_ns + (FIRST_MS << asked->sent) * NS_PER_MS
					: CLOCK_NEVER;
		asked->sent++;
		memcpy(name, asked->name, MDNS_NAME_SIZE);
		return true;
	}
	return false;
}

bool mdns_poll_result(struct mdns_resolver *resolver, char name[static MDNS_NAME_SIZE],
		      struct ip_addr *addr, uint64_t now_ns)
{
	for (size_t i = 0; i < MDNS_ASKED_MAX; i++) {
		struct mdns_asked *asked = &resolver->asked[i];

		if (!asked->name[0] || asked->end_ns > now_ns)
			continue;
		memcpy(name, asked->name, MDNS_NAME_SIZE);
		*addr = asked->addr;
		asked->name[0] = '\0';
		return true;
	}
	return false;
}
