#ifndef WARREN_COORD_DATA_DIR_H
#define WARREN_COORD_DATA_DIR_H

#include <limits.h>
#include <stddef.h>
#include <stdint.h>

/* The files in --data DIR. */
#define DATA_DIR_DATABASE     "coord.db"
#define DATA_DIR_COORDINATOR  "coordinator.key" /* X25519, of the control channel */
#define DATA_DIR_AUTHORITY    "authority.key"   /* Ed25519 seed, signs everything */
#define DATA_DIR_TLS_CERT     "tls.crt"
#define DATA_DIR_TLS_KEY      "tls.key"
#define DATA_DIR_ACME         "acme-challenges"
#define DATA_DIR_ADMIN_SOCKET "admin.sock"
#define DATA_DIR_API_SOCKET   "api.sock"
#define DATA_DIR_SECRET_SIZE  32

/* "DIR/name"; 0 or -ENAMETOOLONG. */
int data_dir_path(char out[static PATH_MAX], const char *dir, const char *name);
/* A 32-byte secret as base64 text, mode 0600. 0 or -errno. */
int data_dir_write_secret(const char *dir, const char *name,
			  const uint8_t secret[static DATA_DIR_SECRET_SIZE]);
/* 0; -EBADMSG: damaged; -EPERM: others may read it; or another -errno. */
int data_dir_read_secret(const char *dir, const char *name,
			 uint8_t secret[static DATA_DIR_SECRET_SIZE]);

/* What is free where dir lies. 0 or -errno. */
int data_dir_free_bytes(const char *dir, uint64_t *bytes);

#endif
