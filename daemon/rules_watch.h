#ifndef WARREN_DAEMON_RULES_WATCH_H
#define WARREN_DAEMON_RULES_WATCH_H

struct loop;
struct rules_watch;

/*
 * Tells a little later that tables of nftables changed, ours or others': they change in bursts.
 * Where the kernel tells nothing of it nothing is told, and what depends on it looks from time to
 * time.
 */
struct rules_watch *rules_watch_new(struct loop *loop, void (*changed)(void *arg), void *arg);
void rules_watch_free(struct rules_watch *watch);

#endif
