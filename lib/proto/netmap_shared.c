/* The parts of a peer that many maps have in common. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/netmap.h"
#include "proto/netmap_wire.h"

int netmap_cert_new(struct netmap_cert **out, const uint8_t *bytes, size_t len)
{
	struct netmap_cert *cert;

	if (len > CERT_ENCODED_MAX)
		return -EBADMSG;
	cert = malloc(sizeof(*cert) + len);
	if (!cert)
		return -ENOMEM;
	if (cert_parse(&cert->parsed, bytes, len) < 0) {
		free(cert);
		return -EBADMSG;
	}
	cert->refs = 1;
	cert->len = (uint16_t)len;
	memcpy(cert->bytes, bytes, len);
	*out = cert;
	return 0;
}

struct netmap_cert *netmap_cert_ref(struct netmap_cert *cert)
{
	cert->refs++;
	return cert;
}

void netmap_cert_unref(struct netmap_cert *cert)
{
	if (cert && --cert->refs == 0)
		free(cert);
}

bool netmap_cert_equal(const struct netmap_cert *a, const struct netmap_cert *b)
{
	return a == b || (a->len == b->len && memcmp(a->bytes, b->bytes, a->len) == 0);
}

int netmap_rules_new(struct netmap_rules **out, const struct filter_rule *list, size_t count)
{
	struct netmap_rules *rules;

	if (count > FILTER_RULES_MAX)
		return -EINVAL;
	rules = malloc(sizeof(*rules) + count * sizeof(*list));
	if (!rules)
		return -ENOMEM;
	rules->refs = 1;
	rules->count = (uint16_t)count;
	rules->sources = false;
	for (size_t i = 0; i < count; i++)
		rules->sources |= list[i].src.addr.family != 0;
	if (count)
		memcpy(rules->list, list, count * sizeof(*list));
	*out = rules;
	return 0;
}

struct netmap_rules *netmap_rules_ref(struct netmap_rules *rules)
{
	rules->refs++;
	return rules;
}

void netmap_rules_unref(struct netmap_rules *rules)
{
	if (rules && --rules->refs == 0)
		free(rules);
}

static bool rule_equal(const struct filter_rule *a, const struct filter_rule *b)
{
	return prefix_equal(&a->dst, &b->dst) && prefix_equal(&a->src, &b->src) &&
	       a->proto == b->proto && a->port_low == b->port_low && a->port_high == b->port_high &&
	       a->deny == b->deny;
}

bool netmap_rules_hold(const struct netmap_rules *rules, const struct filter_rule *list,
		       size_t count)
{
	if (rules->count != count)
		return false;
	for (size_t i = 0; i < count; i++)
		if (!rule_equal(&rules->list[i], &list[i]))
			return false;
	return true;
}
