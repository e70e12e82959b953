#include "proto/control.h"

#include <sodium.h>
#include <stdlib.h>

#include "crypto/sign.h"

#define PROOF_DOMAIN "warren control proof 1"

static const char *const type_names[CONTROL_TYPE_COUNT] = {
	[CONTROL_ENROL] = "enrol",     [CONTROL_LOGIN] = "login",
	[CONTROL_UPDATE] = "update",   [CONTROL_RESYNC] = "resync",
	[CONTROL_PING] = "ping",       [CONTROL_SIGNAL] = "signal",
	[CONTROL_WELCOME] = "welcome", [CONTROL_CERTIFICATE] = "certificate",
	[CONTROL_MAP] = "map",         [CONTROL_DELTA] = "delta",
	[CONTROL_RELAYS] = "relays",   [CONTROL_PRESENCE] = "presence",
	[CONTROL_REVOKED] = "revoked", [CONTROL_ERROR] = "error",
	[CONTROL_PONG] = "pong",       [CONTROL_REPORT] = "report",
	[CONTROL_PENDING] = "pending", [CONTROL_DOCUMENT] = "document",
	[CONTROL_ROUTES] = "routes",
};

static const char *const error_names[CONTROL_ERROR_CODE_COUNT] = {
	[CONTROL_ERROR_MALFORMED] = "malformed",
	[CONTROL_ERROR_VERSION] = "version",
	[CONTROL_ERROR_MISTYPED] = "mistyped",
	[CONTROL_ERROR_EXPIRED] = "expired",
	[CONTROL_ERROR_USED] = "used",
	[CONTROL_ERROR_KEY_REVOKED] = "key-revoked",
	[CONTROL_ERROR_REVOKED] = "revoked",
	[CONTROL_ERROR_BAD_PROOF] = "bad-proof",
	[CONTROL_ERROR_UNKNOWN_NODE] = "unknown-node",
	[CONTROL_ERROR_DUPLICATE] = "duplicate",
	[CONTROL_ERROR_FULL] = "full",
	[CONTROL_ERROR_PEER] = "peer",
	[CONTROL_ERROR_RATE] = "rate",
	[CONTROL_ERROR_INTERNAL] = "internal",
	[CONTROL_ERROR_SIGN_IN] = "sign-in",
};

static const char *const pending_names[CONTROL_PENDING_REASON_COUNT] = {
	[CONTROL_PENDING_APPROVAL] = "approval",
	[CONTROL_PENDING_SIGNATURE] = "signature",
	[CONTROL_PENDING_SIGN_IN] = "sign-in",
};

static const char *const route_state_names[CONTROL_ROUTE_STATE_COUNT] = {
	[CONTROL_ROUTE_APPROVED] = "approved",
	[CONTROL_ROUTE_WAITING] = "waiting",
	[CONTROL_ROUTE_REFUSED] = "refused",
};

const char *control_type_name(enum control_type type)
{
	return type < CONTROL_TYPE_COUNT ? type_names[type] : "?";
}

const char *control_error_name(enum control_error_code code)
{
	return code < CONTROL_ERROR_CODE_COUNT ? error_names[code] : "?";
}

const char *control_pending_name(enum control_pending_reason reason)
{
	return reason < CONTROL_PENDING_REASON_COUNT ? pending_names[reason] : "?";
}

const char *control_route_state_name(enum control_route_state state)
{
	return state < CONTROL_ROUTE_STATE_COUNT ? route_state_names[state] : "?";
}

void control_message_clear(struct control_message *message)
{
	switch (message->type) {
	case CONTROL_SIGNAL:
		free(message->signal.data);
		break;
	case CONTROL_WELCOME:
		free(message->welcome.certificate);
		free(message->welcome.trust);
		break;
	case CONTROL_CERTIFICATE:
	case CONTROL_MAP:
	case CONTROL_DELTA:
	case CONTROL_DOCUMENT:
		free(message->document.data);
		break;
	case CONTROL_RELAYS:
		if (message->relays.credentials)
			sodium_memzero(message->relays.credentials,
				       message->relays.count *
					       sizeof(*message->relays.credentials));
		free(message->relays.credentials);
		break;
	case CONTROL_REPORT:
		control_report_clear(&message->report);
		break;
	case CONTROL_PRESENCE:
		free(message->presence.entries);
		break;
	case CONTROL_ROUTES:
		free(message->routes.routes);
		break;
	default:
		break;
	}
	sodium_memzero(message, sizeof(*message));
}

void control_proof_sign(uint8_t proof[static 64], const uint8_t device_secret[static 64],
			const uint8_t handshake_hash[static 32])
{
	/* Fails only without memory for 64 bytes; a zero proof is then refused by the other end. */
	if (sign_make(proof, device_secret, PROOF_DOMAIN, handshake_hash, 32) < 0)
		sodium_memzero(proof, 64);
}

bool control_proof_verify(const uint8_t proof[static 64], const uint8_t device_key[static 32],
			  const uint8_t handshake_hash[static 32])
{
	return sign_verify(proof, device_key, PROOF_DOMAIN, handshake_hash, 32);
}
