#ifndef WARREN_DAEMON_UNSAVED_H
#define WARREN_DAEMON_UNSAVED_H

#include <stddef.h>

/* The state files whose latest change could not be written. */
#define UNSAVED_MAX       8
#define UNSAVED_NAME_SIZE 16

struct unsaved {
	struct unsaved_file {
		char name[UNSAVED_NAME_SIZE];
		int err;
	} files[UNSAVED_MAX];
	size_t count;
};

/* What became of writing a file: 0 or -errno. Others keep what was said of them. */
void unsaved_note(struct unsaved *unsaved, const char *name, int err);
/* The one of the latest failure among those still to be written, NULL when all are. */
const struct unsaved_file *unsaved_latest(const struct unsaved *unsaved);

#endif
