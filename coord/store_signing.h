#ifndef WARREN_COORD_STORE_SIGNING_H
#define WARREN_COORD_STORE_SIGNING_H

#include <stddef.h>
#include <stdint.h>

#include "proto/signing.h"

struct store;

/* Strict mode in the store: documents in force, and what waits for signatures. */

/* Of one kind there is one. */
int store_document_put(struct store *store, int kind, uint64_t version, const uint8_t *data,
		       size_t len);
/* Borrowed during the call. */
int store_document_each(struct store *store,
			int (*each)(void *arg, int kind, const uint8_t *data, size_t len),
			void *arg);

/* What a request is about, besides its kind: a device key, or zeros. A newer one replaces it. */
struct store_request {
	uint8_t id[SIGNING_ID_SIZE];
	uint8_t subject[32];
	struct signing_request request; /* without previous */
};

int store_request_put(struct store *store, const struct store_request *request);
/* *request's body is malloc'd (store_request_clear). 0 or -ENOENT. */
int store_request_find(struct store *store, const uint8_t id[static SIGNING_ID_SIZE],
		       struct store_request *request);
int store_request_about(struct store *store, int kind, const uint8_t subject[static 32],
			struct store_request *request);
void store_request_clear(struct store_request *request);
int store_request_set(struct store *store, const uint8_t id[static SIGNING_ID_SIZE],
		      const uint8_t *set, size_t set_len);
/* The request about it, if there is one. */
int store_request_delete(struct store *store, int kind, const uint8_t subject[static 32]);
/* Oldest first; the callback may take the body and leave NULL. */
int store_request_each(struct store *store, int (*each)(void *arg, struct store_request *request),
		       void *arg);
/* How many there are, and since when the oldest waits (0: none). */
int store_request_count(struct store *store, uint64_t *count, uint64_t *oldest_s);

/* Devices that are out for good, until a certificate of theirs might hold no longer. */
int store_device_revoke(struct store *store, const uint8_t device_key[static 32], uint64_t until_s);
int store_device_revoked_each(struct store *store, uint64_t now_s,
			      int (*each)(void *arg, const uint8_t device_key[static 32]),
			      void *arg);

#endif
