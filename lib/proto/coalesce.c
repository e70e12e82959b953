#include "proto/coalesce.h"

#include <string.h>

#include "base/buf.h"
#include "proto/checksum.h"
#include "proto/inner.h"

#define TCP_HEADER_MIN 20
#define UDP_HEADER     8
#define TCP_CHECKSUM   16
#define UDP_CHECKSUM   6
#define TCP_FLAGS      13
#define TCP_FIN        0x01
#define TCP_SYN        0x02
#define TCP_RST        0x04
#define TCP_PSH        0x08
#define TCP_URG        0x20
#define TCP_CWR        0x80

void coalesce_init(struct coalesce *c, bool tcp, bool udp)
{
	c->tcp = tcp;
	c->udp = udp;
	coalesce_reset(c);
}

void coalesce_reset(struct coalesce *c)
{
	/* Number 0 ends a chain, so packets begin at 1. */
	c->packets = 1;
	c->runs = 0;
	c->barrier = 0;
	memset(c->latest, 0, sizeof(c->latest));
}

bool coalesce_full(const struct coalesce *c)
{
	return c->packets == COALESCE_PACKETS_MAX;
}

static bool is_v4(const uint8_t *p)
{
	return p[0] >> 4 == 4;
}

/* Protocol, addresses and ports: what may not be reordered. */
static bool same_flow(const uint8_t *a, const uint8_t *b, size_t l4)
{
	if (a[0] != b[0] || memcmp(a + l4, b + l4, 4) != 0)
		return false;
	if (is_v4(a))
		return memcmp(a + 12, b + 12, 8) == 0;
	return memcmp(a + 8, b + 8, 32) == 0;
}

/* Where the latest run of the packet's flow is remembered. */
static uint16_t *latest_of(struct coalesce *c, const uint8_t *p, size_t l4)
{
	uint32_t hash = load_be32(p + l4) ^ load_be32(p + l4 - 4) ^ load_be32(p + 12) * 31;

	return &c->latest[(hash * 0x9E3779B1U) / (UINT32_MAX / COALESCE_FLOWS + 1)];
}

/* What is one for the whole run in the merged IP header: ToS, TTL, DF; flow label. */
static bool same_ip_header(const uint8_t *a, const uint8_t *b)
{
	if (is_v4(a))
		return a[1] == b[1] && a[8] == b[8] && a[6] == b[6];
	return memcmp(a, b, 4) == 0 && a[7] == b[7];
}

/* Acknowledgment, window, urgent pointer, options and all flags but those of the ends. */
static bool same_tcp_header(const uint8_t *a, const uint8_t *b)
{
	size_t header = (size_t)(a[12] >> 4) * 4;
	uint8_t ends = TCP_FIN | TCP_PSH | TCP_CWR;

	return a[12] == b[12] && ((a[TCP_FLAGS] ^ b[TCP_FLAGS]) & (uint8_t)~ends) == 0 &&
	       memcmp(a + 8, b + 8, 4) == 0 && memcmp(a + 14, b + 14, 2) == 0 &&
	       memcmp(a + 18, b + 18, header - 18) == 0;
}

/*
 * Zero has two forms, and the kernel writes one of them: 0 in IP and TCP, all ones in UDP, where 0
 * says that there is no checksum to verify. The other form would not come out as it came in.
 */
static bool checksums_right(const uint8_t *p, size_t len, size_t l4, uint8_t proto)
{
	bool udp = proto == INNER_UDP;
	uint64_t sum;

	if (is_v4(p) &&
	    (load_be16(p + 10) == 0xFFFF || checksum_fold(checksum_add(0, p, l4)) != 0xFFFF))
		return false;
	if (load_be16(p + l4 + (udp ? UDP_CHECKSUM : TCP_CHECKSUM)) == (udp ? 0 : 0xFFFF))
		return false;
	sum = checksum_pseudo(p, proto, len - l4);
	return checksum_fold(checksum_add(sum, p + l4, len - l4)) == 0xFFFF;
}

static size_t tcp_header_len(const uint8_t *l4, size_t l4_len)
{
	size_t len = l4_len < TCP_HEADER_MIN ? 0 : (size_t)(l4[12] >> 4) * 4;

	return len < TCP_HEADER_MIN || len > l4_len ? 0 : len;
}

/* Fills proto, header length and state of a run that begins with packet. */
static void classify(struct coalesce *c, const struct inner *inner, struct coalesce_packet *packet,
		     struct coalesce_run *run)
{
	const uint8_t *l4 = packet->data + inner->l4;
	size_t l4_len = packet->len - inner->l4;
	size_t header = 0;

	if (inner->plain && inner->proto == INNER_TCP && c->tcp)
		header = tcp_header_len(l4, l4_len);
	else if (inner->plain && inner->proto == INNER_UDP && c->udp)
		header = l4_len < UDP_HEADER ? 0 : UDP_HEADER;
	else if (inner->plain)
		return;
	if (!header) {
		/* A fragment, say, whose flow is not seen: no later packet may overtake it. */
		c->barrier = (uint16_t)(c->runs + 1);
		return;
	}
	packet->header_len = (uint16_t)(inner->l4 + header);
	run->proto = inner->proto;
	run->l4 = inner->l4;
	run->size = (uint16_t)(packet->len - packet->header_len);
	if (run->proto == INNER_TCP) {
		run->closed = l4[TCP_FLAGS] & (TCP_FIN | TCP_SYN | TCP_RST | TCP_PSH | TCP_URG);
		run->next_seq = load_be32(l4 + 4) + run->size;
	} else {
		run->closed = load_be16(l4 + 4) != l4_len;
	}
	if (is_v4(packet->data))
		run->next_id = (uint16_t)(load_be16(packet->data + 4) + 1);
	if (!run->size)
		run->closed = true;
}

static bool headers_follow(const struct coalesce_run *run, const struct coalesce_packet *head,
			   const struct coalesce_packet *packet)
{
	const uint8_t *a = head->data;
	const uint8_t *b = packet->data;

	if (!same_ip_header(a, b))
		return false;
	if (is_v4(a) && load_be16(b + 4) != run->next_id)
		return false;
	if (run->proto == INNER_UDP)
		return load_be16(b + run->l4 + 4) == packet->len - run->l4;
	return load_be32(b + run->l4 + 4) == run->next_seq && !(b[run->l4 + TCP_FLAGS] & TCP_CWR) &&
	       same_tcp_header(a + run->l4, b + run->l4);
}

/* May packet follow in run? Checksums last: they cost most. */
static bool may_join(struct coalesce *c, struct coalesce_run *run,
		     const struct coalesce_packet *packet)
{
	struct coalesce_packet *head = &c->packet[run->first];
	size_t payload = packet->len - packet->header_len;
	size_t run_max = run->proto == INNER_UDP ? COALESCE_UDP_RUN_MAX : COALESCE_RUN_MAX;

	if (run->closed || !payload || payload > run->size || run->count == run_max ||
	    run->len + payload > PACKET_MAX || packet->header_len != head->header_len)
		return false;
	if (!headers_follow(run, head, packet))
		return false;
	if (!run->verified) {
		run->verified = checksums_right(head->data, head->len, run->l4, run->proto);
		run->closed = !run->verified;
	}
	return run->verified && checksums_right(packet->data, packet->len, run->l4, run->proto);
}

static void join(struct coalesce *c, struct coalesce_run *run, uint16_t number)
{
	struct coalesce_packet *packet = &c->packet[number];
	uint32_t payload = packet->len - packet->header_len;

	c->packet[run->last].next = number;
	run->last = number;
	run->count++;
	run->len += payload;
	run->next_seq += payload;
	run->next_id++;
	if (payload < run->size)
		run->closed = true;
	if (run->proto == INNER_TCP && packet->data[run->l4 + TCP_FLAGS] & (TCP_FIN | TCP_PSH))
		run->closed = true;
}

/* The run that packet may only follow in: its flow's latest, never an earlier one. */
static struct coalesce_run *find_run(struct coalesce *c, const struct coalesce_packet *packet,
				     const struct coalesce_run *fresh, uint16_t latest)
{
	struct coalesce_run *run;

	if (!latest || latest <= c->barrier)
		return NULL;
	run = &c->run[latest - 1];
	if (run->proto != fresh->proto || run->l4 != fresh->l4 ||
	    !same_flow(c->packet[run->first].data, packet->data, run->l4))
		return NULL;
	return run;
}

void coalesce_add(struct coalesce *c, uint8_t *data, size_t len)
{
	uint16_t number = (uint16_t)c->packets++;
	struct coalesce_packet *packet = &c->packet[number];
	struct coalesce_run fresh = {
		.first = number, .last = number, .count = 1, .len = (uint32_t)len
	};
	struct inner inner;

	*packet = (struct coalesce_packet){ .data = data, .len = (uint32_t)len };
	if (inner_parse(&inner, data, len) == 0 && inner.len == len)
		classify(c, &inner, packet, &fresh);
	if (fresh.proto) {
		uint16_t *latest = latest_of(c, data, fresh.l4);
		struct coalesce_run *run = find_run(c, packet, &fresh, *latest);

		if (run && may_join(c, run, packet)) {
			join(c, run, number);
			return;
		}
		*latest = (uint16_t)(c->runs + 1);
	}
	c->run[c->runs++] = fresh;
}

/* In the header of a run's first packet: as much as len bytes in all follow from its first one. */
static void set_lengths(uint8_t *p, const struct coalesce_run *run, size_t len)
{
	size_t l4_len = len - run->l4;
	uint16_t sum;

	if (is_v4(p)) {
		store_be16(p + 2, (uint16_t)len);
		memset(p + 10, 0, 2);
		sum = (uint16_t)~checksum_fold(checksum_add(0, p, run->l4));
		memcpy(p + 10, &sum, 2);
	} else {
		store_be16(p + 4, (uint16_t)l4_len);
	}
	if (run->proto == INNER_UDP)
		store_be16(p + run->l4 + 4, (uint16_t)l4_len);
}

/* Lengths and flags of the whole, the checksum left to the kernel. */
static void merge_headers(const struct coalesce *c, const struct coalesce_run *run)
{
	uint8_t *p = c->packet[run->first].data;
	const uint8_t *last = c->packet[run->last].data;
	uint16_t sum;

	set_lengths(p, run, run->len);
	sum = checksum_fold(checksum_pseudo(p, run->proto, run->len - run->l4));
	if (run->proto == INNER_TCP) {
		p[run->l4 + TCP_FLAGS] |= last[run->l4 + TCP_FLAGS] & (TCP_FIN | TCP_PSH);
		memcpy(p + run->l4 + TCP_CHECKSUM, &sum, 2);
	} else {
		memcpy(p + run->l4 + UDP_CHECKSUM, &sum, 2);
	}
}

static void fill_header(const struct coalesce *c, const struct coalesce_run *run,
			struct vnet_hdr *hdr)
{
	const struct coalesce_packet *head = &c->packet[run->first];

	hdr->flags = VNET_NEEDS_CSUM;
	hdr->hdr_len = head->header_len;
	hdr->gso_size = run->size;
	hdr->csum_start = run->l4;
	if (run->proto == INNER_UDP) {
		hdr->csum_offset = UDP_CHECKSUM;
		hdr->gso_type = VNET_GSO_UDP_L4;
		return;
	}
	hdr->csum_offset = TCP_CHECKSUM;
	hdr->gso_type = is_v4(head->data) ? VNET_GSO_TCPV4 : VNET_GSO_TCPV6;
	if (head->data[run->l4 + TCP_FLAGS] & TCP_CWR)
		hdr->gso_type |= VNET_GSO_ECN;
}

/* The first packet of a run began with right checksums, and without what only the last may have. */
void coalesce_split(struct coalesce *c, size_t index)
{
	const struct coalesce_run *run = &c->run[index];
	struct coalesce_packet *head = &c->packet[run->first];
	uint8_t *p = head->data;
	size_t l4_len = head->len - run->l4;
	uint8_t *field = p + run->l4 + (run->proto == INNER_UDP ? UDP_CHECKSUM : TCP_CHECKSUM);
	uint16_t sum;

	if (run->count == 1)
		return;
	set_lengths(p, run, head->len);
	if (run->proto == INNER_TCP)
		p[run->l4 + TCP_FLAGS] &= (uint8_t) ~(TCP_FIN | TCP_PSH);
	memset(field, 0, 2);
	sum = (uint16_t)~checksum_fold(
		checksum_add(checksum_pseudo(p, run->proto, l4_len), p + run->l4, l4_len));
	if (run->proto == INNER_UDP && !sum)
		sum = 0xFFFF;
	memcpy(field, &sum, 2);
}

size_t coalesce_finish(struct coalesce *c, size_t index, struct vnet_hdr *hdr, struct iovec *iov)
{
	const struct coalesce_run *run = &c->run[index];
	const struct coalesce_packet *packet = &c->packet[run->first];
	size_t used = 2;

	*hdr = (struct vnet_hdr){ 0 };
	iov[0] = (struct iovec){ .iov_base = hdr, .iov_len = VNET_HDR_SIZE };
	iov[1] = (struct iovec){ .iov_base = packet->data, .iov_len = packet->len };
	if (run->count == 1)
		return used;
	merge_headers(c, run);
	fill_header(c, run, hdr);
	while (packet->next) {
		packet = &c->packet[packet->next];
		iov[used++] = (struct iovec){ .iov_base = packet->data + packet->header_len,
					      .iov_len = packet->len - packet->header_len };
	}
	return used;
}
