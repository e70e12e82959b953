#ifndef WARREN_COORD_HTTP_HOST_H
#define WARREN_COORD_HTTP_HOST_H

#include <stdbool.h>

struct network;

/*
 * Is a Host header one of ours? A name that somebody else made point here is not (DNS rebinding):
 * then a foreign page could read what a browser is answered. Ours are the network's public
 * addresses, localhost, any numeric address, and `also` (names separated by spaces, or NULL).
 */
bool http_host_is_ours(const struct network *network, const char *also, const char *host);
/* Is an Origin header that of the page that this Host serves? */
bool http_origin_is_host(const char *origin, const char *host);

#endif
