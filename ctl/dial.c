#include "ctl/dial.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <unistd.h>

#include "base/clock.h"

/* The attempts under way; a closed one has fd -1, which poll passes over. */
struct dial {
	const struct ip_addr *addresses;
	size_t count;
	size_t begun;
	size_t open;
	uint16_t port;
	int err; /* of the last that failed */
	struct pollfd fds[DIAL_ADDRESSES_MAX];
};

size_t dial_addresses(struct ip_addr out[static DIAL_ADDRESSES_MAX], const json_t *list)
{
	size_t count = 0;

	for (size_t i = 0; i < json_array_size(list) && count < DIAL_ADDRESSES_MAX; i++) {
		const char *text = json_string_value(json_array_get(list, i));

		count += text && addr_parse(&out[count], text) == 0;
	}
	return count;
}

static int begin_attempt(const struct endpoint *to)
{
	struct sockaddr_storage ss;
	socklen_t len = endpoint_to_sockaddr(&ss, to);
	int fd = socket(ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int err;

	if (fd < 0)
		return -errno;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
	if (connect(fd, (struct sockaddr *)&ss, len) == 0 || errno == EINPROGRESS)
		return fd;
	err = -errno;
	close(fd);
	return err;
}

static void begin_next(struct dial *dial)
{
	struct endpoint to = { .addr = dial->addresses[dial->begun], .port = dial->port };
	int fd = begin_attempt(&to);

	dial->fds[dial->begun++] = (struct pollfd){ .fd = fd < 0 ? -1 : fd, .events = POLLOUT };
	if (fd < 0)
		dial->err = fd;
	else
		dial->open++;
}

/* One that stands, out of the table; -1: none yet. */
static int take_connected(struct dial *dial)
{
	for (size_t i = 0; i < dial->begun; i++) {
		socklen_t size = sizeof(int);
		int fd = dial->fds[i].fd;
		int err = 0;

		if (fd < 0 || !dial->fds[i].revents)
			continue;
		dial->fds[i].fd = -1;
		dial->open--;
		getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &size);
		if (!err)
			return fd;
		dial->err = -err;
		close(fd);
	}
	return -1;
}

static int dial_run(struct dial *dial, uint64_t deadline_ns)
{
	uint64_t next_ns = 0;

	for (;;) {
		uint64_t now_ns = clock_now_ns();
		uint64_t until_ns;
		int fd;

		if (now_ns >= deadline_ns)
			return -ETIMEDOUT;
		if (dial->begun < dial->count && (now_ns >= next_ns || !dial->open)) {
			begin_next(dial);
			next_ns = now_ns + DIAL_STAGGER_MS * NS_PER_MS;
		} else if (!dial->open) {
			return dial->err;
		}
		until_ns =
			dial->begun < dial->count && next_ns < deadline_ns ? next_ns : deadline_ns;
		until_ns = until_ns > now_ns ? (until_ns - now_ns) / NS_PER_MS + 1 : 0;
		if (dial->open &&
		    poll(dial->fds, dial->begun, until_ns < 60000 ? (int)until_ns : 60000) > 0) {
			fd = take_connected(dial);
			if (fd >= 0)
				return fd;
		}
	}
}

int dial_connect(const struct ip_addr *addresses, size_t count, uint16_t port, uint64_t timeout_ms)
{
	struct dial dial = { .addresses = addresses,
			     .count = count < DIAL_ADDRESSES_MAX ? count : DIAL_ADDRESSES_MAX,
			     .port = port,
			     .err = -EADDRNOTAVAIL };
	int fd = dial_run(&dial, clock_now_ns() + timeout_ms * NS_PER_MS);

	for (size_t i = 0; i < dial.begun; i++) {
		if (dial.fds[i].fd >= 0)
			close(dial.fds[i].fd);
	}
	if (fd >= 0)
		fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
	return fd;
}
