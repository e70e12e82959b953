#ifndef WARREN_PROTO_UPNP_H
#define WARREN_PROTO_UPNP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

/*
 * What is said to a UPnP Internet Gateway Device and read from it: discovery (SSDP), HTTP, the
 * device's description, and calls (SOAP). Everything that comes is untrusted text; nothing is
 * copied further than the sizes here, and no host that a device names is ever used.
 */
#define UPNP_SSDP_PORT    1900
#define UPNP_SEARCH_MAX   256
#define UPNP_ANSWER_MAX   65536 /* of an HTTP answer; a description has some 4 KB */
#define UPNP_PATH_SIZE    256
#define UPNP_HOST_SIZE    64
#define UPNP_SERVICE_SIZE 96
#define UPNP_REQUEST_MAX  2048
#define UPNP_VALUE_SIZE   64

/* M-SEARCH for gateways, from to, which is the multicast address or the gateway's own. */
size_t upnp_build_search(char *buf, size_t cap, const struct ip_addr *to);

/* Where an HTTP server is: the host as it is to be named to it, and the path. */
struct upnp_url {
	char host[UPNP_HOST_SIZE]; /* "" when the URL is relative */
	uint16_t port;             /* 0 when the URL is relative */
	char path[UPNP_PATH_SIZE]; /* begins with '/' */
};

/* "http://HOST[:PORT]/PATH", or "PATH". 0, or -EBADMSG, -ENOSPC. */
int upnp_parse_url(struct upnp_url *url, const char *text, size_t len);
/* The answer to a search: its LOCATION. 0, -ENOENT for another message, -EBADMSG. */
int upnp_parse_search(struct upnp_url *location, const char *data, size_t len);
/* The numeric address in a host; false for a name. */
bool upnp_host_addr(struct ip_addr *addr, const char *host);

/*
 * An HTTP answer as far as it has come; ended: nothing more will. The body is decoded in place.
 * 0, -EAGAIN while more is to come, -EBADMSG.
 */
struct upnp_answer {
	unsigned int status;
	const char *body;
	size_t body_len;
};
int upnp_parse_answer(struct upnp_answer *answer, char *data, size_t len, bool ended);

/* Of a description: the first service of each kind, and its control URL. */
enum upnp_service_kind {
	UPNP_WAN_IP,   /* WANIPConnection:1 or :2 */
	UPNP_WAN_PPP,  /* WANPPPConnection:1 */
	UPNP_FIREWALL, /* WANIPv6FirewallControl:1 */
	UPNP_SERVICE_KINDS,
};

struct upnp_service {
	char type[UPNP_SERVICE_SIZE]; /* "": there is none */
	struct upnp_url control;
};

/* 0, or -ENOENT when it describes no gateway. */
int upnp_parse_description(struct upnp_service services[static UPNP_SERVICE_KINDS],
			   const char *data, size_t len);

/* The text of the first element of that name, whatever its prefix. 0, -ENOENT, -ENOSPC, -EBADMSG.
 */
int upnp_find_value(char value[static UPNP_VALUE_SIZE], const char *name, const char *data,
		    size_t len);

/* GET of a path. The length, or 0 when it does not fit. */
size_t upnp_build_get(char *buf, size_t cap, const struct upnp_url *url);
/* A call: args are pairs of name and value, NULL at the end. */
size_t upnp_build_call(char *buf, size_t cap, const struct upnp_url *url, const char *service,
		       const char *action, const char *const *args);

#endif
