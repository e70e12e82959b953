#ifndef WARREN_COORD_LOGIN_TICKET_H
#define WARREN_COORD_LOGIN_TICKET_H

#include <stdbool.h>

#include "coord/network.h"
#include "proto/control.h"

/*
 * Tickets that nodes show when they log in again. They are made from the coordinator's key, the
 * node's and a number that grows, so nothing but the number is stored, and one that is newer than
 * the database (restored from a backup) is as good as ever.
 */

/* For the node's next login. */
void login_ticket_make(struct control_ticket *ticket, const struct network *network,
		       const struct node *node);
/* Is this ours, and not older than what the node has confirmed? None is good before the first. */
bool login_ticket_is_good(const struct network *network, const struct node *node,
			  const struct control_login *login);

#endif
