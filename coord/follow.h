#ifndef WARREN_COORD_FOLLOW_H
#define WARREN_COORD_FOLLOW_H

#include <stdint.h>

struct node;
struct sessions;

/* Memory follows what other coordinators, or hands, changed in a shared database. */

/*
 * Whatever was changed since the last time is read again, and nodes hear of it. 0 also where no
 * others are; errors of the store: the next time it goes on from where it was.
 */
int follow_catch_up(struct sessions *sessions, uint64_t now_s);
/* Forgets old changes, now and then. */
void follow_tick(struct sessions *sessions, uint64_t now_s);

#endif
