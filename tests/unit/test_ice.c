/*
 * One agent, clause by clause, against a peer played by hand: what it sends, when, and what it
 * makes of answers good and bad. How two agents get on in a network is the simulator's business.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "proto/ice.h"

#define MS NS_PER_MS
#define T0 (1000 * NS_PER_S)

static const char peer_ufrag[] = "PEER";
static const char peer_pwd[] = "peerpasswordpeerpasswo";

/* The agent under test, its peer's view of it, and what it told since the last look. */
struct bench {
	struct ice_agent *agent;
	struct rng_seeded seeded;
	struct ice_description ours;
	struct endpoint local, remote;
	struct ice_datagram out[64];
	size_t out_count;
	struct ice_event events[64];
	size_t event_count;
	size_t descriptions;
};

static struct endpoint ep(const char *text)
{
	struct endpoint e;

	assert_int_equal(endpoint_parse(&e, text), 0);
	return e;
}

static void drain(struct bench *b, uint64_t now)
{
	b->out_count = b->event_count = b->descriptions = 0;
	while (ice_poll_description(b->agent, &b->ours, now))
		b->descriptions++;
	while (b->out_count < 64 && ice_poll_output(b->agent, &b->out[b->out_count]))
		b->out_count++;
	while (b->event_count < 64 && ice_poll_event(b->agent, &b->events[b->event_count]))
		b->event_count++;
}

static struct ice_description peer_description(uint32_t generation, const char *line)
{
	struct ice_description d = { .instance = 77, .generation = generation };

	snprintf(d.ufrag, sizeof(d.ufrag), "%s%u", peer_ufrag, generation);
	snprintf(d.pwd, sizeof(d.pwd), "%s", peer_pwd);
	if (line) {
		assert_int_equal(candidate_parse(&d.candidates[0], line), 0);
		d.count = 1;
	}
	return d;
}

#define PEER_LINE "candidate:1 1 udp 2130706431 198.51.100.9 900 typ host"

static void begin(struct bench *b, bool controlling)
{
	struct ice_config config = { .controlling = controlling };

	memset(b, 0, sizeof(*b));
	rng_seeded_init(&b->seeded, 3);
	config.rng = rng_from_seeded(&b->seeded);
	b->agent = ice_agent_new(&config, T0);
	b->local = ep("192.0.2.1:41641");
	b->remote = ep("198.51.100.9:900");
	assert_int_equal(ice_add_local_candidate(b->agent, CANDIDATE_HOST, &b->local, NULL, NULL,
						 T0),
			 0);
	drain(b, T0);
	assert_int_equal(b->descriptions, 1);
}

static void bind_peer(struct bench *b, uint64_t now)
{
	struct ice_description d = peer_description(1, PEER_LINE);

	assert_int_equal(ice_input_description(b->agent, &d, now), 0);
}

/* A request to the agent as its peer would send it. */
struct request {
	const char *pwd; /* NULL: the right one */
	const char *username;
	bool controlling;
	uint64_t tie_breaker;
	bool use_candidate, no_priority, no_integrity, no_fingerprint;
	uint16_t extra; /* attribute to add */
};

static size_t build(const struct bench *b, uint8_t buf[static 512], const struct request *r)
{
	static uint8_t id[STUN_TRANSACTION_SIZE];
	const char *pwd = r->pwd ? r->pwd : b->ours.pwd;
	char username[128];
	struct stun_builder m;
	size_t len;

	id[0]++;
	snprintf(username, sizeof(username), "%s:%s1", b->ours.ufrag, peer_ufrag);
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

static int request(struct bench *b, const struct request *r, const struct endpoint *from,
		   uint64_t now)
{
	uint8_t buf[512];
	int err = ice_input(b->agent, buf, build(b, buf, r), &b->local, from, now);

	drain(b, now);
	return err;
}

/* The peer's answer to a check: code 0 for success. */
static int answer_from(struct bench *b, const struct ice_datagram *check, unsigned int code,
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
	drain(b, now);
	return err;
}

static int answer(struct bench *b, const struct ice_datagram *check, uint64_t now)
{
	return answer_from(b, check, 0, peer_pwd, &b->remote, now);
}

static unsigned int error_of(const struct ice_datagram *d)
{
	struct stun_message msg;
	unsigned int code = 0;

	assert_int_equal(stun_parse(&msg, d->data, d->len), 0);
	if (msg.class == STUN_ERROR)
		assert_int_equal(stun_get_error(&msg, &code), 0);
	return code;
}

static bool is_request(const struct ice_datagram *d)
{
	return d->data[0] == 0 && d->data[1] == 1;
}

static const struct ice_event *find_event(const struct bench *b, enum ice_event_type type)
{
	for (size_t i = 0; i < b->event_count; i++) {
		if (b->events[i].type == type)
			return &b->events[i];
	}
	return NULL;
}

/* Lets time pass until the next datagram; its time. */
static uint64_t next_output(struct bench *b)
{
	for (int i = 0; i < 1000; i++) {
		uint64_t now = ice_next_timeout(b->agent);

		assert_true(now != CLOCK_NEVER);
		ice_expire(b->agent, now);
		drain(b, now);
		if (b->out_count)
			return now;
	}
	fail_msg("no output");
	return 0;
}

/* Up to the first valid pair; returns its id. */
static uint32_t begin_valid(struct bench *b, bool controlling)
{
	const struct ice_event *e;

	begin(b, controlling);
	bind_peer(b, T0);
	drain(b, T0);
	assert_int_equal(b->out_count, 1);
	assert_int_equal(answer(b, &b->out[0], T0 + 20 * MS), 0);
	e = find_event(b, ICE_EVENT_PAIR_VALID);
	assert_non_null(e);
	assert_true(e->pair.rtt_ns == 20 * MS);
	return e->pair.id;
}

/* ---- checks ---- */

static void test_check_contents(void **state)
{
	struct bench b;
	struct stun_message msg;
	char name[128], want[128];
	uint32_t priority;

	(void)state;
	for (int controlling = 0; controlling < 2; controlling++) {
		begin(&b, controlling);
		bind_peer(&b, T0);
		drain(&b, T0);
		assert_int_equal(b.out_count, 1);
		assert_true(endpoint_equal(&b.out[0].local, &b.local));
		assert_true(endpoint_equal(&b.out[0].remote, &b.remote));
		assert_int_equal(stun_parse(&msg, b.out[0].data, b.out[0].len), 0);
		assert_true(msg.has_fingerprint);
		assert_true(stun_check_integrity(&msg, peer_pwd, strlen(peer_pwd)));
		assert_int_equal(stun_get_text(&msg, STUN_ATTR_USERNAME, name, sizeof(name)), 0);
		snprintf(want, sizeof(want), "%s1:%s", peer_ufrag, b.ours.ufrag);
		assert_string_equal(name, want);
		/* RFC 8445 section 7.1.1: as if it were peer-reflexive. */
		assert_int_equal(stun_get_u32(&msg, STUN_ATTR_PRIORITY, &priority), 0);
		assert_int_equal(priority >> 24, 110);
		assert_int_equal(stun_has(&msg, STUN_ATTR_ICE_CONTROLLING), controlling);
		assert_int_equal(stun_has(&msg, STUN_ATTR_ICE_CONTROLLED), !controlling);
		assert_false(stun_has(&msg, STUN_ATTR_USE_CANDIDATE));
		ice_agent_free(b.agent);
	}
}

static void test_dense_schedule_and_patience(void **state)
{
	static const unsigned int times_ms[] = { 50, 100, 200, 400, 800, 1800, 2800, 3800 };
	struct bench b;
	uint64_t now = T0;

	(void)state;
	begin(&b, true);
	bind_peer(&b, T0);
	drain(&b, T0);
	assert_int_equal(b.out_count, 1);
	for (size_t i = 0; i < sizeof(times_ms) / sizeof(times_ms[0]); i++)
		assert_true(next_output(&b) == T0 + times_ms[i] * MS);
	/* RFC 8863: not failed before 39.5 s, and silent afterwards. */
	while (!find_event(&b, ICE_EVENT_FAILED)) {
		now = ice_next_timeout(b.agent);
		ice_expire(b.agent, now);
		drain(&b, now);
	}
	assert_true(now == T0 + 39500 * MS);
	assert_true(ice_next_timeout(b.agent) == CLOCK_NEVER);
	ice_agent_free(b.agent);
}

static void test_pace(void **state)
{
	struct ice_description d = peer_description(1, NULL);
	struct bench b;
	uint64_t last = T0, now;

	(void)state;
	begin(&b, true);
	for (d.count = 0; d.count < 10; d.count++) {
		assert_int_equal(candidate_parse(&d.candidates[d.count], PEER_LINE), 0);
		d.candidates[d.count].addr.port = (uint16_t)(900 + d.count);
	}
	assert_int_equal(ice_input_description(b.agent, &d, T0), 0);
	drain(&b, T0);
	assert_int_equal(b.out_count, 1);
	for (int i = 1; i < 30; i++) {
		now = next_output(&b);
		assert_int_equal(b.out_count, 1);
		assert_true(now >= last + 5 * MS);
		if (i < 10)
			assert_true(now == last + 5 * MS);
		last = now;
	}
	ice_agent_free(b.agent);
}

static void test_response_from_elsewhere_fails_the_pair(void **state)
{
	struct endpoint elsewhere = ep("198.51.100.9:901");
	struct bench b;
	struct ice_datagram check;

	(void)state;
	begin(&b, true);
	bind_peer(&b, T0);
	drain(&b, T0);
	check = b.out[0];
	assert_int_equal(answer_from(&b, &check, 0, peer_pwd, &elsewhere, T0 + MS), -EPERM);
	assert_int_equal(b.event_count, 0);
	ice_expire(b.agent, T0 + NS_PER_S);
	drain(&b, T0 + NS_PER_S);
	assert_int_equal(b.out_count, 0); /* no longer checked */
	ice_agent_free(b.agent);
}

static void test_forged_responses_ignored(void **state)
{
	struct bench b;
	struct ice_datagram check;

	(void)state;
	begin(&b, true);
	bind_peer(&b, T0);
	drain(&b, T0);
	check = b.out[0];
	assert_int_equal(answer_from(&b, &check, 0, NULL, &b.remote, T0), -EPERM);
	assert_int_equal(answer_from(&b, &check, 0, "wrong", &b.remote, T0), -EPERM);
	assert_int_equal(answer_from(&b, &check, 400, NULL, &b.remote, T0), -EPERM);
	assert_int_equal(b.event_count, 0);
	assert_true(ice_owns_transaction(b.agent, check.data + 8));
	assert_int_equal(answer(&b, &check, T0), 0);
	assert_non_null(find_event(&b, ICE_EVENT_PAIR_VALID));
	assert_false(ice_owns_transaction(b.agent, check.data + 8));
	assert_int_equal(answer(&b, &check, T0), -EPERM); /* once only */
	ice_agent_free(b.agent);
}

/* ---- nomination ---- */

static void test_controlling_nominates_once(void **state)
{
	struct stun_message msg;
	uint32_t id;
	struct bench b;

	(void)state;
	id = begin_valid(&b, true);
	/* Nothing better can come: the nominating check goes out with the same answer. */
	if (!b.out_count)
		next_output(&b);
	assert_int_equal(stun_parse(&msg, b.out[0].data, b.out[0].len), 0);
	assert_true(stun_has(&msg, STUN_ATTR_USE_CANDIDATE));
	assert_int_equal(answer(&b, &b.out[0], T0 + 60 * MS), 0);
	assert_non_null(find_event(&b, ICE_EVENT_SELECTED));
	assert_int_equal(find_event(&b, ICE_EVENT_SELECTED)->pair.id, id);
	next_output(&b); /* consent */
	assert_int_equal(stun_parse(&msg, b.out[0].data, b.out[0].len), 0);
	assert_false(stun_has(&msg, STUN_ATTR_USE_CANDIDATE));
	ice_agent_free(b.agent);
}

static void test_controlled_is_told(void **state)
{
	const struct request plain = { .controlling = true };
	const struct request chosen = { .controlling = true, .use_candidate = true };
	struct stun_message msg;
	struct bench b;

	(void)state;
	begin_valid(&b, false);
	for (int i = 0; i < 5; i++) { /* never nominates by itself */
		next_output(&b);
		assert_int_equal(stun_parse(&msg, b.out[0].data, b.out[0].len), 0);
		assert_false(stun_has(&msg, STUN_ATTR_USE_CANDIDATE));
		assert_int_equal(answer(&b, &b.out[0], ice_next_timeout(b.agent) - MS), 0);
	}
	assert_int_equal(request(&b, &plain, &b.remote, T0 + 30 * NS_PER_S), 0);
	assert_null(find_event(&b, ICE_EVENT_SELECTED));
	assert_int_equal(request(&b, &chosen, &b.remote, T0 + 30 * NS_PER_S), 0);
	assert_non_null(find_event(&b, ICE_EVENT_SELECTED));
	assert_int_equal(request(&b, &chosen, &b.remote, T0 + 30 * NS_PER_S), 0);
	assert_null(find_event(&b, ICE_EVENT_SELECTED));
	ice_agent_free(b.agent);
}

/* USE-CANDIDATE before our own check succeeded: selected when it does. */
static void test_nominated_before_valid(void **state)
{
	const struct request chosen = { .controlling = true, .use_candidate = true };
	struct bench b;
	size_t i = 0;

	(void)state;
	begin(&b, false);
	bind_peer(&b, T0);
	drain(&b, T0);
	assert_int_equal(request(&b, &chosen, &b.remote, T0 + 30 * MS), 0);
	assert_null(find_event(&b, ICE_EVENT_SELECTED));
	while (i < b.out_count && !is_request(&b.out[i]))
		i++;
	assert_in_range(i, 0, b.out_count - 1); /* the triggered check */
	assert_int_equal(answer(&b, &b.out[i], T0 + 50 * MS), 0);
	assert_non_null(find_event(&b, ICE_EVENT_SELECTED));
	ice_agent_free(b.agent);
}

/* ---- requests ---- */

static void test_requests_answered_and_refused(void **state)
{
	const struct request good = { .controlling = false };
	const struct request wrong_pwd = { .pwd = "wrongwrongwrongwrongwr" };
	const struct request wrong_name = { .username = "nobody:PEER1" };
	const struct request unsigned_one = { .no_integrity = true };
	const struct request unprinted = { .no_fingerprint = true };
	const struct request without = { .no_priority = true };
	const struct request unknown = { .extra = 0x7abc };
	struct stun_message msg;
	struct endpoint mapped;
	struct bench b;

	(void)state;
	begin(&b, true);
	assert_int_equal(request(&b, &good, &b.remote, T0), 0);
	assert_int_equal(b.out_count, 1); /* no check before the peer's password is known */
	assert_int_equal(stun_parse(&msg, b.out[0].data, b.out[0].len), 0);
	assert_int_equal(msg.class, STUN_SUCCESS);
	assert_true(msg.has_fingerprint);
	assert_true(stun_check_integrity(&msg, b.ours.pwd, strlen(b.ours.pwd)));
	assert_int_equal(stun_get_endpoint(&msg, STUN_ATTR_XOR_MAPPED_ADDRESS, &mapped), 0);
	assert_true(endpoint_equal(&mapped, &b.remote));

	assert_int_equal(request(&b, &wrong_pwd, &b.remote, T0), -EPERM);
	assert_int_equal(error_of(&b.out[0]), 401);
	assert_int_equal(request(&b, &wrong_name, &b.remote, T0), -EPERM);
	assert_int_equal(error_of(&b.out[0]), 401);
	assert_int_equal(request(&b, &unsigned_one, &b.remote, T0), -EPERM);
	assert_int_equal(error_of(&b.out[0]), 400);
	assert_int_equal(request(&b, &without, &b.remote, T0), -EPERM);
	assert_int_equal(error_of(&b.out[0]), 400);
	assert_int_equal(request(&b, &unknown, &b.remote, T0), -EPERM);
	assert_int_equal(error_of(&b.out[0]), 420);
	assert_int_equal(request(&b, &unprinted, &b.remote, T0), -EPERM);
	assert_int_equal(b.out_count, 0);
	ice_agent_free(b.agent);
}

/* An early check makes a peer-reflexive candidate that is checked as soon as may be. */
static void test_peer_reflexive(void **state)
{
	const struct request good = { .controlling = false };
	struct ice_description d = peer_description(1, NULL);
	struct endpoint learnt = ep("203.0.113.7:7777");
	struct bench b;

	(void)state;
	begin(&b, true);
	assert_int_equal(request(&b, &good, &learnt, T0), 0);
	assert_int_equal(ice_input_description(b.agent, &d, T0 + 10 * MS), 0);
	drain(&b, T0 + 10 * MS);
	assert_int_equal(b.out_count, 1);
	assert_true(endpoint_equal(&b.out[0].remote, &learnt));
	assert_int_equal(answer_from(&b, &b.out[0], 0, peer_pwd, &learnt, T0 + 20 * MS), 0);
	assert_non_null(find_event(&b, ICE_EVENT_PAIR_VALID));
	ice_agent_free(b.agent);
}

/* ---- roles ---- */

static void test_role_conflicts(void **state)
{
	struct request lower = { .controlling = true, .tie_breaker = 0 };
	struct request higher = { .controlling = true, .tie_breaker = UINT64_MAX };
	struct bench b;

	(void)state;
	/* Both controlling: the larger tie-breaker stays (RFC 8445 section 7.3.1.1). */
	begin(&b, true);
	assert_int_equal(request(&b, &lower, &b.remote, T0), -EPERM);
	assert_int_equal(error_of(&b.out[0]), 487);
	assert_true(ice_is_controlling(b.agent));
	assert_int_equal(request(&b, &higher, &b.remote, T0), 0);
	assert_false(ice_is_controlling(b.agent));
	assert_non_null(find_event(&b, ICE_EVENT_ROLE));
	ice_agent_free(b.agent);
	/* Both controlled: the larger becomes controlling. */
	lower.controlling = higher.controlling = false;
	begin(&b, false);
	assert_int_equal(request(&b, &higher, &b.remote, T0), -EPERM);
	assert_int_equal(error_of(&b.out[0]), 487);
	assert_false(ice_is_controlling(b.agent));
	assert_int_equal(request(&b, &lower, &b.remote, T0), 0);
	assert_true(ice_is_controlling(b.agent));
	ice_agent_free(b.agent);
}

static void test_487_switches(void **state)
{
	struct stun_message msg;
	uint64_t before, after;
	struct bench b;

	(void)state;
	begin(&b, true);
	bind_peer(&b, T0);
	drain(&b, T0);
	assert_int_equal(stun_parse(&msg, b.out[0].data, b.out[0].len), 0);
	assert_int_equal(stun_get_u64(&msg, STUN_ATTR_ICE_CONTROLLING, &before), 0);
	assert_int_equal(answer_from(&b, &b.out[0], 487, peer_pwd, &b.remote, T0 + 10 * MS), 0);
	assert_false(ice_is_controlling(b.agent));
	assert_int_equal(b.out_count, 1); /* asked again at once, in the new role */
	assert_int_equal(stun_parse(&msg, b.out[0].data, b.out[0].len), 0);
	assert_int_equal(stun_get_u64(&msg, STUN_ATTR_ICE_CONTROLLED, &after), 0);
	assert_true(before != after);
	ice_agent_free(b.agent);
}

/* ---- consent ---- */

static void test_consent(void **state)
{
	uint64_t last, now, answered = T0 + 20 * MS;
	uint8_t id[STUN_TRANSACTION_SIZE] = { 0 };
	struct bench b;

	(void)state;
	begin_valid(&b, false);
	last = answered;
	for (int i = 0; i < 20; i++) { /* RFC 7675: 4 to 6 s apart, a new id each */
		now = next_output(&b);
		assert_true(now >= last + 4 * NS_PER_S && now <= last + 6 * NS_PER_S);
		assert_memory_not_equal(b.out[0].data + 8, id, sizeof(id));
		memcpy(id, b.out[0].data + 8, sizeof(id));
		assert_int_equal(answer(&b, &b.out[0], now), 0);
		assert_non_null(find_event(&b, ICE_EVENT_PAIR_RTT));
		last = now;
	}
	answered = last;
	do { /* no answer for 30 s ends it */
		now = ice_next_timeout(b.agent);
		ice_expire(b.agent, now);
		drain(&b, now);
	} while (!find_event(&b, ICE_EVENT_PAIR_LOST));
	assert_true(now == answered + 30 * NS_PER_S);
	ice_agent_free(b.agent);
}

static void test_idle_pairs_are_only_kept_open(void **state)
{
	struct bench b;
	uint64_t now, last;

	(void)state;
	begin_valid(&b, false);
	ice_set_active(b.agent, false, T0 + 20 * MS);
	last = next_output(&b);
	assert_int_equal(answer(&b, &b.out[0], last), 0);
	for (int i = 0; i < 5; i++) {
		now = next_output(&b);
		assert_true(now >= last + 15 * NS_PER_S && now <= last + 25 * NS_PER_S);
		assert_int_equal(answer(&b, &b.out[0], now), 0);
		last = now;
	}
	ice_set_active(b.agent, true, last + 20 * NS_PER_S / 2);
	drain(&b, last + 20 * NS_PER_S / 2);
	assert_int_equal(b.out_count, 1); /* asked at once */
	ice_agent_free(b.agent);
}

static void test_probe(void **state)
{
	uint32_t id;
	struct bench b;

	(void)state;
	id = begin_valid(&b, false);
	assert_int_equal(ice_probe(b.agent, id + 1, T0 + NS_PER_S), -ENOENT);
	assert_int_equal(ice_probe(b.agent, id, T0 + NS_PER_S), 0);
	drain(&b, T0 + NS_PER_S);
	assert_int_equal(b.out_count, 1);
	assert_int_equal(answer(&b, &b.out[0], T0 + NS_PER_S + 33 * MS), 0);
	assert_true(find_event(&b, ICE_EVENT_PAIR_RTT)->pair.rtt_ns == 33 * MS);
	ice_agent_free(b.agent);
}

/* ---- sessions ---- */

static void test_restart_keeps_the_old_pair(void **state)
{
	struct ice_description d;
	struct ice_pair_info info;
	struct request old;
	char before[ICE_UFRAG_SIZE], pwd[ICE_PWD_SIZE], username[64];
	struct bench b;
	uint64_t now = T0 + 2 * NS_PER_S;
	uint32_t id;

	(void)state;
	id = begin_valid(&b, false);
	strcpy(before, b.ours.ufrag);
	strcpy(pwd, b.ours.pwd);
	ice_restart(b.agent, now);
	drain(&b, now);
	assert_int_equal(b.descriptions, 1);
	assert_int_equal(b.ours.generation, 2);
	assert_int_equal(b.ours.count, 1); /* the same candidates are told again */
	assert_string_not_equal(b.ours.ufrag, before);
	assert_string_not_equal(b.ours.pwd, pwd);
	assert_true(ice_owns_ufrag(b.agent, before) && ice_owns_ufrag(b.agent, b.ours.ufrag));
	assert_true(ice_pair_find(b.agent, id, &info));
	/* The peer's consent checks on the old session are still answered. */
	snprintf(username, sizeof(username), "%s:x", before);
	old = (struct request){ .pwd = pwd, .username = username, .controlling = true };
	assert_int_equal(request(&b, &old, &b.remote, now), 0);
	assert_int_equal(error_of(&b.out[0]), 0);
	/* What the peer sent before it knew is stale; its new session is joined. */
	d = peer_description(1, PEER_LINE);
	assert_int_equal(ice_input_description(b.agent, &d, now), -ESTALE);
	d = peer_description(2, PEER_LINE);
	strcpy(d.answers, b.ours.ufrag);
	assert_int_equal(ice_input_description(b.agent, &d, now), 0);
	drain(&b, now);
	while (!b.out_count || !is_request(&b.out[0]))
		now = next_output(&b);
	assert_int_equal(answer(&b, &b.out[0], now + MS), 0);
	assert_int_equal(find_event(&b, ICE_EVENT_PAIR_VALID)->pair.id, id);
	/* Selected in the new session: the old one ends, and nothing is lost by that. */
	now += 2 * MS;
	old = (struct request){ .controlling = true, .use_candidate = true };
	assert_int_equal(request(&b, &old, &b.remote, now), 0);
	assert_non_null(find_event(&b, ICE_EVENT_SELECTED));
	ice_expire(b.agent, now + NS_PER_S);
	drain(&b, now + NS_PER_S);
	assert_null(find_event(&b, ICE_EVENT_PAIR_LOST));
	assert_false(ice_owns_ufrag(b.agent, before));
	assert_true(ice_pair_find(b.agent, id, &info));
	ice_agent_free(b.agent);
}

static void test_peer_restart_restarts_us(void **state)
{
	struct ice_description d = peer_description(2, PEER_LINE);
	char before[ICE_UFRAG_SIZE];
	struct bench b;

	(void)state;
	begin_valid(&b, false);
	strcpy(before, b.ours.ufrag);
	assert_int_equal(ice_input_description(b.agent, &d, T0 + NS_PER_S), 0);
	drain(&b, T0 + NS_PER_S);
	assert_int_equal(b.descriptions, 1);
	assert_string_not_equal(b.ours.ufrag, before);
	assert_string_equal(b.ours.answers, d.ufrag);
	/* An older one or the same again changes nothing. */
	d = peer_description(1, PEER_LINE);
	assert_int_equal(ice_input_description(b.agent, &d, T0 + NS_PER_S), -ESTALE);
	d = peer_description(2, NULL);
	strcpy(d.answers, b.ours.ufrag);
	assert_int_equal(ice_input_description(b.agent, &d, T0 + NS_PER_S), 0);
	drain(&b, T0 + NS_PER_S);
	assert_int_equal(b.descriptions, 0);
	ice_agent_free(b.agent);
}

static void test_unanswered_offer_is_told_again(void **state)
{
	static const unsigned int times_s[] = { 1, 3, 7, 15, 31 };
	struct bench b;

	(void)state;
	begin(&b, true);
	for (size_t i = 0; i < sizeof(times_s) / sizeof(times_s[0]); i++) {
		uint64_t now = ice_next_timeout(b.agent);

		assert_true(now == T0 + times_s[i] * NS_PER_S);
		ice_expire(b.agent, now);
		drain(&b, now);
		assert_int_equal(b.descriptions, 1);
		assert_int_equal(b.ours.count, 1);
	}
	ice_agent_free(b.agent);
}

/* RFC 8838: each candidate once; the end is told. */
static void test_trickle(void **state)
{
	struct endpoint mapped = ep("203.0.113.5:5");
	struct ice_description d = peer_description(1, PEER_LINE);
	struct bench b;

	(void)state;
	begin(&b, true);
	assert_int_equal(ice_input_description(b.agent, &d, T0), 0);
	drain(&b, T0);
	assert_int_equal(ice_add_local_candidate(b.agent, CANDIDATE_SRFLX, &mapped, &b.local, NULL,
						 T0),
			 0);
	ice_end_local_candidates(b.agent);
	drain(&b, T0);
	assert_int_equal(b.descriptions, 1);
	assert_int_equal(b.ours.count, 1);
	assert_int_equal(b.ours.candidates[0].type, CANDIDATE_SRFLX);
	assert_int_equal(b.ours.candidates[0].related.addr.family, 0); /* our LAN is not told */
	assert_true(b.ours.end);
	/* The same again is nothing new; a newer answer of the same server is. */
	ice_add_local_candidate(b.agent, CANDIDATE_SRFLX, &mapped, &b.local, NULL, T0);
	drain(&b, T0);
	assert_int_equal(b.descriptions, 0);
	mapped.port = 6;
	ice_add_local_candidate(b.agent, CANDIDATE_SRFLX, &mapped, &b.local, NULL, T0);
	drain(&b, T0);
	assert_int_equal(b.descriptions, 1);
	assert_int_equal(b.ours.candidates[0].addr.port, 6);
	ice_agent_free(b.agent);
}

/* ---- bounds ---- */

static void test_hostile_candidates(void **state)
{
	static const char *const lines[] = {
		"candidate:1 1 udp 9 127.0.0.1 900 typ host",
		"candidate:1 1 udp 9 224.0.0.1 900 typ host",
		"candidate:1 1 udp 9 169.254.3.4 900 typ host",
		"candidate:1 1 udp 9 100.64.0.1 900 typ host",
		"candidate:1 1 udp 9 0.0.0.0 900 typ host",
		"candidate:1 1 udp 9 192.0.2.1 41641 typ host",
		"candidate:1 1 udp 9 fe80::1 900 typ host",
		"candidate:1 1 udp 9 2001:db8::1 900 typ host",
		"candidate:1 1 udp 9 198.51.100.1 900 typ relay raddr 0.0.0.0 rport 9",
	};
	struct prefix overlay;
	struct ice_config config = { .refused = &overlay, .refused_count = 1 };
	struct ice_description d = peer_description(1, NULL);
	struct endpoint inside = ep("100.64.0.2:41641");
	struct bench b = { 0 };

	(void)state;
	assert_int_equal(prefix_parse(&overlay, "100.64.0.0/10"), 0);
	rng_seeded_init(&b.seeded, 3);
	config.rng = rng_from_seeded(&b.seeded);
	b.agent = ice_agent_new(&config, T0);
	b.local = ep("192.0.2.1:41641");
	ice_add_local_candidate(b.agent, CANDIDATE_HOST, &b.local, NULL, NULL, T0);
	assert_int_equal(ice_add_local_candidate(b.agent, CANDIDATE_HOST, &inside, NULL, NULL, T0),
			 -EADDRNOTAVAIL);
	for (d.count = 0; d.count < sizeof(lines) / sizeof(lines[0]); d.count++)
		assert_int_equal(candidate_parse(&d.candidates[d.count], lines[d.count]), 0);
	drain(&b, T0);
	assert_int_equal(ice_input_description(b.agent, &d, T0), 0);
	drain(&b, T0);
	assert_int_equal(b.out_count, 0);
	/* Nor does a request from such an address make one. */
	assert_int_equal(request(&b, &(struct request){ .controlling = true }, &inside, T0),
			 -EPERM);
	assert_int_equal(b.out_count, 0);
	ice_agent_free(b.agent);
}

static void test_pairs_are_bounded(void **state)
{
	const struct request good = { .controlling = false };
	struct endpoint from = ep("198.51.100.1:1");
	struct bench b;
	uint64_t now = T0;
	unsigned int checks = 0;

	(void)state;
	begin(&b, true);
	for (int i = 1; i < ICE_LOCAL_MAX; i++) {
		struct endpoint more = b.local;

		more.addr.bytes[3] = (uint8_t)(1 + i);
		assert_int_equal(ice_add_local_candidate(b.agent, CANDIDATE_HOST, &more, NULL, NULL,
							 now),
				 0);
	}
	from.addr.bytes[3] = 200;
	assert_int_equal(ice_add_local_candidate(b.agent, CANDIDATE_HOST, &from, NULL, NULL, now),
			 -ENOSPC);
	drain(&b, now);
	/* The peer, or whoever learnt its password, checks from ever new ports. */
	for (uint16_t port = 1000; port < 2000; port++) {
		from.port = port;
		assert_int_equal(request(&b, &good, &from, now), 0);
	}
	bind_peer(&b, now);
	drain(&b, now);
	for (checks = (unsigned int)b.out_count; checks < 1000;
	     checks += (unsigned int)b.out_count) {
		uint64_t next = ice_next_timeout(b.agent);

		if (next >= T0 + 505 * MS)
			break;
		now = next;
		ice_expire(b.agent, now);
		drain(&b, now);
	}
	assert_in_range(checks, 1, 101); /* the pace bounds what any number of pairs can cause */
	ice_agent_free(b.agent);
}

static void test_address_goes_away(void **state)
{
	struct bench b;

	(void)state;
	begin_valid(&b, false);
	ice_remove_local_base(b.agent, &b.local.addr, T0 + NS_PER_S);
	drain(&b, T0 + NS_PER_S);
	assert_non_null(find_event(&b, ICE_EVENT_PAIR_LOST));
	assert_int_equal(b.out_count, 0);
	ice_agent_free(b.agent);
}

static void test_username_demux(void **state)
{
	char ufrag[ICE_UFRAG_SIZE];
	struct stun_message msg;
	uint8_t buf[512];
	struct bench b;

	(void)state;
	begin(&b, true);
	assert_int_equal(stun_parse(&msg, buf, build(&b, buf, &(struct request){ 0 })), 0);
	assert_int_equal(ice_username_ufrag(&msg, ufrag), 0);
	assert_string_equal(ufrag, b.ours.ufrag);
	assert_true(ice_owns_ufrag(b.agent, ufrag));
	assert_int_equal(stun_parse(&msg, buf,
				    build(&b, buf, &(struct request){ .username = "nocolon" })),
			 0);
	assert_int_equal(ice_username_ufrag(&msg, ufrag), -EBADMSG);
	assert_int_equal(stun_parse(&msg, buf,
				    build(&b, buf, &(struct request){ .username = ":x" })),
			 0);
	assert_int_equal(ice_username_ufrag(&msg, ufrag), -EBADMSG);
	ice_agent_free(b.agent);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_check_contents),
		cmocka_unit_test(test_dense_schedule_and_patience),
		cmocka_unit_test(test_pace),
		cmocka_unit_test(test_response_from_elsewhere_fails_the_pair),
		cmocka_unit_test(test_forged_responses_ignored),
		cmocka_unit_test(test_controlling_nominates_once),
		cmocka_unit_test(test_controlled_is_told),
		cmocka_unit_test(test_nominated_before_valid),
		cmocka_unit_test(test_requests_answered_and_refused),
		cmocka_unit_test(test_peer_reflexive),
		cmocka_unit_test(test_role_conflicts),
		cmocka_unit_test(test_487_switches),
		cmocka_unit_test(test_consent),
		cmocka_unit_test(test_idle_pairs_are_only_kept_open),
		cmocka_unit_test(test_probe),
		cmocka_unit_test(test_restart_keeps_the_old_pair),
		cmocka_unit_test(test_peer_restart_restarts_us),
		cmocka_unit_test(test_unanswered_offer_is_told_again),
		cmocka_unit_test(test_trickle),
		cmocka_unit_test(test_hostile_candidates),
		cmocka_unit_test(test_pairs_are_bounded),
		cmocka_unit_test(test_address_goes_away),
		cmocka_unit_test(test_username_demux),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
