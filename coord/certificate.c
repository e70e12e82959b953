#include "coord/certificate.h"

#include <string.h>

static void describe(const struct network *network, const struct node *node, struct cert *cert)
{
	*cert = (struct cert){ .serial = 0 };
	memcpy(cert->network_id, network->id, sizeof(cert->network_id));
	strcpy(cert->name, node->name);
	memcpy(cert->device_key, node->device_key, 32);
	memcpy(cert->box_key, node->box_key, 32);
	memcpy(cert->wireguard_key, node->wireguard_key, 32);
	cert->address4 = node->address4;
	cert->address6 = node->address6;
	memcpy(cert->tags, node->tags.names, sizeof(cert->tags));
	cert->tag_count = node->tags.count;
	memcpy(cert->groups, node->groups.names, sizeof(cert->groups));
	cert->group_count = node->groups.count;
	strcpy(cert->owner, node->owner);
}

int certificate_issue(struct network *network, struct node *node, uint64_t now_s)
{
	uint8_t data[CERT_ENCODED_MAX];
	struct cert cert;
	size_t len;
	int err;

	describe(network, node, &cert);
	err = network_take_serial(network, &cert.serial);
	if (err < 0)
		return err;
	cert.not_before_s = now_s > CERTIFICATE_BACKDATE_S ? now_s - CERTIFICATE_BACKDATE_S : 0;
	cert.not_after_s = now_s + CERTIFICATE_LIFE_S;
	err = cert_sign(data, &len, &cert, network->authority_secret);
	if (err < 0)
		return err;
	node->serial = cert.serial;
	node->not_before_s = cert.not_before_s;
	node->not_after_s = cert.not_after_s;
	memcpy(node->cert, data, len);
	node->cert_len = len;
	return 0;
}

bool certificate_is_due(const struct node *node, uint64_t now_s)
{
	return now_s >= node->not_after_s - CERTIFICATE_LIFE_S + CERTIFICATE_LIFE_S / 3 ||
	       now_s < node->not_before_s;
}
