#ifndef WARREN_CTL_NETCHECK_TEXT_H
#define WARREN_CTL_NETCHECK_TEXT_H

#include <jansson.h>
#include <stdio.h>

/* The netcheck object of the local API as text for people. */
void netcheck_text_print(const json_t *netcheck, FILE *out);

#endif
