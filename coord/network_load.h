#ifndef WARREN_COORD_NETWORK_LOAD_H
#define WARREN_COORD_NETWORK_LOAD_H

#include <stddef.h>
#include <stdint.h>

#include "coord/network.h"

/* Single parts of the network out of the store into memory: at the start, and when they changed. */

/* Callbacks of store_*_each; arg is the network. */
int network_load_node(void *arg, const struct node *stored);
int network_load_revoked(void *arg, uint64_t serial);
int network_load_relay(void *arg, const struct store_relay *relay);
int network_load_policy(struct network *network, char *error, size_t error_size);
/* Settings that may change while the server runs. */
int network_load_settings(struct network *network);

#endif
