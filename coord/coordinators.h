#ifndef WARREN_COORD_COORDINATORS_H
#define WARREN_COORD_COORDINATORS_H

#include <stdbool.h>
#include <stdint.h>

struct network;
struct token_address;

/*
 * The coordinators of one network as nodes see them: all addresses go into tokens, and the relay
 * inside each is one of the network's, with a name of its own. In a shared database each has a row.
 */
#define COORDINATORS_LIFE_S (30 * 24 * 3600) /* not started for so long, one is forgotten */

/*
 * Tells the others that we are at this public address, with this relay inside (NULL: none). When
 * others have a relay of that name and `any_name`, ours is called name-2, name-3 …; else -EEXIST.
 */
int coordinators_register(struct network *network, const struct token_address *own,
			  const char *relay, bool any_name, uint16_t relay_port, uint64_t now_s);
/* We are still there; once a day. */
int coordinators_refresh(struct network *network, uint64_t now_s);
/* Addresses and relays of all into memory. */
int coordinators_load(struct network *network);

#endif
