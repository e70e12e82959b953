#ifndef WARREN_COORD_HANDED_FILE_H
#define WARREN_COORD_HANDED_FILE_H

#include <limits.h>

/*
 * A file that the server makes for a command. The two may see different folders (a service has a
 * /tmp of its own, and no /home), but the data folder is the same for both: there the server puts
 * it, and the command moves it to where it is wanted.
 */
struct handed_file {
	char made[PATH_MAX];   /* in the data folder: for the request */
	char wanted[PATH_MAX]; /* as the user typed it */
};

#define HANDED_FILE_PREFIX "handed-" /* of its name in the data folder */

/*
 * 0; -EEXIST: it is there already; -ENOENT, -EACCES: its folder, or the data folder; -EXDEV: it
 * would be in the data folder; -ENAMETOOLONG.
 */
int handed_file_begin(struct handed_file *file, const char *dir, const char *wanted);
/* The server has made it. 0, or -errno and it still is where it was made. */
int handed_file_finish(const struct handed_file *file);

#endif
