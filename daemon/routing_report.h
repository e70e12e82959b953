#ifndef WARREN_DAEMON_ROUTING_REPORT_H
#define WARREN_DAEMON_ROUTING_REPORT_H

struct routing;

/* What status says of prefixes that cannot be used here; err: the kernel took not all of them. */
void routing_show_health(struct routing *routing, int err);

#endif
