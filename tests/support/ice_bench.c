#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/ice_bench.h"

struct endpoint ice_bench_endpoint(const char *text)
{
	struct endpoint e;

	assert_int_equal(endpoint_parse(&e, text), 0);
	return e;
}

void ice_bench_drain(struct ice_bench *b, uint64_t now)
{
	b->out_count = b->event_count = b->descriptions = 0;
	while (ice_poll_description(b->agent, &b->ours, now))
		b->descriptions++;
	while (b->out_count < 64 && ice_poll_output(b->agent, &b->out[b->out_count]))
		b->out_count++;
	while (b->event_count < 64 && ice_poll_event(b->agent, &b->events[b->event_count]))
		b->event_count++;
}

struct ice_description ice_bench_description(uint32_t generation, const char *line)
{
	struct ice_description d = { .instance = 77, .generation = generation };

	snprintf(d.ufrag, sizeof(d.ufrag), "%s%u", ICE_BENCH_UFRAG, generation);
	snprintf(d.pwd, sizeof(d.pwd), "%s", ICE_BENCH_PWD);
	if (line) {
		assert_int_equal(candidate_parse(&d.candidates[0], line), 0);
		d.count = 1;
	}
	return d;
}

void ice_bench_init(struct ice_bench *b, bool controlling)
{
	struct ice_config config = { .controlling = controlling };

	memset(b, 0, sizeof(*b));
	rng_seeded_init(&b->seeded, 3);
	config.rng = rng_from_seeded(&b->seeded);
	b->agent = ice_agent_new(&config, T0);
	b->local = ice_bench_endpoint("192.0.2.1:41641");
	b->remote = ice_bench_endpoint("198.51.100.9:900");
	assert_int_equal(ice_add_local_candidate(b->agent, CANDIDATE_HOST, &b->local, NULL, NULL,
						 T0),
			 0);
	ice_bench_drain(b, T0);
	assert_int_equal(b->descriptions, 1);
}

void ice_bench_bind(struct ice_bench *b, uint64_t now)
{
	struct ice_description d = ice_bench_description(1, ICE_BENCH_LINE);

	assert_int_equal(ice_input_description(b->agent, &d, now), 0);
}

size_t ice_bench_build(const struct ice_bench *b, uint8_t buf[static 512],
		       const struct ice_bench_request *r)
{
	static uint8_t id[STUN_TRANSACTION_SIZE];
	const char *pwd = r->pwd ? r->pwd : b->ours.pwd;
	char username[128];
	struct stun_builder m;
	size_t len;

	id[0]++;
	snprintf(username, sizeof(username), "%s:%s1", b->ours.ufrag, ICE_BENCH_UFRAG);
	stun_begin(&m, buf, 512, STUN_REQUEST, STUN_BINDING, id);
	stun_add_text(&m, STUN_ATTR_USERNAME, r->username ? r->username : username);
	if (!r->no_priority)
		stun_add_u32(&m, STUN_ATTR_PRIORITY, 0x6e0000ff);
	stun_add_u64(&m, r->controlling ? STUN_ATTR_ICE_CONTROLLING : STUN_ATTR_ICE_CONTROLLED,
		     r->tie_breaker);
	if (r->use_candidate)
		stun_add(&m, STUN_ATTR_USE_CANDIDATE, NULL, 0);
	if (r->extra)
		stun_add(&m, r->extra, NULL, 0);
	if (!r->no_integrity)
		stun_add_integrity(&m, pwd, strlen(pwd));
	if (!r->no_fingerprint)
		stun_add_fingerprint(&m);
	assert_int_equal(stun_end(&m, &len), 0);
	return len;
}

int ice_bench_request(struct ice_bench *b, const struct ice_bench_request *r,
		      const struct endpoint *from, uint64_t now)
{
	uint8_t buf[512];
	int err = ice_input(b->agent, buf, ice_bench_build(b, buf, r), &b->local, from, now);

	ice_bench_drain(b, now);
	return err;
}

/* The peer's answer to a check: code 0 for success. */
int ice_bench_answer_from(struct ice_bench *b, const struct ice_datagram *check, unsigned int code,
			  const char *pwd, const struct endpoint *from, uint64_t now)
{
	struct stun_message msg;
	struct stun_builder m;
	uint8_t buf[256];
	size_t len;
	int err;

	assert_int_equal(stun_parse(&msg, check->data, check->len), 0);
	stun_begin_response(&m, buf, sizeof(buf), code ? STUN_ERROR : STUN_SUCCESS, &msg);
	if (code)
		stun_add_error(&m, code);
	else
		stun_add_endpoint(&m, STUN_ATTR_XOR_MAPPED_ADDRESS, &b->local);
	if (pwd)
		stun_add_integrity(&m, pwd, strlen(pwd));
	stun_add_fingerprint(&m);
	assert_int_equal(stun_end(&m, &len), 0);
	err = ice_input(b->agent, buf, len, &b->local, from, now);
	ice_bench_drain(b, now);
	return err;
}

int ice_bench_answer(struct ice_bench *b, const struct ice_datagram *check, uint64_t now)
{
	return ice_bench_answer_from(b, check, 0, ICE_BENCH_PWD, &b->remote, now);
}

unsigned int ice_bench_error_of(const struct ice_datagram *d)
{
	struct stun_message msg;
	unsigned int code = 0;

	assert_int_equal(stun_parse(&msg, d->data, d->len), 0);
	if (msg.class == STUN_ERROR)
		assert_int_equal(stun_get_error(&msg, &code), 0);
	return code;
}

bool ice_bench_is_request(const struct ice_datagram *d)
{
	return d->data[0] == 0 && d->data[1] == 1;
}

const struct ice_event *ice_bench_find_event(const struct ice_bench *b, enum ice_event_type type)
{
	for (size_t i = 0; i < b->event_count; i++) {
		if (b->events[i].type == type)
			return &b->events[i];
	}
	return NULL;
}

/* Lets time pass until the next datagram; its time. */
uint64_t ice_bench_next_output(struct ice_bench *b)
{
	for (int i = 0; i < 1000; i++) {
		uint64_t now = ice_next_timeout(b->agent);

		assert_true(now != CLOCK_NEVER);
		ice_expire(b->agent, now);
		ice_bench_drain(b, now);
		if (b->out_count)
			return now;
	}
	fail_msg("no output");
	return 0;
}

/* Up to the first valid pair; returns its id. */
uint32_t ice_bench_begin_valid(struct ice_bench *b, bool controlling)
{
	const struct ice_event *e;

	ice_bench_init(b, controlling);
	ice_bench_bind(b, T0);
	ice_bench_drain(b, T0);
	assert_int_equal(b->out_count, 1);
	assert_int_equal(ice_bench_answer(b, &b->out[0], T0 + 20 * MS), 0);
	e = ice_bench_find_event(b, ICE_EVENT_PAIR_VALID);
	assert_non_null(e);
	assert_true(e->pair.rtt_ns == 20 * MS);
	return e->pair.id;
}
