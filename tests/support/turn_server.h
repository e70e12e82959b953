#ifndef WARREN_TESTS_SUPPORT_TURN_SERVER_H
#define WARREN_TESTS_SUPPORT_TURN_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/relay_client.h"

/*
 * Answers one relay client as a TURN server would (RFC 8656), or as it is told to, at once, and
 * remembers what was asked and when. Nothing is forwarded.
 */

#define TURN_SERVER_LOG_MAX 256

struct turn_request {
	uint64_t at_ns;
	uint16_t method;
	bool is_signed;
	uint32_t lifetime; /* UINT32_MAX: not said */
	uint32_t family;   /* REQUESTED-ADDRESS-FAMILY, 0: none */
	uint32_t transport;
	uint16_t channel;
	struct endpoint peer;
	char username[64];
};

struct turn_server {
	const char *password;
	char nonce[16];
	struct endpoint relayed;
	uint32_t lifetime;
	bool allocated;
	/* The code for the next request of that method that is in order otherwise; 0: none. */
	uint16_t fail_method;
	unsigned int fail_code;
	unsigned int fail_times;
	struct endpoint alternate; /* goes with 300 */
	bool forge;                /* integrity is wrong */
	bool silent;
	bool fickle; /* the nonce holds for one request */
	struct turn_request log[TURN_SERVER_LOG_MAX];
	size_t count;
	size_t indications;
	uint8_t sent[256]; /* the last indication or ChannelData */
	size_t sent_len;
};

void turn_server_init(struct turn_server *server, const char *password);
/* Takes what the client sent; the length of the answer in out, 0 for none. */
size_t turn_server_input(struct turn_server *server, const uint8_t *data, size_t len, uint8_t *out,
			 size_t cap, uint64_t now_ns);
/* The last request of that method, or NULL. */
const struct turn_request *turn_server_last(const struct turn_server *server, uint16_t method);
size_t turn_server_count(const struct turn_server *server, uint16_t method);
/* A Data indication as from that address. */
size_t turn_server_data(uint8_t *out, size_t cap, const struct endpoint *from, const char *text);

#endif
