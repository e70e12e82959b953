#ifndef WARREN_DAEMON_HTTP_PROXY_H
#define WARREN_DAEMON_HTTP_PROXY_H

/*
 * The proxy that TCP connections go through by CONNECT, as ws.h wants it: "user:pass@host:port", of
 * the environment. NULL when there is none. The caller's to free.
 */
char *http_proxy_from_environment(void);

#endif
