#include "tests/support/turn_server.h"

#include <stdio.h>
#include <string.h>

#define REALM "turn.example"

void turn_server_init(struct turn_server *server, const char *password)
{
	memset(server, 0, sizeof(*server));
	server->password = password;
	strcpy(server->nonce, "nonce0");
	server->lifetime = 600;
	endpoint_parse(&server->relayed, "198.51.100.9:50000");
}

static void note(struct turn_server *server, const struct stun_message *msg, uint64_t now_ns)
{
	struct turn_request *request = &server->log[server->count % TURN_SERVER_LOG_MAX];

	server->count++;
	memset(request, 0, sizeof(*request));
	request->at_ns = now_ns;
	request->method = msg->method;
	request->is_signed = msg->integrity_at != 0;
	request->lifetime = UINT32_MAX;
	stun_get_u32(msg, STUN_ATTR_LIFETIME, &request->lifetime);
	stun_get_u32(msg, STUN_ATTR_REQUESTED_ADDRESS_FAMILY, &request->family);
	stun_get_u32(msg, STUN_ATTR_REQUESTED_TRANSPORT, &request->transport);
	stun_get_channel(msg, &request->channel);
	stun_get_endpoint(msg, STUN_ATTR_XOR_PEER_ADDRESS, &request->peer);
	stun_get_text(msg, STUN_ATTR_USERNAME, request->username, sizeof(request->username));
}

/* What is wrong with it: a code, or 0. */
static unsigned int judge(struct turn_server *server, const struct stun_message *msg,
			  const uint8_t key[static STUN_LONG_KEY_SIZE])
{
	char nonce[64];

	/* As coturn does, before it asks who that is. */
	if (msg->method == STUN_ALLOCATE && server->allocated && !msg->integrity_at)
		return STUN_ERR_ALLOCATION_MISMATCH;
	if (!msg->integrity_at || !stun_check_integrity(msg, key, STUN_LONG_KEY_SIZE))
		return STUN_ERR_UNAUTHENTICATED;
	if (stun_get_text(msg, STUN_ATTR_NONCE, nonce, sizeof(nonce)) < 0 ||
	    strcmp(nonce, server->nonce) != 0)
		return STUN_ERR_STALE_NONCE;
	if (server->fail_code && server->fail_method == msg->method && server->fail_times) {
		server->fail_times--;
		return server->fail_code;
	}
	if (msg->method != STUN_ALLOCATE && !server->allocated)
		return STUN_ERR_ALLOCATION_MISMATCH;
	if (msg->method == STUN_ALLOCATE && server->allocated)
		return STUN_ERR_ALLOCATION_MISMATCH;
	return 0;
}

static void succeed(struct turn_server *server, const struct stun_message *msg,
		    struct stun_builder *b)
{
	struct endpoint mapped;
	uint32_t lifetime;

	endpoint_parse(&mapped, "203.0.113.7:4000");
	if (msg->method == STUN_ALLOCATE) {
		server->allocated = true;
		stun_add_endpoint(b, STUN_ATTR_XOR_RELAYED_ADDRESS, &server->relayed);
		stun_add_endpoint(b, STUN_ATTR_XOR_MAPPED_ADDRESS, &mapped);
	}
	if (msg->method == STUN_REFRESH && stun_get_u32(msg, STUN_ATTR_LIFETIME, &lifetime) == 0 &&
	    lifetime == 0)
		server->allocated = false;
	if (msg->method == STUN_ALLOCATE || msg->method == STUN_REFRESH)
		stun_add_u32(b, STUN_ATTR_LIFETIME, server->lifetime);
}

size_t turn_server_input(struct turn_server *server, const uint8_t *data, size_t len, uint8_t *out,
			 size_t cap, uint64_t now_ns)
{
	uint8_t key[STUN_LONG_KEY_SIZE];
	struct stun_message msg;
	struct stun_builder b;
	char username[64] = "";
	unsigned int code;

	if (stun_parse(&msg, data, len) < 0 || msg.class != STUN_REQUEST) {
		server->indications++;
		server->sent_len = len < sizeof(server->sent) ? len : sizeof(server->sent);
		memcpy(server->sent, data, server->sent_len);
		return 0;
	}
	note(server, &msg, now_ns);
	if (server->silent)
		return 0;
	stun_get_text(&msg, STUN_ATTR_USERNAME, username, sizeof(username));
	stun_long_term_key(key, username, REALM, server->password);
	code = judge(server, &msg, key);
	if (server->fickle && code != STUN_ERR_STALE_NONCE)
		snprintf(server->nonce, sizeof(server->nonce), "nonce%zu", server->count);
	stun_begin_response(&b, out, cap, code ? STUN_ERROR : STUN_SUCCESS, &msg);
	if (code)
		stun_add_error(&b, code);
	else
		succeed(server, &msg, &b);
	if (code == STUN_ERR_TRY_ALTERNATE)
		stun_add_endpoint(&b, STUN_ATTR_ALTERNATE_SERVER, &server->alternate);
	if (code == STUN_ERR_UNAUTHENTICATED || code == STUN_ERR_STALE_NONCE) {
		stun_add_text(&b, STUN_ATTR_REALM, REALM);
		stun_add_text(&b, STUN_ATTR_NONCE, server->nonce);
	} else {
		key[0] ^= server->forge;
		if (msg.integrity_at)
			stun_add_integrity(&b, key, sizeof(key));
	}
	return stun_end(&b, &len) < 0 ? 0 : len;
}

const struct turn_request *turn_server_last(const struct turn_server *server, uint16_t method)
{
	for (size_t i = server->count; i-- > 0;)
		if (server->log[i % TURN_SERVER_LOG_MAX].method == method)
			return &server->log[i % TURN_SERVER_LOG_MAX];
	return NULL;
}

size_t turn_server_count(const struct turn_server *server, uint16_t method)
{
	size_t count = 0;

	for (size_t i = 0; i < server->count && i < TURN_SERVER_LOG_MAX; i++)
		count += server->log[i].method == method;
	return count;
}

size_t turn_server_data(uint8_t *out, size_t cap, const struct endpoint *from, const char *text)
{
	const uint8_t transaction[STUN_TRANSACTION_SIZE] = { 1 };
	struct stun_builder b;
	size_t len;

	stun_begin(&b, out, cap, STUN_INDICATION, STUN_DATA, transaction);
	stun_add_endpoint(&b, STUN_ATTR_XOR_PEER_ADDRESS, from);
	stun_add(&b, STUN_ATTR_DATA, text, strlen(text));
	return stun_end(&b, &len) < 0 ? 0 : len;
}
