#ifndef WARREN_COORD_STORE_COORDINATOR_H
#define WARREN_COORD_STORE_COORDINATOR_H

#include <stdint.h>

#include "proto/netmap.h"
#include "proto/token.h"

struct store;

/* One of the coordinators that share the database. */
struct store_coordinator {
	char address[TOKEN_ADDRESS_TEXT_SIZE]; /* public: host:port */
	char relay[NETMAP_RELAY_NAME_MAX + 1]; /* that runs inside it, or "" */
	uint16_t relay_port;
	uint64_t seen_s;
};

int store_coordinator_put(struct store *store, const struct store_coordinator *coordinator);
int store_coordinator_seen(struct store *store, const char *address, uint64_t now_s);
int store_coordinator_each(struct store *store,
			   int (*each)(void *arg, const struct store_coordinator *coordinator),
			   void *arg);
int store_coordinator_purge(struct store *store, uint64_t before_s);

#endif
