#ifndef WARREN_CTL_ROUTES_TEXT_H
#define WARREN_CTL_ROUTES_TEXT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

/* The object of `routes --json` as text for people. */
void routes_text_print(const json_t *routes, FILE *out, bool colour);

/*
 * Of the routes that hold the address: the most specific one, and of those the one that is used.
 * NULL when none holds it, exits apart.
 */
const json_t *routes_find(const json_t *routes, const char *address);

#endif
