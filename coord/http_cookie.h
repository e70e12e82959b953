#ifndef WARREN_COORD_HTTP_COOKIE_H
#define WARREN_COORD_HTTP_COOKIE_H

#include <stdbool.h>
#include <stddef.h>

/*
 * The value of one cookie out of a Cookie header (RFC 6265 section 4.2). False when it is not
 * there, does not fit, or is there twice: somebody else may have set one of the two.
 */
bool http_cookie_get(const char *header, const char *name, char *out, size_t size);

#endif
