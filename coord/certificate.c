#include "coord/certificate.h"

#include <string.h>

#include "coord/route_approval.h"

void certificate_describe(const struct network *network, const struct node *node, struct cert *cert,
			  uint64_t now_s)
{
	*cert = (struct cert){ .serial = 0 };
	memcpy(cert->network_id, network->id, sizeof(cert->network_id));
	strcpy(cert->name, node->name);
	memcpy(cert->device_key, node->device_key, 32);
	memcpy(cert->box_key, node->box_key, 32);
	memcpy(cert->wireguard_key, node->wireguard_key, 32);
	cert->address4 = node->address4;
	cert->address6 = node->address6;
	route_approval_certify(network, node, cert);
	memcpy(cert->tags, node->tags.names, sizeof(cert->tags));
	cert->tag_count = node->tags.count;
	memcpy(cert->groups, node->groups.names, sizeof(cert->groups));
	cert->group_count = node->groups.count;
	strcpy(cert->owner, node->owner);
	cert->not_before_s = now_s > CERTIFICATE_BACKDATE_S ? now_s - CERTIFICATE_BACKDATE_S : 0;
	cert->not_after_s =
		now_s + (network->strict.life_s ? network->strict.life_s : CERTIFICATE_LIFE_S);
}

int certificate_issue(struct network *network, struct node *node, uint64_t now_s)
{
	uint8_t data[CERT_ENCODED_MAX];
	struct cert cert;
	size_t len;
	int err;

	certificate_describe(network, node, &cert, now_s);
	err = network_take_serial(network, &cert.serial);
	if (err < 0)
		return err;
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
	uint64_t begin_s = node->not_before_s + CERTIFICATE_BACKDATE_S;
	uint64_t life_s = node->not_after_s > begin_s ? node->not_after_s - begin_s : 0;

	return now_s >= begin_s + life_s / 3 || now_s < node->not_before_s;
}
