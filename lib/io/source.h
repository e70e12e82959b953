#ifndef WARREN_IO_SOURCE_H
#define WARREN_IO_SOURCE_H

#include "base/addr.h"

/*
 * The address that this host would send from towards remote, without sending anything. 0,
 * -ENETUNREACH when there is no way, or another -errno.
 */
int source_address(struct ip_addr *source, const struct endpoint *remote);

#endif
