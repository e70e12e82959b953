#include "relay/batch.h"

#include <stdlib.h>
#include <string.h>

#include "io/udp.h"

#define ARENA_SIZE (512U * 1024)

struct batch {
	int fd; /* of everything that waits */
	size_t count;
	size_t used;
	struct endpoint last_to;
	struct ip_addr last_local;
	size_t packets; /* of the last datagram */
	struct udp_route routes[UDP_SEND_MAX];
	struct udp_datagram datagrams[UDP_SEND_MAX];
	uint8_t arena[ARENA_SIZE];
};

struct batch *batch_new(void)
{
	return calloc(1, sizeof(struct batch));
}

void batch_free(struct batch *batch)
{
	free(batch);
}

void batch_flush(struct batch *batch)
{
	if (batch->count)
		udp_send(batch->fd, batch->datagrams, batch->count, NULL);
	batch->count = 0;
	batch->used = 0;
}

/* The kernel cuts equal pieces, only the last may be shorter. */
static bool joins(const struct batch *batch, const struct relay_address *to, size_t len,
		  uint8_t tos)
{
	const struct udp_datagram *last;

	if (!batch->count)
		return false;
	last = &batch->datagrams[batch->count - 1];
	return last->tos == tos && len <= last->segment && last->len % last->segment == 0 &&
	       batch->packets < UDP_GSO_MAX && last->len + len <= UDP_BYTES_MAX &&
	       endpoint_equal(&batch->last_to, &to->remote) &&
	       addr_equal(&batch->last_local, &to->local);
}

void batch_add(struct batch *batch, int fd, const struct relay_address *to, const uint8_t *data,
	       size_t len, uint8_t tos)
{
	uint8_t *at;

	if (batch->fd != fd || ARENA_SIZE - batch->used < len)
		batch_flush(batch);
	batch->fd = fd;
	if (joins(batch, to, len, tos)) {
		batch->datagrams[batch->count - 1].len += len;
		batch->packets++;
	} else {
		if (batch->count == UDP_SEND_MAX)
			batch_flush(batch);
		udp_route_init(&batch->routes[batch->count], &to->remote, &to->local, 0);
		batch->datagrams[batch->count] = (struct udp_datagram){
			.route = &batch->routes[batch->count],
			.data = batch->arena + batch->used,
			.len = len,
			.segment = (uint16_t)len,
			.tos = tos,
		};
		batch->count++;
		batch->last_to = to->remote;
		batch->last_local = to->local;
		batch->packets = 1;
	}
	at = batch->arena + batch->used;
	memcpy(at, data, len);
	batch->used += len;
}
