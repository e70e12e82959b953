#ifndef WARREN_BASE_ADDR_H
#define WARREN_BASE_ADDR_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/*
 * An IP address. family is AF_INET (bytes[0..3], the rest zero), AF_INET6, or 0 for none.
 * v4-mapped v6 addresses do not exist in this type: every constructor turns them into v4, once.
 * Two addresses are equal when their structs are equal byte for byte.
 */
struct ip_addr {
	uint8_t family;
	uint8_t bytes[16];
};

#define ADDR_TEXT_SIZE     46 /* INET6_ADDRSTRLEN */
#define ENDPOINT_TEXT_SIZE 72 /* [address%scope]:port */
#define PREFIX_TEXT_SIZE   50 /* address/len */

struct ip_addr addr_from_v4(uint32_t host_order);
struct ip_addr addr_from_bytes(int family, const uint8_t *bytes);
/* 0 or -EINVAL. Numeric only; no names, no brackets, no scope. */
int addr_parse(struct ip_addr *addr, const char *text);
const char *addr_format(char out[static ADDR_TEXT_SIZE], const struct ip_addr *addr);
bool addr_equal(const struct ip_addr *a, const struct ip_addr *b);
/* 4 or 16; 0 for none. */
size_t addr_len(const struct ip_addr *addr);

bool addr_is_loopback(const struct ip_addr *addr);
bool addr_is_link_local(const struct ip_addr *addr);
bool addr_is_multicast(const struct ip_addr *addr);
bool addr_is_unspecified(const struct ip_addr *addr);
/* Of somebody's own network: RFC 1918, RFC 6598, RFC 4193, link-local. */
bool addr_is_private(const struct ip_addr *addr);
/* An address a peer may legitimately be sent to: none of the above four, not broadcast. */
bool addr_is_unicast(const struct ip_addr *addr);
/* v4, and out on the internet: in no block for private, shared or reserved use (RFC 6890). */
bool addr_is_global(const struct ip_addr *addr);

/* An address with a UDP or TCP port in host order, and the interface for v6 link-local ones. */
struct endpoint {
	struct ip_addr addr;
	uint16_t port;
	uint32_t scope_id;
};

/* Numeric "1.2.3.4:5" or "[::1]:5"; 0 or -EINVAL. Port 0 is accepted. */
int endpoint_parse(struct endpoint *ep, const char *text);
const char *endpoint_format(char out[static ENDPOINT_TEXT_SIZE], const struct endpoint *ep);
bool endpoint_equal(const struct endpoint *a, const struct endpoint *b);
/* Returns the length of the sockaddr, 0 when the endpoint has no address. */
socklen_t endpoint_to_sockaddr(struct sockaddr_storage *ss, const struct endpoint *ep);
/* 0 or -EAFNOSUPPORT. */
int endpoint_from_sockaddr(struct endpoint *ep, const struct sockaddr *sa);

/* An address block. Host bits are always zero. */
struct prefix {
	struct ip_addr addr;
	uint8_t len; /* bits */
};

/* "10.0.0.0/8"; without /len the whole address. 0 or -EINVAL, also for host bits that are set. */
int prefix_parse(struct prefix *prefix, const char *text);
const char *prefix_format(char out[static PREFIX_TEXT_SIZE], const struct prefix *prefix);
/* Zeroes the host bits. len is clipped to the family's width. */
struct prefix prefix_from_addr(const struct ip_addr *addr, unsigned int len);
bool prefix_contains(const struct prefix *prefix, const struct ip_addr *addr);
bool prefix_overlaps(const struct prefix *a, const struct prefix *b);
bool prefix_equal(const struct prefix *a, const struct prefix *b);

#endif
