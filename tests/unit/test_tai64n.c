#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "proto/tai64n.h"
#include "tests/support/hex.h"

static struct tai64n_source source;
static uint8_t a[TAI64N_SIZE], b[TAI64N_SIZE];

static void test_label(void **state)
{
	(void)state;
	tai64n_from_wall(a, 0);
	assert_hex(a, 12, "400000000000000a00000000");
	/* Nanoseconds lose their low 24 bits. */
	tai64n_from_wall(a, 1600000000 * NS_PER_S + 0x12ffffff);
	assert_hex(a, 12, "400000005f5e100a12000000");
}

static void test_order(void **state)
{
	(void)state;
	tai64n_from_wall(a, 255 * NS_PER_S);
	tai64n_from_wall(b, 256 * NS_PER_S);
	assert_true(tai64n_after(b, a));
	assert_false(tai64n_after(a, b));
	assert_false(tai64n_after(a, a));
}

static void test_strictly_increasing(void **state)
{
	/* Still, fine steps, backwards, forwards and back again. */
	static const uint64_t walls[] = { 1000, 1000, 1001, 500, 2000, 1, 0, 1999, 2000 };

	(void)state;
	tai64n_source_init(&source, NULL);
	memset(a, 0, sizeof(a));
	for (size_t i = 0; i < sizeof(walls) / sizeof(*walls); i++) {
		tai64n_source_next(&source, walls[i] * NS_PER_S, b);
		assert_true(tai64n_after(b, a));
		memcpy(a, b, sizeof(a));
	}
	for (int i = 0; i < 200; i++) {
		tai64n_source_next(&source, 2000 * NS_PER_S, b);
		assert_true(tai64n_after(b, a));
		/* A step never leaves the form of a label. */
		assert_true(b[8] < 0x3c);
		memcpy(a, b, sizeof(a));
	}
}

/* A clock that was in the future before a restart must not lock us out. */
static void test_survives_restart(void **state)
{
	uint8_t stored[TAI64N_SIZE];

	(void)state;
	tai64n_source_init(&source, NULL);
	assert_true(tai64n_source_next(&source, 1000000 * NS_PER_S, a));
	memcpy(stored, source.reserved, sizeof(stored));
	/* Within the reservation nothing need be stored. */
	assert_false(tai64n_source_next(&source, (1000000 + TAI64N_RESERVE_S) * NS_PER_S, a));
	tai64n_source_init(&source, stored);
	assert_true(tai64n_source_next(&source, 5 * NS_PER_S, b));
	assert_true(tai64n_after(b, a));
}

static void test_reservation_moves(void **state)
{
	(void)state;
	tai64n_source_init(&source, NULL);
	assert_true(tai64n_source_next(&source, 1000 * NS_PER_S, a));
	assert_true(tai64n_after(source.reserved, a));
	assert_true(tai64n_source_next(&source, 1061 * NS_PER_S, b));
	assert_true(tai64n_after(source.reserved, b));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_label),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_strictly_increasing),
		cmocka_unit_test(test_survives_restart),
		cmocka_unit_test(test_reservation_moves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
