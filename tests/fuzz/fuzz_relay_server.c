#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "crypto/rng.h"
#include "proto/relay_server.h"
#include "proto/turn_credential.h"

/*
 * One message to a relay where two nodes are registered and bound to each other. The first byte
 * picks who sends it: either node, or a stranger.
 */
static struct relay_server *server;
static struct relay_output out;
static struct rng_seeded seeded;
static const uint8_t secret[] = "a secret of length";
#define NOW_NS (1000 * NS_PER_S)

static struct relay_address address_of(uint8_t who)
{
	struct relay_address address = { .remote = { .addr = addr_from_v4(0x0a000001u + who),
						     .port = 4000 } };

	return address;
}

static size_t build(uint8_t *buf, size_t cap, uint8_t who, uint16_t method, const char *nonce)
{
	static const uint8_t transaction[STUN_TRANSACTION_SIZE] = "fuzz";
	uint8_t key[STUN_KEY_SIZE];
	uint8_t long_key[STUN_LONG_KEY_SIZE];
	char username[TURN_USERNAME_SIZE];
	char password[TURN_PASSWORD_SIZE];
	struct stun_builder b;
	size_t len = 0;

	memset(key, 'a' + who, sizeof(key));
	turn_credential_make(username, password, secret, sizeof(secret) - 1, key, 4000000000u);
	stun_long_term_key(long_key, username, TURN_REALM, password);
	stun_begin(&b, buf, cap, STUN_REQUEST, method, transaction);
	if (method == STUN_CHANNEL_BIND) {
		memset(key, 'a' + !who, sizeof(key));
		stun_add_channel(&b, RELAY_CHANNEL_MIN);
	}
	stun_add(&b, STUN_ATTR_NODE_KEY, key, sizeof(key));
	stun_add_text(&b, STUN_ATTR_USERNAME, username);
	stun_add_text(&b, STUN_ATTR_REALM, TURN_REALM);
	stun_add_text(&b, STUN_ATTR_NONCE, nonce);
	stun_add_integrity(&b, long_key, sizeof(long_key));
	stun_end(&b, &len);
	return len;
}

static void request(uint8_t who, uint16_t method)
{
	struct relay_address from = address_of(who);
	struct stun_message msg;
	char nonce[64] = "none";
	uint8_t buf[1024];
	size_t len = build(buf, sizeof(buf), who, method, nonce);

	/* The first is answered with the nonce that the second needs. */
	if (!relay_server_input(server, buf, len, &from, NOW_NS, &out) ||
	    stun_parse(&msg, out.data, out.len) < 0 ||
	    stun_get_text(&msg, STUN_ATTR_NONCE, nonce, sizeof(nonce)) < 0)
		abort();
	len = build(buf, sizeof(buf), who, method, nonce);
	if (!relay_server_input(server, buf, len, &from, NOW_NS, &out))
		abort();
}

static void start(void)
{
	struct relay_server_config config = { .secret_count = 1,
					      .sessions_max = 16,
					      .second_port = 3479 };
	struct rng rng;

	rng_seeded_init(&seeded, 1);
	rng = rng_from_seeded(&seeded);
	config.secrets[0].bytes = secret;
	config.secrets[0].len = sizeof(secret) - 1;
	if (relay_server_new(&server, &config, &rng, NOW_NS, 1700000000) < 0)
		abort();
	for (uint8_t who = 0; who < 2; who++)
		request(who, STUN_ALLOCATE);
	for (uint8_t who = 0; who < 2; who++)
		request(who, STUN_CHANNEL_BIND);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint64_t now_ns = NOW_NS;
	struct relay_address from;
	uint8_t *copy;

	if (size < 1)
		return 0;
	if (!server)
		start();
	from = address_of(data[0] % 3);
	/* A block of just this size, so that a read beyond it is seen. */
	copy = malloc(size - 1 ? size - 1 : 1);
	memcpy(copy, data + 1, size - 1);
	/* Buckets refill, registrations do not end: time goes on, but not far. */
	now_ns += NS_PER_MS;
	if (now_ns > NOW_NS + 500 * NS_PER_S)
		now_ns = NOW_NS;
	if (relay_server_input(server, copy, size - 1, &from, now_ns, &out) && !out.len)
		abort();
	if (out.has_probe && !addr_equal(&out.probe.to.remote.addr, &from.remote.addr))
		abort();
	free(copy);
	return 0;
}
