#ifndef WARREN_DAEMON_UAPI_REQUEST_H
#define WARREN_DAEMON_UAPI_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct device;
struct uapi_item;

/*
 * What a set request works on, from its first line to its last. Its peer is looked up by key for
 * every line, since another connection may remove it in between.
 */
struct uapi_request {
	struct device *device;
	uint32_t *fwmark;
	uint8_t public_key[32];
	enum {
		UAPI_PEER_SKIP, /* none named yet, removed, or our own key */
		UAPI_PEER_KNOWN,
		UAPI_PEER_MAKE, /* with the next line that is about it */
	} peer;
};

void uapi_request_init(struct uapi_request *request, struct device *device, uint32_t *fwmark);
/* One line of a set. 0 or -errno, which ends the request. */
int uapi_request_apply(struct uapi_request *request, const struct uapi_item *item);
/* After the last line or an error: publishes. 0 or -errno. */
int uapi_request_finish(struct uapi_request *request);

/* Text that holds secrets: grows, and is wiped when it moves or goes. */
struct uapi_text {
	char *data;
	size_t len;
	size_t cap;
	bool failed; /* out of memory */
};

void uapi_text_printf(struct uapi_text *text, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void uapi_text_clear(struct uapi_text *text);

/* The answer to get, without its errno line. */
void uapi_describe(struct uapi_text *text, const struct device *device, uint32_t fwmark);

#endif
