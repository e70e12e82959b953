#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

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

static struct sockaddr_storage address(const char *text)
{
	struct sockaddr_storage ss;
	struct endpoint to;

	assert_int_equal(endpoint_parse(&to, text), 0);
	endpoint_to_sockaddr(&ss, &to);
	return ss;
}

static void on_connected(uv_connect_t *request, int status)
{
	(void)request;
	(void)status; /* whether anybody listens does not matter */
}

/* The mark of a socket that a library connects. */
static uint32_t mark_of_library(const char *to)
{
	const struct sockaddr_storage ss = address(to);
	uv_connect_t request;
	uint32_t mark;
	uv_loop_t loop;
	uv_tcp_t tcp;
	int fd;

	assert_int_equal(uv_loop_init(&loop), 0);
	uv_tcp_init(&loop, &tcp);
	assert_int_equal(uv_tcp_connect(&request, &tcp, (const struct sockaddr *)&ss, on_connected),
			 0);
	assert_int_equal(uv_fileno((uv_handle_t *)&tcp, &fd), 0);
	mark = mark_of(fd);
	uv_close((uv_handle_t *)&tcp, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
	return mark;
}

static void what_a_library_connects_is_marked_first(void **state)
{
	(void)state;
	assert_int_equal(mark_of_library("127.0.0.1:9"), 0);
	socket_mark_set(MARK);
	assert_int_equal(mark_of_library("127.0.0.1:9"), MARK);
	assert_int_equal(mark_of_library("[::1]:9"), MARK);
}

static void what_we_connect_is_ours_to_mark(void **state)
{
	const struct sockaddr_storage ss = address("127.0.0.1:9");
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	(void)state;
	socket_mark_set(MARK);
	assert_int_equal(connect(fd, (const struct sockaddr *)&ss, sizeof(struct sockaddr_in)), 0);
	assert_int_equal(mark_of(fd), 0);
	assert_int_equal(socket_mark(fd), 0);
	assert_int_equal(mark_of(fd), MARK);
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
		cmocka_unit_test_teardown(what_a_library_connects_is_marked_first, teardown),
		cmocka_unit_test_teardown(what_we_connect_is_ours_to_mark, teardown),
		cmocka_unit_test_teardown(what_stays_on_the_machine_is_not_marked, teardown),
		cmocka_unit_test_teardown(udp_sockets_have_the_mark_unless_told_another, teardown),
		cmocka_unit_test_teardown(without_a_mark_nothing_is_done, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
