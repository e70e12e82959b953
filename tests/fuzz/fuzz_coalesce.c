#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "proto/coalesce.h"
#include "proto/segment.h"

/*
 * Packets, each behind two bytes of length. What is merged and cut again must be what came, to the
 * last bit, and so must what is split after a refused write.
 */

static struct coalesce c;

/* The packets of a run as they lie in memory now, or cut out of the whole, against what came. */
static void compare(const struct coalesce_run *run, const struct segment_plan *plan,
		    const uint8_t *copy, const uint8_t *original)
{
	static uint8_t cut[PACKET_MAX];
	uint16_t number = run->first;

	for (size_t i = 0; i < run->count; i++, number = c.packet[number].next) {
		const struct coalesce_packet *packet = &c.packet[number];
		const uint8_t *came = original + (packet->data - copy);

		if (plan) {
			if (segment_len(plan, i) != packet->len)
				abort();
			segment_write(plan, i, cut);
		}
		if (packet->len && memcmp(plan ? cut : packet->data, came, packet->len) != 0)
			abort();
	}
}

static void check(size_t index, const uint8_t *copy, const uint8_t *original)
{
	static uint8_t whole[PACKET_MAX];
	const struct coalesce_run *run = &c.run[index];
	struct iovec iov[COALESCE_IOV_MAX];
	struct segment_plan plan;
	struct vnet_hdr hdr;
	size_t used = coalesce_finish(&c, index, &hdr, iov);
	size_t len = 0;

	for (size_t i = 1; i < used; i++) {
		if (len + iov[i].iov_len > sizeof(whole))
			abort();
		memcpy(whole + len, iov[i].iov_base, iov[i].iov_len);
		len += iov[i].iov_len;
	}
	if (len) {
		if (segment_plan(&plan, &hdr, whole, len) < 0 || plan.count != run->count)
			abort();
		compare(run, &plan, copy, original);
	}
	coalesce_split(&c, index);
	compare(run, NULL, copy, original);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size ? size : 1);
	size_t total = 0;
	size_t taken = 0;
	size_t at = 0;

	memcpy(copy, data, size);
	coalesce_init(&c, true, true);
	while (at + 2 <= size && !coalesce_full(&c)) {
		size_t len = load_be16(copy + at);

		at += 2;
		if (len > size - at)
			len = size - at;
		coalesce_add(&c, copy + at, len);
		at += len;
		total++;
	}
	for (size_t i = 0; i < c.runs; i++) {
		taken += c.run[i].count;
		check(i, copy, data);
	}
	if (taken != total)
		abort();
	free(copy);
	return 0;
}
