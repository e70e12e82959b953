#ifndef WARREN_COORD_WEB_FILES_H
#define WARREN_COORD_WEB_FILES_H

#include <stddef.h>
#include <stdint.h>

/* The files of coord/web as they were when this program was built. */
struct web_file {
	const char *path; /* "/app.js" */
	const char *type;
	const uint8_t *start;
	const uint8_t *end;
};

extern const struct web_file web_files[];
extern const size_t web_file_count;

#endif
