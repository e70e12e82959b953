#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/socket_mark.h"

/* Where the linker put this program, without its libraries. */
extern const char __executable_start[], etext[];

static bool is_ours(const void *caller)
{
	uintptr_t at = (uintptr_t)caller;

	return at >= (uintptr_t)__executable_start && at < (uintptr_t)etext;
}

static bool reaches_network(const struct sockaddr *to)
{
	return to && (to->sa_family == AF_INET || to->sa_family == AF_INET6);
}

/*
 * libwebsockets 4.1 tells nobody of a socket before its first packet has left, so this stands
 * before libc's, for all libraries. What this program connects itself it marks itself, or not: DNS
 * servers may be behind the tunnel.
 */
__attribute__((visibility("default"), used)) int connect(int fd, const struct sockaddr *to,
							 socklen_t len)
{
	if (reaches_network(to) && !is_ours(__builtin_return_address(0)))
		(void)socket_mark(fd);
	return (int)syscall(SYS_connect, fd, to, len);
}
