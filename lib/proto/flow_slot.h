#ifndef WARREN_PROTO_FLOW_SLOT_H
#define WARREN_PROTO_FLOW_SLOT_H

#include <stddef.h>
#include <stdint.h>

struct inner;

/*
 * A number for the flow that a packet belongs to, the same for both directions of it, on every
 * machine: addresses and protocol, with the ports of TCP and UDP unless the packet is a fragment or
 * has headers in between. Everything that spreads traffic over cores goes by it (lanes, TUN
 * queues), so a flow stays on one of them from end to end. Not keyed: who chooses his ports well
 * can load one core, but no other than he could load by sending more.
 */
#define FLOW_SLOTS 1024 /* many times the cores, so that what is left over does not weigh */

/* 0 to FLOW_SLOTS - 1. inner: what inner_parse said about packet. */
unsigned int flow_slot(const struct inner *inner, const uint8_t *packet);

/* flow_slot in words that a kernel program can follow: mixed, then the top bits taken. */
#define FLOW_SLOT_MULTIPLIER 0x9E3779B1U /* 2^32 over the golden ratio, odd */
#define FLOW_SLOT_SHIFT      22

#endif
