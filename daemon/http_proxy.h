#ifndef WARREN_DAEMON_HTTP_PROXY_H
#define WARREN_DAEMON_HTTP_PROXY_H

#include <stddef.h>

/*
 * The proxy that TCP connections go through with CONNECT, and for whom not. Holds credentials: the
 * owner keeps it in secret memory or wipes it.
 */
#define HTTP_PROXY_USER_MAX   95  /* "user:password"; what libwebsockets takes */
#define HTTP_PROXY_URL_MAX    512 /* with the NUL */
#define HTTP_PROXY_EXCEPT_MAX 1024

struct http_proxy {
	char via[HTTP_PROXY_URL_MAX];       /* "user:password@host:port" for ws.h; "": none */
	char except[HTTP_PROXY_EXCEPT_MAX]; /* as NO_PROXY lists them */
};

/*
 * "http://user:password@host:port/", scheme, credentials (percent-encoded) and port (80) optional;
 * "none": no proxy. NULL, or why it cannot be; *proxy is untouched then.
 */
const char *http_proxy_parse(struct http_proxy *proxy, const char *url);
/* Credentials from a file's one line "user:password". NULL or why not. */
const char *http_proxy_read_credentials(struct http_proxy *proxy, const char *path);
/*
 * What the environment says: https_proxy, HTTPS_PROXY, all_proxy, ALL_PROXY, the first that is set,
 * and no_proxy or NO_PROXY. NULL, or why it is not used.
 */
const char *http_proxy_from_environment(struct http_proxy *proxy);

/*
 * How to reach host: proxy->via, or NULL for directly, also without a proxy. Directly are reached:
 * what NO_PROXY lists by name, by domain (also with a leading dot), by address or prefix, or all
 * with "*"; loopback.
 */
const char *http_proxy_for(const struct http_proxy *proxy, const char *host);
/* "host:port" without credentials, to be shown; NULL when there is none. */
const char *http_proxy_name(const struct http_proxy *proxy);

#endif
