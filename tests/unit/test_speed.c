/* cmocka.h needs these before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/speed_connection.h"
#include "proto/speed.h"

static void test_hello(void **state)
{
	static const struct speed_hello good[] = { { SPEED_ECHO, 0 },
						   { SPEED_TAKE, 1 },
						   { SPEED_GIVE, SPEED_LOAD_MAX_MS } };
	static const struct speed_hello bad[] = { { 0, 0 },
						  { 4, 10 },
						  { SPEED_ECHO, 1 },
						  { SPEED_TAKE, 0 },
						  { SPEED_GIVE, SPEED_LOAD_MAX_MS + 1 } };
	uint8_t text[SPEED_HELLO_SIZE];
	struct speed_hello hello = { SPEED_ECHO, 7 };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		speed_hello_write(text, &bad[i]);
		assert_int_equal(speed_hello_read(&hello, text), -EBADMSG);
		assert_int_equal(hello.duration_ms, 7);
	}
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		speed_hello_write(text, &good[i]);
		assert_int_equal(speed_hello_read(&hello, text), 0);
		assert_memory_equal(&hello, &good[i], sizeof(hello));
		text[6]++; /* another version */
		assert_int_equal(speed_hello_read(&hello, text), -EBADMSG);
		text[6]--;
		text[15] = 1;
		assert_int_equal(speed_hello_read(&hello, text), -EBADMSG);
	}
}

static void test_answer_and_result(void **state)
{
	const struct speed_result result = { 1ULL << 40, 8000000000ULL };
	const struct speed_result nothing = { 5, 0 };
	uint8_t text[SPEED_RESULT_SIZE];
	enum speed_answer answer = SPEED_OK;
	struct speed_result again;

	(void)state;
	speed_answer_write(text, SPEED_BUSY);
	assert_int_equal(speed_answer_read(&answer, text), 0);
	assert_int_equal(answer, SPEED_BUSY);
	text[7] = SPEED_REFUSED + 1;
	assert_int_equal(speed_answer_read(&answer, text), -EBADMSG);
	speed_result_write(text, &result);
	speed_result_read(&again, text);
	assert_memory_equal(&again, &result, sizeof(result));
	assert_true(speed_mbps(&result) > 1099511 && speed_mbps(&result) < 1099512);
	assert_true(speed_mbps(&nothing) == 0);
}

/* --- the service's side of one connection --- */

struct served {
	struct speed_connection connection;
	atomic_int load_ms;
	int done_fd;
	int fd; /* ours */
};

static void begin(struct served *served, const struct speed_hello *hello,
		  enum speed_answer expected)
{
	uint8_t text[SPEED_HELLO_SIZE];
	enum speed_answer answer;
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	served->fd = pair[0];
	served->done_fd = eventfd(0, 0);
	assert_int_equal(speed_connection_begin(&served->connection, pair[1], served->done_fd,
						&served->load_ms),
			 0);
	speed_hello_write(text, hello);
	assert_int_equal(write(served->fd, text, sizeof(text)), sizeof(text));
	assert_int_equal(recv(served->fd, text, SPEED_ANSWER_SIZE, MSG_WAITALL), SPEED_ANSWER_SIZE);
	assert_int_equal(speed_answer_read(&answer, text), 0);
	assert_int_equal(answer, expected);
}

/* It tells that it is done, and then ends. */
static void end(struct served *served)
{
	uint64_t count;

	assert_int_equal(read(served->done_fd, &count, sizeof(count)), sizeof(count));
	assert_true(atomic_load(&served->connection.done));
	speed_connection_end(&served->connection);
	assert_false(served->connection.running);
	close(served->done_fd);
	close(served->fd);
}

static void test_echo(void **state)
{
	struct served served = { .load_ms = SPEED_LOAD_MAX_MS };
	char text[16];

	(void)state;
	begin(&served, &(struct speed_hello){ SPEED_ECHO, 0 }, SPEED_OK);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(write(served.fd, "0123456789abcdef", 16), 16);
		assert_int_equal(recv(served.fd, text, 16, MSG_WAITALL), 16);
		assert_memory_equal(text, "0123456789abcdef", 16);
	}
	shutdown(served.fd, SHUT_WR);
	assert_int_equal(read(served.fd, text, 1), 0);
	end(&served);
}

static void test_take(void **state)
{
	struct served served = { .load_ms = SPEED_LOAD_MAX_MS };
	uint8_t text[SPEED_RESULT_SIZE];
	struct speed_result result;
	static char data[1000];

	(void)state;
	begin(&served, &(struct speed_hello){ SPEED_TAKE, 500 }, SPEED_OK);
	for (int i = 0; i < 100; i++)
		assert_int_equal(write(served.fd, data, sizeof(data)), sizeof(data));
	shutdown(served.fd, SHUT_WR);
	assert_int_equal(recv(served.fd, text, sizeof(text), MSG_WAITALL), sizeof(text));
	speed_result_read(&result, text);
	assert_int_equal(result.bytes, 100000);
	end(&served);
	assert_int_equal(served.load_ms, SPEED_LOAD_MAX_MS - 500);
}

static void test_give(void **state)
{
	struct served served = { .load_ms = 300 };
	static char data[65536];
	size_t total = 0;
	ssize_t n;

	(void)state;
	begin(&served, &(struct speed_hello){ SPEED_GIVE, 50 }, SPEED_OK);
	while ((n = read(served.fd, data, sizeof(data))) > 0)
		total += (size_t)n;
	assert_int_equal(n, 0);
	assert_true(total >= SPEED_STEP);
	close(served.fd);
	served.fd = eventfd(0, 0);
	end(&served);
}

/* No more load than a measurement may make, and no hello that is none. */
static void test_refused(void **state)
{
	struct served served = { .load_ms = 100 };

	(void)state;
	begin(&served, &(struct speed_hello){ SPEED_GIVE, 101 }, SPEED_REFUSED);
	end(&served);
	begin(&served, &(struct speed_hello){ SPEED_ECHO, 9 }, SPEED_REFUSED);
	end(&served);
}

/* Whoever does not go on is cut off from outside. */
static void test_broken_off(void **state)
{
	struct served served = { .load_ms = SPEED_LOAD_MAX_MS };

	(void)state;
	begin(&served, &(struct speed_hello){ SPEED_TAKE, 5000 }, SPEED_OK);
	speed_connection_end(&served.connection);
	assert_false(served.connection.running);
	speed_connection_end(&served.connection);
	close(served.fd);
	close(served.done_fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hello),      cmocka_unit_test(test_answer_and_result),
		cmocka_unit_test(test_echo),       cmocka_unit_test(test_take),
		cmocka_unit_test(test_give),       cmocka_unit_test(test_refused),
		cmocka_unit_test(test_broken_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
