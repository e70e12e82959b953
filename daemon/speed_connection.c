#include "daemon/speed_connection.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/clock.h"
#include "proto/speed.h"

#define SILENCE_S 5 /* of somebody who is expected to say or take something */

static bool receive_all(int fd, uint8_t *data, size_t len)
{
	while (len) {
		ssize_t n = recv(fd, data, len, 0);

		if (n <= 0)
			return false;
		data += n;
		len -= (size_t)n;
	}
	return true;
}

static bool send_all(int fd, const uint8_t *data, size_t len)
{
	while (len) {
		ssize_t n = send(fd, data, len, MSG_NOSIGNAL);

		if (n <= 0)
			return false;
		data += n;
		len -= (size_t)n;
	}
	return true;
}

static void serve_echo(int fd, uint8_t *buffer)
{
	ssize_t n;

	while ((n = recv(fd, buffer, SPEED_STEP, 0)) > 0) {
		if (!send_all(fd, buffer, (size_t)n))
			return;
	}
}

static void serve_take(int fd, uint8_t *buffer, uint32_t duration_ms)
{
	uint64_t first_ns = 0, last_ns = 0;
	struct speed_result result = { 0 };
	uint8_t text[SPEED_RESULT_SIZE];
	ssize_t n;

	while ((n = recv(fd, buffer, SPEED_STEP, 0)) > 0) {
		last_ns = clock_now_ns();
		if (!first_ns)
			first_ns = last_ns;
		result.bytes += (uint64_t)n;
		if (last_ns - first_ns > (duration_ms + SPEED_DRAIN_MS) * NS_PER_MS)
			break;
	}
	result.time_ns = last_ns - first_ns;
	speed_result_write(text, &result);
	send_all(fd, text, sizeof(text));
}

static void serve_give(int fd, uint8_t *buffer, uint32_t duration_ms)
{
	uint64_t until_ns = clock_now_ns() + duration_ms * NS_PER_MS;

	while (clock_now_ns() < until_ns) {
		if (send(fd, buffer, SPEED_STEP, MSG_NOSIGNAL) <= 0)
			return;
	}
	shutdown(fd, SHUT_WR);
	/* What was sent is still on its way; its reader ends the connection. */
	(void)!recv(fd, buffer, 1, 0);
}

static enum speed_answer judge(struct speed_hello *hello, const uint8_t *data, atomic_int *load_ms)
{
	if (speed_hello_read(hello, data) < 0)
		return SPEED_REFUSED;
	if (atomic_fetch_sub(load_ms, (int)hello->duration_ms) < (int)hello->duration_ms)
		return SPEED_REFUSED;
	return SPEED_OK;
}

static void serve(struct speed_connection *connection, uint8_t *buffer)
{
	uint8_t answer[SPEED_ANSWER_SIZE];
	enum speed_answer verdict;
	struct speed_hello hello;
	int fd = connection->fd;

	if (!receive_all(fd, buffer, SPEED_HELLO_SIZE))
		return;
	verdict = judge(&hello, buffer, connection->load_ms);
	speed_answer_write(answer, verdict);
	if (!send_all(fd, answer, sizeof(answer)) || verdict != SPEED_OK)
		return;
	switch (hello.mode) {
	case SPEED_ECHO:
		serve_echo(fd, buffer);
		return;
	case SPEED_TAKE:
		serve_take(fd, buffer, hello.duration_ms);
		return;
	case SPEED_GIVE:
		serve_give(fd, buffer, hello.duration_ms);
		return;
	}
}

static void *run(void *arg)
{
	struct speed_connection *connection = arg;
	uint8_t *buffer = calloc(1, SPEED_STEP);
	uint64_t one = 1;

	if (buffer)
		serve(connection, buffer);
	free(buffer);
	shutdown(connection->fd, SHUT_RDWR);
	atomic_store(&connection->done, true);
	(void)!write(connection->done_fd, &one, sizeof(one));
	return NULL;
}

/* Signals belong to the control thread's loop. */
static int start_thread(struct speed_connection *connection)
{
	sigset_t all, before;
	int err;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = pthread_create(&connection->thread, NULL, run, connection);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (err)
		return -err;
	pthread_setname_np(connection->thread, "speed");
	return 0;
}

int speed_connection_begin(struct speed_connection *connection, int fd, int done_fd,
			   atomic_int *load_ms)
{
	const struct timeval silence = { .tv_sec = SILENCE_S };
	int err;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &silence, sizeof(silence));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &silence, sizeof(silence));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
	setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &(int){ SPEED_UNSENT }, sizeof(int));
	connection->fd = fd;
	connection->done_fd = done_fd;
	connection->load_ms = load_ms;
	atomic_store(&connection->done, false);
	err = start_thread(connection);
	if (err < 0)
		close(fd);
	connection->running = err == 0;
	return err;
}

void speed_connection_end(struct speed_connection *connection)
{
	if (!connection->running)
		return;
	shutdown(connection->fd, SHUT_RDWR);
	pthread_join(connection->thread, NULL);
	close(connection->fd);
	connection->running = false;
}
