#include "coord/login_ticket.h"

#include <sodium.h>
#include <string.h>

#include "base/buf.h"
#include "crypto/hash.h"

static void make_mac(uint8_t mac[static 32], const struct network *network,
		     const uint8_t device_key[static 32], uint64_t number)
{
	static const char domain[] = "warren login ticket 1";
	uint8_t key[HASH_SIZE];
	uint8_t data[40];

	memcpy(data, device_key, 32);
	store_be64(data + 32, number);
	hash_hmac_blake2s(key, network->coordinator_secret, sizeof(network->coordinator_secret),
			  domain, sizeof(domain));
	hash_hmac_blake2s(mac, key, sizeof(key), data, sizeof(data));
	sodium_memzero(key, sizeof(key));
}

void login_ticket_make(struct control_ticket *ticket, const struct network *network,
		       const struct node *node)
{
	ticket->number = node->logins + 1;
	make_mac(ticket->mac, network, node->device_key, ticket->number);
}

bool login_ticket_is_good(const struct network *network, const struct node *node,
			  const struct control_login *login)
{
	uint8_t mac[32];

	if (!login->has_ticket)
		return node->logins == 0;
	make_mac(mac, network, node->device_key, login->ticket.number);
	return sodium_memcmp(mac, login->ticket.mac, sizeof(mac)) == 0 &&
	       login->ticket.number >= node->logins;
}
