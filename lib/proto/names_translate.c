#include "proto/names_translate.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include <ldns/ldns.h>

#include "base/buf.h"

#define HEADER_SIZE 12
#define FLAG_AD     0x20 /* of the fourth byte */

struct ip_addr names_map_address(const struct names_mapping *mapping, const struct ip_addr *addr)
{
	struct ip_addr seen = *addr;
	unsigned int bits = mapping->seen.len;

	memcpy(seen.bytes, mapping->seen.addr.bytes, bits / 8);
	if (bits % 8) {
		uint8_t mask = (uint8_t)(0xff << (8 - bits % 8));
		uint8_t *byte = &seen.bytes[bits / 8];

		*byte = (uint8_t)((mapping->seen.addr.bytes[bits / 8] & mask) | (*byte & ~mask));
	}
	return seen;
}

static bool translate(uint8_t *bytes, int family, const struct names_mapping *mappings,
		      size_t count)
{
	struct ip_addr addr = addr_from_bytes(family, bytes);
	const struct names_mapping *best = NULL;

	for (size_t i = 0; i < count; i++)
		if (prefix_contains(&mappings[i].real, &addr) &&
		    (!best || mappings[i].real.len > best->real.len))
			best = &mappings[i];
	if (!best || addr.family != family)
		return false;
	addr = names_map_address(best, &addr);
	memcpy(bytes, addr.bytes, addr_len(&addr));
	return true;
}

/* Goes through the records; without mappings it only looks. How many changed, or -EBADMSG. */
static int walk(uint8_t *message, size_t len, const struct names_mapping *mappings, size_t count)
{
	size_t at = HEADER_SIZE;
	int changed = 0;

	for (int section = 0; section < 4; section++) {
		unsigned int records = load_be16(message + 4 + section * 2);

		for (unsigned int i = 0; i < records; i++) {
			ldns_rr_type type;
			ldns_rr *rr;
			size_t size = 0;

			if (ldns_wire2rr(&rr, message, len, &at,
					 section == 0 ? LDNS_SECTION_QUESTION
						      : LDNS_SECTION_ANSWER) != LDNS_STATUS_OK)
				return -EBADMSG;
			type = ldns_rr_get_type(rr);
			if (section > 0 && ldns_rr_get_class(rr) == LDNS_RR_CLASS_IN)
				size = type == LDNS_RR_TYPE_A      ? 4
				       : type == LDNS_RR_TYPE_AAAA ? 16
								   : 0;
			ldns_rr_free(rr);
			/* The data is what the record ends with. */
			if (size && load_be16(message + at - size - 2) != size)
				return -EBADMSG;
			if (size && count > 0 &&
			    translate(message + at - size, size == 4 ? AF_INET : AF_INET6, mappings,
				      count))
				changed++;
		}
	}
	return changed;
}

int names_translate(uint8_t *message, size_t len, const struct names_mapping *mappings,
		    size_t count)
{
	int changed;

	if (len < HEADER_SIZE || len > 65535 || walk(message, len, NULL, 0) < 0)
		return -EBADMSG;
	changed = walk(message, len, mappings, count);
	if (changed > 0)
		message[3] &= (uint8_t)~FLAG_AD;
	return changed;
}
