#include "daemon/unsaved.h"

#include <stdio.h>
#include <string.h>

static void forget(struct unsaved *unsaved, const char *name)
{
	size_t i, kept = 0;

	for (i = 0; i < unsaved->count; i++) {
		if (strcmp(unsaved->files[i].name, name) != 0)
			unsaved->files[kept++] = unsaved->files[i];
	}
	unsaved->count = kept;
}

void unsaved_note(struct unsaved *unsaved, const char *name, int err)
{
	struct unsaved_file *file;

	forget(unsaved, name);
	if (err == 0 || unsaved->count == UNSAVED_MAX)
		return;
	file = &unsaved->files[unsaved->count++];
	snprintf(file->name, sizeof(file->name), "%s", name);
	file->err = err;
}

const struct unsaved_file *unsaved_latest(const struct unsaved *unsaved)
{
	return unsaved->count ? &unsaved->files[unsaved->count - 1] : NULL;
}
