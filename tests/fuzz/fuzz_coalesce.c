#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "proto/coalesce.h"
#include "proto/segment.h"

/* Packets, each behind two bytes of length. No byte may be lost, and each write must be cuttable.
 */

static struct coalesce c;

static void check(size_t index, size_t packets)
{
	static uint8_t whole[PACKET_MAX];
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
	if (len && (segment_plan(&plan, &hdr, whole, len) < 0 || plan.count != packets))
		abort();
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
		check(i, c.run[i].count);
	}
	if (taken != total)
		abort();
	free(copy);
	return 0;
}
