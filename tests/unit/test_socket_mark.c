#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/addr.h"
#include "base/socket_mark.h"
#include "io/udp.h"

#define MARK 0x5752u

static uint32_t mark_of(int fd)
{
	uint32_t mark = UINT32_MAX;
	socklen_t len = sizeof(mark);

	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_MARK, &mark, &len), 0);
	return mark;
}

static int teardown(void **state)
{
	(void)state;
	socket_mark_set(0);
	return 0;
}

static int tcp_towards(const char *text)
{
	struct sockaddr_storage ss;
	struct endpoint to;
	socklen_t len;
	int fd;

	assert_int_equal(endpoint_parse(&to, text), 0);
	len = endpoint_to_sockaddr(&ss, &to);
	fd = socket(ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	/* Whether anybody listens does not matter. */
	assert_true(connect(fd, (struct sockaddr *)&ss, len) == 0 || errno == EINPROGRESS ||
		    errno == ECONNREFUSED);
	return fd;
}

static void a_connection_is_marked_before_it_is_made(void **state)
{
	int fd;

	(void)state;
	fd = tcp_towards("127.0.0.1:9");
	assert_int_equal(mark_of(fd), 0);
	close(fd);
	socket_mark_set(MARK);
	fd = tcp_towards("127.0.0.1:9");
	assert_int_equal(mark_of(fd), MARK);
	close(fd);
	fd = tcp_towards("[::1]:9");
	assert_int_equal(mark_of(fd), MARK);
	close(fd);
}

static void a_mark_of_its_own_is_kept(void **state)
{
	const uint32_t own = 77;
	struct sockaddr_storage ss;
	struct endpoint to;
	socklen_t len;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	(void)state;
	socket_mark_set(MARK);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_MARK, &own, sizeof(own)), 0);
	assert_int_equal(endpoint_parse(&to, "127.0.0.1:9"), 0);
	len = endpoint_to_sockaddr(&ss, &to);
	assert_int_equal(connect(fd, (struct sockaddr *)&ss, len), 0);
	assert_int_equal(mark_of(fd), own);
	close(fd);
}

static void what_stays_on_the_machine_is_not_marked(void **state)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX, .sun_path = "/nowhere/at/all" };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	socket_mark_set(MARK);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), -1);
	assert_int_equal(errno, ENOENT); /* as libc's would say */
	assert_int_equal(mark_of(fd), 0);
	close(fd);
}

static void udp_sockets_have_the_mark_unless_told_another(void **state)
{
	struct udp_config config = { .family = AF_INET };
	int fd;

	(void)state;
	socket_mark_set(MARK);
	assert_int_equal(udp_open(&fd, &config), 0);
	assert_int_equal(mark_of(fd), MARK);
	close(fd);
	config.fwmark = 77;
	assert_int_equal(udp_open(&fd, &config), 0);
	assert_int_equal(mark_of(fd), 77);
	close(fd);
	socket_mark_set(0);
	config.fwmark = 0;
	assert_int_equal(udp_open(&fd, &config), 0);
	assert_int_equal(mark_of(fd), 0);
	close(fd);
}

static void without_a_mark_nothing_is_done(void **state)
{
	(void)state;
	assert_int_equal(socket_mark(-1), 0);
	socket_mark_set(MARK);
	assert_int_equal(socket_mark(-1), -EBADF);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(a_connection_is_marked_before_it_is_made, teardown),
		cmocka_unit_test_teardown(a_mark_of_its_own_is_kept, teardown),
		cmocka_unit_test_teardown(what_stays_on_the_machine_is_not_marked, teardown),
		cmocka_unit_test_teardown(udp_sockets_have_the_mark_unless_told_another, teardown),
		cmocka_unit_test_teardown(without_a_mark_nothing_is_done, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
