#ifndef WARREN_RELAY_SERVER_H
#define WARREN_RELAY_SERVER_H

#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "proto/relay_server.h"

struct loop;
struct ws_protocol;

/*
 * The relay on a loop: UDP sockets in batches, WebSocket streams through whichever ws_server
 * offers relay_ws_protocol (the coordinator's or the relay's own), and relay_server behind both.
 * Threads of its own forward what goes from UDP to UDP between channels that both ends have bound.
 *
 * Where there is no `alt`, one more UDP socket is opened at the next port, or at any when that is
 * taken, for probes and plain STUN: two ports tell a client more than one.
 */
struct relay;

struct relay_config {
	struct endpoint listen; /* family 0: no UDP */
	struct endpoint alt;    /* RFC 5780: another address with another port; family 0: none */
	struct {
		const uint8_t *bytes;
		size_t len;
	} secrets[RELAY_SECRETS_MAX];
	size_t secret_count;
	uint64_t rate_bytes_per_s; /* of one sender; 0 for the default */
	unsigned int threads;      /* that forward beside the loop's; 0: none */
};

#define RELAY_THREADS_MAX 256

/* Packets of one receiver that wait on a TLS stream; more are dropped, and so are late ones. */
#define RELAY_STREAM_QUEUE_MAX (256U * 1024)

/* 0, -EADDRINUSE, -EADDRNOTAVAIL, -EACCES, -EINVAL for the secrets, or another -errno. */
int relay_new(struct relay **relay, struct loop *loop, const struct relay_config *config);
/* After the ws_server that carries its protocol. Accepts NULL. */
void relay_free(struct relay *relay);
/* The port that was bound, when config said 0. */
uint16_t relay_port(const struct relay *relay);
/* The other port of the same address; 0: none. */
uint16_t relay_second_port(const struct relay *relay);
/* `warren.relay.1` at `/relay`, for ws_server_config.protocols. */
void relay_ws_protocol(struct relay *relay, struct ws_protocol *protocol);
struct relay_stats relay_stats(const struct relay *relay);
/* Threads that forward, of v4 and v6 together; 0 without any. */
size_t relay_thread_count(const struct relay *relay);
/* What the index-th of them forwarded. */
uint64_t relay_thread_packets(const struct relay *relay, size_t index);

#endif
