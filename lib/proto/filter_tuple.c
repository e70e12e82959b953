#include "proto/filter_tuple.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "base/buf.h"

#define IPV6_EXTENSIONS_MAX 8
#define IPPROTO_MOBILITY    135 /* RFC 6275, 6.1 */
#define IPPROTO_HIP         139 /* RFC 7401, 5.1 */
#define IPPROTO_SHIM6_      140 /* RFC 5533, 5.1 */

#define TCP_HEADER_MIN 20
#define TCP_FIN        0x01
#define TCP_SYN        0x02
#define TCP_RST        0x04
#define TCP_ACK        0x10

#define ICMP4_ECHO_REPLY      0 /* RFC 792 */
#define ICMP4_UNREACHABLE     3
#define ICMP4_SOURCE_QUENCH   4
#define ICMP4_REDIRECT        5
#define ICMP4_ECHO            8
#define ICMP4_TIME_EXCEEDED   11
#define ICMP4_PARAMETER       12
#define ICMP6_FIRST_NOT_ERROR 128 /* RFC 4443, 2.1 */
#define ICMP6_ECHO            128
#define ICMP6_ECHO_REPLY      129
#define ICMP_HEADER           8

/* Where the transport header of a packet lies, and how much of it the buffer holds. */
struct transport {
	const uint8_t *at;
	size_t len;
};

bool filter_proto_has_ports(uint8_t proto)
{
	return proto == IPPROTO_TCP || proto == IPPROTO_UDP || proto == IPPROTO_UDPLITE ||
	       proto == IPPROTO_SCTP || proto == IPPROTO_DCCP;
}

/*
 * offset: in 8-byte units. A whole packet quoted by an ICMP error may end anywhere after its first
 * 8 transport bytes, so its total length is not held against the buffer.
 */
static int set_fragment(struct filter_tuple *tuple, unsigned int offset, bool more, uint32_t id)
{
	if (!offset && !more)
		return 0;
	if (offset == 1 && tuple->proto == IPPROTO_TCP)
		return -EBADMSG;
	tuple->fragment = offset != 0;
	tuple->more_fragments = offset == 0;
	tuple->fragment_id = id;
	return 0;
}

static int parse_v4(struct filter_tuple *tuple, struct transport *transport, const uint8_t *packet,
		    size_t len, bool quoted)
{
	size_t header = (size_t)(packet[0] & 0x0f) * 4;
	size_t total;
	unsigned int fragment;

	if (len < 20 || header < 20 || len < header)
		return -EBADMSG;
	total = load_be16(packet + 2);
	if (total < header || (total > len && !quoted))
		return -EBADMSG;
	if (total > len)
		total = len;
	tuple->src = addr_from_bytes(AF_INET, packet + 12);
	tuple->dst = addr_from_bytes(AF_INET, packet + 16);
	tuple->proto = packet[9];
	transport->at = packet + header;
	transport->len = total - header;
	fragment = load_be16(packet + 6);
	return set_fragment(tuple, fragment & 0x1fff, fragment & 0x2000, load_be16(packet + 4));
}

/* RFC 8200, 4; true when next is a header that names another one after it. */
static bool is_extension(uint8_t next)
{
	return next == IPPROTO_HOPOPTS || next == IPPROTO_ROUTING || next == IPPROTO_FRAGMENT ||
	       next == IPPROTO_DSTOPTS || next == IPPROTO_AH || next == IPPROTO_MOBILITY ||
	       next == IPPROTO_HIP || next == IPPROTO_SHIM6_;
}

/* Steps over one extension header. */
static int skip_extension(struct filter_tuple *tuple, struct transport *transport)
{
	const uint8_t *at = transport->at;
	uint8_t kind = tuple->proto;
	size_t size = 8;
	int err = 0;

	if (transport->len < 8)
		return -EBADMSG;
	tuple->proto = at[0];
	if (kind == IPPROTO_FRAGMENT) {
		unsigned int fragment = load_be16(at + 2);

		err = set_fragment(tuple, fragment >> 3, fragment & 1, load_be32(at + 4));
	} else if (kind == IPPROTO_AH) {
		size = ((size_t)at[1] + 2) * 4; /* RFC 4302, 2.2 */
	} else {
		size = ((size_t)at[1] + 1) * 8;
	}
	if (err || size < 8 || size > transport->len)
		return -EBADMSG;
	transport->at += size;
	transport->len -= size;
	return 0;
}

static int parse_v6(struct filter_tuple *tuple, struct transport *transport, const uint8_t *packet,
		    size_t len, bool quoted)
{
	unsigned int extensions = 0;
	bool fragmented = false;
	size_t payload;

	if (len < 40)
		return -EBADMSG;
	payload = load_be16(packet + 4);
	if (payload > len - 40 && !quoted)
		return -EBADMSG;
	if (payload > len - 40)
		payload = len - 40;
	tuple->src = addr_from_bytes(AF_INET6, packet + 8);
	tuple->dst = addr_from_bytes(AF_INET6, packet + 24);
	/* Such an address would stand for a v4 one and pass rules that are not about it. */
	if (tuple->src.family != AF_INET6 || tuple->dst.family != AF_INET6)
		return -EBADMSG;
	tuple->proto = packet[6];
	transport->at = packet + 40;
	transport->len = payload;
	while (!tuple->fragment && is_extension(tuple->proto)) {
		if (++extensions > IPV6_EXTENSIONS_MAX)
			return -EBADMSG;
		/* Two fragment headers: the second would overwrite what the first said. */
		if (tuple->proto == IPPROTO_FRAGMENT && fragmented)
			return -EBADMSG;
		fragmented |= tuple->proto == IPPROTO_FRAGMENT;
		if (skip_extension(tuple, transport))
			return -EBADMSG;
	}
	return 0;
}

static int parse_ip(struct filter_tuple *tuple, struct transport *transport, const uint8_t *packet,
		    size_t len, bool quoted)
{
	if (len < 1)
		return -EBADMSG;
	if (packet[0] >> 4 == 4)
		return parse_v4(tuple, transport, packet, len, quoted);
	if (packet[0] >> 4 == 6)
		return parse_v6(tuple, transport, packet, len, quoted);
	return -EBADMSG;
}

static bool is_icmp(const struct filter_tuple *tuple)
{
	return tuple->proto == (tuple->src.family == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6);
}

static bool is_icmp_error(const struct filter_tuple *tuple)
{
	uint8_t type = tuple->icmp_type;

	if (tuple->src.family == AF_INET6)
		return type < ICMP6_FIRST_NOT_ERROR;
	return type == ICMP4_UNREACHABLE || type == ICMP4_SOURCE_QUENCH || type == ICMP4_REDIRECT ||
	       type == ICMP4_TIME_EXCEEDED || type == ICMP4_PARAMETER;
}

static bool is_echo(const struct filter_tuple *tuple)
{
	uint8_t type = tuple->icmp_type;

	if (tuple->src.family == AF_INET6)
		return type == ICMP6_ECHO || type == ICMP6_ECHO_REPLY;
	return type == ICMP4_ECHO || type == ICMP4_ECHO_REPLY;
}

static int parse_icmp(struct filter_tuple *tuple, const struct transport *transport)
{
	if (transport->len < ICMP_HEADER)
		return -EBADMSG;
	tuple->icmp_type = transport->at[0];
	if (is_echo(tuple)) {
		tuple->src_port = load_be16(transport->at + 4);
		tuple->dst_port = tuple->src_port;
	}
	return 0;
}

static int parse_ports(struct filter_tuple *tuple, const struct transport *transport, bool quoted)
{
	/* 8 bytes are what every ICMP error quotes at least (RFC 792); UDP has no more. */
	size_t need = tuple->proto == IPPROTO_TCP && !quoted ? TCP_HEADER_MIN : 8;

	if (transport->len < need)
		return -EBADMSG;
	tuple->src_port = load_be16(transport->at);
	tuple->dst_port = load_be16(transport->at + 2);
	if (tuple->proto == IPPROTO_TCP && !quoted) {
		uint8_t flags = transport->at[13];

		tuple->tcp_open = (flags & (TCP_SYN | TCP_ACK)) == TCP_SYN;
		tuple->tcp_close = flags & (TCP_FIN | TCP_RST);
	}
	return 0;
}

static int parse_transport(struct filter_tuple *tuple, const struct transport *transport,
			   bool quoted)
{
	if (tuple->fragment)
		return 0;
	if (is_icmp(tuple))
		return parse_icmp(tuple, transport);
	if (filter_proto_has_ports(tuple->proto))
		return parse_ports(tuple, transport, quoted);
	return 0;
}

/* The direction in which an answer to the tuple would travel. */
static void turn_round(struct filter_tuple *tuple)
{
	struct ip_addr addr = tuple->src;
	uint16_t port = tuple->src_port;

	tuple->src = tuple->dst;
	tuple->dst = addr;
	tuple->src_port = tuple->dst_port;
	tuple->dst_port = port;
	if (!is_icmp(tuple) || !is_echo(tuple))
		return;
	if (tuple->src.family == AF_INET6)
		tuple->icmp_type ^= ICMP6_ECHO ^ ICMP6_ECHO_REPLY;
	else
		tuple->icmp_type ^= ICMP4_ECHO ^ ICMP4_ECHO_REPLY;
}

/* error: the tuple of the ICMP error itself. */
static int parse_quoted(struct filter_tuple *tuple, const struct filter_tuple *error,
			const struct transport *transport)
{
	struct filter_tuple quoted;
	struct transport inner;
	int err;

	memset(&quoted, 0, sizeof(quoted));
	err = parse_ip(&quoted, &inner, transport->at + ICMP_HEADER, transport->len - ICMP_HEADER,
		       true);
	if (!err)
		err = parse_transport(&quoted, &inner, true);
	if (err)
		return err;
	/* An error goes to whoever sent the packet it is about, and is never about an error. */
	if (!addr_equal(&quoted.src, &error->dst) || (is_icmp(&quoted) && is_icmp_error(&quoted)))
		return -EBADMSG;
	turn_round(&quoted);
	quoted.quoted = true;
	quoted.more_fragments = false;
	*tuple = quoted;
	return 0;
}

int filter_tuple_parse(struct filter_tuple *out, bool *related, const uint8_t *packet, size_t len)
{
	struct filter_tuple tuple;
	struct transport transport;
	bool error;
	int err;

	/* Padding too: callers compare and hash bytes. */
	memset(&tuple, 0, sizeof(tuple));
	err = parse_ip(&tuple, &transport, packet, len, false);
	if (!err)
		err = parse_transport(&tuple, &transport, false);
	if (err)
		return err;
	error = !tuple.fragment && is_icmp(&tuple) && is_icmp_error(&tuple);
	if (error) {
		err = parse_quoted(&tuple, &tuple, &transport);
		if (err)
			return err;
	}
	memcpy(out, &tuple, sizeof(tuple));
	*related = error;
	return 0;
}
