#ifndef WARREN_COORD_REPORT_H
#define WARREN_COORD_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/control_report.h"

struct network;
struct node;

/*
 * What nodes tell about their paths and their health. It is kept in memory only, while they are
 * connected, and only if the network's setting report-paths allows it.
 */

/* Takes over what the report owns, and leaves it empty. */
void report_take(const struct network *network, struct node *node, struct control_report *report,
		 uint64_t now_s);
/* Nothing is known of the node any more. */
void report_forget(struct node *node);
/* Of the last report: what the node said about this peer, or NULL. */
const struct control_report_peer *report_find(const struct node *node,
					      const uint8_t peer_key[static 32]);
/* Stores the setting; no: forgets what there is, and no node is asked. 0 or -errno. */
int report_allow(struct network *network, bool allow);

#endif
