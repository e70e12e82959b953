/*
 * What differs when the relay is a TURN server (RFC 8656): an allocation with an address of its own
 * in place of a registration by node key, and permissions.
 */
#include <errno.h>
#include <netinet/in.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "proto/candidate.h"
#include "proto/relay_client_core.h"

#define REQUESTED_UDP  ((uint32_t)IPPROTO_UDP << 24) /* RFC 8656 section 18.8 */
#define REQUESTED_IPV6 (2u << 24)                    /* RFC 8656 section 18.6 */
#define CLEARS_MAX     2
#define ALTERNATE_NS   (5 * NS_PER_S) /* without a server to go on with we ask here again */
/* Of 300 s (RFC 8656 section 9). */
#define PERMISSION_REFRESH_NS  (240 * NS_PER_S)
#define PERMISSION_WAIT_MAX_NS (8 * NS_PER_S)

/* ---- the allocation ---- */

void relay_client_turn_add_allocate(const struct relay_client *client, struct stun_builder *b)
{
	stun_add_u32(b, STUN_ATTR_REQUESTED_TRANSPORT, REQUESTED_UDP);
	if (client->relayed_family == AF_INET6)
		stun_add_u32(b, STUN_ATTR_REQUESTED_ADDRESS_FAMILY, REQUESTED_IPV6);
}

void relay_client_turn_lost(struct relay_client *client)
{
	memset(&client->relayed, 0, sizeof(client->relayed));
	client->permission_count = 0;
	client->clearing = false;
	client->clears = 0;
}

static int on_cleared(struct relay_client *client)
{
	relay_client_heard(client);
	client->clearing = false;
	relay_client_register(client);
	return 0;
}

int relay_client_turn_success(struct relay_client *client, const struct stun_message *msg)
{
	struct endpoint relayed;

	if (client->clearing)
		return on_cleared(client);
	if (stun_get_endpoint(msg, STUN_ATTR_XOR_RELAYED_ADDRESS, &relayed) < 0 || !relayed.port)
		return -EBADMSG;
	client->relayed = relayed;
	client->clears = 0;
	client->alternates = 0;
	relay_client_registration_done(client, msg);
	/* Peers have their allocations at the same server, mostly of the same address. */
	relay_client_turn_permit(client, &relayed.addr);
	return 0;
}

bool relay_client_turn_error(struct relay_client *client, unsigned int code)
{
	if (client->clearing) {
		on_cleared(client); /* there was nothing to clear */
		return true;
	}
	/* An allocation of before stands in the way, made from the same address. */
	if (code == STUN_ERR_ALLOCATION_MISMATCH && client->clears++ < CLEARS_MAX) {
		client->clearing = true;
		relay_client_register(client);
		return true;
	}
	client->clears = 0;
	if (code == STUN_ERR_UNSUPPORTED_FAMILY && !client->relayed_family) {
		client->relayed_family = AF_INET6;
		relay_client_register(client);
		return true;
	}
	client->relayed_family = 0;
	return false;
}

int relay_client_turn_alternate(struct relay_client *client, const struct stun_message *msg)
{
	struct relay_request *request = &client->registration;
	struct endpoint other;

	/* The first request is not signed, so its answer cannot be (RFC 8489 section 9.2.4). */
	if (request->signed_ && !relay_client_authentic(client, request, msg))
		return -EBADMSG;
	if (stun_get_endpoint(msg, STUN_ATTR_ALTERNATE_SERVER, &other) < 0 ||
	    !candidate_addr_allowed(&other, NULL, 0) || client->state != RELAY_CONNECTING ||
	    client->transport != RELAY_UDP || client->alternates >= RELAY_ALTERNATES_MAX) {
		client->alternates = 0;
		relay_client_refused(client, STUN_ERR_TRY_ALTERNATE);
		return 0;
	}
	client->alternates++;
	client->alternate = other;
	client->news |= RELAY_NEWS_ALTERNATE;
	client->nonce[0] = 0; /* that was this server's */
	request->active = false;
	client->again_ns = client->now_ns + ALTERNATE_NS;
	return 0;
}

/* ---- credentials ---- */

int relay_client_turn_set_credentials(struct relay_client *client, const char *username,
				      const char *password)
{
	if (strlen(username) >= sizeof(client->next_username) ||
	    strlen(password) >= sizeof(client->next_password))
		return -EINVAL;
	client->has_next = strcmp(username, client->username) != 0;
	snprintf(client->next_username, sizeof(client->next_username), "%s", username);
	snprintf(client->next_password, sizeof(client->next_password), "%s", password);
	return 0;
}

void relay_client_turn_next_credentials(struct relay_client *client)
{
	client->has_next = false;
	client->credentials_ns = client->now_ns;
	relay_client_use_credentials(client, client->next_username, client->next_password);
	sodium_memzero(client->next_password, sizeof(client->next_password));
}

bool relay_client_turn_renew(struct relay_client *client)
{
	if (!client->has_next || client->state != RELAY_REGISTERED ||
	    client->now_ns - client->credentials_ns < CREDENTIALS_KEEP_NS)
		return false;
	relay_client_leave_behind(client);
	client->clearing = true;
	relay_client_register(client);
	return true;
}

/* ---- permissions ---- */

void relay_client_turn_permit(struct relay_client *client, const struct ip_addr *addr)
{
	struct relay_permission *permission;

	for (size_t i = 0; i < client->permission_count; i++) {
		if (addr_equal(&client->permissions[i].addr, addr))
			return;
	}
	/* A channel is a permission too; what is missed is only what comes before it is bound. */
	if (client->permission_count == RELAY_PERMISSIONS_MAX)
		return;
	permission = &client->permissions[client->permission_count++];
	*permission = (struct relay_permission){ .addr = *addr, .again_ns = CLOCK_NEVER };
	relay_client_request_start(client, &permission->request, true);
}

size_t relay_client_turn_poll(struct relay_client *client, uint8_t *buf, size_t cap)
{
	for (size_t i = 0; i < client->permission_count; i++) {
		struct relay_permission *permission = &client->permissions[i];
		const struct endpoint any_port = { .addr = permission->addr };
		struct stun_builder b;

		if (!permission->request.active || !permission->request.due)
			continue;
		stun_begin(&b, buf, cap, STUN_REQUEST, STUN_CREATE_PERMISSION,
			   permission->request.transaction);
		stun_add_endpoint(&b, STUN_ATTR_XOR_PEER_ADDRESS, &any_port);
		relay_client_add_credentials(client, &permission->request, &b);
		return relay_client_finish(client, &permission->request, &b);
	}
	return 0;
}

static void settle(struct relay_client *client, struct relay_permission *permission)
{
	permission->request.active = false;
	permission->request.challenges = 0;
	permission->again_ns = client->now_ns + PERMISSION_REFRESH_NS;
}

static int on_permission(struct relay_client *client, struct relay_permission *permission,
			 const struct stun_message *msg)
{
	bool authentic = relay_client_authentic(client, &permission->request, msg);
	unsigned int code = 0;

	if (msg->class == STUN_ERROR && stun_get_error(msg, &code) < 0)
		return -EBADMSG;
	if (code == STUN_ERR_UNAUTHENTICATED || code == STUN_ERR_STALE_NONCE) {
		if (!relay_client_take_challenge(client, &permission->request, msg, code))
			settle(client, permission);
		return 0;
	}
	if (!authentic)
		return -EBADMSG;
	relay_client_heard(client);
	if (code == STUN_ERR_ALLOCATION_MISMATCH)
		relay_client_lost(client);
	else
		settle(client, permission);
	return 0;
}

int relay_client_turn_response(struct relay_client *client, const struct stun_message *msg)
{
	for (size_t i = 0; i < client->permission_count; i++) {
		struct relay_permission *permission = &client->permissions[i];

		if (relay_client_answers(&permission->request, msg))
			return on_permission(client, permission, msg);
	}
	return -ENOENT;
}

uint64_t relay_client_turn_next(const struct relay_client *client)
{
	uint64_t next_ns = CLOCK_NEVER;

	for (size_t i = 0; i < client->permission_count; i++) {
		const struct relay_permission *permission = &client->permissions[i];
		uint64_t at_ns = permission->request.active ? permission->request.next_ns
							    : permission->again_ns;

		if (at_ns < next_ns)
			next_ns = at_ns;
	}
	return next_ns;
}

void relay_client_turn_expire(struct relay_client *client)
{
	for (size_t i = 0; i < client->permission_count; i++) {
		struct relay_permission *permission = &client->permissions[i];
		struct relay_request *request = &permission->request;

		if (!request->active && permission->again_ns <= client->now_ns) {
			permission->again_ns = CLOCK_NEVER;
			relay_client_request_start(client, request, true);
		} else if (request->active && request->next_ns <= client->now_ns) {
			request->next_ns = CLOCK_NEVER;
			request->due = true;
			if (request->wait_ns < PERMISSION_WAIT_MAX_NS)
				request->wait_ns *= 2;
		}
	}
}
