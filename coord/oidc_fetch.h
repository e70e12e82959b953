#ifndef WARREN_COORD_OIDC_FETCH_H
#define WARREN_COORD_OIDC_FETCH_H

#include <stddef.h>
#include <stdint.h>

struct loop;

/*
 * HTTP requests to an OpenID provider, on the event loop: nothing waits for them. Certificates are
 * verified, redirects are not followed, time and sizes are bounded.
 */
struct oidc_fetcher;

#define OIDC_FETCHES_MAX 64 /* at once */
#define OIDC_FETCH_S     10 /* from the start to the last byte */

struct oidc_fetch {
	const char *url;
	const char *form;          /* to post; NULL: GET */
	const char *authorization; /* header; NULL: none */
	const char *ca_file;       /* NULL: the system's authorities */
	/*
	 * The last word on it, never before oidc_fetcher_start returns. Without an answer status is
	 * 0 and text says why; else text is the body.
	 */
	void (*done)(void *arg, uint64_t tag, unsigned int status, const char *text, size_t len);
	void *arg;
	uint64_t tag;
};

/* 0 or -errno. */
int oidc_fetcher_new(struct oidc_fetcher **fetcher, struct loop *loop);
/* Without a word to those who wait. Accepts NULL. */
void oidc_fetcher_free(struct oidc_fetcher *fetcher);
/* Everything is copied. 0, -EBUSY: too many, -ENOMEM. */
int oidc_fetcher_start(struct oidc_fetcher *fetcher, const struct oidc_fetch *fetch);

#endif
