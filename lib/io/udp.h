#ifndef WARREN_IO_UDP_H
#define WARREN_IO_UDP_H

#include <netinet/in.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/addr.h"

/*
 * Batched UDP: many datagrams a system call, and many packets a datagram where the kernel can cut
 * (UDP_SEGMENT) and join (UDP_GRO) them. A socket is a descriptor of one family bound to the
 * wildcard address; every packet carries its own local address, so answers leave from where they
 * were asked.
 */
struct udp_config {
	int family;           /* AF_INET or AF_INET6 (then v6 only) */
	uint16_t port;        /* 0: any */
	struct ip_addr local; /* to bind to; family 0: the wildcard address */
	uint32_t fwmark;      /* 0: that of base/socket_mark.h */
	bool reuseport;
	/*
	 * Never fragmented, here or on the way, whatever routers say (ICMP may be forged): too
	 * large for the first link is -EMSGSIZE. Otherwise here or, in IPv4, on the way.
	 */
	bool whole;
	bool gro;
	bool sleeps; /* for udp_receive_wait: the descriptor is a blocking one */
	bool stamp;  /* messages tell when they arrived */
	int buffer;  /* bytes of either socket buffer; 0: the system's */
};

/* 0 and a descriptor, non-blocking unless it sleeps, or -errno. */
int udp_open(int *fd, const struct udp_config *config);
/* Gives a socket that is bound already what the configuration says besides where to bind. */
int udp_configure(int fd, const struct udp_config *config);
/* The bound port, 0 when there is none. */
uint16_t udp_port(int fd);
/* Where the socket is bound to. 0, -EINVAL for one of another kind, or -errno. */
int udp_bound(int fd, struct endpoint *to);
/*
 * Lets later sockets with `reuseport` bind beside this one, which was bound alone: so no other
 * program can have the port, and none of ours gets it unawares. 0 or -errno.
 */
int udp_share(int fd);
int udp_set_fwmark(int fd, uint32_t fwmark);
/*
 * A poll for writing answers while less than about `bytes` wait below the socket, and sends are
 * taken up to twice as many. Returns what the system granted.
 */
size_t udp_set_room(int fd, size_t bytes);
/* Bytes of this socket, as the kernel counts them, that have not left the machine's queues. */
size_t udp_queued(int fd);

/*
 * Attaches the steering program to the reuseport group of fd: WireGuard data goes to the socket
 * whose number (in the order of binding) is the low byte of its receiver index modulo workers, also
 * inside TURN ChannelData; everything else to socket `workers`.
 * 0 or -errno.
 */
int udp_steer(int fd, unsigned int workers);
/*
 * The same for a relay: ChannelData goes to one of the sockets 1 to shards, always the same for one
 * sender's address and port, and everything else to socket 0.
 */
int udp_steer_channels(int fd, unsigned int shards);

/* Where datagrams go, made once and used for many. Its flags may be set by any thread. */
struct udp_route {
	union {
		struct sockaddr sa;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	} to;
	socklen_t to_len;     /* 0: nowhere */
	struct ip_addr local; /* family 0: the kernel's choice */
	uint32_t ifindex;
	atomic_int gso_error;  /* the errno for which UDP_SEGMENT is not used this way; 0: it is */
	atomic_bool no_source; /* the local address is gone */
};

void udp_route_init(struct udp_route *route, const struct endpoint *to, const struct ip_addr *local,
		    uint32_t ifindex);

#define UDP_GSO_MAX   64    /* packets of one datagram; the kernel's UDP_MAX_SEGMENTS */
#define UDP_BYTES_MAX 65000 /* of one datagram, below what either family allows */

/* One send: whole packets of `segment` bytes back to back, the last may be shorter. */
struct udp_datagram {
	struct udp_route *route;
	const uint8_t *data;
	size_t len;
	uint16_t segment; /* at least len: one packet */
	uint8_t tos;      /* the IP byte: DSCP and ECN */
	uint8_t ttl;      /* or hop limit; 0: the system's */
};

#define UDP_SEND_MAX 64 /* datagrams of one udp_send */

/*
 * Sends all, waiting a little while for room; what the kernel refuses with UDP_SEGMENT or from its
 * local address is sent again without. Returns how many datagrams were not sent; *err (may be NULL)
 * is the last -errno then.
 */
size_t udp_send(int fd, const struct udp_datagram *datagrams, size_t count, int *err);

/* One received datagram: packets of `segment` bytes, the last may be shorter. */
struct udp_message {
	uint8_t *data;
	size_t len;
	size_t segment;
	struct endpoint from;
	struct ip_addr to; /* the local address it came to */
	uint32_t ifindex;
	uint8_t tos;
	uint64_t arrived_ns; /* of clock_wall_ns; 0: nobody knows */
};

#define UDP_RECEIVE_MAX 64 /* datagrams of one udp_receive, at most */

/* Buffers for receiving; belongs to one thread. */
struct udp_receiver;

/* count: datagrams of one udp_receive, each up to 64 KiB. NULL when out of memory. */
struct udp_receiver *udp_receiver_new(size_t count);
/* Accepts NULL. */
void udp_receiver_free(struct udp_receiver *receiver);
/* The most that one udp_receive brings. */
size_t udp_receiver_count(const struct udp_receiver *receiver);
/* Returns how many messages came (0: none waits). Valid until the next call. */
size_t udp_receive(struct udp_receiver *receiver, int fd);
/*
 * The same, but sleeps until something comes; for a thread that has nothing else to do. udp_wake
 * ends that sleep, now and for ever, with 0.
 */
size_t udp_receive_wait(struct udp_receiver *receiver, int fd);
void udp_wake(int fd);
/* index below what udp_receive returned. data may be changed in place. */
struct udp_message *udp_receiver_message(struct udp_receiver *receiver, size_t index);

#endif
