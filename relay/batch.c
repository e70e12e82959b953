#include "relay/batch.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "io/udp.h"

#define INDEX_SIZE 256 /* a power of two, and more than datagrams */

/* An odd number of cache lines beyond 64 KiB, so that copies do not share cache sets. */
#define COPY_STRIDE (65536 + 17 * 64)

/* One datagram being collected. */
struct slot {
	struct endpoint remote;
	struct ip_addr local;
	atomic_int *gso_error;
	size_t packets;
	size_t place; /* in the index */
	bool borrowed;
};

struct batch {
	int fd;
	size_t count;
	bool borrows;
	struct slot slots[UDP_SEND_MAX];
	struct udp_route routes[UDP_SEND_MAX];
	struct udp_datagram datagrams[UDP_SEND_MAX];
	uint8_t index[INDEX_SIZE]; /* by a hash of the address: 1 + the last slot that goes there */
	uint8_t *copies;           /* COPY_STRIDE bytes for each slot */
};

struct batch *batch_new(int fd)
{
	struct batch *batch = calloc(1, sizeof(*batch));

	if (!batch)
		return NULL;
	batch->fd = fd;
	batch->copies = aligned_alloc(64, UDP_SEND_MAX * COPY_STRIDE);
	if (!batch->copies) {
		free(batch);
		return NULL;
	}
	return batch;
}

void batch_free(struct batch *batch)
{
	if (!batch)
		return;
	free(batch->copies);
	free(batch);
}

bool batch_borrows(const struct batch *batch)
{
	return batch->borrows;
}

void batch_flush(struct batch *batch)
{
	if (batch->count && batch->fd >= 0)
		udp_send(batch->fd, batch->datagrams, batch->count, NULL);
	for (size_t i = 0; i < batch->count; i++) {
		struct slot *slot = &batch->slots[i];
		int error;

		batch->index[slot->place] = 0;
		error = atomic_load_explicit(&batch->routes[i].gso_error, memory_order_relaxed);
		if (slot->gso_error && error)
			atomic_store_explicit(slot->gso_error, error, memory_order_relaxed);
	}
	batch->count = 0;
	batch->borrows = false;
}

static size_t place_of(const struct endpoint *ep)
{
	uint32_t mixed = load_be32(ep->addr.bytes) ^ load_be32(ep->addr.bytes + 12) ^
			 (uint32_t)ep->port << 8 ^ ep->port;

	return mixed * 0x9E3779B1U >> 24;
}

_Static_assert(INDEX_SIZE == 1 << (32 - 24), "as many as place_of knows");

/* The kernel cuts equal pieces, only the last may be shorter. */
static bool joins(const struct batch *batch, size_t i, const struct batch_run *run)
{
	const struct slot *slot = &batch->slots[i];
	const struct udp_datagram *at = &batch->datagrams[i];
	size_t packets = (run->len + run->segment - 1) / run->segment;

	if (at->tos != run->tos || at->len % at->segment || slot->packets + packets > UDP_GSO_MAX ||
	    at->len + run->len > UDP_BYTES_MAX ||
	    (packets == 1 ? run->len > at->segment : run->segment != at->segment))
		return false;
	/* Behind a borrowed run there is room only for what already lies there. */
	if (slot->borrowed && at->data + at->len != run->data)
		return false;
	return endpoint_equal(&slot->remote, &run->to->remote) &&
	       addr_equal(&slot->local, &run->to->local);
}

static void append(struct batch *batch, size_t i, const struct batch_run *run)
{
	struct slot *slot = &batch->slots[i];
	struct udp_datagram *at = &batch->datagrams[i];

	if (!slot->borrowed)
		memcpy(batch->copies + i * COPY_STRIDE + at->len, run->data, run->len);
	at->len += run->len;
	slot->packets += (run->len + run->segment - 1) / run->segment;
}

static void begin(struct batch *batch, const struct batch_run *run, size_t place)
{
	size_t i = batch->count++;
	struct slot *slot = &batch->slots[i];
	struct udp_route *route = &batch->routes[i];

	*slot = (struct slot){
		.remote = run->to->remote,
		.local = run->to->local,
		.gso_error = run->gso_error,
		.place = place,
		.borrowed = run->len > run->segment,
	};
	udp_route_init(route, &slot->remote, &slot->local, 0);
	if (run->gso_error)
		atomic_store_explicit(&route->gso_error,
				      atomic_load_explicit(run->gso_error, memory_order_relaxed),
				      memory_order_relaxed);
	batch->datagrams[i] = (struct udp_datagram){
		.route = route,
		.data = slot->borrowed ? run->data : batch->copies + i * COPY_STRIDE,
		.segment = (uint16_t)run->segment,
		.tos = run->tos,
	};
	batch->index[place] = (uint8_t)(i + 1);
	batch->borrows = batch->borrows || slot->borrowed;
	append(batch, i, run);
}

void batch_add(struct batch *batch, const struct batch_run *run)
{
	size_t place = place_of(&run->to->remote);
	size_t last = batch->index[place];

	if (last && joins(batch, last - 1, run)) {
		append(batch, last - 1, run);
		return;
	}
	if (batch->count == UDP_SEND_MAX)
		batch_flush(batch);
	begin(batch, run, place);
}
