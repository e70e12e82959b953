#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"

static void what_is_written_is_read(void **state)
{
	uint8_t data[32];
	struct writer w;
	struct reader r;

	(void)state;
	writer_init(&w, data, sizeof(data));
	writer_u8(&w, 1);
	writer_u16(&w, 0x0203);
	writer_u32(&w, 0x04050607);
	writer_u64(&w, 0x08090a0b0c0d0e0f);
	writer_bytes(&w, "xyz", 3);
	assert_false(w.failed);
	assert_int_equal(w.len, 18);
	assert_int_equal(data[14], 0x0f);

	reader_init(&r, data, w.len);
	assert_int_equal(reader_u8(&r), 1);
	assert_int_equal(reader_u16(&r), 0x0203);
	assert_int_equal(reader_u32(&r), 0x04050607);
	assert_true(reader_u64(&r) == 0x08090a0b0c0d0e0f);
	assert_false(reader_done(&r));
	assert_memory_equal(reader_bytes(&r, 3), "xyz", 3);
	assert_true(reader_done(&r));
}

static void reading_past_the_end_sticks(void **state)
{
	static const uint8_t data[3] = { 1, 2, 3 };
	uint8_t copy[4] = { 9, 9, 9, 9 };
	struct reader r;

	(void)state;
	reader_init(&r, data, sizeof(data));
	assert_int_equal(reader_u32(&r), 0);
	assert_true(r.failed);
	assert_int_equal(reader_u8(&r), 0); /* though one byte would have been there */
	reader_copy(&r, copy, sizeof(copy));
	assert_memory_equal(copy, "\0\0\0\0", 4);
	assert_null(reader_bytes(&r, SIZE_MAX));
}

static void writing_past_the_end_sticks(void **state)
{
	uint8_t data[4] = { 0 };
	struct writer w;

	(void)state;
	writer_init(&w, data, 3);
	writer_u16(&w, 0x1122);
	writer_u16(&w, 0x3344);
	assert_true(w.failed);
	writer_u8(&w, 0x55);
	assert_int_equal(w.len, 2);
	assert_int_equal(data[2], 0);
	assert_null(writer_reserve(&w, SIZE_MAX));
}

static void little_endian_at_odd_addresses(void **state)
{
	uint8_t data[9];

	(void)state;
	store_le64(data + 1, 0x1122334455667788);
	assert_int_equal(data[1], 0x88);
	assert_true(load_le64(data + 1) == 0x1122334455667788);
	assert_int_equal(load_le32(data + 1), 0x55667788);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read),
		cmocka_unit_test(reading_past_the_end_sticks),
		cmocka_unit_test(writing_past_the_end_sticks),
		cmocka_unit_test(little_endian_at_odd_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
