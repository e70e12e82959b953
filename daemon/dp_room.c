#include "daemon/dp_room.h"

#include <string.h>

#include "io/udp.h"

void dp_room_init(struct dp_room *room, int fd)
{
	memset(room, 0, sizeof(*room));
	if (fd >= 0)
		room->limit = udp_set_room(fd, DP_ROOM_START);
}

bool dp_room_ask(struct dp_room *room, int fd, uint64_t now_ns)
{
	size_t queued;

	if (!room->used)
		return true;
	queued = udp_queued(fd);
	if (queued < room->limit)
		return true;
	room->full_bytes = queued;
	room->full_ns = now_ns;
	return false;
}

size_t dp_room_fit(size_t drained, uint64_t elapsed_ns)
{
	/* At most 4 GB in 5 ms: no overflow. */
	uint64_t bytes = (drained & UINT32_MAX) * DP_ROOM_NS / (elapsed_ns ? elapsed_ns : 1);

	if (bytes < DP_ROOM_MIN)
		return DP_ROOM_MIN;
	return bytes < DP_ROOM_MAX ? (size_t)bytes : DP_ROOM_MAX;
}

void dp_room_back(struct dp_room *room, int fd, uint64_t now_ns)
{
	size_t left = udp_queued(fd);

	if (left < room->full_bytes)
		room->limit = udp_set_room(fd, dp_room_fit(room->full_bytes - left,
							   now_ns - room->full_ns));
}
