#include "proto/relayed_notice.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "proto/json_fields.h"

#define DEPTH_MAX 3

int relayed_notice_encode(const struct relayed_notice *notice, char *out, size_t size, size_t *len)
{
	json_t *root = json_pack("{s:s,s:b}", "relay", notice->relay, "ask", (int)notice->ask);
	char address[ENDPOINT_TEXT_SIZE];
	size_t need = 0;

	if (root && notice->address.addr.family != AF_UNSPEC &&
	    json_object_set_new(root, "address",
				json_string(endpoint_format(address, &notice->address))) < 0) {
		json_decref(root);
		return -ENOSPC;
	}
	if (root)
		need = json_dumpb(root, out, size, JSON_COMPACT);
	json_decref(root);
	if (!need || need >= size)
		return -ENOSPC;
	out[need] = '\0';
	*len = need;
	return 0;
}

int relayed_notice_decode(struct relayed_notice *out, const char *text, size_t len)
{
	json_t *root = json_fields_load(text, len, RELAYED_NOTICE_TEXT_MAX, DEPTH_MAX);
	struct relayed_notice notice = { .ask = false };
	char address[ENDPOINT_TEXT_SIZE] = "";
	struct json_fields f;

	if (!root)
		return -EBADMSG;
	json_fields_init(&f, root);
	json_fields_text(&f, "relay", notice.relay, sizeof(notice.relay));
	json_fields_text_opt(&f, "address", address, sizeof(address));
	json_fields_bool(&f, "ask", &notice.ask);
	if (address[0] && endpoint_parse(&notice.address, address) < 0)
		f.failed = true;
	json_decref(root);
	if (f.failed)
		return -EBADMSG;
	*out = notice;
	return 0;
}
