#ifndef WARREN_DAEMON_REPORTER_H
#define WARREN_DAEMON_REPORTER_H

struct mesh;

/*
 * Tells the coordinator by which kind of path each peer is reached and what is wrong with this
 * machine, for its admin to look at: while the coordinator asks for it, when something changed, and
 * unless the configuration forbids it (proto/control_report.h).
 */
struct reporter;

/* NULL when out of memory. */
struct reporter *reporter_new(struct mesh *mesh);
/* Accepts NULL. */
void reporter_free(struct reporter *reporter);
/* Another connection to the coordinator, which knows nothing yet. */
void reporter_forget(struct reporter *reporter);

#endif
