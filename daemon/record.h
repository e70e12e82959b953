#ifndef WARREN_DAEMON_RECORD_H
#define WARREN_DAEMON_RECORD_H

#include <stddef.h>
#include <stdint.h>

/*
 * A file of the node's state: magic, kind, payload and a hash over all of it, so that damage at any
 * byte is found before anything is believed. Written atomically with mode 0600.
 */
#define RECORD_MAX (8u << 20) /* bytes of payload */

/* kind: up to 8 characters that tell one file from another. 0 or -errno. */
int record_write(const char *path, const char *kind, const void *payload, size_t len);

/*
 * *payload is malloc'd, NUL-terminated after *len bytes and freed with file_free_secret. 0,
 * -ENOENT, -EPERM when others can read the file, -EBADMSG when it is damaged or of another kind, or
 * -errno.
 */
int record_read(const char *path, const char *kind, uint8_t **payload, size_t *len);

#endif
