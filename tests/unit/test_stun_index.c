#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "daemon/stun_index.h"

static const uint8_t anna[32] = { 1 }, bert[32] = { 2 };

struct message {
	uint8_t bytes[128];
	size_t len;
	struct stun_message parsed;
};

static const struct stun_message *make(struct message *m, enum stun_class class, uint32_t number,
				       const char *username)
{
	uint8_t transaction[STUN_TRANSACTION_SIZE] = { 0 };
	struct stun_builder builder;

	store_be32(transaction, number);
	stun_begin(&builder, m->bytes, sizeof(m->bytes), class, STUN_BINDING, transaction);
	if (username)
		stun_add_text(&builder, STUN_ATTR_USERNAME, username);
	assert_int_equal(stun_end(&builder, &m->len), 0);
	assert_int_equal(stun_parse(&m->parsed, m->bytes, m->len), 0);
	return &m->parsed;
}

static const uint8_t *owner_of(const struct stun_index *index, enum stun_class class,
			       uint32_t number, const char *username)
{
	struct message m;

	return stun_index_find(index, make(&m, class, number, username));
}

static void note(struct stun_index *index, enum stun_class class, uint32_t number,
		 const uint8_t node_key[static 32])
{
	struct message m;

	make(&m, class, number, NULL);
	stun_index_note_sent(index, m.bytes, m.len, node_key);
}

static void a_request_is_for_whom_it_names(void **state)
{
	struct stun_index *index = stun_index_new(2);

	(void)state;
	assert_int_equal(stun_index_add_name(index, "anna", anna), 0);
	assert_int_equal(stun_index_add_name(index, "bert", bert), 0);
	assert_int_equal(stun_index_add_name(index, "carl", bert), -ENOSPC);
	assert_memory_equal(owner_of(index, STUN_REQUEST, 1, "anna:x"), anna, 32);
	assert_memory_equal(owner_of(index, STUN_REQUEST, 1, "bert:anna"), bert, 32);
	assert_null(owner_of(index, STUN_REQUEST, 1, "annax:x"));
	assert_null(owner_of(index, STUN_REQUEST, 1, "anna"));
	assert_null(owner_of(index, STUN_REQUEST, 1, NULL));
	stun_index_remove_name(index, "anna");
	assert_null(owner_of(index, STUN_REQUEST, 1, "anna:x"));
	stun_index_free(index);
}

static void a_response_is_for_who_asked(void **state)
{
	struct stun_index *index = stun_index_new(2);

	(void)state;
	note(index, STUN_REQUEST, 1, anna);
	note(index, STUN_REQUEST, 1, anna); /* again, since no answer came */
	note(index, STUN_SUCCESS, 2, bert);
	assert_memory_equal(owner_of(index, STUN_SUCCESS, 1, NULL), anna, 32);
	assert_memory_equal(owner_of(index, STUN_ERROR, 1, NULL), anna, 32);
	assert_null(owner_of(index, STUN_SUCCESS, 2, NULL));
	assert_null(owner_of(index, STUN_REQUEST, 1, NULL));
	stun_index_free(index);
}

static void the_oldest_question_is_forgotten_first(void **state)
{
	struct stun_index *index = stun_index_new(2);
	uint32_t i;

	(void)state;
	for (i = 0; i < STUN_INDEX_SENT_MAX + 10; i++)
		note(index, STUN_REQUEST, i, anna);
	assert_null(owner_of(index, STUN_SUCCESS, 9, NULL));
	assert_non_null(owner_of(index, STUN_SUCCESS, 10, NULL));
	assert_non_null(owner_of(index, STUN_SUCCESS, STUN_INDEX_SENT_MAX + 9, NULL));
	stun_index_free(index);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_is_for_whom_it_names),
		cmocka_unit_test(a_response_is_for_who_asked),
		cmocka_unit_test(the_oldest_question_is_forgotten_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
