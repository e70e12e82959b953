/*
 * What servers send to a forwarded question: the id, question and flags are made to fit, so that
 * what follows is looked at; nothing may be believed that is not whole.
 */
#include <stdlib.h>
#include <string.h>

#include "proto/forwarder.h"
#include "proto/names.h"
#include "proto/names_translate.h"

static const uint8_t query[] = { 0, 0,   1, 0,   0,   1,   0,   0, 0, 0, 0, 0,
				 1, 'w', 4, 't', 'e', 's', 't', 0, 0, 1, 0, 1 };

static void check(bool holds)
{
	if (!holds)
		abort();
}

static void fill(void *arg, uint8_t *out, size_t len)
{
	(void)arg;
	memset(out, 0, len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct rng rng = { .fill = fill };
	struct forwarder *forwarder = forwarder_new(&rng);
	struct forwarder_servers servers = { .count = 2 };
	struct forwarder_send send;
	uint64_t now_ns = 1;
	int number;

	if (!forwarder)
		return 0;
	servers.list[0] = (struct endpoint){ .addr = addr_from_v4(1), .port = 53 };
	servers.list[1] = (struct endpoint){ .addr = addr_from_v4(2), .port = 53 };
	number = forwarder_ask(forwarder, query, sizeof(query), &servers, now_ns);
	check(number == 0);
	/* Messages behind a byte of their length; the first bit of it: they are made to fit. */
	while (size > 1) {
		size_t len = data[0] >> 1 < size - 1 ? data[0] >> 1 : size - 1;
		bool fits = data[0] & 1;
		uint8_t *message;
		enum forwarder_verdict verdict;

		while (forwarder_poll_send(forwarder, &send, now_ns))
			check(send.len == sizeof(query));
		len = size > 256 && fits ? size - 1 : len;
		message = malloc(len ? len : 1);
		memcpy(message, data + 1, len);
		if (fits && len >= sizeof(query)) {
			uint8_t flags = message[2] & 0x02, rcode = message[3];

			memcpy(message, query, 6);
			memcpy(message + 12, query + 12, sizeof(query) - 12);
			message[2] = 0x81 | flags;
			message[3] = rcode;
		}
		verdict = forwarder_input(forwarder, 0, message, len);
		if (verdict == FORWARDER_ANSWER) {
			check(len >= sizeof(query) && names_translate(message, len, NULL, 0) == 0);
			check(forwarder_next_timeout(forwarder) == UINT64_MAX);
		}
		free(message);
		data += len + 1;
		size -= len + 1;
		now_ns += 100000000;
		forwarder_expire(forwarder, now_ns);
		forwarder_poll_failed(forwarder);
	}
	forwarder_free(forwarder);
	return 0;
}
