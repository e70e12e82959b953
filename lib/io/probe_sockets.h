#ifndef WARREN_IO_PROBE_SOCKETS_H
#define WARREN_IO_PROBE_SOCKETS_H

#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

struct loop;

/*
 * Many UDP sockets of IPv4, each on a free port of its own, behind one watch of the loop: for
 * opening many mappings of a NAT at once and hearing which of them gets through.
 */
struct probe_sockets;

#define PROBE_SOCKETS_MAX 256

struct probe_sockets_config {
	size_t count;    /* at most PROBE_SOCKETS_MAX */
	uint32_t fwmark; /* 0: none */
	/*
	 * A datagram came to socket `index`, at address local. data is good until it returns, which
	 * may take sockets, send and free the set.
	 */
	void (*receive)(void *arg, size_t index, const struct endpoint *from,
			const struct ip_addr *local, const uint8_t *data, size_t len);
	void *arg;
};

/*
 * Opens as many sockets as are allowed: the limit of descriptors is raised to what the system lets
 * us, and some are left for others. 0; -EMFILE when there is none, -EINVAL, -ENOMEM or another
 * -errno.
 */
int probe_sockets_new(struct probe_sockets **out, struct loop *loop,
		      const struct probe_sockets_config *config);
/* Closes all that were not taken. Accepts NULL. */
void probe_sockets_free(struct probe_sockets *probes);

/* How many there are; their indexes begin with 0. */
size_t probe_sockets_count(const struct probe_sockets *probes);
/* 0 for one that was taken. */
uint16_t probe_sockets_port(const struct probe_sockets *probes, size_t index);
/*
 * local: the source address, NULL or of family 0 for the kernel's choice. ttl 0: the system's.
 * 0, -EBADF for one that was taken, or -errno.
 */
int probe_sockets_send(struct probe_sockets *probes, size_t index, const struct endpoint *remote,
		       const struct ip_addr *local, const uint8_t *data, size_t len, uint8_t ttl);
/*
 * The descriptor is the caller's from here on: for dataplane_adopt_socket, which loses nothing of
 * what waits in it. A descriptor, or -EBADF.
 */
int probe_sockets_take(struct probe_sockets *probes, size_t index);

#endif
