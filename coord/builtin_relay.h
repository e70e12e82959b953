#ifndef WARREN_COORD_BUILTIN_RELAY_H
#define WARREN_COORD_BUILTIN_RELAY_H

struct loop;
struct network;
struct options;
struct relay;

/*
 * The relay that runs inside the coordinator: starts it and puts it first into the network's list
 * of relays, in memory only. 0 or an error of relay_new. Called before any node is connected.
 */
int builtin_relay_start(struct relay **relay, struct loop *loop, struct network *network,
			const struct options *options);

#endif
