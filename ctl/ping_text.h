#ifndef WARREN_CTL_PING_TEXT_H
#define WARREN_CTL_PING_TEXT_H

#include <jansson.h>
#include <stddef.h>

#define PING_TEXT_MAX 512

/* One progress object of ping as a line, without its newline. name: what was asked for. */
const char *ping_text(char out[static PING_TEXT_MAX], const json_t *fields, const char *name);

#endif
