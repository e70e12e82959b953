#ifndef WARREN_DAEMON_UAPI_H
#define WARREN_DAEMON_UAPI_H

#include <stdbool.h>
#include <stdint.h>

struct device;
struct loop;

/*
 * The socket that wg(8) configures a userspace device through, /var/run/wireguard/NAME.sock.
 * Requests of proto/uapi.h are applied to the device as they come.
 */
struct uapi;

#define UAPI_DIRECTORY       "/var/run/wireguard"
#define UAPI_CONNECTIONS_MAX 16

/*
 * fwmark: what the device was made with. read_only: somebody else owns the peers, so that wg(8)
 * may look but a set is refused with EPERM. 0, -EADDRINUSE when another program serves the name, or
 * another -errno. device is borrowed.
 */
int uapi_new(struct uapi **uapi, struct loop *loop, struct device *device, uint32_t fwmark,
	     bool read_only);
/* Removes the socket. Accepts NULL. */
void uapi_free(struct uapi *uapi);

#endif
