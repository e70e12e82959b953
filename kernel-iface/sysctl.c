#include "kernel-iface/sysctl.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int open_sysctl(const char *name, int flags)
{
	char path[PATH_MAX];
	int fd;

	if (strstr(name, ".."))
		return -EINVAL;
	snprintf(path, sizeof(path), "/proc/sys/%s", name);
	fd = open(path, flags | O_CLOEXEC | O_NOFOLLOW);
	return fd < 0 ? -errno : fd;
}

int sysctl_get(const char *name, char value[static SYSCTL_VALUE_SIZE])
{
	char text[SYSCTL_VALUE_SIZE + 1];
	int fd = open_sysctl(name, O_RDONLY);
	ssize_t n;
	int err;

	if (fd < 0)
		return fd;
	n = read(fd, text, sizeof(text));
	err = n < 0 ? -errno : 0;
	close(fd);
	if (err < 0)
		return err;
	if (n == (ssize_t)sizeof(text))
		return -EMSGSIZE;
	text[n] = '\0';
	text[strcspn(text, "\n")] = '\0';
	memcpy(value, text, SYSCTL_VALUE_SIZE);
	return 0;
}

int sysctl_set(const char *name, const char *value)
{
	size_t len = strlen(value);
	int fd = open_sysctl(name, O_WRONLY);
	int err = 0;

	if (fd < 0)
		return fd;
	if (write(fd, value, len) != (ssize_t)len)
		err = errno ? -errno : -EIO;
	close(fd);
	return err;
}
