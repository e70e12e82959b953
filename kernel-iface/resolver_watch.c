#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "kernel-iface/resolver_file.h"

#define FOLDER_EVENTS \
	(IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE | IN_DELETE | IN_ONLYDIR)
#define FILE_EVENTS (IN_CLOSE_WRITE | IN_MODIFY | IN_DELETE_SELF | IN_MOVE_SELF)
#define READ_SIZE   4096

/*
 * A folder is watched for names that appear in it; the file itself too, since what is mounted there
 * is in no folder that we see.
 */
struct resolver_watch {
	int fd;
	char path[PATH_MAX];
	char name[NAME_MAX + 1];   /* in its folder */
	char target[NAME_MAX + 1]; /* in the folder that the original links to */
	int folder;
	int file;
	int beside; /* the folder of the target */
};

static void split(char folder[static PATH_MAX], char name[static NAME_MAX + 1], const char *path)
{
	char copy[PATH_MAX];

	snprintf(copy, sizeof(copy), "%s", path);
	snprintf(name, NAME_MAX + 1, "%s", basename(copy));
	snprintf(copy, sizeof(copy), "%s", path);
	snprintf(folder, PATH_MAX, "%s", dirname(copy));
}

int resolver_watch_new(struct resolver_watch **out, const char *path)
{
	struct resolver_watch *watch = calloc(1, sizeof(*watch));
	char folder[PATH_MAX];
	int err;

	if (!watch)
		return -ENOMEM;
	snprintf(watch->path, sizeof(watch->path), "%s", path);
	split(folder, watch->name, path);
	watch->file = watch->beside = -1;
	watch->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (watch->fd >= 0)
		watch->folder = inotify_add_watch(watch->fd, folder, FOLDER_EVENTS);
	if (watch->fd < 0 || watch->folder < 0) {
		err = -errno;
		resolver_watch_free(watch);
		return err;
	}
	resolver_watch_renew(watch, NULL);
	*out = watch;
	return 0;
}

void resolver_watch_free(struct resolver_watch *watch)
{
	if (!watch)
		return;
	if (watch->fd >= 0)
		close(watch->fd);
	free(watch);
}

int resolver_watch_fd(const struct resolver_watch *watch)
{
	return watch->fd;
}

static bool concerns(const struct resolver_watch *watch, const struct inotify_event *event)
{
	if (event->wd < 0 || (event->mask & IN_Q_OVERFLOW))
		return true; /* some were lost */
	if (event->wd == watch->file)
		return !(event->mask & IN_IGNORED);
	if (event->wd == watch->folder && event->len && strcmp(event->name, watch->name) == 0)
		return true;
	return event->wd == watch->beside && event->len && strcmp(event->name, watch->target) == 0;
}

bool resolver_watch_read(struct resolver_watch *watch)
{
	_Alignas(struct inotify_event) char buf[READ_SIZE];
	ssize_t len = read(watch->fd, buf, sizeof(buf));
	bool found = false;
	ssize_t at = 0;

	while (at < len) {
		const struct inotify_event *event = (const void *)(buf + at);

		found = concerns(watch, event) || found;
		at += (ssize_t)(sizeof(*event) + event->len);
	}
	return found;
}

void resolver_watch_renew(struct resolver_watch *watch, const char *target)
{
	char folder[PATH_MAX];

	if (watch->file >= 0)
		inotify_rm_watch(watch->fd, watch->file);
	watch->file = inotify_add_watch(watch->fd, watch->path, FILE_EVENTS);
	if (watch->beside >= 0 && watch->beside != watch->folder)
		inotify_rm_watch(watch->fd, watch->beside);
	watch->beside = -1;
	if (!target)
		return;
	split(folder, watch->target, target);
	watch->beside = inotify_add_watch(watch->fd, folder, FOLDER_EVENTS);
}
