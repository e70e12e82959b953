/*
 * Queries, replies and the names document. The first byte says what the rest is; messages meet a
 * zone that has something of everything.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/names.h"
#include "proto/names_translate.h"

static const char document_text[] =
	"{\"records\":[{\"name\":\"wiki\",\"type\":\"A\",\"value\":\"10.20.0.5\"},"
	"{\"name\":\"*.apps\",\"type\":\"AAAA\",\"value\":\"fd00::6\"},"
	"{\"name\":\"@\",\"type\":\"TXT\",\"value\":\"here\"},"
	"{\"name\":\"a\",\"type\":\"CNAME\",\"value\":\"b\"},"
	"{\"name\":\"b\",\"type\":\"CNAME\",\"value\":\"host.corp.example.\"},"
	"{\"name\":\"_s._tcp\",\"type\":\"SRV\",\"value\":\"1 2 3 wiki\"}],"
	"\"split\":[{\"domain\":\"corp.example\",\"servers\":[\"10.20.0.53\"]}]}";

static struct names_zone *make_zone(void)
{
	struct names_document document;
	struct names_zone *zone;
	char error[NAMES_ERROR_SIZE];
	struct cert own = { .name = "n" };

	addr_parse(&own.address4, "100.64.0.1");
	addr_parse(&own.address6, "fd00::1");
	prefix_parse(&own.routes[0], "10.20.0.0/24");
	addr_parse(&own.route_facts[0].real, "192.168.1.0");
	own.route_count = 1;
	if (names_document_parse(&document, document_text, strlen(document_text), "x", error) < 0)
		abort();
	if (names_zone_new(&zone, &(struct names_source){ "x", &own, NULL, &document, 1, NULL }) <
	    0)
		abort();
	names_document_clear(&document);
	return zone;
}

static void check_answer(const struct names_outcome *outcome, const uint8_t *query, size_t max,
			 const uint8_t *out)
{
	if (outcome->action == NAMES_DROP)
		return;
	if (outcome->len < NAMES_HEADER_SIZE || outcome->len > max)
		abort();
	/* The client's id, and an answer; or a question of ours. */
	if (outcome->action == NAMES_ANSWER && (memcmp(out, query, 2) != 0 || !(out[2] & 0x80)))
		abort();
	if (outcome->action == NAMES_FORWARD && (out[2] & 0x80))
		abort();
}

static void fuzz_query(const struct names_zone *zone, const uint8_t *data, size_t size)
{
	static uint8_t out[NAMES_MESSAGE_MAX];
	struct names_outcome outcome = names_answer(zone, data, size, out, sizeof(out), true);

	check_answer(&outcome, data, NAMES_UDP_SIZE_MAX, out);
	outcome = names_answer(zone, data, size, out, sizeof(out), false);
	check_answer(&outcome, data, sizeof(out), out);
	names_failure(data, size, NAMES_RCODE_SERVFAIL, out, sizeof(out));
}

/* An answer to a question that leads out of the zone, and one that was just passed on. */
static void fuzz_reply(const struct names_zone *zone, const uint8_t *data, size_t size)
{
	static const uint8_t alias[] = "\0\1\1\0\0\1\0\0\0\0\0\0\1a\1x\10internal\0\0\1\0";
	static const uint8_t split[] = "\0\1\1\0\0\1\0\0\0\0\0\0\4host\4corp\7example\0\0\1\0";
	static const uint8_t mapped[] =
		"\0\1\1\0\0\1\0\0\0\0\0\0\0016\0010\00220\00210\7in-addr\4arpa\0\0\14\0";
	static const struct {
		const uint8_t *query;
		size_t len;
	} queries[] = { { alias, sizeof(alias) },
			{ split, sizeof(split) },
			{ mapped, sizeof(mapped) } };
	struct names_mapping mapping = { .real.len = 0 };
	static uint8_t out[NAMES_MESSAGE_MAX];
	uint8_t *copy = malloc(size + 1);
	size_t len;

	prefix_parse(&mapping.real, "10.0.0.0/8");
	prefix_parse(&mapping.seen, "11.0.0.0/8");
	/* Behind its header and question, so that they mostly are the right ones. */
	for (size_t i = 0; i < 3; i++) {
		uint8_t query[64];
		uint8_t sent[NAMES_UDP_SIZE];
		uint8_t reply[4096];
		struct names_outcome outcome;

		memcpy(query, queries[i].query, queries[i].len);
		query[queries[i].len - 1] = 1;
		outcome = names_answer(zone, query, queries[i].len, sent, sizeof(sent), true);
		if (outcome.action != NAMES_FORWARD || !outcome.split)
			abort();
		if (names_finish(zone, query, queries[i].len, data, size, out, sizeof(out), true,
				 &len) == 0 &&
		    (len > NAMES_UDP_SIZE || memcmp(out, query, 2) != 0))
			abort();
		if (size < 6 || outcome.len + size > sizeof(reply))
			continue;
		memcpy(reply, sent, outcome.len);
		reply[2] |= 0x80;
		memcpy(reply + 6, data, 6);
		memcpy(reply + outcome.len, data + 6, size - 6);
		names_matches(sent, outcome.len, reply, outcome.len + size - 6);
		names_translate(reply, outcome.len + size - 6, &mapping, 1);
		names_finish(zone, query, queries[i].len, reply, outcome.len + size - 6, out,
			     sizeof(out), false, &len);
	}
	if (copy && size)
		memcpy(copy, data, size);
	if (copy && names_translate(copy, size, &mapping, 1) <= 0 && memcmp(copy, data, size) != 0)
		abort();
	free(copy);
}

static void fuzz_document(const uint8_t *data, size_t size)
{
	struct names_document document;
	struct names_document again;
	char error[NAMES_ERROR_SIZE];
	struct names_zone *zone;
	char *text;
	size_t len;

	if (names_document_parse(&document, (const char *)data, size, "x", error) < 0)
		return;
	if (names_document_encode(&document, &text, &len) == 0) {
		if (names_document_parse(&again, text, len, "x", error) < 0)
			abort();
		names_document_clear(&again);
		free(text);
	}
	if (names_zone_new(&zone, &(struct names_source){ "x", NULL, NULL, &document, 1, NULL }) ==
	    0)
		names_zone_free(zone);
	names_document_clear(&document);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct names_zone *zone;

	if (!zone)
		zone = make_zone();
	if (size == 0)
		return 0;
	if (data[0] % 3 == 0)
		fuzz_query(zone, data + 1, size - 1);
	else if (data[0] % 3 == 1)
		fuzz_reply(zone, data + 1, size - 1);
	else
		fuzz_document(data + 1, size - 1);
	return 0;
}
