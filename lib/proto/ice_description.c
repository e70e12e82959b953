#include "proto/ice_description.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define UFRAG_MIN 4  /* RFC 8445 section 5.3 */
#define PWD_MIN   22 /* RFC 8445 section 5.3 */

#define RTT_MAX_MS 10000

static int dump(json_t *root, char *out, size_t size, size_t *len)
{
	size_t need = json_dumpb(root, NULL, 0, JSON_COMPACT);

	if (need == 0 || need >= size || need >= ICE_DESCRIPTION_TEXT_MAX)
		return -ENOSPC;
	json_dumpb(root, out, size, JSON_COMPACT);
	out[need] = '\0';
	*len = need;
	return 0;
}

/* Nothing at all while nothing is known. */
static int put_nat(json_t *root, const struct nat_report *nat)
{
	json_t *value;

	if (!nat->port && !nat->punch)
		return 0;
	value = json_pack("{s:s,s:i,s:i,s:b}", "mapping", nat_behaviour_text(nat->mapping),
			  "stride", nat->stride, "port", nat->port, "punch", (int)nat->punch);
	return json_object_set_new(root, "nat", value);
}

int ice_description_encode(const struct ice_description *d, char *out, size_t size, size_t *len)
{
	json_t *lines = json_array(), *root;
	char line[CANDIDATE_LINE_SIZE];
	int err = -ENOSPC;

	for (size_t i = 0; i < d->count; i++)
		json_array_append_new(lines,
				      json_string(candidate_format(line, &d->candidates[i])));
	root = json_pack("{s:I,s:I,s:s,s:s,s:o,s:b}", "instance", (json_int_t)d->instance,
			 "generation", (json_int_t)d->generation, "ufrag", d->ufrag, "pwd", d->pwd,
			 "candidates", lines, "end", (int)d->end);
	if (root && d->signal_rtt_ms)
		json_object_set_new(root, "signal_rtt", json_integer(d->signal_rtt_ms));
	if (root && d->network)
		json_object_set_new(root, "network", json_integer(d->network));
	if (root && d->moved && json_object_set_new(root, "moved", json_true()) < 0)
		goto out;
	if (root &&
	    (!d->answers[0] ||
	     json_object_set_new(root, "answers", json_string(d->answers)) == 0) &&
	    put_nat(root, &d->nat) == 0 &&
	    (!d->udp_blocked || json_object_set_new(root, "udp", json_false()) == 0))
		err = dump(root, out, size, len);
out:
	json_decref(root);
	return err;
}

/* ice-char of RFC 8839 section 5.4, min to size - 1 of them. */
static bool get_credential(char *out, size_t size, const json_t *value, size_t min)
{
	const char *text = json_string_value(value);
	size_t len = json_string_length(value);

	if (!text || len < min || len >= size ||
	    strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/") != len)
		return false;
	memcpy(out, text, len + 1);
	return true;
}

static bool get_u32(uint32_t *out, const json_t *value)
{
	json_int_t number = json_integer_value(value);

	if (!json_is_integer(value) || number < 0 || number > UINT32_MAX)
		return false;
	*out = (uint32_t)number;
	return true;
}

static bool get_candidates(struct ice_description *d, const json_t *lines)
{
	size_t i;
	json_t *line;

	if (!json_is_array(lines) || json_array_size(lines) > ICE_CANDIDATES_MAX)
		return false;
	json_array_foreach (lines, i, line) {
		const char *text = json_string_value(line);
		int err = text ? candidate_parse(&d->candidates[d->count], text) : -EINVAL;

		if (err == -EINVAL)
			return false;
		if (!err)
			d->count++;
	}
	return true;
}

/* What is not as we would say it is not known. */
static struct nat_report get_nat(const json_t *value)
{
	static const enum nat_behaviour known[] = { NAT_ENDPOINT_INDEPENDENT, NAT_ADDRESS_DEPENDENT,
						    NAT_ADDRESS_PORT_DEPENDENT };
	const char *mapping = json_string_value(json_object_get(value, "mapping"));
	struct nat_report nat = { .mapping = NAT_UNKNOWN };
	uint32_t stride = 0, port = 0;

	for (size_t i = 0; mapping && i < sizeof(known) / sizeof(*known); i++) {
		if (strcmp(mapping, nat_behaviour_text(known[i])) == 0)
			nat.mapping = known[i];
	}
	get_u32(&stride, json_object_get(value, "stride"));
	get_u32(&port, json_object_get(value, "port"));
	nat.stride = stride <= NAT_STRIDE_MAX ? (uint16_t)stride : 0;
	nat.port = port <= UINT16_MAX ? (uint16_t)port : 0;
	nat.punch = json_is_true(json_object_get(value, "punch"));
	return nat;
}

static bool decode_members(struct ice_description *d, const json_t *root)
{
	const json_t *answers = json_object_get(root, "answers");
	const json_t *end = json_object_get(root, "end");
	const json_t *udp = json_object_get(root, "udp");
	const json_t *rtt = json_object_get(root, "signal_rtt");
	const json_t *moved = json_object_get(root, "moved");
	const json_t *network = json_object_get(root, "network");

	if (answers && !get_credential(d->answers, sizeof(d->answers), answers, UFRAG_MIN))
		return false;
	if ((end && !json_is_boolean(end)) || (udp && !json_is_boolean(udp)) ||
	    (moved && !json_is_boolean(moved)))
		return false;
	if (rtt && (!get_u32(&d->signal_rtt_ms, rtt) || d->signal_rtt_ms > RTT_MAX_MS))
		return false;
	if (network && !get_u32(&d->network, network))
		return false;
	d->moved = json_is_true(moved);
	d->end = json_is_true(end);
	d->udp_blocked = json_is_false(udp);
	d->nat = get_nat(json_object_get(root, "nat"));
	return get_u32(&d->instance, json_object_get(root, "instance")) &&
	       get_u32(&d->generation, json_object_get(root, "generation")) &&
	       get_credential(d->ufrag, sizeof(d->ufrag), json_object_get(root, "ufrag"),
			      UFRAG_MIN) &&
	       get_credential(d->pwd, sizeof(d->pwd), json_object_get(root, "pwd"), PWD_MIN) &&
	       get_candidates(d, json_object_get(root, "candidates"));
}

int ice_description_decode(struct ice_description *d, const char *text, size_t len)
{
	struct ice_description *out;
	json_t *root;
	int err = -EBADMSG;

	if (len > ICE_DESCRIPTION_TEXT_MAX)
		return -EBADMSG;
	root = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
	out = calloc(1, sizeof(*out));
	if (json_is_object(root) && out && decode_members(out, root)) {
		*d = *out;
		err = 0;
	}
	free(out);
	json_decref(root);
	return err;
}
