#ifndef WARREN_CTL_WHOIS_TEXT_H
#define WARREN_CTL_WHOIS_TEXT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

/* A node of the status object. */
void whois_text_node(const json_t *node, FILE *out);

/*
 * An address behind a router, from the object of `routes`: its network, who carries it, and how it
 * is called elsewhere. name: in the network's names, or NULL. False (and nothing is printed): no
 * router offers a network with it.
 */
bool whois_text_address(const json_t *routes, const char *address, const char *name, FILE *out);

#endif
