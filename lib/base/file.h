#ifndef WARREN_BASE_FILE_H
#define WARREN_BASE_FILE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * Reads a regular file of at most max bytes, never through a symbolic link. *data is malloc'd with
 * a NUL after *len bytes; the caller frees it (file_free_secret for secrets). 0, -ENOENT, -EFBIG,
 * -ELOOP, -EINVAL when not a regular file, or another -errno.
 */
int file_read(const char *path, size_t max, uint8_t **data, size_t *len);

/* As file_read, and -EPERM when group or others may read the file: for keys and tokens. */
int file_read_secret(const char *path, size_t max, uint8_t **data, size_t *len);
/* Wipes and frees what file_read_secret gave. Accepts NULL. */
void file_free_secret(uint8_t *data, size_t len);

/*
 * Replaces the file so that a crash at any moment leaves the old or the new content whole:
 * temporary file beside it, fsync, rename, fsync of the directory. 0 or -errno.
 */
int file_write_atomic(const char *path, const void *data, size_t len, mode_t mode);

/* Creates one directory (0700) unless it is there. 0 or -errno; -ENOTDIR when it is something else.
 */
int file_make_dir(const char *path);

/*
 * Takes a directory for this process alone, until the descriptor is closed or the process ends,
 * however it ends. The descriptor (the caller's to close); -EWOULDBLOCK when another has it, or
 * another -errno.
 */
int file_lock_dir(const char *path);

#endif
