#include "ctl/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define STREAM_STEP (1 << 20)   /* of one splice, and the room asked for in pipes */
#define COPY_STEP   (256 << 10) /* of one read and write */

/* One direction. */
struct flow {
	int from;
	int to;
	char *copy; /* COPY_STEP bytes; NULL: spliced */
	int err;
};

/* Descriptors of others may be non-blocking, and stay as they are. */
static void wait_ready(int fd, short events)
{
	struct pollfd pfd = { .fd = fd, .events = events };

	poll(&pfd, 1, -1);
}

static int write_all(int fd, const char *data, size_t len)
{
	while (len) {
		ssize_t n = write(fd, data, len);

		if (n >= 0) {
			data += n;
			len -= (size_t)n;
		} else if (errno == EAGAIN) {
			wait_ready(fd, POLLOUT);
		} else if (errno != EINTR) {
			return -errno;
		}
	}
	return 0;
}

/* Bytes moved, 0 at the end, -errno. */
static ssize_t copy_some(struct flow *flow)
{
	ssize_t n = read(flow->from, flow->copy, COPY_STEP);
	int err;

	if (n <= 0)
		return n < 0 ? -errno : 0;
	err = write_all(flow->to, flow->copy, (size_t)n);
	return err < 0 ? err : n;
}

static ssize_t splice_some(struct flow *flow)
{
	ssize_t n = splice(flow->from, NULL, flow->to, NULL, STREAM_STEP,
			   SPLICE_F_MOVE | SPLICE_F_NONBLOCK);

	return n < 0 ? -errno : n;
}

/*
 * Waits outside of splice, which holds the pipe's lock while it waits: whoever looks into the pipe
 * at its other end, even without waiting, would hang until something comes.
 */
static int flow_run(struct flow *flow)
{
	for (;;) {
		ssize_t n;

		wait_ready(flow->from, POLLIN);
		n = flow->copy ? copy_some(flow) : splice_some(flow);
		if (n == 0)
			return 0;
		if (n == -EAGAIN) {
			wait_ready(flow->to, POLLOUT);
		} else if (n == -EINVAL && !flow->copy) {
			flow->copy = malloc(COPY_STEP); /* no pipe on either side */
			if (!flow->copy)
				return -ENOMEM;
		} else if (n < 0 && n != -EINTR) {
			return (int)n;
		}
	}
}

static void *send_run(void *arg)
{
	struct flow *flow = arg;

	flow->err = flow_run(flow);
	shutdown(flow->to, SHUT_WR);
	return NULL;
}

int stream_run(int sock, int in, int out)
{
	/* What still runs when we return ends with the program. */
	static struct flow sending;
	struct flow receiving = { .from = sock, .to = out };
	pthread_t thread;
	int err;

	sending = (struct flow){ .from = in, .to = sock };
	fcntl(sock, F_SETFL, fcntl(sock, F_GETFL) | O_NONBLOCK);
	fcntl(in, F_SETPIPE_SZ, STREAM_STEP);
	fcntl(out, F_SETPIPE_SZ, STREAM_STEP);
	err = -pthread_create(&thread, NULL, send_run, &sending);
	if (err < 0)
		return err;
	err = flow_run(&receiving);
	free(receiving.copy);
	if (err < 0 || isatty(in)) {
		pthread_detach(thread);
		return err;
	}
	close(out);
	pthread_join(thread, NULL);
	free(sending.copy);
	return sending.err;
}
