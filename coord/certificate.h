#ifndef WARREN_COORD_CERTIFICATE_H
#define WARREN_COORD_CERTIFICATE_H

#include <stdbool.h>
#include <stdint.h>

#include "coord/network.h"

#define CERTIFICATE_LIFE_S     (7 * 86400)
#define CERTIFICATE_BACKDATE_S 3600 /* for nodes whose clocks are behind */

/*
 * Gives the node a new certificate and serial from what the struct says now; nothing is stored. 0
 * or -EINVAL.
 */
int certificate_issue(struct network *network, struct node *node, uint64_t now_s);
/* What a certificate of this node would say now, all but its serial. */
void certificate_describe(const struct network *network, const struct node *node, struct cert *cert,
			  uint64_t now_s);
/* Is a third of its life over? */
bool certificate_is_due(const struct node *node, uint64_t now_s);

#endif
