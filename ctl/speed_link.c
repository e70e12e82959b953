#include "ctl/speed_link.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/clock.h"
#include "ctl/dial.h"

#define PATIENCE_S 5 /* with a service that should say or take something */

static int receive_all(int fd, uint8_t *data, size_t len)
{
	while (len) {
		ssize_t n = recv(fd, data, len, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EPIPE;
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

static int send_all(int fd, const uint8_t *data, size_t len)
{
	while (len) {
		ssize_t n = send(fd, data, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

static int greet(int fd, const struct speed_hello *hello)
{
	uint8_t text[SPEED_HELLO_SIZE];
	enum speed_answer answer;
	int err;

	speed_hello_write(text, hello);
	err = send_all(fd, text, sizeof(text));
	/* Who is busy says so without reading, and our sending may fail for it. */
	if (err == 0 || err == -EPIPE || err == -ECONNRESET)
		err = receive_all(fd, text, SPEED_ANSWER_SIZE);
	if (err < 0)
		return err;
	if (speed_answer_read(&answer, text) < 0)
		return -EPROTO;
	if (answer == SPEED_BUSY)
		return -EBUSY;
	return answer == SPEED_OK ? 0 : -EPROTO;
}

int speed_link_open(const struct ip_addr *addresses, size_t count, const struct speed_hello *hello,
		    uint64_t timeout_ms)
{
	const struct timeval patience = { .tv_sec = PATIENCE_S };
	int fd = dial_connect(addresses, count, SPEED_PORT, timeout_ms);
	int err;

	if (fd < 0)
		return fd;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &(int){ SPEED_UNSENT }, sizeof(int));
	err = greet(fd, hello);
	if (err < 0)
		close(fd);
	return err < 0 ? err : fd;
}

double speed_link_echo(int fd)
{
	uint8_t probe[SPEED_PROBE_SIZE] = { 0 };
	uint64_t begun_ns = clock_now_ns();

	if (send_all(fd, probe, sizeof(probe)) < 0 || receive_all(fd, probe, sizeof(probe)) < 0)
		return -1;
	return (double)(clock_now_ns() - begun_ns) / 1e6;
}

/* --- load --- */

static int give(struct speed_load *load, const uint8_t *buffer)
{
	uint64_t until_ns = clock_now_ns() + load->hello.duration_ms * NS_PER_MS;
	uint8_t text[SPEED_RESULT_SIZE];
	int err;

	while (clock_now_ns() < until_ns) {
		ssize_t n = send(load->fd, buffer, SPEED_STEP, MSG_NOSIGNAL);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0)
			atomic_fetch_add(&load->bytes, (unsigned long long)n);
	}
	shutdown(load->fd, SHUT_WR);
	err = receive_all(load->fd, text, sizeof(text));
	if (err == 0)
		speed_result_read(&load->result, text);
	return err;
}

/* The end of our time, not of what was sent by then: a slow path may hold much of it. */
static int take(struct speed_load *load, uint8_t *buffer)
{
	uint64_t first_ns = 0, last_ns = 0;
	uint64_t limit_ns = load->hello.duration_ms * NS_PER_MS;

	while (last_ns - first_ns < limit_ns) {
		ssize_t n = recv(load->fd, buffer, SPEED_STEP, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		last_ns = clock_now_ns();
		if (!first_ns)
			first_ns = last_ns;
		atomic_fetch_add(&load->bytes, (unsigned long long)n);
	}
	load->result = (struct speed_result){ atomic_load(&load->bytes), last_ns - first_ns };
	return 0;
}

static void *run(void *arg)
{
	struct speed_load *load = arg;
	uint8_t *buffer = calloc(1, SPEED_STEP);

	if (!buffer)
		load->err = -ENOMEM;
	else
		load->err =
			load->hello.mode == SPEED_TAKE ? give(load, buffer) : take(load, buffer);
	free(buffer);
	atomic_store(&load->done, true);
	return NULL;
}

int speed_load_begin(struct speed_load *load, int fd, const struct speed_hello *hello)
{
	int err;

	memset(load, 0, sizeof(*load));
	load->fd = fd;
	load->hello = *hello;
	err = -pthread_create(&load->thread, NULL, run, load);
	if (err < 0)
		close(fd);
	return err;
}

int speed_load_end(struct speed_load *load)
{
	pthread_join(load->thread, NULL);
	close(load->fd);
	return load->err;
}
