#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "proto/ice.h"
#include "proto/ice_budget.h"

/*
 * An agent under arbitrary datagrams, with half a peer's description given. Input is a sequence of
 * (length, source selector, bytes); the FINGERPRINT and integrity are mended when the selector asks
 * for it, so that the fuzzer gets past authentication.
 */
#define DATAGRAMS_MAX 64

static const char local_text[] = "192.0.2.1:41641";

static void add_candidates(struct ice_agent *agent, struct endpoint *local)
{
	struct ice_description d = { .instance = 7, .generation = 1, .count = 2 };

	endpoint_parse(local, local_text);
	ice_add_local_candidate(agent, CANDIDATE_HOST, local, NULL, NULL, 1);
	strcpy(d.ufrag, "remo");
	strcpy(d.pwd, "0123456789012345678901");
	candidate_parse(&d.candidates[0], "candidate:1 1 udp 2130706431 192.0.2.2 9 typ host");
	candidate_parse(&d.candidates[1], "candidate:2 1 udp 1694498815 198.51.100.2 9 typ srflx "
					  "raddr 0.0.0.0 rport 9");
	ice_input_description(agent, &d, 1);
}

/* Rebuilds the attributes with the agent's own credentials. */
static size_t mend(uint8_t *out, size_t cap, const uint8_t *data, size_t len,
		   const struct ice_description *ours)
{
	/* Copies of a check, and others. */
	const uint8_t id[STUN_TRANSACTION_SIZE] = { 1, len ? data[0] & 3 : 0 };
	char username[2 * ICE_UFRAG_SIZE + 8];
	struct stun_builder b;
	size_t built = 0;

	stun_begin(&b, out, cap, STUN_REQUEST, STUN_BINDING, id);
	strcpy(username, ours->ufrag);
	strcat(username, ":remo");
	stun_add_text(&b, STUN_ATTR_USERNAME, username);
	for (size_t at = 0; at + 3 <= len && at + 3 + data[at + 2] % 32 <= len;
	     at += 3 + data[at + 2] % 32)
		stun_add(&b, (uint16_t)(data[at] << 8 | data[at + 1]), data + at + 3,
			 data[at + 2] % 32);
	stun_add_integrity(&b, ours->pwd, strlen(ours->pwd));
	stun_add_fingerprint(&b);
	stun_end(&b, &built);
	return built;
}

static void drain(struct ice_agent *agent, struct ice_description *ours, uint64_t now)
{
	static struct ice_datagram d;
	struct ice_event event;

	while (ice_poll_description(agent, ours, now))
		;
	while (ice_poll_output(agent, &d)) {
		if (d.len > ICE_DATAGRAM_SIZE || d.len < STUN_HEADER_SIZE)
			abort();
	}
	while (ice_poll_event(agent, &event))
		;
}

/* What a peer trickles, and what becomes of our own addresses. */
static void change_candidates(struct ice_agent *agent, const uint8_t *bytes, size_t len,
			      const struct endpoint *local, uint64_t now)
{
	struct ice_description d = { .instance = 7, .generation = 1 };
	struct ice_local_candidate set[2] = { { .type = CANDIDATE_HOST, .addr = *local } };

	strcpy(d.ufrag, "remo");
	strcpy(d.pwd, "0123456789012345678901");
	for (; d.count < len / 5 && d.count < ICE_CANDIDATES_MAX; d.count++) {
		const uint8_t *at = bytes + d.count * 5;

		d.candidates[d.count] = (struct candidate){
			.type = at[4] & 1 ? CANDIDATE_SRFLX : CANDIDATE_HOST,
			.addr = { .addr = addr_from_bytes(AF_INET, at), .port = at[4] },
			.priority = at[4],
		};
	}
	ice_input_description(agent, &d, now);
	set[1] = (struct ice_local_candidate){
		.type = CANDIDATE_SRFLX,
		.addr = { .addr = addr_from_v4(0xc6336401u), .port = (uint16_t)(1 + len) },
		.base = *local,
	};
	ice_set_local_candidates(agent, set, 1 + len % 2, now);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct ice_description ours;
	struct rng_seeded seeded;
	struct ice_config config = { .controlling = size % 2 };
	struct endpoint local, remote;
	struct ice_agent *agent;
	uint8_t buf[1024];
	uint64_t now = 1;

	rng_seeded_init(&seeded, 1);
	config.rng = rng_from_seeded(&seeded);
	config.budget = ice_budget_new(&config.rng);
	agent = ice_agent_new(&config, now);
	add_candidates(agent, &local);
	endpoint_parse(&remote, "192.0.2.2:9");
	drain(agent, &ours, now);
	for (size_t at = 0, n = 0; at + 2 <= size && n < DATAGRAMS_MAX; n++) {
		size_t len = data[at], selector = data[at + 1];
		const uint8_t *bytes = data + at + 2;

		if (len > size - at - 2)
			len = size - at - 2;
		at += 2 + len;
		remote.port = (uint16_t)(9 + (selector >> 1 & 3));
		if (selector == 0xfd)
			change_candidates(agent, bytes, len, &local, now);
		if (selector & 1)
			ice_input(agent, buf, mend(buf, sizeof(buf), bytes, len, &ours), &local,
				  &remote, now);
		else
			ice_input(agent, bytes, len, &local, &remote, now);
		now += (selector >> 3) * 7 * NS_PER_MS;
		if (selector == 0xff)
			ice_restart(agent, now);
		if (ice_next_timeout(agent) <= now)
			ice_expire(agent, now);
		drain(agent, &ours, now);
	}
	ice_agent_free(agent);
	ice_budget_free(config.budget);
	return 0;
}
