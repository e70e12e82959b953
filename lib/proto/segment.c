#include "proto/segment.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/buf.h"
#include "proto/checksum.h"
#include "proto/inner.h"
#include "proto/vnet.h"

#define TCP_HEADER_MIN 20
#define UDP_HEADER     8
#define TCP_CHECKSUM   16
#define UDP_CHECKSUM   6
#define TCP_FLAGS      13

/* Next headers of IPv6 (RFC 8200, 4.3 and 4.6). */
#define HOP_BY_HOP          0
#define DESTINATION_OPTIONS 60

#define TCP_FIN 0x01
#define TCP_PSH 0x08
#define TCP_CWR 0x80
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_URG 0x20

/* One packet: only its checksum may be open. */
static int plan_whole(struct segment_plan *plan, const struct vnet_hdr *hdr)
{
	plan->count = 1;
	plan->size = plan->len;
	if (!(hdr->flags & VNET_NEEDS_CSUM))
		return 0;
	/* The sum covers at least its own field, behind at least an IP header. */
	if (hdr->csum_start < 20 || (size_t)hdr->csum_start + hdr->csum_offset + 2 > plan->len)
		return -EBADMSG;
	plan->csum_start = hdr->csum_start;
	plan->csum_at = (uint16_t)(hdr->csum_start + hdr->csum_offset);
	return 0;
}

/*
 * Where the layer 4 header of this protocol begins; 0: the packet has none, is a fragment, or has
 * an address in a routing header, which its checksum would cover.
 */
static size_t find_l4(const struct inner *inner, const uint8_t *packet, uint8_t proto)
{
	uint8_t next = inner->proto;
	size_t at = inner->l4;

	if (inner->version == 4)
		return next == proto && !(load_be16(packet + 6) & 0x3FFF) ? at : 0;
	while (next == HOP_BY_HOP || next == DESTINATION_OPTIONS) {
		if (at + 8 > inner->len)
			return 0;
		next = packet[at];
		at += ((size_t)packet[at + 1] + 1) * 8;
	}
	return next == proto && at < inner->len ? at : 0;
}

/*
 * The layer 4 header's own length field counts, never hdr_len. Every checksum is made anew, so it
 * has to be open, or known to be right.
 */
static int plan_cut(struct segment_plan *plan, const struct vnet_hdr *hdr)
{
	struct inner inner;
	size_t l4_header;

	if (!hdr->gso_size || !(hdr->flags & (VNET_NEEDS_CSUM | VNET_DATA_VALID)))
		return -EBADMSG;
	if (inner_parse(&inner, plan->packet, plan->len) < 0 || inner.len != plan->len)
		return -EBADMSG;
	plan->l4 = (uint16_t)find_l4(&inner, plan->packet, plan->proto);
	if (!plan->l4 || (hdr->flags & VNET_NEEDS_CSUM && hdr->csum_start != plan->l4))
		return -EBADMSG;
	if (plan->proto == INNER_TCP) {
		if ((size_t)plan->l4 + TCP_HEADER_MIN > plan->len)
			return -EBADMSG;
		l4_header = (size_t)(plan->packet[plan->l4 + 12] >> 4) * 4;
		if (l4_header < TCP_HEADER_MIN)
			return -EBADMSG;
	} else {
		l4_header = UDP_HEADER;
	}
	plan->header_len = plan->l4 + l4_header;
	if (plan->header_len > plan->len)
		return -EBADMSG;
	plan->size = hdr->gso_size;
	plan->count = (plan->len - plan->header_len + plan->size - 1) / plan->size;
	if (!plan->count)
		plan->count = 1;
	return 0;
}

int segment_plan(struct segment_plan *out, const struct vnet_hdr *hdr, const uint8_t *packet,
		 size_t len)
{
	struct segment_plan plan = { .packet = packet, .len = len };
	uint8_t version = len ? packet[0] >> 4 : 0;
	int err;

	switch (hdr->gso_type & ~VNET_GSO_ECN) {
	case VNET_GSO_NONE:
		err = len ? plan_whole(&plan, hdr) : -EBADMSG;
		break;
	case VNET_GSO_TCPV4:
	case VNET_GSO_TCPV6:
		plan.proto = INNER_TCP;
		err = version == ((hdr->gso_type & ~VNET_GSO_ECN) == VNET_GSO_TCPV4 ? 4 : 6)
			      ? plan_cut(&plan, hdr)
			      : -EBADMSG;
		break;
	case VNET_GSO_UDP_L4:
		plan.proto = INNER_UDP;
		err = plan_cut(&plan, hdr);
		break;
	default:
		err = -EBADMSG;
	}
	if (!err)
		*out = plan;
	return err;
}

/* A packet of its own, as if it had come with an offload: its checksum is made anew as well. */
static int plan_lone_tcp(struct segment_plan *plan)
{
	const struct vnet_hdr hdr = {
		.flags = plan->csum_at ? VNET_NEEDS_CSUM : VNET_DATA_VALID,
		.gso_size = 1,
		.csum_start = plan->csum_start,
	};
	const uint8_t *l4;
	uint64_t sum;

	plan->proto = INNER_TCP;
	if (plan_cut(plan, &hdr) < 0)
		return -EMSGSIZE;
	l4 = plan->packet + plan->l4;
	if (l4[TCP_FLAGS] & (TCP_SYN | TCP_RST | TCP_URG))
		return -EMSGSIZE;
	sum = checksum_pseudo(plan->packet, INNER_TCP, plan->len - plan->l4);
	if (!plan->csum_at && checksum_fold(checksum_add(sum, l4, plan->len - plan->l4)) != 0xFFFF)
		return -EMSGSIZE;
	return 0;
}

int segment_limit(struct segment_plan *plan, size_t max)
{
	struct segment_plan cut = *plan;

	if (!cut.proto && plan_lone_tcp(&cut) < 0)
		return -EMSGSIZE;
	if (cut.proto != INNER_TCP || cut.header_len >= max)
		return -EMSGSIZE;
	if (cut.header_len + cut.size > max || !plan->proto)
		cut.size = max - cut.header_len;
	cut.count = (cut.len - cut.header_len + cut.size - 1) / cut.size;
	if (!cut.count)
		cut.count = 1;
	*plan = cut;
	return 0;
}

size_t segment_len(const struct segment_plan *plan, size_t index)
{
	if (index + 1 < plan->count)
		return plan->header_len + plan->size;
	/* The last one has what is left, and a packet that is not cut has it all. */
	return plan->proto ? plan->len - index * plan->size : plan->len;
}

/* A UDP checksum of zero would mean that there is none (RFC 768). */
static void store_checksum(uint8_t *at, uint64_t sum, bool udp)
{
	uint16_t folded = (uint16_t)~checksum_fold(sum);

	if (udp && !folded)
		folded = 0xFFFF;
	memcpy(at, &folded, sizeof(folded));
}

static void write_whole(const struct segment_plan *plan, uint8_t *out)
{
	uint64_t sum;

	if (!plan->csum_at) {
		memcpy(out, plan->packet, plan->len);
		return;
	}
	memcpy(out, plan->packet, plan->csum_start);
	/* The field holds the sum of the pseudo-header, so it is part of what is summed. */
	sum = checksum_copy(0, out + plan->csum_start, plan->packet + plan->csum_start,
			    plan->len - plan->csum_start);
	store_checksum(out + plan->csum_at, sum, plan->csum_at - plan->csum_start == UDP_CHECKSUM);
}

static void fix_ip(const struct segment_plan *plan, size_t index, uint8_t *out, size_t len)
{
	if (out[0] >> 4 == 6) {
		store_be16(out + 4, (uint16_t)(len - 40));
		return;
	}
	store_be16(out + 2, (uint16_t)len);
	store_be16(out + 4, (uint16_t)(load_be16(out + 4) + index));
	memset(out + 10, 0, 2);
	store_checksum(out + 10, checksum_add(0, out, plan->l4), false);
}

static void fix_tcp(const struct segment_plan *plan, size_t index, uint8_t *tcp)
{
	store_be32(tcp + 4, load_be32(tcp + 4) + (uint32_t)(index * plan->size));
	if (index)
		tcp[TCP_FLAGS] &= (uint8_t)~TCP_CWR;
	if (index + 1 < plan->count)
		tcp[TCP_FLAGS] &= (uint8_t) ~(TCP_FIN | TCP_PSH);
}

void segment_write(const struct segment_plan *plan, size_t index, uint8_t *out)
{
	size_t len = segment_len(plan, index);
	size_t l4_len = len - plan->l4;
	uint8_t *l4 = out + plan->l4;
	size_t csum = plan->proto == INNER_TCP ? TCP_CHECKSUM : UDP_CHECKSUM;
	uint64_t sum;

	if (!plan->proto) {
		write_whole(plan, out);
		return;
	}
	memcpy(out, plan->packet, plan->header_len);
	sum = checksum_copy(checksum_pseudo(out, plan->proto, l4_len), out + plan->header_len,
			    plan->packet + plan->header_len + index * plan->size,
			    len - plan->header_len);
	fix_ip(plan, index, out, len);
	if (plan->proto == INNER_TCP)
		fix_tcp(plan, index, l4);
	else
		store_be16(l4 + 4, (uint16_t)l4_len);
	memset(l4 + csum, 0, 2);
	sum = checksum_add(sum, l4, plan->header_len - plan->l4);
	store_checksum(l4 + csum, sum, plan->proto == INNER_UDP);
}
